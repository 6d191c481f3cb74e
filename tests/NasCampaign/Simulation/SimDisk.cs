using System;
using System.IO;
using NasCampaign.PowerCut;
using NasCore.Io;

namespace NasCampaign.Simulation;

/// <summary>A disk that may be pulled, or lose its power, behind any write of the step at hand.</summary>
sealed class SimDisk : IBlockDevice
{
    readonly DiskImage _start, _live;
    readonly PowerLog _log;
    int _stepAt;

    internal SimDisk(DiskImage image)
    {
        _start = image;
        _live = image.Fork();
        _log = new PowerLog(_live);
    }

    internal bool IsGone { get; private set; }

    /// <summary>What was written up to now has been seen by others, or may have been.</summary>
    internal void StepBegins() => _stepAt = _log.Count;

    /// <summary>Takes it away; what is left is what the medium holds, by the kind of cut.</summary>
    internal DiskImage Cut(Random random)
    {
        IsGone = true;
        var cutter = new PowerCutter(_log.Events, _start);
        cutter.AdvanceTo(_stepAt + random.Next(_log.Count - _stepAt + 1));
        CutKind[] kinds = Enum.GetValues<CutKind>();
        return cutter.Cut(kinds[random.Next(kinds.Length)], random);
    }

    /// <summary>The program ended by itself, or was killed: all that was written is there.</summary>
    internal DiskImage Keep()
    {
        IsGone = true;
        return _live;
    }

    void Check()
    {
        if (IsGone) throw new IOException($"{Name}: no such device");
    }

    public string Name => "sim";
    public long Length => _log.Length;
    public int LogicalBlockBytes => _log.LogicalBlockBytes;
    public bool IsReadOnly => false;

    public void Read(long offset, Span<byte> destination)
    {
        Check();
        _log.Read(offset, destination);
    }

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        Check();
        _log.Write(offset, source);
    }

    public void Flush()
    {
        Check();
        _log.Flush();
    }

    public void Discard(long offset, long length) => Check();
    public void StartWriteback(long offset, long length) => Check();

    public void Dispose()
    {
    }
}
