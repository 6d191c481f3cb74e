using System.Collections.Generic;
using System.Linq;
using NasTesting;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Model;

/// <summary>The random lists are worth running: reproducible, mostly valid, wide, and bounded.</summary>
public sealed class OperationGeneratorTests
{
    const int Count = 1500;

    static (List<ModelOp> Ops, List<ModelErrno> Results, ModelFs Fs) Generate(ulong seed)
    {
        var fs = new ModelFs();
        var generator = new OperationGenerator(seed);
        List<ModelOp> ops = [];
        List<ModelErrno> results = [];
        for (int i = 0; i < Count; i++)
        {
            (ModelOp op, ModelErrno expected) = generator.Step(fs);
            if (op.Kind == OpKind.Sync) { fs.Commit((ulong)(i + 1) * 32); }
            if (op.Kind == OpKind.Crash) { fs.Rollback(); }
            ops.Add(op);
            results.Add(expected);
        }
        return (ops, results, fs);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Operation_list_printed_and_replayed_gives_the_same_results_and_trees(ulong seed)
    {
        (List<ModelOp> ops, List<ModelErrno> results, ModelFs fs) = Generate(seed);
        var again = new ModelFs();
        List<ModelOp> parsed = ModelOp.ParseList(string.Join('\n', ops));
        Assert.Equal(ops, parsed);
        for (int i = 0; i < parsed.Count; i++)
        {
            Assert.Equal(results[i], parsed[i].Apply(again));
            if (parsed[i].Kind == OpKind.Sync) { again.Commit((ulong)(i + 1) * 32); }
        }
        Assert.Equal(fs.Versions.Keys, again.Versions.Keys);
        foreach ((ulong tid, ModelTree tree) in fs.Versions)
        {
            string differences = GoldenManifest.Differences(tree.Manifest(), again.AsOf(tid)!.Manifest());
            Assert.True(differences.Length == 0, $"seed {seed}, tid 0x{tid:x}:\n{differences}");
        }
    }

    [Fact]
    public void Operation_lists_of_several_seeds_hold_every_kind_of_operation_and_of_error()
    {
        var kinds = new HashSet<OpKind>();
        var errors = new HashSet<ModelErrno>();
        for (ulong seed = 10; seed < 15; seed++)
        {
            (List<ModelOp> ops, List<ModelErrno> results, ModelFs fs) = Generate(seed);
            kinds.UnionWith(ops.Select(o => o.Kind));
            errors.UnionWith(results);
            int good = results.Count(r => r == ModelErrno.Ok);
            Assert.InRange(good, Count * 80 / 100, Count * 97 / 100);
            Assert.InRange(fs.Tree.Walk().Count(), 20, 300);
        }
        OpKind[] never = [OpKind.Clock, OpKind.Tid, OpKind.Mount, OpKind.Unmount];
        Assert.Equal(System.Enum.GetValues<OpKind>().Except(never).Order(), kinds.Order());
        Assert.Equal(System.Enum.GetValues<ModelErrno>().Order(), errors.Order());
    }
}
