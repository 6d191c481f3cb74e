using System.CommandLine;
using NasCore.Maintenance;

namespace NasFirmware.Cli;

/// <summary>`show-undo`: one line for each record of the UNDO/REDO FIFO.</summary>
static class ShowUndoCommand
{
    internal static Command Create() => new OfflineCommand().Create("show-undo",
        "Print the records of the UNDO/REDO FIFO.", (_, volumes) =>
        {
            using ShowText text = OfflineCommand.Output();
            return ShowUndo.Write(volumes, text) == 0 ? 0 : CommandLine.Failed;
        });
}
