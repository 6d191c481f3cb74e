using System;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace NasTesting.Model;

/// <summary>The two kinds of file content of operation lists (tests/golden/README.md): functions of seed and file
/// offset, so that any piece can be made and checked by itself.</summary>
public static class OpsContent
{
    const int Line = 64;

    /// <summary>SplitMix64's output function.</summary>
    public static ulong Mix(ulong x)
    {
        unchecked
        {
            x += 0x9E3779B97F4A7C15;
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
            x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
            return x ^ (x >> 31);
        }
    }

    /// <summary>Content of <c>write</c>: pseudo-random bytes.</summary>
    public static void FillRandom(ulong seed, long offset, Span<byte> target)
    {
        Span<byte> word = stackalloc byte[8];
        long known = -1;
        for (int i = 0; i < target.Length; i++)
        {
            long at = offset + i;
            if (at >> 3 != known)
            {
                known = at >> 3;
                BinaryPrimitives.WriteUInt64LittleEndian(word, Mix(unchecked((seed << 32) + (ulong)known)));
            }
            target[i] = word[(int)(at & 7)];
        }
    }

    /// <summary>Content of <c>wtext</c>: lines of 64 bytes that name seed and offset.</summary>
    public static void FillText(ulong seed, long offset, Span<byte> target)
    {
        byte[] line = [];
        long known = -1;
        for (int i = 0; i < target.Length; i++)
        {
            long at = offset + i;
            if (at / Line != known)
            {
                known = at / Line;
                string text = string.Create(CultureInfo.InvariantCulture, $"s={(uint)seed:x8} o={known * Line:x12} ");
                line = Encoding.ASCII.GetBytes(text.PadRight(Line - 1, '.') + "\n");
            }
            target[i] = line[(int)(at % Line)];
        }
    }

    public static byte[] Bytes(bool text, ulong seed, long offset, int length)
    {
        byte[] bytes = new byte[length];
        if (text) { FillText(seed, offset, bytes); }
        else { FillRandom(seed, offset, bytes); }
        return bytes;
    }
}
