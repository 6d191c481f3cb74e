using System;
using System.Globalization;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCore.Maintenance;

/// <summary>
/// Resume keys as text, for cycle files and requests: object id and localization as hammer(8) prints them, then record
/// type, key and create_tid, all hexadecimal.
/// Differs: the original resumes at an object; the last three are ours and may be absent.
/// </summary>
public static class KeyText
{
    public static string Format(in BaseElm key) => string.Create(CultureInfo.InvariantCulture,
        $"{key.ObjId:x16}:{key.Localization:x8} {key.RecTypeRaw:x4} {key.Key:x16} {key.CreateTid:x16}");

    /// <summary>The short form of messages.</summary>
    public static string Short(in BaseElm key) => string.Create(CultureInfo.InvariantCulture,
        $"{key.ObjId:x16}:{key.Localization & Localization.TypeMask:x4}");

    /// <summary>False if the text is no key.</summary>
    public static bool TryParse(string text, out BaseElm key)
    {
        key = default;
        string[] words = text.Split([' ', ':', '\n'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length is not (2 or 5)) return false;
        if (!Hex(words[0], out ulong objId) || !Hex(words[1], out ulong localization)
            || localization > uint.MaxValue) return false;
        key.ObjId = unchecked((long)objId);
        key.Localization = (uint)localization;
        key.RecTypeRaw = 0xFFFF;
        key.Key = long.MaxValue;
        key.CreateTid = Tid.Max;
        if (words.Length == 2) return true;
        if (!Hex(words[2], out ulong type) || type > ushort.MaxValue || !Hex(words[3], out ulong inner)
            || !Hex(words[4], out key.CreateTid)) return false;
        key.RecTypeRaw = (ushort)type;
        key.Key = unchecked((long)inner);
        return true;
    }

    static bool Hex(string word, out ulong value) =>
        ulong.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
}
