using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using NasCore.Fuse.Session;
using NasTesting;
using NasTesting.Oracle;
using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>
/// A volume on image files, mounted by the built program as a user mounts it: a process of its own, the kernel between
/// it and the test. Everything lies in one scratch directory; disposing takes the mount away, whatever state it is in,
/// and deletes the rest. Scripts are run by bash in the mount's directory, which they may leave at once for checking:
/// $D is the mount, $S the scratch directory, $N the program, $T the support functions.
/// </summary>
sealed class MountedVolume : IDisposable
{
    const int ScriptSeconds = 200;
    static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "nashammer");

    readonly GoldenLease? _lease;

    MountedVolume(string[]? images, GoldenLease? lease)
    {
        Scratch = Directory.CreateTempSubdirectory("nashammer-mounted-").FullName;
        // Other users of the tests go through it.
        File.SetUnixFileMode(Scratch, (UnixFileMode)0b111_101_101);
        Dir = Directory.CreateDirectory(Path.Combine(Scratch, "mnt")).FullName;
        Images = images ?? [Path.Combine(Scratch, "vol0.img")];
        _lease = lease;
        File.WriteAllText(Path.Combine(Scratch, "support.sh"), Support);
    }

    /// <summary>Functions for scripts: commands that must fail, another user, Python.</summary>
    const string Support = """
        no() { if "$@" 2>/dev/null; then echo "succeeded, but must not: $*"; exit 1; fi; }
        same() { if [ "$1" != "$2" ]; then echo "expected '$2', found '$1'"; exit 1; fi; }
        as() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
        py() { /usr/bin/python3 -B "$@"; }
        """;

    public string Scratch { get; }
    /// <summary>The directory of the mount.</summary>
    public string Dir { get; }
    public string[] Images { get; }
    public string Source => MountSource.Of(Images);

    /// <summary>A volume as newfs makes it, not mounted yet.</summary>
    public static MountedVolume Fresh(int megabytes = 1024, params string[] newfs)
    {
        var volume = new MountedVolume(null, null);
        using (FileStream image = File.Create(volume.Images[0])) image.SetLength((long)megabytes << 20);
        volume.Nashammer(["newfs", "-f", "-L", "mounted", .. newfs, volume.Images[0]]);
        return volume;
    }

    /// <summary>For volumes that the test makes itself.</summary>
    public static MountedVolume Of(params string[] images) => new(images, null);

    /// <summary>A golden volume, for read-only mounts.</summary>
    public static MountedVolume Golden(string name)
    {
        GoldenLease lease = GoldenData.Borrow(name);
        return new MountedVolume(lease.Paths, lease);
    }

    /// <summary>Mounts and gives the volume itself back.</summary>
    public MountedVolume Mount(string options = "defaults")
    {
        Nashammer("mount", "-o", options, string.Join(':', Images), Dir);
        return this;
    }

    /// <summary>Unmounts and waits until the volumes are closed.</summary>
    public void Unmount() => Nashammer("umount", Dir);

    /// <summary>The process that serves the mount.</summary>
    public Process Server() => Process.GetProcessById(int.Parse(
        File.ReadAllText(MountSource.PidPath(Source)), CultureInfo.InvariantCulture));

    /// <summary>Runs the program; it must succeed.</summary>
    public string Nashammer(params string[] arguments)
    {
        (int code, string output) = TryNashammer(arguments);
        Assert.True(code == 0, $"nashammer {string.Join(' ', arguments)}: exit {code}: {output}");
        return output;
    }

    /// <summary>Exit code and everything that the program printed.</summary>
    public (int Code, string Output) TryNashammer(params string[] arguments) => Start(s_program, arguments, Scratch);

    /// <summary>Runs a script, which must succeed; gives its output.</summary>
    public string Run(string script)
    {
        (int code, string output) = TryRun(script);
        Assert.True(code == 0, $"exit {code}: {output}");
        return output;
    }

    public (int Code, string Output) TryRun(string script) => Start("/usr/bin/timeout",
        ["-k", "5", ScriptSeconds.ToString(CultureInfo.InvariantCulture), "/bin/bash", "-c",
            "exec 2>&1; set -eE; trap 'echo \"failed: $BASH_COMMAND\"' ERR; . $S/support.sh\ncd $D\n" + script],
        Scratch);

    /// <summary>Runs Python in the mount's directory.</summary>
    public string Python(string program)
    {
        string file = Path.Combine(Scratch, "program.py");
        File.WriteAllText(file, program);
        return Run("py $S/program.py");
    }

    /// <summary>Both judges of a volume that is not mounted: `check --data`, and the walk that shares no code with it.
    /// </summary>
    public void AssertSound()
    {
        Nashammer(["check", "--data", .. Images]);
        using OracleVolume oracle = OracleVolume.Open(Images);
        List<OracleFinding> findings = oracle.Verify();
        Assert.True(findings.Count == 0, string.Join("\n", findings.Take(10)));
    }

    /// <summary>After the death of the serving process: the volume can be mounted again, on the directory that the dead
    /// mount still occupies.</summary>
    public void AssertRecovers()
    {
        Mount();
        Assert.Equal(Dir, FuseMount.FindOurs(Dir)?.Directory);
    }

    /// <summary>Live inodes without a name.</summary>
    public List<OracleRecord> Orphans()
    {
        using OracleVolume oracle = OracleVolume.Open(Images);
        return [.. oracle.Orphans()];
    }

    /// <summary>Unmounts and judges.</summary>
    public void UnmountSound()
    {
        Unmount();
        AssertSound();
    }

    (int Code, string Output) Start(string program, string[] arguments, string directory)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["D"] = Dir;
        start.Environment["S"] = Scratch;
        start.Environment["N"] = s_program;
        start.Environment["IMG"] = string.Join(':', Images);
        start.Environment["HOME"] = Scratch;
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, (output + error.Result).Trim());
    }

    public void Dispose()
    {
        // A mount that a failed test left is in the way of nobody: it is detached, and its process ends with it.
        for (int i = 0; i < 3 && FuseMount.FindOurs(Dir) is not null; i++)
        {
            if (TryNashammer("umount", Dir).Code != 0) TryNashammer("umount", "-l", Dir);
        }
        try
        {
            using Process server = Server();
            if (!server.WaitForExit(TimeSpan.FromSeconds(20))) server.Kill();
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // No process: the usual case.
        }
        // Names may be any bytes, which the runtime's own deletion does not know.
        Start("/bin/rm", ["-rf", "--one-file-system", Scratch], "/");
        _lease?.Dispose();
    }
}
