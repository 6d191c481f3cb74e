using System;
using System.IO;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using NasLinux;

namespace NasFirmware.Mirroring;

/// <summary>
/// The key of this box and the certificate that carries it, made at the first start and kept in the state folder. The
/// box is known by the SHA-256 of its public key (the DER of SubjectPublicKeyInfo), 64 hex digits. The certificate is
/// only the vessel that TLS asks for: nobody looks at its names, dates or signature.
///
/// A daemon whose state folder has no key begins with one in memory, which is nobody's until it is settled: its disks
/// may bring the former one (docs/decisions/0016). Thread-safe.
/// </summary>
sealed class PeerKey : IDisposable
{
    internal const string FileName = "box.pem";
    /// <summary>Stands beside a key that was made here and that no other box has been told of yet.</summary>
    internal const string NewMark = "box.new";
    const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    const int FileBytesMax = 64 * 1024;

    sealed record Pair(X509Certificate2 Certificate, string Hash);

    Pair _pair;
    volatile bool _isSettled;

    PeerKey(X509Certificate2 certificate, bool isSettled = true)
    {
        _pair = new Pair(certificate, HashOf(certificate));
        _isSettled = isSettled;
    }

    internal X509Certificate2 Certificate => Volatile.Read(ref _pair).Certificate;
    internal string Hash => Volatile.Read(ref _pair).Hash;

    /// <summary>False while it is not clear yet which key this box has: nobody is called, nobody is let in.</summary>
    internal bool IsSettled => _isSettled;

    /// <summary>The box's key; made if the state folder has none yet.</summary>
    internal static PeerKey LoadOrMake(string stateFolder)
    {
        string path = Path.Combine(stateFolder, FileName);
        if (!File.Exists(path))
        {
            using PeerKey made = Make();
            made.Save(stateFolder, isNew: true);
        }
        return Load(path);
    }

    /// <summary>
    /// The box's key if the state folder has it; else one that is not settled. What is there and is no key, cannot be
    /// read, or can be read by others counts as none: <paramref name="damage"/> says what is wrong with it.
    /// </summary>
    internal static PeerKey LoadOrWait(string stateFolder, out string? damage)
    {
        damage = null;
        string path = Path.Combine(stateFolder, FileName);
        try
        {
            if (Path.Exists(path)) return Load(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            damage = e.Message;
        }
        return new PeerKey(MakeCertificate(), isSettled: false);
    }

    /// <summary>This is the box's key from now on.</summary>
    internal void Settle() => _isSettled = true;

    /// <summary>The other key is the box's from now on. Connections that are being made may still show the former
    /// one, so its certificate is left to the collector.</summary>
    internal void Become(PeerKey other)
    {
        Volatile.Write(ref _pair, other._pair);
        _isSettled = true;
    }

    /// <summary>Writes it into the state folder, which is made if need be.</summary>
    internal void Save(string stateFolder, bool isNew)
    {
        Directory.CreateDirectory(stateFolder, OwnerOnly | UnixFileMode.UserExecute);
        // The mark first: a key without it is one that others know.
        if (isNew) DurableFile.Replace(Path.Combine(stateFolder, NewMark), "1\n"u8, OwnerOnly);
        DurableFile.Replace(Path.Combine(stateFolder, FileName), Encoding.ASCII.GetBytes(Pem()), OwnerOnly);
        if (!isNew) Told(stateFolder);
    }

    internal static bool IsNew(string stateFolder) => File.Exists(Path.Combine(stateFolder, NewMark));

    /// <summary>Another box knows the key, or the owner knows that it is new.</summary>
    internal static void Told(string stateFolder)
    {
        if (!IsNew(stateFolder)) return;
        File.Delete(Path.Combine(stateFolder, NewMark));
        DurableFile.SyncDirectory(stateFolder);
    }

    /// <summary><see cref="PeerKeyException"/> if the file is no key.</summary>
    internal static PeerKey Load(string path)
    {
        if (Directory.Exists(path)) throw Damaged(path, null);
        if (new FileInfo(path).Length > FileBytesMax) throw Damaged(path, null);
        if ((File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
        {
            throw new IOException(
                $"{path}: others than its owner may read it; chmod 600 it, and make a new one if somebody did "
                + "(nashammer peer id --new)");
        }
        string pem = File.ReadAllText(path);
        return Parse(pem, out Exception? cause) ?? throw Damaged(path, cause);
    }

    /// <summary>A key with its certificate out of PEM; null if it is none or the two do not belong together.</summary>
    internal static PeerKey? Parse(string pem, out Exception? cause)
    {
        cause = null;
        try
        {
            return pem.Length > FileBytesMax ? null : new PeerKey(X509Certificate2.CreateFromPem(pem, pem));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            cause = e;
            return null;
        }
    }

    static PeerKeyException Damaged(string path, Exception? cause) => new($"{path}: not the key of a box. Bring it "
        + "back from a copy, or remove it: then the box takes the one that is kept on its disks, or makes another and "
        + "has to be paired anew", cause);

    internal static PeerKey Make() => new(MakeCertificate());

    static X509Certificate2 MakeCertificate() => Make(DateTimeOffset.UnixEpoch,
        new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero));

    /// <summary>A key with its certificate; the dates mean nothing to us.</summary>
    internal static X509Certificate2 Make(DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=nashammer", key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(notBefore, notAfter);
    }

    internal static PeerKey Of(X509Certificate2 certificate) => new(certificate);

    /// <summary>Private key and certificate.</summary>
    internal string Pem()
    {
        X509Certificate2 certificate = Certificate;
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        return key.ExportPkcs8PrivateKeyPem() + "\n" + certificate.ExportCertificatePem() + "\n";
    }

    internal static string HashOf(X509Certificate2 certificate) =>
        Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));

    public void Dispose() => Certificate.Dispose();
}

/// <summary>A file is not the key of a box.</summary>
sealed class PeerKeyException(string message, Exception? cause) : IOException(message, cause);
