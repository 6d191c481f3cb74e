# The lines of bench.sh that need two daemons: mirrors over TLS between two network namespaces, and what a box at rest
# does. Sourced by bench.sh. The disks are loop devices like those of the other lines, found by their labels.
. scripts/pair.sh

pair_lines="encrypted cuts catchup idle"

# bench_config BOX OTHER ADDRESS OTHERS-ADDRESS
bench_config() {
    local box=$1 other=$2
    cat >"$pair_folder/$box/config.toml" <<C
[box]
name = "$box"
state = "$pair_folder/$box/state"
run = "$pair_folder/$box/run"

[listen]
address = "$3:7445"

[volumes.$box]
label = "bench$$-$box"
mount = "$pair_folder/$box/mnt"

[peers.$other]
address = "$4:7445"
$([ ! -s "$pair_folder/$other/key" ] || echo "key = \"$(cat "$pair_folder/$other/key")\"")

[mirrors.data]
from = "left:left/data"
to = "right:right/data"
silence = "${bench_silence:-10s}"
C
    if [ "$box" = left ]; then printf '[pfs.data]\nvolume = "left"\n' >>"$pair_folder/left/config.toml"; fi
}

# bench_pair: two boxes that know each other, neither started; left has a disk, right gets one by bench_right.
bench_pair() {
    local again
    pair_program=$program
    mkdir "$scratch/pair"
    pair_new "$scratch/pair"
    for again in 1 2; do
        bench_config left right 10.93.0.1 10.93.0.2
        bench_config right left 10.93.0.2 10.93.0.1
        for box in left right; do
            "$program" peer id --config "$pair_folder/$box/config.toml" | tail -n 1 >"$pair_folder/$box/key"
        done
    done
    bench_disk left
    box_start left
    pair_wait 60 "left has its master PFS" test -d "$pair_folder/left/mnt/data/." >&2
    bench_from=$pair_folder/left/mnt/data bench_to=$pair_folder/right/mnt/data
}

# bench_disk BOX: a fresh file system for it.
bench_disk() {
    discard "$1"
    truncate -s 20G "$scratch/$1.img"
    attach "$1"
    "$program" newfs -f -L "bench$$-$1" "${loop_of[$1]}" >/dev/null
}

# bench_right: the other box begins anew, with an empty disk.
bench_right() {
    box_stop right || true
    bench_disk right
    box_start right
}

bench_pair_end() {
    local box
    for box in left right; do box_stop $box || true; done
    pair_end
    for box in left right; do discard $box; done
    rm -rf --one-file-system "$scratch/pair"
}

source_is() { [ "$(box_status left '.mirrors[0].phase')" = "$1" ]; }
source_works() { case "$(box_status left '.mirrors[0].phase')" in FirstLoad | Streaming | InStep) ;; *) false ;; esac }
source_number() { box_status left ".mirrors[0].$1" | sed 's/^$/0/'; }

# In step, and nothing behind the batch that was acknowledged last.
all_is_there() {
    [ "$(box_status left '.mirrors[0] | select(.phase == "InStep" and .lagSeconds == 0) | .slaveTid')" != "" ]
}

is_proven() { [ "$(box_status left '.mirrors[0] | select(.provenTid == .slaveTid) | .slaveTid')" != "" ]; }

# wire_bytes: what has arrived at the right box by the cable so far.
# A process in its network is the quick way to look, while there is one.
wire_bytes() {
    awk '/lan0:/ { print $2; is = 1 } END { exit !is }' "/proc/$(box_pid right)/net/dev" 2>/dev/null \
        || ip netns exec "$pair_space-right" awk '/lan0:/ { print $2 }' /proc/net/dev
}

# poll SECONDS WHAT CONDITION...: as pair_wait, finer.
poll() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $until ] || die "after a long time still not: $what"
        sleep 0.01
    done
}

bench_fill() {
    "$work" create "$bench_from" $((20000 / scale)) 53687 200 >/dev/null
    sync "$bench_from"
}

# The same first load over TLS between the daemons, and by mirror-copy and by a pipe between the mounts of the same two.
# All three find the source's data in the page cache, so that none is the first to read the disk. Asking a daemon for
# its status is half a tenth of a second of a core: while the load goes on only the cable's counter is looked at.
line_encrypted() {
    local run from shared kind at stream log=$scratch/mirror.log
    bench_pair
    bench_fill
    stream=$("$program" mirror-read "$bench_from" 2>/dev/null | wc -c)
    for run in $(seq "$runs"); do
        bench_right
        at=$(wire_bytes)
        poll 60 "the first load has begun" wire_above $((at + 65536))
        from=$(now)
        poll 600 "the first load is nearly over" wire_above $((at + stream))
        poll 60 "the first load is over" all_is_there
        keep encrypted tls "$(since "$from")"
        poll 60 "both are compared" is_proven
        # The same box without the mirror's section: nothing but the verb writes there.
        shared=$("$program" pfs-status "$bench_from" | sed -n 's/.*shared-uuid=//p')
        for kind in copy pipe; do
            "$program" pfs-slave "$pair_folder/right/mnt/$kind" "shared-uuid=$shared" >/dev/null
            from=$(now)
            case $kind in
                copy) "$program" mirror-copy "$bench_from" "$pair_folder/right/mnt/copy" ;;
                pipe) "$program" mirror-read "$bench_from" | "$program" mirror-write "$pair_folder/right/mnt/pipe" ;;
            esac >/dev/null 2>"$log" || { cat "$log" >&2; die "mirror by $kind failed"; }
            keep encrypted $kind "$(since "$from")"
        done
    done
    compare encrypted "first load of 1 GiB in 20 000 files, over TLS" $((1024 / scale)) MiB/s pipe 0.8 tls
    compare encrypted "first load of 1 GiB in 20 000 files, over TLS" $((1024 / scale)) MiB/s copy 0.8 tls
    bench_pair_end
}

# A first load on a cable of 25 MB/s whose plug is pulled again and again, and whose receiver is killed. Sent again is
# what the source counts: records of the batch that it had handed over before, arrived or not. What came in since the
# last group of the receiver that is durable is told by its status and the counter of its network interface.
line_cuts() {
    local cut times=$((8 / scale)) before
    bench_silence=1s
    [ $times -ge 4 ] || times=4
    bench_pair
    bench_fill
    pair_rate 200mbit
    bench_right
    poll 60 "the first load has begun" source_works
    for cut in $(seq $times); do
        before=$(source_number bytesResent)
        load_goes_on
        pair_cable_out
        poll 20 "the cut is seen" source_rests
        pair_cable_in
        cut_over cable "$before"
    done
    for cut in 1 2 3; do
        before=$(source_number bytesResent)
        load_goes_on
        kill_right "$(awk -v seed="$cut" 'BEGIN { srand(seed * 77); printf "%.2f", 1.5 + rand() }')"
        box_start right
        cut_over kill "$before"
    done
    cut_rows
    bench_pair_end
    bench_silence=
}

source_rests() { ! source_works; }

# Some more megabytes have arrived.
load_goes_on() {
    local goal=$(($(wire_bytes) + 10000000 / scale))
    poll 90 "the first load goes on" wire_above "$goal"
    source_is FirstLoad || die "the first load was over too soon: $(source_number bytesSent) bytes"
}
wire_above() { [ "$(wire_bytes)" -gt "$1" ]; }

# cut_over KIND BEFORE: what was sent again, once the load goes on.
cut_over() {
    poll 90 "the source works again" source_works
    load_goes_on
    sleep 1.2  # the numbers in the status are looked at once a second
    echo $(($(source_number bytesResent) - $2)) >>"$scratch/cuts.$1"
    say "cuts, $1: $(tail -n 1 "$scratch/cuts.$1") bytes sent again"
}

# kill_right SECONDS: watches it for so long, then kills it; notes what had come in since its last durable group.
kill_right() {
    local until group="" now_group at before_look last_look
    until=$(awk -v from="$(now)" -v s="$1" 'BEGIN { print from + s }')
    at=$(wire_bytes) last_look=$at
    while awk -v now="$(now)" -v until="$until" 'BEGIN { exit !(now < until) }'; do
        before_look=$(wire_bytes)
        now_group=$(box_status right '.volumes[0].durableTid')
        # The group closed between two looks: what came in since the first of them may be behind it.
        [ "$now_group" = "$group" ] || at=$last_look
        group=$now_group
        last_look=$before_look
    done
    kill -KILL "$(box_pid right)"
    echo $(($(wire_bytes) - at)) >>"$scratch/cuts.arrived"
    box_stop right KILL || true
}

cut_rows() {
    local most middle cuts arrived again
    cuts=$(wc -l <"$scratch/cuts.cable")
    middle=$(median <"$scratch/cuts.cable")
    most=$(sort -g "$scratch/cuts.cable" | tail -n 1)
    row "sent again after a cut of the link, $cuts cuts, median" "$(kib "$middle")" "<= 1024 KiB" \
        "$(at_most "$middle" 1048576)"
    row "sent again after a cut of the link, most" "$(kib "$most")" "<= 1024 KiB" "$(at_most "$most" 1048576)"
    paste "$scratch/cuts.kill" "$scratch/cuts.arrived" >"$scratch/cuts.kills"
    while read -r again arrived; do
        row "sent again after SIGKILL of the receiver" "$(kib "$again")" "<= $(kib "$arrived")" \
            "$(at_most "$again" "$arrived")"
    done <"$scratch/cuts.kills"
}
kib() { awk -v n="$1" 'BEGIN { printf "%.0f KiB", n / 1024 }'; }

# Changes happen while the other box is away: its daemon has been stopped, and starts. From the moment when it answers
# until the first byte of the stream has come in; and all bytes on the wire until both are in step, beside what
# mirror-read gives of the same range.
line_catchup() {
    local run since_tid from at alone wire
    bench_pair
    bench_fill
    bench_right
    poll 60 "the first load has begun" source_works
    poll 600 "the first load is over" all_is_there
    poll 60 "both are compared" is_proven
    for run in $(seq "$runs"); do
        since_tid=$(source_number slaveTid)
        box_stop right || true
        "$work" change "$bench_from" $((4000 / scale)) "$run" >/dev/null
        sync "$bench_from"
        alone=$("$program" mirror-read "$bench_from" "$since_tid" 2>/dev/null | wc -c)
        # Long enough for the waits between attempts to have grown.
        sleep 5
        wire=$(wire_bytes)
        box_start right
        poll 60 "the other box answers" box right status --json >/dev/null 2>&1
        from=$(now) at=$(wire_bytes)
        [ $((at - wire)) -lt 65536 ] || from=$(now)
        poll 90 "the stream has begun" wire_above $((wire + 65536))
        keep catchup start "$(since "$from")"
        poll 300 "all is there" all_is_there
        echo "$(($(wire_bytes) - wire)) $alone" | tee -a "$scratch/catchup.bytes" >&2
        poll 60 "both are compared" is_proven
    done
    at=$(median_of catchup start)
    row "catch-up after absence: begins" "$(printf '%.2f s' "$at")" "<= 1 s" "$(at_most "$at" 1)"
    at=$(awk '{ print $1 / $2 }' "$scratch/catchup.bytes" | median)
    row "catch-up after absence: bytes on the wire" "$(awk -v r="$at" 'BEGIN { printf "%.3f of mirror-read", r }')" \
        "<= 1.05" "$(at_most "$at" 1.05)"
    bench_pair_end
}

# Both boxes in step, compared, nobody writes: a minute of looking at disks, processor and memory.
line_idle() {
    local seconds=$((60 / scale)) box before after cpu
    [ $seconds -ge 5 ] || seconds=5
    bench_pair
    bench_fill
    bench_right
    poll 60 "the first load has begun" source_works
    poll 600 "the first load is over" all_is_there
    poll 60 "both are compared" is_proven
    # A volume that has come to rest gets its last time mark within two minutes; then it is idle.
    sleep $((150 / scale + 15))
    for box in left right; do
        cat "/sys/block/$(basename "${loop_of[$box]}")/stat" >"$scratch/idle.$box"
        cpu_of "$(box_pid $box)" >"$scratch/idle.cpu.$box"
    done
    sleep $seconds
    for box in left right; do
        # Reads and writes that the device has completed.
        before=$(awk '{ print $1 + $5 + $16 }' "$scratch/idle.$box")
        after=$(awk '{ print $1 + $5 + $16 }' "/sys/block/$(basename "${loop_of[$box]}")/stat")
        cpu=$(awk -v a="$(cat "$scratch/idle.cpu.$box")" -v b="$(cpu_of "$(box_pid $box)")" -v s=$seconds \
            'BEGIN { printf "%.3f", (b - a) / s * 100 }')
        row "idle pair, $seconds s: accesses of the disk, $box" "$((after - before))" "0" \
            "$(at_most $((after - before)) 0)"
        row "idle pair: processor, $box" "$cpu % of a core" "<= 0.5 %" "$(at_most "$cpu" 0.5)"
        cpu=$(resident_of "$(box_pid $box)")
        row "idle pair: resident memory after the load, $box" "$cpu MB" "<= 60 MB" "$(at_most "$cpu" 60)"
    done
    bench_pair_end
}
