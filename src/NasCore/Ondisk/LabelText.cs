using System;
using System.Runtime.InteropServices;
using System.Text;

namespace NasCore.Ondisk;

/// <summary>NUL-terminated labels of 64 bytes as strings.</summary>
public static class LabelText
{
    public static string Get(in Label64 label)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<Label64>(in label));
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes[..63] : bytes[..end]);
    }

    /// <summary>Keeps at most 63 bytes, cut at a character boundary.</summary>
    public static Label64 Make(string text)
    {
        Label64 label = default;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int n = Math.Min(bytes.Length, 63);
        while (n > 0 && n < bytes.Length && (bytes[n] & 0xC0) == 0x80) n--;
        bytes.AsSpan(0, n).CopyTo(MemoryMarshal.AsBytes(new Span<Label64>(ref label)));
        return label;
    }
}
