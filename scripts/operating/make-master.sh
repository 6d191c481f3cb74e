#!/usr/bin/env bash
# Makes a slave the master, on the slave's box, when the master is gone (else: nashammer switch-over): what was not
# fully mirrored goes, the mirror's direction is turned round in the configuration, and the daemon told. Prints the
# promotion, which rejoin.sh needs on the other box.
#
# usage: make-master.sh MIRROR DIRECTORY        DIRECTORY is the slave PFS, as /srv/photos/family
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/turn.sh"
[ $# -eq 2 ] || fail "usage: make-master.sh MIRROR DIRECTORY"
mirror=$1 directory=$2
new=$(mktemp)
turn_mirror "$mirror" >"$new"
check_config "$new"
told=$("$program" pfs-upgrade "$directory" 2>&1) || { echo "$told" >&2; rm -f "$new"; exit 1; }
say "$directory is the master now"
install_config "$new"
promotion=$(echo "$told" | sed -n 's/.*pfs-rejoin PATH //p')
say "on the other box, when it is back: rejoin.sh $mirror DIRECTORY $promotion"
