using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO;
using NasCore;
using NasCore.Fuse.Dispatch;
using NasCore.Fuse.Session;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>A file system mounted on a fresh directory for the time of a test.</summary>
sealed class TestMount : IDisposable
{
    readonly string _scratch = Directory.CreateTempSubdirectory("nashammer-fuse-").FullName;

    public TestMount(IFileSystem fs, int workers = 2, int rowsMax = 1 << 20)
    {
        Dir = Path.Combine(_scratch, "mnt");
        Directory.CreateDirectory(Dir);
        Mount = FuseMount.Open(fs, new FuseMountRequest
        {
            Source = "nashammer:" + _scratch, Directory = Dir, Workers = workers,
            Limits = new FuseLimits { NodeRowsMax = rowsMax },
        }, TimeProvider.System, Log.Enqueue);
    }

    public string Dir { get; }
    public FuseMount Mount { get; }
    public ConcurrentQueue<string> Log { get; } = new();

    /// <summary>Runs a shell script that knows the mount as $D and returns its output; it must succeed.</summary>
    public string Run(string script)
    {
        (int code, string output) = TryRun(script);
        Assert.True(code == 0, $"exit {code}: {output}");
        return output;
    }

    public (int Code, string Output) TryRun(string script)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", "exec 2>&1; set -e\n" + script])
        {
            WorkingDirectory = "/", RedirectStandardOutput = true,
        };
        start.Environment["D"] = Dir;
        start.Environment["LC_ALL"] = "C";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.Trim());
    }

    public void Dispose()
    {
        Mount.Dispose();
        Directory.Delete(_scratch, recursive: true);
    }
}
