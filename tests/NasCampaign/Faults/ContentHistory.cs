using System;
using System.Collections.Generic;
using NasCampaign.Kit;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.Faults;

/// <summary>
/// Every content that each object of a workload ever had, in pieces of 4 KiB, and every state of the tree: what may
/// still be read when a disk has lied. Made by doing the work on a disk that does not.
/// </summary>
sealed class ContentHistory
{
    public const int Piece = 4096;

    readonly Dictionary<long, Dictionary<long, List<byte[]>>> _pieces = [];
    readonly Dictionary<long, ModelContent> _last = [];

    /// <summary>The tree after each operation, as <see cref="SurvivingTree"/> tells it; the first the start.</summary>
    public List<string> States { get; } = [];
    /// <summary>What was written and flushed, in order.</summary>
    public RecordingDevice? Log { get; private set; }

    public static ContentHistory Of(FaultWork work, bool record)
    {
        var history = new ContentHistory();
        IBlockDevice[] devices = work.Fresh();
        if (record) devices[0] = history.Log = new RecordingDevice(devices[0]);
        ModelFs model = work.PreparedModel();
        using HammerFs fs = MountedTree.Mount(work.Options(), devices);
        var driver = new FacadeDriver(fs);
        history.Note(fs, driver, model);
        foreach ((ModelOp op, ModelErrno expected) in work.Operations)
        {
            fs.Cache.DropClean();
            if (!op.IsMarker) op.Apply(model);
            Errno e = op.Kind == OpKind.Sync ? fs.SyncAndWait() : op.IsMarker ? Errno.None : driver.Do(op);
            Finding.Check(e.Value == (int)expected, $"seed {work.Seed}", $"{op}: {e} without any fault");
            history.Note(fs, driver, model);
        }
        return history;
    }

    void Note(HammerFs fs, FacadeDriver driver, ModelFs model)
    {
        foreach ((string path, ModelNode node) in model.Tree.Walk())
        {
            if (node.Type != ModelType.File) continue;
            if (driver.Find(path, out Vnode vnode).IsError) throw new InvalidOperationException(path);
            bool known = _last.TryGetValue(vnode.ObjId, out ModelContent? last);
            if (known && ReferenceEquals(last, node.Content)) continue;
            _last[vnode.ObjId] = node.Content;
            Note(vnode.ObjId, node.Content);
        }
        States.Add(SurvivingTree.Read(fs).Text);
    }

    void Note(long objId, ModelContent content)
    {
        if (!_pieces.TryGetValue(objId, out Dictionary<long, List<byte[]>>? file)) _pieces[objId] = file = [];
        for (long at = 0; at < content.Size; at += Piece)
        {
            byte[] bytes = new byte[Piece];
            content.Read(at, Piece).CopyTo(bytes, 0);
            if (!file.TryGetValue(at / Piece, out List<byte[]>? known)) file[at / Piece] = known = [];
            if (!known.Exists(k => k.AsSpan().SequenceEqual(bytes))) known.Add(bytes);
        }
    }

    /// <summary>True if these bytes once stood there: in this object, at this place; or nothing did.</summary>
    public bool Was(long objId, long at, ReadOnlySpan<byte> bytes)
    {
        if (!bytes.ContainsAnyExcept((byte)0)) return true;
        if (!_pieces.TryGetValue(objId, out Dictionary<long, List<byte[]>>? file)
            || !file.TryGetValue(at / Piece, out List<byte[]>? known)) return false;
        // Byte for byte: a write into a block whose newer version the disk has lost changes the older one. That random
        // bytes pass for a whole piece is out of the question.
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != 0 && !known.Exists(Holds(i, bytes[i]))) return false;
        }
        return true;
    }

    static Predicate<byte[]> Holds(int at, byte value) => version => version[at] == value;

    /// <summary>What is known of a place, for a finding.</summary>
    public string Tell(long objId, long at, ReadOnlySpan<byte> bytes)
    {
        if (!_pieces.TryGetValue(objId, out Dictionary<long, List<byte[]>>? file)) return "no such object ever was";
        if (!file.TryGetValue(at / Piece, out List<byte[]>? known)) return "nothing was ever there";
        int wrong = 0;
        while (wrong < bytes.Length && (bytes[wrong] == 0 || known.Exists(Holds(wrong, bytes[wrong])))) wrong++;
        return $"{known.Count} versions; byte {wrong} of {bytes.Length} is in none: "
            + Convert.ToHexStringLower(bytes[wrong..Math.Min(bytes.Length, wrong + 16)]) + " and not "
            + string.Join(", ", known.ConvertAll(k => Convert.ToHexStringLower(k.AsSpan(wrong, 8))));
    }
}
