using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore;
using NasCore.Maintenance;
using NasCore.Volumes;
using NasTesting.Oracle;

namespace NasCampaign.Exerciser;

/// <summary>A volume in memory and the file system mounted on it, on a clock that only the trial moves.</summary>
sealed class ExercisedVolume : IDisposable
{
    readonly VolatileDevice _device;
    readonly HammerFsOptions _options;

    public ExercisedVolume(bool noHistory, uint version, long bytes, long cacheBytes)
    {
        _device = new VolatileDevice(bytes);
        Newfs.Format([_device], new NewfsOptions
        {
            Label = "EXERCISED", Version = version, Force = true, UndoBytes = 8L << 20,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"), TimeUs = 1_262_304_000_000_000,
        });
        _options = new HammerFsOptions
        {
            Time = new Clock(), RunFlusher = false, NoHistory = noHistory, CacheBytes = cacheBytes,
        };
        Fs = Mount();
    }

    sealed class Clock : TimeProvider
    {
        long _ticks = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000).Ticks;

        public override DateTimeOffset GetUtcNow() => new(Interlocked.Add(ref _ticks, 10), TimeSpan.Zero);
        public override long GetTimestamp() => Interlocked.Read(ref _ticks);
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    }

    public HammerFs Fs { get; private set; }

    HammerFs Mount() => HammerFs.Open(VolumeSet.Open([_device]), _options);

    public void Remount()
    {
        Fs.Dispose();
        Fs = Mount();
    }

    /// <summary>The process dies, or the power goes; the volume comes up again.</summary>
    public void Crash(Random random)
    {
        _device.Cut(random, random.Next(4) switch { 0 => 0, 1 => 100, _ => random.Next(100) });
        Fs = Mount();
    }

    /// <summary>Unmounts; both judges, `check` with all data and the independent reader, must find nothing.</summary>
    public void Judge(string where)
    {
        Fs.Dispose();
        var findings = new List<string>();
        using (OfflineVolumes volumes = OfflineVolumes.Open(VolumeSet.Open([_device])))
        {
            Check.Run(volumes, new CheckOptions { Data = true, FindingsMax = 20 }, f => findings.Add(f.ToString()),
                null, CancellationToken.None);
        }
        if (findings.Count > 0) throw new CampaignFinding("check finds damage", where, string.Join("\n  ", findings));
        using OracleVolume oracle = OracleVolume.Open([new DelegateOracleDevice(_device.Length, _device.Read)]);
        // Without history a crash may leave the deleted versions of the last group, but not what they referred to.
        string[] seen = [.. oracle.Verify().Select(f => f.ToString()!)
            .Where(f => !_options.NoHistory || !f.StartsWith("nlinks at create_tid", StringComparison.Ordinal))
            .Take(10)];
        if (seen.Length > 0)
            throw new CampaignFinding("the independent reader finds damage", where, string.Join("\n  ", seen));
    }

    public void Dispose() => Fs.Dispose();
}
