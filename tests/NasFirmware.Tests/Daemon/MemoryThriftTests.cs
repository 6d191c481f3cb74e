using System;
using System.Threading;
using NasFirmware.Daemon;
using NasFirmware.Tests.Mirror;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>Memory goes back once after work, and never during it.</summary>
public sealed class MemoryThriftTests
{
    [Fact]
    public void Memory_is_given_back_once_after_work_and_not_while_there_is_some()
    {
        var time = new PushedTime();
        var used = TimeSpan.FromSeconds(3);
        int given = 0;
        using var thrift = new MemoryThrift(time, () => used, () => given++);
        thrift.Start();
        void Pass(TimeSpan works, int times)
        {
            for (int i = 0; i < times; i++)
            {
                used += works;
                time.Advance(MemoryThrift.Every);
            }
        }
        Pass(TimeSpan.Zero, 5);
        Assert.Equal(1, given);
        Pass(MemoryThrift.Work * 2, 5);
        Assert.Equal(1, given);
        // An idle daemon's half percent is no work.
        Pass(MemoryThrift.Every * 0.005, 9);
        Assert.Equal(2, given);
        thrift.Stop(CancellationToken.None);
        Pass(MemoryThrift.Work * 2, 1);
        Pass(TimeSpan.Zero, 2);
        Assert.Equal(2, given);
    }
}
