using System;
using System.Diagnostics;
using System.IO;

namespace NasPosix.Tests;

/// <summary>
/// Another process, for what only two processes can show: locks, mappings, descriptors. It evaluates one expression of
/// Python a line and answers with the value or the name of the error.
/// </summary>
sealed class Peer : IDisposable
{
    const string Program = """
        import sys, os, fcntl, mmap, errno, stat, socket
        held, maps = {}, {}
        def fd(path, flags=os.O_RDWR):
            if (path, flags) not in held: held[path, flags] = os.open(path, flags)
            return held[path, flags]
        def close(path, flags=os.O_RDWR): os.close(held.pop((path, flags)))
        def lock(path, kind, start=0, length=0):
            kinds = {"r": fcntl.LOCK_SH, "w": fcntl.LOCK_EX, "u": fcntl.LOCK_UN}
            fcntl.lockf(fd(path), kinds[kind] | (0 if kind == "u" else fcntl.LOCK_NB), length, start)
        def flock(path, kind):
            kinds = {"sh": fcntl.LOCK_SH, "ex": fcntl.LOCK_EX, "un": fcntl.LOCK_UN}
            fcntl.flock(fd(path), kinds[kind] | fcntl.LOCK_NB)
        def map(path, length):
            if path not in maps: maps[path] = mmap.mmap(fd(path), length)
            return maps[path]
        def peek(path, length, at, n): return map(path, length)[at:at + n].decode("latin1").replace("\0", ".")
        def poke(path, length, at, text): map(path, length)[at:at + len(text)] = text.encode()
        def write(path, at, text): return os.pwrite(fd(path), text.encode(), at)
        def read(path, at, n): return os.pread(fd(path), n, at).decode("latin1").replace("\0", ".")
        def run(*words, uid=None):
            import subprocess
            who = {} if uid is None else dict(user=uid, group=uid, extra_groups=[])
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **who)
            return f"{done.returncode} {done.stdout.decode().strip()}"
        def sock(path):
            s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(); held[path, "s"] = s.detach()
        def connect(path): socket.socket(socket.AF_UNIX).connect(path)
        def forget():
            for m in maps.values(): m.close()
            for f in held.values(): os.close(f)
            maps.clear(); held.clear(); os.chdir("/")
        for line in sys.stdin:
            try:
                value = eval(line)
                print("ok" if value is None else value, flush=True)
            except OSError as e:
                print(errno.errorcode[e.errno].replace("ENOTSUP", "EOPNOTSUPP"), flush=True)
        """;

    readonly Process _process;
    readonly string _file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".py");

    internal Peer()
    {
        File.WriteAllText(_file, Program);
        _process = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-B", _file])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false,
        })!;
    }

    internal string Ask(string expression)
    {
        _process.StandardInput.WriteLine(expression);
        _process.StandardInput.Flush();
        return _process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException($"the other process died of: {expression}");
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
        File.Delete(_file);
    }
}
