using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using NasFirmware.Tests.Mounted;
using Xunit;

namespace NasPosix.Tests;

/// <summary>One volume and one ext4 file system, both mounted for all cases.</summary>
public sealed class BothFileSystems : IDisposable
{
    readonly MountedVolume _volume;

    /// <summary>
    /// Loads what the runtime would load when first needed: cases run with the rights of other users, and its files
    /// may be readable by root only.
    /// </summary>
    static void LoadRuntime()
    {
        string all = (string?)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") ?? "";
        foreach (string path in all.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            if (name.StartsWith("System.", StringComparison.Ordinal)) Assembly.Load(name);
        }
    }

    public BothFileSystems()
    {
        LoadRuntime();
        _volume = MountedVolume.Fresh(2048);
        _volume.Mount();
        _volume.Run("""
            truncate -s 2G $S/ext4.img; mkfs.ext4 -q -F -O ea_inode $S/ext4.img; mkdir $S/ext4
            mount -o loop,noatime,user_xattr,acl $S/ext4.img $S/ext4
            """);
        Ours = new Machine(_volume.Dir);
        Ext4 = new Machine(Path.Combine(_volume.Scratch, "ext4"));
    }

    internal Machine Ours { get; }
    internal Machine Ext4 { get; }
    internal List<Difference> Listed { get; } = Differences.Read();

    public void Dispose()
    {
        Ours.Dispose();
        Ext4.Dispose();
        try
        {
            _volume.Run("umount $S/ext4");
            _volume.UnmountSound();
        }
        finally
        {
            _volume.TryRun("umount -l $S/ext4");
            _volume.Dispose();
        }
    }
}

/// <summary>
/// The rules of POSIX and Linux, each case run through the real mount and on ext4 of the same kernel. What differs must
/// be listed in docs/FUSE.md with its reason, and what is listed must differ. The volume is judged by `check` after all
/// cases.
/// </summary>
public sealed class ConformanceTests(BothFileSystems both) : IClassFixture<BothFileSystems>
{
    public static TheoryData<string> Names => [.. CaseTable.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Case_gives_what_it_gives_on_ext4(string name)
    {
        string commands = CaseTable.All[name];
        List<Step> here = both.Ours.Run(commands), ext4 = both.Ext4.Run(commands);
        var found = new List<string>();
        var listed = both.Listed.Where(d => d.Case == name).ToList();
        for (int i = 0; i < here.Count; i++)
        {
            if (here[i].Result == ext4[i].Result) continue;
            int known = listed.FindIndex(d => d.Command == here[i].Command && d.Here == here[i].Result);
            if (known >= 0) listed.RemoveAt(known);
            else found.Add($"| `{name}` | `{here[i].Command}` | `{ext4[i].Result}` | `{here[i].Result}` |  |");
        }
        if (Environment.GetEnvironmentVariable("NASHAMMER_TRANSCRIPT") is { } file)
        {
            File.AppendAllLines(file, [$"{name}:", .. here.Select(s => $"    {s.Command} = {s.Result}")]);
        }
        Assert.True(found.Count == 0, string.Join('\n', found.Prepend("case, command, ext4, here:")));
        Assert.True(listed.Count == 0, "listed in docs/FUSE.md, but not different: " + string.Join(", ", listed));
    }

    [Fact]
    public void Listed_differences_are_of_cases_that_exist() =>
        Assert.DoesNotContain(both.Listed, d => !CaseTable.All.ContainsKey(d.Case));

    [Fact]
    public void There_are_at_least_250_cases() => Assert.True(CaseTable.All.Count >= 250, $"{CaseTable.All.Count}");
}
