using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace NasPosix.Tests;

/// <summary>Commands on directory streams. The order of entries is nobody's promise, so results do not tell it.
/// </summary>
sealed partial class Machine
{
    const string EntryTypes = "?pc d b - l s   ";

    /// <summary>One getdents call; the position after each entry is what telldir would give.</summary>
    static List<(string Name, char Type, long Next, ulong Ino)>? GetDents(long fd, int room)
    {
        using var memory = new Sys.Memory(room);
        long n = Sys.Call(Sys.GetDents, fd, memory.At, room);
        if (n < 0) return null;
        byte[] bytes = memory.Bytes((int)n);
        var entries = new List<(string, char, long, ulong)>();
        for (int at = 0; at < n; at += BitConverter.ToInt16(bytes, at + 16))
        {
            int length = bytes.AsSpan(at + 19).IndexOf((byte)0);
            entries.Add((Encoding.Latin1.GetString(bytes, at + 19, length), EntryTypes[bytes[at + 18]],
                BitConverter.ToInt64(bytes, at + 8), BitConverter.ToUInt64(bytes, at)));
        }
        return entries;
    }

    static List<string> Names(long fd, int room = 65536)
    {
        var names = new List<string>();
        while (GetDents(fd, room) is { Count: > 0 } some) names.AddRange(some.Select(e => e.Name));
        return names;
    }

    static string InDirectory(string path, Func<long, string> use)
    {
        string text = "";
        long result = Opened(path, "r,dir", 0, fd =>
        {
            text = use(fd);
            return 0;
        });
        return result < 0 ? Sys.Name(result) : text;
    }

    static string FileOf(string path, int i) => path + "/f" + i.ToString("00000", CultureInfo.InvariantCulture);

    /// <summary>How many of the files 0 to n are listed, and whether one is twice.</summary>
    static string Judge(List<string> names, int from, int to, int every = 1)
    {
        int twice = names.Count - names.Distinct().Count(), missing = 0;
        HashSet<string> seen = [.. names];
        for (int i = from; i < to; i += every)
        {
            if (!seen.Contains(FileOf("", i)[1..])) missing++;
        }
        return string.Create(CultureInfo.InvariantCulture, $"missing {missing} twice {twice}");
    }

    void AddDirectoryCommands()
    {
        _commands["fill"] = w =>
        {
            long result = 0;
            for (int i = (int)w.Number(3); i < w.Number(2) && result >= 0; i++)
            {
                result = Opened(FileOf(w[1], i), "w,creat,excl", 0x1A4, _ => 0);
            }
            return Sys.Name(result);
        };
        _commands["ls"] = w => InDirectory(w[1], fd =>
        {
            var all = new List<(string Name, char Type, long, ulong)>();
            while (GetDents(fd, 65536) is { Count: > 0 } some) all.AddRange(some);
            return string.Join(' ', all.OrderBy(e => e.Name, StringComparer.Ordinal).Select(e => e.Type + e.Name));
        });
        // "lsfd F": what is left to read of an open directory; "rewind F": from the beginning again.
        _commands["lsfd"] = w => GetDents(Fd(w[1]), 65536) is { } some
            ? string.Join(' ', some.Select(e => e.Name).Order(StringComparer.Ordinal)) : "error";
        _commands["getdents"] = w =>
        {
            using var memory = new Sys.Memory((int)w.Number(2));
            long n = Sys.Call(Sys.GetDents, Fd(w[1]), memory.At, w.Number(2));
            return n < 0 ? Sys.Name(n) : n == 0 ? "end" : "some";
        };
        _commands["inodes"] = w => InDirectory(w[1], fd => GetDents(fd, 65536)!
            .Where(e => e.Name is not "..")
            .All(e => Stat(w[1] + "/" + e.Name, Sys.AtCwd, Sys.AtNoFollow, out Attributes a) >= 0 && a.Ino == e.Ino)
            ? "as stat" : "other");
        _commands["count"] = w => InDirectory(w[1], fd => Judge(Names(fd, 1000), 0, (int)w.Number(2)));
        AddChangingDirectoryCommands();
    }

    void AddChangingDirectoryCommands()
    {
        // Each piece is removed as soon as it was read: rm -r. What is left afterwards?
        _commands["readremove"] = w => InDirectory(w[1], fd =>
        {
            while (GetDents(fd, 1000) is { Count: > 0 } some)
            {
                foreach (var entry in some.Where(e => e.Name[0] == 'f')) Unlink(fd, entry.Name, 0);
            }
            return string.Create(CultureInfo.InvariantCulture, $"left {InDirectory(w[1], f => Names(f).Count + "")}");
        });
        // "readwhile D N rm|add|mv": after each piece, others than those just read change; the even files stay.
        _commands["readwhile"] = w => InDirectory(w[1], fd =>
        {
            var names = new List<string>();
            int other = 1, count = (int)w.Number(2);
            while (GetDents(fd, 1000) is { Count: > 0 } some)
            {
                names.AddRange(some.Select(e => e.Name));
                for (int i = 0; i < 10 && other < count; i++, other += 2)
                {
                    if (w[3] == "rm") Unlink(Sys.AtCwd, FileOf(w[1], other), 0);
                    else if (w[3] == "mv") Two(FileOf(w[1], other), w[1] + "/m" + other, Move);
                    else Opened(w[1] + "/new" + other, "w,creat", 0x1A4, _ => 0);
                }
            }
            return Judge([.. names.Where(n => n[0] == 'f' && (n[^1] - '0') % 2 == 0)], 0, count, 2);
        });
        // "seekdir D N": the positions of entries lead to what follows them, backwards and forwards.
        _commands["seekdir"] = w => InDirectory(w[1], fd =>
        {
            var all = new List<(string Name, char, long Next, ulong)>();
            while (GetDents(fd, 2000) is { Count: > 0 } some) all.AddRange(some);
            for (int i = all.Count - 2; i >= 0; i -= 1 + all.Count / 50)
            {
                if (w[2] == "rm" && i % 3 == 0) Unlink(fd, all[i].Name, 0);
                if (Sys.Call(Sys.LSeek, fd, all[i].Next, 0) < 0) return "no seek";
                if (GetDents(fd, 2000)![0].Name != all[i + 1].Name) return "another entry";
            }
            Sys.Call(Sys.LSeek, fd, 0, 0);
            int gone = all.Count - Names(fd).Count;
            return w[2] == "rm" ? gone > 0 ? "ok" : "nothing removed" : gone == 0 ? "ok" : "another count";
        });
    }

    static long Move(long from, long to) => Sys.Call(Sys.RenameAt2, Sys.AtCwd, from, Sys.AtCwd, to, 0);
}
