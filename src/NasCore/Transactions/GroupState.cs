using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;

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

    /// <summary>Bytes of records that the group has changed, by PFS.</summary>
    readonly Dictionary<int, long> _touched = [];

    /// <summary>Called when the group changes a PFS for the first time.</summary>
    public Action<int>? FirstTouch { get; set; }

    public void Open(long number, ulong tid)
    {
        Number = number;
        Tid = tid;
        Removals = [];
        _touched.Clear();
    }

    /// <summary>The group changes a PFS; an object that is in memory only has no bytes yet.</summary>
    public void Touch(int pfsId, long bytes)
    {
        ref long sum = ref CollectionsMarshal.GetValueRefOrAddDefault(_touched, pfsId, out bool known);
        sum += bytes;
        if (!known) FirstTouch?.Invoke(pfsId);
    }

    /// <summary>The same for a record.</summary>
    public void Touch(in BaseElm elm, long bytes)
    {
        if (!IsOfFs(in elm)) Touch(new Localization(elm.Localization).PfsId, bytes);
    }

    public bool HasTouched(int pfsId) => _touched.ContainsKey(pfsId);
    public long TouchedBytes(int pfsId) => _touched.GetValueOrDefault(pfsId);

    /// <summary>
    /// Records whose changes are nothing that a mirror would wait for: config records, and those of the file system
    /// itself under the root directory of PFS 0.
    /// </summary>
    public static bool IsOfFs(in BaseElm elm) =>
        elm.RecType == RecType.Config
        || (elm.ObjId == HammerConst.RootObjId && new Localization(elm.Localization).PfsId == 0
            && (elm.RecType == RecType.Pfs || (elm.RecType == RecType.Ext && elm.Key < 0)));
}
