using System;
using System.Diagnostics;
using System.IO;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Pair;

/// <summary>
/// Two boxes on this machine (scripts/pair.sh): daemons in network namespaces of their own, image files as disks. A
/// script gets them configured and not started, in $T/left and $T/right; the master PFS is `family`, $MASTER and $SLAVE
/// are its directories. Everything is taken away afterwards, whatever happened.
/// </summary>
static class PairScripts
{
    const string Prelude = """
        set -eEuo pipefail
        trap 'echo "failed at line $LINENO: $BASH_COMMAND"; tail -n 15 "$T"/*/log' ERR
        export LC_ALL=C
        . "$PAIR"
        pair_program=$H
        clean() { local code=$?; trap - EXIT; pair_end || true; exit $code; }
        trap clean EXIT
        cd "$T"
        pair_new "$T"
        MASTER=$T/left/mnt/family SLAVE=$T/right/mnt/family
        digest() { tar -C "$1" -cf - . | sha256sum | cut -d' ' -f1; }
        slave_tid() { readlink "$SLAVE" | sed -n 's/^@@\(0x[0-9a-f]*\):.*/\1/p'; }
        equal() {
            local tid; tid=$(slave_tid)
            [ "$(digest "$MASTER/@@$tid")" = "$(digest "$SLAVE")" ] || { echo "the boxes differ at $tid"; return 1; }
        }
        phase_is() { [ "$(box_status left '.mirrors[0].phase')" = "$1" ]; }
        number() { local n; n=$(box_status "$1" "$2"); echo "${n:-0}"; }
        in_step() { phase_is InStep && [ "$(number left '.mirrors[0].lagSeconds')" = 0 ]; }
        key_of() { [ ! -s "$T/$1/key" ] || printf 'key = "%s"' "$(cat "$T/$1/key")"; }
        config() {
            cat >"$T/$1/config.toml" <<C
        [box]
        name = "$1"
        state = "$T/$1/state"
        run = "$T/$1/run"
        [listen]
        address = "$3:7445"
        [volumes.disk-$1]
        images = ["$T/$1/disk.img"]
        label = "$1"
        mount = "$T/$1/mnt"
        [peers.$2]
        address = "$4:7445"
        $(key_of "$2")
        [mirrors.family]
        from = "left:disk-left/family"
        to = "right:disk-right/family"
        stall = "10s"
        silence = "3s"
        C
        }
        for box in left right; do
            truncate -s 2G "$T/$box/disk.img"
            "$H" newfs -f -L $box "$T/$box/disk.img" >/dev/null
        done
        configs() {
            config left right 10.93.0.1 10.93.0.2
            config right left 10.93.0.2 10.93.0.1
            printf '[pfs.family]\nvolume = "disk-left"\npath = "family"\n' >>"$T/left/config.toml"
        }
        configs
        for box in left right; do "$H" peer id --config "$T/$box/config.toml" | tail -n 1 >"$T/$box/key"; done
        configs
        sound() {
            local box
            for box in left right; do
                box_stop $box
                "$H" check --data "$T/$box/disk.img" || return 1
            done
        }

        """;

    internal static void Run(string script, int seconds = 200)
    {
        string directory = Directory.CreateTempSubdirectory("nashammer-pair-").FullName;
        var start = new ProcessStartInfo("/usr/bin/timeout", ["-k", "20",
            seconds.ToString(System.Globalization.CultureInfo.InvariantCulture), "/bin/bash", "-c",
            "exec 2>&1\n" + Prelude + script + "\necho PASSED"]) { RedirectStandardOutput = true };
        start.Environment["T"] = directory;
        start.Environment["H"] = Path.Combine(AppContext.BaseDirectory, "nashammer");
        start.Environment["PAIR"] = Path.Combine(GoldenData.RepositoryRoot, "scripts", "pair.sh");
        try
        {
            using Process process = Process.Start(start)!;
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0 && output.Contains("PASSED", StringComparison.Ordinal),
                $"exit {process.ExitCode}:\n{output}");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
