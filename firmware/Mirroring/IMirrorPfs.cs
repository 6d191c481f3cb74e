using System;
using System.IO;
using NasFirmware.Daemon;

namespace NasFirmware.Mirroring;

/// <summary>PFSs by their paths in a mounted volume.</summary>
interface IMirrorPfs
{
    /// <summary>The PFS at a path, 0 for the empty one; null: there is none.</summary>
    int? Find(VolumeHandle volume, string path);

    /// <summary>
    /// The PFS at a path; a slave with this shared UUID is made, durably, if nothing is there.
    /// <see cref="IOException"/> with a sentence if that cannot be.
    /// </summary>
    int EnsureSlave(VolumeHandle volume, string path, Guid shared);
}
