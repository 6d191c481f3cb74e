using System.Globalization;
using NasCore.Ondisk;

namespace NasCore.Mirror;

/// <summary>The lines of mirror-dump (mirroring-and-operations 4.7).</summary>
public static class MirrorDump
{
    /// <summary>The text of the record last read, without the last newline; null for records that are not
    /// shown.</summary>
    public static string? Text(MrecordReader reader) => reader.Kind switch
    {
        MrecordType.Rec => Leaf("Record", " ot=" + Hex2(reader.Leaf.Base.ObjTypeRaw)
            + (reader.Head.IsCrcError || !reader.DataCrcMatches() ? " (BAD CRC)" : ""), reader.Leaf),
        MrecordType.Pass => Leaf("Pass  ", " ot=" + Hex2(reader.Leaf.Base.ObjTypeRaw), reader.Leaf),
        MrecordType.Skip => "Skip   " + Key(reader.Skip.SkipBeg) + " to\n       " + Key(reader.Skip.SkipEnd),
        _ => null,
    };

    static string Leaf(string word, string tail, in LeafElm leaf) => string.Create(CultureInfo.InvariantCulture,
        $"{word} {Key(leaf.Base)}{tail}\n       "
        + $"tids {leaf.Base.CreateTid:x16}:{leaf.Base.DeleteTid:x16} data={leaf.DataLen}");

    static string Key(in BaseElm key) => string.Create(CultureInfo.InvariantCulture,
        $"lo={key.Localization:x8} obj={key.ObjId:x16} key={key.Key:x16} rt={key.RecTypeRaw:x2}");

    static string Hex2(byte value) => value.ToString("x2", CultureInfo.InvariantCulture);
}
