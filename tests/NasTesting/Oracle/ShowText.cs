using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;

namespace NasTesting.Oracle;

/// <summary>One record as a B-Tree dump prints it: what dumps of two readers can be compared by.</summary>
public readonly record struct ShowRecord(
    uint Localization, long ObjId, ushort RecType, long Key, ulong CreateTid, ulong DeleteTid, byte ObjType,
    ulong DataOffset, int DataLen, uint DataCrc)
{
    public static ShowRecord Of(OracleRecord r) => new(r.Localization, r.ObjId, r.RecType, r.Key, r.CreateTid,
        r.DeleteTid, r.ObjType, r.DataOffset, r.DataLen, r.DataCrc);
}

/// <summary>One node as a dump prints it.</summary>
public readonly record struct ShowNode(ulong Address, int Count, ulong Parent, char Type, int Depth, ulong MirrorTid);

/// <summary>A parsed B-Tree dump of HAMMER's tool (the golden show.txt files).</summary>
public sealed partial class ShowText
{
    ShowText(string text)
    {
        string[] lines = text.Split('\n');
        Match head = Match.Empty;
        foreach (string line in lines)
        {
            if (NodeLine().Match(line) is { Success: true } node)
            {
                Nodes.Add(new ShowNode(Hex(node, 1), (int)Decimal(node, 2), Hex(node, 3), node.Groups[4].Value[0],
                    (int)Decimal(node, 5), Hex(node, 6)));
            }
            else if (HeadLine().Match(line) is { Success: true } found)
            {
                if (head.Success) { throw new InvalidDataException($"half a record before: {line}"); }
                head = found;
                if (found.Groups[1].Value != "G------") { FlaggedLines.Add(line); }
            }
            else if (head.Success && TailLine().Match(line) is { Success: true } tail)
            {
                Records.Add(new ShowRecord((uint)Hex(head, 2), (long)Hex(head, 3), (ushort)Hex(head, 4),
                    (long)Hex(head, 5), Hex(head, 6), Hex(tail, 1), (byte)Hex(tail, 2), Hex(tail, 3),
                    (int)Decimal(tail, 4), (uint)Hex(tail, 6)));
                head = Match.Empty;
            }
        }
        if (Nodes.Count == 0) { throw new InvalidDataException("the dump has no node"); }
    }

    public List<ShowNode> Nodes { get; } = [];

    public List<ShowRecord> Records { get; } = [];

    /// <summary>Element lines that the tool itself marked as bad.</summary>
    public List<string> FlaggedLines { get; } = [];

    public IEnumerable<ShowRecord> Live => Records.Where(r => r.DeleteTid == 0);

    /// <param name="path">A show.txt or show.txt.zst, as GoldenData.Text takes it.</param>
    public static ShowText Load(string path) => new(GoldenData.Text(path));

    public static ShowText Parse(string text) => new(text);

    static ulong Hex(Match match, int group) =>
        ulong.Parse(match.Groups[group].ValueSpan, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    static long Decimal(Match match, int group) =>
        long.Parse(match.Groups[group].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    // The count is decimal: "cnt=63".
    [GeneratedRegex(@"^ *\S* *NODE ([0-9a-f]{16}) cnt=(\d+) p=([0-9a-f]{16}) type=(\S) depth=(\d+)"
        + " mirror=([0-9a-f]{16})")]
    private static partial Regex NodeLine();

    [GeneratedRegex(@"^(\S{7}) ELM +\d+ R lo=([0-9a-f]{8}) objid=([0-9a-f]{16}) rt=([0-9a-f]+) key=([0-9a-f]{16})"
        + " tid=([0-9a-f]{16})")]
    private static partial Regex HeadLine();

    [GeneratedRegex(@"^ +[<>]?d? *del=([0-9a-f]{16}) ot=([0-9a-f]{2}) dataoff=([0-9a-f]{16})/(\d+)"
        + " (.)crc=([0-9a-f]{8})")]
    private static partial Regex TailLine();
}
