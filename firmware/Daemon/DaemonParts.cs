using System;
using System.Collections.Generic;
using NasFirmware.Identity;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>
/// The composition of the daemon: the one place that knows all parts, and that turns settings into each part's own
/// options. A new part is made here, gets what it needs of the others, and enters the list.
/// </summary>
static class DaemonParts
{
    /// <summary>All parts in the order of their start; they stop in the opposite one.</summary>
    internal static List<IDaemonPart> Create(DaemonContext context, Func<BoxStatus> status, Func<ReloadReply> reload)
    {
        var panel = new StatusPanel(context, status, PanelSettings.Panel);
        var server = new DaemonServer(context, status, reload);
        var volumes = new VolumeService(context, new VolumeServiceOptions());
        var peers = new PeerPart(context);
        var identity = new IdentityPart(context, peers, volumes);
        var verify = new VerifyPart(context, peers.Dialer, volumes, new MirrorPfs());
        var mirrors = new MirrorPart(context, peers, volumes, verify);
        var cleanup = new CleanupPart(context, volumes);
        var thrift = new MemoryThrift(context.Time);
        // Mirrors before identity: at a reload the streams of a root end before it may get a copy of the key.
        return [panel, server, volumes, cleanup, verify, mirrors, identity, peers, thrift];
    }
}
