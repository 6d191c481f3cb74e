# Two boxes on one machine, for the demo and the tests: each a daemon in a network namespace of its own, a cable between
# them, disk images as disks. Source it, then call pair_new FOLDER; pair_end takes everything away, also what a killed
# run left. Nothing lies outside the folder but two namespaces, whose names carry this shell's process id.
#
# $pair_program must name the program. Boxes are called left and right.

# pair_new FOLDER: namespaces, cable, folders.
pair_new() {
    pair_folder=$1
    pair_space=nh$$
    local box
    for box in left right; do
        ip netns add "$pair_space-$box"
        ip -n "$pair_space-$box" link set lo up
        mkdir -p "$pair_folder/$box/state" "$pair_folder/$box/run" "$pair_folder/$box/mnt"
    done
    ip link add "$pair_space-l" type veth peer name "$pair_space-r"
    ip link set "$pair_space-l" netns "$pair_space-left" name lan0
    ip link set "$pair_space-r" netns "$pair_space-right" name lan0
    pair_address left 10.93.0.1
    pair_address right 10.93.0.2
}

# pair_address BOX ADDRESS: the box's only address from now on.
pair_address() {
    ip -n "$pair_space-$1" addr flush dev lan0
    ip -n "$pair_space-$1" addr add "$2/24" dev lan0
    ip -n "$pair_space-$1" link set lan0 up
}

# The cable is pulled, and put back: both ends stay configured and hear nothing, as with a switch between them.
pair_cable_out() {
    ip netns exec "$pair_space-right" nft -f - <<'N'
table inet cable {
    chain in {
        type filter hook input priority 0; policy drop
        iifname "lo" accept
    }
    chain out {
        type filter hook output priority 0; policy drop
        oifname "lo" accept
    }
}
N
}
pair_cable_in() { ip netns exec "$pair_space-right" nft delete table inet cable; }

# pair_rate BITS: how fast the cable is in both directions (100mbit); "" for as fast as it goes.
pair_rate() {
    local box
    for box in left right; do
        ip netns exec "$pair_space-$box" tc qdisc del dev lan0 root 2>/dev/null || true
        [ -z "$1" ] || ip netns exec "$pair_space-$box" tc qdisc add dev lan0 root tbf rate "$1" burst 64kb latency 50ms
    done
}

# pair_long MILLISECONDS PERCENT BITS: from now on the cable is a long one: packets take so long each way, so many of
# them are lost, so many bits a second fit (plain numbers). Before the daemons are started. What happened to the packets
# is in $pair_folder/cable once pair_long_end was called.
pair_long() {
    local box address script=${BASH_SOURCE[0]%/*}/cable.py
    for box in left right; do ip -n "$pair_space-$box" link set lan0 down; done
    coproc pair_cable { exec python3 "$script" "$pair_space-left" "$pair_space-right" air0 "$1" "$2" "$3" \
        "${SEED:-1}" "$pair_folder/cable"; }
    pair_cable_pid=$!
    read -r -t 20 -u "${pair_cable[0]}" _
    for box in left right; do
        address=10.93.0.1
        [ $box = left ] || address=10.93.0.2
        ip -n "$pair_space-$box" addr flush dev lan0
        ip -n "$pair_space-$box" addr add "$address/24" dev air0
        ip -n "$pair_space-$box" link set air0 up
    done
}
pair_long_end() {
    [ -n "${pair_cable_pid:-}" ] || return 0
    kill "$pair_cable_pid" 2>/dev/null || true
    wait "$pair_cable_pid" 2>/dev/null || true
    pair_cable_pid=
}

# in_box BOX COMMAND...: in the box's network only; files and mounts are everybody's.
in_box() { nsenter --net="/run/netns/$pair_space-$1" "${@:2}"; }

# box BOX VERB...: the program, talking to the daemon of the box.
box() {
    local name=$1 verb=$2
    shift 2
    "$pair_program" "$verb" --socket "$pair_folder/$name/run/daemon.sock" "$@"
}

# box_start BOX: starts the daemon; returns at once. Its log is appended to BOX/log.
box_start() {
    # Not through in_box: the process id must be the daemon's own.
    NASHAMMER_LEDS=$pair_folder/$1/leds nsenter --net="/run/netns/$pair_space-$1" "$pair_program" daemon \
        --config "$pair_folder/$1/config.toml" \
        >>"$pair_folder/$1/log" 2>&1 </dev/null &
    echo $! >"$pair_folder/$1/pid"
}

box_pid() { cat "$pair_folder/$1/pid" 2>/dev/null; }

box_alive() { [ -n "$(box_pid "$1")" ] && kill -0 "$(box_pid "$1")" 2>/dev/null; }

# box_stop BOX [SIGNAL]: ends the daemon and waits for it; its exit code.
box_stop() {
    local pid
    pid=$(box_pid "$1")
    [ -n "$pid" ] || return 0
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null
}

# box_status BOX FILTER: a value out of the box's status, by a filter of jq; empty if the box does not answer.
box_status() { box "$1" status --json 2>/dev/null | jq -r "$2 // empty" 2>/dev/null || true; }

# pair_wait SECONDS WHAT CONDITION...: polls until a command holds; fails with the words WHAT.
pair_wait() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $until ] || { echo "pair: after a long time still not: $what" >&2; return 1; }
        sleep 0.1
    done
}

pair_end() {
    local box place
    [ -n "${pair_space:-}" ] || return 0
    for box in left right; do
        box_stop $box KILL || true
    done
    pair_long_end
    awk -v under="$pair_folder/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | while read -r place; do
        umount -l "$(printf '%b' "$place")" || true
    done
    for box in left right; do ip netns del "$pair_space-$box" 2>/dev/null || true; done
    pair_space=
}
