using System;
using System.Collections.Generic;
using System.IO;

namespace NasFirmware.Cli;

/// <summary>
/// Compares the lines of a walk with a specification file, both sorted by path, as they come. Only keywords that both
/// have count; inode numbers only if both are object ids.
/// </summary>
sealed class MtreeCompare(TextReader specification, TextWriter output, bool inodeIsObjectId)
{
    byte[]? _path;
    string _keywords = "";
    bool _compareInodes = inodeIsObjectId;
    long _line;

    internal long Differences { get; private set; }

    /// <summary>Reads the first line of the specification.</summary>
    internal void Start() => Next();

    /// <summary>Takes a line of the walk.</summary>
    internal void Line(byte[] path, string keywords)
    {
        while (_path is not null && Order(_path, path) < 0)
        {
            Differ(_path, "missing");
            Next();
        }
        if (_path is null || Order(_path, path) != 0)
        {
            Differ(path, "extra");
            return;
        }
        Compare(path, keywords);
        Next();
    }

    /// <summary>After the last line of the walk.</summary>
    internal void Finish()
    {
        for (; _path is not null; Next()) Differ(_path, "missing");
    }

    static int Order(byte[] a, byte[] b) => a.AsSpan().SequenceCompareTo(b);

    void Differ(byte[] path, string what)
    {
        Differences++;
        output.WriteLine($"{MtreeText.Escape(path)} {what}");
    }

    void Compare(byte[] path, string keywords)
    {
        Dictionary<string, string> wanted = Parse(_keywords), found = Parse(keywords);
        foreach ((string key, string value) in wanted)
        {
            if (key == "inode" && !_compareInodes) continue;
            if (found.TryGetValue(key, out string? got) && got != value) Differ(path, $"{key} {value}, found {got}");
        }
    }

    static Dictionary<string, string> Parse(string keywords)
    {
        var parsed = new Dictionary<string, string>();
        foreach (string word in keywords.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            parsed[equals < 0 ? word : word[..equals]] = equals < 0 ? "" : word[(equals + 1)..];
        }
        return parsed;
    }

    void Next()
    {
        byte[]? before = _path;
        _path = null;
        while (specification.ReadLine() is string line)
        {
            _line++;
            if (line == MtreeCommand.MountMark) _compareInodes = false;
            if (line.Length == 0 || line[0] is '#' or '/') continue;
            int blank = line.IndexOf(' ', StringComparison.Ordinal);
            _path = MtreeText.Unescape(blank < 0 ? line : line.AsSpan(0, blank));
            _keywords = blank < 0 ? "" : line[(blank + 1)..];
            if (before is not null && Order(before, _path) >= 0)
                throw new UsageException($"line {_line} of the specification is not in order of its path's bytes: "
                    + "only specifications written by this program, or sorted so, can be compared");
            return;
        }
    }
}
