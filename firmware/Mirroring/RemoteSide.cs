using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading;

namespace NasFirmware.Mirroring;

/// <summary>A side on another machine: hammer there, started by ssh with the original's command line.</summary>
sealed class RemoteSide(string host, string path, bool source, MirrorSettings settings) : MirrorSide
{
    volatile Process? _process;

    /// <summary>The words to execute (mirroring-and-operations 4.7).</summary>
    internal List<string> Words()
    {
        var words = new List<string> { SshCommand.Program };
        if (settings.Compress) words.Add("-C");
        int at = host.IndexOf('@', StringComparison.Ordinal);
        if (at >= 0) words.AddRange(["-l", host[..at]]);
        words.Add(host[(at + 1)..]);
        if (settings.Port is { } port) words.AddRange(["-p", port]);
        words.Add("hammer");
        if (settings.Verbose > 0) words.Add("-" + new string('v', Math.Min(settings.Verbose, 3)));
        if (settings.Yes) words.Add("-y");
        words.Add("-2");
        if (source && settings.TimeLimit > 0)
        {
            words.AddRange(["-t", settings.TimeLimit.ToString(CultureInfo.InvariantCulture)]);
        }
        if (source && settings.ChunkText is { } chunk) words.AddRange(["-S", chunk]);
        words.Add(!source ? "mirror-write" : settings.Stream ? "mirror-read-stream" : "mirror-read");
        words.Add(path);
        return words;
    }

    internal override bool Run(Stream input, Stream output)
    {
        List<string> words = Words();
        var start = new ProcessStartInfo(words[0], words.GetRange(1, words.Count - 1))
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false,
        };
        using Process process = Start(start);
        _process = process;
        var feeder = new Thread(() => Copy(input, process.StandardInput.BaseStream, close: true))
        {
            IsBackground = true, Name = "mirror-feed",
        };
        feeder.Start();
        Copy(process.StandardOutput.BaseStream, output, close: false);
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new IOException($"{start.FileName} did not start");
        }
        catch (Win32Exception e)
        {
            throw new IOException($"cannot start {start.FileName}: {e.Message}", e);
        }
    }

    static void Copy(Stream from, Stream to, bool close)
    {
        byte[] buffer = new byte[1 << 18];
        try
        {
            int got;
            while ((got = from.Read(buffer)) > 0)
            {
                to.Write(buffer, 0, got);
                to.Flush();
            }
            if (close) to.Dispose();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The other end has gone: this end is told by its own streams.
        }
    }

    internal override void Abort()
    {
        try
        {
            _process?.Kill();
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            // It has ended by itself.
        }
    }
}
