using System;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace NasFirmware.Mirroring;

// Pairing: two boxes learn each other's keys over a network that nobody vouches for.
//
// TLS proves to each side that the other has some key, not whose. A man in the middle would have two connections with
// keys of his own. So both boxes compute six digits from both keys, as each sees them, and from a fresh random number
// of each side, and the owner compares the two displays. With a man in the middle the keys differ, and so do the
// digits, except by chance. He must not be able to try numbers until the digits agree; hence the order:
//
//   1. caller    sends the hash of (both keys, its number): from now on it cannot choose another number
//   2. answerer  sends its number
//   3. caller    shows its number; the answerer compares it with the hash
//   4. both      show the digits; each sends one byte when its owner has confirmed
//
// Towards the caller a man in the middle has to send his number before he sees the caller's; towards the answerer he
// has to fix his before he sees the answerer's. Either way he has one guess of a million in each attempt, attempts are
// few, and a wrong guess is seen by the owner.

/// <summary>What both sides compute while they are paired; no state.</summary>
static class PairingCode
{
    internal const int NonceBytes = 32, CommitmentBytes = SHA256.HashSizeInBytes;
    const uint Million = 1_000_000;

    /// <summary>What the caller is bound to before it sees the answerer's number.</summary>
    internal static byte[] Commitment(string callerKey, string answererKey, ReadOnlySpan<byte> callerNonce) =>
        Hash("nashammer pairing commitment 1"u8, callerKey, answererKey, callerNonce, default);

    /// <summary>The six digits.</summary>
    internal static string Digits(string callerKey, string answererKey, ReadOnlySpan<byte> callerNonce,
        ReadOnlySpan<byte> answererNonce)
    {
        byte[] hash = Hash("nashammer pairing code 1"u8, callerKey, answererKey, callerNonce, answererNonce);
        // 64 bits: the remainder of a million is even to one part in 10^13.
        ulong value = BinaryPrimitives.ReadUInt64BigEndian(hash);
        return (value % Million).ToString("D6", CultureInfo.InvariantCulture);
    }

    static byte[] Hash(ReadOnlySpan<byte> purpose, string callerKey, string answererKey, ReadOnlySpan<byte> one,
        ReadOnlySpan<byte> two)
    {
        // Every part but the first has a fixed length, and the purposes differ.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(purpose);
        hash.AppendData(Encoding.ASCII.GetBytes(callerKey));
        hash.AppendData(Encoding.ASCII.GetBytes(answererKey));
        hash.AppendData(one);
        hash.AppendData(two);
        return hash.GetHashAndReset();
    }
}
