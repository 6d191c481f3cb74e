using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;

namespace NasPosix.Tests;

/// <summary>What one command of a case gave.</summary>
readonly record struct Step(string Command, string Result);

/// <summary>
/// Runs cases in a directory of one file system. A case is a line of commands with semicolons between them; each
/// command is a system call or a few, and its result is a text: "ok", the name of an error, or what was observed. So
/// two file systems can be compared command by command. A case has a directory of its own, which is also the current
/// one: the thread of a case leaves the process' current directory and umask alone.
///
/// Words of a command: "~255" is a name of 255 letters, "%4095" a path of that length to "p". Numbers are sums with
/// k, m, g, t; "x*20000" is text. "as 1000:1000,2000 COMMAND" runs a command as another user (uid:gid, further groups);
/// U is 1000:1000,2000 and V 1001:1001.
/// </summary>
sealed partial class Machine : IDisposable
{
    readonly string _root;
    readonly Dictionary<string, Func<Words, string>> _commands = [];
    readonly Dictionary<string, long> _fds = [], _maps = [], _mapSizes = [];
    readonly Peer _peer;
    int _cases;

    internal Machine(string root)
    {
        _root = root;
        _peer = new Peer();
        AddFileCommands();
        AddNameCommands();
        AddAttributeCommands();
        AddDirectoryCommands();
    }

    public void Dispose() => _peer.Dispose();

    /// <summary>Runs the commands of a case; an exception of the machinery itself goes to the caller.</summary>
    internal List<Step> Run(string commands)
    {
        string directory = Path.Combine(_root, "case" + (_cases++).ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(directory);
        File.SetUnixFileMode(directory, (UnixFileMode)0b111_101_101);
        var steps = new List<Step>();
        try
        {
            Elsewhere(() =>
            {
                Must(Sys.Call(Sys.Unshare, 0x200));
                Must(WithPath(directory, p => Sys.Call(Sys.ChDir, p)));
                Sys.Call(Sys.UMask, 0);
                _peer.Ask($"os.chdir('{directory}')");
                foreach (string command in commands.Split(';', StringSplitOptions.TrimEntries))
                {
                    if (command.Length > 0) steps.Add(new Step(command, Do(command)));
                }
                // Threads of the runtime that were born of this one share its directory and live on.
                Must(WithPath("/", p => Sys.Call(Sys.ChDir, p)));
            });
        }
        finally
        {
            foreach (long fd in _fds.Values) Sys.Call(Sys.Close, fd);
            foreach ((string name, long at) in _maps) Sys.Call(Sys.MUnmap, at, _mapSizes[name]);
            _fds.Clear();
            _maps.Clear();
            _peer.Ask("forget()");
        }
        return steps;
    }

    string Do(string command)
    {
        string[] words = [.. Regex.Split(command, @"\s+").Select(Expand)];
        if (words[0] is "U" or "V") words = ["as", words[0] == "U" ? "1000:1000,2000" : "1001:1001", .. words[1..]];
        if (words[0] != "as")
        {
            if (words[0] == "peer") return _peer.Ask(command[5..]);
            if (_commands.TryGetValue(words[0], out var known)) return known(new Words(words));
            throw new ArgumentException($"no command {words[0]}: {command}");
        }
        string result = "";
        Elsewhere(() =>
        {
            Become(words[1]);
            result = Do(string.Join(' ', words[2..]));
        });
        return result;
    }

    /// <summary>On a new thread, whose credentials and file system context end with it.</summary>
    static void Elsewhere(Action action)
    {
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    static void Become(string who)
    {
        string[] parts = who.Split(':');
        int[] groups = [.. parts[1].Split(',').Select(g => int.Parse(g, CultureInfo.InvariantCulture))];
        int uid = int.Parse(parts[0], CultureInfo.InvariantCulture);
        using var list = new Sys.Memory(4 * groups.Length);
        for (int i = 1; i < groups.Length; i++) Sys.Poke(list.At + 4 * (i - 1), BitConverter.GetBytes(groups[i]));
        Must(Sys.Call(Sys.SetGroups, groups.Length - 1, list.At));
        Must(Sys.Call(Sys.SetResGid, groups[0], groups[0], groups[0]));
        Must(Sys.Call(Sys.SetResUid, uid, uid, uid));
    }

    static void Must(long result)
    {
        if (result < 0) throw new InvalidOperationException("the machinery failed with " + Sys.Name(result));
    }

    static string Expand(string word)
    {
        word = Regex.Replace(word, @"~(\d+)",
            m => new string('x', int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)));
        if (!word.StartsWith('%')) return word;
        int length = int.Parse(word[1..], CultureInfo.InvariantCulture);
        var path = new StringBuilder();
        while (path.Length < length - 1) path.Append(path.Length % 2 == 0 ? '.' : '/');
        if (path[^1] == '.') path[^1] = '/';
        return path.Append('p').ToString();
    }

    /// <summary>The words of a command.</summary>
    readonly struct Words(string[] words)
    {
        internal int Count => words.Length;
        internal string this[int i] => i < words.Length ? words[i] : "";
        internal long Number(int i, long otherwise = 0) => i < words.Length ? Machine.Number(words[i]) : otherwise;
        /// <summary>Modes are octal.</summary>
        internal long Mode(int i, string otherwise = "644") =>
            Convert.ToInt64(i < words.Length ? words[i] : otherwise, 8);
        internal byte[] Text(int i) => Machine.Text(this[i]);
        internal IEnumerable<string> From(int i) => words.Skip(i);
    }

    internal static long Number(string text)
    {
        long sum = 0;
        foreach (Match m in Regex.Matches(text, @"([+-]?)(\d+)([kmgt]?)"))
        {
            long value = long.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture) <<
                (m.Groups[3].Value switch { "k" => 10, "m" => 20, "g" => 30, "t" => 40, _ => 0 });
            sum += m.Groups[1].Value == "-" ? -value : value;
        }
        return sum;
    }

    static byte[] Text(string word)
    {
        using var text = new MemoryStream();
        foreach (string part in word.Split('+'))
        {
            string[] times = part.Split('*');
            byte[] piece = Encoding.Latin1.GetBytes(times[0]);
            for (long n = times.Length > 1 ? Number(times[1]) : 1; n > 0; n--) text.Write(piece);
        }
        return text.ToArray();
    }

    /// <summary>Content as text that can be read: long runs of one byte are counted, zeros are dots.</summary>
    internal static string Show(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder("'");
        for (int i = 0; i < bytes.Length;)
        {
            int run = bytes[i..].IndexOfAnyExcept(bytes[i]);
            if (run < 0) run = bytes.Length - i;
            char c = bytes[i] == 0 ? '.' : (char)bytes[i];
            if (run > 4) text.Append(CultureInfo.InvariantCulture, $"{c}*{run} ");
            else text.Append(c, run);
            i += run;
        }
        return text.Append('\'').ToString();
    }

    long Fd(string name) => name.StartsWith('#') ? Number(name[1..]) : name == "cwd" ? Sys.AtCwd
        : _fds.TryGetValue(name, out long fd) ? fd : -1;

    static string Result(long result) => result > 0 ? result.ToString(CultureInfo.InvariantCulture) : Sys.Name(result);

    static long WithPath(string path, Func<long, long> call)
    {
        using var memory = new Sys.Memory(path);
        return call(memory.At);
    }
}
