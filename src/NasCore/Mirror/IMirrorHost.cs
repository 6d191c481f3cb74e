using NasCore.BTree;
using NasCore.Objects;
using NasCore.Primitives;

namespace NasCore.Mirror;

/// <summary>What a scan needs of a mounted file system; HammerFs implements it.</summary>
public interface IMirrorHost
{
    NodeStore Nodes { get; }
    RecordReader Records { get; }
    /// <summary>The root node; only under the lock.</summary>
    HammerOff BTreeRoot { get; }

    /// <summary>
    /// Takes the shared file system lock and pins what can be reached now: extents are not reused before
    /// <see cref="LeaveEpoch"/> of the number returned (architecture R1).
    /// </summary>
    int EnterShared();
    /// <summary>Gives the lock back; the pin stays.</summary>
    void ExitShared();
    void LeaveEpoch(int epoch);

    /// <summary>Until it is disposed, maintenance removes nothing of a PFS that is visible at this TID.</summary>
    System.IDisposable KeepHistory(int pfsId, ulong end);
}
