using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>
/// A container with a real systemd over this machine's own tree, of which nothing but a target of the test's is
/// started; what is written goes to memory. A test is two scripts: the outer one fills <c>root</c> with what the
/// machine is to have and says <c>trial_unit</c> and <c>boot</c>; the inner one runs as a service in there and must
/// end with <c>ALL OF IT HELD</c>.
/// </summary>
sealed class TrialContainer(string name) : System.IDisposable
{
    internal string Folder { get; } = Directory.CreateTempSubdirectory($"nashammer-{name}-").FullName;

    /// <summary>What the scripts find in their environment.</summary>
    internal Dictionary<string, string> Environment { get; } = [];

    /// <summary>The shipped program: the unit forbids what the tests' own needs, memory that is written and run.
    /// </summary>
    internal static string Native
    {
        get
        {
            string program = Path.Combine(GoldenData.RepositoryRoot, "out",
                RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64",
                "nashammer");
            Assert.True(File.Exists(program), $"{program} is missing: scripts/build.sh makes it");
            return program;
        }
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    /// <summary>Writes an inner script: the common functions, then these lines.</summary>
    internal void Write(string file, string lines) => File.WriteAllText(Path.Combine(Folder, file), Inside + lines);

    /// <summary>Runs the outer script after the common functions; fails with what it and the inner one said.</summary>
    internal void Run(string outside, int seconds)
    {
        (int code, string output) = Shell(Outside + outside, seconds);
        Assert.True(code == 0, output);
    }

    /// <summary>Runs a script by itself, without a container.</summary>
    internal (int Code, string Output) Shell(string script, int seconds)
    {
        var start = new ProcessStartInfo("/usr/bin/timeout", ["-k", "10",
            seconds.ToString(CultureInfo.InvariantCulture), "/bin/bash", "-c", "exec 2>&1\n" + script])
        { RedirectStandardOutput = true, WorkingDirectory = GoldenData.RepositoryRoot };
        start.Environment["T"] = Folder;
        foreach ((string key, string value) in Environment) start.Environment[key] = value;
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    const string Outside = """
        set -eEuo pipefail
        trap 'echo "failed at line $LINENO: $BASH_COMMAND"' ERR
        disk=
        clean() {
            cd /
            [ -z "$disk" ] || losetup -d "$disk"
            umount "$T/root" 2>/dev/null; umount "$T/memory" 2>/dev/null
            find "$T" -mindepth 1 -xdev -delete
        }
        trap clean EXIT
        cd "$T"
        mkdir memory root
        mount -t tmpfs -o size=900m,mode=755 container memory
        mkdir memory/upper memory/work
        mount -t overlay overlay -o lowerdir=/,upperdir=memory/upper,workdir=memory/work root
        # Another machine than this one, which never had the program, and whose owner keeps no service from starting.
        systemd-id128 new >root/etc/machine-id
        rm -rf root/etc/nashammer root/var/lib/nashammer root/usr/sbin/policy-rc.d root/var/log/journal
        mkdir -p root/etc/nashammer root/var/lib/disks

        # disk_image PROGRAM FILE SIZE LABEL: a HAMMER volume in a file.
        disk_image() {
            truncate -s "$3" "$2"
            "$1" newfs -f -u 32m -L "$4" "$2" >/dev/null
        }

        # trial_unit 'UNITS' ['COMMAND']: the inner script as a service beside these units (more than nashammer.service
        # are started with it); at its end their journal is shown, and what the command says.
        trial_unit() {
            local unit journal=
            for unit in $1; do journal="$journal -u $unit"; done
            cat >root/etc/systemd/system/trial.service <<C
        [Service]
        Type=oneshot
        ExecStart=/bin/bash /inside.sh
        ExecStopPost=/bin/sh -c 'journalctl --no-pager$journal | tail -n 80'
        ExecStopPost=/bin/sh -c '${2:-:}'
        ExecStopPost=systemctl --no-block poweroff
        StandardOutput=append:/trial.out
        StandardError=append:/trial.out
        C
            printf '[Unit]\nRequires=basic.target\nWants=trial.service %s\nAfter=basic.target\nAllowIsolate=yes\n' \
                "${3:-}" >root/etc/systemd/system/trial.target
        }

        # boot SECONDS SCRIPT [OPTION...]: starts the container with that inner script. Does not return: in a subshell.
        boot() {
            local seconds=$1
            cp "$2" root/inside.sh
            : >root/trial.out
            shift 2
            exec timeout "$seconds" systemd-nspawn --quiet --register=no --keep-unit -D root -b --private-network \
                --bind=/dev/fuse "$@" --console=pipe systemd.unit=trial.target systemd.mask=systemd-udevd.service \
                </dev/null >console 2>&1
        }

        held() {
            cat root/trial.out
            grep -q '^ALL OF IT HELD$' root/trial.out || { tail -n 30 console; exit 1; }
        }

        """;

    const string Inside = """
        set -eEuo pipefail
        trap 'echo "inside: failed at line $LINENO: $BASH_COMMAND"' ERR
        # until_true CONDITION [TENTHS]
        until_true() {
            local n=0
            until eval "$1"; do
                n=$((n + 1)); [ $n -lt "${2:-600}" ] || { echo "never true: $1"; exit 1; }; sleep 0.1
            done
        }

        """;
}
