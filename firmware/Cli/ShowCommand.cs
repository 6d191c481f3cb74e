using System.CommandLine;
using System.Globalization;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Ondisk;

namespace NasFirmware.Cli;

/// <summary>`show`: volume header and B-Tree in the notation of hammer(8). Exit 1 if anything is bad.</summary>
static class ShowCommand
{
    internal static Command Create()
    {
        var offline = new OfflineCommand();
        var key = new Option<string>("--key")
        {
            Description = "Only keys that begin with these fields, in hex.", HelpName = "lo[:objid[:rt[:key[:tid]]]]",
        };
        Command command = offline.Create("show", "Print the volume header and the B-Tree.", (parsed, volumes) =>
        {
            ShowOptions options = Range(parsed.GetValue(key)) with
            {
                Quiet = CommonOptions.Count(parsed, offline.Quiet),
                Verbose = CommonOptions.Count(parsed, offline.Verbose),
            };
            using ShowText text = OfflineCommand.Output();
            return new ShowTree(volumes, text, options, CancellationToken.None).Run() == 0 ? 0 : CommandLine.Failed;
        });
        command.Add(key);
        return command;
    }

    static ShowOptions Range(string? text)
    {
        var options = new ShowOptions();
        if (text is null) return options;
        BaseElm from = options.From, to = options.To;
        string[] fields = text.Split(':');
        for (int i = 0; i < fields.Length; i++)
        {
            if (i > 4 || !ulong.TryParse(fields[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                    out ulong value))
            {
                throw new UsageException($"--key {text}: up to five hex fields lo:objid:rt:key:tid");
            }
            switch (i)
            {
                case 0: from.Localization = to.Localization = (uint)value; break;
                case 1: from.ObjId = to.ObjId = unchecked((long)value); break;
                case 2: from.RecTypeRaw = to.RecTypeRaw = (ushort)value; break;
                case 3: from.Key = to.Key = unchecked((long)value); break;
                default: from.CreateTid = to.CreateTid = value; break;
            }
        }
        return options with { From = from, To = to };
    }
}
