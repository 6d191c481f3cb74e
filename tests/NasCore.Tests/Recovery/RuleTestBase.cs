using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>Short words for what the tests of the rules do.</summary>
public abstract class RuleTestBase
{
    private protected static readonly Caller Root = new(0, 0, 0);

    private protected static byte[] Name(string name) => Encoding.UTF8.GetBytes(name);

    private protected static byte[] Bytes(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Repeats what waits for a group to close.</summary>
    private protected static void Must(HammerFs fs, Func<Errno> operation)
    {
        Errno e;
        for (int tries = 0; (e = operation()) == Errno.NeedFlush && tries < 1000; tries++) fs.Core.FlushOnce();
        Assert.Equal(Errno.None, e);
    }

    private protected static Vnode File(HammerFs fs, string name, byte[]? content = null)
    {
        Vnode vnode = default;
        Must(fs, () => fs.Create(fs.Root, Name(name), ObjType.RegFile, 0x1A4, 0, 0, Root, out vnode, out _));
        if (content is not null) Write(fs, vnode, 0, content);
        return vnode;
    }

    private protected static Vnode Dir(HammerFs fs, string name)
    {
        Vnode vnode = default;
        Must(fs, () => fs.Create(fs.Root, Name(name), ObjType.Directory, 0x1ED, 0, 0, Root, out vnode, out _));
        return vnode;
    }

    private protected static void Write(HammerFs fs, Vnode vnode, long offset, byte[] content)
    {
        for (int done = 0; done < content.Length;)
        {
            int n = 0;
            Must(fs, () => fs.Write(vnode, (ulong)(offset + done), content.AsSpan(done), false, false, out n));
            done += n;
        }
    }

    private protected static byte[] Read(HammerFs fs, Vnode vnode)
    {
        Assert.Equal(Errno.None, fs.GetAttr(vnode, out FileAttr attr));
        byte[] content = new byte[attr.Size];
        for (int done = 0; done < content.Length;)
        {
            Assert.Equal(Errno.None, fs.Read(vnode, (ulong)done, content.AsSpan(done), out int n));
            Assert.NotEqual(0, n);
            done += n;
        }
        return content;
    }

    private protected static Vnode Find(HammerFs fs, string name, ulong asOf = Tid.Max)
    {
        Errno e = fs.Lookup(new Vnode(0, asOf, HammerConst.RootObjId), Name(name), out Vnode vnode, out _);
        Assert.Equal(Errno.None, e);
        return vnode;
    }

    private protected static void Sync(HammerFs fs) => Assert.Equal(Errno.None, fs.SyncAndWait());

    private protected static void Truncate(HammerFs fs, Vnode vnode, ulong size) =>
        Must(fs, () => fs.SetAttr(vnode, new AttrRequest { Change = AttrChange.Size, Size = size }, Root, out _));

    /// <summary>All records that the independent reader finds.</summary>
    private protected static List<OracleRecord> Records(IBlockDevice device)
    {
        using OracleVolume oracle = MountedTree.Oracle(device);
        return [.. oracle.Records];
    }

    /// <summary>Byte of a one-volume device at an address of zone 2 or 8 to 15.</summary>
    private protected static long At(IBlockDevice device, ulong off) =>
        FifoPoke.Header(device).BufBeg + new HammerOff(off).ShortOffset;

    private protected static List<VolumeOndisk> HeaderWrites(RecordingDevice log, int from = 0) =>
        [.. log.Events.Skip(from).Where(e => !e.IsFlush && e.Offset == 0)
            .Select(e => System.Runtime.InteropServices.MemoryMarshal.Read<VolumeOndisk>(e.Bytes))];

    private protected static RecordingDevice Recorded(EngineDriver driver)
    {
        RecordingDevice? log = null;
        driver.Swap(device => log = new RecordingDevice(device));
        return log!;
    }

    private protected static HookDevice Hooked(EngineDriver driver)
    {
        HookDevice? hook = null;
        driver.Swap(device => hook = new HookDevice(device));
        return hook!;
    }

    private protected static EngineDriver Small(bool noHistory = false, long megabytes = 192, uint version = 7) =>
        new(version, megabytes << 20, 8L << 20, noHistory, 8L << 20);
}
