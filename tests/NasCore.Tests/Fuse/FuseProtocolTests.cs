using System;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using NasCore;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasCore.Primitives;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>Each main operation as the bytes that the kernel sends.</summary>
public sealed class FuseProtocolTests : IDisposable
{
    const int ENoEnt = 2, EIo = 5, EExist = 17, EInval = 22, ENoTty = 25, ERoFs = 30, ERange = 34, ENameTooLong = 36,
        ENoSys = 38, ENoData = 61, EOpNotSupp = 95, EStale = 116, ENxIo = 6;

    readonly MemoryFs _fs = new();
    readonly FuseBench _bench;

    public FuseProtocolTests() => _bench = new FuseBench(_fs);

    public void Dispose() => _fs.Dispose();

    [Fact]
    public void Init_agrees_on_what_both_can()
    {
        var bench = new FuseBench(_fs, init: false);
        var init = MemoryMarshal.Read<FuseInitOut>(bench.Raw(FuseBench.Hex("""
            68000000 1a000000            ; len 104, INIT
            0100000000000000             ; unique
            0000000000000000             ; no node
            00000000 00000000 00000000   ; uid, gid, pid
            0000 0000                    ; no extensions
            07000000 2d000000            ; version 7.45
            00000200                     ; max_readahead 128 KiB
            ffffffff                     ; the kernel can everything
            ffffffff 0000000000000000 0000000000000000 0000000000000000 0000000000000000
            0000000000000000 00000000    ; flags2 and unused
            """)));
        Assert.Equal((7u, 38u), (init.Major, init.Minor));
        Assert.Equal(1u << 20, init.MaxWrite);
        Assert.Equal(256, init.MaxPages);
        Assert.Equal(1000u, init.TimeGran);
        Assert.False(init.Flags.HasFlag(FuseInitFlags.WritebackCache));
        Assert.False(init.Flags.HasFlag(FuseInitFlags.CacheSymlinks));
        Assert.False(init.Flags.HasFlag(FuseInitFlags.PosixLocks));
        Assert.True(init.Flags.HasFlag(FuseInitFlags.PosixAcl | FuseInitFlags.DontMask | FuseInitFlags.ExportSupport |
            FuseInitFlags.HandleKillPrivV2 | FuseInitFlags.DoReadDirPlus | FuseInitFlags.ParallelDirOps));
        Assert.True(bench.Dispatcher.Initialized);
    }

    [Theory]
    [InlineData("06000000 26000000 00000200 00000000")]
    [InlineData("07000000 10000000 00000200 00000000")]
    public void Init_of_an_old_kernel_is_refused(string body)
    {
        var bench = new FuseBench(_fs, init: false);
        bench.Call(FuseOpcode.Init, 0, body);
        Assert.Equal(71, bench.Error);
        Assert.Contains("FUSE", bench.Dispatcher.Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void Init_of_a_newer_major_version_is_asked_again()
    {
        var bench = new FuseBench(_fs, init: false);
        Assert.Equal(7u, bench.Call<FuseInitOut>(FuseOpcode.Init, 0, "08000000 00000000 00000200 00000000").Major);
        Assert.False(bench.Dispatcher.Initialized);
    }

    [Fact]
    public void Init_counts_pages_of_the_machine() =>
        Assert.Equal(64, new FuseLimits { PageBytes = 16384 }.PagesMax);

    [Fact]
    public void Lookup_finds_a_name_by_its_object_id()
    {
        ulong file = _bench.Create(1, "f");
        byte[] reply = _bench.Raw(FuseBench.Hex("""
            2a000000 01000000            ; len 42, LOOKUP
            0900000000000000             ; unique
            0100000000000000             ; in the root
            00000000 00000000 07000000   ; uid, gid, pid
            0000 0000
            6600                         ; "f"
            """));
        var entry = MemoryMarshal.Read<FuseEntryOut>(reply);
        Assert.Equal(file, entry.NodeId);
        Assert.Equal(file, entry.Attr.Ino);
        Assert.Equal(0x81A4u, entry.Attr.Mode);
        Assert.Equal(1u, entry.Attr.Nlink);
        Assert.True(entry.EntryValid > 0);
        Assert.Equal(0, _bench.Dispatcher.Nodes.Rows);
        _bench.Call(FuseOpcode.Lookup, 1, FuseBench.Name("absent"));
        Assert.Equal(ENoEnt, _bench.Error);
    }

    [Fact]
    public void Write_then_read_gives_the_bytes()
    {
        ulong file = _bench.Create(1, "f");
        var written = _bench.Call<FuseSizeOut>(FuseOpcode.Write, file, """
            0000000000000000             ; fh
            0500000000000000             ; offset 5
            03000000 00000000            ; size, write_flags
            0000000000000000             ; lock_owner
            02000000 00000000            ; O_RDWR
            616263                       ; "abc"
            """);
        Assert.Equal(3u, written.Size);
        byte[] read = _bench.Call(FuseOpcode.Read, file, """
            0000000000000000             ; fh
            0000000000000000             ; offset
            00100000 00000000            ; size 4096, read_flags
            0000000000000000             ; lock_owner
            00000000 00000000
            """);
        Assert.Equal("\0\0\0\0\0abc"u8.ToArray(), read);
    }

    [Fact]
    public void Write_appends_by_the_open_flags_but_not_from_the_page_cache()
    {
        ulong file = _bench.Create(1, "f");
        const string head = "0000000000000000 0000000000000000 01000000";
        const string tail = "0000000000000000 02040000 00000000";
        _bench.Call(FuseOpcode.Write, file, $"{head} 00000000 {tail} 61");
        _bench.Call(FuseOpcode.Write, file, $"{head} 00000000 {tail} 62");
        _bench.Call(FuseOpcode.Write, file, $"{head} 01000000 {tail} 63");
        byte[] read = _bench.Call(FuseOpcode.Read, file,
            "0000000000000000 0000000000000000 00100000 00000000 0000000000000000 00000000 00000000");
        Assert.Equal("cb"u8.ToArray(), read);
    }

    [Fact]
    public void Setattr_changes_what_is_valid_only()
    {
        ulong file = _bench.Create(1, "f");
        var attr = _bench.Call<FuseAttrOut>(FuseOpcode.SetAttr, file, """
            21000000 00000000            ; FATTR_MODE | FATTR_MTIME
            0000000000000000             ; fh
            ffff000000000000             ; size, not valid
            0000000000000000             ; lock_owner
            0000000000000000             ; atime
            0a00000000000000             ; mtime 10 s
            0000000000000000             ; ctime
            00000000 e7030000 00000000   ; nanoseconds: mtime 999, below a microsecond
            ed090000                     ; mode 04755
            00000000 01000000 01000000 00000000
            """).Attr;
        Assert.Equal(0x89EDu, attr.Mode);
        Assert.Equal((10ul, 0u), (attr.Mtime, attr.MtimeNsec));
        Assert.Equal((0ul, 0u, 0u), (attr.Size, attr.Uid, attr.Gid));
    }

    [Fact]
    public void Chown_clears_set_id_bits_and_capabilities()
    {
        ulong file = _bench.Create(1, "f");
        _bench.Call(FuseOpcode.SetXattr, file, "02000000 00000000 00000000 00000000" +
            FuseBench.Name("security.capability") + "0102");
        _bench.Call(FuseOpcode.SetAttr, file, "01000000 00000000" + Zeros(60) + "ed090000" + Zeros(16));
        var attr = _bench.Call<FuseAttrOut>(FuseOpcode.SetAttr, file,
            "02000000 00000000" + Zeros(60) + "00000000 00000000 05000000 00000000 00000000").Attr;
        Assert.Equal((5u, 0x81EDu), (attr.Uid, attr.Mode));
        _bench.Call(FuseOpcode.GetXattr, file, "40000000 00000000" + FuseBench.Name("security.capability"));
        Assert.Equal(ENoData, _bench.Error);
    }

    [Fact]
    public void Mknod_takes_device_numbers_apart()
    {
        var entry = _bench.Call<FuseEntryOut>(FuseOpcode.MkNod, 1, """
            b0610000                     ; block device, 0660
            15432100                     ; major 0x43, minor 0x215 of the kernel's encoding
            12000000 00000000            ; umask 022
            """ + FuseBench.Name("dev"));
        Assert.Equal(0x00214315u, entry.Attr.Rdev);
        Assert.Equal(0x61A0u, entry.Attr.Mode);
    }

    [Fact]
    public void Rename_flags_are_told_apart()
    {
        ulong a = _bench.Create(1, "a"), b = _bench.Create(1, "b");
        string names = FuseBench.Name("a") + FuseBench.Name("b");
        _bench.Call(FuseOpcode.Rename2, 1, "0100000000000000 01000000 00000000" + names);
        Assert.Equal(EExist, _bench.Error);
        _bench.Call(FuseOpcode.Rename2, 1, "0100000000000000 02000000 00000000" + names);
        Assert.Equal(0, _bench.Error);
        Assert.Equal((b, a), (_bench.Lookup(1, "a").NodeId, _bench.Lookup(1, "b").NodeId));
        _bench.Call(FuseOpcode.Rename2, 1, "0100000000000000 04000000 00000000" + names);
        Assert.Equal(EInval, _bench.Error);
        _bench.Call(FuseOpcode.Rename, 1, "0100000000000000" + names);
        Assert.Equal(0, _bench.Error);
    }

    [Fact]
    public void Readdir_lists_entries_with_cookies_to_go_on()
    {
        foreach (string name in new[] { "one", "two", "three" }) _bench.Create(1, name);
        string[] names = [];
        ulong cookie = 0;
        while (true)
        {
            // Room for one or two entries at a time.
            byte[] list = _bench.Call(FuseOpcode.ReadDir, 1,
                Zeros(8) + FuseBench.Hex(cookie) + "40000000 00000000 0000000000000000 00000000 00000000");
            if (list.Length == 0) break;
            for (int at = 0; at < list.Length;)
            {
                var dirent = MemoryMarshal.Read<FuseDirent>(list.AsSpan(at));
                names = [.. names, Encoding.UTF8.GetString(list, at + 24, (int)dirent.NameLen)];
                cookie = dirent.Off;
                at += (24 + (int)dirent.NameLen + 7) & ~7;
            }
        }
        Assert.Equal([".", "..", "one", "two", "three"], names);
    }

    [Fact]
    public void Readdirplus_brings_attributes_except_for_the_dots()
    {
        ulong file = _bench.Create(1, "f");
        byte[] list = _bench.Call(FuseOpcode.ReadDirPlus, 1,
            Zeros(16) + "00100000 00000000 0000000000000000 00000000 00000000");
        Assert.Equal(0ul, MemoryMarshal.Read<FuseEntryOut>(list).NodeId);
        Assert.Equal(0ul, MemoryMarshal.Read<FuseEntryOut>(list.AsSpan(160)).NodeId);
        var entry = MemoryMarshal.Read<FuseEntryOut>(list.AsSpan(320));
        Assert.Equal(file, entry.NodeId);
        Assert.Equal(0x81A4u, entry.Attr.Mode);
        Assert.Equal(8u, MemoryMarshal.Read<FuseDirent>(list.AsSpan(320 + 128)).Type);
    }

    [Fact]
    public void Xattrs_answer_sizes_first()
    {
        ulong file = _bench.Create(1, "f");
        _bench.Call(FuseOpcode.SetXattr, file, """
            03000000                     ; size
            01000000                     ; XATTR_CREATE
            00000000 00000000            ; setxattr_flags
            """ + FuseBench.Name("user.a") + "313233");
        Assert.Equal(0, _bench.Error);
        string name = FuseBench.Name("user.a");
        Assert.Equal(3u, _bench.Call<FuseSizeOut>(FuseOpcode.GetXattr, file, "00000000 00000000" + name).Size);
        Assert.Equal("123"u8.ToArray(), _bench.Call(FuseOpcode.GetXattr, file, "10000000 00000000" + name));
        _bench.Call(FuseOpcode.GetXattr, file, "02000000 00000000" + name);
        Assert.Equal(ERange, _bench.Error);
        Assert.Equal("user.a\0"u8.ToArray(), _bench.Call(FuseOpcode.ListXattr, file, "10000000 00000000"));
        _bench.Call(FuseOpcode.RemoveXattr, file, name);
        _bench.Call(FuseOpcode.RemoveXattr, file, name);
        Assert.Equal(ENoData, _bench.Error);
    }

    [Fact]
    public void Flags_of_chattr_become_bsd_flags()
    {
        ulong file = _bench.Create(1, "f");
        const string head = "0000000000000000 00000000";
        _bench.Call(FuseOpcode.Ioctl, file, """
            0000000000000000             ; fh
            00000000 02660840            ; flags, FS_IOC_SETFLAGS
            0000000000000000             ; arg
            04000000 00000000            ; in_size, out_size
            70000000                     ; immutable, append-only, no dump
            """);
        Assert.Equal(0, _bench.Error);
        _fs.GetAttr(new Vnode(0, Tid.Max, (long)file), out FileAttr attr);
        Assert.Equal(0x60001u, attr.Uflags);
        byte[] shown = _bench.Call(FuseOpcode.Ioctl, file, head + "01660880 0000000000000000 00000000 04000000");
        Assert.Equal([0x70, 0, 0, 0], shown[16..]);
        byte[] extended = _bench.Call(FuseOpcode.Ioctl, file, head + "1f581c80 0000000000000000 00000000 1c000000");
        Assert.Equal([0x98, 0, 0, 0], extended[16..20]);
        // FS_NOATIME_FL has no counterpart; other commands are not ours.
        _bench.Call(FuseOpcode.Ioctl, file, head + "02660840 0000000000000000 04000000 00000000 80000000");
        Assert.Equal(EOpNotSupp, _bench.Error);
        _bench.Call(FuseOpcode.Ioctl, file, head + "03660840 0000000000000000 04000000 00000000 80000000");
        Assert.Equal(ENoTty, _bench.Error);
    }

    [Fact]
    public void Fallocate_and_lseek_know_holes()
    {
        ulong file = _bench.Create(1, "f");
        _bench.Call(FuseOpcode.FAllocate, file, Zeros(16) + FuseBench.Hex(100000) + "00000000 00000000");
        Assert.Equal(100000ul, _bench.Call<FuseAttrOut>(FuseOpcode.GetAttr, file, Zeros(16)).Attr.Size);
        _bench.Call(FuseOpcode.LSeek, file, Zeros(16) + "03000000 00000000");
        Assert.Equal(ENxIo, _bench.Error);
        Assert.Equal(0ul, _bench.Call<ulong>(FuseOpcode.LSeek, file, Zeros(16) + "04000000 00000000"));
        // COLLAPSE_RANGE
        _bench.Call(FuseOpcode.FAllocate, file, Zeros(16) + FuseBench.Hex(4096) + "08000000 00000000");
        Assert.Equal(EOpNotSupp, _bench.Error);
    }

    [Fact]
    public void Tmpfile_is_open_and_can_be_linked()
    {
        var entry = _bench.Call<FuseEntryOut>(FuseOpcode.TmpFile, 1,
            "02000000 a4810000 00000000 00000000" + FuseBench.Name("#1"));
        Assert.Equal(0u, entry.Attr.Nlink);
        Assert.Equal(1, _fs.OpenCount);
        _bench.Call(FuseOpcode.Link, 1, FuseBench.Hex(entry.NodeId) + FuseBench.Name("named"));
        Assert.Equal(entry.NodeId, _bench.Lookup(1, "named").NodeId);
    }

    [Fact]
    public void Undeliverable_replies_are_taken_back()
    {
        _bench.Transport.Refuses = true;
        _bench.Create(1, "f");
        Assert.Equal(0, _fs.OpenCount);
        _fs.Snapshot(0, 0x100000500);
        _bench.Call(FuseOpcode.Lookup, 1, FuseBench.Name("@@0x0000000100000500"));
        Assert.Equal(0, _bench.Dispatcher.Nodes.Rows);
    }

    [Theory]
    [InlineData(FuseOpcode.Flush, ENoSys)]
    [InlineData(FuseOpcode.CopyFileRange, ENoSys)]
    [InlineData(FuseOpcode.Poll, ENoSys)]
    [InlineData(FuseOpcode.BMap, ENoSys)]
    [InlineData((FuseOpcode)4711, ENoSys)]
    [InlineData(FuseOpcode.Lookup, EInval)]
    [InlineData(FuseOpcode.Write, EInval)]
    [InlineData(FuseOpcode.SetAttr, EInval)]
    [InlineData(FuseOpcode.Destroy, 0)]
    public void Short_or_unknown_request_gets_its_error(FuseOpcode opcode, int error)
    {
        _bench.Call(opcode, 1);
        Assert.Equal(error, _bench.Error);
    }

    [Fact]
    public void Names_out_of_order_are_refused()
    {
        _bench.Call(FuseOpcode.Lookup, 1, FuseBench.Name(new string('x', 256)));
        Assert.Equal(ENameTooLong, _bench.Error);
        _bench.Call(FuseOpcode.MkDir, 1, "ed010000 00000000" + FuseBench.Name("a/b"));
        Assert.Equal(EInval, _bench.Error);
        _bench.Call(FuseOpcode.MkDir, 1, "ed010000 00000000" + FuseBench.Name(".."));
        Assert.Equal(EInval, _bench.Error);
        _bench.Call(FuseOpcode.MkDir, 1, "ed010000 00000000 6162");
        Assert.Equal(EInval, _bench.Error);
        _bench.Call(FuseOpcode.GetAttr, 0x8000000000000033, Zeros(16));
        Assert.Equal(EStale, _bench.Error);
    }

    [Fact]
    public void Exceptions_become_errors_by_their_kind()
    {
        ulong file = _bench.Create(1, "f");
        _fs.OnGetAttr = _ => throw new HammerMediumException(new HammerOff(0x8000000000004000), "node CRC");
        _bench.Call(FuseOpcode.GetAttr, file, Zeros(16));
        _bench.Call(FuseOpcode.GetAttr, file, Zeros(16));
        Assert.Equal(EIo, _bench.Error);
        Assert.Single(_bench.Log);
        Assert.False(_fs.Health.IsCritical);
        _fs.OnGetAttr = _ => throw new MountCriticalException("latched", null);
        _bench.Call(FuseOpcode.GetAttr, file, Zeros(16));
        Assert.Equal(ERoFs, _bench.Error);
        _fs.OnGetAttr = _ => throw new InvalidOperationException("a fault of ours");
        _bench.Call(FuseOpcode.GetAttr, file, Zeros(16));
        Assert.Equal(EIo, _bench.Error);
        Assert.True(_fs.Health.IsCritical);
        Assert.Contains("GetAttr", _fs.Health.Message, StringComparison.Ordinal);
    }

    static string Zeros(int bytes) => string.Concat(Enumerable.Repeat("00", bytes));
}
