using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting;
using NasTesting.Oracle;

namespace NasCampaign.Kit;

/// <summary>Whole trees as text, and mounts of devices that outlive them.</summary>
static class MountedTree
{
    /// <summary>
    /// Everything that a user can see, a line a path, sorted: attributes, times, inode numbers, contents, extended
    /// attributes.
    /// </summary>
    public static string Text(HammerFs fs, ulong asOf = Tid.Max, int pfsId = 0)
    {
        var root = new Vnode(pfsId, asOf, HammerConst.RootObjId);
        var lines = new List<string>();
        foreach (ManifestEntry entry in FsWalker.Walk(fs, root))
        {
            // Live views keep their own mtime; views of the past answer the same here, since our PFSs bear the mark.
            string xattrs = Xattrs(fs, new Vnode(pfsId, asOf, (long)entry.Ino));
            lines.Add(FormattableString.Invariant($"{entry.Path} {entry.Type} {entry.Ino:x} {entry.Mode:x} {entry.Uid}")
                + FormattableString.Invariant($":{entry.Gid} n{entry.Nlink} s{entry.Size} m{entry.MtimeUs} ")
                + FormattableString.Invariant($"c{entry.CtimeUs} f{entry.Flags:x} {entry.Sha256}{entry.Target}")
                + $"{entry.Rdev} {xattrs}");
        }
        lines.Sort(StringComparer.Ordinal);
        return string.Join("\n", lines);
    }

    static string Xattrs(HammerFs fs, Vnode vnode)
    {
        byte[] names = new byte[65536];
        if (fs.ListXattr(vnode, names, out int length).IsError || length == 0) return "";
        var text = new StringBuilder();
        foreach (string name in OracleText.Decode(names.AsSpan(0, length)).Split('\0',
            StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal))
        {
            byte[] value = new byte[65536];
            Errno e = fs.GetXattr(vnode, OracleText.Encode(name), value, out int bytes);
            if (e.IsError) throw new InvalidOperationException($"{vnode} xattr {name}: {e}");
            text.Append(name).Append('=').Append(OracleCrc.Old(value.AsSpan(0, bytes))).Append(' ');
        }
        return text.ToString();
    }

    /// <summary>Mounts devices that stay open afterwards.</summary>
    public static HammerFs Mount(HammerFsOptions options, params IBlockDevice[] devices) =>
        HammerFs.Open(VolumeSet.Open([.. devices.Select(d => new KeptDevice(d))]), options);

    public static HammerFsOptions Options(TimeProvider? time = null, bool readOnly = false, bool noHistory = false) =>
        new()
        {
            Time = time ?? new ManualTime(), RunFlusher = false, ReadOnly = readOnly, NoHistory = noHistory,
            CacheBytes = 8L << 20,
        };

    public static OracleVolume Oracle(params IBlockDevice[] devices) =>
        OracleVolume.Open([.. devices.Select(d => (IOracleDevice)new DelegateOracleDevice(d.Length, d.Read))]);

    /// <summary>Throws with the independent reader's findings if there are any.</summary>
    public static void AssertSound(string context, params IBlockDevice[] devices)
    {
        using OracleVolume oracle = Oracle(devices);
        List<OracleFinding> findings = oracle.Verify();
        if (findings.Count > 0)
            throw new InvalidOperationException($"{context}:\n{string.Join("\n", findings.Take(10))}");
    }

    /// <summary>First lines in which two trees differ.</summary>
    public static string Differences(string expected, string found)
    {
        string[] e = expected.Split('\n'), f = found.Split('\n');
        return "missing:\n" + string.Join("\n", e.Except(f).Take(5)) + "\ntoo much:\n"
            + string.Join("\n", f.Except(e).Take(5));
    }
}
