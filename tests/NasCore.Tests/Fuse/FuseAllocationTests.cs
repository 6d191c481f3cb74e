using System;
using NasCore.Fuse.Abi;
using NasCore.Fuse.Dispatch;
using Xunit;

namespace NasCoreTests.Fuse;

/// <summary>The hot paths put nothing on the managed heap.</summary>
public sealed class FuseAllocationTests
{
    /// <summary>A kernel that wants every answer and keeps none.</summary>
    sealed class SilentTransport : IFuseTransport
    {
        public int Receive(Span<byte> buffer) => 0;

        public bool Send(ReadOnlySpan<byte> message) => true;

        public void Dispose()
        {
        }
    }

    [Fact]
    public void Lookup_getattr_read_and_write_allocate_nothing()
    {
        using var fs = new MemoryFs();
        var bench = new FuseBench(fs);
        ulong file = bench.Create(1, "file");
        byte[][] requests =
        [
            FuseBench.Message(FuseOpcode.GetAttr, file, new byte[16], 1),
            FuseBench.Message(FuseOpcode.Write, file, FuseBench.Hex(
                "0000000000000000 0000000000000000 00020000 00000000 0000000000000000 02000000 00000000" +
                Convert.ToHexString(new byte[512])), 2),
            FuseBench.Message(FuseOpcode.Read, file, FuseBench.Hex(
                "0000000000000000 0000000000000000 00020000 00000000 0000000000000000 00000000 00000000"), 3),
        ];
        Measure(bench.Dispatcher, requests);
    }

    [Fact]
    public void Lookup_allocates_nothing_in_any_view()
    {
        // The file system of these tests makes a string of each name, so lookups go to one that does not.
        var fs = new FixedFs();
        var dispatcher = new FuseDispatcher(fs, new FuseLimits(), TimeProvider.System, _ => { }, 1);
        byte[] live = FuseBench.Message(FuseOpcode.Lookup, 1, "f\0"u8, 1);
        byte[] past = FuseBench.Message(FuseOpcode.Lookup, 1, "f@@0x0000000100000500\0"u8, 2);
        Measure(dispatcher, [live, past]);
    }

    static void Measure(FuseDispatcher dispatcher, byte[][] requests)
    {
        var transport = new SilentTransport();
        byte[] reply = new byte[dispatcher.Limits.ReplyBytes];
        for (int i = 0; i < 100; i++)
            foreach (byte[] request in requests) dispatcher.Handle(transport, request, reply);
        foreach (byte[] request in requests)
        {
            // The runtime allocates now and then by itself, when it replaces a method by a better one.
            long allocated = long.MaxValue;
            for (int attempt = 0; attempt < 5 && allocated > 0; attempt++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                for (int i = 0; i < 1000; i++) dispatcher.Handle(transport, request, reply);
                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            }
            Assert.True(allocated == 0, $"{(FuseOpcode)request[4]}: {allocated} bytes in 1000 requests");
        }
    }
}
