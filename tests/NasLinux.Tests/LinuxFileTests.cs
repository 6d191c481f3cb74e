using System;
using System.IO;
using Xunit;

namespace NasLinux.Tests;

public sealed class LinuxFileTests : IDisposable
{
    readonly string _path = Path.Combine(Path.GetTempPath(), "nashammer-file-" + Guid.NewGuid().ToString("N"));

    public LinuxFileTests() => File.WriteAllBytes(_path, new byte[100_000]);

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Bytes_written_at_an_offset_are_read_back_and_nothing_else_changes()
    {
        using LinuxFile file = LinuxFile.Open(_path, readOnly: false, exclusive: false);
        byte[] data = [1, 2, 3, 4, 5];
        file.WriteAt(70_001, data);
        file.DataSync();
        byte[] expected = new byte[100_000];
        data.CopyTo(expected, 70_001);
        byte[] found = new byte[100_000];
        file.ReadAt(0, found);
        Assert.Equal(expected, found);
        Assert.Equal(100_000, file.DeviceLength());
    }

    [Fact]
    public void A_read_beyond_the_end_names_path_and_place()
    {
        using LinuxFile file = LinuxFile.Open(_path, readOnly: true, exclusive: false);
        IOException e = Assert.Throws<IOException>(() => file.ReadAt(99_990, new byte[20]));
        Assert.Contains(_path, e.Message, StringComparison.Ordinal);
        Assert.Contains("100000", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_write_to_a_file_opened_read_only_fails_with_its_error_number()
    {
        using LinuxFile file = LinuxFile.Open(_path, readOnly: true, exclusive: false);
        IOException e = Assert.Throws<IOException>(() => file.WriteAt(0, new byte[1]));
        Assert.Equal(9, e.HResult);
    }

    [Fact]
    public void A_missing_file_is_an_error_that_names_it()
    {
        string missing = _path + ".none";
        IOException e = Assert.Throws<IOException>(() => LinuxFile.Open(missing, readOnly: true, exclusive: false));
        Assert.Contains(missing, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_exclusive_opening_is_refused_until_the_first_is_closed()
    {
        using (LinuxFile first = LinuxFile.Open(_path, readOnly: false, exclusive: true))
        {
            IOException e = Assert.Throws<IOException>(() => LinuxFile.Open(_path, readOnly: false, exclusive: true));
            Assert.Contains("another process is using it", e.Message, StringComparison.Ordinal);
            Assert.Equal(_path, first.Path);
        }
        using LinuxFile again = LinuxFile.Open(_path, readOnly: false, exclusive: true);
        Assert.Equal(512, again.LogicalBlockBytes());
    }

    [Fact]
    public void Discarded_bytes_of_a_file_read_as_zeros_and_its_size_stays()
    {
        using LinuxFile file = LinuxFile.Open(_path, readOnly: false, exclusive: false);
        byte[] ones = new byte[8192];
        Array.Fill(ones, (byte)1);
        file.WriteAt(4096, ones);
        file.Discard(4096, 8192);
        byte[] found = new byte[8192];
        file.ReadAt(4096, found);
        Assert.All(found, b => Assert.Equal(0, b));
        Assert.Equal(100_000, file.DeviceLength());
    }

    [Fact]
    public void Direct_and_buffered_transfers_of_one_file_see_each_others_bytes()
    {
        using LinuxFile file = LinuxFile.Open(_path, readOnly: false, exclusive: false);
        using LinuxFile? direct = file.TryOpenDirect();
        // A file system that has no direct I/O is asked for none.
        if (direct is null)
        {
            Assert.Contains("tmpfs", File.ReadAllText("/proc/mounts"), StringComparison.Ordinal);
            return;
        }
        using var slab = new NativeSlab(65536);
        Span<byte> bytes = slab.Span(0, 65536);
        byte[] found = new byte[65536];
        for (int round = 0; round < 50; round++)
        {
            file.ReadAt(0, found);
            bytes.Fill((byte)(round + 1));
            direct.WriteAt(16384, bytes[..32768]);
            file.ReadAt(0, found);
            Assert.Equal((byte)(round + 1), found[16384]);
            Assert.Equal((byte)(round + 1), found[16384 + 32767]);
            byte[] beside = [(byte)~round];
            file.WriteAt(16383, beside);
            file.WriteAt(49152, beside);
            direct.ReadAt(0, bytes);
            Assert.Equal((byte)~round, bytes[16383]);
            Assert.Equal((byte)~round, bytes[49152]);
            Assert.Equal((byte)(round + 1), bytes[16384]);
        }
    }
}
