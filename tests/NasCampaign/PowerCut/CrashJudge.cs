using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Primitives;
using NasTesting.Model;

namespace NasCampaign.PowerCut;

/// <summary>
/// Whether a tree found after a cut is one that a run may leave: one whole state, at least as new as every sync that
/// had returned. Objects for which fsync was called may be newer than that state, as REDO leaves them, and must be at
/// least as new as what their fsync promised, under the names that they had then or later. Times of such objects are
/// those of the replay. An fsync under way may have brought part of what it was to promise, and nothing else.
/// </summary>
public sealed class CrashJudge(CrashRun run, int cut)
{
    readonly List<CrashState> _states = run.States;
    readonly List<Acknowledgement> _held = [.. run.Acks.Where(a => a.Promised <= cut)];
    readonly HashSet<long> _fsynced = [.. run.Acks.Where(a => a.Ino != 0 && a.Begun <= cut).Select(a => a.Ino)];

    /// <summary>The oldest state that sync allows.</summary>
    public int Oldest => _held.Where(a => a.Ino == 0).Select(a => a.State).Append(0).Max();

    /// <summary>The newest state whose operation had begun.</summary>
    public int Newest
    {
        get
        {
            int newest = _states.FindLastIndex(s => s.Begun < cut);
            return Math.Max(newest, Oldest);
        }
    }

    /// <summary>Names and trees of the past that must still show.</summary>
    public IEnumerable<Acknowledgement> Pasts => _held.Where(a => a.Past is not null);

    /// <summary>Null if the tree is allowed, else what is wrong with it.</summary>
    public string? Judge(TreeState found)
    {
        int newest = Newest, oldest = Oldest;
        string? reason = null;
        for (int k = newest; k >= oldest; k--)
        {
            string? why = Fits(found, k, newest);
            if (why is null) return null;
            if (why.Length > 0) reason = why;
        }
        for (int k = 0; reason is null && k < _states.Count; k++)
        {
            if (!_states[k].Tree.Equals(found)) continue;
            reason = k < oldest ? $"it is state {k} ({_states[k].What}), older than what sync promised ({oldest}: "
                + $"{_states[oldest].What})" : $"it is state {k}, which had not begun ({newest} had)";
        }
        return reason ?? "it is no state of the run; against the one promised:\n  "
            + TreeState.Differences(_states[oldest].Tree, found)
            + "\n  against the newest:\n  " + TreeState.Differences(_states[newest].Tree, found);
    }

    // Null: it fits. Empty: another tree altogether. Else the promise that was broken.
    string? Fits(TreeState found, int k, int newest)
    {
        TreeState state = _states[k].Tree;
        if (found.Count != state.Count) return "";
        foreach ((string path, TreeEntry e) in found.Entries)
        {
            if (!state.Entries.TryGetValue(path, out TreeEntry? expected)) return "";
            if (e.Equals(expected)) continue;
            if (!_fsynced.Contains(e.Ino) || e.Type != ObjType.RegFile || e.Ino != expected.Ino
                || e.Nlinks != expected.Nlinks) return "";
            if (!Range(k, newest).Any(m => Shows(m, e)) && !IsOnItsWay(e, found)) return "";
        }
        foreach (Acknowledgement ack in _held)
        {
            if (ack.Ino == 0 || ack.State <= k) continue;
            if (!Range(ack.State, newest).Any(m => SameObject(_states[m].Tree, found, ack.Ino)))
                return $"state {k} ({_states[k].What}), but fsync of object {ack.Ino:x} had promised state {ack.State} "
                    + $"({_states[ack.State].What}):\n  {TreeState.Differences(_states[ack.State].Tree, found)}";
        }
        return null;
    }

    static IEnumerable<int> Range(int from, int to) => Enumerable.Range(from, Math.Max(to - from + 1, 1));

    bool Shows(int m, TreeEntry e) =>
        _states[m].Tree.OfIno(e.Ino).Any(s => s.Content == e.Content && s.Attrs == e.Attrs);

    // An object's own names: fsync of a file promises nothing about the name of a folder above it.
    static (long Folder, string Name) Place(TreeState tree, string path)
    {
        int slash = path.LastIndexOf('/');
        string folder = slash == 0 ? "/" : path[..slash];
        return path == "/" ? (0, "") : (tree.Entries[folder].Ino, path[(slash + 1)..]);
    }

    /// <summary>
    /// True if an fsync of this file was under way, and its REDO is on the medium in part: then each byte is that of
    /// some state between the one promised last and the one that this fsync would have promised, and so is the size.
    /// </summary>
    bool IsOnItsWay(TreeEntry e, TreeState found)
    {
        Acknowledgement? coming = run.Acks.Find(a => a.Ino == e.Ino && a.Begun <= cut && a.Promised > cut);
        if (coming is null || found.BytesOf(e.Ino) is not { } bytes) return false;
        int from = _held.Where(a => a.Ino == e.Ino || a.Ino == 0).Select(a => a.State).Append(0).Max();
        var contents = new List<ModelContent>();
        foreach (int m in Range(from, coming.State))
        {
            if (_states[m].Tree.OfIno(e.Ino).FirstOrDefault() is not { } then || then.Attrs != e.Attrs
                || _states[m].Model?.Find(then.Path)?.Content is not { } content) continue;
            contents.Add(content);
        }
        if (contents.Count == 0 || bytes.Length < contents.Min(c => c.Size)
            || bytes.Length > contents.Max(c => c.Size)) return false;
        List<byte[]> all = [.. contents.Select(c => c.Read(0, bytes.Length))];
        for (int i = 0; i < bytes.Length; i++)
        {
            byte b = bytes[i];
            if (!all.Exists(a => i < a.Length ? a[i] == b : b == 0)) return false;
        }
        return true;
    }

    bool SameObject(TreeState promised, TreeState found, long ino)
    {
        List<TreeEntry> a = [.. promised.OfIno(ino)], b = [.. found.OfIno(ino)];
        if (!a.Select(e => Place(promised, e.Path)).Order().SequenceEqual(b.Select(e => Place(found, e.Path)).Order()))
            return false;
        if (a.Count == 0) return true;
        if (a[0].Type == ObjType.Directory && !promised.NamesIn(ino)!.SequenceEqual(found.NamesIn(ino)!)) return false;
        return a[0].Content == b[0].Content && a[0].Attrs == b[0].Attrs || IsOnItsWay(b[0], found);
    }
}
