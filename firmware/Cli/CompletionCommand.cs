using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Linq;
using System.Text;

namespace NasFirmware.Cli;

/// <summary>
/// `completion bash|zsh|fish`: a script that completes verbs, their options and file names, made from the command
/// tree itself. It is sourced from the shell's start-up file and starts no process of ours.
/// </summary>
static class CompletionCommand
{
    internal static Command Create(RootCommand root)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script for a shell.") { shell };
        command.SetAction(parsed =>
        {
            List<Command> verbs = [.. root.Subcommands.Where(v => !v.Hidden)
                .OrderBy(v => v.Name, StringComparer.Ordinal)];
            Console.Out.Write(parsed.GetValue(shell) switch
            {
                "bash" => Bash(verbs),
                "zsh" => Zsh(verbs),
                _ => Fish(verbs),
            });
            return 0;
        });
        return command;
    }

    static IEnumerable<string> OptionNames(Command verb) => verb.Options.Where(o => !o.Hidden)
        .SelectMany(o => o.Aliases.Prepend(o.Name)).Append("--help").Distinct().Order(StringComparer.Ordinal);

    static string Bash(List<Command> verbs)
    {
        var text = new StringBuilder();
        text.Append("# nashammer completion for bash: eval \"$(nashammer completion bash)\"\n");
        text.Append("_nashammer() {\n    local cur=${COMP_WORDS[COMP_CWORD]} verb= word options\n");
        text.Append("    COMPREPLY=()\n    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n");
        text.Append("        [[ $word == -* ]] || { verb=$word; break; }\n    done\n    case $verb in\n");
        text.Append("        '') COMPREPLY=($(compgen -W '").AppendJoin(' ', verbs.Select(v => v.Name));
        text.Append(" --help --version' -- \"$cur\")); return ;;\n");
        foreach (Command verb in verbs)
        {
            text.Append("        ").Append(verb.Name).Append(") options='").AppendJoin(' ', OptionNames(verb))
                .Append("' ;;\n");
        }
        text.Append("    esac\n    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n");
        text.Append("    else COMPREPLY=($(compgen -f -- \"$cur\")); fi\n}\n");
        text.Append("complete -o filenames -F _nashammer nashammer hammer\n");
        return text.ToString();
    }

    static string Zsh(List<Command> verbs)
    {
        var text = new StringBuilder();
        text.Append("#compdef nashammer hammer\n_nashammer() {\n    local -a verbs options\n    verbs=(\n");
        foreach (Command verb in verbs)
        {
            text.Append("        '").Append(verb.Name).Append(':').Append(Quoted(verb.Description)).Append("'\n");
        }
        text.Append("    )\n    if (( CURRENT == 2 )); then _describe verb verbs; return; fi\n    case $words[2] in\n");
        foreach (Command verb in verbs)
        {
            text.Append("        ").Append(verb.Name).Append(") options=(").AppendJoin(' ', OptionNames(verb))
                .Append(") ;;\n");
        }
        text.Append("    esac\n    if [[ $PREFIX == -* ]]; then compadd -- $options; else _files; fi\n}\n");
        text.Append("compdef _nashammer nashammer hammer\n");
        return text.ToString();
    }

    static string Fish(List<Command> verbs)
    {
        var text = new StringBuilder();
        text.Append("# nashammer completion for fish\n");
        foreach (Command verb in verbs)
        {
            text.Append("complete -c nashammer -f -n __fish_use_subcommand -a ").Append(verb.Name).Append(" -d '")
                .Append(Quoted(verb.Description)).Append("'\n");
            foreach (Option option in verb.Options.Where(o => !o.Hidden)) FishOption(text, verb, option);
        }
        return text.ToString();
    }

    static void FishOption(StringBuilder text, Command verb, Option option)
    {
        text.Append("complete -c nashammer -n '__fish_seen_subcommand_from ").Append(verb.Name).Append('\'');
        foreach (string name in option.Aliases.Prepend(option.Name))
        {
            text.Append(name.StartsWith("--", StringComparison.Ordinal) ? " -l " : " -s ").Append(name.TrimStart('-'));
        }
        text.Append(" -d '").Append(Quoted(option.Description)).Append("'\n");
    }

    // Fit for single quotes in all three shells, and one line.
    static string Quoted(string? text) =>
        (text ?? "").Replace("'", "", StringComparison.Ordinal).Replace(":", " -", StringComparison.Ordinal)
            .ReplaceLineEndings(" ");
}
