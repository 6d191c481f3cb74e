using System.Diagnostics;
using System.Globalization;
using System.IO;
using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>
/// The process that serves a mount is killed while programs write. The next mount comes up by itself on the same
/// directory, with everything that an fsync acknowledged.
/// </summary>
public sealed class MountedCrashTests
{
    /// <summary>Writes, renames, removes for ever, and tells after each fsync what is safe now: a line with the file
    /// and the digest of its content. Ends when the mount dies. Arguments: seed, journal.</summary>
    const string Writer = """
        import os, random, sys, hashlib
        generator = random.Random(int(sys.argv[1])); journal = open(sys.argv[2], "a")
        def say(*words): journal.write(" ".join(map(str, words)) + "\n"); journal.flush()
        n = 0
        try:
            while True:
                n += 1; name = f"{sys.argv[1]}-{n}"; say("begin", name)
                data = generator.randbytes(generator.choice([10, 4000, 16384, 70000, 1500000]))
                fd = os.open(name + ".part", os.O_CREAT | os.O_WRONLY)
                os.write(fd, data)
                if n % 4 == 0: os.pwrite(fd, b"patched", len(data) // 2); data = open(name + ".part", "rb").read()
                if n % 3 == 0: os.fsync(fd)
                os.rename(name + ".part", name)
                if n % 5 == 0:
                    os.mkdir(name + ".d"); open(name + ".d/f", "w").write(name); os.link(name, name + ".d/l")
                os.fsync(fd); os.close(fd)
                say("safe", name, hashlib.sha256(data).hexdigest())
                if n > 6 and n % 2 == 0:
                    old = f"{sys.argv[1]}-{n - 5}"; say("remove", old); os.unlink(old)
                    fd = os.open(".", os.O_RDONLY); os.fsync(fd); os.close(fd); say("removed", old)
        except OSError as e:
            say("end", e.errno)
        """;

    const string Judge = """
        import os, sys, hashlib
        safe, going, gone = {}, set(), set()
        for line in open(sys.argv[1]):
            w = line.split()
            if w[0] == "safe": safe[w[1]] = w[2]
            if w[0] == "remove": going.add(w[1])
            if w[0] == "removed": gone.add(w[1])
        for name, digest in safe.items():
            if name in gone: assert not os.path.exists(name), name + " is back"; continue
            if not os.path.exists(name): assert name in going, name + " is lost"; continue
            assert hashlib.sha256(open(name, "rb").read()).hexdigest() == digest, name
            if os.path.exists(name + ".d"): assert open(name + ".d/f").read() == name, name
        print(len(safe))
        """;

    /// <summary>Kills after a number of acknowledged fsyncs, several times on one volume.</summary>
    [Fact]
    public void Killed_server_loses_nothing_that_fsync_acknowledged()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        File.WriteAllText(Path.Combine(volume.Scratch, "writer.py"), Writer);
        File.WriteAllText(Path.Combine(volume.Scratch, "judge.py"), Judge);
        int[] acknowledged = [1, 7, 19, 30];
        for (int round = 0; round < acknowledged.Length; round++)
        {
            volume.Mount("flush=0.3");
            string wanted = acknowledged[round].ToString(CultureInfo.InvariantCulture);
            string number = round.ToString(CultureInfo.InvariantCulture);
            using Process server = volume.Server();
            volume.Run($$"""
                (py $S/writer.py {{number}}1 $S/journal1) & (py $S/writer.py {{number}}2 $S/journal2) &
                (while echo more >> unsynced{{number}}; do :; done) 2>/dev/null &
                touch $S/journal1 $S/journal2; before=$(cat $S/journal? | grep -c ^safe || true)
                enough() { [ $(cat $S/journal? | grep -c ^safe || true) -ge $((before + {{wanted}})) ]; }
                until enough; do read -t 0.02 <> <(:) || true; done
                kill -9 {{server.Id.ToString(CultureInfo.InvariantCulture)}}; wait
                """);
            server.WaitForExit();
            // The dead mount is still there and only answers with errors; the next one replaces it.
            Assert.NotEqual(0, volume.TryRun("stat .").Code);
            volume.AssertRecovers();
            int found = 0;
            foreach (string journal in (string[])["journal1", "journal2"])
                found += int.Parse(volume.Run($"py $S/judge.py $S/{journal}"), CultureInfo.InvariantCulture);
            Assert.True(found >= acknowledged[round], $"{found} files were safe");
            volume.Run("echo alive > alive; same \"$(cat alive)\" alive");
            volume.UnmountSound();
        }
    }

    /// <summary>Unlinked open files and unnamed ones of a killed mount do not stay behind.</summary>
    [Fact]
    public void Killed_server_leaves_no_orphans()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        using Process server = volume.Server();
        volume.Python($$"""
            import os, signal
            lost = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600); os.write(lost, b"x" * 3000000); os.fsync(lost)
            gone = os.open("gone", os.O_CREAT | os.O_RDWR); os.write(gone, b"y" * 3000000); os.unlink("gone")
            kept = os.open("kept", os.O_CREAT | os.O_RDWR); os.write(kept, b"z" * 3000000); os.fsync(kept)
            os.mkdir("d"); held = os.open("d", os.O_RDONLY); os.rmdir("d"); os.fsync(held)
            os.kill({{server.Id.ToString(CultureInfo.InvariantCulture)}}, signal.SIGKILL)
            """);
        server.WaitForExit();
        volume.AssertRecovers();
        volume.Run("same \"$(ls)\" kept; same \"$(stat -c %s kept)\" 3000000");
        volume.UnmountSound();
        Assert.Empty(volume.Orphans());
    }
}
