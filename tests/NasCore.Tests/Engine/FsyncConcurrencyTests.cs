using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Tests.Recovery;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>Threads that append and fsync while others make groups close; the power goes somewhere.</summary>
public sealed class FsyncConcurrencyTests : RuleTestBase
{
    const int Fsyncers = 4;
    static readonly TimeSpan s_duration = TimeSpan.FromSeconds(2);

    /// <summary>However fast the machine: every group keeps a version of what it changed, and the volume is
    /// small.</summary>
    const int AppendsMax = 1500, NamesMax = 2000;

    /// <summary>Size of an own file that fsync had promised when the log had so many events.</summary>
    readonly record struct Promise(int File, int Size, int Events);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Fsyncers_and_closing_groups_together_keep_every_promise(int seed)
    {
        using EngineDriver made = Small();
        Vnode[] files = [.. Enumerable.Range(0, Fsyncers).Select(i => File(made.Fs, $"f{i}"))];
        made.Fs.Dispose();
        MemoryBlockDevice start = made.Device.Clone();
        var log = new RecordingDevice(made.Device);
        var promises = new ConcurrentQueue<Promise>();
        long redo;
        HammerFsOptions options = MountedTree.Options(TimeProvider.System) with
        {
            RunFlusher = true, FlushInterval = TimeSpan.FromMilliseconds(50),
        };
        using (HammerFs fs = MountedTree.Mount(options, log))
        {
            var errors = new ConcurrentQueue<Exception>();
            var watch = Stopwatch.StartNew();
            Thread[] threads =
            [
                .. files.Select((file, i) => ConcurrencyTests.Start(errors,
                    () => Append(fs, file, i, log, promises, watch))),
                ConcurrencyTests.Start(errors, () => Names(fs, watch)),
            ];
            foreach (Thread thread in threads) thread.Join();
            Assert.True(errors.IsEmpty, $"replay: seed {seed}: {errors.FirstOrDefault()}");
            redo = fs.Core.RedoFlushes;
            Assert.True(redo > 20 && fs.Core.GroupsWritten > 5, $"{redo} by REDO, {fs.Core.GroupsWritten} groups");
        }
        Assert.True(promises.Count >= redo, "those who wait together share");
        CheckCuts(log, start, files, [.. promises], new ModelRandom((ulong)seed));
    }

    static void Append(HammerFs fs, Vnode file, int number, RecordingDevice log, ConcurrentQueue<Promise> promises,
        Stopwatch watch)
    {
        if (fs.Open(file).IsError) throw new InvalidOperationException("open");
        byte[] piece = new byte[700];
        for (int size = 0; watch.Elapsed < s_duration && size < AppendsMax * piece.Length; size += piece.Length)
        {
            Fill(piece, number, size);
            Good(ConcurrencyTests.Parked(fs, () => fs.Write(file, (ulong)size, piece, false, false, out _)));
            using var told = new ManualResetEventSlim();
            Errno result = Errno.Io;
            fs.WhenSynced(file, (_, e) =>
            {
                result = e;
                told.Set();
            }, null);
            told.Wait();
            Good(result);
            promises.Enqueue(new Promise(number, size + piece.Length, log.Count));
        }
        fs.Release(file);
    }

    static void Good(Errno e)
    {
        if (e.IsError) throw new InvalidOperationException($"{e}");
    }

    static void Fill(Span<byte> bytes, int file, int offset)
    {
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)((offset + i) * 31 / 7 + file);
    }

    /// <summary>UNDO for the groups, and groups that somebody wants.</summary>
    static void Names(HammerFs fs, Stopwatch watch)
    {
        for (int i = 0; watch.Elapsed < s_duration && i < NamesMax; i++)
        {
            byte[] name = Name($"n{i}");
            Good(ConcurrencyTests.Parked(fs,
                () => fs.Create(fs.Root, name, ObjType.RegFile, 0x1A4, 0, 0, Root, out _, out _)));
            if (i % 3 == 0) Good(ConcurrencyTests.Parked(fs, () => fs.Unlink(fs.Root, name)));
            if (i % 50 == 49) Good(fs.SyncAndWait());
        }
    }

    static void CheckCuts(RecordingDevice log, MemoryBlockDevice start, Vnode[] files, List<Promise> promises,
        ModelRandom random)
    {
        var cutter = new PowerCutter(log.Events, start);
        int step = Math.Max(1, log.Count / 25);
        for (int at = 1 + random.Below(step); at <= log.Count; at += 1 + random.Below(2 * step))
        {
            cutter.AdvanceTo(at);
            CutKind kind = (CutKind)random.Below(4);
            OverlayBlockDevice device = cutter.Cut(kind, random);
            using (HammerFs fs = MountedTree.Mount(MountedTree.Options(), device))
            {
                for (int i = 0; i < files.Length; i++)
                {
                    int least = promises.Where(p => p.File == i && p.Events <= at).Select(p => p.Size)
                        .DefaultIfEmpty(0).Max();
                    byte[] found = Read(fs, files[i]);
                    byte[] expected = new byte[found.Length];
                    Fill(expected, i, 0);
                    Assert.True(found.Length >= least, $"cut {at} {kind}: file {i}: {found.Length} of {least} bytes");
                    Assert.True(found.AsSpan().SequenceEqual(expected), $"cut {at} {kind}: file {i}");
                }
            }
            MountedTree.AssertSound($"cut {at} {kind}", device);
        }
    }
}
