using System;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>
/// The slave PFS that a mirror stream is written to (mirroring-and-operations 4.4, 4.5). Localizations come as the
/// source has them; the target gives them its own PFS id. Methods may block until the medium has room. An error is the
/// stream's end: what was stored stays invisible behind sync_end_tid and is met again by the next batch.
/// </summary>
public interface IMirrorTarget
{
    /// <summary>The PFS now. <see cref="Errno.NoEnt"/> if there is no such PFS.</summary>
    Errno ReadPfs(out PseudofsData pfs);

    /// <summary>Whose history it has; null if that is not known. A batch brings the source's.</summary>
    Lineage? Lineage => null;

    /// <summary>It keeps a <see cref="Pfs.ResumeHint"/> in the PFS record while a batch is under way.</summary>
    bool KeepsHints { get; }

    /// <summary>Why a range must not end at this TID, or null.</summary>
    string? RefusesTid(ulong tid) => tid > Tid.PeerMax ? "no such TID" : null;

    /// <summary>A batch begins. The range is what its header said.</summary>
    Errno Begin(MirrorRange range);

    /// <summary>A record with its data, which are checked against its data_crc before they are stored.</summary>
    Errno Rec(in LeafElm leaf, ReadOnlySpan<byte> data);

    /// <summary>A record that must not be created, only compared; also one whose data are bad at the source
    /// (M5).</summary>
    Errno Pass(in LeafElm leaf);

    /// <summary>Nothing is known about this key range.</summary>
    Errno Skip(in BaseElm beg, in BaseElm end);

    /// <summary>
    /// SYNC: deletes what lies behind the last item (M6), makes sync_end_tid the range's end, and returns when all of
    /// it is durable.
    /// </summary>
    Errno Commit();

    /// <summary>The batch ends without SYNC.</summary>
    void Abandon();
}
