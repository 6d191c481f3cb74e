using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using NasFirmware.Daemon;
using NasFirmware.Mirroring;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>The log as the journal gets it, on a socket of our own.</summary>
public sealed class JournalTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nj").FullName;
    readonly Socket _taken = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
    {
        ReceiveTimeout = 10_000,
    };
    readonly StringWriter _lines = new();

    string Place => Path.Combine(_folder, "socket");

    public void Dispose()
    {
        _taken.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    ILogger Logger() => new JournalLoggerProvider(_lines, true, new JournalSocket(Place)).CreateLogger("mirrors");

    static Dictionary<string, string> Decode(ReadOnlySpan<byte> entry)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        while (entry.Length > 0)
        {
            int at = entry.IndexOf((byte)'\n');
            int length = (int)BinaryPrimitives.ReadInt64LittleEndian(entry[(at + 1)..]);
            // A name twice, or a length that does not fit, throws.
            fields.Add(Encoding.ASCII.GetString(entry[..at]), Encoding.UTF8.GetString(entry.Slice(at + 9, length)));
            Assert.Equal((byte)'\n', entry[at + 9 + length]);
            entry = entry[(at + 10 + length)..];
        }
        return fields;
    }

    Dictionary<string, string> Take()
    {
        byte[] buffer = new byte[1 << 18];
        return Decode(buffer.AsSpan(0, _taken.Receive(buffer)));
    }

    [Fact]
    public void Line_on_a_mirror_has_the_names_of_mirror_and_peer_as_fields()
    {
        _taken.Bind(new UnixDomainSocketEndPoint(Place));
        MirrorLog.Of(Logger(), new MirrorLine("family", true, "nas2", "no room\nPRIORITY=0\nPEER=evil"));
        Dictionary<string, string> fields = Take();
        Assert.Equal("mirrors: mirror family to nas2: no room | PRIORITY=0 | PEER=evil", fields["MESSAGE"]);
        Assert.Equal(("6", "nashammer"), (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]));
        Assert.Equal(("family", "nas2", "mirrors", "401"),
            (fields["MIRROR"], fields["PEER"], fields["CATEGORY"], fields["EVENT"]));
        Assert.Equal("no room\nPRIORITY=0\nPEER=evil", fields["TROUBLE"]);
        Assert.Equal(8, fields.Count);
        Assert.Equal("", _lines.ToString());
    }

    [Fact]
    public void Failure_of_a_part_has_its_name_and_the_exception()
    {
        _taken.Bind(new UnixDomainSocketEndPoint(Place));
        DaemonLog.PartFailed(Logger(), "peers", "no such file", new IOException("it is gone"));
        Dictionary<string, string> fields = Take();
        Assert.Equal("mirrors: part=peers: no such file | it is gone", fields["MESSAGE"]);
        Assert.Equal(("3", "peers"), (fields["PRIORITY"], fields["PART"]));
        Assert.Contains("IOException: it is gone", fields["EXCEPTION"], StringComparison.Ordinal);
    }

    [Fact]
    public void Texts_that_are_too_long_are_cut_between_letters()
    {
        _taken.Bind(new UnixDomainSocketEndPoint(Place));
        MirrorLog.Of(Logger(), new MirrorLine("family", false, "nas2", new string('\u20AC', 1 << 20)));
        Dictionary<string, string> fields = Take();
        Assert.InRange(Encoding.UTF8.GetByteCount(fields["MESSAGE"]), JournalSocket.MessageBytesMax - 3,
            JournalSocket.MessageBytesMax);
        Assert.Equal(new string('\u20AC', JournalSocket.FieldBytesMax / 3), fields["TROUBLE"]);
    }

    [Fact]
    public void Without_a_journal_the_line_goes_to_standard_error_with_its_priority()
    {
        MirrorLog.Of(Logger(), new MirrorLine("family", true, "nas2", "no room"));
        Assert.Equal("<6>mirrors: mirror family to nas2: no room\n", _lines.ToString());
    }

    [Fact]
    public void Journal_that_takes_nothing_stops_nobody_and_hears_later_how_much_was_lost()
    {
        _taken.Bind(new UnixDomainSocketEndPoint(Place));
        ILogger log = Logger();
        // The queue of a socket has a few hundred places at most.
        for (int i = 0; i < 2000; i++) MirrorLog.Line(log, "line");
        Assert.Equal("", _lines.ToString());
        _taken.Blocking = false;
        byte[] buffer = new byte[4096];
        int taken = 0;
        while (_taken.Available > 0 || taken == 0)
        {
            _taken.Receive(buffer);
            taken++;
        }
        _taken.Blocking = true;
        MirrorLog.Line(log, "after");
        Assert.Equal("mirrors: after", Take()["MESSAGE"]);
        Assert.Equal($"{2000 - taken} lines of the log are lost: the journal did not take them", Take()["MESSAGE"]);
    }

    [Theory]
    [InlineData(null, "socket:[77]", false)]
    [InlineData("", "socket:[77]", false)]
    [InlineData("9:77", "socket:[77]", true)]
    [InlineData("9:77", "socket:[78]", false)]
    [InlineData("9:77", "/tmp/log", false)]
    [InlineData("9:77", null, true)]
    public void Standard_error_is_the_journal_if_it_is_the_stream_that_the_variable_names(string? stream,
        string? standardError, bool isJournal) =>
        Assert.Equal(isJournal, JournalSocket.IsJournal(stream, standardError));
}
