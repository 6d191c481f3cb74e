using System;
using System.Threading;
using NasCore;

namespace NasFirmware.Daemon;

/// <summary>
/// A file system that this box has mounted. Who uses it stops when <see cref="Gone"/> is cancelled: the disk was
/// pulled, the mount ends, or the daemon stops. The daemon uses this facade only, never the mounted directory.
/// </summary>
sealed class VolumeHandle(string name, HammerFs fs, CancellationToken gone)
{
    /// <summary>The name of its section in the configuration.</summary>
    internal string Name => name;
    internal HammerFs Fs => fs;
    internal CancellationToken Gone => gone;
}

/// <summary>The file systems that are mounted now, by the names of their sections.</summary>
interface IVolumes
{
    /// <summary>Null while it is not mounted.</summary>
    VolumeHandle? Find(string name);

    /// <summary>A file system appeared or went; the argument is its name. On any thread.</summary>
    event Action<string> Changed;
}
