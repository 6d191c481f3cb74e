using System;
using System.Collections.Generic;
using System.Linq;
using NasCore.BTree;
using NasCore.Ondisk;
using NasCore.Primitives;
using NasCore.Tests.Recovery;
using NasTesting.Model;
using Xunit;

namespace NasCore.Tests.Engine;

/// <summary>
/// The B-Tree alone against a sorted list: random records, many versions of one key, removals that leave gaps and
/// detach nodes, searches as of any TID, walks both ways; the medium keeps bounds and mirror_tids.
/// </summary>
public sealed class BTreePropertyTests : RuleTestBase
{
    /// <summary>Records that nothing else on the volume uses: of a PFS that does not exist.</summary>
    const int PfsId = 9;

    sealed class ByKey : IComparer<BaseElm>
    {
        public int Compare(BaseElm a, BaseElm b) => BaseElm.Compare(in a, in b);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_changes_agree_with_a_sorted_list(int seed)
    {
        using EngineDriver driver = Small();
        HammerFs fs = driver.Fs;
        var random = new ModelRandom((ulong)seed);
        var list = new SortedDictionary<BaseElm, LeafElm>(new ByKey());
        for (int phase = 0; phase < 6; phase++)
        {
            // Growing and shrinking phases; shrinking ones clear whole ranges, so that leaves and their parents go.
            for (int step = 0; step < 1500; step++)
            {
                if (fs.Core.HasCredits(40) is false) fs.Core.FlushOnce();
                if (phase % 2 == 0 ? random.Percent(80) : random.Percent(10)) Insert(fs, list, random);
                else Remove(fs, list, random, range: phase % 2 == 1 && random.Percent(3));
            }
            fs.Core.FlushOnce();
            string context = $"replay: seed {seed} phase {phase}";
            Compare(fs, list, context);
            Search(fs, list, random, context);
            CheckMedium(driver, context);
        }
        while (list.Count > 0)
        {
            if (fs.Core.HasCredits(40) is false) fs.Core.FlushOnce();
            Remove(fs, list, random, range: false);
        }
        Compare(fs, list, "emptied");
        Sync(fs);
        CheckMedium(driver, "emptied");
    }

    static BaseElm RandomKey(ModelRandom random) => new()
    {
        Localization = Localization.Inode(PfsId).Value,
        ObjId = 2 + random.Below(6),
        RecType = RecType.Config,
        Key = random.Percent(30) ? random.Below(4) : random.Below(3000) - 1500,
        CreateTid = 0x1000 + (ulong)random.Below(random.Percent(30) ? 2000 : 8) * 16,
        ObjType = 0,
    };

    static void Insert(HammerFs fs, SortedDictionary<BaseElm, LeafElm> list, ModelRandom random)
    {
        BaseElm key = RandomKey(random);
        if (list.ContainsKey(key)) return;
        // Lifetimes of one key never overlap: a new version ends where the next begins.
        ulong next = list.Keys.Where(k => SameKey(k, key) && k.CreateTid > key.CreateTid).Select(k => k.CreateTid)
            .DefaultIfEmpty(0UL).Min();
        foreach (BaseElm earlier in list.Keys.Where(k => SameKey(k, key) && k.CreateTid < key.CreateTid).ToArray())
        {
            LeafElm old = list[earlier];
            if (old.Base.DeleteTid != 0 && old.Base.DeleteTid <= key.CreateTid) continue;
            BTreeCursor cursor = fs.Core.Cursor();
            Assert.True(cursor.SeekExact(in earlier));
            fs.Core.Tree.SetDelete(cursor, key.CreateTid, 0);
            old.Base.DeleteTid = key.CreateTid;
            list[earlier] = old;
        }
        key.DeleteTid = next != 0 || random.Percent(20) ? (next != 0 ? next : key.CreateTid + 8) : 0;
        var elm = new LeafElm { Base = key, DataLen = 0 };
        elm.Base.BType = BaseElm.BTypeRecord;
        Assert.True(fs.Core.Tree.Insert(in elm));
        list.Add(key, elm);
    }

    static bool SameKey(BaseElm a, BaseElm b) => Math.Abs(BaseElm.Compare(in a, in b)) <= 1;

    static void Remove(HammerFs fs, SortedDictionary<BaseElm, LeafElm> list, ModelRandom random, bool range)
    {
        if (list.Count == 0) return;
        BaseElm[] gone = [.. list.Keys.Skip(random.Below(list.Count)).Take(range ? 200 : 1)];
        foreach (BaseElm key in gone)
        {
            if (fs.Core.HasCredits(40) is false) fs.Core.FlushOnce();
            BTreeCursor cursor = fs.Core.Cursor();
            Assert.True(cursor.SeekExact(in key));
            fs.Core.Tree.Remove(cursor);
            list.Remove(key);
        }
    }

    static BaseElm Start => new()
    {
        Localization = Localization.Inode(PfsId).Value, ObjId = long.MinValue, CreateTid = 1,
    };

    static bool IsOurs(in BaseElm key) => key.Localization == Localization.Inode(PfsId).Value;

    static void Compare(HammerFs fs, SortedDictionary<BaseElm, LeafElm> list, string context)
    {
        BTreeCursor cursor = fs.Core.Cursor();
        var forward = new List<LeafElm>();
        BaseElm start = Start;
        for (bool more = cursor.SeekFirst(in start); more && IsOurs(in cursor.Elm.Base); more = cursor.Next())
            forward.Add(cursor.Elm);
        Assert.True(list.Values.Select(Line).SequenceEqual(forward.Select(Line)), context + ": forward");
        var backward = new List<LeafElm>();
        BaseElm end = Start;
        end.ObjId = long.MaxValue;
        for (bool more = cursor.SeekLastBefore(in end); more && IsOurs(in cursor.Elm.Base); more = cursor.Prev())
            backward.Add(cursor.Elm);
        backward.Reverse();
        Assert.True(list.Values.Select(Line).SequenceEqual(backward.Select(Line)), context + ": backward");
    }

    static string Line(LeafElm elm) => $"{elm.Base} {elm.Base.DeleteTid:x}";

    static void Search(HammerFs fs, SortedDictionary<BaseElm, LeafElm> list, ModelRandom random, string context)
    {
        BTreeCursor cursor = fs.Core.Cursor();
        BaseElm[] keys = [.. list.Keys];
        for (int i = 0; i < 400; i++)
        {
            BaseElm key = keys.Length > 0 && random.Percent(70) ? random.Pick(keys) : RandomKey(random);
            ulong asOf = random.Percent(20) ? Tid.Max : 0x1000 + (ulong)random.Below(2000 * 16);
            LeafElm[] visible = [.. list.Values.Where(e => SameKey(e.Base, key)
                && Tid.Visible(e.Base.CreateTid, e.Base.DeleteTid, asOf))];
            Assert.True(visible.Length <= 1, context);
            bool found = cursor.SeekAsOf(key, asOf);
            Assert.True(found == (visible.Length == 1), $"{context}: {key} as of {asOf:x}");
            if (found) Assert.Equal(Line(visible[0]), Line(cursor.Elm));
            int index = Array.FindIndex(keys, k => BaseElm.Compare(in k, in key) >= 0);
            bool first = cursor.SeekFirst(in key) && IsOurs(in cursor.Elm.Base);
            Assert.True(first == index >= 0, $"{context}: first at {key}");
            if (first) Assert.Equal(Line(list[keys[index]]), Line(cursor.Elm));
            Assert.Equal(list.ContainsKey(key), cursor.SeekExact(in key));
        }
    }

    /// <summary>The independent reader's findings on the tree; that our records have no data does not count.</summary>
    static void CheckMedium(EngineDriver driver, string context)
    {
        string[] findings = [.. driver.Verify().Select(f => f.ToString()).Where(f => !f.Contains("data of a record",
            StringComparison.Ordinal) && !f.Contains("PFS 9", StringComparison.Ordinal))];
        Assert.True(findings.Length == 0, context + ":\n" + string.Join("\n", findings.Take(5)));
    }
}
