using System;
using System.IO;
using System.Linq;
using NasDevices.Displays;
using NasDevices.Simulation;
using Xunit;

namespace NasDevices.Tests.Displays;

/// <summary>The bytes on the bus, decoded by the simulated controller, are the picture that was drawn.</summary>
public sealed class Ssd1306Tests : IDisposable
{
    public void Dispose() => _bus.Dispose();

    readonly SimulatedI2cBus _bus = new();
    readonly SimulatedSsd1306 _controller = new();
    readonly Canvas _canvas = new(128, 64);

    Ssd1306 Panel(bool rotated = false)
    {
        _bus.Attach(Ssd1306.DefaultAddress, _controller);
        return new Ssd1306(_bus.CreateDevice(Ssd1306.DefaultAddress), rotated);
    }

    static void Scribble(Canvas canvas, int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < 200; i++) canvas.Set(random.Next(-3, 131), random.Next(-3, 67), random.Next(2) == 0);
        canvas.Text(random.Next(100), random.Next(60), "Ag" + seed);
    }

    [Fact]
    public void Pictures_arrive_as_they_were_drawn()
    {
        using Ssd1306 panel = Panel();
        panel.Start();
        panel.Turn(on: true);
        for (int seed = 0; seed < 50; seed++)
        {
            Scribble(_canvas, seed);
            panel.Show(_canvas);
            Assert.Equal(_canvas.ToString(), _controller.Picture().ToString());
        }
        Assert.Empty(_controller.Faults);
    }

    [Fact]
    public void Only_what_changed_is_sent()
    {
        using Ssd1306 panel = Panel();
        panel.Start();
        _canvas.Text(0, 0, "In step");
        panel.Show(_canvas);
        Assert.Equal(1024, _controller.DataBytes);
        long bytes = _bus.Bytes;
        panel.Show(_canvas);
        Assert.Equal(bytes, _bus.Bytes);
        _canvas.Set(100, 30);
        _canvas.Set(103, 30);
        panel.Show(_canvas);
        Assert.Equal(1024 + 4, _controller.DataBytes);
    }

    [Fact]
    public void Display_mounted_upside_down_shows_the_picture_turned()
    {
        using Ssd1306 panel = Panel(rotated: true);
        panel.Start();
        panel.Turn(on: true);
        Scribble(_canvas, 7);
        panel.Show(_canvas);
        Canvas seen = _controller.Picture();
        for (int i = 0; i < 128 * 64; i++) Assert.Equal(_canvas[i % 128, i / 128], seen[127 - i % 128, 63 - i / 128]);
    }

    [Fact]
    public void Display_is_dark_until_it_has_a_picture_and_when_turned_off()
    {
        using Ssd1306 panel = Panel();
        panel.Start();
        Assert.DoesNotContain('#', _controller.Picture().ToString());
        _canvas.Fill(0, 0, 128, 64);
        panel.Show(_canvas);
        Assert.False(_controller.IsOn);
        panel.Turn(on: true);
        Assert.DoesNotContain('.', _controller.Picture().ToString());
        long bytes = _bus.Bytes;
        panel.Turn(on: true);
        Assert.Equal(bytes, _bus.Bytes);
        panel.Turn(on: false);
        Assert.DoesNotContain('#', _controller.Picture().ToString());
    }

    [Fact]
    public void Picture_whose_sending_failed_anywhere_is_sent_again_as_a_whole()
    {
        for (int failing = 0; failing < 24; failing++)
        {
            using Ssd1306 panel = Panel();
            panel.Start();
            panel.Turn(on: true);
            Scribble(_canvas, failing);
            _bus.FailAfter = failing;
            Assert.Throws<IOException>(() => panel.Show(_canvas));
            Assert.Null(_bus.FailAfter);
            panel.Show(_canvas);
            Assert.Equal(_canvas.ToString(), _controller.Picture().ToString());
        }
    }

    [Fact]
    public void Absent_display_is_an_error_with_its_address()
    {
        using var panel = new Ssd1306(_bus.CreateDevice(0x3D));
        Assert.Contains("3dh", Assert.Throws<IOException>(panel.Start).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Simulated_controller_tells_what_it_does_not_understand()
    {
        _controller.Receive([0x00, 0xE3, 0x00]);
        _controller.Receive([0x00, 0x21, 0x05]);
        _controller.Receive([0x77]);
        _controller.Receive([0x40, 0xFF]);
        Assert.Equal(
            ["command e3h", "command 00h", "command 21h lacks its arguments", "control byte 77h",
                "memory mode 2 is not simulated"], _controller.Faults);
    }

    [Fact]
    public void Every_letter_has_dots_of_its_own()
    {
        string[] letters = [.. Enumerable.Range(33, 94).Select(c =>
        {
            var canvas = new Canvas(Font.Advance, Font.Height);
            canvas.Text(0, 0, ((char)c).ToString());
            return canvas.ToString();
        })];
        Assert.Equal(letters.Length, letters.Distinct().Count());
        Assert.All(letters, l => Assert.Contains('#', l));
        // The last column belongs to the gap.
        Assert.All(letters, l => Assert.All(l.Split('\n', StringSplitOptions.RemoveEmptyEntries), r =>
            Assert.EndsWith(".", r, StringComparison.Ordinal)));
    }

    [Fact]
    public void Letters_outside_of_ascii_are_question_marks()
    {
        _canvas.Text(0, 0, "\u00e4\u20ac\n");
        var expected = new Canvas(128, 64);
        expected.Text(0, 0, "???");
        Assert.Equal(expected.ToString(), _canvas.ToString());
    }

    [Fact]
    public void Picture_file_is_a_sound_png()
    {
        var picture = new PngPicture(3, 2);
        picture.Fill(-1, 0, 3, 1, 0x102030);
        using var to = new MemoryStream();
        picture.WriteTo(to);
        byte[] png = to.ToArray();
        Assert.Equal([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], png[..8]);
        // The checksum of an empty IEND is the same in every PNG.
        Assert.Equal([0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82], png[^8..]);
        Assert.Equal(3, png[19]);
        Assert.Equal(2, png[23]);
    }
}
