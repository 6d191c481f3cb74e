using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using NasCampaign.Kit;
using NasCore;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting.Oracle;

namespace NasCampaign.Faults;

// Bit rot
//
// One bit of one structure turns over on a volume at rest. Whoever reads it finds out by its CRC; the error names the
// zone address; `check` names it too; everything that does not hang on it is read as before; a mount for writing still
// takes new files, and deletes what it can. Nothing is repaired, nothing crashes, and no byte is ever wrong.
// There are two PFSs, with snapshot and configuration records: damage to one record costs that object, never another
// PFS; that of a PFS record costs that PFS. RotOfFifo does the same to the range that a crash left open.

/// <summary>A place where a bit may turn over.</summary>
/// <param name="Kind">The structure, in words.</param>
/// <param name="Where">Zone address of the structure; 0 for the volume header.</param>
/// <param name="At">Byte of the device.</param>
/// <param name="Length">Bytes under the CRC.</param>
/// <param name="ObjId">Object whose structure it is, or 0.</param>
/// <param name="Pfs">PFS whose record it is; of a PFS record the one that it describes.</param>
sealed record RotPlace(string Kind, ulong Where, long At, int Length, long ObjId, int Pfs = 0)
{
    /// <summary>Data of one record, on which nobody else depends; nodes and freemap are everybody's.</summary>
    public bool IsOfOne => Kind.StartsWith("data of ", StringComparison.Ordinal);
    /// <summary>What a whole PFS hangs on: its record, unless it is the root PFS, and its root directory.</summary>
    public bool IsOfWholePfs => Kind == "data of PFS record" ? Pfs != 0
        : Kind == "data of inode" && ObjId == HammerConst.RootObjId;
}

/// <summary>What one turned bit did.</summary>
sealed record RotOutcome(RotPlace Place, int Bit, bool CheckTold, bool MountRefused, int PathsLost, bool CanWrite);

static class BitRot
{
    /// <summary>All structures of a one-volume file system that is cleanly unmounted, found by the independent
    /// reader.</summary>
    public static List<RotPlace> Places(IBlockDevice device)
    {
        using OracleVolume oracle = MountedTree.Oracle(device);
        long bufBeg = oracle.Medium.Root.BufBeg;
        long At(ulong address) => bufBeg + OracleMedium.ShortOf(address);
        List<RotPlace> places = [new("volume header", 0, 0, OracleHeader.Size, 0)];
        ulong layer1 = oracle.Medium.Root.ZonePhys(4);
        places.Add(new RotPlace("freemap layer 1", layer1, At(layer1), 32, 0));
        ulong layer2 = BinaryPrimitives.ReadUInt64LittleEndian(oracle.Medium.ReadBytes(layer1 + 8, 8));
        HashSet<ulong> blocks = [];
        foreach (OracleNode node in oracle.Tree.Nodes)
        {
            blocks.Add(node.Address >> 23);
            places.Add(new RotPlace(node.Type == 'L' ? "leaf node" : "internal node", node.Address, At(node.Address),
                4096, 0));
        }
        foreach (OracleRecord record in oracle.Records)
        {
            string kind = KindOf(record.RecType);
            ulong element = record.Node + 64 + (ulong)record.Index * 64;
            int pfs = (int)(record.RecType == OracleRecord.Pfs ? record.Key >> 16 : record.Localization >> 16);
            places.Add(new RotPlace($"element of {kind}", record.Node, At(element), 64, record.ObjId, pfs));
            if (record.DataOffset == 0 || record.DataLen == 0) continue;
            blocks.Add(record.DataOffset >> 23);
            int length = record.RecType == OracleRecord.Inode ? 112 : record.DataLen;
            bool isSmall = record.DataOffset >> 60 == 11;
            string size = record.RecType != OracleRecord.Data ? "" : isSmall ? "small " : "large ";
            places.Add(new RotPlace($"data of {size}{kind}", record.DataOffset, At(record.DataOffset), length,
                record.ObjId, pfs));
        }
        foreach (ulong block in blocks.Select(b => b & 0x7FFFF).Distinct())
            places.Add(new RotPlace("freemap layer 2", layer2 + 16 * block, At(layer2 + 16 * block), 16, 0));
        return places;
    }

    static string KindOf(ushort recType) => recType switch
    {
        OracleRecord.Inode => "inode",
        OracleRecord.Data => "file data",
        OracleRecord.DirEntry => "directory entry",
        OracleRecord.Ext => "extended attribute",
        OracleRecord.Fix => "symlink target",
        OracleRecord.Pfs => "PFS record",
        OracleRecord.Snapshot => "snapshot",
        OracleRecord.Config => "configuration",
        _ => $"record type {recType:x}",
    };

    /// <summary>Turns one bit over and looks at everything.</summary>
    public static RotOutcome Turn(FaultWork work, IReadOnlyDictionary<string, string>[] sound, RotPlace place,
        int bit, string context)
    {
        IBlockDevice device = work.Fresh()[0];
        byte[] one = new byte[1];
        device.Read(place.At + bit / 8, one);
        one[0] ^= (byte)(1 << (bit % 8));
        device.Write(place.At + bit / 8, one);
        bool told = CheckTells(device, place, context);
        HammerFs fs;
        try
        {
            fs = MountedTree.Mount(work.Options(), device);
        }
        catch (Exception e) when (e is HammerMediumException or HammerFormatException or IOException)
        {
            CheckNames(place, e, context);
            return new RotOutcome(place, bit, told, true, sound.Sum(t => t.Count), false);
        }
        catch (Exception e)
        {
            throw Finding.Of(context, $"mount: {e.GetType().Name}: {e.Message}", e);
        }
        using (fs)
        {
            ReadRecords(fs, place, context);
            int lost = 0;
            bool canWrite = true;
            for (int pfs = 0; pfs < sound.Length; pfs++)
            {
                SurvivingTree tree = SurvivingTree.Read(fs, root: RootOf(pfs));
                foreach ((string _, Exception error) in tree.Errors) CheckNames(place, error, context);
                List<string> paths = CheckRest(sound[pfs], tree, $"{context}, PFS {pfs}");
                if (place.IsOfOne) CheckOthers(place, pfs, sound[pfs], paths, context);
                lost += paths.Count;
            }
            for (int pfs = 0; pfs < sound.Length; pfs++)
            {
                bool can = CanWrite(fs, RootOf(pfs), context);
                canWrite &= can;
                bool must = place.IsOfOne && (pfs != place.Pfs || !place.IsOfWholePfs);
                Finding.Check(can || !must, context, $"PFS {pfs} takes no new file");
            }
            return new RotOutcome(place, bit, told, false, lost, canWrite);
        }
    }

    static Vnode RootOf(int pfs) => new(pfs, Tid.Max, HammerConst.RootObjId);

    /// <summary>Snapshots and configuration, which are no files: an error names its place.</summary>
    static void ReadRecords(HammerFs fs, RotPlace place, string context)
    {
        for (int pfs = 0; pfs < 2; pfs++)
        {
            try
            {
                bool isThere = fs.Snapshots(pfs).Count == 1 && !fs.ReadConfig(pfs, out _).IsError;
                bool mayMiss = place.Pfs == pfs || !place.IsOfOne;
                Finding.Check(isThere || mayMiss, context, $"records of PFS {pfs} are missing without an error");
            }
            catch (Exception e) when (e is HammerMediumException or IOException)
            {
                CheckNames(place, e, context);
                Finding.Check(place.Pfs == pfs || !place.IsOfOne, context, $"records of PFS {pfs}: {e.Message}");
            }
        }
    }

    /// <summary>Nothing is lost but the object of the damaged record, and what lies below it.</summary>
    static void CheckOthers(RotPlace place, int pfs, IReadOnlyDictionary<string, string> sound, List<string> lost,
        string context)
    {
        if (pfs == place.Pfs && place.IsOfWholePfs) return;
        // An object's past is not in the tree: what is lost there is found by check alone.
        bool isFile = place.Kind is not ("data of snapshot" or "data of configuration" or "data of PFS record");
        HashSet<string> own = [.. sound.Where(p => isFile && pfs == place.Pfs && ObjIdOf(p.Key, p.Value) == place.ObjId)
            .Select(p => p.Key)];
        foreach (string path in lost)
        {
            bool below = own.Any(o => path == o || o == "/" || path.StartsWith(o + "/", StringComparison.Ordinal));
            Finding.Check(below, context, $"{path} of PFS {pfs} is lost, too");
        }
    }

    static long ObjIdOf(string path, string line) => long.Parse(line[(path.Length + 1)..].Split(' ')[1],
        NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    static bool CheckTells(IBlockDevice device, RotPlace place, string context)
    {
        bool any = false, named = false;
        try
        {
            using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([new KeptDevice(device)]));
            Check.Run(volumes, new CheckOptions { Data = true }, f =>
            {
                any = true;
                named |= place.Where == 0 || Names(place, f.Where.Value) || Text(place, f.Text);
            }, null, CancellationToken.None);
        }
        catch (Exception e) when (e is HammerMediumException or HammerFormatException or IOException)
        {
            return true;
        }
        catch (Exception e)
        {
            throw Finding.Of(context, $"check: {e.GetType().Name}: {e.Message}", e);
        }
        Finding.Check(!any || named, context, "check finds something, but does not name the place");
        return any;
    }

    static bool Names(RotPlace place, ulong where) =>
        (where & 0x0FFF_FFFF_FFFF_FFFF) == (place.Where & 0x0FFF_FFFF_FFFF_FFFF);

    static bool Text(RotPlace place, string text) =>
        text.Contains($"{place.Where & 0x0FFF_FFFF_FFFF_FFFF:x15}", StringComparison.Ordinal);

    /// <summary>An error of the medium tells where.</summary>
    static void CheckNames(RotPlace place, Exception error, string context)
    {
        if (place.Where == 0 || error is not HammerMediumException medium) return;
        bool named = Names(place, medium.Where.Value) || Text(place, medium.Message);
        Finding.Check(named, context, $"the error names another place: {medium.Message}");
    }

    /// <summary>What can be read is what was there; the paths that cannot.</summary>
    static List<string> CheckRest(IReadOnlyDictionary<string, string> sound, SurvivingTree tree, string context)
    {
        HashSet<string> broken = [.. tree.Errors.Select(e => e.Path)];
        foreach ((string path, string line) in tree.Lines)
        {
            if (path.EndsWith('\0') || broken.Contains(path)) continue;
            Finding.Check(sound.TryGetValue(path, out string? was), context, $"{path} was not there before");
            Finding.Check(was == line, context, $"silently wrong:\n was {was}\n  is {line}");
        }
        List<string> lost = [];
        foreach (string path in sound.Keys)
        {
            if (tree.Lines.ContainsKey(path) && !broken.Contains(path)) continue;
            lost.Add(path);
            // It, or a directory above it, must have told why.
            bool told = broken.Any(b => path == b || b == "/" || path.StartsWith(b + "/", StringComparison.Ordinal)
                || (b.Contains("/damaged-entry-", StringComparison.Ordinal)
                    && path.StartsWith(b[..(b.LastIndexOf('/') + 1)], StringComparison.Ordinal)));
            Finding.Check(told, context, $"{path} is missing without an error");
        }
        return lost;
    }

    static bool CanWrite(HammerFs fs, Vnode root, string context)
    {
        try
        {
            Errno e = fs.Create(root, "a new file"u8, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 0),
                out Vnode vnode, out _);
            if (e.IsError) return false;
            e = fs.Write(vnode, 0, new byte[70_000], false, false, out _);
            return !e.IsError && !fs.SyncAndWait().IsError;
        }
        catch (Exception e) when (e is HammerMediumException or IOException or MountCriticalException)
        {
            return false;
        }
        catch (Exception e)
        {
            throw Finding.Of(context, $"writing: {e.GetType().Name}: {e.Message}", e);
        }
    }

    /// <summary>A round: some bits of each kind of structure.</summary>
    public static List<RotOutcome> Round(ulong seed, int perKind, Func<bool> timeIsUp)
    {
        var random = new Random(unchecked((int)seed * 61 + 3));
        var work = new FaultWork(seed, 1, noHistory: false, steps: 1, hasPfs: true);
        IReadOnlyDictionary<string, string>[] sound;
        using (HammerFs fs = MountedTree.Mount(work.Options() with { ReadOnly = true }, work.Fresh()))
            sound = [SurvivingTree.Read(fs).Lines, SurvivingTree.Read(fs, root: RootOf(1)).Lines];
        List<RotOutcome> outcomes = [];
        foreach (IGrouping<string, RotPlace> kind in Places(work.Fresh()[0]).GroupBy(p => p.Kind))
        {
            List<RotPlace> places = [.. kind];
            for (int i = 0; i < perKind && !timeIsUp(); i++)
            {
                RotPlace place = places[random.Next(places.Count)];
                int bit = random.Next(place.Length * 8);
                string context = $"seed {seed} {place.Kind} at {place.Where:x16} bit {bit}";
                outcomes.Add(Turn(work, sound, place, bit, context));
            }
        }
        return outcomes;
    }
}
