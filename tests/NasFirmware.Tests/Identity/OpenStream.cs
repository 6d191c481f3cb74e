using System;
using System.Text;
using System.Threading;
using NasCore;
using NasCore.Mirror;
using NasFirmware.Identity;
using Xunit;

namespace NasFirmware.Tests.Identity;

/// <summary>A mirror of a root PFS that goes on and on, and what it has sent.</summary>
sealed class OpenStream : IByteChannel, IDisposable
{
    static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    readonly StringBuilder _sent = new();
    readonly CancellationTokenSource _stop = new();
    readonly Thread _thread;
    Exception? _end;

    internal OpenStream(HammerFs fs)
    {
        var options = new MirrorSourceOptions { TwoWay = false, Stream = true, Delay = TimeSpan.Zero };
        var session = new MirrorSourceSession(this, KeyGuard.Of(fs, 0, "a"), options, TimeProvider.System);
        _thread = new Thread(() => _end = Record.Exception(() => session.Run(_stop.Token))) { IsBackground = true };
        _thread.Start();
    }

    internal string Text
    {
        get { lock (_sent) return _sent.ToString(); }
    }

    internal void WaitFor(string text)
    {
        lock (_sent)
        {
            while (!_sent.ToString().Contains(text, StringComparison.Ordinal))
                Assert.True(Monitor.Wait(_sent, s_patience), $"{text} was not sent");
        }
    }

    /// <summary>It ends by itself: with what.</summary>
    internal MirrorRefusedException Ended()
    {
        Assert.True(_thread.Join(s_patience), "the stream goes on");
        return Assert.IsType<MirrorRefusedException>(_end);
    }

    public int Read(Span<byte> destination) => 0;

    public void Write(ReadOnlySpan<byte> source)
    {
        lock (_sent)
        {
            _sent.Append(Encoding.Latin1.GetString(source));
            Monitor.PulseAll(_sent);
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _thread.Join();
        _stop.Dispose();
    }
}
