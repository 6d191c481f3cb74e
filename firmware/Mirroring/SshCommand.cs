using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using NasFirmware.Config;

namespace NasFirmware.Mirroring;

// ssh as the way to a machine that knows nothing of boxes, with the original's hammer (mirroring-and-operations 4.7).
// Nothing of what the administrator has set up for himself counts: no ssh_config, no agent, no known hosts but those in
// the state folder. Nothing is asked: a key that is not known there ends the attempt. No secret is on a command line.

/// <summary>The command line, and what ssh's words mean for the loop.</summary>
static class SshCommand
{
    const int ConnectSeconds = 10, AliveCountMax = 3, FailedCode = 255, NotFoundCode = 127, WordsMax = 400;
    const string NoHostKey = "Host key verification failed", NoLogin = "Permission denied (";

    /// <summary>ssh, or what HAMMER_RSH says.</summary>
    internal static string Program =>
        Environment.GetEnvironmentVariable("HAMMER_RSH") is { Length: > 0 } shell ? shell : "ssh";

    /// <summary>The words behind the program's name.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="silence">A machine that says nothing for this long has gone.</param>
    internal static List<string> Words(SshTarget target, TimeSpan silence)
    {
        int alive = Math.Max(1, (int)(silence.TotalSeconds / AliveCountMax));
        string[] options =
        [
            "BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=" + Quoted(target.KnownHosts),
            "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no", "CheckHostIP=no", "IdentitiesOnly=yes",
            "IdentityFile=" + Quoted(target.Identity), "IdentityAgent=none", "PreferredAuthentications=publickey",
            Option("ConnectTimeout", ConnectSeconds), Option("ServerAliveInterval", alive),
            Option("ServerAliveCountMax", AliveCountMax), "LogLevel=ERROR", "ControlPath=none",
            "ClearAllForwardings=yes", "EscapeChar=none", "RequestTTY=no",
        ];
        var words = new List<string> { "-F", "none", "-a", "-x" };
        foreach (string option in options) words.AddRange(["-o", option]);
        if (target.User is { } user) words.AddRange(["-l", user]);
        if (target.Port is { } port) words.AddRange(["-p", port.ToString(CultureInfo.InvariantCulture)]);
        words.AddRange(["--", target.Host, target.Command, "-y", "-2", "mirror-write", $"'{target.Path}'"]);
        return words;
    }

    static string Option(string name, int value) => string.Create(CultureInfo.InvariantCulture, $"{name}={value}");

    // A file's name may have a blank, and a percent sign begins a token.
    static string Quoted(string path) =>
        "\"" + path.Replace("%", "%%", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";

    internal static ProcessStartInfo Start(SshTarget target, TimeSpan silence)
    {
        var start = new ProcessStartInfo(Program, Words(target, silence))
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            UseShellExecute = false, WorkingDirectory = "/",
        };
        string path = Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin";
        string home = Environment.GetEnvironmentVariable("HOME") ?? "/";
        start.Environment.Clear();
        start.Environment["PATH"] = path;
        start.Environment["HOME"] = home;
        start.Environment["LC_ALL"] = "C";
        return start;
    }

    /// <summary>What is missing here before an attempt makes sense; null: nothing.</summary>
    internal static string? Missing(SshTarget target)
    {
        if (!File.Exists(target.Identity))
            return $"this box has no key for ssh: make it with ssh-keygen -t ed25519 -N '' -f {target.Identity}";
        return File.Exists(target.KnownHosts) ? null : $"there is no {target.KnownHosts}: the key of {target.Host} "
            + "belongs there (ssh-keyscan)";
    }

    /// <summary>The last lines of what ssh or the other machine said, as one sentence.</summary>
    internal static string Sentence(string said)
    {
        string[] lines = [.. said.Split('\n', '\r').Select(l => Printable(l).Trim()).Where(l => l.Length > 0)];
        string joined = string.Join("; ", lines.TakeLast(3));
        return joined.Length > WordsMax ? "..." + joined[^WordsMax..] : joined;
    }

    static string Printable(string line)
    {
        var text = new StringBuilder(line.Length);
        foreach (char c in line) text.Append(char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c);
        return text.ToString();
    }

    /// <summary>What the end of ssh means.</summary>
    /// <param name="target">Where it led.</param>
    /// <param name="code">Its exit code: 255 is its own trouble, anything else the other machine's command's.</param>
    /// <param name="said">The end of what came on its standard error.</param>
    internal static SshEnd End(SshTarget target, int code, string said)
    {
        string words = Sentence(said);
        if (code == FailedCode && said.Contains(NoHostKey, StringComparison.Ordinal))
        {
            return new SshEnd(SshEndKind.Refused, said.Contains("HAS CHANGED", StringComparison.Ordinal)
                ? $"{NoHostKey}: {target.Host} has another key than the one in {target.KnownHosts}; if that is meant, "
                    + "put the new one there"
                : $"{NoHostKey}: the key of {target.Host} is not in {target.KnownHosts} (ssh-keyscan)");
        }
        if (code == FailedCode && said.Contains(NoLogin, StringComparison.Ordinal))
        {
            return new SshEnd(SshEndKind.Refused, $"{words}; {target.Name} does not let {target.Identity} in: its .pub "
                + "belongs into authorized_keys there");
        }
        if (code == FailedCode)
            return new SshEnd(SshEndKind.Unreachable, words.Length > 0 ? words : $"ssh to {target.Name} has ended");
        if (code == NotFoundCode)
            return new SshEnd(SshEndKind.Refused, $"there is no {target.Command} on {target.Name}: {words}");
        if (code == 0) return new SshEnd(SshEndKind.Ended, $"{target.Name} ended the stream");
        return new SshEnd(SshEndKind.Hindered, words.Length > 0 ? $"{target.Name}: {words}"
            : string.Create(CultureInfo.InvariantCulture, $"{target.Command} on {target.Name} failed with {code}"));
    }
}

/// <summary>Kinds of ends of ssh, for the phase of the mirror.</summary>
enum SshEndKind
{
    /// <summary>ssh could not connect, or lost the connection.</summary>
    Unreachable,
    /// <summary>It will be the same until somebody does something about it.</summary>
    Refused,
    /// <summary>The command on the other machine failed.</summary>
    Hindered,
    /// <summary>It ended as it should.</summary>
    Ended,
}

/// <summary>How ssh ended, for the owner.</summary>
readonly record struct SshEnd(SshEndKind Kind, string Sentence);
