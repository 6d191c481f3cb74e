namespace NasDevices.Leds;

/// <summary>
/// What the light says, from the least to the most urgent: of several that hold, the last one is shown. Rhythms,
/// colours and words are in <see cref="LightTable"/>.
/// </summary>
public enum LightState
{
    /// <summary>Every durable change is on the other box, and both were found equal within the limit.</summary>
    InStepProven,

    /// <summary>In step and proven, and all disks sleep.</summary>
    Asleep,

    /// <summary>In step as far as the stream tells, but no comparison says so yet, or the last one is too old; also a
    /// box without mirrors.</summary>
    InStepUnproven,

    /// <summary>Changes are on their way, within the limit.</summary>
    Streaming,

    /// <summary>The other box has no whole copy yet.</summary>
    FirstLoad,

    /// <summary>File systems are being mounted, or boxes are connecting.</summary>
    Starting,

    /// <summary>The other box is further behind than the limit.</summary>
    Lagging,

    /// <summary>The other box does not answer.</summary>
    PeerUnreachable,

    /// <summary>Something will fail if nobody looks: a disk that is predicted to fail, too warm or nearly full.
    /// </summary>
    Attention,

    /// <summary>A disk has failed, a mirror differs, a volume cannot be mounted, or the daemon is dead.</summary>
    Failed,

    /// <summary>Failed, and the owner has said that he knows.</summary>
    FailedAcknowledged,

    /// <summary>Compare the code on both boxes.</summary>
    Pairing,

    /// <summary>Somebody asked: which of the boxes is it?</summary>
    Locating,

    /// <summary>All is written and closed.</summary>
    SafeToUnplug,
}
