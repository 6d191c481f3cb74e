using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Volumes;

/// <summary>
/// The volumes of one file system (on-disk-format 1.5): checked, complete, in one place that turns zone-2 and zone-3
/// addresses into device bytes. The root header of this object is the only copy that counts while it is open.
/// </summary>
public sealed class VolumeSet : IBufferStore, IDisposable
{
    readonly Volume?[] _byNumber = new Volume?[HammerConst.VolumesMax];
    readonly List<Volume> _all;

    VolumeSet(List<Volume> volumes, Volume root)
    {
        _all = volumes;
        foreach (Volume v in volumes) _byNumber[v.VolNo] = v;
        Root = root;
    }

    public Volume Root { get; }
    public IReadOnlyList<Volume> All => _all;
    /// <summary>The root volume's version; other headers may lag.</summary>
    public uint Version => Root.Header.Version;
    public Guid FsId => Root.Header.FsId;
    public string Label => LabelText.Get(Root.Header.Label);
    public bool IsReadOnly => _all.Any(v => v.Device.IsReadOnly);

    /// <summary>Bytes read from and written to the devices for buffers and data, for status.</summary>
    public long BytesRead, BytesWritten;

    /// <summary>Checks the headers and builds the set; takes ownership of the devices, also on failure.</summary>
    public static VolumeSet Open(IReadOnlyList<IBlockDevice> devices)
    {
        try
        {
            return OpenChecked(devices);
        }
        catch
        {
            foreach (IBlockDevice device in devices) device.Dispose();
            throw;
        }
    }

    /// <summary>Opens device or image paths.</summary>
    public static VolumeSet OpenPaths(IEnumerable<string> paths, bool readOnly, bool exclusive)
    {
        var devices = new List<IBlockDevice>();
        try
        {
            foreach (string path in paths) devices.Add(FileBlockDevice.Open(path, readOnly, exclusive));
        }
        catch
        {
            foreach (IBlockDevice device in devices) device.Dispose();
            throw;
        }
        return Open(devices);
    }

    static VolumeSet OpenChecked(IReadOnlyList<IBlockDevice> devices)
    {
        if (devices.Count == 0) throw new HammerFormatException("no volume given");
        if (devices.Count > HammerConst.VolumesMax) throw new HammerFormatException("more than 256 volumes given");
        List<Volume> volumes = [.. devices.Select(Volume.Load)];
        Volume first = volumes[0];
        foreach (Volume v in volumes)
        {
            if (v.Header.FsId != first.Header.FsId)
                throw new HammerFormatException($"{v.Device.Name} belongs to file system {v.Header.FsId}, "
                    + $"{first.Device.Name} to {first.Header.FsId}: give the volumes of one file system");
        }
        foreach (IGrouping<int, Volume> same in volumes.GroupBy(v => v.VolNo).Where(g => g.Count() > 1))
            throw new HammerFormatException($"volume {same.Key} is given twice: "
                + string.Join(" and ", same.Select(v => v.Device.Name)));
        Volume root = volumes.FirstOrDefault(v => v.VolNo == 0)
            ?? throw new HammerFormatException("the root volume (number 0) is missing from the list of volumes");
        if (root.Header.VolCount != volumes.Count)
            throw new HammerFormatException($"{root.Device.Name}: the file system has {root.Header.VolCount} volumes, "
                + $"{volumes.Count} are given: give all of them");
        if (root.Header.Version is < HammerConst.VersionMin or > HammerConst.VersionMax)
            throw new HammerFormatException(
                $"{root.Device.Name}: file system version {root.Header.Version}, supported are 1 to 7");
        return new VolumeSet(volumes, root);
    }

    /// <summary>The volume with this number, or null.</summary>
    public Volume? TryVolume(int volNo) => _byNumber[volNo & 0xFF];

    public void CheckRange(HammerOff zone2, int bytes) => Locate(zone2, bytes, out _);

    public void ReadBuffer(HammerOff zone2, Span<byte> destination) => ReadZone2(zone2, destination);

    public void WriteBuffers(HammerOff zone2, ReadOnlySpan<byte> source) => WriteZone2(zone2, source);

    /// <summary>Reads device bytes at an address of zone 2, 4 or 8 to 15.</summary>
    public void ReadZone2(HammerOff off, Span<byte> destination)
    {
        Volume volume = Locate(off, destination.Length, out long at);
        _extents.WaitFor(volume.Device, at, destination.Length);
        volume.Device.Read(at, destination);
        BytesRead += destination.Length;
    }

    /// <summary>The same from the medium itself, past the kernel's cache of it.</summary>
    public void ReadMedium(HammerOff off, Span<byte> destination)
    {
        Volume volume = Locate(off, destination.Length, out long at);
        _extents.WaitFor(volume.Device, at, destination.Length);
        volume.Device.ReadMedium(at, destination);
        BytesRead += destination.Length;
    }

    public void WriteZone2(HammerOff off, ReadOnlySpan<byte> source)
    {
        Volume volume = Locate(off, source.Length, out long at);
        _extents.WaitFor(volume.Device, at, source.Length);
        volume.Device.Write(at, source);
        BytesWritten += source.Length;
    }

    /// <summary>
    /// Writes file data of whole extents: in the background where the device can, see <see cref="ExtentWriter"/>; they
    /// are on the device after <see cref="DrainExtents"/>.
    /// </summary>
    public void WriteExtents(HammerOff off, ReadOnlySpan<byte> source)
    {
        Volume volume = Locate(off, source.Length, out long at);
        if (volume.TakesDirect(at, source.Length)) _extents.Submit(volume.Device, at, source);
        else WriteBuffered(volume, at, source);
        BytesWritten += source.Length;
    }

    void WriteBuffered(Volume volume, long at, ReadOnlySpan<byte> source)
    {
        _extents.WaitFor(volume.Device, at, source.Length);
        volume.Device.Write(at, source);
        if (source.Length >= 256 * 1024) volume.Device.StartWriteback(at, source.Length);
    }

    /// <summary>Waits for extents on their way; <see cref="System.IO.IOException"/> if one could not be
    /// written.</summary>
    public void DrainExtents() => _extents.Drain();

    readonly ExtentWriter _extents = new();

    /// <summary>Device and byte of an address (on-disk-format 1.3); checks volume and bounds.</summary>
    public Volume Locate(HammerOff off, int bytes, out long deviceOffset)
    {
        Volume? volume = _byNumber[off.VolNo];
        if (volume is null)
            throw new HammerMediumException(off, $"address on volume {off.VolNo}, which does not exist");
        long at = off.ShortOffset;
        if (at > volume.BufEnd - volume.BufBeg - bytes)
            throw new HammerMediumException(off,
                $"address range of {bytes} bytes beyond the end of volume {off.VolNo}");
        deviceOffset = volume.BufBeg + at;
        return volume;
    }

    /// <summary>Durability of everything written so far, on every volume.</summary>
    public void FlushAll()
    {
        foreach (Volume v in _all) v.Device.Flush();
    }

    public void Dispose()
    {
        _extents.Dispose();
        foreach (Volume v in _all) v.Device.Dispose();
    }
}
