using System;
using System.Diagnostics;
using System.IO;
using System.Threading.Tasks;

namespace NasFirmware.Tests.Cli;

/// <summary>What a run of the program left.</summary>
sealed record NashammerRun(int ExitCode, string Output, string Error);

/// <summary>Runs the built program as a process of its own, as a user does.</summary>
static class NashammerProcess
{
    internal static NashammerRun Run(params string[] arguments)
    {
        // The test project references the program, so its files lie beside the tests.
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "nashammer"), arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        process.WaitForExit();
        return new NashammerRun(process.ExitCode, output.Result, error.Result);
    }
}
