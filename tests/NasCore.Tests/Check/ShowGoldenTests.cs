using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using NasCore.Maintenance;
using NasCore.Volumes;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Check;

/// <summary>`show` prints exactly what HAMMER's own tool printed of the same volume.</summary>
public sealed class ShowGoldenTests
{
    public static IEnumerable<object[]> Shown() =>
        GoldenData.Catalogue.Where(i => i.ShowPath is not null).Select(i => new object[] { i.Name });

    [Theory, MemberData(nameof(Shown))]
    public void Show_of_a_golden_volume_is_hammers_own_text(string name)
    {
        // Bytes that are no UTF-8 (a 24-byte target runs on into binary times) became U+FFFD in the recorded text.
        string expected = Encoding.UTF8.GetString(GoldenData.Stream(GoldenData.Image(name).ShowPath!));
        string actual = Encoding.UTF8.GetString(Show(GoldenData.Unpack(name)));
        if (expected == actual) return;
        string[] wanted = expected.Split('\n'), got = actual.Split('\n');
        int line = Enumerable.Range(0, Math.Min(wanted.Length, got.Length)).FirstOrDefault(i => wanted[i] != got[i]);
        Assert.Fail($"line {line + 1} of {wanted.Length} (ours {got.Length})\nwanted: {wanted[line]}\n"
            + $"got:    {got[line]}");
    }

    static byte[] Show(string[] paths)
    {
        using OfflineVolumes volumes = OfflineVolumes.Open(
            VolumeSet.OpenPaths(paths, readOnly: true, exclusive: false));
        using var to = new MemoryStream();
        using var text = new ShowText(to, forTerminal: false);
        Assert.Equal(0, new ShowTree(volumes, text, new ShowOptions(), CancellationToken.None).Run());
        return to.ToArray();
    }
}
