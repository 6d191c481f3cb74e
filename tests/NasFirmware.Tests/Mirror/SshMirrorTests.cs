using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using NasFirmware.Status;
using NasFirmware.Tests.Daemon;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>
/// A real daemon that mirrors over a real ssh to a machine that speaks the original's dialect: here our own
/// mirror-write, on a volume that another process has mounted.
/// </summary>
public sealed class SshMirrorTests : IDisposable
{
    readonly DaemonBox _box = new();
    readonly int _port;
    Process? _sshd;

    public SshMirrorTests()
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            _port = ((IPEndPoint)free.LocalEndpoint).Port;
        }
        foreach (string folder in new[] { "far", "mnt/far", "state", "/run/sshd" })
            Directory.CreateDirectory(Path.Combine(_box.Scratch, folder));
        Script("hammer", $"exec '{AppContext.BaseDirectory}nashammer' \"$@\"");
        DaemonBox.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", Far("host"));
        // As docs/OPERATING.md says it.
        Shell("mkdir -p -m 700 $STATE/ssh");
        Shell("ssh-keygen -t ed25519 -N '' -f $STATE/ssh/id_ed25519");
        File.Copy(Identity + ".pub", Far("authorized_keys"));
        File.WriteAllText(Far("sshd_config"), $"""
            ListenAddress 127.0.0.1:{_port}
            HostKey {Far("host")}
            AuthorizedKeysFile {Far("authorized_keys")}
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            PermitRootLogin prohibit-password

            """);
        StartSshd();
        _box.Newfs("near");
        _box.Newfs("far");
        (int code, string output) = _box.Run("mount", _box.Image("far"), _box.Mount("far"));
        Assert.True(code == 0, output);
    }

    string Identity => Path.Combine(_box.Scratch, "state", "ssh", "id_ed25519");
    string KnownHosts => Path.Combine(_box.Scratch, "state", "ssh", "known_hosts");
    string Far(string name) => Path.Combine(_box.Scratch, "far", name);
    string Master => Path.Combine(_box.Mount("near"), "family");
    string Slave => Path.Combine(_box.Mount("far"), "family");

    void Script(string name, string line)
    {
        File.WriteAllText(Far(name), $"#!/bin/sh\n{line}\n");
        DaemonBox.Command("chmod", "755", Far(name));
    }

    void StartSshd()
    {
        _sshd = Process.Start(new ProcessStartInfo("/usr/sbin/sshd", ["-D", "-f", Far("sshd_config")])
        {
            UseShellExecute = false, RedirectStandardError = true,
        })!;
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            using var probe = new TcpClient();
            try
            {
                probe.Connect(IPAddress.Loopback, _port);
                return;
            }
            catch (SocketException) when (!_sshd.HasExited && Stopwatch.GetElapsedTime(began).TotalSeconds < 20)
            {
                _sshd.WaitForExit(20);
            }
        }
    }

    void StopSshd()
    {
        if (_sshd is null) return;
        _sshd.Kill(entireProcessTree: true);
        _sshd.WaitForExit();
        _sshd.Dispose();
        _sshd = null;
    }

    void Shell(string command)
    {
        (int code, string output) = DaemonBox.Execute("/bin/bash", ["-c", string.Create(CultureInfo.InvariantCulture,
            $"STATE={_box.Scratch}/state PORT={_port}; {command}")]);
        Assert.True(code == 0, output);
    }

    void Believe()
    {
        File.Delete(KnownHosts);
        Shell("ssh-keyscan -p $PORT 127.0.0.1 >>$STATE/ssh/known_hosts");
        Shell("ssh-keygen -lf $STATE/ssh/known_hosts");
    }

    void Configure(string command = "hammer", string more = "") => _box.Configure(_box.Volume("near") + $"""
        [pfs.family]
        volume = "near"
        [mirrors.away]
        from = "nas1:near/family"
        to = "ssh://root@127.0.0.1:{_port}{Slave}"
        command = "{Far(command)}"
        silence = "3s"
        {more}

        """);

    static MirrorStatus Of(BoxStatus box) => box.Mirrors.Single();

    MirrorStatus Until(Func<MirrorStatus, bool> condition, string what) =>
        Of(_box.Until(b => b.Mirrors.Count == 1 && condition(Of(b)), what));

    MirrorStatus UntilInStep() => Until(m => m is { Phase: MirrorPhase.InStep, LagSeconds: 0 }, "in step");

    /// <summary>The ssh children of the daemon.</summary>
    string[] Children()
    {
        (_, string found) = DaemonBox.Execute("/usr/bin/pgrep",
            ["-P", _box.Process.Id.ToString(CultureInfo.InvariantCulture), "-x", "ssh"]);
        return found.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    static string Digest(string directory)
    {
        (int code, string output) = DaemonBox.Execute("/bin/bash",
            ["-c", "set -o pipefail; tar -C \"$0\" -cf - . | sha256sum", directory]);
        Assert.True(code == 0, output);
        return output;
    }

    void AssertEqual()
    {
        string link = new FileInfo(Slave).LinkTarget!;
        Assert.Equal(Digest(Path.Combine(Master, link[..link.IndexOf(':', StringComparison.Ordinal)])), Digest(Slave));
    }

    public void Dispose()
    {
        // The daemon first: its ssh ends with it.
        if (_box.Process is { HasExited: false }) _box.Stop();
        StopSshd();
        _box.Run("umount", _box.Mount("far"));
        _box.Dispose();
    }

    [Fact]
    public void First_load_goes_on_after_ssh_was_killed_and_changes_follow()
    {
        Believe();
        // Slow enough that the load is still under way when ssh is killed, however busy this machine is.
        Configure(more: "bandwidth = \"512K\"");
        _box.Start();
        _box.Until(_ => Directory.Exists(Master), "the master is there");
        var random = new Random(4711);
        for (int i = 0; i < 8; i++)
        {
            byte[] data = new byte[1_000_000];
            random.NextBytes(data);
            File.WriteAllBytes(Path.Combine(Master, "photo" + i), data);
        }
        DaemonBox.Command("sync", Master);
        Until(m => m.BytesSent > 1_000_000, "the load is under way");
        DaemonBox.Command("/bin/kill", "-KILL", Assert.Single(Children()));
        MirrorStatus status = Until(m => m is { Reconnects: >= 1, Resumes: >= 1 }, "it goes on where it broke");
        Assert.NotEqual(MirrorPhase.InStep, status.Phase);
        Configure();
        _box.Signal("HUP");
        status = UntilInStep();
        AssertEqual();
        // What was under way when ssh ended comes again, and nothing else.
        Assert.True(status is { Resumes: >= 1, Problem: null, BytesResent: < 5_000_000 }, $"{status}");
        Assert.Equal(("root@127.0.0.1:" + _port, status.MasterTid), (status.Peer, status.SlaveTid));
        File.WriteAllText(Path.Combine(Master, "later"), "text");
        DaemonBox.Command("sync", Path.Combine(Master, "later"));
        _box.Until(_ => File.Exists(Path.Combine(Slave, "later")), "the change follows");
        UntilInStep();
        AssertEqual();
        (int code, string said) = _box.Run("verify", "away", "--socket", _box.SocketPath);
        Assert.True(code == 2 && said.Contains("cannot compare", StringComparison.Ordinal), said);
        (code, said) = _box.Run("switch-over", "away", "--socket", _box.SocketPath);
        Assert.True(code == 1 && said.Contains("which has no word for this", StringComparison.Ordinal), said);
        string child = Assert.Single(Children());
        Assert.Equal(0, _box.Stop());
        Assert.False(Directory.Exists("/proc/" + child), "ssh is still there");
    }

    [Fact]
    public void Machine_that_is_not_believed_or_floods_or_is_away_is_named_in_clear_words()
    {
        Configure();
        _box.Start();
        MirrorStatus Says(MirrorPhase phase, string text) => Until(
            m => m.Phase == phase && m.Problem?.Contains(text, StringComparison.Ordinal) == true, $"{phase} {text}");
        void Reload() => _box.Signal("HUP");
        Says(MirrorPhase.Refused, "known_hosts: the key of 127.0.0.1 belongs there (ssh-keyscan)");
        // Somebody else's key: the machine is not the one that it was.
        string own = File.ReadAllText(Identity + ".pub");
        File.WriteAllText(KnownHosts, $"[127.0.0.1]:{_port} {own}");
        Reload();
        Says(MirrorPhase.Refused, "Host key verification failed: 127.0.0.1 has another key than the one in");
        Believe();
        File.WriteAllText(Far("authorized_keys"), "");
        Reload();
        Says(MirrorPhase.Refused, "Permission denied (publickey");
        File.WriteAllText(Far("authorized_keys"), own);
        Configure("nothing-there");
        Reload();
        Says(MirrorPhase.Refused, $"there is no {Far("nothing-there")} on root@127.0.0.1");
        Script("flood", "exec tr '\\0' x </dev/zero >&2");
        Configure("flood");
        Reload();
        MirrorStatus status = Says(MirrorPhase.Hindered, "does not stop complaining: ...xxx");
        Assert.True(status.Problem!.Length < 600, status.Problem);
        Script("full", "echo 'mirror-write: No space left on device' >&2; exit 1");
        Configure("full");
        Reload();
        Says(MirrorPhase.Hindered, "mirror-write: No space left on device");
        StopSshd();
        Configure();
        Reload();
        Says(MirrorPhase.Unreachable, "Connection refused");
        StartSshd();
        UntilInStep();
        AssertEqual();
        Assert.Equal(0, _box.Stop());
        Assert.Empty(Children());
    }
}
