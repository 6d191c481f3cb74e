using System;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace NasCore.Primitives;

/// <summary>
/// Trouble with the medium: a structure read from a disk is not what it must be. Carries the place and the facts;
/// the object concerned becomes EIO, the mount lives on.
/// </summary>
public sealed class HammerMediumException : Exception
{
    public HammerMediumException(HammerOff where, string what, Exception? inner = null)
        : base($"{what} at {where}", inner)
    {
        Where = where;
        What = what;
    }

    /// <summary>Address of the bad structure.</summary>
    public HammerOff Where { get; }
    /// <summary>What was being read and what was found instead.</summary>
    public string What { get; }
}

/// <summary>The input is not a usable HAMMER volume (set); the message says what, where and what to do.</summary>
public sealed class HammerFormatException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A broken invariant: a fault of this program. The mount that meets it is latched read-only.</summary>
public sealed class InvariantException(string message) : Exception(message);

/// <summary>An earlier failure has latched this mount read-only; nothing is written any more.</summary>
public sealed class MountCriticalException(string message, Exception? inner) : Exception(message, inner);

/// <summary>Invariant checks stay on in release builds.</summary>
public static class Invariant
{
    /// <summary>Throws <see cref="InvariantException"/> unless the condition holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Check([DoesNotReturnIf(false)] bool condition, string rule)
    {
        if (!condition) Fail(rule);
    }

    [DoesNotReturn]
    public static void Fail(string rule) => throw new InvariantException("broken invariant: " + rule);
}
