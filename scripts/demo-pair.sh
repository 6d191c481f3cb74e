# The second half of the demo: two boxes with a config.toml each, a cable between them, nobody who administers them.
# Sourced by demo.sh, which brings say, die, row, since, rate, digest and the tree to copy.

pair_images_bytes=16G
first_load_rate=100mbit
pair_least_bytes=100000000
mirror_master= mirror_slave=

pair_config() {
    local box=$1 other=$2 listen=$3 address=$4
    cat >"$scratch/pair/$box/config.toml" <<C
[box]
name = "$box"
state = "$scratch/pair/$box/state"
run = "$scratch/pair/$box/run"

[listen]
address = "$listen:7445"

[volumes.photos-$box]
images = ["$scratch/pair/$box/disk.img"]
label = "$box"
mount = "$scratch/pair/$box/mnt"
flush = "5s"

[peers.$other]
address = "$address:7445"
$([ ! -s "$scratch/pair/$other/key" ] || echo "key = \"$(cat "$scratch/pair/$other/key")\"")

[mirrors.family]
from = "left:photos-left/family"
to = "right:photos-right/family"
lag-limit = "10s"
stall = "20s"
silence = "1s"

[led]
device = "demo:green:status"
C
    "$program" config check "$scratch/pair/$box/config.toml" || die "the configuration of $box has mistakes"
}

pair_configs() {
    pair_config left right 10.93.0.1 10.93.0.2
    pair_config right left 10.93.0.2 10.93.0.1
    printf '\n[pfs.family]\nvolume = "photos-left"\npath = "family"\n' >>"$scratch/pair/left/config.toml"
}

pair_boxes() {
    local box
    pair_program=$program
    mkdir -p "$scratch/pair"
    pair_new "$scratch/pair"
    for box in left right; do
        truncate -s $pair_images_bytes "$scratch/pair/$box/disk.img"
        "$program" newfs -f -L $box "$scratch/pair/$box/disk.img" >/dev/null
        # A light as the kernel shows it in /sys/class/leds: what is written there is what it would blink.
        mkdir -p "$scratch/pair/$box/leds/demo:green:status"
        (cd "$scratch/pair/$box/leds/demo:green:status" && echo 255 >max_brightness && touch trigger pattern repeat)
    done
    pair_configs
    for box in left right; do
        "$program" peer id --config "$scratch/pair/$box/config.toml" | tail -n 1 >"$scratch/pair/$box/key"
    done
    pair_configs
    mirror_master=$scratch/pair/left/mnt/family mirror_slave=$scratch/pair/right/mnt/family
}

phase_is() { [ "$(box_status left '.mirrors[0].phase')" = "$1" ]; }
phase_is_not() { ! phase_is "$1"; }
# How much of the tree has been sent: without a scan ahead the box itself does not know what is left.
sent_above() {
    awk -v sent="$(box_status left '.mirrors[0].bytesSent')" -v all="$pair_bytes" -v part="$1" \
        'BEGIN { exit !(sent > part * all) }'
}

# face EVENT LIGHT: status and light must say so within two seconds, and the panel is drawn.
face() {
    local from seconds
    from=$(now)
    pair_wait 10 "the box says $2 after: $1" light_is "$2"
    pair_wait 10 "the light plays $2 after: $1" light_plays "$2"
    seconds=$(since "$from")
    mkdir -p "$root/out/demo"
    "$program" panel --socket "$scratch/pair/left/run/daemon.sock" --png "$root/out/demo/panel-$2.png" >/dev/null
    row "  light and panel: $2" "$seconds" "" "" "after: $1; out/demo/panel-$2.png"
    awk -v s="$seconds" 'BEGIN { exit !(s < 2.5) }' || die "light and panel took $seconds s after: $1"
}
light_is() { [ "$(box_status left .light)" = "$1" ]; }

# What the kernel was told to blink: brightness and milliseconds in pairs (docs/OPERATING.md).
light_plays() {
    local beginning
    case "$1" in
        FirstLoad) beginning='255 400 255 0 0 100 ' ;;
        PeerUnreachable) beginning='255 150 255 0 0 200 ' ;;
        InStepProven) beginning='255 12000 ' ;;
        *) return 1 ;;
    esac
    case "$(cat "$scratch/pair/left/leds/demo:green:status/pattern")" in "$beginning"*) return 0 ;; esac
    return 1
}

pair_fill() {
    local from folder
    box_start left
    pair_wait 30 "left has made its master PFS" test -d "$mirror_master/."
    from=$(now)
    mkdir "$mirror_master/tree"
    # Whole folders of the tree shown before, until it is enough to pull a cable in.
    pair_bytes=0
    while IFS= read -r -d '' folder; do
        [ $pair_bytes -lt $pair_least_bytes ] || break
        [ ! -e "$mirror_master/tree/$(basename "$folder")" ] || continue
        cp -a "$folder" "$mirror_master/tree/"
        pair_bytes=$((pair_bytes + $(du -sb "$folder" | cut -f 1)))
    done < <(find "${tree[0]}" -mindepth 2 -maxdepth 2 -type d -print0)
    sync "$mirror_master"
    row "left alone: copy in" "$(since "$from")" "$(rate "$pair_bytes" "$(since "$from")")" "" \
        "$((pair_bytes / 1000000)) MB"
}

first_load_with_accidents() {
    local from
    pair_rate $first_load_rate
    from=$(now)
    box_start right
    pair_wait 30 "the first load has begun" phase_is FirstLoad
    pair_wait 60 "a fifth of it is there" sent_above 0.2
    face "first load under way" FirstLoad
    pair_cable_out
    face "cable pulled" PeerUnreachable
    pair_cable_in
    pair_wait 60 "the load goes on after the cable" sent_above 0.5
    box_stop right KILL || true
    face "daemon of the other box killed" PeerUnreachable
    box_start right
    pair_wait 120 "both are in step" phase_is InStep
    row "first load, cable pulled, daemon killed" "$(since "$from")" "" "" "at $first_load_rate"
    row "  resumed at the exact key" "" "" "" "$(box_status left '.mirrors[0].resumes') times, \
$(box_status left '.mirrors[0].bytesResent') bytes sent again of $(box_status left '.mirrors[0].bytesSent')"
    [ "$(box_status left '.mirrors[0].resumes')" -ge 1 ] || die "the first load was not resumed"
    pair_rate ""
}

pair_equal() {
    local tid ours theirs
    tid=$(readlink "$mirror_slave" | sed -n 's/^@@\(0x[0-9a-f]*\):.*/\1/p')
    ours=$(digest "$mirror_master/@@$tid")
    theirs=$(digest "$mirror_slave")
    [ "$ours" = "$theirs" ] || die "the boxes differ at $tid: $ours and $theirs"
    row "  archives equal on both boxes" "" "" "" "$tid sha256 ${ours:0:16}"
}

# How old is the oldest change that the other box has not got, ten times a second while somebody writes.
lag_under_writer() {
    local i
    : >"$scratch/pair/lags"
    for i in $(seq 60); do
        head -c $((i * 40961)) /dev/urandom >"$mirror_master/tree/new$((i % 20))"
        box_status left '.mirrors[0].lagSeconds' >>"$scratch/pair/lags"
        sleep 0.1
    done
    sort -n "$scratch/pair/lags" >"$scratch/pair/sorted"
    row "lag while somebody writes" "" "" "" \
        "median $(at_part 0.5) s, 99 % below $(at_part 0.99) s, most $(at_part 1) s"
    pair_wait 30 "both are in step again" phase_is InStep
}
at_part() {
    awk -v p="$1" '{ v[NR] = $1 } END { i = int(NR * p); printf "%.2f", v[i < 1 ? 1 : i] }' "$scratch/pair/sorted"
}

pair_verify() {
    local from form
    for form in "" --full; do
        from=$(now)
        # shellcheck disable=SC2086  # no word where it is empty
        box left verify family $form >"$scratch/pair/verify" || { cat "$scratch/pair/verify"; die "verify says no"; }
        row "verify ${form:-quick}" "$(since "$from")" "" "" "$(tail -n 1 "$scratch/pair/verify")"
    done
    face "verified" InStepProven
}

pair_over() {
    local box
    for box in left right; do
        box_stop $box || die "the daemon of $box did not end well: $(tail -n 5 "$scratch/pair/$box/log")"
        "$program" check --data "$scratch/pair/$box/disk.img" >"$scratch/pair/check" 2>&1 \
            || { tail -n 20 "$scratch/pair/check"; die "check --data of $box found something"; }
        row "check --data ($box)" "" "" "" "$(tail -n 1 "$scratch/pair/check")"
    done
    pair_end
}

show_pair() {
    pair_boxes
    pair_fill
    first_load_with_accidents
    pair_equal
    lag_under_writer
    pair_equal
    pair_verify
    pair_over
}
