using System;
using System.Text;

namespace NasTesting.Oracle;

/// <summary>File names are bytes; in manifests they are text. Bytes that are not UTF-8 become lone surrogates
/// U+DC00 + byte, so nothing is lost.</summary>
public static class OracleText
{
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        while (bytes.Length > 0)
        {
            if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int used) == System.Buffers.OperationStatus.Done)
            {
                text.Append(rune.ToString());
                bytes = bytes[used..];
            }
            else
            {
                text.Append((char)(0xDC00 + bytes[0]));
                bytes = bytes[1..];
            }
        }
        return text.ToString();
    }

    public static byte[] Encode(string text)
    {
        var bytes = new System.Collections.Generic.List<byte>();
        Span<byte> piece = stackalloc byte[4];
        for (int i = 0; i < text.Length; i++)
        {
            if (Rune.TryGetRuneAt(text, i, out Rune rune))
            {
                int length = rune.EncodeToUtf8(piece);
                bytes.AddRange(piece[..length].ToArray());
                i += rune.Utf16SequenceLength - 1;
            }
            else
            {
                bytes.Add((byte)(text[i] - 0xDC00));
            }
        }
        return [.. bytes];
    }
}
