using System;
using System.Collections.Generic;
using System.CommandLine;
using NasCore.Maintenance;
using NasCore.Volumes;

namespace NasFirmware.Cli;

/// <summary>What the verbs on volumes that are not mounted share: their devices, and how they open.</summary>
sealed class OfflineCommand
{
    internal Option<string[]> Devices { get; } = CommonOptions.Devices();
    internal Argument<string[]> Arguments { get; } = CommonOptions.DeviceArguments();
    internal Option<bool> Verbose { get; } = CommonOptions.Verbose();
    internal Option<bool> Quiet { get; } = CommonOptions.Quiet();

    /// <summary>A verb with the shared options that runs on the opened volumes.</summary>
    internal Command Create(string name, string description, Func<ParseResult, OfflineVolumes, int> run)
    {
        var command = new Command(name, description) { Devices, Verbose, Quiet, Arguments };
        command.SetAction(parsed =>
        {
            using OfflineVolumes volumes = Open(parsed);
            return run(parsed, volumes);
        });
        return command;
    }

    /// <summary>Opens read-only, without a lock.</summary>
    internal OfflineVolumes Open(ParseResult parsed)
    {
        List<string> paths = CommonOptions.Paths(parsed, Devices, Arguments);
        return OfflineVolumes.Open(VolumeSet.OpenPaths(paths, readOnly: true, exclusive: false));
    }

    /// <summary>Text on standard output, as bytes.</summary>
    internal static ShowText Output() => new(Console.OpenStandardOutput(), forTerminal: !Console.IsOutputRedirected);
}
