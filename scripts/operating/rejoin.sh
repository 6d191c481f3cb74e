#!/usr/bin/env bash
# Makes the former master a slave of the one promoted in its place, on the former master's box. Without --yes it says
# what would be lost: changes that never reached the other box.
#
# usage: rejoin.sh MIRROR DIRECTORY PROMOTION [--yes]        PROMOTION is what make-master.sh printed
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/turn.sh"
[ $# -ge 3 ] || fail "usage: rejoin.sh MIRROR DIRECTORY PROMOTION [--yes]"
mirror=$1 directory=$2 promotion=$3
if [ "${4:-}" != --yes ]; then
    "$program" pfs-rejoin "$directory" "$promotion"
    exit
fi
new=$(mktemp)
turn_mirror "$mirror" >"$new"
check_config "$new"
"$program" pfs-rejoin "$directory" "$promotion" --yes || { rm -f "$new"; exit 1; }
install_config "$new"
say "$directory is a slave now, and follows"
