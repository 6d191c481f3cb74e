using System;
using System.Globalization;
using System.IO;
using System.Linq;

namespace NasDevices.Leds;

/// <summary>
/// A light of the kernel's LED class, a folder below <c>/sys/class/leds</c>. The kernel plays the rhythm, with no
/// wake-up of ours:
///
/// 1. Trigger <c>pattern</c>: the show as a whole, hold and what follows, played once. If this process is stopped or
///    killed, the kernel itself goes over to the failure rhythm, and dark in the end.
/// 2. Where the kernel lacks it, trigger <c>timer</c> for rhythms of two stretches. It knows no end, so a dead daemon's
///    light is then the business of the service's ExecStopPost.
/// 3. What neither can do, a <see cref="SoftPlayer"/> does with the file <c>brightness</c>.
///
/// The name tells the colour (device:colour:function); lights of the multicolour class show any.
/// </summary>
public sealed class LedClassLight : ILight
{
    /// <summary>Where the kernel has them.</summary>
    public const string DefaultRoot = "/sys/class/leds";

    readonly string _folder;
    readonly TimeProvider _time;
    SoftPlayer? _soft;
    bool _isOpen, _hasPattern;
    int _bright = 255;

    public LedClassLight(string root, string name, TimeProvider time)
    {
        _folder = Path.Combine(root, name);
        _time = time;
        Name = "light " + name;
        Colours = ColoursOf(name);
    }

    public string Name { get; }
    public LightColour Colours { get; }

    static LightColour ColoursOf(string name)
    {
        string[] parts = name.Split(':');
        return (parts.Length == 3 ? parts[1] : "") switch
        {
            "red" => LightColour.Red,
            "green" => LightColour.Green,
            "blue" => LightColour.Blue,
            "amber" or "yellow" or "orange" => LightColour.Amber,
            "cyan" => LightColour.Cyan,
            "rgb" or "multicolor" => LightColour.White,
            _ => LightColour.None,
        };
    }

    public void Play(LightShow show, LightColour colour)
    {
        try
        {
            Open();
            SetColour(colour);
            if (_hasPattern && TryPattern(show) || TryTimer(show)) return;
            PlaySoft(show);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _isOpen = false;
            throw new IOException(e.Message, e);
        }
    }

    void Open()
    {
        if (_isOpen) return;
        if (!Directory.Exists(_folder)) throw new IOException($"there is no {_folder}");
        string max = File.ReadAllText(Path.Combine(_folder, "max_brightness")).Trim();
        _bright = int.TryParse(max, NumberStyles.None, CultureInfo.InvariantCulture, out int bright) && bright > 0
            ? bright : 1;
        _hasPattern = true;
        _isOpen = true;
    }

    // A light of the multicolour class; the files tell the order of its parts.
    void SetColour(LightColour colour)
    {
        if (Colours != LightColour.White || !File.Exists(Path.Combine(_folder, "multi_index"))) return;
        if (colour == LightColour.None) colour = LightColour.White;
        string[] parts = File.ReadAllText(Path.Combine(_folder, "multi_index")).Split(
            (char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        Write("multi_intensity", string.Join(' ', parts.Select(p => p switch
        {
            "red" => colour.HasFlag(LightColour.Red), "green" => colour.HasFlag(LightColour.Green),
            "blue" => colour.HasFlag(LightColour.Blue), _ => false,
        } ? _bright : 0)));
    }

    bool TryPattern(LightShow show)
    {
        (string pattern, int repeat) = LedPattern.Of(show, _bright);
        try
        {
            EndSoft();
            Write("trigger", "pattern");
            // The number after the pattern: it begins anew with that.
            if (!File.Exists(Path.Combine(_folder, "pattern"))) return _hasPattern = false;
            Write("pattern", pattern);
            Write("repeat", repeat.ToString(CultureInfo.InvariantCulture));
            return true;
        }
        catch (IOException)
        {
            // The kernel has no such trigger, or the folder is gone: the next way tells which.
            return _hasPattern = false;
        }
    }

    bool TryTimer(LightShow show)
    {
        Rhythm rhythm = show.Rhythm;
        if (rhythm.Steps.Count != 2 || rhythm.IsOnce || !rhythm.Steps[0].IsLit) return false;
        EndSoft();
        Write("trigger", "timer");
        if (!File.Exists(Path.Combine(_folder, "delay_on"))) return false;
        Write("delay_on", rhythm.Steps[0].Milliseconds.ToString(CultureInfo.InvariantCulture));
        Write("delay_off", rhythm.Steps[1].Milliseconds.ToString(CultureInfo.InvariantCulture));
        return true;
    }

    void PlaySoft(LightShow show)
    {
        if (_soft is null)
        {
            Write("trigger", "none");
            _soft = new SoftPlayer(Name, _time, lit =>
                Write("brightness", (lit ? _bright : 0).ToString(CultureInfo.InvariantCulture)));
        }
        _soft.Play(show);
    }

    void EndSoft()
    {
        _soft?.Dispose();
        _soft = null;
    }

    void Write(string file, string text)
    {
        try
        {
            using var stream = new FileStream(Path.Combine(_folder, file), FileMode.Truncate, FileAccess.Write,
                FileShare.ReadWrite, bufferSize: 0);
            stream.Write(System.Text.Encoding.ASCII.GetBytes(text + "\n"));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>Lets go of the light; it plays on what it has.</summary>
    public void Dispose() => EndSoft();
}
