using System.Globalization;

namespace NasCore.Primitives;

/// <summary>
/// Result of an operation as a Linux error number; the default value is success. Expected outcomes travel as
/// values of this type, never as exceptions.
/// </summary>
public readonly record struct Errno(int Value)
{
    public static readonly Errno None = default;
    public static readonly Errno Perm = new(1), NoEnt = new(2), Intr = new(4), Io = new(5), NxIo = new(6),
        TooBig = new(7), BadF = new(9), Again = new(11), NoMem = new(12), Access = new(13), Fault = new(14),
        Busy = new(16), Exist = new(17), XDev = new(18), NoDev = new(19), NotDir = new(20), IsDir = new(21),
        Inval = new(22), NFile = new(23), NoTty = new(25), FBig = new(27), NoSpc = new(28), SPipe = new(29),
        RoFs = new(30), MLink = new(31), Range = new(34), NameTooLong = new(36), NoSys = new(38),
        NotEmpty = new(39), Loop = new(40), NoData = new(61), Overflow = new(75), OpNotSupp = new(95),
        Stale = new(116);

    /// <summary>
    /// Not an error for the caller of the file system: the open flush group has no room for this operation.
    /// Nothing was changed; repeat it after the group has become durable. Never reaches the kernel.
    /// </summary>
    public static readonly Errno NeedFlush = new(1_000_001);

    public bool IsError => Value != 0;

    public override string ToString() => Value switch
    {
        0 => "OK", 1 => "EPERM", 2 => "ENOENT", 4 => "EINTR", 5 => "EIO", 6 => "ENXIO", 7 => "E2BIG", 9 => "EBADF",
        11 => "EAGAIN", 12 => "ENOMEM", 13 => "EACCES", 14 => "EFAULT", 16 => "EBUSY", 17 => "EEXIST",
        18 => "EXDEV", 19 => "ENODEV", 20 => "ENOTDIR", 21 => "EISDIR", 22 => "EINVAL", 23 => "ENFILE",
        25 => "ENOTTY", 27 => "EFBIG", 28 => "ENOSPC", 29 => "ESPIPE", 30 => "EROFS", 31 => "EMLINK",
        34 => "ERANGE", 36 => "ENAMETOOLONG", 38 => "ENOSYS", 39 => "ENOTEMPTY", 40 => "ELOOP", 61 => "ENODATA",
        75 => "EOVERFLOW", 95 => "ENOTSUP", 116 => "ESTALE", 1_000_001 => "NEEDFLUSH",
        _ => "errno " + Value.ToString(CultureInfo.InvariantCulture),
    };
}
