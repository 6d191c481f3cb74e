using System;

namespace NasCampaign.Fuzz;

/// <summary>Changes that know nothing of what the bytes mean.</summary>
static class FuzzBytes
{
    /// <summary>Changes some bytes: flips, extremes, pieces moved, cut or doubled.</summary>
    internal static byte[] Mutate(byte[] input, Random random)
    {
        byte[] bytes = (byte[])input.Clone();
        for (int n = random.Next(1, 6); n > 0 && bytes.Length > 0; n--)
        {
            int at = random.Next(bytes.Length), length = Math.Min(bytes.Length - at, random.Next(1, 9));
            switch (random.Next(7))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes.AsSpan(at, length).Fill(0xFF); break;
                case 2: bytes.AsSpan(at, length).Clear(); break;
                case 3: random.NextBytes(bytes.AsSpan(at, length)); break;
                case 4: bytes = bytes[..at]; break;
                case 5: bytes = [.. bytes[..at], .. bytes[at..(at + length)], .. bytes[at..]]; break;
                default: bytes[at]++; break;
            }
        }
        return bytes;
    }
}
