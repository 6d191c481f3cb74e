using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>A volume in memory with what mirror tests do to it.</summary>
sealed class MirrorVolume : IDisposable
{
    readonly HammerFsOptions _options;

    internal MirrorVolume(uint version = 7, long bytes = 512L << 20, bool noHistory = false, int cacheMiB = 16)
    {
        Device = new MemoryBlockDevice(bytes);
        NasCore.Volumes.Newfs.Format([Device], new NewfsOptions
        {
            Label = "TEST", Version = version, Force = true, UndoBytes = 16L << 20, TimeUs = 1_262_304_000_000_000,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
        });
        _options = new HammerFsOptions
        {
            Time = Time, RunFlusher = false, NoHistory = noHistory, CacheBytes = (long)cacheMiB << 20,
        };
        Fs = Mount();
    }

    internal VirtualTime Time { get; } = new();
    internal MemoryBlockDevice Device { get; private set; }
    internal HammerFs Fs { get; private set; }

    HammerFs Mount() => HammerFs.Open(VolumeSet.Open([Device]), _options);

    /// <summary>The process dies: what the device holds is left.</summary>
    internal void Crash()
    {
        Device = Device.Clone();
        Fs = Mount();
    }

    internal void Remount()
    {
        Fs.Dispose();
        Fs = Mount();
    }

    /// <summary>A slave PFS; ids below are taken by others first.</summary>
    internal void MakeSlave(int pfsId, Guid shared)
    {
        for (int id = 1; id <= pfsId; id++)
        {
            Assert.Equal(Errno.None, Fs.CreatePfs(true, shared, Guid.NewGuid(), out int got));
            Assert.Equal(id, got);
        }
    }

    internal PseudofsData Pfs(int pfsId)
    {
        Assert.True(Fs.TryGetPfs(pfsId, out PseudofsData pfs));
        return pfs;
    }

    /// <summary>Writes a one-way stream into a PFS.</summary>
    internal bool Apply(int pfsId, byte[] stream, MirrorWatcher? watcher = null)
    {
        Errno result = Fs.OpenMirrorTarget(pfsId, out HammerFs.MirrorTargetLease? lease);
        Assert.Equal(Errno.None, result);
        using (lease)
        {
            return new MirrorTargetSession(new ArrayChannel(stream), _ => lease!.Target, new MirrorOptions(), watcher)
                .Run();
        }
    }

    /// <summary>A one-way stream of a PFS.</summary>
    internal byte[] Read(int pfsId, ulong? begin = null)
    {
        var channel = new ArrayChannel([]);
        new MirrorSourceSession(channel, Fs.MirrorSource(pfsId), new MirrorSourceOptions { ForcedBegin = begin }, Time)
            .Run(TestContext.Current.CancellationToken);
        return channel.Written.ToArray();
    }

    internal List<ManifestEntry> Tree(int pfsId, ulong asOf) =>
        FsWalker.Walk(Fs, new Vnode(pfsId, asOf, HammerConst.RootObjId));

    /// <summary>The independent reader finds nothing wrong with the medium.</summary>
    internal void Verify()
    {
        Fs.SyncAndWait();
        using OracleVolume volume = OracleVolume.Open(new OracleMemory(Device));
        Assert.Empty(volume.Verify().Select(f => f.ToString()).Take(10));
    }

    /// <summary>Record versions of a PFS as text, without what may differ between two copies.</summary>
    internal List<string> Records(int pfsId)
    {
        Fs.SyncAndWait();
        using OracleVolume volume = OracleVolume.Open(new OracleMemory(Device));
        return [.. Lines(volume, pfsId)];
    }

    /// <summary>Without whose history it is: configuration is each copy's own.</summary>
    internal static IEnumerable<string> Lines(OracleVolume volume, int pfsId) => volume.RecordsOf(pfsId)
        .Where(r => r.RecType != OracleRecord.Config || r.Key != Lineage.RecordKey).Select(r =>
        $"{r.Localization & 0xffff:x} {r.ObjId:x} {r.RecType:x} {r.Key:x} {r.CreateTid:x}:"
        + $"{r.DeleteTid:x} {r.ObjType:x} {r.DataLen} {r.CreateTs:x} "
        + (r.RecType == OracleRecord.DirEntry ? "" : $"{r.DataCrc:x}"));

    public void Dispose() => Fs.Dispose();
}

sealed class OracleMemory(MemoryBlockDevice device) : IOracleDevice
{
    public long Length => device.Length;
    public void Read(long offset, Span<byte> destination) => device.Read(offset, destination);
    public void Dispose() { }
}
