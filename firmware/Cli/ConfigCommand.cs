using System;
using System.CommandLine;
using System.Linq;
using NasFirmware.Config;
using NasFirmware.Identity;
using NasFirmware.Status;

namespace NasFirmware.Cli;

/// <summary>
/// `config check`, `config show --effective` and `config samba`: the configuration of the box. (`config FS` is
/// hammer(8)'s verb for the clean-up rules in a file system, and stands beside them.)
/// </summary>
static class ConfigCommand
{
    static readonly Argument<string> s_file = new("file")
    {
        Description = $"The configuration; {ConfigReader.DefaultPath} if not given.",
        DefaultValueFactory = _ => ConfigReader.DefaultPath,
    };
    static readonly Option<string?> s_box = new("--box")
    {
        Description = "Read it as this box would; otherwise as the file or the host's name says.", HelpName = "name",
    };
    static readonly Option<bool> s_effective = new("--effective")
    {
        Description = "Every key with the value in force, defaults filled in.",
    };

    internal static Command Create()
    {
        var check = new Command("check", "Tell every mistake of a configuration of the box; silent if there is none.")
        {
            s_file, s_box,
        };
        check.SetAction(parsed => Check(parsed.GetValue(s_file)!, parsed.GetValue(s_box)));
        var show = new Command("show", "Print the configuration of the box as it is in force.")
        {
            s_file, s_box, s_effective,
        };
        show.SetAction(parsed => Show(parsed.GetValue(s_file)!, parsed.GetValue(s_box)));
        var samba = new Command("samba", "Print the shares of the box as sections of smb.conf.") { s_file, s_box };
        samba.SetAction(parsed => Samba(parsed.GetValue(s_file)!, parsed.GetValue(s_box)));
        return new Command("config", "The configuration of the box.") { check, show, samba };
    }

    static int Check(string file, string? box)
    {
        ConfigOutcome outcome = ConfigReader.ReadFile(file, box);
        foreach (Mistake mistake in outcome.Mistakes) Console.Error.WriteLine(mistake.In(file));
        if (outcome.Settings is { } settings && settings.Volumes.Count > 0 && settings.Volumes.All(v =>
            IdentityPart.IsSource(settings, v.Name)))
        {
            Console.Error.WriteLine($"{file}: no mistake, but {Judgement.KeyOnCardAlone}");
        }
        return outcome.Settings is null ? CommandLine.Failed : 0;
    }

    static int Show(string file, string? box) => Print(file, box, outcome => outcome.Effective());

    static int Samba(string file, string? box) => Print(file, box, outcome => SambaText.Of(outcome.Settings!));

    static int Print(string file, string? box, Func<ConfigOutcome, string> text)
    {
        ConfigOutcome outcome = ConfigReader.ReadFile(file, box);
        foreach (Mistake mistake in outcome.Mistakes) Console.Error.WriteLine(mistake.In(file));
        if (outcome.Settings is null) return CommandLine.Failed;
        Console.Write(text(outcome));
        return 0;
    }
}
