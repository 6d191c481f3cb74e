using System;
using System.IO;
using NasCampaign.Kit;
using NasCore;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Recovery;
using NasCore.Undo;
using NasCore.Volumes;
using NasTesting.Model;

namespace NasCampaign.Faults;

/// <summary>
/// A bit turns over in the range of the FIFO that a crash left open. A record that the header vouches for cannot be
/// applied then: no mount comes up, the error names the record's place, and nothing is written. Behind what the header
/// vouches for a damaged record is the end of the range, as a torn one is.
/// </summary>
static class RotOfFifo
{
    /// <summary>Bits turned over in a round.</summary>
    public static int Round(ulong seed, int cuts, int bits, Func<bool> timeIsUp)
    {
        var work = new FaultWork(seed, 1, noHistory: false, steps: 40);
        var log = new RecordingDevice(work.Devices[0].Clone());
        Work(work, log);
        var random = new Random(unchecked((int)seed * 67 + 5));
        var cutter = new PowerCutter(log.Events, work.Devices[0].Clone());
        int done = 0, tried = 0;
        for (int at = 1; at <= log.Count && tried < cuts && !timeIsUp(); at += 1 + random.Next(3))
        {
            cutter.AdvanceTo(at);
            OverlayBlockDevice crashed = cutter.Cut(CutKind.InOrder, new ModelRandom(seed));
            UndoOutcome range;
            using (VolumeSet volumes = VolumeSet.Open([new KeptDevice(crashed)]))
                range = UndoRecovery.Run(volumes, FifoGeometry.Load(volumes));
            if (range.IsClean) continue;
            tried++;
            for (int i = 0; i < bits; i++, done++) Turn(crashed, range, random, $"seed {seed}, cut behind event {at}");
        }
        return done;
    }

    static void Work(FaultWork work, RecordingDevice log)
    {
        using HammerFs fs = MountedTree.Mount(work.Options(), log);
        var driver = new FacadeDriver(fs);
        int n = 0;
        foreach ((ModelOp op, ModelErrno _) in work.Operations)
        {
            if (!op.IsMarker) driver.Do(op);
            if (++n % 8 == 0) fs.SyncAndWait();
        }
    }

    static void Turn(OverlayBlockDevice crashed, UndoOutcome range, Random random, string context)
    {
        byte[] header = new byte[HammerConst.BufferBytes];
        crashed.Read(0, header);
        VolumeOndisk root = System.Runtime.InteropServices.MemoryMarshal.Read<VolumeOndisk>(header);
        BlockmapOndisk map = root.Blockmap[(int)Zone.Undo];
        long size = new HammerOff(map.AllocOffset).ShortOffset;
        long inside = random.NextInt64(range.Bytes);
        long position = (range.First + inside) % size;
        // As newfs makes it, the FIFO lies in one piece.
        long at = root.BufBeg + new HammerOff(root.UndoArray[0]).ShortOffset + position;
        int bit = random.Next(8);
        context = $"{context}, FIFO byte {position:x} of {range.First:x} to {range.Last:x}, bit {bit}";
        Flip(crashed, at, bit);
        try
        {
            long next = new HammerOff(map.NextOffset).ShortOffset % size, vouched = next - range.First;
            if (vouched < 0) vouched += size;
            bool isRefused = !Mounts(crashed, position, inside < vouched, readOnly: true, context);
            bool takes = isRefused && Mounts(crashed, position, inside < vouched, readOnly: false, context);
            Finding.Check(!takes, context, "only the mount for writing takes a damaged record");
        }
        finally
        {
            Flip(crashed, at, bit);
        }
    }

    static void Flip(OverlayBlockDevice device, long at, int bit)
    {
        byte[] one = new byte[1];
        device.Read(at, one);
        one[0] ^= (byte)(1 << bit);
        device.Write(at, one);
    }

    static bool Mounts(OverlayBlockDevice crashed, long position, bool isVouched, bool readOnly, string context)
    {
        try
        {
            using HammerFs fs = MountedTree.Mount(MountedTree.Options(readOnly: readOnly), new SealedDevice(crashed));
            // The padding of a record is under no sum, and means nothing.
            SurvivingTree tree = SurvivingTree.Read(fs);
            Finding.Check(!isVouched || tree.Errors.Count == 0, context, "a damaged record was passed over");
            return true;
        }
        catch (HammerFormatException e)
        {
            Finding.Check(Names(e.Message, position), context, $"the error names another place: {e.Message}");
            return false;
        }
        catch (HammerMediumException) when (!isVouched)
        {
            // The range ends at the damage: what is behind it was not taken back, and its sums tell.
            return true;
        }
        catch (Exception e) when (e is not CampaignFinding)
        {
            throw Finding.Of(context, $"{e.GetType().Name}: {e.Message}", e);
        }
    }

    /// <summary>A record of the same sector.</summary>
    static bool Names(string message, long position)
    {
        for (long at = position & ~511L; at <= (position | 511L) + 1; at += 8)
            if (message.Contains(FifoGeometry.ToZone3(at).ToString(), StringComparison.Ordinal)) return true;
        return false;
    }

    /// <summary>A mount that is refused has no business to write.</summary>
    sealed class SealedDevice(IBlockDevice below) : IBlockDevice
    {
        public string Name => below.Name;
        public long Length => below.Length;
        public int LogicalBlockBytes => below.LogicalBlockBytes;
        public bool IsReadOnly => false;
        public void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
        public void Write(long offset, ReadOnlySpan<byte> source) =>
            throw new IOException("a mount that is to be refused writes");
        public void Flush() { }
        public void Discard(long offset, long length) => Write(offset, default);
        public void StartWriteback(long offset, long length) { }
        public void Dispose() { }
    }
}
