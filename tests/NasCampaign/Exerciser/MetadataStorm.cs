using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using Microsoft.Win32.SafeHandles;

namespace NasCampaign.Exerciser;

/// <summary>
/// A storm of names in the manner of fsstress: many threads make, move, link, write, list and remove in shared
/// directories of a real mount, while other processes flush (synctid), scan for a mirror, walk and remove trees. Then
/// the mount is detached in the middle of it. `check` must find nothing, and nobody may stand still: a watch tells
/// where everybody is.
/// </summary>
sealed class MetadataStorm : ICampaign
{
    public string Name => "exerciser-storm";

    public void RunRound(CampaignContext c)
    {
        using var storm = new Storm(c);
        storm.Run(TimeSpan.FromSeconds(c.IsSmoke ? 2.5 : 40));
    }
}

/// <summary>One mount of the storm.</summary>
sealed class Storm : IDisposable
{
    const int Threads = 6, NamesMax = 12;
    static readonly TimeSpan s_stillMax = TimeSpan.FromSeconds(60);

    readonly CampaignContext _c;
    readonly RealMount _mount = new(4L << 30, "-u", "16m");
    readonly long[] _progress = new long[Threads];
    readonly List<Exception> _failures = [];
    volatile bool _stop, _ending;

    public Storm(CampaignContext c) => _c = c;

    public void Run(TimeSpan time)
    {
        _mount.Mount(_c.Random.Next(2) == 0 ? "flush=0.3" : "nohistory,flush=1");
        for (int d = 0; d < 4; d++) Directory.CreateDirectory(Path.Combine(_mount.Dir, Name(d)));
        int seed = _c.Random.Next();
        var threads = new List<Thread>();
        for (int i = 0; i < Threads; i++)
        {
            int worker = i;
            threads.Add(Start(() => Work(worker, new Random(seed + worker))));
        }
        threads.Add(Start(Flushes));
        threads.Add(Start(() => Processes(new Random(seed - 1))));
        Watch(time);
        // Under load: the mount is detached first, the workers meet its end.
        _ending = true;
        _mount.Detach();
        _stop = true;
        foreach (Thread thread in threads)
        {
            if (!thread.Join(s_stillMax)) throw Still("a worker does not end after the unmount");
        }
        if (_failures.Count > 0)
            throw new CampaignFinding("an operation fails as it must not", $"seed {_c.Seed}", _failures[0].ToString());
        _c.Count("operations", _progress.Sum());
        _mount.Check($"seed {_c.Seed}, after the unmount under load");
        _mount.Mount("defaults");
        Walk(_mount.Dir);
        _mount.Unmount();
        _mount.Check($"seed {_c.Seed}, at the end");
    }

    Thread Start(Action work)
    {
        var thread = new Thread(() =>
        {
            try
            {
                work();
            }
            catch (Exception e)
            {
                lock (_failures) _failures.Add(e);
            }
        });
        thread.Start();
        return thread;
    }

    /// <summary>Lets the storm blow; somebody must get on all the time.</summary>
    void Watch(TimeSpan time)
    {
        var clock = Stopwatch.StartNew();
        var still = Stopwatch.StartNew();
        long last = -1;
        using var tick = new ManualResetEventSlim();
        while (clock.Elapsed < time && !_c.TimeIsUp && _failures.Count == 0)
        {
            tick.Wait(TimeSpan.FromMilliseconds(100));
            long now = _progress.Sum();
            if (now != last) still.Restart();
            last = now;
            if (still.Elapsed > s_stillMax) throw Still("nobody gets on: a deadlock");
        }
    }

    CampaignFinding Still(string what)
    {
        using Process? server = _mount.Server();
        return new CampaignFinding(what, $"seed {_c.Seed}", "operations of each worker: "
            + string.Join(' ', _progress) + "\n  the server:\n  "
            + (server is null ? "is not there" : RealMount.Stacks(server.Id)));
    }

    static string Name(int number) => "n" + number.ToString(CultureInfo.InvariantCulture);

    string Any(Random random) => Path.Combine(_mount.Dir, Name(random.Next(4)),
        Name(random.Next(NamesMax)), random.Next(3) == 0 ? Name(random.Next(NamesMax)) : "");

    /// <summary>Errors that others' work explains.</summary>
    void Tried(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Exists, is missing, is not empty, is a directory; and ENOTCONN when the mount has gone. But a broken
            // server is none of these.
            if (!_ending && e.HResult is 5 or 30)
                throw new CampaignFinding("a storm of names meets EIO or EROFS", $"seed {_c.Seed}", e.Message);
        }
    }

    void Work(int worker, Random random)
    {
        while (!_stop && !(_ending && !Directory.Exists(Path.Combine(_mount.Dir, "n0"))))
        {
            Tried(() => One(random));
            Interlocked.Increment(ref _progress[worker]);
        }
    }

    void One(Random random)
    {
        string path = Any(random).TrimEnd('/'), other = Any(random).TrimEnd('/');
        switch (random.Next(14))
        {
            case 0 or 1: Directory.CreateDirectory(path); break;
            case 2 or 3: Content(path, random); break;
            case 4: File.Move(path, other, overwrite: random.Next(2) == 0); break;
            case 5: Directory.Move(path, other); break;
            case 6: File.CreateSymbolicLink(path, other); break;
            case 7: File.Delete(path); break;
            case 8: Directory.Delete(path); break;
            case 9: _ = Directory.GetFileSystemEntries(path).Length; break;
            case 10: File.SetUnixFileMode(path, (UnixFileMode)random.Next(0x1000)); break;
            case 11: File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch.AddSeconds(random.Next())); break;
            case 12: Directory.Delete(path, recursive: true); break;
            default: _ = File.ReadAllBytes(path).Length; break;
        }
    }

    static void Content(string path, Random random)
    {
        using SafeFileHandle file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        byte[] bytes = new byte[random.Next(4) == 0 ? random.Next(200_000) : random.Next(3000)];
        random.NextBytes(bytes);
        RandomAccess.Write(file, bytes, random.Next(2) == 0 ? 0 : random.Next(500_000));
        if (random.Next(10) == 0) RandomAccess.SetLength(file, random.Next(100_000));
        if (random.Next(10) == 0) RandomAccess.FlushToDisk(file);
    }

    /// <summary>Flushes and mirror scans, as a backup makes them.</summary>
    void Flushes()
    {
        for (int i = 0; !_stop && !_ending; i++)
        {
            if (i % 2 == 0) RealMount.Run("synctid", _mount.Dir);
            else RealMount.RunToNothing("mirror-read", _mount.Dir);
            _c.Count("flushes and scans");
        }
    }

    /// <summary>Programs that walk, copy and remove what changes under them.</summary>
    void Processes(Random random)
    {
        while (!_stop && !_ending)
        {
            string tree = Path.Combine(_mount.Dir, Name(random.Next(4)));
            (string program, string[] arguments) = random.Next(3) switch
            {
                0 => ("/usr/bin/find", new[] { tree, "-printf", "%p %s %l\n" }),
                1 => ("/bin/cp", ["-a", tree, Path.Combine(_mount.Dir, Name(random.Next(4)), Name(random.Next(5)))]),
                _ => ("/bin/rm", ["-rf", Path.Combine(tree, Name(random.Next(NamesMax)))]),
            };
            using Process process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
                WorkingDirectory = "/",
            })!;
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            process.StandardOutput.BaseStream.CopyTo(Stream.Null);
            process.WaitForExit();
        }
    }

    /// <summary>Everything can be read.</summary>
    static void Walk(string path)
    {
        foreach (string entry in Directory.EnumerateFileSystemEntries(path))
        {
            var info = new FileInfo(entry);
            if (info.LinkTarget is not null) continue;
            if (Directory.Exists(entry)) Walk(entry);
            else _ = File.ReadAllBytes(entry).Length;
        }
    }

    public void Dispose()
    {
        _stop = _ending = true;
        _mount.Dispose();
    }
}
