using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using NasFirmware.Control;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>The table in docs/OPERATING.md of who may do what over which socket.</summary>
public sealed class SocketTableTests
{
    const string Heading = "## Who may do what over which socket";

    [Fact]
    public void Each_row_is_kept_by_tests_that_exist()
    {
        string root = GoldenData.RepositoryRoot;
        string text = File.ReadAllText(Path.Combine(root, "docs", "OPERATING.md"));
        int begin = text.IndexOf(Heading, StringComparison.Ordinal);
        Assert.True(begin >= 0, $"docs/OPERATING.md has no chapter '{Heading}'");
        string[] rows = [.. text[(begin + Heading.Length)..].Split("\n## ")[0].Split('\n')
            .Where(l => l.StartsWith('|')).Skip(2)];
        Assert.True(rows.Length >= 11, $"the table has {rows.Length} rows");
        string tests = string.Concat(Directory.EnumerateFiles(Path.Combine(root, "tests"), "*Tests.cs",
            SearchOption.AllDirectories).Where(f => !f.Contains("/obj/", StringComparison.Ordinal))
            .Select(File.ReadAllText));
        foreach (string row in rows)
        {
            string[] names = [.. Regex.Matches(row.Split('|')[4], "`([^`]+)`").Select(m => m.Groups[1].Value)];
            Assert.True(names.Length > 0, $"no test keeps this row: {row}");
            Assert.All(names, n => Assert.Contains($" {n}(", tests, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Other_users_are_turned_away_from_a_control_socket()
    {
        Assert.True(Environment.IsPrivilegedProcess, "this test turns into another user, and needs root for that");
        string directory = Directory.CreateTempSubdirectory("nashammer-socket-").FullName;
        string path = Path.Combine(directory, "run", "daemon.sock");
        WebApplication app = LocalSocket.Build(path);
        app.MapGet("/alive", () => "yes");
        await LocalSocket.StartAsync(app, path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.GetDirectoryName(path)!));
        // Were both open to everybody by mistake, the kernel still tells who it is.
        const UnixFileMode everybody = (UnixFileMode)0x1FF;
        foreach (string open in new[] { directory, Path.GetDirectoryName(path)!, path })
            File.SetUnixFileMode(open, everybody);
        Assert.Equal("yes", Ask(path, []));
        Assert.Equal("", Ask(path, ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]));
        await app.StopAsync(TestContext.Current.CancellationToken);
        await app.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }

    static string Ask(string path, string[] before)
    {
        string[] all = [.. before, "curl", "-s", "--unix-socket", path, "http://nashammer/alive"];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }
}
