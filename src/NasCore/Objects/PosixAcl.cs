using System;
using System.Buffers.Binary;

namespace NasCore.Objects;

/// <summary>
/// POSIX ACLs in the form that Linux passes them as attributes: version 2 (4 bytes), then entries of tag (2),
/// permissions (2), id (4). The kernel checks access; here modes and ACLs are kept in step.
/// </summary>
public static class PosixAcl
{
    public static ReadOnlySpan<byte> AccessName => "system.posix_acl_access"u8;
    public static ReadOnlySpan<byte> DefaultName => "system.posix_acl_default"u8;
    /// <summary>Longest ACL that is inherited: 500 entries.</summary>
    public const int BytesMax = 4 + 500 * 8;

    const int UserObj = 0x01, User = 0x02, GroupObj = 0x04, Group = 0x08, Mask = 0x10, Other = 0x20;

    public static bool IsAccess(ReadOnlySpan<byte> name) => name.SequenceEqual(AccessName);

    /// <summary>True for what needs no record: an access ACL that is the mode, and an empty one.</summary>
    public static bool IsMinimal(ReadOnlySpan<byte> name, ReadOnlySpan<byte> acl) =>
        acl.Length <= 4 || (IsAccess(name) && acl.Length == 4 + 3 * 8);

    /// <summary>The mode that an access ACL stands for; false if the ACL is malformed.</summary>
    public static bool TryMode(ReadOnlySpan<byte> acl, ushort oldMode, out ushort mode)
    {
        mode = oldMode;
        if (acl.Length < 4 || acl.Length % 8 != 4 || BinaryPrimitives.ReadUInt32LittleEndian(acl) != 2) return false;
        int user = -1, group = -1, mask = -1, other = -1;
        for (int at = 4; at < acl.Length; at += 8)
        {
            int tag = BinaryPrimitives.ReadUInt16LittleEndian(acl[at..]);
            int perm = BinaryPrimitives.ReadUInt16LittleEndian(acl[(at + 2)..]) & 7;
            switch (tag)
            {
                case UserObj: user = perm; break;
                case GroupObj: group = perm; break;
                case Mask: mask = perm; break;
                case Other: other = perm; break;
                case User or Group: break;
                default: return false;
            }
        }
        if (user < 0 || group < 0 || other < 0) return acl.Length == 4;
        int middle = mask >= 0 ? mask : group;
        mode = (ushort)((oldMode & ~0x1FF) | (user << 6) | (middle << 3) | other);
        return true;
    }

    /// <summary>
    /// Makes the access ACL of a new object out of its directory's default ACL, in place, limited by the mode asked
    /// for; sets the mode. True if the ACL says more than the mode.
    /// </summary>
    public static bool Inherit(Span<byte> acl, ref ushort mode)
    {
        bool extended = false;
        int maskAt = -1, groupAt = -1, result = 0;
        for (int at = 4; at + 8 <= acl.Length; at += 8)
        {
            int tag = BinaryPrimitives.ReadUInt16LittleEndian(acl[at..]);
            switch (tag)
            {
                case UserObj: result |= Limit(acl, at, (mode >> 6) & 7) << 6; break;
                case Other: result |= Limit(acl, at, mode & 7); break;
                case GroupObj: groupAt = at; break;
                case Mask:
                    maskAt = at;
                    extended = true;
                    break;
                default: extended = true; break;
            }
        }
        int middle = maskAt >= 0 ? maskAt : groupAt;
        if (middle >= 0) result |= Limit(acl, middle, (mode >> 3) & 7) << 3;
        mode = (ushort)((mode & ~0x1FF) | result);
        return extended;
    }

    static int Limit(Span<byte> acl, int at, int allowed)
    {
        int perm = BinaryPrimitives.ReadUInt16LittleEndian(acl[(at + 2)..]) & allowed;
        BinaryPrimitives.WriteUInt16LittleEndian(acl[(at + 2)..], (ushort)perm);
        return perm;
    }
}
