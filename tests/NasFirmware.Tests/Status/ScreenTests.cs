using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using NasDevices.Displays;
using NasFirmware.Status;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>
/// Each page as a picture of letters under Screens: what the simulated controller shows after the bytes crossed the
/// simulated bus. After a wanted change, NASHAMMER_REWRITE_SCREENS=1 writes them anew; look at them before a commit.
/// </summary>
public sealed class ScreenTests
{
    static readonly string s_folder = Path.Combine(GoldenData.RepositoryRoot, "tests/NasFirmware.Tests/Status/Screens");

    static readonly Dictionary<string, (BoxStatus Box, ScreenPage Page)> s_screens = new()
    {
        ["mirror"] = (Boxes.Good, new(ScreenPageKind.Mirror)),
        ["mirror-first-load"] = (Boxes.FirstLoad, new(ScreenPageKind.Mirror)),
        ["mirror-unreachable"] = (Boxes.Unreachable, new(ScreenPageKind.Mirror)),
        ["mirror-many"] = (Boxes.Good with
        {
            Mirrors = [.. Enumerable.Range(1, 6).Select(i => Boxes.Good.Mirrors[0] with
            {
                Name = i == 3 ? "a-very-long-name-of-a-mirror" : "mirror" + i,
                Phase = (MirrorPhase)i, LagSeconds = i, Differs = i == 2 ? "a/b" : null,
            })],
        }, new(ScreenPageKind.Mirror)),
        ["proof"] = (Boxes.Good, new(ScreenPageKind.Proof)),
        ["past"] = (Boxes.Good, new(ScreenPageKind.Past)),
        ["disks"] = (Boxes.Asleep, new(ScreenPageKind.Disks)),
        ["peer"] = (Boxes.Unreachable, new(ScreenPageKind.Peer)),
        ["box"] = (Boxes.Good, new(ScreenPageKind.Box)),
        ["pair"] = (Boxes.Pairing, new(ScreenPageKind.Pair)),
        ["locate"] = (Boxes.Good with { Activity = Activity.Locating }, new(ScreenPageKind.Locate)),
        ["alert"] = (Boxes.Missing with { Peers = [Boxes.Good.Peers[0] with { Problem = "its key has changed" }] },
            new(ScreenPageKind.Alert)),
        ["empty"] = (new BoxStatus { Name = "nas1", Version = "0.1.0" }, new(ScreenPageKind.Mirror)),
    };

    public static TheoryData<string> Names => [.. s_screens.Keys];

    static Canvas Screen(string name)
    {
        (BoxStatus box, ScreenPage page) = s_screens[name];
        return PanelPicture.Screen(Judgement.Of(box, new StatusLimits()), page);
    }

    [Theory, MemberData(nameof(Names))]
    public void Page_on_the_bus_is_the_golden_picture(string name)
    {
        string file = Path.Combine(s_folder, name + ".txt");
        string picture = Screen(name).ToString();
        if (Environment.GetEnvironmentVariable("NASHAMMER_REWRITE_SCREENS") == "1")
        {
            Directory.CreateDirectory(s_folder);
            File.WriteAllText(file, picture);
        }
        Assert.Equal(File.ReadAllText(file), picture);
    }

    [Theory, MemberData(nameof(Names))]
    public void Page_leaves_room_for_the_picture_to_move(string name)
    {
        Canvas picture = Screen(name);
        for (int y = 0; y < 64; y++) Assert.False(picture[127, y]);
        for (int x = 0; x < 128; x++) Assert.False(picture[x, 63]);
    }

    [Fact]
    public void Every_golden_picture_is_of_a_page_and_every_page_has_one()
    {
        Assert.Equal(s_screens.Keys.Order(), Directory.GetFiles(s_folder).Select(f =>
            Path.GetFileNameWithoutExtension(f)!).Order());
        Assert.Equal(Enum.GetValues<ScreenPageKind>().ToHashSet(), [.. s_screens.Values.Select(s => s.Page.Kind)]);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("short", "short")]
    [InlineData("disks of the file system photos are not there", "disks of the file|system photos are not|there")]
    [InlineData("aaaaaaaaaabbbbbbbbbbccccccccccdddd", "aaaaaaaaaabbbbbbbbbbc|cccccccccdddd")]
    public void Text_is_wrapped_between_words(string text, string lines) =>
        Assert.Equal(lines, string.Join('|', ScreenPages.Wrap(text)));

    [Fact]
    public void Any_text_can_be_drawn()
    {
        var random = new Random(5);
        for (int i = 0; i < 300; i++)
        {
            string odd = new([.. Enumerable.Range(0, random.Next(0, 200)).Select(_ => (char)random.Next(1, 0x2000))]);
            double number = random.Next(4) switch { 0 => double.NaN, 1 => double.MaxValue, 2 => -1, _ => 1e9 };
            BoxStatus box = Boxes.Good with
            {
                Name = odd, Version = odd, Address = odd, State = odd, Problems = [odd], PairingCode = odd,
                UptimeSeconds = number, Now = DateTimeOffset.MinValue,
                Mirrors = [Boxes.Good.Mirrors[0] with
                {
                    Name = odd, Peer = odd, LagSeconds = number, Progress = number, SecondsLeft = number,
                    BytesPerSecond = number, BytesBehind = long.MaxValue, ProvenTid = odd,
                }],
                Volumes = [Boxes.Good.Volumes[0] with { Name = odd, FullInDays = number, BytesFree = -1 }],
                Disks = [Boxes.Good.Disks[0] with { Device = odd, Celsius = int.MinValue }],
                Peers = [Boxes.Good.Peers[0] with { Name = odd, Summary = odd }],
            };
            var canvas = new Canvas(128, 64);
            foreach (ScreenPageKind kind in Enum.GetValues<ScreenPageKind>())
                ScreenPages.Draw(new ScreenPage(kind), box, canvas);
            Judgement.Of(box, new StatusLimits());
        }
    }
}
