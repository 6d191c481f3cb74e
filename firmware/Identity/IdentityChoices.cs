using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using NasFirmware.Mirroring;
using NasLinux;

namespace NasFirmware.Identity;

/// <summary>
/// What the owner has decided about keys and copies: kept in the state folder, and in every copy for a new card.
/// </summary>
sealed record IdentityChoices
{
    internal const string FileName = "identity.json";
    const int FileBytesMax = 64 * 1024, RetiredMax = 64, WithoutMax = 64;
    const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Hashes of keys that this box gave up: no disk brings them back, and their copies are overwritten.
    /// </summary>
    public IReadOnlyList<string> Retired { get; init; } = [];
    /// <summary>File systems, by their fsid, that keep no copy.</summary>
    public IReadOnlyList<Guid> Without { get; init; } = [];

    internal bool IsNothing => Retired.Count == 0 && Without.Count == 0;

    /// <summary>The latest are kept, should there be too many.</summary>
    internal IdentityChoices Retire(IEnumerable<string> keys) =>
        this with { Retired = [.. Retired.Union(keys).TakeLast(RetiredMax)] };

    internal IdentityChoices Leave(Guid volume) =>
        this with { Without = [.. Without.Where(v => v != volume).Append(volume).TakeLast(WithoutMax)] };

    internal IdentityChoices Serve(Guid volume) => this with { Without = [.. Without.Where(v => v != volume)] };

    /// <summary>What is wrong with it, or null.</summary>
    internal static string? Fault(IdentityChoices choices) => choices.Retired is null || choices.Without is null
        || choices.Retired.Count > RetiredMax || choices.Without.Count > WithoutMax
        || choices.Retired.Any(k => k is null || !PeerStore.IsKey(k)) ? "it is not what this program writes" : null;

    /// <summary>Nothing if there is no file; <see cref="IOException"/> if it cannot be read.</summary>
    internal static IdentityChoices Load(string stateFolder)
    {
        string path = Path.Combine(stateFolder, FileName);
        if (!File.Exists(path)) return new IdentityChoices();
        if (new FileInfo(path).Length > FileBytesMax) throw Damaged(path, null);
        try
        {
            IdentityChoices? read = JsonSerializer.Deserialize(File.ReadAllBytes(path),
                IdentityJson.Default.IdentityChoices);
            return read is null || Fault(read) is not null ? throw Damaged(path, null) : read;
        }
        catch (JsonException e)
        {
            throw Damaged(path, e);
        }
    }

    internal void Save(string stateFolder) => DurableFile.Replace(Path.Combine(stateFolder, FileName),
        JsonSerializer.SerializeToUtf8Bytes(this, IdentityJson.Default.IdentityChoices), Mode);

    static IOException Damaged(string path, Exception? cause) => new($"{path}: damaged. Remove it; keys that were "
        + "given up, and disks that are to keep no copy, have to be named again", cause);
}
