using System;
using System.Buffers.Binary;
using System.IO;
using System.Security.Cryptography;
using System.Text;

namespace NasFirmware.Mirroring;

/// <summary>What a box says of itself while it is paired: its name, and the port at which it listens (0: none).
/// </summary>
sealed record PairingIntroduction(string Name, int Port);

/// <summary>
/// The messages of pairing; all of fixed length, since a stranger sends them. Introduction: version (1 byte), port (2,
/// little-endian), length of the name (1), the name padded with zeros to 64.
/// </summary>
static class PairingWire
{
    const byte Version = 1;
    const int NameBytes = 64, IntroductionBytes = 4 + NameBytes;

    /// <summary>What both sides know after the exchange.</summary>
    internal sealed record Outcome(PairingIntroduction Other, string Digits);

    internal static Outcome Call(Stream stream, PairingIntroduction own, string ownKey, string otherKey)
    {
        byte[] nonce = RandomNumberGenerator.GetBytes(PairingCode.NonceBytes);
        SendIntroduction(stream, own);
        stream.Write(PairingCode.Commitment(ownKey, otherKey, nonce));
        stream.Flush();
        PairingIntroduction other = ReceiveIntroduction(stream);
        byte[] theirs = Receive(stream, PairingCode.NonceBytes);
        stream.Write(nonce);
        stream.Flush();
        return new Outcome(other, PairingCode.Digits(ownKey, otherKey, nonce, theirs));
    }

    internal static Outcome Answer(Stream stream, PairingIntroduction own, string ownKey, string otherKey)
    {
        PairingIntroduction other = ReceiveIntroduction(stream);
        byte[] commitment = Receive(stream, PairingCode.CommitmentBytes);
        byte[] nonce = RandomNumberGenerator.GetBytes(PairingCode.NonceBytes);
        SendIntroduction(stream, own);
        stream.Write(nonce);
        stream.Flush();
        byte[] theirs = Receive(stream, PairingCode.NonceBytes);
        if (!CryptographicOperations.FixedTimeEquals(commitment, PairingCode.Commitment(otherKey, ownKey, theirs)))
            throw new InvalidDataException("the other side changed its number after it had seen ours");
        return new Outcome(other, PairingCode.Digits(otherKey, ownKey, theirs, nonce));
    }

    static void SendIntroduction(Stream stream, PairingIntroduction own)
    {
        byte[] bytes = new byte[IntroductionBytes];
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(1), (ushort)own.Port);
        bytes[3] = (byte)Encoding.ASCII.GetBytes(own.Name, bytes.AsSpan(4));
        stream.Write(bytes);
    }

    static PairingIntroduction ReceiveIntroduction(Stream stream)
    {
        byte[] bytes = Receive(stream, IntroductionBytes);
        if (bytes[0] != Version) throw new InvalidDataException($"the other side pairs in version {bytes[0]}, not 1");
        string name = bytes[3] <= NameBytes ? Encoding.ASCII.GetString(bytes, 4, bytes[3]) : "";
        if (!PeerStore.IsName(name)) throw new InvalidDataException("the other side has no proper name");
        return new PairingIntroduction(name, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(1)));
    }

    static byte[] Receive(Stream stream, int count)
    {
        byte[] bytes = new byte[count];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
