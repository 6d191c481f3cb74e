using System;
using System.IO;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using NasLinux;

namespace NasFirmware.Mirroring;

/// <summary>
/// The key of this box and the certificate that carries it, made at the first start and kept in the state folder. The
/// box is known by the SHA-256 of its public key (the DER of SubjectPublicKeyInfo), 64 hex digits. The certificate is
/// only the vessel that TLS asks for: nobody looks at its names, dates or signature.
/// </summary>
sealed class PeerKey : IDisposable
{
    internal const string FileName = "box.pem";
    const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    const int FileBytesMax = 64 * 1024;

    PeerKey(X509Certificate2 certificate)
    {
        Certificate = certificate;
        Hash = HashOf(certificate);
    }

    internal X509Certificate2 Certificate { get; }
    internal string Hash { get; }

    /// <summary>The box's key; made if the state folder has none yet.</summary>
    internal static PeerKey LoadOrMake(string stateFolder)
    {
        string path = Path.Combine(stateFolder, FileName);
        if (!File.Exists(path))
        {
            Directory.CreateDirectory(stateFolder, OwnerOnly | UnixFileMode.UserExecute);
            using X509Certificate2 made = Make(DateTimeOffset.UnixEpoch,
                new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero));
            DurableFile.Replace(path, Encoding.ASCII.GetBytes(Pem(made)), OwnerOnly);
        }
        return Load(path);
    }

    internal static PeerKey Load(string path)
    {
        if (new FileInfo(path).Length > FileBytesMax) throw Damaged(path, null);
        if ((File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
        {
            throw new IOException(
                $"{path}: others than its owner may read it; chmod 600 it, and make a new one if somebody did");
        }
        try
        {
            string pem = File.ReadAllText(path);
            return new PeerKey(X509Certificate2.CreateFromPem(pem, pem));
        }
        catch (CryptographicException e)
        {
            throw Damaged(path, e);
        }
    }

    static IOException Damaged(string path, Exception? cause) => new($"{path}: not the key of a box. Bring it back "
        + "from a copy, or remove it: then the box makes another one and has to be paired anew", cause);

    /// <summary>A key with its certificate; the dates mean nothing to us.</summary>
    internal static X509Certificate2 Make(DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=nashammer", key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(notBefore, notAfter);
    }

    internal static PeerKey Of(X509Certificate2 certificate) => new(certificate);

    static string Pem(X509Certificate2 certificate)
    {
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        return key.ExportPkcs8PrivateKeyPem() + "\n" + certificate.ExportCertificatePem() + "\n";
    }

    internal static string HashOf(X509Certificate2 certificate) =>
        Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));

    public void Dispose() => Certificate.Dispose();
}
