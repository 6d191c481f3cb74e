# Shared by the scripts of this folder; source it. They ask before nothing and print what they do; what they need of
# the surroundings can be set by variables:
program=${NASHAMMER:-nashammer}                        # the program
config=${NASHAMMER_CONFIG:-/etc/nashammer/config.toml} # the configuration of the box
socket=${NASHAMMER_SOCKET:-/run/nashammer/daemon.sock} # the daemon's socket
reload=${NASHAMMER_RELOAD:-systemctl reload nashammer} # how the daemon is told to read the configuration again
# On a card the configuration lies on a partition that is read-only but for so long.
writable=${NASHAMMER_WRITABLE:-}
if [ -z "$writable" ] && [ -x /usr/lib/nashammer/card-writable ] && mountpoint -q /run/nashammer-card/root; then
    writable='/usr/lib/nashammer/card-writable --boot'
fi

say() { echo "$(basename "$0"): $*"; }
fail() { say "$*" >&2; exit 1; }

# check_config NEW: a configuration with mistakes never gets to the daemon.
check_config() { "$program" config check "$1" || { rm -f "$1"; fail "nothing was changed"; }; }

# install_config NEW: puts a checked file in the configuration's place, the old one beside it, and tells the daemon. It
# gets there by a rename, and on the disk before that: a power cut leaves the old file or the new one, never a part. On
# a card that is FAT, which promises less; there the last good ones are kept elsewhere (images/README.md).
install_config() {
    local put='cp -p "$1" "$1.before"; cp -p "$1" "$1.new"; cat >"$1.new"; sync "$1.new"; mv -f "$1.new" "$1"; '
    put+='sync "$(dirname "$1")"'
    $writable sh -ec "$put" sh "$(readlink -f "$config")" <"$1"
    rm -f "$1"
    $reload
}

# volume_state NAME: the word of the status for that file system.
volume_state() {
    "$program" status --json --socket "$socket" 2>/dev/null |
        jq -r --arg name "$1" '.volumes[]? | select(.name == $name) | .state' || true
}

wait_mounted() {
    local until=$((SECONDS + 120))
    until [ "$(volume_state "$1")" = Mounted ]; do
        [ $SECONDS -lt $until ] || fail "$1 is not mounted after two minutes: see $program status"
        sleep 0.2
    done
}

# refuse_used DISK: a disk with anything on it is not ours to format.
refuse_used() {
    [ -e "$1" ] || fail "there is no $1"
    local found
    found=$(wipefs --noheadings "$1" 2>/dev/null || true)
    [ -z "$found" ] || fail "$1 is not empty ($(echo "$found" | awk '{ print $NF }' | head -n 1)): wipefs -a $1 first"
    ! "$program" info "$1" >/dev/null 2>&1 || fail "$1 has a HAMMER file system: it is mounted, never formatted"
}
