using System;
using NasCore;
using NasCore.Volumes;

namespace NasCampaign.Fuzz;

/// <summary>Volumes with damage in structures that matter, half of them with repaired CRCs: checked and read through.
/// </summary>
sealed class FuzzVolumes : FuzzCampaign
{
    static readonly Lazy<FuzzImage[]> s_images = new(() => Array.ConvertAll(
        (string[])["v7/mirror.slave3", "v6/snapprune.after", "random-crashed/9001", "fresh/v7-64m-u8m"],
        FuzzImage.Load));

    public override string Name => "fuzz-volumes";

    protected override void Prepare() => _ = s_images.Value;

    protected override (int Smoke, int Long) Inputs => (100, 1000);

    protected override void Input(Random random)
    {
        FuzzImage image = s_images.Value[random.Next(s_images.Value.Length)];
        var overlay = new FuzzOverlay(image.Device);
        new FuzzMutator(image, overlay, random, repair: random.Next(2) == 0).Run();
        FuzzReader.Check(overlay);
        FuzzReader.Walk(overlay);
        Accepted++;
    }
}

/// <summary>
/// Volumes that crashed, with damage in their FIFO (UNDO and REDO records, their CRCs repaired at times): the mount for
/// writing recovers or refuses; what it has accepted it accepts again.
/// </summary>
sealed class FuzzFifo : FuzzCampaign
{
    static readonly Lazy<FuzzImage[]> s_images = new(() => Array.ConvertAll(
        (string[])["random-crashed/9001", "random-crashed/9002", "v7/crash.undo-pre-n25"], FuzzImage.Load));

    public override string Name => "fuzz-fifo";

    protected override void Prepare() => _ = s_images.Value;

    protected override void Input(Random random)
    {
        FuzzImage image = s_images.Value[random.Next(s_images.Value.Length)];
        var overlay = new FuzzOverlay(image.Device, readOnly: false);
        new FuzzMutator(image, overlay, random, repair: random.Next(4) > 0).RunFifo();
        var options = new HammerFsOptions
        {
            RunFlusher = false, Time = TimeProvider.System, CacheBytes = 4 << 20,
        };
        HammerFs.Open(VolumeSet.Open([overlay]), options).Dispose();
        Accepted++;
        try
        {
            HammerFs.Open(VolumeSet.Open([overlay]), options).Dispose();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException("a volume that was mounted cannot be mounted again: " + e.Message, e);
        }
    }
}
