using System;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasCore.Maintenance;

/// <summary>
/// `blockmap`: layer 1 and, indented, layer 2. Flags: B wrong CRC, A append above 8 MiB, F impossible bytes_free.
/// Free big-blocks and those beyond the end are counted, and listed only on request.
/// </summary>
public static class ShowBlockmap
{
    const int ChunkBytes = 1 << 18;

    /// <summary>Writes everything; the result is the number of flagged entries.</summary>
    public static int Write(OfflineVolumes volumes, ShowText text, bool all)
    {
        uint version = volumes.Version;
        var layer1 = new HammerOff(volumes.Header.Blockmap[(int)Zone.Freemap].PhysOffset);
        byte[] piece = new byte[ChunkBytes];
        int bad = 0;
        for (int at = 0; at < HammerConst.BigBlockBytes; at += ChunkBytes)
        {
            volumes.ReadThrough(layer1.Add(at), piece);
            ReadOnlySpan<Layer1Ondisk> entries = MemoryMarshal.Cast<byte, Layer1Ondisk>(piece);
            for (int i = 0; i < entries.Length; i++)
            {
                ref readonly Layer1Ondisk entry = ref entries[i];
                bool crc = HammerCrc.Layer1Matches(version, in entry);
                if (!crc) bad++;
                if (entry.PhysOffset == Layer1Ondisk.Unavailable && crc) continue;
                int index = at / 32 + i;
                text.Put($"{(crc ? ' ' : 'B')} layer1 {(ulong)index << 42:x16} phys={entry.PhysOffset:x16} ");
                text.Put($"free={entry.BlocksFree} {{").Line();
                bad += Layer2(volumes, text, index, new HammerOff(entry.PhysOffset), all);
                text.Put("  }").Line();
            }
        }
        text.Flush();
        return bad;
    }

    static int Layer2(OfflineVolumes volumes, ShowText text, int index, HammerOff table, bool all)
    {
        Volume? volume = volumes.Volumes.TryVolume(index >> 10);
        if (volume is null || table.VolNo != volume.VolNo || table.Zone != Zone.RawBuffer || table.BigBlockOffset != 0)
        {
            text.Put("    leads to no layer 2 block of a volume that is there").Line();
            return 1;
        }
        long first = (long)(index & 1023) * HammerConst.Layer2Radix, free = 0, beyond = 0;
        int bad = 0;
        byte[] piece = new byte[ChunkBytes];
        for (int at = 0; at < HammerConst.BigBlockBytes; at += ChunkBytes)
        {
            volumes.ReadThrough(table.Add(at), piece);
            ReadOnlySpan<Layer2Ondisk> entries = MemoryMarshal.Cast<byte, Layer2Ondisk>(piece);
            for (int i = 0; i < entries.Length; i++)
            {
                ref readonly Layer2Ondisk e = ref entries[i];
                string flags = Flags(volumes.Version, in e);
                if (flags != "   ") bad++;
                if (e.Zone == Zone.None) free++;
                if (e.Zone == Zone.Unavail) beyond++;
                if (!all && flags == "   " && e.Zone is Zone.None or Zone.Unavail) continue;
                if (e.Zone == Zone.Unavail && flags == "   ") continue;
                var block = HammerOff.Encode(Zone.RawBuffer, volume.VolNo, (first + at / 16 + i) << 23);
                text.Put($"  {flags} {block} zone={e.ZoneByte,-2} app={e.AppendOff,-7} free={e.BytesFree}").Line();
            }
        }
        text.Put($"    free={free} beyond the end={beyond}").Line();
        return bad;
    }

    static string Flags(uint version, in Layer2Ondisk e)
    {
        bool crc = HammerCrc.Layer2Matches(version, in e), append = e.AppendOff <= HammerConst.BigBlockBytes;
        bool bytes = e.BytesFree <= HammerConst.BigBlockBytes && (e.BytesFree >= 0 || version >= 5);
        return $"{(crc ? ' ' : 'B')}{(append ? ' ' : 'A')}{(bytes ? ' ' : 'F')}";
    }
}
