using System.CommandLine;
using NasFirmware.Config;
using NasFirmware.Daemon;

namespace NasFirmware.Cli;

/// <summary>`daemon`: the box itself. It stays in the foreground always; systemd, or the terminal, holds it.</summary>
static class DaemonCommand
{
    static readonly Option<string> s_config = new("--config")
    {
        Description = "The configuration.", HelpName = "file", DefaultValueFactory = _ => ConfigReader.DefaultPath,
    };
    static readonly Option<string?> s_box = new("--box")
    {
        Description = "Be this box, whatever the file or the host's name says.", HelpName = "name",
    };
    static readonly Option<bool> s_foreground = new("--foreground")
    {
        Description = "Stay in the foreground: it always does, the option is taken for other tools' sake.",
    };

    internal static Command Create()
    {
        var command = new Command("daemon",
            "Run the box: mount its volumes, mirror them, keep their history, show how it is. "
            + "SIGHUP reads the configuration again, SIGTERM ends it.")
        {
            s_config, s_box, s_foreground,
        };
        command.SetAction(parsed => DaemonHost.Run(new DaemonStart(
            System.IO.Path.GetFullPath(parsed.GetValue(s_config)!), parsed.GetValue(s_box))));
        return command;
    }
}
