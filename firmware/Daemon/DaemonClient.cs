using System;
using System.Collections.Generic;
using System.Net.Http.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NasFirmware.Control;
using NasFirmware.Status;

namespace NasFirmware.Daemon;

/// <summary>What a reload did: nothing if the new file has mistakes.</summary>
sealed record ReloadReply
{
    public required bool Ok { get; init; }
    /// <summary>Mistakes of the file, each as FILE:LINE:COLUMN: message.</summary>
    public IReadOnlyList<string> Mistakes { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ReloadReply))]
sealed partial class DaemonJson : JsonSerializerContext;

/// <summary>The client of the daemon's control socket; an <c>IOException</c> with a sentence when it does not answer.
/// </summary>
sealed class DaemonClient(string path = DaemonClient.DefaultPath) : IDisposable
{
    /// <summary>Where the socket is unless the configuration names another folder.</summary>
    internal const string DefaultPath = "/run/nashammer/daemon.sock";

    readonly ControlClient _client = new(path, "the daemon");

    internal BoxStatus Status() => Get("/status", StatusJson.Default.BoxStatus);
    internal ReloadReply Reload() => Post("/reload", DaemonJson.Default.ReloadReply);
    internal void Alive() => _client.Ask("/alive");

    internal T Get<T>(string request, JsonTypeInfo<T> type) => _client.Get(request, type);
    internal T Post<T>(string request, JsonTypeInfo<T> type) => _client.Post(request, null, type);

    internal TReply Post<TBody, TReply>(string request, TBody body, JsonTypeInfo<TBody> bodyType,
        JsonTypeInfo<TReply> type)
    {
        using JsonContent content = JsonContent.Create(body, bodyType);
        return _client.Post(request, content, type);
    }

    public void Dispose() => _client.Dispose();
}
