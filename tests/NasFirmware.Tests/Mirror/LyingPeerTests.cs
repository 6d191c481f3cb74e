using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Control;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>
/// A peer that lies in every field of what two boxes say to each other: it loses its connection, with a sentence that
/// names the field, or the lie is passed over where docs/MIRRORING.md says so. The volume and the other mirrors are as
/// before, and an honest peer is taken afterwards. What is too long is refused before it has come: the liar never sends
/// it. Comparisons and changes of roles have tables of their own.
/// </summary>
public sealed class LyingPeerTests
{
    const string Good = """{"version":1,"features":["window"]}""";
    static readonly string s_long = new('x', 5000);

    /// <summary>Of both directions.</summary>
    static IEnumerable<Lie> Events()
    {
        (string Json, string? Problem)[] all =
        [
            ("", "is none (PeerEvent)"), ("null", "the peer sent null"), ("[]", "is none"), ("{}", "is none"),
            ("""{"kind":""}""", "'kind'"), ("""{"kind":null}""", "is none|'kind'"), ("""{"kind":7}""", "is none"),
            ("{\"kind\":\"" + new string('k', 65) + "\"}", "'kind'"), ("""{"kind":"be\u0007at"}""", "'kind'"),
            ("""{"kind":"dance"}""", null), ("""{"kind":"beat","mood":{"a":[1]}}""", null),
            ("""{"kind":"beat","lag":-1}""", "'times'"), ("""{"kind":"beat","lag":1e11}""", "'times'"),
            ("""{"kind":"beat","lag":1e999}""", "'times'|is none"), ("""{"kind":"beat","lag":"1"}""", "is none"),
            ("""{"kind":"beat","lag":NaN}""", "is none"), ("""{"kind":"beat","lag":"NaN"}""", "is none"),
            ("""{"kind":"beat","secondsLeft":-0.1}""", "'times'"),
            ("""{"kind":"beat","secondsLeft":1e10}""", "'times'"),
            ("""{"kind":"beat","progress":-0.001}""", "'progress'"),
            ("""{"kind":"beat","progress":1.001}""", "'progress'"),
            ("""{"kind":"beat","progress":true}""", "is none"),
            ("""{"kind":"beat","bytesLeft":-1}""", "'bytesLeft'"),
            ("""{"kind":"beat","bytesLeft":9223372036854775808}""", "is none"),
            ("""{"kind":"beat","bytesLeft":1.5}""", "is none"),
            ("""{"kind":"beat","tid":""}""", "'tid'"), ("""{"kind":"beat","tid":"0x"}""", "'tid'"),
            ("""{"kind":"beat","tid":"12"}""", "'tid'"), ("""{"kind":"beat","tid":"0xzz"}""", "'tid'"),
            ("""{"kind":"beat","tid":"0x11112222333344445"}""", "'tid'"), ("""{"kind":"beat","tid":12}""", "is none"),
            ("""{"kind":"beat","work":-1}""", "'work'"), ("""{"kind":"beat","work":1e30}""", "is none"),
            ("""{"kind":"beat","work":9223372036854775807}""", null),
            ("""{"kind":"taken","taken":-1}""", "'taken'"),
            ("""{"kind":"taken","taken":9223372036854775807}""", "has taken 9223372036854775807 bytes of"),
            ("""{"kind":"beat","state":"\u001b[2J\u202e\n"}""", null),
            ("{\"kind\":\"beat\",\"state\":\"" + new string('s', 4000) + "\"}", null),
            ("{\"kind\":\"beat\",\"state\":\"" + s_long + "\"}", "a message of 5"),
            ("""{"kind":"beat","lag":1,"lag":-1}""", "'times'"),
            ("""{"kind":"beat","x":[[[[[[[[[[]]]]]]]]]]}""", "is none"),
        ];
        return all.Select(l => Lie.Message(FrameKind.Event, l.Json, l.Problem));
    }

    static IEnumerable<Lie> Ends(string peer)
    {
        (string Json, string? Problem)[] all =
        [
            ("", "is none (PeerEnd)"), ("null", "the peer sent null"), ("[]", "is none"), ("{}", peer + " failed"),
            ("""{"ok":"yes"}""", "is none"), ("""{"ok":true}""", peer + " ended the stream"),
            ("""{"ok":true,"error":"and yet"}""", peer + " ended the stream"),
            ("""{"error":"\u001b[2Jred\n"}""", " [2Jred "), ("""{"error":7}""", "is none"),
            ("""{"error":"no","refused":1}""", "is none"), ("""{"error":"no","refused":true}""", "no"),
            ("""{"error":"no","class":"of\u0000none"}""", "no"), ("""{"error":"no","class":"medium"}""", "no"),
            ("{\"error\":\"" + new string('e', 4000) + "\"}", new string('e', 500)),
            ("{\"error\":\"" + s_long + "\"}", "a message of 5"),
        ];
        return all.Select(l => Lie.Message(FrameKind.Result, l.Json, l.Problem));
    }

    static IEnumerable<Lie> FrameLies() =>
    [
        Lie.Raw("a frame of kind 0", "a frame of kind 0", 0, 1, 0, 0),
        Lie.Raw("a frame of kind 7", "a frame of kind 7", 7, 1, 0, 0),
        Lie.Raw("a frame of 16 MB of data", "kind 1 and 16777215 bytes", 1, 0xFF, 0xFF, 0xFF),
        Lie.Raw("an event of 256 KiB", "a message of 262144 bytes", 3, 0, 0, 4),
        Lie.Message(FrameKind.Hello, "{}", "sent Hello in a mirror stream"),
        Lie.Message(FrameKind.Welcome, Good, "sent Welcome in a mirror stream"),
        Lie.Stream("data that are none", "bad signature", w => w.BeginRec(8)),
        new Lie("500 zeros", "bad signature 00000000", liar => liar.Frames.Write(FrameKind.Data, new byte[500])),
    ];

    static IEnumerable<Lie> Welcomes()
    {
        (string Json, string? Problem)[] all =
        [
            ("", "is none (PeerWelcome)"), ("null", "the peer sent null"), ("{}", "'version'"), ("[1]", "is none"),
            ("""{"version":0}""", "'version'"), ("""{"version":99}""", "'version'"),
            ("""{"version":-1}""", "'version'"), ("""{"version":"1"}""", "is none"),
            ("""{"version":4294967297}""", "is none"), ("""{"version":1,"version":99}""", "'version'"),
            ("""{"version":1,"silence":0}""", "'silence'"), ("""{"version":1,"silence":-5}""", "'silence'"),
            ("""{"version":1,"silence":86400001}""", "'silence'"), ("""{"version":1,"silence":"1s"}""", "is none"),
            ("""{"version":1,"silence":99}""", "'silence'"),
            ("""{"version":1,"features":[""]}""", "'features'"), ("""{"version":1,"features":[null]}""", "'features'"),
            ("""{"version":1,"features":["a\u0000b"]}""", "'features'"), ("""{"version":1,"features":7}""", "is none"),
            ("{\"version\":1,\"features\":[" + string.Join(',', Enumerable.Repeat("\"f\"", 17)) + "]}", "'features'"),
            ("""{"version":1,"box":7}""", "is none"), ("""{"refusal":7}""", "is none"),
            ("""{"version":0,"refusal":"\u001b[2Jgo\naway"}""", " [2Jgo away"),
            ("{\"refusal\":\"" + new string('r', 3000) + "\",\"later\":true}", new string('r', 500)),
            ("""{"refusal":"no","later":"soon"}""", "is none"),
            ("{\"version\":1,\"box\":\"" + s_long + "\"}", "a message of 5"),
        ];
        return all.Select(l => Lie.Message(FrameKind.Welcome, l.Json, l.Problem)).Concat(
        [
            Lie.Message(FrameKind.Event, """{"kind":"beat"}""", "sent Event, Welcome was expected"),
            Lie.Message(FrameKind.Data, "x", "sent Data, Welcome was expected"),
            Lie.Raw("no frame at all", "a frame of kind 72", "HTTP/1.1 200 OK"u8.ToArray()),
        ]);
    }

    static Lie After(Lie lie, string welcome) => lie with
    {
        Tell = liar =>
        {
            liar.Frames.Write(FrameKind.Welcome, System.Text.Encoding.ASCII.GetBytes(welcome));
            lie.Tell(liar);
        },
    };

    static PseudofsData Slave => new()
    {
        SharedUuid = LoopPair.Shared, UniqueUuid = Guid.NewGuid(), MirrorFlags = PseudofsData.FlagSlave,
        SyncBegTid = 1, SyncEndTid = 1,
    };

    /// <summary>What a target says of its PFS, and of what it has taken.</summary>
    static IEnumerable<Lie> TargetStreams() =>
    [
        Lie.Stream("shared UUID", "the shared UUIDs differ", w => w.WritePfsd(Slave with
        {
            SharedUuid = Guid.NewGuid(),
        })),
        Lie.Stream("a master", "the target is a master", w => w.WritePfsd(Slave with { MirrorFlags = 0 })),
        Lie.Stream("end TID", "ahead of the source", w => w.WritePfsd(Slave with { SyncEndTid = ulong.MaxValue })),
        Lie.Stream("UPDATE first", "PFSD was expected", w => w.WriteUpdate(7)),
        Lie.Stream("SYNC", "PFSD was expected", w => w.WriteMark(MrecordType.Sync)),
        Lie.Stream("UPDATE of another TID", "UPDATE for 0x0000000000000007, the batch ended at", w =>
        {
            w.WritePfsd(Slave);
            w.WriteUpdate(7);
        }),
        Lie.Stream("no UPDATE", "UPDATE was expected", w =>
        {
            w.WritePfsd(Slave);
            w.WritePfsd(Slave);
        }),
        Lie.Stream("a place in a batch of another source", "UPDATE for 0x0000000000000007", w =>
        {
            w.WritePfsd(Hinted(Guid.NewGuid(), 2, 3));
            w.WriteUpdate(7);
        }),
        Lie.Stream("a place in a batch that ends never", "UPDATE for 0x0000000000000007", w =>
        {
            w.WritePfsd(Hinted(new Guid("aaaaaaaa-0000-1111-2222-333333333333"), 2, ulong.MaxValue));
            w.WriteUpdate(7);
        }),
    ];

    static PseudofsData Hinted(Guid source, ulong begin, ulong end)
    {
        PseudofsData pfs = Slave;
        ResumeHint.Announce(ref pfs);
        new ResumeHint(source, begin, end, new BaseElm { ObjId = 1 }).Store(ref pfs);
        return pfs;
    }

    [Fact]
    public void Target_that_lies_in_any_field_loses_its_connection_and_an_honest_one_is_fed()
    {
        using var pair = new LyingPair();
        List<Lie> lies =
        [
            .. Welcomes(),
            .. Events().Concat(Ends("nas2")).Concat(FrameLies()).Concat(TargetStreams()).Select(l => After(l, Good)),
            // Without the extension what is said of it counts for nothing.
            After(Lie.Message(FrameKind.Event, """{"kind":"taken","taken":9999}""", null), """{"version":1}"""),
            After(Lie.Message(FrameKind.Event, """{"kind":"beat"}""", null),
                """{"version":1,"features":["window","dance"],"mood":"good"}"""),
        ];
        None(pair.MeetTarget(lies));
    }

    [Fact]
    public void Source_that_lies_in_any_field_changes_nothing_of_the_slave()
    {
        using var pair = new LyingPair();
        List<Lie> lies = [.. Events(), .. Ends("nas1"), .. FrameLies(), .. SourceStreams()];
        None(pair.MeetSource(lies, LoopPair.Shared));
    }

    static PseudofsData Master(ulong begin, ulong end) => new()
    {
        SharedUuid = LoopPair.Shared, UniqueUuid = new Guid("aaaaaaaa-0000-1111-2222-333333333333"),
        SyncBegTid = begin, SyncEndTid = end,
    };

    static LeafElm Leaf(long obj, ulong created) => new()
    {
        Base = new BaseElm
        {
            Localization = 1, ObjId = obj, RecTypeRaw = (ushort)RecType.Inode, CreateTid = created, BType = (byte)'R',
        },
        DataLen = InodeOndisk.Bytes,
    };

    /// <summary>What a source says of its PFS, its range and its records.</summary>
    static IEnumerable<Lie> SourceStreams() =>
    [
        Range("shared UUID", "the shared UUIDs differ", Master(2, 1UL << 40) with { SharedUuid = Guid.NewGuid() }),
        Range("a range of the far future", "the range ends at 0x4000000000000000", Master(2, 1UL << 62),
            w => w.WriteMark(MrecordType.Sync)),
        Range("a range that ends before what is here", "ahead of the source", Master(1, 2),
            w => w.WriteMark(MrecordType.Sync)),
        Range("goes on inside a batch that is none", "of which this PFS holds no part", Resumed()),
        Lie.Stream("UPDATE", "PFSD or TERM was expected", w => w.WriteUpdate(7)),
        Lie.Stream("SYNC first", "PFSD or TERM was expected", w => w.WriteMark(MrecordType.Sync)),
        Range("a second range", "record, SYNC or IDLE was expected", Master(2, 1UL << 40),
            w => w.WritePfsd(Master(2, 1UL << 40))),
        Range("a SKIP that goes backwards", "SKIP", Master(2, 1UL << 40), w =>
        {
            BaseElm first = Leaf(9, 5).Base, last = Leaf(3, 5).Base;
            w.WriteSkip(in first, in last);
        }),
        Range("a record of after the range", "behind the range's end|create", Master(2, 1UL << 40), w =>
        {
            LeafElm leaf = Leaf(9, 1UL << 50);
            w.WritePass(in leaf);
        }),
        Range("keys that go backwards", "keys go backwards", Master(2, 1UL << 40), w =>
        {
            LeafElm second = Leaf(9, 5), first = Leaf(3, 5);
            w.WritePass(in second);
            w.WritePass(in first);
        }),
    ];

    static PseudofsData Resumed()
    {
        PseudofsData pfs = Master(2, 1UL << 40);
        ResumeHint.Announce(ref pfs, resumed: true);
        return pfs;
    }

    /// <summary>The source says who it is, and then which range it sends.</summary>
    static Lie Range(string what, string problem, PseudofsData range, Action<MrecordWriter>? more = null) =>
        Lie.Stream(what, problem, w =>
        {
            w.WritePfsd(Master(2, 1UL << 40));
            w.WritePfsd(range);
            more?.Invoke(w);
        });

    static void None(List<string> wrong) => Assert.True(wrong.Count == 0, string.Join("\n", wrong));
}
