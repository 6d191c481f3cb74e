using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>The words of the PFS commands: their options, and the block that they print.</summary>
static class PfsText
{
    /// <summary>The structure that the block is printed from.</summary>
    internal static PseudofsData Data(PfsReply reply) => new()
    {
        SyncBegTid = CommonOptions.ParseTid(reply.SyncBegTid), SyncEndTid = CommonOptions.ParseTid(reply.SyncEndTid),
        SharedUuid = reply.SharedUuid, UniqueUuid = reply.UniqueUuid, PruneMin = reply.PruneMin,
        MirrorFlags = reply.Slave ? PseudofsData.FlagSlave : 0, Label = LabelText.Make(reply.Label),
        Snapshots = LabelText.Make(reply.Snapshots),
    };

    internal static string Status(string path, PfsReply reply) =>
        PfsStatusText.Status(path, reply.Id, Data(reply), reply.VolumeVersion)
        // Differs: only for a PFS that was promoted, which the original cannot tell.
        + (reply.Promotion is { } promotion ? $"    promoted={promotion}\n" : "");

    /// <summary>Options as words name=value (mirroring-and-operations 1.5).</summary>
    internal static PfsUpdateRequest Options(IEnumerable<string> words)
    {
        var request = new PfsUpdateRequest();
        foreach (string word in words)
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            // Differs: the original needs a "=" behind snapshots-clear too.
            if (word == "snapshots-clear") equals = word.Length;
            if (equals < 0) throw new UsageException($"option {word} must be <name>=<value>");
            string value = equals < word.Length ? word[(equals + 1)..] : "";
            request = Option(request, word[..equals], value);
        }
        return request;
    }

    static PfsUpdateRequest Option(PfsUpdateRequest request, string name, string value) => name switch
    {
        "sync-beg-tid" => request with { SyncBegTid = HexTid(value) },
        "sync-end-tid" => request with { SyncEndTid = HexTid(value) },
        "shared-uuid" => request with { SharedUuid = Uuid(name, value) },
        "unique-uuid" => request with { UniqueUuid = Uuid(name, value) },
        "label" => request with { Label = Unquoted(value) },
        "snapshots" => request with { Snapshots = SnapshotsPath(value) },
        "snapshots-clear" => request with { Snapshots = "" },
        "prune-min" => request with
        {
            PruneMin = PfsStatusText.TryParsePruneMin(value, out uint seconds) ? seconds
                : throw new UsageException($"prune-min={value}: expected Nd or [Nd/]hh[:mm[:ss]]"),
        },
        _ => throw new UsageException($"option {name} is not known"),
    };

    static string Unquoted(string value) =>
        value.Length > 1 && value[0] == '"' && value[^1] == '"' ? value[1..^1] : value;

    static string HexTid(string value)
    {
        bool prefixed = value.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        ReadOnlySpan<char> digits = prefixed ? value.AsSpan(2) : value;
        return ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong tid)
            ? NasCore.Primitives.Tid.Format(tid) : throw new UsageException($"{value}: not a TID in hexadecimal");
    }

    static Guid Uuid(string name, string value) => Guid.TryParseExact(value, "D", out Guid uuid) ? uuid
        : throw new UsageException($"{name}={value}: not a UUID (8-4-4-4-12 hexadecimal digits)");

    static string SnapshotsPath(string value)
    {
        if (!value.StartsWith('/')) throw new UsageException($"snapshots={value}: the path must be absolute");
        return Encoding.UTF8.GetByteCount(value) <= 63 ? value
            : throw new UsageException($"snapshots={value}: at most 63 bytes");
    }

    /// <summary>
    /// pfs-master and pfs-slave: makes the PFS, then its softlink, then applies the options.
    /// </summary>
    internal static void Create(string path, bool slave, PfsUpdateRequest options, TextWriter output)
    {
        if (path.EndsWith('/')) throw new UsageException($"{path}: the name of a new PFS must not end with a slash");
        if (PfsPath.Exists(path)) throw new UsageException($"cannot create {path}, it exists");
        string parent = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";
        using PfsPath place = PfsPath.Open(parent);
        if (place.PfsId != 0)
        {
            throw new UsageException(
                $"{parent} belongs to PFS#{place.PfsId}: a PFS's softlink must lie in the root PFS");
        }
        PfsReply made = place.Client.Create(slave);
        output.Write($"Creating PFS#{made.Id}\t");
        File.CreateSymbolicLink(path, $"@@PFS{made.Id:d5}");
        output.WriteLine("succeeded!");
        PfsReply now = place.Client.Update(made.Id, options);
        output.Write(path + "\n" + PfsStatusText.Body(Data(now)));
    }
}
