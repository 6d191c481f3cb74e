using System;
using System.Buffers.Binary;
using System.IO;
using System.IO.Compression;
using System.Text;

namespace NasDevices.Simulation;

/// <summary>
/// A picture in colours that writes itself as PNG (ISO 15948): signature, header, one compressed block of rows without
/// filters, end. Enough for pictures of panels, without a picture library.
/// </summary>
public sealed class PngPicture(int width, int height)
{
    readonly byte[] _rows = new byte[height * (1 + 3 * width)];

    public int Width => width;
    public int Height => height;

    /// <summary>Colours are 0xRRGGBB.</summary>
    public void Fill(int x, int y, int w, int h, int colour)
    {
        for (int j = Math.Max(0, y); j < Math.Min(height, y + h); j++)
        {
            for (int i = Math.Max(0, x); i < Math.Min(width, x + w); i++)
            {
                int at = j * (1 + 3 * width) + 1 + 3 * i;
                _rows[at] = (byte)(colour >> 16);
                _rows[at + 1] = (byte)(colour >> 8);
                _rows[at + 2] = (byte)colour;
            }
        }
    }

    public void WriteTo(Stream to)
    {
        to.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Span<byte> header = stackalloc byte[13];
        header.Clear();
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        header[8] = 8; // Bits of a channel.
        header[9] = 2; // Red, green, blue.
        Chunk(to, "IHDR", header);
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.SmallestSize, leaveOpen: true)) zlib.Write(_rows);
        Chunk(to, "IDAT", packed.ToArray());
        Chunk(to, "IEND", default);
    }

    static void Chunk(Stream to, string type, ReadOnlySpan<byte> data)
    {
        var chunk = new byte[12 + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        data.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + data.Length), Crc(chunk.AsSpan(4, 4 + data.Length)));
        to.Write(chunk);
    }

    // The CRC-32 of the PNG standard, a bit at a time: pictures here are small.
    static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~0u;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
        }
        return ~crc;
    }
}
