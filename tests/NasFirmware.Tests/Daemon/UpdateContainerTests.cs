using System;
using System.Collections.Generic;
using System.Linq;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>
/// Updates under a real systemd and dpkg, in a container over this machine's own tree: packages whose program is good,
/// and packages whose program is bad in every way that a program can be.
/// </summary>
public sealed class UpdateContainerTests
{
    static bool IsFull => Environment.GetEnvironmentVariable("NASHAMMER_FULL") == "1";

    /// <summary>What happens in which start of the container; all but the first with NASHAMMER_FULL=1 only.</summary>
    static readonly Dictionary<string, string[]> s_cases = new()
    {
        ["good and crashing"] = ["part good_version_stays; part crashing_version_comes_back"],
        ["hanging and refusing"] =
            ["part hanging_version_comes_back; part version_that_refuses_the_configuration_comes_back"],
        ["mounting nothing, plain dpkg"] = ["""
            first
            part version_that_mounts_nothing_comes_back
            part plain_dpkg_is_protected_and_a_degraded_box_may_update
            part owner_acknowledges_and_removes
            """],
        ["power cut"] = ["part power_goes_in_a_trial", "part it_came_back_after_the_cut"],
        ["starts"] = ["part box_that_started_too_often", "part it_came_back_before_it_ran"],
    };

    public static TheoryData<string> Cases => [.. s_cases.Keys.Take(IsFull ? s_cases.Count : 1)];

    [Theory, MemberData(nameof(Cases))]
    public void New_version_stays_if_it_is_good_and_else_the_former_one_comes_back(string name) => Run(s_cases[name]);

    static void Run(params string[] boots)
    {
        using var container = new TrialContainer("update");
        container.Environment["H"] = TrialContainer.Native;
        container.Environment["REPOSITORY"] = GoldenData.RepositoryRoot;
        for (int i = 0; i < boots.Length; i++)
            container.Write($"inside{i}.sh", Inside + boots[i] + "\necho ALL OF IT HELD\n");
        container.Run(Outside, 420);
    }

    const string Outside = """
        mkdir packages
        # pack VERSION PROGRAM: a package with the real maintainer scripts, units and guard.
        pack() {
            local tree=$T/packages/$1 script
            install -D -m 755 "$2" $tree/usr/bin/nashammer
            [ "$2" = "$H" ] || install -D -m 755 "$H" $tree/usr/bin/nashammer-real
            install -D -m 755 "$REPOSITORY/firmware/package/update-guard" $tree/usr/lib/nashammer/update-guard
            for unit in "$REPOSITORY"/firmware/systemd/*.service; do
                install -D -m 644 "$unit" $tree/usr/lib/systemd/system/$(basename $unit)
            done
            install -D -m 644 "$REPOSITORY/config.toml" $tree/etc/nashammer/config.toml
            install -D -m 644 "$REPOSITORY/config.toml" $tree/usr/share/nashammer/config.toml
            echo "$1" >$tree/usr/share/nashammer/mark
            mkdir $tree/DEBIAN
            printf '%s\n' 'Package: nashammer' "Version: $1" "Architecture: $(dpkg --print-architecture)" \
                'Maintainer: nobody <nobody@example.org>' 'Description: a trial' ' of more than a line.' \
                >$tree/DEBIAN/control
            echo /etc/nashammer/config.toml >$tree/DEBIAN/conffiles
            for script in postinst prerm postrm; do
                install -m 755 "$REPOSITORY/firmware/package/$script" $tree/DEBIAN/$script
            done
            dpkg-deb --root-owner-group -Znone --build $tree root/$1.deb >/dev/null
            rm -r $tree
        }
        bad() { printf '#!/bin/sh\n%s\n' "$1" >bad; }
        pack 1.0 "$H"
        pack 2.0 "$H"
        bad 'exit 1'; pack 3.0-ends bad
        bad '[ "$1" = daemon ] && exec sleep 1000; exit 1'; pack 3.0-hangs bad
        bad 'echo "[new]" >/tmp/new.toml
        [ "$1" = daemon ] && exec nashammer-real daemon --config /tmp/new.toml; exec nashammer-real "$@"'
        pack 3.0-refuses bad
        bad 'sed "s/^images = .*/images = [\"\/nowhere\"]/" /etc/nashammer/config.toml >/tmp/no.toml
        [ "$1" = daemon ] && exec nashammer-real daemon --config /tmp/no.toml; exec nashammer-real "$@"'
        pack 3.0-mounts-nothing bad

        mkdir -p root/srv
        for label in photos other; do disk_image "$H" root/var/lib/disks/$label.img 512M $label; done
        cat >root/etc/nashammer/config.toml <<'C'
        [box]
        name = "trial"
        [listen]
        address = ""
        [volumes.photos]
        label = "photos"
        images = ["/var/lib/disks/photos.img"]
        mount = "/srv/photos"
        [update]
        trial = "25s"
        steady = "5s"
        C
        sed -i 's/^        //' root/etc/nashammer/config.toml
        trial_unit 'nashammer.service nashammer-trial.service' \
            'cat /run/nashammer-update.log; ls -lR /var/lib/nashammer /usr/lib/nashammer | head -50' \
            'nashammer.service nashammer-trial.service'
        for inside in inside?.sh; do
            boot 300 $inside &
            container=$!
            while kill -0 $container 2>/dev/null; do
                # The power goes: nothing in the container gets another moment.
                if [ -e root/power-off ]; then rm root/power-off; kill -KILL -- $(pgrep -P $container) || true; fi
                sleep 0.2
            done
            held
        done
        """;

    const string Inside = """
        version() { dpkg-query -W -f '${db:Status-Status} ${Version}' nashammer; }
        good() { until_true 'nashammer status >/dev/null 2>&1 && mountpoint -q /srv/photos'; }
        # Nothing of a trial is left.
        over() {
            until_true '[ ! -e /usr/lib/nashammer/former ]'
            [ ! -e /usr/lib/systemd/system/nashammer-trial.service ]
            [ ! -e /var/lib/nashammer/update/trial ]
        }
        first() {
            dpkg --force-confold -i /1.0.deb
            good
            echo kept >/srv/photos/file
            sync /srv/photos/file
        }
        # came_back VERSION WORDS: the former version runs, everything is as it was, and the status says why.
        came_back() {
            over
            [ "$(version)" = "installed $1" ]
            [ "$(cat /usr/share/nashammer/mark)" = "$1" ]
            [ ! -e /usr/bin/nashammer-real ]
            cmp -s /usr/bin/nashammer "/proc/$(systemctl show -P MainPID nashammer)/exe"
            until_true '[ "$(cat /srv/photos/file 2>/dev/null)" = kept ]'
            grep -q 'trial = "25s"' /etc/nashammer/config.toml
            [ "$(apt-mark showhold)" = nashammer ]
            nashammer update --status >/said || true
            cat /said
            grep -q "was given up and $1 came back, because .*$2" /said
            until_true '[ "$(nashammer status | grep -c "came back, because")" = 1 ]'
            journalctl -u nashammer-trial -o cat | grep -q "comes back to $1"
        }
        # dpkg knows which configuration was shipped, and so that the owner has changed it.
        shipped_is_known() {
            local sum
            sum=$(md5sum </usr/share/nashammer/config.toml | cut -d ' ' -f 1)
            dpkg-query -W -f '${Conffiles}' nashammer | grep -q "config.toml $sum"
        }
        tried() { nashammer update "$@" && { echo "it was found good"; exit 1; } || [ $? = 1 ]; }

        good_version_stays() {
            first
            nashammer update /2.0.deb
            nashammer update --status | grep -q 'version 2.0 was found good'
            over
            [ "$(version)" = 'installed 2.0' ]
            good
            [ "$(cat /srv/photos/file)" = kept ]
            grep -q 'trial = "25s"' /etc/nashammer/config.toml
            # What is no package of ours is not touched.
            ! nashammer update /1.0.deb
            ! nashammer update /inside.sh
            shipped_is_known
        }
        crashing_version_comes_back() {
            tried /3.0-ends.deb
            came_back 2.0 'it ended'
            shipped_is_known
            # A later one that is good is taken all the same, and the package is free again.
            nashammer update --older /2.0.deb
            [ "$(dpkg-query -W -f '${db:Status-Want}' nashammer)" = install ]
        }
        hanging_version_comes_back() {
            first
            tried /3.0-hangs.deb
            came_back 1.0 'does not'
        }
        version_that_refuses_the_configuration_comes_back() {
            tried /3.0-refuses.deb
            came_back 1.0 'it ended.*new'
        }
        version_that_mounts_nothing_comes_back() {
            tried /3.0-mounts-nothing.deb
            came_back 1.0 'file system photos is not mounted'
        }
        plain_dpkg_is_protected_and_a_degraded_box_may_update() {
            # A volume that is missing before does not count against the new version.
            printf '[volumes.lost]\nlabel = "lost"\nmount = "/srv/lost"\n' >>/etc/nashammer/config.toml
            systemctl reload nashammer
            until_true '{ nashammer status || true; } | grep -q "file system lost"'
            dpkg --force-confold --force-hold -i /2.0.deb
            until_true '[ -e /var/lib/nashammer/update/result ] && nashammer update --status >/dev/null'
            over
            [ "$(version)" = 'installed 2.0' ]
            dpkg --force-confold --force-hold -i /3.0-ends.deb
            until_true 'grep -q outcome=back /var/lib/nashammer/update/result 2>/dev/null'
            came_back 2.0 'it ended'
        }
        owner_acknowledges_and_removes() {
            nashammer panel --acknowledge
            until_true '[ "$(nashammer status | grep -c "came back, because")" = 0 ]'
            apt-mark unhold nashammer
            [ -z "$(apt-mark showhold)" ]
            dpkg --purge nashammer
            [ ! -e /usr/lib/nashammer ]
            [ -e /var/lib/nashammer/box.pem ]
        }
        power_goes_in_a_trial() {
            first
            sed -i 's/25s/1h/' /var/lib/nashammer/update/* /etc/nashammer/config.toml 2>/dev/null || true
            nashammer update --no-wait /3.0-hangs.deb
            until_true '[ -e /var/lib/nashammer/update/trial ]'
            sed -i 's/^trial=.*/trial=25/' /var/lib/nashammer/update/trial
            sed -i 's/1h/25s/' /etc/nashammer/config.toml
            sync
            echo ALL OF IT HELD
            sync
            touch /power-off
            sleep 1000
        }
        it_came_back_after_the_cut() {
            until_true '[ -e /var/lib/nashammer/update/result ]'
            came_back 1.0 'does not'
        }
        box_that_started_too_often() {
            first
            nashammer update --no-wait /3.0-mounts-nothing.deb
            until_true '[ -e /var/lib/nashammer/update/trial ]'
            sed -i -e 's/^starts=.*/starts=3/' -e 's/^trial=.*/trial=3600/' /var/lib/nashammer/update/trial
            echo ALL OF IT HELD
            sync
            touch /power-off
            sleep 1000
        }
        it_came_back_before_it_ran() {
            until_true '[ -e /var/lib/nashammer/update/result ]'
            came_back 1.0 'started 3 times'
        }
        part() { echo "== $1"; "$1"; }

        """;
}
