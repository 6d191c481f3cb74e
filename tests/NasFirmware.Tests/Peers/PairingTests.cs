using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>Two boxes that meet for the first time, and whoever may stand between them.</summary>
public sealed class PairingTests
{
    static PairingView Shown(PairingDesk desk)
    {
        PeerBox.Until(() => desk.View().State is not PairingState.Waiting, "the digits are shown");
        return desk.View();
    }

    static void Ends(PairingDesk desk, PairingState state)
    {
        PeerBox.Until(() => desk.View().State == state, $"{state}, but it is {desk.View()}");
    }

    [Fact]
    public void Owner_confirms_on_both_and_the_boxes_know_each_other()
    {
        using PeerBox a = new PeerBox("a").Listen(), b = new PeerBox("b").Listen(pairs: true);
        using PairingDesk desk = a.NewDesk(a.Address.Port);
        b.Desk!.Open(null);
        desk.Open(b.PeerAddress.ToString());
        PairingView here = Shown(desk), there = Shown(b.Desk);
        Assert.Equal(PairingState.Code, here.State);
        Assert.Equal(here.Code, there.Code);
        Assert.Matches("^[0-9]{6}$", here.Code);
        Assert.Equal(("b", b.Key.Hash, "a", a.Key.Hash), (here.Peer, here.Key, there.Peer, there.Key));
        Assert.Empty(a.Peers.All());
        desk.Confirm(true);
        Assert.Empty(b.Peers.All());
        b.Desk.Confirm(true);
        Ends(desk, PairingState.Paired);
        Ends(b.Desk, PairingState.Paired);
        // The answerer learns where the caller listens.
        Assert.Equal($"127.0.0.1:{a.Address.Port}", b.Peers.Find("a")!.Address);
        using (a.Dial("b")) { }
        using (b.Dial("a")) { }
        Assert.Throws<IOException>(() => desk.Confirm(true));
        Assert.False(b.Desk.IsOpen);
    }

    [Fact]
    public void Man_in_the_middle_makes_different_digits_and_learns_nothing()
    {
        using PeerBox a = new("a"), b = new PeerBox("b").Listen(pairs: true);
        // To a he is b, to b he is a: two boxes with keys of his own.
        using PeerBox toA = new PeerBox("b").Listen(pairs: true), toB = new("a");
        using PairingDesk desk = a.NewDesk(0), his = toB.NewDesk(0);
        b.Desk!.Open(null);
        toA.Desk!.Open(null);
        desk.Open(toA.PeerAddress.ToString());
        his.Open(b.PeerAddress.ToString());
        PairingView here = Shown(desk), there = Shown(b.Desk);
        Assert.NotEqual(here.Code, there.Code);
        toA.Desk.Confirm(true);
        his.Confirm(true);
        desk.Confirm(false);
        b.Desk.Confirm(false);
        Ends(desk, PairingState.Failed);
        Ends(b.Desk, PairingState.Failed);
        Assert.Empty(a.Peers.All());
        Assert.Empty(b.Peers.All());
    }

    [Fact]
    public void Digits_depend_on_both_keys_and_both_numbers()
    {
        string a = new('a', 64), b = new('b', 64);
        byte[] one = new byte[32], two = new byte[32];
        two[31] = 1;
        string digits = PairingCode.Digits(a, b, one, two);
        Assert.Equal(digits, PairingCode.Digits(a, b, one, two));
        Assert.NotEqual(digits, PairingCode.Digits(b, a, one, two));
        Assert.NotEqual(digits, PairingCode.Digits(a, b, two, one));
        Assert.NotEqual(digits, PairingCode.Digits(a, b, one, one));
        Assert.NotEqual(digits, PairingCode.Digits(a, new string('c', 64), one, two));
    }

    [Fact]
    public void Caller_that_changes_its_number_after_it_saw_ours_is_refused()
    {
        using PeerBox a = new("a"), b = new PeerBox("b").Listen(pairs: true);
        b.Desk!.Open(null);
        var dialer = new PeerDialer(a.Key, a.Peers, new PeerDialerOptions());
        using PeerStream stream = dialer.DialForPairing(b.PeerAddress, CancellationToken.None, out string key);
        Assert.Equal(b.Key.Hash, key);
        byte[] introduction = [1, 0, 0, 1, (byte)'a', .. new byte[63]];
        stream.Write(introduction);
        stream.Write(PairingCode.Commitment(a.Key.Hash, b.Key.Hash, new byte[32]));
        stream.ReadExactly(new byte[68 + 32]);
        byte[] other = new byte[32];
        other[0] = 1;
        stream.Write(other);
        Assert.ThrowsAny<IOException>(() => stream.ReadExactly(new byte[1]));
        Assert.Equal(PairingState.Waiting, b.Desk.View().State);
    }

    [Fact]
    public void Rubbish_costs_an_attempt_and_the_third_one_closes()
    {
        using PeerBox a = new("a"), b = new PeerBox("b").Listen(pairs: true);
        b.Desk!.Open(null);
        var dialer = new PeerDialer(a.Key, a.Peers, new PeerDialerOptions());
        for (int i = 0; i < 3; i++)
        {
            Assert.True(b.Desk.IsOpen);
            using PeerStream stream = dialer.DialForPairing(b.PeerAddress, CancellationToken.None, out _);
            stream.Write(new byte[100]);
            Assert.ThrowsAny<IOException>(() => stream.ReadExactly(new byte[1]));
            int attempt = i;
            PeerBox.Until(() => b.Desk.View().State == (attempt < 2 ? PairingState.Waiting : PairingState.Failed), "");
        }
        Assert.ThrowsAny<IOException>(() => dialer.DialForPairing(b.PeerAddress, CancellationToken.None, out _));
    }

    [Fact]
    public void Second_box_is_told_that_the_first_is_being_paired()
    {
        using PeerBox a = new("a"), b = new PeerBox("b").Listen(pairs: true), c = new("c");
        using PairingDesk desk = a.NewDesk(0), late = c.NewDesk(0);
        b.Desk!.Open(null);
        desk.Open(b.PeerAddress.ToString());
        Shown(b.Desk);
        late.Open(b.PeerAddress.ToString());
        Ends(late, PairingState.Failed);
        Assert.Contains("being paired with another box", late.View().Problem, StringComparison.Ordinal);
        desk.Close();
        Ends(b.Desk, PairingState.Failed);
    }

    [Fact]
    public void Nobody_pairs_while_it_is_closed_or_after_its_time()
    {
        using PeerBox a = new("a"), b = new PeerBox("b").Listen(pairs: true);
        using (PairingDesk desk = a.NewDesk(0))
        {
            desk.Open(b.PeerAddress.ToString());
            Ends(desk, PairingState.Failed);
            Assert.Contains(b.PeerAddress.ToString(), desk.View().Problem, StringComparison.Ordinal);
        }
        using PairingDesk brief = a.NewDesk(0, TimeSpan.FromMilliseconds(300));
        b.Desk!.Open(null);
        brief.Open(b.PeerAddress.ToString());
        Ends(brief, PairingState.Failed);
        Ends(b.Desk, PairingState.Failed);
        Assert.Contains("in time", brief.View().Problem, StringComparison.Ordinal);
        Assert.Empty(b.Peers.All());
        // It can be opened again.
        b.Desk.Open(null);
        Assert.Throws<IOException>(() => b.Desk.Open(null));
    }

    [Fact]
    public async Task Digits_that_only_one_owner_confirmed_pair_nobody()
    {
        using PeerBox a = new("a"), b = new PeerBox("b").Listen(pairs: true);
        using PairingDesk desk = a.NewDesk(0);
        b.Desk!.Open(null);
        desk.Open(b.PeerAddress.ToString());
        Shown(b.Desk);
        Shown(desk);
        b.Desk.Confirm(true);
        await Task.Run(() => desk.Confirm(false), TestContext.Current.CancellationToken);
        Ends(b.Desk, PairingState.Failed);
        Assert.Empty(b.Peers.All());
        Assert.Empty(a.Peers.All());
    }
}
