using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Security.Cryptography;

namespace NasTesting.Oracle;

/// <summary>
/// One PFS at one TID: every visible record, sorted into inodes, entries, file data and long link targets. There is no
/// search in it: visibility is tested on every record of the volume (on-disk-format 4.9).
/// </summary>
public sealed class OracleView
{
    readonly OracleVolume _volume;
    readonly bool _timesAreCtime;

    internal OracleView(OracleVolume volume, int pfs, ulong? asOf, bool timesAreCtime)
    {
        _volume = volume;
        _timesAreCtime = timesAreCtime;
        Pfs = pfs;
        AsOf = asOf;
        foreach (OracleRecord record in volume.RecordsOf(pfs).Where(r => r.IsVisible(asOf)))
        {
            switch (record.RecType)
            {
                case OracleRecord.Inode:
                    Inodes[record.ObjId] = new OracleInode(record);
                    break;
                case OracleRecord.DirEntry:
                    Add(Entries, record.ObjId, new OracleDirEntry(record));
                    break;
                case OracleRecord.Data:
                    Add(Data, record.ObjId, record);
                    break;
                default:
                    Others.Add(record);
                    break;
            }
        }
    }

    public int Pfs { get; }
    public ulong? AsOf { get; }
    public Dictionary<long, OracleInode> Inodes { get; } = [];

    /// <summary>By directory, in key order.</summary>
    public Dictionary<long, List<OracleDirEntry>> Entries { get; } = [];

    /// <summary>By file, in key order.</summary>
    public Dictionary<long, List<OracleRecord>> Data { get; } = [];

    public List<OracleRecord> Others { get; } = [];

    static void Add<T>(Dictionary<long, List<T>> map, long key, T value)
    {
        if (!map.TryGetValue(key, out List<T>? list)) { map.Add(key, list = []); }
        list.Add(value);
    }

    /// <summary>Every path of the tree, directories before what they hold.</summary>
    public List<ManifestEntry> Manifest()
    {
        var result = new List<ManifestEntry>();
        if (!Inodes.TryGetValue(1, out OracleInode? root)) { return result; }
        var todo = new Queue<(string Path, OracleInode Inode)>([("/", root)]);
        var directories = new HashSet<long>();
        while (todo.TryDequeue(out (string Path, OracleInode Inode) at))
        {
            result.Add(Describe(at.Path, at.Inode));
            if (at.Inode.ObjType != 1 || !directories.Add(at.Inode.Record.ObjId)) { continue; }
            string prefix = at.Path == "/" ? "/" : at.Path + "/";
            foreach (OracleDirEntry entry in Entries.GetValueOrDefault(at.Inode.Record.ObjId, []))
            {
                string path = prefix + OracleText.Decode(entry.Name);
                if (entry.TargetPfs == Pfs && Inodes.TryGetValue(entry.Target, out OracleInode? inode))
                {
                    todo.Enqueue((path, inode));
                }
                else
                {
                    result.Add(new ManifestEntry { Path = path, Type = "missing", Ino = (ulong)entry.Target });
                }
            }
        }
        return result;
    }

    ManifestEntry Describe(string path, OracleInode inode) => new()
    {
        Path = path,
        Type = inode.ObjType switch
        {
            1 => "dir", 2 => "file", 4 => "fifo", 5 => "chr", 6 => "blk", 7 => "symlink", 9 => "sock",
            _ => string.Create(CultureInfo.InvariantCulture, $"type{inode.ObjType}"),
        },
        Ino = (ulong)inode.Record.ObjId,
        Mode = inode.Mode,
        Uid = inode.Uid,
        Gid = inode.Gid,
        Nlink = inode.Nlinks,
        Size = inode.Size,
        MtimeUs = _timesAreCtime ? inode.Ctime : inode.Mtime,
        CtimeUs = inode.Ctime,
        Flags = inode.Flags,
        Sha256 = inode.ObjType == 2 ? _volume.HashOf(inode, Data.GetValueOrDefault(inode.Record.ObjId, [])) : null,
        Target = inode.ObjType == 7 ? OracleText.Decode(ShownTarget(inode)) : null,
        Rdev = inode.ObjType is 5 or 6
            ? string.Create(CultureInfo.InvariantCulture, $"{inode.RMajor}:{inode.RMinor}") : null,
    };

    /// <summary>The target as it is stored.</summary>
    public byte[] StoredTarget(OracleInode inode)
    {
        if (inode.Size <= 24) { return inode.InlineTarget[..(int)inode.Size].ToArray(); }
        OracleRecord? fix = Others.FirstOrDefault(
            r => r.RecType == OracleRecord.Fix && r.ObjId == inode.Record.ObjId && r.Key == 1);
        return fix is null ? [] : fix.Payload;
    }

    // @@PFSnnnnn is rewritten only inline, live and in PFS 0 (observed.md 34).
    byte[] ShownTarget(OracleInode inode)
    {
        byte[] stored = StoredTarget(inode);
        string text = OracleText.Decode(stored);
        bool now = AsOf is null or ulong.MaxValue;
        if (!now || Pfs != 0 || stored.Length != 10 || !text.StartsWith("@@PFS", StringComparison.Ordinal)
            || !int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            || !_volume.PfsTable.TryGetValue(id, out OraclePfs? pfs) || pfs.IsDeleted)
        {
            return stored;
        }
        return OracleText.Encode(pfs.IsSlave ? $"@@0x{pfs.SyncEndTid:x16}:{id:d5}" : $"@@-1:{id:d5}");
    }

    /// <summary>The bytes of a file; for files that fit into memory.</summary>
    public byte[] Content(long objId)
    {
        OracleInode inode = Inodes[objId];
        byte[] bytes = new byte[checked((int)inode.Size)];
        foreach (OracleRecord record in Data.GetValueOrDefault(objId, []))
        {
            if (record.FileBase >= bytes.Length) { break; }
            byte[] payload = record.Payload;
            int length = (int)Math.Min(payload.Length, bytes.Length - record.FileBase);
            payload.AsSpan(0, length).CopyTo(bytes.AsSpan((int)record.FileBase));
        }
        return bytes;
    }

    /// <summary>SHA-256 of a file without holding it in memory: records in key order, zeros between them.</summary>
    internal static string Hash(OracleInode inode, List<OracleRecord> data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long size = checked((long)inode.Size);
        long at = 0;
        foreach (OracleRecord record in data)
        {
            if (record.FileBase >= size) { break; }
            AppendZeros(hash, record.FileBase - at);
            int length = (int)Math.Min(record.DataLen, size - record.FileBase);
            hash.AppendData(record.Payload.AsSpan(0, length));
            at = record.FileBase + length;
        }
        AppendZeros(hash, size - at);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    static readonly byte[] s_zeros = new byte[1 << 20];

    static void AppendZeros(IncrementalHash hash, long count)
    {
        if (count < 0) { throw new OracleException("data records overlap"); }
        for (; count > 0; count -= Math.Min(count, s_zeros.Length))
        {
            hash.AppendData(s_zeros.AsSpan(0, (int)Math.Min(count, s_zeros.Length)));
        }
    }
}
