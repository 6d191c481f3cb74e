using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using NasFirmware.Status;
using NasFirmware.Tests.Status;
using NasFirmware.Update;
using Xunit;

namespace NasFirmware.Tests.Update;

/// <summary>When a box is as good as before, and what the status tells of updates.</summary>
public sealed class UpdateTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-update-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    static UpdateFacts Facts(BoxStatus box)
    {
        string json = JsonSerializer.Serialize(Judgement.Of(box, new StatusLimits()), StatusJson.Default.BoxStatus);
        using JsonDocument document = JsonDocument.Parse(json);
        UpdateFacts facts = UpdateFacts.Of(document.RootElement);
        // As it comes back out of the note.
        return UpdateFacts.Parse([.. facts.Lines]);
    }

    static readonly BoxStatus s_good = Boxes.Good with { Identity = new IdentityStatus { Key = new string('a', 64) } };

    [Fact]
    public void Good_box_must_be_as_good_again()
    {
        UpdateFacts before = Facts(s_good);
        Assert.Null(before.WhyWorse(Facts(s_good)));
        Assert.Equal("file system photos is not mounted", before.WhyWorse(Facts(s_good with
        {
            Volumes = [s_good.Volumes[0] with { State = VolumeState.Mounting }],
        })));
        Assert.Equal("file system photos is not mounted", before.WhyWorse(Facts(s_good with { Volumes = [] })));
        Assert.Equal("mirror s:family has no connection".Replace("s:", "", StringComparison.Ordinal),
            before.WhyWorse(Facts(s_good with { Mirrors = [s_good.Mirrors[0] with { Phase = MirrorPhase.Refused }] })));
        Assert.Equal("the box has another key", before.WhyWorse(Facts(s_good with
        {
            Identity = new IdentityStatus { Key = new string('b', 64) },
        })));
        Assert.Equal("the configuration is not accepted",
            before.WhyWorse(Facts(s_good with { ConfigProblem = "unknown key" })));
        Assert.Equal("the state is failed", before.WhyWorse(Facts(s_good with
        {
            Mirrors = [s_good.Mirrors[0] with { Differs = "a file" }],
        })));
        // A first load, or a lag, is no reason to go back.
        Assert.Null(before.WhyWorse(Facts(s_good with
        {
            Mirrors = [s_good.Mirrors[0] with { Phase = MirrorPhase.Streaming, LagSeconds = 999 }],
        })));
    }

    [Fact]
    public void What_was_bad_before_is_not_asked_for()
    {
        BoxStatus degraded = s_good with
        {
            Mirrors = [s_good.Mirrors[0] with { Phase = MirrorPhase.Unreachable, LagSeconds = 5000 }],
            Volumes = [s_good.Volumes[0], s_good.Volumes[0] with { Name = "lost", State = VolumeState.Missing }],
        };
        Assert.Null(Facts(degraded).WhyWorse(Facts(degraded)));
        Assert.NotNull(Facts(degraded).WhyWorse(Facts(degraded with { Volumes = [degraded.Volumes[1]] })));
        // Nothing was known: the daemon only has to answer.
        Assert.Null(UpdateFacts.Parse([]).WhyWorse(Facts(degraded with { Identity = null, ConfigProblem = null })));
    }

    [Fact]
    public void Status_of_another_version_is_read_as_far_as_it_is_understood()
    {
        UpdateFacts before = UpdateFacts.Parse(["severity Good", "volume photos"]);
        foreach (string json in new[] { "{}", "[]", "3", """{"volumes":3,"mirrors":{},"severity":7,"identity":[]}""" })
        {
            using JsonDocument document = JsonDocument.Parse(json);
            Assert.NotNull(before.WhyWorse(UpdateFacts.Of(document.RootElement)));
        }
        using JsonDocument newer = JsonDocument.Parse(
            """{"severity":"Splendid","light":"New","volumes":[{"name":"photos","state":"Mounted","x":[1]},7]}""");
        Assert.Null(before.WhyWorse(UpdateFacts.Of(newer.RootElement)));
    }

    void Write(string name, string text) => File.WriteAllText(Path.Combine(_folder, name), text);

    BoxStatus Box(UpdateState state) =>
        Judgement.Of(Boxes.Good with { Update = state.Now() }, new StatusLimits());

    [Fact]
    public void Trial_is_a_notice_and_a_version_that_came_back_a_problem_until_the_owner_knows()
    {
        var state = new UpdateState(_folder);
        Assert.Null(state.Now());
        Assert.Empty(Box(state).Notices);
        Write("trial", "old=1.0\nnew=2.0\nbegun=1732360000\nstarts=1\n");
        Assert.Equal("version 2.0 is on trial; 1.0 is kept and comes back if it fails", Box(state).Notices.Single());
        Assert.Equal(Severity.Good, Box(state).Severity);
        File.Delete(Path.Combine(_folder, "trial"));
        Assert.False(state.IsUnderWay);
        Write("result", "outcome=back\nold=1.0\nnew=2.0\nwhen=1732360000\nreason=it ended 5 times\a\n");
        BoxStatus box = Box(state);
        Assert.Equal((Severity.Degraded, NasDevices.Leds.LightState.Attention), (box.Severity, box.Light));
        Assert.Equal("version 2.0 was given up and 1.0 came back, because it ended 5 times", box.Problems.Single());
        state.Acknowledge();
        Assert.Equal(Severity.Good, Box(new UpdateState(_folder)).Severity);
        Assert.Empty(Box(state).Problems);
        Write("result", "outcome=good\nold=1.0\nnew=3.0\nwhen=1732360000\nreason=\n");
        Assert.Empty(Box(new UpdateState(_folder)).Problems);
    }

    [Theory]
    [InlineData("")]
    [InlineData("outcome")]
    [InlineData("outcome=back\nwhen=99999999999999999999\n")]
    [InlineData("=\n=\n\0\n")]
    public void Damaged_notes_of_the_guard_do_no_harm(string text)
    {
        Write("result", text);
        _ = Box(new UpdateState(_folder));
        Write("result", new string('x', 10_000));
        Assert.Null(new UpdateState(_folder).Now());
    }
}
