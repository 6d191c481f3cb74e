using System;
using System.IO;
using NasCore.Primitives;
using NasFirmware.Daemon;

namespace NasFirmware.Mirroring;

/// <summary>PFSs by their paths in a mounted volume.</summary>
interface IMirrorPfs
{
    /// <summary>The PFS at a path, 0 for the empty one; null: there is none.</summary>
    int? Find(VolumeHandle volume, string path);

    /// <summary>
    /// The PFS at a path; a slave with this shared UUID is made, durably, if nothing is there.
    /// <see cref="IOException"/> with a sentence if that cannot be, a <see cref="MirrorPfsException"/> where the file
    /// system says why.
    /// </summary>
    int EnsureSlave(VolumeHandle volume, string path, Guid shared);
}

/// <summary>A slave PFS cannot be made, or opened: what the file system says.</summary>
sealed class MirrorPfsException(string sentence, Errno result) : IOException(sentence)
{
    internal Errno Result => result;
}
