using System;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Text;
using System.Threading;

namespace NasDevices.Disks;

/// <summary>
/// smartctl of smartmontools: it knows the disks, bridges and their quirks far better than we ever would. Without it
/// health is not known.
/// </summary>
public static class SmartProgram
{
    static readonly string[] s_places =
        ["/usr/sbin/smartctl", "/usr/local/sbin/smartctl", "/usr/bin/smartctl", "/sbin/smartctl"];
    const int OutputMax = 1 << 20;

    /// <summary>Where it is; null if it is not installed.</summary>
    public static string? Find() => Array.Find(s_places, File.Exists);

    /// <summary>
    /// Asks a disk, unless it sleeps; null if it says nothing. The program is killed after the limit; one that cannot
    /// be killed, since the kernel waits for the disk, keeps the calling thread until it ends.
    /// </summary>
    public static SmartReport? Ask(string program, string device, TimeSpan limit)
    {
        var start = new ProcessStartInfo(program, ["--json=c", "--nocheck=standby", "-H", "-A", device])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            UseShellExecute = false, WorkingDirectory = "/",
        };
        start.Environment["LC_ALL"] = "C";
        try
        {
            using Process process = Process.Start(start)!;
            process.StandardInput.Close();
            using var timer = new Timer(_ => Kill(process), null, limit, Timeout.InfiniteTimeSpan);
            string? output = Read(process.StandardOutput);
            if (output is null) Kill(process);
            process.WaitForExit();
            return output is null ? null : SmartReport.Parse(output);
        }
        catch (Exception e) when (e is Win32Exception or IOException or InvalidOperationException)
        {
            // It cannot be run here: as if it were not installed.
            return null;
        }
    }

    static string? Read(StreamReader from)
    {
        var text = new StringBuilder();
        var buffer = new char[4096];
        int n;
        while ((n = from.Read(buffer, 0, buffer.Length)) > 0)
        {
            if (text.Append(buffer, 0, n).Length > OutputMax) return null;
        }
        return text.ToString();
    }

    static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or AggregateException)
        {
            // It has ended by itself.
        }
    }
}
