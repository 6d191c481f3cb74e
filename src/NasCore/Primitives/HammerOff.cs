using System.Globalization;

namespace NasCore.Primitives;

/// <summary>
/// A 64-bit HAMMER offset: zone (4 bits), volume number (8 bits), byte offset (52 bits); on-disk-format 1.1.
/// </summary>
public readonly record struct HammerOff(ulong Value)
{
    /// <summary>Mask of the offset inside the zone on its volume.</summary>
    public const ulong ShortMask = 0x000F_FFFF_FFFF_FFFF;
    /// <summary>Mask of volume and offset: the 60 bits seen by the freemap.</summary>
    public const ulong LongMask = 0x0FFF_FFFF_FFFF_FFFF;

    /// <summary>The null offset: no data, no node.</summary>
    public static HammerOff Null => default;

    public Zone Zone => (Zone)(Value >> 60);
    public int VolNo => (int)(Value >> 52) & 0xFF;
    /// <summary>Bytes inside the zone on this volume.</summary>
    public long ShortOffset => (long)(Value & ShortMask);
    /// <summary>The 60 bits that index the freemap.</summary>
    public ulong LongOffset => Value & LongMask;
    public bool IsNull => Value == 0;

    /// <summary>Byte offset inside the 16 KiB buffer.</summary>
    public int BufferOffset => (int)(Value & (HammerConst.BufferBytes - 1));
    /// <summary>Byte offset inside the 8 MiB big-block.</summary>
    public int BigBlockOffset => (int)(Value & (HammerConst.BigBlockBytes - 1));
    /// <summary>This offset rounded down to its 16 KiB buffer.</summary>
    public HammerOff BufferBase => new(Value & ~(ulong)(HammerConst.BufferBytes - 1));
    /// <summary>This offset rounded down to its big-block.</summary>
    public HammerOff BigBlockBase => new(Value & ~(ulong)(HammerConst.BigBlockBytes - 1));

    /// <summary>The same place as a zone-2 address; valid for zones 2, 4 and 8 to 15 (on-disk-format 1.3).</summary>
    public HammerOff ToZone2() => new((Value & LongMask) | ((ulong)Zone.RawBuffer << 60));
    /// <summary>The same 60 bits under another zone nibble.</summary>
    public HammerOff WithZone(Zone zone) => new((Value & LongMask) | ((ulong)zone << 60));
    public HammerOff Add(long bytes) => new(Value + (ulong)bytes);

    /// <summary>Builds an offset; a volume or byte offset out of range is a broken invariant.</summary>
    public static HammerOff Encode(Zone zone, int volNo, long offset)
    {
        Invariant.Check((uint)volNo < 256, "volume number of an offset is below 256");
        Invariant.Check((ulong)offset <= ShortMask, "short offset fits 52 bits");
        return new(((ulong)zone << 60) | ((ulong)volNo << 52) | (ulong)offset);
    }

    public override string ToString() => Value.ToString("x16", CultureInfo.InvariantCulture);
}
