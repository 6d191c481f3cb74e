#!/usr/bin/env bash
# Replaces a dead disk of a box whose PFSs are slaves: makes a file system with the dead one's label on an empty disk.
# The daemon mounts it, makes the slaves, and the other box loads them again from the beginning. For a master's disk
# see make-master.sh first: the other box has what is left.
#
# usage: replace-disk.sh DISK NAME [newfs options]
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ $# -ge 2 ] || fail "usage: replace-disk.sh DISK NAME [newfs options]"
disk=$1 name=$2
shift 2
grep -q "^\[volumes\.$name\]" "$config" || fail "$config has no [volumes.$name]"
label=$("$program" config show --effective "$config" |
    awk -v section="[volumes.$name]" '/^\[/ { on = $0 == section } on && $1 == "label" { print $3 }' | tr -d '"')
[ -n "$label" ] || fail "[volumes.$name] goes by fsid: a new disk has another one; give it a label there"
[ "$(volume_state "$name")" != Mounted ] || fail "$name is mounted: its disk is not dead"
refuse_used "$disk"
say "making file system $label on $disk"
"$program" newfs -L "$label" "$@" "$disk"
wait_mounted "$name"
say "$name is mounted again, and empty: its mirrors load it now ($program status)"
