using System;
using System.CommandLine;
using NasFirmware.Cli;
using NasFirmware.Control;

namespace NasFirmware;

/// <summary>The table of verbs; one file per verb in Cli.</summary>
static class Program
{
    static int Main(string[] args)
    {
        MountVerb.Services = ControlServer.StartFor;
        return CommandLine.Run(MountHelper.Rewrite(args), Verbs());
    }

    internal static bool HasVerb(string name) => Array.Exists(Verbs(), verb => verb.Name == name);

    static Command[] Verbs() =>
    [
        BlockmapCommand.Create(),
        CheckCommand.Create(),
        CleanupCommand.Create(),
        PfsConfigCommands.AddTo(ConfigCommand.Create()),
        DaemonCommand.Create(),
        InfoCommand.Create(),
        LocateCommand.Create(),
        .. MirrorCommands.Create(),
        MountVerb.Create(),
        MtreeCommand.Create(),
        NewfsCommand.Create(),
        .. ReblockCommands.Create(),
        SelftestCommand.Create(),
        ShowCommand.Create(),
        ShowUndoCommand.Create(),
        PeerCommand.Create(),
        PanelCommand.Create(),
        .. PfsCommands.Create(),
        RecognizeCommand.Create(),
        RejoinCommand.Create(),
        .. PruneCommands.Create(),
        .. SnapshotCommands.Create(),
        StatusCommand.Create(),
        SwitchOverCommand.Create(),
        UmountVerb.Create(),
        UpdateCommand.Create(),
        VerifyCommand.Create(),
        VersionCommand.Create(),
        PfsConfigCommands.Editor(),
    ];
}
