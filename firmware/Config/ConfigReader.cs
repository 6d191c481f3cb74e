using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using NasCore;
using NasCore.Primitives;

namespace NasFirmware.Config;

/*
 * The reader of config.toml: one pass over the sections asks for each key with its type, default, unit and range, and
 * so collects every mistake, the settings, the keys that exist and the values in force. `config check`, the daemon,
 * `config show --effective` and the test of the shipped file are four uses of that one pass; there is no second list
 * of keys anywhere.
 *
 * A file may serve several boxes: sections that say box = "..." belong to that box only. All of it is checked, but the
 * settings hold only what is this box's. References between sections are checked at the end (ConfigReferences).
 */

/// <summary>The outcome of reading: settings, or mistakes.</summary>
sealed record ConfigOutcome(Settings? Settings, IReadOnlyList<Mistake> Mistakes, ConfigReading Reading)
{
    /// <summary>The values in force as TOML.</summary>
    internal string Effective()
    {
        var text = new StringBuilder();
        string? section = null;
        foreach ((string of, string key, string value) in Reading.Effective)
        {
            if (of != section) text.Append(section is null ? "" : "\n").Append('[').Append(of).Append("]\n");
            section = of;
            if (key.Length > 0) text.Append(key).Append(" = ").Append(value).Append('\n');
        }
        return text.ToString();
    }
}

/// <summary>Reads config.toml.</summary>
sealed partial class ConfigReader
{
    static readonly TimeSpan s_second = TimeSpan.FromSeconds(1), s_minute = TimeSpan.FromMinutes(1),
        s_hour = TimeSpan.FromHours(1), s_day = TimeSpan.FromDays(1), s_years = TimeSpan.FromDays(36_500);

    const long Kibi = 1L << 10, Mebi = 1L << 20, Gibi = 1L << 30;
    const long FileBytesMax = Mebi;
    const int LabelBytesMax = 63;

    /// <summary>The file that is read when none is named.</summary>
    internal const string DefaultPath = "/etc/nashammer/config.toml";

    readonly ConfigReading _reading = new();
    readonly string? _box;

    ConfigReader(string? box) => _box = box;

    /// <summary>Reads a file; <see cref="IOException"/> if that is not possible.</summary>
    /// <param name="path">The file.</param>
    /// <param name="box">Which box to be, whatever the file says; null: the file's name, else that of the host.</param>
    internal static ConfigOutcome ReadFile(string path, string? box)
    {
        if (new FileInfo(path) is { Exists: true, Length: > FileBytesMax })
            throw new IOException($"{path}: larger than {Units.Bytes(FileBytesMax)}, that is no configuration");
        return Read(File.ReadAllText(path), box);
    }

    internal static ConfigOutcome Read(string text, string? box)
    {
        var reader = new ConfigReader(box);
        List<Mistake> mistakes = reader._reading.Mistakes;
        TomlTree tree = TomlTree.Parse(text, mistakes);
        // A line that is no TOML may hide a key: what seems to be missing is not complained of then.
        bool broken = mistakes.Count > 0;
        Settings settings = reader.ReadAll(tree, broken);
        Mistake[] sorted = [.. mistakes.Distinct().OrderBy(m => m.Place.Line).ThenBy(m => m.Place.Column)];
        return new ConfigOutcome(sorted.Length == 0 ? settings : null, sorted, reader._reading);
    }

    Settings ReadAll(TomlTree tree, bool broken)
    {
        var root = new ConfigSection(_reading, "", "", tree, tree.Place);
        BoxSettings box = ReadBox(ConfigSection.Of(_reading, root, "box"));
        ConfigSection memory = ConfigSection.Of(_reading, root, "memory");
        ConfigSection listen = ConfigSection.Of(_reading, root, "listen");
        var settings = new Settings
        {
            Box = box,
            Memory = new MemorySettings { Cache = memory.Bytes("cache", 64 * Mebi, 8 * Mebi, 64 * Gibi) },
            Listen = new ListenSettings { Address = listen.Text("address", "[::]:7445", CheckListen) },
            History = ReadHistory(ConfigSection.Of(_reading, root, "history")),
            Volumes = [], Pfs = [], Peers = [], Mirrors = [], Shares = [],
            Led = ReadLed(ConfigSection.Of(_reading, root, "led")),
            Display = ReadDisplay(ConfigSection.Of(_reading, root, "display")),
            Status = ReadStatus(ConfigSection.Of(_reading, root, "status")),
            Update = ReadUpdate(ConfigSection.Of(_reading, root, "update")),
        };
        memory.End();
        listen.End();
        var references = new ConfigReferences(box.Name);
        foreach (var (name, section) in root.Named("volumes"))
            references.Add(ReadVolume(name, section, box.Name, broken, out string owner), owner, section);
        foreach (var (name, section) in root.Named("pfs"))
            references.Add(ReadPfs(name, section, settings.History.Keep, broken), section);
        foreach (var (name, section) in root.Named("peers")) references.Add(ReadPeer(name, section), section);
        foreach (var (name, section) in root.Named("mirrors"))
            references.Add(ReadMirror(name, section, settings, broken), section);
        foreach (var (name, section) in root.Named("shares"))
            references.Add(ReadShare(name, section, broken), section);
        root.End();
        return references.Complete(settings);
    }

    BoxSettings ReadBox(ConfigSection section)
    {
        string host = Environment.MachineName;
        string name = section.Text("name", ConfigSection.IsName(host) ? host : "nas", CheckName);
        if (_box is not null)
        {
            name = _box;
            _reading.Effective[^1] = (section.Path, "name", ConfigSection.Quote(name));
        }
        var box = new BoxSettings
        {
            Name = name,
            State = section.Text("state", "/var/lib/nashammer", CheckAbsolute),
            Run = section.Text("run", "/run/nashammer", CheckRun),
            StopLimit = section.Time("stop-limit", TimeSpan.FromSeconds(20), 5 * s_second, 10 * s_minute),
        };
        section.End();
        return box;
    }

    static HistorySettings ReadHistory(ConfigSection section)
    {
        var standard = new KeepSettings { EveryVersion = s_day, Hourly = 7 * s_day, Daily = 60 * s_day };
        var history = new HistorySettings
        {
            Keep = ReadKeep(section, standard),
            FreeFloor = section.Percent("free-floor", 0.10, 0, 0.9),
            Interval = section.Time("interval", s_day, 10 * s_minute, 7 * s_day),
            Reblock = section.Time("reblock", s_day, s_hour, 365 * s_day, zero: true),
            Share = section.Percent("share", 0.25, 0.01, 1),
        };
        section.End();
        return history;
    }

    static KeepSettings ReadKeep(ConfigSection section, KeepSettings standard) => new()
    {
        EveryVersion = section.Time("every-version", standard.EveryVersion, s_minute, s_years, zero: true),
        Hourly = section.Time("hourly", standard.Hourly, s_hour, s_years, zero: true),
        Daily = section.Time("daily", standard.Daily, s_day, s_years, zero: true),
    };

    static KeepSettings ReadKeepTable(ConfigSection section, KeepSettings standard)
    {
        ConfigSection table = section.Table("keep");
        KeepSettings keep = ReadKeep(table, standard);
        table.End();
        return keep;
    }

    VolumeSettings ReadVolume(string name, ConfigSection section, string self, bool broken, out string owner)
    {
        owner = section.Text("box", self, CheckName);
        string? label = section.OptionalText("label", CheckLabel);
        string? fsId = section.OptionalText("fsid", CheckFsId);
        var volume = new VolumeSettings
        {
            Name = name,
            Label = label,
            FsId = fsId is null ? null : Guid.Parse(fsId, CultureInfo.InvariantCulture),
            Images = section.Texts("images", CheckAbsolute),
            Mount = section.OptionalText("mount", CheckMount) ?? "",
            ReadOnly = section.Truth("read-only", false),
            History = section.Truth("history", true),
            Flush = section.Time("flush", TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(100), s_hour),
            Cache = section.OptionalBytes("cache", Mebi, 64 * Gibi),
            Options = section.Text("options", "", CheckOptions),
            Cleanup = section.Truth("cleanup", true),
        };
        if (!broken && volume.Mount.Length == 0 && !section.Has("mount"))
            _reading.Report(section.Place, $"[{section.Path}] needs mount, the directory to mount on");
        if (!broken && label is null && fsId is null && volume.Images.Count == 0
            && !section.Has("label") && !section.Has("fsid") && !section.Has("images"))
        {
            _reading.Report(section.Place,
                $"[{section.Path}] needs label, fsid or images: otherwise no disk can be told to be it");
        }
        section.End();
        return volume;
    }

    PfsSettings ReadPfs(string name, ConfigSection section, KeepSettings standard, bool broken)
    {
        string? volume = section.OptionalText("volume", CheckName);
        if (!broken && volume is null && !section.Has("volume"))
            _reading.Report(section.Place, $"[{section.Path}] needs volume, the name of a section [volumes.NAME]");
        var pfs = new PfsSettings
        {
            Name = name,
            Volume = volume ?? "",
            Path = section.Text("path", name, CheckPfsPath),
            Keep = ReadKeepTable(section, standard),
        };
        section.End();
        return pfs;
    }

    static PeerSettings ReadPeer(string name, ConfigSection section)
    {
        var peer = new PeerSettings
        {
            Name = name,
            Address = section.OptionalText("address", CheckAddress),
            Key = section.OptionalText("key", CheckKey),
        };
        section.End();
        return peer;
    }

    MirrorStreamSettings ReadMirror(string name, ConfigSection section, Settings settings, bool broken)
    {
        MirrorEnd from = ReadEnd(section, "from", broken), to = ReadTo(section, settings, broken, out SshTarget? ssh);
        // The other side of a mirror over ssh cannot compare, and keeps its history by its own rules.
        bool comparable = ssh is null || section.Has("verify-full"), keeps = ssh is null || section.Has("keep");
        if (ssh is not null && comparable) section.Report("verify-full", "a mirror over ssh cannot be compared");
        if (ssh is not null && keeps)
            section.Report("keep", "the other machine of a mirror over ssh keeps its history by its own rules");
        var mirror = new MirrorStreamSettings
        {
            Name = name,
            From = from,
            To = to,
            Ssh = ssh,
            Bandwidth = section.Bytes("bandwidth", 0, 4 * Kibi, 64 * Gibi, zero: true),
            LagLimit = section.Time("lag-limit", s_minute, s_second, 30 * s_day),
            Stall = section.Time("stall", s_minute, s_second, s_day),
            Silence = section.Time("silence", 10 * s_second, s_second, 10 * s_minute),
            VerifyFull = !comparable ? TimeSpan.Zero
                : section.Time("verify-full", 30 * s_day, s_hour, 3650 * s_day, zero: true),
            Keep = keeps ? ReadKeepTable(section, settings.History.Keep) : settings.History.Keep,
        };
        section.End();
        return mirror;
    }

    MirrorEnd ReadEnd(ConfigSection section, string key, bool broken)
    {
        string? text = section.OptionalText(key, t => TryEnd(t, out _) ? null
            : SshTarget.IsMeant(t) ? "a mirror over ssh leads away from a box: only \"to\" can be such an address"
            : $"\"{t}\" is not BOX:VOLUME or BOX:VOLUME/PFS");
        if (text is null && !broken && !section.Has(key))
            _reading.Report(section.Place, $"[{section.Path}] needs {key}, as BOX:VOLUME or BOX:VOLUME/PFS");
        return text is not null && TryEnd(text, out MirrorEnd end) ? end : new MirrorEnd("", "", "");
    }

    internal static bool TryEnd(string text, out MirrorEnd end)
    {
        end = default;
        int colon = text.IndexOf(':', StringComparison.Ordinal), slash = text.IndexOf('/', StringComparison.Ordinal);
        if (colon < 0 || (slash >= 0 && slash < colon)) return false;
        string pfs = slash < 0 ? "" : text[(slash + 1)..];
        end = new MirrorEnd(text[..colon], slash < 0 ? text[(colon + 1)..] : text[(colon + 1)..slash], pfs);
        return ConfigSection.IsName(end.Box) && ConfigSection.IsName(end.Volume)
            && (slash < 0 || CheckPfsPath(pfs) is null);
    }

    static LedSettings ReadLed(ConfigSection section)
    {
        var led = new LedSettings
        {
            Device = section.Text("device", "", CheckFileName),
            Chip = section.Text("chip", "", t => t.Length == 0 ? null : CheckAbsolute(t)),
            Line = section.Number("line", 0, 0, 511),
            ActiveLow = section.Truth("active-low", false),
        };
        if (led.Device.Length > 0 && led.Chip.Length > 0)
            section.Report("chip", "device names the light already: one of the two");
        section.End();
        return led;
    }

    static DisplaySettings ReadDisplay(ConfigSection section)
    {
        var display = new DisplaySettings
        {
            Bus = section.Number("bus", -1, -1, 255),
            Address = section.Number("address", 0x3C, 0x08, 0x77),
            Sleep = section.Time("sleep", 5 * s_minute, 5 * s_second, s_day, zero: true),
            Page = section.Time("page", 5 * s_second, s_second, s_hour),
            Rotate = section.Truth("rotate", false),
        };
        section.End();
        return display;
    }

    static StatusSettings ReadStatus(ConfigSection section)
    {
        var status = new StatusSettings
        {
            FreeWarning = section.Percent("free-warning", 0.05, 0, 0.9),
            FullWarning = section.Time("full-warning", 7 * s_day, s_hour, 365 * s_day, zero: true),
            ProofAge = section.Time("proof-age", 7 * s_day, s_hour, 3650 * s_day),
            Warm = section.Number("warm", 55, 20, 100),
            AskDisks = section.Truth("ask-disks", true),
        };
        section.End();
        return status;
    }

    static UpdateSettings ReadUpdate(ConfigSection section)
    {
        var update = new UpdateSettings
        {
            Trial = section.Time("trial", 5 * s_minute, 10 * s_second, s_hour),
            Steady = section.Time("steady", 30 * s_second, 5 * s_second, 30 * s_minute),
        };
        section.End();
        return update;
    }

    // ------------------------------------------------------------------ checks: null, or what is wrong

    static string? CheckName(string text) =>
        ConfigSection.IsName(text) ? null : $"\"{text}\" is no name: letters, digits, - and _, at most 32";

    static string? CheckAbsolute(string text) =>
        text.StartsWith('/') && !text.Contains('\0', StringComparison.Ordinal) ? null
            : $"\"{text}\" does not begin with /";

    // A socket's path has at most 107 bytes.
    static string? CheckRun(string text) => CheckAbsolute(text) ?? (Encoding.UTF8.GetByteCount(text) > 90
        ? "longer than 90 bytes, which leaves no room for a socket's path" : null);

    static string? CheckMount(string text) => CheckAbsolute(text)
        ?? (text.TrimEnd('/').Length == 0 ? "the root directory is taken" : null);

    static string? CheckLabel(string text) => Encoding.UTF8.GetByteCount(text) is > 0 and <= LabelBytesMax
        ? null : $"a label has 1 to {LabelBytesMax} bytes";

    static string? CheckFsId(string text) => Guid.TryParseExact(text, "D", out _) ? null
        : $"\"{text}\" is no UUID as `nashammer info` shows it";

    static string? CheckOptions(string text)
    {
        try
        {
            string[] own = ["ro", "rw", "history", "nohistory", "asof", "flush", "cache"];
            string? taken = text.Split(',').Select(w => w.Split('=')[0]).FirstOrDefault(own.Contains);
            if (taken is not null) return $"'{taken}' is not set here: it has a key of its own, or none";
            MountOptions.Parse(text);
            return null;
        }
        catch (HammerFormatException e)
        {
            return e.Message;
        }
    }

    static string? CheckPfsPath(string text)
    {
        bool isPath = text.Length > 0 && text.Split('/').All(p => p.Length is > 0 and <= 255
            && p is not "." and not ".." && !p.Contains("@@", StringComparison.Ordinal)
            && !p.Contains('\0', StringComparison.Ordinal));
        return isPath ? null : $"\"{text}\" is no path below the volume's root, such as \"family\" or \"home/ann\"";
    }

    static string? CheckKey(string text) =>
        text.Length == 64 && text.All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f') ? null
            : "a key is 64 hex digits in lower case, as `nashammer peer id` shows them on the other box";

    static string? CheckListen(string text) => text.Length == 0 ? null
        : TryHostPort(text, out string host, out _) && System.Net.IPAddress.TryParse(host.Trim('[', ']'), out _) ? null
            : $"\"{text}\" is not ADDRESS:PORT, such as \"[::]:7445\"";

    static string? CheckAddress(string text) => TryHostPort(text, out _, out _) ? null
        : $"\"{text}\" is not HOST:PORT, such as \"192.168.1.20:7445\"";

    static string? CheckFileName(string text) => text.Contains('/', StringComparison.Ordinal) || text is "." or ".."
        ? $"\"{text}\" is not the name of a light as /sys/class/leds shows it" : null;

    internal static bool TryHostPort(string text, out string host, out int port)
    {
        host = "";
        port = 0;
        int colon = text.LastIndexOf(':');
        NumberFormatInfo culture = CultureInfo.InvariantCulture.NumberFormat;
        if (colon < 1 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, culture, out port)) return false;
        if (port is < 1 or > 65535) return false;
        host = text[..colon];
        // An address of IPv6 stands in brackets, or its last part would be taken for the port.
        bool brackets = host.StartsWith('[') && host.EndsWith(']') && host.Length > 2;
        return brackets || Uri.CheckHostName(host) is UriHostNameType.Dns or UriHostNameType.IPv4;
    }
}
