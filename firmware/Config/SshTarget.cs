using System;
using System.Globalization;
using System.Linq;

namespace NasFirmware.Config;

/// <summary>The slave of a mirror on a machine that knows nothing of boxes: ssh://[USER@]HOST[:PORT]/PATH.</summary>
sealed record SshTarget
{
    const string Scheme = "ssh://";

    /// <summary>What ssh needs lies there, in the state folder.</summary>
    internal const string Folder = "ssh";

    /// <summary>Null: root, who runs the daemon here, too.</summary>
    public string? User { get; init; }
    /// <summary>A name, or an address; one of IPv6 without its brackets.</summary>
    public required string Host { get; init; }
    /// <summary>Null: ssh's own.</summary>
    public int? Port { get; init; }
    /// <summary>The slave PFS there, made when it is missing.</summary>
    public required string Path { get; init; }
    /// <summary>File with the private key of this box for ssh.</summary>
    public string Identity { get; init; } = "";
    /// <summary>File with the keys of the machines that this box believes.</summary>
    public string KnownHosts { get; init; } = "";
    /// <summary>What hammer is called there.</summary>
    public string Command { get; init; } = "hammer";

    /// <summary>For the owner, in place of a box's name.</summary>
    internal string Name => (User is null ? "" : User + "@") + Host
        + (Port is { } port ? ":" + port.ToString(CultureInfo.InvariantCulture) : "");

    internal static bool IsMeant(string text) => text.StartsWith("ssh:", StringComparison.Ordinal);

    internal static bool TryParse(string text, out SshTarget? target)
    {
        target = null;
        if (!text.StartsWith(Scheme, StringComparison.Ordinal)) return false;
        string rest = text[Scheme.Length..];
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !IsPath(rest[slash..])) return false;
        string place = rest[..slash], path = rest[slash..];
        int at = place.IndexOf('@', StringComparison.Ordinal);
        string? user = at < 0 ? null : place[..at];
        place = place[(at + 1)..];
        // A word that begins with - would be taken for an option, there or here.
        if (user is not null && (CheckWord(user) is not null || user.Contains('/', StringComparison.Ordinal)))
            return false;
        int? port = null;
        string host = place;
        int colon = place.LastIndexOf(':');
        if (colon > place.LastIndexOf(']'))
        {
            if (!ConfigReader.TryHostPort(place, out host, out int given)) return false;
            port = given;
        }
        else if (!ConfigReader.TryHostPort(place + ":22", out host, out _)) return false;
        if (host.StartsWith('-')) return false;
        target = new SshTarget { User = user, Host = host.Trim('[', ']'), Port = port, Path = path };
        return true;
    }

    // It stands between single quotes in the other machine's shell, whichever that is.
    static bool IsPath(string path) => path.TrimEnd('/').Length > 0
        && !path.Any(c => char.IsControl(c) || c is '\'' or '!' or '\\');

    /// <summary>A word that no shell takes for anything else.</summary>
    internal static string? CheckWord(string text) => text.Length is > 0 and <= 255 && text[0] != '-'
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/') ? null
            : $"\"{text}\" is not a word of letters, digits and ./_-";
}
