using System;
using System.Globalization;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>The facts about one side of a mirror that decide what to do.</summary>
public readonly record struct PfsState(Guid SharedUuid, Guid UniqueUuid, bool IsSlave, ulong SyncBegTid,
    ulong SyncEndTid)
{
    /// <summary>Of a master that was a slave: where its own history begins (architecture M4).</summary>
    public PromotionMark? Promotion { get; init; }

    /// <summary>Of a slave: the unique UUID of its source; empty if not known.</summary>
    public Guid FedBy { get; init; }

    /// <summary>Whose history it has; null if that is not known.</summary>
    public Lineage? Lineage { get; init; }

    public static PfsState Of(in PseudofsData pfs) =>
        new(pfs.SharedUuid, pfs.UniqueUuid, pfs.IsSlave, pfs.SyncBegTid, pfs.SyncEndTid)
        {
            Promotion = !pfs.IsSlave && PromotionMark.TryGet(pfs, out PromotionMark mark) ? mark : null,
            FedBy = pfs.IsSlave ? SlaveMark.FedBy(in pfs) : Guid.Empty,
        };
}

/// <summary>
/// What to do about a source and a target: a pure function of the facts that both sides reported. Refusals are values
/// that carry
/// those facts, so that command line, panel and tests read the same thing.
/// </summary>
public abstract record MirrorPlan
{
    /// <summary>The two are not copies of one PFS.</summary>
    public sealed record Unrelated(Guid Source, Guid Target) : MirrorPlan;
    /// <summary>The target takes writes of its own.</summary>
    public sealed record TargetIsMaster : MirrorPlan;
    /// <summary>The target has a newer state than the source can give.</summary>
    public sealed record SlaveAhead(ulong TargetEnd, ulong SourceEnd) : MirrorPlan;
    /// <summary>The target was the master before the source was promoted, and still thinks so.</summary>
    public sealed record FormerMaster(PromotionMark Promotion) : MirrorPlan;
    /// <summary>
    /// The target has what is not in the source's history, as what a former master did after another one was promoted.
    /// The mark's end is where they have parted; 0: nobody knows where.
    /// </summary>
    public sealed record Parted(ulong TargetEnd, PromotionMark Promotion) : MirrorPlan;
    /// <summary>It is the source that has what is not in the history that the target follows.</summary>
    public sealed record SourceParted(ulong TargetEnd, PromotionMark Promotion) : MirrorPlan;
    public sealed record UpToDate(ulong EndTid) : MirrorPlan;
    /// <summary>Send what happened after From up to and with To.</summary>
    public sealed record Send(ulong From, ulong To) : MirrorPlan;

    /// <summary>True if nothing may be sent.</summary>
    public bool IsRefusal => this is Unrelated or TargetIsMaster or SlaveAhead or FormerMaster or Parted
        or SourceParted;

    public static MirrorPlan Of(PfsState source, PfsState target)
    {
        if (source.SharedUuid != target.SharedUuid) return new Unrelated(source.SharedUuid, target.SharedUuid);
        if (OfLineages(in source, in target, out bool isSame) is { } parted) return parted;
        return (source, target) switch
        {
            ({ Promotion: { } p }, { IsSlave: false }) when p.Former == target.UniqueUuid => new FormerMaster(p),
            _ when !target.IsSlave => new TargetIsMaster(),
            // Without lists: these TIDs are the former master's, unless the target has them from the source itself:
            // the group of the promotion still has a number below the first TID of its own.
            ({ Promotion: { EndTid: > 0 } p }, { SyncEndTid: var end }) when !isSame && end > p.EndTid && end < p.Tid
                && target.FedBy != source.UniqueUuid => new Parted(end, p),
            _ when target.SyncEndTid > source.SyncEndTid => new SlaveAhead(target.SyncEndTid, source.SyncEndTid),
            _ when target.SyncEndTid == source.SyncEndTid => new UpToDate(target.SyncEndTid),
            _ => new Send(target.SyncEndTid, source.SyncEndTid),
        };
    }

    /// <summary>
    /// What the two lists of segments say: where the histories have parted, if the target is beyond that. Null if they
    /// say nothing against a mirror; isSame if they even say that what the target has is the source's history.
    /// </summary>
    static MirrorPlan? OfLineages(in PfsState source, in PfsState target, out bool isSame)
    {
        isSame = false;
        if (source.Lineage is not { } from || target.Lineage is not { } to) return null;
        ulong end = target.SyncEndTid;
        if (!Lineage.TryPart(from, to, out ulong common, out LineageSegment? ofSource, out LineageSegment? ofTarget))
        {
            if (!target.IsSlave || !from.Knows(end) || !to.Knows(end)) return null;
            bool isMarked = source.Promotion is { EndTid: > 1 } p && p.EndTid + 1 == from.Segments[0].First;
            return new Parted(end, isMarked ? source.Promotion!.Value : default);
        }
        if (!target.IsSlave)
            return ofSource is { } next ? new FormerMaster(Mark(next, common, target.UniqueUuid)) : null;
        isSame = end <= common;
        if (isSame) return null;
        if (ofSource is { } own) return new Parted(end, Mark(own, common, target.UniqueUuid));
        // A source that is itself still on its way to where the target is already.
        bool isBehind = source.IsSlave && source.SyncEndTid <= common;
        return isBehind ? null : new SourceParted(end, Mark(ofTarget!.Value, common, source.UniqueUuid));
    }

    static PromotionMark Mark(LineageSegment next, ulong common, Guid unique) =>
        new(next.Own, Guid.Empty, unique, common);

    /// <summary>One sentence: what was found and what to do.</summary>
    public string Sentence => this switch
    {
        Unrelated u => $"the shared UUIDs differ (source {u.Source:D}, target {u.Target:D}): these are not copies of "
            + "one PFS; create the target with pfs-slave and the source's shared-uuid",
        TargetIsMaster => "the target is a master; only a slave can be a mirror's target (pfs-downgrade makes it one)",
        SlaveAhead a => $"the target is at {Tid.Format(a.TargetEnd)}, ahead of the source at "
            + $"{Tid.Format(a.SourceEnd)}: the source is not where the target came from, or went back in time",
        FormerMaster f => "the target was the master before the source was promoted, and went its own way "
            + $"since {Tid.Format(f.Promotion.EndTid)}: pfs-rejoin PATH {f.Promotion} makes it a slave, and shows "
            + "before what it loses",
        Parted { Promotion.EndTid: 0 } p => $"the target is at {Tid.Format(p.TargetEnd)}, which is not in the source's "
            + "history, and where the two have parted is not known: make a new slave with pfs-slave and the same "
            + "shared-uuid, mirror to it, and destroy this one when nothing in it is missed",
        SourceParted p => $"the target is at {Tid.Format(p.TargetEnd)}, and the source has gone another way since "
            + $"{Tid.Format(p.Promotion.EndTid)}: pfs-rejoin PATH {p.Promotion} on the source takes it back, and shows "
            + "before what it loses",
        Parted p => $"the target is at {Tid.Format(p.TargetEnd)}, which is not in the source's history, but that of a "
            + $"former master since {Tid.Format(p.Promotion.EndTid)}: pfs-rejoin PATH {p.Promotion} on the target "
            + "takes it back, and shows before what it loses",
        UpToDate u => $"up to date at {Tid.Format(u.EndTid)}",
        Send s => $"send {Tid.Format(s.From)} to {Tid.Format(s.To)}",
        _ => ToString(),
    };
}

/// <summary>
/// The TIDs of one batch, both inclusive, and how they come about (mirroring-and-operations 3.6).
/// </summary>
public readonly record struct MirrorRange(ulong Begin, ulong End)
{
    /// <summary>
    /// The source's times mark (architecture W12): a slave fed by one that keeps mtime in history shows stored times,
    /// any other shows ctime. 0 on the source's side.
    /// </summary>
    public uint TimesMark { get; init; }

    /// <summary>At the target: the source's unique UUID.</summary>
    public Guid Source { get; init; }

    /// <summary>At the target: whose history the source has; null if it does not say.</summary>
    public Lineage? Lineage { get; init; }

    /// <summary>At the target: Begin is the true one and the source knows what a resume hint is (M3).</summary>
    public bool IsExact { get; init; }

    /// <summary>Nothing to scan: the batch is IDLE.</summary>
    public bool IsEmpty => Begin >= End;

    /// <param name="source">The source as it describes itself now; its sync_end_tid is the safe TID.</param>
    /// <param name="targetEnd">What the target has, in two-way mode; null in one-way mode.</param>
    /// <param name="chunkEnd">End of the chunk at hand, if the range is split.</param>
    /// <param name="previousEnd">One-way: end of the chunk before, if there was one.</param>
    /// <param name="forcedBegin">An explicit begin-tid replaces the start in every batch.</param>
    public static MirrorRange Select(PfsState source, ulong? targetEnd, ulong? chunkEnd = null,
        ulong? previousEnd = null, ulong? forcedBegin = null)
    {
        ulong begin = 0;
        if (targetEnd is { } t) begin = Next(t);
        else if (previousEnd is { } p) begin = Next(p);
        begin = Math.Max(begin, source.SyncBegTid);
        if (forcedBegin is { } f) begin = f;
        ulong end = chunkEnd is { } c ? Math.Min(c, source.SyncEndTid) : source.SyncEndTid;
        return new(begin, end);
    }

    static ulong Next(ulong tid) => tid == Tid.Max ? tid : tid + 1;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Begin:x16} to {End:x16}");
}
