using System.Collections.Generic;
using System.Linq;

namespace NasTesting.Oracle;

/// <summary>Runs all groups of checks (on-disk-format Appendix C) and collects what they find.</summary>
sealed class OracleChecker
{
    const int FindingsMax = 10_000;

    OracleChecker(OracleVolume volume)
    {
        Volume = volume;
        Findings = [.. volume.Tree.Findings];
        // Made by newfs and never mounted: vol_crc 0, and a next_tid one below its records' create_tid.
        IsFresh = Medium.HeadersAsRead[0].Crc == 0 && volume.Records.Count == 2
            && volume.Records.All(r => r.CreateTid == 0x100000001);
    }

    internal OracleVolume Volume { get; }
    internal OracleMedium Medium => Volume.Medium;
    internal List<OracleFinding> Findings { get; }
    internal bool IsFresh { get; }

    internal static List<OracleFinding> Run(OracleVolume volume, bool checkData)
    {
        var checker = new OracleChecker(volume);
        OracleHeaderChecks.Run(checker);
        OracleFreemapChecks.Run(checker);
        OracleRecordChecks.Run(checker, checkData);
        OracleObjectChecks.Run(checker);
        return checker.Findings;
    }

    internal void Report(string rule, string where, string what)
    {
        if (Findings.Count < FindingsMax) { Findings.Add(new OracleFinding(rule, where, what)); }
    }

    /// <summary>Reports unless the condition holds.</summary>
    internal void Check(bool holds, string rule, string where, string what)
    {
        if (!holds) { Report(rule, where, what); }
    }
}
