using System;
using NasCore.Objects;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>The namespaces of extended attributes on Linux. The kernel asks FUSE about every name; a local file system
/// knows four of them, and so do we.</summary>
static class XattrNames
{
    static ReadOnlySpan<byte> Trusted => "trusted."u8;

    /// <summary>EOPNOTSUPP for a namespace that does not exist, EINVAL for a name that is nothing but a namespace.
    /// </summary>
    public static Errno Check(ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual(PosixAcl.AccessName) || name.SequenceEqual(PosixAcl.DefaultName)) return Errno.None;
        int dot = name.IndexOf((byte)'.');
        if (dot < 0) return Errno.OpNotSupp;
        ReadOnlySpan<byte> space = name[..(dot + 1)];
        if (!space.SequenceEqual("user."u8) && !space.SequenceEqual(Trusted) && !space.SequenceEqual("security."u8))
            return Errno.OpNotSupp;
        return space.Length == name.Length ? Errno.Inval : Errno.None;
    }

    /// <summary>Takes the trusted names out of a list of names that end in zeros; gives the length that is left.
    /// </summary>
    public static int HideTrusted(Span<byte> names)
    {
        int kept = 0;
        for (int at = 0; at < names.Length;)
        {
            int length = names[at..].IndexOf((byte)0) + 1;
            if (length == 0) length = names.Length - at;
            Span<byte> name = names.Slice(at, length);
            at += length;
            if (name.StartsWith(Trusted)) continue;
            name.CopyTo(names[kept..]);
            kept += length;
        }
        return kept;
    }
}
