using System;
using NasLinux;

namespace NasDevices.Disks;

/// <summary>Whether a disk's platters turn.</summary>
public enum DiskPower
{
    /// <summary>It cannot be asked, or does not say.</summary>
    Unknown,
    Awake,
    /// <summary>Standby: the next access spins it up.</summary>
    Asleep,
}

// The question that does not wake a disk
//
// ATA has a command for it, CHECK POWER MODE (E5h): the drive answers from its electronics, and it counts as no access,
// so that its own spin-down timer goes on. On Linux a disk is asked by SCSI commands whatever it is; an ATA command
// travels inside of ATA PASS-THROUGH (SAT, T10's SCSI/ATA translation), in libata as in most USB bridges. The answer
// lies in the registers that the command leaves, above all the count. They come back only if the bit CK_COND asks for
// them, and then as sense data: either in the descriptor format, as descriptor 09h, or squeezed into the fixed format.
// Both are read here. Bridges that do not know the command of 16 bytes often know the older one of 12.

/// <summary>The power mode of an ATA disk, asked without waking it; see the page above.</summary>
public static class AtaPower
{
    const byte PassThrough16 = 0x85, PassThrough12 = 0xA1, CheckPowerMode = 0xE5;
    const byte ProtocolNoData = 3 << 1, CheckCondition = 1 << 5;
    const byte SenseFixed = 0x70, SenseFixedDeferred = 0x71, SenseDescriptors = 0x72, SenseDescriptorsDeferred = 0x73;
    const byte AtaReturn = 0x09, AtaReturnBytes = 0x0C, IllegalRequest = 5;
    const byte AtaError = 0x01, AtaFault = 0x20;
    const int SenseBytes = 32, DescriptorsAt = 8;

    /// <summary>Asks the disk behind a port.</summary>
    /// <exception cref="System.IO.IOException">It takes no SCSI commands at all.</exception>
    public static DiskPower Ask(IScsiPort port, TimeSpan limit)
    {
        Span<byte> cdb = stackalloc byte[16];
        cdb.Clear();
        cdb[0] = PassThrough16;
        cdb[1] = ProtocolNoData;
        cdb[2] = CheckCondition;
        cdb[14] = CheckPowerMode;
        DiskPower power = Ask(port, cdb, limit, out bool isRefused);
        if (!isRefused) return power;
        cdb.Clear();
        cdb[0] = PassThrough12;
        cdb[1] = ProtocolNoData;
        cdb[2] = CheckCondition;
        cdb[9] = CheckPowerMode;
        return Ask(port, cdb[..12], limit, out _);
    }

    static DiskPower Ask(IScsiPort port, ReadOnlySpan<byte> cdb, TimeSpan limit, out bool isRefused)
    {
        Span<byte> sense = stackalloc byte[SenseBytes];
        ScsiReply reply = port.Execute(cdb, sense, limit);
        isRefused = false;
        if (reply.Host != 0) return DiskPower.Unknown;
        isRefused = SenseKey(sense) == IllegalRequest;
        return TryRegisters(sense, out byte count, out byte status) && (status & (AtaError | AtaFault)) == 0
            ? OfCount(count) : DiskPower.Unknown;
    }

    static int SenseKey(ReadOnlySpan<byte> sense) => (sense[0] & 0x7F) switch
    {
        SenseFixed or SenseFixedDeferred => sense[2] & 0x0F,
        SenseDescriptors or SenseDescriptorsDeferred => sense[1] & 0x0F,
        _ => 0,
    };

    /// <summary>The registers count (low byte) and status out of sense data; false if they are not there.</summary>
    public static bool TryRegisters(ReadOnlySpan<byte> sense, out byte count, out byte status)
    {
        (count, status) = (0, 0);
        if (sense.Length < 18) return false;
        switch (sense[0] & 0x7F)
        {
            case SenseDescriptors:
                int end = Math.Min(sense.Length, DescriptorsAt + sense[7]);
                for (int at = DescriptorsAt; at + 2 <= end; at += 2 + sense[at + 1])
                {
                    if (sense[at] != AtaReturn || sense[at + 1] < AtaReturnBytes || at + 14 > end) continue;
                    (count, status) = (sense[at + 5], sense[at + 13]);
                    return true;
                }
                return false;
            case SenseFixed:
                // "ATA pass-through information available": only then are the fields registers.
                if (sense[12] != 0x00 || sense[13] != 0x1D) return false;
                (count, status) = (sense[6], sense[4]);
                return true;
            default:
                return false;
        }
    }

    // ACS: 00h and 01h standby, 40h and 41h spun down with a cache that still works, 80h to 83h idle, FFh active or
    // idle.
    static DiskPower OfCount(byte count) => count switch
    {
        0x00 or 0x01 or 0x40 => DiskPower.Asleep,
        0x41 or (>= 0x80 and <= 0x83) or 0xFF => DiskPower.Awake,
        _ => DiskPower.Unknown,
    };
}
