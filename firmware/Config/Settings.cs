using System;

namespace NasFirmware.Config;

// Settings: config.toml after reading and checking, as values with units. Immutable; a reload makes a new object, and
// records compare by value, so that a part can see whether anything that concerns it has changed.

/// <summary>All of the configuration, for one box: what is another box's own is not in it.</summary>
sealed record Settings
{
    public required BoxSettings Box { get; init; }
    public required MemorySettings Memory { get; init; }
    public required ListenSettings Listen { get; init; }
    public required HistorySettings History { get; init; }
    /// <summary>Volumes of this box, by name.</summary>
    public required ValueList<VolumeSettings> Volumes { get; init; }
    /// <summary>Master PFSs of this box.</summary>
    public required ValueList<PfsSettings> Pfs { get; init; }
    /// <summary>The other boxes.</summary>
    public required ValueList<PeerSettings> Peers { get; init; }
    /// <summary>All mirrors of the file, also those between other boxes.</summary>
    public required ValueList<MirrorStreamSettings> Mirrors { get; init; }
    /// <summary>Folders of this box's volumes that Samba offers.</summary>
    public required ValueList<ShareSettings> Shares { get; init; }
    public required LedSettings Led { get; init; }
    public required DisplaySettings Display { get; init; }
    public required StatusSettings Status { get; init; }
    public required UpdateSettings Update { get; init; }
}

/// <summary>[box]</summary>
sealed record BoxSettings
{
    public required string Name { get; init; }
    /// <summary>Folder of what must survive a reboot: key, peers.</summary>
    public required string State { get; init; }
    /// <summary>Folder of the daemon's socket.</summary>
    public required string Run { get; init; }
    /// <summary>A stop takes at most this long, whatever is open.</summary>
    public required TimeSpan StopLimit { get; init; }

    internal string SocketPath => System.IO.Path.Combine(Run, "daemon.sock");
}

/// <summary>[update]: the trial of a new version.</summary>
sealed record UpdateSettings
{
    /// <summary>The box must be as good as before within this time.</summary>
    public required TimeSpan Trial { get; init; }
    /// <summary>And stay so for this long.</summary>
    public required TimeSpan Steady { get; init; }
}

/// <summary>[memory]</summary>
sealed record MemorySettings
{
    /// <summary>Bytes of metadata buffers, shared out among the volumes.</summary>
    public required long Cache { get; init; }
}

/// <summary>[listen]</summary>
sealed record ListenSettings
{
    /// <summary>ADDRESS:PORT for peers; empty: no endpoint.</summary>
    public required string Address { get; init; }
}

/// <summary>[volumes.NAME]</summary>
sealed record VolumeSettings
{
    public required string Name { get; init; }
    public string? Label { get; init; }
    public Guid? FsId { get; init; }
    /// <summary>Image files that make the volume; empty: it is looked for on block devices.</summary>
    public required ValueList<string> Images { get; init; }
    /// <summary>Directory to mount on.</summary>
    public required string Mount { get; init; }
    public required bool ReadOnly { get; init; }
    public required bool History { get; init; }
    /// <summary>Longest time that a change waits for its flush group to close.</summary>
    public required TimeSpan Flush { get; init; }
    /// <summary>Bytes of metadata buffers; null: a share of [memory].</summary>
    public long? Cache { get; init; }
    /// <summary>Further words of mount -o.</summary>
    public required string Options { get; init; }
    /// <summary>True if its history is thinned and its space tidied by this box.</summary>
    public required bool Cleanup { get; init; }
}

/// <summary>[pfs.NAME]: a master PFS, made when missing.</summary>
sealed record PfsSettings
{
    public required string Name { get; init; }
    public required string Volume { get; init; }
    /// <summary>Path of its link below the root of the volume.</summary>
    public required string Path { get; init; }
    public required KeepSettings Keep { get; init; }
}

/// <summary>For how long which versions are kept.</summary>
sealed record KeepSettings
{
    /// <summary>Every version that a flush made.</summary>
    public required TimeSpan EveryVersion { get; init; }
    /// <summary>One state an hour.</summary>
    public required TimeSpan Hourly { get; init; }
    /// <summary>One state a day.</summary>
    public required TimeSpan Daily { get; init; }
}

/// <summary>[history]</summary>
sealed record HistorySettings
{
    public required KeepSettings Keep { get; init; }
    /// <summary>History is thinned earlier where less than this part of a volume is free (0 to 0.9).</summary>
    public required double FreeFloor { get; init; }
    /// <summary>How often what is too old is taken away.</summary>
    public required TimeSpan Interval { get; init; }
    /// <summary>How often space is tidied up (reblock); zero: never.</summary>
    public required TimeSpan Reblock { get; init; }
    /// <summary>Part of the time that the clean-up may work, so that others have the disk (0.01 to 1).</summary>
    public required double Share { get; init; }
}

/// <summary>[peers.NAME]: another box.</summary>
sealed record PeerSettings
{
    public required string Name { get; init; }
    /// <summary>HOST:PORT; null: learnt at pairing, or it dials us.</summary>
    public string? Address { get; init; }
    /// <summary>SHA-256 of its public key, 64 hex digits in lower case; null: learnt at pairing.</summary>
    public string? Key { get; init; }
}

/// <summary>One end of a mirror: BOX:VOLUME or BOX:VOLUME/PFS.</summary>
readonly record struct MirrorEnd(string Box, string Volume, string Pfs)
{
    public override string ToString() => Pfs.Length == 0 ? $"{Box}:{Volume}" : $"{Box}:{Volume}/{Pfs}";
}

/// <summary>[mirrors.NAME]: a stream from a master PFS, or from a slave, to a slave on another box.</summary>
sealed record MirrorStreamSettings
{
    public required string Name { get; init; }
    public required MirrorEnd From { get; init; }
    /// <summary>Empty if it leads over ssh.</summary>
    public required MirrorEnd To { get; init; }
    /// <summary>It leads to a machine with the original's hammer, over ssh; null: to a box.</summary>
    public SshTarget? Ssh { get; init; }
    /// <summary>Bytes a second on the wire; 0: no limit.</summary>
    public required long Bandwidth { get; init; }
    /// <summary>A lag above this is said to be bad.</summary>
    public required TimeSpan LagLimit { get; init; }
    /// <summary>A stream that is behind and moves no byte for this long is restarted.</summary>
    public required TimeSpan Stall { get; init; }
    /// <summary>A peer that says nothing for this long has gone, whatever the connection looks like.</summary>
    public required TimeSpan Silence { get; init; }
    /// <summary>How often both sides are compared byte for byte; zero: never by itself.</summary>
    public required TimeSpan VerifyFull { get; init; }
    /// <summary>How long which versions are kept on the slave.</summary>
    public required KeepSettings Keep { get; init; }
}

/// <summary>[shares.NAME]: a folder that Samba offers to the network.</summary>
sealed record ShareSettings
{
    public required string Name { get; init; }
    public required string Volume { get; init; }
    /// <summary>The folder, below the root of the volume; empty: the root.</summary>
    public required string Path { get; init; }
    /// <summary>Everybody may use it, without a password.</summary>
    public required bool Guest { get; init; }
    /// <summary>Who may use it, with a password.</summary>
    public required ValueList<string> Users { get; init; }
    public required bool ReadOnly { get; init; }
}

/// <summary>[led]: the light, a device of the LED class or a line of a GPIO chip.</summary>
sealed record LedSettings
{
    /// <summary>Name below /sys/class/leds; empty: none.</summary>
    public required string Device { get; init; }
    /// <summary>Device file of the chip; empty: none.</summary>
    public required string Chip { get; init; }
    public required int Line { get; init; }
    public required bool ActiveLow { get; init; }
}

/// <summary>[display]: an SSD1306 on an I2C bus.</summary>
sealed record DisplaySettings
{
    /// <summary>Number of the bus (/dev/i2c-N); -1: none.</summary>
    public required int Bus { get; init; }
    /// <summary>Address on the bus.</summary>
    public required int Address { get; init; }
    /// <summary>Dark after this time without news; zero: never.</summary>
    public required TimeSpan Sleep { get; init; }
    /// <summary>How long a page stands.</summary>
    public required TimeSpan Page { get; init; }
    /// <summary>Mounted upside down.</summary>
    public required bool Rotate { get; init; }
}

/// <summary>[status]: when a thing is called bad.</summary>
sealed record StatusSettings
{
    /// <summary>A volume is nearly full with less than this part free.</summary>
    public required double FreeWarning { get; init; }
    /// <summary>A volume that will be full this soon is nearly full.</summary>
    public required TimeSpan FullWarning { get; init; }
    /// <summary>A comparison older than this proves nothing about today.</summary>
    public required TimeSpan ProofAge { get; init; }
    /// <summary>A disk this warm is too warm, in degrees Celsius.</summary>
    public required int Warm { get; init; }
    /// <summary>Disks are asked whether they sleep, how warm and how well they are.</summary>
    public required bool AskDisks { get; init; }
}
