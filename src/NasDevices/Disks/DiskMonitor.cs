using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using NasLinux;

namespace NasDevices.Disks;

/*
 * How the disks are: spinning or asleep, how warm, how well.
 *
 * A disk is asked rarely, and never in a way that wakes it or keeps it awake:
 *   - The kernel's counters of transfers, which cost nothing, say whether a disk was in use. One that was is awake.
 *   - One that was not is asked for its power mode every two minutes, without waking it (AtaPower); one that sleeps is
 *     left alone for half an hour, unless it is used.
 *   - Temperature and health are real commands, and on some disks they begin the wait for the spin-down anew. So they
 *     are asked of a disk that was in use since the last time; of an idle one only when it has been idle for two hours
 *     and still spins: then it has no spin-down to disturb. Flash may be asked always.
 *   - Whatever a disk refuses is not asked again until its medium changes: some bridges hang themselves up over
 *     commands that they do not know.
 *
 * Nothing here is ever an error: what cannot be known is not known. Nothing waits either: each disk has at most one
 * question under way, on a thread of its own, and while one hangs everything about that disk is unknown.
 */

/// <summary>What is known of a disk.</summary>
public sealed record DiskReading
{
    public DiskPower Power { get; init; }
    public int? Celsius { get; init; }
    /// <summary>A verdict on its health has been read.</summary>
    public bool IsHealthKnown { get; init; }
    /// <summary>What is wrong with it, for the owner; null if nothing is known to be.</summary>
    public string? Trouble { get; init; }
}

/// <summary>How disks are asked; tests have simulated ones.</summary>
public sealed record DiskMonitorOptions
{
    public string Sys { get; init; } = "/sys";
    public Func<string, IScsiPort> OpenPort { get; init; } = ScsiDevice.Open;
    /// <summary>smartctl's report on a device that is awake; null if there is none.</summary>
    public Func<string, SmartReport?> Smart { get; init; } = AskSmart;
    public TimeProvider Time { get; init; } = TimeProvider.System;
    /// <summary>An answer has come; on any thread, must be quick.</summary>
    public Action Answered { get; init; } = () => { };

    static readonly TimeSpan s_smartLimit = TimeSpan.FromSeconds(30);

    static SmartReport? AskSmart(string device) =>
        SmartProgram.Find() is { } program ? SmartProgram.Ask(program, device, s_smartLimit) : null;
}

/// <summary>Asks whole disks how they are; see the page above. Thread-safe.</summary>
public sealed class DiskMonitor(DiskMonitorOptions options)
{
    static readonly TimeSpan s_look = TimeSpan.FromMinutes(2), s_asleep = TimeSpan.FromMinutes(30),
        s_hung = TimeSpan.FromMinutes(1), s_spinsAlways = TimeSpan.FromHours(2), s_port = TimeSpan.FromSeconds(10),
        s_warmth = TimeSpan.FromMinutes(2), s_idleWarmth = TimeSpan.FromMinutes(30),
        s_health = TimeSpan.FromHours(1), s_idleHealth = TimeSpan.FromHours(6), s_stale = TimeSpan.FromHours(3);
    /// <summary>Without a sensor of the kernel the temperature comes with the health.</summary>
    static readonly TimeSpan s_healthForWarmth = TimeSpan.FromMinutes(15);

    readonly Dictionary<string, Disk> _disks = new(StringComparer.Ordinal);
    readonly Lock _gate = new();

    /// <summary>What a question is to find out.</summary>
    readonly record struct Question(bool Power, bool Warmth, bool Health, bool IsAwake);

    /// <summary>What a question has found out; null was not asked, or not told.</summary>
    sealed record Answer(Question Of, DiskPower Power, bool RefusesPower, int? Celsius, bool HasSensor,
        SmartReport? Smart, string Use);

    sealed class Disk(BlockDevice device, DiskSensors sensors)
    {
        internal readonly BlockDevice Device = device;
        internal readonly DiskSensors Sensors = sensors;
        internal DiskReading Reading = new();
        internal DiskJob<Answer>? Job;
        internal long JobAt, LookedAt, UsedAt, WarmAt, HealthAt, CelsiusAt;
        internal readonly bool HasPlatters = sensors.HasPlatters;
        internal bool HasLooked, HasWarmth, HasHealth, HasSensor, RefusesPower, IsHung;
        internal string Use = "";
    }

    /// <summary>One turn: fetches answers, asks what is due. Never waits.</summary>
    /// <param name="disks">The whole disks to be watched; others are forgotten.</param>
    public void Turn(IReadOnlyCollection<BlockDevice> disks)
    {
        lock (_gate)
        {
            foreach (string gone in _disks.Keys.Where(p => !disks.Any(d => d.Path == p)).ToArray())
                _disks.Remove(gone);
            foreach (BlockDevice device in disks)
            {
                if (Known(device) is { } disk) Turn(disk);
            }
        }
    }

    Disk? Known(BlockDevice device)
    {
        if (_disks.TryGetValue(device.Path, out Disk? disk) && disk.Device.Sequence == device.Sequence) return disk;
        _disks.Remove(device.Path);
        var sensors = new DiskSensors(options.Sys, device.Disk);
        if (!sensors.IsHardware) return null;
        return _disks[device.Path] = new Disk(device, sensors) { UsedAt = options.Time.GetTimestamp() };
    }

    /// <summary>What is known of a disk by its path, without asking it.</summary>
    public DiskReading Of(string path)
    {
        lock (_gate) return _disks.TryGetValue(path, out Disk? disk) ? disk.Reading : new DiskReading();
    }

    /// <summary>
    /// Asks a disk now whether it sleeps, and waits for that at most so long: for work that must not wake it.
    /// </summary>
    public DiskPower PowerNow(string path, TimeSpan limit)
    {
        DiskJob<Answer> job;
        lock (_gate)
        {
            if (!_disks.TryGetValue(path, out Disk? disk)) return DiskPower.Unknown;
            Take(disk);
            if (!disk.HasPlatters) return DiskPower.Awake;
            if (disk.RefusesPower || disk.IsHung) return DiskPower.Unknown;
            bool sleptOn = disk.Reading.Power == DiskPower.Asleep && disk.Sensors.Use == disk.Use
                && Since(disk.LookedAt) < s_asleep;
            if (sleptOn) return DiskPower.Asleep;
            if (disk.Job is null) Ask(disk, new Question(Power: true, Warmth: false, Health: false, IsAwake: false));
            job = disk.Job!;
        }
        return job.Wait(limit) && job.Result is { Of.Power: true } answer ? answer.Power : DiskPower.Unknown;
    }

    // ------------------------------------------------------------------ under the gate

    void Turn(Disk disk)
    {
        Take(disk);
        if (disk.Job is not null) return;
        bool isUsed = !disk.HasLooked || disk.Sensors.Use != disk.Use;
        if (isUsed) disk.UsedAt = options.Time.GetTimestamp();
        bool platters = disk.HasPlatters;
        if (!platters || (isUsed && disk.HasLooked)) disk.Reading = disk.Reading with { Power = DiskPower.Awake };
        else if (disk.RefusesPower) disk.Reading = disk.Reading with { Power = DiskPower.Unknown };
        if (disk.Reading.Celsius is not null && Since(disk.CelsiusAt) >= s_stale)
            disk.Reading = disk.Reading with { Celsius = null };
        TimeSpan pause = disk.Reading.Power == DiskPower.Asleep ? s_asleep : s_look;
        if (disk.HasLooked && Since(disk.LookedAt) < pause) return;
        bool spins = disk.Reading.Power == DiskPower.Awake && Since(disk.UsedAt) >= s_spinsAlways;
        bool mayAsk = isUsed || spins || !platters;
        var question = new Question(
            Power: platters && !disk.RefusesPower && (!isUsed || !disk.HasLooked),
            Warmth: mayAsk && IsDue(disk.HasWarmth, disk.WarmAt, isUsed ? s_warmth : s_idleWarmth),
            Health: mayAsk && IsDue(disk.HasHealth, disk.HealthAt, !isUsed ? s_idleHealth
                : disk.HasSensor ? s_health : s_healthForWarmth),
            IsAwake: mayAsk);
        disk.LookedAt = options.Time.GetTimestamp();
        disk.HasLooked = true;
        if (question.Power || question.Warmth || question.Health) Ask(disk, question);
        else disk.Use = disk.Sensors.Use;
    }

    TimeSpan Since(long at) => options.Time.GetElapsedTime(at);

    bool IsDue(bool has, long at, TimeSpan period) => !has || Since(at) >= period;

    void Ask(Disk disk, Question question)
    {
        disk.JobAt = options.Time.GetTimestamp();
        disk.IsHung = false;
        string path = disk.Device.Path;
        DiskSensors sensors = disk.Sensors;
        disk.Job = new DiskJob<Answer>("disk-" + disk.Device.Disk, () => Work(path, sensors, question),
            options.Answered);
    }

    // On the job's thread.
    Answer Work(string path, DiskSensors sensors, Question question)
    {
        (DiskPower power, bool refuses) = question.Power ? AskPower(path)
            : (question.IsAwake ? DiskPower.Awake : DiskPower.Unknown, false);
        // A disk that cannot be asked for its power mode is awake if it was in use.
        bool mayAsk = power == DiskPower.Awake || (power == DiskPower.Unknown && question.IsAwake);
        int? celsius = mayAsk && question.Warmth ? sensors.Celsius : null;
        SmartReport? smart = mayAsk && question.Health ? options.Smart(path) : null;
        return new Answer(question, power, refuses, celsius ?? smart?.Celsius, celsius is not null, smart, sensors.Use);
    }

    (DiskPower Power, bool Refuses) AskPower(string path)
    {
        try
        {
            using IScsiPort port = options.OpenPort(path);
            DiskPower power = AtaPower.Ask(port, s_port);
            return (power, power == DiskPower.Unknown);
        }
        catch (IOException)
        {
            return (DiskPower.Unknown, true);
        }
    }

    void Take(Disk disk)
    {
        if (disk.Job is not { } job) return;
        if (!job.IsDone)
        {
            if (disk.IsHung || Since(disk.JobAt) < s_hung) return;
            disk.IsHung = true;
            disk.Reading = new DiskReading();
            return;
        }
        disk.Job = null;
        disk.IsHung = false;
        // What went wrong in an unforeseen way leaves the disk unknown, too.
        if (job.Result is not { } answer)
        {
            disk.Reading = new DiskReading();
            return;
        }
        // Our own commands may count as use on some kernels: what they left is where the count begins.
        disk.Use = answer.Use;
        disk.RefusesPower |= answer.RefusesPower;
        Read(disk, answer);
    }

    void Read(Disk disk, Answer answer)
    {
        long now = options.Time.GetTimestamp();
        DiskReading reading = disk.Reading with { Power = answer.Power };
        if (answer.Power == DiskPower.Asleep) reading = reading with { Celsius = null };
        bool asked = answer.Power != DiskPower.Asleep && (answer.Power == DiskPower.Awake || answer.Of.IsAwake);
        if (asked && answer.Of.Warmth) (disk.HasWarmth, disk.WarmAt, disk.HasSensor) = (true, now, answer.HasSensor);
        if (asked && answer.Of.Health) (disk.HasHealth, disk.HealthAt) = (true, now);
        if (answer.Celsius is { } celsius)
        {
            reading = reading with { Celsius = celsius };
            disk.CelsiusAt = now;
        }
        if (asked && answer.Of.Health)
        {
            string? wear = disk.Sensors.Wear;
            bool isKnown = answer.Smart is { HasHealth: true } || disk.Sensors.HasWear;
            // A report that is missing once takes nothing back.
            if (isKnown) reading = reading with { IsHealthKnown = true, Trouble = answer.Smart?.Trouble ?? wear };
        }
        disk.Reading = reading;
    }
}
