using System;
using System.Threading;

namespace NasCore.Primitives;

/// <summary>
/// The latch of a mount: the first lost promise (failed flush or metadata write, broken invariant) is kept, and
/// everybody who would write asks here first.
/// </summary>
public sealed class MountHealth
{
    sealed record Failure(HammerOff Where, string What, Exception? Cause);

    Failure? _first;

    public bool IsCritical => Volatile.Read(ref _first) is not null;

    /// <summary>One sentence for status and messages; null while healthy.</summary>
    public string? Message => Volatile.Read(ref _first) is { } f
        ? $"mount is read-only since: {f.What} at {f.Where}" + (f.Cause is null ? "" : $" ({f.Cause.Message})")
        : null;

    /// <summary>What was thrown at the first failure; null while healthy, or if nothing was thrown.</summary>
    public Exception? Cause => Volatile.Read(ref _first)?.Cause;

    /// <summary>Called once, by the first failure only.</summary>
    public Action<string>? OnLatch { get; set; }

    public void LatchCritical(HammerOff where, string what, Exception? cause)
    {
        if (Interlocked.CompareExchange(ref _first, new Failure(where, what, cause), null) is null)
            OnLatch?.Invoke(Message!);
    }

    public void ThrowIfCritical()
    {
        if (Volatile.Read(ref _first) is { } f) throw new MountCriticalException(Message!, f.Cause);
    }
}
