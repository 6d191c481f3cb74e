using System;
using System.CommandLine;

namespace NasFirmware.Cli;

/// <summary>`version`: the file system version of volumes, in the words of hammer(8).</summary>
static class VersionCommand
{
    static readonly string[] s_meaning =
    [
        "", "first release", "directory entries in the inode area", "snapshots and configuration as records",
        "numbered UNDO FIFO with REDO", "shared data (dedup)", "directory hash for similar names", "CRC-32C",
    ];

    internal static Command Create()
    {
        var offline = new OfflineCommand();
        return offline.Create("version", "Print the version of a file system.", (parsed, volumes) =>
        {
            Console.Out.WriteLine($"min=1 wip=none max=7 current={volumes.Version} "
                + $"description=\"{s_meaning[volumes.Version]}\"");
            if (CommonOptions.Count(parsed, offline.Quiet) > 0) return 0;
            Console.Out.WriteLine("available versions:");
            for (int v = 1; v < s_meaning.Length; v++) Console.Out.WriteLine($"    {v}\tNORM\t{s_meaning[v]}");
            return 0;
        });
    }
}
