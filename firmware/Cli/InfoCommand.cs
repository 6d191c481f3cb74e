using System;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Linq;
using NasCore;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasFirmware.Cli;

/// <summary>`info`: identification, space and PFSs of volumes, in the sections of hammer(8).</summary>
static class InfoCommand
{
    internal static Command Create()
    {
        var offline = new OfflineCommand();
        var command = new Command("info", "Print identification, space and PFSs of a file system.")
        {
            offline.Devices, offline.Verbose, offline.Quiet, offline.Arguments,
        };
        command.SetAction(parsed =>
        {
            VolumeSet volumes = VolumeSet.OpenPaths(CommonOptions.Paths(parsed, offline.Devices, offline.Arguments),
                readOnly: true, exclusive: false);
            using HammerFs fs = HammerFs.Open(volumes, new HammerFsOptions
            {
                ReadOnly = true, RunFlusher = false, Time = TimeProvider.System, CacheBytes = 16L << 20,
            });
            Write(fs, Console.Out);
            return 0;
        });
        return command;
    }

    static void Write(HammerFs fs, TextWriter to)
    {
        VolumeOndisk h = fs.Volumes.Root.Header;
        to.WriteLine("Volume identification");
        to.WriteLine($"\tLabel               {fs.Volumes.Label}");
        to.WriteLine($"\tNo. Volumes         {h.VolCount}");
        to.WriteLine($"\tHAMMER Volumes      {string.Join(':', fs.Volumes.All.Select(v => v.Device.Name))}");
        to.WriteLine($"\tRoot Volume         {fs.Volumes.Root.Device.Name}");
        to.WriteLine($"\tFSID                {h.FsId}");
        to.WriteLine($"\tHAMMER Version      {h.Version}");
        long total = h.StatBigBlocks, free = h.StatFreeBigBlocks, used = total - free;
        to.WriteLine("Big-block information");
        to.WriteLine($"\tTotal      {total,10}");
        to.WriteLine($"\tUsed       {used,10} ({Percent(used, total)}%)");
        to.WriteLine($"\tReserved   {0,10} (0.00%)");
        to.WriteLine($"\tFree       {free,10} ({Percent(free, total)}%)");
        to.WriteLine("Space information");
        to.WriteLine($"\tNo. Inodes {h.StatInodes,10}");
        to.WriteLine($"\tTotal size {SizeText.Of(total * HammerConst.BigBlockBytes),10}");
        to.WriteLine($"\tUsed       {SizeText.Of(used * HammerConst.BigBlockBytes),10} ({Percent(used, total)}%)");
        to.WriteLine($"\tReserved   {SizeText.Of(0),10} (0.00%)");
        to.WriteLine($"\tFree       {SizeText.Of(free * HammerConst.BigBlockBytes),10} ({Percent(free, total)}%)");
        to.WriteLine("PFS information");
        to.WriteLine("\tPFS#  Mode    Snaps");
        foreach (PfsEntry pfs in PfsTable.List(fs))
        {
            string mode = pfs.Data.IsSlave ? "SLAVE" : "MASTER";
            string snaps = pfs.Snapshots == 0 ? "-" : pfs.Snapshots.ToString(CultureInfo.InvariantCulture);
            to.WriteLine($"\t{pfs.Id,4}  {mode,-6}  {snaps}{(pfs.Id == 0 ? " (root PFS)" : "")}");
        }
    }

    static string Percent(long part, long whole) =>
        (whole == 0 ? 0 : part * 100.0 / whole).ToString("0.00", CultureInfo.InvariantCulture);
}
