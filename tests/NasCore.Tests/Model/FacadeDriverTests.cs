using System.Collections.Generic;
using System.Linq;
using NasCoreTests.Fuse;
using NasTesting;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Model;

/// <summary>The driver and the model agree with another naive file system, so that what they later disagree about is
/// the engine's fault.</summary>
public sealed class FacadeDriverTests
{
    [Theory]
    [InlineData(101)]
    [InlineData(102)]
    public void Random_operations_on_the_memory_file_system_give_the_models_results_and_tree(ulong seed)
    {
        using var fs = new MemoryFs();
        var driver = new FacadeDriver(fs);
        var model = new ModelFs();
        var generator = new OperationGenerator(seed, new OperationOptions { Xattrs = false, CrashPerMille = 0 });
        List<ModelOp> done = [];
        for (int i = 0; i < 600; i++)
        {
            (ModelOp op, ModelErrno expected) = generator.Step(model);
            if (op.IsMarker) { continue; }
            done.Add(op);
            int found = driver.Do(op).Value;
            Assert.True((int)expected == found,
                $"seed {seed}, operation {i}: {op}\nexpected {expected}, found {found}\n{Tail(done)}");
        }
        string differences = GoldenManifest.Differences(
            model.Tree.Manifest(), FsWalker.Walk(fs, fs.Root),
            ManifestIgnore.Ino | ManifestIgnore.Times | ManifestIgnore.Flags);
        Assert.True(differences.Length == 0, $"seed {seed}:\n{differences}");
    }

    static string Tail(List<ModelOp> ops) => string.Join('\n', ops.TakeLast(10));
}
