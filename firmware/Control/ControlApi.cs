using System;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using NasCore;
using NasCore.Ondisk;
using NasCore.Pfs;
using NasCore.Primitives;
using NasFirmware.Cli;

namespace NasFirmware.Control;

/// <summary>
/// The requests of the control socket. Each handler turns a request into calls of the facade, nothing more.
/// </summary>
static partial class ControlApi
{
    internal const string MirrorUpgrade = "nashammer-mirror";

    internal static void Map(WebApplication app, HammerFs fs, TimeProvider time, MirrorSessions sessions)
    {
        app.MapGet("/mount", Handle(_ => Reply(Mount(fs), ControlJson.Default.MountReply)));
        app.MapGet("/pfs/{id:int}", Handle(c => Reply(Pfs(fs, Id(c)), ControlJson.Default.PfsReply)));
        app.MapPost("/pfs", Handle(async c => Reply(
            Create(fs, await Body(c, ControlJson.Default.PfsCreateRequest)), ControlJson.Default.PfsReply)));
        app.MapPost("/pfs/{id:int}/update", Handle(async c => Reply(
            Update(fs, Id(c), await Body(c, ControlJson.Default.PfsUpdateRequest)), ControlJson.Default.PfsReply)));
        app.MapPost("/pfs/{id:int}/upgrade", Handle(c => Change(fs, c, fs.UpgradePfs)));
        app.MapPost("/pfs/{id:int}/downgrade", Handle(c => Change(fs, c, fs.DowngradePfs)));
        app.MapPost("/pfs/{id:int}/destroy", Handle(c => Change(fs, c, fs.DestroyPfs)));
        app.MapPost("/synctid", Handle(_ =>
        {
            Require(fs.SyncTid(out ulong tid), "synctid");
            return Reply(new TidReply(Tid.Format(tid)), ControlJson.Default.TidReply);
        }));
        MapHistory(app, fs);
        MapRejoin(app, fs);
        app.MapPost("/mirror/source", (RequestDelegate)(c => ControlMirror.Source(c, fs, time, sessions)));
        app.MapPost("/mirror/target", (RequestDelegate)(c => ControlMirror.Target(c, fs, sessions)));
        MapReblock(app, fs);
    }

    static MountReply Mount(HammerFs fs) => new(fs.Volumes.Label, fs.Volumes.FsId.ToString("D"), fs.Volumes.Version,
        fs.IsReadOnly, Tid.Format(fs.DurableTid), fs.Health.Message);

    static PfsReply Pfs(HammerFs fs, int id)
    {
        bool exists = fs.TryGetPfs(id, out PseudofsData pfs);
        // What a master's record says is meaningless: its end is the last TID that no crash takes back.
        ulong end = exists && !pfs.IsSlave ? fs.DurableTid : pfs.SyncEndTid;
        return new PfsReply
        {
            Id = id, Exists = exists, VolumeVersion = fs.Volumes.Version, SyncBegTid = Tid.Format(pfs.SyncBegTid),
            SyncEndTid = Tid.Format(end), SharedUuid = pfs.SharedUuid, UniqueUuid = pfs.UniqueUuid, Slave = pfs.IsSlave,
            Label = LabelText.Get(pfs.Label), Snapshots = LabelText.Get(pfs.Snapshots), PruneMin = pfs.PruneMin,
            Promotion = exists && !pfs.IsSlave && PromotionMark.TryGet(pfs, out PromotionMark mark) ? mark.ToString()
                : null,
        };
    }

    static PfsReply Create(HammerFs fs, PfsCreateRequest request)
    {
        Require(fs.CreatePfs(request.Slave, Guid.NewGuid(), Guid.NewGuid(), out int id), "creating a PFS");
        return Pfs(fs, id);
    }

    static PfsReply Update(HammerFs fs, int id, PfsUpdateRequest request)
    {
        Require(fs.UpdatePfs(id, (ref PseudofsData pfs) =>
        {
            if (request.SyncBegTid is { } beg) pfs.SyncBegTid = CommonOptions.ParseTid(beg);
            if (request.SyncEndTid is { } end) pfs.SyncEndTid = CommonOptions.ParseTid(end);
            pfs.SharedUuid = request.SharedUuid ?? pfs.SharedUuid;
            pfs.UniqueUuid = request.UniqueUuid ?? pfs.UniqueUuid;
            if (request.Label is { } label) pfs.Label = LabelText.Make(label);
            if (request.Snapshots is { } snapshots) pfs.Snapshots = LabelText.Make(snapshots);
            pfs.PruneMin = request.PruneMin ?? pfs.PruneMin;
        }), "updating the PFS");
        return Pfs(fs, id);
    }

    static Func<HttpContext, Task> Change(HammerFs fs, HttpContext context, Func<int, Errno> change)
    {
        Require(change(Id(context)), "");
        return Reply(Pfs(fs, Id(context)), ControlJson.Default.PfsReply);
    }

    // ------------------------------------------------------------------ plumbing

    static int Id(HttpContext context)
    {
        int id = int.Parse((string)context.Request.RouteValues["id"]!, CultureInfo.InvariantCulture);
        return id is >= 0 and <= HammerConst.PfsIdMax ? id : throw new RequestFailed(Errno.Inval, $"no PFS id: {id}");
    }

    /// <summary>A request that ends with an error number.</summary>
    internal sealed class RequestFailed(Errno errno, string message) : Exception(message)
    {
        internal Errno Errno { get; } = errno;
    }

    internal static void Require(Errno result, string what)
    {
        if (result.IsError) throw new RequestFailed(result, what.Length == 0 ? result.ToString() : $"{what}: {result}");
    }

    internal static Func<HttpContext, Task> Reply<T>(T value, JsonTypeInfo<T> type) =>
        context => context.Response.WriteAsJsonAsync(value, type);

    internal static async Task<T> Body<T>(HttpContext context, JsonTypeInfo<T> type) =>
        await JsonSerializer.DeserializeAsync(context.Request.Body, type)
        ?? throw new JsonException("an object was expected");

    internal static RequestDelegate Handle(Func<HttpContext, Func<HttpContext, Task>> work) =>
        Handle(c => Task.Run(() => work(c)));

    // The work happens on a pool thread, for it may wait for the disk; errors become a reply.
    internal static RequestDelegate Handle(Func<HttpContext, Task<Func<HttpContext, Task>>> work) => async context =>
    {
        ErrorReply error;
        try
        {
            Func<HttpContext, Task> reply = await work(context);
            await reply(context);
            return;
        }
        catch (RequestFailed e)
        {
            error = new ErrorReply(e.Errno.Value, e.Message);
        }
        catch (Exception e) when (e is JsonException or UsageException or FormatException)
        {
            error = new ErrorReply(Errno.Inval.Value, e.Message);
        }
        catch (Exception e) when (CommandLine.IsExpected(e))
        {
            error = new ErrorReply(Errno.Io.Value, e.Message);
        }
        context.Response.StatusCode = StatusCodes.Status400BadRequest;
        await context.Response.WriteAsJsonAsync(error, ControlJson.Default.ErrorReply);
    };
}
