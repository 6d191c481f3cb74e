using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using NasCore.Io;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>
/// The full comparison looks at the medium: a byte flips in the file below a loop device, whose cache still has the
/// good one, as our own may.
/// </summary>
public sealed class VerifyMediumTests : IDisposable
{
    const int SlavePfs = 1;
    static readonly Caller s_root = new(0, 0, 0);

    readonly string _scratch = Directory.CreateTempSubdirectory("nas-medium-").FullName;
    string? _loop;
    HammerFs? _fs;

    string Image => Path.Combine(_scratch, "image");

    public void Dispose()
    {
        _fs?.Dispose();
        if (_loop is not null) Losetup("-d", _loop);
        Directory.Delete(_scratch, recursive: true);
    }

    static string Losetup(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("/sbin/losetup", arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        string output = process.StandardOutput.ReadToEnd(), error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"losetup {string.Join(' ', arguments)}: {error}");
        return output.Trim();
    }

    HammerFs Mounted()
    {
        using (FileStream image = File.Create(Image)) image.SetLength(128L << 20);
        _loop = Losetup("--find", "--show", Image);
        IBlockDevice device = FileBlockDevice.Open(_loop, readOnly: false, exclusive: true);
        NasCore.Volumes.Newfs.Format([device], new NewfsOptions
        {
            Label = "MEDIUM", Force = true, UndoBytes = 8L << 20, FsId = Guid.NewGuid(),
            TimeUs = 1_262_304_000_000_000,
        });
        return _fs = HammerFs.Open(VolumeSet.Open([device]), new HammerFsOptions
        {
            Time = new VirtualTime(), RunFlusher = false, CacheBytes = 16L << 20,
        });
    }

    static Vnode Write(HammerFs fs, string name, byte[] data)
    {
        Vnode file = default;
        Do(fs, () => fs.Create(new Vnode(1, Tid.Max, HammerConst.RootObjId), Encoding.ASCII.GetBytes(name),
            ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _));
        for (int done = 0; done < data.Length;)
        {
            int written = 0, from = done;
            Do(fs, () => fs.Write(file, (ulong)from, data.AsSpan(from), false, false, out written));
            done += written;
        }
        return file;
    }

    static void Do(HammerFs fs, Func<Errno> operation)
    {
        Errno e;
        while ((e = operation()) == Errno.NeedFlush) fs.Core.FlushOnce();
        Assert.Equal(Errno.None, e);
    }

    static byte[] Bytes(int length, int seed)
    {
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    static byte[] Content(HammerFs fs, Vnode file, int length)
    {
        byte[] data = new byte[length];
        for (int done = 0, n; done < length; done += n)
            Assert.Equal(Errno.None, fs.Read(file, (ulong)done, data.AsSpan(done), out n));
        return data;
    }

    static MirrorVolume Mirrored(HammerFs fs)
    {
        Assert.True(fs.TryGetPfs(1, out PseudofsData pfs));
        var slave = new MirrorVolume(fs.Volumes.Version, 128L << 20);
        slave.MakeSlave(SlavePfs, pfs.SharedUuid);
        var channel = new ArrayChannel([]);
        new MirrorSourceSession(channel, fs.MirrorSource(1), new MirrorSourceOptions { ForcedBegin = 1 },
            new VirtualTime()).Run(TestContext.Current.CancellationToken);
        slave.Apply(SlavePfs, channel.Written.ToArray());
        return slave;
    }

    static VerifyResult Compare(IVerifySide lead, IVerifySide answer, bool full)
    {
        var pipe = new DuplexPipe();
        var thread = new Thread(() => Record.Exception(() =>
            new VerifyResponder(answer, pipe.B, new VirtualTime()).Run(CancellationToken.None)));
        thread.Start();
        try
        {
            return new VerifySession(lead, pipe.A, new VerifyOptions
            {
                Full = full, RecordsPerRange = 64, BytesPerRange = 1 << 20, OwnName = "one", PeerName = "two",
            }).Run(CancellationToken.None);
        }
        finally
        {
            pipe.A.Close();
            thread.Join();
        }
    }

    void Flip(long at)
    {
        using var image = new FileStream(Image, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        image.Position = at;
        int was = image.ReadByte();
        image.Position = at;
        image.WriteByte((byte)(was ^ 0x10));
    }

    /// <summary>Where in the image bytes lie.</summary>
    long Find(byte[] pattern)
    {
        using var image = new FileStream(Image, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] piece = new byte[1 << 20];
        for (long at = 0; image.ReadAtLeast(piece, piece.Length, false) > 0; at += piece.Length)
        {
            int found = piece.AsSpan().IndexOf(pattern);
            if (found >= 0) return at + found;
        }
        throw new InvalidOperationException("the data are not on the medium");
    }

    [Theory]
    [InlineData(200_000, 150_000)]
    [InlineData(3_000, 1_000)]
    public void Byte_that_flips_below_the_caches_is_found(int length, int at)
    {
        HammerFs fs = Mounted();
        Assert.Equal(Errno.None, fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
        byte[] data = Bytes(length, length);
        Vnode file = Write(fs, "file", data);
        fs.SyncAndWait();
        using MirrorVolume slave = Mirrored(fs);
        IVerifySide master = fs.VerifySide(1), copy = slave.Fs.VerifySide(SlavePfs);
        Assert.Equal(VerifyOutcome.Equal, Compare(master, copy, full: true).Outcome);
        Assert.Equal(data, Content(fs, file, length));
        Flip(Find(data[at..(at + 16)]));
        // Readers and the quick form see nothing of it.
        Assert.Equal(data, Content(fs, file, length));
        Assert.Equal(VerifyOutcome.Equal, Compare(master, copy, full: false).Outcome);
        VerifyResult one = Compare(master, copy, full: true), two = Compare(copy, master, full: true);
        Assert.Equal((VerifyOutcome.Differs, "/file"), (one.Outcome, one.Path));
        Assert.Equal((VerifyOutcome.Differs, "/file"), (two.Outcome, two.Path));
        Assert.EndsWith("on one", one.What, StringComparison.Ordinal);
        Assert.EndsWith("on two", two.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Leaf_that_went_bad_below_the_caches_ends_the_comparison_and_what_is_not_written_yet_does_not()
    {
        HammerFs fs = Mounted();
        Assert.Equal(Errno.None, fs.CreatePfs(false, Guid.NewGuid(), Guid.NewGuid(), out _));
        Write(fs, "file", Bytes(3_000, 1));
        fs.SyncAndWait();
        using MirrorVolume slave = Mirrored(fs);
        IVerifySide master = fs.VerifySide(1), copy = slave.Fs.VerifySide(SlavePfs);
        // Open changes share buffers and nodes with what is compared.
        Write(fs, "open", Bytes(3_000, 2));
        Assert.Equal(VerifyOutcome.Equal, Compare(master, copy, full: true).Outcome);
        fs.SyncAndWait();
        Assert.Equal(VerifyOutcome.Equal, Compare(master, copy, full: true).Outcome);
        HammerOff root = master.Host.BTreeRoot;
        fs.Volumes.Locate(root, HammerConst.NodeBytes, out long at);
        Flip(at + 100);
        Assert.Equal(VerifyOutcome.Equal, Compare(master, copy, full: false).Outcome);
        var bad = Assert.Throws<HammerMediumException>(() => Compare(master, copy, full: true));
        Assert.Contains("on the medium", bad.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Medium_is_read_at_any_place_and_shows_what_was_just_written()
    {
        byte[] data = Bytes(300_001, 3);
        File.WriteAllBytes(Image, data);
        using FileBlockDevice device = FileBlockDevice.Open(Image, readOnly: false);
        var random = new Random(4);
        for (int i = 0; i < 50; i++)
        {
            int at = random.Next(data.Length), length = random.Next(Math.Min(140_000, data.Length - at) + 1);
            byte[] patch = Bytes(Math.Min(100, length), i);
            device.Write(at, patch);
            patch.CopyTo(data, at);
            byte[] got = new byte[length];
            device.ReadMedium(at, got);
            Assert.True(got.AsSpan().SequenceEqual(data.AsSpan(at, length)), $"{length} bytes at {at}");
        }
        Assert.Throws<IOException>(() => device.ReadMedium(300_000, new byte[2]));
    }
}
