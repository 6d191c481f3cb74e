using System.IO;
using NasCore.Io;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;
using NasDevices.Disks;

namespace NasFirmware.Daemon;

/// <summary>Recognises HAMMER volumes by their headers (on-disk-format 2.1).</summary>
sealed class HammerRecognizer : IVolumeRecognizer
{
    public VolumeHeader? Recognize(string path)
    {
        using FileBlockDevice device = FileBlockDevice.Open(path, readOnly: true, exclusive: false);
        if (device.Length < HammerConst.BufferBytes) return null;
        try
        {
            ref VolumeOndisk header = ref Volume.Load(device).Header;
            return new VolumeHeader(header.FsId, LabelText.Get(header.Label), header.VolNo, header.VolCount);
        }
        catch (HammerFormatException e) when (e.InnerException is IOException io)
        {
            throw io;
        }
        catch (HammerFormatException)
        {
            // Anything else on the medium; most disks of this machine are.
            return null;
        }
    }
}
