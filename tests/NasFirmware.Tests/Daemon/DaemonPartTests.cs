using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging.Abstractions;
using NasCore;
using NasCore.Fuse.Session;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using NasDevices.Disks;
using NasDevices.Simulation;
using NasFirmware.Config;
using NasFirmware.Daemon;
using NasFirmware.Status;
using NasFirmware.Tests.Cli;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>Parts of the daemon by themselves: volumes on a made-up list of disks, clean-up on a made-up clock, the
/// watchdog's judgement, PFSs by name.</summary>
public sealed class DaemonPartTests : IDisposable
{
    readonly DaemonBox _box = new();

    public void Dispose() => _box.Dispose();

    static DaemonContext Context(string config, TimeProvider time)
    {
        ConfigOutcome outcome = ConfigReader.Read(config, "nas1");
        Assert.True(outcome.Settings is not null, string.Join('\n', outcome.Mistakes.Select(m => m.In("config"))));
        return new DaemonContext { Settings = outcome.Settings, Time = time, Loggers = NullLoggerFactory.Instance };
    }

    static HammerFs NewFs(TimeProvider time)
    {
        var device = new MemoryBlockDevice(256L << 20);
        Newfs.Format([device], new NewfsOptions
        {
            Label = "v", Version = 7, FsId = Guid.NewGuid(), TimeUs = 1_700_000_000_000_000, UndoBytes = 8 << 20,
            Force = true,
        });
        return HammerFs.Open(VolumeSet.Open([device]), new HammerFsOptions { Time = time, RunFlusher = false });
    }

    // ------------------------------------------------------------------ volumes

    [Fact]
    public void Volume_follows_its_disk_out_and_in_again_and_users_are_told()
    {
        string image = _box.Newfs("disk");
        long bytes = new FileInfo(image).Length;
        DaemonContext context = Context(_box.Disk("disk"), TimeProvider.System);
        List<BlockDevice> disks = [];
        var volumes = new VolumeService(context, new VolumeServiceOptions
        {
            Devices = () => Volatile.Read(ref disks), Poll = TimeSpan.FromMilliseconds(200),
        });
        using var changed = new AutoResetEvent(false);
        volumes.Changed += _ => changed.Set();
        volumes.Start();
        try
        {
            Assert.Null(volumes.Find("disk"));
            Volatile.Write(ref disks, [new BlockDevice(image, 1, bytes, "disk") { Serial = "S1" }]);
            VolumeHandle first = Mounted();
            File.WriteAllText(Path.Combine(_box.Mount("disk"), "kept"), "here");
            Assert.Equal(Errno.None, first.Fs.SyncAndWait());
            IDisposable use = first.TryUse()!;

            Volatile.Write(ref disks, []);
            Assert.True(first.Gone.WaitHandle.WaitOne(20_000));
            Until(() => volumes.Find("disk") is null);
            Assert.Null(first.TryUse());
            // The file system stays open for who uses it, and only so long.
            Assert.Equal(Errno.None, first.Fs.StatFs(out _));
            use.Dispose();

            // The same disk again, plugged in anew: another medium to the kernel.
            Volatile.Write(ref disks, [new BlockDevice(image, 2, bytes, "disk")]);
            VolumeHandle second = Mounted();
            Assert.NotSame(first, second);
            Assert.Equal("here", File.ReadAllText(Path.Combine(_box.Mount("disk"), "kept")));
        }
        finally
        {
            volumes.Stop(CancellationToken.None);
        }
        Assert.Null(FuseMount.FindOurs(_box.Mount("disk")));

        VolumeHandle Mounted()
        {
            Until(() => volumes.Find("disk") is not null);
            return volumes.Find("disk")!;
        }

        void Until(Func<bool> condition)
        {
            while (!condition())
                Assert.True(changed.WaitOne(20_000), context.Board.Snapshot("", "").Volumes[0].Problem);
        }
    }

    [Fact]
    public void File_systems_that_could_both_be_meant_are_refused_by_name()
    {
        VolumeSettings volume = Context(_box.Disk("photos"), TimeProvider.System).Settings.Volumes[0];
        FoundFileSystem Found(int n, int count = 1) => new(new Guid(n, 0, 0, new byte[8]), "photos", count)
        {
            Paths = new Dictionary<int, string> { [0] = $"/dev/sd{(char)('a' + n)}" }, Media = $"{n}",
        };
        Assert.NotNull(VolumeMatch.Of(volume, [Found(1)], []).Found);
        string? both = VolumeMatch.Of(volume, [Found(1), Found(2)], []).Problem;
        Assert.Contains("/dev/sdb", both, StringComparison.Ordinal);
        Assert.Contains("/dev/sdc", both, StringComparison.Ordinal);
        Assert.Contains("volume 1 of 2 is not there", VolumeMatch.Of(volume, [Found(1, 2)], []).Problem,
            StringComparison.Ordinal);
        Assert.Contains("no disk with label photos", VolumeMatch.Of(volume, [], []).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Set_of_several_volumes_is_mounted_when_the_last_of_them_comes()
    {
        string first = _box.Newfs("set", 256, "second");
        string second = _box.Image("second");
        var one = new BlockDevice(first, 1, 256 << 20, "one");
        var two = new BlockDevice(second, 2, 256 << 20, "two");
        DaemonContext context = Context(_box.Disk("set"), TimeProvider.System);
        List<BlockDevice> disks = [two];
        var volumes = new VolumeService(context, new VolumeServiceOptions
        {
            Devices = () => Volatile.Read(ref disks), Poll = TimeSpan.FromMilliseconds(200),
        });
        using var changed = new AutoResetEvent(false);
        volumes.Changed += _ => changed.Set();
        volumes.Start();
        try
        {
            Assert.Contains("volume 0 of 2 is not there", context.Board.Snapshot("", "").Volumes[0].Problem,
                StringComparison.Ordinal);
            Volatile.Write(ref disks, [one, two]);
            Assert.True(changed.WaitOne(20_000));
            Assert.Equal(2, volumes.Find("set")!.Fs.Volumes.All.Count);
            // One of them is pulled: the whole of it goes.
            Volatile.Write(ref disks, [one]);
            while (volumes.Find("set") is not null) Assert.True(changed.WaitOne(20_000));
        }
        finally
        {
            volumes.Stop(CancellationToken.None);
        }
    }

    // ------------------------------------------------------------------ PFSs

    [Fact]
    public void Pfs_is_made_once_with_its_link_and_a_link_that_leads_nowhere_is_mended()
    {
        using HammerFs fs = NewFs(TimeProvider.System);
        var shared = Guid.NewGuid();
        Assert.Equal(Errno.NoEnt, PfsNames.Find(fs, "family", out _));
        Assert.Equal(Errno.None, PfsNames.Ensure(fs, "family", slave: false, shared, out int id));
        Assert.Equal(Errno.None, PfsNames.Ensure(fs, "family", slave: true, Guid.NewGuid(), out int again));
        Assert.Equal((1, 1), (id, again));
        Assert.True(fs.TryGetPfs(1, out var pfs) && !pfs.IsSlave && pfs.SharedUuid == shared);

        Assert.Equal(Errno.None, PfsNames.Ensure(fs, "copy", slave: true, shared, out int slave));
        Assert.True(fs.TryGetPfs(slave, out pfs) && pfs.IsSlave && pfs.SharedUuid == shared);
        Assert.Equal(Errno.None, PfsNames.Find(fs, "copy", out int found));
        Assert.Equal(slave, found);

        // Destroyed: its link is left and leads to no PFS. Another one takes the number meanwhile.
        Assert.Equal(Errno.None, fs.DestroyPfs(1));
        Assert.Equal(Errno.NoEnt, PfsNames.Find(fs, "family", out _));
        Assert.Equal(Errno.None, PfsNames.Ensure(fs, "family", slave: false, Guid.NewGuid(), out id));
        Assert.Equal(Errno.None, PfsNames.Find(fs, "family", out found));
        Assert.Equal(id, found);

        var caller = new Caller(0, 0, 1);
        Assert.Equal(Errno.None, fs.Create(fs.Root, "plain"u8, ObjType.RegFile, 0x1A4, 0, 0, caller, out _, out _));
        Assert.Equal(Errno.Exist, PfsNames.Ensure(fs, "plain", slave: false, Guid.NewGuid(), out _));
        Assert.Equal(Errno.NoEnt, PfsNames.Ensure(fs, "no/such", slave: false, Guid.NewGuid(), out _));
        Assert.Equal(Errno.None, PfsNames.Find(fs, "", out found));
        Assert.Equal(0, found);
    }

    // ------------------------------------------------------------------ clean-up

    [Fact]
    public void Clean_up_thins_each_pfs_by_its_own_policy_and_says_so()
    {
        var clock = new ManualClock(new DateTimeOffset(2027, 3, 1, 0, 0, 0, TimeSpan.Zero));
        using HammerFs fs = NewFs(clock);
        DaemonContext context = Context("""
            [history]
            interval = "6h"
            [volumes.v]
            label = "v"
            mount = "/v"
            [pfs.short]
            volume = "v"
            keep = { every-version = "1h", hourly = "0", daily = "0" }
            """, clock);
        context.Board.Put(new VolumeStatus { Name = "v", State = VolumeState.Mounted });
        Assert.Equal(Errno.None, PfsNames.Ensure(fs, "short", slave: false, Guid.NewGuid(), out int pfs));
        using var gone = new CancellationTokenSource();
        var cleanup = new CleanupOfVolume(new VolumeHandle("v", fs, gone.Token), context,
            NullLogger.Instance, () => DiskPower.Unknown);
        Vnode root = fs.Root, other = new(pfs, Tid.Max, HammerConst.RootObjId);
        var states = new List<ulong>();
        for (int quarter = 0; quarter < 2 * 96; quarter++)
        {
            foreach (Vnode folder in new[] { root, other })
            {
                Assert.Equal(Errno.None, fs.Create(folder, Encoding.ASCII.GetBytes($"f{quarter}"), ObjType.RegFile,
                    0x1A4, 0, 0, new Caller(0, 0, 1), out _, out _));
                if (quarter > 0)
                    Assert.Equal(Errno.None, fs.Unlink(folder, Encoding.ASCII.GetBytes($"f{quarter - 1}")));
            }
            Assert.Equal(Errno.None, fs.SyncTid(out ulong tid));
            states.Add(tid);
            clock.Advance(TimeSpan.FromMinutes(15));
            for (int i = 0; cleanup.Slice(TimeSpan.FromSeconds(1), CancellationToken.None); i++) Assert.True(i < 1000);
        }
        // Fourteen hours ago and on no mark's hour: the root has every version of a day, the other one does not.
        int then = states.Count - 56;
        Assert.True(HasThen(root, then));
        Assert.False(HasThen(other, then));
        VolumeStatus status = context.Board.Snapshot("", "").Volumes[0];
        Assert.NotNull(status.OldestReachable);
        Assert.Contains("records", status.LastCleanup, StringComparison.Ordinal);

        bool HasThen(Vnode folder, int quarter) => !fs.Lookup(folder with { AsOf = states[quarter] },
            Encoding.ASCII.GetBytes($"f{quarter}"), out _, out FileAttr attr).IsError && attr.Type == ObjType.RegFile;
    }

    [Fact]
    public void Reload_neither_ends_a_reblock_nor_begins_its_period_anew()
    {
        var clock = new ManualClock(new DateTimeOffset(2027, 3, 1, 0, 0, 0, TimeSpan.Zero));
        using HammerFs fs = NewFs(clock);
        DaemonContext context = Context("[volumes.v]\nlabel = \"v\"\nmount = \"/v\"\n", clock);
        using var gone = new CancellationTokenSource();
        var log = new LinesLogger();
        using var cleanup = new CleanupOfVolume(new VolumeHandle("v", fs, gone.Token), context, log,
            () => DiskPower.Awake);
        int number = 0;
        for (int day = 1; day <= 3; day++)
        {
            // Once an hour somebody changes the configuration, in the middle of whatever is done.
            for (int hour = 0; hour < 25; hour++)
            {
                Assert.Equal(Errno.None, fs.Create(fs.Root, Encoding.ASCII.GetBytes($"f{number++}"), ObjType.RegFile,
                    0x1A4, 0, 0, new Caller(0, 0, 1), out _, out _));
                Assert.Equal(Errno.None, fs.SyncTid(out _));
                clock.Advance(TimeSpan.FromHours(1));
                if (!cleanup.Look()) continue;
                for (int i = 0; cleanup.Slice(TimeSpan.FromTicks(1), CancellationToken.None); i++)
                {
                    cleanup.Renew();
                    Assert.True(i < 10_000);
                }
                cleanup.Renew();
            }
            Assert.Equal(day, log.Lines.Count(l => l.Contains("bytes were moved", StringComparison.Ordinal)));
        }
    }

    sealed class LinesLogger : Microsoft.Extensions.Logging.ILogger
    {
        internal List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(Microsoft.Extensions.Logging.LogLevel logLevel,
            Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Lines.Add(formatter(state, exception));
    }

    [Fact]
    public void Clean_up_wakes_no_disk_and_goes_by_use_where_nobody_can_say_whether_it_sleeps()
    {
        var clock = new ManualClock(new DateTimeOffset(2027, 3, 1, 0, 0, 0, TimeSpan.Zero));
        using HammerFs fs = NewFs(clock);
        DaemonContext context = Context("[volumes.v]\nlabel = \"v\"\nmount = \"/v\"\n", clock);
        using var gone = new CancellationTokenSource();
        DiskPower power = DiskPower.Asleep;
        int asked = 0;
        var cleanup = new CleanupOfVolume(new VolumeHandle("v", fs, gone.Token), context, NullLogger.Instance, () =>
        {
            asked++;
            return power;
        });
        clock.Advance(TimeSpan.FromMinutes(1));
        Change(1);
        Assert.Empty(fs.Marks(0));
        Assert.False(cleanup.Look());
        power = DiskPower.Awake;
        Assert.True(cleanup.Look());
        Work();
        Assert.Single(fs.Marks(0));

        // At rest: the moment is marked while the disk still spins, and then there is nothing to ask for.
        Change(2);
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.False(cleanup.Look());
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(cleanup.Look());
        Work();
        Assert.Equal(2, fs.Marks(0).Count);
        asked = 0;
        for (int i = 0; i < 1400; i++)
        {
            clock.Advance(TimeSpan.FromMinutes(1));
            Assert.False(cleanup.Look());
        }
        Assert.Equal(0, asked);
        // A day is over: space could be tidied, on a disk that spins.
        clock.Advance(TimeSpan.FromMinutes(60));
        Assert.True(cleanup.Look());
        power = DiskPower.Asleep;
        Assert.False(cleanup.Look());
        power = DiskPower.Awake;
        Work();
        Assert.False(cleanup.Look());

        // Nobody can say: it was in use within some minutes, or it is left alone.
        power = DiskPower.Unknown;
        Change(3);
        Assert.True(cleanup.Look());
        clock.Advance(TimeSpan.FromMinutes(4));
        Assert.False(cleanup.Look());
        Change(4);
        Assert.True(cleanup.Look());

        void Change(int n)
        {
            Assert.Equal(Errno.None, fs.Create(fs.Root, Encoding.ASCII.GetBytes($"f{n}"), ObjType.RegFile, 0x1A4, 0, 0,
                new Caller(0, 0, 1), out _, out _));
            Assert.Equal(Errno.None, fs.SyncTid(out _));
        }

        void Work()
        {
            for (int i = 0; cleanup.Slice(TimeSpan.FromSeconds(1), CancellationToken.None); i++) Assert.True(i < 1000);
        }
    }

    [Fact]
    public void Volume_is_mounted_while_another_disk_hangs_and_its_own_disk_tells_how_it_is()
    {
        string image = _box.Newfs("well");
        string sys = Path.Combine(_box.Scratch, "sys");
        Directory.CreateDirectory(Path.Combine(sys, "class/block/sda/device"));
        File.WriteAllText(Path.Combine(sys, "class/block/sda/stat"), "1 2 3\n");
        DaemonContext context = Context(_box.Disk("well") + _box.Disk("sick"), TimeProvider.System);
        var ata = new SimulatedAtaDisk();
        using var recognizer = new HangingRecognizer(_box.Image("sick"));
        var volumes = new VolumeService(context, new VolumeServiceOptions
        {
            Devices = () => [new BlockDevice(_box.Image("sick"), 1, 1 << 20, "sdb"),
                new BlockDevice(image, 1, new FileInfo(image).Length, "sda")],
            Recognizer = recognizer, Poll = TimeSpan.FromMilliseconds(200), FirstPass = TimeSpan.FromSeconds(2),
            Monitor = new DiskMonitorOptions
            {
                Sys = sys, OpenPort = _ => ata, Smart = _ => new SmartReport { Passed = false, Celsius = 60 },
            },
        });
        using var changed = new AutoResetEvent(false);
        context.Board.Changed += () => changed.Set();
        volumes.Start();
        try
        {
            BoxStatus box = Until(b => b.Disks is [{ Celsius: 60 }]);
            Assert.NotNull(volumes.Find("well"));
            Assert.Contains("disk " + image + " is not well: it expects to fail soon",
                string.Join('\n', box.Problems), StringComparison.Ordinal);
            Assert.Contains(box.Problems, p => p.Contains("is too warm: 60 degrees", StringComparison.Ordinal));
            Assert.Equal(DiskPower.Awake, volumes.PowerOf("well"));
            ata.PowerCount = 0;
            Assert.Equal(DiskPower.Asleep, volumes.PowerOf("well"));
            Until(b => b.Disks is [{ IsAsleep: true, Celsius: null }]);
            Assert.Equal(DiskPower.Unknown, volumes.PowerOf("sick"));
            Assert.All(context.Probes(), p => Assert.True(p.IsAlive(TimeSpan.FromSeconds(10)), p.Name));
        }
        finally
        {
            volumes.Stop(CancellationToken.None);
        }

        BoxStatus Until(Func<BoxStatus, bool> condition)
        {
            while (true)
            {
                BoxStatus box = Judgement.Of(context.Board.Snapshot("", ""), new StatusLimits());
                if (condition(box)) return box;
                Assert.True(changed.WaitOne(20_000), box.ToString());
            }
        }
    }

    sealed class HangingRecognizer(string sick) : IVolumeRecognizer, IDisposable
    {
        readonly ManualResetEventSlim _end = new();

        public VolumeHeader? Recognize(string path)
        {
            if (path != sick) return new HammerRecognizer().Recognize(path);
            _end.Wait();
            return null;
        }

        public void Dispose() => _end.Set();
    }

    [Fact]
    public void Reload_changes_flush_cache_and_pfs_of_a_mount_that_stays_and_other_keys_wait_for_the_next_mount()
    {
        string image = _box.Newfs("v");
        string Config(string more, string rest = "") => _box.Disk("v") + more + "\n" + rest;
        DaemonContext context = Context(Config(""), TimeProvider.System);
        var disk = new BlockDevice(image, 1, new FileInfo(image).Length, "disk");
        var volumes = new VolumeService(context, new VolumeServiceOptions
        {
            Devices = () => [disk], Poll = TimeSpan.FromMilliseconds(200),
        });
        using var changed = new AutoResetEvent(false);
        context.Board.Changed += () => changed.Set();
        volumes.Start();
        try
        {
            VolumeHandle handle = volumes.Find("v")!;
            using FileStream open = File.Create(Path.Combine(_box.Mount("v"), "open"));
            int capacity = handle.Fs.Cache.Capacity;
            Assert.Equal(5, handle.Fs.Core.Pace.Interval.TotalSeconds);
            Reload(Config("flush = \"9s\"\ncache = \"16M\"", "[pfs.family]\nvolume = \"v\"\n"));
            SpinWait.SpinUntil(() => Directory.Exists(Path.Combine(_box.Mount("v"), "family")),
                TimeSpan.FromSeconds(20));
            Assert.Equal((9.0, 1024), (handle.Fs.Core.Pace.Interval.TotalSeconds, handle.Fs.Cache.Capacity));
            Assert.NotEqual(1024, capacity);

            Reload(Config("options = \"nodev\"\nread-only = true"));
            Until(v => v.Problem is not null);
            VolumeStatus waits = context.Board.Snapshot("", "").Volumes[0];
            Assert.Equal(VolumeState.Mounted, waits.State);
            Assert.Contains("read-only, options is in force after the next mount", waits.Problem,
                StringComparison.Ordinal);
            open.WriteByte(1);
            open.Flush(flushToDisk: true);
            Assert.Same(handle, volumes.Find("v"));

            Reload(Config(""));
            Until(v => v.Problem is null);
            // Another file system is meant: that is another mount.
            Reload(Config("fsid = \"00000000-1111-2222-3333-444444444444\""));
            Until(v => v.State == VolumeState.Missing);
            Assert.Null(volumes.Find("v"));
        }
        finally
        {
            volumes.Stop(CancellationToken.None);
        }

        void Reload(string config)
        {
            Settings before = context.Settings;
            context.Settings = Context(config, TimeProvider.System).Settings;
            volumes.Reload(before, context.Settings);
        }

        void Until(Func<VolumeStatus, bool> condition)
        {
            while (!condition(context.Board.Snapshot("", "").Volumes[0]))
                Assert.True(changed.WaitOne(20_000), context.Board.Snapshot("", "").Volumes[0].ToString());
        }
    }

    // ------------------------------------------------------------------ the socket

    [Fact]
    public void Socket_answers_root_only_and_a_second_daemon_leaves_it_alone()
    {
        _box.Start();
        _box.Until(_ => true, "it answers");
        NashammerRun second = NashammerProcess.Run("daemon", "--config", _box.ConfigPath);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("another daemon", second.Error, StringComparison.Ordinal);
        Assert.Equal("nas1", _box.Status().Name);

        // Even where somebody has opened folder and socket to all, the kernel's word on who connects counts.
        File.SetUnixFileMode(Path.GetDirectoryName(_box.SocketPath)!, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(_box.Scratch, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(_box.SocketPath, (UnixFileMode)0b110_110_110);
        const string ask = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX)
            s.connect(sys.argv[1])
            try:
                s.sendall(b"POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                sys.stdout.write(s.recv(100).decode()[:12])
            except OSError:
                pass
            """;
        string[] python = ["/usr/bin/python3", "-c", ask, _box.SocketPath];
        Assert.Equal("HTTP/1.1 200", DaemonBox.Command("/usr/bin/env", python));
        Assert.Equal("", DaemonBox.Command("/usr/bin/setpriv",
            ["--reuid=1000", "--regid=1000", "--clear-groups", .. python]));
    }

    // ------------------------------------------------------------------ systemd

    sealed class Notifier : ISystemdNotifier
    {
        internal List<string> Sent { get; } = [];
        public bool IsEnabled => true;
        public void Notify(ServiceState state) => Sent.Add(state.ToString());
    }

    sealed class DiskProbe : IProbe
    {
        public string Name => "waits for a disk";
        public bool UsesDisks => true;
        public bool IsAlive(TimeSpan within) => false;
    }

    [Fact]
    public void Watchdog_is_fed_only_while_every_probe_turns()
    {
        var clock = new ManualClock();
        DaemonContext context = Context("", clock);
        var loop = new LoopProbe("loop", clock);
        var resting = new LoopProbe("resting", clock);
        resting.Rest();
        context.AddProbe(loop);
        context.AddProbe(resting);
        var systemd = new Notifier();
        using var watchdog = new Watchdog(context, systemd);
        Assert.True(watchdog.Look());
        clock.Advance(TimeSpan.FromMinutes(2));
        Assert.False(watchdog.Look());
        loop.Turn();
        Assert.True(watchdog.Look());
        Assert.Equal(["WATCHDOG=1", "WATCHDOG=1"], systemd.Sent);
        // A loop that may be waiting for a disk is not to blame while one hangs; others are.
        context.AddProbe(new DiskProbe());
        Assert.False(watchdog.Look());
        context.HasSilentDisk = true;
        Assert.True(watchdog.Look());
        clock.Advance(TimeSpan.FromMinutes(2));
        Assert.False(watchdog.Look());
        Assert.Equal(TimeSpan.FromSeconds(30), Watchdog.Interval("30000000"));
        Assert.Null(Watchdog.Interval(null));
        Assert.Null(Watchdog.Interval("0"));
    }

    [Fact]
    public void Systemd_hears_watchdog_and_reload()
    {
        string path = Path.Combine(_box.Scratch, "notify");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.ReceiveTimeout = 30_000;
        _box.Start(("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "1500000"));
        Hear("WATCHDOG=1");
        _box.Signal("HUP");
        Hear("RELOADING=1\nMONOTONIC_USEC=");
        Hear("READY=1");
        Assert.Equal(0, _box.Stop());

        void Hear(string wanted)
        {
            byte[] buffer = new byte[512];
            string heard = "";
            while (!heard.StartsWith(wanted, StringComparison.Ordinal))
                heard = Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
        }
    }
}
