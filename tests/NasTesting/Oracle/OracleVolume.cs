using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace NasTesting.Oracle;

/// <summary>
/// An independent reader of HAMMER volumes, the judge of everything that the engine writes. It is written from
/// docs/FORMAT's source texts alone and uses nothing from src, so that it cannot share a misreading with the engine.
/// It is plain and slow: the whole B-Tree is read into memory at opening, and every question is answered by looking at
/// all records.
///
/// Opening reads the headers, applies UNDO in memory and walks the tree. <see cref="Manifest"/> gives the tree of a
/// PFS at a TID in the shape of the golden manifests, <see cref="Verify"/> every broken invariant of the format,
/// <see cref="Canonical"/> the live records in a form that another volume with the same history shares.
/// </summary>
public sealed class OracleVolume : IDisposable
{
    readonly List<IDisposable> _owned = [];
    readonly Dictionary<string, string> _hashes = [];
    readonly ILookup<int, OracleRecord> _byPfs;

    OracleVolume(IReadOnlyList<IOracleDevice> devices)
    {
        Medium = new OracleMedium(devices);
        Undo = OracleUndo.Run(Medium);
        Tree = OracleTree.Walk(Medium);
        _byPfs = Tree.Records.ToLookup(r => r.PfsId);
        foreach (OracleRecord record in Tree.Records)
        {
            if (record is { RecType: OracleRecord.Pfs, IsLive: true, PfsId: 0 })
            {
                var pfs = new OraclePfs(record);
                PfsTable[pfs.Id] = pfs;
            }
        }
    }

    public OracleMedium Medium { get; }

    /// <summary>What recovery stage 1 did.</summary>
    public OracleUndo Undo { get; }

    public OracleTree Tree { get; }

    /// <summary>Live PFS records by id.</summary>
    public Dictionary<int, OraclePfs> PfsTable { get; } = [];

    /// <summary>All records, historic ones too, in key order.</summary>
    public IReadOnlyList<OracleRecord> Records => Tree.Records;

    public static OracleVolume Open(params string[] paths)
    {
        var files = new List<FileOracleDevice>();
        try
        {
            foreach (string path in paths) { files.Add(new FileOracleDevice(path)); }
            var volume = new OracleVolume(files);
            volume._owned.AddRange(files);
            return volume;
        }
        catch
        {
            foreach (FileOracleDevice file in files) { file.Dispose(); }
            throw;
        }
    }

    public static OracleVolume Open(params IOracleDevice[] devices) => new(devices);

    public void Dispose()
    {
        foreach (IDisposable owned in _owned) { owned.Dispose(); }
    }

    /// <summary>All records of a PFS in key order.</summary>
    public IEnumerable<OracleRecord> RecordsOf(int pfs) => _byPfs[pfs];

    /// <summary>Ids that have any record.</summary>
    public IEnumerable<int> PfsIds => _byPfs.Select(g => g.Key).Order();

    /// <summary>Every broken invariant (Appendix C and observed.md); empty for a sound volume.</summary>
    /// <param name="checkData">Also read all data and check their CRCs.</param>
    public List<OracleFinding> Verify(bool checkData = true) => OracleChecker.Run(this, checkData);

    /// <summary>Live inodes that no entry names: legal after a crash (observed.md 30), so not a finding.</summary>
    public IEnumerable<OracleRecord> Orphans() => PfsIds.Select(p => View(p)).SelectMany(view =>
        view.Inodes.Values.Where(i => i.Nlinks == 0).Select(i => i.Record));

    public OracleView View(int pfs, ulong? asOf = null, bool readOnly = false, bool storedTimes = false) =>
        new(this, pfs, asOf, !storedTimes && (readOnly || asOf is not (null or ulong.MaxValue)));

    /// <summary>The tree as the golden manifests list it; entries without an inode have the type "missing".</summary>
    /// <param name="pfs">The pseudo-filesystem.</param>
    /// <param name="asOf">A TID, or null for the live tree.</param>
    /// <param name="readOnly">Report mtime = ctime, as a read-only mount does; always so with a TID.</param>
    /// <param name="storedTimes">Report the stored mtime whatever the view, as our own writer's history allows.</param>
    public List<ManifestEntry> Manifest(
        int pfs = 0, ulong? asOf = null, bool readOnly = false, bool storedTimes = false) =>
        View(pfs, asOf, readOnly, storedTimes).Manifest();

    /// <summary>
    /// The live records of a PFS without what differs between two implementations that did the same things: for each
    /// record the first path of its object, record type, key, object type, length, and for file data and long link
    /// targets the CRC. Sorted.
    /// </summary>
    public List<string> Canonical(int pfs = 0)
    {
        OracleView view = View(pfs);
        var names = new Dictionary<ulong, string>();
        foreach (ManifestEntry entry in view.Manifest())
        {
            if (!names.TryGetValue(entry.Ino, out string? known) || string.CompareOrdinal(entry.Path, known) < 0)
            {
                names[entry.Ino] = entry.Path;
            }
        }
        var lines = new List<string>();
        foreach (OracleRecord r in RecordsOf(pfs).Where(r => r.IsLive))
        {
            string name = names.GetValueOrDefault((ulong)r.ObjId, $"(object {r.ObjId:x16})");
            string crc = r.RecType is OracleRecord.Data or OracleRecord.Fix ? $" crc={r.DataCrc:x8}" : "";
            string key = r.RecType == OracleRecord.Snapshot ? "TID" : $"{r.Key:x16}";
            lines.Add(string.Create(CultureInfo.InvariantCulture,
                $"{name} lo={r.Localization:x8} rt={r.RecType:x2} key={key} ot={r.ObjType:x2} len={r.DataLen}{crc}"));
        }
        lines.Sort(string.CompareOrdinal);
        return lines;
    }

    // The same content under many TIDs is hashed once.
    internal string HashOf(OracleInode inode, List<OracleRecord> data)
    {
        var key = new StringBuilder();
        key.Append(CultureInfo.InvariantCulture, $"{inode.Size}");
        foreach (OracleRecord r in data) { key.Append(CultureInfo.InvariantCulture, $" {r.Node:x}.{r.Index}"); }
        string name = key.ToString();
        if (!_hashes.TryGetValue(name, out string? hash))
        {
            hash = OracleView.Hash(inode, data);
            _hashes.Add(name, hash);
        }
        return hash;
    }
}
