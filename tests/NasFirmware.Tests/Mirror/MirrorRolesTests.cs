using System;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>Which way a mirror goes, by its section and by what the disk says.</summary>
public sealed class MirrorRolesTests
{
    static readonly Guid s_other = Guid.NewGuid();

    static PseudofsData Pfs(string kind)
    {
        var pfs = new PseudofsData
        {
            UniqueUuid = Guid.NewGuid(), SyncEndTid = kind == "new slave" ? 1u : 100u,
            MirrorFlags = kind is "master" or "promoted" ? 0 : PseudofsData.FlagSlave,
        };
        if (kind == "promoted") PromotionMark.Set(ref pfs, 1000, s_other);
        if (kind == "fed slave") SlaveMark.SetFed(ref pfs, s_other);
        return pfs;
    }

    [Theory]
    [InlineData("nothing", true, true, "", "Sends")]
    [InlineData("nothing", false, false, "", "Takes")]
    [InlineData("master", true, true, "", "Sends")]
    [InlineData("promoted", true, true, "", "Sends")]
    [InlineData("promoted", false, false, "", "Sends")]
    // Somebody's mistake: it is refused, not sent.
    [InlineData("master", false, false, "", "Takes")]
    [InlineData("fed slave", false, false, "", "Takes")]
    [InlineData("new slave", false, false, "", "Takes")]
    // A chain; a slave that is fed by other means; one that nobody has fed yet.
    [InlineData("fed slave", true, false, "", "Sends")]
    [InlineData("fed slave", true, true, "", "Sends")]
    [InlineData("new slave", true, true, "", "Sends")]
    // A former master: over the mirror that is noted; before anything is, from the first that comes.
    [InlineData("slave", true, true, "family", "Takes")]
    [InlineData("fed slave", true, true, "family", "Takes")]
    [InlineData("fed slave", true, true, "another", "Sends")]
    [InlineData("slave", true, true, "", "Awaits")]
    [InlineData("slave", true, false, "", "Sends")]
    public void Role_follows_the_disk_and_else_the_section(string kind, bool isFrom, bool isHead, string parent,
        string role)
    {
        var end = new MirrorEndOptions(new MirrorSendOptions
        {
            Name = "family", Peer = "nas2", Volume = "data", Pfs = "family",
        }, isFrom);
        PseudofsData? pfs = kind == "nothing" ? null : Pfs(kind);
        PfsRole note = parent.Length == 0 ? PfsRole.None : new PfsRole(parent, 0, Guid.Empty);
        Assert.Equal(role, MirrorRoles.Of(end, isHead, pfs, note).ToString());
    }

    [Fact]
    public void Words_of_a_peer_about_roles_are_checked()
    {
        byte[] Question(PeerSwitch q) => PeerMessages.Encode(q, SwitchJson.Default.PeerSwitch);
        var good = new PeerSwitch { Kind = PeerSwitchKind.Take, Tid = "0x0000000000000123", Former = s_other };
        Assert.Equal(good, SwitchMessages.DecodeQuestion(Question(good)));
        Assert.Equal(0x123u, SwitchMessages.Tid(good.Tid));
        PeerSwitch[] lies =
        [
            good with { Tid = "123" }, good with { Tid = "0x" + new string('1', 40) }, good with { Tid = "0xzz" },
            good with { Kind = "" }, good with { Kind = new string('k', 99) }, good with { LimitSeconds = -1 },
            good with { LimitSeconds = int.MaxValue },
        ];
        foreach (PeerSwitch lie in lies)
            Assert.Throws<System.IO.InvalidDataException>(() => SwitchMessages.DecodeQuestion(Question(lie)));
        byte[] reply = PeerMessages.Encode(new PeerSwitchReply
        {
            Error = "\u001b[2J", View = new SwitchView { Id = 1, Mirror = "m", Step = "\u001b]0;x", Error = "a\nb" },
        }, SwitchJson.Default.PeerSwitchReply);
        PeerSwitchReply read = SwitchMessages.DecodeReply(reply);
        Assert.DoesNotContain('\u001b', read.Error + read.View!.Step);
        Assert.DoesNotContain('\n', read.View.Error!);
    }

    [Theory]
    [InlineData("", "is none")]
    [InlineData("null", "null")]
    [InlineData("{}", "is none")]
    [InlineData("""{"kind":7}""", "is none")]
    [InlineData("""{"kind":null}""", "'kind'")]
    [InlineData("""{"kind":""}""", "'kind'")]
    [InlineData("""{"kind":"a-kind-that-is-far-too-long"}""", "'kind'")]
    [InlineData("""{"kind":"take","tid":""}""", "'tid'")]
    [InlineData("""{"kind":"take","tid":"7"}""", "'tid'")]
    [InlineData("""{"kind":"take","tid":"0x11112222333344445"}""", "'tid'")]
    [InlineData("""{"kind":"take","tid":"0x-1"}""", "'tid'")]
    [InlineData("""{"kind":"take","tid":7}""", "is none")]
    [InlineData("""{"kind":"take","former":"x"}""", "is none")]
    [InlineData("""{"kind":"begin","full":1}""", "is none")]
    [InlineData("""{"kind":"begin","limitSeconds":-1}""", "'limitSeconds'")]
    [InlineData("""{"kind":"begin","limitSeconds":2592001}""", "'limitSeconds'")]
    [InlineData("""{"kind":"begin","limitSeconds":99999999999}""", "is none")]
    [InlineData("""{"kind":"begin","to":[]}""", "is none")]
    [InlineData("""{"kind":"view","id":"1"}""", "is none")]
    [InlineData("""{"kind":"view","id":99999999999}""", "is none")]
    [InlineData("""{"kind":"view","x":[[[[[[[[]]]]]]]]}""", "is none")]
    public void Question_with_a_lie_is_not_answered(string json, string what)
    {
        var e = Assert.Throws<System.IO.InvalidDataException>(() =>
            SwitchMessages.DecodeQuestion(System.Text.Encoding.UTF8.GetBytes(json)));
        Assert.Contains(what, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is none")]
    [InlineData("null", "null")]
    [InlineData("[]", "is none")]
    [InlineData("""{"ok":"yes"}""", "is none")]
    [InlineData("""{"ok":true,"error":{}}""", "is none")]
    [InlineData("""{"ok":true,"never":"no"}""", "is none")]
    [InlineData("""{"ok":true,"tid":"0x"}""", "'tid'")]
    [InlineData("""{"ok":true,"tid":"1"}""", "'tid'")]
    [InlineData("""{"ok":true,"tid":"0x11112222333344445"}""", "'tid'")]
    [InlineData("""{"ok":true,"fedBy":"me"}""", "is none")]
    [InlineData("""{"ok":true,"view":7}""", "is none")]
    [InlineData("""{"ok":true,"view":{}}""", "is none")]
    [InlineData("""{"ok":true,"view":{"id":1}}""", "is none")]
    [InlineData("""{"ok":true,"view":{"id":1e9,"mirror":"m"}}""", "is none")]
    [InlineData("""{"ok":true,"view":{"id":1,"mirror":"m","done":1}}""", "is none")]
    [InlineData("""{"ok":true,"view":{"id":1,"mirror":"m","tid":"x"}}""", "'view.tid'")]
    public void Answer_with_a_lie_is_none(string json, string what)
    {
        var e = Assert.Throws<System.IO.InvalidDataException>(() =>
            SwitchMessages.DecodeReply(System.Text.Encoding.UTF8.GetBytes(json)));
        Assert.Contains(what, e.Message, StringComparison.Ordinal);
    }
}
