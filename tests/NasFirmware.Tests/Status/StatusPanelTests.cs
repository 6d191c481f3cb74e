using System;
using System.Collections.Generic;
using System.Device.Gpio;
using System.IO;
using System.Linq;
using System.Threading;
using NasDevices.Displays;
using NasDevices.Simulation;
using NasFirmware.Daemon;
using NasFirmware.Status;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>The panel's loops: devices that are absent, broken or slow, and a daemon that does not care.</summary>
public sealed class StatusPanelTests : IDisposable
{
    const string Led = "nas:green:status";

    readonly string _root = Directory.CreateTempSubdirectory("nh-panel").FullName;
    readonly ManualClock _clock = new();
    readonly StatusBoard _board = new();
    readonly SimulatedSsd1306 _display = new();
    SimulatedI2cBus _bus = new();
    BoxStatus _box = Judgement.Of(Boxes.Good, new StatusLimits());
    bool _busIsThere = true;

    public StatusPanelTests() => _bus.Attach(Ssd1306.DefaultAddress, _display);

    public void Dispose()
    {
        _bus.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    PanelOptions Options => new()
    {
        LedRoot = _root, Leds = Led, I2cBus = 1,
        OpenBus = _ => _busIsThere ? _bus : throw new IOException("there is no bus 1"),
    };

    string? Problem => _board.Snapshot("a", "1").Panel.SingleOrDefault()?.Problem;

    string Expected(ScreenPageKind page)
    {
        var canvas = new Canvas(128, 64);
        ScreenPages.Draw(new ScreenPage(page), _box, canvas);
        return canvas.ToString();
    }

    [Fact]
    public void Absent_display_is_tried_later_and_later_and_shows_when_it_comes()
    {
        _busIsThere = false;
        using var screen = new PanelScreen(Options, () => _box, _board, _clock);
        double[] waits = [.. Enumerable.Range(0, 7).Select(_ => screen.Step().TotalSeconds)];
        Assert.Equal([2, 4, 8, 16, 32, 60, 60], waits);
        Assert.Equal("there is no bus 1", Problem);
        _busIsThere = true;
        Assert.Equal(1, screen.Step().TotalSeconds);
        Assert.Null(Problem);
        Assert.Equal(Expected(ScreenPageKind.Mirror), _display.Picture().ToString());
    }

    [Fact]
    public void Display_that_is_unplugged_and_comes_back_is_set_up_anew()
    {
        using var screen = new PanelScreen(Options, () => _box, _board, _clock);
        screen.Step();
        _bus.IsUnplugged = true;
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(2, screen.Step().TotalSeconds);
        Assert.Contains("3ch", Problem, StringComparison.Ordinal);
        // Another display of the kind, fresh from the box.
        var another = new SimulatedSsd1306();
        _bus = new SimulatedI2cBus();
        _bus.Attach(Ssd1306.DefaultAddress, another);
        screen.Step();
        Assert.Null(Problem);
        Assert.Equal(Expected(ScreenPageKind.Proof), another.Picture().ToString());
    }

    [Fact]
    public void Display_shows_the_pages_sleeps_and_wakes_over_the_bus()
    {
        using var screen = new PanelScreen(Options, () => _box, _board, _clock);
        screen.Step();
        _clock.Advance(TimeSpan.FromMinutes(5));
        screen.Step();
        Assert.False(_display.IsOn);
        long bytes = _bus.Bytes;
        screen.Step();
        Assert.Equal(bytes, _bus.Bytes);
        _box = Judgement.Of(Boxes.Missing, new StatusLimits());
        screen.Step();
        Assert.True(_display.IsOn);
        screen.End();
        Assert.False(_display.IsOn);
        Assert.Empty(_display.Faults);
    }

    [Fact]
    public void Light_follows_the_status_and_its_absence_is_on_the_board()
    {
        using var lights = new PanelLights(Options, () => _box, _board, _clock);
        lights.Step();
        Assert.Contains("there is no", Problem, StringComparison.Ordinal);
        SimulatedLed led = SimulatedLed.Create(_root, Led);
        _clock.Advance(TimeSpan.FromSeconds(10));
        lights.Step();
        Assert.Null(Problem);
        led.Stamp(_clock.GetUtcNow());
        Assert.Equal("1000", led.Watch(_clock.GetUtcNow(), TimeSpan.FromSeconds(1)));
        _box = Judgement.Of(Boxes.Unreachable, new StatusLimits());
        lights.Step();
        led.Stamp(_clock.GetUtcNow());
        Assert.Equal("150 -200 150 -200 150 -1500", led.Watch(_clock.GetUtcNow(), TimeSpan.FromSeconds(2.35)));
    }

    [Fact]
    public void Light_at_the_end_says_whether_all_is_closed()
    {
        SimulatedLed led = SimulatedLed.Create(_root, Led);
        using var lights = new PanelLights(Options, () => _box, _board, _clock);
        lights.Step();
        lights.End();
        led.Stamp(_clock.GetUtcNow());
        Assert.Equal("150 -150", led.Watch(_clock.GetUtcNow(), TimeSpan.FromSeconds(0.3)));
        _box = Judgement.Of(Boxes.Missing, new StatusLimits());
        lights.End();
        led.Stamp(_clock.GetUtcNow());
        Assert.Equal("1000 -500 1000 -500 1000 -5000", led.Watch(_clock.GetUtcNow(), TimeSpan.FromSeconds(9)));
    }

    [Fact]
    public void Display_that_hangs_keeps_its_own_thread_only()
    {
        using var before = new ManualResetEventSlim();
        _bus.Answers.Reset();
        var thread = new PanelThread(new PanelScreen(Options, () =>
        {
            before.Set();
            return _box;
        }, _board, TimeProvider.System), _board, TimeProvider.System);
        try
        {
            // Nobody who reports waits, and the end does not either.
            for (int i = 0; i < 1000; i++)
            {
                thread.Wake();
                _board.Put(Boxes.Good.Volumes[0] with { BytesFree = i });
            }
            thread.End(TimeSpan.FromMilliseconds(50), show: true);
            Assert.False(before.IsSet);
        }
        finally
        {
            _bus.Answers.Set();
        }
    }

    sealed class FaultyPart : IPanelPart
    {
        internal int Steps;
        public string Name => "faulty";
        public TimeSpan Step()
        {
            Interlocked.Increment(ref Steps);
            throw new InvalidOperationException("a mistake");
        }
        public void End() => throw new InvalidOperationException("another");
        public void Dispose() => throw new InvalidOperationException("a third");
    }

    [Fact]
    public void Mistake_in_the_panel_is_said_and_takes_nothing_down()
    {
        var part = new FaultyPart();
        var thread = new PanelThread(part, _board, TimeProvider.System);
        Assert.True(SpinWait.SpinUntil(() => Problem is not null, TimeSpan.FromSeconds(20)));
        Assert.Contains("a mistake", Problem, StringComparison.Ordinal);
        thread.End(TimeSpan.FromSeconds(20), show: true);
        Assert.Equal(1, part.Steps);
    }

    [Fact]
    public void Changes_are_shown_at_once_but_not_more_than_twice_a_second()
    {
        var seen = new List<long>();
        var part = new CountingPart(seen);
        var thread = new PanelThread(part, _board, TimeProvider.System);
        using var stop = new ManualResetEventSlim();
        for (int i = 0; i < 24; i++)
        {
            thread.Wake();
            stop.Wait(TimeSpan.FromMilliseconds(50), TestContext.Current.CancellationToken);
        }
        thread.End(TimeSpan.FromSeconds(20), show: false);
        lock (seen)
        {
            Assert.True(seen.Count >= 2);
            for (int i = 1; i < seen.Count; i++)
                Assert.True(TimeProvider.System.GetElapsedTime(seen[i - 1], seen[i]).TotalMilliseconds >= 495);
        }
    }

    sealed class CountingPart(List<long> seen) : IPanelPart
    {
        public string Name => "counting";

        public TimeSpan Step()
        {
            lock (seen) seen.Add(TimeProvider.System.GetTimestamp());
            return TimeSpan.FromHours(1);
        }

        public void End()
        {
            // Nothing to show.
        }

        public void Dispose()
        {
            // Nothing held.
        }
    }

    [Theory]
    [InlineData("alert", "Alert")]
    [InlineData("Past", "Past")]
    [InlineData(null, "Mirror")]
    public void Page_is_found_by_its_name(string? name, string kind) =>
        Assert.Equal(kind, PanelPicture.PageOf(name, _box).Kind.ToString());

    [Theory]
    [InlineData("7")]
    [InlineData("99")]
    [InlineData("mirrors")]
    public void Page_of_another_name_is_refused_with_the_names(string name)
    {
        var refusal = Assert.Throws<NasFirmware.Cli.UsageException>(() => PanelPicture.PageOf(name, _box));
        Assert.Contains("mirror, proof, past", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Line_of_a_gpio_chip_is_a_light_too()
    {
        var driver = new SimulatedGpioDriver(32);
        PanelOptions options = Options with { Leds = "", GpioChip = "/dev/gpiochip0", GpioLine = 17,
            OpenChip = _ => new GpioController(driver) };
        using var lights = new PanelLights(options, () => _box, _board, TimeProvider.System);
        lights.Step();
        Assert.True(SpinWait.SpinUntil(() => driver.IsHigh(17), TimeSpan.FromSeconds(20)));
        Assert.Null(Problem);
    }

    [Fact]
    public void Unknown_bus_of_this_machine_degrades()
    {
        using var screen = new PanelScreen(new PanelOptions { I2cBus = 250 }, () => _box, _board, _clock);
        Assert.Equal(2, screen.Step().TotalSeconds);
        Assert.NotNull(Problem);
    }
}
