using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging.Abstractions;
using NasFirmware.Config;
using NasFirmware.Daemon;
using NasFirmware.Tests.Peers;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>Reloads that come before the daemon is ready for them.</summary>
public sealed class ReloadTests
{
    sealed class NoSystemd : ISystemdNotifier
    {
        public bool IsEnabled => false;
        public void Notify(ServiceState state) { }
    }

    sealed class Part(Action start) : IDaemonPart
    {
        internal List<string> Names { get; } = [];
        public void Start() => start();
        public void Stop(CancellationToken hurry) { }
        public void Reload(Settings before, Settings now) => Names.Add($"{before.Volumes.Count}>{now.Volumes.Count}");
    }

    [Fact]
    public async Task Reload_during_the_start_reaches_every_part_after_it()
    {
        using var box = new DaemonBox();
        box.Configure("");
        ConfigOutcome outcome = ConfigReader.ReadFile(box.ConfigPath, null);
        using var hangUp = new HangUp();
        Task<ReloadReply>? reload = null;
        using var entered = new ManualResetEventSlim();
        DaemonService? service = null;
        var first = new Part(() => { });
        var second = new Part(() =>
        {
            // The owner has written another volume, and asks, while the second part starts.
            box.Newfs("disk");
            box.Configure(box.Disk("disk"));
            reload = Task.Run(() =>
            {
                entered.Set();
                return service!.Reload();
            }, TestContext.Current.CancellationToken);
            entered.Wait(TestContext.Current.CancellationToken);
            Thread.Sleep(200);
        });
        var third = new Part(() => { });
        service = new DaemonService(new DaemonStart(box.ConfigPath, null), outcome.Settings!,
            NullLoggerFactory.Instance, new NoSystemd(), hangUp, _ => [first, second, third]);
        await service.StartAsync(TestContext.Current.CancellationToken);
        Assert.True((await reload!).Ok);
        foreach (Part part in new[] { first, second, third }) Assert.Equal(["0>1"], part.Names);
        await service.StopAsync(TestContext.Current.CancellationToken);
        Assert.False(service.Reload().Ok);
        service.Dispose();
    }

    [Fact]
    public void Signal_before_anybody_serves_it_is_kept_and_harms_nobody()
    {
        using var hangUp = new HangUp();
        int served = 0;
        Send();
        Send();
        // The signals are handled on a thread of the runtime, after the kernel has delivered them.
        Thread.Sleep(200);
        hangUp.Serve(() => Interlocked.Increment(ref served));
        PeerBox.Until(() => Volatile.Read(ref served) == 1, "the signal is served");
        Send();
        PeerBox.Until(() => Volatile.Read(ref served) == 2, "the next one is served");
        hangUp.Serve(null);
        Send();
        Thread.Sleep(200);
        Assert.Equal(2, served);
    }

    static void Send()
    {
        using Process kill = Process.Start("kill", ["-HUP", Environment.ProcessId.ToString(
            System.Globalization.CultureInfo.InvariantCulture)])!;
        kill.WaitForExit();
    }
}
