using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;

namespace NasFirmware.Status;

/// <summary>
/// What the system around the daemon has to tell its owner: a file with one sentence for each problem, written and
/// taken away by the card's scripts (images/root). Without the folder there is none. Bounded: some files, one line of
/// each. Thread-safe.
/// </summary>
sealed class SystemProblems(string folder = SystemProblems.DefaultFolder)
{
    internal const string DefaultFolder = "/run/nashammer-card/problems";
    const int FilesMax = 8, CharsMax = 500;

    readonly Lock _gate = new();
    DateTime _changed;
    IReadOnlyList<string> _problems = [];

    /// <summary>A file comes by a rename, so that the folder's time tells of each change.</summary>
    internal IReadOnlyList<string> Now()
    {
        lock (_gate)
        {
            // A folder that is not there has a time, too.
            DateTime changed = Directory.GetLastWriteTimeUtc(folder);
            if (changed != _changed) _problems = Read();
            _changed = changed;
            return _problems;
        }
    }

    IReadOnlyList<string> Read()
    {
        try
        {
            return Directory.Exists(folder)
                ? [.. Directory.EnumerateFiles(folder).Where(f => Path.GetFileName(f)[0] != '.').Take(FilesMax)
                    .Order(StringComparer.Ordinal).Select(FirstLine).Where(l => l.Length > 0)]
                : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    static string FirstLine(string path)
    {
        using StreamReader reader = File.OpenText(path);
        char[] text = new char[CharsMax];
        int count = reader.ReadBlock(text);
        return new string([.. text.Take(count).TakeWhile(c => c != '\n').Where(c => !char.IsControl(c))]).Trim();
    }
}
