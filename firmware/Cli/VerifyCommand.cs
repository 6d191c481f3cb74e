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
/// `verify MIRROR [--full] [--json]`: compares master and slave, on either of the two boxes. Exit code 0: equal, 1:
/// they differ, 2: they could not be compared.
/// </summary>
static class VerifyCommand
{
    const int EqualCode = 0, DiffersCode = 1, NotComparedCode = 2;
    static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(200);

    static readonly Argument<string> s_mirror = new("mirror") { Description = "A [mirrors] section." };
    static readonly Option<bool> s_full = new("--full")
    {
        Description = "Read all data on both sides; otherwise their stored check sums are compared.",
    };
    static readonly Option<bool> s_json = new("--json") { Description = "The result as JSON, one line." };
    static readonly Option<string> s_socket = StatusCommand.Socket();

    internal static Command Create()
    {
        var command = new Command("verify",
            "Compare the two sides of a mirror as of what the slave has. Exit code: 0 equal, 1 they differ (with path "
            + "and offset of the first difference), 2 they could not be compared.")
        {
            s_mirror, s_full, s_json, s_socket,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        bool json = parsed.GetValue(s_json);
        VerifyView view;
        try
        {
            using var client = new DaemonClient(parsed.GetValue(s_socket)!);
            view = client.Post("/verify", new VerifyRequest(parsed.GetValue(s_mirror)!, parsed.GetValue(s_full)),
                VerifyJson.Default.VerifyRequest, VerifyJson.Default.VerifyView);
            bool shows = !json && !Console.IsErrorRedirected;
            while (!view.Done)
            {
                Thread.Sleep(s_poll);
                view = client.Get(string.Create(CultureInfo.InvariantCulture, $"/verify/{view.Id}"),
                    VerifyJson.Default.VerifyView);
                if (shows) Console.Error.Write($"\r{view.Records} records, {SizeText.Of(view.DataBytes)} ");
            }
            if (shows) Console.Error.WriteLine();
        }
        catch (IOException e)
        {
            CommandLine.Complain(e.Message);
            return NotComparedCode;
        }
        if (json) Console.WriteLine(JsonSerializer.Serialize(view, VerifyJson.Default.VerifyView));
        else Tell(view);
        return view.Outcome switch
        {
            VerifyJob.Equal => EqualCode, VerifyJob.Differs => DiffersCode, _ => NotComparedCode,
        };
    }

    static void Tell(VerifyView view)
    {
        switch (view.Outcome)
        {
            case VerifyJob.Equal:
                Console.WriteLine($"{view.Mirror}: equal as of {view.Tid}: {view.Records} records, "
                    + $"{SizeText.Of(view.DataBytes)} of data {(view.Full ? "read" : "by their sums")}, "
                    + $"{SizeText.Of(view.WireBytes)} on the wire");
                break;
            case VerifyJob.Differs:
                string place = view.Offset is long offset
                    ? string.Create(CultureInfo.InvariantCulture, $"{view.Path} at offset {offset}") : view.Path ?? "";
                Console.WriteLine($"{view.Mirror}: differs as of {view.Tid}: {place}: {view.What}");
                break;
            default:
                CommandLine.Complain($"{view.Mirror}: could not be compared: {view.What}");
                break;
        }
    }
}
