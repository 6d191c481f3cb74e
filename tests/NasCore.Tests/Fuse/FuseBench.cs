using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using NasCore;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>A transport that keeps what is sent, and can refuse it as the kernel does for a killed caller.</summary>
sealed class RecordingTransport : IFuseTransport
{
    public List<byte[]> Sent { get; } = [];
    public bool Refuses { get; set; }

    public int Receive(Span<byte> buffer) => 0;

    public bool Send(ReadOnlySpan<byte> message)
    {
        lock (Sent) Sent.Add(message.ToArray());
        return !Refuses;
    }

    public void Dispose()
    {
    }
}

/// <summary>A dispatcher without a kernel: requests are written as annotated hex, replies come back as bytes.</summary>
sealed class FuseBench
{
    readonly byte[] _reply;
    ulong _unique = 100;

    public FuseBench(IFileSystem fs, bool init = true)
    {
        Dispatcher = new FuseDispatcher(fs, new FuseLimits { PageBytes = 4096 }, TimeProvider.System, Log.Add, 7);
        _reply = new byte[Dispatcher.Limits.ReplyBytes];
        if (init) Call(FuseOpcode.Init, 0, "07000000 26000000 00000200 ffffffff");
    }

    public FuseDispatcher Dispatcher { get; }
    public RecordingTransport Transport { get; } = new();
    public List<string> Log { get; } = [];
    /// <summary>Error of the last reply, as the caller sees it: 0 or positive.</summary>
    public int Error { get; private set; }

    /// <summary>Bytes of annotated hex: blanks are ignored, and what follows a semicolon.</summary>
    public static byte[] Hex(string text)
    {
        var digits = new StringBuilder();
        foreach (string line in text.Split('\n'))
        {
            int end = line.IndexOf(';', StringComparison.Ordinal);
            foreach (char c in end < 0 ? line : line[..end])
                if (!char.IsWhiteSpace(c)) digits.Append(c);
        }
        return Convert.FromHexString(digits.ToString());
    }

    public static string Hex(ulong value, int bytes = 8)
    {
        Span<byte> le = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(le, value);
        return Convert.ToHexString(le[..bytes]);
    }

    /// <summary>A string with its NUL, on a line of its own.</summary>
    public static string Name(string name) => "\n" + Convert.ToHexString(Encoding.UTF8.GetBytes(name)) + "00";

    public static byte[] Message(FuseOpcode opcode, ulong node, ReadOnlySpan<byte> body, ulong unique, uint uid = 0)
    {
        byte[] message = new byte[FuseInHeader.Bytes + body.Length];
        var head = new FuseInHeader
        {
            Len = (uint)message.Length, Opcode = opcode, Unique = unique, NodeId = node, Uid = uid, Gid = uid, Pid = 7,
        };
        MemoryMarshal.Write(message, in head);
        body.CopyTo(message.AsSpan(FuseInHeader.Bytes));
        return message;
    }

    /// <summary>Runs one request; the payload of its reply, empty on an error (see <see cref="Error"/>).</summary>
    public byte[] Call(FuseOpcode opcode, ulong node, string body = "") =>
        Raw(Message(opcode, node, Hex(body), ++_unique));

    /// <summary>Runs one whole message; it must be answered at once.</summary>
    public byte[] Raw(byte[] message)
    {
        int before = Transport.Sent.Count;
        Assert.True(Dispatcher.Handle(Transport, message, _reply), "the request was not served but asks for a flush");
        Assert.Equal(before + 1, Transport.Sent.Count);
        byte[] reply = Transport.Sent[before];
        var head = MemoryMarshal.Read<FuseOutHeader>(reply);
        Assert.Equal((uint)reply.Length, head.Len);
        Assert.Equal(MemoryMarshal.Read<FuseInHeader>(message).Unique, head.Unique);
        Error = -head.Error;
        return reply[FuseOutHeader.Bytes..];
    }

    /// <summary>Runs a message that may stay without an answer; false means NeedFlush.</summary>
    public bool Try(byte[] message) => Dispatcher.Handle(Transport, message, _reply);

    public T Call<T>(FuseOpcode opcode, ulong node, string body = "") where T : unmanaged
    {
        byte[] payload = Call(opcode, node, body);
        Assert.True(Error == 0, string.Create(CultureInfo.InvariantCulture, $"{opcode}: error {Error}"));
        return MemoryMarshal.Read<T>(payload);
    }

    public FuseEntryOut Lookup(ulong dir, string name) => Call<FuseEntryOut>(FuseOpcode.Lookup, dir, Name(name));

    public ulong MkDir(ulong dir, string name) =>
        Call<FuseEntryOut>(FuseOpcode.MkDir, dir, "ed010000 00000000" + Name(name)).NodeId;

    /// <summary>Makes and opens a file with mode 644.</summary>
    public ulong Create(ulong dir, string name) =>
        Call<FuseEntryOut>(FuseOpcode.Create, dir, "02000000 a4810000 00000000 00000000" + Name(name)).NodeId;
}
