using System;
using System.Collections.Generic;
using System.Device;
using System.Device.I2c;
using System.IO;
using System.Threading;

namespace NasDevices.Simulation;

/// <summary>Something on a simulated bus.</summary>
public interface ISimulatedTarget
{
    /// <summary>A write transfer as it stands on the bus, behind the address.</summary>
    void Receive(ReadOnlySpan<byte> bytes);
}

/// <summary>
/// An I2C bus in memory: what is written to an address arrives at the target there. It can lose its cable, fail once,
/// or hang.
/// </summary>
public sealed class SimulatedI2cBus : I2cBus
{
    readonly Dictionary<int, ISimulatedTarget> _targets = [];

    /// <summary>Nothing answers any more.</summary>
    public bool IsUnplugged { get; set; }

    /// <summary>Transfers that go well before one fails; null: all go well.</summary>
    public int? FailAfter { get; set; }

    /// <summary>Set: transfers go on. Reset: each of them waits.</summary>
    public ManualResetEventSlim Answers { get; } = new(initialState: true);

    /// <summary>Bytes that crossed the bus, with their addresses.</summary>
    public long Bytes { get; private set; }

    public void Attach(int address, ISimulatedTarget target) => _targets[address] = target;

    public override I2cDevice CreateDevice(int deviceAddress) => new Device(this, deviceAddress);

    public override void RemoveDevice(int deviceAddress)
    {
        // Devices of this bus hold nothing.
    }

    public override ComponentInformation QueryComponentInformation() => new(this, "simulated I2C bus");

    void Write(int address, ReadOnlySpan<byte> bytes)
    {
        Answers.Wait();
        if (FailAfter is { } left)
        {
            FailAfter = left == 0 ? null : left - 1;
            if (left == 0) throw new IOException("the transfer was not acknowledged");
        }
        if (IsUnplugged || !_targets.TryGetValue(address, out ISimulatedTarget? target))
            throw new IOException($"nobody answers at address {address:x2}h");
        Bytes += 1 + bytes.Length;
        target.Receive(bytes);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) Answers.Dispose();
        base.Dispose(disposing);
    }

    sealed class Device(SimulatedI2cBus bus, int address) : I2cDevice
    {
        public override I2cConnectionSettings ConnectionSettings { get; } = new(0, address);

        public override void Write(ReadOnlySpan<byte> buffer) => bus.Write(address, buffer);

        public override void Read(Span<byte> buffer) => throw new IOException("nothing here can be read");

        public override void WriteRead(ReadOnlySpan<byte> writeBuffer, Span<byte> readBuffer) => Read(readBuffer);
    }
}
