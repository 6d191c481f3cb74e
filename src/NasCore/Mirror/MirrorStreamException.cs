using System;
using System.Globalization;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// What arrived is not a mirror stream as mirroring-and-operations 3 describes it, or not one that this target may
/// take. Names the
/// record (counted from 0) and the byte offset at which it starts.
/// </summary>
public sealed class MirrorStreamException : Exception
{
    public MirrorStreamException(long record, long offset, string what, Exception? inner = null)
        : base(string.Create(CultureInfo.InvariantCulture, $"mirror stream, record {record} at byte {offset}: {what}"),
            inner)
    {
        Record = record;
        Offset = offset;
        What = what;
    }

    /// <summary>Number of the record in the stream, from 0.</summary>
    public long Record { get; }
    /// <summary>Offset of the record's first byte.</summary>
    public long Offset { get; }
    /// <summary>What was found.</summary>
    public string What { get; }
    /// <summary>What storing it came to, if the stream is good and the target could not take it; else None.</summary>
    public Errno Result { get; internal set; }
}
