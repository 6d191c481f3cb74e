using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using NasCore.Fuse.Session;
using NasFirmware.Daemon;
using NasFirmware.Status;
using NasLinux;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>
/// A box of its own in a scratch folder: image files as disks, a configuration, and the daemon as a process. Disposing
/// takes everything away, whatever state it is in.
/// </summary>
sealed class DaemonBox : IDisposable
{
    static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "nashammer");
    static readonly TimeSpan s_longest = TimeSpan.FromSeconds(60);

    readonly List<string> _log = [];
    readonly AutoResetEvent _line = new(false);
    readonly List<string> _loops = [];
    Process? _process;

    internal DaemonBox()
    {
        Scratch = Directory.CreateTempSubdirectory("nashammer-box-").FullName;
        Configure("");
    }

    internal string Scratch { get; }
    internal string ConfigPath => Path.Combine(Scratch, "config.toml");
    internal string SocketPath => Path.Combine(Scratch, "run", "daemon.sock");
    internal Process Process => _process!;

    internal string Log
    {
        get
        {
            lock (_log) return string.Join('\n', _log);
        }
    }

    internal string Image(string name) => Path.Combine(Scratch, name + ".img");
    internal string Mount(string name) => Path.Combine(Scratch, "mnt", name);

    /// <summary>Makes an image with a file system of this label.</summary>
    internal string Newfs(string label, int megabytes = 256, params string[] more)
    {
        string[] images = [Image(label), .. more.Select(Image)];
        foreach (string image in images)
        {
            using FileStream file = File.Create(image);
            file.SetLength((long)megabytes << 20);
        }
        (int code, string output) = Run("newfs", ["-f", "-u", "32m", "-L", label, .. images]);
        Assert.True(code == 0, output);
        return images[0];
    }

    /// <summary>Writes the configuration: what every box needs, then these lines.</summary>
    internal void Configure(string text) => File.WriteAllText(ConfigPath, $"""
        [box]
        name = "nas1"
        state = "{Scratch}/state"
        run = "{Scratch}/run"
        [listen]
        address = ""
        {text}
        """);

    /// <summary>The section of a volume on an image made by <see cref="Newfs"/>.</summary>
    internal string Volume(string label, string more = "") => $"""
        [volumes.{label}]
        label = "{label}"
        images = ["{Image(label)}"]
        mount = "{Mount(label)}"
        {more}

        """;

    /// <summary>The section of a volume on whatever disk has this label.</summary>
    internal string Disk(string label) => $"""
        [volumes.{label}]
        label = "{label}"
        mount = "{Mount(label)}"

        """;

    internal void Start(params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(s_program, ["daemon", "--config", ConfigPath])
        {
            RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = Scratch,
        };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        Process process = Process.Start(start)!;
        _process = process;
        new Thread(() =>
        {
            while (process.StandardError.ReadLine() is { } line)
            {
                lock (_log) _log.Add(line);
                _line.Set();
            }
            _line.Set();
        }) { IsBackground = true, Name = "box-log" }.Start();
    }

    /// <summary>Sends a signal by its name.</summary>
    internal void Signal(string name) => Command("/bin/kill", "-" + name,
        Process.Id.ToString(CultureInfo.InvariantCulture));

    /// <summary>The exit code; it must end within the time.</summary>
    internal int WaitForExit(int seconds = 40)
    {
        Assert.True(Process.WaitForExit(TimeSpan.FromSeconds(seconds)), "the daemon does not end\n" + Log);
        return Process.ExitCode;
    }

    /// <summary>Ends the daemon as systemd does.</summary>
    internal int Stop()
    {
        Signal("TERM");
        return WaitForExit();
    }

    internal BoxStatus Status()
    {
        using var client = new DaemonClient(SocketPath);
        return client.Status();
    }

    internal VolumeStatus Volume(BoxStatus box, string name) => box.Volumes.Single(v => v.Name == name);

    /// <summary>Waits until the status is as wanted.</summary>
    internal BoxStatus Until(Func<BoxStatus, bool> condition, string what)
    {
        BoxStatus? last = null;
        Until(() =>
        {
            try
            {
                last = Status();
                return condition(last);
            }
            catch (IOException)
            {
                // It does not listen yet.
                return false;
            }
        }, () => $"{what}: {string.Join("; ", last?.Volumes.Select(v => $"{v.Name} {v.State} {v.Problem}") ?? [])}");
        return last!;
    }

    internal BoxStatus UntilState(string volume, VolumeState state) =>
        Until(b => b.Volumes.Any(v => v.Name == volume && v.State == state), $"{volume} is to be {state}");

    internal void UntilLog(string text) =>
        Until(() => Log.Contains(text, StringComparison.Ordinal), () => "the log is to say: " + text);

    void Until(Func<bool> condition, Func<string> what)
    {
        long started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            bool late = Stopwatch.GetElapsedTime(started) > s_longest;
            Assert.False(late || Process.HasExited, $"{what()}\n{Log}");
            // The next line of the log, or a moment.
            _line.WaitOne(50);
        }
    }

    /// <summary>A loop device over a file.</summary>
    internal string Attach(string file)
    {
        string device = Command("/sbin/losetup", "--find", "--show", file).Trim();
        _loops.Add(device);
        return device;
    }

    internal void Detach(string device)
    {
        Command("/sbin/losetup", "-d", device);
        _loops.Remove(device);
    }

    internal (int Code, string Output) Run(string verb, params string[] arguments)
    {
        (int code, string output) = Execute(s_program, [verb, .. arguments]);
        return (code, output);
    }

    internal static string Command(string program, params string[] arguments)
    {
        (int code, string output) = Execute(program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)}: {output}");
        return output;
    }

    internal static (int Code, string Output) Execute(string program, string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    public void Dispose()
    {
        if (_process is { HasExited: false })
        {
            Signal("TERM");
            if (!_process.WaitForExit(TimeSpan.FromSeconds(30))) _process.Kill();
        }
        _process?.Dispose();
        foreach (string loop in _loops) Execute("/sbin/losetup", ["-d", loop]);
        foreach (MountEntry entry in MountTable.Read().Reverse())
        {
            if (entry.Type == FuseMount.FsType && entry.Directory.StartsWith(Scratch, StringComparison.Ordinal))
                LinuxMount.Unmount(entry.Directory, detach: true);
        }
        Directory.Delete(Scratch, recursive: true);
        _line.Dispose();
    }
}
