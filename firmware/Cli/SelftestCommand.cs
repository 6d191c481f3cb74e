using System;
using System.Collections.Generic;
using System.CommandLine;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using NasCore.Io;
using NasCore.Maintenance;
using NasCore.Objects;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Volumes;
using NasLinux;

namespace NasFirmware.Cli;

/// <summary>
/// `selftest`: does this program, on this machine, compute and lay out what the medium needs? Checksums, structures,
/// open flags, and a volume in memory. Prints each step; exit 1 at the first that fails.
/// </summary>
static class SelftestCommand
{
    /// <summary>A step gives what it found, or throws.</summary>
    sealed record Step(string Name, Func<string> Run);

    static readonly Step[] s_steps =
    [
        new("checksums", Checksums), new("name hashes", NameHashes), new("structures", Structures),
        new("open flags", OpenFlagsMeant), new("volume in memory", VolumeInMemory),
        new("file written and read back", SelftestVolume.WriteAndRead),
    ];

    internal static Command Create()
    {
        var command = new Command("selftest", "Check this program on this machine.");
        command.SetAction(_ => Run());
        return command;
    }

    static int Run()
    {
        Console.Out.WriteLine($"nashammer self-test on {RuntimeInformation.RuntimeIdentifier}");
        foreach (Step step in s_steps)
        {
            try
            {
                Console.Out.WriteLine($"{step.Name}: {step.Run()}");
            }
            catch (Exception e)
            {
                Console.Out.WriteLine($"{step.Name}: FAILED: {e.Message}");
                return CommandLine.Failed;
            }
        }
        Console.Out.WriteLine("all good");
        return 0;
    }

    /// <summary>Throws unless both are equal.</summary>
    internal static void Equal<T>(string what, T expected, T actual)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
            throw new InvariantException($"{what}: {actual}, expected {expected}");
    }

    static string Checksums()
    {
        Equal("CRC-32", 0xCBF43926, HammerCrc.Sum(6, "123456789"u8));
        Equal("CRC-32C", 0xE3069283, HammerCrc.Sum(7, "123456789"u8));
        byte[] zeros = new byte[16384];
        Equal("CRC-32 of zeros", 0xAB54D286, HammerCrc.Sum(6, zeros));
        Equal("CRC-32C of zeros", 0x94640B85, HammerCrc.Sum(7, zeros));
        var node = new NodeOndisk { Type = BaseElm.BTypeLeaf };
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<NodeOndisk>(in node));
        Equal("old sum of a leaf", 0xACC2B1B3, HammerCrc.Node(6, bytes));
        Equal("new sum of a leaf", 0xEDEEACEA, HammerCrc.Node(7, bytes));
        return "CRC-32 and CRC-32C give the known values";
    }

    static string NameHashes()
    {
        Equal("ALG0", 0x1260CEBB00000000, DirHash.Key(0, "hello.txt"u8));
        Equal("ALG1", 0x524805CBDCDB0000, DirHash.Key(1, "hello.txt"u8));
        return "ALG0 and ALG1 give the known keys";
    }

    static string Structures()
    {
        (string Name, int Bytes, int Expected)[] sizes =
        [
            ("volume header", Unsafe.SizeOf<VolumeOndisk>(), 1928), ("blockmap", Unsafe.SizeOf<BlockmapOndisk>(), 40),
            ("layer 1", Unsafe.SizeOf<Layer1Ondisk>(), 32), ("layer 2", Unsafe.SizeOf<Layer2Ondisk>(), 16),
            ("node", Unsafe.SizeOf<NodeOndisk>(), 4096), ("leaf element", Unsafe.SizeOf<LeafElm>(), 64),
            ("internal element", Unsafe.SizeOf<InternalElm>(), 64), ("inode", Unsafe.SizeOf<InodeOndisk>(), 128),
            ("directory entry", Unsafe.SizeOf<DirEntryHead>(), 16), ("PFS", Unsafe.SizeOf<PseudofsData>(), 292),
            ("snapshot", Unsafe.SizeOf<SnapshotData>(), 128), ("FIFO head", Unsafe.SizeOf<FifoHead>(), 16),
            ("UNDO", Unsafe.SizeOf<FifoUndo>(), 32), ("REDO", Unsafe.SizeOf<FifoRedo>(), 56),
            ("stream record", Unsafe.SizeOf<MrecordRec>(), 80), ("stream skip", Unsafe.SizeOf<MrecordSkip>(), 96),
            ("stream PFS", Unsafe.SizeOf<MrecordPfsd>(), 316),
        ];
        foreach (var (name, bytes, expected) in sizes) Equal(name, expected, bytes);
        if (!BitConverter.IsLittleEndian) throw new InvariantException("this machine is not little-endian");
        return $"{sizes.Length} structures have the sizes of the medium";
    }

    static string OpenFlagsMeant()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("nashammer-selftest-");
        try
        {
            string file = Path.Combine(directory.FullName, "file");
            File.WriteAllText(file, "x");
            if (OpenFlags.Problem(file, directory.FullName) is string problem) throw new InvariantException(problem);
            return $"O_DIRECT {OpenFlags.Direct:x} and O_DIRECTORY {OpenFlags.Directory:x} mean what they should";
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    static string VolumeInMemory()
    {
        foreach (uint version in (uint[])[6, 7])
        {
            Equal("inodes", 1L, CheckClean(SelftestVolume.Make(version)).Inodes);
        }
        return "versions 6 and 7 made and checked";
    }

    /// <summary>Throws unless `check --data` finds nothing.</summary>
    internal static CheckResult CheckClean(MemoryBlockDevice device)
    {
        using OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([device]));
        var findings = new List<CheckFinding>();
        CheckResult result = Check.Run(volumes, new CheckOptions { Data = true }, findings.Add, null,
            CancellationToken.None);
        return result.IsClean ? result : throw new InvariantException(findings.First(f => !f.IsWarning).ToString());
    }
}
