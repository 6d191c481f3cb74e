using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using NasCore.Fuse.Session;

namespace NasCampaign.Exerciser;

/// <summary>A volume in an image file, mounted by the program itself, in a process of its own: the kernel lies between
/// it and the trial. Needs root and /dev/fuse.</summary>
sealed class RealMount : IDisposable
{
    readonly string _scratch = Directory.CreateTempSubdirectory("nashammer-exercised-").FullName;
    readonly string _image;

    public RealMount(long bytes, params string[] newfs)
    {
        Dir = Directory.CreateDirectory(Path.Combine(_scratch, "mnt")).FullName;
        _image = Path.Combine(_scratch, "volume.img");
        using (FileStream image = File.Create(_image)) image.SetLength(bytes);
        Must(["newfs", "-f", "-L", "exercised", .. newfs, _image]);
    }

    /// <summary>The mounted directory.</summary>
    public string Dir { get; }

    /// <summary>The program as the build made it, of the same configuration as this code.</summary>
    static string Program { get; } = FindProgram();

    static string FindProgram()
    {
        string configuration = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal)
            ? "Release" : "Debug";
        for (string? at = AppContext.BaseDirectory; at is not null; at = Path.GetDirectoryName(at))
        {
            if (!File.Exists(Path.Combine(at, "NasHammer.sln"))) continue;
            string program = Path.Combine(at, "firmware/bin", configuration, "net10.0/nashammer");
            if (File.Exists(program)) return program;
        }
        throw new FileNotFoundException("nashammer is not built beside " + AppContext.BaseDirectory);
    }

    public void Mount(string options) => Must(["mount", "-o", options, _image, Dir]);

    public void Unmount() => Must(["umount", Dir]);

    /// <summary>Detaches a mount that is in use, as for a disk that must go, and waits for its process.</summary>
    public void Detach()
    {
        using Process? server = Server();
        Must(["umount", "-l", Dir]);
        if (server is not null && !server.WaitForExit(TimeSpan.FromSeconds(60)))
            throw new CampaignFinding("the server of a detached mount goes on", Dir, Stacks(server.Id));
    }

    /// <summary>Where the server listens for the verbs.</summary>
    public string ControlSocket => MountSource.SocketPath(MountSource.Of([_image]));

    public Process? Server()
    {
        try
        {
            string pid = File.ReadAllText(MountSource.PidPath(MountSource.Of([_image])));
            return Process.GetProcessById(int.Parse(pid, CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>SIGKILL for the process that serves the mount.</summary>
    public void Kill()
    {
        using Process? server = Server();
        server?.Kill();
        server?.WaitForExit();
    }

    /// <summary>`check` with all data must find nothing.</summary>
    public void Check(string where)
    {
        (int code, string output) = Run("check", "--data", _image);
        if (code != 0) throw new CampaignFinding("check finds damage", where, output);
    }

    public void Must(params string[] arguments)
    {
        (int code, string output) = Run(arguments);
        if (code != 0) throw new CampaignFinding($"nashammer {arguments[0]} ends with {code}", Dir, output);
    }

    /// <summary>Runs the program to its end; what it printed comes back.</summary>
    public static (int Code, string Output) Run(params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    /// <summary>Runs the program and throws its output away: a mirror stream nobody wants.</summary>
    public static int RunToNothing(params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.BaseStream.CopyTo(Stream.Null);
        process.WaitForExit();
        _ = error.Result;
        return process.ExitCode;
    }

    static Process Start(string[] arguments) => Process.Start(new ProcessStartInfo(Program, arguments)
    {
        RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = "/",
    })!;

    /// <summary>Where each thread of a process is, for the one who looks for a deadlock.</summary>
    public static string Stacks(int pid)
    {
        var lines = new List<string>();
        try
        {
            foreach (string task in Directory.GetDirectories($"/proc/{pid}/task").Order(StringComparer.Ordinal))
            {
                string name = File.ReadAllText(task + "/comm").Trim(), place = File.ReadAllText(task + "/wchan").Trim();
                lines.Add($"{Path.GetFileName(task)} {name}: {place}");
            }
        }
        catch (IOException)
        {
            // It ended while we looked.
        }
        return string.Join("\n  ", lines);
    }

    public void Dispose()
    {
        for (int i = 0; i < 3 && FuseMount.FindOurs(Dir) is not null; i++)
        {
            if (Run("umount", Dir).Code != 0) Run("umount", "-l", Dir);
        }
        using (Process? server = Server())
        {
            if (server is not null && !server.WaitForExit(TimeSpan.FromSeconds(20))) server.Kill();
        }
        // Names and attributes of the trial may be anything: rm knows them all.
        using Process rm = Process.Start("/bin/rm", ["-rf", "--one-file-system", _scratch]);
        rm.WaitForExit();
    }
}
