using System;
using System.Collections.Generic;
using System.CommandLine;
using System.Globalization;
using System.IO;
using System.Linq;
using NasCore.Io;
using NasCore.Volumes;

namespace NasFirmware.Cli;

/// <summary>`newfs`: makes a file system; option letters are those of newfs_hammer(8).</summary>
static class NewfsCommand
{
    static readonly Option<string> s_label = new("-L", "--label")
    {
        Description = "Label of the file system.", Required = true,
    };
    static readonly Option<uint> s_version = new("-V")
    {
        Description = "Version, 6 or 7.", DefaultValueFactory = _ => 7,
    };
    static readonly Option<string> s_boot = Size("-b", "Boot area, 32k to 256m (default 32k).");
    static readonly Option<string> s_memory = Size("-m", "Memory log, 256k to 64g (default 256k).");
    static readonly Option<string> s_undo = Size("-u", "UNDO FIFO, 512m to 1g (default: a thousandth of the volume).");
    static readonly Option<string> s_junk = Size("-j", "Distance to the boot area (default 256k).");
    static readonly Option<bool> s_force = new("-f", "--force")
    {
        Description = "Allow small volumes and areas, and overwrite whatever the devices hold.",
    };
    static readonly Option<bool> s_discard = new("-E") { Description = "Discard (TRIM) the devices first." };
    static readonly Option<string> s_cache = new("-C")
    {
        Description = "Accepted for compatibility; has no effect.", HelpName = "size[:readahead]",
    };
    static readonly Option<string> s_fsid = new("--fsid") { Description = "UUID to use instead of a random one." };
    static readonly Option<string> s_time = new("--time")
    {
        Description = "Time of the root directory: ISO 8601, or seconds since 1970. With --fsid the result is "
            + "reproducible byte for byte.",
    };
    static readonly Argument<string[]> s_devices = new("devices")
    {
        Description = "Devices or existing image files; the first becomes the root volume.",
        Arity = ArgumentArity.OneOrMore,
    };

    static Option<string> Size(string letter, string description) =>
        new(letter) { Description = description, HelpName = "size" };

    internal static Command Create()
    {
        var command = new Command("newfs", "Make a HAMMER file system on devices or image files.")
        {
            s_label, s_version, s_boot, s_memory, s_undo, s_junk, s_force, s_discard, s_cache, s_fsid, s_time,
            s_devices,
        };
        command.SetAction(Run);
        return command;
    }

    static int Run(ParseResult parsed)
    {
        NewfsOptions options = Options(parsed);
        List<string> paths = [.. parsed.GetRequiredValue(s_devices).SelectMany(CommonOptions.SplitDevices)];
        var devices = new List<IBlockDevice>();
        try
        {
            foreach (string path in paths) devices.Add(Open(path, options.Force));
            Report(Newfs.Format(devices, options), paths);
            return 0;
        }
        finally
        {
            foreach (IBlockDevice device in devices) device.Dispose();
        }
    }

    static NewfsOptions Options(ParseResult parsed)
    {
        uint version = parsed.GetValue(s_version);
        if (version is not (6 or 7)) throw new UsageException($"-V {version}: this program makes versions 6 and 7");
        long SizeOf(Option<string> option, long otherwise) =>
            parsed.GetValue(option) is string text ? CommonOptions.ParseSize(option.Name, text) : otherwise;
        return new NewfsOptions
        {
            Label = parsed.GetRequiredValue(s_label),
            Version = version,
            FsId = parsed.GetValue(s_fsid) is string id ? ParseFsId(id) : Guid.NewGuid(),
            TimeUs = ParseTime(parsed.GetValue(s_time)),
            BootBytes = SizeOf(s_boot, NewfsOptions.BootBytesDefault),
            MemoryLogBytes = SizeOf(s_memory, NewfsOptions.MemoryLogBytesDefault),
            JunkBytes = SizeOf(s_junk, NewfsOptions.JunkBytesDefault),
            UndoBytes = parsed.GetValue(s_undo) is string undo ? CommonOptions.ParseSize("-u", undo) : null,
            Force = parsed.GetValue(s_force),
            Discard = parsed.GetValue(s_discard),
        };
    }

    static Guid ParseFsId(string text) => Guid.TryParse(text, out Guid id) ? id
        : throw new UsageException($"--fsid {text}: not a UUID");

    static ulong ParseTime(string? text)
    {
        if (text is null) return Microseconds(DateTimeOffset.UtcNow);
        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seconds)
            && seconds < uint.MaxValue)
        {
            return seconds * 1_000_000;
        }
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal,
            out DateTimeOffset time) && time >= DateTimeOffset.UnixEpoch ? Microseconds(time)
            : throw new UsageException($"--time {text}: not a time (2010-01-01T00:00:00Z, or seconds since 1970)");
    }

    static ulong Microseconds(DateTimeOffset time) => (ulong)(time - DateTimeOffset.UnixEpoch).Ticks / 10;

    static FileBlockDevice Open(string path, bool force)
    {
        if (Directory.Exists(path)) throw new UsageException($"{path} is a directory, not a device or an image file");
        if (DeviceUse.Find(path) is string use)
            throw new UsageException($"{path} is {use}: nothing was written; release it first");
        FileBlockDevice device = FileBlockDevice.Open(path, readOnly: false, exclusive: true);
        if (force) return device;
        IReadOnlyList<string> found = NewfsSignatures.Find(device);
        if (found.Count == 0) return device;
        device.Dispose();
        throw new UsageException($"{path} holds {string.Join(" and ", found)}: nothing was written; use -f to "
            + "overwrite it");
    }

    static void Report(NewfsResult made, List<string> paths)
    {
        TextWriter to = Console.Out;
        for (int i = 0; i < paths.Count; i++) to.WriteLine($"Volume {i} DEVICE {paths[i]}");
        to.WriteLine("------------------------------------------------------------------------");
        to.WriteLine($"{made.Volumes} volume{(made.Volumes == 1 ? "" : "s")}, version {made.Version}, total size "
            + SizeText.Of(made.TotalBytes));
        to.WriteLine($"label:            {made.Label}");
        to.WriteLine($"fsid:             {made.FsId}");
        to.WriteLine($"boot area:        {SizeText.Of(made.BootBytes)}");
        to.WriteLine($"memory log:       {SizeText.Of(made.MemoryLogBytes)}");
        to.WriteLine($"undo FIFO:        {SizeText.Of(made.UndoBytes)}");
        to.WriteLine($"big-blocks:       {made.BigBlocks} of 8 MB, {made.FreeBigBlocks} free");
        foreach (string warning in made.Warnings) to.WriteLine("note: " + warning);
    }
}
