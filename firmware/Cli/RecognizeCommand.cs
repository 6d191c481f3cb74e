using System;
using System.CommandLine;
using System.IO;
using System.Text;
using NasFirmware.Daemon;

namespace NasFirmware.Cli;

/// <summary>
/// `recognize DEVICE`: whether that is a volume of HAMMER, in the words that udev's rules read
/// (package/nashammer.udev). Only the header is read; exit 1 without a word if it is none. Nobody types it: it is in no
/// help.
/// </summary>
static class RecognizeCommand
{
    internal static Command Create()
    {
        var device = new Argument<string>("device") { Description = "A disk, a partition or an image file." };
        var command = new Command("recognize", "Print what udev is to know of a volume.") { device };
        command.Hidden = true;
        command.SetAction(parsed => Run(parsed.GetValue(device)!, Console.Out));
        return command;
    }

    internal static int Run(string device, TextWriter to)
    {
        if (new HammerRecognizer().Recognize(device) is not { } header) return CommandLine.Failed;
        to.WriteLine("ID_FS_USAGE=filesystem");
        to.WriteLine("ID_FS_TYPE=hammer");
        to.WriteLine($"ID_FS_UUID={header.FsId:D}");
        to.WriteLine($"ID_FS_UUID_ENC={header.FsId:D}");
        to.WriteLine($"ID_FS_LABEL={Encode(header.Label, escape: false)}");
        to.WriteLine($"ID_FS_LABEL_ENC={Encode(header.Label, escape: true)}");
        to.WriteLine($"NASHAMMER_VOLUME={header.Number}");
        return 0;
    }

    /// <summary>As udev names links: what is not safe in a file name becomes \xNN, or _.</summary>
    static string Encode(string label, bool escape)
    {
        var text = new StringBuilder();
        foreach (byte b in Encoding.UTF8.GetBytes(label))
        {
            bool safe = char.IsAsciiLetterOrDigit((char)b) || "#+-.:=@_".Contains((char)b, StringComparison.Ordinal);
            if (safe) text.Append((char)b);
            else if (escape) text.Append("\\x").Append(b.ToString("x2"));
            else text.Append('_');
        }
        return text.ToString();
    }
}
