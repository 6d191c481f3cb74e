using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Pfs;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasCore.Tests.Recovery;
using Xunit;

namespace NasCore.Tests.History;

/// <summary>Moments, the policy, and the keeper that turns both, on a clock of its own.</summary>
public sealed class HistoryKeeperTests : RuleTestBase
{
    static readonly DateTimeOffset s_start = new(2027, 3, 1, 0, 7, 0, TimeSpan.Zero);

    static HistoryKeeper Keeper(HammerFs fs, long floor = 0, HistoryPolicy? policy = null) => new(fs,
        new HistoryKeeperOptions { PolicyOf = _ => policy ?? new HistoryPolicy(), FreeFloorBytes = floor });

    static void Turn(HistoryKeeper keeper)
    {
        if (!keeper.Plan().IsDue) return;
        HistoryRunEnd end;
        while ((end = keeper.Run(new StepBudget { RecordsMax = 100 }, CancellationToken.None)) == HistoryRunEnd.Budget)
        {
        }
        Assert.True(end == HistoryRunEnd.Done, keeper.Status.Problem);
    }

    /// <summary>Lets time pass in steps of the keeper's interval, with a write every few hours.</summary>
    static Dictionary<ulong, int> Live(EngineDriver driver, HistoryKeeper keeper, Vnode file, int days, int hoursEach)
    {
        var content = new Dictionary<ulong, int>();
        int quarters = days * 96;
        for (int i = 0; i < quarters; i++)
        {
            if (i % (hoursEach * 4) == 0)
            {
                Write(driver.Fs, file, 0, Bytes(20_000, i));
                Assert.Equal(Errno.None, driver.Fs.SnapshotTid(0, out ulong tid));
                content[tid] = i;
            }
            driver.Time.Now += TimeSpan.FromMinutes(15);
            Turn(keeper);
        }
        return content;
    }

    static bool Shows(HammerFs fs, ulong tid, Vnode file, int seed)
    {
        var then = file with { AsOf = tid };
        if (fs.GetAttr(then, out FileAttr attr).IsError || attr.Type != ObjType.RegFile) return false;
        return Read(fs, then).AsSpan().SequenceEqual(Bytes(20_000, seed));
    }

    [Fact]
    public void Past_is_thinned_to_days_hours_and_versions_and_every_mark_shows_its_state()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = s_start;
        Vnode file = File(driver.Fs, "file");
        HistoryKeeper keeper = Keeper(driver.Fs, policy: new HistoryPolicy
        {
            EveryVersion = TimeSpan.FromDays(1), Hourly = TimeSpan.FromDays(3), Daily = TimeSpan.FromDays(8),
        });
        Dictionary<ulong, int> written = Live(driver, keeper, file, days: 14, hoursEach: 2);
        DateTimeOffset now = driver.Time.Now;
        List<TimeMark> marks = driver.Fs.Marks(0);
        Assert.NotEmpty(marks);
        Assert.Equal(marks.OrderBy(m => m.Time).Select(m => m.Tid), marks.Select(m => m.Tid));
        foreach (TimeMark mark in marks)
        {
            int content = written.Where(w => w.Key <= mark.Tid).MaxBy(w => w.Key).Value;
            Assert.True(Shows(driver.Fs, mark.Tid, file, content), $"{mark} of {now}");
        }
        // Thinned up to a day late; a quarter of an hour for the mark itself.
        TimeSpan late = TimeSpan.FromHours(25);
        Assert.InRange(marks[0].Time, now - TimeSpan.FromDays(8) - late, now - TimeSpan.FromDays(7));
        int old = marks.Count(m => now - m.Time > TimeSpan.FromDays(3) + late);
        Assert.InRange(old, 3, 6);
        Assert.InRange(marks.Count(m => now - m.Time < TimeSpan.FromDays(1)), 11, 13);
        // What no mark stands for is really gone.
        Assert.True(written.Count(w => Shows(driver.Fs, w.Key, file, w.Value)) < written.Count / 2);
        Assert.Equal(marks[0].Time, keeper.Status.OldestReachable);
        Assert.Equal(marks[^2].Tid, driver.Fs.TidAt(0, marks[^1].Time.AddTicks(-1)));
        driver.Fs.Dispose();
        MountedTree.AssertSound("after two weeks", driver.Device);
    }

    [Fact]
    public void Idle_file_system_is_not_looked_at_and_not_written()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = s_start;
        Vnode file = File(driver.Fs, "file", Bytes(20_000, 1));
        Sync(driver.Fs);
        RecordingDevice log = Recorded(driver);
        HistoryKeeper keeper = Keeper(driver.Fs);
        for (int i = 0; i < 12; i++)
        {
            driver.Time.Now += TimeSpan.FromMinutes(15);
            Turn(keeper);
        }
        int events = log.Count;
        long visits = driver.Fs.Nodes.Visits;
        for (int i = 0; i < 1000; i++)
        {
            driver.Time.Now += TimeSpan.FromMinutes(15);
            Assert.False(keeper.Plan().IsDue);
            Turn(keeper);
        }
        Assert.Equal(events, log.Count);
        Assert.Equal(visits, driver.Fs.Nodes.Visits);
        Write(driver.Fs, file with { }, 0, Bytes(20_000, 2));
        Sync(driver.Fs);
        Assert.True(keeper.Plan().IsDue);
    }

    [Fact]
    public void Clock_that_is_not_set_or_has_jumped_thins_nothing()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = DateTimeOffset.UnixEpoch.AddMinutes(3);
        Vnode file = File(driver.Fs, "file");
        HistoryKeeper keeper = Keeper(driver.Fs);
        Dictionary<ulong, int> written = Live(driver, keeper, file, days: 3, hoursEach: 6);
        Assert.Empty(driver.Fs.Marks(0));
        // NTP sets it; a moment later it would be seen as three days, or as 57 years.
        driver.Time.Wall = s_start - driver.Time.Now;
        Live(driver, keeper, file, days: 1, hoursEach: 6);
        Assert.NotEmpty(driver.Fs.Marks(0));
        foreach ((ulong tid, int content) in written) Assert.True(Shows(driver.Fs, tid, file, content));
        // A clock far ahead for a while, then right again: nothing is lost by it.
        driver.Time.Wall += TimeSpan.FromDays(4000);
        Write(driver.Fs, file, 0, Bytes(20_000, 900));
        Sync(driver.Fs);
        Turn(keeper);
        driver.Time.Now += TimeSpan.FromMinutes(30);
        Turn(keeper);
        driver.Time.Wall -= TimeSpan.FromDays(4000);
        foreach ((ulong tid, int content) in written) Assert.True(Shows(driver.Fs, tid, file, content));
        Write(driver.Fs, file, 0, Bytes(20_000, 901));
        Sync(driver.Fs);
        driver.Time.Now += TimeSpan.FromMinutes(30);
        Turn(keeper);
        Assert.True(driver.Fs.Marks(0).Count >= 6);
        Assert.All(driver.Fs.Marks(0), m => Assert.True(m.Time <= driver.Time.GetUtcNow()));
    }

    [Fact]
    public void Short_room_thins_further_by_levels_and_leaves_snapshots()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = s_start;
        Vnode file = File(driver.Fs, "file");
        HistoryKeeper keeper = Keeper(driver.Fs, floor: 1L << 40);
        Write(driver.Fs, file, 0, Bytes(20_000, 5555));
        Assert.Equal(Errno.None, driver.Fs.SnapshotTid(0, out ulong snapshot));
        Assert.Equal(Errno.None, driver.Fs.AddSnapshot(0, snapshot, "mine"));
        Dictionary<ulong, int> written = Live(driver, keeper, file, days: 2, hoursEach: 1);
        Assert.Equal(HistoryPolicy.LevelMax, keeper.Status.Level);
        Assert.True(Shows(driver.Fs, snapshot, file, 5555));
        Assert.InRange(written.Count(w => Shows(driver.Fs, w.Key, file, w.Value)), 1, 30);
        Assert.Equal(0, HistoryPolicy.LevelMax - keeper.Plan().Level);
    }

    [Fact]
    public void Short_room_without_a_clock_thins_by_uptime_and_leaves_snapshots_leases_and_the_last_quarter()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = DateTimeOffset.UnixEpoch.AddMinutes(3);
        Vnode file = File(driver.Fs, "file");
        HistoryKeeper keeper = Keeper(driver.Fs, floor: 1L << 40);
        Write(driver.Fs, file, 0, Bytes(20_000, 5555));
        Assert.Equal(Errno.None, driver.Fs.SnapshotTid(0, out ulong snapshot));
        Assert.Equal(Errno.None, driver.Fs.AddSnapshot(0, snapshot, "mine"));
        Write(driver.Fs, file, 0, Bytes(20_000, 7777));
        Assert.Equal(Errno.None, driver.Fs.SnapshotTid(0, out ulong leased));
        IDisposable lease = driver.Fs.VerifySide(0).Keep(leased);
        Dictionary<ulong, int> written = Live(driver, keeper, file, days: 2, hoursEach: 1);
        Assert.Equal(HistoryPolicy.LevelMax, keeper.Status.Level);
        Assert.True(Shows(driver.Fs, snapshot, file, 5555));
        Assert.True(Shows(driver.Fs, leased, file, 7777));
        (ulong last, int content) = written.MaxBy(w => w.Key);
        Assert.True(Shows(driver.Fs, last, file, content));
        // One an hour for two days: without thinning all of the 48 would be there.
        Assert.InRange(written.Count(w => Shows(driver.Fs, w.Key, file, w.Value)), 1, 30);
        Assert.Empty(driver.Fs.Marks(0));
        lease.Dispose();
        driver.Fs.Dispose();
        MountedTree.AssertSound("without a clock", driver.Device);
    }

    [Fact]
    public void Short_room_after_a_start_without_a_clock_thins_by_the_order_of_the_marks()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = s_start;
        Vnode file = File(driver.Fs, "file");
        Dictionary<ulong, int> written = Live(driver, Keeper(driver.Fs), file, days: 3, hoursEach: 1);
        Assert.True(written.Count(w => Shows(driver.Fs, w.Key, file, w.Value)) > 60);
        driver.Remount();
        file = Find(driver.Fs, "file");
        // The clock begins in 1970, room is short, nothing is written any more.
        driver.Time.Wall = DateTimeOffset.UnixEpoch - driver.Time.Now;
        HistoryKeeper keeper = Keeper(driver.Fs, floor: 1L << 40);
        Write(driver.Fs, file, 0, Bytes(20_000, 8888));
        Sync(driver.Fs);
        Turn(keeper);
        int first = written.Count(w => Shows(driver.Fs, w.Key, file, w.Value));
        Assert.InRange(first, 24, written.Count);
        for (int i = 0; i < 10; i++)
        {
            driver.Time.Now += TimeSpan.FromMinutes(15);
            Turn(keeper);
        }
        Assert.Equal(HistoryPolicy.LevelMax, keeper.Status.Level);
        Assert.InRange(written.Count(w => Shows(driver.Fs, w.Key, file, w.Value)), 0, 3);
        Assert.Equal(Bytes(20_000, 8888), Read(driver.Fs, file));
        Assert.False(keeper.Plan().IsDue);
    }

    [Fact]
    public void Clock_that_was_wrong_when_marks_were_made_makes_nothing_older_by_more_than_a_day()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = s_start;
        Vnode file = File(driver.Fs, "file");
        Dictionary<ulong, int> written = Live(driver, Keeper(driver.Fs), file, days: 2, hoursEach: 4);
        // One mark ten years ahead, then the power goes and the clock is lost.
        driver.Time.Wall = TimeSpan.FromDays(3650);
        Write(driver.Fs, file, 0, Bytes(20_000, 1));
        Turn(Keeper(driver.Fs));
        driver.Remount();
        file = Find(driver.Fs, "file");
        driver.Time.Wall = DateTimeOffset.UnixEpoch - driver.Time.Now;
        HistoryKeeper keeper = Keeper(driver.Fs, floor: 1L << 40, policy: new HistoryPolicy
        {
            EveryVersion = TimeSpan.FromDays(2), Hourly = TimeSpan.FromDays(7), Daily = TimeSpan.FromDays(60),
        });
        Write(driver.Fs, file, 0, Bytes(20_000, 2));
        Sync(driver.Fs);
        Turn(keeper);
        Assert.NotNull(keeper.Status.LastThinned);
        Assert.All(written, w => Assert.True(Shows(driver.Fs, w.Key, file, w.Value)));
    }

    [Fact]
    public void Bytes_of_big_blocks_that_became_free_are_not_counted_as_waiting_for_reblock_once_more()
    {
        using EngineDriver driver = Small();
        driver.Time.Now = s_start;
        Vnode file = File(driver.Fs, "file");
        HistoryKeeper keeper = Keeper(driver.Fs, floor: 1L << 40, new HistoryPolicy
        {
            EveryVersion = TimeSpan.Zero, Hourly = TimeSpan.Zero, Daily = TimeSpan.Zero,
        });
        // Versions of 12 MiB: each leaves whole big-blocks, and parts of some.
        const int length = 12 << 20;
        long removed = 0, waiting = 0, free = 0;
        for (int i = 0; i < 6; i++)
        {
            Write(driver.Fs, file, 0, Bytes(length, i));
            Sync(driver.Fs);
            driver.Time.Now += TimeSpan.FromHours(25);
            free = driver.Fs.FreeBytes;
            Turn(keeper);
            removed = keeper.Status.BytesRemoved;
            long back = driver.Fs.FreeBytes - free;
            Assert.True(keeper.Status.WaitingBytes <= Math.Max(0, waiting + removed - back) + (1 << 20),
                $"{i}: {removed} removed, {back} came back, {waiting} waited, {keeper.Status.WaitingBytes} wait");
            waiting = keeper.Status.WaitingBytes;
        }
        Assert.True(removed >= length, $"the last pass removed {removed}");
        Assert.True(waiting < 4 * HammerConst.BigBlockBytes, $"{waiting} wait");
        keeper.NoteReblocked();
        Assert.Equal((false, 0), (keeper.Status.WantsReblock, keeper.Status.WaitingBytes));
    }

    [Fact]
    public void Rate_of_use_tells_when_it_is_full()
    {
        DateTimeOffset now = s_start;
        List<TimeMark> Falling(int hours, long perHour) => [.. Enumerable.Range(1, hours).Select(h =>
            new TimeMark(now.AddHours(-h), (ulong)(1000 - h), 100_000 + h * perHour))];
        Assert.Null(HistoryKeeper.FullInDays(Falling(3, 1000), now, 100_000));
        Assert.Null(HistoryKeeper.FullInDays(Falling(48, -1000), now, 100_000));
        Assert.InRange(HistoryKeeper.FullInDays(Falling(48, 1000), now, 100_000)!.Value, 4.1, 4.2);
        Assert.Null(HistoryKeeper.FullInDays([], now, 100_000));
    }

    [Fact]
    public void List_of_marks_stays_within_its_bound_for_ten_years()
    {
        var marks = new List<TimeMark>();
        DateTimeOffset time = s_start;
        for (ulong i = 1; i < 5000; i++)
        {
            // A fortnight of quarters of an hour, then years of days.
            time += i < 1500 ? TimeSpan.FromMinutes(15) : TimeSpan.FromDays(1);
            TimeMarks.Add(marks, new TimeMark(time, i * 16, 1000), thins: i % 7 != 0);
            Assert.True(marks.Count <= TimeMarks.CountMax);
            Assert.Equal(i * 16, marks[^1].Tid);
        }
        List<TimeMark> again = TimeMarks.Decode(TimeMarks.Encode(marks, 7));
        Assert.Equal(marks, again);
        Assert.True(TimeMarks.Encode(marks, 7).Length <= HammerConst.BufferBytes);
        byte[] damaged = TimeMarks.Encode(marks, 7);
        damaged[4] = 0xFF;
        Assert.Empty(TimeMarks.Decode(damaged));
        Assert.Empty(TimeMarks.Decode([]));
    }

    [Fact]
    public void Marks_of_moments_of_rest_each_few_minutes_do_not_drive_out_old_days()
    {
        var marks = new List<TimeMark>();
        DateTimeOffset time = s_start;
        for (ulong i = 1; i < 40 * 288; i++)
        {
            time += TimeSpan.FromMinutes(5);
            TimeMarks.Add(marks, new TimeMark(time, i * 16, 1000), thins: true);
        }
        Assert.InRange(marks.Count, 450, TimeMarks.CountMax);
        Assert.True(marks[0].Time < s_start.AddDays(1.1), marks[0].ToString());
        Assert.Equal(12, marks.Count(m => time - m.Time < TimeSpan.FromHours(1)));
        for (int i = 1; i < marks.Count; i++)
            Assert.True(marks[i].Time - marks[i - 1].Time <= TimeSpan.FromDays(2), $"{marks[i - 1]} {marks[i]}");
    }

    [Fact]
    public void Marks_of_a_clock_that_ran_ahead_are_taken_back_to_the_later_ones()
    {
        var marks = new List<TimeMark>();
        TimeMarks.Add(marks, new TimeMark(s_start, 16, 0), thins: false);
        TimeMarks.Add(marks, new TimeMark(s_start.AddYears(9), 32, 0), thins: false);
        TimeMarks.Add(marks, new TimeMark(s_start.AddHours(1), 48, 0), thins: false);
        Assert.Equal([s_start, s_start.AddHours(1), s_start.AddHours(1)], marks.Select(m => m.Time));
    }
}
