using System;

namespace NasDevices.Displays;

/// <summary>
/// A display of dots. Every method may throw an <see cref="System.IO.IOException"/> when the display does not answer;
/// after that it is begun anew with <see cref="Start"/>. One thread at a time.
/// </summary>
public interface IPixelPanel : IDisposable
{
    string Name { get; }
    int Width { get; }
    int Height { get; }

    /// <summary>Sets the controller up; it shows nothing yet.</summary>
    void Start();

    /// <summary>Brings the picture onto the panel; only what changed is sent.</summary>
    void Show(Canvas picture);

    /// <summary>Light or dark; what it shows stays.</summary>
    void Turn(bool on);
}
