using System;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>The two ways in which a batch is opened; records are the same (mirroring-and-operations 3.5).</summary>
public enum MirrorDialect
{
    /// <summary>Release 2.2 to the end: the source speaks first, with an ident header.</summary>
    B,
    /// <summary>Release 2.0: the target speaks first.</summary>
    A,
}

/// <summary>How a side talks.</summary>
public record MirrorOptions
{
    public MirrorDialect Dialect { get; init; }
    /// <summary>The channel is full duplex and the target answers.</summary>
    public bool TwoWay { get; init; }
}

/// <summary>What a source does.</summary>
public sealed record MirrorSourceOptions : MirrorOptions
{
    public const long ChunkBytesUsual = 4L << 30;

    /// <summary>Goes on with what happens later, until the link breaks.</summary>
    public bool Stream { get; init; }
    /// <summary>Least time between batches.</summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>Replaces the start of every batch.</summary>
    public ulong? ForcedBegin { get; init; }
    /// <summary>Lowers the end of every batch; for reproducing a stream.</summary>
    public ulong? ForcedEnd { get; init; }
    /// <summary>Batches of about this many bytes, each a restart point; 0 is no splitting.</summary>
    public long ChunkBytes { get; init; } = ChunkBytesUsual;
    /// <summary>Ends the batch at hand after this time; zero is no limit.</summary>
    public TimeSpan TimeLimit { get; init; }
}

/// <summary>One of the two sides must not go on: the facts are in the plan.</summary>
public sealed class MirrorRefusedException(MirrorPlan? plan, string message) : Exception(message)
{
    public MirrorPlan? Plan { get; } = plan;
}

/// <summary>How a batch ended.</summary>
public enum MirrorBatchEnd
{
    Synced,
    Idle,
    /// <summary>The source ended the stream inside the batch, or the time limit did; nothing was committed.</summary>
    Broken,
}

/// <summary>Numbers of one batch.</summary>
public record struct MirrorBatch
{
    public MirrorRange Range;
    public MirrorBatchEnd End;
    public long Recs, Passes, Skips, BadCrcs, Bytes, NodesVisited;
}

/// <summary>Told of what a session does, on its thread; the base class does nothing with it.</summary>
public class MirrorWatcher
{
    public virtual void ScanBegins(MirrorRange range) { }
    /// <summary>Called for every record: must be cheap.</summary>
    public virtual void Progress(long objId, long bytes) { }
    public virtual void BatchEnded(in MirrorBatch batch) { }
    /// <summary>The source goes on inside a batch that broke, from the target's hint.</summary>
    public virtual void Resumed(MirrorRange range, Ondisk.BaseElm key) { }
    /// <summary>The target says up to which key of a batch from this source it has come, whether that fits or not.
    /// </summary>
    /// <param name="begin">The first TID of that batch.</param>
    /// <param name="key">In the source's localization 0.</param>
    public virtual void Hinted(ulong begin, ulong end, in Ondisk.BaseElm key) { }
    /// <summary>The target has a hint that does not fit: the batch starts over behind the target's TID.</summary>
    public virtual void ResumeRefused(string reason) { }
    /// <summary>A stream waits for new TIDs.</summary>
    public virtual void Waiting() { }
    /// <summary>A stream keeps the distance between batches.</summary>
    public virtual void Delaying() { }
    /// <summary>The range was split.</summary>
    public virtual void Split(int chunks, long bytes) { }
    /// <summary>A record's data fail their CRC at the source.</summary>
    public virtual void BadData(in Ondisk.LeafElm leaf) { }

    internal static void Require(Errno result, string what)
    {
        if (result.IsError) throw new MirrorRefusedException(null, $"{what}: {result}");
    }
}
