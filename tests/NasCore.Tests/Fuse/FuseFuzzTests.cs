using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Fuse.Abi;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>Whatever arrives on the device is answered with a reply of the right shape, and never by a crash.</summary>
public sealed class FuseFuzzTests
{
    /// <summary>Environment variable with a seed to run instead of the usual ones.</summary>
    const string SeedVariable = "NASHAMMER_FUZZ_SEED";

    public static IEnumerable<TheoryDataRow<int>> Seeds()
    {
        if (int.TryParse(Environment.GetEnvironmentVariable(SeedVariable), out int one)) return [new(one)];
        return [new(1), new(2), new(3), new(4)];
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Random_requests_get_proper_replies(int seed)
    {
        using var fs = new MemoryFs();
        var bench = new FuseBench(fs);
        var random = new Random(seed);
        List<ulong> nodes = [1, 2, 0, ulong.MaxValue, 1UL << 63];
        for (int i = 0; i < 20; i++)
        {
            nodes.Add(bench.Create(1, "f" + i));
            nodes.Add(bench.MkDir(1, "d" + i));
        }
        fs.Snapshot(0, 0x100000500);
        nodes.Add(bench.Lookup(1, "@@0x0000000100000500").NodeId);
        nodes.Add(bench.Lookup(nodes[^1], "d3").NodeId);
        try
        {
            for (int i = 0; i < 15_000; i++) Round(bench, random, nodes);
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"replay with {SeedVariable}={seed}", exception);
        }
        Assert.False(fs.Health.IsCritical, $"{SeedVariable}={seed}: {fs.Health.Message}");
    }

    static void Round(FuseBench bench, Random random, List<ulong> nodes)
    {
        byte[] body = Body(random, nodes);
        var opcode = (FuseOpcode)random.Next(0, 56);
        ulong node = nodes[random.Next(nodes.Count)];
        byte[] message = FuseBench.Message(opcode, node, body, (ulong)random.NextInt64(1, 1L << 40));
        switch (random.Next(20))
        {
            case 0: message = message[..random.Next(message.Length)]; break;
            case 1: message[random.Next(4)] ^= (byte)random.Next(256); break;
            case 2: message[36] = (byte)random.Next(256); break;
        }
        int before = bench.Transport.Sent.Count;
        Assert.True(bench.Try(message));
        foreach (byte[] reply in bench.Transport.Sent.GetRange(before, bench.Transport.Sent.Count - before))
        {
            var head = MemoryMarshal.Read<FuseOutHeader>(reply);
            Assert.Equal((uint)reply.Length, head.Len);
            Assert.True(head.Error is <= 0 and > -4096, $"error {head.Error}");
            Assert.True(head.Error == 0 || reply.Length == FuseOutHeader.Bytes);
        }
        bench.Transport.Sent.Clear();
    }

    /// <summary>Words that are small numbers, node ids, borders or noise, then perhaps a name.</summary>
    static byte[] Body(Random random, List<ulong> nodes)
    {
        var bytes = new List<byte>();
        for (int words = random.Next(0, 12); words > 0; words--)
        {
            ulong word = random.Next(6) switch
            {
                0 => nodes[random.Next(nodes.Count)],
                1 => (ulong)random.Next(8),
                2 => (ulong)random.Next(1 << 20),
                3 => ulong.MaxValue >> random.Next(64),
                4 => (ulong)random.NextInt64(),
                _ => 0,
            };
            bytes.AddRange(BitConverter.GetBytes(word));
        }
        string[] names = ["f1", "d2", "new", ".", "..", "@@-1", "d3@@-1", "@@0x0000000100000500", "@@-1:00001",
            "user.x", "system.posix_acl_access", "a/b", "", "f1@@0x0000000100000500"];
        for (int count = random.Next(3); count > 0; count--)
        {
            bytes.AddRange(System.Text.Encoding.ASCII.GetBytes(names[random.Next(names.Length)]));
            bytes.Add(0);
        }
        for (int noise = random.Next(40); noise > 0; noise--) bytes.Add((byte)random.Next(256));
        return [.. bytes];
    }
}
