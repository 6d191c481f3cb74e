using System;
using NasFirmware.Config;

namespace NasFirmware.Mirroring;

/// <summary>Times and bounds that all mirrors of a box share.</summary>
record MirrorTimes
{
    /// <summary>So many beats fit into the silence after which the other side is taken for gone.</summary>
    internal const int BeatsInSilence = 4;
    /// <summary>Least time between two batches to the original: each of them is a sync there, and one more version of
    /// the PFS record.</summary>
    internal static readonly TimeSpan OriginalDelay = TimeSpan.FromSeconds(5);
    /// <summary>Something is said at least so often.</summary>
    public TimeSpan Beat { get; init; } = TimeSpan.FromSeconds(10);
    /// <summary>Who says nothing for so long has gone, whatever the connection looks like.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>First and longest wait between attempts.</summary>
    public TimeSpan BackoffMin { get; init; } = TimeSpan.FromSeconds(1);
    public TimeSpan BackoffMax { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>Wait after a refusal that only a person can change; who has just changed it does not wait long.
    /// </summary>
    public TimeSpan RefusedRetry { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>Least time between two batches of a stream.</summary>
    public TimeSpan BatchDelay { get; init; } = TimeSpan.Zero;
    /// <summary>How often numbers are looked at and shown while something moves.</summary>
    public TimeSpan StatusEvery { get; init; } = TimeSpan.FromSeconds(1);
    /// <summary>A loop that was told to let go and has not after so long is taken for hung.</summary>
    public TimeSpan HungAfter { get; init; } = TimeSpan.FromMinutes(3);
}

/// <summary>A mirror that this box sends: a [mirrors] section whose "from" names this box.</summary>
sealed record MirrorSendOptions
{
    public required string Name { get; init; }
    /// <summary>The box that it goes to, a [peers] section; over ssh the machine, for the owner.</summary>
    public required string Peer { get; init; }
    /// <summary>It goes to a machine with the original's hammer; null: to a box.</summary>
    public SshTarget? Ssh { get; init; }
    public required string Volume { get; init; }
    /// <summary>Path of the PFS in the volume; empty: the root PFS.</summary>
    public string Pfs { get; init; } = "";
    /// <summary>Bytes a second on the wire, comparisons included; 0: no limit.</summary>
    public long Bandwidth { get; init; }
    public TimeSpan LagLimit { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>Behind, and no byte moved for so long: the stream is restarted.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);
    public MirrorTimes Times { get; init; } = new();
    /// <summary>The source is a slave itself; another one than before is another stream, with a lag of its own.
    /// </summary>
    public bool FromSlave { get; init; }

    internal string Place => Pfs.Length == 0 ? Volume : Volume + "/" + Pfs;
}

/// <summary>A mirror that this box takes: a [mirrors] section whose "to" names this box. It is the grant.</summary>
sealed record MirrorReceiveOptions
{
    public required string Name { get; init; }
    /// <summary>The box that it comes from; nobody else may write it.</summary>
    public required string Peer { get; init; }
    public required string Volume { get; init; }
    /// <summary>Path of the slave PFS in the volume.</summary>
    public required string Pfs { get; init; }
    /// <summary>Of what this side says, as <see cref="MirrorSendOptions.Bandwidth"/>.</summary>
    public long Bandwidth { get; init; }
    public TimeSpan LagLimit { get; init; } = TimeSpan.FromSeconds(60);
    public MirrorTimes Times { get; init; } = new();
    /// <summary>A former master that does not know yet who feeds it: the first that comes does (MirrorRoles).
    /// </summary>
    public bool Awaits { get; init; }

    internal string Place => Volume + "/" + Pfs;
}
