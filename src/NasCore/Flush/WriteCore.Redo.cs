using System;
using System.Collections.Generic;
using NasCore.Primitives;
using NasCore.Undo;

namespace NasCore.Flush;

/// <summary>fsync by REDO (Undo/RedoLog.cs): everybody who waits shares one write of the FIFO and one flush.</summary>
public sealed partial class WriteCore
{
    const long RedoBytesMax = 32 << 20;

    readonly List<FifoPiece> _pieces = [];
    Func<int, long, bool>? _askRedo;

    /// <summary>
    /// Lays down REDO of all that the open group has changed in an object (PFS id, object id); false if that cannot be,
    /// and the group has to close. Called under the exclusive lock; logs whole objects or nothing.
    /// </summary>
    public Func<int, long, bool>? OnRedo { get; set; }

    /// <summary>Where the front end lays down REDO; only in <see cref="OnRedo"/>.</summary>
    public UndoLog Log => _log;

    /// <summary>Times that fsync was served by REDO, for status; several who waited together count once.</summary>
    public long RedoFlushes => _disk.AheadWritten;

    /// <summary>
    /// True if REDO of so many bytes fits into the open group beside what has been promised to it (W7). REDO itself
    /// may fill an eighth of the FIFO, so that its replay finds room, and no more than what is quickly replayed.
    /// </summary>
    public bool HasRedoCredits(long payload, int ranges)
    {
        long redo = UndoLog.RedoWorst(payload, ranges);
        return _log.GroupBytes + _pendingUndo + 65536 + redo <= _log.Geometry.Bytes / 4
            && _log.RedoBytes + redo <= Math.Min(_log.Geometry.Bytes / 8, RedoBytesMax);
    }

    /// <summary>
    /// Calls back when all changes of an object up to now survive a crash: by REDO if <see cref="OnRedo"/> can, else
    /// when this group is durable.
    /// </summary>
    public void WhenSynced(int pfsId, long objId, long group, DurableCallback callback, object? state)
    {
        if (_waiters.AddRedo(pfsId, objId, group, callback, state)) _wake.Set();
        else callback(state, _waiters.Result(group));
    }

    /// <summary>
    /// Writes REDO for everybody who waits for it; the flusher's, or the caller's where no flusher runs. Who cannot be
    /// served waits for the group then.
    /// </summary>
    public void RedoOnce()
    {
        using (_flushLock.Hold())
        {
            _health.ThrowIfCritical();
            try
            {
                RedoTake();
                if (_pieces.Count > 0) _disk.WriteAhead(_pieces);
                _pieces.Clear();
                _waiters.AnswerRedo(Errno.None);
            }
            catch (Exception e)
            {
                Fail(e);
                throw;
            }
        }
    }

    void RedoTake()
    {
        _lock.EnterWriteLock();
        try
        {
            long before = _log.RedoBytes;
            _waiters.TakeRedo(_askRedo ??= (pfsId, objId) => OnRedo?.Invoke(pfsId, objId) == true);
            // Nothing new: what these wait for has been written for others, or is durable.
            if (_log.RedoBytes != before) _log.TakeUnwritten(_pieces);
        }
        finally
        {
            _lock.ExitWriteLock();
        }
    }
}
