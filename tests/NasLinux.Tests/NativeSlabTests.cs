using System;
using Xunit;

namespace NasLinux.Tests;

public sealed class NativeSlabTests
{
    [Fact]
    public void A_new_slab_is_zero_and_keeps_what_is_written()
    {
        using var slab = new NativeSlab(1 << 20);
        Assert.Equal(-1, slab.Span(0, 1 << 20).IndexOfAnyExcept((byte)0));
        slab.Span(12345, 3).Fill(7);
        Assert.Equal(12345, slab.Span(0, 1 << 20).IndexOf((byte)7));
        Assert.Equal(12347, slab.Span(0, 1 << 20).LastIndexOf((byte)7));
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, -1)]
    [InlineData(65536, 1)]
    [InlineData(1, 65536)]
    [InlineData(long.MaxValue, 1)]
    public void A_range_outside_is_refused(long offset, int bytes)
    {
        using var slab = new NativeSlab(65536);
        Assert.Throws<ArgumentOutOfRangeException>(() => slab.Span(offset, bytes).Clear());
    }

    [Fact]
    public void A_slab_that_was_freed_gives_no_span()
    {
        var slab = new NativeSlab(4096);
        slab.Dispose();
        slab.Dispose();
        Assert.Throws<ArgumentOutOfRangeException>(() => slab.Span(0, 1).Clear());
    }
}
