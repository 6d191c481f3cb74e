using System;
using System.Linq;
using NasCore.Primitives;
using NasFirmware.Daemon;

namespace NasFirmware.Identity;

/// <summary>What was found on a volume, and is kept in step with what is written there.</summary>
sealed class SeenCopy
{
    byte[]? _content;
    bool _isDamaged;

    SeenCopy(VolumeHandle handle) => Handle = handle;

    internal VolumeHandle Handle { get; }
    /// <summary>What is there and believed.</summary>
    internal IdentityCopy? Copy { get; private set; }
    /// <summary>Written by a newer version of the program: left alone.</summary>
    internal bool IsNewer { get; private set; }
    /// <summary>Something stands there that others than root made or may change.</summary>
    internal bool IsForeignPlace { get; private set; }
    /// <summary>Why it could not be read or written the last time.</summary>
    internal string? WriteFault { get; private set; }

    /// <summary>Reads what a volume carries; null if the volume goes or cannot be read now.</summary>
    internal static SeenCopy? Look(VolumeHandle handle)
    {
        using IDisposable? use = handle.TryUse();
        if (use is null) return null;
        var seen = new SeenCopy(handle);
        Errno result = VolumeCopy.Read(handle.Fs, out seen._content);
        seen.IsForeignPlace = result == Errno.Perm;
        // What cannot be read is no reason to write something else in its place.
        if (result.IsError && result != Errno.Perm)
        {
            seen.IsNewer = true;
            seen.WriteFault = $"{VolumeCopy.Place} cannot be read: {result}";
        }
        if (seen._content is null) return seen;
        seen.Copy = IdentityFile.Read(seen._content, out _, out bool isNewer);
        seen.IsNewer = isNewer;
        seen._isDamaged = seen.Copy is null && !isNewer;
        return seen;
    }

    /// <summary>It carries another identity, which is not ours to overwrite.</summary>
    internal bool IsOthers(string box, string key, IdentityChoices choices) => Copy is { } copy && copy.Key != key
        && !(copy.IsNew && copy.Box == box) && !choices.Retired.Contains(copy.Key);

    /// <summary>The owner gives up what is there.</summary>
    internal void Forget()
    {
        Copy = null;
        IsNewer = false;
    }

    /// <summary>Makes it the wanted content; true if something was written.</summary>
    internal bool Write(byte[] wanted)
    {
        if (_content is not null && wanted.AsSpan().SequenceEqual(_content)) return false;
        Errno result = Errno.None;
        if (_isDamaged) result = VolumeCopy.PutAside(Handle.Fs, Handle.Notifier);
        if (!result.IsError)
        {
            _isDamaged = false;
            result = VolumeCopy.Write(Handle.Fs, Handle.Notifier, wanted);
        }
        WriteFault = result.IsError ? Reason(result) : null;
        if (result.IsError) return false;
        _content = wanted;
        Copy = IdentityFile.Read(wanted, out _, out _);
        return true;
    }

    /// <summary>Takes it away; true if something was there.</summary>
    internal bool Remove()
    {
        if (_content is null && !VolumeCopy.IsThere(Handle.Fs)) return false;
        Errno result = VolumeCopy.Remove(Handle.Fs, Handle.Notifier);
        WriteFault = result.IsError ? "it cannot be taken away: " + Reason(result) : null;
        if (result.IsError) return false;
        _content = null;
        Copy = null;
        return true;
    }

    static string Reason(Errno errno) => errno == Errno.NoSpc ? "the file system is full" : errno.ToString();
}
