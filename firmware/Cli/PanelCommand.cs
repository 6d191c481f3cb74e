using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using NasDevices.Boards;
using NasDevices.Leds;
using NasDevices.Simulation;
using NasFirmware.Config;
using NasFirmware.Daemon;
using NasFirmware.Status;

namespace NasFirmware.Cli;

/// <summary>
/// `panel`: lights and display of the box. `--png FILE` draws what they show now, whether the box has them or not;
/// `--failed` sets the failure rhythm (the service calls it when the daemon has ended badly); `--acknowledge` says that
/// the owner knows of the problems; `--devices` lists what this board has; `--play FOLDER` prints what a light of the
/// LED class, real or simulated, has been told to play.
/// </summary>
static class PanelCommand
{
    static readonly Option<string?> s_png = new("--png")
    {
        Description = "Draw display and light as they are now into a picture.", HelpName = "file",
    };
    static readonly Option<string?> s_page = new("--page")
    {
        Description = "This page: mirror, proof, past, disks, peer, box, pair, locate or alert.", HelpName = "name",
    };
    static readonly Option<bool> s_failed = new("--failed")
    {
        Description = "Set the failure rhythm; a light on a GPIO line is blinked until the daemon answers again.",
    };
    static readonly Option<bool> s_stopPost = new("--stop-post")
    {
        Description = "With --failed: nothing if $SERVICE_RESULT is success; never stay to blink a GPIO line.",
    };
    static readonly Option<bool> s_acknowledge = new("--acknowledge")
    {
        Description = "Tell the daemon that the owner knows of the problems there are.",
    };
    static readonly Option<bool> s_devices = new("--devices")
    {
        Description = "List the lights, GPIO chips and I2C buses of this board.",
    };
    static readonly Option<string?> s_play = new("--play")
    {
        Description = "Print for 4 s from now what the light in this folder plays: lit (+) and dark (-) milliseconds.",
        HelpName = "folder",
    };
    static readonly Option<string> s_config = new("--config")
    {
        Description = "The configuration that names the lights.", HelpName = "file",
        DefaultValueFactory = _ => ConfigReader.DefaultPath,
    };
    static readonly Option<string> s_socket = StatusCommand.Socket();

    static readonly TimeSpan s_look = TimeSpan.FromSeconds(2);

    internal static Command Create()
    {
        var command = new Command("panel", "Lights and display of the box: draw them, set the failure rhythm.")
        {
            s_png, s_page, s_failed, s_stopPost, s_acknowledge, s_devices, s_play, s_config, s_socket,
        };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(s_png) is { } png)
                return Draw(png, parsed.GetValue(s_page), parsed.GetValue(s_socket)!);
            if (parsed.GetValue(s_failed))
            {
                return Failed(parsed.GetValue(s_config)!, parsed.GetValue(s_socket)!,
                    parsed.GetValue(s_stopPost));
            }
            if (parsed.GetValue(s_acknowledge)) return Acknowledge(parsed.GetValue(s_socket)!);
            if (parsed.GetValue(s_devices)) return Devices();
            if (parsed.GetValue(s_play) is { } folder) return Play(folder);
            throw new UsageException("panel: one of --png, --failed, --acknowledge, --devices and --play is needed");
        });
        return command;
    }

    // Without a daemon the picture is what the box shows then.
    static int Draw(string file, string? pageName, string socket)
    {
        BoxStatus box;
        int code = 0;
        try
        {
            using var client = new StatusClient(socket);
            box = client.Get();
        }
        catch (NotRunningException e)
        {
            CommandLine.Complain(e.Message);
            code = StatusCommand.NotRunning;
            box = NotRunning(e.Message);
        }
        ScreenPage page = PanelPicture.PageOf(pageName, box);
        using FileStream to = File.Create(file);
        PanelPicture.Write(box, page, to);
        return code;
    }

    static BoxStatus NotRunning(string why) => new()
    {
        Name = Environment.MachineName, Version = DaemonHost.Version, Severity = Severity.Failed,
        Light = LightState.Failed, State = LightTable.Of(LightState.Failed).Word, Problems = [why],
        Now = TimeProvider.System.GetUtcNow(),
    };

    static int Failed(string config, string socket, bool stopPost)
    {
        if (stopPost && Environment.GetEnvironmentVariable("SERVICE_RESULT") == "success") return 0;
        PanelOptions options = PanelSettings.Panel(Settings(config, socket));
        if (stopPost) options = options with { GpioChip = "" };
        using var lights = new LightSet(options.Lights(TimeProvider.System), TimeProvider.System);
        lights.Update(LightState.Failed);
        int code = Complain(lights);
        if (options.GpioChip.Length == 0) return code;
        using var stop = new ManualResetEventSlim();
        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Set();
        }
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        // Until the daemon wants its line back; a chip that was not there is tried again.
        while (!stop.Wait(s_look) && !Answers(socket)) lights.Update(LightState.Failed);
        return 0;
    }

    // A configuration that cannot be read is a reason for the failure light, not one to leave a good light on.
    static Settings Settings(string config, string socket)
    {
        string mistake;
        try
        {
            ConfigOutcome outcome = ConfigReader.ReadFile(config, box: null);
            if (outcome.Settings is { } settings) return settings;
            mistake = outcome.Mistakes[0].In(config);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            mistake = e.Message;
        }
        CommandLine.Complain($"the configuration cannot be used: {mistake}");
        return LightMemory.Recall(socket) ?? throw new IOException(
            $"the lights are not known: {config} has mistakes, and no daemon has written its lights down");
    }

    static bool Answers(string socket)
    {
        try
        {
            using var client = new StatusClient(socket, s_look);
            client.Get();
            return true;
        }
        catch (NotRunningException)
        {
            return false;
        }
    }

    static int Complain(LightSet lights)
    {
        int code = 0;
        foreach ((string name, string? problem) in lights.Problems)
        {
            if (problem is null) continue;
            CommandLine.Complain($"{name}: {problem}");
            code = CommandLine.Failed;
        }
        return code;
    }

    static int Acknowledge(string socket)
    {
        using var client = new StatusClient(socket);
        client.Acknowledge();
        return 0;
    }

    static int Devices()
    {
        string root = PanelSettings.LedRoot();
        BoardProfile board = BoardProfiles.Current("/proc/device-tree/model");
        Console.Out.WriteLine($"board    {board.Name}");
        Console.Out.WriteLine($"usual    {board.Usual}");
        Print("light", Directory.Exists(root) ? Directory.GetDirectories(root) : [], "[led] device");
        Print("chip", Directory.GetFiles("/dev", "gpiochip*"), "[led] chip");
        Print("bus", Directory.GetFiles("/dev", "i2c-*"), "[display] bus");
        return 0;
    }

    static void Print(string what, IEnumerable<string> paths, string key)
    {
        foreach (string path in paths.Order(StringComparer.Ordinal))
            Console.Out.WriteLine($"{what,-8} {Path.GetFileName(path)}    ({key})");
    }

    static int Play(string folder)
    {
        string path = Path.GetFullPath(folder);
        SimulatedLed led = SimulatedLed.At(Path.GetDirectoryName(path)!, Path.GetFileName(path));
        Console.Out.WriteLine(led.Watch(TimeProvider.System.GetUtcNow(), TimeSpan.FromSeconds(4)));
        return 0;
    }
}
