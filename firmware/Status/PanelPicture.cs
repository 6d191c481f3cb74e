using System;
using System.IO;
using System.Linq;
using NasDevices.Displays;
using NasDevices.Leds;
using NasDevices.Simulation;

namespace NasFirmware.Status;

/// <summary>
/// The panel as a picture, for boxes without one and for looking from afar: the very bytes for the display go over a
/// simulated bus into a simulated controller, and what its panel would show is drawn, with the light beside it: its
/// colour, what it says, and its rhythm over four seconds.
/// </summary>
static class PanelPicture
{
    const int Dot = 4, Margin = 16, LightWidth = 160, RhythmMs = 4000;
    const int Case = 0x202428, Glass = 0x000008, Lit = 0xB8E0FF, Text = 0xD0D0D0, DarkLight = 0x303438;

    /// <summary>Draws a page over the simulated bus, as the display shows it.</summary>
    internal static Canvas Screen(BoxStatus box, ScreenPage page)
    {
        using var bus = new SimulatedI2cBus();
        var controller = new SimulatedSsd1306();
        bus.Attach(Ssd1306.DefaultAddress, controller);
        using var panel = new Ssd1306(bus.CreateDevice(Ssd1306.DefaultAddress));
        var canvas = new Canvas(panel.Width, panel.Height);
        ScreenPages.Draw(page, box, canvas);
        panel.Start();
        panel.Show(canvas);
        panel.Turn(on: true);
        if (controller.Faults.Count > 0)
            throw new InvalidOperationException("the display would not understand: " + controller.Faults[0]);
        return controller.Picture();
    }

    internal static void Write(BoxStatus box, ScreenPage page, Stream to)
    {
        Canvas screen = Screen(box, page);
        int screenWidth = screen.Width * Dot, screenHeight = screen.Height * Dot;
        var picture = new PngPicture(screenWidth + LightWidth + 3 * Margin, screenHeight + 2 * Margin);
        picture.Fill(0, 0, picture.Width, picture.Height, Case);
        picture.Fill(Margin - 6, Margin - 6, screenWidth + 12, screenHeight + 12, Glass);
        for (int y = 0; y < screen.Height; y++)
        {
            for (int x = 0; x < screen.Width; x++)
            {
                if (screen[x, y]) picture.Fill(Margin + x * Dot, Margin + y * Dot, Dot - 1, Dot - 1, Lit);
            }
        }
        DrawLight(box, picture, 2 * Margin + screenWidth, Margin);
        picture.WriteTo(to);
    }

    static void DrawLight(BoxStatus box, PngPicture picture, int left, int top)
    {
        LightRow row = LightTable.Of(box.Light);
        int colour = ColourOf(row.Colour);
        const int radius = 24;
        for (int y = -radius; y <= radius; y++)
        {
            int half = (int)Math.Sqrt(radius * radius - y * y);
            picture.Fill(left + LightWidth / 2 - half, top + 32 + y, 2 * half, 1, colour);
        }
        Write(picture, left, top + 72, row.Word, 2);
        Write(picture, left, top + 100, row.Colour.ToString().ToLowerInvariant(), 1);
        int line = top + 116;
        foreach (string words in ScreenPages.Wrap(row.RhythmText))
        {
            Write(picture, left, line, words, 1);
            line += 12;
        }
        // The rhythm, from left to right.
        int strip = top + 152;
        for (int x = 0; x < LightWidth; x++)
        {
            bool lit = LightTable.RhythmOf(row.State, LightColour.White)
                .At(TimeSpan.FromMilliseconds((double)x / LightWidth * RhythmMs)).IsLit;
            picture.Fill(left + x, strip, 1, 20, lit ? colour : DarkLight);
        }
        for (int second = 0; second <= RhythmMs / 1000; second++)
            picture.Fill(left + second * 1000 * (LightWidth - 1) / RhythmMs, strip + 22, 1, 5, Text);
        Write(picture, left, strip + 30, $"{RhythmMs / 1000} s", 1);
    }

    static void Write(PngPicture picture, int left, int top, string text, int dot)
    {
        var canvas = new Canvas(text.Length * Font.Advance, Font.Height);
        canvas.Text(0, 0, text);
        for (int y = 0; y < canvas.Height; y++)
        {
            for (int x = 0; x < canvas.Width; x++)
            {
                if (canvas[x, y]) picture.Fill(left + x * dot, top + y * dot, dot, dot, Text);
            }
        }
    }

    static int ColourOf(LightColour colour) => colour switch
    {
        LightColour.Green => 0x30D050, LightColour.Blue => 0x4060FF, LightColour.Cyan => 0x30D0D0,
        LightColour.Amber => 0xFFB020, LightColour.Red => 0xFF3030, _ => 0xF0F0F0,
    };

    /// <summary>The page of that name; without one, the first that the display would show.</summary>
    internal static ScreenPage PageOf(string? name, BoxStatus box)
    {
        if (name is null) return ScreenPager.Pages(box)[0];
        ScreenPage[] found = [.. Enum.GetValues<ScreenPageKind>()
            .Where(k => name.Equals(k.ToString(), StringComparison.OrdinalIgnoreCase)).Select(k => new ScreenPage(k))];
        return found.Length > 0
            ? found[0]
            : throw new Cli.UsageException($"--page {name}: pages are "
                + string.Join(", ", Enum.GetNames<ScreenPageKind>().Select(n => n.ToLowerInvariant())));
    }
}
