using System;
using System.Collections.Generic;
using Microsoft.Extensions.Logging;

namespace NasFirmware.Mirroring;

/// <summary>What the link between boxes writes to the journal; event ids 4100 to 4199.</summary>
static partial class PeerLog
{
    [LoggerMessage(4100, LogLevel.Information, "listening for peers at {Address}; this box is {Key}")]
    internal static partial void Listening(ILogger log, string address, string key);

    [LoggerMessage(4101, LogLevel.Warning, "refused a stranger at {Address}: key {Key}. If it is one of your boxes: "
        + "nashammer peer add NAME {Key}")]
    internal static partial void Stranger(ILogger log, string address, string key);

    [LoggerMessage(4102, LogLevel.Debug, "peer {Peer} connected from {Address}")]
    internal static partial void Connected(ILogger log, string peer, string address);

    [LoggerMessage(4103, LogLevel.Information, "peer {Peer} has {Count} connections already: one more was refused")]
    internal static partial void TooMany(ILogger log, string peer, int count);

    [LoggerMessage(4104, LogLevel.Debug, "connection of {Peer} ended: {Reason}")]
    internal static partial void Ended(ILogger log, string peer, string reason);

    [LoggerMessage(4105, LogLevel.Error, "serving {Peer} failed")]
    internal static partial void Failed(ILogger log, Exception e, string peer);

    [LoggerMessage(4106, LogLevel.Warning, "{Problem}")]
    internal static partial void Problem(ILogger log, string problem);
}

/// <summary>
/// Tells of strangers: each key once in a while, and no more than so many lines in that time, whatever they do.
/// </summary>
sealed class StrangerLog(ILogger log, TimeProvider time)
{
    const int LinesMax = 16;
    static readonly TimeSpan s_while = TimeSpan.FromMinutes(10);

    readonly object _gate = new();
    readonly HashSet<string> _told = new(StringComparer.Ordinal);
    long _since = time.GetTimestamp();

    internal void Tell(string address, string key)
    {
        lock (_gate)
        {
            if (time.GetElapsedTime(_since) > s_while)
            {
                _told.Clear();
                _since = time.GetTimestamp();
            }
            if (_told.Count >= LinesMax || !_told.Add(key)) return;
        }
        PeerLog.Stranger(log, address, key);
    }
}
