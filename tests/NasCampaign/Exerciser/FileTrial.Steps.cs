using System;
using System.Text;
using NasCore;
using NasCore.Primitives;

namespace NasCampaign.Exerciser;

/// <summary>The steps on one file.</summary>
sealed partial class FileTrial
{
    /// <summary>An offset that likes the borders of blocks, of the small-file rule and of the 64 KiB blocks.</summary>
    int Offset(int max)
    {
        int[] borders = [0, 16384, 32768, 65536, 131072, 1 << 20, (1 << 20) + 65536];
        int at = _random.Next(3) switch
        {
            0 => borders[_random.Next(borders.Length)] + _random.Next(-3, 4),
            1 => _random.Next(max + 1) & ~16383,
            _ => _random.Next(max + 1),
        };
        return Math.Clamp(at, 0, max);
    }

    int Length() => _random.Next(6) switch
    {
        0 => _random.Next(1, 10),
        1 => 16384,
        2 => _random.Next(1, 300_000),
        3 => 65536,
        _ => _random.Next(1, 20_000),
    };

    byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        if (_random.Next(5) == 0) Array.Fill(bytes, (byte)_random.Next(4));
        else _random.NextBytes(bytes);
        return bytes;
    }

    static byte[] With(byte[] content, int at, ReadOnlySpan<byte> bytes)
    {
        byte[] made = new byte[Math.Max(content.Length, at + bytes.Length)];
        content.CopyTo(made, 0);
        bytes.CopyTo(made.AsSpan(at));
        return made;
    }

    static byte[] Cut(byte[] content, int size)
    {
        byte[] made = new byte[size];
        content.AsSpan(0, Math.Min(size, content.Length)).CopyTo(made);
        return made;
    }

    void WriteAt(string name, int at, byte[] bytes, bool append)
    {
        Vnode vnode = Live(name);
        for (int done = 0; done < bytes.Length;)
        {
            int n = 0, from = done;
            Until("write", () => Fs.Write(vnode, (ulong)(at + from), bytes.AsSpan(from), append, false, out n));
            if (n <= 0) throw Finding("write", $"took {n} bytes");
            _files[name] = With(_files[name], at + from, bytes.AsSpan(from, n));
            done += n;
        }
    }

    void Write(string name)
    {
        int at = Offset(FileBytesMax - 1);
        byte[] bytes = Bytes(Math.Min(Length(), FileBytesMax - at));
        Note($"write {name} {at} +{bytes.Length}");
        WriteAt(name, at, bytes, append: false);
    }

    void Append(string name)
    {
        int at = _files[name].Length;
        byte[] bytes = Bytes(Math.Min(Length(), FileBytesMax - at));
        Note($"append {name} {at} +{bytes.Length}");
        WriteAt(name, at, bytes, append: true);
    }

    void Read(string name)
    {
        byte[] content = _files[name];
        int from = Offset(content.Length), to = Math.Min(content.Length, from + Length());
        CompareRange(Live(name), content, from, to, $"{name}, read from {from} to {to},");
        Must(Fs.Read(Live(name), (ulong)content.Length, new byte[100], out int n), "read at the end");
        if (n != 0) throw Finding("read at the end", $"gives {n} bytes");
    }

    void Truncate(string name)
    {
        int size = _random.Next(8) == 0 ? 0 : Offset(FileBytesMax);
        Note($"truncate {name} {_files[name].Length} -> {size}");
        Vnode vnode = Live(name);
        var request = new AttrRequest { Change = AttrChange.Size, Size = (ulong)size };
        Until("truncate", () => Fs.SetAttr(vnode, in request, s_root, out _), () => TakeSize(name, vnode, size));
        _files[name] = Cut(_files[name], size);
    }

    /// <summary>A long truncation goes in pieces: the size is somewhere on the way.</summary>
    void TakeSize(string name, Vnode vnode, int goal)
    {
        Must(Fs.GetAttr(vnode, out FileAttr attr), "getattr");
        int size = (int)attr.Size, old = _files[name].Length;
        if (size < Math.Min(goal, old) || size > Math.Max(goal, old))
            throw Finding("truncate in pieces", $"size {size} on the way from {old} to {goal}");
        _files[name] = Cut(_files[name], size);
    }

    void Punch(string name)
    {
        int at = Offset(FileBytesMax - 1), length = Math.Min(Length(), FileBytesMax - at);
        FallocateKind kind = _random.Next(6) switch
        {
            0 => FallocateKind.ZeroRange,
            1 => FallocateKind.ZeroRangeKeepSize,
            2 => FallocateKind.Extend,
            3 => FallocateKind.KeepSize,
            _ => FallocateKind.PunchHole,
        };
        Note($"{kind} {name} {at} +{length}, size {_files[name].Length}");
        Vnode vnode = Live(name);
        Until("fallocate", () => Fs.Fallocate(vnode, kind, (ulong)at, (ulong)length),
            () => TakeZeros(name, vnode, at, length));
        byte[] content = _files[name];
        bool grows = kind is FallocateKind.ZeroRange or FallocateKind.Extend;
        if (grows && at + length > content.Length) content = Cut(content, at + length);
        if (kind is not (FallocateKind.Extend or FallocateKind.KeepSize))
        {
            content = (byte[])content.Clone();
            int end = Math.Min(content.Length, at + length);
            if (end > at) content.AsSpan(at, end - at).Clear();
        }
        _files[name] = content;
    }

    /// <summary>A long hole is made in pieces: a part of its bytes is zero already.</summary>
    void TakeZeros(string name, Vnode vnode, int at, int length)
    {
        byte[] content = (byte[])_files[name].Clone();
        int end = Math.Min(content.Length, at + length);
        if (end <= at) return;
        byte[] found = new byte[end - at];
        for (int done = 0; done < found.Length;)
        {
            Must(Fs.Read(vnode, (ulong)(at + done), found.AsSpan(done), out int n), "read");
            done += n;
        }
        for (int i = 0; i < found.Length; i++)
        {
            if (found[i] != 0 && found[i] != content[at + i])
                throw Finding("hole in pieces", $"byte {at + i} is neither the old one nor zero");
        }
        found.CopyTo(content, at);
        _files[name] = content;
    }

    void Copy(string name)
    {
        string other = s_names[_random.Next(s_names.Length)];
        if (!_files.TryGetValue(other, out byte[]? source) || source.Length == 0) return;
        int from = Offset(source.Length - 1), at = Offset(FileBytesMax - 1);
        int length = Math.Min(Math.Min(Length(), source.Length - from), FileBytesMax - at);
        Note($"copy {other} {from} +{length} to {name} {at}");
        byte[] piece = new byte[length];
        for (int done = 0; done < length;)
        {
            Must(Fs.Read(Live(other), (ulong)(from + done), piece.AsSpan(done), out int n), "read");
            done += n;
        }
        WriteAt(name, at, piece, append: false);
    }

    /// <summary>Walks data and holes: the holes are zeros, and every byte that is not zero lies in data.</summary>
    void Holes(string name)
    {
        byte[] content = _files[name];
        Vnode vnode = Live(name);
        ulong at = 0;
        while (at < (ulong)content.Length)
        {
            Errno e = Fs.Seek(vnode, at, hole: false, out ulong data);
            if (e == Errno.NxIo) data = (ulong)content.Length;
            else Must(e, "SEEK_DATA");
            if (data < at || data > (ulong)content.Length) throw Finding("SEEK_DATA", $"{data} from {at}");
            if (content.AsSpan((int)at, (int)(data - at)).ContainsAnyExcept((byte)0))
                throw Finding("SEEK_DATA", $"from {at} to {data} is told to be a hole, but is not zero");
            if (data == (ulong)content.Length) break;
            Must(Fs.Seek(vnode, data, hole: true, out at), "SEEK_HOLE");
            if (at <= data || at > (ulong)content.Length) throw Finding("SEEK_HOLE", $"{at} from {data}");
        }
    }

    void Rename(string name)
    {
        string other = s_names[_random.Next(s_names.Length)];
        if (other == name) return;
        RenameKind kind = _files.ContainsKey(other) && _random.Next(2) == 0 ? RenameKind.Exchange : RenameKind.Replace;
        Note($"rename {name} {other} {kind}");
        bool replaces = kind == RenameKind.Replace && _files.ContainsKey(other);
        Vnode victim = replaces ? Live(other) : default;
        Until("rename", () => Fs.Rename(Fs.Root, Encoding.ASCII.GetBytes(name), Fs.Root,
            Encoding.ASCII.GetBytes(other), kind));
        if (kind == RenameKind.Exchange) (_files[name], _files[other]) = (_files[other], _files[name]);
        else if (_files.Remove(name, out byte[]? content)) _files[other] = content;
        if (replaces) Fs.Release(victim);
    }

    void Unlink(string name)
    {
        Note($"unlink {name}");
        Vnode vnode = Live(name);
        Until("unlink", () => Fs.Unlink(Fs.Root, Encoding.ASCII.GetBytes(name)));
        _files.Remove(name);
        Fs.Release(vnode);
    }
}
