using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Threading;
using Microsoft.Extensions.Logging.Abstractions;
using NasFirmware.Config;
using NasFirmware.Daemon;
using NasFirmware.Identity;
using NasFirmware.Mirroring;
using NasFirmware.Status;

namespace NasFirmware.Cli;

/// <summary>
/// `peer id|add|list|remove|pair`: the boxes that this one knows. They work on the state folder, with or without the
/// daemon; a daemon that runs is told.
/// </summary>
static class PeerCommand
{
    static readonly Option<string> s_config = new("--config")
    {
        Description = "The configuration of the box.", HelpName = "file",
        DefaultValueFactory = _ => ConfigReader.DefaultPath,
    };
    static readonly Option<string?> s_boxName = new("--box") { Description = "Be this box.", HelpName = "name" };
    static readonly Argument<string> s_name = new("name") { Description = "What this box calls the other one." };
    static readonly Argument<string> s_key = new("key")
    {
        Description = "64 hex digits, which `peer id` shows on the other box.",
    };
    static readonly Argument<string?> s_address = new("address")
    {
        Description = "Where the other box listens: HOST, HOST:PORT or [IPV6]:PORT.", Arity = ArgumentArity.ZeroOrOne,
    };
    static readonly Option<bool> s_yesCode = new("--yes-code")
    {
        Description = "Take the digits that the other box shows from standard input, and confirm if they are equal.",
    };

    static readonly Option<bool> s_copies = new("--copies")
    {
        Description = "Also print which volumes keep a copy of the key and of the peers.",
    };
    static readonly Option<string?> s_take = new("--take")
    {
        Description = "This box is the one whose key that volume carries: it takes key and peers from there.",
        HelpName = "volume",
    };
    static readonly Option<string?> s_replace = new("--replace")
    {
        Description = "That volume belongs to this box: what it carries of another one is overwritten.",
        HelpName = "volume",
    };

    static readonly Option<string?> s_forget = new("--forget")
    {
        Description = "That volume keeps no copy of the key from now on; what is there is taken away. Its free space "
            + "may still hold the bytes: a disk for strangers is wiped.",
        HelpName = "volume",
    };
    static readonly Option<bool> s_new = new("--new")
    {
        Description = "Give up the key, because a disk or a card with it is in other hands, and make a new one. The "
            + "copies are replaced; other boxes have to be paired anew, and know the former key until then.",
    };

    internal static Command Create()
    {
        var pair = With("pair", "Make this box and another one known to each other. Run it on both within two minutes: "
            + "first on one without an address, then on the other with the address of the first. "
            + "Both show six digits; confirm on both if they are the same.", Pair, s_address);
        pair.Add(s_yesCode);
        Command id = With("id", "Print what this box is known by: the SHA-256 of its public key. "
            + "On a terminal also where copies of the key lie.", Id);
        id.Add(s_copies);
        id.Add(s_take);
        id.Add(s_replace);
        id.Add(s_forget);
        id.Add(s_new);
        return new Command("peer", "The other boxes that this one knows.")
        {
            id, With("add", "Make another box known by its key.", Add, s_name, s_key, s_address),
            With("list", "Print the boxes that this one knows.", List),
            With("remove", "Forget a box; its connections are closed.", Remove, s_name), pair,
        };
    }

    static Command With(string name, string description, Func<ParseResult, int> run, params Argument[] arguments)
    {
        var command = new Command(name, description) { s_config, s_boxName };
        foreach (Argument argument in arguments) command.Add(argument);
        command.SetAction(run);
        return command;
    }

    /// <summary>This box, as its configuration and its state folder say.</summary>
    sealed class Box : IDisposable
    {
        internal Box(ParseResult parsed)
        {
            string path = parsed.GetValue(s_config)!;
            ConfigOutcome outcome = ConfigReader.ReadFile(path, parsed.GetValue(s_boxName));
            Settings = outcome.Settings ?? throw new IOException(outcome.Mistakes[0].In(path));
            if (!File.Exists(Path.Combine(Settings.Box.State, PeerKey.FileName)))
            {
                // The daemon may be about to find the former one on a disk.
                using DaemonClient? daemon = Daemon();
                if (daemon is not null)
                {
                    throw new IOException("the key of this box is still looked for on its disks; "
                        + "try again in a minute");
                }
            }
            Key = PeerKey.LoadOrMake(Settings.Box.State);
            Peers = new PeerStore(Settings.Box.State, Key.Hash, PeerPart.Entries(Settings));
        }

        internal Settings Settings { get; }
        internal PeerKey Key { get; }
        internal PeerStore Peers { get; }

        /// <summary>The daemon, if it runs.</summary>
        internal DaemonClient? Daemon()
        {
            if (!File.Exists(Settings.Box.SocketPath)) return null;
            var client = new DaemonClient(Settings.Box.SocketPath);
            try
            {
                client.Alive();
                return client;
            }
            catch (IOException)
            {
                client.Dispose();
                return null;
            }
        }

        /// <summary>A daemon that runs closes the connections of boxes that are no longer known.</summary>
        internal void TellDaemon()
        {
            using DaemonClient? daemon = Daemon();
            daemon?.Post("/peers/changed", DaemonJson.Default.ReloadReply);
        }

        public void Dispose() => Key.Dispose();
    }

    static int Id(ParseResult parsed)
    {
        using var box = new Box(parsed);
        using DaemonClient? daemon = box.Daemon();
        (string Request, string Volume)[] asked =
        [
            .. new[] { ("take", s_take), ("replace", s_replace), ("forget", s_forget) }
                .Select(o => (o.Item1, parsed.GetValue(o.Item2))).Where(o => o.Item2 is not null)
                .Select(o => (o.Item1, o.Item2!)),
            .. parsed.GetValue(s_new) ? [("new", "")] : Array.Empty<(string, string)>(),
        ];
        if (asked.Length > 1) throw new UsageException("--take, --replace, --forget or --new, one of them");
        if (asked is [var (request, volume)])
        {
            if (daemon is null) throw new IOException("the daemon does not run, which has the volumes mounted");
            IdentityReply done = daemon.Post("/identity/" + request, new IdentityRequest(volume),
                IdentityApiJson.Default.IdentityRequest, IdentityApiJson.Default.IdentityReply);
            Console.WriteLine(done.Key);
            if (request == "new") CommandLine.Complain("pair this box anew with each other one: nashammer peer pair");
            return 0;
        }
        Console.WriteLine(box.Key.Hash);
        if (parsed.GetValue(s_copies) || !Console.IsOutputRedirected) Copies(box, daemon);
        return 0;
    }

    static void Copies(Box box, DaemonClient? daemon)
    {
        Console.WriteLine("state folder  " + Path.Combine(box.Settings.Box.State, PeerKey.FileName)
            + (PeerKey.IsNew(box.Settings.Box.State) ? "  (new, no other box knows it)" : ""));
        IReadOnlyList<IdentityCopyStatus> copies = daemon?.Status().Identity?.Copies ?? [];
        if (daemon is null) Console.WriteLine("volumes       not known: the daemon does not run");
        foreach (IdentityCopyStatus copy in copies)
        {
            string state = copy.State switch
            {
                IdentityCopyState.Kept => $"a copy in {VolumeCopy.Place}",
                IdentityCopyState.NotKept => "no copy",
                IdentityCopyState.Never => "no copy: its root is mirrored to another box",
                IdentityCopyState.Forgotten => "no copy: taken off it",
                IdentityCopyState.Other => $"another key, of box {copy.Box}: {copy.Key}",
                IdentityCopyState.Newer => "left alone: written by a newer version, or not readable",
                _ => "not mounted",
            };
            Console.WriteLine($"{copy.Volume,-12}  {state}{(copy.Problem is { } p ? ": " + p : "")}");
        }
    }

    static int Add(ParseResult parsed)
    {
        using var box = new Box(parsed);
        box.Peers.Add(new PeerEntry
        {
            Name = parsed.GetRequiredValue(s_name), Key = parsed.GetRequiredValue(s_key).ToLowerInvariant(),
            Address = parsed.GetValue(s_address),
        });
        box.TellDaemon();
        return 0;
    }

    static int List(ParseResult parsed)
    {
        using var box = new Box(parsed);
        IReadOnlyList<PeerEntry> peers = box.Peers.All();
        int width = peers.Select(p => p.Name.Length).Append(4).Max();
        foreach (PeerEntry peer in peers)
        {
            string key = peer.Key ?? "not paired yet".PadRight(64);
            Console.WriteLine($"{peer.Name.PadRight(width)}  {key}  {peer.Address ?? "-"}");
        }
        if (box.Peers.Problem is not string problem) return 0;
        CommandLine.Complain(problem);
        return CommandLine.Failed;
    }

    static int Remove(ParseResult parsed)
    {
        using var box = new Box(parsed);
        string name = parsed.GetRequiredValue(s_name);
        if (!box.Peers.Remove(name))
        {
            throw new IOException(box.Peers.Find(name) is null ? $"no peer is called {name}"
                : $"peer {name} is in the configuration; take it out there");
        }
        box.TellDaemon();
        return 0;
    }

    static int Pair(ParseResult parsed)
    {
        using var box = new Box(parsed);
        using DaemonClient? daemon = box.Daemon();
        if (daemon is not null) return Pair(box, parsed, new DaemonPairing(daemon));
        using var desk = new PairingDesk(box.Key, box.Peers, PeerPart.Introduction(box.Settings), null,
            TimeProvider.System);
        if (parsed.GetValue(s_address) is not null) return Pair(box, parsed, desk);
        if (!PeerEndpoint.TryParseListen(box.Settings.Listen.Address, out IPEndPoint listen))
        {
            throw new IOException("this box does not listen (listen.address is empty): "
                + "run `peer pair` without an address on the other box, and here with that box's address");
        }
        // Without the daemon this process is the endpoint, for pairing only.
        using PeerEndpoint endpoint = PeerEndpoint.Start(new PeerEndpointOptions
        {
            Listen = listen, Key = box.Key, Peers = box.Peers, Handler = new Nobody(), Pairing = desk,
            Log = NullLogger.Instance, Time = TimeProvider.System,
        });
        return Pair(box, parsed, desk);
    }

    sealed class Nobody : IPeerHandler
    {
        public void Serve(PeerConnection connection, CancellationToken stop)
        {
            // A peer that calls while there is no daemon: it tries again later.
        }
    }

    static int Pair(Box box, ParseResult parsed, IPairing pairing)
    {
        string? address = parsed.GetValue(s_address);
        pairing.Open(address);
        Console.WriteLine($"This box is {box.Settings.Box.Name}, key {box.Key.Hash}.");
        Console.WriteLine(address is null ? "Waiting for the other box: run `nashammer peer pair ADDRESS` there, "
            + "with the address of this one." : $"Calling {address}.");
        try
        {
            PairingView view = WaitWhile(pairing, PairingState.Waiting);
            if (view.State == PairingState.Code)
            {
                pairing.Confirm(Ask(view, parsed.GetValue(s_yesCode)));
                view = WaitWhile(pairing, PairingState.Confirmed);
            }
            if (view.State != PairingState.Paired) throw new IOException(view.Problem ?? "pairing was closed");
            string place = view.Address is null ? "" : " at " + view.Address;
            Console.WriteLine($"Paired: {view.Peer} is known now{place}.");
            return 0;
        }
        finally
        {
            if (pairing.View().State is PairingState.Waiting or PairingState.Code) pairing.Close();
        }
    }

    static PairingView WaitWhile(IPairing pairing, PairingState state)
    {
        PairingView view;
        while ((view = pairing.View()).State == state) Thread.Sleep(100);
        return view;
    }

    // The owner's decision. Whoever types the other box's digits has compared them.
    static bool Ask(PairingView view, bool onlyDigits)
    {
        string code = view.Code ?? "";
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"        {code[..3]} {code[3..]}"));
        Console.WriteLine();
        Console.WriteLine($"The other box calls itself {view.Peer}, key {view.Key}.");
        if (view.Replaces)
            Console.WriteLine($"{view.Peer} is known with another key, which would be replaced: was it set up anew?");
        Console.Write(onlyDigits ? "Digits on the other box: " : "Does it show the same six digits? [yes/no] ");
        Console.Out.Flush();
        string answer = (Console.ReadLine() ?? "").Replace(" ", "", StringComparison.Ordinal);
        return answer == code || (!onlyDigits && answer is "y" or "yes");
    }
}
