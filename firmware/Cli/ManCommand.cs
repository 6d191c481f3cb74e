using System;
using System.Collections.Generic;
using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using System.IO;
using System.Linq;

namespace NasFirmware.Cli;

/*
 * The manual pages are the help, in another dress: each verb's `--help` is taken as it is printed, cut into its parts
 * and set in man(7)'s macros. What is written here is only what no verb's help can say: which verbs belong together,
 * and what a family is for. A verb that no family names comes into the page of the box, so that none is ever without
 * one.
 */

/// <summary>A page of the manual: a family of verbs.</summary>
/// <param name="Name">nashammer-NAME(8); "" for nashammer(8).</param>
/// <param name="Title">One line, as in whatis(1).</param>
/// <param name="Prose">What the family is for; one paragraph each.</param>
/// <param name="Verbs">Verbs, or with a trailing * the beginning of their names.</param>
sealed record ManualPage(string Name, string Title, string[] Prose, string[] Verbs)
{
    internal string FullName => Name.Length == 0 ? "nashammer" : "nashammer-" + Name;

    internal bool Has(string verb) => Verbs.Any(v => v.EndsWith('*')
        ? verb.StartsWith(v[..^1], StringComparison.Ordinal) : verb == v);
}

/// <summary>`man DIR`: writes the manual pages, for the package (scripts/deb.sh). It is in no help.</summary>
static class ManCommand
{
    const string Box = "box";

    static readonly ManualPage[] s_pages =
    [
        new("", "HAMMER volumes of DragonFly BSD on Linux",
            [
                "nashammer makes, checks, mounts and mirrors volumes of DragonFly BSD's HAMMER file system, version 1, "
                    + "in user space. Its verbs are those of hammer(8), with their arguments, output and exit codes, "
                    + "and more: it is also the daemon of a box that keeps its mirrors by itself. Options of hammer(8) "
                    + "may stand before the verb. The program may be called as hammer, too.",
                "Each verb is described in the page of its family; see below.",
            ],
            ["completion", "selftest"]),
        new("volume", "make, mount, check and show HAMMER volumes",
            [
                "Volumes are disks, partitions or image files. A file system of several volumes is named by all of "
                    + "them, with colons between.",
                "As mount.nashammer(8) and umount.nashammer(8) the program serves mount(8) for lines of fstab(5) with "
                    + "the type nashammer.",
            ],
            ["newfs", "mount", "umount", "info", "version", "check", "show*", "blockmap", "mtree", "synctid"]),
        new("pfs", "pseudo-filesystems: masters and slaves",
            [
                "A pseudo-filesystem (PFS) is a part of a file system with a history of its own: what is mirrored. A "
                    + "master takes writes, a slave takes a mirror.",
            ],
            ["pfs-*"]),
        new("mirror", "mirror pseudo-filesystems, and compare them",
            [
                "A mirror sends the records that changed since the slave's state, whatever the number of files, and "
                    + "may break anywhere. The daemon does it by itself for each [mirrors.NAME] of its configuration.",
            ],
            ["mirror-*", "verify"]),
        new("peer", "the other boxes that this one knows",
            [
                "Boxes know each other by key. Pairing shows six digits on both; nothing else is accepted.",
            ],
            ["peer"]),
        new("history", "snapshots, pruning and clean-up",
            [
                "Every state that was flushed stays readable as NAME@@0xTID until it is pruned. Snapshots keep states "
                    + "by name; pruning removes what no snapshot shows.",
            ],
            ["snap*", "prune*", "cleanup", "config", "viconfig"]),
        new("reblock", "give back room in big-blocks with holes",
            [
                "What is left in big-blocks that are partly empty is moved together. It works while the file system is "
                    + "in use, and can be stopped at any time.",
            ],
            ["reblock*"]),
        new(Box, "the daemon of a box, its state and its panel",
            [
                "A box is a machine with one configuration, /etc/nashammer/config.toml, whose daemon mounts its "
                    + "volumes, keeps its mirrors in step, and says how it is.",
            ],
            []),
    ];

    internal static Command Create(RootCommand root)
    {
        var directory = new Argument<string>("dir") { Description = "Where to; it is made if it is missing." };
        var command = new Command("man", "Write the manual pages.") { directory };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(directory)!;
            Directory.CreateDirectory(folder);
            foreach (ManualPage page in s_pages)
                File.WriteAllText(Path.Combine(folder, page.FullName + ".8"), Write(page, root));
            return 0;
        });
        return command;
    }

    static ManualPage PageOf(Command verb) =>
        s_pages.FirstOrDefault(p => p.Has(verb.Name)) ?? s_pages.First(p => p.Name == Box);

    static IEnumerable<Command> VerbsOf(ManualPage page, RootCommand root) =>
        root.Subcommands.Where(v => !v.Hidden && PageOf(v) == page).OrderBy(v => v.Name, StringComparer.Ordinal);

    static string Write(ManualPage page, RootCommand root)
    {
        var roff = new RoffWriter();
        roff.Head(page.FullName, Date());
        roff.Section("NAME");
        roff.Line($"{RoffWriter.Safe(page.FullName)} \\- {RoffWriter.Safe(page.Title)}");
        roff.Section("SYNOPSIS");
        roff.Line(".B nashammer");
        roff.Text("VERB [OPTIONS] [ARGUMENTS]");
        roff.Section("DESCRIPTION");
        foreach (string paragraph in page.Prose) roff.Paragraph(paragraph);
        if (page.Name.Length == 0) WriteFamilies(roff, root);
        roff.Section("VERBS");
        foreach (Command verb in VerbsOf(page, root)) WriteVerb(roff, root, [verb.Name], verb);
        if (page.Name.Length == 0) WriteCommon(roff);
        roff.Section("SEE ALSO");
        roff.Text(string.Join(", ", s_pages.Where(p => p != page).Select(p => p.FullName + "(8)")));
        return roff.ToString();
    }

    static void WriteFamilies(RoffWriter roff, RootCommand root)
    {
        foreach (ManualPage page in s_pages.Where(p => p.Name.Length > 0))
        {
            string verbs = string.Join(", ", VerbsOf(page, root).Select(v => v.Name));
            roff.Item(page.FullName + "(8)", $"{page.Title}: {verbs}.");
        }
    }

    static void WriteCommon(RoffWriter roff)
    {
        roff.Section("EXIT STATUS");
        roff.Paragraph("0 if it was done, 1 for wrong usage and for errors. Verbs that tell more say so.");
        roff.Section("FILES");
        roff.Item("/etc/nashammer/config.toml", "The configuration of the box; it names every key with its default.");
        roff.Item("/var/lib/nashammer", "What survives a reboot: the box's key, and the peers that it learnt.");
        roff.Item("/run/nashammer", "Control sockets, for root only.");
        roff.Item("/usr/share/nashammer/operating", "Scripts for the owner: a first disk, a dead disk, a new master.");
    }

    // The name path is the verb's, with those of its subcommands behind it.
    static void WriteVerb(RoffWriter roff, RootCommand root, string[] name, Command verb)
    {
        HelpText help = HelpText.Of(root, name);
        if (name.Length == 1) roff.Verb(name[0]);
        roff.Usage(help.Usage);
        roff.Paragraph(help.Description);
        foreach ((string item, string text) in help.Items) roff.Item(item, text);
        foreach (Command below in verb.Subcommands.Where(c => !c.Hidden))
            WriteVerb(roff, root, [.. name, below.Name], below);
    }

    /// <summary>The day that a reproducible build names; without one the page has none.</summary>
    static string Date()
    {
        string? epoch = Environment.GetEnvironmentVariable("SOURCE_DATE_EPOCH");
        if (!long.TryParse(epoch, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)) return "";
        return DateTimeOffset.FromUnixTimeSeconds(Math.Min(seconds, int.MaxValue))
            .ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
    }
}

/// <summary>What `--help` prints for a verb, cut into its parts.</summary>
sealed record HelpText(string Description, string Usage, List<(string Item, string Text)> Items)
{
    internal static HelpText Of(RootCommand root, string[] verb)
    {
        foreach (HelpOption option in root.Options.OfType<HelpOption>())
            if (option.Action is HelpAction action) action.MaxWidth = int.MaxValue;
        using var printed = new StringWriter();
        root.Parse([.. verb, "--help"]).Invoke(new InvocationConfiguration { Output = printed });
        string part = "", description = "", usage = "";
        var items = new List<(string, string)>();
        foreach (string line in printed.ToString().ReplaceLineEndings("\n").Split('\n'))
        {
            string text = line.Trim();
            if (text.Length == 0) continue;
            if (!line.StartsWith(' ')) part = text;
            else if (part == "Description:") description = Join(description, text);
            else if (part == "Usage:") usage = Join(usage, text);
            // Subcommands have paragraphs of their own, and --help is the same everywhere.
            else if (part is "Arguments:" or "Options:" && !text.StartsWith("-?", StringComparison.Ordinal))
            {
                int gap = text.IndexOf("  ", StringComparison.Ordinal);
                items.Add(gap < 0 ? (text, "") : (text[..gap], text[gap..].Trim()));
            }
        }
        return new HelpText(description, usage, items);
    }

    static string Join(string before, string text) => before.Length == 0 ? text : before + " " + text;
}
