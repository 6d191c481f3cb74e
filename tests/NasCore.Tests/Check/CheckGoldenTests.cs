using System.Collections.Generic;
using System.Linq;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Volumes;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Check;

/// <summary>`check --data` finds nothing on any golden volume, and sees what it must see.</summary>
public sealed class CheckGoldenTests
{
    public static IEnumerable<object[]> Names() => GoldenData.ImageNames();

    [Theory, MemberData(nameof(Names))]
    public void Golden_volume_is_clean(string name)
    {
        var findings = new List<CheckFinding>();
        using OfflineVolumes volumes = OfflineVolumes.Open(
            VolumeSet.OpenPaths(GoldenData.Unpack(name), readOnly: true, exclusive: false));
        CheckResult result = Maintenance.Check.Run(volumes, new CheckOptions { Data = true }, findings.Add, null,
            CancellationToken.None);
        Assert.True(result.IsClean, string.Join('\n', findings.Where(f => !f.IsWarning).Take(20)));
        foreach (CheckFinding warning in findings.Where(f => f.IsWarning))
        {
            TestContext.Current.TestOutputHelper?.WriteLine(warning.ToString());
            // Crashed volumes are not clean, one holds the remains of a rename (observed 30).
            Assert.Contains(warning.Rule, (string[])["undo", "orphan", "sync-end"]);
        }
        Assert.True(result.Nodes > 0 && result.Records >= 2 && result.Inodes >= 1);
    }
}
