using System;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using NasFirmware.Mirroring;

namespace NasFirmware.Identity;

/// <summary>What a volume keeps of the box that it belongs to: who it is, and whom it knows.</summary>
sealed record IdentityCopy
{
    /// <summary>The name of the box.</summary>
    public required string Box { get; init; }
    /// <summary>The hash of its key, as <see cref="PeerKey.Hash"/>.</summary>
    public required string Key { get; init; }
    /// <summary>No other box knew the key when this was written.</summary>
    public bool IsNew { get; init; }
    /// <summary>Private key and certificate.</summary>
    public required string Pem { get; init; }
    /// <summary>What was learnt by pairing.</summary>
    public required PeerFile Peers { get; init; }
    /// <summary>What the owner has decided; null: nothing.</summary>
    public IdentityChoices? Choices { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IdentityCopy))]
[JsonSerializable(typeof(IdentityChoices))]
sealed partial class IdentityJson : JsonSerializerContext;

/// <summary>
/// The file of a copy: a line "nashammer identity 1 SHA-256", then JSON, of which the sum is. What is read is believed
/// only as a whole: the sum fits, every field is one, private key and certificate belong together, and the hash is
/// theirs. A later version of the program may add fields; if it changes the meaning it raises the number.
/// </summary>
static class IdentityFile
{
    internal const int BytesMax = 512 * 1024;
    const string Signature = "nashammer identity ", Head = Signature + "1 ";
    const int SumDigits = 64, HeadBytes = 21 + SumDigits + 1;

    internal static byte[] Write(IdentityCopy copy)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(copy, IdentityJson.Default.IdentityCopy);
        return [.. Encoding.ASCII.GetBytes(Head + Sum(json) + "\n"), .. json];
    }

    /// <summary>The copy; null with a sentence why it is not believed.</summary>
    internal static IdentityCopy? Read(ReadOnlySpan<byte> file, out string? fault, out bool isNewer)
    {
        isNewer = false;
        fault = "it is damaged";
        if (file.Length > BytesMax || file.Length < HeadBytes) return null;
        string head = Encoding.ASCII.GetString(file[..HeadBytes]);
        if (!head.StartsWith(Head, StringComparison.Ordinal))
        {
            isNewer = head.StartsWith(Signature, StringComparison.Ordinal);
            if (isNewer) fault = "it was written by a newer version";
            return null;
        }
        ReadOnlySpan<byte> json = file[HeadBytes..];
        if (head[^1] != '\n' || !head[Head.Length..^1].Equals(Sum(json), StringComparison.Ordinal)) return null;
        try
        {
            IdentityCopy? copy = JsonSerializer.Deserialize(json, IdentityJson.Default.IdentityCopy);
            if (copy is null || FaultOf(copy) is not null) return null;
            fault = null;
            return copy;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // A sum protects from accidents only: the fields are looked at all the same.
    static string? FaultOf(IdentityCopy copy)
    {
        if (!PeerStore.IsName(copy.Box) || copy.Key is null || !PeerStore.IsKey(copy.Key)) return "its names";
        if (copy.Peers?.Peers is null || PeerStore.Fault(copy.Peers) is not null) return "its peers";
        if (copy.Choices is { } choices && IdentityChoices.Fault(choices) is not null) return "its choices";
        if (copy.Pem is null) return "its key";
        using PeerKey? key = PeerKey.Parse(copy.Pem, out _);
        return key is null || !key.Certificate.HasPrivateKey || key.Hash != copy.Key ? "its key" : null;
    }

    /// <summary>These data begin like a copy and have a private key in them, damaged or not.</summary>
    internal static bool HoldsKey(ReadOnlySpan<byte> data) =>
        data.StartsWith("nashammer identity "u8) && data.IndexOf("PRIVATE KEY-----"u8) >= 0;

    static string Sum(ReadOnlySpan<byte> json) => Convert.ToHexStringLower(SHA256.HashData(json));
}
