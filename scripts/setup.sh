#!/usr/bin/env bash
# Installs the Debian packages that a target of the Makefile needs. It asks nobody, starts no service, does nothing
# where everything is there (so it works offline then), and may run twice at once.
#
# usage: scripts/setup.sh GROUP...      groups: build aot arm64 deb image image-test test demo bench
set -euo pipefail

packages_of() {
    case "$1" in
        build) echo ca-certificates git make ;;
        aot) echo clang lld zlib1g-dev ;;
        arm64) echo clang lld gcc-aarch64-linux-gnu libc6-dev-arm64-cross zlib1g-dev:arm64 ;;
        deb) echo dpkg-dev xz-utils qemu-user-static ;;
        test) echo zstd qemu-user-static attr acl e2fsprogs rsync git tar util-linux mount procps iproute2 nftables \
            python3 dosfstools mtools fdisk smbclient samba fio stress-ng dbench openssh-server openssh-client \
            systemd systemd-container jq lintian man-db mandoc device-tree-compiler ;;
        image) echo mmdebstrap arch-test qemu-user-static dosfstools mtools e2fsprogs fdisk zstd python3 mount \
            systemd util-linux device-tree-compiler ;;
        image-test) echo qemu-system-arm openssh-client mtools fdisk zstd util-linux mount procps python3 ;;
        demo) echo attr acl rsync util-linux mount procps tar iproute2 nftables jq ;;
        bench) echo ntfs-3g btrfs-progs e2fsprogs fuse2fs rsync fio util-linux mount procps ;;
        *) echo "setup: there is no package group '$1' (see the head of this script)" >&2; return 1 ;;
    esac
}

# Prints the packages of the groups that are not installed. One query for all: dpkg reads its whole database each time.
list_missing() {
    local group native
    native=$(dpkg --print-architecture)
    {
        dpkg-query -W -f='${Package}:${Architecture} ${db:Status-Status}\n' | sed -n 's/ installed$//p'
        echo ---
        for group in "$@"; do packages_of "$group" | tr -s ' ' '\n'; done
    } | awk -v native="$native" '
        /^---$/ { asking = 1; next }
        !asking { have[$1] = 1; next }
        /:/ { if (!($1 in have)) print $1; next }
        { if (!(($1 ":" native) in have) && !(($1 ":all") in have)) print $1 }' | sort -u
}

check_sdk() {
    if ! command -v dotnet >/dev/null || ! dotnet --version >/dev/null 2>&1; then
        echo "setup: no .NET SDK that global.json accepts. Install the .NET SDK 10 and put 'dotnet' on the PATH." >&2
        exit 1
    fi
}

# Runs a command with its output kept back, shown only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ $status -eq 0 ] || tail -n 40 "$log" >&2
    rm -f "$log"
    return $status
}

apt_install() {
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# Packages such as samba want to start their daemons; policy-rc.d says no for as long as we install.
forbid_services() {
    local policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

install_missing() {
    local missing=("$@") fresh_lists=no
    forbid_services
    if printf '%s\n' "${missing[@]}" | grep -q ':arm64$' && ! dpkg --print-foreign-architectures | grep -qx arm64; then
        dpkg --add-architecture arm64
        quietly apt-get update -q
        fresh_lists=yes
    fi
    if [ $fresh_lists = no ] && quietly apt_install "${missing[@]}" 2>/dev/null; then return; fi
    [ $fresh_lists = yes ] || quietly apt-get update -q
    quietly apt_install "${missing[@]}"
}

main() {
    local missing
    [ $# -gt 0 ] || { echo "usage: scripts/setup.sh GROUP..." >&2; exit 2; }
    check_sdk
    for group in "$@"; do packages_of "$group" >/dev/null; done
    missing=$(list_missing "$@")
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "setup: these packages are missing, and only root on Debian can install them here:" $missing >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none
    exec 9>/run/lock/nashammer-setup
    flock 9
    missing=$(list_missing "$@")
    [ -n "$missing" ] || return 0
    echo "setup: installing" $missing
    install_missing $missing
}

main "$@"
