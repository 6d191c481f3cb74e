using System;

namespace NasCore.Io;

/// <summary>
/// The narrow waist to a disk. Whole transfers or an exception (<see cref="System.IO.IOException"/>); no position, no
/// names. Faults, power
/// loss, latency, counting and read-only are decorators. Offsets are bytes from the start of the device.
/// Implementations are safe for concurrent calls.
/// </summary>
public interface IBlockDevice : IDisposable
{
    /// <summary>Name for messages: a path, or a description.</summary>
    string Name { get; }
    /// <summary>Bytes; fixed while open.</summary>
    long Length { get; }
    /// <summary>Unit of atomic transfer of the device.</summary>
    int LogicalBlockBytes { get; }
    bool IsReadOnly { get; }
    void Read(long offset, Span<byte> destination);
    /// <summary>
    /// As <see cref="Read"/>, but what the medium holds, not what a cache above it remembers; as far as the device can.
    /// Slower.
    /// </summary>
    void ReadMedium(long offset, Span<byte> destination) => Read(offset, destination);
    void Write(long offset, ReadOnlySpan<byte> source);
    /// <summary>Returns only when all earlier writes are durable; a failure is a lost promise.</summary>
    void Flush();
    /// <summary>The contents of the range are no longer needed; allowed to do nothing.</summary>
    void Discard(long offset, long length);
    /// <summary>Hint that earlier writes of the range may start towards the medium now; allowed to do
    /// nothing.</summary>
    void StartWriteback(long offset, long length);
    /// <summary>
    /// 0 while nothing waits for the device, else a number that is another one after each answer: the same again means
    /// that it was silent meanwhile. Never waits.
    /// </summary>
    long WaitsSince => 0;
    /// <summary>True if <see cref="WriteDirect"/> goes past the kernel's cache, and is worth a thread of its
    /// own.</summary>
    bool HasDirectWrite => false;
    /// <summary>
    /// As <see cref="Write"/>; offset, length and memory are multiples of 4096. Bytes are read back by
    /// <see cref="Read"/>, too, and made durable by <see cref="Flush"/>.
    /// </summary>
    void WriteDirect(long offset, ReadOnlySpan<byte> source) => Write(offset, source);
}
