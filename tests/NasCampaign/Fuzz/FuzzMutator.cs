using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using NasCore.Ondisk;
using NasCore.Primitives;

namespace NasCampaign.Fuzz;

/// <summary>Damages a volume at places that matter; with repaired CRCs the damage looks intended.</summary>
sealed class FuzzMutator(FuzzImage image, FuzzOverlay overlay, Random random, bool repair)
{
    internal void Run()
    {
        for (int n = random.Next(1, 5); n > 0; n--)
        {
            switch (random.Next(10))
            {
                case 0: Header(); break;
                case 1 or 2: Freemap(); break;
                case 3 or 4: Meta(); break;
                case 5: Fifo(); break;
                default: Node(); break;
            }
        }
    }

    /// <summary>Damages the FIFO only, often: what recovery reads first.</summary>
    internal void RunFifo()
    {
        for (int n = random.Next(1, 12); n > 0; n--) Fifo();
    }

    long Pick(List<long> places) => places[random.Next(places.Count)];

    void Header()
    {
        byte[] bytes = new byte[VolumeOndisk.Bytes];
        overlay.Read(0, bytes);
        // Mostly fields that lead somewhere: areas, counts, root, TID, blockmaps, FIFO table.
        int at = random.Next(4) == 0 ? random.Next(160) : 200 + random.Next(bytes.Length - 208);
        Damage(bytes.AsSpan(at & ~7, 8));
        overlay.Write(0, bytes);
    }

    void Freemap()
    {
        long place = Pick(image.Freemap);
        Span<byte> bytes = stackalloc byte[16];
        overlay.Read(place, bytes);
        Damage(bytes[..12]);
        if (repair && random.Next(4) > 0)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], HammerCrc.Sum(image.Version, bytes[..12]));
        overlay.Write(place, bytes);
    }

    void Fifo()
    {
        long place = Pick(image.Fifo);
        byte[] sector = new byte[512];
        overlay.Read(place, sector);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(sector.AsSpan(4));
        Damage(sector.AsSpan(random.Next(60) & ~3, 8));
        if (repair && size is >= 24 and <= 512)
        {
            uint crc = HammerCrc.FifoRecord(image.Version, sector.AsSpan(0, (int)size));
            BinaryPrimitives.WriteUInt32LittleEndian(sector.AsSpan(12), crc);
        }
        overlay.Write(place, sector);
    }

    void Node()
    {
        long place = Pick(image.Nodes);
        byte[] bytes = new byte[HammerConst.NodeBytes];
        overlay.Read(place, bytes);
        ref NodeOndisk node = ref MemoryMarshal.AsRef<NodeOndisk>(bytes.AsSpan());
        int used = Math.Clamp(node.Count, 1, 62);
        int at = random.Next(4) == 0 ? random.Next(64) : 64 + 64 * random.Next(used) + random.Next(64);
        if (random.Next(8) == 0)
        {
            // One element over another: order, duplicates, wrong types of children.
            int from = 64 + 64 * random.Next(used);
            bytes.AsSpan(from, 64).ToArray().CopyTo(bytes.AsSpan(64 + 64 * random.Next(used)));
        }
        else
        {
            int low = Math.Min(at & ~7, bytes.Length - 8);
            Damage(bytes.AsSpan(low, 8));
        }
        if (repair) node.Crc = HammerCrc.Node(image.Version, bytes);
        overlay.Write(place, bytes);
    }

    // Inode data, entries, PFS data through the record that owns them, so that its CRC can be repaired.
    void Meta()
    {
        long place = Pick(image.Nodes);
        byte[] bytes = new byte[HammerConst.NodeBytes];
        overlay.Read(place, bytes);
        ref NodeOndisk node = ref MemoryMarshal.AsRef<NodeOndisk>(bytes.AsSpan());
        if (!node.IsLeaf || node.Count is < 1 or > 63) return;
        ref LeafElm elm = ref NodeOndisk.Leaves(ref node)[random.Next(node.Count)];
        if (elm.Data.Zone != Zone.Meta || elm.DataLen is < 1 or > 1024) return;
        VolumeOndisk header = default;
        overlay.Read(0, MemoryMarshal.AsBytes(new Span<VolumeOndisk>(ref header)));
        long at = header.BufBeg + elm.Data.ShortOffset;
        if (at < 0 || at > overlay.Length - elm.DataLen) return;
        byte[] data = new byte[elm.DataLen];
        overlay.Read(at, data);
        int where = random.Next(data.Length) & ~7;
        Damage(data.AsSpan(where, Math.Min(8, data.Length - where)));
        overlay.Write(at, data);
        if (!repair) return;
        elm.DataCrc = HammerCrc.LeafData(image.Version, elm.Base.RecType, data);
        node.Crc = HammerCrc.Node(image.Version, bytes);
        overlay.Write(place, bytes);
    }

    void Damage(Span<byte> bytes)
    {
        switch (random.Next(5))
        {
            case 0:
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                break;
            case 2:
                bytes.Fill(random.Next(2) == 0 ? (byte)0 : (byte)0xFF);
                break;
            case 3:
                random.NextBytes(bytes);
                break;
            default:
                // A little more or less: off by one is the most convincing lie.
                bytes[0] = unchecked((byte)(bytes[0] + (random.Next(2) == 0 ? 1 : -1)));
                break;
        }
    }
}
