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
    [Fact]
    public void Unit_starts_mounts_for_everybody_and_a_hung_daemon_is_restarted_by_the_watchdog()
    {
        using var container = new TrialContainer("systemd");
        container.Environment["H"] = TrialContainer.Native;
        container.Environment["UNITS"] = Path.Combine(GoldenData.RepositoryRoot, "firmware", "systemd");
        container.Write("inside.sh", Inside);
        container.Run(Outside, 240);
    }

    const string Outside = """
        cp "$H" root/usr/bin/nashammer
        cp "$UNITS"/*.service root/etc/systemd/system/
        mkdir -p root/srv/photos root/etc/systemd/system/nashammer.service.d
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
        disk_image "$H" root/var/lib/disks/photos.img 1G photos
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
        trial_unit nashammer.service
        (boot 180 inside.sh) || true
        held
        """;

    const string Inside = """
        systemctl start nashammer.service
        until_true 'mountpoint -q /srv/photos'
        # This script is another unit: what it sees, Samba sees.
        until_true '[ -d /srv/photos/family/. ]'
        echo kept >/srv/photos/family/file
        sync /srv/photos/family/file
        # What is logged comes with fields, and is found by them.
        until_true 'journalctl -q -u nashammer EVENT=201 VOLUME=photos -o json | grep -q DIRECTORY'
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
        # Hung, and nobody ends it: the light goes bad by itself, for nobody renews it.
        systemctl service-watchdogs no
        kill -STOP "$pid"
        until_true '[[ "$(light)" == *-150\ 150\ -150* ]]'
        [ "$(systemctl show -P MainPID nashammer)" = "$pid" ] && [ "$(systemctl show -P NRestarts nashammer)" = 0 ]
        [ "$(systemctl show -P SubState nashammer)" = running ]
        grep -q '^State:.*T' "/proc/$pid/status"
        [ "$(systemctl show -P ExecMainStartTimestampMonotonic nashammer-failed)" = 0 ]
        kill -CONT "$pid"
        until_true '[[ "$(light)" == *-100\ 1900\ -100* ]]'
        # The watchdog takes it for what it is.
        systemctl service-watchdogs yes
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
