using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using Microsoft.Extensions.Logging.Abstractions;
using NasCore;
using NasCore.Io;
using NasCore.Primitives;
using NasFirmware.Config;
using NasFirmware.Daemon;
using NasFirmware.Identity;
using NasFirmware.Mirroring;
using NasFirmware.Status;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Identity;

/// <summary>Cards and disks come and go; the box stays the same.</summary>
public sealed class IdentityPartTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-identity-").FullName;
    readonly Dictionary<string, MemoryBlockDevice> _disks = [];
    Box? _box;

    public void Dispose()
    {
        _box?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    const string Two = """
        [volumes.a]
        label = "a"
        mount = "/a"
        [volumes.b]
        label = "b"
        mount = "/b"

        """;

    /// <summary>A daemon's identity, peers and volumes, turned by hand.</summary>
    sealed class Box : IVolumes, IDisposable
    {
        readonly Dictionary<string, (VolumeHandle Handle, CancellationTokenSource Gone)> _mounted = [];
        readonly PeerPart _peers;

        internal Box(string state, string name, string config)
        {
            ConfigOutcome outcome = ConfigReader.Read($"""
                [box]
                name = "{name}"
                state = "{state}"
                [listen]
                address = ""
                {config}
                """, name);
            Assert.True(outcome.Settings is not null, string.Join('\n', outcome.Mistakes.Select(m => m.In("config"))));
            Context = new DaemonContext
            {
                Settings = outcome.Settings, Time = Clock, Loggers = NullLoggerFactory.Instance,
            };
            _peers = new PeerPart(Context);
            Part = new IdentityPart(Context, _peers, this);
        }

        internal ManualClock Clock { get; } = new();
        internal DaemonContext Context { get; }
        internal IdentityPart Part { get; }
        internal PeerKey Key => _peers.Key;
        internal PeerStore Peers => _peers.Peers;

        internal BoxStatus Status => Judgement.Of(Context.Board.Snapshot("x", "1"), new StatusLimits());
        internal IdentityCopyState State(string volume) =>
            Status.Identity!.Copies.Single(c => c.Volume == volume).State;

        internal HammerFs Mount(string name, MemoryBlockDevice disk, bool readOnly = false)
        {
            var gone = new CancellationTokenSource();
            HammerFs fs = VolumeCopyTests.Open(disk, readOnly);
            _mounted[name] = (new VolumeHandle(name, fs, gone.Token), gone);
            Changed?.Invoke(name);
            return fs;
        }

        internal void Unmount(string name)
        {
            (VolumeHandle handle, CancellationTokenSource gone) = _mounted[name];
            _mounted.Remove(name);
            gone.Cancel();
            handle.Fs.Dispose();
            gone.Dispose();
        }

        public VolumeHandle? Find(string name) => _mounted.TryGetValue(name, out var m) ? m.Handle : null;

        public event Action<string>? Changed;

        public void Dispose()
        {
            foreach (string name in _mounted.Keys.ToArray()) Unmount(name);
            Part.Dispose();
            _peers.Dispose();
        }
    }

    string State(string card) => Path.Combine(_folder, card);

    /// <summary>The box with this card, and none, some or all of its disks in.</summary>
    Box Start(string card, string disks, string config = Two, string name = "nas1")
    {
        _box?.Dispose();
        _box = new Box(State(card), name, config);
        foreach (char disk in disks) _box.Mount(disk.ToString(), Disk(disk.ToString()));
        _box.Part.Turn();
        return _box;
    }

    MemoryBlockDevice Disk(string name) =>
        _disks.TryGetValue(name, out MemoryBlockDevice? disk) ? disk : _disks[name] = VolumeCopyTests.Formatted();

    static PeerEntry Peer(string name, char digit) => new() { Name = name, Key = new string(digit, 64) };

    /// <summary>A box that was paired, with its copies on both disks; its key.</summary>
    string Paired()
    {
        Box box = Start("card1", "ab");
        box.Peers.Add(Peer("nas2", 'a'));
        box.Part.Turn();
        Assert.Equal((IdentityCopyState.Kept, IdentityCopyState.Kept), (box.State("a"), box.State("b")));
        Assert.False(box.Status.Identity!.IsNew);
        return box.Key.Hash;
    }

    [Fact]
    public void New_card_with_the_same_disks_is_the_same_box_with_its_peers()
    {
        string key = Paired();
        Box box = Start("card2", "ab");
        Assert.Equal((key, "nas2", false), (box.Key.Hash, box.Peers.FindKey(new string('a', 64))?.Name,
            box.Status.Identity!.IsNew));
        Assert.DoesNotContain(box.Status.Problems, p => p.Contains("key", StringComparison.Ordinal));
        // The card has it all by now: without its disks it is who it was.
        box = Start("card2", "");
        Assert.Equal((true, key, "nas2"), (box.Key.IsSettled, box.Key.Hash, box.Peers.All()[0].Name));
    }

    [Fact]
    public void New_disk_gets_a_copy_and_brings_it_to_a_new_card()
    {
        string key = Paired();
        _disks.Clear();
        Start("card1", "ab");
        Assert.Equal(key, Start("card3", "ab").Key.Hash);
    }

    [Fact]
    public void With_neither_a_new_key_is_made_and_told_until_somebody_knows_it()
    {
        Box box = Start("card1", "ab");
        Assert.True(box.Key.IsSettled && box.Status.Identity!.IsNew);
        Assert.Contains(box.Status.Notices, n => n.Contains("new key", StringComparison.Ordinal));
        Assert.Equal(NasDevices.Leds.LightState.Attention, LightStateOf(box));
        const string mirror = "[mirrors.m]\nfrom = \"nas1:a/x\"\nto = \"nas2:b/x\"\n[peers.nas2]\naddress = \"h:1\"\n";
        box = Start("card1", "ab", Two + mirror);
        Assert.Contains(box.Status.Problems, p => p.Contains("this box has a new key", StringComparison.Ordinal));
        // The other box takes the connection: it knows the key.
        box.Context.Board.Put(new MirrorStatus
        {
            Name = "m", IsSource = true, Peer = "nas2", Pfs = "a/x", Phase = MirrorPhase.InStep,
        });
        box.Part.Turn();
        Assert.False(box.Status.Identity!.IsNew);
        Assert.DoesNotContain(box.Status.Problems, p => p.Contains("new key", StringComparison.Ordinal));
        Assert.False(PeerKey.IsNew(State("card1")));
    }

    // Nothing is configured that could be mounted in the eyes of the board.
    static NasDevices.Leds.LightState LightStateOf(Box box) => box.Status.Light;

    [Fact]
    public void Disks_that_come_late_are_waited_for_and_nobody_is_called_meanwhile()
    {
        string key = Paired();
        Box box = Start("card2", "");
        Assert.False(box.Key.IsSettled);
        Assert.Contains(box.Status.Problems, p => p.Contains("looked for", StringComparison.Ordinal));
        Assert.Contains("looked for", Assert.Throws<IOException>(() =>
            new PairingDesk(box.Key, box.Peers, new PairingIntroduction("x", 1), null, TimeProvider.System)
                .Open(null)).Message, StringComparison.Ordinal);
        box.Clock.Advance(TimeSpan.FromSeconds(100));
        box.Mount("b", Disk("b"));
        box.Part.Turn();
        Assert.Equal((true, key), (box.Key.IsSettled, box.Key.Hash));
    }

    [Fact]
    public void Disks_that_come_after_a_new_key_was_made_bring_the_former_one_back()
    {
        string key = Paired();
        Box box = Start("card2", "");
        box.Clock.Advance(TimeSpan.FromSeconds(121));
        box.Part.Turn();
        Assert.True(box.Key.IsSettled && box.Key.Hash != key);
        box.Mount("a", Disk("a"));
        box.Part.Turn();
        Assert.Equal((key, false), (box.Key.Hash, box.Status.Identity!.IsNew));
        Assert.Equal("nas2", box.Peers.All()[0].Name);
        Assert.Equal(key, Start("card2", "ab").Key.Hash);
    }

    [Fact]
    public void Disk_of_another_box_changes_nothing_and_is_not_changed()
    {
        Start("card9", "b", Two, "nas9").Peers.Add(Peer("nas8", '8'));
        _box!.Clock.Advance(TimeSpan.FromMinutes(3));
        _box.Part.Turn();
        string foreign = _box.Key.Hash;
        byte[] before = Content("b");
        Box box = Start("card1", "ab");
        string own = box.Key.Hash;
        Assert.NotEqual(foreign, own);
        Assert.Equal((IdentityCopyState.Kept, IdentityCopyState.Other), (box.State("a"), box.State("b")));
        Assert.Contains(box.Status.Problems, p => p.Contains("nas9", StringComparison.Ordinal)
            && p.Contains("--replace b", StringComparison.Ordinal));
        Assert.Empty(box.Peers.All());
        box.Dispose();
        _box = null;
        Assert.Equal(before, Content("b"));
        // Also on a card that has no key, next to one of its own.
        box = Start("card2", "ab");
        Assert.Equal(own, box.Key.Hash);
        // The owner decides.
        box.Part.Replace("b");
        box.Part.Turn();
        Assert.Equal((own, IdentityCopyState.Kept), (box.Key.Hash, box.State("b")));
    }

    [Fact]
    public void Owner_may_make_the_box_the_one_that_a_disk_comes_from()
    {
        string key = Paired();
        Box box = Start("card2", "a", Two.Replace("label = \"b\"", "label = \"c\"", StringComparison.Ordinal), "nas7");
        box.Clock.Advance(TimeSpan.FromMinutes(3));
        box.Part.Turn();
        Assert.NotEqual(key, box.Key.Hash);
        box.Part.Take("a");
        box.Part.Turn();
        Assert.Equal((key, "nas2", IdentityCopyState.Kept), (box.Key.Hash, box.Peers.All()[0].Name, box.State("a")));
        Assert.True(File.Exists(Path.Combine(State("card2"), "box.pem.former")));
        Assert.Throws<IOException>(() => box.Part.Take("a"));
    }

    byte[] Content(string disk)
    {
        using HammerFs fs = VolumeCopyTests.Open(Disk(disk), readOnly: true);
        Assert.Equal(Errno.None, VolumeCopy.Read(fs, out byte[]? content));
        return content!;
    }

    [Fact]
    public void Newest_peers_win_in_both_directions()
    {
        Paired();
        // Disk b is away while a peer is forgotten and another one learnt.
        Box box = Start("card1", "a");
        Assert.True(box.Peers.Remove("nas2"));
        box.Peers.Add(Peer("nas3", 'b'));
        box.Part.Turn();
        box.Mount("b", Disk("b"));
        box.Part.Turn();
        Assert.Equal("nas3", Assert.Single(box.Peers.All()).Name);
        box = Start("card2", "b");
        box.Clock.Advance(TimeSpan.FromMinutes(3));
        box.Part.Turn();
        Assert.Equal("nas3", Assert.Single(box.Peers.All()).Name);
        // A card out of a drawer, with the same key and what it knew then.
        File.WriteAllText(Path.Combine(State("card2"), PeerStore.FileName), """{"generation":1,"peers":[]}""");
        box = Start("card2", "ab");
        Assert.Equal("nas3", Assert.Single(box.Peers.All()).Name);
        // And a damaged one.
        File.WriteAllText(Path.Combine(State("card2"), PeerStore.FileName), "{");
        Assert.Equal("nas3", Assert.Single(Start("card2", "ab").Peers.All()).Name);
    }

    [Fact]
    public void Nothing_is_written_and_nothing_asked_again_when_nothing_has_changed()
    {
        Paired();
        Box box = Start("card1", "");
        HammerFs a = box.Mount("a", Disk("a"));
        Assert.Equal(Timeout.InfiniteTimeSpan, box.Part.Turn());
        Assert.Equal(Errno.None, a.SyncAndWait());
        (long group, ulong tid) = (a.DurableGroup, a.DurableTid);
        for (int i = 0; i < 3; i++) Assert.Equal(Timeout.InfiniteTimeSpan, box.Part.Turn());
        Assert.Equal((group, tid), (a.DurableGroup, a.DurableTid));
    }

    [Fact]
    public void Volume_whose_root_is_mirrored_never_carries_the_key()
    {
        string key = Paired();
        const string mirror = "[mirrors.m]\nfrom = \"nas1:a\"\nto = \"nas2:b/x\"\n[peers.nas2]\naddress = \"h:1\"\n";
        Box box = Start("card1", "ab", Two + mirror);
        Assert.Equal((IdentityCopyState.Never, IdentityCopyState.Kept), (box.State("a"), box.State("b")));
        Assert.False(VolumeCopy.IsThere(box.Find("a")!.Fs));
        Assert.Equal(key, Start("card2", "ab", Two + mirror).Key.Hash);
        Assert.False(VolumeCopy.IsThere(_box!.Find("a")!.Fs));
    }

    // What was a source no longer is one: the copy comes while the stream is still open.
    [Fact]
    public void Stream_that_is_open_when_the_root_gets_its_copy_ends_without_the_key()
    {
        Paired();
        const string mirror = "[mirrors.m]\nfrom = \"nas1:a\"\nto = \"nas2:b/x\"\n[peers.nas2]\naddress = \"h:1\"\n";
        Box box = Start("card1", "ab", Two + mirror);
        HammerFs fs = box.Find("a")!.Fs;
        using var stream = new OpenStream(fs);
        fs.Create(fs.Root, "before"u8, ObjType.RegFile, 0x1A4, 0, 0, default, out _, out _);
        Assert.Equal(Errno.None, fs.SyncAndWait());
        stream.WaitFor("before");
        box.Context.Settings = box.Context.Settings with { Mirrors = [] };
        box.Part.Reload(box.Context.Settings, box.Context.Settings);
        box.Part.Turn();
        Assert.Equal(IdentityCopyState.Kept, box.State("a"));
        Assert.Contains("must not leave it", stream.Ended().Message, StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE KEY", stream.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_only_volume_gives_the_key_and_gets_none()
    {
        string key = Paired();
        Box box = Start("card2", "");
        box.Mount("a", Disk("a"), readOnly: true);
        box.Mount("b", VolumeCopyTests.Formatted(), readOnly: true);
        box.Part.Turn();
        Assert.Equal((key, IdentityCopyState.Kept, IdentityCopyState.NotKept), (box.Key.Hash, box.State("a"),
            box.State("b")));
    }

    [Fact]
    public void Damaged_copy_is_put_aside_and_a_damaged_card_is_mended_from_a_disk()
    {
        string key = Paired();
        _box!.Dispose();
        _box = null;
        using (HammerFs fs = VolumeCopyTests.Open(Disk("a")))
        {
            fs.Lookup(fs.Root, ".nashammer"u8, out Vnode folder, out _);
            fs.Lookup(folder, "identity"u8, out Vnode file, out _);
            fs.Write(file, 200, "damage"u8, append: false, killSetId: false, out _);
        }
        File.WriteAllText(Path.Combine(State("card1"), PeerKey.FileName), "damage");
        Box box = Start("card1", "ab");
        Assert.Equal((key, IdentityCopyState.Kept), (box.Key.Hash, box.State("a")));
        Assert.True(File.Exists(Path.Combine(State("card1"), "box.pem.damaged")));
        Vnode root = box.Find("a")!.Fs.Root;
        box.Find("a")!.Fs.Lookup(root, ".nashammer"u8, out Vnode there, out _);
        Assert.False(box.Find("a")!.Fs.Lookup(there, "identity.damaged"u8, out _, out _).IsError);
        Assert.DoesNotContain(box.Status.Problems, p => p.Contains("key", StringComparison.Ordinal));
    }

    [Fact]
    public void Card_that_cannot_be_written_is_told_and_the_disks_are_enough()
    {
        string key = Paired();
        File.WriteAllText(Path.Combine(_folder, "nofolder"), "");
        Directory.CreateDirectory(State("card2"));
        Directory.CreateDirectory(Path.Combine(State("card2"), "box.pem.new", "in the way"));
        Box box = Start("card2", "ab");
        Assert.Equal(key, box.Key.Hash);
        Assert.Contains(box.Status.Problems, p => p.Contains("cannot be kept in", StringComparison.Ordinal));
    }

    [Fact]
    public void Full_volume_is_told_and_tried_again()
    {
        Paired();
        Box box = Start("card1", "b");
        HammerFs a = box.Mount("a", VolumeCopyTests.Formatted(128));
        Fill(a);
        Assert.NotEqual(Timeout.InfiniteTimeSpan, box.Part.Turn());
        Assert.Equal(IdentityCopyState.NotKept, box.State("a"));
        Assert.Contains(box.Status.Problems, p => p.Contains("full", StringComparison.Ordinal));
        a.Unlink(a.Root, "large"u8);
        Assert.Equal(Errno.None, a.SyncAndWait());
        box.Part.Turn();
        Assert.Equal(IdentityCopyState.Kept, box.State("a"));
    }

    static void Fill(HammerFs fs)
    {
        fs.Create(fs.Root, "large"u8, ObjType.RegFile, 0x1A4, 0, 0, default, out Vnode file, out _);
        var noHistory = new AttrRequest { Change = AttrChange.Uflags, Uflags = 0x40 };
        fs.SetAttr(file, noHistory, default, out _);
        byte[] piece = new byte[1 << 20];
        for (ulong at = 0; ; at += (ulong)piece.Length)
        {
            Errno result = fs.Write(file, at, piece, append: false, killSetId: false, out _);
            while (result == Errno.NeedFlush)
            {
                Assert.Equal(Errno.None, fs.SyncAndWait());
                result = fs.Write(file, at, piece, append: false, killSetId: false, out _);
            }
            if (result == Errno.NoSpc) break;
            Assert.Equal(Errno.None, result);
        }
        Assert.Equal(Errno.None, fs.SyncAndWait());
    }

    [Theory, InlineData("folder"), InlineData("open to all"), InlineData("empty")]
    public void Key_that_cannot_be_read_from_the_card_is_taken_from_a_disk(string damage)
    {
        string key = Paired();
        _box!.Dispose();
        _box = null;
        string path = Path.Combine(State("card1"), PeerKey.FileName);
        if (damage == "open to all") File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        else File.Delete(path);
        if (damage == "folder") Directory.CreateDirectory(Path.Combine(path, "in the way"));
        if (damage == "empty") File.WriteAllText(path, "");
        Box box = Start("card1", "ab");
        Assert.Equal((true, key), (box.Key.IsSettled, box.Key.Hash));
        Assert.True(Path.Exists(path + ".damaged"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal((key, true), (Start("card1", "").Key.Hash, _box!.Key.IsSettled));
    }

    // A mistaken configuration, or a missing disk: the owner acknowledges that, and knows of no key.
    [Theory, InlineData(""), InlineData(Two)]
    public void Acknowledging_makes_no_new_key_final_while_disks_were_not_looked_at(string config)
    {
        string key = Paired();
        Box box = Start("card2", "", config);
        Assert.Equal(config.Length == 0, box.Key.IsSettled);
        box.Clock.Advance(TimeSpan.FromSeconds(121));
        box.Part.Turn();
        Assert.NotEqual(key, box.Key.Hash);
        box.Part.Start();
        box.Context.Board.Acknowledge();
        box.Part.Stop(TestContext.Current.CancellationToken);
        box.Part.Turn();
        Assert.True(box.Status.Identity!.IsNew);
        box = Start("card2", "ab");
        Assert.Equal((key, false), (box.Key.Hash, box.Status.Identity!.IsNew));
    }

    [Fact]
    public void Acknowledging_makes_a_new_key_final_where_no_former_one_can_be()
    {
        Box box = Start("card1", "ab");
        Assert.True(box.Status.Identity!.IsNew);
        box.Part.Start();
        box.Context.Board.Acknowledge();
        box.Part.Stop(TestContext.Current.CancellationToken);
        box.Part.Turn();
        Assert.False(box.Status.Identity!.IsNew);
    }

    [Fact]
    public void Key_that_was_given_up_comes_back_by_no_disk()
    {
        string key = Paired();
        Box box = Start("card1", "a");
        string renewed = box.Part.Renew().Key;
        Assert.NotEqual(key, renewed);
        Assert.Equal((renewed, IdentityCopyState.Kept, false),
            (box.Key.Hash, box.State("a"), box.Status.Identity!.IsNew));
        Assert.Equal("nas2", Assert.Single(box.Peers.All()).Name);
        Assert.Contains(renewed, System.Text.Encoding.ASCII.GetString(Content("a", box)), StringComparison.Ordinal);
        // A new card, both disks: that which was away has the former key.
        box = Start("card2", "ab");
        Assert.Equal(renewed, box.Key.Hash);
        Assert.Equal((IdentityCopyState.Kept, IdentityCopyState.Kept), (box.State("a"), box.State("b")));
        Assert.DoesNotContain(box.Status.Problems, p => p.Contains("key", StringComparison.Ordinal));
        // Each place knows it by now.
        box = Start("card3", "b");
        box.Clock.Advance(TimeSpan.FromSeconds(21));
        box.Part.Turn();
        Assert.Equal(renewed, box.Key.Hash);
    }

    [Fact]
    public void Disk_alone_that_carries_a_given_up_key_is_not_believed_by_a_card_that_knows()
    {
        string key = Paired();
        string renewed = Start("card1", "a").Part.Renew().Key;
        Box box = Start("card1", "b");
        Assert.Equal((renewed, IdentityCopyState.Kept), (box.Key.Hash, box.State("b")));
        Assert.DoesNotContain(key, System.Text.Encoding.ASCII.GetString(Content("b", box)).Split("choices")[0],
            StringComparison.Ordinal);
    }

    static byte[] Content(string disk, Box box)
    {
        Assert.Equal(Errno.None, VolumeCopy.Read(box.Find(disk)!.Fs, out byte[]? content));
        return content!;
    }

    [Fact]
    public void Disk_from_which_the_key_was_taken_off_gets_none_until_the_owner_wants_it()
    {
        // Disks made by the tests have the same fsid: one of them only.
        const string one = "[volumes.a]\nlabel = \"a\"\nmount = \"/a\"\n[peers.nas2]\naddress = \"h:1\"\n";
        Box box = Start("card1", "a", one);
        Assert.Equal(IdentityCopyState.Kept, box.State("a"));
        box.Part.TakeOff("a");
        Assert.Equal((IdentityCopyState.Forgotten, false), (box.State("a"), VolumeCopy.IsThere(box.Find("a")!.Fs)));
        Assert.Contains(box.Status.Notices, n => n.Contains("on its card alone", StringComparison.Ordinal));
        box = Start("card1", "a", one);
        Assert.Equal((IdentityCopyState.Forgotten, false), (box.State("a"), VolumeCopy.IsThere(box.Find("a")!.Fs)));
        box.Part.Replace("a");
        box.Part.Turn();
        Assert.Equal(IdentityCopyState.Kept, box.State("a"));
        Assert.DoesNotContain(box.Status.Notices, n => n.Contains("on its card alone", StringComparison.Ordinal));
    }

    [Fact]
    public void Damaged_choices_are_told()
    {
        Paired();
        File.WriteAllText(Path.Combine(State("card1"), IdentityChoices.FileName), "{");
        Assert.Contains(Start("card1", "ab").Status.Problems,
            p => p.Contains("identity.json", StringComparison.Ordinal));
    }
}
