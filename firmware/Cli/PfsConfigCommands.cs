using System;
using System.CommandLine;
using System.Diagnostics;
using System.IO;
using NasCore;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>
/// config and viconfig: the configuration record of a PFS, which cleanup follows (mirroring-and-operations 5.4).
/// Errors end with 2.
/// </summary>
static class PfsConfigCommands
{
    static readonly Argument<string?> s_fs = new("fs")
    {
        Description = "A directory of the PFS; without one, the current directory.", Arity = ArgumentArity.ZeroOrOne,
    };
    static readonly Argument<string?> s_file = new("file")
    {
        Description = "A file whose text becomes the configuration.", Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary>`config [fs [file]]` beside the subcommands for the configuration of the box.</summary>
    internal static Command AddTo(Command config)
    {
        config.Description = "Print the clean-up rules of a PFS, or install them from a file; "
            + "or, with a subcommand, the configuration of the box.";
        config.Add(s_fs);
        config.Add(s_file);
        config.SetAction(parsed => SnapshotCommands.Guarded(() => Config(parsed)));
        return config;
    }

    internal static Command Editor() =>
        SnapshotCommands.With("viconfig", "Edit the clean-up rules of a PFS.", Edit, s_fs);

    static int Config(ParseResult parsed)
    {
        using PfsPath pfs = PfsPath.Open(parsed.GetValue(s_fs) ?? ".");
        if (parsed.GetValue(s_file) is { } file)
        {
            Install(pfs, File.ReadAllText(file), file);
            return 0;
        }
        if (pfs.Client.ReadConfig(pfs.PfsId) is not { } text)
        {
            CommandLine.Complain($"{pfs.Path}: PFS#{pfs.PfsId} has no configuration");
            return SnapshotCommands.Failed;
        }
        Console.Write(text);
        return 0;
    }

    static void Install(PfsPath pfs, string text, string file)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(text) > HammerFs.ConfigBytesMax)
            throw new UsageException($"{file}: too big, a configuration has at most {HammerFs.ConfigBytesMax} bytes");
        pfs.Client.WriteConfig(pfs.PfsId, text);
    }

    static int Edit(ParseResult parsed)
    {
        using PfsPath pfs = PfsPath.Open(parsed.GetValue(s_fs) ?? ".");
        string text = pfs.Client.ReadConfig(pfs.PfsId) ?? CleanupPolicy.CommentedDefaults(pfs.MountPoint);
        string file = Path.Combine(Path.GetTempPath(), "nashammer-config-" + Guid.NewGuid().ToString("N"));
        try
        {
            File.WriteAllText(file, text);
            DateTime before = File.GetLastWriteTimeUtc(file);
            string editor = Environment.GetEnvironmentVariable("EDITOR")
                ?? Environment.GetEnvironmentVariable("VISUAL") ?? "vi";
            using (Process process = Process.Start("sh", ["-c", editor + " \"$1\"", "sh", file]))
            {
                process.WaitForExit();
                if (process.ExitCode != 0) throw new IOException($"{editor} ended with {process.ExitCode}");
            }
            if (File.GetLastWriteTimeUtc(file) == before) return 0;
            Install(pfs, File.ReadAllText(file), "the configuration");
            return 0;
        }
        finally
        {
            File.Delete(file);
        }
    }
}
