using System;
using System.IO;
using System.Threading;
using NasCore.Mirror;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>What a box knows of comparisons over its restarts, and when it compares again.</summary>
public sealed class ProofMemoryTests : IDisposable
{
    static readonly VerifyMirror s_mirror = new("family", "nas2", true, "data", "family", TimeSpan.FromDays(7));
    static readonly MirrorStatus s_status = new()
    {
        Name = "family", IsSource = true, Peer = "nas2", Pfs = "data/family", Phase = MirrorPhase.InStep,
        SlaveTid = Tid(1),
    };

    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-proofs-").FullName;
    readonly PushedTime _time = new();
    string? _line;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static string Tid(ulong tid) => NasCore.Primitives.Tid.Format(tid);
    string FilePath => Path.Combine(_folder, ProofMemory.FileName);

    ProofMemory Start(TimeProvider? time = null) => new(_folder, time ?? _time, line => _line = line);

    static VerifyResult Equal(ulong tid, bool full) => new() { Outcome = VerifyOutcome.Equal, Tid = tid, Full = full };

    static VerifyResult Different(ulong tid, bool full) => new()
    {
        Outcome = VerifyOutcome.Differs, Tid = tid, Full = full, Path = "a/b", Offset = 512, What = "other data",
    };

    VerifySchedule Schedule(ProofMemory memory)
    {
        // From now on there is this mirror.
        memory.Of(s_mirror);
        return new VerifySchedule(new VerifyTimes(), s_mirror, memory, _time);
    }

    [Fact]
    public void Restart_forgets_neither_proof_nor_difference_nor_the_interval()
    {
        ProofMemory memory = Start();
        memory.Compared(s_mirror, Equal(1, full: true));
        _time.Advance(TimeSpan.FromDays(3));
        memory.Save();
        memory = Start();
        MirrorProof proof = memory.Proof(s_mirror)!;
        Assert.Equal((Tid(1), true, false, null), (proof.Tid, proof.IsFull, proof.IsHere, proof.Differs));
        Assert.Equal(3 * 86400, proof.AgeSeconds, 1.0);
        VerifySchedule schedule = Schedule(memory);
        Assert.Equal(VerifyDue.Nothing, schedule.Due(s_status, out TimeSpan wait));
        Assert.Equal(4, wait.TotalDays, 0.01);
        // Not a moment of it is lost, though the clock stands in 1970 at each start.
        _time.Advance(TimeSpan.FromDays(4.1));
        Assert.Equal(VerifyDue.Full, schedule.Due(s_status, out _));
        memory.Compared(s_mirror, Different(1, full: true));
        proof = Start().Proof(s_mirror)!;
        Assert.Equal(("a/b at 512: other data", true, Tid(1)), (proof.Differs, proof.DiffersFull, proof.Tid));
        Assert.Null(_line);
    }

    [Fact]
    public void Quick_proof_cannot_take_back_what_reading_the_data_has_found()
    {
        ProofMemory memory = Start();
        memory.Compared(s_mirror, Different(1, full: true));
        memory.Compared(s_mirror, Equal(2, full: false));
        memory = Start();
        Assert.Equal(("a/b at 512: other data", null), (memory.Proof(s_mirror)!.Differs, memory.Proof(s_mirror)!.Tid));
        memory.Compared(s_mirror, Equal(2, full: true));
        Assert.Equal((null, Tid(2)), (Start().Proof(s_mirror)!.Differs, Start().Proof(s_mirror)!.Tid));
    }

    [Fact]
    public void Quick_proofs_are_written_with_the_ages_and_at_the_end_and_not_each()
    {
        ProofMemory memory = Start();
        memory.Compared(s_mirror, Equal(1, full: false));
        memory.Compared(s_mirror, Equal(2, full: false));
        Assert.Equal(Tid(1), Start().Proof(s_mirror)!.Tid);
        TimeSpan left = memory.SaveSometimes();
        Assert.InRange(left, TimeSpan.FromHours(5), TimeSpan.FromHours(6));
        _time.Advance(left);
        memory.SaveSometimes();
        Assert.Equal(Tid(2), Start().Proof(s_mirror)!.Tid);
        memory.Compared(s_mirror, Equal(3, full: false));
        memory.Save();
        Assert.Equal(Tid(3), Start().Proof(s_mirror)!.Tid);
    }

    [Fact]
    public void New_copy_and_another_place_are_not_proven()
    {
        ProofMemory memory = Start();
        memory.Compared(s_mirror, Equal(1, full: true));
        Assert.Null(Start().Proof(s_mirror with { Peer = "nas3" }));
        Assert.Null(Start().Proof(s_mirror with { Pfs = "music" }));
        Assert.Null(Start().Proof(s_mirror with { IsSource = false }));
        Assert.NotNull(Start().Proof(s_mirror with { FullEvery = TimeSpan.Zero }));
        memory.Forget(s_mirror);
        Assert.Null(Start().Proof(s_mirror));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{\"proofs\":null}")]
    [InlineData("{\"proofs\":[null]}")]
    [InlineData("{\"proofs\":[{\"mirror\":\"a\",\"provenTid\":\"later\"}]}")]
    [InlineData("{\"proofs\":[{\"mirror\":\"a\",\"provenAge\":-1}]}")]
    [InlineData("{\"proofs\":[{\"mirror\":\"a\",\"fullAge\":1e300}]}")]
    [InlineData("{\"proofs\":[{\"mirror\":\"a\\u001b[2J\"}]}")]
    [InlineData("{\"proofs\":[{}]}")]
    public void File_that_cannot_be_is_none(string content)
    {
        File.WriteAllText(FilePath, content);
        ProofMemory memory = Start();
        Assert.Contains("everything is compared anew", _line, StringComparison.Ordinal);
        Assert.Null(memory.Proof(s_mirror));
        memory.Compared(s_mirror, Equal(1, full: false));
        Assert.NotNull(Start().Proof(s_mirror));
    }

    [Fact]
    public void Folder_that_cannot_be_written_is_told_once()
    {
        ProofMemory memory = Start();
        Directory.CreateDirectory(FilePath);
        int lines = 0;
        _line = null;
        for (ulong tid = 1; tid < 4; tid++)
        {
            memory.Compared(s_mirror, Equal(tid, full: true));
            if (_line is not null) lines++;
            _line = null;
        }
        Directory.Delete(FilePath);
        Assert.Equal((1, Tid(3)), (lines, memory.Proof(s_mirror)!.Tid));
    }

    /// <summary>A wall clock that somebody sets; no time passes.</summary>
    sealed class SetClock : TimeProvider
    {
        internal DateTimeOffset Wall { get; set; }
        public override DateTimeOffset GetUtcNow() => Wall;
        public override long GetTimestamp() => 0;
    }

    [Fact]
    public void Time_off_counts_where_there_is_a_clock()
    {
        var clock = new SetClock { Wall = new DateTimeOffset(2026, 11, 1, 0, 0, 0, TimeSpan.Zero) };
        ProofMemory memory = Start(clock);
        memory.Compared(s_mirror, Equal(1, full: true));
        clock.Wall += TimeSpan.FromDays(10);
        Assert.Equal(0, memory.FullAge(s_mirror).TotalDays, 0.01);
        memory = Start(clock);
        Assert.Equal(10, memory.FullAge(s_mirror).TotalDays, 0.01);
        // A clock that is back in 1970 makes nothing younger.
        memory.Save();
        clock.Wall = DateTimeOffset.UnixEpoch;
        Assert.Equal(10, Start(clock).FullAge(s_mirror).TotalDays, 0.01);
    }

    [Fact]
    public void Schedule_keeps_to_its_share_and_leaves_a_proven_pair_alone()
    {
        var times = new VerifyTimes();
        ProofMemory memory = Start();
        VerifySchedule schedule = Schedule(memory);
        MirrorStatus status = s_status with { Phase = MirrorPhase.FirstLoad };
        Assert.Equal(VerifyDue.Nothing, schedule.Due(status, out TimeSpan wait));
        Assert.Equal(Timeout.InfiniteTimeSpan, wait);
        status = s_status;
        Assert.Equal(VerifyDue.Quick, schedule.Due(status, out _));
        memory.Compared(s_mirror, Equal(1, full: false));
        schedule.Done(full: false, TimeSpan.FromSeconds(3), compared: true);
        Assert.Equal(VerifyDue.Nothing, schedule.Due(status, out wait));
        Assert.InRange(wait, TimeSpan.FromDays(6), TimeSpan.FromDays(7));
        // Three seconds are five percent of a minute.
        status = status with { SlaveTid = Tid(2) };
        Assert.Equal(VerifyDue.Nothing, schedule.Due(status, out wait));
        Assert.Equal(57, wait.TotalSeconds, 0.1);
        _time.Advance(TimeSpan.FromSeconds(58));
        Assert.Equal(VerifyDue.Quick, schedule.Due(status, out _));
        schedule.Done(full: false, TimeSpan.FromSeconds(1), compared: false);
        Assert.Equal(VerifyDue.Nothing, schedule.Due(status, out wait));
        Assert.Equal(times.RetryAfter, wait);
    }

    [Fact]
    public void Full_comparison_that_cannot_be_done_keeps_no_quick_one_away()
    {
        ProofMemory memory = Start();
        VerifySchedule schedule = Schedule(memory);
        _time.Advance(TimeSpan.FromDays(8));
        // Both are due: the short one first.
        Assert.Equal(VerifyDue.Quick, schedule.Due(s_status, out _));
        memory.Compared(s_mirror, Equal(1, full: false));
        schedule.Done(full: false, TimeSpan.FromSeconds(1), compared: true);
        Assert.Equal(VerifyDue.Full, schedule.Due(s_status, out _));
        TimeSpan last = TimeSpan.Zero;
        for (ulong i = 2; i < 12; i++)
        {
            schedule.Done(full: true, TimeSpan.FromSeconds(1), compared: false);
            Assert.Equal(VerifyDue.Nothing, schedule.Due(s_status, out TimeSpan wait));
            Assert.InRange(wait, last, TimeSpan.FromHours(1));
            last = wait;
            _time.Advance(TimeSpan.FromSeconds(30));
            MirrorStatus newer = s_status with { SlaveTid = Tid(i) };
            Assert.Equal(VerifyDue.Quick, schedule.Due(newer, out _));
            _time.Advance(wait);
            Assert.Equal(VerifyDue.Full, schedule.Due(s_status, out _));
        }
        // Who has read for hours does not begin again at once.
        schedule.Done(full: true, TimeSpan.FromHours(5), compared: false);
        schedule.Due(s_status, out TimeSpan after);
        Assert.Equal(TimeSpan.FromHours(15), after);
    }
}
