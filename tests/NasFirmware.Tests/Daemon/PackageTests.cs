using System;
using System.IO;
using System.Runtime.InteropServices;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Daemon;

/// <summary>
/// The Debian package (scripts/deb.sh) as an owner meets it: installed, upgraded, removed and purged in a container
/// with a real systemd over this machine's own tree. What is written goes to memory.
/// </summary>
public sealed class PackageTests : IDisposable
{
    readonly TrialContainer _container = new("package");

    static string Architecture =>
        RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? "arm64" : "amd64";

    public void Dispose() => _container.Dispose();

    static string Package(string architecture)
    {
        string[] found = Directory.GetFiles(Path.Combine(GoldenData.RepositoryRoot, "out"),
            $"nashammer_*_{architecture}.deb");
        Assert.True(found.Length == 1, $"{found.Length} packages for {architecture} in out: scripts/deb.sh makes one");
        return found[0];
    }

    (int Code, string Output) Run(string script)
    {
        Prepare();
        return _container.Shell(script, 240);
    }

    void Prepare()
    {
        _container.Environment["DEB"] = Package(Architecture);
        _container.Environment["LC_ALL"] = "C.UTF-8";
    }

    [Fact]
    public void Lintian_has_nothing_to_say()
    {
        (_, string output) = Run("lintian --allow-root --tag-display-limit 0 \"$DEB\"");
        Assert.Equal("", output);
    }

    public static TheoryData<string> Architectures =>
        Environment.GetEnvironmentVariable("NASHAMMER_FULL") == "1" ? ["amd64", "arm64"] : [Architecture];

    /// <summary>Of both architectures with NASHAMMER_FULL=1.</summary>
    [Theory, MemberData(nameof(Architectures))]
    public void Made_again_the_package_has_the_same_bytes(string architecture)
    {
        string package = Package(architecture);
        byte[] before = File.ReadAllBytes(package);
        (int code, string output) = Run($"""
            umask 077
            export TZ=Asia/Tokyo LC_ALL=C SOURCE_DATE_EPOCH=$(head -c 36 '{package}' | tail -c 12 | tr -d ' ')
            scripts/deb.sh {architecture}
            """);
        Assert.True(code == 0, output);
        Assert.Equal(before, File.ReadAllBytes(package));
    }

    [Fact]
    public void Nothing_of_the_building_machine_is_in_the_program()
    {
        (_, string output) = Run($"""
            for deb in "$DEB" "{Package(Architecture == "amd64" ? "arm64" : "amd64")}"; do
                dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/bin/nashammer >"$T/program"
                grep -c -a -F "$PWD" "$T/program"
                readelf -S -W "$T/program" | grep -c -E '\.(debug|symtab)'
            done
            """);
        Assert.Equal("0\n0\n0\n0\n", output);
    }

    [Fact]
    public void Installed_upgraded_removed_and_purged_without_losing_a_mirror_or_a_key()
    {
        Prepare();
        _container.Write("inside.sh", Inside);
        _container.Run(Outside, 240);
    }

    const string Outside = """
        mkdir memory/labelled
        rm -rf root/etc/nashammer root/usr/bin/nashammer
        rm -f root/etc/dpkg/dpkg.cfg.d/*
        cp "$DEB" root/first.deb
        # The next version: the same program, another default configuration.
        dpkg-deb -R "$DEB" next
        sed -i 's/^Version: .*/&+next/' next/DEBIAN/control
        echo '# The next version says one thing more.' >>next/etc/nashammer/config.toml
        dpkg-deb --root-owner-group -Znone -b next root/next.deb >/dev/null
        program=$PWD/next/usr/bin/nashammer
        for label in photos backup; do disk_image "$program" root/var/lib/disks/$label.img 1G $label; done
        disk_image "$program" memory/labelled/image 1G 'on a disk'
        disk=$(losetup --show -f memory/labelled/image)
        rm -rf next
        echo "DISK=$disk" >root/disk
        trial_unit 'nashammer.service right.service'
        (boot 200 inside.sh --bind="$disk") || true
        held
        """;

    const string Inside = """
        export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive HOME=/
        apt() { apt-get -q -y --no-install-recommends "$@" </dev/null; }
        install() { dpkg --force-confold --force-confdef -i "$1" </dev/null; }
        now() { cut -d' ' -f1 /proc/uptime; }
        ip link set lo up

        # Installed: the daemon runs, also at the next start of the machine, with the shipped configuration.
        mkdir /take; cp /first.deb /take/nashammer_0_any.deb; cd /take
        apt install ./nashammer_*.deb
        cd /
        systemctl is-active -q nashammer
        systemctl is-enabled -q nashammer
        nashammer config check
        # No file system is configured yet, which is something to look at.
        nashammer status || [ $? = 1 ]
        hammer --version
        for link in /sbin/mount.nashammer /sbin/umount.nashammer /usr/bin/hammer; do [ -x $link ]; done
        [ "$(stat -c %a /var/lib/nashammer)" = 700 ]
        # What the rule of udev asks, and what it makes names of.
        . /disk
        grep -q 'IMPORT{program}="/usr/bin/nashammer recognize ' /usr/lib/udev/rules.d/61-nashammer.rules
        nashammer recognize "$DISK" >/recognized
        grep -q '^ID_FS_TYPE=hammer$' /recognized
        grep -qF 'ID_FS_LABEL_ENC=on\x20a\x20disk' /recognized
        if nashammer recognize /first.deb; then exit 1; fi
        lsblk -f >/dev/null
        nashammer mount -o ro $DISK /mnt
        nashammer umount /mnt

        # Two boxes: the service, and another daemon on the same machine.
        config() {
            cat <<C
        [box]
        name = "$1"
        state = "$2"
        stop-limit = "8s"
        run = "$3"
        [listen]
        address = "127.0.0.1:$4"
        [volumes.$5]
        label = "$5"
        images = ["/var/lib/disks/$5.img"]
        mount = "/srv/$5"
        [peers.$6]
        address = "127.0.0.1:$7"
        key = "$8"
        [mirrors.family]
        from = "left:photos/family"
        to = "right:backup/family"
        C
        }
        right() { config right /right /run/right 7446 backup left 7445 "$1" >/right.toml; }
        zero=$(printf '0%.0s' {1..64})
        right "$zero"
        right "$(nashammer peer id | tail -n 1)"
        { config left /var/lib/nashammer /run/nashammer 7445 photos right 7446 \
            "$(nashammer peer id --config /right.toml | tail -n 1)"
          printf '[pfs.family]\nvolume = "photos"\n'; } >/etc/nashammer/config.toml
        cp /etc/nashammer/config.toml /mine.toml
        systemd-run --quiet --unit=right nashammer daemon --config /right.toml
        systemctl reload nashammer
        # The box's name and address are of the next start.
        systemctl restart nashammer
        until_true '[ -d /srv/photos/family/. ]'
        echo first >/srv/photos/family/first; sync /srv/photos/family/first
        until_true 'cmp -s /srv/photos/family/first /srv/backup/family/first'
        key=$(sha256sum </var/lib/nashammer/box.pem)

        # Upgraded while files are being written: one restart, and the mirror goes on.
        (n=0; while [ ! -e /enough ]; do
            echo $n 2>/dev/null >/srv/photos/family/written-$n || true; n=$((n + 1)); sleep 0.05
        done) 2>/dev/null &
        writer=$!
        before=$(systemctl show -P MainPID nashammer)
        from=$(now)
        install /next.deb
        [ "$(systemctl show -P MainPID nashammer)" != "$before" ]
        [ "$(systemctl show -P NRestarts nashammer)" = 0 ]
        until_true '[ "$(cat /srv/photos/family/first)" = first ]' 100
        echo second >/srv/photos/family/second; sync /srv/photos/family/second
        until_true 'cmp -s /srv/photos/family/second /srv/backup/family/second' 150
        awk -v from="$from" -v to="$(now)" 'BEGIN { printf "upgraded and mirrored in %.1f s\n", to - from
            exit !(to - from < 20) }'
        touch /enough; wait $writer
        # The same over a file that somebody holds open: it is cut off, and the mount comes back all the same.
        exec 9<>/srv/photos/family/first
        install /next.deb >/dev/null 2>&1
        until_true '[ "$(cat /srv/photos/family/second)" = second ]' 100
        exec 9>&-
        echo third >/srv/photos/family/third; sync /srv/photos/family/third
        until_true 'cmp -s /srv/photos/family/third /srv/backup/family/third' 150
        [[ "$(dpkg-query -W -f '${Version}' nashammer)" = *+next ]]
        # The owner's configuration is the owner's.
        cmp /mine.toml /etc/nashammer/config.toml
        [ "$(sha256sum </var/lib/nashammer/box.pem)" = "$key" ]

        # A daemon that its owner switched off stays off; the former version can be put back.
        systemctl disable -q --now nashammer
        until_true '! mountpoint -q /srv/photos'
        install /first.deb >/dev/null 2>&1
        ! systemctl is-active -q nashammer
        ! systemctl is-enabled -q nashammer
        systemctl enable -q --now nashammer
        until_true 'mountpoint -q /srv/photos'

        # Installed anew over itself: as an upgrade.
        install /first.deb >/dev/null 2>&1
        until_true 'mountpoint -q /srv/photos'

        # Removed: all is closed, and what is the owner's is there.
        apt remove nashammer
        ! mountpoint -q /srv/photos
        ! systemctl is-active -q nashammer
        [ ! -e /usr/bin/nashammer ]
        [ ! -e /usr/lib/systemd/system/nashammer.service ]
        cmp /mine.toml /etc/nashammer/config.toml
        [ "$(sha256sum </var/lib/nashammer/box.pem)" = "$key" ]
        touch /etc/nashammer/config.toml.before

        # Purged: no trace in /etc, and the key is not taken away silently.
        apt purge nashammer >/purge.out 2>&1
        grep -q 'stay in /var/lib/nashammer' /purge.out
        [ ! -e /etc/nashammer ]
        [ "$(sha256sum </var/lib/nashammer/box.pem)" = "$key" ]
        [ "$(find /etc /usr/lib/systemd /usr/lib/udev /var/lib/systemd -name '*nashammer*')" = "" ]
        # Back again, it is the same box, with the same disk.
        install /first.deb >/dev/null 2>&1
        [ "$(sha256sum </var/lib/nashammer/box.pem)" = "$key" ]
        systemctl stop nashammer right
        nashammer check --data /var/lib/disks/photos.img
        nashammer check --data /var/lib/disks/backup.img
        cp /mine.toml /etc/nashammer/config.toml
        systemctl start nashammer
        until_true '[ "$(cat /srv/photos/family/second)" = second ]'
        echo ALL OF IT HELD
        """;
}
