using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading;
using NasFirmware.Daemon;
using NasFirmware.Tests.Peers;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>Changes of the network: from the kernel, and what is made of many words.</summary>
public sealed class NetworkWatchTests
{
    sealed class Words : INetworkWords
    {
        internal BlockingCollection<int> Queue { get; } = [];

        public bool Wait(int milliseconds) => Queue.TryTake(out _, Math.Min(milliseconds, 20));
        public void Dispose() { }
    }

    [Fact]
    public void Many_words_of_one_change_are_told_once_and_words_without_a_change_never()
    {
        var words = new Words();
        string picture = "eth0 Down";
        int told = 0, looked = 0;
        using var watch = new NetworkWatch(() => told++, _ => { }, new NetworkWatchOptions
        {
            Open = () => words, QuietMs = 20, LoudMaxMs = 60_000,
            Picture = () =>
            {
                Interlocked.Increment(ref looked);
                return Volatile.Read(ref picture);
            },
        });
        watch.Start();
        PeerBox.Until(() => looked == 1, "the first look");
        Volatile.Write(ref picture, "eth0 Up");
        for (int i = 0; i < 100; i++) words.Queue.Add(i, TestContext.Current.CancellationToken);
        PeerBox.Until(() => Volatile.Read(ref told) == 1, "the change is told");
        int before = Volatile.Read(ref looked);
        words.Queue.Add(0, TestContext.Current.CancellationToken);
        PeerBox.Until(() => Volatile.Read(ref looked) > before, "another look");
        watch.Dispose();
        Assert.Equal(1, told);
    }

    [Fact]
    public void Link_that_is_made_and_taken_away_is_seen()
    {
        int told = 0;
        string? problem = null;
        using var watch = new NetworkWatch(() => Interlocked.Increment(ref told), line => problem = line);
        watch.Start();
        string name = "nh" + Environment.ProcessId;
        // The watch may not listen yet when the first one is made.
        PeerBox.Until(() =>
        {
            Ip("link", "add", name, "type", "veth", "peer", "name", name + "b");
            // It must be there when the watch looks, which on a busy machine is later.
            SpinWait.SpinUntil(() => Volatile.Read(ref told) > 0 || problem is not null, TimeSpan.FromSeconds(3));
            Ip("link", "del", name);
            return Volatile.Read(ref told) > 0 || problem is not null;
        }, "a new link is told");
        Assert.Null(problem);
    }

    static void Ip(params string[] words)
    {
        using Process process = Process.Start(new ProcessStartInfo("ip", words) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
    }
}
