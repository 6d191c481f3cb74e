using System;
using System.IO;
using System.Linq;
using NasDevices.Leds;
using NasDevices.Simulation;
using NasTesting;
using Xunit;

namespace NasDevices.Tests.Leds;

/// <summary>What a person sees on lights of the LED class, played by the simulated kernel on a virtual clock.</summary>
public sealed class LedClassTests : IDisposable
{
    const string Green = "nas:green:status", Red = "nas:red:status";

    readonly string _root = Directory.CreateTempSubdirectory("nh-led").FullName;
    readonly ManualClock _clock = new();

    public void Dispose() => Directory.Delete(_root, recursive: true);

    SimulatedLed Led(string name = Green, bool pattern = true, bool timer = true, int max = 255) =>
        SimulatedLed.Create(_root, name, pattern, timer, max);

    LightSet Lights(params string[] names) => Lights(isQuiet: false, names);

    LightSet Lights(bool isQuiet, params string[] names) =>
        new([.. names.Select(n => new LedClassLight(_root, n, _clock))], _clock, isQuiet);

    string Watch(SimulatedLed led, double seconds) => led.Watch(_clock.GetUtcNow(), TimeSpan.FromSeconds(seconds));

    void Update(LightSet lights, LightState state, params SimulatedLed[] leds)
    {
        lights.Update(state);
        foreach (SimulatedLed led in leds) led.Stamp(_clock.GetUtcNow());
    }

    static string Twice(Rhythm rhythm) => string.Join(' ', rhythm.Steps.Concat(rhythm.Steps)
        .Select(s => s.IsLit ? s.Milliseconds : -s.Milliseconds));

    public static TheoryData<LightState> States => [.. Enum.GetValues<LightState>()];

    [Theory, MemberData(nameof(States))]
    public void State_is_played_by_the_kernel_as_the_table_says(LightState state)
    {
        SimulatedLed led = Led();
        using LightSet lights = Lights(Green);
        Update(lights, state, led);
        Rhythm rhythm = LightTable.RhythmOf(state, LightColour.Green);
        Assert.Equal("pattern", led.Trigger);
        string seen = Watch(led, 2 * rhythm.PeriodMs / 1000.0);
        if (rhythm.IsSteady) Assert.Equal("2000", seen);
        else if (rhythm.IsOnce) Assert.Equal("1000 -500 1000 -500 1000 -5000", seen);
        else Assert.Equal(Twice(rhythm), seen);
        Assert.DoesNotContain(lights.Problems, p => p.Problem is not null);
    }

    [Theory, MemberData(nameof(States))]
    public void State_that_is_renewed_never_breaks_its_rhythm(LightState state)
    {
        SimulatedLed led = Led();
        using LightSet lights = Lights(Green);
        Rhythm rhythm = LightTable.RhythmOf(state, LightColour.Green);
        long start = _clock.GetTimestamp();
        for (int step = 0; step < 150; step++)
        {
            lights.Update(state);
            led.Stamp(_clock.GetUtcNow());
            TimeSpan into = _clock.GetElapsedTime(start);
            Assert.True(rhythm.At(into).IsLit == led.IsLitAt(_clock.GetUtcNow()), $"after {into}");
            // Steps that the loop would take: until it is due, or when something woke it.
            _clock.Advance(TimeSpan.FromMilliseconds(100));
        }
    }

    [Fact]
    public void Good_light_that_is_not_renewed_goes_bad_and_then_dark()
    {
        SimulatedLed led = Led();
        using LightSet lights = Lights(Green);
        Update(lights, LightState.InStepProven, led);
        Assert.Equal("12000", Watch(led, 12));
        _clock.Advance(TimeSpan.FromSeconds(12.15));
        Assert.Equal("-150 150 -150 150", Watch(led, 0.6));
        _clock.Advance(TimeSpan.FromSeconds(45));
        Assert.Equal("-150 150 -150 150", Watch(led, 0.6));
        _clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal("-60000", Watch(led, 60));
    }

    [Theory, MemberData(nameof(States))]
    public void No_state_but_the_endless_ones_outlives_its_daemon(LightState state)
    {
        SimulatedLed led = Led();
        using LightSet lights = Lights(Green);
        Update(lights, state, led);
        _clock.Advance(LightSet.HoldOf(LightTable.Of(state).Rhythm) + TimeSpan.FromMilliseconds(300));
        bool endless = state is LightState.Failed or LightState.FailedAcknowledged;
        if (state == LightState.SafeToUnplug) Assert.Equal("-600", Watch(led, 0.6));
        else Assert.Equal("150 -150 150 -150", Watch(led, 0.6));
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(endless ? "150 -150 150 -150" : "-600", Watch(led, 0.6));
    }

    [Fact]
    public void Two_colours_share_the_states_and_failure_is_red()
    {
        SimulatedLed green = Led(), red = Led(Red);
        using LightSet lights = Lights(Green, Red);
        Update(lights, LightState.InStepProven, green, red);
        Assert.Equal("1000", Watch(green, 1));
        Assert.Equal("-1000", Watch(red, 1));
        _clock.Advance(TimeSpan.FromSeconds(12.3));
        Assert.Equal("-600", Watch(green, 0.6));
        Assert.Equal("150 -150 150 -150", Watch(red, 0.6));
        Update(lights, LightState.Attention, green, red);
        Assert.Equal("200 -800", Watch(green, 1));
        Assert.Equal("200 -800", Watch(red, 1));
        Update(lights, LightState.FailedAcknowledged, green, red);
        Assert.Equal("-1000", Watch(green, 1));
        Assert.Equal("1000", Watch(red, 1));
    }

    [Fact]
    public void Light_of_three_colours_gets_the_colour_by_the_order_of_its_parts()
    {
        SimulatedLed led = Led("nas:rgb:status", max: 100);
        using LightSet lights = Lights("nas:rgb:status");
        Update(lights, LightState.Lagging, led);
        Assert.Equal("100 100 0", File.ReadAllText(Path.Combine(_root, "nas:rgb:status", "multi_intensity")).Trim());
        Assert.Equal(100, led.LevelAt(_clock.GetUtcNow()));
        Update(lights, LightState.FailedAcknowledged, led);
        Assert.Equal("100 0 0", File.ReadAllText(Path.Combine(_root, "nas:rgb:status", "multi_intensity")).Trim());
        Assert.Equal("1000", Watch(led, 1));
    }

    [Fact]
    public void Quiet_light_is_dark_but_not_over_a_failure_or_a_dead_daemon()
    {
        SimulatedLed led = Led();
        using LightSet lights = Lights(isQuiet: true, Green);
        Update(lights, LightState.Streaming, led);
        Assert.Equal("-3000", Watch(led, 3));
        _clock.Advance(TimeSpan.FromSeconds(12.3));
        Assert.Equal("150 -150 150 -150", Watch(led, 0.6));
        Update(lights, LightState.Failed, led);
        Assert.Equal("150 -150 150 -150", Watch(led, 0.6));
    }

    [Fact]
    public void Kernel_without_patterns_blinks_with_the_timer_and_the_rest_is_switched_here()
    {
        SimulatedLed led = Led(pattern: false);
        using LightSet lights = Lights(Green);
        Update(lights, LightState.Streaming, led);
        Assert.Equal("timer", led.Trigger);
        Assert.Equal("500 -500 500 -500", Watch(led, 2));
        Update(lights, LightState.Failed, led);
        Assert.Equal("150 -150 150 -150", Watch(led, 0.6));
        Update(lights, LightState.InStepProven, led);
        Assert.Equal("none", led.Trigger);
        Update(lights, LightState.Streaming, led);
        Assert.Equal("timer", led.Trigger);
    }

    [Fact]
    public void Light_that_comes_later_is_found_and_one_that_goes_is_said()
    {
        using LightSet lights = Lights(Green, Red);
        SimulatedLed green = Led();
        Update(lights, LightState.InStepProven, green);
        Assert.Equal("1000", Watch(green, 1));
        Assert.Contains("there is no", Assert.Single(lights.Problems, p => p.Problem is not null).Problem,
            StringComparison.Ordinal);
        SimulatedLed red = Led(Red);
        Update(lights, LightState.InStepProven, green, red);
        Assert.Equal("none", red.Trigger);
        _clock.Advance(TimeSpan.FromSeconds(10));
        Update(lights, LightState.InStepProven, green, red);
        Assert.Equal("pattern", red.Trigger);
        Assert.DoesNotContain(lights.Problems, p => p.Problem is not null);
        Directory.Delete(Path.Combine(_root, Green), recursive: true);
        Update(lights, LightState.Failed, red);
        Assert.Equal("150 -150", Watch(red, 0.3));
        Assert.Single(lights.Problems, p => p.Problem is not null);
    }

    [Fact]
    public void Pattern_fits_the_kernels_page_for_every_state()
    {
        foreach (LightRow row in LightTable.Rows)
        {
            (string pattern, _) = LedPattern.Of(new LightShow(row.Rhythm, LightSet.HoldOf(row.Rhythm),
                LightTable.Of(LightState.Failed).Rhythm), 65535);
            Assert.InRange(pattern.Length, 8, 4095);
            Assert.InRange(pattern.Split(' ').Length / 2, 2, 1024);
        }
    }
}
