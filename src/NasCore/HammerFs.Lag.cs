using System;
using System.Threading;
using NasCore.Flush;
using NasCore.Mirror;

namespace NasCore;

// What mirrors wait for: how soon groups close, and how old what they do not have yet is.
public sealed partial class HammerFs
{
    readonly long _started;
    /// <summary>Replaced as a whole, so that changes read it without a lock.</summary>
    MirrorLag[] _lags = [];
    readonly Lock _lagLock = new();

    /// <summary>
    /// A peer listens until this is disposed: groups close after a second, unless that would write tails of files
    /// again and again (<see cref="FlushPace"/>).
    /// </summary>
    public IDisposable Listen() => Core.Pace.Listen();

    /// <summary>
    /// The lag of one mirror of a PFS from here on. What is there already counts as old as this mount, until the
    /// mirror's first acknowledgement.
    /// </summary>
    public MirrorLag OpenLag(int pfsId)
    {
        _lock.EnterWriteLock();
        try
        {
            bool isSlave = PfsOf(pfsId).Data.IsSlave;
            // A group on its way to the medium counts as known.
            ulong known = isSlave || _core is null ? SafeTid(pfsId) : Math.Max(SafeTid(pfsId), _core.ClosedTid);
            var lag = new MirrorLag(pfsId, isSlave, known, _started, _options.Time, CloseLag,
                end => KeepHistory(pfsId, end, end));
            // A change of the open group may be older than this object.
            if (!isSlave && _core is not null && _core.Group.HasTouched(pfsId)) lag.Changed(_core.Group.Tid);
            lock (_lagLock) _lags = [.. _lags, lag];
            return lag;
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }

    void CloseLag(MirrorLag lag)
    {
        lock (_lagLock) _lags = Array.FindAll(_lags, l => l != lag);
    }

    /// <summary>The first change of the open group to a PFS; under the exclusive lock.</summary>
    void LagFirstTouch(int pfsId)
    {
        foreach (MirrorLag lag in _lags)
        {
            if (lag.PfsId == pfsId && !lag.IsSlave) lag.Changed(_core!.Group.Tid);
        }
    }

    /// <summary>A slave that is mirrored on has got a batch; under the exclusive lock.</summary>
    void LagBatch(int pfsId, ulong end)
    {
        foreach (MirrorLag lag in _lags)
        {
            if (lag.PfsId == pfsId && lag.IsSlave) lag.Changed(end);
        }
    }

    /// <summary>
    /// The role of a PFS changes under mirrors that look at it; under the exclusive lock. What the open group does from
    /// here on may have had its first change before.
    /// </summary>
    void LagRole(int pfsId, bool isSlave)
    {
        foreach (MirrorLag lag in _lags)
        {
            if (lag.PfsId != pfsId || lag.IsSlave == isSlave) continue;
            lag.IsSlave = isSlave;
            if (!isSlave) lag.Changed(_core!.Group.Tid);
        }
    }

    /// <summary>A group closes; under the exclusive lock.</summary>
    void LagGroupClosed()
    {
        foreach (MirrorLag lag in _lags) lag.AddBytes(_core!.Group.TouchedBytes(lag.PfsId));
    }

    /// <summary>Nothing of a PFS changed between two TIDs.</summary>
    void LagSame(int pfsId, ulong from, ulong to)
    {
        foreach (MirrorLag lag in _lags)
        {
            if (lag.PfsId == pfsId) lag.Same(from, to);
        }
    }
}
