using System.Collections.Generic;
using NasCore.Ondisk;

namespace NasCore.Transactions;

/// <summary>
/// The open flush group: everything that changes until it closes carries its TID and becomes durable together.
/// Guarded by the exclusive file system lock.
/// </summary>
public sealed class GroupState
{
    public long Number { get; private set; }
    public ulong Tid { get; private set; }
    /// <summary>Records marked deleted in nohistory mode, to be taken out once this group is durable (W8).</summary>
    public List<BaseElm> Removals { get; private set; } = [];

    public void Open(long number, ulong tid)
    {
        Number = number;
        Tid = tid;
        Removals = [];
    }
}
