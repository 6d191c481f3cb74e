using System;
using System.Collections.Generic;
using System.Globalization;
using NasCore.Primitives;
using NasLinux;

namespace NasCore;

/// <summary>
/// The words after -o of a mount command or in the fourth field of fstab: what the engine wants to know, and the
/// flags of mount(2). Words that concern fstab and its readers only are passed over; unknown words are an error,
/// since a misspelt "ro" must not mount a disk for writing.
/// </summary>
public sealed record MountOptions
{
    public bool ReadOnly { get; init; }
    public bool NoHistory { get; init; }
    /// <summary>The whole mount shows this moment; <see cref="Tid.Max"/> is now.</summary>
    public ulong AsOf { get; init; } = Tid.Max;
    public TimesRule Times { get; init; }
    /// <summary>Longest time that a change waits for its flush group to close; null is the engine's default.</summary>
    public TimeSpan? FlushInterval { get; init; }
    /// <summary>Size of the buffer cache in bytes; null is the engine's default.</summary>
    public long? CacheBytes { get; init; }
    /// <summary>Times of access are never kept, so that the flag for it is always set.</summary>
    public MountFlags Flags { get; init; } = MountFlags.NoAtime;

    const long CacheBytesMin = 1L << 20, CacheBytesMax = 64L << 30;
    const int FlushSecondsMax = 3600;

    /// <summary>Parses comma-separated words; later ones override earlier ones.</summary>
    /// <exception cref="HammerFormatException">An unknown word or a bad value, named.</exception>
    public static MountOptions Parse(string words)
    {
        var options = new MountOptions();
        foreach (string word in words.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            options = equals < 0
                ? options.WithWord(word)
                : options.WithValue(word, word[..equals], word[(equals + 1)..]);
        }
        return options.AsOf == Tid.Max ? options : options.WithWord("ro");
    }

    /// <summary>What the engine is opened with.</summary>
    public HammerFsOptions ForEngine(TimeProvider time, Action<string>? log)
    {
        var engine = new HammerFsOptions
        {
            ReadOnly = ReadOnly, NoHistory = NoHistory, AsOf = AsOf, Times = Times, Time = time, Log = log,
        };
        if (FlushInterval is { } interval) engine = engine with { FlushInterval = interval };
        if (CacheBytes is { } bytes) engine = engine with { CacheBytes = bytes };
        return engine;
    }

    MountOptions WithWord(string word) => word switch
    {
        "ro" => this with { ReadOnly = true, Flags = Flags | MountFlags.ReadOnly },
        "rw" => this with { ReadOnly = false, Flags = Flags & ~MountFlags.ReadOnly },
        "nohistory" => this with { NoHistory = true },
        "history" => this with { NoHistory = false },
        "nodev" => this with { Flags = Flags | MountFlags.NoDev },
        "dev" => this with { Flags = Flags & ~MountFlags.NoDev },
        "nosuid" => this with { Flags = Flags | MountFlags.NoSuid },
        "suid" => this with { Flags = Flags & ~MountFlags.NoSuid },
        "noexec" => this with { Flags = Flags | MountFlags.NoExec },
        "exec" => this with { Flags = Flags & ~MountFlags.NoExec },
        "user" or "users" or "owner" or "group" => this with
        {
            Flags = Flags | MountFlags.NoDev | MountFlags.NoSuid | MountFlags.NoExec,
        },
        "defaults" or "auto" or "noauto" or "nouser" or "nofail" or "_netdev" or "noatime" or "nodiratime" or
            "relatime" or "norelatime" or "strictatime" or "async" or "allow_other" or "default_permissions" or
            "acl" or "user_xattr" or "silent" => this,
        _ when word.StartsWith("x-", StringComparison.Ordinal) => this,
        _ => throw new HammerFormatException($"unknown mount option '{word}'"),
    };

    MountOptions WithValue(string word, string name, string value) => name switch
    {
        "asof" => this with { AsOf = ParseTid(word, value) },
        "times" => this with
        {
            Times = value switch
            {
                "stored" => TimesRule.Stored,
                "ctime" => TimesRule.Ctime,
                _ => throw new HammerFormatException($"mount option '{word}': times is stored or ctime"),
            },
        },
        "flush" => this with { FlushInterval = ParseSeconds(word, value) },
        "cache" => this with { CacheBytes = ParseSize(word, value) },
        "comment" => this,
        _ when name.StartsWith("x-", StringComparison.Ordinal) => this,
        _ => throw new HammerFormatException($"unknown mount option '{name}'"),
    };

    static ulong ParseTid(string word, string value)
    {
        string digits = value.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? value[2..] : "";
        if (digits.Length is > 0 and <= 16 && ulong.TryParse(digits, NumberStyles.AllowHexSpecifier,
            CultureInfo.InvariantCulture, out ulong tid) && tid != 0) return tid;
        throw new HammerFormatException($"mount option '{word}': a TID is 0x and up to 16 hexadecimal digits");
    }

    static TimeSpan ParseSeconds(string word, string value)
    {
        if (double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) &&
            seconds is > 0 and <= FlushSecondsMax) return TimeSpan.FromSeconds(seconds);
        throw new HammerFormatException($"mount option '{word}': seconds above 0, at most {FlushSecondsMax}");
    }

    /// <summary>Bytes, or with k, m, g their multiples by 1024.</summary>
    static long ParseSize(string word, string value)
    {
        var units = new Dictionary<char, int> { ['k'] = 10, ['m'] = 20, ['g'] = 30 };
        int shift = value.Length > 0 ? units.GetValueOrDefault(char.ToLowerInvariant(value[^1])) : 0;
        string digits = shift > 0 ? value[..^1] : value;
        if (long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number) &&
            number <= CacheBytesMax >> shift && number << shift >= CacheBytesMin) return number << shift;
        throw new HammerFormatException($"mount option '{word}': a size from 1m to 64g");
    }
}
