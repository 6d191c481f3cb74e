using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;

namespace NasDevices.Simulation;

/// <summary>
/// A light of the LED class as a plain folder: the program writes its files as those of the kernel, and this plays what
/// the kernel would play, from the files and the times at which they were written. It needs no thread: the level at any
/// moment is a function of the folder and the clock. With a clock of its own, a test calls <see cref="Stamp"/> after
/// each step, which dates what was written since.
/// </summary>
public sealed class SimulatedLed
{
    static readonly string[] s_files =
        ["trigger", "brightness", "pattern", "repeat", "delay_on", "delay_off", "max_brightness", "multi_intensity"];

    readonly string _folder;
    readonly Dictionary<string, DateTime> _stamps = [];

    SimulatedLed(string folder) => _folder = folder;

    public string Name => Path.GetFileName(_folder);

    /// <summary>Makes the folder of a light below the root.</summary>
    /// <param name="pattern">The kernel has the pattern trigger.</param>
    /// <param name="timer">The kernel has the timer trigger.</param>
    public static SimulatedLed Create(string root, string name, bool pattern = true, bool timer = true,
        int maxBrightness = 255)
    {
        string folder = Path.Combine(root, name);
        Directory.CreateDirectory(folder);
        void Put(string file, string text) => File.WriteAllText(Path.Combine(folder, file), text + "\n");
        Put("max_brightness", maxBrightness.ToString(CultureInfo.InvariantCulture));
        Put("brightness", "0");
        Put("trigger", "none");
        if (pattern) Put("pattern", "");
        if (pattern) Put("repeat", "-1");
        if (timer) Put("delay_on", "500");
        if (timer) Put("delay_off", "500");
        if (name.Contains(":rgb:", StringComparison.Ordinal))
        {
            Put("multi_index", "red green blue");
            Put("multi_intensity", "0 0 0");
        }
        return new SimulatedLed(folder);
    }

    /// <summary>An existing folder.</summary>
    public static SimulatedLed At(string root, string name) => new(Path.Combine(root, name));

    /// <summary>Dates all files that were written since the last call.</summary>
    public void Stamp(DateTimeOffset now)
    {
        foreach (string file in s_files)
        {
            string path = Path.Combine(_folder, file);
            if (!File.Exists(path)) continue;
            if (_stamps.TryGetValue(file, out DateTime before) && File.GetLastWriteTimeUtc(path) == before) continue;
            File.SetLastWriteTimeUtc(path, now.UtcDateTime);
            _stamps[file] = File.GetLastWriteTimeUtc(path);
        }
    }

    public string Trigger => Read("trigger");

    /// <summary>Its brightness at that moment, from 0 to its greatest.</summary>
    public double LevelAt(DateTimeOffset now) => Trigger switch
    {
        "pattern" => PatternLevel((now - Written("pattern", "repeat")).TotalMilliseconds),
        "timer" => (now - Written("trigger")).TotalMilliseconds % (Number("delay_on") + Number("delay_off"))
            < Number("delay_on") ? Number("max_brightness") : 0,
        _ => Number("brightness"),
    };

    public bool IsLitAt(DateTimeOffset now) => LevelAt(now) > 0;

    /// <summary>Lit and dark stretches from a moment on, in milliseconds, sampled every 5 ms: "500 -500" is half a
    /// second lit, half a second dark.</summary>
    public string Watch(DateTimeOffset from, TimeSpan length)
    {
        var stretches = new List<int>();
        bool? lit = null;
        for (TimeSpan t = TimeSpan.Zero; t < length; t += TimeSpan.FromMilliseconds(5))
        {
            bool now = IsLitAt(from + t);
            if (now != lit) stretches.Add(0);
            stretches[^1] += now ? 5 : -5;
            lit = now;
        }
        return string.Join(' ', stretches);
    }

    double PatternLevel(double elapsed)
    {
        int[] numbers = [.. Read("pattern").Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
        if (numbers.Length < 4 || numbers.Length % 2 != 0 || numbers.Length > 2048) return 0;
        double turn = 0;
        for (int i = 1; i < numbers.Length; i += 2) turn += numbers[i];
        int repeat = (int)Number("repeat");
        if (turn <= 0 || repeat >= 0 && elapsed >= turn * repeat) return numbers[^2];
        elapsed %= turn;
        for (int i = 0; i < numbers.Length; i += 2)
        {
            double length = numbers[i + 1];
            if (elapsed < length)
            {
                double from = numbers[i], to = numbers[(i + 2) % numbers.Length];
                return from + (to - from) * elapsed / length;
            }
            elapsed -= length;
        }
        return numbers[^2];
    }

    DateTimeOffset Written(params string[] files) => files.Max(f =>
        new DateTimeOffset(File.GetLastWriteTimeUtc(Path.Combine(_folder, f)), TimeSpan.Zero));

    double Number(string file) => double.Parse(Read(file), CultureInfo.InvariantCulture);

    string Read(string file) => File.ReadAllText(Path.Combine(_folder, file)).Trim();
}
