using System;
using System.Globalization;
using System.IO;
using System.Text;
using System.Text.Json;
using System.Threading;
using NasCore.Mirror;
using NasCore.Ondisk;
using NasFirmware.Cli;
using NasFirmware.Control;

namespace NasFirmware.Mirroring;

/// <summary>A side in a process that serves a mount here, over its control socket.</summary>
abstract class LocalSide(MirrorProgress progress) : MirrorSide
{
    volatile MirrorFrames? _frames;
    PfsPath? _linked;

    protected MirrorProgress Progress => progress;

    /// <summary>
    /// Begins the session with its stream on a <see cref="DataLink"/>; <see cref="Follow"/> waits for its end.
    /// </summary>
    internal abstract void Begin(string link);

    /// <summary>True if a session can run on a link now.</summary>
    internal virtual bool CanLink => true;

    protected void Begin(PfsPath pfs, string query)
    {
        _linked = pfs;
        _frames = pfs.Client.OpenMirror(query);
    }

    /// <summary>Shows events of the session begun until it tells its result.</summary>
    internal bool Follow()
    {
        MirrorFrames frames = _frames ?? throw new InvalidOperationException("the session has not begun");
        return Carry(frames, Stream.Null, Stream.Null, takesInput: false, []);
    }

    /// <summary>Carries bytes both ways until the session tells its result.</summary>
    protected bool Carry(MirrorFrames frames, Stream input, Stream output, bool takesInput, byte[] first)
    {
        _frames = frames;
        if (first.Length > 0) frames.Write(FrameKind.Data, first);
        if (takesInput)
        {
            var feeder = new Thread(() => Feed(frames, input)) { IsBackground = true, Name = "mirror-feed" };
            feeder.Start();
        }
        byte[] buffer = new byte[MirrorFrames.PayloadBytesMax];
        while (frames.TryReadHead(out FrameKind kind, out int length))
        {
            Span<byte> payload = buffer.AsSpan(0, length);
            frames.ReadPayload(payload);
            switch (kind)
            {
                case FrameKind.Data:
                    output.Write(payload);
                    output.Flush();
                    break;
                case FrameKind.Event:
                    progress.Show(JsonSerializer.Deserialize(payload, ControlJson.Default.MirrorEvent)!);
                    break;
                case FrameKind.Result:
                    return progress.Ended(JsonSerializer.Deserialize(payload, ControlJson.Default.MirrorResult)!);
                default:
                    throw new InvalidDataException($"the mounting process sent a frame of kind {kind}");
            }
        }
        throw new IOException("the process that serves the mount has gone");
    }

    static void Feed(MirrorFrames frames, Stream input)
    {
        byte[] buffer = new byte[MirrorFrames.PayloadBytesMax];
        try
        {
            int got;
            while ((got = input.Read(buffer)) > 0) frames.Write(FrameKind.Data, buffer.AsSpan(0, got));
            frames.Write(FrameKind.End, []);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // One of the two has gone; the session notices by itself and tells.
        }
    }

    internal override void Abort() => _frames?.Dispose();

    /// <summary>Lets go of a session on a link.</summary>
    internal void End()
    {
        Abort();
        _linked?.Dispose();
    }
}

/// <summary>mirror-read of a mounted PFS.</summary>
sealed class LocalSource(string path, MirrorSettings settings, MirrorProgress progress) : LocalSide(progress)
{
    internal override bool Run(Stream input, Stream output)
    {
        using PfsPath pfs = PfsPath.Open(path);
        using MirrorFrames frames = pfs.Client.OpenMirror(Query(pfs));
        return Carry(frames, input, output, settings.TwoWay, []);
    }

    internal override void Begin(string link)
    {
        PfsPath pfs = PfsPath.Open(path);
        Begin(pfs, Query(pfs) + "&connect=" + link);
    }

    string Query(PfsPath pfs)
    {
        var query = new StringBuilder();
        void Number(string name, long value) => query.Append(CultureInfo.InvariantCulture, $"&{name}={value}");
        query.Append(CultureInfo.InvariantCulture, $"/mirror/source?pfs={pfs.PfsId}");
        Number("delay", settings.Delay);
        if (settings.TwoWay) Number("twoWay", 1);
        if (settings.Stream) Number("stream", 1);
        if (settings.DialectA) Number("dialectA", 1);
        if (settings.Verbose > 0) Number("events", 1);
        if (settings.Bandwidth > 0) Number("bandwidth", settings.Bandwidth);
        if (settings.TimeLimit > 0) Number("limit", settings.TimeLimit);
        if (settings.ChunkBytes is { } chunk) Number("chunk", chunk);
        if (settings.Begin is { } begin) query.Append("&begin=").Append(begin);
        return query.ToString();
    }
}

/// <summary>mirror-write to a mounted PFS; a missing one is made when the source has said which it is.</summary>
sealed class LocalTarget(string path, MirrorSettings settings, MirrorProgress progress) : LocalSide(progress)
{
    internal override bool Run(Stream input, Stream output)
    {
        byte[] first = PfsPath.Exists(path) ? [] : CreateSlave(input);
        using PfsPath pfs = PfsPath.Open(path);
        using MirrorFrames frames = pfs.Client.OpenMirror(Query(pfs));
        return Carry(frames, input, output, takesInput: true, first);
    }

    /// <summary>A slave that does not exist yet is made from the first record of the stream.</summary>
    internal override bool CanLink => PfsPath.Exists(path);

    internal override void Begin(string link)
    {
        PfsPath pfs = PfsPath.Open(path);
        Begin(pfs, Query(pfs) + "&listen=" + link);
    }

    string Query(PfsPath pfs) => string.Create(CultureInfo.InvariantCulture, $"/mirror/target?pfs={pfs.PfsId}")
        + (settings.TwoWay ? "&twoWay=1" : "") + (settings.DialectA ? "&dialectA=1" : "")
        + (settings.Verbose > 0 ? "&events=1" : "");

    byte[] CreateSlave(Stream input)
    {
        if (settings.DialectA) throw new IOException($"{path} does not exist; make it with pfs-slave");
        byte[] ident = new byte[MrecordHead.Padded(MrecordPfsd.Bytes)];
        input.ReadExactly(ident);
        var reader = new MrecordReader(new ArrayChannel(ident));
        if (!reader.TryRead() || reader.Kind != MrecordType.Pfsd)
        {
            throw new IOException($"{path} does not exist, and the source did not say what it is");
        }
        Guid shared = reader.Pfsd.SharedUuid;
        Console.Error.WriteLine($"{path} does not exist");
        if (!settings.Yes && !Progress.Ask("Create it as a slave PFS? [y/n] "))
        {
            throw new IOException("nothing was done");
        }
        Console.Error.WriteLine($"creating slave PFS {path} with shared-uuid={shared:D}");
        PfsText.Create(path, slave: true, new PfsUpdateRequest { SharedUuid = shared }, Console.Error);
        return ident;
    }

    sealed class ArrayChannel(byte[] bytes) : IByteChannel
    {
        int _at;

        public int Read(Span<byte> destination)
        {
            int n = Math.Min(destination.Length, bytes.Length - _at);
            bytes.AsSpan(_at, n).CopyTo(destination);
            _at += n;
            return n;
        }

        public void Write(ReadOnlySpan<byte> source) => throw new NotSupportedException();
    }
}
