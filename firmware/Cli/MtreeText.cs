using System;
using System.Collections.Generic;
using System.Text;
using NasCore.Primitives;

namespace NasFirmware.Cli;

/// <summary>Notation of mtree(5): vis(3) octal for names, words for types and flags.</summary>
static class MtreeText
{
    static readonly (uint Bit, string Name)[] s_flags =
    [
        (0x1, "nodump"), (0x2, "uchg"), (0x4, "uappnd"), (0x8, "opaque"), (0x10, "uunlnk"), (0x40, "nohistory"),
        (0x10000, "arch"), (0x20000, "schg"), (0x40000, "sappnd"), (0x100000, "sunlnk"), (0x400000, "noshistory"),
    ];

    /// <summary>Everything but printable ASCII becomes \ooo, as do blank, backslash, # and glob characters.</summary>
    internal static string Escape(ReadOnlySpan<byte> name)
    {
        var text = new StringBuilder(name.Length);
        foreach (byte b in name)
        {
            bool special = b is (byte)'\\' or (byte)'#' or (byte)'*' or (byte)'?' or (byte)'[';
            bool plain = b is > 0x20 and < 0x7F && !special;
            if (plain) text.Append((char)b);
            else text.Append('\\').Append((char)('0' + (b >> 6))).Append((char)('0' + ((b >> 3) & 7)))
                .Append((char)('0' + (b & 7)));
        }
        return text.ToString();
    }

    /// <summary>The bytes again; a backslash without three octal digits stands for itself.</summary>
    internal static byte[] Unescape(ReadOnlySpan<char> text)
    {
        var bytes = new List<byte>(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool octal = text[i] == '\\' && i + 3 < text.Length + 0 && IsOctal(text[i + 1], '3')
                && IsOctal(text[i + 2], '7') && IsOctal(text[i + 3], '7');
            if (!octal)
            {
                bytes.AddRange(Encoding.UTF8.GetBytes([text[i]]));
                continue;
            }
            bytes.Add((byte)(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0')));
            i += 3;
        }
        return [.. bytes];
    }

    static bool IsOctal(char c, char max) => c >= '0' && c <= max;

    internal static string TypeName(ObjType type) => type switch
    {
        ObjType.Directory => "dir",
        ObjType.RegFile => "file",
        ObjType.SoftLink => "link",
        ObjType.Fifo => "fifo",
        ObjType.CDev => "char",
        ObjType.BDev => "block",
        ObjType.Socket => "socket",
        _ => "file",
    };

    internal static string FlagNames(uint flags)
    {
        if (flags == 0) return "none";
        var names = new List<string>();
        foreach ((uint bit, string name) in s_flags)
        {
            if ((flags & bit) == 0) continue;
            names.Add(name);
            flags &= ~bit;
        }
        if (flags != 0) names.Add($"0x{flags:x}");
        return string.Join(',', names);
    }
}
