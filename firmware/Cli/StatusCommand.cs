using System;
using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading;
using NasFirmware.Status;
using Spectre.Console;

namespace NasFirmware.Cli;

/// <summary>
/// `status [--watch] [--json]`: how the box is, asked from the daemon. The exit code says it too: 0 good, 1 degraded,
/// 2 failed, 3 the daemon does not run or does not answer.
/// </summary>
static class StatusCommand
{
    /// <summary>The exit code when there is nobody to ask.</summary>
    internal const int NotRunning = 3;

    static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    static readonly Option<bool> s_watch = new("--watch", "-w") { Description = "Print again every second." };
    static readonly Option<bool> s_json = new("--json") { Description = "The whole status as JSON, one line." };

    internal static Option<string> Socket() => new("--socket")
    {
        Description = "The daemon's control socket.", HelpName = "path",
        DefaultValueFactory = _ => StatusClient.DefaultSocket,
    };

    static readonly Option<string> s_socket = Socket();

    internal static Command Create()
    {
        var command = new Command("status",
            "Print how the box is. Exit code: 0 good, 1 degraded, 2 failed, 3 the daemon is not running.")
        {
            s_watch, s_json, s_socket,
        };
        command.SetAction(parsed => Run(parsed.GetValue(s_socket)!, parsed.GetValue(s_watch),
            parsed.GetValue(s_json)));
        return command;
    }

    static int Run(string socket, bool watch, bool json)
    {
        using var client = new StatusClient(socket);
        if (!watch) return Once(client, json, again: false);
        using var stop = new ManualResetEventSlim();
        using PosixSignalRegistration signal = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
        {
            context.Cancel = true;
            stop.Set();
        });
        int code;
        do code = Once(client, json, again: true);
        while (!stop.Wait(s_pause));
        return code;
    }

    static int Once(StatusClient client, bool json, bool again)
    {
        bool terminal = !Console.IsOutputRedirected && !json;
        BoxStatus box;
        try
        {
            box = client.Get();
        }
        catch (NotRunningException e)
        {
            if (again && terminal) AnsiConsole.Clear();
            CommandLine.Complain(e.Message);
            return NotRunning;
        }
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(box, StatusJson.Default.BoxStatus));
        }
        else if (terminal)
        {
            if (again) AnsiConsole.Clear();
            StatusPrinter.Terminal(box, AnsiConsole.Console);
        }
        else
        {
            StatusPrinter.Plain(box, Console.Out);
            if (again) Console.Out.WriteLine();
        }
        Console.Out.Flush();
        return (int)box.Severity;
    }
}
