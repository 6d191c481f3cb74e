using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace NasFirmware.Cli;

/// <summary>
/// The program as a helper of mount(8): installed as /sbin/mount.nashammer (and umount.nashammer) it is called for
/// lines of fstab with the type nashammer, as `mount.nashammer SPEC DIR [-sfnvrw] [-N ns] [-t type] [-o options]`.
/// </summary>
static class MountHelper
{
    /// <summary>Arguments of the verb that the helper's name and arguments mean; others come back unchanged.</summary>
    internal static string[] Rewrite(string[] arguments) => Rewrite(CalledAs(), arguments);

    internal static string[] Rewrite(string calledAs, string[] arguments)
    {
        string name = Path.GetFileName(calledAs);
        if (name.StartsWith("mount.", StringComparison.Ordinal)) return Mount(arguments);
        return name.StartsWith("umount.", StringComparison.Ordinal) ? Umount(arguments) : arguments;
    }

    static string[] Mount(string[] arguments)
    {
        var words = new List<string>();
        var places = new List<string>();
        bool fake = false;
        for (int i = 0; i < arguments.Length; i++)
        {
            string argument = arguments[i];
            bool hasValue = argument is "-o" or "-t" or "-N" && i + 1 < arguments.Length;
            if (!argument.StartsWith('-')) places.Add(argument);
            else if (hasValue && arguments[++i].Length > 0 && argument == "-o") words.Add(arguments[i]);
            else if (!hasValue)
            {
                if (argument.Contains('r', StringComparison.Ordinal)) words.Add("ro");
                if (argument.Contains('w', StringComparison.Ordinal)) words.Add("rw");
                fake |= argument.Contains('f', StringComparison.Ordinal);
            }
        }
        // -f means "all but the mount itself" there: what is left is to check the words.
        string options = words.Count == 0 ? "defaults" : string.Join(',', words);
        return ["mount", .. fake ? new[] { "--check" } : [], "-o", options, .. places];
    }

    /// <summary>umount.nashammer DIR [-flnrv] [-N ns] [-t type.subtype]</summary>
    static string[] Umount(string[] arguments)
    {
        var result = new List<string> { "umount" };
        for (int i = 0; i < arguments.Length; i++)
        {
            if (arguments[i] is "-t" or "-N") i++;
            else if (!arguments[i].StartsWith('-')) result.Add(arguments[i]);
            else if (arguments[i].Contains('l', StringComparison.Ordinal)) result.Add("-l");
        }
        return [.. result];
    }

    /// <summary>The name in argv[0], which the runtime does not tell.</summary>
    static string CalledAs()
    {
        try
        {
            byte[] line = File.ReadAllBytes("/proc/self/cmdline");
            int end = Array.IndexOf(line, (byte)0);
            return Encoding.UTF8.GetString(line, 0, end < 0 ? line.Length : end);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
