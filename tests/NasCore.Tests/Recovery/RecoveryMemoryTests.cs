using System;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Recovery;
using NasCore.Tests.Engine;
using NasCore.Undo;
using NasCore.Volumes;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// What recovery holds in memory is bounded, however much there is to restore or to replay: restored buffers are
/// written back in rounds, REDO is read from the FIFO step by step.
/// </summary>
public sealed class RecoveryMemoryTests : RuleTestBase
{
    const int Buffers = 2_000;
    const int RoundBuffers = 64;

    /// <summary>
    /// A volume whose range restores one word in each of 2000 buffers, twice: the newer records hold what must not
    /// stand at the end.
    /// </summary>
    static MemoryBlockDevice ManyBuffers(out ulong first)
    {
        using EngineDriver driver = Small();
        Vnode file = File(driver.Fs, "f");
        for (int i = 0; i < 40; i++) Write(driver.Fs, file, i << 20, Bytes(1 << 20, i));
        Sync(driver.Fs);
        driver.Fs.Dispose();
        MemoryBlockDevice device = driver.Device.Clone();
        uint version = FifoPoke.Header(device).Version;
        FifoPoke.MoveTo(device, 16384, seq: 100);
        // Space behind everything in use.
        first = HammerOff.Encode(Zone.RawBuffer, 0, 128L << 20).Value;
        for (int i = 0; i < 2 * Buffers; i++)
        {
            HammerOff target = new HammerOff(first).Add((long)(i % Buffers) * HammerConst.BufferBytes + 8);
            byte[] payload = BitConverter.GetBytes((long)(i + 1));
            device.Write(FifoPoke.DeviceByte(device, 16384 + i * 512L),
                FifoPoke.PadTo(FifoPoke.Undo(version, (uint)(101 + i), target, payload)));
        }
        device.Write(FifoPoke.DeviceByte(device, 16384 + 2 * Buffers * 512L), FifoPoke.Dummy(version, 5));
        return device;
    }

    [Fact]
    public void Restored_buffers_are_written_back_when_a_round_is_full()
    {
        MemoryBlockDevice device = ManyBuffers(out ulong first);
        HammerFsOptions options = MountedTree.Options() with
        {
            RecoveryBytes = RoundBuffers * HammerConst.BufferBytes,
        };
        using (HammerFs fs = MountedTree.Mount(options, device))
        {
            UndoOutcome outcome = fs.RecoveryOutcome!;
            Assert.Equal(2 * Buffers, outcome.UndoRecords);
            Assert.Equal(2 * Buffers / RoundBuffers, outcome.Rounds);
            Assert.Equal(Bytes(1 << 20, 0), Read(fs, Find(fs, "f"))[..(1 << 20)]);
        }
        byte[] word = new byte[8];
        for (int i = 0; i < Buffers; i++)
        {
            device.Read(At(device, first) + (long)i * HammerConst.BufferBytes + 8, word);
            Assert.Equal(i + 1, BitConverter.ToInt64(word));
        }
        MountedTree.AssertSound("in rounds", device);
    }

    [Fact]
    public void No_more_than_a_round_of_restored_buffers_is_held()
    {
        using VolumeSet volumes = VolumeSet.Open([ManyBuffers(out _)]);
        int most = 0;
        UndoOutcome outcome = UndoRecovery.Run(volumes, FifoGeometry.Load(volumes), o =>
        {
            most = Math.Max(most, o.Buffers.Count);
            o.Buffers.Clear();
        }, RoundBuffers * HammerConst.BufferBytes);
        Assert.Equal(RoundBuffers, most);
        Assert.True(outcome.Buffers.Count < RoundBuffers);
    }

    [Fact]
    public void Read_only_mount_of_the_same_volume_writes_nothing_and_shows_the_same()
    {
        MemoryBlockDevice device = ManyBuffers(out _);
        var log = new RecordingDevice(device);
        using HammerFs fs = MountedTree.Mount(MountedTree.Options(readOnly: true) with { RecoveryBytes = 16384 }, log);
        Assert.Equal(0, fs.RecoveryOutcome!.Rounds);
        Assert.Equal(Bytes(1 << 20, 0), Read(fs, Find(fs, "f"))[..(1 << 20)]);
        Assert.Equal(0, log.Count);
    }

    /// <summary>REDO of a file that fills so much of the FIFO, as it lies after a crash.</summary>
    static MemoryBlockDevice FullOfRedo(int eighths, out byte[] content)
    {
        using EngineDriver driver = Small();
        Vnode file = File(driver.Fs, "f");
        Sync(driver.Fs);
        driver.Fs.Dispose();
        MemoryBlockDevice device = driver.Device.Clone();
        uint version = FifoPoke.Header(device).Version;
        long sectors = FifoPoke.BytesOf(device) / 512 / 8 * eighths;
        FifoPoke.MoveTo(device, 16384, seq: 100);
        const int each = 440;
        content = Bytes((int)(sectors - 1) * each, 7);
        ulong start = FifoGeometry.ToZone3(16384).Value;
        for (int i = 0; i < sectors; i++)
        {
            byte[] record = i < sectors - 1
                ? FifoPoke.Redo(version, (uint)(101 + i), RedoFlags.Write, file.ObjId, (ulong)i * each,
                    content.AsSpan(i * each, each))
                : FifoPoke.Redo(version, (uint)(101 + i), RedoFlags.Sync, 0, start);
            device.Write(FifoPoke.DeviceByte(device, 16384 + i * 512L), FifoPoke.PadTo(record));
        }
        device.Write(FifoPoke.DeviceByte(device, 16384 + sectors * 512L), FifoPoke.Dummy(version, 5));
        return device;
    }

    [Fact]
    public void Redo_is_read_step_by_step()
    {
        using VolumeSet volumes = VolumeSet.Open([FullOfRedo(1, out byte[] content)]);
        FifoGeometry geometry = FifoGeometry.Load(volumes);
        RedoPlan plan = RedoRecovery.Plan(volumes, geometry, UndoRecovery.Run(volumes, geometry));
        Assert.Equal(content.Length / 440, plan.Count);
        long before = plan.Position;
        for (int i = 0; i < plan.Count; i++)
        {
            Assert.True(plan.TryNext(out RedoStep step));
            Assert.Equal((ulong)i * 440, step.Offset);
            Assert.Equal(content[(i * 440)..((i + 1) * 440)], step.Payload);
            Assert.True(plan.Position > before);
            before = plan.Position;
        }
        Assert.False(plan.TryNext(out _));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(7)]
    public void Replay_loses_nothing_however_much_of_the_fifo_the_records_fill(int eighths)
    {
        MemoryBlockDevice device = FullOfRedo(eighths, out byte[] content);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
            Assert.Equal(content, Read(fs, Find(fs, "f")));
        MountedTree.AssertSound("replayed", device);
        using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
            Assert.Equal(content, Read(fs, Find(fs, "f")));
    }

    /// <summary>
    /// A replay of several groups is repeatable as a whole: wherever it is cut off, the next mount finds the same REDO.
    /// </summary>
    [Fact]
    public void Power_cut_between_the_groups_of_a_replay_loses_no_redo()
    {
        MemoryBlockDevice device = FullOfRedo(3, out byte[] content);
        MemoryBlockDevice start = device.Clone();
        var log = new RecordingDevice(device);
        HammerFsOptions options = MountedTree.Options() with { CacheBytes = 2L << 20 };
        using (HammerFs fs = MountedTree.Mount(options, log))
        {
            Assert.True(fs.Core.GroupsWritten >= 3, $"{fs.Core.GroupsWritten} groups");
            Assert.Equal(content, Read(fs, Find(fs, "f")));
        }
        var random = new ModelRandom(1);
        var cutter = new PowerCutter(log.Events, start);
        int step = Math.Max(1, log.Count / 20);
        for (int at = 0; at <= log.Count; at += step)
        {
            cutter.AdvanceTo(at);
            CutKind kind = (CutKind)random.Below(4);
            using HammerFs fs = MountedTree.Mount(options, cutter.Cut(kind, random));
            Assert.True(content.AsSpan().SequenceEqual(Read(fs, Find(fs, "f"))), $"cut {at} of {log.Count}, {kind}");
        }
    }
}
