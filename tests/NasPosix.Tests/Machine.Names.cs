using System;
using System.Globalization;
using System.Text;

namespace NasPosix.Tests;

/// <summary>Commands that make, move and remove names.</summary>
sealed partial class Machine
{
    void AddNameCommands()
    {
        _commands["mkdir"] = w => Sys.Name(WithPath(w[1], p => Sys.Call(Sys.MkDirAt, Sys.AtCwd, p, w.Mode(2, "755"))));
        _commands["rmdir"] = w => Sys.Name(Unlink(Sys.AtCwd, w[1], Sys.AtRemoveDir));
        _commands["unlink"] = w => Sys.Name(Unlink(Sys.AtCwd, w[1], 0));
        _commands["unlinkat"] = w => Sys.Name(Unlink(Fd(w[1]), w[2], 0));
        _commands["mkdirat"] = w => Sys.Name(WithPath(w[2], p => Sys.Call(Sys.MkDirAt, Fd(w[1]), p, 0x1ED)));
        _commands["link"] = w => Sys.Name(Two(w[1], w[2], (a, b) =>
            Sys.Call(Sys.LinkAt, Sys.AtCwd, a, Sys.AtCwd, b, w[3] == "follow" ? Sys.AtFollow : 0)));
        _commands["linkfd"] = w => Sys.Name(Two("", w[2], (a, b) =>
            Sys.Call(Sys.LinkAt, Fd(w[1]), a, Sys.AtCwd, b, Sys.AtEmptyPath)));
        _commands["linkproc"] = w => Sys.Name(Two(string.Create(CultureInfo.InvariantCulture,
            $"/proc/self/fd/{Fd(w[1])}"), w[2],
            (a, b) => Sys.Call(Sys.LinkAt, Sys.AtCwd, a, Sys.AtCwd, b, Sys.AtFollow)));
        _commands["symlink"] = w => Sys.Name(Two(w[1], w[2], (a, b) => Sys.Call(Sys.SymlinkAt, a, Sys.AtCwd, b)));
        _commands["rename"] = w => Sys.Name(Two(w[1], w[2], (a, b) => Sys.Call(Sys.RenameAt2, Sys.AtCwd, a, Sys.AtCwd,
            b, w[3] switch { "" => 0, "noreplace" => 1, "exchange" => 2, "both" => 3, _ => 4 })));
        _commands["mknod"] = w => Sys.Name(WithPath(w[1], p => Sys.Call(Sys.MkNodAt, Sys.AtCwd, p,
            FileType(w[2]) | w.Mode(3, "600"), Device(w.Number(4), w.Number(5)))));
        _commands["readlink"] = w =>
        {
            using var memory = new Sys.Memory((int)w.Number(2, 5000));
            long n = WithPath(w[1], p => Sys.Call(Sys.ReadLinkAt, Sys.AtCwd, p, memory.At, w.Number(2, 5000)));
            return n < 0 ? Sys.Name(n) : Show(memory.Bytes((int)n));
        };
        _commands["chdir"] = w => Sys.Name(WithPath(w[1], p => Sys.Call(Sys.ChDir, p)));
        _commands["umask"] = w => Sys.Call(Sys.UMask, w.Mode(1)) >= 0 ? "ok" : "?";
        _commands["deep"] = w => Deep((int)w.Number(1), (int)w.Number(2));
        _commands["links"] = w => Many(w, (a, b) => Sys.Call(Sys.LinkAt, Sys.AtCwd, a, Sys.AtCwd, b, 0));
    }

    static long Unlink(long at, string path, int flags) => WithPath(path, p => Sys.Call(Sys.UnlinkAt, at, p, flags));

    static long Two(string first, string second, Func<long, long, long> call)
    {
        using var a = new Sys.Memory(first);
        using var b = new Sys.Memory(second);
        return call(a.At, b.At);
    }

    static long FileType(string text) => text switch
    {
        "fifo" => 0x1000, "char" => 0x2000, "dir" => 0x4000, "block" => 0x6000, "file" => 0x8000, "link" => 0xA000,
        "sock" => 0xC000, "none" => 0, _ => 0xF000,
    };

    static long Device(long major, long minor) => (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFFL) << 12;

    /// <summary>"links FILE N": links of a file, how many there can be up to N.</summary>
    static string Many(Words w, Func<long, long, long> call)
    {
        for (long i = 0; i < w.Number(2); i++)
        {
            long result = Two(w[1], w[1] + i.ToString(CultureInfo.InvariantCulture), call);
            if (result < 0) return $"{Sys.Name(result)} after {i}";
        }
        return "ok";
    }

    /// <summary>Directories in each other, deeper than a path can name; the current directory goes down with them and
    /// comes back, removing them.</summary>
    static string Deep(int levels, int nameLength)
    {
        string name = new('d', nameLength);
        var text = new StringBuilder();
        int made = 0;
        for (; made < levels; made++)
        {
            long result = WithPath(name, p => Sys.Call(Sys.MkDirAt, Sys.AtCwd, p, 0x1ED));
            if (result >= 0) result = WithPath(name, p => Sys.Call(Sys.ChDir, p));
            if (result < 0)
            {
                text.Append(Sys.Name(result)).Append(" down ");
                break;
            }
        }
        for (int i = 0; i < made; i++)
        {
            long result = WithPath("..", p => Sys.Call(Sys.ChDir, p));
            if (result >= 0) result = Unlink(Sys.AtCwd, name, Sys.AtRemoveDir);
            if (result < 0) return text + Sys.Name(result) + " up";
        }
        return text + made.ToString(CultureInfo.InvariantCulture);
    }
}
