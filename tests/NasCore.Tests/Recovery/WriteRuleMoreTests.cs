using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using NasCore.BTree;
using NasCore.Io;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>Rules W8 to W14 of ARCHITECTURE.md.</summary>
public sealed class WriteRuleMoreTests : RuleTestBase
{
    [Fact]
    public void W8_without_history_a_record_is_marked_first_and_removed_only_when_the_mark_is_durable()
    {
        using EngineDriver driver = Small(noHistory: true);
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", Bytes(3000, 1));
        Sync(fs);
        Write(fs, file, 0, Bytes(3000, 2));
        fs.Core.FlushOnce();
        OracleRecord[] data = [.. Records(driver.Device).Where(r => r.RecType == OracleRecord.Data)];
        Assert.Equal(2, data.Length);
        Assert.Equal(data.Single(r => r.IsLive).CreateTid, data.Single(r => !r.IsLive).DeleteTid);
        fs.Core.FlushOnce();
        Assert.Single(Records(driver.Device), r => r.RecType == OracleRecord.Data);
        // Born in the open group: nobody has seen it, it goes at once.
        Vnode young = File(fs, "young", Bytes(100, 3));
        Write(fs, young, 0, Bytes(100, 4));
        Must(fs, () => fs.Unlink(fs.Root, Name("young")));
        fs.Core.FlushOnce();
        Assert.DoesNotContain(Records(driver.Device), r => r.ObjId == young.ObjId);
        driver.Remount();
        driver.AssertSound("afterwards");
    }

    /// <summary>A file that the open group has made cannot be in REDO (RedoTests has the other cases).</summary>
    [Fact]
    public void W9_fsync_of_a_new_file_closes_a_group_and_writes_no_redo()
    {
        using EngineDriver driver = Small();
        RecordingDevice log = Recorded(driver);
        Vnode file = File(driver.Fs, "f", Bytes(50_000, 1));
        Assert.Equal(Errno.None, driver.Fs.Open(file));
        Errno result = Errno.Io;
        int promised = 0;
        driver.Fs.WhenSynced(file, (_, e) => (result, promised) = (e, log.Count), null);
        driver.Fs.Core.RedoOnce();
        Assert.Equal(0, promised);
        driver.Fs.Core.FlushOnce();
        Assert.Equal(Errno.None, result);
        // The disk loses what it was not told to flush before fsync returned.
        int flushed = promised;
        while (!log.Events[flushed - 1].IsFlush) flushed--;
        Assert.Equal(promised, flushed);
        using HammerFs again = MountedTree.Mount(MountedTree.Options(), driver.Device.Clone());
        Assert.Equal(Bytes(50_000, 1), Read(again, Find(again, "f")));
        byte[] sector = new byte[512];
        for (long at = 0; at < FifoPoke.BytesOf(driver.Device); at += 512)
        {
            driver.Device.Read(FifoPoke.DeviceByte(driver.Device, at), sector);
            for (int i = 0; i + 8 <= 512;)
            {
                Assert.NotEqual(FifoHead.TypeRedo, BitConverter.ToUInt16(sector.AsSpan(i + 2)));
                i += (int)Math.Max(8, BitConverter.ToUInt32(sector.AsSpan(i + 4)));
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void W10_everything_accepted_before_enospc_can_be_flushed_and_deletion_still_works(bool noHistory)
    {
        using EngineDriver driver = Small(noHistory, megabytes: 112);
        HammerFs fs = driver.Fs;
        var kept = new Dictionary<string, byte[]>();
        bool full = false;
        for (int i = 0; !full && i < 5000; i++)
        {
            // Parts of blocks: they wait in memory, and get their space when the group closes.
            byte[] content = Bytes(9000, i);
            string name = $"f{i}";
            Vnode vnode = default;
            full = Repeat(fs, () => fs.Create(fs.Root, Name(name), ObjType.RegFile, 0x1A4, 0, 0, Root, out vnode,
                out _));
            if (full) break;
            kept[name] = [];
            full = Repeat(fs, () => fs.Write(vnode, 0, content, false, false, out _));
            if (!full) kept[name] = content;
        }
        Assert.True(full && kept.Count > 20, $"{kept.Count} files");
        Assert.Equal(Errno.None, fs.SyncAndWait());
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        driver.Remount();
        fs = driver.Fs;
        foreach ((string name, byte[] content) in kept) Assert.Equal(content, Read(fs, Find(fs, name)));
        foreach (string name in kept.Keys) Must(fs, () => fs.Unlink(fs.Root, Name(name)));
        Assert.Equal(Errno.None, fs.SyncAndWait());
        Assert.False(fs.Health.IsCritical, fs.Health.Message);
        driver.Remount();
        driver.AssertSound("full, then emptied");
    }

    /// <summary>True if the operation ended with ENOSPC.</summary>
    static bool Repeat(HammerFs fs, Func<Errno> operation)
    {
        Errno e;
        for (int tries = 0; (e = operation()) == Errno.NeedFlush && tries < 100; tries++) fs.Core.FlushOnce();
        Assert.True(e == Errno.None || e == Errno.NoSpc, $"{e}");
        return e == Errno.NoSpc;
    }

    [Fact]
    public void W11_open_file_without_a_name_is_on_the_list_and_goes_at_the_next_mount()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", Bytes(50_000, 1));
        Sync(fs);
        Assert.Equal(Errno.None, fs.Open(file));
        Must(fs, () => fs.Unlink(fs.Root, Name("f")));
        Vnode nameless = default;
        Must(fs, () => fs.TmpFile(fs.Root, 0x180, Root, out nameless, out _));
        Write(fs, nameless, 0, Bytes(9000, 2));
        Sync(fs);
        Assert.Equal(2, Records(driver.Device).Count(r => r.RecType == OracleRecord.Ext && r.IsLive && r.Key < 0));
        Assert.Equal(Bytes(50_000, 1), Read(fs, file));
        driver.Crash();
        List<OracleRecord> records = Records(driver.Device);
        Assert.DoesNotContain(records, r => r.IsLive && (r.ObjId == file.ObjId || r.ObjId == nameless.ObjId));
        Assert.DoesNotContain(records, r => r.RecType == OracleRecord.Ext);
        driver.Remount();
        driver.AssertSound("afterwards");
    }

    [Fact]
    public void W11_an_inode_without_links_that_is_not_on_the_list_is_left_alone()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode nameless = default;
        Must(fs, () => fs.TmpFile(fs.Root, 0x180, Root, out nameless, out _));
        Write(fs, nameless, 0, Bytes(9000, 2));
        Sync(fs);
        BTreeCursor cursor = fs.Core.Cursor();
        Assert.True(cursor.SeekAsOf(RecordKey.Misc(0, 1, RecType.Ext, long.MinValue | nameless.ObjId), Tid.Max));
        fs.Core.Records.RemovePhysically(cursor);
        Sync(fs);
        driver.Crash();
        Assert.Equal(Bytes(9000, 2), Read(driver.Fs, nameless));
    }

    [Fact]
    public void W11_orphans_of_two_pfss_with_the_same_object_id_are_both_taken_off_the_list()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode nameless = default;
        Must(fs, () => fs.TmpFile(fs.Root, 0x180, Root, out nameless, out _));
        Sync(fs);
        // As if a promoted slave had the same id: its place on the list is the next key.
        BaseElm key = RecordKey.Misc(0, 1, RecType.Ext, long.MinValue | nameless.ObjId);
        BTreeCursor cursor = fs.Core.Cursor();
        Assert.True(cursor.SeekAsOf(key, Tid.Max));
        fs.Core.Records.RemovePhysically(cursor);
        byte[] other = new byte[16], own = new byte[16];
        BitConverter.TryWriteBytes(other, 77);
        BitConverter.TryWriteBytes(other.AsSpan(8), nameless.ObjId);
        BitConverter.TryWriteBytes(own.AsSpan(8), nameless.ObjId);
        key.ObjType = ObjType.Directory;
        key.CreateTid = 0;
        Assert.Equal(Errno.None, fs.Core.Records.InsertMeta(key, other));
        key.Key++;
        Assert.Equal(Errno.None, fs.Core.Records.InsertMeta(key, own));
        Sync(fs);
        driver.Crash();
        Sync(driver.Fs);
        Assert.DoesNotContain(Records(driver.Device), r => r.RecType == OracleRecord.Ext && r.IsLive);
        Assert.DoesNotContain(Records(driver.Device), r => r.IsLive && r.ObjId == nameless.ObjId);
    }

    [Fact]
    public void W11_a_nameless_file_that_is_linked_has_all_its_records_stamped_with_the_tid_of_now()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode nameless = default;
        Must(fs, () => fs.TmpFile(fs.Root, 0x180, Root, out nameless, out _));
        Write(fs, nameless, 0, Bytes(100_000, 2));
        Must(fs, () => fs.SetXattr(nameless, "user.a"u8, Bytes(20_000, 3), XattrKind.Any));
        Sync(fs);
        ulong before = fs.DurableTid;
        Write(fs, nameless, 0, Bytes(10, 4));
        Must(fs, () => fs.Link(nameless, fs.Root, Name("named"), out _));
        Sync(fs);
        fs.Release(nameless);
        Sync(fs);
        OracleRecord[] live = [.. Records(driver.Device).Where(r => r.ObjId == nameless.ObjId && r.IsLive)];
        Assert.True(live.Length >= 10);
        Assert.All(live, r => Assert.True(r.CreateTid >= before, $"{r}"));
        driver.Crash();
        byte[] expected = Bytes(100_000, 2);
        Bytes(10, 4).CopyTo(expected, 0);
        Assert.Equal(expected, Read(driver.Fs, Find(driver.Fs, "named")));
        driver.Remount();
        driver.AssertSound("afterwards");
    }

    [Fact]
    public void W12_a_change_of_mtime_alone_is_a_version_that_views_of_the_past_show()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f", [1]);
        ulong[] tids = new ulong[3];
        for (int i = 0; i < 3; i++)
        {
            SetMtime(fs, file, 1_000_000_000_000_000UL + (ulong)i);
            Assert.Equal(Errno.None, fs.SyncTid(out tids[i]));
        }
        driver.Remount();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(Errno.None, driver.Fs.GetAttr(new Vnode(0, tids[i], file.ObjId), out FileAttr attr));
            Assert.Equal(1_000_000_000_000_000UL + (ulong)i, attr.Mtime);
            Assert.Equal(attr.Mtime, attr.Atime);
        }
        Assert.True(Records(driver.Device).Count(r => r.ObjId == file.ObjId && r.RecType == OracleRecord.Inode) >= 3);
    }

    static void SetMtime(HammerFs fs, Vnode file, ulong mtime) => Must(fs, () => fs.SetAttr(file,
        new AttrRequest { Change = AttrChange.Mtime, Mtime = mtime }, Root, out _));

    [Fact]
    public void W12_on_a_pfs_without_our_mark_mtime_changes_in_place_outside_the_sum_and_history_shows_ctime()
    {
        using GoldenLease lease = GoldenData.Borrow("v7/basic");
        using var device = new OverlayBlockDevice(FileBlockDevice.Open(lease.Paths[0], readOnly: true), ownsBase: true);
        int before = Records(device).Count;
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
        {
            (Vnode file, FileAttr attr) = AnyFile(fs);
            SetMtime(fs, file, 1_234_567);
            Sync(fs);
            Assert.Equal(before, Records(device).Count);
            Assert.Equal(Errno.None, fs.GetAttr(file, out FileAttr now));
            Assert.Equal(1_234_567UL, now.Mtime);
            Assert.Equal(attr.Ctime, now.Ctime);
            Assert.Equal(Errno.None, fs.GetAttr(file with { AsOf = fs.DurableTid }, out FileAttr past));
            Assert.Equal(attr.Ctime, past.Mtime);
        }
        MountedTree.AssertSound("in place", device);
    }

    static (Vnode File, FileAttr Attr) AnyFile(HammerFs fs)
    {
        foreach (ManifestEntry entry in FsWalker.Walk(fs, fs.Root).Where(e => e.Type == "file"))
        {
            var vnode = new Vnode(0, Tid.Max, (long)entry.Ino);
            Assert.Equal(Errno.None, fs.GetAttr(vnode, out FileAttr attr));
            if (attr.Uflags == 0) return (vnode, attr);
        }
        throw new InvalidOperationException("no file");
    }

    [Fact]
    public void W13_a_pfs_record_has_one_version_however_often_it_changes()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Assert.Equal(Errno.None, fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out int id));
        for (int i = 0; i < 5; i++)
        {
            byte text = (byte)i;
            Assert.Equal(Errno.None, fs.UpdatePfs(id, (ref PseudofsData pfs) => pfs.SyncBegTid = text + 1UL));
            Sync(fs);
        }
        Assert.Single(Records(driver.Device), r => r.RecType == OracleRecord.Pfs && r.Key == (long)id << 16);
        driver.Remount();
        Assert.True(driver.Fs.TryGetPfs(id, out PseudofsData data));
        Assert.Equal(5UL, data.SyncBegTid);
        driver.AssertSound("afterwards");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(8150)]
    [InlineData(8192)]
    [InlineData(16384)]
    [InlineData(65536)]
    public void W14_attributes_of_any_size_lie_in_records_that_fit_a_buffer_with_room_to_spare(int bytes)
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f");
        byte[] name = Name("user." + new string('n', 250));
        Must(fs, () => fs.SetXattr(file, name, Bytes(bytes, 1), XattrKind.Any));
        Sync(fs);
        foreach (OracleRecord r in Records(driver.Device).Where(r => r.RecType == OracleRecord.Ext))
        {
            Assert.True(r.DataLen <= 16384 - 4096, $"{r.DataLen}");
            Assert.Equal(2u, r.Localization & 0xFFFF);
        }
        driver.Remount();
        fs = driver.Fs;
        byte[] value = new byte[65536];
        Assert.Equal(Errno.None, fs.GetXattr(file, name, value, out int length));
        Assert.Equal(Bytes(bytes, 1), value[..length]);
        Must(fs, () => fs.Unlink(fs.Root, Name("f")));
        driver.Remount();
        Assert.DoesNotContain(Records(driver.Device), r => r.RecType == OracleRecord.Ext && r.IsLive);
        driver.AssertSound("removed with its inode");
    }

    [Fact]
    public void W14_names_of_one_hash_are_found_also_when_the_first_of_them_is_gone()
    {
        string[] names = Colliding();
        Assert.Single(names.Select(n => XattrFormat.FirstKey(Name(n))).Distinct());
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        Vnode file = File(fs, "f");
        foreach (string name in names) Must(fs, () => fs.SetXattr(file, Name(name), Name(name), XattrKind.Create));
        Sync(fs);
        Must(fs, () => fs.RemoveXattr(file, Name(names[0])));
        byte[] value = new byte[100];
        foreach (string name in names[1..])
        {
            Assert.Equal(Errno.None, fs.GetXattr(file, Name(name), value, out int length));
            Assert.Equal(name, Encoding.UTF8.GetString(value.AsSpan(0, length)));
            Must(fs, () => fs.SetXattr(file, Name(name), "new"u8, XattrKind.Replace));
        }
        Must(fs, () => fs.SetXattr(file, Name(names[0]), "back"u8, XattrKind.Create));
        Assert.Equal(Errno.None, fs.ListXattr(file, default, out int bytes));
        Assert.Equal(names.Sum(n => n.Length + 1), bytes);
        driver.Remount();
        foreach (string name in names)
            Assert.Equal(Errno.None, driver.Fs.GetXattr(file, Name(name), value, out _));
        driver.AssertSound("collisions");
    }

    /// <summary>
    /// Three names of one sum: two of one length are searched, and what tells them apart does so again behind either.
    /// </summary>
    static string[] Colliding()
    {
        var random = new NasTesting.Model.ModelRandom(14);
        var seen = new Dictionary<uint, string>();
        while (true)
        {
            string tail = random.Next().ToString("x16", System.Globalization.CultureInfo.InvariantCulture);
            if (seen.TryAdd(OracleCrc.Old(Name("user." + tail)), tail)) continue;
            string other = seen[OracleCrc.Old(Name("user." + tail))];
            return ["user." + tail + tail, "user." + other + tail, "user." + tail + other];
        }
    }

    [Fact]
    public void W14_a_directory_of_the_old_kind_takes_no_attributes()
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        long id = fs.Core.Tids.NewObjId();
        BaseElm key = RecordKey.Inode(0, id);
        key.ObjType = ObjType.Directory;
        var inode = new InodeOndisk { Version = 1, ObjTypeRaw = (byte)ObjType.Directory, Nlinks = 1, ParentObjId = 1 };
        Assert.Equal(Errno.None, fs.Core.Records.InsertMeta(key,
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<InodeOndisk>(in inode))));
        Assert.Equal(Errno.OpNotSupp, fs.SetXattr(new Vnode(0, Tid.Max, id), "user.a"u8, "x"u8, XattrKind.Any));
        Assert.Equal(Errno.None, fs.SetXattr(Dir(fs, "d"), "user.a"u8, "x"u8, XattrKind.Any));
    }
}
