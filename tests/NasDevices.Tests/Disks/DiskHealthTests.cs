using System;
using System.IO;
using System.Threading;
using NasDevices.Disks;
using NasDevices.Simulation;
using NasLinux;
using NasTesting;
using Xunit;

namespace NasDevices.Tests.Disks;

/// <summary>Power mode over a simulated translation layer, smartctl's JSON, and the monitor on a clock of its own.
/// </summary>
public sealed class DiskHealthTests : IDisposable
{
    static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    readonly string _sys = Directory.CreateTempSubdirectory("nashammer-health-").FullName;
    readonly ManualClock _clock = new();
    readonly SimulatedAtaDisk _ata = new();
    readonly AutoResetEvent _answered = new(false);
    readonly BlockDevice _device = new("/dev/sda", 1, 1 << 30, "sda");
    int _smartAsked;
    SmartReport? _smart = new() { Passed = true, Celsius = 33 };

    public void Dispose()
    {
        _ata.Answers.Set();
        Directory.Delete(_sys, recursive: true);
        _answered.Dispose();
    }

    // ------------------------------------------------------------------ power mode

    [Theory]
    [InlineData(0x00, DiskPower.Asleep)]
    [InlineData(0x01, DiskPower.Asleep)]
    [InlineData(0x40, DiskPower.Asleep)]
    [InlineData(0x41, DiskPower.Awake)]
    [InlineData(0x80, DiskPower.Awake)]
    [InlineData(0x82, DiskPower.Awake)]
    [InlineData(0xFF, DiskPower.Awake)]
    [InlineData(0x55, DiskPower.Unknown)]
    public void Power_mode_is_read_from_the_count_in_both_formats_of_sense_and_by_both_commands(byte count,
        DiskPower power)
    {
        _ata.PowerCount = count;
        Assert.Equal(power, AtaPower.Ask(_ata, s_limit));
        Assert.Equal([0x85], _ata.Commands);
        _ata.HasFixedSense = true;
        Assert.Equal(power, AtaPower.Ask(_ata, s_limit));
        _ata.Knows16 = false;
        Assert.Equal(power, AtaPower.Ask(_ata, s_limit));
        _ata.HasFixedSense = false;
        Assert.Equal(power, AtaPower.Ask(_ata, s_limit));
        Assert.Equal([0x85, 0x85, 0x85, 0xA1, 0x85, 0xA1], _ata.Commands);
        Assert.Empty(_ata.Faults);
    }

    [Fact]
    public void Disk_that_does_not_know_the_question_is_unknown_and_one_without_scsi_is_an_error()
    {
        _ata.KnowsPowerMode = false;
        Assert.Equal(DiskPower.Unknown, AtaPower.Ask(_ata, s_limit));
        _ata.Knows16 = _ata.Knows12 = false;
        Assert.Equal(DiskPower.Unknown, AtaPower.Ask(_ata, s_limit));
        _ata.IsUnreachable = true;
        Assert.Equal(DiskPower.Unknown, AtaPower.Ask(_ata, s_limit));
        _ata.IsNoScsi = true;
        Assert.Throws<IOException>(() => AtaPower.Ask(_ata, s_limit));
    }

    [Fact]
    public void Sense_data_of_any_bytes_are_read_without_harm()
    {
        var random = new Random(4);
        byte[] sense = new byte[32];
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(sense);
            sense[0] = (byte)(0x70 + i % 4);
            _ = AtaPower.TryRegisters(sense.AsSpan(0, random.Next(33)), out _, out _);
        }
    }

    [Fact]
    public void Device_of_the_kernel_that_is_no_disk_takes_no_scsi_commands()
    {
        using ScsiDevice device = ScsiDevice.Open("/dev/null");
        Assert.Throws<IOException>(() => AtaPower.Ask(device, s_limit));
        Assert.Throws<IOException>(() => ScsiDevice.Open("/dev/no-such-disk"));
    }

    // ------------------------------------------------------------------ smartctl

    static SmartReport? Sample(string name) => SmartReport.Parse(File.ReadAllText(Path.Combine(
        GoldenData.RepositoryRoot, "tests/NasDevices.Tests/Disks/Smart", name + ".json")));

    [Fact]
    public void Reports_of_smartctl_are_read_for_sata_nvme_and_scsi()
    {
        Assert.Equal(new SmartReport { Passed = true, Celsius = 31, Reallocated = 2, Pending = 0, Uncorrectable = 0 },
            Sample("ata-good"));
        Assert.Null(Sample("ata-good")!.Trouble);
        Assert.Equal("it expects to fail soon by its own account (SMART): replace it; 1 sector cannot be read; "
            + "4095 sectors have been replaced by spare ones", Sample("ata-failing")!.Trouble);
        Assert.Equal("it expects to fail soon by its own account (SMART): replace it; its spare blocks are used up; "
            + "its reliability is degraded by errors; it has been written more than it is made for",
            Sample("nvme-worn")!.Trouble);
        Assert.Equal((44, 104L), (Sample("nvme-worn")!.Celsius, Sample("nvme-worn")!.UsedPercent));
        Assert.Equal((true, 38, "12 sectors have been replaced by spare ones"),
            (Sample("scsi")!.Passed, Sample("scsi")!.Celsius, Sample("scsi")!.Trouble));
        Assert.Null(Sample("asleep"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("smartctl: command line error")]
    [InlineData("{}")]
    [InlineData("[1,2]")]
    [InlineData("{\"temperature\":{\"current\":\"hot\"},\"smart_status\":[],\"ata_smart_attributes\":{\"table\":7}}")]
    [InlineData("{\"temperature\":{\"current\":99999999999999999999}}")]
    public void What_is_no_report_is_none(string text) => Assert.Null(SmartReport.Parse(text));

    [Fact]
    public void Cut_off_reports_are_none_or_a_part_and_never_an_exception()
    {
        string whole = File.ReadAllText(Path.Combine(GoldenData.RepositoryRoot,
            "tests/NasDevices.Tests/Disks/Smart/nvme-worn.json"));
        for (int i = 0; i < whole.TrimEnd().Length; i++) Assert.Null(SmartReport.Parse(whole[..i]));
    }

    string Program(string script)
    {
        string path = Path.Combine(_sys, "smartctl");
        File.WriteAllText(path, "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    [Fact]
    public void Program_is_asked_so_that_it_lets_the_disk_sleep_and_is_killed_when_it_does_not_end()
    {
        string sample = Path.Combine(GoldenData.RepositoryRoot, "tests/NasDevices.Tests/Disks/Smart/ata-good.json");
        string program = Program($"""
            [ "$*" = "--json=c --nocheck=standby -H -A /dev/sdx" ] || exit 1
            cat {sample}
            exit 64
            """);
        Assert.Equal(31, SmartProgram.Ask(program, "/dev/sdx", s_limit)!.Celsius);
        Assert.Null(SmartProgram.Ask(program, "/dev/other", s_limit));
        Assert.Null(SmartProgram.Ask(Program("sleep 1000"), "/dev/sdx", TimeSpan.FromMilliseconds(100)));
        Assert.Null(SmartProgram.Ask(Program("cat /dev/zero"), "/dev/sdx", s_limit));
        Assert.Null(SmartProgram.Ask(Path.Combine(_sys, "none"), "/dev/sdx", s_limit));
    }

    // ------------------------------------------------------------------ the monitor

    void Sys(string path, string text)
    {
        string file = Path.Combine(_sys, "class/block/sda", path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text + "\n");
    }

    DiskMonitor Monitor(bool flash = false)
    {
        Sys("stat", "1 0 8 0");
        Sys("queue/rotational", flash ? "0" : "1");
        Directory.CreateDirectory(Path.Combine(_sys, "class/block/sda/device"));
        return new DiskMonitor(new DiskMonitorOptions
        {
            Sys = _sys, OpenPort = _ => _ata, Time = _clock, Answered = () => _answered.Set(),
            Smart = _ =>
            {
                Interlocked.Increment(ref _smartAsked);
                return _smart;
            },
        });
    }

    /// <summary>A turn after so long, and one more when the answer has come.</summary>
    DiskReading Turn(DiskMonitor monitor, TimeSpan after)
    {
        _clock.Advance(after);
        monitor.Turn([_device]);
        // Whether something was asked shows in what was answered.
        _answered.WaitOne(200);
        monitor.Turn([_device]);
        return monitor.Of("/dev/sda");
    }

    [Fact]
    public void Sleeping_disk_is_left_alone_and_shown_asleep_until_it_is_used()
    {
        _ata.PowerCount = 0;
        DiskMonitor monitor = Monitor();
        Assert.Equal(new DiskReading { Power = DiskPower.Asleep }, Turn(monitor, TimeSpan.Zero));
        Assert.Single(_ata.Commands);
        for (int i = 0; i < 7; i++) Turn(monitor, TimeSpan.FromMinutes(4));
        Assert.Single(_ata.Commands);
        Turn(monitor, TimeSpan.FromMinutes(4));
        Assert.Equal((2, 0), (_ata.Commands.Count, _smartAsked));
        Sys("stat", "2 0 16 0");
        monitor.Turn([_device]);
        Assert.Equal(DiskPower.Awake, monitor.Of("/dev/sda").Power);
        DiskReading used = Turn(monitor, TimeSpan.FromMinutes(2));
        Assert.Equal((DiskPower.Awake, 33, true, null), (used.Power, used.Celsius, used.IsHealthKnown, used.Trouble));
        Assert.Equal(1, _smartAsked);
        Assert.Empty(_ata.Faults);
    }

    [Fact]
    public void Idle_disk_is_asked_for_its_power_mode_only_until_it_shows_that_it_never_sleeps()
    {
        Sys("device/hwmon/hwmon3/temp1_input", "41500");
        DiskMonitor monitor = Monitor();
        Assert.Equal(42, Turn(monitor, TimeSpan.Zero).Celsius);
        Assert.Equal((1, 1), (_ata.Commands.Count, _smartAsked));
        // Other commands would begin its wait for the spin-down anew.
        Sys("device/hwmon/hwmon3/temp1_input", "30000");
        for (int i = 0; i < 20; i++) Assert.Equal(42, Turn(monitor, TimeSpan.FromMinutes(5)).Celsius);
        Assert.Equal((21, 1), (_ata.Commands.Count, _smartAsked));
        Assert.Equal(30, Turn(monitor, TimeSpan.FromMinutes(30)).Celsius);
        _ata.PowerCount = 0;
        DiskReading asleep = Turn(monitor, TimeSpan.FromMinutes(5));
        Assert.Equal((DiskPower.Asleep, null), (asleep.Power, asleep.Celsius));
    }

    [Fact]
    public void Used_disk_is_asked_for_temperature_often_and_for_health_seldom()
    {
        Sys("device/hwmon/hwmon3/temp1_input", "36000");
        DiskMonitor monitor = Monitor();
        for (int i = 0; i < 60; i++)
        {
            Sys("stat", $"{i} 0 8 0");
            Sys("device/hwmon/hwmon3/temp1_input", $"{30 + i}000");
            Assert.Equal(30 + i, Turn(monitor, TimeSpan.FromMinutes(2)).Celsius);
        }
        // Two hours: at the start and each hour. What is in use need not be asked whether it sleeps.
        Assert.Equal((1, 2), (_ata.Commands.Count, _smartAsked));
    }

    [Fact]
    public void Disk_that_hangs_is_unknown_after_a_minute_and_has_one_question_under_way_for_ever()
    {
        DiskMonitor monitor = Monitor();
        Assert.Equal(33, Turn(monitor, TimeSpan.Zero).Celsius);
        _ata.Answers.Reset();
        Turn(monitor, TimeSpan.FromMinutes(3));
        Assert.Equal(33, monitor.Of("/dev/sda").Celsius);
        _clock.Advance(TimeSpan.FromMinutes(1));
        monitor.Turn([_device]);
        Assert.Equal(new DiskReading(), monitor.Of("/dev/sda"));
        for (int i = 0; i < 100; i++)
        {
            _clock.Advance(TimeSpan.FromHours(1));
            monitor.Turn([_device]);
            Assert.Equal(DiskPower.Unknown, monitor.PowerNow("/dev/sda", TimeSpan.FromHours(1)));
        }
        Assert.Equal(2, _ata.Commands.Count);
        _ata.Answers.Set();
        Assert.True(_answered.WaitOne(20_000));
        monitor.Turn([_device]);
        Assert.Equal(DiskPower.Awake, monitor.Of("/dev/sda").Power);
    }

    [Fact]
    public void Question_whether_it_sleeps_now_waits_only_so_long()
    {
        _ata.PowerCount = 0;
        DiskMonitor monitor = Monitor();
        Turn(monitor, TimeSpan.Zero);
        Assert.Equal(DiskPower.Asleep, monitor.PowerNow("/dev/sda", s_limit));
        Assert.Single(_ata.Commands);
        _ata.PowerCount = 0xFF;
        Sys("stat", "9 0 8 0");
        Assert.Equal(DiskPower.Awake, monitor.PowerNow("/dev/sda", s_limit));
        _ata.Answers.Reset();
        Assert.Equal(DiskPower.Unknown, monitor.PowerNow("/dev/sda", TimeSpan.FromMilliseconds(20)));
        Assert.Equal(DiskPower.Unknown, monitor.PowerNow("/dev/sdq", s_limit));
    }

    [Fact]
    public void What_a_disk_refuses_is_asked_again_only_of_another_medium()
    {
        _ata.IsNoScsi = true;
        DiskMonitor monitor = Monitor();
        for (int i = 0; i < 10; i++) Turn(monitor, TimeSpan.FromMinutes(5));
        Assert.Single(_ata.Commands);
        Assert.Equal(DiskPower.Unknown, monitor.Of("/dev/sda").Power);
        _ata.IsNoScsi = false;
        monitor.Turn([_device with { Sequence = 2 }]);
        Assert.True(_answered.WaitOne(20_000));
        monitor.Turn([_device with { Sequence = 2 }]);
        Assert.Equal(DiskPower.Awake, monitor.Of("/dev/sda").Power);
        monitor.Turn([]);
        Assert.Equal(new DiskReading(), monitor.Of("/dev/sda"));
    }

    [Fact]
    public void Failing_disk_stays_failing_while_a_report_is_missing()
    {
        _smart = Sample("ata-failing");
        DiskMonitor monitor = Monitor();
        DiskReading reading = Turn(monitor, TimeSpan.Zero);
        Assert.Equal(61, reading.Celsius);
        Assert.Contains("replace it", reading.Trouble, StringComparison.Ordinal);
        _smart = null;
        Sys("stat", "7 0 8 0");
        Assert.Contains("replace it", Turn(monitor, TimeSpan.FromHours(2)).Trouble, StringComparison.Ordinal);
        _smart = Sample("ata-good");
        Sys("stat", "8 0 8 0");
        Assert.Null(Turn(monitor, TimeSpan.FromHours(2)).Trouble);
    }

    [Fact]
    public void Flash_is_never_asked_whether_it_sleeps_and_tells_its_wear()
    {
        _smart = null;
        Sys("device/life_time", "0x01 0x0B");
        Sys("device/pre_eol_info", "0x01");
        DiskMonitor monitor = Monitor(flash: true);
        DiskReading reading = Turn(monitor, TimeSpan.Zero);
        Assert.Equal((DiskPower.Awake, true), (reading.Power, reading.IsHealthKnown));
        Assert.Contains("written more than", reading.Trouble, StringComparison.Ordinal);
        Assert.Equal(DiskPower.Awake, monitor.PowerNow("/dev/sda", s_limit));
        Assert.Empty(_ata.Commands);
    }

    [Fact]
    public void What_the_kernel_makes_up_is_not_asked()
    {
        var monitor = new DiskMonitor(new DiskMonitorOptions { Sys = _sys, OpenPort = _ => _ata, Time = _clock });
        monitor.Turn([_device]);
        _clock.Advance(TimeSpan.FromHours(1));
        monitor.Turn([_device]);
        Assert.Empty(_ata.Commands);
    }
}
