using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Text;
using System.Threading.Tasks;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasCore.Volumes;
using NasFirmware.Cli;
using NasFirmware.Control;
using Xunit;

namespace NasFirmware.Tests.History;

/// <summary>History over the control socket, and the rules of cleanup.</summary>
public sealed class HistoryRequestTests
{
    static HammerFs Open()
    {
        var device = new MemoryBlockDevice(256L << 20);
        Newfs.Format([device], new NewfsOptions
        {
            Label = "CTRL", Version = 7, Force = true, UndoBytes = 8L << 20, FsId = Guid.NewGuid(), TimeUs = 1,
        });
        return HammerFs.Open(VolumeSet.Open([device]), new HammerFsOptions
        {
            Time = TimeProvider.System, RunFlusher = true,
        });
    }

    static async Task With(Action<HammerFs, ControlClient> test)
    {
        string directory = Directory.CreateTempSubdirectory("nashammer-history-").FullName;
        using HammerFs fs = Open();
        string path = Path.Combine(directory, "x.sock");
        using (ControlServer server = await ControlServer.StartAsync(fs, path, TimeProvider.System))
        using (var client = new ControlClient(path)) test(fs, client);
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public Task Snapshot_config_and_prune_requests_do_what_they_say() => With((fs, client) =>
    {
        Assert.Equal([0], client.PfsIds());
        string tid = client.AddSnapshot(0, null, "first");
        SnapshotItem item = Assert.Single(client.Snapshots(0));
        Assert.Equal((tid, "first"), (item.Tid, item.Label));
        Assert.Equal(Errno.Exist, Assert.Throws<ControlException>(() => client.AddSnapshot(0, tid, null)).Errno);
        Assert.Equal(Errno.Inval,
            Assert.Throws<ControlException>(() => client.AddSnapshot(0, "0x7000000000000000", null)).Errno);
        Assert.Equal(Errno.NoEnt, Assert.Throws<ControlException>(() => client.AddSnapshot(5, null, null)).Errno);
        Assert.False(client.Prune(0, new PruneRequest()).Possible);
        client.RemoveSnapshot(0, tid);
        Assert.Equal(Errno.NoEnt, Assert.Throws<ControlException>(() => client.RemoveSnapshot(0, tid)).Errno);
        Assert.Null(client.ReadConfig(0));
        client.WriteConfig(0, "prune 1d 5m\n");
        client.WriteConfig(0, "prune 2d 5m\n");
        Assert.Equal("prune 2d 5m\n", client.ReadConfig(0));
        Assert.Equal(Errno.TooBig,
            Assert.Throws<ControlException>(() => client.WriteConfig(0, new string('#', 1023))).Errno);
        PruneReply all = client.Prune(0, new PruneRequest { Everything = true });
        Assert.True(all is { Done: true, Damaged: 0 });
        Assert.True(client.Prune(0, new PruneRequest { Everything = true, Resume = all.Next, Limit = all.Limit }).Done);
    });

    [Theory]
    [InlineData("/pfs/0/prune", "{\"softlinks\":[null]}")]
    [InlineData("/pfs/0/prune", "{\"softlinks\":[{\"tid\":null,\"seconds\":1}]}")]
    [InlineData("/pfs/0/prune", "{\"softlinks\":[{\"tid\":\"x\",\"seconds\":-1}],\"everything\":true}")]
    [InlineData("/pfs/0/prune", "{\"everything\":true,\"resume\":\"zz\"}")]
    [InlineData("/pfs/0/prune", "{\"everything\":true,\"limit\":\"\"}")]
    [InlineData("/pfs/0/prune", "{\"unknown\":1}")]
    [InlineData("/pfs/0/config", "{\"text\":null}")]
    [InlineData("/pfs/0/config", "{}")]
    [InlineData("/pfs/0/snapshots", "{\"tid\":\"-5\"}")]
    [InlineData("/pfs/0/snapshots", "")]
    [InlineData("/pfs/0/snapshots/remove", "{\"tid\":null}")]
    public Task Request_that_lies_is_refused_with_a_reason(string path, string body) => With((fs, client) =>
    {
        var content = new StringContent(body, Encoding.UTF8, "application/json");
        ControlException e = Assert.Throws<ControlException>(() =>
            client.Post(path, content, HistoryJson.Default.PruneReply));
        Assert.Equal(Errno.Inval, e.Errno);
        Assert.Equal("CTRL", client.Mount().Label);
    });

    [Fact]
    public void Cleanup_rules_are_read_as_hammer_reads_them()
    {
        List<CleanupDirective> list = CleanupPolicy.Parse(
            "# comment\nsnapshots 1d 60d any\n\tprune  2h\t5m\n#dedup 1d 5m\n\nreblock 0d 0s\nrecopy 30d 10m");
        Assert.Equal(["snapshots", "prune", "reblock"], list.Select(d => d.Name));
        Assert.Equal(new CleanupDirective("snapshots", 86400, 60 * 86400, true), list[0]);
        Assert.Equal(new CleanupDirective("prune", 7200, 300, false), list[1]);
        Assert.Throws<UsageException>(() => CleanupPolicy.Parse("prune 5 5m\n"));
        Assert.Equal(5, CleanupPolicy.Parse(CleanupPolicy.Defaults("/srv")).Count);
        Assert.Equal(0, CleanupPolicy.Parse(CleanupPolicy.Defaults("/var/tmp"))[0].Period);
        Assert.Empty(CleanupPolicy.Parse(CleanupPolicy.CommentedDefaults("/srv")));
    }

    [Theory]
    [InlineData(86400, "2027-01-01 23:59:59", "2027-01-02 00:00:01", true)]
    [InlineData(86400, "2027-01-01 00:00:01", "2027-01-01 23:59:59", false)]
    [InlineData(3600, "2027-01-01 10:59:00", "2027-01-01 11:00:00", true)]
    [InlineData(3600, "2027-01-01 10:00:00", "2027-01-01 10:59:59", false)]
    [InlineData(60, "2027-01-01 10:00:59", "2027-01-01 10:01:00", true)]
    [InlineData(90, "2027-01-01 10:00:00", "2027-01-01 10:01:29", false)]
    public void Directive_is_due_once_the_truncated_difference_reaches_its_period(int period, string last, string now,
        bool due) => Assert.Equal(due, CleanupPolicy.IsDue(period,
            DateTime.Parse(last, System.Globalization.CultureInfo.InvariantCulture),
            DateTime.Parse(now, System.Globalization.CultureInfo.InvariantCulture)));

    [Fact]
    public void Names_of_snapshots_follow_strftime()
    {
        var time = new DateTimeOffset(2027, 3, 4, 5, 6, 7, TimeSpan.Zero);
        Assert.Equal("snap-20270304-0506", StrFTime.Format(StrFTime.SnapshotName, time));
        Assert.Equal("a%-063.07", StrFTime.Format("a%%-%j.%S", time));
        Assert.Equal("2027-03-04 05:06:07 UTC", StrFTime.Format("%Y-%m-%d %H:%M:%S %Z", time));
        Assert.Throws<UsageException>(() => StrFTime.Format("%Q", time));
    }
}
