using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading.Tasks;
using NasCampaign.Fuzz;
using NasCore.Mirror;
using NasCore.Primitives;
using NasTesting;
using Xunit;

namespace NasCore.Tests.Fuzz;

/// <summary>
/// Ten thousand damaged volumes and streams: each gives a clear error or a partial result, within a second and
/// without much memory, never anything else. A failure names its case; NASHAMMER_FUZZ_CASE=N replays that one,
/// NASHAMMER_FUZZ_CASES=N changes how many are run.
/// </summary>
public sealed class FuzzTests
{
    const int CasesDefault = 5000;
    const long AllocatedBytesMax = 96L << 20;
    static readonly string[] s_volumes =
        ["v7/mirror.slave3", "v6/snapprune.after", "random-crashed/9001", "fresh/v7-64m-u8m", "v7/crash.undo-pre-n25"];
    static readonly string[] s_streams =
        ["v7/mirror.full.stream", "v7/mirror.incr.stream", "v6/mirror.pruned_incr.stream"];

    static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name),
        CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    static void ForEachCase(Action<int> run)
    {
        int only = Setting("NASHAMMER_FUZZ_CASE", -1);
        int first = only < 0 ? 0 : only, count = only < 0 ? Setting("NASHAMMER_FUZZ_CASES", CasesDefault) : 1;
        Parallel.For(first, first + count, new ParallelOptions { MaxDegreeOfParallelism = 2 }, run);
    }

    [Fact]
    public void Damaged_volumes_give_errors_or_partial_reads_and_nothing_else()
    {
        FuzzImage[] images = Array.ConvertAll(s_volumes, FuzzImage.Load);
        ForEachCase(seed =>
        {
            TimeSpan took = Volume(images, seed, out long allocated);
            // The processor time includes the other worker's: only a case that is slow twice is slow.
            if (took > TimeSpan.FromSeconds(1)) took = Volume(images, seed, out allocated);
            Assert.True(took < TimeSpan.FromSeconds(1), $"NASHAMMER_FUZZ_CASE={seed} took {took}");
            Assert.True(allocated < AllocatedBytesMax, $"NASHAMMER_FUZZ_CASE={seed} allocated {allocated} bytes");
        });
    }

    static TimeSpan Volume(FuzzImage[] images, int seed, out long allocated)
    {
        var random = new Random(seed);
        FuzzImage image = images[random.Next(images.Length)];
        var overlay = new FuzzOverlay(image.Device);
        new FuzzMutator(image, overlay, random, repair: (seed & 1) == 0).Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        try
        {
            Guarded(() => FuzzReader.Check(overlay));
            Guarded(() => FuzzReader.Walk(overlay));
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"NASHAMMER_FUZZ_CASE={seed} on {image.Device.Name}: {e}", e);
        }
        allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        // On a busy machine a case waits for its turn: what it has not computed it has not hung in.
        cpu = Environment.CpuUsage.TotalTime - cpu;
        return cpu < watch.Elapsed ? cpu : watch.Elapsed;
    }

    // Only the errors that a user is meant to see; anything else is a fault of the program.
    static void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is HammerFormatException or HammerMediumException or IOException)
        {
            Assert.NotEmpty(e.Message);
        }
    }

    [Fact]
    public void Damaged_streams_give_errors_that_name_the_record_and_nothing_else()
    {
        byte[][] streams = Array.ConvertAll(s_streams, s => GoldenData.Stream(s));
        ForEachCase(seed =>
        {
            var watch = Stopwatch.StartNew();
            try
            {
                Stream(streams, seed);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"NASHAMMER_FUZZ_CASE={seed}: {e}", e);
            }
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"NASHAMMER_FUZZ_CASE={seed} took {watch.Elapsed}");
        });
    }

    static void Stream(byte[][] streams, int seed)
    {
        var random = new Random(seed);
        byte[] bytes = (byte[])streams[random.Next(streams.Length)].Clone();
        FuzzStream.Damage(bytes, random, repair: (seed & 1) == 0);
        int length = random.Next(4) == 0 ? random.Next(bytes.Length) : bytes.Length;
        var reader = new MrecordReader(new FuzzStream(bytes, length));
        try
        {
            while (reader.TryRead())
            {
                _ = MirrorDump.Text(reader);
                if (reader.Kind == NasCore.Ondisk.MrecordType.Rec) _ = reader.DataCrcMatches();
            }
        }
        catch (MirrorStreamException e)
        {
            Assert.InRange(e.Offset, 0, bytes.Length);
            Assert.NotEmpty(e.Message);
        }
        catch (IOException e)
        {
            Assert.NotEmpty(e.Message);
        }
    }
}
