using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Mirror;

/// <summary>Record codec: layout, the vectors of mirroring-and-operations 10, golden streams, hostile
/// streams.</summary>
public sealed class MrecordCodecTests
{
    const string Sync = "7272d94d65d123b6180000000400000001000000 00000000";
    const string Idle = "7272d94de49c29b3180000000800000001000000 00000000";
    const string Term = "7272d94d9503bdc1180000000700000001000000 00000000";
    const string Update = "7272d94dab37bac9180000000300000090eca9ef01000000";
    const string SkipAll = "7272d94d778365bc6000000005000000000000000000008000000000000000800100000000000000"
        + "00000000000000000000000000000100ffffffffffffff7fffffffffffffff7fffffffffffffffff"
        + "0000000000000000ffff0000ffff0100";
    const string Pfsd = "7272d94dabd3c4d53c010000020000000100000000000000" + "0000000000000000" + "0100000000000000"
        + "90eca9ef01000000" + "00000000000000000000000000000000" + "c5cfdee8aba4e311942bf56d04d293e0"
        + "67452301ab89de118001001122334455" + "0000000001000000" + "6f626a00";
    const string Rec = "7272d94d1591ee376500000001000000010000000000000000000000785634129 0eca9ef01000000"
        + "00000000000000001100025201000100544d9248000000001000a0000000009015000000f7879f79"
        + "bc0a000001000000000001000000000068656c6c6f";
    const string Pass = "7272d94dad215f985000000006000000010000000000000000000000785634129 0eca9ef01000000"
        + "00f0a9ef010000001100025201000100544d9248724d92481000a0000000009015000000f7879f79";

    public static TheoryData<string> GoldenStreams() => new(
        "v6/mirror.full", "v6/mirror.full_bulk", "v6/mirror.incr", "v6/mirror.incr_bulk", "v6/mirror.pruned_incr",
        "v7/mirror.full", "v7/mirror.full_bulk", "v7/mirror.incr", "v7/mirror.incr_bulk", "v7/mirror.pruned_incr",
        "v7/mirrorids.full", "v7/mirrorids.incr");

    static byte[] Bytes(string hex, int padTo = 0)
    {
        byte[] bytes = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        Array.Resize(ref bytes, Math.Max(bytes.Length, padTo));
        return bytes;
    }

    static byte[] Write(Action<MrecordWriter> what)
    {
        var channel = new ArrayChannel([]);
        var writer = new MrecordWriter(channel);
        what(writer);
        writer.Flush();
        return channel.Written.ToArray();
    }

    [Fact]
    public void Structures_have_the_sizes_of_the_reference()
    {
        Assert.Equal(16, Unsafe.SizeOf<MrecordHead>());
        Assert.Equal(80, Unsafe.SizeOf<MrecordRec>());
        Assert.Equal(96, Unsafe.SizeOf<MrecordSkip>());
        Assert.Equal(316, Unsafe.SizeOf<MrecordPfsd>());
        Assert.Equal(24, Unsafe.SizeOf<MrecordUpdate>());
        Assert.Equal(24, Unsafe.SizeOf<MrecordSync>());
        Assert.Equal(16, (int)Marshal.OffsetOf<MrecordRec>(nameof(MrecordRec.Leaf)));
        Assert.Equal(56, (int)Marshal.OffsetOf<MrecordSkip>(nameof(MrecordSkip.SkipEnd)));
        Assert.Equal(24, (int)Marshal.OffsetOf<MrecordPfsd>(nameof(MrecordPfsd.Pfsd)));
    }

    [Fact]
    public void Marks_written_are_the_vectors()
    {
        Assert.Equal(Bytes(Sync), Write(w => w.WriteMark(MrecordType.Sync)));
        Assert.Equal(Bytes(Idle), Write(w => w.WriteMark(MrecordType.Idle)));
        Assert.Equal(Bytes(Term), Write(w => w.WriteMark(MrecordType.Term)));
        Assert.Equal(Bytes(Update), Write(w => w.WriteUpdate(0x1efa9ec90)));
    }

    [Fact]
    public void Skip_of_a_whole_pfs_is_the_vector()
    {
        var beg = new BaseElm { Localization = 0x10000, ObjId = long.MinValue, Key = long.MinValue, CreateTid = 1 };
        var end = new BaseElm
        {
            Localization = 0x1ffff, ObjId = long.MaxValue, Key = long.MaxValue, CreateTid = ulong.MaxValue,
            RecTypeRaw = 0xffff,
        };
        Assert.Equal(Bytes(SkipAll), Write(w => w.WriteSkip(beg, end)));
    }

    [Fact]
    public void Pfsd_is_the_vector()
    {
        var pfs = new PseudofsData
        {
            SyncBegTid = 1, SyncEndTid = 0x1efa9ec90, MirrorFlags = PseudofsData.FlagSlave,
            SharedUuid = new Guid("e8decfc5-a4ab-11e3-942b-f56d04d293e0"),
            UniqueUuid = new Guid("01234567-89ab-11de-8001-001122334455"),
        };
        PfsStatusText.SetLabel(ref pfs.Label, "obj");
        Assert.Equal(Bytes(Pfsd, 320), Write(w => w.WritePfsd(pfs)));
    }

    [Fact]
    public void Rec_and_pass_read_and_written_are_the_vectors()
    {
        byte[] stream = [.. Bytes(Rec, 104), .. Bytes(Pass)];
        var reader = new MrecordReader(new ArrayChannel(stream, 3));
        Assert.True(reader.TryRead());
        Assert.Equal(MrecordType.Rec, reader.Kind);
        Assert.Equal("hello"u8.ToArray(), reader.Data[16..].ToArray());
        Assert.True(reader.DataCrcMatches());
        LeafElm leaf = reader.Leaf;
        byte[] data = reader.Data.ToArray();
        Assert.True(reader.TryRead());
        Assert.Equal(0x1efa9f000UL, reader.Leaf.Base.DeleteTid);
        LeafElm pass = reader.Leaf;
        Assert.False(reader.TryRead());
        Assert.Equal(stream, Write(w =>
        {
            w.WriteRec(leaf, data);
            w.WritePass(pass);
        }));
    }

    [Theory, MemberData(nameof(GoldenStreams))]
    public void Golden_stream_parses_and_is_written_again_record_for_record(string name)
    {
        byte[] golden = GoldenData.Stream(name + ".stream");
        var reader = new MrecordReader(new ArrayChannel(golden, 4096));
        var kinds = new List<MrecordType>();
        var channel = new ArrayChannel([]);
        var writer = new MrecordWriter(channel);
        while (reader.TryRead())
        {
            kinds.Add(reader.Kind);
            long at = reader.RecordOffset;
            Rewrite(reader, writer);
            ClearArbitraryBytes(golden, (int)at, reader);
        }
        writer.Flush();
        Assert.True(golden.AsSpan().SequenceEqual(channel.Written.ToArray()), "the stream written differs");
        Assert.Equal([MrecordType.Pfsd, MrecordType.Pfsd], kinds.Take(2));
        Assert.Equal([MrecordType.Sync, MrecordType.Term], kinds.TakeLast(2));
        Assert.Equal(golden.Length, reader.BytesRead);
        Assert.Equal(kinds.Count, reader.RecordNumber);
    }

    static void Rewrite(MrecordReader reader, MrecordWriter writer)
    {
        switch (reader.Kind)
        {
            case MrecordType.Rec:
                Assert.True(reader.DataCrcMatches());
                writer.WriteRec(reader.Leaf, reader.Data);
                break;
            case MrecordType.Pass: writer.WritePass(reader.Leaf); break;
            case MrecordType.Skip: writer.WriteSkip(reader.Skip.SkipBeg, reader.Skip.SkipEnd); break;
            case MrecordType.Pfsd: writer.WritePfsd(reader.Pfsd); break;
            default: writer.WriteMark(reader.Kind); break;
        }
    }

    // Pads and the bodies of marks are arbitrary in golden streams; with those normal, all is exact.
    static void ClearArbitraryBytes(byte[] golden, int at, MrecordReader reader)
    {
        int size = reader.Head.RecSize;
        golden.AsSpan(at + size, MrecordHead.Padded(size) - size).Clear();
        if (reader.Kind is not (MrecordType.Sync or MrecordType.Idle or MrecordType.Term)) return;
        golden.AsSpan(at + 16, 8).Clear();
        golden[at + 16] = 1;
        uint crc = HammerCrc.Crc32(golden.AsSpan(at + 8, 16));
        MemoryMarshal.Write(golden.AsSpan(at + 4), in crc);
    }

    [Theory]
    [InlineData(0, 0x73, "bad signature")]
    [InlineData(4, 0x00, "rec_crc")]
    [InlineData(8, 0x01, "rec_size")]
    [InlineData(12, 0x0b, "unknown record type")]
    [InlineData(15, 0x10, "NODATA")]
    [InlineData(15, 0x08, "unknown flags")]
    [InlineData(39, 0x77, "rec_crc")]
    public void Damaged_head_is_named_with_record_and_offset(int at, byte value, string what)
    {
        byte[] stream = [.. Bytes(Sync), .. Bytes(Pass)];
        stream[24 + at] = value;
        var reader = new MrecordReader(new ArrayChannel(stream));
        Assert.True(reader.TryRead());
        MirrorStreamException e = Assert.Throws<MirrorStreamException>(() => reader.TryRead());
        Assert.Equal(1, e.Record);
        Assert.Equal(24, e.Offset);
        Assert.Contains(what, e.Message, StringComparison.Ordinal);
        Assert.StartsWith("mirror stream, record 1 at byte 24: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Stream_cut_at_any_byte_ends_between_records_or_says_where()
    {
        byte[] stream = [.. Bytes(Pfsd, 320), .. Bytes(Rec, 104), .. Bytes(SkipAll), .. Bytes(Pass), .. Bytes(Sync)];
        int[] ends = [0, 320, 424, 520, 600, 624];
        for (int cut = 0; cut <= stream.Length; cut++)
        {
            var reader = new MrecordReader(new ArrayChannel(stream[..cut], 7));
            int whole = ends.Count(e => e <= cut) - 1;
            for (int i = 0; i < whole; i++) Assert.True(reader.TryRead());
            if (ends.Contains(cut))
            {
                Assert.False(reader.TryRead());
                continue;
            }
            MirrorStreamException e = Assert.Throws<MirrorStreamException>(() => reader.TryRead());
            Assert.Equal((whole, ends[whole]), (e.Record, e.Offset));
        }
    }

    [Fact]
    public void Mutated_streams_give_records_or_a_typed_error()
    {
        byte[] golden = GoldenData.Stream("v7/mirror.pruned_incr.stream");
        for (int seed = 0; seed < 4000; seed++)
        {
            var random = new Random(seed);
            byte[] stream = MirrorMutator.Mutate(golden, random);
            try
            {
                var reader = new MrecordReader(new ArrayChannel(stream, random.Next(1, 8192)));
                while (reader.TryRead()) MirrorDump.Text(reader);
            }
            catch (MirrorStreamException)
            {
                // The expected outcome of most mutations.
            }
            catch (Exception e)
            {
                Assert.Fail(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {e}"));
            }
        }
    }

    [Fact]
    public void Dump_of_records_has_the_lines_of_the_reference()
    {
        byte[] stream = [.. Bytes(Rec, 104), .. Bytes(Pass), .. Bytes(SkipAll), .. Bytes(Sync)];
        var reader = new MrecordReader(new ArrayChannel(stream));
        var lines = new List<string?>();
        while (reader.TryRead()) lines.Add(MirrorDump.Text(reader));
        Assert.Equal(
            [
                "Record lo=00010001 obj=0000000000000001 key=1234567800000000 rt=11 ot=02\n"
                + "       tids 00000001efa9ec90:0000000000000000 data=21",
                "Pass   lo=00010001 obj=0000000000000001 key=1234567800000000 rt=11 ot=02\n"
                + "       tids 00000001efa9ec90:00000001efa9f000 data=21",
                "Skip   lo=00010000 obj=8000000000000000 key=8000000000000000 rt=00 to\n"
                + "       lo=0001ffff obj=7fffffffffffffff key=7fffffffffffffff rt=ffff",
                null,
            ], lines);
    }

    [Fact]
    public void Read_error_of_the_link_is_an_error_and_not_an_end()
    {
        var reader = new MrecordReader(new ArrayChannel(Bytes(Sync)) { FailAtEnd = true });
        Assert.True(reader.TryRead());
        MirrorStreamException e = Assert.Throws<MirrorStreamException>(() => reader.TryRead());
        Assert.IsType<IOException>(e.InnerException);
    }
}
