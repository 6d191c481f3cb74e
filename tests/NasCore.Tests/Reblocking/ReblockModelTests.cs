using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Primitives;
using NasCore.Tests.Engine;
using NasTesting;
using NasTesting.Model;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Reblocking;

/// <summary>Reblock of random volumes: nothing that can be seen changes, the accounts are right, space comes
/// back.</summary>
public sealed class ReblockModelTests
{
    const ManifestIgnore Ignored = ManifestIgnore.Ino | ManifestIgnore.Times;

    [Theory]
    [InlineData(11, 7, ReblockClasses.All)]
    [InlineData(12, 6, ReblockClasses.All)]
    [InlineData(13, 7, ReblockClasses.BTree)]
    [InlineData(14, 7, ReblockClasses.Inodes)]
    [InlineData(15, 6, ReblockClasses.Dirs)]
    [InlineData(16, 7, ReblockClasses.Data)]
    public void Everything_moves_and_every_tree_of_the_past_stays(ulong seed, int version, ReblockClasses classes)
    {
        using var driver = new EngineDriver((uint)version, undoBytes: 8L << 20, cacheBytes: 8L << 20);
        Dictionary<ulong, ModelTree> past = Work(driver, seed, 500);
        List<OracleRecord> before = Records(driver);
        ReblockStats stats = ReblockKit.Run(driver.Fs, new ReblockRequest { Classes = classes });
        string context = $"seed {seed} version {version} {classes}";
        Compare(driver, past, context);
        driver.Remount();
        driver.AssertSound(context);
        Compare(driver, past, context + ", mounted again");
        AssertMoved(before, Records(driver), classes, in stats, context);
    }

    [Theory]
    [InlineData(21)]
    public void Operations_between_pieces_go_on_as_the_model_says(ulong seed)
    {
        using var driver = new EngineDriver(7, undoBytes: 8L << 20, cacheBytes: 8L << 20);
        var model = new ModelFs();
        var generator = new OperationGenerator(seed);
        Dictionary<ulong, ModelTree> past = [];
        Reblock? reblock = null;
        long moves = 0;
        for (int step = 0; step < 600; step++)
        {
            string replay = $"seed {seed} step {step}";
            reblock = Piece(driver, reblock, step, ref moves);
            ModelOp op = generator.Next(model);
            if (op.Kind is OpKind.Remount or OpKind.Crash or OpKind.Sync)
            {
                if (op.Kind != OpKind.Sync)
                {
                    reblock?.Dispose();
                    reblock = null;
                }
                Assert.True(!driver.Fs.SyncTid(out ulong tid).IsError, replay);
                model.Commit(tid);
                past[tid] = model.Tree;
            }
            ModelErrno expected = op.Apply(model);
            Errno found = driver.Apply(op);
            Assert.True(found.Value == (int)expected, $"{replay}: {op}: expected {expected}, found {found}");
            if (op.Kind is not (OpKind.Sync or OpKind.Remount or OpKind.Crash)) continue;
            string differences = GoldenManifest.Differences(model.Tree.Manifest(), driver.Manifest(), Ignored);
            Assert.True(differences.Length == 0, $"{replay} after {op}:\n{differences}");
        }
        reblock?.Dispose();
        Assert.True(moves > 300, $"only {moves} moves");
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        Compare(driver, past, $"seed {seed}");
        driver.Remount();
        driver.AssertSound($"seed {seed}");
    }

    // A new one when the last is done; some pieces at a time, so that lists stay half done over operations.
    static Reblock? Piece(EngineDriver driver, Reblock? reblock, int step, ref long moves)
    {
        if (step < 100) return null;
        if (reblock is null)
        {
            Errno e = driver.Fs.OpenReblock(new ReblockRequest { AllPfs = true }, out reblock);
            Assert.Equal(Errno.None, e);
        }
        long before = reblock!.Stats.DataMoves + reblock.Stats.BTreeMoves;
        StepEnd end = reblock.Step(new StepBudget { RecordsMax = 1, BytesMax = 1 }, CancellationToken.None);
        moves += reblock.Stats.DataMoves + reblock.Stats.BTreeMoves - before;
        if (end != StepEnd.Done) return reblock;
        reblock.Dispose();
        return null;
    }

    [Fact]
    public void Holes_left_by_deletion_become_free_big_blocks()
    {
        using var driver = new EngineDriver(7, undoBytes: 8L << 20, noHistory: true);
        byte[] content = OpsContent.Bytes(false, 1, 0, 150_000);
        // Eight files in nine go: every big-block keeps a ninth.
        for (int i = 0; i < 900; i++)
        {
            ReblockKit.WriteFile(driver.Fs, $"f{i}", content.AsSpan(0, 100_000 + i * 30));
            ReblockKit.WriteFile(driver.Fs, $"s{i}", content.AsSpan(i, 3000));
        }
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        for (int i = 0; i < 900; i++)
        {
            if (i % 9 == 4) continue;
            ReblockKit.Remove(driver.Fs, $"f{i}");
            ReblockKit.Remove(driver.Fs, $"s{i}");
        }
        driver.Remount();
        List<ManifestEntry> tree = driver.Manifest();
        long free = driver.Fs.Volumes.Root.Header.StatFreeBigBlocks;
        // Big-blocks that are filled more than 5 percent stay.
        ReblockStats none = ReblockKit.Run(driver.Fs, new ReblockRequest { FillPercent = 5 });
        Assert.Equal(0, none.DataMoves);
        ReblockStats stats = ReblockKit.Run(driver.Fs, new ReblockRequest { FillPercent = 80 });
        Assert.True(stats.DataMoves > 150, $"{stats}");
        long now = driver.Fs.Volumes.Root.Header.StatFreeBigBlocks;
        Assert.True(now >= free + 8, $"{free} big-blocks were free, now {now}; {stats}");
        Assert.Equal(0, driver.Fs.Core.Freemap.HeldCount);
        Assert.Equal("", GoldenManifest.Differences(tree, driver.Manifest(), ManifestIgnore.None));
        driver.Remount();
        driver.AssertSound("after the holes were closed");
        Assert.Equal("", GoldenManifest.Differences(tree, driver.Manifest(), ManifestIgnore.None));
    }

    static Dictionary<ulong, ModelTree> Work(EngineDriver driver, ulong seed, int steps)
    {
        var model = new ModelFs();
        var generator = new OperationGenerator(seed);
        Dictionary<ulong, ModelTree> past = [];
        for (int step = 0; step < steps; step++)
        {
            ModelOp op = generator.Next(model);
            if (op.Kind is OpKind.Remount or OpKind.Crash or OpKind.Sync || step == steps - 1)
            {
                Assert.Equal(Errno.None, driver.Fs.SyncTid(out ulong tid));
                model.Commit(tid);
                past[tid] = model.Tree;
            }
            op.Apply(model);
            driver.Apply(op);
        }
        Assert.Equal(Errno.None, driver.Fs.SyncTid(out ulong end));
        model.Commit(end);
        past[end] = model.Tree;
        return past;
    }

    static void Compare(EngineDriver driver, Dictionary<ulong, ModelTree> past, string context)
    {
        foreach ((ulong tid, ModelTree tree) in past)
        {
            string differences = GoldenManifest.Differences(tree.Manifest(), driver.Manifest(tid), Ignored);
            Assert.True(differences.Length == 0, $"{context}, as of {tid:x16}:\n{differences}");
        }
    }

    static List<OracleRecord> Records(EngineDriver driver)
    {
        using OracleVolume oracle = OracleVolume.Open(new DelegateOracleDevice(driver.Device.Length,
            driver.Device.Read));
        return [.. oracle.Records];
    }

    // Only places may differ, and those of the classes wanted all do.
    static void AssertMoved(List<OracleRecord> before, List<OracleRecord> after, ReblockClasses classes,
        in ReblockStats stats, string context)
    {
        Assert.Equal(before.Select(ReblockKit.Line), after.Select(ReblockKit.Line));
        long moved = 0;
        for (int i = 0; i < before.Count; i++)
        {
            bool wanted = (ReblockRequest.ClassOf((RecType)before[i].RecType) & classes) != 0
                && before[i].DataOffset != 0;
            Assert.True(wanted == (before[i].DataOffset != after[i].DataOffset),
                $"{context}: {ReblockKit.Line(before[i])} {before[i].DataOffset:x} {after[i].DataOffset:x}");
            if (wanted) moved++;
        }
        Assert.Equal(moved, stats.DataMoves);
        Assert.Equal(moved, stats.DataCount);
        Assert.Equal(0, stats.BadRecords);
        Assert.Equal((classes & ReblockClasses.BTree) != 0, stats.BTreeMoves > 0);
        Assert.Equal(stats.BTreeMoves, stats.BTreeCount);
    }
}
