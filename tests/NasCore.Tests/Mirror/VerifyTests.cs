using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>Comparison of a master with its slave: equal pairs, every kind of difference, and peers that lie.</summary>
public sealed class VerifyTests
{
    static VerifyPair Filled(Forger? forger = null)
    {
        var pair = new VerifyPair();
        pair.Fill(5, 20);
        pair.Mirror(forger);
        return pair;
    }

    // Both forms and both directions find the same.
    static List<VerifyResult> All(VerifyPair pair)
    {
        var results = new List<VerifyResult>();
        foreach (bool full in new[] { false, true })
        {
            foreach (bool slaveLeads in new[] { false, true }) results.Add(pair.Compare(full, slaveLeads));
        }
        return results;
    }

    [Fact]
    public void Mirrored_copies_are_equal_whatever_their_PFS_numbers()
    {
        using VerifyPair pair = Filled();
        foreach (VerifyResult result in All(pair))
        {
            Assert.Equal((VerifyOutcome.Equal, null), (result.Outcome, result.What));
            Assert.Equal(pair.Slave.Pfs(VerifyPair.SlavePfs).SyncEndTid, result.Tid);
            Assert.InRange(result.Records, 250, 600);
            Assert.InRange(result.DataBytes, 200_000, 800_000);
        }
        Assert.Equal((VerifyOutcome.Equal, null), (pair.Answered?.Outcome, pair.Answered?.What));
    }

    [Fact]
    public void History_that_only_one_side_has_is_no_difference()
    {
        using VerifyPair pair = Filled();
        Vnode dir = pair.Lookup(VerifyPair.RootOfMaster, "d1");
        for (int i = 0; i < 7; i++)
        {
            pair.Write(pair.Lookup(dir, "f1"), 0, [(byte)i]);
            pair.Unlink(dir, "f" + (char)('2' + i));
            pair.Mirror();
        }
        int records = pair.Slave.Records(VerifyPair.SlavePfs).Count;
        Assert.Equal(Errno.None, pair.Slave.Fs.OpenPrune(VerifyPair.SlavePfs, PruneRule.Everything(), null,
            out Prune? prune));
        Assert.Equal(StepEnd.Done, prune!.Step(new StepBudget(), CancellationToken.None));
        Assert.InRange(pair.Slave.Records(VerifyPair.SlavePfs).Count, 100, records - 20);
        Assert.All(All(pair), r => Assert.Equal((VerifyOutcome.Equal, null), (r.Outcome, r.What)));
    }

    [Fact]
    public void Master_that_goes_on_and_slave_that_is_fed_are_compared_as_of_the_slaves_TID()
    {
        using VerifyPair pair = Filled();
        ulong end = pair.Slave.Pfs(VerifyPair.SlavePfs).SyncEndTid;
        Vnode dir = pair.Lookup(VerifyPair.RootOfMaster, "d1");
        pair.Unlink(dir, "f3");
        pair.Write(pair.Lookup(dir, "f4"), 0, new byte[3000]);
        pair.Master.Fs.SyncAndWait();
        VerifyResult behind = pair.Compare();
        Assert.Equal((VerifyOutcome.Equal, end), (behind.Outcome, behind.Tid));
        int rounds = 0;
        VerifyResult fed = pair.Compare(recordsPerRange: 16, between: () =>
        {
            if (++rounds is not (3 or 6)) return;
            pair.Unlink(dir, "f" + (rounds + 4));
            pair.Make(dir, "new" + rounds, ObjType.RegFile);
            pair.Mirror();
        });
        Assert.True(rounds > 10);
        Assert.Equal((VerifyOutcome.Equal, end, null), (fed.Outcome, fed.Tid, fed.What));
        Assert.Equal(VerifyOutcome.Equal, pair.Compare(full: true).Outcome);
    }

    [Fact]
    public void Record_that_is_missing_on_the_slave_is_found_with_its_path()
    {
        using VerifyPair pair = Filled((leaf, data) =>
            leaf.Base.RecType == RecType.Data && leaf.Base.Key == 131072 ? null : (leaf, data));
        Assert.All(All(pair), r => Assert.Equal((VerifyOutcome.Differs, "/d2/big", 114688L),
            (r.Outcome, r.Path, r.Offset)));
        Assert.Equal("file data: only on one", pair.Compare().What);
        Assert.Equal("file data: only on two", pair.Compare(slaveLeads: true).What);
        // The side that answers learns it too.
        Assert.Equal((VerifyOutcome.Differs, "/d2/big", 114688L, "file data: only on two"),
            (pair.Answered!.Outcome, pair.Answered.Path, pair.Answered.Offset, pair.Answered.What));
    }

    [Fact]
    public void Record_that_only_the_slave_has_is_found()
    {
        // The slave never hears of a deletion that the master had made before.
        using var pair = new VerifyPair();
        pair.Fill(3, 5);
        pair.Master.Fs.SyncAndWait();
        pair.Unlink(pair.Lookup(VerifyPair.RootOfMaster, "d1"), "f2");
        pair.Mirror((leaf, data) =>
        {
            if (leaf.Base.RecType == RecType.DirEntry) leaf.Base.DeleteTid = 0;
            return (leaf, data);
        });
        Assert.All(All(pair), r => Assert.Equal(VerifyOutcome.Differs, r.Outcome));
        VerifyResult result = pair.Compare();
        Assert.Equal(("directory entry: only on two", "/d1/f2"), (result.What, result.Path));
    }

    [Fact]
    public void Deletion_that_the_slave_has_and_the_master_not_is_found()
    {
        using VerifyPair pair = Filled((leaf, data) =>
        {
            if (leaf.Base.RecType == RecType.Data && leaf.Base.Key == 131072)
                leaf.Base.DeleteTid = leaf.Base.CreateTid + 1;
            return (leaf, data);
        });
        Assert.All(All(pair), r => Assert.Equal((VerifyOutcome.Differs, 114688L), (r.Outcome, r.Offset)));
    }

    [Fact]
    public void Changed_attribute_and_changed_entry_are_found()
    {
        bool done = false;
        using (VerifyPair pair = Filled((leaf, data) =>
        {
            if (!done && leaf.Base.RecType == RecType.Inode && leaf.Base.ObjType == ObjType.RegFile)
            {
                data[2] ^= 7;
                done = true;
            }
            return (leaf, data);
        }))
        {
            Assert.All(All(pair), r => Assert.Equal((VerifyOutcome.Differs, "inode: attributes differ"),
                (r.Outcome, r.What)));
            Assert.Contains("/d0/f", pair.Compare().Path, StringComparison.Ordinal);
        }
        using VerifyPair entries = Filled((leaf, data) =>
        {
            bool meant = leaf.Base.RecType == RecType.DirEntry && data.Length == 18 && data[17] == (byte)'7';
            if (meant) data[17] = (byte)'x';
            return (leaf, data);
        });
        Assert.All(All(entries), r => Assert.Equal((VerifyOutcome.Differs, "directory entry: data differ"),
            (r.Outcome, r.What)));
    }

    [Fact]
    public void Other_data_with_a_good_sum_are_found_with_the_byte()
    {
        using VerifyPair pair = Filled((leaf, data) =>
        {
            if (leaf.Base.RecType == RecType.Data && leaf.Base.Key == 131072) data[1000] ^= 1;
            return (leaf, data);
        });
        Assert.All(All(pair), r => Assert.Equal((VerifyOutcome.Differs, "/d2/big", 115688L, "file data: data differ"),
            (r.Outcome, r.Path, r.Offset, r.What)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Byte_that_flipped_on_the_medium_is_found_by_the_full_form(bool onSlave)
    {
        using VerifyPair pair = Filled();
        byte[] pattern = new byte[16];
        Vnode big = pair.Lookup(pair.Lookup(VerifyPair.RootOfMaster, "d2"), "big");
        Assert.Equal(Errno.None, pair.Master.Fs.Read(big, 150_000, pattern, out _));
        Flip((onSlave ? pair.Slave : pair.Master).Device, pattern);
        Assert.Equal(VerifyOutcome.Equal, pair.Compare().Outcome);
        VerifyResult result = pair.Compare(full: true), other = pair.Compare(full: true, slaveLeads: true);
        Assert.Equal((VerifyOutcome.Differs, "/d2/big", 150_000L),
            (result.Outcome, result.Path, result.Offset));
        Assert.EndsWith(onSlave ? "on two" : "on one", result.What, StringComparison.Ordinal);
        Assert.Equal((VerifyOutcome.Differs, 150_000L), (other.Outcome, other.Offset));
    }

    static void Flip(MemoryBlockDevice device, byte[] pattern)
    {
        byte[] piece = new byte[1 << 20];
        for (long at = 0; at < device.Length; at += piece.Length)
        {
            device.Read(at, piece);
            int found = piece.AsSpan().IndexOf(pattern);
            if (found < 0) continue;
            device.Write(at + found, [(byte)(pattern[0] ^ 0x10)]);
            return;
        }
        Assert.Fail("the data are not on the medium");
    }

    [Fact]
    public void Equal_big_trees_cost_less_than_one_percent_of_their_data()
    {
        using var pair = new VerifyPair(512L << 20);
        pair.Fill(20, 120);
        pair.Mirror();
        VerifyResult quick = pair.Compare(recordsPerRange: 4096);
        VerifyResult full = pair.Compare(full: true, recordsPerRange: 4096);
        Assert.Equal((VerifyOutcome.Equal, VerifyOutcome.Equal), (quick.Outcome, full.Outcome));
        Assert.True(quick.Records > 6_000, $"{quick.Records} records");
        Assert.True(quick.WireBytes < quick.DataBytes / 1000, $"{quick.WireBytes} bytes for {quick.DataBytes}");
        Assert.True(full.WireBytes < full.DataBytes / 1000, $"{full.WireBytes} bytes for {full.DataBytes}");
    }

    [Fact]
    public void Records_that_are_gone_without_a_trace_prove_nothing()
    {
        using var pair = new VerifyPair(noHistory: true);
        pair.Fill(3, 5);
        pair.Mirror();
        Assert.Equal(VerifyOutcome.Equal, pair.Compare().Outcome);
        pair.Unlink(pair.Lookup(VerifyPair.RootOfMaster, "d1"), "f2");
        for (int i = 0; i < 3; i++) pair.Master.Fs.SyncAndWait();
        VerifyResult result = pair.Compare();
        Assert.Equal(VerifyOutcome.NotComparable, result.Outcome);
        Assert.Contains("old versions are gone", result.What, StringComparison.Ordinal);
        // Nobody remembers it after a reboot; then nothing is believed that happened before.
        pair.Master.Remount();
        Assert.Equal(VerifyOutcome.NotComparable, pair.Compare().Outcome);
        pair.Mirror();
        Assert.Equal(VerifyOutcome.Equal, pair.Compare().Outcome);
    }

    [Fact]
    public void Difference_of_a_pair_at_rest_is_believed_after_a_reboot()
    {
        using VerifyPair pair = Filled((leaf, data) =>
            leaf.Base.RecType == RecType.Data && leaf.Base.Key == 131072 ? null : (leaf, data));
        pair.Master.Remount();
        pair.Slave.Remount();
        Assert.All(All(pair), r => Assert.Equal((VerifyOutcome.Differs, "/d2/big"), (r.Outcome, r.Path)));
    }

    [Fact]
    public void What_was_never_mirrored_or_is_no_copy_cannot_be_compared()
    {
        using var pair = new VerifyPair();
        pair.Fill(1, 1);
        pair.Master.Fs.SyncAndWait();
        Assert.Contains("nothing was mirrored", pair.Compare().What, StringComparison.Ordinal);
        Assert.Equal(Errno.None, pair.Slave.Fs.UpdatePfs(VerifyPair.SlavePfs, (ref PseudofsData p) =>
            p.SharedUuid = Guid.NewGuid()));
        Assert.Contains("shared UUIDs", pair.Compare().What, StringComparison.Ordinal);
    }

    // ------------------------------------------------------------------ peers that lie

    static byte[] Message(VerifyOp op, byte[] body)
    {
        byte[] message = new byte[4 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, (body.Length << 8) | (byte)op);
        body.CopyTo(message, 4);
        return message;
    }

    static Exception? Ask(VerifyPair pair, byte[] input) => Record.Exception(() =>
        new VerifyResponder(pair.Slave.Fs.VerifySide(VerifyPair.SlavePfs), new ArrayChannel(input), new VirtualTime())
            .Run(CancellationToken.None));

    [Fact]
    public void Questions_that_cannot_be_end_the_connection()
    {
        using VerifyPair pair = Filled();
        byte[] begin = new byte[9];
        BinaryPrimitives.WriteUInt64LittleEndian(begin, pair.Slave.Pfs(VerifyPair.SlavePfs).SyncEndTid);
        byte[] good = Message(VerifyOp.Begin, begin), first = VerifyRecord.AsBytes(VerifyRecord.First)[..32].ToArray(),
            last = VerifyRecord.AsBytes(VerifyRecord.Last)[..32].ToArray();
        byte[][] bad =
        [
            Message(VerifyOp.Digest, [.. first, .. last]),
            [.. good, .. Message(VerifyOp.Digest, [.. last, .. first])],
            [.. good, .. Message(VerifyOp.Digest, first)],
            [.. good, .. Message(VerifyOp.Begin, [])],
            Message((VerifyOp)99, []),
            [1, 0xFF, 0xFF, 0xFF, 1, 2, 3],
            [.. good, .. Message(VerifyOp.Working, [])],
            [.. good, 3, 0x40, 0, 0, 1],
            [3, 0x40],
            // Equal, it says, and has not looked.
            [.. good, .. Message(VerifyOp.Done, new byte[32])],
            [.. good, .. Message(VerifyOp.Digest, [.. last, .. last]), .. Message(VerifyOp.Done, new byte[32])],
            [.. good, .. Message(VerifyOp.Done, [7, .. new byte[31]])],
            [.. good, .. Message(VerifyOp.Done, [1, .. new byte[9000]])],
        ];
        Assert.All(bad, b => Assert.True(Ask(pair, b) is InvalidDataException or EndOfStreamException));
        Assert.Null(Ask(pair, [.. good, .. Message(VerifyOp.Digest, [.. first, .. last])]));
        var random = new Random(7);
        for (int i = 0; i < 2000; i++)
        {
            byte[] noise = new byte[random.Next(200)];
            random.NextBytes(noise);
            // Begins well, so that the noise comes further.
            if (noise.Length > 4) (noise[0], noise[2], noise[3]) = ((byte)random.Next(1, 9), 0, 0);
            Exception? e = Ask(pair, [.. good, .. noise]);
            Assert.True(e is null or InvalidDataException or EndOfStreamException, $"{i}: {e}");
        }
    }

    [Fact]
    public void Answers_that_cannot_be_end_the_comparison()
    {
        using VerifyPair pair = Filled();
        pair.Slave.Fs.VerifySide(VerifyPair.SlavePfs).ReadFacts(0, out VerifyFacts facts);
        byte[] fact = System.Runtime.InteropServices.MemoryMarshal.AsBytes([facts]).ToArray(), record = new byte[56];
        byte[] intro = [.. Message(VerifyOp.Facts, fact), .. Message(VerifyOp.Begin, [])];
        byte[] digest = Message(VerifyOp.Digest, new byte[40]);
        byte[][] bad =
        [
            [],
            Message(VerifyOp.Facts, new byte[47]),
            Message(VerifyOp.Digest, fact),
            [.. intro, .. Message(VerifyOp.Digest, new byte[41])],
            // A list of records that do not lie in the range, one that is cut, one that repeats itself.
            [.. intro, .. digest, .. digest, .. digest, .. digest, .. digest, .. Message(VerifyOp.List, record)],
            [.. intro, .. digest, .. digest, .. digest, .. digest, .. digest, .. Message(VerifyOp.List, new byte[55])],
        ];
        Assert.All(bad, b =>
        {
            var session = new VerifySession(pair.Master.Fs.VerifySide(1), new ArrayChannel(b),
                new VerifyOptions { RecordsPerRange = 64 });
            Exception? e = Record.Exception(() => session.Run(CancellationToken.None));
            Assert.True(e is InvalidDataException or IOException, $"{e}");
        });
        byte[] error = [.. intro, .. Message(VerifyOp.Error, "disk \u001b[31m on fire"u8.ToArray())];
        var told = new VerifySession(pair.Master.Fs.VerifySide(1), new ArrayChannel(error), new VerifyOptions());
        IOException said = Assert.Throws<IOException>(() => told.Run(CancellationToken.None));
        Assert.Contains("disk ?[31m on fire", said.Message, StringComparison.Ordinal);
    }

    /// <summary>Is at work for ever; the clock goes on by half a minute whenever it is looked at.</summary>
    sealed class Busy(byte[] intro) : TimeProvider, IByteChannel
    {
        readonly byte[] _working = Message(VerifyOp.Working, []);
        long _looks, _at;

        public override long TimestampFrequency => 1;
        public override long GetTimestamp() => Interlocked.Increment(ref _looks) * 30;

        public int Read(Span<byte> destination)
        {
            if (_looks > 1000) throw new InvalidOperationException("the comparison never ends");
            for (int i = 0; i < destination.Length; i++, _at++)
                destination[i] = _at < intro.Length ? intro[_at] : _working[(_at - intro.Length) % _working.Length];
            return destination.Length;
        }

        public void Write(ReadOnlySpan<byte> source) { }
    }

    [Fact]
    public void Peer_that_is_at_work_for_ever_does_not_keep_the_comparisons_of_others_waiting()
    {
        using VerifyPair pair = Filled();
        pair.Slave.Fs.VerifySide(VerifyPair.SlavePfs).ReadFacts(0, out VerifyFacts facts);
        byte[] fact = System.Runtime.InteropServices.MemoryMarshal.AsBytes([facts]).ToArray();
        var busy = new Busy([.. Message(VerifyOp.Facts, fact), .. Message(VerifyOp.Begin, [])]);
        var session = new VerifySession(pair.Master.Fs.VerifySide(1), busy, new VerifyOptions { Time = busy });
        var e = Assert.Throws<InvalidDataException>(() => session.Run(CancellationToken.None));
        Assert.Contains("works on Digest for 10 minutes already", e.Message, StringComparison.Ordinal);
    }
}
