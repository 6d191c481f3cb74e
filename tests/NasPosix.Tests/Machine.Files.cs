using System;
using System.Globalization;
using System.Linq;

namespace NasPosix.Tests;

/// <summary>Commands on open files: content, holes, mappings, locks.</summary>
sealed partial class Machine
{
    static int OpenFlags(string text)
    {
        int flags = 0;
        foreach (string word in text.Split(','))
        {
            flags |= word switch
            {
                "r" => 0, "w" => 1, "rw" => 2, "3" => 3, "creat" => 0x40, "excl" => 0x80, "trunc" => 0x200,
                "append" => 0x400, "nonblock" => 0x800, "dsync" => 0x1000, "direct" => 0x4000, "dir" => 0x10000,
                "nofollow" => 0x20000, "noatime" => 0x40000, "sync" => 0x101000, "path" => 0x200000,
                "tmp" => 0x410000, _ => throw new ArgumentException(word),
            };
        }
        return flags;
    }

    static long Open(string path, string flags, long mode = 0, long at = Sys.AtCwd) =>
        WithPath(path, p => Sys.Call(Sys.OpenAt, at, p, OpenFlags(flags) | 0x80000, mode));

    string Keep(string name, long fd)
    {
        if (fd < 0) return Sys.Name(fd);
        if (_fds.Remove(name, out long old)) Sys.Call(Sys.Close, old);
        _fds[name] = fd;
        return "ok";
    }

    /// <summary>Opens, does, closes; the first error counts.</summary>
    static long Opened(string path, string flags, long mode, Func<long, long> use)
    {
        long fd = Open(path, flags, mode);
        if (fd < 0) return fd;
        long result = use(fd);
        Sys.Call(Sys.Close, fd);
        return result;
    }

    static long WriteAt(long fd, byte[] data, long at)
    {
        using var memory = new Sys.Memory(data);
        return at < 0 ? Sys.Call(Sys.Write, fd, memory.At, data.Length)
            : Sys.Call(Sys.PWrite, fd, memory.At, data.Length, at);
    }

    static string ReadAt(long fd, long length, long at)
    {
        using var memory = new Sys.Memory((int)length);
        long n = Sys.Call(Sys.PRead, fd, memory.At, length, at);
        return n < 0 ? Sys.Name(n) : Show(memory.Bytes((int)n));
    }

    void AddFileCommands()
    {
        _commands["open"] = w => Keep(w[1], Open(w[2], w[3], w.Mode(4)));
        _commands["openat"] = w => Keep(w[1], Open(w[3], w[4], w.Mode(5), Fd(w[2])));
        _commands["close"] = w => _fds.Remove(w[1], out long fd) ? Sys.Name(Sys.Call(Sys.Close, fd)) : "EBADF";
        _commands["create"] = w => Sys.Name(Opened(w[1], "w,creat,excl", w.Mode(2), _ => 0));
        _commands["tryopen"] = w => Sys.Name(Opened(w[1], w[2], w.Mode(3), _ => 0));
        _commands["put"] = w => Sys.Name(Opened(w[1], "w,creat,trunc", 0x1A4, fd => WriteAt(fd, w.Text(2), 0)));
        _commands["add"] = w => Sys.Name(Opened(w[1], "w,append", 0, fd => WriteAt(fd, w.Text(2), -1)));
        _commands["cat"] = w =>
        {
            string text = "";
            long result = Opened(w[1], "r", 0, fd => (text = ReadAt(fd, 4 << 20, 0)).Length);
            return result < 0 ? Sys.Name(result) : text;
        };
        _commands["write"] = w => Result(WriteAt(Fd(w[1]), w.Text(3), w.Number(2)));
        _commands["append"] = w => Result(WriteAt(Fd(w[1]), w.Text(2), -1));
        _commands["read"] = w => ReadAt(Fd(w[1]), w.Number(3), w.Number(2));
        _commands["seek"] = w => Result(Sys.Call(Sys.LSeek, Fd(w[1]), w.Number(3),
            Array.IndexOf(["set", "cur", "end", "data", "hole"], w[2])));
        _commands["fsync"] = w => Sys.Name(Sys.Call(Sys.FSync, Fd(w[1])));
        _commands["fdatasync"] = w => Sys.Name(Sys.Call(Sys.FDataSync, Fd(w[1])));
        _commands["truncate"] = w => Sys.Name(WithPath(w[1], p => Sys.Call(Sys.Truncate, p, w.Number(2))));
        _commands["ftruncate"] = w => Sys.Name(Sys.Call(Sys.FTruncate, Fd(w[1]), w.Number(2)));
        _commands["fallocate"] = w => Sys.Name(Sys.Call(Sys.FAllocate, Fd(w[1]), FallocateMode(w[2]), w.Number(3),
            w.Number(4)));
        _commands["copy"] = w => CopyRange(Fd(w[1]), w.Number(2), Fd(w[3]), w.Number(4), w.Number(5), w.Number(6));
        _commands["sendfile"] = w => Result(Sys.Call(Sys.SendFile, Fd(w[1]), Fd(w[2]), 0, w.Number(3)));
        _commands["datamap"] = w => DataMap(Fd(w[1]));
        _commands["getflags"] = w => Result(Sys.Call(Sys.Fcntl, Fd(w[1]), 3) & 0x400);
        AddMappingCommands();
        AddLockCommands();
    }

    static int FallocateMode(string text) => text.Split(',').Sum(word => word switch
    {
        "alloc" => 0, "keep" => 1, "punch" => 2, "collapse" => 8, "zero" => 0x10, "insert" => 0x20, "unshare" => 0x40,
        _ => throw new ArgumentException(word),
    });

    static string CopyRange(long from, long fromAt, long to, long toAt, long length, long flags)
    {
        using var memory = new Sys.Memory([.. BitConverter.GetBytes(fromAt), .. BitConverter.GetBytes(toAt)]);
        return Result(Sys.Call(Sys.CopyFileRange, from, memory.At, to, memory.At + 8, length, flags));
    }

    /// <summary>Where data lie, as SEEK_DATA and SEEK_HOLE tell, rounded outwards to 64 KiB: block sizes differ.
    /// </summary>
    static string DataMap(long fd)
    {
        string map = "";
        long end = 0;
        while (true)
        {
            long data = Sys.Call(Sys.LSeek, fd, end, 3);
            if (data < 0) return map + Sys.Name(data);
            end = Sys.Call(Sys.LSeek, fd, data, 4);
            map += string.Create(CultureInfo.InvariantCulture, $"{data >> 16}-{(end + 65535) >> 16} ");
        }
    }

    void AddMappingCommands()
    {
        _commands["mmap"] = w =>
        {
            bool write = w[5].Contains('w', StringComparison.Ordinal);
            bool isPrivate = w[5].Contains('p', StringComparison.Ordinal);
            long at = Sys.Call(Sys.MMap, 0, w.Number(4), write ? 3 : 1, isPrivate ? 2 : 1, Fd(w[2]), w.Number(3));
            if (at is < 0 and > -4096) return Sys.Name(at);
            (_maps[w[1]], _mapSizes[w[1]]) = (at, w.Number(4));
            return "ok";
        };
        _commands["poke"] = w =>
        {
            Sys.Poke(_maps[w[1]] + w.Number(2), w.Text(3));
            return "ok";
        };
        _commands["peek"] = w => Show(Sys.Peek(_maps[w[1]] + w.Number(2), (int)w.Number(3)));
        _commands["msync"] = w => Sys.Name(Sys.Call(Sys.MSync, _maps[w[1]], _mapSizes[w[1]], 4));
        _commands["munmap"] = w =>
        {
            _maps.Remove(w[1], out long at);
            return Sys.Name(Sys.Call(Sys.MUnmap, at, _mapSizes[w[1]]));
        };
    }

    void AddLockCommands()
    {
        _commands["lock"] = w => Lock(6, w).Result;
        _commands["ofdlock"] = w => Lock(37, w).Result;
        _commands["getlock"] = w => Lock(5, w).Found;
        _commands["flock"] = w => Sys.Name(Sys.Call(Sys.Flock, Fd(w[1]),
            w[2] switch { "sh" => 1 | 4, "ex" => 2 | 4, _ => 8 }));
    }

    /// <summary>struct flock: type, whence, start, length, pid.</summary>
    (string Result, string Found) Lock(int command, Words w)
    {
        byte[] request = new byte[32];
        BitConverter.GetBytes((short)(w[2] switch { "r" => 0, "w" => 1, _ => 2 })).CopyTo(request, 0);
        BitConverter.GetBytes(w.Number(3)).CopyTo(request, 8);
        BitConverter.GetBytes(w.Number(4)).CopyTo(request, 16);
        using var memory = new Sys.Memory(request);
        string result = Sys.Name(Sys.Call(Sys.Fcntl, Fd(w[1]), command, memory.At));
        byte[] found = memory.Bytes(32);
        string type = BitConverter.ToInt16(found, 0) switch { 0 => "r", 1 => "w", _ => "free" };
        string range = string.Create(CultureInfo.InvariantCulture,
            $" {BitConverter.ToInt64(found, 8)} {BitConverter.ToInt64(found, 16)}");
        return (result, result != "ok" ? result : type == "free" ? type : type + range);
    }
}
