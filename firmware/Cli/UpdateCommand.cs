using System;
using System.CommandLine;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading;
using NasFirmware.Config;
using NasFirmware.Status;
using NasFirmware.Update;

namespace NasFirmware.Cli;

/// <summary>
/// `update FILE.deb`: installs a package of this program and puts it on trial. The work is that of the guard
/// (firmware/package/update-guard), which also protects an upgrade that apt or dpkg makes.
/// </summary>
static class UpdateCommand
{
    const string Guard = "/usr/lib/nashammer/update-guard", Output = "/run/nashammer-update.log";

    // On a card dpkg works in the card's own root, and what the one in memory shows may be older.
    const string CardAdmin = "/run/nashammer-card/root/var/lib/dpkg";
    static string Admin => Directory.Exists(CardAdmin) ? CardAdmin : "/var/lib/dpkg";

    static readonly Argument<string?> s_file = new("file")
    {
        Description = "The package, nashammer_VERSION_ARCH.deb.", Arity = ArgumentArity.ZeroOrOne,
    };
    static readonly Option<bool> s_status = new("--status")
    {
        Description = "Say what became of the last update. Exit code 0: good or none, 1: the former version came back, "
            + "2: on trial.",
    };
    static readonly Option<bool> s_older = new("--older")
    {
        Description = "Also if the version is not newer than the one installed.",
    };
    static readonly Option<bool> s_noWait = new("--no-wait")
    {
        Description = "Do not wait until the trial is over.",
    };
    static readonly Option<bool> s_note = new("--note") { Hidden = true };
    static readonly Option<string?> s_judge = new("--judge") { Hidden = true };
    static readonly Option<string> s_config = new("--config")
    {
        Description = "The configuration of the box.", HelpName = "file", Hidden = true,
        DefaultValueFactory = _ => ConfigReader.DefaultPath,
    };

    internal static Command Create()
    {
        var command = new Command("update", "Install another version of this program. If the box is not as good with "
            + "it as before within the time of [update], the former version comes back by itself. Whoever may run this "
            + "may install anything: where the file comes from is for you to know.")
        {
            s_file, s_status, s_older, s_noWait, s_note, s_judge, s_config,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        if (parsed.GetValue(s_note))
        {
            foreach (string line in UpdateFacts.Note(parsed.GetValue(s_config)!)) Console.WriteLine(line);
            return 0;
        }
        if (parsed.GetValue(s_judge) is { } note) return Judge(note);
        if (parsed.GetValue(s_status)) return Status();
        string file = parsed.GetValue(s_file) ?? throw new UsageException("a package is missing; or --status");
        return Install(file, parsed.GetValue(s_older), !parsed.GetValue(s_noWait));
    }

    static int Judge(string note)
    {
        UpdateFacts before = UpdateFacts.ReadNote(note, out string socket);
        string? worse;
        try
        {
            worse = before.WhyWorse(UpdateFacts.Of(UpdateFacts.Status(socket)));
        }
        catch (Exception e) when (CommandLine.IsExpected(e) || e is JsonException)
        {
            worse = "the daemon does not answer";
        }
        Console.WriteLine(worse ?? "good");
        return worse is null ? 0 : CommandLine.Failed;
    }

    static int Status()
    {
        UpdateStatus? update = new UpdateState().Now();
        Console.WriteLine(update is null ? "no update was made" : UpdateState.Sentence(update)
            + (update.At is { } at ? $" ({StatusWords.Moment(at)} UTC)" : ""));
        return update?.Phase switch { UpdatePhase.Back => 1, UpdatePhase.Trial => 2, _ => 0 };
    }

    static int Install(string file, bool older, bool waits)
    {
        if (Environment.UserName != "root") throw new IOException("only root may install");
        if (!File.Exists(Guard))
            throw new IOException($"{Guard} is missing: this program was not installed as a package");
        string path = Path.GetFullPath(file);
        if (!File.Exists(path)) throw new IOException($"{file}: there is no such file");
        string version = Check(path, older);
        Console.WriteLine($"Installing nashammer {version}.");
        int code = Execute(InstallCommand(path), out string said);
        if (code != 0)
        {
            Console.Error.Write(File.Exists(Output) ? File.ReadAllText(Output) : said);
            throw new IOException("it was not installed");
        }
        var state = new UpdateState();
        UpdateStatus? update = state.Now();
        // One that hangs has come back before dpkg is through with it.
        if (update?.New == version && !state.IsUnderWay) return Status();
        if (update is null || update.New != version)
        {
            Console.WriteLine("Installed. There is no trial, since the daemon did not run.");
            return 0;
        }
        Console.WriteLine("Installed, and on trial: the former version comes back if the box is not as good as "
            + "before.");
        if (!waits) return 0;
        while (state.IsUnderWay) Thread.Sleep(500);
        return Status();
    }

    // Away from this terminal: a line that breaks must not break dpkg. The guard's own service watches.
    static string[] InstallCommand(string path) => Directory.Exists("/run/systemd/system")
        ? ["/usr/bin/systemd-run", "--quiet", "--collect", "--wait", "--unit=nashammer-update",
            "-p", "StandardOutput=truncate:" + Output, "-p", "StandardError=append:" + Output, Guard, "install", path]
        : [Guard, "install", path];

    /// <summary>The package's version; an exception says why it is none for this machine.</summary>
    static string Check(string path, bool older)
    {
        string[] fields = Ask("/usr/bin/dpkg-deb", "-f", path, "Package", "Architecture", "Version").Split('\n');
        string Field(string name) => Array.Find(fields, f => f.StartsWith(name + ": ", StringComparison.Ordinal))
            ?[(name.Length + 2)..].Trim() ?? throw new IOException($"{path}: a package without {name}");
        if (Field("Package") != "nashammer") throw new IOException($"{path}: it is {Field("Package")}, not nashammer");
        string here = Ask("/usr/bin/dpkg", "--print-architecture").Trim();
        if (Field("Architecture") != here)
            throw new IOException($"{path}: it is for {Field("Architecture")}, this machine is {here}");
        string version = Field("Version");
        string installed = Ask("/usr/bin/dpkg-query", "--admindir=" + Admin, "-W", "-f", "${Version}", "nashammer")
            .Trim();
        if (!older && Execute(["/usr/bin/dpkg", "--compare-versions", version, "gt", installed], out _) != 0)
            throw new IOException($"{path}: version {version} is not newer than {installed}, see --older");
        return version;
    }

    static string Ask(params string[] command)
    {
        int code = Execute(command, out string output);
        return code == 0 ? output : throw new IOException($"{Path.GetFileName(command[0])}: {output.Trim()}");
    }

    static int Execute(string[] command, out string output)
    {
        using Process process = Process.Start(new ProcessStartInfo(command[0], [.. command.Skip(1)])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        }) ?? throw new IOException($"cannot start {command[0]}");
        var error = process.StandardError.ReadToEndAsync();
        output = process.StandardOutput.ReadToEnd();
        output += error.GetAwaiter().GetResult();
        process.WaitForExit();
        return process.ExitCode;
    }
}
