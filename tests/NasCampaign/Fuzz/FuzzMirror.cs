using System;
using System.IO;
using System.Linq;
using NasCore;
using NasCore.Io;
using NasCore.Mirror;
using NasCore.Primitives;
using NasCore.Volumes;
using NasTesting;

namespace NasCampaign.Fuzz;

/// <summary>
/// Damaged mirror streams written into a slave: the stream is refused with the place, or a batch that makes sense is
/// stored. The mount goes on in any case.
/// </summary>
sealed class FuzzMirror : FuzzCampaign
{
    static readonly HammerFsOptions s_options = new()
    {
        RunFlusher = false, Time = TimeProvider.System, CacheBytes = 16 << 20,
    };

    static readonly Lazy<byte[][]> s_streams = new(() => Array.ConvertAll(
        (string[])["v7/mirror.full.stream", "v7/mirror.incr.stream"], GoldenData.Stream));

    static readonly Lazy<MemoryBlockDevice> s_empty = new(() =>
    {
        var device = new MemoryBlockDevice(512L << 20);
        Newfs.Format([device], new NewfsOptions
        {
            Label = "FUZZ", Force = true, UndoBytes = 8L << 20, TimeUs = 1_262_304_000_000_000,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
        });
        using HammerFs fs = HammerFs.Open(VolumeSet.Open([new FuzzKept(device)]), s_options);
        Guid shared = Guid.Parse(GoldenData.Json("v7/mirror.info.json").GetProperty("shared_uuid").GetString()!);
        Errno error = fs.CreatePfs(true, shared, new Guid("10112233-4455-6677-8899-aabbccddeeff"), out _);
        if (error.IsError) throw new InvalidOperationException(error.ToString());
        return device;
    });

    public override string Name => "fuzz-mirror";

    protected override void Prepare() => _ = (s_streams.Value, s_empty.Value);

    protected override (int Smoke, int Long) Inputs => (12, 200);

    protected override void Input(Random random)
    {
        using HammerFs fs = HammerFs.Open(
            VolumeSet.Open([new FuzzOverlay(s_empty.Value, readOnly: false)]), s_options);
        // The second stream needs what the first brought; at times it comes without.
        bool both = random.Next(3) > 0;
        byte[][] streams = [.. s_streams.Value.Select(s => (byte[])s.Clone())];
        int damaged = random.Next(2);
        FuzzStream.Damage(streams[damaged], random, repair: random.Next(2) == 0);
        for (int i = 0; i < streams.Length; i++)
        {
            if (!both && damaged != i) continue;
            if (Write(fs, streams[i], random)) Accepted++;
        }
        if (fs.Health.IsCritical)
            throw new InvalidOperationException("a stream took the mount down: " + fs.Health.Message);
    }

    /// <summary>False if the stream is refused, as it should be.</summary>
    static bool Write(HammerFs fs, byte[] stream, Random random)
    {
        int length = random.Next(5) == 0 ? random.Next(stream.Length) : stream.Length;
        Errno error = fs.OpenMirrorTarget(1, out HammerFs.MirrorTargetLease? lease);
        if (error.IsError) throw new InvalidOperationException(error.ToString());
        using (lease)
        {
            try
            {
                return new MirrorTargetSession(new FuzzStream(stream, length), _ => lease!.Target,
                    new MirrorOptions()).Run();
            }
            catch (Exception e) when (e is MirrorStreamException or MirrorRefusedException or IOException)
            {
                return false;
            }
        }
    }
}

/// <summary>A device that outlives a mount.</summary>
sealed class FuzzKept(MemoryBlockDevice under) : IBlockDevice
{
    public string Name => under.Name;
    public long Length => under.Length;
    public int LogicalBlockBytes => under.LogicalBlockBytes;
    public bool IsReadOnly => false;
    public void Read(long offset, Span<byte> destination) => under.Read(offset, destination);
    public void Write(long offset, ReadOnlySpan<byte> source) => under.Write(offset, source);
    public void Flush() => under.Flush();
    public void Discard(long offset, long length) => under.Discard(offset, length);
    public void StartWriteback(long offset, long length) => under.StartWriteback(offset, length);

    public void Dispose()
    {
    }
}
