using System;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;

namespace NasFirmware.Cli;

/// <summary>The self-test's volume: made in memory and used through the engine as a mount uses it.</summary>
static class SelftestVolume
{
    const int FileBytes = 200_000;

    internal static MemoryBlockDevice Make(uint version)
    {
        var device = new MemoryBlockDevice(512L << 20, "selftest volume");
        Newfs.Format([device], new NewfsOptions
        {
            Label = "selftest", Version = version, FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
            TimeUs = 1_000_000_000_000_000, UndoBytes = 8 << 20, Force = true,
        });
        return device;
    }

    /// <summary>Writes a file, unmounts, mounts again and reads it.</summary>
    internal static string WriteAndRead()
    {
        MemoryBlockDevice device = Make(7);
        byte[] written = new byte[FileBytes];
        new Random(1).NextBytes(written);
        using (HammerFs fs = Open(device, readOnly: false))
        {
            Good("create", fs.Create(fs.Root, "file"u8, ObjType.RegFile, 0x1A4, 0, 0, new Caller(0, 0, 1),
                out Vnode file, out _));
            Good("write", fs.Write(file, 0, written, append: false, killSetId: false, out int n));
            SelftestCommand.Equal("bytes written", FileBytes, n);
            Good("sync", fs.SyncAndWait());
        }
        using (HammerFs fs = Open(device, readOnly: true))
        {
            Good("lookup", fs.Lookup(fs.Root, "file"u8, out Vnode file, out FileAttr attr));
            SelftestCommand.Equal("size", (ulong)FileBytes, attr.Size);
            byte[] read = new byte[FileBytes];
            int at = 0;
            while (at < read.Length)
            {
                Good("read", fs.Read(file, (ulong)at, read.AsSpan(at), out int n));
                if (n == 0) break;
                at += n;
            }
            if (!read.AsSpan().SequenceEqual(written)) throw new InvariantException("the file reads differently");
        }
        SelftestCommand.CheckClean(device);
        return $"{FileBytes} bytes, unmounted, mounted and checked in between";
    }

    static HammerFs Open(MemoryBlockDevice device, bool readOnly) => HammerFs.Open(VolumeSet.Open([device]),
        new HammerFsOptions { ReadOnly = readOnly, Time = TimeProvider.System, RunFlusher = !readOnly });

    static void Good(string what, Errno e)
    {
        if (e.IsError) throw new InvariantException($"{what}: {e}");
    }
}
