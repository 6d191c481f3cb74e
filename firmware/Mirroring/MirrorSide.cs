using System;
using System.IO;
using NasFirmware.Control;

namespace NasFirmware.Mirroring;

/// <summary>
/// One side of a mirror, run to its end between two byte streams: what the other side sends comes in, what this side
/// sends goes out.
/// </summary>
abstract class MirrorSide
{
    /// <summary>True if it ended as it should.</summary>
    internal abstract bool Run(Stream input, Stream output);

    /// <summary>Ends a run that is under way, from another thread.</summary>
    internal abstract void Abort();

    /// <summary>The side that [[user@]host:]path names.</summary>
    internal static MirrorSide Of(string spec, bool source, MirrorSettings settings, MirrorProgress progress)
    {
        int colon = spec.IndexOf(':', StringComparison.Ordinal);
        // Differs: what begins like a path is local, colons or not; the original takes every colon for a host's.
        bool remote = colon > 0 && spec[0] != '/' && spec[0] != '.' && !PfsPath.Exists(spec);
        if (remote) return new RemoteSide(spec[..colon], spec[(colon + 1)..], source, settings);
        return source ? new LocalSource(spec, settings, progress) : new LocalTarget(spec, settings, progress);
    }
}
