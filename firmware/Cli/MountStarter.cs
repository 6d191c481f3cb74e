using System;
using System.Diagnostics;
using System.IO;

namespace NasFirmware.Cli;

/// <summary>Starts this program again as the serving process and waits until its mount is live.</summary>
static class MountStarter
{
    const string Live = "live";

    /// <summary>Exit code for the caller; what went wrong was said on stderr by the process started.</summary>
    internal static int Start(string[] arguments)
    {
        string program = Environment.ProcessPath ?? throw new IOException("the path of this program is unknown");
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true, RedirectStandardInput = true, UseShellExecute = false,
        };
        // Under the dotnet host the program is the first argument.
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start) ?? throw new IOException($"cannot start {program}");
        process.StandardInput.Close();
        string? line;
        while ((line = process.StandardOutput.ReadLine()) is not null)
            if (line == Live) return 0;
        process.WaitForExit();
        if (process.ExitCode > 128)
            CommandLine.Complain($"the mounting process ended by signal {process.ExitCode - 128}");
        return process.ExitCode == 0 ? CommandLine.Failed : process.ExitCode;
    }

    /// <summary>Called by the process started.</summary>
    internal static void ReportLive()
    {
        Console.Out.WriteLine(Live);
        Console.Out.Flush();
    }
}
