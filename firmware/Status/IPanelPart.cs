using System;

namespace NasFirmware.Status;

/// <summary>A device of the panel, driven by one thread.</summary>
interface IPanelPart : IDisposable
{
    string Name { get; }

    /// <summary>Brings it up to date; returns after which time to come back. Trouble of the device is reported on the
    /// board, not thrown.</summary>
    TimeSpan Step();

    /// <summary>The daemon ends; the last thing it shows.</summary>
    void End();
}
