using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Io;
using NasCore.Primitives;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Recovery;

/// <summary>
/// The power goes at every write and flush of work with fsync by REDO: what fsync promised is there to the byte,
/// whatever happened to the file's name in the group that was lost, and nothing else is in its place.
/// </summary>
public sealed class RedoPowerCutTests
{
    /// <summary>Seed, without history, version, near the FIFO's end.</summary>
    public static TheoryData<ulong, bool, uint, bool> Workloads => new()
    {
        { 1, false, 7, false }, { 2, false, 7, true }, { 3, true, 7, false }, { 4, false, 6, true },
        { 5, true, 6, false },
    };

    [Theory]
    [MemberData(nameof(Workloads))]
    public void Power_cut_at_any_write_keeps_what_fsync_promised(ulong seed, bool noHistory, uint version, bool nearEnd)
    {
        using var work = new RedoWorkload(seed, noHistory, version, nearEnd);
        work.Run(160);
        Assert.True(work.Redone > 15 && work.Grouped > 3, $"{work.Redone} by REDO, {work.Grouped} by groups");
        var random = new ModelRandom(seed);
        var cutter = new PowerCutter(work.Log.Events, work.Start.Clone());
        for (int at = 0; at <= work.Log.Count; at++)
        {
            cutter.AdvanceTo(at);
            CutKind kind = cutter.Pending == 0 ? CutKind.InOrder : (CutKind)random.Below(4);
            string context = $"replay: seed {seed} nohistory {noHistory} version {version} near end {nearEnd} "
                + $"cut {at} of {work.Log.Count} {kind}";
            Check(work, cutter.Cut(kind, random), at, context, sound: at % 4 == 0);
        }
        TestContext.Current.SendDiagnosticMessage(
            $"seed {seed}: {work.Log.Count} cuts, fsync {work.Redone} by REDO, {work.Grouped} by groups");
    }

    [Theory]
    [MemberData(nameof(Workloads))]
    public void Second_power_cut_during_recovery_keeps_it_too(ulong seed, bool noHistory, uint version, bool nearEnd)
    {
        using var work = new RedoWorkload(seed + 50, noHistory, version, nearEnd);
        work.Run(100);
        var random = new ModelRandom(seed);
        var cutter = new PowerCutter(work.Log.Events, work.Start.Clone());
        for (int at = random.Below(12); at <= work.Log.Count; at += 1 + random.Below(20))
        {
            cutter.AdvanceTo(at);
            CutKind kind = (CutKind)random.Below(4);
            OverlayBlockDevice crashed = cutter.Cut(kind, random);
            string context = $"replay: seed {seed} nohistory {noHistory} version {version} near end {nearEnd} "
                + $"cut {at} of {work.Log.Count} {kind}";
            var copy = new MemoryBlockDevice(crashed.Length);
            PowerCutTests.CopyTo(crashed, copy);
            var log = new RecordingDevice(new OverlayBlockDevice(copy));
            MountedTree.Mount(work.Options, log).Dispose();
            var second = new PowerCutter(log.Events, copy);
            for (int then = random.Below(4); then <= log.Count; then += 1 + random.Below(8))
            {
                second.AdvanceTo(then);
                kind = (CutKind)random.Below(4);
                Check(work, second.Cut(kind, random), at, $"{context}, then cut {then} of {log.Count} {kind}",
                    sound: then % 4 == 0);
            }
        }
    }

    static void Check(RedoWorkload work, OverlayBlockDevice device, int at, string context, bool sound)
    {
        try
        {
            using (HammerFs fs = MountedTree.Mount(work.Options, device))
            {
                foreach (RedoWorkload.Subject file in work.Files) CheckFile(fs, file, at, context);
            }
            if (sound) MountedTree.AssertSound(context, device);
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException(context, e);
        }
    }

    static void CheckFile(HammerFs fs, RedoWorkload.Subject file, int at, string context)
    {
        int last = file.Synced.FindLastIndex(s => s.Promised <= at);
        if (last < 0) return;
        byte[]? found = TryRead(fs, file.Vnode);
        // What was being written when the power went may be there as well, REDO of it in part.
        List<byte[]?> allowed = [file.Synced[last].Content,
            .. file.Synced.Skip(last + 1).Where(s => s.Begun < at).Select(s => s.Content)];
        if (allowed.Any(a => Same(a, found))) return;
        Assert.True(allowed.Count > 1, $"{context}: object {file.Vnode.ObjId:x}: {Describe(found, allowed[0])}");
        Assert.True(found is not null && allowed[1] is not null && IsBetween(found, allowed[0]!, allowed[1]!),
            $"{context}: object {file.Vnode.ObjId:x} is no mixture of what was and what came: "
            + Describe(found, allowed[0]));
    }

    static bool Same(byte[]? a, byte[]? b) => a is null ? b is null : b is not null && a.AsSpan().SequenceEqual(b);

    /// <summary>Each byte is the old or the new one, or a zero of a file that was cut meanwhile.</summary>
    static bool IsBetween(byte[] found, byte[] old, byte[] now)
    {
        if (found.Length > Math.Max(old.Length, now.Length)) return false;
        for (int i = 0; i < found.Length; i++)
        {
            if (found[i] == 0 || (i < old.Length && found[i] == old[i]) || (i < now.Length && found[i] == now[i]))
                continue;
            return false;
        }
        return true;
    }

    static string Describe(byte[]? found, byte[]? expected)
    {
        if (found is null || expected is null)
            return $"expected {expected?.Length.ToString() ?? "none"}, found {found?.Length.ToString() ?? "none"}";
        int at = found.AsSpan().CommonPrefixLength(expected);
        return $"size {found.Length}, expected {expected.Length}, first difference at {at}";
    }

    static byte[]? TryRead(HammerFs fs, Vnode vnode)
    {
        if (fs.GetAttr(vnode, out FileAttr attr).IsError) return null;
        byte[] content = new byte[attr.Size];
        for (int done = 0; done < content.Length;)
        {
            Assert.Equal(Errno.None, fs.Read(vnode, (ulong)done, content.AsSpan(done), out int n));
            Assert.NotEqual(0, n);
            done += n;
        }
        return content;
    }
}
