#!/usr/bin/env bash
# First set-up of a disk: makes a file system on an empty disk, enters it into the configuration and waits until it is
# mounted.
#
# usage: first-disk.sh DISK NAME MOUNT [newfs options]
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ $# -ge 3 ] || fail "usage: first-disk.sh DISK NAME MOUNT [newfs options]"
disk=$1 name=$2 mount=$3
shift 3
refuse_used "$disk"
! grep -q "^\[volumes\.$name\]" "$config" || fail "$config has a [volumes.$name] already"
images=
[ -b "$disk" ] || images="images = [\"$(realpath "$disk")\"]"
new=$(mktemp)
cat "$config" - >"$new" <<C

[volumes.$name]
label = "$name"
$images
mount = "$mount"
C
check_config "$new"
say "making file system $name on $disk"
"$program" newfs -L "$name" "$@" "$disk"
install_config "$new"
wait_mounted "$name"
say "$name is mounted on $mount"
