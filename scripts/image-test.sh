#!/usr/bin/env bash
# Starts the image of a card in an emulated Raspberry Pi 3 with two USB disks, beside a daemon on this machine, and
# shows what docs/TESTING.md ("The card in the emulator") lists. Needs root: the daemon mounts.
#
# usage: scripts/image-test.sh      IMAGE=file: this image (.img or .img.zst); default: out/nashammer-pi3.img.zst, which
#        is built if it is not there.  KEEP=1: the folder with disks, card and console is left
set -euo pipefail
. "$(dirname "$0")/lib.sh"

main() {
    local image=${IMAGE:-out/nashammer-pi3.img.zst}
    [ "$(id -u)" -eq 0 ] || { echo "image-test: only root can mount" >&2; exit 1; }
    scripts/setup.sh image-test
    if [ ! -e "$image" ]; then
        [ -z "${IMAGE:-}" ] || { echo "image-test: there is no $image" >&2; exit 1; }
        scripts/image.sh pi3
    fi
    # Publishes only what has changed.
    scripts/build.sh linux-x64 >/dev/null
    echo "image-test: $image, program of commit $(git rev-parse --short HEAD), $(date -u '+%Y-%m-%d %H:%M') UTC," \
        "$(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
    exec python3 -B scripts/image-test/main.py "$image" out/linux-x64/nashammer
}

main "$@"
