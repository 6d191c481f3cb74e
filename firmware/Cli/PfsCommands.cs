using System;
using System.CommandLine;
using System.IO;
using System.Threading;
using NasCore.Mirror;
using NasCore.Primitives;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>The pfs verbs and synctid (mirroring-and-operations 1.5, 7.3).</summary>
static class PfsCommands
{
    static readonly Argument<string> s_path = new("path")
    {
        Description = "A PFS: its softlink, or a directory in it.",
    };
    static readonly Argument<string[]> s_paths = new("paths")
    {
        Description = "PFSs; without any, that of the current directory.", Arity = ArgumentArity.ZeroOrMore,
    };
    static readonly Argument<string[]> s_options = new("options")
    {
        Description = "name=value: sync-beg-tid, sync-end-tid, shared-uuid, unique-uuid, label, snapshots, prune-min; "
            + "or snapshots-clear.",
        Arity = ArgumentArity.ZeroOrMore,
    };
    static readonly Option<bool> s_noCountdown = new("-d") { Description = "Do not count down." };
    static readonly Argument<string?> s_quick = new("quick")
    {
        Description = "\"quick\": accepted; every TID given is safe.", Arity = ArgumentArity.ZeroOrOne,
    };

    internal static Command[] Create() =>
    [
        With("pfs-status", "Show what PFSs are.", Status, s_paths),
        With("pfs-master", "Make a PFS that takes writes, and its softlink.", p => Make(p, false), s_path, s_options),
        With("pfs-slave", "Make a PFS to mirror to, and its softlink.", p => Make(p, true), s_path, s_options),
        With("pfs-update", "Change fields of a PFS.", Update, s_path, s_options),
        With("pfs-upgrade", "Make a slave a master; what was not fully mirrored goes.", p => Turn(p, "upgrade"),
            s_path),
        With("pfs-downgrade", "Make a master a slave.", p => Turn(p, "downgrade"), s_path),
        Destroyer(),
        With("synctid", "Make everything durable and print the TID of that state.", SyncTid, s_path, s_quick),
    ];

    static Command With(string name, string description, Func<ParseResult, int> run, params Argument[] arguments)
    {
        var command = new Command(name, description);
        foreach (Argument argument in arguments) command.Add(argument);
        command.SetAction(run);
        return command;
    }

    static Command Destroyer()
    {
        Command command = With("pfs-destroy", "Take away a PFS with everything in it.", Destroy, s_path);
        command.Add(s_noCountdown);
        return command;
    }

    static PfsReply Existing(PfsPath path)
    {
        PfsReply reply = path.Client.Pfs(path.PfsId);
        return reply.Exists ? reply : throw new IOException($"{path.Path}: PFS#{path.PfsId} does not exist");
    }

    static int Status(ParseResult parsed)
    {
        string[] paths = parsed.GetValue(s_paths) is { Length: > 0 } given ? given : ["."];
        foreach (string path in paths)
        {
            using PfsPath pfs = PfsPath.Open(path);
            Console.Write(PfsText.Status(path, Existing(pfs)));
        }
        return 0;
    }

    static int Make(ParseResult parsed, bool slave)
    {
        string path = parsed.GetRequiredValue(s_path);
        PfsText.Create(path, slave, PfsText.Options(parsed.GetValue(s_options) ?? []), Console.Out);
        return 0;
    }

    static int Update(ParseResult parsed)
    {
        using PfsPath pfs = PfsPath.Open(parsed.GetRequiredValue(s_path));
        PfsUpdateRequest options = PfsText.Options(parsed.GetValue(s_options) ?? []);
        Existing(pfs);
        Console.Write(pfs.Path + "\n" + PfsStatusText.Body(PfsText.Data(pfs.Client.Update(pfs.PfsId, options))));
        return 0;
    }

    static int Turn(ParseResult parsed, string what)
    {
        using PfsPath pfs = PfsPath.Open(parsed.GetRequiredValue(s_path));
        PfsReply before = Existing(pfs);
        if (pfs.PfsId == 0) throw new UsageException($"PFS#0 is always a master; pfs-{what} is not possible");
        if (before.Slave == (what == "downgrade"))
        {
            throw new UsageException($"PFS#{pfs.PfsId} is already a {(before.Slave ? "slave" : "master")}");
        }
        PfsReply after;
        try
        {
            after = pfs.Client.Change(pfs.PfsId, what);
        }
        catch (ControlException e)
        {
            Console.Error.WriteLine($"pfs-{what} of PFS#{pfs.PfsId} ({before.Label}) failed: {Reason(e)}");
            return CommandLine.Failed;
        }
        Console.WriteLine($"pfs-{what} of PFS#{pfs.PfsId} ({before.Label}) succeeded");
        // On the error output, so that the original's line stays alone on the other.
        if (after.Promotion is { } mark)
            Console.Error.WriteLine($"the former master returns by: pfs-rejoin PATH {mark}");
        return 0;
    }

    static string Reason(ControlException e) =>
        e.Errno == Errno.NotEmpty ? "files or directories in it are open"
        : e.Errno == Errno.Busy ? "a mirror stream is being written to it" : e.Message;

    static int Destroy(ParseResult parsed)
    {
        using PfsPath pfs = PfsPath.Open(parsed.GetRequiredValue(s_path));
        if (pfs.PfsId == 0) throw new UsageException("PFS#0 cannot be destroyed");
        PfsReply before = Existing(pfs);
        Console.Write($"PFS#{pfs.PfsId} ({before.Label}) will be destroyed with all its data. Go on? [y/n] ");
        if (!IsYes(Console.In.ReadLine())) return Declined();
        if (!before.Slave)
        {
            Console.Write("It is a master: its data may exist nowhere else. Really destroy it? [y/n] ");
            if (!IsYes(Console.In.ReadLine())) return Declined();
        }
        Console.Write($"Destroying PFS#{pfs.PfsId} ({before.Label})");
        if (!parsed.GetValue(s_noCountdown)) CountDown();
        Console.WriteLine();
        try
        {
            pfs.Client.Change(pfs.PfsId, "destroy");
        }
        catch (ControlException e)
        {
            Console.WriteLine($"pfs-destroy of PFS#{pfs.PfsId} failed: {Reason(e)}");
            return CommandLine.Failed;
        }
        string link = pfs.Path.TrimEnd('/');
        if (new FileInfo(link).LinkTarget is not null) File.Delete(link);
        Console.WriteLine($"pfs-destroy of PFS#{pfs.PfsId} succeeded!");
        return 0;
    }

    static void CountDown()
    {
        Console.Write(" in");
        for (int left = 5; left > 0; left--)
        {
            Console.Write($" {left}");
            Thread.Sleep(1000);
        }
    }

    static int Declined()
    {
        Console.WriteLine("nothing was done");
        return CommandLine.Failed;
    }

    static bool IsYes(string? answer) => answer is "y" or "Y" or "yes" or "YES";

    static int SyncTid(ParseResult parsed)
    {
        if (parsed.GetValue(s_quick) is { } word and not "quick")
        {
            throw new UsageException($"synctid: {word} is not known, only quick");
        }
        using PfsPath pfs = PfsPath.Open(parsed.GetRequiredValue(s_path));
        Console.WriteLine(pfs.Client.SyncTid());
        return 0;
    }
}
