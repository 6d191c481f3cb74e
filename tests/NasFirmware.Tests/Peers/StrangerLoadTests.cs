using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Peers;

/// <summary>What hundreds of strangers cost who have shown no key: memory, threads and sockets stay bounded.</summary>
public sealed class StrangerLoadTests
{
    const int Strangers = 400, PlacesMax = 32;
    const long BytesPerPlace = 256 << 10;
    static readonly TimeSpan s_handshake = TimeSpan.FromSeconds(3);

    /// <summary>A ClientHello as a real client sends it.</summary>
    static byte[] ClientHello(PeerBox of)
    {
        using var wire = new FirstFlight();
        using var tls = new SslStream(wire);
        Record.Exception(() => tls.AuthenticateAsClient(TlsPolicy.Client(of.Key, TlsPolicy.Peer, _ => true)));
        return wire.Sent.ToArray();
    }

    /// <summary>Keeps what is written, and has nothing to read.</summary>
    sealed class FirstFlight : MemoryStream
    {
        internal MemoryStream Sent { get; } = new();
        public override void Write(byte[] buffer, int offset, int count) => Sent.Write(buffer, offset, count);
        public override void Write(ReadOnlySpan<byte> buffer) => Sent.Write(buffer);
        public override int Read(byte[] buffer, int offset, int count) => 0;
        public override int Read(Span<byte> buffer) => 0;
    }

    static int OpenFiles() => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count();

    static int Threads()
    {
        using Process self = Process.GetCurrentProcess();
        return self.Threads.Count;
    }

    [Fact]
    public void Hundreds_of_half_handshakes_hold_bounded_memory_threads_and_sockets_and_end_in_time()
    {
        using PeerBox a = new("a"), b = new("b");
        b.Listen(o => o with { HandshakeTimeout = s_handshake });
        a.Knows(b);
        b.Knows(a);
        // What the first connection makes is not the strangers'.
        PeerBox.Until(() => Record.Exception(() => a.Dial("b").Dispose()) is null, "a peer gets in");
        byte[] hello = ClientHello(a);
        Assert.InRange(hello.Length, 100, 4000);
        byte[][] kinds =
        [
            [], hello[..(hello.Length / 2)], hello,
            // A ClientHello that says that it is 16 MiB long, and its beginning.
            [22, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF, .. new byte[16_000]],
        ];
        var sockets = new List<Socket>();
        try
        {
            int files = OpenFiles(), threads = Threads();
            long heap = GC.GetTotalMemory(true), begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < Strangers; i++) sockets.Add(Stranger(b.Address, i, kinds[i % kinds.Length]));
            PeerBox.Until(() => b.Endpoint!.HandshakesRefused >= Strangers - PlacesMax, "the others are turned away");
            // The sockets of this end are there as well.
            Assert.InRange(OpenFiles() - files - Strangers, -Strangers, PlacesMax + 16);
            Assert.InRange(Threads() - threads, -1000, 24);
            Assert.InRange(GC.GetTotalMemory(true) - heap, long.MinValue, PlacesMax * BytesPerPlace);
            foreach (Socket socket in sockets) Assert.True(IsClosed(socket, begin), "held past the time-out");
            PeerBox.Until(() => OpenFiles() - files - Strangers <= 16, "all sockets of the endpoint are closed");
            Assert.All(b.Served, peer => Assert.Equal("a", peer.Name));
            PeerBox.Until(() => Record.Exception(() => a.Dial("b").Dispose()) is null, "a peer gets in again");
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    // Eight of an address may shake hands at once: they come from many.
    static Socket Stranger(IPEndPoint to, int i, byte[] says)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(new IPAddress([127, 0, 1, (byte)(1 + (i / 4))]), 0));
        socket.Connect(to);
        try
        {
            if (says.Length > 0) socket.Send(says);
        }
        catch (SocketException)
        {
            // Turned away already.
        }
        return socket;
    }

    // Within the time-out, and the time that a busy machine takes to see it.
    static bool IsClosed(Socket socket, long begin)
    {
        byte[] buffer = new byte[4096];
        TimeSpan left = s_handshake + TimeSpan.FromSeconds(8) - Stopwatch.GetElapsedTime(begin);
        socket.ReceiveTimeout = Math.Max(1, (int)left.TotalMilliseconds);
        try
        {
            while (socket.Receive(buffer) > 0) { }
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode is not (SocketError.TimedOut or SocketError.WouldBlock);
        }
    }
}
