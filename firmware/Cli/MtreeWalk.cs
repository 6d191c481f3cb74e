using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Text;
using NasCore.Primitives;

namespace NasFirmware.Cli;

/// <summary>Takes the lines of a specification in order of their paths' bytes.</summary>
delegate void MtreeLineSink(byte[] path, string keywords);

/// <summary>
/// Walks a tree and gives one line for each object, sorted by the bytes of the whole path ("a!b" lies between "a" and
/// "a/b"). In memory are the names of the directories on the way down, and the ids of the directories seen.
/// </summary>
sealed class MtreeWalk(MtreeSource source, MtreeLineSink sink, Action<string> complain)
{
    /// <summary>Deeper trees than paths can name are a loop of a damaged volume.</summary>
    const int DepthMax = 2048;

    /// <summary>A child has two places in the order: its own line, and everything below it.</summary>
    readonly record struct Step(byte[] Key, bool Descend, MtreeHandle Handle);

    sealed class StepOrder : IComparer<Step>
    {
        public int Compare(Step a, Step b) => a.Key.AsSpan().SequenceCompareTo(b.Key);
    }

    static readonly StepOrder s_order = new();

    /// <summary>Objects that could not be read.</summary>
    internal int Errors { get; private set; }

    /// <summary>Directories seen: each has one name, so a second visit is a loop of a damaged volume.</summary>
    readonly HashSet<(int, ulong, long)> _seen = [];

    internal void Run()
    {
        byte[] top = "."u8.ToArray();
        if (!Line(top, source.Root, out bool isDirectory)) return;
        FirstVisit(source.Root);
        if (isDirectory) Descend(top, source.Root);
    }

    // A stack of its own: the depth is the medium's choice.
    void Descend(byte[] path, MtreeHandle root)
    {
        var stack = new Stack<(byte[] Path, List<Step> Steps, int Next)>();
        stack.Push((path, Steps(path, root), 0));
        while (stack.TryPop(out var at))
        {
            if (at.Next == at.Steps.Count) continue;
            Step step = at.Steps[at.Next];
            stack.Push((at.Path, at.Steps, at.Next + 1));
            byte[] child = [.. at.Path, (byte)'/', .. step.Key];
            if (step.Descend)
            {
                child = child[..^1];
                if (stack.Count >= DepthMax) Fail(child, "deeper than paths can name: not followed");
                else if (!FirstVisit(step.Handle)) Fail(child, "this directory has another name already: not followed");
                else stack.Push((child, Steps(child, step.Handle), 0));
            }
            else if (Line(child, step.Handle, out bool isDirectory) && isDirectory)
            {
                Insert(at.Steps, at.Next + 1, new Step([.. step.Key, (byte)'/'], true, step.Handle));
            }
        }
    }

    bool FirstVisit(MtreeHandle at) => !source.InodeIsObjectId
        || _seen.Add((at.Vnode.PfsId, at.Vnode.AsOf, at.Vnode.ObjId));

    static void Insert(List<Step> steps, int from, Step step)
    {
        int at = steps.BinarySearch(from, steps.Count - from, step, s_order);
        steps.Insert(at < 0 ? ~at : at, step);
    }

    List<Step> Steps(byte[] path, MtreeHandle directory)
    {
        var steps = new List<Step>();
        try
        {
            source.List(directory, (name, handle) => steps.Add(new Step(name, false, handle)));
        }
        catch (Exception e) when (CommandLine.IsExpected(e))
        {
            Fail(path, e.Message);
        }
        steps.Sort(s_order);
        return steps;
    }

    void Fail(byte[] path, string message)
    {
        Errors++;
        complain($"{MtreeText.Escape(path)}: {message}");
    }

    bool Line(byte[] path, MtreeHandle at, out bool isDirectory)
    {
        isDirectory = false;
        try
        {
            MtreeAttr attr = source.Attr(at);
            isDirectory = attr.Type == ObjType.Directory;
            sink(path, Keywords(at, in attr));
            return true;
        }
        catch (Exception e) when (CommandLine.IsExpected(e))
        {
            Fail(path, e.Message);
            return false;
        }
    }

    string Keywords(MtreeHandle at, in MtreeAttr a)
    {
        var text = new StringBuilder();
        text.Append("type=").Append(MtreeText.TypeName(a.Type)).Append(" mode=0")
            .Append(Convert.ToString(a.Mode, 8).PadLeft(3, '0'));
        text.Append(
            $" uid={a.Uid} gid={a.Gid} nlink={a.Nlink} size={a.Size} "
            + $"time={a.Seconds}.{a.Nanoseconds:000000000}");
        switch (a.Type)
        {
            case ObjType.SoftLink:
                text.Append(" link=").Append(MtreeText.Escape(source.Link(at)));
                break;
            case ObjType.CDev or ObjType.BDev:
                text.Append($" device=linux,{a.Major},{a.Minor}");
                break;
            case ObjType.RegFile:
                using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
                {
                    source.Content(at, a.Size, hash);
                    text.Append(" sha256digest=").Append(Convert.ToHexStringLower(hash.GetHashAndReset()));
                }
                break;
        }
        if (a.Flags is uint flags) text.Append(" flags=").Append(MtreeText.FlagNames(flags));
        text.Append($" inode={a.Inode}");
        return text.ToString();
    }
}
