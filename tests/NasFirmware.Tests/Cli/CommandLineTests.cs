using System;
using System.CommandLine;
using System.IO;
using System.Text.Json;
using NasFirmware.Cli;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Cli;

/// <summary>The program from the outside: verbs, exit codes, messages, on real image files.</summary>
public sealed class CommandLineTests : IDisposable
{
    readonly string _directory = Directory.CreateTempSubdirectory("nashammer-cli-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    string Image(long bytes)
    {
        string path = Path.Combine(_directory, Path.GetRandomFileName());
        using FileStream file = File.Create(path);
        file.SetLength(bytes);
        return path;
    }

    static NashammerRun Good(params string[] arguments)
    {
        NashammerRun run = NashammerProcess.Run(arguments);
        Assert.True(run.ExitCode == 0, $"exit {run.ExitCode}: {run.Output}{run.Error}");
        return run;
    }

    string MakeVolume()
    {
        string image = Image(64 << 20);
        Good("newfs", "-f", "-L", "golden", "-u", "8m", "--fsid", "33221100-5544-7766-8899-aabbccddeeff", "--time",
            "2010-01-01T00:00:00Z", image);
        return image;
    }

    [Fact]
    public void Newfs_check_mtree_and_info_work_on_an_image()
    {
        string image = MakeVolume();
        Assert.Contains("clean", Good("check", "--data", image).Output, StringComparison.Ordinal);
        Assert.Contains("Label               golden", Good("info", "-f", image).Output, StringComparison.Ordinal);
        Assert.StartsWith("min=1 wip=none max=7 current=7", Good("version", "-q", image).Output,
            StringComparison.Ordinal);
        Assert.Equal("#mtree\n. type=dir mode=0755 uid=0 gid=0 nlink=1 size=0 time=1262304000.000000000 flags=none "
            + "inode=1\n", Good("mtree", image).Output);
        Assert.Contains("zone=8", Good("blockmap", image).Output, StringComparison.Ordinal);
        Assert.Contains("3000000000000000 DUMMY(512)\tseq=00000000 > <\n", Good("show-undo", image).Output,
            StringComparison.Ordinal);
        Assert.Equal(GoldenData.Text(GoldenData.Image("fresh/v7-64m-u8m").ShowPath!), Good("show", image).Output);
    }

    [Fact]
    public void Newfs_refuses_what_it_recognises_unless_forced()
    {
        string image = MakeVolume();
        NashammerRun run = NashammerProcess.Run("newfs", "-L", "again", image);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("holds a HAMMER volume: nothing was written", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_of_a_damaged_image_exits_1_and_says_where_in_json()
    {
        string image = MakeVolume();
        // The first B-Tree node of this volume; its mirror_tid.
        using (FileStream file = File.OpenWrite(image))
        {
            file.Position = 0x88000 + 3 * 0x800000 + 56;
            file.WriteByte(1);
        }
        NashammerRun run = NashammerProcess.Run("check", "--json", image);
        Assert.Equal(1, run.ExitCode);
        string[] lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        using JsonDocument first = JsonDocument.Parse(lines[0]), last = JsonDocument.Parse(lines[^1]);
        Assert.Equal("node-crc", first.RootElement.GetProperty("rule").GetString());
        Assert.Equal("8000000001800000", first.RootElement.GetProperty("where").GetString());
        Assert.False(last.RootElement.GetProperty("clean").GetBoolean());
    }

    [Fact]
    public void Check_of_no_volume_exits_2()
    {
        Assert.Equal(2, NashammerProcess.Run("check", Image(1 << 20)).ExitCode);
        Assert.Equal(2, NashammerProcess.Run("check", Path.Combine(_directory, "nothing")).ExitCode);
    }

    [Fact]
    public void Mtree_compare_exits_2_with_the_differences()
    {
        string image = MakeVolume(), specification = Path.Combine(_directory, "spec");
        File.WriteAllText(specification, Good("mtree", image).Output);
        Assert.Equal("", Good("mtree", "--compare", specification, image).Output);
        File.WriteAllText(specification, "#mtree\n. type=dir mode=0700\n./gone type=file\n");
        NashammerRun run = NashammerProcess.Run("mtree", "--compare", specification, image);
        Assert.Equal(2, run.ExitCode);
        Assert.Equal(". mode 0700, found 0755\n./gone missing\n", run.Output);
    }

    [Fact]
    public void Mtree_of_a_directory_escapes_names_and_sorts_whole_paths_by_bytes()
    {
        string tree = Directory.CreateDirectory(Path.Combine(_directory, "tree")).FullName;
        Directory.CreateDirectory(Path.Combine(tree, "a"));
        File.WriteAllText(Path.Combine(tree, "a", "x"), "");
        File.WriteAllText(Path.Combine(tree, "a!b"), "");
        File.WriteAllText(Path.Combine(tree, "a0"), "");
        File.WriteAllText(Path.Combine(tree, "with blank"), "");
        string[] lines = Good("mtree", tree).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] paths = [.. System.Linq.Enumerable.Select(lines[2..], l => l.Split(' ')[0])];
        Assert.Equal([".", "./a", "./a!b", "./a/x", "./a0", "./with\\040blank"], paths);
    }

    [Fact]
    public void Unknown_verb_exits_1_with_usage()
    {
        NashammerRun run = NashammerProcess.Run("frobnicate");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Usage:", run.Output + run.Error, StringComparison.Ordinal);
        Assert.Equal(1, NashammerProcess.Run().ExitCode);
        Assert.Contains("newfs", Good("--help").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_of_hammer_may_stand_before_the_verb()
    {
        string image = MakeVolume();
        Assert.Contains("golden", Good("-f", image, "-i5", "-yv", "info").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_before_the_verb_move_behind_it_if_the_verb_knows_them()
    {
        var verb = new Command("verb", "") { new Option<string>("-f"), new Option<bool>("-v"), new Option<int>("-i") };
        Assert.Equal(["verb", "-v", "-i", "7", "-f", "a:b", "arg"],
            CommandLine.MoveGlobalOptions(["-2vi", "7", "-b", "1m", "-fa:b", "verb", "arg"], [verb]));
        var flag = new Command("newfs", "") { new Option<bool>("-f") };
        Assert.Equal(["newfs", "x"], CommandLine.MoveGlobalOptions(["-f", "dev", "newfs", "x"], [flag]));
        Assert.Equal(["--help"], CommandLine.MoveGlobalOptions(["--help"], [verb]));
    }

    [Theory, InlineData("bash"), InlineData("zsh"), InlineData("fish")]
    public void Completion_names_every_verb(string shell)
    {
        string script = Good("completion", shell).Output;
        foreach (string verb in (string[])["newfs", "check", "mtree", "show-undo"])
            Assert.Contains(verb, script, StringComparison.Ordinal);
    }
}
