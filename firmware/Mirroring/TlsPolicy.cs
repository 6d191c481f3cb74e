using System;
using System.Collections.Generic;
using System.Net.Security;
using System.Runtime.Intrinsics.X86;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;

namespace NasFirmware.Mirroring;

/// <summary>
/// How boxes speak TLS: version 1.3 only, certificates on both sides, an ALPN of our own, no resumption (a peer that
/// was removed stays out), and the public key as the only thing that counts in a certificate. Chains, names, dates
/// and revocation are not looked at, and nothing is ever fetched because of a certificate.
/// </summary>
static class TlsPolicy
{
    /// <summary>Peers that know each other.</summary>
    internal static readonly SslApplicationProtocol Peer = new("nashammer/1");
    /// <summary>Boxes that are being paired; only while the owner has opened that.</summary>
    internal static readonly SslApplicationProtocol Pairing = new("nashammer-pair/1");

    internal static bool HasAes => Aes.IsSupported || ArmAes.IsSupported;

    /// <summary>
    /// The cipher suites in the server's order, which decides. Without AES instructions ChaCha20 is several times
    /// faster. A client without them offers nothing else, since the server might prefer AES; every box has all three.
    /// </summary>
    internal static IReadOnlyList<TlsCipherSuite> Suites(bool hasAes, bool asClient)
    {
        const TlsCipherSuite chaCha = TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256;
        TlsCipherSuite[] aes = [TlsCipherSuite.TLS_AES_128_GCM_SHA256, TlsCipherSuite.TLS_AES_256_GCM_SHA384];
        return hasAes ? [.. aes, chaCha] : asClient ? [chaCha] : [chaCha, .. aes];
    }

    /// <param name="key">This box.</param>
    /// <param name="allowsPairing">Pairing is open.</param>
    /// <param name="admit">Decides by the hash of the key, and by what it wants, whether the handshake goes on.
    /// </param>
    /// <param name="hasAes">What the CPU has; null: this one.</param>
    internal static SslServerAuthenticationOptions Server(PeerKey key, bool allowsPairing,
        Func<string, SslApplicationProtocol, bool> admit, bool? hasAes = null) =>
        new()
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(key.Certificate, null, offline: true),
            ClientCertificateRequired = true,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = allowsPairing ? [Peer, Pairing] : [Peer],
            CipherSuitesPolicy = new CipherSuitesPolicy(Suites(hasAes ?? HasAes, asClient: false)),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = ChainPolicy(),
            RemoteCertificateValidationCallback = (tls, certificate, _, _) => Check(certificate,
                key => admit(key, ((SslStream)tls).NegotiatedApplicationProtocol)),
            AllowRenegotiation = false,
            AllowTlsResume = false,
            EncryptionPolicy = EncryptionPolicy.RequireEncryption,
        };

    internal static SslClientAuthenticationOptions Client(PeerKey key, SslApplicationProtocol protocol,
        Func<string, bool> admit, bool? hasAes = null) => new()
        {
            TargetHost = "",
            ClientCertificateContext = SslStreamCertificateContext.Create(key.Certificate, null, offline: true),
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [protocol],
            CipherSuitesPolicy = new CipherSuitesPolicy(Suites(hasAes ?? HasAes, asClient: true)),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = ChainPolicy(),
            RemoteCertificateValidationCallback = (_, certificate, _, _) => Check(certificate, admit),
            AllowRenegotiation = false,
            AllowTlsResume = false,
            EncryptionPolicy = EncryptionPolicy.RequireEncryption,
        };

    // The runtime builds a chain before it asks us: it must not follow addresses that a stranger wrote into his
    // certificate, nor look at the host's authorities.
    static X509ChainPolicy ChainPolicy() => new()
    {
        DisableCertificateDownloads = true,
        RevocationMode = X509RevocationMode.NoCheck,
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        VerificationFlags = X509VerificationFlags.AllFlags,
        VerificationTimeIgnored = true,
    };

    static bool Check(X509Certificate? certificate, Func<string, bool> admit) =>
        certificate is X509Certificate2 known && admit(PeerKey.HashOf(known));
}
