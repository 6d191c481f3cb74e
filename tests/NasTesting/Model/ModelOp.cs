using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using NasTesting.Oracle;

namespace NasTesting.Model;

/// <summary>What an operation does; the names are the words of the operation lists (tests/golden/README.md), and some
/// more.</summary>
public enum OpKind
{
    Create, Mkdir, Write, Wtext, Truncate, Symlink, Link, Mknod, Rename, Unlink, Rmdir, Chmod, Chown, Chflags, Utimes,
    Fsync, Sync, Clock, Tick, Tid, Mount, Unmount,

    /// <summary>Rename that must not replace.</summary>
    RenameNew,

    /// <summary>Exchange of two names.</summary>
    Exchange,

    /// <summary>Zeros in a range within the file.</summary>
    Punch,
    SetXattr,
    RemoveXattr,

    /// <summary>Unmount cleanly and mount again.</summary>
    Remount,

    /// <summary>The machine stops here; mount again.</summary>
    Crash,
}

/// <summary>
/// One operation, with a text form of one line that <see cref="Parse"/> reads again, so that a failed list can be
/// replayed. Fields that an operation does not use are zero or empty.
/// </summary>
public sealed record ModelOp(OpKind Kind)
{
    public string Path { get; init; } = "";

    /// <summary>Second path (link, rename, exchange), link target, or attribute name.</summary>
    public string Other { get; init; } = "";
    public long Offset { get; init; }

    /// <summary>Bytes to write, new size, or length of an attribute's value.</summary>
    public long Length { get; init; }
    public ulong Seed { get; init; }

    /// <summary>Mode bits.</summary>
    public int Mode { get; init; }

    /// <summary>For mknod.</summary>
    public ModelType Type { get; init; }

    /// <summary>Major, uid, flags, atime, seconds.</summary>
    public ulong A { get; init; }

    /// <summary>Minor, gid, mtime.</summary>
    public ulong B { get; init; }

    /// <summary>No change of the tree: a marker for the driver.</summary>
    public bool IsMarker => Kind is OpKind.Fsync or OpKind.Sync or OpKind.Clock or OpKind.Tick or OpKind.Tid
        or OpKind.Mount or OpKind.Unmount or OpKind.Remount or OpKind.Crash;

    /// <summary>The bytes that a write, or the value that a setxattr stores.</summary>
    public byte[] Content() => OpsContent.Bytes(Kind == OpKind.Wtext, Seed, Offset, checked((int)Length));

    /// <summary>Does it to the model. Crash and Remount close files; Crash goes back to the last commit.</summary>
    public ModelErrno Apply(ModelFs fs)
    {
        switch (Kind)
        {
            case OpKind.Clock:
                fs.NowUs = A * 1_000_000;
                return ModelErrno.Ok;
            case OpKind.Tick:
                fs.NowUs += A * 1_000_000;
                return ModelErrno.Ok;
            case OpKind.Crash:
                fs.Rollback();
                return ModelErrno.Ok;
            case OpKind.Remount or OpKind.Unmount:
                fs.CloseAll();
                return ModelErrno.Ok;
            default:
                return IsMarker ? ModelErrno.Ok : ApplyChange(fs);
        }
    }

    ModelErrno ApplyChange(ModelFs fs) => Kind switch
    {
        OpKind.Create => fs.Create(Path, Mode),
        OpKind.Mkdir => fs.Mkdir(Path, Mode),
        OpKind.Write or OpKind.Wtext => fs.Write(Path, Offset, Content()),
        OpKind.Truncate => fs.Truncate(Path, Length),
        OpKind.Symlink => fs.Symlink(Other, Path),
        OpKind.Link => fs.Link(Path, Other),
        OpKind.Mknod => fs.Mknod(Path, Type, Mode, (uint)A, (uint)B),
        OpKind.Rename => fs.Rename(Path, Other),
        OpKind.RenameNew => fs.Rename(Path, Other, noReplace: true),
        OpKind.Exchange => fs.Exchange(Path, Other),
        OpKind.Unlink => fs.Unlink(Path),
        OpKind.Rmdir => fs.Rmdir(Path),
        OpKind.Chmod => fs.Chmod(Path, Mode),
        OpKind.Chown => fs.Chown(Path, (uint)A, (uint)B),
        OpKind.Chflags => fs.Chflags(Path, (uint)A),
        OpKind.Utimes => fs.Utimes(Path, B),
        OpKind.Punch => fs.Zero(Path, Offset, Length),
        OpKind.SetXattr => fs.SetXattr(Path, Other, Content()),
        OpKind.RemoveXattr => fs.RemoveXattr(Path, Other),
        _ => throw new InvalidOperationException($"{Kind}"),
    };

    /// <summary>The line.</summary>
    public override string ToString()
    {
        string word = Word(Kind);
        string path = Quote(Path);
        return Kind switch
        {
            OpKind.Create or OpKind.Mkdir or OpKind.Chmod => $"{word} {path} {Octal(Mode)}",
            OpKind.Write or OpKind.Wtext => Invariant($"{word} {path} {Offset} {Length} {Seed}"),
            OpKind.Truncate => Invariant($"{word} {path} {Length}"),
            OpKind.Punch => Invariant($"{word} {path} {Offset} {Length}"),
            OpKind.Symlink => $"{word} {Quote(Other)} {path}",
            OpKind.Link or OpKind.Rename or OpKind.RenameNew or OpKind.Exchange or OpKind.RemoveXattr =>
                $"{word} {path} {Quote(Other)}",
            OpKind.SetXattr => Invariant($"{word} {path} {Quote(Other)} {Length} {Seed}"),
            OpKind.Mknod => Invariant($"{word} {path} {TypeLetter(Type)} {A} {B}"),
            OpKind.Chown or OpKind.Utimes => Invariant($"{word} {path} {A} {B}"),
            OpKind.Chflags => Invariant($"{word} {path} 0x{A:x}"),
            OpKind.Unlink or OpKind.Rmdir or OpKind.Fsync => $"{word} {path}",
            OpKind.Clock or OpKind.Tick => Invariant($"{word} {A}"),
            _ => word,
        };
    }

    /// <summary>A whole list, one operation a line; empty lines and lines that start with # are skipped.</summary>
    public static List<ModelOp> ParseList(string text) => [.. text.Split('\n')
        .Where(l => l.Length > 0 && l[0] != '#').Select(Parse)];

    public static ModelOp Parse(string line)
    {
        string[] w = Split(line);
        OpKind kind = Enum.GetValues<OpKind>().Cast<OpKind?>().FirstOrDefault(k => Word(k!.Value) == w[0])
            ?? throw new InvalidDataException($"no such operation: {line}");
        var op = new ModelOp(kind) { Path = w.Length > 1 ? w[1] : "" };
        return kind switch
        {
            OpKind.Create or OpKind.Chmod => op with { Mode = Convert.ToInt32(w[2], 8) },
            OpKind.Mkdir => op with { Mode = w.Length > 2 ? Convert.ToInt32(w[2], 8) : 0x1ED },
            OpKind.Write or OpKind.Wtext => op with { Offset = Long(w[2]), Length = Long(w[3]), Seed = Number(w[4]) },
            OpKind.Truncate => op with { Length = Long(w[2]) },
            OpKind.Punch => op with { Offset = Long(w[2]), Length = Long(w[3]) },
            OpKind.Symlink => op with { Other = w[1], Path = w[2] },
            OpKind.Link or OpKind.Rename or OpKind.RenameNew or OpKind.Exchange or OpKind.RemoveXattr =>
                op with { Other = w[2] },
            OpKind.SetXattr => op with { Other = w[2], Length = Long(w[3]), Seed = Number(w[4]) },
            OpKind.Mknod => op with { Type = TypeOf(w[2]), A = Number(w[3]), B = Number(w[4]), Mode = 0x1A4 },
            OpKind.Chown or OpKind.Utimes => op with { A = Number(w[2]), B = Number(w[3]) },
            OpKind.Chflags => op with { A = Number(w[2]) },
            OpKind.Clock or OpKind.Tick => op with { A = Number(w[1]), Path = "" },
            _ => op,
        };
    }

    static string Word(OpKind kind) => kind.ToString().ToLowerInvariant();

    static string Octal(int mode) => Convert.ToString(mode, 8).PadLeft(4, '0');

    static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    static ulong Number(string word) => word.StartsWith("0x", StringComparison.Ordinal)
        ? ulong.Parse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
        : ulong.Parse(word, CultureInfo.InvariantCulture);

    static long Long(string word) => checked((long)Number(word));

    static char TypeLetter(ModelType type) => type switch
    {
        ModelType.CharDevice => 'c',
        ModelType.BlockDevice => 'b',
        ModelType.Fifo => 'p',
        _ => 's',
    };

    static ModelType TypeOf(string letter) => letter switch
    {
        "c" => ModelType.CharDevice,
        "b" => ModelType.BlockDevice,
        "p" => ModelType.Fifo,
        "s" => ModelType.Socket,
        _ => throw new InvalidDataException($"no such node type: {letter}"),
    };

    // Plain words stay; others are quoted, with \" \\ and \xHH for bytes outside printable ASCII.
    static string Quote(string word)
    {
        if (word.Length > 0 && word.All(c => c is > ' ' and < (char)127 and not ('"' or '\\'))) { return word; }
        var text = new StringBuilder("\"");
        foreach (byte b in OracleText.Encode(word))
        {
            if (b is (byte)'"' or (byte)'\\') { text.Append('\\').Append((char)b); }
            else if (b is >= 32 and < 127) { text.Append((char)b); }
            else { text.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}"); }
        }
        return text.Append('"').ToString();
    }

    static string[] Split(string line)
    {
        var words = new List<string>();
        for (int i = 0; i < line.Length;)
        {
            if (line[i] == ' ') { i++; }
            else if (line[i] == '"') { words.Add(Unquote(line, ref i)); }
            else
            {
                int end = line.IndexOf(' ', i);
                if (end < 0) { end = line.Length; }
                words.Add(line[i..end]);
                i = end;
            }
        }
        return [.. words];
    }

    static string Unquote(string line, ref int i)
    {
        var bytes = new List<byte>();
        for (i++; line[i] != '"'; i++)
        {
            if (line[i] != '\\')
            {
                // Surrogate pairs stay together.
                int length = char.IsHighSurrogate(line[i]) ? 2 : 1;
                bytes.AddRange(OracleText.Encode(line.Substring(i, length)));
                i += length - 1;
            }
            else if (line[i + 1] == 'x')
            {
                bytes.Add(Convert.ToByte(line.Substring(i + 2, 2), 16));
                i += 3;
            }
            else
            {
                bytes.Add((byte)line[++i]);
            }
        }
        i++;
        return OracleText.Decode([.. bytes]);
    }
}
