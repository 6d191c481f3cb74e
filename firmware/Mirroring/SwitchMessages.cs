using System;
using System.Text.Json.Serialization;
using System.Threading;
using NasCore.Primitives;

namespace NasFirmware.Mirroring;

/// <summary>What `switch-over` asks for.</summary>
/// <param name="Mirror">A [mirrors] section.</param>
/// <param name="Full">Read all data on both sides before.</param>
/// <param name="LimitSeconds">Until when the roles must have changed; otherwise nothing does.</param>
/// <param name="To">The box that is to be the master; null: the one that is not.</param>
sealed record SwitchRequest(string Mirror, bool Full, int LimitSeconds, string? To);

/// <summary>A switch-over as it is told: over the control socket, between boxes, and by `switch-over --json`.</summary>
sealed record SwitchView
{
    public required int Id { get; init; }
    public required string Mirror { get; init; }
    /// <summary>The box that is to be the master.</summary>
    public string? To { get; init; }
    /// <summary>What is being done.</summary>
    public string Step { get; init; } = "waiting";
    public bool Done { get; init; }
    public bool Ok { get; init; }
    /// <summary>The former master is none any more: what is missing goes on by itself.</summary>
    public bool Committed { get; init; }
    /// <summary>The last TID of the former master.</summary>
    public string? Tid { get; init; }
    public string? Error { get; init; }
}

/// <summary>What one box asks the other about a change of roles; one question on each connection.</summary>
sealed record PeerSwitch
{
    /// <summary>See <see cref="PeerSwitchKind"/>.</summary>
    public required string Kind { get; init; }
    /// <summary>With "take": the TID that the slave has, and who fed it.</summary>
    public string? Tid { get; init; }
    public Guid? Former { get; init; }
    /// <summary>With "begin".</summary>
    public bool Full { get; init; }
    public int LimitSeconds { get; init; }
    public string? To { get; init; }
    /// <summary>With "view".</summary>
    public int Id { get; init; }
}

static class PeerSwitchKind
{
    /// <summary>How far the slave is; the master's role is yours; change roles, you are the master; how far is that?
    /// </summary>
    internal const string State = "state", Take = "take", Begin = "begin", View = "view";
}

/// <summary>The answer.</summary>
sealed record PeerSwitchReply
{
    public bool Ok { get; init; }
    /// <summary>Why not.</summary>
    public string? Error { get; init; }
    /// <summary>To "take": this box is not, and will not be, the master of that history; take the role back.</summary>
    public bool Never { get; init; }
    /// <summary>To "state": the slave's end, and the unique UUID of who fed it.</summary>
    public string? Tid { get; init; }
    public Guid? FedBy { get; init; }
    public SwitchView? View { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, MaxDepth = 4,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SwitchRequest))]
[JsonSerializable(typeof(SwitchView))]
[JsonSerializable(typeof(PeerSwitch))]
[JsonSerializable(typeof(PeerSwitchReply))]
sealed partial class SwitchJson : JsonSerializerContext;

/// <summary>Checks of what a peer says.</summary>
static class SwitchMessages
{
    internal const int LimitSecondsMax = 30 * 86400;
    const int WordCharsMax = 200;

    internal static PeerSwitch DecodeQuestion(ReadOnlySpan<byte> bytes)
    {
        PeerSwitch question = PeerMessages.Decode(bytes, SwitchJson.Default.PeerSwitch);
        PeerMessages.Check(question.Tid is null || PeerMessages.IsTid(question.Tid), "tid");
        PeerMessages.Check(question.LimitSeconds is >= 0 and <= LimitSecondsMax, "limitSeconds");
        PeerMessages.Check(question.Kind is { Length: > 0 and <= 16 }, "kind");
        return question with { To = PeerMessages.Clean(question.To, WordCharsMax) };
    }

    internal static PeerSwitchReply DecodeReply(ReadOnlySpan<byte> bytes)
    {
        PeerSwitchReply reply = PeerMessages.Decode(bytes, SwitchJson.Default.PeerSwitchReply);
        PeerMessages.Check(reply.Tid is null || PeerMessages.IsTid(reply.Tid), "tid");
        SwitchView? view = reply.View;
        PeerMessages.Check(view?.Tid is null || PeerMessages.IsTid(view.Tid), "view.tid");
        return reply with
        {
            Error = reply.Error is null ? null : PeerMessages.Sentence(reply.Error),
            View = view is null ? null : view with
            {
                Mirror = PeerMessages.Clean(view.Mirror, WordCharsMax) ?? "",
                To = PeerMessages.Clean(view.To, WordCharsMax),
                Step = PeerMessages.Clean(view.Step, WordCharsMax) ?? "",
                Error = view.Error is null ? null : PeerMessages.Sentence(view.Error),
            },
        };
    }

    internal static ulong Tid(string? text) =>
        text is null ? 0 : ulong.Parse(text.AsSpan(2), System.Globalization.NumberStyles.AllowHexSpecifier,
            System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A switch-over that was asked for. Thread-safe.</summary>
sealed class SwitchJob(int id, SwitchRequest request, long began)
{
    SwitchView _view = new() { Id = id, Mirror = request.Mirror, To = request.To };

    internal SwitchRequest Request => request;
    internal long Began => began;
    internal SwitchView View => Volatile.Read(ref _view);
    internal void Change(Func<SwitchView, SwitchView> change) => Volatile.Write(ref _view, change(View));
    internal void Step(string step) => Change(v => v with { Step = step });
    internal void HandedAt(ulong tid) => Change(v => v with { Committed = true, Tid = Tid.Format(tid) });
}
