using System;
using System.Diagnostics;
using System.IO;
using NasDevices.Simulation;
using NasFirmware.Daemon;
using NasFirmware.Tests.Cli;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>`nashammer panel` and `status --watch` as processes.</summary>
public sealed class PanelCommandTests : IDisposable
{
    readonly string _root = Directory.CreateTempSubdirectory("nh-verb").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    (int Code, string Error) Failed(string? result, params string[] options)
    {
        return FailedWith("[led]\ndevice = \"nas:green:status\"\n", result, options);
    }

    (int Code, string Error) FailedWith(string text, string? result, params string[] options)
    {
        string config = Path.Combine(_root, "config.toml");
        File.WriteAllText(config, text);
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "nashammer"),
            ["panel", "--failed", "--config", config, .. options]) { RedirectStandardError = true };
        start.Environment[PanelSettings.LedRootVariable] = _root;
        if (result is not null) start.Environment["SERVICE_RESULT"] = result;
        using Process process = Process.Start(start)!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }

    [Fact]
    public void Failure_rhythm_is_set_for_good_but_not_after_a_clean_stop()
    {
        (int code, string error) = Failed(null);
        Assert.Equal(1, code);
        Assert.Contains("nas:green:status: there is no", error, StringComparison.Ordinal);
        SimulatedLed led = SimulatedLed.Create(_root, "nas:green:status");
        Assert.Equal((0, ""), Failed("success", "--stop-post"));
        Assert.Equal("none", led.Trigger);
        Assert.Equal((0, ""), Failed("watchdog", "--stop-post"));
        DateTimeOffset now = TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1);
        Assert.Contains("-150 150 -150 150 -150", led.Watch(now, TimeSpan.FromSeconds(2)), StringComparison.Ordinal);
        NashammerRun play = NashammerProcess.Run("panel", "--play", Path.Combine(_root, "nas:green:status"));
        Assert.Contains("-150 150 -150 150 -150", play.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Failure_rhythm_is_set_although_the_configuration_has_mistakes_now()
    {
        SimulatedLed led = SimulatedLed.Create(_root, "nas:green:status");
        string socket = Path.Combine(_root, "daemon.sock");
        const string Mistaken = "[led]\ndevise = \"nas:green:status\"\n";
        (int code, string error) = FailedWith(Mistaken, null, "--socket", socket);
        Assert.Equal(1, code);
        Assert.Contains("no daemon has written its lights down", error, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(_root, "lights.toml"), "[led]\ndevice = \"nas:green:status\"\n");
        (code, error) = FailedWith(Mistaken, null, "--socket", socket);
        Assert.Equal(0, code);
        Assert.Contains("config.toml:2:1", error, StringComparison.Ordinal);
        DateTimeOffset now = TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1);
        Assert.Contains("-150 150 -150 150 -150", led.Watch(now, TimeSpan.FromSeconds(2)), StringComparison.Ordinal);
    }

    [Fact]
    public void Devices_of_this_machine_are_listed()
    {
        NashammerRun run = NashammerProcess.Run("panel", "--devices");
        Assert.Equal(0, run.ExitCode);
        Assert.NotEmpty(run.Output);
    }

    [Fact]
    public void Picture_of_a_box_without_a_daemon_shows_the_failure()
    {
        string png = Path.Combine(_root, "panel.png");
        NashammerRun run = NashammerProcess.Run("panel", "--png", png, "--socket", Path.Combine(_root, "nobody"));
        Assert.Equal(3, run.ExitCode);
        Assert.Equal([0x89, 0x50, 0x4E, 0x47], File.ReadAllBytes(png)[..4]);
    }

    [Fact]
    public void Watch_prints_again_until_it_is_interrupted_and_keeps_the_exit_code()
    {
        using FakeDaemon daemon = FakeDaemon.Of(Boxes.Unreachable);
        using Process process = Process.Start(new ProcessStartInfo(
            Path.Combine(AppContext.BaseDirectory, "nashammer"),
            ["status", "--watch", "--json", "--socket", daemon.Socket]) { RedirectStandardOutput = true })!;
        string first = process.StandardOutput.ReadLine()!;
        Assert.Equal(first, process.StandardOutput.ReadLine());
        using (Process kill = Process.Start("kill", ["-INT", process.Id.ToString(
            System.Globalization.CultureInfo.InvariantCulture)])) kill.WaitForExit();
        process.WaitForExit();
        Assert.Equal(1, process.ExitCode);
    }
}
