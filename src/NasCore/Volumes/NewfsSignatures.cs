using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using NasCore.Io;
using NasCore.Ondisk;

namespace NasCore.Volumes;

/// <summary>
/// Recognises what a device holds, before newfs destroys it: the signatures that a person would be sorry for, not a
/// complete list. Reads a few pieces of the first megabyte and of the last 128 KiB.
/// </summary>
public static class NewfsSignatures
{
    const int HeadBytes = 1 << 20, TailBytes = 128 << 10;

    /// <summary>Names of everything recognised, most telling first; empty if nothing is.</summary>
    public static IReadOnlyList<string> Find(IBlockDevice device)
    {
        byte[] head = new byte[HeadBytes], tail = new byte[TailBytes];
        int headLength = (int)Math.Min(HeadBytes, device.Length);
        device.Read(0, head.AsSpan(0, headLength));
        int tailLength = (int)Math.Min(TailBytes, device.Length);
        device.Read(device.Length - tailLength, tail.AsSpan(TailBytes - tailLength));
        var found = new List<string>();
        FindFileSystems(head, found);
        FindContainers(head, tail, device.Length, found);
        FindTables(head, tail, found);
        return found;
    }

    static bool Is(byte[] bytes, int at, ReadOnlySpan<byte> expected) =>
        bytes.AsSpan(at, expected.Length).SequenceEqual(expected);

    static uint U32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));

    static ulong U64(byte[] bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));

    static void FindFileSystems(byte[] head, List<string> found)
    {
        if (U64(head, 0) == VolumeOndisk.SignatureValue) found.Add("a HAMMER volume");
        if (U64(head, 0) == 0x48414D3205172011) found.Add("a HAMMER2 volume");
        if (Is(head, 0x438, [0x53, 0xEF])) found.Add(FindExt(head));
        if (Is(head, 0x10040, "_BHRfS_M"u8)) found.Add("a btrfs file system");
        if (Is(head, 0, "XFSB"u8)) found.Add("an XFS file system");
        if (Is(head, 3, "NTFS    "u8)) found.Add("an NTFS file system");
        if (Is(head, 3, "EXFAT   "u8)) found.Add("an exFAT file system");
        if (Is(head, 0x36, "FAT12   "u8) || Is(head, 0x36, "FAT16   "u8) || Is(head, 0x52, "FAT32   "u8))
            found.Add("a FAT file system");
        if (U32(head, 0x400) == 0xF2F52010) found.Add("an F2FS file system");
        if (U32(head, 0x400) == 0xE0F5E1E2) found.Add("an EROFS file system");
        if (Is(head, 4096 + 24, [0xC6, 0x85, 0x73, 0xF6, 0x4E, 0x1A, 0x45, 0xCA])) found.Add("a bcachefs file system");
        if (Is(head, 0, "hsqs"u8) || Is(head, 0, "sqsh"u8)) found.Add("a squashfs image");
        if (Is(head, 0x8001, "CD001"u8)) found.Add("an ISO 9660 image");
        if (Is(head, 0x8001, "NSR02"u8) || Is(head, 0x8001, "NSR03"u8) || Is(head, 0x8001, "BEA01"u8))
            found.Add("a UDF file system");
        foreach (int page in (ReadOnlySpan<int>)[4096, 16384, 65536])
        {
            if (Is(head, page - 10, "SWAPSPACE2"u8) || Is(head, page - 10, "SWAP-SPACE"u8)) found.Add("swap space");
        }
    }

    static string FindExt(byte[] head)
    {
        bool journal = (U32(head, 0x45C) & 0x4) != 0, extents = (U32(head, 0x460) & 0x2C0) != 0;
        return extents ? "an ext4 file system" : journal ? "an ext3 file system" : "an ext2 file system";
    }

    static void FindContainers(byte[] head, byte[] tail, long length, List<string> found)
    {
        if (Is(head, 0, [(byte)'L', (byte)'U', (byte)'K', (byte)'S', 0xBA, 0xBE])) found.Add("a LUKS container");
        for (int sector = 0; sector < 4; sector++)
        {
            if (Is(head, sector * 512, "LABELONE"u8)) found.Add("an LVM physical volume");
        }
        const uint md = 0xA92B4EFC;
        // Version 0.90 lies at the last 64 KiB boundary but one, version 1.0 at 8 to 12 KiB before the end.
        long old = (length & ~65535L) - 65536, end = ((length >> 9) - 16 & ~7L) << 9;
        if (U32(head, 0) == md || U32(head, 4096) == md || TailIs(tail, length, old, md)
            || TailIs(tail, length, end, md))
            found.Add("a member of a Linux software RAID");
        for (int at = 128 << 10; at < 256 << 10; at += 1024)
        {
            if (U64(head, at) is not (0x00BAB10C or 0x0CB1BA0000000000)) continue;
            found.Add("a member of a ZFS pool");
            break;
        }
    }

    static bool TailIs(byte[] tail, long length, long offset, uint value)
    {
        long at = offset - (length - TailBytes);
        return at >= 0 && at <= TailBytes - 4 && U32(tail, (int)at) == value;
    }

    static void FindTables(byte[] head, byte[] tail, List<string> found)
    {
        if (Is(head, 512, "EFI PART"u8) || Is(head, 4096, "EFI PART"u8)
            || Is(tail, TailBytes - 512, "EFI PART"u8) || Is(tail, TailBytes - 4096, "EFI PART"u8))
        {
            found.Add("a GPT partition table");
        }
        else if (Is(head, 510, [0x55, 0xAA]) && FindTablesMbr(head))
        {
            found.Add("an MBR partition table");
        }
    }

    // A boot sector of FAT or NTFS carries the same two bytes: entries must look like partitions.
    static bool FindTablesMbr(byte[] head)
    {
        int used = 0;
        for (int entry = 446; entry < 510; entry += 16)
        {
            if (head[entry] is not (0 or 0x80)) return false;
            if (head[entry + 4] == 0) continue;
            if (U32(head, entry + 8) == 0 || U32(head, entry + 12) == 0) return false;
            used++;
        }
        return used > 0;
    }
}
