namespace NasLinux;

/// <summary>What a process does to become a daemon.</summary>
public static class LinuxProcess
{
    const int ORdWr = 2;

    /// <summary>Leaves the session of the terminal: signals of the terminal no longer arrive.</summary>
    public static void LeaveSession() => _ = Libc.SetSid();

    /// <summary>Points standard input, output and error to /dev/null.</summary>
    public static void DropStandardStreams()
    {
        int fd = Libc.Open("/dev/null", ORdWr, 0);
        if (fd < 0) return;
        for (int target = 0; target <= 2; target++) _ = Libc.Dup2(fd, target);
        if (fd > 2) _ = Libc.Close(fd);
    }
}
