using System;
using System.Linq;
using NasFirmware.Identity;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Identity;

/// <summary>Which key a box has, by all that may be on card and disks.</summary>
public sealed class IdentityRuleTests : IDisposable
{
    readonly PeerKey _a = PeerKey.Make(), _b = PeerKey.Make();

    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
    }

    static IdentityVerdict Of(string? key, bool isNew, bool allSeen, int seconds, params IdentityCopy[] copies) =>
        IdentityRule.Of(new IdentityFacts
        {
            Box = "nas1", Key = key, IsNew = isNew, Copies = copies, IsAllSeen = allSeen,
            Elapsed = TimeSpan.FromSeconds(seconds),
        });

    IdentityCopy A(string box = "nas1", bool isNew = false, long generation = 0) =>
        IdentityFileTests.Copy(_a, box, isNew, generation);

    IdentityCopy B(string box = "nas1", bool isNew = false, long generation = 0) =>
        IdentityFileTests.Copy(_b, box, isNew, generation);

    [Fact]
    public void Key_that_others_know_is_kept_whatever_the_disks_carry()
    {
        Assert.Equal(IdentityStep.Keep, Of(_a.Hash, false, false, 0).Step);
        Assert.Equal(IdentityStep.Keep, Of(_a.Hash, false, true, 999, B(), B("nas9", generation: 9)).Step);
    }

    [Fact]
    public void Without_a_key_the_disks_bring_it_and_the_rest_of_them_is_waited_for_a_while()
    {
        Assert.Equal(IdentityStep.Wait, Of(null, false, false, 0).Step);
        Assert.Equal(IdentityStep.Wait, Of(null, false, false, 119).Step);
        Assert.Equal(IdentityStep.Wait, Of(null, false, false, 19, A()).Step);
        Assert.Equal(_a.Hash, Of(null, false, false, 20, A()).Copy!.Key);
        Assert.Equal(_a.Hash, Of(null, false, true, 0, A()).Copy!.Key);
        Assert.Equal(_a.Hash, Of(null, false, true, 0, A(isNew: true)).Copy!.Key);
        Assert.Equal(_a.Hash, Of(null, false, true, 0, B("nas9", generation: 9), A()).Copy!.Key);
    }

    [Fact]
    public void With_neither_a_new_one_is_made_when_all_is_seen_or_the_time_is_over()
    {
        Assert.Equal(IdentityStep.Make, Of(null, false, true, 0).Step);
        Assert.Equal(IdentityStep.Make, Of(null, false, false, 120).Step);
        Assert.Equal(IdentityStep.Make, Of(null, false, true, 0, A("nas9")).Step);
    }

    [Fact]
    public void New_key_gives_way_to_a_former_one_that_appears_later()
    {
        Assert.Equal(_a.Hash, Of(_b.Hash, true, true, 999, A()).Copy!.Key);
        Assert.Equal(IdentityStep.Keep, Of(_b.Hash, true, true, 999, B()).Step);
        Assert.Equal(IdentityStep.Keep, Of(_b.Hash, true, true, 999, A(isNew: true)).Step);
        Assert.Equal(IdentityStep.Keep, Of(_b.Hash, true, true, 999, A("nas9")).Step);
    }

    [Fact]
    public void Of_several_keys_the_same_one_is_taken_in_whatever_order_they_come()
    {
        IdentityCopy[][] cases =
        [
            [A(generation: 2), B(generation: 1), B(generation: 1)], [A(), B(isNew: true, generation: 9)],
            [A(), A(), B()],
        ];
        foreach (IdentityCopy[] copies in cases)
        {
            Assert.Equal(_a.Hash, Of(null, false, true, 0, copies).Copy!.Key);
            Assert.Equal(_a.Hash, Of(null, false, true, 0, [.. copies.Reverse()]).Copy!.Key);
        }
        Assert.Equal(Of(null, false, true, 0, A(), B()).Copy!.Key, Of(null, false, true, 0, B(), A()).Copy!.Key);
    }
}
