using System;
using System.CommandLine;
using System.IO;
using System.Threading;
using NasCore.Fuse.Session;
using NasLinux;

namespace NasFirmware.Cli;

/// <summary>
/// `umount [-l] DIR`: unmounts and waits until the volumes are closed, so that the disk can be unplugged when the
/// command has ended. Exit 1 if what was written last did not reach the disk.
/// (umount(8) works too, but ends when the kernel has let go.)
/// </summary>
static class UmountVerb
{
    const int EBusy = 16;
    static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);
    static readonly TimeSpan s_complain = TimeSpan.FromSeconds(30);

    static readonly Option<bool> s_lazy = new("-l", "--lazy")
    {
        Description = "Detach at once, even if in use; it ends with its last user.",
    };
    static readonly Argument<string> s_directory = new("dir") { Description = "Directory of the mount." };

    internal static Command Create()
    {
        var command = new Command("umount", "Unmount a HAMMER file system.") { s_lazy, s_directory };
        command.SetAction(parsed => Run(parsed.GetValue(s_directory)!, parsed.GetValue(s_lazy)));
        return command;
    }

    static int Run(string path, bool lazy)
    {
        string directory = LinuxMount.RealPath(path);
        MountEntry entry = FuseMount.FindOurs(directory)
            ?? throw new IOException($"{directory}: no HAMMER file system is mounted there");
        bool dead = LinuxMount.IsDeadMount(directory);
        int error = LinuxMount.Unmount(directory, detach: lazy || dead);
        if (error == EBusy)
            throw new IOException($"{directory} is in use (fuser -m {directory} shows by whom); -l detaches it anyway");
        if (error != 0) throw new IOException($"cannot unmount {directory}: {LinuxMount.Describe(error)}");
        if (lazy || dead) return 0;
        WaitForEnd(entry.Source);
        if (MountLoss.Take(entry.Source) is not { } loss) return 0;
        CommandLine.Complain($"{directory} is unmounted, but {loss}");
        return CommandLine.Failed;
    }

    static void WaitForEnd(string source)
    {
        long start = Environment.TickCount64;
        bool said = false;
        while (MountPidFile.IsServed(source))
        {
            if (!said && Environment.TickCount64 - start > s_complain.TotalMilliseconds)
            {
                CommandLine.Complain($"waiting for {source} to be written and closed");
                said = true;
            }
            Thread.Sleep(s_poll);
        }
    }
}
