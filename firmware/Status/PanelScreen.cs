using System;
using System.IO;
using NasDevices.Displays;

namespace NasFirmware.Status;

/// <summary>
/// Keeps the display as the status says: at most two pictures a second, and after a failure a new beginning, later and
/// later. The loop around <see cref="Step"/> is the panel's.
/// </summary>
sealed class PanelScreen(PanelOptions options, Func<BoxStatus> status, StatusBoard board, TimeProvider time)
    : IPanelPart
{
    static readonly TimeSpan s_tick = TimeSpan.FromSeconds(1), s_retryFirst = TimeSpan.FromSeconds(2),
        s_retryLast = TimeSpan.FromMinutes(1);

    readonly ScreenPager _pager = new(options.PageTime, options.SleepAfter);
    readonly long _start = time.GetTimestamp();
    readonly string _name = $"display on I2C bus {options.I2cBus}";
    IPixelPanel? _panel;
    Canvas? _canvas;
    TimeSpan _retry = s_retryFirst;

    public string Name => "panel display";

    public TimeSpan Step()
    {
        try
        {
            if (_panel is null)
            {
                _panel = options.OpenDisplay();
                _panel.Start();
                _canvas = new Canvas(_panel.Width, _panel.Height);
            }
            Show(_panel, _canvas!);
            board.Report(_name, null);
            _retry = s_retryFirst;
            return s_tick;
        }
        catch (IOException e)
        {
            Close();
            board.Report(_name, e.Message);
            TimeSpan wait = _retry;
            _retry = _retry * 2 < s_retryLast ? _retry * 2 : s_retryLast;
            return wait;
        }
    }

    void Show(IPixelPanel panel, Canvas canvas)
    {
        BoxStatus box = status();
        ScreenView view = _pager.Update(box, time.GetElapsedTime(_start));
        if (view.Page is not { } page)
        {
            panel.Turn(on: false);
            return;
        }
        (canvas.ShiftX, canvas.ShiftY) = (view.ShiftX, view.ShiftY);
        ScreenPages.Draw(page, box, canvas);
        panel.Show(canvas);
        panel.Turn(on: true);
    }

    /// <summary>Dark: what it would show from now on is not true any more.</summary>
    public void End()
    {
        try
        {
            _panel?.Turn(on: false);
        }
        catch (IOException)
        {
            // It is not there: dark anyway.
        }
    }

    void Close()
    {
        try
        {
            _panel?.Dispose();
        }
        catch (IOException)
        {
            // It could not even be closed; the next one is opened anew.
        }
        _panel = null;
    }

    public void Dispose() => Close();
}
