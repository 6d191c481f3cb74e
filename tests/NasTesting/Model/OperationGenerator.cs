using System;
using System.Collections.Generic;
using System.Linq;
using NasTesting.Oracle;

namespace NasTesting.Model;

/// <summary>Limits and rates of the random operation lists.</summary>
public sealed record OperationOptions
{
    /// <summary>Above this many paths deletions prevail.</summary>
    public int PathsMax { get; init; } = 200;

    /// <summary>Largest file size, bytes. The default crosses 1 MiB, where blocks grow to 64 KiB.</summary>
    public long FileBytesMax { get; init; } = 1_500_000;

    /// <summary>Longest single write.</summary>
    public int WriteBytesMax { get; init; } = 150_000;

    /// <summary>Percent of operations that must fail.</summary>
    public int ErrorPercent { get; init; } = 8;

    /// <summary>Sync markers in a thousand operations.</summary>
    public int SyncPerMille { get; init; } = 40;
    public int FsyncPerMille { get; init; } = 20;
    public int RemountPerMille { get; init; } = 5;
    public int CrashPerMille { get; init; } = 5;
    public bool Xattrs { get; init; } = true;
    public bool Punch { get; init; } = true;
}

/// <summary>
/// Random operation lists that always mean something: each operation is made for the tree that the model has at that
/// moment, most succeed, some must fail with a known errno. The same seed and options give the same list, and a list
/// printed line by line can be replayed by <see cref="ModelOp.ParseList"/>.
///
/// A driver calls <see cref="Step"/>, does the operation on the engine and compares the errno. Markers are for the
/// driver to carry out: at Sync it flushes the engine and calls ModelFs.Commit with the TID, at Remount it does the
/// same and mounts again, at Crash it cuts the engine off and takes the model back to what must have survived.
/// Left out on purpose, since the kernel answers before the file system does: permissions, set-id bits, access to
/// files of other types, and operations with two mistakes at once.
/// </summary>
public sealed class OperationGenerator(ulong seed, OperationOptions? options = null)
{
    static readonly string[] s_plain =
    [
        "a", "b", "c", "d", "dir", "file", "data.bin", "notes.txt", "a-b.c", "c.b-a", "b-a.c", "x_y~z", ".hidden",
        "...", "_", "-", "~",
        "A", "UPPER", "name with spaces", "Makefile", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
        "k8", "@@x", "a@b", "percent%41", "\u00fcml\u00e4ut", "\u65e5\u672c\u8a9e", "\U0001F600", "quote\"back\\slash",
        "new\nline", "\udcff\udcfe raw", "0x0000000100000001",
    ];

    static readonly long[] s_edges =
    [
        0, 1, 15, 16, 100, 511, 4096, 8191, 8192, 8193, 16383, 16384, 16385, 20000, 32768, 65535, 65536, 65537, 81920,
        131072, 1048575, 1048576, 1048577, 1064960, 1114112, 1114113, 1179648,
    ];

    readonly ModelRandom _random = new(seed);
    readonly OperationOptions _options = options ?? new OperationOptions();
    List<(string Path, ModelNode Node)> _all = [];

    /// <summary>For the message of a failed test.</summary>
    public ulong Seed { get; } = seed;

    /// <summary>Makes the next operation and does it to the model, unless it is a marker for the driver.</summary>
    public (ModelOp Op, ModelErrno Expected) Step(ModelFs fs)
    {
        ModelOp op = Next(fs);
        bool driver = op.IsMarker && op.Kind is not (OpKind.Clock or OpKind.Tick);
        return (op, driver ? ModelErrno.Ok : op.Apply(fs));
    }

    /// <summary>The next operation for the model's present tree; nothing is changed.</summary>
    public ModelOp Next(ModelFs fs)
    {
        _all = [.. fs.Tree.Walk()];
        ModelOp? op = Marker();
        op ??= _random.Percent(_options.ErrorPercent) ? Mistake() : null;
        while (op is null)
        {
            op = _all.Count > _options.PathsMax && _random.Percent(50) ? Remove() : Change();
        }
        return op;
    }

    ModelOp? Marker()
    {
        int fsync = _options.SyncPerMille + _options.FsyncPerMille;
        int remount = fsync + _options.RemountPerMille;
        int crash = remount + _options.CrashPerMille;
        int roll = _random.Below(1000);
        if (roll < _options.SyncPerMille) { return new ModelOp(OpKind.Sync); }
        if (roll < fsync) { return OnFile(path => new ModelOp(OpKind.Fsync) { Path = path }); }
        if (roll < remount) { return new ModelOp(OpKind.Remount); }
        if (roll < crash) { return new ModelOp(OpKind.Crash); }
        return roll < crash + 10 ? new ModelOp(OpKind.Tick) { A = (ulong)_random.Below(100) + 1 } : null;
    }

    ModelOp? Change()
    {
        int choice = _random.Below(100);
        return choice switch
        {
            < 14 => new ModelOp(OpKind.Create) { Path = NewPath(), Mode = RandomMode() },
            < 20 => new ModelOp(OpKind.Mkdir) { Path = NewPath(), Mode = 0x1C0 | RandomMode() },
            < 45 => Write(),
            < 54 => OnFile(p => new ModelOp(OpKind.Truncate) { Path = p, Length = Position(p) }),
            < 57 => OnFile(p => _options.Punch ? Punch(p) : null),
            < 61 => Symlink(),
            < 65 => Link(),
            < 67 => Mknod(),
            < 76 => Rename(),
            < 78 => Exchange(),
            < 87 => Remove(),
            < 90 => OnAny(p => new ModelOp(OpKind.Chmod) { Path = p, Mode = RandomMode() }),
            < 92 => Chown(),
            < 95 => OnAny(p => new ModelOp(OpKind.Utimes) { Path = p, A = Time(), B = Time() }),
            < 96 => OnAny(p => new ModelOp(OpKind.Chflags) { Path = p, A = (ulong)_random.Below(2) }),
            _ => _options.Xattrs ? Xattr() : null,
        };
    }

    // Operations that must fail; the tree may lack what a mistake needs.
    ModelOp? Mistake()
    {
        int choice = _random.Below(14);
        bool hasFile = TryPick(OfType(ModelType.File), out string? file);
        bool hasFull = TryPick(Where(n => n.Type == ModelType.Directory && !n.Entries.IsEmpty), out string? full);
        bool hasDir = TryPick(OfType(ModelType.Directory), out string? dir);
        string missing = NewPath();
        return choice switch
        {
            0 => OnAny(p => new ModelOp(OpKind.Create) { Path = p, Mode = 0x1A4 }),
            1 => OnAny(p => new ModelOp(OpKind.Mkdir) { Path = p, Mode = 0x1ED }),
            2 => new ModelOp(OpKind.Create) { Path = missing + "/below", Mode = 0x1A4 },
            3 when hasFile => new ModelOp(OpKind.Create) { Path = file + "/below", Mode = 0x1A4 },
            4 => new ModelOp(OpKind.Mkdir) { Path = "/" + new string('n', 256), Mode = 0x1ED },
            5 => new ModelOp(OpKind.Unlink) { Path = missing },
            6 when hasDir => new ModelOp(OpKind.Unlink) { Path = dir! },
            7 when hasFile => new ModelOp(OpKind.Rmdir) { Path = file! },
            8 when hasFull => new ModelOp(OpKind.Rmdir) { Path = full! },
            9 when hasDir => new ModelOp(OpKind.Link) { Path = dir!, Other = missing },
            10 when hasDir => new ModelOp(OpKind.Rename) { Path = dir!, Other = dir + "/" + s_plain[_random.Below(4)] },
            11 => new ModelOp(OpKind.Rename) { Path = missing, Other = missing + "x" },
            12 when hasFile => OnAny(p => new ModelOp(OpKind.RenameNew) { Path = file!, Other = p }),
            13 when hasFile => new ModelOp(OpKind.RemoveXattr) { Path = file!, Other = "user.never" },
            _ => null,
        };
    }

    ModelOp? Write() => OnFile(path =>
    {
        long offset = Position(path);
        long length = _random.Percent(60) ? _random.Below(5000L) + 1
            : Math.Max(1, _random.Pick(s_edges) + _random.Below(3) - 1);
        length = Math.Min(Math.Min(length, _options.WriteBytesMax), Math.Max(1, _options.FileBytesMax - offset));
        return new ModelOp(_random.Percent(50) ? OpKind.Write : OpKind.Wtext)
        {
            Path = path,
            Offset = offset,
            Length = length,
            Seed = (ulong)_random.Below(1 << 30),
        };
    });

    ModelOp Punch(string path)
    {
        long offset = Position(path);
        long length = Math.Max(1, _random.Pick(s_edges));
        return new ModelOp(OpKind.Punch) { Path = path, Offset = offset, Length = length };
    }

    // At an edge of the format, at the end of the file, or anywhere.
    long Position(string path)
    {
        long size = _all.First(p => p.Path == path).Node.Content.Size;
        long at = _random.Below(4) switch
        {
            0 => size,
            1 => _random.Below(size + 1),
            2 => Math.Max(0, _random.Pick(s_edges) + _random.Below(3) - 1),
            _ => _random.Pick(s_edges.AsSpan(0, 14).ToArray()),
        };
        return Math.Min(at, _options.FileBytesMax);
    }

    ModelOp Symlink()
    {
        int[] lengths = [1, 10, 23, 24, 25, 26, 100, 1023];
        string target = _random.Percent(30) ? "../" + _random.Pick(s_plain) : new string('t', _random.Pick(lengths));
        return new ModelOp(OpKind.Symlink) { Other = target, Path = NewPath() };
    }

    ModelOp? Link() => TryPick(Where(n => n.Type != ModelType.Directory), out string? path)
        ? new ModelOp(OpKind.Link) { Path = path!, Other = NewPath() } : null;

    ModelOp Mknod()
    {
        ModelType type = _random.Pick(
            [ModelType.Fifo, ModelType.Socket, ModelType.CharDevice, ModelType.BlockDevice]);
        bool device = type is ModelType.CharDevice or ModelType.BlockDevice;
        return new ModelOp(OpKind.Mknod)
        {
            Path = NewPath(),
            Type = type,
            Mode = 0x1A4,
            A = device ? (ulong)_random.Below(256) : 0,
            B = device ? (ulong)_random.Below(65536) : 0,
        };
    }

    ModelOp? Rename() => OnAny(from =>
    {
        string to = NewPath();
        if (_random.Percent(40) && TryPick(Where(_ => true), out string? existing)) { to = existing!; }
        // The kernel refuses an ancestor as the target with its own errno.
        return from.StartsWith(to + "/", StringComparison.Ordinal) ? null
            : new ModelOp(_random.Percent(15) ? OpKind.RenameNew : OpKind.Rename) { Path = from, Other = to };
    });

    ModelOp? Exchange() => OnAny(a => TryPick(Where(_ => true), out string? b)
        ? new ModelOp(OpKind.Exchange) { Path = a, Other = b! } : null);

    ModelOp? Remove()
    {
        if (_random.Percent(25) && TryPick(
            Where(n => n.Type == ModelType.Directory && n.Entries.IsEmpty), out string? empty))
        {
            return new ModelOp(OpKind.Rmdir) { Path = empty! };
        }
        return TryPick(Where(n => n.Type != ModelType.Directory), out string? path)
            ? new ModelOp(OpKind.Unlink) { Path = path! } : null;
    }

    // Not on directories: whether a group is inherited is the mount's choice.
    ModelOp? Chown() => TryPick(Where(n => n.Type != ModelType.Directory), out string? path)
        ? new ModelOp(OpKind.Chown) { Path = path!, A = (ulong)_random.Below(70000), B = (ulong)_random.Below(70000) }
        : null;

    ModelOp? Xattr()
    {
        if (!TryPick(Where(n => n.Type is ModelType.File or ModelType.Directory), out string? path)) { return null; }
        ModelNode node = _all.First(p => p.Path == path).Node;
        if (!node.Xattrs.IsEmpty && _random.Percent(35))
        {
            return new ModelOp(OpKind.RemoveXattr) { Path = path!, Other = _random.Pick([.. node.Xattrs.Keys]) };
        }
        return new ModelOp(OpKind.SetXattr)
        {
            Path = path!,
            Other = "user." + _random.Pick(s_plain.AsSpan(0, 8).ToArray()),
            Length = _random.Percent(70) ? _random.Below(100L) : _random.Below(4000L),
            Seed = (ulong)_random.Below(1 << 30),
        };
    }

    ModelOp? OnFile(Func<string, ModelOp?> make) =>
        TryPick(OfType(ModelType.File), out string? path) ? make(path!) : null;

    ModelOp? OnAny(Func<string, ModelOp?> make) => TryPick(Where(_ => true), out string? path) ? make(path!) : null;

    // Everything but the root.
    List<string> Where(Func<ModelNode, bool> wanted) =>
        [.. _all.Where(p => p.Path != "/" && wanted(p.Node)).Select(p => p.Path)];

    List<string> OfType(ModelType type) => Where(n => n.Type == type);

    bool TryPick(List<string> paths, out string? path)
    {
        path = paths.Count == 0 ? null : _random.Pick(paths);
        return path is not null;
    }

    // A path without an object, in an existing directory.
    string NewPath()
    {
        List<string> directories = OfType(ModelType.Directory);
        string directory = directories.Count == 0 || _random.Percent(25) ? "" : _random.Pick(directories);
        HashSet<string> taken = [.. _all.Select(p => p.Path)];
        for (int i = 0; ; i++)
        {
            string path = directory + "/" + RandomName();
            if (!taken.Contains(path)) { return path; }
        }
    }

    string RandomName()
    {
        string name = _random.Pick(s_plain);
        int kind = _random.Below(10);
        if (kind < 6) { name += _random.Below(100).ToString(System.Globalization.CultureInfo.InvariantCulture); }
        if (kind == 0) { name += new string('x', 255 - OracleText.Encode(name).Length); }
        return name;
    }

    int RandomMode() => _random.Pick([0x1A4, 0x1ED, 0x180, 0x1B6, 0x1FF, 0x000]);

    ulong Time() => 1_600_000_000_000_000 + (_random.Next() % 400_000_000_000_000);
}
