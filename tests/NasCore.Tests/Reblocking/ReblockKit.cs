using System;
using System.Globalization;
using System.Text;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Reblocking;

/// <summary>What the tests of reblock share.</summary>
static class ReblockKit
{
    static readonly Caller s_root = new(0, 0, 0);

    /// <summary>Runs a reblock to its end and returns what it counted.</summary>
    public static ReblockStats Run(HammerFs fs, ReblockRequest request, StepEnd expected = StepEnd.Done)
    {
        Assert.Equal(Errno.None, fs.OpenReblock(request, out Reblock? reblock));
        using (reblock)
        {
            StepEnd end = fs.RunReblock(reblock!, new StepBudget(), CancellationToken.None);
            string complaints = "";
            while (reblock!.TryTakeComplaint(out string complaint)) complaints += complaint + "\n";
            Assert.True(end == expected, $"{end} {reblock.Stats} {complaints}");
            return reblock.Stats;
        }
    }

    /// <summary>All of a record but where its data are.</summary>
    public static string Line(OracleRecord r) => string.Create(CultureInfo.InvariantCulture,
        $"{r.Localization:x8} {r.ObjId:x} {r.RecType:x} {r.Key:x} {r.CreateTid:x} {r.DeleteTid:x} {r.DataLen}");

    public static Vnode WriteFile(HammerFs fs, string name, ReadOnlySpan<byte> content)
    {
        byte[] raw = Encoding.ASCII.GetBytes(name);
        Vnode file = default;
        Repeat(fs, () => fs.Lookup(fs.Root, raw, out file, out _).IsError
            ? fs.Create(fs.Root, raw, ObjType.RegFile, 0x1A4, 0, 0, s_root, out file, out _) : Errno.None);
        for (int at = 0; at < content.Length;)
        {
            Errno e = fs.Write(file, (ulong)at, content[at..], false, false, out int n);
            if (e == Errno.NeedFlush) Flush(fs);
            else Assert.Equal(Errno.None, e);
            at += n;
        }
        return file;
    }

    public static void Remove(HammerFs fs, string name) =>
        Repeat(fs, () => fs.Unlink(fs.Root, Encoding.ASCII.GetBytes(name)));

    static void Repeat(HammerFs fs, Func<Errno> operation)
    {
        Errno e;
        while ((e = operation()) == Errno.NeedFlush) Flush(fs);
        Assert.Equal(Errno.None, e);
    }

    static void Flush(HammerFs fs)
    {
        if (fs.Core.IsRunning) Assert.Equal(Errno.None, fs.SyncAndWait());
        else fs.Core.FlushOnce();
    }
}
