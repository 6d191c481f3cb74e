using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Linq;
using NasFirmware.Status;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Status;

/// <summary>
/// The pictures of docs/OPERATING.md are what `panel --png` draws of boxes in those states. After a wanted change,
/// NASHAMMER_REWRITE_SCREENS=1 draws them anew; look at them before a commit.
/// </summary>
public sealed class PanelPictureTests
{
    static readonly string s_folder = Path.Combine(GoldenData.RepositoryRoot, "docs", "pictures");

    static readonly Dictionary<string, BoxStatus> s_boxes = new()
    {
        ["new-box"] = Boxes.Good with
        {
            Volumes = [], Mirrors = [], Peers = [], Disks = [Boxes.Good.Disks[1]], UptimeSeconds = 90,
        },
        ["pairing"] = Boxes.Pairing,
        ["first-load"] = Boxes.FirstLoad,
        ["in-step"] = Boxes.Good,
        ["no-peer"] = Boxes.Unreachable,
        ["failed"] = Boxes.Missing,
    };

    public static TheoryData<string> Names => [.. s_boxes.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Picture_of_the_document_is_what_the_program_draws(string name)
    {
        string file = Path.Combine(s_folder, name + ".png");
        BoxStatus box = Judgement.Of(s_boxes[name], new StatusLimits());
        using var drawn = new MemoryStream();
        PanelPicture.Write(box, PanelPicture.PageOf(null, box), drawn);
        if (Environment.GetEnvironmentVariable("NASHAMMER_REWRITE_SCREENS") == "1")
        {
            Directory.CreateDirectory(s_folder);
            File.WriteAllBytes(file, drawn.ToArray());
        }
        Assert.True(Rows(File.ReadAllBytes(file)).SequenceEqual(Rows(drawn.ToArray())),
            $"docs/pictures/{name}.png is another picture: NASHAMMER_REWRITE_SCREENS=1 draws it anew");
    }

    [Fact]
    public void Every_picture_is_shown_and_every_picture_shown_is_drawn()
    {
        string text = File.ReadAllText(Path.Combine(GoldenData.RepositoryRoot, "docs", "OPERATING.md"));
        Assert.Equal(s_boxes.Keys.Order(StringComparer.Ordinal),
            Directory.GetFiles(s_folder).Select(f => Path.GetFileNameWithoutExtension(f)!)
                .Order(StringComparer.Ordinal));
        Assert.All(s_boxes.Keys, name => Assert.Contains($"(pictures/{name}.png)", text, StringComparison.Ordinal));
    }

    // Header and rows, unpacked: how well they are packed is the compressor's affair, which may differ by processor.
    static byte[] Rows(byte[] png)
    {
        using var rows = new MemoryStream();
        for (int at = 8; at < png.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at));
            string type = System.Text.Encoding.ASCII.GetString(png, at + 4, 4);
            if (type == "IHDR") rows.Write(png, at + 8, length);
            if (type == "IDAT")
            {
                using var zlib = new ZLibStream(new MemoryStream(png, at + 8, length), CompressionMode.Decompress);
                zlib.CopyTo(rows);
            }
            at += 12 + length;
        }
        return rows.ToArray();
    }
}
