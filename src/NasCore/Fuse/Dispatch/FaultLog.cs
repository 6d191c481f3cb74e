using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using NasCore.Fuse.Abi;
using NasCore.Primitives;

namespace NasCore.Fuse.Dispatch;

/// <summary>
/// What becomes of an exception in a request: an error number for the kernel, one log line per place, and the latch
/// for what should not exist.
/// </summary>
public sealed class FaultLog(IFileSystem fs, Action<string> log)
{
    const int PlacesMax = 1024;

    readonly Lock _lock = new();
    readonly Dictionary<string, long> _places = [];

    /// <summary>Complaints about places that were logged before.</summary>
    public long Repeated { get; private set; }

    public Errno Map(Exception exception, FuseOpcode opcode)
    {
        switch (exception)
        {
            case HammerMediumException medium:
                // The same place, whichever part of the file was asked for.
                string place = (medium.InnerException as HammerMediumException ?? medium).Message;
                Once(place, $"{opcode}: {medium.Message}; the object is unreadable");
                return Errno.Io;
            case MountCriticalException:
                return Errno.RoFs;
            case IOException io:
                Once((io.InnerException as IOException ?? io).Message,
                    $"{opcode}: {io.Message}; the request fails with an I/O error");
                return Errno.Io;
            default:
                fs.Health.LatchCritical(HammerOff.Null, $"request {opcode} failed: {exception.GetType().Name}",
                    exception);
                Once(exception.GetType().Name + opcode, $"{opcode}: {exception}; the mount is read-only from now on");
                return Errno.Io;
        }
    }

    /// <summary>Logs a complaint once per place; the memory for places is bounded.</summary>
    public void Once(string place, string message)
    {
        lock (_lock)
        {
            if (_places.TryGetValue(place, out long count) || _places.Count >= PlacesMax)
            {
                if (_places.Count < PlacesMax || count > 0) _places[place] = count + 1;
                Repeated++;
                return;
            }
            _places[place] = 1;
        }
        log(message);
    }
}
