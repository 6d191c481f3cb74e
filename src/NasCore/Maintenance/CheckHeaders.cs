using System;
using System.IO;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Recovery;
using NasCore.Undo;
using NasCore.Volumes;

namespace NasCore.Maintenance;

/// <summary>Phase 1: volume headers and the FIFO.</summary>
static class CheckHeaders
{
    internal static void Run(OfflineVolumes volumes, CheckReport report)
    {
        foreach (Volume volume in volumes.Volumes.All) RunVolume(volumes, volume, report);
        VolumeOndisk before = volumes.HeaderBefore;
        RunCrcs(volumes, in before, report);
        ref VolumeOndisk h = ref volumes.Header;
        var root = new HammerOff(h.BTreeRoot);
        if (root.Zone != Zone.BTree)
            report.Finding("root", root, $"vol0_btree_root is no address of a B-Tree node");
        UndoOutcome undo = volumes.Undo;
        if (!undo.IsClean)
        {
            report.Warning("undo", FifoGeometry.ToZone3(undo.First),

                    $"the volume was not unmounted: {undo.Bytes} bytes of UNDO were applied in memory, up "
                    + $"to {FifoGeometry.ToZone3(undo.Last)}");
        }
    }

    static void RunVolume(OfflineVolumes volumes, Volume volume, CheckReport report)
    {
        ref VolumeOndisk h = ref volume.Header;
        var where = HammerOff.Encode(Zone.RawVolume, volume.VolNo, 0);
        if (((h.BotBeg | h.MemBeg) & (HammerConst.BufferBytes - 1)) != 0)
            report.Finding("areas", where, $"boot area or memory log does not begin on a 16 KiB boundary");
        if (h.VolCount != volumes.Volumes.All.Count)
            report.Finding("vol-count", where,
                $"volume {volume.VolNo} says {h.VolCount} volumes, there are {volumes.Volumes.All.Count}");
        if (volume.VolNo != 0 && h.Version != volumes.Version)
            report.Warning("version", where,
                $"volume {volume.VolNo} says version {h.Version}, the root volume {volumes.Version}: an "
                + "upgrade changes only the root");
    }

    // Written but never verified by HAMMER: a mismatch is worth a word, not more. 0 is normal on a fresh volume, and
    // zones 8 and 9 have stale sums there (on-disk-format 0.3, 9.5).
    static void RunCrcs(OfflineVolumes volumes, in VolumeOndisk h, CheckReport report)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<VolumeOndisk>(in h));
        if (h.Crc == 0) return;
        if (!HammerCrc.VolumeHeaderMatches(h.Version, bytes))
            report.Warning("vol-crc", HammerOff.Encode(Zone.RawVolume, 0, 0),
                $"vol_crc {h.Crc:x8} does not match the header; nothing relies on it");
        for (int zone = 0; zone < 16; zone++)
        {
            BlockmapOndisk map = h.Blockmap[zone];
            bool good = HammerCrc.Blockmap(h.Version, in map) == map.EntryCrc
                || (h.Version >= 7 && HammerCrc.Blockmap(6, in map) == map.EntryCrc)
                || (map.EntryCrc == 0 && map.AllocOffset == 0);
            if (!good)
                report.Warning("entry-crc", HammerOff.Encode(Zone.RawVolume, 0, VolumeOndisk.BlockmapAt + 40 * zone),
                    $"entry_crc {map.EntryCrc:x8} of the blockmap of zone {zone} does not match; nothing "
                    + "relies on it");
        }
    }

    /// <summary>Reads the whole ring: each sector begins with a good numbered record (version 4 and later).</summary>
    internal static void RunFifo(OfflineVolumes volumes, CheckReport report)
    {
        if (volumes.Version < 4) return;
        var reader = new FifoReader(volumes.Volumes, volumes.Fifo);
        long bad = 0, firstBad = -1;
        for (long at = 0; at < volumes.Fifo.Bytes; at += HammerConst.FifoSectorBytes)
        {
            bool good;
            try
            {
                good = reader.TryAt(at, out FifoRecord record) && !record.IsPad;
            }
            catch (Exception e) when (e is IOException or HammerMediumException)
            {
                report.Finding("fifo", FifoGeometry.ToZone3(at), $"{e.Message}");
                return;
            }
            if (good) continue;
            bad++;
            if (firstBad < 0) firstBad = at;
        }
        if (bad == 0) return;
        report.Warning("fifo", FifoGeometry.ToZone3(firstBad),

                $"{bad} sectors outside the active range of the FIFO do not begin with a good record: torn "
                + "by a crash, or never written");
    }
}
