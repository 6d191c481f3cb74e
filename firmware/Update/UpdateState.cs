using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using NasFirmware.Status;
using NasLinux;

namespace NasFirmware.Update;

/// <summary>
/// What the guard of updates (firmware/package/update-guard) has written: a version on trial, or how the last trial
/// ended. Files of NAME=VALUE lines; the status looks at them each time, which is two looks at names in memory.
/// </summary>
sealed class UpdateState(string folder = UpdateState.DefaultFolder)
{
    internal const string DefaultFolder = "/var/lib/nashammer/update";
    const int FileBytesMax = 4096;

    readonly Lock _gate = new();
    (DateTime Trial, DateTime Result, DateTime Seen) _times;
    UpdateStatus? _status;

    string TrialPath => Path.Combine(folder, "trial");
    string ResultPath => Path.Combine(folder, "result");
    string SeenPath => Path.Combine(folder, "seen");

    /// <summary>A trial, or the way back, is not over yet.</summary>
    internal bool IsUnderWay => File.Exists(TrialPath);

    /// <summary>The last trial, or the one under way; null if there never was one.</summary>
    internal UpdateStatus? Now()
    {
        lock (_gate)
        {
            // A file that is not there has a time, too.
            var times = (File.GetLastWriteTimeUtc(TrialPath), File.GetLastWriteTimeUtc(ResultPath),
                File.GetLastWriteTimeUtc(SeenPath));
            if (times == _times) return _status;
            // A trial begins by taking the result of the one before away; while a version comes back there are both.
            _status = Read(ResultPath, isTrial: false) ?? Read(TrialPath, isTrial: true);
            _times = times;
            return _status;
        }
    }

    UpdateStatus? Read(string path, bool isTrial)
    {
        try
        {
            if (new FileInfo(path) is not { Exists: true, Length: <= FileBytesMax }) return null;
            Dictionary<string, string> values = File.ReadAllLines(path).Select(l => l.Split('=', 2))
                .Where(p => p.Length == 2).GroupBy(p => p[0]).ToDictionary(g => g.Key, g => Clean(g.First()[1]));
            string outcome = values.GetValueOrDefault("outcome", "");
            return new UpdateStatus
            {
                Phase = isTrial ? UpdatePhase.Trial : outcome == "good" ? UpdatePhase.Good
                    : outcome == "back" ? UpdatePhase.Back : UpdatePhase.NotInstalled,
                Old = values.GetValueOrDefault("old", "?"), New = values.GetValueOrDefault("new", "?"),
                Reason = values.GetValueOrDefault("reason") is { Length: > 0 } reason ? reason : null,
                At = long.TryParse(values.GetValueOrDefault(isTrial ? "begun" : "when"), NumberStyles.None,
                    CultureInfo.InvariantCulture, out long at) && at < 253402300800L
                        ? DateTimeOffset.FromUnixTimeSeconds(at) : null,
                IsSeen = !isTrial && File.Exists(SeenPath)
                    && File.GetLastWriteTimeUtc(SeenPath) >= File.GetLastWriteTimeUtc(path),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static string Clean(string text) => new([.. text.Where(c => !char.IsControl(c)).Take(500)]);

    /// <summary>The owner knows that a version came back.</summary>
    internal void Acknowledge()
    {
        if (Now() is not { Phase: UpdatePhase.Back, IsSeen: false }) return;
        DurableFile.Replace(SeenPath, "1\n"u8, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>The sentence for it.</summary>
    internal static string Sentence(UpdateStatus update) => update.Phase switch
    {
        UpdatePhase.Trial => $"version {update.New} is on trial; {update.Old} is kept and comes back if it fails",
        UpdatePhase.Good => $"version {update.New} was found good",
        UpdatePhase.Back => $"version {update.New} was given up and {update.Old} came back, because {update.Reason}",
        _ => $"version {update.New} was not installed",
    };
}
