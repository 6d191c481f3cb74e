using System;
using System.Collections.Generic;
using NasCore.Tests.Recovery;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>What can be changed of a file system while it is mounted.</summary>
public sealed class ConfigureTests : RuleTestBase
{
    [Fact]
    public void Cache_shrinks_and_grows_under_a_mounted_file_system()
    {
        using EngineDriver driver = Small();
        var files = new List<Vnode>();
        for (int i = 0; i < 1000; i++) files.Add(File(driver.Fs, $"file{i}", Bytes(3_000, i)));
        Sync(driver.Fs);
        int before = driver.Fs.Cache.Capacity, held = driver.Fs.Cache.Count;
        driver.Fs.Configure(TimeSpan.FromSeconds(9), 64L << 20);
        Assert.Equal(9, driver.Fs.Core.Pace.Interval.TotalSeconds);
        Assert.True(driver.Fs.Cache.Capacity > before, $"{before}, then {driver.Fs.Cache.Capacity}");
        Assert.Equal(held, driver.Fs.Cache.Count);
        driver.Fs.Configure(TimeSpan.FromSeconds(5), 1);
        Assert.Equal(512, driver.Fs.Cache.Capacity);
        // Smaller than a configuration can make it: what is clean goes at once.
        driver.Fs.Cache.Resize(20);
        Assert.True(held > 40 && driver.Fs.Cache.Count <= 20, $"{held}, then {driver.Fs.Cache.Count}");
        for (int i = 0; i < files.Count; i += 7)
            Assert.True(Read(driver.Fs, files[i]).AsSpan().SequenceEqual(Bytes(3_000, i)), $"file{i}");
        for (int i = 1000; i < 1100; i++) files.Add(File(driver.Fs, $"file{i}", Bytes(3_000, i)));
        Sync(driver.Fs);
        driver.Fs.Dispose();
        MountedTree.AssertSound("after the cache shrank", driver.Device);
    }
}
