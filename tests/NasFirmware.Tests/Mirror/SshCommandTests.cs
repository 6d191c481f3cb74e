using System;
using System.Collections.Generic;
using System.Linq;
using NasFirmware.Config;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>The command line of ssh, and what its end means.</summary>
public sealed class SshCommandTests
{
    static SshTarget Target(string text)
    {
        Assert.True(SshTarget.TryParse(text, out SshTarget? target), text);
        return target! with { Identity = "/state of 1%/ssh/id", KnownHosts = "/state of 1%/ssh/known_hosts" };
    }

    [Fact]
    public void Command_line_asks_nobody_and_believes_only_the_file_of_the_box()
    {
        List<string> words = SshCommand.Words(Target("ssh://root@dfly.home:2222/backup/our family"),
            TimeSpan.FromSeconds(10));
        string line = string.Join(' ', words);
        Assert.StartsWith("-F none -a -x -o BatchMode=yes -o StrictHostKeyChecking=yes "
            + "-o UserKnownHostsFile=\"/state of 1%%/ssh/known_hosts\" -o GlobalKnownHostsFile=/dev/null", line,
            StringComparison.Ordinal);
        Assert.Contains("-o IdentityFile=\"/state of 1%%/ssh/id\"", line, StringComparison.Ordinal);
        Assert.Contains("-o ServerAliveInterval=3 -o ServerAliveCountMax=3", line, StringComparison.Ordinal);
        Assert.EndsWith("-l root -p 2222 -- dfly.home hammer -y -2 mirror-write '/backup/our family'", line,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ssh://h/p", null, "h", null, "/p", "h")]
    [InlineData("ssh://u@h:7/p/q", "u", "h", 7, "/p/q", "u@h:7")]
    [InlineData("ssh://[fd00::1]:7/p", null, "fd00::1", 7, "/p", "fd00::1:7")]
    [InlineData("ssh://u@[fd00::1]/p", "u", "fd00::1", null, "/p", "u@fd00::1")]
    public void Address_is_read(string text, string? user, string host, int? port, string path, string name)
    {
        SshTarget t = Target(text);
        Assert.Equal((user, host, port, path, name), (t.User, t.Host, t.Port, t.Path, t.Name));
    }

    [Theory]
    [InlineData("ssh://h")]
    [InlineData("ssh://h/")]
    [InlineData("ssh:///p")]
    [InlineData("ssh://-h/p")]
    [InlineData("ssh://-u@h/p")]
    [InlineData("ssh://u;x@h/p")]
    [InlineData("ssh://h:0/p")]
    [InlineData("ssh://h/p\nq")]
    [InlineData("ssh://h/'x'")]
    [InlineData("ssh://h h/p")]
    public void Address_that_is_none_is_refused(string text) => Assert.False(SshTarget.TryParse(text, out _));

    [Theory]
    [InlineData(255, "ssh: connect to host h port 22: Connection refused\r\n", "Unreachable",
        "ssh: connect to host h port 22: Connection refused")]
    [InlineData(255, "Host key verification failed.\r\n", "Refused",
        "Host key verification failed: the key of h is not in /state of 1%/ssh/known_hosts (ssh-keyscan)")]
    [InlineData(255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n", "Refused",
        "Host key verification failed: h has another key than the one in /state of 1%/ssh/known_hosts; if that is "
        + "meant, put the new one there")]
    [InlineData(255, "h: Permission denied (publickey).\r\n", "Refused", "h: Permission denied (publickey).; h does "
        + "not let /state of 1%/ssh/id in: its .pub belongs into authorized_keys there")]
    [InlineData(255, "", "Unreachable", "ssh to h has ended")]
    [InlineData(127, "sh: hammer: not found\n", "Refused", "there is no hammer on h: sh: hammer: not found")]
    [InlineData(1, "a\nb\n\u001b[2Jno space\nleft\n", "Hindered", "h: b; [2Jno space; left")]
    [InlineData(1, "", "Hindered", "hammer on h failed with 1")]
    [InlineData(0, "whatever", "Ended", "h ended the stream")]
    public void End_of_ssh_is_told_in_its_own_words(int code, string said, string kind, string sentence)
    {
        SshEnd end = SshCommand.End(Target("ssh://h/p"), code, said);
        Assert.Equal((kind, sentence), (end.Kind.ToString(), end.Sentence));
    }

    [Fact]
    public void Long_words_are_cut()
    {
        string sentence = SshCommand.Sentence(string.Concat(Enumerable.Repeat("x", 5000)));
        Assert.True(sentence.Length < 500, sentence);
    }
}
