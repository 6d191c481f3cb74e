using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;

namespace NasTesting;

/// <summary>
/// The way to tests/golden for all test programs: the list of all golden volumes with what must be found in them, and
/// the unpacking of images, streams and texts.
///
/// Images are unpacked sparsely by the zstd and tar programs (make test installs them) into a directory of this process
/// under the system's temporary directory; it goes when the process ends, and leftovers of killed processes go at the
/// next start. What <see cref="Unpack"/> gives is shared by all tests of the process and read-only; a test that writes
/// takes <see cref="UnpackPrivate"/>. Missing data throw: a golden test without its data must fail.
/// </summary>
public static class GoldenData
{
    const string TempPrefix = "nashammer-golden-";
    static readonly Lazy<string> s_root = new(FindRepositoryRoot);
    static readonly Lazy<IReadOnlyList<GoldenImage>> s_catalogue = new(() => GoldenCatalogue.Build(GoldenDirectory));
    static readonly Lazy<string> s_temp = new(CreateTempDirectory);
    static readonly Dictionary<string, Unpacked> s_unpacked = [];

    /// <summary>The directory that holds NasHammer.sln.</summary>
    public static string RepositoryRoot => s_root.Value;

    /// <summary>tests/golden.</summary>
    public static string GoldenDirectory => Path.Combine(RepositoryRoot, "tests", "golden");

    /// <summary>Every golden volume, fresh ones included.</summary>
    public static IReadOnlyList<GoldenImage> Catalogue => s_catalogue.Value;

    /// <summary>A directory of this process, deleted when it ends.</summary>
    public static string TempDirectory => s_temp.Value;

    /// <summary>All names of the catalogue, in the shape of xunit's MemberData.</summary>
    public static IEnumerable<object[]> ImageNames() => Catalogue.Select(i => new object[] { i.Name });

    /// <summary>(image name, index into Manifests) for every tree of every volume, as xunit MemberData.</summary>
    public static IEnumerable<object[]> ManifestCases() =>
        Catalogue.SelectMany(i => Enumerable.Range(0, i.Manifests.Count).Select(m => new object[] { i.Name, m }));

    public static GoldenImage Image(string name) =>
        Catalogue.FirstOrDefault(i => i.Name == name)
        ?? throw new InvalidOperationException($"golden image '{name}' is not in the catalogue");

    /// <summary>The volume's images as sparse files, unpacked once per process and kept until it ends. Do not write to
    /// them. A test that goes through many volumes takes <see cref="Borrow"/>.</summary>
    public static string[] Unpack(string name)
    {
        GoldenLease lease = Borrow(name);
        lease.Keep();
        return lease.Paths;
    }

    /// <summary>The same files, deleted when the last borrower disposes and nobody unpacked them for good.</summary>
    public static GoldenLease Borrow(string name)
    {
        Unpacked? entry;
        lock (s_unpacked)
        {
            if (!s_unpacked.TryGetValue(name, out entry))
            {
                entry = new Unpacked(new Lazy<string[]>(() => UnpackPrivate(
                    name, Directory.CreateDirectory(Path.Combine(TempDirectory, name.Replace('/', '_'))).FullName)));
                s_unpacked.Add(name, entry);
            }
            entry.Borrowers++;
        }
        return new GoldenLease(name, entry.Paths.Value);
    }

    internal static void Return(string name, bool keep)
    {
        lock (s_unpacked)
        {
            Unpacked entry = s_unpacked[name];
            entry.Kept |= keep;
            entry.Borrowers--;
            if (entry.Borrowers > 0 || entry.Kept) { return; }
            s_unpacked.Remove(name);
            foreach (string path in entry.Paths.Value) { File.Delete(path); }
        }
    }

    sealed class Unpacked(Lazy<string[]> paths)
    {
        internal Lazy<string[]> Paths => paths;
        internal int Borrowers;
        internal bool Kept;
    }

    /// <summary>The volume's images, unpacked into the caller's directory as vol0.img, vol1.img ...; the caller may
    /// write to them and deletes them.</summary>
    public static string[] UnpackPrivate(string name, string directory)
    {
        GoldenImage image = Image(name);
        var paths = new string[image.Archives.Count];
        for (int i = 0; i < paths.Length; i++)
        {
            paths[i] = Path.Combine(directory, $"vol{i}.img");
            UnpackSparse(image.Archives[i], paths[i]);
        }
        return paths;
    }

    /// <summary>Bytes of a compressed file below tests/golden; ".zst" may be left out. For mirror streams, manifests,
    /// operation lists and dumps, not for images.</summary>
    /// <param name="name">For example "made/v7/mirror.full.stream"; without a top folder, made/ is assumed.</param>
    public static byte[] Stream(string name)
    {
        string path = Path.IsPathRooted(name) ? name : Path.Combine(GoldenDirectory, name);
        if (!File.Exists(path) && !File.Exists(path + ".zst")) { path = Path.Combine(GoldenDirectory, "made", name); }
        if (!File.Exists(path)) { path += ".zst"; }
        RequireFile(path);
        return path.EndsWith(".zst", StringComparison.Ordinal) ? RunForBytes("zstd", ["-dcq", path])
            : File.ReadAllBytes(path);
    }

    /// <summary>The same as text in UTF-8.</summary>
    public static string Text(string name) => System.Text.Encoding.UTF8.GetString(Stream(name));

    /// <summary>An info file (crash.info.json, mirror.info.json, ...) as JSON.</summary>
    public static JsonElement Json(string name)
    {
        using JsonDocument document = JsonDocument.Parse(Stream(name));
        return document.RootElement.Clone();
    }

    /// <summary>A TID written as hex with or without 0x.</summary>
    public static ulong ParseTid(string text) => ulong.Parse(
        text.StartsWith("0x", StringComparison.Ordinal) ? text.AsSpan(2) : text,
        NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    static void UnpackSparse(string archive, string target)
    {
        RequireFile(archive);
        if (!archive.EndsWith(".tar.zst", StringComparison.Ordinal))
        {
            RunForBytes("zstd", ["-dqf", "--sparse", archive, "-o", target]);
            return;
        }
        string folder = target + ".tar";
        Directory.CreateDirectory(folder);
        RunForBytes("tar", ["-I", "zstd", "-xSf", archive, "-C", folder]);
        string[] files = Directory.GetFiles(folder);
        if (files.Length != 1)
        {
            throw new InvalidDataException($"{archive}: expected one image, found {files.Length}");
        }
        File.Move(files[0], target, overwrite: true);
        Directory.Delete(folder);
    }

    static void RequireFile(string path)
    {
        if (!File.Exists(path)) { throw new FileNotFoundException($"golden data are missing: {path}", path); }
    }

    static byte[] RunForBytes(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using Process process = Process.Start(start)
            ?? throw new InvalidOperationException($"{program} did not start");
        System.Threading.Tasks.Task<string> errors = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidDataException(
                $"{program} {string.Join(' ', arguments)}: exit {process.ExitCode}: {errors.Result.Trim()}");
        }
        return output.ToArray();
    }

    static string FindRepositoryRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "NasHammer.sln"))) { return at.FullName; }
        }
        throw new DirectoryNotFoundException(
            $"NasHammer.sln was not found in or above {AppContext.BaseDirectory}: run tests within the repository");
    }

    static string CreateTempDirectory()
    {
        foreach (string old in Directory.GetDirectories(Path.GetTempPath(), TempPrefix + "*"))
        {
            string[] parts = Path.GetFileName(old)[TempPrefix.Length..].Split('-');
            if (!Directory.Exists("/proc/" + parts[0])) { DeleteQuietly(old); }
        }
        string made = Directory.CreateTempSubdirectory($"{TempPrefix}{Environment.ProcessId}-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => DeleteQuietly(made);
        return made;
    }

    static void DeleteQuietly(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (IOException)
        {
            // Another test process cleans the same leftovers; whoever comes last succeeds.
        }
        catch (UnauthorizedAccessException)
        {
            // A leftover of another user is that user's to clean.
        }
    }
}
