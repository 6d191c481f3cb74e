using System;
using System.CommandLine;
using System.Net.Http.Json;
using NasCore.Primitives;
using NasFirmware.Control;

namespace NasFirmware.Cli;

/// <summary>
/// pfs-rejoin: a former master becomes a slave of the PFS that was promoted in its absence (docs/MIRRORING.md). Without
/// --yes it only tells what would be lost.
/// </summary>
static class RejoinCommand
{
    static readonly Argument<string> s_path = new("path")
    {
        Description = "The former master: its softlink, or a directory in it.",
    };
    static readonly Argument<string> s_promotion = new("promotion")
    {
        Description = "END:FIRST:UUID, as pfs-status of the new master shows it.",
    };
    static readonly Option<bool> s_yes = new("--yes") { Description = "Do it; what is told to be lost is lost." };

    internal static Command Create()
    {
        var command = new Command("pfs-rejoin", "Make a former master a slave of the one promoted in its place.")
        {
            s_path, s_promotion, s_yes,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        bool go = parsed.GetValue(s_yes);
        using PfsPath pfs = PfsPath.Open(parsed.GetRequiredValue(s_path));
        PfsReply before = pfs.Client.Pfs(pfs.PfsId);
        RejoinReply reply;
        try
        {
            reply = pfs.Client.Post($"/pfs/{pfs.PfsId}/rejoin", JsonContent.Create(
                new RejoinRequest(parsed.GetRequiredValue(s_promotion), go), RejoinJson.Default.RejoinRequest),
                RejoinJson.Default.RejoinReply);
        }
        catch (ControlException e)
        {
            string reason = e.Errno == Errno.NotEmpty ? "files or directories in it are open"
                : e.Errno == Errno.Busy ? "a mirror stream is being written to it" : e.Message;
            Console.Error.WriteLine($"pfs-rejoin of PFS#{pfs.PfsId} ({before.Label}) failed: {reason}");
            return CommandLine.Failed;
        }
        if (reply.Refusal is { } refusal)
        {
            Console.Error.WriteLine($"pfs-rejoin of PFS#{pfs.PfsId} ({before.Label}) refused: {refusal}");
            return CommandLine.Failed;
        }
        string loss = $"{reply.Objects} files and directories, {reply.Records} versions with {reply.Bytes} bytes, "
            + $"written behind {reply.EndTid}";
        string name = $"PFS#{pfs.PfsId} ({before.Label})";
        if (go)
        {
            Console.WriteLine($"pfs-rejoin of {name} succeeded: a slave at {reply.EndTid}; lost: {loss}");
            return 0;
        }
        Console.WriteLine($"{name} can become a slave at {reply.EndTid}. It would lose: {loss}");
        Console.WriteLine($"They can still be copied from here. Then: pfs-rejoin {pfs.Path} "
            + $"{parsed.GetRequiredValue(s_promotion)} --yes");
        return CommandLine.Failed;
    }
}
