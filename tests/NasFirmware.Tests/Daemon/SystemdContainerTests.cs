using System.Diagnostics;
using System.IO;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>
/// The real unit under a real systemd: a container over this machine's own tree, of which nothing but a target of the
/// test's is started. What is written goes to memory.
/// </summary>
public sealed class SystemdContainerTests
{
    static string Native => Path.Combine(GoldenData.RepositoryRoot, "out",
        System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
            == System.Runtime.InteropServices.Architecture.Arm64 ? "linux-arm64" : "linux-x64", "nashammer");

    [Fact]
    public void Unit_starts_mounts_for_everybody_and_a_hung_daemon_is_restarted_by_the_watchdog()
    {
        // The unit forbids memory that is both written and run, as the shipped program can: the tests' own cannot.
        Assert.True(File.Exists(Native), $"{Native} is missing: scripts/build.sh makes it");
        string folder = Directory.CreateTempSubdirectory("nashammer-container-").FullName;
        var start = new ProcessStartInfo("/usr/bin/timeout",
            ["-k", "10", "240", "/bin/bash", "-c", "exec 2>&1\n" + Outside]) { RedirectStandardOutput = true };
        start.Environment["T"] = folder;
        start.Environment["H"] = Native;
        start.Environment["UNITS"] = Path.Combine(GoldenData.RepositoryRoot, "firmware", "systemd");
        File.WriteAllText(Path.Combine(folder, "inside.sh"), Inside);
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output);
    }

    const string Outside = """
        set -eEuo pipefail
        trap 'echo "failed at line $LINENO: $BASH_COMMAND"' ERR
        trap 'cd /; umount "$T/root" 2>/dev/null; umount "$T/memory" 2>/dev/null; rm -rf --one-file-system "$T"' EXIT
        cd "$T"
        mkdir memory root
        mount -t tmpfs -o size=700m,mode=755 container memory
        mkdir memory/upper memory/work
        mount -t overlay overlay -o lowerdir=/,upperdir=memory/upper,workdir=memory/work root
        cp "$H" root/usr/bin/nashammer
        cp "$UNITS"/*.service root/etc/systemd/system/
        # Another machine than this one: its journal and keys are its own.
        systemd-id128 new >root/etc/machine-id
        rm -rf root/etc/nashammer root/var/lib/nashammer
        mkdir -p root/etc/nashammer root/srv/photos root/var/lib/disks root/etc/systemd/system/nashammer.service.d
        printf '[Service]\nWatchdogSec=3\nEnvironment=NASHAMMER_LEDS=/leds\n' \
            >root/etc/systemd/system/nashammer.service.d/quick.conf
        # A light: files as the kernel has them for one of the LED class.
        light=root/leds/nas:green:status
        mkdir -p $light
        echo 255 >$light/max_brightness
        for file in brightness trigger pattern repeat delay_on delay_off; do echo 0 >$light/$file; done
        mkdir -p root/samba/{private,lock,state,cache,pid,ncalrpc}
        cat >root/samba/smb.conf <<'C'
        [global]
        server role = standalone server
        interfaces = 127.0.0.1
        bind interfaces only = yes
        smb ports = 4450
        disable netbios = yes
        map to guest = bad user
        guest account = root
        private dir = /samba/private
        lock directory = /samba/lock
        state directory = /samba/state
        cache directory = /samba/cache
        pid directory = /samba/pid
        ncalrpc dir = /samba/ncalrpc
        log file = /samba/log
        load printers = no
        [photos]
        path = /srv/photos/family
        guest ok = yes
        read only = no
        C
        truncate -s 1G root/var/lib/disks/photos.img
        "$H" newfs -f -u 32m -L photos root/var/lib/disks/photos.img >/dev/null
        cat >root/etc/nashammer/config.toml <<'C'
        [box]
        name = "trial"
        [listen]
        address = ""
        [volumes.photos]
        label = "photos"
        images = ["/var/lib/disks/photos.img"]
        mount = "/srv/photos"
        [led]
        device = "nas:green:status"
        [pfs.family]
        volume = "photos"
        path = "family"
        C
        cp inside.sh root/inside.sh
        cat >root/etc/systemd/system/trial.service <<'C'
        [Service]
        Type=oneshot
        ExecStart=/bin/bash /inside.sh
        ExecStopPost=/bin/sh -c 'journalctl --no-pager -u nashammer.service | tail -n 60'
        ExecStopPost=systemctl --no-block poweroff
        StandardOutput=append:/trial.out
        StandardError=append:/trial.out
        C
        printf '[Unit]\nRequires=basic.target\nWants=trial.service\nAfter=basic.target\nAllowIsolate=yes\n' \
            >root/etc/systemd/system/trial.target
        timeout 180 systemd-nspawn --quiet --register=no --keep-unit -D root -b --private-network --bind=/dev/fuse \
            --console=pipe systemd.unit=trial.target systemd.mask=systemd-udevd.service </dev/null >console 2>&1 || true
        cat root/trial.out
        grep -q '^ALL OF IT HELD$' root/trial.out || { tail -n 30 console; exit 1; }
        """;

    const string Inside = """
        set -eEuo pipefail
        trap 'echo "inside: failed at line $LINENO: $BASH_COMMAND"' ERR
        until_true() {
            local n=0
            until eval "$1"; do
                n=$((n + 1)); [ $n -lt 300 ] || { echo "never true: $1"; exit 1; }; sleep 0.1
            done
        }
        systemctl start nashammer.service
        until_true 'mountpoint -q /srv/photos'
        # This script is another unit: what it sees, Samba sees.
        until_true '[ -d /srv/photos/family/. ]'
        echo kept >/srv/photos/family/file
        sync /srv/photos/family/file
        # What is logged comes with fields, and is found by them.
        until_true 'journalctl -q -u nashammer EVENT=201 VOLUME=photos -o json | grep -q "\"DIRECTORY\":\"/srv/photos\""'
        # Good, and the light says so: no mirror to prove.
        until_true 'nashammer status'
        light() { nashammer panel --play /leds/nas:green:status; }
        until_true '[[ "$(light)" == *-100\ 1900\ -100* ]]'
        # Samba, another service, serves the mount.
        systemd-run --quiet --unit=trial-smb smbd --foreground --no-process-group -s /samba/smb.conf
        until_true 'smbclient -s /samba/smb.conf -N -p 4450 //127.0.0.1/photos -c "put /inside.sh sent" >/smb.out 2>&1'
        cmp /inside.sh /srv/photos/family/sent
        systemctl stop trial-smb
        [ "$(systemctl show -P StatusText -P SubState nashammer | tail -n 1)" != failed ]
        pid=$(systemctl show -P MainPID nashammer)
        grep -q '^NoNewPrivs:.*1' "/proc/$pid/status"
        # Hung: nothing of it runs. The watchdog takes it for what it is.
        kill -STOP "$pid"
        until_true '[[ "$(light)" == *-150\ 150\ -150* ]]'
        until_true '[ "$(systemctl show -P NRestarts nashammer)" -ge 1 ]'
        until_true 'systemctl is-active -q nashammer'
        until_true '[ "$(cat /srv/photos/family/file 2>/dev/null)" = kept ]'
        [ "$(systemctl show -P MainPID nashammer)" != "$pid" ]
        until_true '[[ "$(light)" == *-100\ 1900\ -100* ]]'
        # A line of a GPIO chip would be held and blinked meanwhile by a unit of its own, which ends by itself.
        [ "$(systemctl show -P ExecMainStartTimestampMonotonic nashammer-failed)" != 0 ]
        until_true '! systemctl is-active -q nashammer-failed'
        # A mistake in the configuration changes nothing, until the daemon ends: then the light must still be known.
        cp /etc/nashammer/config.toml /good.toml
        echo 'mistake = 1' >>/etc/nashammer/config.toml
        systemctl reload nashammer
        until_true 'journalctl -q -u nashammer EVENT=104 PRIORITY=3 -o cat | grep -q mistake'
        kill -KILL "$(systemctl show -P MainPID nashammer)"
        until_true '[[ "$(light)" == *-150\ 150\ -150* ]]'
        cp /good.toml /etc/nashammer/config.toml
        until_true '[[ "$(light)" == *-100\ 1900\ -100* ]]'
        until_true '[ "$(cat /srv/photos/family/file 2>/dev/null)" = kept ]'
        # A new configuration, without losing the mount.
        printf '\n[history]\ndaily = "30d"\n' >>/etc/nashammer/config.toml
        exec 9</srv/photos/family/file
        systemctl reload nashammer
        [ "$(cat <&9)" = kept ]
        exec 9<&-
        systemctl stop nashammer.service
        ! mountpoint -q /srv/photos
        until_true '[ "$(light)" = -4000 ]'
        nashammer check /var/lib/disks/photos.img
        echo ALL OF IT HELD
        """;
}
