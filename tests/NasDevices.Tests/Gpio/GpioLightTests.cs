using System;
using System.Device.Gpio;
using System.IO;
using NasDevices.Boards;
using NasDevices.Gpio;
using NasDevices.Leds;
using NasDevices.Simulation;
using NasTesting;
using Xunit;

namespace NasDevices.Tests.Gpio;

public sealed class GpioLightTests
{
    readonly ManualClock _clock = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rhythm_and_what_follows_it_are_switched_in_time(bool activeLow)
    {
        var driver = new SimulatedGpioDriver(8);
        using var controller = new GpioController(driver);
        controller.OpenPin(3, PinMode.Output);
        using var player = new SoftPlayer("x", _clock, lit => controller.Write(3,
            lit != activeLow ? PinValue.High : PinValue.Low), ownThread: false);
        var show = new LightShow(Rhythm.Of(500, 500), TimeSpan.FromSeconds(3), Rhythm.Of(150, 150));
        player.Play(show);
        for (int ms = 0; ms < 6000; ms += 10)
        {
            player.Step();
            bool expected = ms < 3000 ? ms % 1000 < 500 : (ms - 3000) % 300 < 150;
            Assert.Equal(expected, driver.IsHigh(3) != activeLow);
            _clock.Advance(TimeSpan.FromMilliseconds(10));
        }
        // Switched only when it changes.
        Assert.Equal(6 + 20, driver.Writes);
    }

    [Fact]
    public void Step_says_how_long_nothing_changes()
    {
        using var player = new SoftPlayer("x", _clock, _ => { }, ownThread: false);
        Assert.Null(player.Step());
        player.Play(new LightShow(Rhythm.Solid, TimeSpan.FromSeconds(3), Rhythm.Of(150, 150)));
        Assert.Equal(TimeSpan.FromSeconds(3), player.Step());
        _clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromMilliseconds(150), player.Step());
        player.Play(new LightShow(Rhythm.Solid, null, Rhythm.Dark));
        Assert.Null(player.Step());
    }

    [Fact]
    public void Broken_chip_is_said_and_opened_anew_when_it_is_back()
    {
        var driver = new SimulatedGpioDriver(8) { IsBroken = true };
        int opened = 0;
        using var light = new GpioLight(() =>
        {
            opened++;
            return new GpioController(driver);
        }, 3, activeLow: false, _clock);
        var show = new LightShow(Rhythm.Solid, null, Rhythm.Dark);
        Assert.Throws<IOException>(() => light.Play(show, LightColour.Green));
        driver.IsBroken = false;
        light.Play(show, LightColour.Green);
        Assert.Equal(2, opened);
        Assert.True(driver.IsOutput(3));
        // The player's own thread switches it.
        Assert.True(System.Threading.SpinWait.SpinUntil(() => driver.IsHigh(3), TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public void Missing_chip_is_an_error_that_names_it()
    {
        string path = Path.Combine(Path.GetTempPath(), "no-gpiochip");
        Assert.Contains(path, Assert.Throws<IOException>(() => new ChardevGpioDriver(path)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void File_that_is_no_chip_is_an_error_that_says_so() =>
        Assert.Contains("no GPIO chip", Assert.Throws<IOException>(() => new ChardevGpioDriver("/dev/null")).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("Raspberry Pi 4 Model B Rev 1.5", "Raspberry Pi 4", 1)]
    [InlineData("Raspberry Pi Zero 2 W Rev 1.0", "Raspberry Pi Zero 2 W", 1)]
    [InlineData("linux,dummy-virt", "unknown", -1)]
    public void Board_is_found_by_its_model(string model, string name, int bus)
    {
        BoardProfile board = BoardProfiles.Of(model);
        Assert.Equal(name, board.Name);
        Assert.Equal(bus, board.Bus);
        Assert.NotEmpty(board.Usual);
    }

    [Fact]
    public void Machine_without_a_device_tree_is_unknown() =>
        Assert.Equal("unknown", BoardProfiles.Current(Path.Combine(Path.GetTempPath(), "no-model")).Name);
}
