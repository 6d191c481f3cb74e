using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Images;

/// <summary>
/// The card's scripts (images/root), run as on a card: over this machine's own tree, with images as first and as state
/// partition, the shipped program and Samba's tools. What is written goes to memory. Only systemctl is a stand-in that
/// writes down what was asked of it; the first partition is ext4 here, since not every kernel has FAT.
/// </summary>
public sealed class CardScriptTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("nashammer-card-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Runs these lines on the card; they must come to their end.</summary>
    void OnCard(string lines)
    {
        string program = Path.Combine(GoldenData.RepositoryRoot, "out",
            RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64", "nashammer");
        Assert.True(File.Exists(program), $"{program} is missing: scripts/build.sh makes it");
        File.WriteAllText(Path.Combine(_folder, "inside.sh"), Inside + lines + "\necho ALL OF IT HELD\n");
        // A mount namespace: nothing stays behind, whatever happens.
        var start = new ProcessStartInfo("/usr/bin/timeout",
            ["-k", "5", "100", "unshare", "--mount", "bash", "-c", "exec 2>&1\n" + Outside])
        { RedirectStandardOutput = true, WorkingDirectory = GoldenData.RepositoryRoot };
        start.Environment["T"] = _folder;
        start.Environment["PROGRAM"] = program;
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(output.EndsWith("ALL OF IT HELD\n", StringComparison.Ordinal), output);
    }

    const string Outside = """
        set -eEuo pipefail
        trap 'echo "failed at line $LINENO: $BASH_COMMAND"' ERR
        images=$PWD/images/root
        cd "$T"
        mkdir memory root
        mount -t tmpfs -o size=700m,mode=755 card memory
        mkdir -p memory/upper memory/work memory/card-upper/boot/firmware memory/card-work \
            memory/card-upper/var/lib/nashammer
        mount -t overlay overlay -o lowerdir=/,upperdir=memory/upper,workdir=memory/work root
        rm -rf root/etc/nashammer root/var/lib/nashammer root/boot root/srv
        mkdir -p root/etc/nashammer root/var/lib/nashammer root/boot/firmware root/usr/share/nashammer root/srv
        cp -r "$images/usr/lib/nashammer" root/usr/lib/
        cp "$images/etc/samba/smb.conf" root/etc/samba/smb.conf
        cp -r "$images/etc/initramfs-tools/scripts" root/initrd-scripts
        cp "$PROGRAM" root/usr/bin/nashammer
        printf '[box]\nname = "shipped"\n' >root/usr/share/nashammer/config.toml
        printf '#!/bin/sh\necho "$*" >>/calls\n' >root/usr/bin/systemctl
        mount --rbind /dev root/dev; mount --rbind /proc root/proc; mount --rbind /sys root/sys
        mount -t tmpfs run root/run
        for name in boot state; do
            truncate -s 48M memory/$name
            mke2fs -q -F -t ext4 -E lazy_itable_init=0 memory/$name
        done
        # With "loop,ro" the device could never be written to; this one goes with its mount.
        disk=$(losetup --show -f memory/boot)
        mount -o ro "$disk" root/boot/firmware
        losetup -d "$disk"
        mount -o loop memory/state root/var/lib/nashammer
        mkdir -p root/var/lib/nashammer/card root/run/nashammer-card/root
        mount -t overlay overlay -o lowerdir=/,upperdir=memory/card-upper,workdir=memory/card-work,ro \
            root/run/nashammer-card/root
        cp inside.sh root/inside.sh
        exec chroot root bash /inside.sh
        """;

    const string Inside = """
        set -eEuo pipefail
        trap 'echo "inside: failed at line $LINENO: $BASH_COMMAND"' ERR
        export PATH=/usr/sbin:/usr/bin:/sbin:/bin
        card=/run/nashammer-card boot=/boot/firmware keep=/var/lib/nashammer/card scripts=/usr/lib/nashammer
        : >/calls
        : >/hups
        # Nobody of this machine's has the number of the card's account.
        sed -i '/:1000:/d' /etc/passwd /etc/group
        # put FILE: standard input as a file of the owner's.
        put() { mount -o remount,rw $boot; cat >$boot/$1; mount -o remount,ro $boot; }
        good() {
            printf '[box]\nname = "%s"\n[volumes.photos]\nlabel = "photos"\nmount = "/srv/photos"\n' "$1"
            printf '[shares.pictures]\nvolume = "photos"\nusers = ["ann", "ben"]\n'
        }
        readonly_again() { ! touch $boot/x 2>/dev/null; }
        says() { grep -qF -e "$2" "$1" || { echo "$1 does not say '$2':"; cat "$1"; exit 1; }; }
        # As the unit does it; MAINPID is somebody who counts what he is told to read anew.
        start_daemon() {
            $scripts/card-config choose
            bash -c 'trap "echo >>/hups" HUP; echo >/ready; while :; do sleep 0.05; done' &
            MAINPID=$!
            export MAINPID
            while [ ! -e /ready ]; do sleep 0.05; done
            in_force=$(readlink -f /etc/nashammer/config.toml)
            cp "$in_force" /started-with
            $scripts/card-config complain
            sleep 0.2
            kill $MAINPID
            wait $MAINPID 2>/dev/null || true
            rm /ready
        }

        """;

    [Fact]
    public void Config_with_mistakes_an_empty_one_and_a_cut_one_leave_the_last_good_one_in_force()
    {
        OnCard("""
            # A new card without anything: what is shipped.
            start_daemon
            cmp /started-with /usr/share/nashammer/config.toml
            good one | put config.toml
            start_daemon
            good one | cmp - /started-with
            good one | cmp - $keep/config.toml
            [ ! -e $card/problems/config ]
            [ "$(readlink /etc/nashammer/config.toml)" = $boot/config.toml ]

            # A mistake: the daemon is to find it itself.
            : >/hups
            { good one; echo '[nonsense]'; } | put config.toml
            start_daemon
            good one | cmp - /started-with
            good one | cmp - $card/config.toml
            [ "$(wc -l </hups)" = 1 ]
            says $card/config-mistakes 'config.toml:9:2: unknown section'

            # Nothing, or blanks only, or no file: for the daemon the first two are good ones.
            for text in '' '  \n\t\n'; do
                printf "$text" | put config.toml
                start_daemon
                good one | cmp - /started-with
                good one | cmp - $keep/config.toml
                says $card/problems/config 'config.toml is empty; the last good one is in force'
                [ "$(wc -l </hups)" = 1 ]
            done
            mount -o remount,rw $boot; rm $boot/config.toml; mount -o remount,ro $boot
            start_daemon
            good one | cmp - /started-with

            # Cut between two sections.
            good one | head -n 2 | put config.toml
            start_daemon
            good one | cmp - /started-with
            good one | cmp - $keep/config.toml
            says $card/problems/config 'no volumes any more'
            # It can be meant so; the one with volumes is kept all the same.
            { echo '# no volumes'; good one | head -n 2; } | put config.toml
            start_daemon
            cmp /started-with $boot/config.toml
            good one | cmp - $keep/config.toml
            [ ! -e $card/problems/config ]
            """);
    }

    [Fact]
    public void Former_good_configurations_are_kept_and_a_kept_one_that_is_lost_is_passed_over()
    {
        OnCard("""
            for name in one two three four five; do good $name | put config.toml; $scripts/card-config choose; done
            for n in '':five .1:four .2:three .3:two; do good "${n#*:}" | cmp - "$keep/config.toml${n%:*}"; done
            [ ! -e $keep/config.toml.4 ]
            : | put config.toml
            : >$keep/config.toml
            echo rubbish >$keep/config.toml.1
            start_daemon
            good three | cmp - /started-with
            # What was lost is no generation.
            good six | put config.toml
            $scripts/card-config choose
            good six | cmp - $keep/config.toml
            good three | cmp - $keep/config.toml.2
            [ ! -e $keep/config.toml.new ]

            # A reload while the box runs: of a good file the shares learn, too; an empty one is not read.
            export MAINPID
            sleep 100 & MAINPID=$!
            : | put config.toml
            ! $scripts/card-config reload
            kill -0 $MAINPID
            [ ! -s /calls ]
            good six | cmp - $card/config.toml
            good seven | put config.toml
            $scripts/card-config reload
            wait $MAINPID || [ $? = 129 ]
            says /calls 'try-reload-or-restart nashammer-card-shares.service'
            good seven | cmp - $card/config.toml
            good six | cmp - $keep/config.toml.1
            """);
    }

    [Fact]
    public void Shares_stay_with_the_configuration_in_force_and_passwords_that_were_not_taken_stay_in_their_file()
    {
        OnCard("""
            good one | put config.toml
            $scripts/card-config choose
            # With Notepad: a byte order mark, and lines that end so; a name with a typo; nobody without a share.
            printf \
                '\xef\xbb\xbfann first words\r\nbern typo\r\n# a comment\r\nroot secret\r\nben\r\n' | put passwords.txt
            $scripts/card-shares
            says $card/shares.conf '[pictures]'
            says /calls 'restart smbd.service'
            [ "$(pdbedit -L | cut -d: -f1)" = ann ]
            printf 'bern typo\r\nroot secret\r\nben\r\n' | cmp - $boot/passwords.txt
            says $card/problems/passwords 'no share names the user bern; no share names the user root; '
            says $card/problems/passwords 'there is no password behind ben'
            readonly_again
            # Mended: the file goes, and so does the problem.
            printf 'ben other' | put passwords.txt
            : >/calls
            $scripts/card-shares
            [ "$(pdbedit -L | cut -d: -f1 | sort | paste -sd ' ')" = 'ann ben' ]
            [ ! -e $boot/passwords.txt ] && [ ! -e $card/problems/passwords ]
            # Nothing has changed: nobody is cut off.
            [ "$(cat /calls)" = 'start smbd.service' ]

            # A file with mistakes takes no share away, neither now nor after a start.
            { good one; echo '[nonsense]'; } | put config.toml
            start_daemon
            $scripts/card-shares
            rm $card/shares.conf
            $scripts/card-shares
            says $card/shares.conf '[pictures]'
            cp $card/shares.conf /before
            echo '[shares.nonsense]' >>$card/config.toml
            $scripts/card-shares
            cmp /before $card/shares.conf
            says $card/problems/shares 'the shares stay as they were'

            # In memory a password would be gone at the next start.
            start_daemon
            printf 'ann new\r\n' | put passwords.txt
            umount /var/lib/nashammer
            $scripts/card-shares
            says $card/problems/passwords 'there is no state partition'
            printf 'ann new\r\n' | cmp - $boot/passwords.txt
            """);
    }

    [Fact]
    public void New_file_system_is_opened_for_shares_when_somebody_connects_also_below_a_name_with_blanks()
    {
        OnCard("""
            groupadd -g 1000 nas
            mkdir /run/nashammer
            connect() {
                local command
                command=$(sed -n 's/^ *root preexec = //p' /etc/samba/smb.conf)
                sh -c "${command/\%P//srv/our pictures}"
            }
            mkdir '/srv/our pictures'
            ! connect 2>/dev/null
            truncate -s 300M /disk
            nashammer newfs -f -u 32m -L photos /disk >/dev/null
            nashammer mount /disk '/srv/our pictures'
            chmod 755 '/srv/our pictures'
            connect
            [ "$(stat -c %G:%a '/srv/our pictures')" = nas:1775 ]
            # One that holds files is left alone.
            chown root:root '/srv/our pictures'; chmod 755 '/srv/our pictures'
            touch '/srv/our pictures/mine'
            connect
            [ "$(stat -c %G:%a '/srv/our pictures')" = root:755 ]
            nashammer umount '/srv/our pictures'
            """);
    }

    [Fact]
    public void Status_text_is_written_over_in_place_and_only_if_it_says_something_new()
    {
        OnCard("""
            export CARD_STATUS_TRIES=1
            mkdir -p $card/problems
            echo 'something to know' >$card/problems/updates
            echo 'something of the start' >$card/notes
            $scripts/card-status
            [ "$(stat -c %s $boot/status.txt)" = 8192 ]
            says $boot/status.txt 'Note:     something to know'
            says $boot/status.txt 'Note:     something of the start'
            readonly_again
            before=$(stat -c %i:%y $boot/status.txt)
            $scripts/card-status
            [ "$(stat -c %i:%y $boot/status.txt)" = "$before" ]
            echo 'something else' >$card/problems/updates
            $scripts/card-status
            [ "$(stat -c %i:%s $boot/status.txt)" = "${before%%:*}:8192" ]
            says $boot/status.txt 'Note:     something else'
            ! grep -q 'something to know' $boot/status.txt
            readonly_again
            # Two who write: one after the other, and nobody takes the other's right away.
            $scripts/card-writable --boot sh -c 'sleep 0.5; echo a >/boot/firmware/a' & first=$!
            sleep 0.2
            $scripts/card-writable --boot sh -c 'echo b >/boot/firmware/b'
            wait $first
            [ -e $boot/a ] && [ -e $boot/b ]
            readonly_again
            """);
    }

    [Fact]
    public void Journal_is_kept_although_a_power_cut_left_half_a_copy()
    {
        OnCard("""
            # A journal that gives what is behind the cursor.
            cat >/usr/bin/journalctl <<'C'
            #!/bin/bash
            for word in "$@"; do case $word in --cursor-file=*) file=${word#*=} ;; esac; done
            tail -n +$(($(cat $file 2>/dev/null || echo 0) + 1)) /journal
            wc -l </journal >$file
            C
            chmod 755 /usr/bin/journalctl
            kept() { local f; for f in $keep/journal/*.log.zst; do zstd -dcq $f; done; }
            seq 1 3 >/journal
            $scripts/card-journal --now
            [ -e $keep/clock ]
            echo half >$keep/journal/000002.log.zst.new
            seq 1 5 >/journal
            $scripts/card-journal --now
            kept | cmp - /journal
            [ "$(ls $keep/journal | paste -sd ' ')" = '000001.log.zst 000002.log.zst' ]
            # One that cannot be written comes with the next.
            seq 1 7 >/journal
            printf '#!/bin/sh\nexit 1\n' >/usr/local/bin/zstd; chmod 755 /usr/local/bin/zstd
            PATH=/usr/local/bin:$PATH $scripts/card-journal --now
            $scripts/card-journal --now
            kept | cmp - /journal
            """);
    }

    const string Updates = """
        # apt of the card: what it does is said by /run/apt, what it did by the card's own list of packages.
        cat >/run/stub <<'C'
        #!/bin/bash
        set -e
        name=$(basename "$0")
        echo "$name $*" >>/run/apt-calls
        echo list >/var/lib/apt/lists/list; echo log >/var/log/log
        ! touch /boot/firmware/x 2>/dev/null
        [ ! -e /run/$name ] || . /run/$name
        C
        chmod 755 /run/stub
        mount -o remount,rw $card/root
        for name in apt-get unattended-upgrade; do cp /run/stub $card/root/usr/bin/$name; done
        mount -o remount,ro $card/root
        install='printf "\nPackage: new$(date +%N)\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n'
        install+='Maintainer: a\nDescription: a\n" >>/var/lib/dpkg/status'
        closed() { ! touch $card/root/x 2>/dev/null; }
        # A daemon that is well.
        cat >/usr/bin/nashammer <<'C'
        #!/bin/sh
        cat /run/daemon
        C
        echo '{"severity":"Good","mirrors":[{"phase":"InStep"}]}' >/run/daemon
        update() { rm -f $card/update-tried; $scripts/card-update "$@"; }

        """;

    [Fact]
    public void Update_restarts_the_box_only_for_something_new_once_a_day_and_not_into_a_first_load()
    {
        OnCard(Updates + """
            update --now
            says /run/apt-calls unattended-upgrade
            [ -e $keep/update/good ]
            ! grep -q reboot /calls
            closed
            # Nothing of lists and logs is on the card.
            [ ! -e $card/root/var/lib/apt/lists/list ] && [ ! -e $card/root/var/log/log ]
            # Not due again.
            : >/run/apt-calls
            update
            [ ! -s /run/apt-calls ]

            # Something new, in the middle of a first load, a change of roles, a trial, and with a daemon that is away.
            echo "$install" >/run/unattended-upgrade
            for words in '"mirrors":[{"phase":"FirstLoad"}]' '"mirrors":[{"switching":"to nas2"}]' \
                '"update":{"phase":"Trial"}' ''; do
                : >/run/daemon; [ -z "$words" ] || echo "{$words}" >/run/daemon
                update --now
                ! grep -q reboot /calls
            done
            echo '{"mirrors":[]}' >/run/daemon
            # An hour later.
            $scripts/card-update
            [ "$(grep -c reboot /calls)" = 1 ]
            # The same night, and every night: at most one a day.
            update --now
            [ "$(grep -c reboot /calls)" = 1 ]
            touch -d '21 hours ago' $keep/update/restarted
            $scripts/card-update
            [ "$(grep -c reboot /calls)" = 2 ]
            closed
            """);
    }

    [Fact]
    public void Update_that_fails_changes_nothing_and_is_told_after_a_fortnight_until_one_works()
    {
        OnCard(Updates + """
            echo 'exit 100' >/run/apt-get
            ! update --now
            closed
            [ ! -s /calls ] && [ ! -e $card/problems/updates ]
            touch -d '15 days ago' $keep/update/first
            ! update --now
            says $card/problems/updates 'no security update has worked for 15 days'
            # Told from the start of the box on, before the next attempt.
            rm $card/problems/updates; touch $card/update-tried
            $scripts/card-update
            says $card/problems/updates 'no security update has worked for 15 days'
            # Killed in the middle, with all that it had begun.
            echo 'sleep 30' >/run/apt-get
            rm $card/update-tried
            setsid $scripts/card-update --now & victim=$!
            for ((i = 0; i < 100; i++)); do ! closed || sleep 0.05; done
            kill -KILL -- -$victim
            wait $victim 2>/dev/null || true
            $scripts/card-writable --close
            closed
            rm /run/apt-get $card/root/x 2>/dev/null || true
            update --now
            [ ! -e $card/problems/updates ]
            """);
    }

    const string State = """
        . /initrd-scripts/nashammer-state
        notes=/notes saved=/saved copy_max=100000000
        note() { echo "$*" >>$notes; }
        sleep() { :; }
        : >$notes
        umount /var/lib/nashammer
        truncate -s 40M /state
        mke2fs -q -F -t ext4 -L nashammer-state /state
        device=$(losetup -f --show /state)
        trap 'umount /keep 2>/dev/null || true; losetup -d $device' EXIT
        mkdir /keep
        open() { : >$notes; ( set +e +u; open_state $device /keep ); }
        filled() {
            mount $device /keep
            mkdir -p /keep/card/samba
            echo KEY >/keep/box.pem; echo PASSWORDS >/keep/card/samba/passdb.tdb; chmod 600 /keep/box.pem
            umount /keep
        }
        filled

        """;

    [Fact]
    public void State_partition_in_order_or_mended_keeps_its_files()
    {
        OnCard(State + """
            open
            [ "$(cat /keep/box.pem)" = KEY ] && [ ! -s $notes ]
            umount /keep
            # A folder that has lost itself: e2fsck -p gives up, and what decides by itself would throw its files away.
            block=$(debugfs -R 'blocks /card/samba' /state 2>/dev/null | tr -d ' ')
            dd if=/dev/urandom of=/state bs=1024 seek=$block count=1 conv=notrunc status=none
            debugfs -w -R 'set_super_value state 2' /state 2>/dev/null
            blockdev --flushbufs $device
            open
            says $notes 'was damaged, and mended'
            [ "$(cat /keep/box.pem)" = KEY ] && [ "$(stat -c %a /keep/box.pem)" = 600 ]
            [ ! -e /saved ]
            umount /keep
            """);
    }

    [Fact]
    public void State_partition_that_is_lost_is_made_anew_with_its_former_bytes_beside()
    {
        OnCard(State + """
            head -c 2M /dev/urandom >/rubbish
            dd if=/rubbish of=/state bs=1M conv=notrunc status=none
            for at in 8193 16385 24577 32769; do
                dd if=/dev/zero of=/state bs=1024 seek=$at count=4 conv=notrunc status=none
            done
            for at in 32768 4096; do dd if=/dev/zero of=/state bs=1024 seek=$at count=4 conv=notrunc status=none; done
            blockdev --flushbufs $device
            cp /state /as-it-was
            open
            says $notes 'made anew'
            [ "$(stat -c %a /keep/state-before.gz)" = 600 ]
            gzip -dc /keep/state-before.gz | cmp - /as-it-was
            umount /keep
            open
            [ -e /keep/state-before.gz ] && [ ! -s $notes ]
            umount /keep

            # A card that fails to read is not written over.
            cat() { return 1; }
            dd if=/rubbish of=/state bs=1M conv=notrunc status=none
            for at in 8193 24577; do dd if=/dev/zero of=/state bs=1024 seek=$at count=4 conv=notrunc status=none; done
            blockdev --flushbufs $device
            cp /state /as-it-was
            open
            unset -f cat
            says $notes 'the card is failing'
            cmp /state /as-it-was
            ! mountpoint -q /keep
            """);
    }

    [Fact]
    public void Root_is_the_card_in_the_slot_although_another_one_has_its_identifier()
    {
        OnCard("""
            mkdir -p /devices /sys-there/class/mmc_host/mmc0 /sys-none /proc-there
            mkdir -p /scripts; echo 'log_warning_msg() { echo "$*"; }' >/scripts/functions
            for name in sda2 mmcblk0p2; do : >/devices/$name; done
            printf '#!/bin/sh\nfor last; do :; done\nsed -n "s|^$last ||p" /ids\n' >/usr/sbin/blkid
            chmod 755 /usr/sbin/blkid
            printf '/devices/sda2 1-02\n/devices/mmcblk0p2 1-02\n' >/ids
            choose() {
                rm -f /param.conf
                SYS=/sys-there PROC=/proc-there DEVICES=/devices CONF=/param.conf ROOT=$1 \
                    sh /initrd-scripts/local-premount/nashammer >/dev/null
                cat /param.conf 2>/dev/null || true
            }
            [ "$(choose /devices/sda2)" = ROOT=/devices/mmcblk0p2 ]
            [ "$(choose /devices/mmcblk0p2)" = '' ]
            # Another card in the slot, of a box that has started from USB.
            sed -i 's/mmcblk0p2 1/mmcblk0p2 2/' /ids
            [ "$(choose /devices/sda2)" = '' ]
            sed -i 's/mmcblk0p2 2/mmcblk0p2 1/' /ids
            mkdir -p /proc-there/device-tree/chosen/bootloader
            printf '\0\0\0\4' >/proc-there/device-tree/chosen/bootloader/boot-mode
            [ "$(choose /devices/sda2)" = '' ]
            printf '\0\0\0\1' >/proc-there/device-tree/chosen/bootloader/boot-mode
            [ "$(choose /devices/sda2)" = ROOT=/devices/mmcblk0p2 ]
            """);
    }
}
