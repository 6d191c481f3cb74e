using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NasCore.Mirror;
using NasCore.Primitives;

namespace NasFirmware.Mirroring;

// What two boxes say to each other on an authenticated connection beside HAMMER's own stream: JSON in frames of at most
// 4 KiB. A peer is known, yet not trusted: every field is checked before anyone sees it, text is cut and cleaned
// before it can reach a terminal or a display. Fields that a box does not know are passed over, so that a newer one may
// say more; what changes the meaning of the rest needs a higher version, which is negotiated in the first message.

/// <summary>The first message of a connection, from the side that dialled.</summary>
sealed record PeerHello
{
    /// <summary>Lowest and highest version of the protocol that the dialling side speaks.</summary>
    public int VersionMin { get; init; } = PeerProtocol.VersionMin;
    public int Version { get; init; } = PeerProtocol.Version;
    /// <summary>What the connection is for: <see cref="PeerPurpose"/>.</summary>
    public required string Purpose { get; init; }
    /// <summary>What the dialling box calls itself; for messages only, the key says who it is.</summary>
    public string? Box { get; init; }
    /// <summary>Name of the mirror that it is about.</summary>
    public string? Mirror { get; init; }
    /// <summary>The shared UUID of the dialling side's PFS.</summary>
    public Guid? SharedUuid { get; init; }
    /// <summary>Milliseconds without a word after which the dialling side gives the connection up; null: it is an
    /// older box, which does not tell.</summary>
    public long? Silence { get; init; }
    /// <summary>Extensions that the dialling side would use, see <c>docs/MIRRORING.md</c>.</summary>
    public IReadOnlyList<string>? Features { get; init; }
}

/// <summary>The answer: the version to be spoken, or why not.</summary>
sealed record PeerWelcome
{
    /// <summary>The highest version that both speak; 0 with a refusal.</summary>
    public int Version { get; init; }
    public string? Box { get; init; }
    /// <summary>The same of the side that was dialled.</summary>
    public long? Silence { get; init; }
    /// <summary>Those of the extensions offered that are to be used.</summary>
    public IReadOnlyList<string>? Features { get; init; }
    /// <summary>Why the connection ends here, a sentence for the owner; null: it goes on.</summary>
    public string? Refusal { get; init; }
    /// <summary>With a refusal: it may be different soon, without anybody doing anything.</summary>
    public bool Later { get; init; }
    /// <summary>With a refusal: of what kind it is, see <see cref="PeerEndClass"/>; null: of no kind there.</summary>
    public string? Class { get; init; }
}

/// <summary>
/// A message beside the stream. <see cref="PeerEventKind.Beat"/> comes at least as often as was agreed on, so that a
/// connection that only looks alive is found; it carries the newest numbers.
/// </summary>
sealed record PeerEvent
{
    public required string Kind { get; init; }
    /// <summary>From the source: age in seconds of the oldest change that is not durable on the slave.</summary>
    public double? Lag { get; init; }
    /// <summary>From the source: record bytes that are still to come, an estimate.</summary>
    public long? BytesLeft { get; init; }
    /// <summary>From the source, in a first load: the part that is done, 0 to 1, and seconds to its end.</summary>
    public double? Progress { get; init; }
    public double? SecondsLeft { get; init; }
    /// <summary>The sender's durable TID: of a source the master's, of a target the slave's end.</summary>
    public string? Tid { get; init; }
    /// <summary>From the target: work done so far, any unit that only grows; shows a long commit from a hang.
    /// </summary>
    public long? Work { get; init; }
    /// <summary>How the box that says it is, in one line for the owner of the other one.</summary>
    public string? State { get; init; }
    /// <summary>Bytes of the stream that this side has taken so far, see <see cref="PeerFeature.Window"/>.</summary>
    public long? Taken { get; init; }
}

/// <summary>Kinds of <see cref="PeerEvent"/>; others are passed over.</summary>
static class PeerEventKind
{
    internal const string Beat = "beat", Taken = "taken";
}

/// <summary>Extensions of the protocol, to be offered in Hello and used if Welcome names them.</summary>
static class PeerFeature
{
    /// <summary>Each side tells what it has taken, and sends only so much ahead of that.</summary>
    internal const string Window = "window";
}

/// <summary>The last message: how it ended for the side that says it.</summary>
sealed record PeerEnd
{
    public bool Ok { get; init; }
    public string? Error { get; init; }
    /// <summary>It will be the same again until somebody decides.</summary>
    public bool Refused { get; init; }
    /// <summary>Of what kind the error is, see <see cref="PeerEndClass"/>; boxes of before do not tell.</summary>
    public string? Class { get; init; }
}

/// <summary>Kinds of errors that end a stream; others are as good as none.</summary>
static class PeerEndClass
{
    internal const string NoRoom = "no-room", Refused = "refused", Medium = "medium", Retry = "retry";

    internal static string Of(Exception e) => e switch
    {
        MirrorRefusedException => Refused,
        MirrorStreamException { Result: { } r } => Of(r),
        MirrorPfsException p => Of(p.Result),
        HammerMediumException or MountCriticalException => Medium,
        _ => Retry,
    };

    internal static string Of(Errno result) => result == Errno.NoSpc ? NoRoom
        : result == Errno.Io || result == Errno.RoFs ? Medium : Retry;

    /// <summary>The link is good and the stream, too: one of the boxes cannot go on for now.</summary>
    internal static bool IsHindrance(string? kind) => kind is NoRoom or Medium;
}

/// <summary>Purposes of connections.</summary>
static class PeerPurpose
{
    internal const string Mirror = "mirror", Verify = "verify", Here = "here", Switch = "switch";
}

/// <summary>Reading and writing these messages, with their checks.</summary>
static class PeerMessages
{
    internal const int BytesMax = 4096, StateCharsMax = 160;
    const int NameCharsMax = 64, SentenceCharsMax = 500, FeaturesMax = 16;

    internal static byte[] Encode<T>(T message, JsonTypeInfo<T> type)
    {
        byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(message, type);
        if (bytes.Length > BytesMax) throw new InvalidDataException($"a message of {bytes.Length} bytes is too long");
        return bytes;
    }

    internal static PeerHello DecodeHello(ReadOnlySpan<byte> bytes)
    {
        PeerHello hello = Decode(bytes, PeerJson.Default.PeerHello);
        Check(hello.VersionMin is > 0 and < 1 << 16 && hello.Version is > 0 and < 1 << 16
            && hello.VersionMin <= hello.Version, "versions");
        Check(IsName(hello.Purpose), "purpose");
        Check(hello.Mirror is null || IsName(hello.Mirror), "mirror");
        Check(hello.SharedUuid != Guid.Empty, "sharedUuid");
        Check(IsSilence(hello.Silence), "silence");
        return hello with { Box = Clean(hello.Box, NameCharsMax), Features = Features(hello.Features) };
    }

    internal static PeerWelcome DecodeWelcome(ReadOnlySpan<byte> bytes)
    {
        PeerWelcome welcome = Decode(bytes, PeerJson.Default.PeerWelcome);
        if (welcome.Refusal is null)
        {
            Check(welcome.Version is >= PeerProtocol.VersionMin and <= PeerProtocol.Version, "version");
        }
        Check(IsSilence(welcome.Silence), "silence");
        return welcome with
        {
            Box = Clean(welcome.Box, NameCharsMax), Features = Features(welcome.Features),
            Refusal = Clean(welcome.Refusal, SentenceCharsMax),
        };
    }

    internal static PeerEvent DecodeEvent(ReadOnlySpan<byte> bytes)
    {
        PeerEvent e = Decode(bytes, PeerJson.Default.PeerEvent);
        Check(IsName(e.Kind), "kind");
        Check(e.Lag is null or >= 0 and < 1e10 && e.SecondsLeft is null or >= 0 and < 1e10, "times");
        Check(e.Progress is null or >= 0 and <= 1, "progress");
        Check(e.BytesLeft is null or >= 0, "bytesLeft");
        Check(e.Work is null or >= 0, "work");
        Check(e.Taken is null or >= 0, "taken");
        Check(e.Tid is null || IsTid(e.Tid), "tid");
        return e with { State = Clean(e.State, StateCharsMax), Tid = Canonical(e.Tid) };
    }

    internal static PeerEnd DecodeEnd(ReadOnlySpan<byte> bytes)
    {
        PeerEnd end = Decode(bytes, PeerJson.Default.PeerEnd);
        return end with { Error = Clean(end.Error, SentenceCharsMax) };
    }

    internal static T Decode<T>(ReadOnlySpan<byte> bytes, JsonTypeInfo<T> type) where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(bytes, type) ?? throw new InvalidDataException("the peer sent null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"the peer sent a message that is none ({typeof(T).Name}): {e.Message}", e);
        }
    }

    internal static void Check(bool good, string field)
    {
        if (!good) throw new InvalidDataException($"the peer sent a message whose '{field}' cannot be");
    }

    internal static bool IsTid(string text) => text.Length is > 2 and <= 18
        && text.StartsWith("0x", StringComparison.Ordinal) && text.Skip(2).All(char.IsAsciiHexDigit);

    /// <summary>As this program writes them, so that they can be compared as text.</summary>
    static string? Canonical(string? tid) => tid is null ? null
        : NasCore.Primitives.Tid.Format(ulong.Parse(tid.AsSpan(2), System.Globalization.NumberStyles.AllowHexSpecifier,
            System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>What the configuration admits as the name of a section, and purposes.</summary>
    static bool IsName(string? text) => text is { Length: > 0 and <= NameCharsMax }
        && text.All(c => !char.IsControl(c) && !char.IsSurrogate(c));

    // Nobody can make the other side say something all the time. A configuration admits no less than a second.
    static bool IsSilence(long? milliseconds) => milliseconds is null or (>= 100 and <= 86_400_000);

    static IReadOnlyList<string>? Features(IReadOnlyList<string>? features)
    {
        Check(features is null || (features.Count <= FeaturesMax && features.All(IsName)), "features");
        return features;
    }

    /// <summary>Text of a peer for an owner's eyes: bounded, and nothing that steers a terminal.</summary>
    internal static string? Clean(string? text, int charsMax)
    {
        if (text is null) return null;
        string cut = text.Length > charsMax ? text[..charsMax] : text;
        return string.Concat(cut.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c));
    }

    /// <summary>The line on our own state, so that it fits.</summary>
    internal static string? Line(string? text) => Clean(text, StateCharsMax);

    /// <summary>A sentence of our own, so that it fits.</summary>
    internal static string Sentence(string text) => Clean(text, SentenceCharsMax)!;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, MaxDepth = 4,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PeerHello))]
[JsonSerializable(typeof(PeerWelcome))]
[JsonSerializable(typeof(PeerEvent))]
[JsonSerializable(typeof(PeerEnd))]
sealed partial class PeerJson : JsonSerializerContext;
