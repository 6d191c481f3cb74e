using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace NasPosix.Tests;

/// <summary>Commands on attributes: modes, owners, times, extended attributes, ACLs.</summary>
sealed partial class Machine
{
    const long Now = (1 << 30) - 1, Omit = (1 << 30) - 2;
    /// <summary>Times that "mark" gives: long ago.</summary>
    const long MarkedSeconds = 1_000_000_000;

    /// <summary>What statx tells, by the places of its structure.</summary>
    readonly struct Attributes(byte[] bytes)
    {
        uint U32(int at) => BitConverter.ToUInt32(bytes, at);
        internal uint Nlink => U32(16);
        internal uint Uid => U32(20);
        internal uint Gid => U32(24);
        internal int Mode => BitConverter.ToUInt16(bytes, 28);
        internal ulong Ino => BitConverter.ToUInt64(bytes, 32);
        internal long Size => BitConverter.ToInt64(bytes, 40);
        internal long Blocks => BitConverter.ToInt64(bytes, 48);
        internal (long, uint) Atime => (BitConverter.ToInt64(bytes, 64), U32(72));
        internal (long, uint) Ctime => (BitConverter.ToInt64(bytes, 96), U32(104));
        internal (long, uint) Mtime => (BitConverter.ToInt64(bytes, 112), U32(120));
        internal string Rdev => $"{U32(128)},{U32(132)}";
        internal char Type => " pc d b - l s  "[Mode >> 12];
        internal bool IsDir => Type == 'd';
    }

    readonly Dictionary<string, Attributes> _marked = [];

    static long Stat(string path, long fd, int flags, out Attributes attributes)
    {
        using var memory = new Sys.Memory(256);
        long result = WithPath(path, p => Sys.Call(Sys.Statx, fd, p, flags, 0xFFF, memory.At));
        attributes = new Attributes(memory.Bytes(256));
        return result;
    }

    static string Told(string path, Func<Attributes, string> tell, int flags = Sys.AtNoFollow)
    {
        long result = Stat(path, Sys.AtCwd, flags, out Attributes attributes);
        return result < 0 ? Sys.Name(result) : tell(attributes);
    }

    /// <summary>Type, mode, owner and group; links and size of what is no directory.</summary>
    static string Tell(Attributes a)
    {
        string text = $"{a.Type} {Convert.ToString(a.Mode & 0xFFF, 8)} {a.Uid}:{a.Gid}";
        return a.IsDir ? text : string.Create(CultureInfo.InvariantCulture, $"{text} links {a.Nlink} size {a.Size}");
    }

    void AddAttributeCommands()
    {
        _commands["stat"] = w => Told(w[1], Tell, 0);
        _commands["lstat"] = w => Told(w[1], Tell);
        _commands["fstat"] = w => Stat("", Fd(w[1]), Sys.AtEmptyPath, out Attributes a) is var r and < 0
            ? Sys.Name(r) : Tell(a);
        _commands["mode"] = w => Told(w[1], a => Convert.ToString(a.Mode & 0xFFF, 8));
        _commands["owner"] = w => Told(w[1], a => $"{a.Uid}:{a.Gid}");
        _commands["nlink"] = w => Told(w[1], a => a.Nlink.ToString(CultureInfo.InvariantCulture));
        _commands["size"] = w => Told(w[1], a => a.Size.ToString(CultureInfo.InvariantCulture));
        _commands["rdev"] = w => Told(w[1], a => a.Rdev);
        _commands["hasblocks"] = w => Told(w[1], a => a.Blocks > 0 ? "yes" : "no");
        _commands["same"] = w => Told(w[1], a => Told(w[2], b => a.Ino == b.Ino ? "same" : "different"));
        _commands["chmod"] = w => Sys.Name(WithPath(w[1], p => Sys.Call(Sys.FChmodAt, Sys.AtCwd, p, w.Mode(2))));
        _commands["fchmod"] = w => Sys.Name(Sys.Call(Sys.FChmod, Fd(w[1]), w.Mode(2)));
        _commands["chown"] = w => Sys.Name(Chown(w, 0));
        _commands["lchown"] = w => Sys.Name(Chown(w, Sys.AtNoFollow));
        _commands["fchown"] = w => Sys.Name(Sys.Call(Sys.FChown, Fd(w[1]), w.Number(2), w.Number(3)));
        _commands["access"] = w => Sys.Name(WithPath(w[1], p => Sys.Call(Sys.FAccessAt, Sys.AtCwd, p,
            "xwr".Select((c, i) => w[2].Contains(c, StringComparison.Ordinal) ? 1 << i : 0).Sum())));
        _commands["statfs"] = w => StatFs(w[1]);
        _commands["flags"] = w => Sys.Name(Opened(w[1], "r", 0, fd => SetFlags(fd, w.Number(2))));
        AddTimeCommands();
        AddXattrCommands();
        AddAclCommands();
    }

    static long Chown(Words w, int flags) =>
        WithPath(w[1], p => Sys.Call(Sys.FChownAt, Sys.AtCwd, p, w.Number(2), w.Number(3), flags));

    static long SetFlags(long fd, long flags)
    {
        using var memory = new Sys.Memory(BitConverter.GetBytes(flags));
        return Sys.Call(Sys.Ioctl, fd, 0x40086602, memory.At);
    }

    /// <summary>What holds for any file system: numbers that fit each other.</summary>
    static string StatFs(string path)
    {
        using var memory = new Sys.Memory(120);
        long result = WithPath(path, p => Sys.Call(Sys.StatFs, p, memory.At));
        if (result < 0) return Sys.Name(result);
        byte[] bytes = memory.Bytes(120);
        long At(int i) => BitConverter.ToInt64(bytes, 8 * i);
        bool fits = At(2) > 0 && At(3) <= At(2) && At(4) <= At(3) && At(6) <= At(5) && At(5) > 0 && At(1) >= 512;
        return string.Create(CultureInfo.InvariantCulture, $"fits {fits}, names {At(8)}");
    }

    static byte[] Times(params (long Seconds, long Nanoseconds)[] times) =>
        [.. times.SelectMany(t => (long[])[t.Seconds, t.Nanoseconds]).SelectMany(BitConverter.GetBytes)];

    static (long, long) Time(string word) => word switch
    {
        "now" => (0, Now), "omit" => (0, Omit), "bad" => (0, 1_000_000_000),
        _ => (Number(word.Split('.')[0]), word.Contains('.', StringComparison.Ordinal)
            ? Number(word.Split('.')[1].PadRight(9, '0')) : 0),
    };

    static long SetTimes(string path, (long, long) atime, (long, long) mtime, int flags)
    {
        using var memory = new Sys.Memory(Times(atime, mtime));
        return WithPath(path, p => Sys.Call(Sys.UtimensAt, Sys.AtCwd, p, memory.At, flags));
    }

    void AddTimeCommands()
    {
        _commands["utimes"] = w => Sys.Name(SetTimes(w[1], Time(w[2]), Time(w[3]), 0));
        _commands["lutimes"] = w => Sys.Name(SetTimes(w[1], Time(w[2]), Time(w[3]), Sys.AtNoFollow));
        _commands["touch"] = w => Sys.Name(WithPath(w[1], p => Sys.Call(Sys.UtimensAt, Sys.AtCwd, p, 0, 0)));
        _commands["atime"] = w => Told(w[1], a => Seconds(a.Atime));
        _commands["mtime"] = w => Told(w[1], a => Seconds(a.Mtime));
        _commands["mark"] = w =>
        {
            foreach (string path in w.From(1))
            {
                (long, long) old = (MarkedSeconds, 0);
                Must(SetTimes(path, old, old, Sys.AtNoFollow));
                Must(Stat(path, Sys.AtCwd, Sys.AtNoFollow, out Attributes attributes));
                _marked[path] = attributes;
            }
            // ctime is the only one that cannot be set back: the clock of the kernel must move on.
            for (long since = Environment.TickCount64; Environment.TickCount64 < since + 12;) ReadAt(-1, 0, 0);
            return "ok";
        };
        // Times that moved since "mark": a, m, c. "touched NEW=OLD" when the name changed.
        _commands["touched"] = w => string.Join(' ', w.From(1).Select(word =>
        {
            string[] names = word.Split('=');
            Attributes old = _marked[names[^1]];
            return names[0] + ":" + Told(names[0], a => (a.Atime != old.Atime ? "a" : "") +
                (a.Mtime != old.Mtime ? "m" : "") + (a.Ctime != old.Ctime ? "c" : ""));
        }));
    }

    static string Seconds((long Seconds, uint Nanoseconds) time) => time.Seconds > 1_500_000_000 ? "now"
        : string.Create(CultureInfo.InvariantCulture, $"{time.Seconds}.{time.Nanoseconds:000000000}");

    void AddXattrCommands()
    {
        foreach ((string letter, int set, int get, int list, int remove) in ((string, int, int, int, int)[])
            [("", Sys.SetXattr, Sys.GetXattr, Sys.ListXattr, Sys.RemoveXattr),
             ("l", Sys.LSetXattr, Sys.LGetXattr, Sys.LListXattr, Sys.LRemoveXattr)])
        {
            _commands[letter + "setx"] = w =>
            {
                byte[] value = w[3] == "-" ? [] : w.Text(3);
                using var memory = new Sys.Memory(value);
                int flags = w[4] switch { "create" => 1, "replace" => 2, "" => 0, _ => 8 };
                return Sys.Name(Two(w[1], w[2], (p, n) => Sys.Call(set, p, n, memory.At, value.Length, flags)));
            };
            _commands[letter + "getx"] = w =>
            {
                using var memory = new Sys.Memory((int)w.Number(3, 70000));
                long n = Two(w[1], w[2], (p, name) => Sys.Call(get, p, name, memory.At, w.Number(3, 70000)));
                bool asked = w.Number(3, 70000) == 0;
                return n < 0 ? Sys.Name(n) : asked ? Result(n) : Show(memory.Bytes((int)n));
            };
            _commands[letter + "rmx"] = w => Sys.Name(Two(w[1], w[2], (p, n) => Sys.Call(remove, p, n)));
            _commands[letter + "listx"] = w =>
            {
                using var memory = new Sys.Memory((int)w.Number(2, 70000));
                long n = WithPath(w[1], p => Sys.Call(list, p, memory.At, w.Number(2, 70000)));
                if (n < 0 || w.Number(2, 70000) == 0) return Result(n);
                string[] names = Encoding.Latin1.GetString(memory.Bytes((int)n)).Split('\0',
                    StringSplitOptions.RemoveEmptyEntries);
                // What the machine's security module keeps is not the file system's.
                return string.Join(' ', names.Where(x => x != "security.selinux").Order(StringComparer.Ordinal));
            };
        }
    }

    static readonly (string Letter, int Tag)[] s_tags =
        [("u:", 1), ("u", 2), ("g:", 4), ("g", 8), ("m:", 0x10), ("o:", 0x20)];

    /// <summary>"u::rw,u:1000:r,g::r,m::rw,o::-" as the kernel takes it.</summary>
    static byte[] AclBytes(string text)
    {
        List<byte> bytes = [2, 0, 0, 0];
        foreach (string[] entry in text.Split(',').Select(e => e.Split(':')))
        {
            int tag = s_tags.First(t => t.Letter == entry[0] + (entry[1].Length == 0 ? ":" : "")).Tag;
            int rights = "xwr".Select((c, i) => entry[2].Contains(c, StringComparison.Ordinal) ? 1 << i : 0).Sum();
            bytes.AddRange(BitConverter.GetBytes((short)tag));
            bytes.AddRange(BitConverter.GetBytes((short)rights));
            bytes.AddRange(BitConverter.GetBytes(entry[1].Length == 0 ? -1 : (int)Number(entry[1])));
        }
        return [.. bytes];
    }

    static string AclText(byte[] bytes)
    {
        var entries = new List<string>();
        for (int at = 4; at + 8 <= bytes.Length; at += 8)
        {
            string letter = s_tags.First(t => t.Tag == BitConverter.ToInt16(bytes, at)).Letter;
            int rights = BitConverter.ToInt16(bytes, at + 2);
            string shown = rights == 0 ? "-" : string.Concat("rwx".Where((_, i) => (rights & (4 >> i)) != 0));
            int id = BitConverter.ToInt32(bytes, at + 4);
            entries.Add(letter.EndsWith(':') ? $"{letter}:{shown}" : $"{letter}:{id}:{shown}");
        }
        return string.Join(',', entries);
    }

    static string AclName(string kind) => kind == "d" ? "system.posix_acl_default" : "system.posix_acl_access";

    void AddAclCommands()
    {
        _commands["setacl"] = w =>
        {
            byte[] value = AclBytes(w[3]);
            using var memory = new Sys.Memory(value);
            return Sys.Name(Two(w[1], AclName(w[2]), (p, n) =>
                Sys.Call(Sys.SetXattr, p, n, memory.At, value.Length, 0)));
        };
        _commands["acl"] = w =>
        {
            using var memory = new Sys.Memory(1000);
            long n = Two(w[1], AclName(w[2]), (p, name) => Sys.Call(Sys.GetXattr, p, name, memory.At, 1000));
            return n < 0 ? Sys.Name(n) : AclText(memory.Bytes((int)n));
        };
        _commands["rmacl"] = w => Sys.Name(Two(w[1], AclName(w[2]), (p, n) => Sys.Call(Sys.RemoveXattr, p, n)));
    }
}
