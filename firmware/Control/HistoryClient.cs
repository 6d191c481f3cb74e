using System.Net.Http.Json;

namespace NasFirmware.Control;

/// <summary>The history requests of a mount's control socket.</summary>
static class HistoryClient
{
    internal static int[] PfsIds(this ControlClient client) => client.Get("/pfs", HistoryJson.Default.PfsIdsReply).Ids;

    internal static SnapshotItem[] Snapshots(this ControlClient client, int id) =>
        client.Get($"/pfs/{id}/snapshots", HistoryJson.Default.SnapshotsReply).Snapshots;

    /// <summary>Makes what was done so far durable; the TID to register for it.</summary>
    internal static string SnapshotTid(this ControlClient client, int id) =>
        client.Post($"/pfs/{id}/snapshot-tid", null, ControlJson.Default.TidReply).Tid;

    internal static string AddSnapshot(this ControlClient client, int id, string? tid, string? label) =>
        client.Post($"/pfs/{id}/snapshots", JsonContent.Create(new SnapshotRequest(tid, label),
            HistoryJson.Default.SnapshotRequest), ControlJson.Default.TidReply).Tid;

    internal static void RemoveSnapshot(this ControlClient client, int id, string tid) =>
        client.Post($"/pfs/{id}/snapshots/remove", JsonContent.Create(new SnapshotRemoval(tid),
            HistoryJson.Default.SnapshotRemoval), ControlJson.Default.TidReply);

    /// <summary>Null if the PFS has no configuration.</summary>
    internal static string? ReadConfig(this ControlClient client, int id) =>
        client.Get($"/pfs/{id}/config", HistoryJson.Default.ConfigReply).Text;

    internal static void WriteConfig(this ControlClient client, int id, string text) =>
        client.Post($"/pfs/{id}/config", JsonContent.Create(new ConfigRequest(text),
            HistoryJson.Default.ConfigRequest), HistoryJson.Default.ConfigReply);

    internal static PruneReply Prune(this ControlClient client, int id, PruneRequest request) =>
        client.Post($"/pfs/{id}/prune", JsonContent.Create(request, HistoryJson.Default.PruneRequest),
            HistoryJson.Default.PruneReply);
}
