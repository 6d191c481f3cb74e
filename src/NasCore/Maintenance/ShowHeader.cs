using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>The volume header summary that `show` begins with.</summary>
static class ShowHeader
{
    static readonly string[] s_zones =
    [
        "", "raw_volume", "raw_buffer", "undo", "freemap", "", "", "", "btree", "meta", "large_data", "small_data",
        "", "", "", "unavail",
    ];

    internal static void Write(OfflineVolumes volumes, ShowText text)
    {
        ref VolumeOndisk h = ref volumes.Header;
        text.Put("vol_label\t").CString(h.Label).Line();
        text.Put($"vol_count\t{h.VolCount}").Line();
        text.Put($"vol_fstype\t{h.FsType}").Put(
            h.FsType == VolumeOndisk.HammerFsType ? " \"DragonFly HAMMER\"" : "").Line();
        text.Put($"vol_fsid\t{h.FsId}").Line();
        text.Put("vol_bot_beg\t").Put(ShowText.Size(h.BotBeg)).Line();
        text.Put("vol_mem_beg\t").Put(ShowText.Size(h.MemBeg)).Line();
        text.Put("vol_buf_beg\t").Put(ShowText.Size(h.BufBeg)).Line();
        text.Put("vol_buf_end\t").Put(ShowText.Size(h.BufEnd)).Line();
        text.Put($"vol0_next_tid\t{h.NextTid:x16}").Line();
        text.Put("undo_size\t").Put(ShowText.Size(volumes.Fifo.Bytes)).Line();
        BlockmapOndisk undo = h.Blockmap[(int)Zone.Undo];
        long first = volumes.Fifo.Position(undo.FirstOffset, "the start");
        long next = volumes.Fifo.Position(undo.NextOffset, "the append point");
        text.Put("undo_used\t").Put(ShowText.Size(volumes.Fifo.Distance(first, next))).Line();
        text.Put("zone #             phys             first            next             alloc").Line();
        for (int zone = 0; zone < 16; zone++)
        {
            BlockmapOndisk map = h.Blockmap[zone];
            text.Put($"zone {zone,-2} {s_zones[zone],-10} {map.PhysOffset:x16} {map.FirstOffset:x16} ");
            text.Put($"{map.NextOffset:x16} {map.AllocOffset:x16}").Line();
        }
    }
}
