using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Text.Json;
using System.Threading;
using NasFirmware.Daemon;
using NasFirmware.Mirroring;

namespace NasFirmware.Cli;

/// <summary>
/// `switch-over MIRROR [--to BOX] [--full] [-t SECONDS] [--json]`: master and slave change roles, on either of the two
/// boxes. Exit code 0: done, 1: nothing has changed, 2: the former master is none any more, and the rest goes on by
/// itself as soon as the other box answers.
/// </summary>
static class SwitchOverCommand
{
    const int Done = 0, Nothing = 1, GoesOn = 2, LimitDefault = 60;
    static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(200);

    static readonly Argument<string> s_mirror = new("mirror") { Description = "A [mirrors] section." };
    static readonly Option<string?> s_to = new("--to")
    {
        Description = "The box that is to be the master afterwards; if it is already, nothing is done.",
    };
    static readonly Option<bool> s_full = new("--full")
    {
        Description = "Read and compare all data on both sides before; hours. The quick comparison is always made.",
    };
    static readonly Option<int> s_limit = new("-t", "--time-limit")
    {
        Description = "Seconds after which nothing is changed, 1 to 2592000.", DefaultValueFactory = _ => LimitDefault,
    };
    static readonly Option<bool> s_json = new("--json") { Description = "The result as JSON, one line." };
    static readonly Option<string> s_socket = StatusCommand.Socket();

    internal static Command Create()
    {
        var command = new Command("switch-over",
            "Master and slave of a mirror change roles. Writers on the master get errors from when the last change is "
            + "on its way until it is a slave; if anything fails before, they can write again. Exit code: 0 done, 1 "
            + "nothing has changed, 2 the change goes on by itself as soon as the other box answers.")
        {
            s_mirror, s_to, s_full, s_limit, s_json, s_socket,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        bool json = parsed.GetValue(s_json), shows = !json && !Console.IsErrorRedirected;
        SwitchView view;
        try
        {
            using var client = new DaemonClient(parsed.GetValue(s_socket)!);
            var request = new SwitchRequest(parsed.GetValue(s_mirror)!, parsed.GetValue(s_full),
                parsed.GetValue(s_limit), parsed.GetValue(s_to));
            view = client.Post("/switch-over", request, SwitchJson.Default.SwitchRequest,
                SwitchJson.Default.SwitchView);
            string shown = "";
            while (!view.Done)
            {
                if (shows && view.Step != shown) Console.Error.WriteLine(shown = view.Step);
                Thread.Sleep(s_poll);
                view = client.Get(string.Create(CultureInfo.InvariantCulture, $"/switch-over/{view.Id}"),
                    SwitchJson.Default.SwitchView);
            }
        }
        catch (IOException e)
        {
            CommandLine.Complain(e.Message);
            return Nothing;
        }
        if (json) Console.WriteLine(JsonSerializer.Serialize(view, SwitchJson.Default.SwitchView));
        else if (view.Ok) Console.WriteLine($"{view.Mirror}: {view.To} has the master");
        else CommandLine.Complain($"{view.Mirror}: {view.Error}");
        return view.Ok ? Done : view.Committed ? GoesOn : Nothing;
    }
}
