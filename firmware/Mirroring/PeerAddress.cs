using System;
using System.Globalization;
using System.Net;

namespace NasFirmware.Mirroring;

/// <summary>Where a box listens: HOST, HOST:PORT or [IPV6]:PORT; a host is a name or an address.</summary>
readonly record struct PeerAddress(string Host, int Port)
{
    internal const int DefaultPort = 7445;
    const int HostLengthMax = 255;

    internal static bool TryParse(string text, out PeerAddress address)
    {
        address = default;
        string host = text, port = "";
        if (text.StartsWith('['))
        {
            int close = text.IndexOf(']', StringComparison.Ordinal);
            if (close < 0) return false;
            host = text[1..close];
            string rest = text[(close + 1)..];
            if (!IPAddress.TryParse(host, out _) || (rest.Length > 0 && rest[0] != ':')) return false;
            port = rest.Length > 0 ? rest[1..] : "";
            if (rest.Length == 1) return false;
        }
        // More than one colon: an IPv6 address without port.
        else if (text.IndexOf(':', StringComparison.Ordinal) is int colon and >= 0 && colon == text.LastIndexOf(':'))
        {
            host = text[..colon];
            port = text[(colon + 1)..];
            if (port.Length == 0) return false;
        }
        int number = DefaultPort;
        if (port.Length > 0 && !int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number))
            return false;
        bool known = IPAddress.TryParse(host, out _) || Uri.CheckHostName(host) == UriHostNameType.Dns;
        if (!known || host.Length > HostLengthMax || number is < 1 or > 65535) return false;
        address = new PeerAddress(host, number);
        return true;
    }

    public override string ToString() => Host.Contains(':', StringComparison.Ordinal)
        ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
        : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");
}
