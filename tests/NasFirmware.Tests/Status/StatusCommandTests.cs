using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using NasFirmware.Status;
using NasFirmware.Tests.Cli;
using Spectre.Console;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>`nashammer status` as a process, against control sockets of the test's own.</summary>
public sealed class StatusCommandTests
{
    [Theory]
    [InlineData("good", 0)]
    [InlineData("degraded", 1)]
    [InlineData("failed", 2)]
    public void Exit_code_is_the_severity(string box, int code)
    {
        using FakeDaemon daemon = FakeDaemon.Of(box switch
        {
            "good" => Boxes.Good, "degraded" => Boxes.Unreachable, _ => Boxes.Missing,
        });
        NashammerRun run = NashammerProcess.Run("status", "--socket", daemon.Socket);
        Assert.Equal("", run.Error);
        Assert.Equal(code, run.ExitCode);
        Assert.Contains($"({box})", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Daemon_that_does_not_run_is_exit_code_3()
    {
        NashammerRun run = NashammerProcess.Run("status", "--socket", Path.Combine(Path.GetTempPath(), "nobody.sock"));
        Assert.Equal(3, run.ExitCode);
        Assert.StartsWith("nashammer: the daemon does not run", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Json_is_the_model_unchanged()
    {
        using FakeDaemon daemon = FakeDaemon.Of(Boxes.FirstLoad);
        NashammerRun run = NashammerProcess.Run("status", "--json", "--socket", daemon.Socket);
        Assert.Equal(1, run.ExitCode);
        BoxStatus read = JsonSerializer.Deserialize(run.Output, StatusJson.Default.BoxStatus)!;
        Assert.Equal(run.Output.TrimEnd(), JsonSerializer.Serialize(read, StatusJson.Default.BoxStatus));
        Assert.Equal(0.42, read.Mirrors.Single().Progress);
        Assert.Contains("\"light\":\"FirstLoad\"", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "answers 404")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n}{]", "answers no status")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnull", "answers nothing")]
    [InlineData("SSH-2.0-x\r\n", "does not run")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n{", "does not run")]
    public void Nonsense_is_not_running(string reply, string complaint)
    {
        using var daemon = new FakeDaemon(reply);
        using var client = new StatusClient(daemon.Socket);
        Assert.Contains(complaint, Assert.Throws<NotRunningException>(() => client.Get()).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Daemon_that_hangs_is_told_from_one_that_is_not_there()
    {
        using var daemon = new FakeDaemon(reply: null);
        using var client = new StatusClient(daemon.Socket, TimeSpan.FromMilliseconds(100));
        Assert.Contains("it hangs", Assert.Throws<NotRunningException>(() => client.Get()).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Plain_text_has_every_table_in_aligned_columns()
    {
        using var to = new StringWriter(CultureInfo.InvariantCulture);
        StatusPrinter.Plain(Judgement.Of(Boxes.Unreachable, new StatusLimits()), to);
        Assert.Equal("""
            nas1: No peer (degraded), 192.168.1.10, nashammer 0.1.0, up 25 h
              ! mirror family to nas2: the other box does not answer: no route to host

            MIRROR                  PEER     STATE    LAG   LEFT  SPEED  PROVEN      RESENT
            family (photos/family)  to nas2  no peer  40 s  3 MB  -      12 min ago  0 B

            FILE SYSTEM  STATE    MOUNT        SIZE  FREE  REACHES BACK TO   FULL IN
            photos       mounted  /srv/photos  2 TB  1 TB  2026-09-24 08:30  210 days

            PEER  ADDRESS            STATE          SEEN
            nas2  192.168.1.20:7445  not reachable  5 min ago

            DISK     MODEL     SERIAL  SIZE   TEMP  STATE  HOLDS
            sda      WD20EFRX  -       2 TB   38 C  good   photos
            mmcblk0  -         -       32 GB  -     good   -

            """, to.ToString());
    }

    [Fact]
    public void Terminal_gets_boxes_with_the_same_words()
    {
        using var to = new StringWriter(CultureInfo.InvariantCulture);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(to), ColorSystem = ColorSystemSupport.NoColors,
        });
        console.Profile.Width = 160;
        BoxStatus odd = Boxes.Good with
        {
            Peers = [new PeerStatus { Name = "[red]nas2[/]", Problem = "a name [with] brackets" }],
        };
        StatusPrinter.Terminal(Judgement.Of(odd, new StatusLimits()), console);
        Assert.Contains("| [red]nas2[/] |", to.ToString().Replace('\u2502', '|'), StringComparison.Ordinal);
        Assert.Contains("peer [red]nas2[/]: a name [with] brackets", to.ToString(), StringComparison.Ordinal);
    }
}
