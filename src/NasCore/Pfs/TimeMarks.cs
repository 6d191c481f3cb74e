using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace NasCore.Pfs;

/// <summary>What a PFS was at a moment: the TID that names it, and how much room the file system had.</summary>
/// <param name="Time">Wall clock when the mark was made.</param>
/// <param name="Tid">The state as of this TID is whole, as that of a snapshot.</param>
/// <param name="FreeBytes">Bytes in free big-blocks then.</param>
public readonly record struct TimeMark(DateTimeOffset Time, ulong Tid, long FreeBytes);

/// <summary>
/// Up to which TIDs versions of a PFS were removed without history; 0: none were, all ones in a record:
/// it goes on since the mount that wrote it.
/// </summary>
/// <param name="HollowTo">By a mount without history: no state below is whole, marked or not.</param>
/// <param name="LostTo">By such a mount or a file's flag: the PFS cannot go back to a state below.</param>
public readonly record struct HistoryLoss(ulong HollowTo, ulong LostTo);

// Time marks: which TID belongs to which moment (docs/decisions/0015)
//
// TIDs are no clock, and a board may not have one. So each PFS keeps a list of marks (wall time, TID, free bytes), in
// one record: type 0x17 (config) of object 1 with a key of our own. HAMMER reads the config record with key 0 and no
// other, and never mirrors this type, so each copy of a PFS has its own list.
//
// The list is bounded: a mark a quarter of an hour (more in the last hour), thinned to one an hour after two days, and
// to one a day after two weeks. Each mark is at the same time a promise: the state as of its TID is whole. A prune that
// does not keep a TID takes its mark off the list before it removes anything.
//
// The head of the record says up to which TID prunes have gone: below it only what is marked or a snapshot is whole. It
// is durable before the first removal, so that nobody takes a hollow state for a whole one: a snapshot of the past, a
// former master that goes back to where a promotion began, a mirror that goes on with an old batch.
//
// Behind the marks it says how far versions were removed without history. A mount without history notes that it does so
// in the group of its first removal; the next mount takes everything before itself for hollow.
//
// TIDs only rise; a clock may go back. Then the later mark is right and the earlier one was ahead: read from the
// newest to the oldest, no time is later than the one behind it. History then looks younger than it is, and is kept
// for longer, never for less.

/// <summary>The list of time marks of a PFS; see the page above.</summary>
public static class TimeMarks
{
    /// <summary>Key of the record: "NHtm".</summary>
    public const long RecordKey = 0x6D74484E;
    /// <summary>First word of its data: "NHm1".</summary>
    const uint Magic = 0x316D484E;
    const int HeadBytes = 16, MarkBytes = 24, LossBytes = 16;
    /// <summary>So many fit into one buffer of 16 KiB with room to spare.</summary>
    public const int CountMax = 660;

    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(15);
    /// <summary>The same, where the file system has come to rest.</summary>
    public static readonly TimeSpan RestInterval = TimeSpan.FromMinutes(2);
    static readonly TimeSpan s_newFor = TimeSpan.FromHours(1);
    static readonly TimeSpan s_fineFor = TimeSpan.FromDays(2), s_hourlyFor = TimeSpan.FromDays(14);

    /// <summary>Clocks that show an earlier time have not been set since the start.</summary>
    public static readonly DateTimeOffset ClockIsSetFrom = new(2024, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>
    /// Data of the record: magic, count, the TID up to which prunes have gone, then for each mark microseconds, TID,
    /// bytes; then, if anything was lost without history, the two TIDs of that.
    /// </summary>
    public static byte[] Encode(IReadOnlyList<TimeMark> marks, ulong prunedTo, HistoryLoss loss = default)
    {
        int end = HeadBytes + marks.Count * MarkBytes;
        byte[] data = new byte[loss == default ? end : end + LossBytes];
        if (loss != default)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(end), loss.HollowTo);
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(end + 8), loss.LostTo);
        }
        BinaryPrimitives.WriteUInt32LittleEndian(data, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(4), marks.Count);
        BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(8), prunedTo);
        for (int i = 0; i < marks.Count; i++)
        {
            Span<byte> at = data.AsSpan(HeadBytes + i * MarkBytes, MarkBytes);
            BinaryPrimitives.WriteInt64LittleEndian(at, (marks[i].Time - DateTimeOffset.UnixEpoch).Ticks / 10);
            BinaryPrimitives.WriteUInt64LittleEndian(at[8..], marks[i].Tid);
            BinaryPrimitives.WriteInt64LittleEndian(at[16..], marks[i].FreeBytes);
        }
        return data;
    }

    /// <summary>The TID up to which prunes have gone, from a record; 0: none has.</summary>
    public static ulong PrunedTo(ReadOnlySpan<byte> data) =>
        data.Length < HeadBytes || BinaryPrimitives.ReadUInt32LittleEndian(data) != Magic
            ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(data[8..]);

    /// <summary>What was lost without history, from a record.</summary>
    public static HistoryLoss Loss(ReadOnlySpan<byte> data)
    {
        if (data.Length < HeadBytes || BinaryPrimitives.ReadUInt32LittleEndian(data) != Magic) return default;
        int count = BinaryPrimitives.ReadInt32LittleEndian(data[4..]), end = HeadBytes + count * MarkBytes;
        if (count is < 0 or > CountMax || data.Length < end + LossBytes) return default;
        return new HistoryLoss(BinaryPrimitives.ReadUInt64LittleEndian(data[end..]),
            BinaryPrimitives.ReadUInt64LittleEndian(data[(end + 8)..]));
    }

    /// <summary>
    /// Marks from a record, ascending; times as the page above says. What is no list of marks is an empty one: it is a
    /// help, and a new one will be written.
    /// </summary>
    public static List<TimeMark> Decode(ReadOnlySpan<byte> data)
    {
        var marks = new List<TimeMark>();
        if (data.Length < HeadBytes || BinaryPrimitives.ReadUInt32LittleEndian(data) != Magic) return marks;
        int count = BinaryPrimitives.ReadInt32LittleEndian(data[4..]);
        if (count is < 0 or > CountMax || data.Length < HeadBytes + count * MarkBytes) return marks;
        ulong last = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> at = data.Slice(HeadBytes + i * MarkBytes, MarkBytes);
            long micros = BinaryPrimitives.ReadInt64LittleEndian(at);
            ulong tid = BinaryPrimitives.ReadUInt64LittleEndian(at[8..]);
            if (tid <= last || micros < 0 || micros > MicrosMax) return [];
            last = tid;
            DateTimeOffset time = DateTimeOffset.UnixEpoch.AddTicks(micros * 10);
            marks.Add(new TimeMark(time, tid, BinaryPrimitives.ReadInt64LittleEndian(at[16..])));
        }
        DecodeOrder(marks);
        return marks;
    }

    /// <summary>The year 9999.</summary>
    const long MicrosMax = 253_402_300_799_000_000;

    static void DecodeOrder(List<TimeMark> marks)
    {
        for (int i = marks.Count - 2; i >= 0; i--)
        {
            if (marks[i].Time > marks[i + 1].Time) marks[i] = marks[i] with { Time = marks[i + 1].Time };
        }
    }

    /// <summary>Adds a mark at the end; the list stays within its bound.</summary>
    /// <param name="marks">The list, ascending.</param>
    /// <param name="mark">The present.</param>
    /// <param name="thins">Thins the list for its age, by a clock that is certain.</param>
    public static void Add(List<TimeMark> marks, TimeMark mark, bool thins)
    {
        // A mark that is not newer adds nothing; the clock of the newest one is the one that counts.
        if (marks.Count > 0 && mark.Tid <= marks[^1].Tid) return;
        marks.Add(mark);
        DecodeOrder(marks);
        // The last one of a day, of an hour: a choice that does not change as time goes on.
        int kept = 0;
        for (int i = 0; i < marks.Count; i++)
        {
            bool isLast = !thins || i == marks.Count - 1
                || AddSlot(marks[i], mark.Time) != AddSlot(marks[i + 1], mark.Time);
            if (isLast) marks[kept++] = marks[i];
        }
        marks.RemoveRange(kept, marks.Count - kept);
        // Years of days: every other one of the oldest half.
        for (int i = marks.Count / 2; marks.Count > CountMax && i > 0; i -= 2) marks.RemoveAt(i);
    }

    static (int, long) AddSlot(in TimeMark mark, DateTimeOffset now)
    {
        TimeSpan age = now - mark.Time;
        long minutes = mark.Time.ToUnixTimeSeconds() / 60;
        // Those of moments of rest may lie closer together than a quarter of an hour.
        if (age <= s_newFor) return (0, (long)mark.Tid);
        return age <= s_fineFor ? (3, minutes / 15) : age <= s_hourlyFor ? (1, minutes / 60) : (2, minutes / 1440);
    }
}
