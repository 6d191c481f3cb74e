using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.Pfs;
using NasCore.Primitives;
using NasTesting;
using NasTesting.Model;
using NasTesting.Oracle;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>The operations that made basic.img, replayed on a volume of our own, give the same live records.</summary>
public sealed class ReplayTests
{
    const ManifestIgnore Ignored = ManifestIgnore.Ino | ManifestIgnore.Times;

    [Theory]
    [InlineData(6)]
    [InlineData(7)]
    public void Basic_ops_replayed_give_the_same_trees_and_live_records(int version)
    {
        using var driver = new EngineDriver((uint)version);
        int stage = 0;
        List<ulong> tids = [];
        foreach (ModelOp op in ModelOp.ParseList(GoldenData.Text($"v{version}/basic.ops.zst")))
        {
            Errno e = driver.Apply(op);
            Assert.True(!e.IsError, $"{op}: {e}");
            if (op.Kind != OpKind.Tid) continue;
            stage++;
            Assert.Equal(Errno.None, driver.Fs.SyncTid(out ulong tid));
            tids.Add(tid);
            Equal($"v{version}/basic.live{stage}.json.zst", driver.Manifest());
        }
        driver.Remount();
        for (int i = 0; i < tids.Count; i++)
            Equal($"v{version}/basic.asof{i + 1}.json.zst", driver.Manifest(tids[i]), past: true);
        driver.AssertSound($"version {version}");
        CompareRecords(driver, version);
    }

    /// <summary>
    /// A file without history keeps no past. HAMMER's own rule leaves its inode standing, since mtime is changed in
    /// place; ours makes a new version for mtime (W12), so the old one goes. Its past is not compared.
    /// </summary>
    static void Equal(string manifest, List<ManifestEntry> found, bool past = false)
    {
        IReadOnlyCollection<ManifestEntry> expected = GoldenManifest.Load(manifest);
        if (past)
        {
            expected = [.. expected.Where(e => e.Path != "/attr/nohistory_file")];
            found = [.. found.Where(e => e.Path != "/attr/nohistory_file")];
        }
        string differences = GoldenManifest.Differences(expected, found, Ignored);
        Assert.True(differences.Length == 0, $"{manifest}:\n{differences}");
    }

    /// <summary>Record types, keys, lengths; CRCs of data and link targets, which hold no ids and no times.</summary>
    static void CompareRecords(EngineDriver driver, int version)
    {
        using OracleVolume oracle = OracleVolume.Open(new DelegateOracleDevice(driver.Device.Length,
            driver.Device.Read));
        // The note of what a file without history lost is ours (docs/decisions/0015).
        List<string> found = [.. oracle.Records.Where(r => r.DeleteTid == 0
            && (r.RecType, r.Key) != (OracleRecord.Config, TimeMarks.RecordKey)).Select(Line)
            .Order(StringComparer.Ordinal)];
        using GoldenLease golden = GoldenData.Borrow($"v{version}/basic");
        using OracleVolume original = OracleVolume.Open(golden.Paths);
        List<string> expected =
            [.. original.Records.Where(r => r.DeleteTid == 0).Select(Line).Order(StringComparer.Ordinal)];
        string missing = string.Join("\n", expected.Except(found).Take(5));
        string extra = string.Join("\n", found.Except(expected).Take(5));
        Assert.True(expected.SequenceEqual(found), $"missing:\n{missing}\ntoo much:\n{extra}");
    }

    static string Line(OracleRecord r)
    {
        bool plain = r.RecType is 0x10 or 0x14;
        // Everything but object ids, TIDs and what depends on them.
        return FormattableString.Invariant(
            $"{r.Localization:x8} {r.RecType:x2} {r.Key:x16} {r.ObjType} {r.DataLen} {(plain ? r.DataCrc : 0):x8}");
    }
}
