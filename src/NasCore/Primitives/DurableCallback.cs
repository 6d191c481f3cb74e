namespace NasCore.Primitives;

/// <summary>Called once a flush group is durable, or the mount has failed; never under a file system lock.</summary>
public delegate void DurableCallback(object? state, Errno result);
