#!/usr/bin/env bash
# Makes the image of a card: out/nashammer-BOARD.img.zst, its .sha256, .manifest (every file of it) and .packages.
# What it is made of and how stands in images/README.md. Needs root: a root tree has files of many owners.
#
# usage: scripts/image.sh [BOARD|all]      default: pi3; boards are images/*.toml
#        DEB=FILE: this package of ours in place of one made now by scripts/deb.sh
set -euo pipefail
shopt -s inherit_errexit
. "$(dirname "$0")/lib.sh"
. images/tool/tree.sh

tool=images/tool/image.py
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

our_package() {
    if [ -n "${DEB:-}" ]; then
        realpath "$DEB"
        return
    fi
    scripts/deb.sh arm64 >&2
    ls -t "$root"/out/nashammer_*_arm64.deb | head -n 1
}

build() {
    local board=$1 deb=$2 start=$SECONDS out=out/nashammer-$1 definition
    definition=$(python3 $tool variables "$board")
    eval "$definition"
    work=$(mktemp -d "$root/out/image-$board.XXXXXX")
    # Not for others: a tree holds programs that are set-uid.
    chmod 700 "$work"
    make_tree "$board" "$deb" "$work"
    echo "image: $board: tree made, $(du -sm "$work/root" | cut -f1) MB, $(minutes_since "$start")"
    python3 $tool assemble "$board" --root "$work/root" --boot "$work/boot" --epoch "$SOURCE_DATE_EPOCH" \
        --packages "$work/packages" --image "$work/image" --manifest "$out.manifest"
    cp "$work/packages" "$out.packages"
    # Its output is the same for every number of threads.
    zstd -q -f -T0 -12 "$work/image" -o "$out.img.zst"
    (cd out && sha256sum "nashammer-$board.img.zst" >"nashammer-$board.img.zst.sha256")
    rm -rf "$work"
    echo "$out.img.zst: $(($(stat -c %s "$out.img.zst") >> 20)) MiB, $(minutes_since "$start")"
}

# What this script mounted and registered goes again, and the trees, whatever happens.
clean_up() {
    local code=$? place
    if [ -n "${work:-}" ]; then
        for place in $(cut -d' ' -f2 /proc/mounts | grep "^$work/" | sort -r); do umount "$place" || true; done
        rm -rf --one-file-system "$work"
    fi
    leave_foreign
    exit $code
}

main() {
    local board=${1:-pi3} boards deb
    boards=$board
    [ "$board" != all ] || boards=$(python3 $tool boards)
    for board in $boards; do python3 $tool variables "$board" >/dev/null; done
    [ "$(id -u)" -eq 0 ] || { echo "image: only root can make a root tree" >&2; exit 1; }
    scripts/setup.sh image
    mkdir -p out
    trap clean_up EXIT
    deb=$(our_package)
    enter_foreign
    for board in $boards; do build "$board" "$deb"; done
}

main "$@"
