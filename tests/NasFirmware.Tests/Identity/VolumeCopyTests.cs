using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using NasCore;
using NasCore.Io;
using NasCore.Mirror;
using NasCore.Primitives;
using NasCore.Volumes;
using NasFirmware.Identity;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Identity;

/// <summary>The file on a volume: who may read it, what stays of it, and what a power cut leaves.</summary>
public sealed class VolumeCopyTests
{
    internal static MemoryBlockDevice Formatted(long megabytes = 256)
    {
        var device = new MemoryBlockDevice(megabytes << 20);
        Newfs.Format([device], new NewfsOptions
        {
            Label = "v", Version = 7, FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
            TimeUs = 1_700_000_000_000_000, UndoBytes = 8 << 20, Force = true,
        });
        return device;
    }

    internal static HammerFs Open(IBlockDevice device, bool readOnly = false) => HammerFs.Open(
        VolumeSet.Open([device]), new HammerFsOptions { Time = TimeProvider.System, ReadOnly = readOnly });

    static byte[] Content(char letter) => Encoding.ASCII.GetBytes(new string(letter, 3000));

    [Fact]
    public void Copy_is_roots_alone_and_replaced_as_a_whole()
    {
        using HammerFs fs = Open(Formatted());
        Assert.False(VolumeCopy.IsThere(fs));
        Assert.Equal(Errno.None, VolumeCopy.Read(fs, out byte[]? none));
        Assert.Null(none);
        foreach (char letter in "ab")
        {
            Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, Content(letter)));
            Assert.Equal(Errno.None, VolumeCopy.Read(fs, out byte[]? read));
            Assert.Equal(Content(letter), read);
        }
        Assert.True(VolumeCopy.IsThere(fs));
        fs.Lookup(fs.Root, ".nashammer"u8, out Vnode folder, out FileAttr attr);
        Assert.Equal((0x1C0u, 0u, 0u), (attr.Mode, attr.Uid, attr.Gid));
        fs.Lookup(folder, "identity"u8, out _, out attr);
        Assert.Equal((0x180u, 0u, 0u, 3000ul), (attr.Mode, attr.Uid, attr.Gid, attr.Size));
        Assert.Equal(Errno.NoEnt, fs.Lookup(folder, "identity.new"u8, out _, out _));
    }

    [Fact]
    public void Place_that_is_not_roots_alone_is_not_believed()
    {
        using HammerFs fs = Open(Formatted());
        var user = new Caller(1000, 1000, 0);
        fs.Create(fs.Root, ".nashammer"u8, ObjType.Directory, 0x1C0, 0, 0, user, out Vnode folder, out _);
        Assert.Equal(Errno.Perm, VolumeCopy.Read(fs, out _));
        Assert.Equal(Errno.Perm, VolumeCopy.Write(fs, null, Content('a')));
        var root = new AttrRequest { Change = AttrChange.Uid };
        fs.SetAttr(folder, root, default, out _);
        Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, Content('a')));
        fs.Lookup(folder, "identity"u8, out Vnode file, out _);
        var all = new AttrRequest { Change = AttrChange.Mode, Mode = 0x1A4 };
        fs.SetAttr(file, all, default, out _);
        Assert.Equal(Errno.Perm, VolumeCopy.Read(fs, out _));
    }

    [Fact]
    public void Removed_copy_is_in_no_past_and_in_no_stream()
    {
        using HammerFs fs = Open(Formatted());
        const string secret = "SECRETSECRETSECRET";
        byte[] content = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(secret, 200)));
        Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, content));
        Assert.Contains(secret, Stream(fs), StringComparison.Ordinal);
        ulong then = fs.DurableTid;
        Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, [.. content, 1]));
        Assert.Equal(Errno.None, VolumeCopy.Remove(fs, null));
        Assert.False(VolumeCopy.IsThere(fs));
        Assert.DoesNotContain(secret, Stream(fs), StringComparison.Ordinal);
        Vnode past = fs.Root with { AsOf = then };
        if (!fs.Lookup(past, ".nashammer"u8, out Vnode folder, out _).IsError)
            Assert.True(fs.Lookup(folder, "identity"u8, out _, out _).IsError);
    }

    // Whoever owns the root may call the folder something else.
    [Theory, InlineData(false), InlineData(true)]
    public void Copy_under_another_name_does_not_leave_the_box(bool isLarge)
    {
        using HammerFs fs = Open(Formatted());
        using var key = PeerKey.Make();
        PeerEntry[] peers = [.. Enumerable.Range(0, isLarge ? 250 : 1).Select(i =>
            new PeerEntry { Name = "nas" + i, Key = i.ToString("x64", CultureInfo.InvariantCulture) })];
        Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, IdentityFile.Write(new IdentityCopy
        {
            Box = "nas1", Key = key.Hash, Pem = key.Pem(), Peers = new PeerFile { Generation = 1, Peers = peers },
        })));
        using (var there = new OpenStream(fs))
            Assert.Contains("must not leave", there.Ended().Message, StringComparison.Ordinal);
        Assert.Equal(Errno.None, fs.Rename(fs.Root, ".nashammer"u8, fs.Root, "x"u8, RenameKind.Replace));
        Assert.False(VolumeCopy.IsThere(fs));
        using var stream = new OpenStream(fs);
        Assert.Contains("inode number", stream.Ended().Message, StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE KEY", stream.Text, StringComparison.Ordinal);
    }

    /// <summary>Everything that a mirror of the root PFS sends.</summary>
    static string Stream(HammerFs fs)
    {
        var bytes = new Collector();
        Assert.Equal(Errno.None, fs.SyncAndWait());
        new MirrorSourceSession(bytes, fs.MirrorSource(0), new MirrorSourceOptions { TwoWay = false },
            TimeProvider.System, new MirrorWatcher()).Run(default);
        return Encoding.Latin1.GetString([.. bytes.All]);
    }

    sealed class Collector : IByteChannel
    {
        internal List<byte> All { get; } = [];
        public int Read(Span<byte> destination) => 0;
        public void Write(ReadOnlySpan<byte> source) => All.AddRange(source);
    }

    [Fact]
    public void Power_cut_at_any_moment_leaves_the_one_or_the_other()
    {
        MemoryBlockDevice disk = Formatted(128);
        using (HammerFs fs = Open(disk)) Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, Content('a')));
        var log = new WriteLog(disk);
        MemoryBlockDevice start = log.Snapshot();
        using (HammerFs fs = Open(log)) Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, Content('b')));
        bool wasNew = false;
        for (int cut = 0; cut <= log.Writes.Count; cut++)
        {
            // Both that the disk keeps what it was given, and that it loses what was not flushed.
            foreach (bool loses in new[] { false, true })
            {
                MemoryBlockDevice after = log.After(start, cut, loses);
                using HammerFs fs = Open(after);
                Assert.Equal(Errno.None, VolumeCopy.Read(fs, out byte[]? read));
                bool isNew = read.AsSpan().SequenceEqual(Content('b'));
                Assert.True(isNew || read.AsSpan().SequenceEqual(Content('a')), $"cut {cut}, loses {loses}");
                if (!loses)
                {
                    Assert.True(isNew || !wasNew, $"cut {cut}: it went back");
                    wasNew = isNew;
                }
                // What is left of the attempt is in nobody's way.
                Assert.Equal(Errno.None, VolumeCopy.Write(fs, null, Content('c')));
            }
        }
        Assert.True(wasNew);
    }

    /// <summary>Keeps what is written, to make the medium as it is after a power cut.</summary>
    sealed class WriteLog(MemoryBlockDevice below) : IBlockDevice
    {
        internal List<(long Offset, byte[]? Bytes)> Writes { get; } = [];

        public string Name => below.Name;
        public long Length => below.Length;
        public int LogicalBlockBytes => below.LogicalBlockBytes;
        public bool IsReadOnly => false;
        public void Read(long offset, Span<byte> destination) => below.Read(offset, destination);

        public void Write(long offset, ReadOnlySpan<byte> source)
        {
            lock (Writes) Writes.Add((offset, source.ToArray()));
            below.Write(offset, source);
        }

        public void Flush()
        {
            lock (Writes) Writes.Add((0, null));
            below.Flush();
        }

        public void Discard(long offset, long length) => below.Discard(offset, length);
        public void StartWriteback(long offset, long length) => below.StartWriteback(offset, length);

        internal MemoryBlockDevice Snapshot() => Copy(below);

        static MemoryBlockDevice Copy(MemoryBlockDevice of)
        {
            var copy = new MemoryBlockDevice(of.Length);
            byte[] piece = new byte[1 << 20];
            for (long at = 0; at < of.Length; at += piece.Length)
            {
                of.Read(at, piece);
                if (piece.AsSpan().ContainsAnyExcept((byte)0)) copy.Write(at, piece);
            }
            return copy;
        }

        internal MemoryBlockDevice After(MemoryBlockDevice start, int cut, bool loses)
        {
            MemoryBlockDevice disk = Copy(start);
            int kept = cut;
            while (loses && kept > 0 && Writes[kept - 1].Bytes is not null) kept--;
            for (int i = 0; i < kept; i++)
            {
                if (Writes[i].Bytes is { } bytes) disk.Write(Writes[i].Offset, bytes);
            }
            return disk;
        }

        public void Dispose()
        {
        }
    }
}
