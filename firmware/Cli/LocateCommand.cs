using System;
using System.CommandLine;
using NasFirmware.Config;
using NasFirmware.Daemon;
using NasFirmware.Status;

namespace NasFirmware.Cli;

/// <summary>
/// `locate [on|off] [--for TIME]`: which of the boxes is this? Light and display say "here" for some minutes, then it
/// ends by itself.
/// </summary>
static class LocateCommand
{
    static readonly Argument<string> s_what = new("what")
    {
        Description = "on or off; without it, on.", DefaultValueFactory = _ => "on", Arity = ArgumentArity.ZeroOrOne,
    };
    static readonly Option<string> s_for = new("--for")
    {
        Description = "How long, such as 30s or 10m, at most 1d.", HelpName = "time", DefaultValueFactory = _ => "5m",
    };
    static readonly Option<string> s_socket = StatusCommand.Socket();

    internal static Command Create()
    {
        s_what.CompletionSources.Add("on", "off");
        var command = new Command("locate", "Let light and display say that this is the box that you look for.")
        {
            s_what, s_for, s_socket,
        };
        command.SetAction(parsed =>
        {
            using var client = new StatusClient(parsed.GetValue(s_socket)!);
            client.Locate(Time(parsed.GetValue(s_what)!, parsed.GetValue(s_for)!));
            return 0;
        });
        return command;
    }

    static TimeSpan Time(string what, string time)
    {
        if (what == "off") return TimeSpan.Zero;
        if (what != "on") throw new UsageException($"locate {what}: on or off");
        bool isGood = Units.TryTime(time, out TimeSpan span) && span >= TimeSpan.FromSeconds(1)
            && span <= TimeSpan.FromSeconds(DaemonServer.LocateSecondsMax);
        return isGood ? span : throw new UsageException($"--for {time}: a time from 1s to 1d, such as 5m");
    }
}
