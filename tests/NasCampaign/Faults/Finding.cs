using System;

namespace NasCampaign.Faults;

/// <summary>Something that must not happen, with what leads to it.</summary>
static class Finding
{
    public static CampaignFinding Of(string context, string what, Exception? cause = null) =>
        cause is null ? new CampaignFinding($"{what}\n  where: {context}")
            : new CampaignFinding($"{what}\n  where: {context}", cause);

    /// <summary>Throws unless it holds.</summary>
    public static void Check(bool holds, string context, string what)
    {
        if (!holds) throw Of(context, what);
    }
}
