# The root tree and the first partition of a card, for scripts/image.sh: source it, do not run it. The variables
# suite, kernel, kernel_suite, packages, from_kernel_suite, firmware, device_trees, overlays, config, command_line,
# modules, needed_modules, remove, remove_modules and disk_id come from the definition.

binfmt=/proc/sys/fs/binfmt_misc
binfmt_mounted=no binfmt_registered=no

# Programs of the board run here through the emulator of user programs.
enter_foreign() {
    [ "$(uname -m)" != aarch64 ] || return 0
    if [ ! -e $binfmt/register ]; then
        mount -t binfmt_misc binfmt_misc $binfmt
        binfmt_mounted=yes
    fi
    if [ ! -e $binfmt/qemu-aarch64 ]; then
        # F: the interpreter is opened now, and is there in every tree later.
        grep '^:qemu-aarch64:' /usr/lib/binfmt.d/qemu-aarch64.conf >$binfmt/register
        binfmt_registered=yes
    fi
}

leave_foreign() {
    [ $binfmt_registered = no ] || echo -1 >$binfmt/qemu-aarch64 || true
    [ $binfmt_mounted = no ] || umount $binfmt || true
    binfmt_registered=no binfmt_mounted=no
}

# Addresses of Debian's archive and of its security updates, as this machine's apt knows them.
address_of() {
    apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' -v label="$1" '$1 == label && !found { print $2; found = 1 }'
}

write_sources() {
    local archive security
    archive=$(address_of Debian)
    if [ -z "$archive" ]; then
        apt-get update -q >/dev/null
        archive=$(address_of Debian)
    fi
    security=$(address_of Debian-Security)
    if [ -z "$archive" ] || [ -z "$security" ]; then
        echo "image: apt of this machine knows no Debian archive, or none with its security updates" >&2
        return 1
    fi
    echo "deb $archive $suite main non-free-firmware"
    echo "deb $archive $suite-updates main non-free-firmware"
    echo "deb $security $suite-security main non-free-firmware"
    [ "$kernel_suite" = "$suite" ] || echo "deb $archive $kernel_suite main non-free-firmware"
}

# Works of the packages' scripts that take long in the emulator and whose result is thrown away anyway: keys that lie
# there already are not made, and Python is not compiled.
shadow='mkdir -p "$1/etc/ssh"
    for kind in rsa ecdsa ed25519; do : >"$1/etc/ssh/ssh_host_${kind}_key"; done
    for name in py3compile py3clean; do
        chroot "$1" dpkg-divert --quiet --local --no-rename --divert /usr/bin/$name.real --add /usr/bin/$name
        ln -s true "$1/usr/bin/$name"
    done'
unshadow='for name in py3compile py3clean; do
        rm "$1/usr/bin/$name"
        chroot "$1" dpkg-divert --quiet --local --rename --remove /usr/bin/$name
    done'

make_tree() {
    local board=$1 deb=$2 work=$3 tree=$3/root cache=$root/out/image-cache names
    mkdir -p "$cache"
    write_sources >"$work/sources.list"
    # What ours needs is fetched with the rest: later the tree has no name servers.
    names=$(echo $packages $from_kernel_suite | tr ' ' ','),$(dpkg-deb -f "$deb" Depends Pre-Depends |
        sed 's/^[A-Z][A-Za-z-]*: //; s/([^)]*)//g; s/|[^,]*//g' | paste -sd, | tr -d ' ')
    [ "$kernel_suite" = "$suite" ] || printf 'Package: linux-* %s\nPin: release n=%s\nPin-Priority: 600\n' \
        "$from_kernel_suite" "$kernel_suite" >"$work/preferences"
    INITRD=No mmdebstrap --quiet --mode=root --architectures=arm64 --variant=minbase --format=directory \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        --aptopt='Apt::Keep-Downloaded-Packages "true"' --dpkgopt=force-unsafe-io --dpkgopt=force-confold \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-include=/usr/share/doc/apt/examples/*' \
        --skip=essential/unlink --skip=download/empty \
        --setup-hook="mkdir -p \"\$1/var/cache/apt/archives\" \"\$1/etc/apt/preferences.d\"" \
        --setup-hook="find '$cache' -name '*.deb' -exec cp -t \"\$1/var/cache/apt/archives\" {} +" \
        --setup-hook="[ ! -e '$work/preferences' ] || cp '$work/preferences' \"\$1/etc/apt/preferences.d/kernel\"" \
        --essential-hook="$shadow" \
        --include="$names,$kernel" \
        --customize-hook="cp -n \"\$1\"/var/cache/apt/archives/*.deb '$cache'" \
        --customize-hook="install -m 644 '$deb' \"\$1/tmp/nashammer.deb\"" \
        --customize-hook='chroot "$1" dpkg -i /tmp/nashammer.deb' \
        --customize-hook="$unshadow" \
        "$suite" "$tree" "$work/sources.list" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; return 1; }
    check_modules "$board" "$tree"
    lay_over "$board" "$tree" "$work"
    make_initrd "$tree" "$work"
    hold_back "$tree"
    enable_units "$tree"
    strip "$tree"
    chroot "$tree" dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' | LC_ALL=C sort >"$work/packages"
    make_first_partition "$tree" "$work"
}

# A kernel without the drivers of the board would make a card that does not start.
check_modules() {
    local board=$1 name pattern missing=
    for name in $needed_modules; do
        pattern=$(printf '%s' "$name" | sed 's/[-_]/[-_]/g')
        grep -qs "/$pattern[.]ko" "$2"/usr/lib/modules/*/modules.{order,builtin} || missing="$missing $name"
    done
    [ -n "$missing" ] || return 0
    echo "image: $board: the kernel of $kernel_suite ($(ls "$2/usr/lib/modules" | paste -sd ' ')) has no driver" \
        "$(echo $missing): no card for this board can be made of it" >&2
    return 1
}

# Where the card gets its updates: Debian's own defaults, as its apt shows them, in lines or (from trixie on) in
# paragraphs. The packages of the kernel's suite are found by the preferences that make_tree has left there.
write_card_sources() {
    local tree=$1 apt=$1/etc/apt examples=$1/usr/share/doc/apt/examples components="main non-free-firmware"
    rm -f "$apt/sources.list.d/"*
    if [ -s "$examples/debian.sources" ]; then
        rm -f "$apt/sources.list"
        sed -e '/^#/d' -e "s/^Components:.*/Components: $components/" "$examples/debian.sources" \
            >"$apt/sources.list.d/debian.sources"
        [ "$kernel_suite" = "$suite" ] || awk 'BEGIN { RS = "" } NR == 1' "$apt/sources.list.d/debian.sources" |
            sed "s/^Suites:.*/Suites: $kernel_suite/" >"$apt/sources.list.d/kernel.sources"
    else
        sed -n "s/^\(deb [^ ]* $suite[^ ]*\) .*/\1 $components/p" "$examples/sources.list" >"$apt/sources.list"
        [ "$kernel_suite" = "$suite" ] || sed -n "s/^\(deb [^ ]*\) $suite /\1 $kernel_suite /p" "$apt/sources.list" |
            head -n 1 >"$apt/sources.list.d/kernel.list"
    fi
    grep -qsE "^(deb |Suites:).*$suite" "$apt"/sources.list "$apt"/sources.list.d/debian.sources ||
        { echo "image: apt of $suite shows no example of its sources" >&2; return 1; }
}

# The files of images/root, and what the definition puts into them.
lay_over() {
    local board=$1 tree=$2 work=$3 config_dir=$2/etc/nashammer
    cp -rT --no-preserve=ownership images/root "$tree"
    printf '%s\n' $modules >>"$tree/etc/initramfs-tools/modules"
    cat >"$tree/etc/default/raspi-firmware" <<END
# Made with the image, see the definition of the board.
ROOTPART=PARTUUID=$disk_id-02
CONSOLES=none
CMA=0
END
    # The hook knows no empty list of consoles: ours follow after its own.
    sed -i '/^CONSOLES=/d' "$tree/etc/default/raspi-firmware"
    echo 'CONSOLES=" "' >>"$tree/etc/default/raspi-firmware"
    echo $command_line >"$tree/etc/default/raspi-extra-cmdline"
    [ -z "$config" ] || printf '%s\n' "$config" >"$tree/etc/default/raspi-firmware-custom"
    write_card_sources "$tree"
    echo "$board" >"$tree/usr/share/nashammer/board"
    # No clock of a board is earlier than this, see systemd(1).
    touch -d "@$SOURCE_DATE_EPOCH" "$tree/usr/lib/clock-epoch"
    echo nas >"$tree/etc/hostname"
    printf '127.0.0.1\tlocalhost\n127.0.1.1\tnas\n::1\tlocalhost ip6-localhost\n' >"$tree/etc/hosts"
    ln -sfn /run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
    # What the package ships stays at hand; what is in force lies on the first partition.
    install -m 644 "$config_dir/config.toml" "$tree/usr/share/nashammer/config.toml"
    ln -sfn /boot/firmware/config.toml "$config_dir/config.toml"
}

# In the emulator of user programs: the tree's own tools make it, as they will at an update on the board.
make_initrd() {
    local tree=$1 log=$2/initrd.log folder
    for folder in $remove_modules; do rm -rf "$tree"/usr/lib/modules/*/kernel/"$folder"; done
    for folder in proc sys dev; do mount --rbind --make-rslave /$folder "$tree/$folder"; done
    local code=0
    for folder in "$tree"/usr/lib/modules/*/; do
        folder=$(basename "$folder")
        chroot "$tree" depmod "$folder" && chroot "$tree" update-initramfs -c -k "$folder" || code=$?
    done >"$log" 2>&1
    for folder in proc sys dev; do umount -R "$tree/$folder"; done
    [ $code -eq 0 ] || { tail -n 40 "$log" >&2; return 1; }
    grep -i "warning\|error" "$log" || true
}

# What the first partition holds is never written over by an update (images/README.md).
hold_back() {
    chroot "$1" dpkg-query -W -f '${Package} ${db:Status-Status}\n' 'linux-image-*' raspi-firmware initramfs-tools \
        initramfs-tools-core |
        sed -n 's/ installed$/ hold/p' | chroot "$1" dpkg --set-selections
}

enable_units() {
    local tree=$1 unit
    systemctl --root="$tree" --quiet enable systemd-networkd systemd-resolved systemd-timesyncd avahi-daemon \
        ssh nashammer nashammer-card-{start,shares,status,stop,wlan}.service nashammer-card-{journal,update}.timer
    # One of them is a package of its own from trixie on.
    for unit in smbd nmbd samba-ad-dc smartmontools wpa_supplicant; do
        [ ! -e "$tree/usr/lib/systemd/system/$unit.service" ] || systemctl --root="$tree" --quiet disable $unit
    done
    # Nobody can log in at the screen; the rest writes, waits or wakes disks for nothing.
    systemctl --root="$tree" --quiet mask getty@.service serial-getty@.service console-getty.service \
        apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service \
        unattended-upgrades.service dpkg-db-backup.timer e2scrub_all.timer fstrim.timer nmbd.service \
        samba-ad-dc.service smartmontools.service systemd-networkd-wait-online.service \
        systemd-firstboot.service systemd-random-seed.service systemd-binfmt.service \
        proc-sys-fs-binfmt_misc.automount
}

# What is of this build and not of the image.
strip() {
    local tree=$1 entry
    for entry in $remove; do rm -rf "${tree:?}$entry"; done
    rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/* "$tree"/var/cache/debconf/*-old \
        "$tree"/var/cache/ldconfig/* "$tree"/var/lib/dpkg/*-old "$tree"/etc/ssh/ssh_host_* "$tree"/tmp/* \
        "$tree"/run/* "$tree"/var/tmp/* "$tree"/etc/*- "$tree"/var/lib/dbus/machine-id \
        "$tree"/var/lib/systemd/random-seed "$tree"/etc/apt/apt.conf.d/99mmdebstrap "$tree"/var/log/journal \
        "$tree"/var/lib/systemd/deb-systemd-helper-enabled.tmp "$tree"/var/lib/samba/private/* \
        "$tree"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
    find "$tree/var/log" -type f -delete
    find "$tree/usr" -name __pycache__ -type d -prune -exec rm -rf {} +
    find "$tree/usr/share/doc" -mindepth 2 ! -name copyright ! -type d -not -path '*/nashammer/*' -delete
    mkdir -p "$tree/var/cache/apt/archives/partial" "$tree/var/lib/apt/lists/partial" "$tree/boot/firmware" \
        "$tree/var/lib/nashammer"
    : >"$tree/etc/machine-id"
    # Else systemd would make caches anew at every start, for the root is in memory.
    touch "$tree/etc/.updated" "$tree/var/.updated"
}

# Firmware, kernel, initial RAM disk and device trees as the package's hook has put them there, and the owner's files.
make_first_partition() {
    local tree=$1 boot=$2/boot name
    mkdir -p "$boot"
    for name in $firmware; do cp "$tree/usr/lib/raspi-firmware/$name" "$boot/"; done
    for name in $device_trees; do cp "$tree/boot/firmware/$name" "$boot/"; done
    cp "$tree"/boot/firmware/{vmlinuz-*,initrd.img-*,config.txt,cmdline.txt} "$boot/"
    rm -rf "$tree"/boot/firmware/*
    [ -z "$overlays" ] || mkdir "$boot/overlays"
    for name in $overlays; do dtc -q -@ -I dts -O dtb -o "$boot/overlays/$name.dtbo" "images/overlays/$name.dts"; done
    cp "$tree/usr/share/nashammer/config.toml" "$boot/config.toml"
    sed 's/$/\r/' images/common/README.txt >"$boot/README.txt"
}
