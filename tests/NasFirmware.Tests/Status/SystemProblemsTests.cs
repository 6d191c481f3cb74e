using System;
using System.IO;
using System.Linq;
using NasDevices.Leds;
using NasFirmware.Status;
using Xunit;

namespace NasFirmware.Tests.Status;

public sealed class SystemProblemsTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-problems-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    void Put(string name, string text)
    {
        File.WriteAllText(Path.Combine(_folder, "." + name), text);
        File.Move(Path.Combine(_folder, "." + name), Path.Combine(_folder, name), overwrite: true);
    }

    [Fact]
    public void Sentence_of_the_system_is_a_problem_as_long_as_it_lies_there()
    {
        string folder = Path.Combine(_folder, "later");
        var problems = new SystemProblems(folder);
        BoxStatus Judged() => Judgement.Of(Boxes.Good with { SystemProblems = problems.Now() }, new StatusLimits());
        Assert.Equal(Severity.Good, Judged().Severity);
        Directory.CreateDirectory(folder);
        Assert.Equal(Severity.Good, Judged().Severity);
        File.WriteAllText(Path.Combine(_folder, "new"), "no update has worked\nfor 15 days\n");
        File.Move(Path.Combine(_folder, "new"), Path.Combine(folder, "updates"));
        BoxStatus judged = Judged();
        Assert.Equal((Severity.Degraded, LightState.Attention), (judged.Severity, judged.Light));
        Assert.Equal(["no update has worked"], judged.Problems);
        File.Delete(Path.Combine(folder, "updates"));
        Assert.Empty(Judged().Problems);
    }

    [Fact]
    public void Sentences_are_in_order_and_bounded()
    {
        for (int i = 9; i >= 0; i--) Put("p" + i, new string('x', 10_000) + i);
        Put("none", "\n");
        var found = new SystemProblems(_folder).Now();
        Assert.InRange(found.Count, 7, 8);
        Assert.All(found, p => Assert.Equal(500, p.Length));
        File.WriteAllText(Path.Combine(_folder, ".half"), "not yet");
        foreach (string file in Directory.GetFiles(_folder).Where(f => !f.EndsWith(".half", StringComparison.Ordinal)))
            File.Delete(file);
        Put("b", "b\u0007ell");
        Put("a", "first");
        Assert.Equal(["first", "bell"], new SystemProblems(_folder).Now());
    }
}
