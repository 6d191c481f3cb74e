using System;
using System.Buffers.Binary;
using NasCore.Mirror;
using NasCore.Ondisk;

namespace NasCampaign.Fuzz;

/// <summary>A mirror stream in memory that ends where it is told to.</summary>
sealed class FuzzStream(byte[] bytes, int length) : IByteChannel
{
    int _at;

    public int Read(Span<byte> destination)
    {
        int n = Math.Min(destination.Length, length - _at);
        bytes.AsSpan(_at, n).CopyTo(destination);
        _at += n;
        return n;
    }

    public void Write(ReadOnlySpan<byte> source)
    {
    }

    public void Dispose()
    {
    }

    /// <summary>Damages one to three records; with repaired record CRCs the damage looks intended.</summary>
    internal static void Damage(byte[] bytes, Random random, bool repair)
    {
        for (int n = random.Next(1, 4); n > 0; n--)
        {
            int target = random.Next(200), at = 0;
            for (int i = 0; i < target; i++)
            {
                int next = at + MrecordHead.Padded(BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 8)));
                if (next <= at || next + MrecordHead.Bytes > bytes.Length) break;
                at = next;
            }
            int size = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 8));
            if (size is < 16 or > 70000 || at + size > bytes.Length) return;
            int where = at + random.Next(Math.Min(size, 320));
            bytes[where] = random.Next(3) switch { 0 => 0, 1 => 0xFF, _ => (byte)random.Next(256) };
            if (repair)
            {
                uint crc = HammerCrc.Crc32(bytes.AsSpan(at + MrecordHead.CrcFrom, size - MrecordHead.CrcFrom));
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at + 4), crc);
            }
        }
    }
}
