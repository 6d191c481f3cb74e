using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using NasCore.Ondisk;

namespace NasCore.Tests.Mirror;

/// <summary>Damages a mirror stream by a seed; the record CRCs are repaired in half of the cases.</summary>
static class MirrorMutator
{
    internal static byte[] Mutate(byte[] stream, Random random)
    {
        List<byte[]> records = Split(stream);
        bool repair = random.Next(2) == 0;
        for (int i = random.Next(1, 4); i > 0 && records.Count > 0; i--)
        {
            int at = random.Next(records.Count);
            switch (random.Next(8))
            {
                case 0: records.RemoveAt(at); break;
                case 1: records.Insert(at, (byte[])records[random.Next(records.Count)].Clone()); break;
                case 2:
                    int other = random.Next(records.Count);
                    (records[at], records[other]) = (records[other], records[at]);
                    break;
                case 3: records[at] = records[at][..random.Next(records[at].Length)]; break;
                default: Damage(records, at, random, repair); break;
            }
        }
        return [.. records.SelectMany(r => r)];
    }

    static void Damage(List<byte[]> records, int at, Random random, bool repair)
    {
        byte[] record = (byte[])records[at].Clone();
        records[at] = record;
        if (record.Length < 24) return;
        for (int n = random.Next(1, 4); n > 0; n--)
        {
            int where = repair ? random.Next(8, Math.Min(record.Length, 128)) : random.Next(record.Length);
            record[where] = random.Next(3) switch
            {
                0 => (byte)random.Next(256),
                1 => (byte)(record[where] ^ (1 << random.Next(8))),
                _ => random.Next(2) == 0 ? (byte)0 : (byte)0xff,
            };
        }
        int size = MemoryMarshal.Read<MrecordHead>(record).RecSize;
        if (!repair || size < 16 || size > record.Length) return;
        uint crc = HammerCrc.Crc32(record.AsSpan(8, size - 8));
        MemoryMarshal.Write(record.AsSpan(4), in crc);
    }

    internal static List<byte[]> Split(byte[] stream)
    {
        var records = new List<byte[]>();
        for (int at = 0; at < stream.Length;)
        {
            int size = MrecordHead.Padded(MemoryMarshal.Read<MrecordHead>(stream.AsSpan(at)).RecSize);
            records.Add(stream[at..(at + size)]);
            at += size;
        }
        return records;
    }
}
