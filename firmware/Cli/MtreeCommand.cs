using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Text;
using NasCore;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasFirmware.Cli;

/// <summary>
/// `mtree`: an mtree(5) specification of a tree, on images or on a mounted path, or the differences to one.
/// Exit codes: 0 done and equal, 1 something could not be read, 2 differences.
/// </summary>
static class MtreeCommand
{
    /// <summary>Line in specifications of mounted trees.</summary>
    internal const string MountMark = "# inode is st_ino of a mount: views other than the live root transform it";
    const int Different = 2;

    static readonly Option<string> s_asOf = new(
        "--asof") { Description = "Show the tree as of this TID.", HelpName = "TID" };
    static readonly Option<int> s_pfs = new(
        "--pfs") { Description = "Show this PFS instead of PFS 0.", HelpName = "N" };
    static readonly Option<string> s_times = new("--times")
    {
        Description =
            "What to give as time: stored (mtime) or ctime. Default: the rule of the PFS, as a mount shows "
            + "it.",
    };
    static readonly Option<string> s_compare = new("--compare")
    {
        Description = "Print the differences to this specification instead.", HelpName = "FILE",
    };
    static readonly Argument<string[]> s_what = new("path")
    {
        Description = "A mounted directory, or devices or image files separated by colons or spaces.",
        Arity = ArgumentArity.ZeroOrMore,
    };
    static readonly Option<string[]> s_devices = CommonOptions.Devices();

    internal static Command Create()
    {
        s_times.AcceptOnlyFromAmong("stored", "ctime");
        var command = new Command("mtree", "Print an mtree(5) specification of a tree, one line a path.")
        {
            s_asOf, s_pfs, s_times, s_compare, s_devices, s_what,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        using MtreeSource source = Open(parsed);
        using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false), 65536);
        if (parsed.GetValue(s_compare) is not string file)
        {
            output.WriteLine("#mtree");
            if (!source.InodeIsObjectId) output.WriteLine(MountMark);
            return Walk(source, (path, keywords) => output.WriteLine($"{MtreeText.Escape(path)} {keywords}"));
        }
        using var specification = new StreamReader(file, Encoding.UTF8);
        var compare = new MtreeCompare(specification, output, source.InodeIsObjectId);
        compare.Start();
        int result = Walk(source, compare.Line);
        compare.Finish();
        return compare.Differences > 0 ? Different : result;
    }

    static int Walk(MtreeSource source, MtreeLineSink sink)
    {
        var walk = new MtreeWalk(source, sink, CommandLine.Complain);
        walk.Run();
        return walk.Errors == 0 ? 0 : CommandLine.Failed;
    }

    static MtreeSource Open(ParseResult parsed)
    {
        ulong? asOf = parsed.GetValue(s_asOf) is string tid ? CommonOptions.ParseTid(tid) : null;
        int pfsId = parsed.GetValue(s_pfs);
        if (pfsId is < 0 or > HammerConst.PfsIdMax) throw new UsageException($"--pfs {pfsId}: 0 to 65535 exist");
        string? times = parsed.GetValue(s_times);
        List<string> paths = CommonOptions.Paths(parsed, s_devices, s_what);
        if (paths.Count == 1 && Directory.Exists(paths[0]))
            return new MtreeMountSource(MountPath(paths[0], asOf, pfsId), times == "ctime");
        return OpenImage(VolumeSet.OpenPaths(paths, readOnly: true, exclusive: false), asOf, pfsId, times);
    }

    // As-of names of the mount itself: it knows nothing else of other views.
    static string MountPath(string path, ulong? asOf, int pfsId)
    {
        if (asOf is null && pfsId == 0) return path;
        string view = asOf is ulong tid ? Tid.Format(tid) : "-1";
        return Path.Combine(path, "@@" + view + (pfsId == 0 ? "" : $":{pfsId:00000}"));
    }

    /// <summary>Opens a volume set that is not mounted; a slave shows what its softlink would lead to.</summary>
    /// <param name="volumes">Becomes the source's own.</param>
    /// <param name="asOf">View; null: now, or the slave's sync_end_tid.</param>
    /// <param name="pfsId">PFS.</param>
    /// <param name="times">As the option.</param>
    /// <param name="holeBytesMax">Files that are larger than the volumes by more than this are not hashed.</param>
    internal static MtreeSource OpenImage(VolumeSet volumes, ulong? asOf, int pfsId, string? times,
        long holeBytesMax = 1L << 40)
    {
        HammerFs fs = HammerFs.Open(volumes, new HammerFsOptions
        {
            ReadOnly = true, Time = TimeProvider.System, RunFlusher = false, CacheBytes = 32L << 20,
            Times = times switch { "stored" => TimesRule.Stored, "ctime" => TimesRule.Ctime, _ => TimesRule.ByPfs },
        });
        ulong view = asOf ?? Tid.Max;
        if (asOf is null && fs.TryGetPfs(pfsId, out PseudofsData pfs) && pfs.IsSlave) view = pfs.SyncEndTid;
        return new MtreeImageSource(fs, pfsId, view, times == "ctime", holeBytesMax);
    }
}
