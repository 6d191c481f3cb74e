using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Volumes;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// Many writers fill a volume without history, delete everything and fill it again, while the flusher runs: fifty times
/// with NASHAMMER_FULL=1. Every byte that a write acknowledged is there, deletion always works, no capacity is lost,
/// and `check` accounts for every byte.
/// </summary>
public sealed class FullDiskTests : RuleTestBase
{
    const int Writers = 6;
    const int RefusalsMax = 3;
    static readonly int s_cycles = Environment.GetEnvironmentVariable("NASHAMMER_FULL") == "1" ? 50 : 3;

    /// <summary>A file and how much of it was acknowledged.</summary>
    sealed record Written(string Name, int Seed, int Length);

    [Fact]
    public void Many_writers_fill_delete_and_fill_again_without_loss_of_capacity()
    {
        using EngineDriver made = Small(noHistory: true, megabytes: 128);
        made.Fs.Dispose();
        HammerFsOptions options = MountedTree.Options(TimeProvider.System, noHistory: true) with
        {
            RunFlusher = true, FlushInterval = TimeSpan.FromMilliseconds(50),
        };
        ulong free = 0;
        long fits = 0;
        for (int cycle = 0; cycle < s_cycles; cycle++)
        {
            string context = $"cycle {cycle}";
            using (HammerFs fs = MountedTree.Mount(options, made.Device))
            {
                List<Written> files = Fill(fs, cycle, context);
                long bytes = files.Sum(f => (long)f.Length);
                if (cycle == 0) fits = bytes;
                // Files are cut at random, so what fits differs a little.
                Assert.True(bytes > 24 << 20 && bytes > fits * 8 / 10,
                    $"{context}: {bytes} bytes fit, {fits} at first");
                Assert.Equal(Errno.None, fs.SyncAndWait());
                Verify(fs, files, context);
                Empty(fs, files, context);
                for (int i = 0; i < 4; i++) Assert.Equal(Errno.None, fs.SyncAndWait());
                Assert.False(fs.Health.IsCritical, $"{context}: {fs.Health.Message}");
                Assert.Empty(FsWalker.Names(fs, fs.Root));
                Assert.Equal(Errno.None, fs.StatFs(out FsStat stat));
                if (cycle == 0) free = stat.FreeBytes;
                Assert.True(stat.FreeBytes + (8 << 20) >= free, $"{context}: {stat.FreeBytes} of {free} free");
            }
            AssertAccounted(made, context);
        }
        MountedTree.AssertSound("full with many writers", made.Device);
    }

    static void Together(string context, Action<int> work)
    {
        var errors = new ConcurrentQueue<Exception>();
        Thread[] threads =
            [.. Enumerable.Range(0, Writers).Select(i => ConcurrencyTests.Start(errors, () => work(i)))];
        foreach (Thread thread in threads) thread.Join();
        Assert.True(errors.IsEmpty, $"{context}: {errors.FirstOrDefault()}");
    }

    static List<Written> Fill(HammerFs fs, int cycle, string context)
    {
        var files = new ConcurrentBag<Written>();
        Together(context, writer =>
        {
            var random = new Random(cycle * 100 + writer);
            for (int n = 0, refused = 0; refused < RefusalsMax; n++)
            {
                int length = random.Next(4) switch
                {
                    0 => random.Next(1, 3000), 1 => random.Next(1, 100_000), _ => random.Next(1, 3 << 20),
                };
                var file = new Written($"w{writer}-{n}", random.Next(), length);
                Written? done = WriteFile(fs, file, random);
                if (done is not null) files.Add(done);
                if (done is null || done.Length < length) refused++;
            }
        });
        return [.. files];
    }

    /// <summary>Null if there was no room for the file itself; else what was acknowledged of it.</summary>
    static Written? WriteFile(HammerFs fs, Written file, Random random)
    {
        Vnode vnode = default;
        Errno e = ConcurrencyTests.Parked(fs, () => fs.Create(fs.Root, Name(file.Name), ObjType.RegFile, 0x1A4, 0, 0,
            Root, out vnode, out _));
        if (e == Errno.NoSpc) return null;
        Assert.Equal(Errno.None, e);
        byte[] content = Bytes(file.Length, file.Seed);
        for (int at = 0; at < content.Length;)
        {
            int piece = Math.Min(random.Next(1, 200_000), content.Length - at), from = at, n = 0;
            e = ConcurrencyTests.Parked(fs, () =>
                fs.Write(vnode, (ulong)from, content.AsSpan(from, piece), false, false, out n));
            if (e == Errno.NoSpc) return file with { Length = at };
            Assert.Equal(Errno.None, e);
            at += n;
        }
        return file;
    }

    static void Verify(HammerFs fs, List<Written> files, string context) => Together(context, reader =>
    {
        for (int i = reader; i < files.Count; i += Writers)
        {
            Written file = files[i];
            // A write that was refused may have brought a part before it met the end of the space.
            byte[] found = Read(fs, Find(fs, file.Name));
            Assert.True(found.Length >= file.Length, $"{context}: {file.Name} has {found.Length} of {file.Length}");
            Assert.True(found.AsSpan(0, file.Length).SequenceEqual(Bytes(file.Length, file.Seed)),
                $"{context}: {file.Name} has another content");
        }
    });

    static void Empty(HammerFs fs, List<Written> files, string context) => Together(context, deleter =>
    {
        for (int i = deleter; i < files.Count; i += Writers)
        {
            Errno e = ConcurrencyTests.Parked(fs, () => fs.Unlink(fs.Root, Name(files[i].Name)));
            Assert.True(e == Errno.None, $"{context}: {files[i].Name} cannot be deleted: {e}");
        }
    });

    /// <summary>The product's own check: layer 2 holds exactly what the tree refers to.</summary>
    static void AssertAccounted(EngineDriver made, string context)
    {
        var findings = new List<string>();
        using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([new KeptDevice(made.Device)]));
        Maintenance.Check.Run(volumes, new CheckOptions { FindingsMax = 10 }, f => findings.Add(f.ToString()),
            null, default);
        Assert.True(findings.Count == 0, $"{context}: {string.Join("\n", findings)}");
    }
}
