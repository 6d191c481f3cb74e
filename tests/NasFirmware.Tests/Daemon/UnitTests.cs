using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>The units of firmware/systemd, as systemd's own tools judge them.</summary>
public sealed class UnitTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-units-").FullName;

    static string UnitsFolder => Path.Combine(GoldenData.RepositoryRoot, "firmware", "systemd");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<string> Units =>
        [.. Directory.GetFiles(UnitsFolder, "*.service").Select(p => Path.GetFileName(p)!)];

    static (int Code, string Output) Run(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("/bin/bash",
            ["-c", "exec 2>&1 \"$@\"", "bash", .. arguments]) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    [Fact]
    public void Verifying_all_units_together_says_nothing()
    {
        // The tool looks for the program where the unit names it: here it is the one just built.
        string program = Path.Combine(AppContext.BaseDirectory, "nashammer");
        foreach (string unit in Directory.GetFiles(UnitsFolder))
        {
            File.WriteAllText(Path.Combine(_folder, Path.GetFileName(unit)),
                File.ReadAllText(unit).Replace("/usr/bin/nashammer", program, StringComparison.Ordinal));
        }
        (int code, string output) = Run(["systemd-analyze", "verify",
            .. Directory.GetFiles(_folder, "*.service").Order(StringComparer.Ordinal)]);
        // It ends with 0 on keys that it does not know: any word is a failure.
        Assert.Equal("", output);
        Assert.Equal(0, code);
    }

    [Theory]
    [MemberData(nameof(Units))]
    public void Exposure_of_a_unit_is_at_most_4(string unit)
    {
        (int code, string output) = Run("systemd-analyze", "security", "--offline=true", "--threshold=40",
            Path.Combine(UnitsFolder, unit));
        Assert.True(code == 0, output);
    }

    [Fact]
    public void The_daemon_gets_no_mount_namespace_of_its_own()
    {
        // Each of these would hide the mounts from everybody else.
        string[] hiding =
        [
            "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ProtectKernelTunables",
            "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "ProcSubset",
            "ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "TemporaryFileSystem", "BindPaths",
            "BindReadOnlyPaths", "RootDirectory", "RootImage", "PrivateUsers", "DynamicUser", "MountFlags",
            "NoExecPaths", "ExecPaths", "MountAPIVFS", "ProtectHostname=private",
        ];
        string[] keys = [.. File.ReadLines(Path.Combine(UnitsFolder, "nashammer.service"))
            .Where(l => l.Contains('=', StringComparison.Ordinal) && l[0] != '#').Select(l => l.Split('=')[0])];
        Assert.Contains("CapabilityBoundingSet", keys);
        Assert.DoesNotContain(keys, k => hiding.Contains(k, StringComparer.Ordinal));
    }
}
