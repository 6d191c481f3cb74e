using System.Collections.Generic;
using NasCore.Primitives;
using NasTesting;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>Random operation lists against the naive file system with history.</summary>
public sealed class ModelTests
{
    const ManifestIgnore Ignored = ManifestIgnore.Ino | ManifestIgnore.Times;

    public static TheoryData<ulong, int> Seeds
    {
        get
        {
            var data = new TheoryData<ulong, int>();
            for (ulong seed = 1; seed <= 8; seed++) data.Add(seed, seed % 4 == 0 ? 6 : 7);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Random_operations_agree_with_the_model_at_every_tid(ulong seed, int version)
    {
        using var driver = new EngineDriver((uint)version, undoBytes: 8L << 20, cacheBytes: 8L << 20);
        var model = new ModelFs();
        var generator = new OperationGenerator(seed);
        Dictionary<ulong, ModelTree> past = [];
        for (int step = 0; step < 1500; step++)
        {
            string replay = $"replay: seed {seed} version {version} step {step}";
            (ModelOp op, ModelErrno expected) = Next(generator, model, driver, past, replay);
            Errno found = driver.Apply(op);
            Assert.True(found.Value == (int)expected, $"{replay}: {op}: expected {expected}, found {found}");
            if (op.Kind is not (OpKind.Sync or OpKind.Remount or OpKind.Crash)) continue;
            Compare(model.Tree, driver.Manifest(), $"{replay} after {op}");
        }
        Assert.Equal(Errno.None, driver.Fs.SyncAndWait());
        foreach ((ulong tid, ModelTree tree) in past)
            Compare(tree, driver.Manifest(tid), $"seed {seed}, as of {tid:x16}");
        driver.Remount();
        driver.AssertSound($"seed {seed} version {version}");
    }

    /// <summary>The next operation; the state before a crash or remount is made durable, so the model knows
    /// it.</summary>
    static (ModelOp Op, ModelErrno Expected) Next(OperationGenerator generator, ModelFs model, EngineDriver driver,
        Dictionary<ulong, ModelTree> past, string replay)
    {
        ModelOp op = generator.Next(model);
        if (op.Kind is OpKind.Sync or OpKind.Fsync or OpKind.Remount or OpKind.Crash)
        {
            Assert.True(!driver.Fs.SyncTid(out ulong tid).IsError, replay);
            model.Commit(tid);
            past[tid] = model.Tree;
        }
        return (op, op.Apply(model));
    }

    static void Compare(ModelTree expected, List<ManifestEntry> found, string context)
    {
        string differences = GoldenManifest.Differences(expected.Manifest(), found, Ignored);
        Assert.True(differences.Length == 0, $"{context}:\n{differences}");
    }
}
