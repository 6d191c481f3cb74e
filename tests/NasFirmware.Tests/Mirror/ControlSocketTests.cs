using System;
using System.IO;
using System.Threading.Tasks;
using NasCore;
using NasCore.Io;
using NasCore.Volumes;
using NasFirmware.Cli;
using NasFirmware.Control;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>The control socket of a file system that is not mounted anywhere, and the words of the verbs.</summary>
public sealed class ControlSocketTests
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

    [Fact]
    public async Task Pfs_requests_do_what_they_say_and_refuse_with_reasons()
    {
        string directory = Directory.CreateTempSubdirectory("nashammer-control-").FullName;
        using HammerFs fs = Open();
        string path = Path.Combine(directory, "run", "x.sock");
        using (ControlServer server = await ControlServer.StartAsync(fs, path, TimeProvider.System))
        using (var client = new ControlClient(path))
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
                File.GetUnixFileMode(Path.GetDirectoryName(path)!));
            Assert.Equal("CTRL", client.Mount().Label);
            PfsReply made = client.Create(slave: true);
            Assert.Equal((1, true), (made.Id, made.Slave));
            var shared = Guid.NewGuid();
            var change = new PfsUpdateRequest { SharedUuid = shared, Label = "l" };
            Assert.Equal(shared, client.Update(1, change).SharedUuid);
            Assert.False(client.Change(1, "upgrade").Slave);
            Assert.Equal("l", client.Pfs(1).Label);
            Assert.Equal(22, Assert.Throws<ControlException>(() => client.Change(1, "upgrade")).Errno.Value);
            Assert.False(client.Change(1, "destroy").Exists);
            Assert.Equal(2, Assert.Throws<ControlException>(() => client.Change(1, "destroy")).Errno.Value);
            Assert.Throws<ControlException>(() => client.Pfs(70000));
            Assert.StartsWith("0x", client.SyncTid(), StringComparison.Ordinal);
        }
        Assert.False(File.Exists(path));
        Directory.Delete(directory, recursive: true);
    }

    [Theory]
    [InlineData("/run/nashammer/other.sock")]
    [InlineData("/tmp/link-0123456789abcdef0123456789abcdef")]
    [InlineData("/run/nashammer/link-../56789abcdef0123456789abcdef01")]
    [InlineData("/run/nashammer/link-0123456789abcdef0123456789abcde")]
    public async Task A_link_of_another_name_than_ours_is_refused(string link)
    {
        string directory = Directory.CreateTempSubdirectory("nashammer-control-").FullName;
        using HammerFs fs = Open();
        string path = Path.Combine(directory, "x.sock");
        using (ControlServer server = await ControlServer.StartAsync(fs, path, TimeProvider.System))
        using (var client = new ControlClient(path))
        {
            PfsReply made = client.Create(slave: true);
            foreach (string query in new[] { $"/mirror/target?pfs={made.Id}&listen=", "/mirror/source?pfs=0&connect=" })
            {
                ControlException e = Assert.Throws<ControlException>(() => client.OpenMirror(query + link));
                Assert.Contains("no name of a link", e.Message, StringComparison.Ordinal);
            }
            Assert.False(File.Exists(link));
        }
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_target_whose_source_never_comes_ends_when_its_command_goes()
    {
        string directory = Directory.CreateTempSubdirectory("nashammer-control-").FullName;
        using HammerFs fs = Open();
        string path = Path.Combine(directory, "x.sock"), link = DataLink.NewPath();
        Directory.CreateDirectory(Path.GetDirectoryName(link)!);
        using (ControlServer server = await ControlServer.StartAsync(fs, path, TimeProvider.System))
        using (var client = new ControlClient(path))
        {
            PfsReply made = client.Create(slave: true);
            client.OpenMirror($"/mirror/target?pfs={made.Id}&listen={link}").Dispose();
            // The server waits for its sessions when it is stopped: it would hang here.
        }
        Assert.False(File.Exists(link));
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void Options_of_pfs_commands_are_checked()
    {
        PfsUpdateRequest request = PfsText.Options(
            ["label=\"a b\"", "sync-beg-tid=1f", "prune-min=2d", "snapshots-clear"]);
        Assert.Equal(("a b", "0x000000000000001f", 172800u, ""),
            (request.Label, request.SyncBegTid, request.PruneMin, request.Snapshots));
        string[] wrong = ["label", "color=red", "shared-uuid=1", "snapshots=rel", "prune-min=x", "sync-end-tid=g"];
        foreach (string bad in wrong)
            Assert.Throws<UsageException>(() => PfsText.Options([bad]));
    }

    [Fact]
    public void Command_line_for_the_other_machine_is_the_originals()
    {
        var settings = new MirrorSettings
        {
            TwoWay = true, Stream = true, Verbose = 2, Yes = true, TimeLimit = 9, ChunkText = "1g",
            Port = "22", Compress = true,
        };
        Assert.Equal("-C -l me box -p 22 hammer -vv -y -2 -t 9 -S 1g mirror-read-stream /p/obj",
            string.Join(' ', new RemoteSide("me@box", "/p/obj", true, settings).Words()[1..]));
        Assert.Equal("box hammer -2 mirror-write obj",
            string.Join(' ', new RemoteSide("box", "obj", false, new MirrorSettings()).Words()[1..]));
    }
}
