using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Linq;
using System.Text;
using System.Threading;
using NasCore.Primitives;
using NasCore.Tests.Recovery;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>Threads change and read, the flusher closes groups all the time; afterwards the volume is sound.</summary>
public sealed class ConcurrencyTests : RuleTestBase
{
    const int Writers = 3, Readers = 2;
    static readonly TimeSpan s_duration = TimeSpan.FromSeconds(4);

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    public void Threads_and_flusher_together_leave_a_sound_volume(bool noHistory, int seed)
    {
        using EngineDriver made = Small(megabytes: 512);
        made.Fs.Dispose();
        var options = MountedTree.Options(TimeProvider.System, noHistory: noHistory) with
        {
            RunFlusher = true, FlushInterval = TimeSpan.FromMilliseconds(20),
        };
        var errors = new ConcurrentQueue<Exception>();
        var watch = Stopwatch.StartNew();
        using (HammerFs fs = MountedTree.Mount(options, made.Device))
        {
            Thread[] threads =
            [
                .. Enumerable.Range(0, Writers).Select(i => Start(errors, () => Write(fs, i, seed, watch))),
                .. Enumerable.Range(0, Readers).Select(i => Start(errors, () => ReadAll(fs, watch))),
            ];
            foreach (Thread thread in threads) thread.Join();
            Assert.True(errors.IsEmpty, $"replay: seed {seed}: {errors.FirstOrDefault()}");
            Assert.False(fs.Health.IsCritical, fs.Health.Message);
            Assert.Equal(Errno.None, fs.SyncAndWait());
            Assert.True(fs.Core.GroupsWritten > 5, $"{fs.Core.GroupsWritten} groups");
        }
        MountedTree.AssertSound($"seed {seed}", made.Device);
    }

    internal static Thread Start(ConcurrentQueue<Exception> errors, Action work)
    {
        var thread = new Thread(() =>
        {
            try
            {
                work();
            }
            catch (Exception e)
            {
                errors.Enqueue(e);
            }
        });
        thread.Start();
        return thread;
    }

    /// <summary>As a FUSE worker does: what needs a flush is parked, and done again when told.</summary>
    internal static Errno Parked(HammerFs fs, Func<Errno> operation)
    {
        while (true)
        {
            Errno e = operation();
            if (e != Errno.NeedFlush) return e;
            using var told = new ManualResetEventSlim();
            fs.WhenDurable(fs.OpenGroup, (_, _) => told.Set(), null);
            told.Wait();
        }
    }

    /// <summary>Every file holds one byte value; half of the names are shared by all writers.</summary>
    static void Write(HammerFs fs, int thread, int seed, Stopwatch watch)
    {
        var random = new ModelRandom((ulong)(seed * 100 + thread));
        while (watch.Elapsed < s_duration)
        {
            string owner = random.Percent(50) ? "shared" : $"own{thread}";
            byte[] name = Encoding.ASCII.GetBytes($"{owner}.{random.Below(12)}");
            byte[] other = Encoding.ASCII.GetBytes($"{owner}.{random.Below(12)}");
            Errno e = random.Below(8) switch
            {
                0 => Parked(fs, () => fs.Unlink(fs.Root, name)),
                1 => Parked(fs, () => fs.Rename(fs.Root, name, fs.Root, other, RenameKind.Replace)),
                2 => Parked(fs, () => fs.Rename(fs.Root, name, fs.Root, other, RenameKind.Exchange)),
                3 => Resize(fs, name, (ulong)random.Below(200_000)),
                4 => fs.SyncAndWait(),
                _ => Fill(fs, name, random),
            };
            bool expected = e == Errno.None || e == Errno.NoEnt || e == Errno.Exist;
            if (!expected) throw new InvalidOperationException($"{owner}: {e}");
        }
    }

    static Errno Resize(HammerFs fs, byte[] name, ulong size)
    {
        Errno e = fs.Lookup(fs.Root, name, out Vnode vnode, out _);
        return e.IsError ? e : Parked(fs, () => fs.SetAttr(vnode,
            new AttrRequest { Change = AttrChange.Size, Size = size }, Root, out _));
    }

    static Errno Fill(HammerFs fs, byte[] name, ModelRandom random)
    {
        Errno e = fs.Lookup(fs.Root, name, out Vnode vnode, out _);
        if (e == Errno.NoEnt)
            e = Parked(fs, () => fs.Create(fs.Root, name, ObjType.RegFile, 0x1A4, 0, 0, Root, out vnode, out _));
        if (e.IsError) return e;
        byte[] content = new byte[random.Below(90_000) + 1];
        content.AsSpan().Fill((byte)vnode.ObjId);
        ulong at = (ulong)random.Below(50_000);
        if (fs.Open(vnode).IsError) return Errno.NoEnt;
        e = Parked(fs, () => fs.Write(vnode, at, content, false, false, out _));
        fs.Release(vnode);
        return e;
    }

    /// <summary>Readers see the file's own bytes or zeros, never another file's.</summary>
    static void ReadAll(HammerFs fs, Stopwatch watch)
    {
        byte[] buffer = new byte[300_000];
        while (watch.Elapsed < s_duration)
        {
            foreach ((string name, byte[] raw) in FsWalker.Names(fs, fs.Root))
            {
                if (fs.Lookup(fs.Root, raw, out Vnode vnode, out _).IsError) continue;
                if (fs.Read(vnode, 0, buffer, out int n).IsError) continue;
                int bad = buffer.AsSpan(0, n).IndexOfAnyExcept((byte)0, (byte)vnode.ObjId);
                if (bad >= 0) throw new InvalidOperationException($"{name}: byte {bad} is {buffer[bad]:x2}");
            }
        }
    }
}
