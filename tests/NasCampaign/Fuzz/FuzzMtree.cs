using System;
using System.IO;
using System.Text;
using NasFirmware.Cli;

namespace NasCampaign.Fuzz;

/// <summary>Specifications for `mtree --compare` that nobody wrote so: differences are told, or the line that is
/// wrong.</summary>
sealed class FuzzMtree : FuzzCampaign
{
    const string Corpus = """
        #mtree
        # nashammer mtree
        . type=dir mode=0755 uid=0 gid=0 nlink=1
        ./a type=file mode=0644 uid=1000 gid=1000 size=123 time=1262304000.000001000 sha256digest=00ff00ff
        ./a\040b type=link mode=0777 link=../target\134
        ./dir type=dir mode=02775 flags=uchg,nodump
        ./dir/device type=char mode=0600 device=native,1,3
        ./z\377\001 type=file size=18446744073709551615 inode=281474976710657
        """;

    static readonly byte[] s_corpus = Encoding.Latin1.GetBytes(Corpus);

    public override string Name => "fuzz-mtree";

    protected override (int Smoke, int Long) Inputs => (300, 3000);

    protected override bool IsForUsers(Exception e) => e is UsageException || base.IsForUsers(e);

    protected override void Input(Random random)
    {
        byte[] bytes = s_corpus;
        for (int n = random.Next(1, 5); n > 0; n--) bytes = FuzzBytes.Mutate(bytes, random);
        using var reader = new StreamReader(new MemoryStream(bytes), Encoding.UTF8);
        using var output = new StringWriter();
        var compare = new MtreeCompare(reader, output, inodeIsObjectId: random.Next(2) == 0);
        compare.Start();
        foreach (string line in Corpus.Split('\n'))
        {
            int blank = line.IndexOf(' ', StringComparison.Ordinal);
            if (blank < 0 || line[0] == '#') continue;
            compare.Line(MtreeText.Unescape(line.AsSpan(0, blank)), line[(blank + 1)..]);
        }
        compare.Finish();
        Accepted++;
        if (compare.Differences > 0 && output.ToString().Length == 0)
            throw new InvalidOperationException("differences that are not told");
    }
}
