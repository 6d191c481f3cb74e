using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasLinux;

namespace NasDevices.Simulation;

/// <summary>
/// An ATA disk behind a SCSI/ATA translation layer, as libata and USB bridges have: takes the very bytes of commands,
/// and answers with sense data. What is wrong with a command is noted in <see cref="Faults"/>.
/// </summary>
public sealed class SimulatedAtaDisk : IScsiPort
{
    const byte CheckCondition = 2, IllegalRequest = 5, RecoveredError = 1, AtaAborted = 0x04, AtaErrorBit = 0x01,
        AtaReady = 0x50, CheckPowerMode = 0xE5;

    readonly List<string> _faults = [];
    readonly List<byte> _commands = [];

    /// <summary>The register count after CHECK POWER MODE: 00h in standby, FFh if it turns.</summary>
    public byte PowerCount { get; set; } = 0xFF;
    /// <summary>Sense data in the fixed format, as layers of old age give them.</summary>
    public bool HasFixedSense { get; set; }
    /// <summary>The layer knows ATA PASS-THROUGH (16), (12).</summary>
    public bool Knows16 { get; set; } = true;
    public bool Knows12 { get; set; } = true;
    /// <summary>The disk knows CHECK POWER MODE.</summary>
    public bool KnowsPowerMode { get; set; } = true;
    /// <summary>The kernel's driver takes no SCSI commands.</summary>
    public bool IsNoScsi { get; set; }
    /// <summary>The host adapter does not reach it.</summary>
    public bool IsUnreachable { get; set; }
    /// <summary>While this is not set the disk answers nothing, and not the limit either.</summary>
    public ManualResetEventSlim Answers { get; } = new(initialState: true);
    public IReadOnlyList<string> Faults => _faults;
    /// <summary>Operation codes that came, in their order.</summary>
    public IReadOnlyList<byte> Commands
    {
        get
        {
            lock (_commands) return [.. _commands];
        }
    }

    public ScsiReply Execute(ReadOnlySpan<byte> cdb, Span<byte> sense, TimeSpan limit)
    {
        lock (_commands) _commands.Add(cdb[0]);
        Answers.Wait();
        sense.Clear();
        if (IsNoScsi) throw new IOException("takes no SCSI commands: Inappropriate ioctl for device");
        if (IsUnreachable) return new ScsiReply(0, 1, 0);
        if (limit <= TimeSpan.Zero || limit > TimeSpan.FromMinutes(1)) _faults.Add($"a limit of {limit}");
        bool is16 = cdb[0] == 0x85;
        if (!(is16 ? Knows16 : cdb[0] == 0xA1 && Knows12)) return Illegal(sense);
        if (cdb.Length != (is16 ? 16 : 12))
        {
            _faults.Add($"{cdb.Length} bytes of command {cdb[0]:X2}h");
            return Illegal(sense);
        }
        int protocol = (cdb[1] >> 1) & 0x0F;
        bool wantsRegisters = (cdb[2] & 0x20) != 0;
        if (protocol != 3) _faults.Add($"protocol {protocol} for a command without data");
        if ((cdb[2] & 0x03) != 0) _faults.Add("a length of data for a command without data");
        byte command = is16 ? cdb[14] : cdb[9];
        if (command != CheckPowerMode)
        {
            _faults.Add($"command {command:X2}h, which may wake the disk");
            return Registers(sense, AtaAborted, AtaReady | AtaErrorBit, 0);
        }
        if (!KnowsPowerMode) return Registers(sense, AtaAborted, AtaReady | AtaErrorBit, 0);
        return wantsRegisters ? Registers(sense, 0, AtaReady, PowerCount) : default;
    }

    ScsiReply Illegal(Span<byte> sense)
    {
        const byte invalidOperationCode = 0x20;
        if (HasFixedSense) (sense[0], sense[2], sense[7], sense[12]) = (0x70, IllegalRequest, 10, invalidOperationCode);
        else (sense[0], sense[1], sense[2]) = (0x72, IllegalRequest, invalidOperationCode);
        return new ScsiReply(CheckCondition, 0, 8);
    }

    ScsiReply Registers(Span<byte> sense, byte error, byte status, byte count)
    {
        if (HasFixedSense)
        {
            (sense[0], sense[2], sense[7], sense[12], sense[13]) = (0x70, RecoveredError, 10, 0x00, 0x1D);
            (sense[3], sense[4], sense[5], sense[6]) = (error, status, 0x40, count);
            return new ScsiReply(CheckCondition, 0, 8);
        }
        (sense[0], sense[1], sense[2], sense[3], sense[7]) = (0x72, RecoveredError, 0x00, 0x1D, 14);
        (sense[8], sense[9], sense[11], sense[13], sense[20], sense[21]) = (0x09, 0x0C, error, count, 0x40, status);
        return new ScsiReply(CheckCondition, 0, 8);
    }

    /// <summary>Whoever opens it closes it: nothing ends.</summary>
    public void Dispose()
    {
    }
}
