using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using NasCore;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using NasCore.Io;
using NasCore.Volumes;

namespace NasCampaign.Fuzz;

/// <summary>
/// FUSE messages that no kernel sends: requests that make sense, cut, stretched and bent, into the dispatcher over the
/// engine. Each is answered at most once with a well-formed message; nothing latches the mount.
/// </summary>
sealed class FuzzRequests : FuzzCampaign
{
    const int MessagesEach = 40;

    static readonly Lazy<MemoryBlockDevice> s_empty = new(() =>
    {
        var device = new MemoryBlockDevice(512L << 20);
        Newfs.Format([device], new NewfsOptions
        {
            Label = "FUZZ", Force = true, UndoBytes = 8L << 20, TimeUs = 1_262_304_000_000_000,
            FsId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
        });
        return device;
    });

    static readonly FuseOpcode[] s_opcodes = Enum.GetValues<FuseOpcode>();

    public override string Name => "fuzz-requests";

    protected override void Prepare() => _ = s_empty.Value;

    protected override long AllocatedBytesMax => (64 + 32) << 20;

    sealed class Answers : IFuseTransport
    {
        public List<byte[]> Sent { get; } = [];

        public int Receive(Span<byte> buffer) => 0;

        public bool Send(ReadOnlySpan<byte> message)
        {
            Sent.Add(message.ToArray());
            return true;
        }

        public void Dispose()
        {
        }
    }

    protected override void Input(Random random)
    {
        using HammerFs fs = HammerFs.Open(VolumeSet.Open([new FuzzOverlay(s_empty.Value, readOnly: false)]),
            new HammerFsOptions { RunFlusher = false, Time = TimeProvider.System, CacheBytes = 16 << 20 });
        var dispatcher = new FuseDispatcher(fs, new FuseLimits { PageBytes = 4096 }, TimeProvider.System, _ => { }, 7);
        byte[] reply = new byte[dispatcher.Limits.ReplyBytes];
        var nodes = new List<ulong> { 1, 1, 0, 2, ulong.MaxValue };
        Send(dispatcher, Message(FuseOpcode.Init, 0, 1,
            [7, 0, 0, 0, 38, 0, 0, 0, 0, 0, 2, 0, 0xFF, 0xFF, 0xFF, 0xFF]), reply);
        for (ulong i = 2; i < MessagesEach; i++)
        {
            FuseOpcode opcode = random.Next(50) == 0
                ? (FuseOpcode)random.Next() : s_opcodes[random.Next(s_opcodes.Length)];
            byte[] body = Body(opcode, random);
            if (random.Next(3) == 0) body = FuzzBytes.Mutate(body, random);
            byte[] message = Message(opcode, nodes[random.Next(nodes.Count)], i, body);
            if (random.Next(12) == 0) message = FuzzBytes.Mutate(message, random);
            byte[]? answer = Send(dispatcher, message, reply);
            if (answer is not null && MemoryMarshal.Read<FuseOutHeader>(answer).Error == 0) Accepted++;
            // Entries that were made are what the next requests are about.
            if (answer?.Length >= 16 + 128 && opcode is not (FuseOpcode.Read or FuseOpcode.ReadDir))
                nodes.Add(MemoryMarshal.Read<ulong>(answer.AsSpan(16)));
        }
        if (fs.Health.IsCritical) throw new InvalidOperationException("latched: " + fs.Health.Message);
        if (fs.SyncAndWait().IsError) throw new InvalidOperationException("cannot be flushed: " + fs.Health.Message);
    }

    static byte[] Message(FuseOpcode opcode, ulong node, ulong unique, byte[] body)
    {
        byte[] message = new byte[FuseInHeader.Bytes + body.Length];
        var head = new FuseInHeader
        {
            Len = (uint)message.Length, Opcode = opcode, Unique = unique, NodeId = node, Uid = (uint)(unique % 3),
            Pid = 7,
        };
        MemoryMarshal.Write(message, in head);
        body.CopyTo(message, FuseInHeader.Bytes);
        return message;
    }

    static byte[]? Send(FuseDispatcher dispatcher, byte[] message, byte[] reply)
    {
        var answers = new Answers();
        dispatcher.Handle(answers, message, reply);
        if (answers.Sent.Count > 1) throw new InvalidOperationException("answered twice");
        if (answers.Sent.Count == 0) return null;
        byte[] answer = answers.Sent[0];
        FuseOutHeader head = MemoryMarshal.Read<FuseOutHeader>(answer);
        if (head.Len != answer.Length || head.Error > 0 || head.Error < -600)
            throw new InvalidOperationException($"answer of {answer.Length} bytes: length {head.Len}, {head.Error}");
        if (head.Unique != MemoryMarshal.Read<FuseInHeader>(message).Unique)
            throw new InvalidOperationException("the answer to another request");
        return answer;
    }

    /// <summary>A body that the opcode may have: a fixed part of likely and unlikely numbers, then names.</summary>
    static byte[] Body(FuseOpcode opcode, Random random)
    {
        int fixedBytes = opcode switch
        {
            FuseOpcode.Lookup or FuseOpcode.Unlink or FuseOpcode.RmDir or FuseOpcode.Symlink => 0,
            FuseOpcode.MkDir or FuseOpcode.Link or FuseOpcode.Rename or FuseOpcode.GetXattr => 8,
            FuseOpcode.MkNod or FuseOpcode.Rename2 or FuseOpcode.Create or FuseOpcode.TmpFile => 16,
            FuseOpcode.SetXattr => 16,
            FuseOpcode.SetAttr => 88,
            FuseOpcode.FAllocate or FuseOpcode.Ioctl => 32,
            FuseOpcode.LSeek or FuseOpcode.Release => 24,
            _ => 40,
        };
        using var body = new MemoryStream();
        using var writer = new BinaryWriter(body);
        for (int at = 0; at < fixedBytes; at += 4) writer.Write(Number(random));
        int names = opcode is FuseOpcode.Rename or FuseOpcode.Rename2 or FuseOpcode.Symlink ? 2 : 1;
        for (int i = 0; i < names; i++) writer.Write(Encoding.UTF8.GetBytes(AnyName(random) + "\0"));
        if (opcode is FuseOpcode.Write or FuseOpcode.SetXattr) writer.Write(new byte[random.Next(40_000)]);
        return body.ToArray();
    }

    static uint Number(Random random) => random.Next(9) switch
    {
        0 => 1,
        1 => uint.MaxValue,
        2 => 0x80000000,
        3 => (uint)random.Next(),
        4 => (uint)random.Next(70_000),
        5 => 0x41ED,
        6 => (uint)random.Next(64),
        _ => 0,
    };

    static string AnyName(Random random) => random.Next(12) switch
    {
        0 => ".",
        1 => "..",
        2 => "",
        3 => new string('x', random.Next(1, 400)),
        4 => "@@0x0000000100000500",
        5 => "@@-1:00001",
        6 => "user.a",
        7 => "system.posix_acl_access",
        8 => "a/b",
        _ => "n" + random.Next(6),
    };
}
