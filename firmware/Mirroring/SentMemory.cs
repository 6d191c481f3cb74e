using System;
using System.Buffers.Binary;
using System.IO;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NasCore.Ondisk;

namespace NasFirmware.Mirroring;

/// <summary>
/// How far a mirror's batch under way was handed over, for who counts what is sent again after this process was killed.
/// One file of the run folder, overwritten in place: it outlives the process, and ends with the machine, which makes
/// the number smaller, nothing else. Not in the state folder: on a card nothing is to be written while files are
/// mirrored. Not written for small batches.
/// </summary>
sealed class SentMemory
{
    internal const string Folder = "sent";
    // Magic 8, first TID 8, UUID of the source 16, key 40, last TID 8, sum 8.
    const int Bytes = 88, UuidAt = 16, KeyAt = 32, EndAt = 72, SumAt = 80;
    const ulong Magic = 0x32746E655348414E;  // "NAHSent2"

    readonly string _path;
    readonly byte[] _identity;
    readonly Action<string> _log;
    bool _failed;

    /// <param name="run">The run folder.</param>
    /// <param name="mirror">Name of its section.</param>
    /// <param name="where">From where to where; a file of another pair is none.</param>
    /// <param name="log">Told once if it cannot be written.</param>
    internal SentMemory(string run, string mirror, string where, Action<string> log)
    {
        _path = Path.Combine(run, Folder, mirror);
        _identity = Encoding.UTF8.GetBytes(where);
        _log = log;
    }

    ulong Sum(ReadOnlySpan<byte> note)
    {
        var sum = new XxHash64();
        sum.Append(note[..SumAt]);
        sum.Append(_identity);
        return sum.GetCurrentHashAsUInt64();
    }

    /// <summary>False if nothing is noted of a batch from this PFS.</summary>
    internal bool TryRead(Guid source, out ulong begin, out ulong end, out BaseElm key)
    {
        begin = end = 0;
        key = default;
        Span<byte> note = stackalloc byte[Bytes];
        try
        {
            if (!File.Exists(_path)) return false;
            using SafeFileHandle file = File.OpenHandle(_path);
            if (RandomAccess.Read(file, note, 0) != Bytes) return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(e);
            return false;
        }
        if (BinaryPrimitives.ReadUInt64LittleEndian(note) != Magic
            || BinaryPrimitives.ReadUInt64LittleEndian(note[SumAt..]) != Sum(note)
            || new Guid(note.Slice(UuidAt, 16)) != source) return false;
        begin = BinaryPrimitives.ReadUInt64LittleEndian(note[8..]);
        end = BinaryPrimitives.ReadUInt64LittleEndian(note[EndAt..]);
        key = MemoryMarshal.Read<BaseElm>(note[KeyAt..]);
        return true;
    }

    /// <summary>A batch of these TIDs was handed over up to the key.</summary>
    internal void Write(Guid source, ulong begin, ulong end, in BaseElm key)
    {
        Span<byte> note = stackalloc byte[Bytes];
        BinaryPrimitives.WriteUInt64LittleEndian(note, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(note[8..], begin);
        source.TryWriteBytes(note[UuidAt..]);
        MemoryMarshal.Write(note[KeyAt..], in key);
        BinaryPrimitives.WriteUInt64LittleEndian(note[EndAt..], end);
        BinaryPrimitives.WriteUInt64LittleEndian(note[SumAt..], Sum(note));
        Put(note);
    }

    /// <summary>Nothing is under way.</summary>
    internal void Clear() => Put(stackalloc byte[Bytes]);

    void Put(ReadOnlySpan<byte> note)
    {
        if (_failed) return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            using SafeFileHandle file = File.OpenHandle(_path, FileMode.OpenOrCreate, FileAccess.Write);
            RandomAccess.Write(file, note, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(e);
        }
    }

    void Failed(Exception e)
    {
        if (_failed) return;
        _failed = true;
        _log($"how far it has sent cannot be kept, so what is sent again after a crash is not counted: {e.Message}");
    }
}
