using System;
using System.Diagnostics;
using System.IO;
using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>
/// Runs a shell script with two fresh volumes mounted on $T/a and $T/b, and cleans up after it whatever happened.
/// $H is the program. Waiting is done by the script, until something is true.
/// </summary>
static class MirrorScripts
{
    const string Prelude = """
        set -eEuo pipefail
        trap 'echo "failed at line $LINENO: $BASH_COMMAND"' ERR
        export LC_ALL=C
        cd "$T"
        mkdir -p a b bin
        ln -sf "$H" bin/hammer
        truncate -s 1G a.img b.img
        until_true() {
            local n=0
            until eval "$1"; do
                n=$((n+1)); [ $n -lt 300 ] || { echo "never true: $1"; exit 1; }; sleep 0.2
            done
        }
        digest() { tar -C "$1" -cf - . | sha256sum | cut -d' ' -f1; }
        uuid_of() { "$H" pfs-status "$1" | sed -n 's/.*shared-uuid=//p'; }
        link_tid() { local l; l=$(readlink "$1"); echo "${l%:*}"; }
        cleanup() {
            local job
            for job in $(jobs -p); do kill -9 "$job" 2>/dev/null || true; done
            wait 2>/dev/null || true
            cd /
            "$H" umount "$T/a" >/dev/null 2>&1 || true
            "$H" umount "$T/b" >/dev/null 2>&1 || true
        }
        trap cleanup EXIT
        "$H" newfs -L A -f -u 16m a.img >/dev/null
        "$H" newfs -L B -f -u 16m b.img >/dev/null
        "$H" mount -o "${MASTER_OPTIONS:-flush=1}" a.img a
        "$H" mount -o flush=1 b.img b

        """;

    internal static void Run(string script, string masterOptions = "flush=1")
    {
        string directory = Directory.CreateTempSubdirectory("nashammer-mirror-").FullName;
        try
        {
            var start = new ProcessStartInfo("/bin/bash", ["-c", "exec 2>&1\n" + Prelude + script + "\necho PASSED"])
            {
                RedirectStandardOutput = true, RedirectStandardInput = true,
            };
            start.Environment["T"] = directory;
            start.Environment["H"] = Path.Combine(AppContext.BaseDirectory, "nashammer");
            start.Environment["MASTER_OPTIONS"] = masterOptions;
            using Process process = Process.Start(start)!;
            process.StandardInput.Close();
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
