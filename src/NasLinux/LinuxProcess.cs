using System.Collections.Generic;
using System.Globalization;
using System.IO;

namespace NasLinux;

/// <summary>What a process does to become a daemon.</summary>
public static class LinuxProcess
{
    const int ORdWr = 2, OCloExec = 0x80000;
    const string Descriptors = "/proc/self/fd";

    /// <summary>
    /// The calling thread gets the processor, and through that the disk, when nobody else wants it. No harm if that
    /// is not allowed.
    /// </summary>
    public static void LowerPriority()
    {
        const int ofProcess = 0, thisThread = 0, least = 19;
        _ = Libc.SetPriority(ofProcess, thisThread, least);
    }

    /// <summary>Leaves the session of the terminal: signals of the terminal no longer arrive.</summary>
    public static void LeaveSession() => _ = Libc.SetSid();

    /// <summary>
    /// Points standard input, output and error to /dev/null, and every copy of them that the runtime has made for
    /// itself: whoever reads our output through a pipe must see its end.
    /// </summary>
    public static void DropStandardStreams()
    {
        int fd = Libc.Open("/dev/null", ORdWr | OCloExec, 0);
        if (fd < 0) return;
        var streams = new HashSet<string>();
        for (int target = 0; target <= 2; target++)
        {
            if (TargetOf(target) is { } stream) streams.Add(stream);
            _ = Libc.Dup2(fd, target);
        }
        streams.Remove("/dev/null");
        foreach (string path in Directory.GetFileSystemEntries(Descriptors))
        {
            int copy = int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture);
            if (copy > 2 && TargetOf(copy) is { } stream && streams.Contains(stream))
                _ = Libc.Dup3(fd, copy, OCloExec);
        }
        if (fd > 2) _ = Libc.Close(fd);
    }

    /// <summary>What a descriptor leads to, as "pipe:[1234]" or a path; null for one that is closed.</summary>
    static string? TargetOf(int fd)
    {
        try
        {
            return new FileInfo(Path.Combine(Descriptors, fd.ToString(CultureInfo.InvariantCulture))).LinkTarget;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
