using System;
using System.Globalization;
using System.Text;
using NasCore.Primitives;

namespace NasCore.Pfs;

/// <summary>
/// A path component with a point in time (mirroring-and-operations 2.1):
/// <c>[name]@@(0x + 16 hex digits | -1)[:5 decimal digits]</c>. What does not match completely is an ordinary name.
/// </summary>
public readonly struct AsOfName
{
    AsOfName(int nameBytes, ulong tid, int pfsId)
    {
        NameBytes = nameBytes;
        AsOf = tid;
        PfsId = pfsId;
    }

    /// <summary>Length of what stands before the @@; 0 names the directory itself or a PFS root.</summary>
    public int NameBytes { get; }
    public ulong AsOf { get; }
    /// <summary>-1 when no PFS is named.</summary>
    public int PfsId { get; }

    public static bool TryParse(ReadOnlySpan<byte> component, out AsOfName result)
    {
        result = default;
        int at = component.IndexOf("@@"u8);
        if (at < 0) return false;
        ReadOnlySpan<byte> rest = component[(at + 2)..];
        ulong tid;
        if (rest.StartsWith("-1"u8))
        {
            tid = Tid.Max;
            rest = rest[2..];
        }
        else if (rest.Length >= 18 && rest[0] == (byte)'0' && (rest[1] | 0x20) == (byte)'x'
            && TryHex(rest.Slice(2, 16), out tid))
        {
            rest = rest[18..];
        }
        else
        {
            return false;
        }
        int pfs = -1;
        if (rest.Length != 0)
        {
            if (rest.Length != 6 || rest[0] != (byte)':' || !TryDecimal(rest[1..], out pfs)) return false;
        }
        // "@@0x0" means now, like every as-of of 0 (observed 33).
        result = new AsOfName(at, tid == 0 ? Tid.Max : tid, pfs);
        return true;
    }

    /// <summary>Parses exactly five decimal digits of a PFS id; false beyond 65535.</summary>
    public static bool TryDecimal(ReadOnlySpan<byte> digits, out int value)
    {
        value = 0;
        if (digits.Length != 5) return false;
        foreach (byte b in digits)
        {
            if (b is < (byte)'0' or > (byte)'9') return false;
            value = value * 10 + (b - '0');
        }
        return value <= HammerConst.PfsIdMax;
    }

    /// <summary>The link text of a PFS as readlink shows it (mirroring-and-operations 1.3).</summary>
    public static string LinkText(bool slave, ulong syncEndTid, int pfsId) => slave
        ? string.Create(CultureInfo.InvariantCulture, $"@@0x{syncEndTid:x16}:{pfsId:d5}")
        : string.Create(CultureInfo.InvariantCulture, $"@@-1:{pfsId:d5}");

    /// <summary>The PFS that a stored 10-byte softlink target names: <c>@@PFS</c> and five digits.</summary>
    public static bool TryPfsLink(ReadOnlySpan<byte> target, out int pfsId)
    {
        pfsId = 0;
        return target.Length == 10 && target.StartsWith("@@PFS"u8) && TryDecimal(target[5..], out pfsId);
    }

    /// <summary>Stored target of the softlink of a PFS.</summary>
    public static byte[] StoredLink(int pfsId) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"@@PFS{pfsId:d5}"));

    static bool TryHex(ReadOnlySpan<byte> digits, out ulong value)
    {
        value = 0;
        foreach (byte b in digits)
        {
            int lower = b | 0x20;
            int digit = b is >= (byte)'0' and <= (byte)'9' ? b - '0'
                : lower is >= 'a' and <= 'f' ? lower - 'a' + 10 : -1;
            if (digit < 0) return false;
            value = (value << 4) | (uint)digit;
        }
        return true;
    }
}
