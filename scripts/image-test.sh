#!/usr/bin/env bash
# Starts the image of a card in an emulated Raspberry Pi 3 with two USB disks, beside a daemon on this machine, and
# shows what docs/TESTING.md ("The card in the emulator") lists. Needs root: the daemon mounts.
#
# usage: scripts/image-test.sh [--only PART]...      only these parts (functions of scripts/image-test/parts.py, with
#        * and ?), and what they stand on.
#        IMAGE=file: this image (.img or .img.zst); default: out/nashammer-pi3.img.zst, which is built if it is not
#        there.  STATE=folder: disks, card, keys and console are kept there; a run with the same folder goes on from
#        them, so that one part after the other can be tried
set -euo pipefail
. "$(dirname "$0")/lib.sh"

folder= child=

# What is left goes, whatever happened: emulator and daemon end with the program that started them.
clean_up() {
    local code=$? place
    trap - EXIT INT TERM HUP
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    if [ -n "$folder" ]; then
        for place in $(cut -d' ' -f2 /proc/mounts | grep "^$folder/" | sort -r); do umount -l "$place" || true; done
        if [ -n "${STATE:-}" ]; then echo "kept: $folder"; else rm -rf --one-file-system "$folder"; fi
    fi
    exit $code
}

main() {
    local image=${IMAGE:-out/nashammer-pi3.img.zst} only=() code=0
    while [ $# -gt 0 ]; do
        case "$1" in
            --only) only+=("${2:?image-test: --only wants the name of a part}"); shift 2 ;;
            *) echo "image-test: '$1' is not one of --only PART" >&2; exit 2 ;;
        esac
    done
    [ "$(id -u)" -eq 0 ] || { echo "image-test: only root can mount" >&2; exit 1; }
    scripts/setup.sh image-test
    if [ ! -e "$image" ]; then
        [ -z "${IMAGE:-}" ] || { echo "image-test: there is no $image" >&2; exit 1; }
        scripts/image.sh pi3
    fi
    # Publishes only what has changed.
    scripts/build.sh linux-x64 >/dev/null
    trap clean_up EXIT
    trap 'exit 1' INT TERM HUP
    if [ -n "${STATE:-}" ]; then
        mkdir -p "$STATE"
        folder=$(realpath "$STATE")
    else
        folder=$(mktemp -d "${TMPDIR:-/tmp}/nashammer-image-test.XXXXXX")
    fi
    echo "image-test: $image, program of commit $(git rev-parse --short HEAD), $(date -u '+%Y-%m-%d %H:%M') UTC," \
        "$(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
    python3 -B scripts/image-test/main.py "$image" out/linux-x64/nashammer "$folder" "${only[@]}" </dev/null &
    child=$!
    wait "$child" || code=$?
    child=
    exit $code
}

main "$@"
