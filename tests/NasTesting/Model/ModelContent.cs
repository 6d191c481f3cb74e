using System;
using System.Collections.Immutable;
using System.Security.Cryptography;

namespace NasTesting.Model;

/// <summary>The bytes of a file: immutable, blocks shared between versions, holes not stored.</summary>
public sealed class ModelContent
{
    const int Block = 4096;
    static readonly byte[] s_zeros = new byte[Block];

    readonly ImmutableDictionary<long, byte[]> _blocks;
    string? _sha256;

    ModelContent(long size, ImmutableDictionary<long, byte[]> blocks)
    {
        Size = size;
        _blocks = blocks;
    }

    public static ModelContent Empty { get; } = new(0, ImmutableDictionary<long, byte[]>.Empty);

    public long Size { get; }

    /// <summary>Lower-case hex, computed once.</summary>
    public string Sha256 => _sha256 ??= Hash();

    public ModelContent Write(long offset, ReadOnlySpan<byte> bytes)
    {
        ImmutableDictionary<long, byte[]>.Builder blocks = _blocks.ToBuilder();
        long end = offset + bytes.Length;
        for (long at = offset; at < end;)
        {
            long index = at / Block;
            int inBlock = (int)(at % Block);
            int length = (int)Math.Min(Block - inBlock, end - at);
            byte[] block = blocks.TryGetValue(index, out byte[]? old) ? (byte[])old.Clone() : new byte[Block];
            bytes.Slice((int)(at - offset), length).CopyTo(block.AsSpan(inBlock));
            blocks[index] = block;
            at += length;
        }
        return new ModelContent(bytes.Length == 0 ? Size : Math.Max(Size, end), blocks.ToImmutable());
    }

    /// <summary>Zeros in the range; the size does not change.</summary>
    public ModelContent Zero(long offset, long length)
    {
        long end = Math.Min(offset + length, Size);
        ModelContent result = this;
        for (long at = offset; at < end;)
        {
            int piece = (int)Math.Min(Block - at % Block, end - at);
            if (result._blocks.ContainsKey(at / Block)) { result = result.Write(at, s_zeros.AsSpan(0, piece)); }
            at += piece;
        }
        return result;
    }

    public ModelContent Truncate(long size)
    {
        if (size >= Size) { return new ModelContent(size, _blocks); }
        ModelContent cut = Zero(size, Block - size % Block);
        ImmutableDictionary<long, byte[]>.Builder blocks = cut._blocks.ToBuilder();
        foreach (long index in cut._blocks.Keys)
        {
            if (index * Block >= size) { blocks.Remove(index); }
        }
        return new ModelContent(size, blocks.ToImmutable());
    }

    /// <summary>Bytes from the offset on, fewer at the end of the file.</summary>
    public byte[] Read(long offset, int length)
    {
        byte[] bytes = new byte[(int)Math.Clamp(Size - offset, 0, length)];
        for (int at = 0; at < bytes.Length;)
        {
            int inBlock = (int)((offset + at) % Block);
            int piece = Math.Min(Block - inBlock, bytes.Length - at);
            if (_blocks.TryGetValue((offset + at) / Block, out byte[]? block))
            {
                block.AsSpan(inBlock, piece).CopyTo(bytes.AsSpan(at));
            }
            at += piece;
        }
        return bytes;
    }

    string Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long at = 0; at < Size; at += Block)
        {
            int piece = (int)Math.Min(Block, Size - at);
            hash.AppendData((_blocks.TryGetValue(at / Block, out byte[]? block) ? block : s_zeros).AsSpan(0, piece));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
