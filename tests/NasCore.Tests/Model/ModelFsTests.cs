using System.Collections.Generic;
using System.Linq;
using System.Text;
using NasTesting;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Model;

/// <summary>The naive model itself is proved on HAMMER's own results.</summary>
public sealed class ModelFsTests
{
    [Fact]
    public void Model_after_replay_of_the_golden_operations_equals_the_golden_trees_at_every_stage()
    {
        var fs = new ModelFs();
        ulong[] tids = [.. GoldenData.Json("v7/basic.tids.json").GetProperty("tids").EnumerateArray()
            .Select(t => GoldenData.ParseTid(t.GetString()!))];
        int stage = 0;
        foreach (ModelOp op in ModelOp.ParseList(GoldenData.Text("v7/basic.ops")))
        {
            Assert.Equal(ModelErrno.Ok, op.Apply(fs));
            if (op.Kind != OpKind.Tid) { continue; }
            fs.Commit(tids[stage]);
            stage++;
            string differences = GoldenManifest.Differences(
                GoldenManifest.Load($"v7/basic.live{stage}.json"), fs.Tree.Manifest(),
                ManifestIgnore.Ino | ManifestIgnore.Times);
            Assert.True(differences.Length == 0, $"stage {stage}:\n{differences}");
        }
        Assert.Equal(4, stage);
        Assert.Equal(fs.Versions[tids[1]], fs.AsOf(tids[2] - 1));
    }

    [Fact]
    public void Operation_list_written_and_parsed_again_is_the_same()
    {
        List<ModelOp> ops = ModelOp.ParseList(GoldenData.Text("v7/basic.ops"));
        Assert.True(ops.Count > 6800);
        ops.Add(new ModelOp(OpKind.SetXattr) { Path = "/\udcff \n\"\\", Other = "user.x", Length = 5, Seed = 7 });
        ops.Add(new ModelOp(OpKind.Exchange) { Path = "/\u00fc\U0001f600", Other = "/b" });
        Assert.Equal(ops, ModelOp.ParseList(string.Join('\n', ops)));
    }

    [Fact]
    public void Content_of_the_golden_generators_is_that_of_the_golden_readme()
    {
        Assert.Equal(0x6E789E6AA1B965F4ul, OpsContent.Mix(0x9E3779B97F4A7C15));
        Assert.Equal("s=000001f4 o=000000000000 " + new string('.', 37) + "\ns=00",
            Encoding.ASCII.GetString(OpsContent.Bytes(true, 500, 0, 68)));
        Assert.Equal(OpsContent.Bytes(false, 9, 3, 50), OpsContent.Bytes(false, 9, 0, 53)[3..]);
    }

    [Fact]
    public void Model_crash_goes_back_to_the_last_commit_and_old_versions_stay()
    {
        var fs = new ModelFs();
        fs.Create("/a", 0x1A4);
        fs.Write("/a", 5000, "tail"u8);
        fs.Commit(10);
        fs.Truncate("/a", 3);
        fs.Rename("/a", "/b");
        fs.Commit(20);
        fs.Unlink("/b");
        int handle = 0;
        fs.Create("/c", 0x1A4);
        handle = fs.Open("/c");
        fs.Unlink("/c");
        fs.WriteOpened(handle, 0, "x"u8);
        Assert.Equal(1, fs.Opened(handle).Content.Size);
        fs.Rollback();
        Assert.Equal(["/", "/b"], fs.Tree.Walk().Select(p => p.Path));
        Assert.Equal(new byte[3], fs.Tree.Find("/b")!.Content.Read(0, 10));
        Assert.Equal("\0tail"u8.ToArray(), fs.AsOf(19)!.Find("/a")!.Content.Read(4999, 100));
        Assert.Null(fs.AsOf(9));
        fs.RollbackTo(10);
        Assert.NotNull(fs.Tree.Find("/a"));
        Assert.Single(fs.Versions);
    }

    [Fact]
    public void Model_errors_are_those_of_linux_and_change_nothing()
    {
        var fs = new ModelFs();
        Assert.Equal(ModelErrno.Ok, fs.Mkdir("/d", 0x1ED));
        Assert.Equal(ModelErrno.Ok, fs.Mkdir("/d/e", 0x1ED));
        Assert.Equal(ModelErrno.Ok, fs.Create("/f", 0x1A4));
        ModelTree before = fs.Tree;
        Assert.Equal(ModelErrno.Exist, fs.Mkdir("/d", 0x1ED));
        Assert.Equal(ModelErrno.NoEnt, fs.Create("/x/y", 0));
        Assert.Equal(ModelErrno.NotDir, fs.Create("/f/y", 0));
        Assert.Equal(ModelErrno.NotEmpty, fs.Rmdir("/d"));
        Assert.Equal(ModelErrno.NotDir, fs.Rmdir("/f"));
        Assert.Equal(ModelErrno.IsDir, fs.Unlink("/d"));
        Assert.Equal(ModelErrno.Inval, fs.Rename("/d", "/d/e/x"));
        Assert.Equal(ModelErrno.IsDir, fs.Rename("/f", "/d"));
        Assert.Equal(ModelErrno.NotDir, fs.Rename("/d", "/f"));
        Assert.Equal(ModelErrno.Exist, fs.Rename("/f", "/d", noReplace: true));
        Assert.Equal(ModelErrno.Perm, fs.Link("/d", "/l"));
        Assert.Equal(ModelErrno.NameTooLong, fs.Create("/" + new string('n', 256), 0));
        Assert.Equal(ModelErrno.NoData, fs.RemoveXattr("/f", "user.a"));
        Assert.Same(before, fs.Tree);
        Assert.Equal(ModelErrno.Ok, fs.Exchange("/f", "/d"));
        Assert.Equal(ModelType.Directory, fs.Tree.Find("/f")!.Type);
        Assert.Equal(ModelErrno.Ok, fs.Rename("/f/e", "/e"));
        Assert.Equal(ModelErrno.Ok, fs.Rename("/e", "/f"));
        Assert.Equal(["/", "/d", "/f"], fs.Tree.Walk().Select(p => p.Path));
    }
}
