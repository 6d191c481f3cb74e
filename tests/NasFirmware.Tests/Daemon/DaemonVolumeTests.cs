using System;
using System.IO;
using System.Linq;
using NasCore.Fuse.Session;
using NasDevices.Leds;
using NasFirmware.Status;
using NasLinux;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>The daemon as a process on image files and loop devices: what it mounts, and how it comes back.</summary>
public sealed class DaemonVolumeTests : IDisposable
{
    readonly DaemonBox _box = new();

    public void Dispose() => _box.Dispose();

    [Fact]
    public void A_good_volume_is_mounted_while_bad_ones_are_named()
    {
        _box.Newfs("good");
        File.WriteAllText(_box.Image("garbage"), new string('x', 100_000));
        _box.Newfs("twin");
        File.Copy(_box.Image("twin"), _box.Image("copy"));
        _box.Configure(_box.Volume("good") + _box.Volume("garbage") + _box.Volume("nowhere") + $"""
            [volumes.twins]
            images = ["{_box.Image("twin")}", "{_box.Image("copy")}"]
            mount = "{_box.Mount("twins")}"
            """);
        _box.Start();
        BoxStatus box = _box.UntilState("good", VolumeState.Mounted);
        VolumeStatus good = _box.Volume(box, "good");
        Assert.Equal([_box.Image("good")], good.Devices);
        Assert.True(good.BytesTotal > 100L << 20 && good.BytesFree > 0, good.ToString());
        File.WriteAllText(Path.Combine(_box.Mount("good"), "hello"), "world");

        Assert.Equal(VolumeState.Missing, _box.Volume(box, "garbage").State);
        Assert.Contains("no HAMMER volume", _box.Volume(box, "garbage").Problem, StringComparison.Ordinal);
        Assert.Equal(VolumeState.Missing, _box.Volume(box, "nowhere").State);
        string? twins = _box.Volume(box, "twins").Problem;
        Assert.Contains("one is a copy", twins, StringComparison.Ordinal);
        Assert.Contains(_box.Image("twin"), twins, StringComparison.Ordinal);
        Assert.Contains(_box.Image("copy"), twins, StringComparison.Ordinal);

        Assert.Equal(0, _box.Stop());
        Assert.Null(FuseMount.FindOurs(_box.Mount("good")));
        Assert.Equal(0, _box.Run("check", _box.Image("good")).Code);
    }

    [Fact]
    public void A_box_that_is_looked_for_says_so_until_it_is_told_to_stop()
    {
        _box.Start();
        _box.Until(_ => true, "the daemon answers");
        Assert.Equal((0, ""), _box.Run("locate", "--for", "10m", "--socket", _box.SocketPath));
        BoxStatus box = _box.Status();
        Assert.Equal((Activity.Locating, LightState.Locating), (box.Activity, box.Light));
        Assert.InRange(box.LocateSecondsLeft!.Value, 500, 600);
        Assert.Equal((0, ""), _box.Run("locate", "off", "--socket", _box.SocketPath));
        Assert.Equal(Activity.None, _box.Status().Activity);
        foreach (string bad in new[] { "0", "2d", "long", "-3s" })
        {
            (int code, string output) = _box.Run("locate", "--for=" + bad, "--socket", _box.SocketPath);
            Assert.Equal(1, code);
            Assert.Contains("a time from 1s to 1d", output, StringComparison.Ordinal);
        }
        Assert.Equal(1, _box.Run("locate", "here", "--socket", _box.SocketPath).Code);
    }

    [Fact]
    public void Master_pfs_are_made_at_the_mount_and_by_a_reload_and_the_verbs_see_them()
    {
        _box.Newfs("photos");
        string volume = _box.Volume("photos");
        _box.Configure(volume + "[pfs.family]\nvolume = \"photos\"\n");
        _box.Start();
        _box.UntilState("photos", VolumeState.Mounted);
        string family = Path.Combine(_box.Mount("photos"), "family");
        (int code, string output) = _box.Run("pfs-status", family);
        Assert.True(code == 0 && output.Contains("PFS#1 {", StringComparison.Ordinal), output);
        File.WriteAllText(Path.Combine(family, "picture"), "of all");
        Directory.CreateDirectory(Path.Combine(_box.Mount("photos"), "home"));

        _box.Configure(volume + """
            [pfs.family]
            volume = "photos"
            [pfs.ann]
            volume = "photos"
            path = "home/ann"
            [pfs.lost]
            volume = "photos"
            path = "nofolder/x"
            """);
        _box.Signal("HUP");
        _box.UntilLog("pfs=home/ann: made as PFS#2");
        BoxStatus box = _box.Until(b => _box.Volume(b, "photos").Problem is not null, "a PFS has no folder");
        Assert.Contains("PFS nofolder/x cannot be made", _box.Volume(box, "photos").Problem, StringComparison.Ordinal);
        Assert.Equal(VolumeState.Mounted, _box.Volume(box, "photos").State);
        Assert.Equal("of all", File.ReadAllText(Path.Combine(family, "picture")));
        File.WriteAllText(Path.Combine(_box.Mount("photos"), "home", "ann", "note"), "x");
    }

    [Fact]
    public void Reload_leaves_mounts_with_open_files_alone_and_follows_what_changed()
    {
        _box.Newfs("one");
        _box.Newfs("two");
        _box.Configure(_box.Volume("one"));
        _box.Start();
        _box.UntilState("one", VolumeState.Mounted);
        using FileStream open = File.Create(Path.Combine(_box.Mount("one"), "open"));
        open.WriteByte(1);

        _box.Configure(_box.Volume("one") + _box.Volume("two"));
        _box.Signal("HUP");
        _box.UntilState("two", VolumeState.Mounted);
        open.WriteByte(2);
        open.Flush(flushToDisk: true);

        _box.Configure(_box.Volume("one") + "[volumes.two]\nmuont = 1\n");
        _box.Signal("HUP");
        BoxStatus box = _box.Until(b => b.Problems.Any(p => p.Contains("the former settings are in force",
            StringComparison.Ordinal)), "the mistake is told");
        Assert.Contains("did you mean 'mount'?", _box.Log, StringComparison.Ordinal);
        Assert.All(box.Volumes, v => Assert.Equal(VolumeState.Mounted, v.State));

        _box.Configure(_box.Volume("one"));
        _box.Signal("HUP");
        _box.Until(b => b.Volumes.Count == 1 && b.Problems.Count == 0, "the second volume has left");
        Assert.Null(FuseMount.FindOurs(_box.Mount("two")));
        open.WriteByte(3);
    }

    [Fact]
    public void Stop_with_an_open_file_ends_in_time_and_keeps_everything()
    {
        _box.Newfs("busy");
        _box.Configure("stop-limit_place\n" + _box.Volume("busy"));
        File.WriteAllText(_box.ConfigPath, File.ReadAllText(_box.ConfigPath)
            .Replace("stop-limit_place", "", StringComparison.Ordinal)
            .Replace("name = \"nas1\"", "name = \"nas1\"\nstop-limit = \"8s\"", StringComparison.Ordinal));
        _box.Start();
        _box.UntilState("busy", VolumeState.Mounted);
        using (FileStream open = File.Create(Path.Combine(_box.Mount("busy"), "open"), bufferSize: 0))
        {
            open.Write("kept"u8);
            _box.Signal("TERM");
            Assert.Equal(0, _box.WaitForExit(12));
            Assert.Null(FuseMount.FindOurs(_box.Mount("busy")));
            Assert.Throws<IOException>(() => open.Write("lost"u8));
        }
        _box.Start();
        _box.UntilState("busy", VolumeState.Mounted);
        Assert.Equal("kept", File.ReadAllText(Path.Combine(_box.Mount("busy"), "open")));
    }

    [Fact]
    public void A_killed_daemon_starts_again_over_its_dead_mounts()
    {
        _box.Newfs("photos");
        _box.Configure(_box.Volume("photos"));
        _box.Start();
        _box.UntilState("photos", VolumeState.Mounted);
        using (FileStream file = File.Create(Path.Combine(_box.Mount("photos"), "synced")))
        {
            file.Write("acknowledged"u8);
            file.Flush(flushToDisk: true);
        }
        _box.Signal("KILL");
        _box.WaitForExit();
        _box.Start();
        _box.UntilState("photos", VolumeState.Mounted);
        Assert.Equal("acknowledged", File.ReadAllText(Path.Combine(_box.Mount("photos"), "synced")));
        Assert.Equal(0, _box.Stop());
    }

    [Fact]
    public void What_was_unmounted_by_hand_stays_so_until_the_disk_comes_anew_under_another_name()
    {
        string image = _box.Newfs("disk");
        _box.Configure(_box.Disk("disk"));
        _box.Start();
        _box.UntilState("disk", VolumeState.Missing);
        string loop = _box.Attach(image);
        BoxStatus box = _box.UntilState("disk", VolumeState.Mounted);
        Assert.Equal([loop], _box.Volume(box, "disk").Devices);
        _box.Until(b => b.Disks is [var only] && only.Device == loop, "the disk is in the list, too");
        File.WriteAllText(Path.Combine(_box.Mount("disk"), "before"), "the pull");

        Assert.Equal(0, _box.Run("umount", _box.Mount("disk")).Code);
        _box.Until(b => _box.Volume(b, "disk").Problem?.Contains("by hand", StringComparison.Ordinal) == true,
            "that it was unmounted by hand is seen");
        _box.Detach(loop);
        _box.UntilState("disk", VolumeState.Missing);
        using (FileStream other = File.Create(_box.Image("other"))) other.SetLength(1 << 20);
        _box.Attach(_box.Image("other"));
        string again = _box.Attach(image);
        box = _box.UntilState("disk", VolumeState.Mounted);
        Assert.Equal([again], _box.Volume(box, "disk").Devices);
        Assert.Equal("the pull", File.ReadAllText(Path.Combine(_box.Mount("disk"), "before")));

        Assert.Equal(0, _box.Run("umount", _box.Mount("disk")).Code);
        _box.UntilState("disk", VolumeState.Failed);
        _box.Signal("HUP");
        _box.UntilState("disk", VolumeState.Mounted);
    }

    /// <summary>
    /// The disk is a loop device over a file on another FUSE mount; when that is cut off, every access to the disk is a
    /// real I/O error of the kernel, and the device node stays.
    /// </summary>
    [Fact]
    public void A_disk_that_dies_under_load_frees_its_mount_and_is_recovered_when_it_answers_again()
    {
        string outer = _box.Newfs("outer", 768);
        string folder = Directory.CreateDirectory(Path.Combine(_box.Scratch, "outer")).FullName;
        (int code, string output) = _box.Run("mount", outer, folder);
        Assert.True(code == 0, output);
        string inner = _box.Newfs("inner");
        string disk = Path.Combine(folder, "disk.img");
        File.Copy(inner, disk);
        _box.Configure(_box.Disk("inner"));
        string loop = _box.Attach(disk);
        _box.Start();
        _box.UntilState("inner", VolumeState.Mounted);
        string file = Path.Combine(_box.Mount("inner"), "synced");
        using (FileStream synced = File.Create(file))
        {
            synced.Write("acknowledged"u8);
            synced.Flush(flushToDisk: true);
        }
        DaemonBox.Command("/bin/sync", folder);

        Assert.Null(FuseConnection.Abort(MountTable.Find(folder, FuseMount.FsType)!.Device));
        string lost = Path.Combine(_box.Mount("inner"), "lost");
        try
        {
            File.WriteAllBytes(lost, new byte[100_000]);
        }
        catch (IOException)
        {
            // The flush group in between has met the dead disk already.
        }
        (code, output) = DaemonBox.Execute("/bin/sync", [lost]);
        Assert.True(code != 0, "sync of a dead disk went well\n" + _box.Log);
        _box.Until(b => _box.Volume(b, "inner").State is VolumeState.Failed or VolumeState.Missing
            && FuseMount.FindOurs(_box.Mount("inner")) is null, "the dead disk is given up, and its mount with it");

        _box.Detach(loop);
        (code, output) = _box.Run("mount", outer, folder);
        Assert.True(code == 0, output);
        _box.Attach(disk);
        _box.UntilState("inner", VolumeState.Mounted);
        Assert.Equal("acknowledged", File.ReadAllText(file));
        Assert.Equal(0, _box.Stop());
    }

    /// <summary>
    /// The disk is an image on another FUSE mount whose process is stopped: whoever touches it waits, also for its
    /// name.
    /// </summary>
    [Fact]
    public void A_disk_that_hangs_stalls_neither_status_nor_reload_nor_the_other_volumes()
    {
        string outer = _box.Newfs("outer", 768);
        string folder = Directory.CreateDirectory(Path.Combine(_box.Scratch, "outer")).FullName;
        (int code, string output) = _box.Run("mount", outer, folder);
        Assert.True(code == 0, output);
        File.Copy(_box.Newfs("inner"), Path.Combine(folder, "disk.img"));
        _box.Newfs("well");
        _box.Newfs("late");
        string inner = $"[volumes.inner]\nimages = [\"{folder}/disk.img\"]\nmount = \"{_box.Mount("inner")}\"\n";
        _box.Configure(inner + _box.Volume("well"));
        _box.Start();
        _box.UntilState("inner", VolumeState.Mounted);
        _box.UntilState("well", VolumeState.Mounted);
        string server = Assert.Single(DaemonBox.Command("/usr/bin/pgrep", "-f", "mount.*" + folder)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(1));
        DaemonBox.Command("/bin/kill", "-STOP", server);
        try
        {
            // Its flusher waits for the disk now, and a pass of its clean-up may, too.
            File.WriteAllBytes(Path.Combine(_box.Mount("inner"), "stuck"), new byte[1 << 20]);
            using var sync = System.Diagnostics.Process.Start("/bin/sync",
                [Path.Combine(_box.Mount("inner"), "stuck")]);
            File.WriteAllText(Path.Combine(_box.Mount("well"), "hello"), "world");
            DaemonBox.Command("/bin/sync", Path.Combine(_box.Mount("well"), "hello"));
            _box.Configure(inner + _box.Volume("well") + _box.Volume("late") + "[pfs.p]\nvolume = \"inner\"\n");
            _box.Signal("HUP");
            _box.UntilState("late", VolumeState.Mounted);
            long before = _box.Volume(_box.Status(), "well").BytesFree;
            File.WriteAllBytes(Path.Combine(_box.Mount("well"), "more"), new byte[20 << 20]);
            DaemonBox.Command("/bin/sync", Path.Combine(_box.Mount("well"), "more"));
            _box.Until(b => _box.Volume(b, "well").BytesFree < before, "the free bytes of the healthy one follow");
            Assert.False(sync.HasExited);
            _box.Until(b => _box.Volume(b, "inner").Problem?.Contains("has not answered", StringComparison.Ordinal)
                == true, "the disk that hangs is told");
            DaemonBox.Command("/bin/kill", "-CONT", server);
            Assert.True(sync.WaitForExit(20_000));
        }
        finally
        {
            DaemonBox.Command("/bin/kill", "-CONT", server);
        }
        _box.Until(b => _box.Volume(b, "inner").Problem is null, "it answers again");
        _box.UntilLog("pfs=p: made as PFS#1");
        Assert.Equal(0, _box.Stop());
    }
}
