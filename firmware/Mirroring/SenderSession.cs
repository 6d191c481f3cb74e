using System;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasFirmware.Status;

namespace NasFirmware.Mirroring;

/// <summary>
/// What a source's session tells, turned into the mirror's numbers; those go to the board and, with each beat, to the
/// other box.
/// </summary>
sealed class SenderSession(MirrorMeter meter, SentCounter counter, MirrorLag lag, long loadBytesMax,
    Action<string> log)
    : MirrorWatcher
{
    /// <summary>Records, or bytes, between two looks at the counters: on a slow line one record is news.</summary>
    internal const int LookEvery = 64, LookEveryBytes = 32 << 10;

    long _noted, _sent;
    int _records;

    /// <summary>The connection, once there is one.</summary>
    internal IMirrorCarrier? Conduit { get; set; }
    /// <summary>A batch was acknowledged, or found empty.</summary>
    internal Action? Acknowledged { get; set; }

    /// <summary>
    /// There is something that the target does not have. From now on the stream must move: also while the target owes
    /// the answer with which a batch begins.
    /// </summary>
    internal void News() => SetBehind(true);

    public override void ScanBegins(MirrorRange range)
    {
        SetBehind(true);
        lag.Sending(range.End);
        bool load = range.Begin <= MirrorMeter.FirstBegin;
        meter.Change(s => s with
        {
            Phase = load ? MirrorPhase.FirstLoad : MirrorPhase.Streaming, MasterTid = Tid.Format(range.End),
            // What kept the stream from beginning does not any more; what ended one may do so again.
            Problem = s.Phase == MirrorPhase.Hindered ? s.Problem : null,
        });
        Conduit?.BeatSoon();
    }

    public override void Progress(long objId, long bytes)
    {
        _sent = bytes;
        if (++_records % LookEvery == 0 || _sent - _noted >= LookEveryBytes) Note();
    }

    void Note()
    {
        meter.Moved(_sent - _noted);
        _noted = _sent;
    }

    public override void BatchEnded(in MirrorBatch batch)
    {
        Note();
        if (batch.End == MirrorBatchEnd.Broken) return;
        MirrorRange range = batch.Range;
        counter.Acknowledged();
        lag.Acknowledge(range.End);
        meter.Change(s => s with
        {
            MasterTid = Tid.Format(range.End), SlaveTid = Tid.Format(range.End),
            BytesSent = counter.Sent, BytesResent = counter.Resent, Progress = null, SecondsLeft = null,
            BytesBehind = lag.BytesBehind,
        });
        Acknowledged?.Invoke();
    }

    public override void Resumed(MirrorRange range, BaseElm key) =>
        meter.Change(static s => s with { Resumes = s.Resumes + 1 });

    public override void Hinted(ulong begin, ulong end, in BaseElm key)
    {
        BaseElm own = key;
        own.Localization |= (uint)lag.PfsId << 16;
        counter.Hinted(begin, end, in own);
    }

    public override void ResumeRefused(string reason) => log(reason);

    public override void Waiting()
    {
        SetBehind(false);
        meter.Change(static s => s with { Phase = MirrorPhase.InStep, BytesBehind = 0 });
        Conduit?.BeatSoon();
    }

    void SetBehind(bool behind) => Conduit?.SetBehind(behind);

    /// <summary>The clock's look: the numbers of this moment.</summary>
    internal void Look() => meter.Change(s =>
    {
        s = s with
        {
            BytesSent = counter.Sent, BytesResent = counter.Resent, BytesBehind = lag.BytesBehind,
        };
        if (s.Phase != MirrorPhase.FirstLoad) return s;
        // Without a prescan nobody knows; what the volume holds is the most that there can be.
        double done = Math.Clamp((double)(counter.Sent - counter.Resent) / Math.Max(1, loadBytesMax), 0, 0.999);
        double rest = loadBytesMax * (1 - done);
        return s with
        {
            Progress = Math.Round(done, 3), BytesBehind = (long)rest,
            SecondsLeft = s.BytesPerSecond > 0 ? Math.Round(rest / s.BytesPerSecond) : null,
        };
    });

    internal PeerEvent Beat()
    {
        MirrorStatus s = meter.Status;
        return new PeerEvent
        {
            Kind = PeerEventKind.Beat, Lag = s.LagSeconds, BytesLeft = s.BytesBehind, Progress = s.Progress,
            SecondsLeft = s.SecondsLeft, Tid = s.MasterTid,
        };
    }

    /// <summary>A target cannot have what its source has not: who says so is not believed.</summary>
    internal void Heard(PeerEvent e)
    {
        if (e.Tid is not { } tid) return;
        meter.Change(s => s.MasterTid is { } last && string.CompareOrdinal(tid, last) <= 0
            ? s with { SlaveTid = tid } : s);
    }
}
