using System.CommandLine;
using NasCore.Maintenance;

namespace NasFirmware.Cli;

/// <summary>`blockmap`: both layers of the freemap; -v also lists free big-blocks.</summary>
static class BlockmapCommand
{
    internal static Command Create()
    {
        var offline = new OfflineCommand();
        return offline.Create("blockmap", "Print the freemap, layer by layer.", (parsed, volumes) =>
        {
            using ShowText text = OfflineCommand.Output();
            bool all = CommonOptions.Count(parsed, offline.Verbose) > 0;
            return ShowBlockmap.Write(volumes, text, all) == 0 ? 0 : CommandLine.Failed;
        });
    }
}
