using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using NasDevices.Disks;
using NasLinux;
using NasTesting;
using Xunit;

namespace NasDevices.Tests.Disks;

public sealed class DiskTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-disks-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void An_event_of_the_kernel_is_read_and_one_of_udev_is_not()
    {
        byte[] kernel = Encoding.UTF8.GetBytes(
            "add@/devices/virtual/block/loop0\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=loop0\0SEQNUM=7\0");
        Assert.True(UeventSocket.TryParse(kernel, out Uevent uevent));
        Assert.Equal(new Uevent("add", "block", "loop0"), uevent);
        Assert.False(UeventSocket.TryParse(Encoding.UTF8.GetBytes("libudev\0\u00fe\u00edACTION=add\0"), out _));
        Assert.False(UeventSocket.TryParse([], out _));
        for (int length = 0; length < kernel.Length; length++)
        {
            // Cut off anywhere it is less, and never an exception.
            _ = UeventSocket.TryParse(kernel.AsSpan(0, length), out Uevent cut);
            Assert.StartsWith(cut.Action, "add", StringComparison.Ordinal);
        }
    }

    void Sys(string path, string text)
    {
        string file = Path.Combine(_folder, "sys", path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text + "\n");
    }

    [Fact]
    public void Listing_gives_disks_and_partitions_with_a_medium_and_neither_memory_nor_empty_drives()
    {
        Sys("devices/pci/block/sda/size", "2048");
        Sys("devices/pci/block/sda/diskseq", "9");
        Sys("devices/pci/block/sda/dev", "8:0");
        Sys("devices/pci/block/sda/device/model", "A disk");
        Sys("devices/pci/block/sda/sda1/size", "1024");
        Sys("devices/pci/block/sda/sda1/partition", "1");
        Sys("devices/virtual/block/zram0/size", "99");
        Sys("devices/virtual/block/loop0/size", "0");
        Directory.CreateDirectory(Path.Combine(_folder, "sys/class/block"));
        foreach ((string name, string to) in new[] { ("sda", "pci/block/sda"), ("sda1", "pci/block/sda/sda1"),
            ("zram0", "virtual/block/zram0"), ("loop0", "virtual/block/loop0") })
        {
            File.CreateSymbolicLink(Path.Combine(_folder, "sys/class/block", name), "../../devices/" + to);
        }
        Directory.CreateDirectory(Path.Combine(_folder, "udev"));
        File.WriteAllText(Path.Combine(_folder, "udev/b8:0"), "S:disk\nE:ID_SERIAL_SHORT=S3R1AL\n");
        List<BlockDevice> devices = BlockDevices.List(Path.Combine(_folder, "sys"), Path.Combine(_folder, "udev"));
        Assert.Equal(["/dev/sda", "/dev/sda1"], devices.Select(d => d.Path));
        Assert.Equal(new BlockDevice("/dev/sda", 9, 1 << 20, "sda") { Model = "A disk", Serial = "S3R1AL" },
            devices[0]);
        Assert.True(devices[1].IsPartition);
        Assert.Equal((9L, 512L * 1024, "sda"), (devices[1].Sequence, devices[1].Bytes, devices[1].Disk));
    }

    sealed class Recognizer : IVolumeRecognizer
    {
        public Dictionary<string, VolumeHeader?> Headers { get; } = [];
        public int Reads { get; private set; }

        public VolumeHeader? Recognize(string path)
        {
            Reads++;
            return Headers.TryGetValue(path, out VolumeHeader? header) ? header : throw new IOException("gone");
        }
    }

    static readonly Guid s_fs = new("11111111-2222-3333-4444-555555555555");

    static BlockDevice Device(string name, long sequence = 1) => new("/dev/" + name, sequence, 1 << 30, name);

    [Fact]
    public void A_set_is_complete_when_all_its_volumes_are_there_whatever_their_names()
    {
        var recognizer = new Recognizer();
        recognizer.Headers["/dev/sdz"] = new VolumeHeader(s_fs, "set", 0, 2);
        recognizer.Headers["/dev/sda"] = new VolumeHeader(s_fs, "set", 1, 2);
        recognizer.Headers["/dev/sdb"] = null;
        var catalogue = new VolumeCatalogue(recognizer, Assert.Fail);
        FoundFileSystem half = Assert.Single(catalogue.Look([Device("sdb"), Device("sdz")], []));
        Assert.False(half.IsComplete);
        Assert.Equal("volume 1 of 2 is not there", half.Missing);
        FoundFileSystem whole = Assert.Single(catalogue.Look([Device("sda"), Device("sdb"), Device("sdz")], []));
        Assert.True(whole.IsComplete);
        Assert.Equal(["/dev/sdz", "/dev/sda"], whole.Devices);
        Assert.Equal(3, recognizer.Reads);
    }

    [Fact]
    public void A_copy_of_a_disk_stops_the_mount_and_both_are_named()
    {
        var recognizer = new Recognizer();
        recognizer.Headers["/dev/sda"] = recognizer.Headers["/dev/sdb"] = new VolumeHeader(s_fs, "one", 0, 1);
        FoundFileSystem found = Assert.Single(new VolumeCatalogue(recognizer, Assert.Fail)
            .Look([Device("sda"), Device("sdb")], []));
        Assert.False(found.IsComplete);
        Assert.Contains("/dev/sda and /dev/sdb", found.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_medium_under_the_same_name_is_read_again_and_an_unreadable_one_is_told()
    {
        var recognizer = new Recognizer();
        var log = new List<string>();
        var catalogue = new VolumeCatalogue(recognizer, log.Add);
        Assert.Empty(catalogue.Look([Device("sda")], []));
        Assert.Contains("/dev/sda", Assert.Single(log), StringComparison.Ordinal);
        recognizer.Headers["/dev/sda"] = new VolumeHeader(s_fs, "one", 0, 1);
        Assert.Empty(catalogue.Look([Device("sda")], []));
        FoundFileSystem found = Assert.Single(catalogue.Look([Device("sda", sequence: 2)], []));
        catalogue.Forget();
        Assert.Equal(found.Media, Assert.Single(catalogue.Look([Device("sda", sequence: 2)], [])).Media);
        Assert.Equal(3, recognizer.Reads);
    }

    [Fact]
    public void Disk_whose_first_reading_failed_is_read_again_later_and_later_until_it_answers()
    {
        var recognizer = new Recognizer();
        var clock = new ManualClock();
        var catalogue = new VolumeCatalogue(recognizer, _ => { }, clock);
        var readAt = new List<int>();
        for (int second = 0; second < 3600; second++)
        {
            int before = recognizer.Reads;
            Assert.Empty(catalogue.Look([Device("sda")], []));
            if (recognizer.Reads > before) readAt.Add(second);
            clock.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.Equal([0, 3, 9, 21, 45, 93, 189, 381, 765, 1365, 1965, 2565, 3165], readAt);
        recognizer.Headers["/dev/sda"] = new VolumeHeader(s_fs, "one", 0, 1);
        clock.Advance(TimeSpan.FromMinutes(10));
        Assert.True(Assert.Single(catalogue.Look([Device("sda")], [])).IsComplete);
        int reads = recognizer.Reads;
        clock.Advance(TimeSpan.FromDays(1));
        catalogue.Look([Device("sda")], []);
        Assert.Equal(reads, recognizer.Reads);
    }

    sealed class HangingRecognizer : IVolumeRecognizer
    {
        public ManualResetEventSlim Answers { get; } = new();
        public int Reads;

        public VolumeHeader? Recognize(string path)
        {
            Interlocked.Increment(ref Reads);
            if (path == "/dev/sick") Answers.Wait();
            return new VolumeHeader(path == "/dev/sick" ? Guid.Empty : s_fs, "one", 0, 1);
        }
    }

    [Fact]
    public void Disk_that_hangs_keeps_no_other_from_being_found_and_is_read_once()
    {
        var recognizer = new HangingRecognizer();
        using var answered = new SemaphoreSlim(0);
        var catalogue = new VolumeCatalogue(recognizer, Assert.Fail, TimeProvider.System, () => answered.Release());
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal("/dev/well", Assert.Single(catalogue.Look([Device("sick"), Device("well")], [])).Devices[0]);
            Assert.False(catalogue.IsSettled);
            catalogue.Forget("/dev/sick");
        }
        Assert.Equal(2, recognizer.Reads);
        recognizer.Answers.Set();
        for (int i = 0; i < 2; i++)
            Assert.True(answered.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Equal(2, catalogue.Look([Device("sick"), Device("well")], []).Count);
        Assert.True(catalogue.IsSettled);
    }

    [Fact]
    public void Image_file_without_a_file_system_is_read_again_only_when_it_was_written()
    {
        string image = Path.Combine(_folder, "disk.img");
        var clock = new ManualClock(DateTimeOffset.UtcNow);
        var recognizer = new Recognizer();
        recognizer.Headers[image] = null;
        File.WriteAllBytes(image, new byte[100]);
        File.SetLastWriteTimeUtc(image, clock.GetUtcNow().UtcDateTime.AddDays(-1));
        var catalogue = new VolumeCatalogue(recognizer, Assert.Fail, clock);
        for (int i = 0; i < 5; i++)
        {
            Assert.Empty(catalogue.Look([], [image]));
            catalogue.Recheck(image);
        }
        Assert.Equal(1, recognizer.Reads);
        Assert.True(catalogue.HasImage(image));
        recognizer.Headers[image] = new VolumeHeader(s_fs, "one", 0, 1);
        File.SetLastWriteTimeUtc(image, clock.GetUtcNow().UtcDateTime.AddHours(-1));
        Assert.Single(catalogue.Look([], [image]));
        File.Delete(image);
        Assert.Empty(catalogue.Look([], [image]));
        Assert.False(catalogue.HasImage(image));
    }

    [Fact]
    public void An_image_file_under_a_loop_device_is_one_medium()
    {
        string image = Path.Combine(_folder, "disk.img");
        File.WriteAllBytes(image, new byte[100]);
        var recognizer = new Recognizer();
        recognizer.Headers[image] = recognizer.Headers["/dev/loop0"] = new VolumeHeader(s_fs, "one", 0, 1);
        var catalogue = new VolumeCatalogue(recognizer, Assert.Fail);
        string missing = image + ".none";
        Assert.Equal([image], Assert.Single(catalogue.Look([], [image, image, missing])).Devices);
        FoundFileSystem found = Assert.Single(catalogue.Look([Device("loop0") with { BackingFile = image }], [image]));
        Assert.Equal(["/dev/loop0"], found.Devices);
        Assert.Null(found.Problem);
    }

    [Fact]
    public void The_watch_calls_at_the_start_at_each_change_and_when_nudged()
    {
        var list = new List<BlockDevice> { Device("sda") };
        var calls = new List<int>();
        using var called = new SemaphoreSlim(0);
        using var watch = new DiskWatch(() => [.. Volatile.Read(ref list)], (devices, _) =>
        {
            lock (calls) calls.Add(devices.Count);
            called.Release();
        }, TimeSpan.FromMilliseconds(20), _ => { });
        watch.Start();
        Assert.True(called.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Volatile.Write(ref list, [Device("sda"), Device("sdb")]);
        Assert.True(called.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Volatile.Write(ref list, []);
        Assert.True(called.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        watch.Nudge();
        Assert.True(called.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        lock (calls) Assert.Equal([1, 2, 0, 0], calls);
    }

    [Fact]
    public void A_loop_device_that_comes_and_goes_is_told_by_the_kernel_long_before_the_next_poll()
    {
        string image = Path.Combine(_folder, "loop.img");
        using (FileStream file = File.Create(image)) file.SetLength(1 << 20);
        using var changed = new AutoResetEvent(false);
        bool there = false;
        using var watch = new DiskWatch(() => BlockDevices.List(), (devices, _) =>
        {
            Volatile.Write(ref there, devices.Any(d => d.BackingFile == image));
            changed.Set();
        }, TimeSpan.FromHours(1), Assert.Fail);
        watch.Start();
        Assert.True(changed.WaitOne(20_000));
        string device = Shell("losetup", "--find", "--show", image).Trim();
        try
        {
            Until(() => Volatile.Read(ref there));
        }
        finally
        {
            Shell("losetup", "-d", device);
        }
        Until(() => !Volatile.Read(ref there));

        void Until(Func<bool> condition)
        {
            while (!condition()) Assert.True(changed.WaitOne(20_000), "no event came");
        }
    }

    static string Shell(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
        })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
