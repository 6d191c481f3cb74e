using System;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>The block that pfs-status, pfs-update and mirror-dump header print (mirroring-and-operations
/// 1.5).</summary>
public static class PfsStatusText
{
    const string Indent = "    ";

    /// <summary>The whole block of pfs-status with its last newline.</summary>
    /// <param name="volumeVersion">Decides where snapshots go by default.</param>
    public static string Status(string path, int pfsId, in PseudofsData pfs, uint volumeVersion) =>
        string.Create(CultureInfo.InvariantCulture, $"{path}\tPFS#{pfsId} {{\n")
        + Body(pfs) + SnapshotsDefault(pfs, volumeVersion) + "}\n";

    /// <summary>The lines between the braces, without the default directory.</summary>
    public static string Body(in PseudofsData pfs)
    {
        var text = new StringBuilder();
        void Line(string line) => text.Append(Indent).Append(line).Append('\n');
        Line("sync-beg-tid=" + Tid.Format(pfs.SyncBegTid));
        Line("sync-end-tid=" + Tid.Format(pfs.SyncEndTid));
        Line($"shared-uuid={pfs.SharedUuid:D}");
        Line($"unique-uuid={pfs.UniqueUuid:D}");
        Line($"label=\"{LabelText(pfs.Label)}\"");
        string snapshots = LabelText(pfs.Snapshots);
        if (snapshots.Length > 0) Line($"snapshots=\"{snapshots}\"");
        Line("prune-min=" + PruneMinText(pfs.PruneMin));
        Line(pfs.IsSlave ? "operating as a SLAVE" : "operating as a MASTER");
        return text.ToString();
    }

    static string SnapshotsDefault(in PseudofsData pfs, uint volumeVersion)
    {
        if (pfs.Snapshots[0] != 0) return "";
        if (volumeVersion >= 3) return Indent + "snapshots directory defaults to /var/hammer/<pfs>\n";
        return Indent + (pfs.IsSlave ? "snapshots directory not set for slave\n"
            : "snapshots directory defaults to <pfs>/snapshots\n");
    }

    /// <summary>A label as text; bytes that are not printable come as octal escapes.</summary>
    public static string LabelText(in Label64 label)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.CreateReadOnlySpan(
            ref Unsafe.As<Label64, byte>(ref Unsafe.AsRef(in label)), 64);
        int end = bytes.IndexOf((byte)0);
        var text = new StringBuilder();
        foreach (Rune rune in Encoding.UTF8.GetString(bytes[..(end < 0 ? 63 : end)]).EnumerateRunes())
        {
            if (Rune.IsControl(rune)) text.Append(CultureInfo.InvariantCulture, $"\\{rune.Value:x2}");
            else text.Append(rune.ToString());
        }
        return text.ToString();
    }

    /// <summary>Stores a text in a label, cut to 63 bytes at a character's border; what lay behind it is
    /// cleared.</summary>
    public static void SetLabel(ref Label64 label, string text)
    {
        Span<byte> bytes = label;
        bytes.Clear();
        int at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (at + rune.Utf8SequenceLength > 63) break;
            at += rune.EncodeToUtf8(bytes[at..]);
        }
    }

    /// <summary>prune-min as HH:MM:SS below a day, Nd/HH:MM:SS or Nd above.</summary>
    public static string PruneMinText(uint seconds)
    {
        uint days = seconds / 86400, rest = seconds % 86400;
        string clock = string.Create(
            CultureInfo.InvariantCulture, $"{rest / 3600:d2}:{rest / 60 % 60:d2}:{rest % 60:d2}");
        if (days == 0) return clock;
        return days.ToString(CultureInfo.InvariantCulture) + (rest == 0 ? "d" : "d/" + clock);
    }

    /// <summary>Parses "Nd" or "[Nd/]hh[:mm[:ss]]"; false if it is neither. Capped at 0x7FFFFFFF seconds.</summary>
    public static bool TryParsePruneMin(string text, out uint seconds)
    {
        seconds = 0;
        ulong total = 0;
        string clock = text;
        int d = text.IndexOf('d', StringComparison.Ordinal);
        if (d >= 0)
        {
            if (!TryNumber(text[..d], out ulong days)) return false;
            total = days * 86400;
            clock = text[(d + 1)..];
            if (clock.Length > 0 && clock[0] != '/') return false;
            if (clock.Length > 0) clock = clock[1..];
            else clock = "0";
        }
        string[] parts = clock.Split(':');
        if (parts.Length > 3) return false;
        ulong unit = 3600;
        foreach (string part in parts)
        {
            if (!TryNumber(part, out ulong number)) return false;
            total += number * unit;
            unit /= 60;
        }
        seconds = (uint)Math.Min(total, 0x7FFFFFFF);
        return true;
    }

    // At most eight digits, so that no sum overflows.
    static bool TryNumber(string text, out ulong value)
    {
        value = 0;
        return text.Length <= 8 && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }
}
