using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using NasFirmware.Tests.Cli;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>The verb `peer`, as an owner types it on two boxes.</summary>
public sealed partial class PeerCommandTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-peer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    string Config(string box, int port)
    {
        string path = Path.Combine(_folder, box + ".toml");
        File.WriteAllText(path, string.Create(CultureInfo.InvariantCulture, $"""
            [box]
            name = "{box}"
            state = "{_folder}/{box}"
            run = "{_folder}/{box}-run"
            [listen]
            address = "127.0.0.1:{port}"
            """));
        return path;
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [Fact]
    public void Peers_are_added_listed_and_removed()
    {
        string config = Config("nas1", FreePort()), key = new('A', 64);
        NashammerRun id = NashammerProcess.Run("peer", "id", "--config", config);
        Assert.Matches("^[0-9a-f]{64}\n$", id.Output);
        Assert.Equal(id.Output, NashammerProcess.Run("peer", "id", "--config", config).Output);
        NashammerRun added = NashammerProcess.Run("peer", "add", "nas2", key, "nas2.home", "--config", config);
        Assert.Equal((0, ""), (added.ExitCode, added.Error));
        NashammerRun list = NashammerProcess.Run("peer", "list", "--config", config);
        Assert.Equal($"nas2  {new string('a', 64)}  nas2.home\n", list.Output);
        NashammerRun own = NashammerProcess.Run("peer", "add", "me", id.Output.Trim(), "--config", config);
        Assert.Equal((1, "nashammer: this is the key of this box; a peer is another one\n"), (own.ExitCode, own.Error));
        Assert.Equal(0, NashammerProcess.Run("peer", "remove", "nas2", "--config", config).ExitCode);
        NashammerRun gone = NashammerProcess.Run("peer", "remove", "nas2", "--config", config);
        Assert.Equal((1, "nashammer: no peer is called nas2\n"), (gone.ExitCode, gone.Error));
    }

    [Fact]
    public void Two_boxes_are_paired_by_typing_the_other_ones_digits()
    {
        int port = FreePort();
        string one = Config("nas1", port), two = Config("nas2", FreePort());
        using Process waiting = Start("peer", "pair", "--yes-code", "--config", one);
        Until(waiting, "Waiting");
        using Process calling = Start("peer", "pair", $"127.0.0.1:{port}", "--yes-code", "--config", two);
        string here = Until(waiting, "^ +[0-9]{3} [0-9]{3}$"), there = Until(calling, "^ +[0-9]{3} [0-9]{3}$");
        waiting.StandardInput.WriteLine(there.Trim());
        calling.StandardInput.WriteLine(here.Trim());
        Until(waiting, "Paired: nas2 is known now at 127.0.0.1:");
        Until(calling, $"Paired: nas1 is known now at 127.0.0.1:{port}");
        waiting.WaitForExit();
        calling.WaitForExit();
        Assert.Equal((0, 0), (waiting.ExitCode, calling.ExitCode));
        string id = NashammerProcess.Run("peer", "id", "--config", one).Output.Trim();
        Assert.Contains($"nas1  {id}  127.0.0.1:{port}\n", NashammerProcess.Run("peer", "list", "--config", two).Output,
            StringComparison.Ordinal);
    }

    static Process Start(params string[] arguments) =>
        Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "nashammer"), arguments)
        {
            RedirectStandardOutput = true, RedirectStandardInput = true, UseShellExecute = false,
        })!;

    static string Until(Process process, string pattern)
    {
        for (string? line; (line = process.StandardOutput.ReadLine()) is not null;)
        {
            if (Regex.IsMatch(line, pattern)) return line;
        }
        throw new InvalidOperationException($"the program ended before it wrote {pattern}");
    }
}
