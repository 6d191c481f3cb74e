using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using NasCore.Fuse.Session;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>
/// cleanup: snapshots, prune and reblock as the configuration of each PFS says (mirroring-and-operations 5.5 to 5.8).
/// Differs: PFSs have no mounts of their own here, so without arguments all PFSs of each mount are handled; two
/// cleanups of one PFS are kept apart by a lock file of its UUID, not by a lock on its root directory; dedup is not
/// there, and its directive says so.
/// </summary>
static class CleanupCommand
{
    static readonly Argument<string[]> s_fs = new("fs")
    {
        Description = "Directories of PFSs; without any, every PFS of every mount.", Arity = ArgumentArity.ZeroOrMore,
    };
    static readonly Option<bool> s_force = new("-F") { Description = "Everything is due." };
    static readonly Option<bool> s_verbose = CommonOptions.Verbose();

    internal static Command Create()
    {
        var command = new Command("cleanup", "Make and expire snapshots, prune and reblock as configured.")
        {
            s_fs, s_force, s_verbose,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        var handled = new HashSet<Guid>();
        int verbose = CommonOptions.Count(parsed, s_verbose);
        bool force = parsed.GetValue(s_force);
        int exit = 0;
        foreach (string path in parsed.GetValue(s_fs) ?? [])
        {
            Console.Write(string.Create(CultureInfo.InvariantCulture, $"cleanup {path,-20} -"));
            try
            {
                using PfsPath pfs = PfsPath.Open(path);
                exit = Math.Max(exit, Handle(pfs, handled, force, verbose));
            }
            catch (IOException e)
            {
                Console.WriteLine($" {e.Message}");
            }
        }
        if (parsed.GetValue(s_fs) is { Length: > 0 }) return exit;
        foreach (PfsPath mount in PfsPath.OfMounts())
        {
            using (mount) exit = Math.Max(exit, HandleMount(mount, handled, force, verbose));
        }
        return exit;
    }

    static int HandleMount(PfsPath mount, HashSet<Guid> handled, bool force, int verbose)
    {
        int exit = 0;
        try
        {
            foreach (int id in mount.Client.PfsIds())
            {
                using PfsPath pfs = mount.Sibling(id);
                Console.Write(string.Create(CultureInfo.InvariantCulture, $"cleanup {pfs.Path,-20} -"));
                exit = Math.Max(exit, Handle(pfs, handled, force, verbose));
            }
        }
        catch (IOException e)
        {
            Console.WriteLine($"cleanup {mount.MountPoint,-20} - {e.Message}");
            exit = CommandLine.Failed;
        }
        return exit;
    }

    static int Handle(PfsPath pfs, HashSet<Guid> handled, bool force, int verbose)
    {
        PfsReply reply = pfs.Client.Pfs(pfs.PfsId);
        if (!handled.Add(reply.UniqueUuid))
        {
            Console.WriteLine($" PFS#{pfs.PfsId} already handled");
            return 0;
        }
        using FileStream? locked = Lock(reply.UniqueUuid);
        if (locked is null)
        {
            Console.WriteLine($" PFS#{pfs.PfsId} locked by other process");
            return 0;
        }
        string directory = SnapshotDirectory(pfs, reply);
        Directory.CreateDirectory(directory);
        Console.WriteLine($" handle PFS#{pfs.PfsId} using {directory}");
        return new CleanupRun(pfs, directory, force, verbose).Run();
    }

    static FileStream? Lock(Guid uuid)
    {
        Directory.CreateDirectory(MountSource.RunDirectory);
        try
        {
            return new FileStream(Path.Combine(MountSource.RunDirectory, $"cleanup.{uuid:D}.lock"),
                FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The PFS's own setting, or the default of volumes from version 3 on.</summary>
    static string SnapshotDirectory(PfsPath pfs, PfsReply reply)
    {
        if (reply.Snapshots.Length > 0) return reply.Snapshots;
        string place = pfs.MountPoint.Trim('/');
        string root = "/var/hammer/" + (place.Length == 0 ? "root" : place);
        return pfs.PfsId == 0 ? root : root + string.Create(CultureInfo.InvariantCulture, $"/PFS{pfs.PfsId:d5}");
    }
}
