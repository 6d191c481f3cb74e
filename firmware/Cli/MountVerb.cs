using System;
using System.CommandLine;
using System.IO;
using System.Linq;
using System.Threading;
using NasCore;
using NasCore.Fuse.Session;
using NasCore.Volumes;
using NasLinux;

namespace NasFirmware.Cli;

/*
 * `mount`: opens the volumes, mounts them, and stays as the process that serves them.
 *
 * Without -f the serving process is a second one, started detached with the hidden option --detached, because a
 * running .NET process cannot fork. It tells through its standard output when the mount is live, or what prevented
 * it; the first process passes that on and ends, so that the exit status and the messages are the caller's, as with
 * any mount(8). Then the second one lets go of the terminal and reports to the system log.
 *
 * SIGTERM and SIGINT unmount: the mount leaves the tree at once, users that are still in it get ten seconds, then
 * their connection is cut. What was written reaches the disk in every case.
 */

/// <summary>`mount [-o options] [-f] VOLUMES DIR`.</summary>
static class MountVerb
{
    static readonly Option<string[]> s_options = new("-o", "--options")
    {
        Description = "Comma-separated: ro, nohistory, asof=TID, times=stored|ctime, flush=SECONDS, cache=SIZE, nodev, "
            + "nosuid, noexec.",
        HelpName = "options",
        Arity = ArgumentArity.OneOrMore,
    };
    static readonly Option<bool> s_foreground = new("-f", "--foreground")
    {
        Description = "Stay in the foreground and report to the terminal.",
    };
    static readonly Option<bool> s_check = new("--check")
    {
        Description = "Only check the options and the volumes' headers.",
    };
    static readonly Option<bool> s_detached = new("--detached") { Hidden = true };
    static readonly Argument<string> s_volumes = new("volumes")
    {
        Description = "Devices or image files of the volume set, separated by colons.",
    };
    static readonly Argument<string> s_directory = new("dir") { Description = "Directory to mount on." };

    /// <summary>
    /// Run in the serving process once the mount is live: starts what else it offers, such as the control socket;
    /// what is returned is disposed of before the file system closes.
    /// </summary>
    internal static Func<HammerFs, FuseMount, IDisposable?> Services { get; set; } = (_, _) => null;

    internal static Command Create()
    {
        var command = new Command("mount", "Mount a HAMMER file system.")
        {
            s_options, s_foreground, s_check, s_detached, s_volumes, s_directory,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        string words = string.Join(',', parsed.GetValue(s_options) ?? []);
        MountOptions options = MountOptions.Parse(words);
        string[] volumes = [.. Volumes(parsed.GetValue(s_volumes)!).Select(LinuxMount.RealPath)];
        if (volumes.Length == 0) throw new UsageException("no volume given");
        string directory = LinuxMount.RealPath(parsed.GetValue(s_directory)!);
        if (parsed.GetValue(s_check)) return Check(volumes);
        if (parsed.GetValue(s_detached)) return RunDetached(volumes, directory, options);
        if (parsed.GetValue(s_foreground))
        {
            return new MountProcess(volumes, directory, options, CommandLine.Complain).Run(live: () => { });
        }
        CheckNotMounted(volumes);
        FuseMount.ClearStale(directory, CommandLine.Complain);
        return MountStarter.Start(["mount", "--detached", "-o", words.Length == 0 ? "defaults" : words,
            MountSource.Of(volumes), directory]);
    }

    static int Check(string[] volumes)
    {
        using VolumeSet set = VolumeSet.OpenPaths(volumes, readOnly: true, exclusive: false);
        return 0;
    }

    /// <summary>The serving process: its standard output goes to the one that waits for it.</summary>
    static int RunDetached(string[] volumes, string directory, MountOptions options)
    {
        LinuxProcess.LeaveSession();
        Directory.SetCurrentDirectory("/");
        using var log = new SystemLog();
        try
        {
            return new MountProcess(volumes, directory, options, log.Write).Run(live: () =>
            {
                MountStarter.ReportLive();
                LinuxProcess.DropStandardStreams();
                log.HasTerminal = false;
            });
        }
        catch (Exception exception) when (CommandLine.IsExpected(exception))
        {
            // Before the mount was live this is for the caller, afterwards for the system log.
            log.Write(exception.Message);
            return CommandLine.Failed;
        }
    }

    static string[] Volumes(string argument) =>
        File.Exists(argument) ? [argument] : MountSource.Volumes(argument);

    /// <summary>
    /// A volume that another of our mounts names is refused with that mount's place; the lock on the device would
    /// refuse it too, but could not say why.
    /// </summary>
    internal static void CheckNotMounted(string[] volumes)
    {
        foreach (MountEntry entry in MountTable.Read())
        {
            if (entry.Type != FuseMount.FsType) continue;
            string? taken = MountSource.Volumes(entry.Source).FirstOrDefault(volumes.Contains);
            if (taken is null || LinuxMount.IsDeadMount(entry.Directory)) continue;
            throw new IOException($"{taken} is mounted on {entry.Directory} already; unmount it there first");
        }
    }

    /// <summary>
    /// Opens the volumes. After a plain umount(8) the former process is still making its last group durable and holds
    /// them: that is waited for, a while.
    /// </summary>
    internal static HammerFs OpenFileSystem(string[] volumes, MountOptions options, Action<string> log)
    {
        const int again = 11, busy = 16;
        long started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return HammerFs.Open(VolumeSet.OpenPaths(volumes, options.ReadOnly, exclusive: true),
                    options.ForEngine(TimeProvider.System, log));
            }
            catch (IOException e) when (e.HResult is again or busy
                && TimeProvider.System.GetElapsedTime(started) < s_releaseWait)
            {
                Thread.Sleep(50);
            }
        }
    }

    /// <summary>How long a volume that another process holds is waited for.</summary>
    static readonly TimeSpan s_releaseWait = TimeSpan.FromSeconds(5);
}
