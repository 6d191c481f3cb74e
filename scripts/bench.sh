#!/usr/bin/env bash
# How fast, beside the neighbours on the same machine: the table of docs/BENCH.md. All file systems lie on loop devices
# (direct I/O) over images in one folder; the runs alternate; a figure is the median over the runs of ours : peer.
#
# usage: scripts/bench.sh               (or make bench)
#
# BENCH="write read"    only these lines: write read random16 random64 create walk delete append
#                       save fsyncers mirror increment first lag mount memory encrypted cuts catchup idle prune reblock
# BENCH_RUNS=N          alternating runs (default 5)
# BENCH_PEERS="ext4"    only these neighbours: ext4 btrfs ntfs-3g fuse2fs
# BENCH_SCALE=N         divides all counts and sizes, for a trial of the script (default 1; figures mean nothing then)
# BENCH_OUT=file        gets the table in Markdown as well
# NASHAMMER=program     the program to measure (default: built here, NativeAOT)
# TMPDIR=folder         where the images are to lie: 12 GB free
#
# Cold means: unmounted, the loop device detached, the image's pages dropped (posix_fadvise), mounted again. Nothing
# machine-wide is dropped or changed. The exit code is 0 if the lines could be measured, whether targets are met or not.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. scripts/bench-pair.sh
. scripts/bench-history.sh

all_lines="write read random16 random64 create walk delete append save fsyncers mirror increment first lag mount memory"
all_lines="$all_lines $pair_lines $history_lines"
lines=${BENCH:-$all_lines}
runs=${BENCH_RUNS:-5}
scale=${BENCH_SCALE:-1}
work=$root/scripts/bench-work.pl
started=$SECONDS
scratch=
declare -A loop_of mounted_as pid_of

say() { printf 'bench: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.6f", to - from }'; }

clean_up() {
    local code=$? name
    trap - EXIT
    trap '' INT TERM HUP
    [ -n "$scratch" ] || exit $code
    pair_end
    for name in "${!loop_of[@]}"; do discard "$name" || true; done
    # Whatever is still there lies under our own folder.
    awk -v under="$scratch/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | while read -r name; do
        umount -l "$name" || true
    done
    losetup -l -n -O NAME,BACK-FILE | awk -v under="$scratch/" 'index($2, under) == 1 { print $1 }' \
        | while read -r name; do losetup -d "$name" || true; done
    rm -rf --one-file-system "$scratch"
    exit $code
}

prepare() {
    [ "$(id -u)" -eq 0 ] || die "mounting needs root"
    scripts/setup.sh build aot bench
    program=${NASHAMMER:-}
    if [ -z "$program" ]; then
        program=$root/out/linux-x64/nashammer
        scripts/build.sh linux-x64 >&2
    fi
    program=$(readlink -f "$program")
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/nashammer-bench.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    [ "$(df --output=avail -BG "$scratch" | tail -n 1 | tr -dc 0-9)" -ge 12 ] || die "$scratch needs 12 GB"
}

# ---- File systems: NAME is the kind, or kind and a number where two of a kind are needed (ext4-2) -------------------

# make NAME [SIZE]: a fresh file system in a fresh sparse image, mounted at $scratch/NAME.
make() {
    local name=$1 size=${2:-20G} image=$scratch/$1.img
    discard "$name"
    truncate -s "$size" "$image"
    attach "$name"
    case "$name" in
        ours*) "$program" newfs -L "$name" "${loop_of[$name]}" ;;
        ext4*) mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "${loop_of[$name]}" ;;
        btrfs*) mkfs.btrfs -q "${loop_of[$name]}" ;;
        ntfs-3g*) mkfs.ntfs -q -Q -p 0 -H 255 -S 63 "${loop_of[$name]}" ;;
        fuse2fs*) mkfs.ext4 -q "${loop_of[$name]}" ;;
        *) die "no file system is called $name" ;;
    esac >"$scratch/mkfs.log" 2>&1 || { cat "$scratch/mkfs.log" >&2; die "$name could not be made"; }
    mkdir -p "$scratch/$name"
    attach_mount "$name"
}

attach() { loop_of[$1]=$(losetup --direct-io=on --show -f "$scratch/$1.img"); }

attach_mount() {
    local name=$1 device=${loop_of[$1]} place=$scratch/$1
    case "$name" in
        ours*) "$program" mount "$device" "$place" ;;
        ntfs-3g*) ntfs-3g "$device" "$place" ;;
        fuse2fs*) fuse2fs -o fakeroot "$device" "$place" >"$scratch/fuse2fs.log" 2>&1 ;;
        *) mount -o noatime "$device" "$place" ;;
    esac
    mounted_as[$name]=$place
    pid_of[$name]=$(pgrep -nf -- "(--detached|ntfs-3g|fuse2fs) .*$device " || true)
}

leave() {
    local name=$1
    [ -n "${mounted_as[$name]:-}" ] || return 0
    case "$name" in
        ours*) "$program" umount "$scratch/$name" ;;
        *) umount "$scratch/$name" ;;
    esac
    unset "mounted_as[$name]"
    # A file system in user space lets go of its device only when its process has ended.
    while [ -n "${pid_of[$name]}" ] && kill -0 "${pid_of[$name]}" 2>/dev/null; do sleep 0.02; done
}

detach() {
    [ -n "${loop_of[$1]:-}" ] || return 0
    losetup -d "${loop_of[$1]}"
    while losetup -j "$scratch/$1.img" | grep -q .; do sleep 0.02; done
    unset "loop_of[$1]"
}

discard() {
    leave "$1"
    detach "$1"
    rm -f "$scratch/$1.img"
}

cold() {
    local name
    for name in "$@"; do
        leave "$name"
        detach "$name"
        dd if="$scratch/$name.img" iflag=nocache count=0 status=none
        sync "$scratch/$name.img"
        attach "$name"
        attach_mount "$name"
    done
}

# Everything of this file system on its image, and the image on the disk. syncfs does not reach a file system in user
# space, fsync of its root folder does.
settle() { sync -f "$scratch/$1" && sync "$scratch/$1" && sync "${loop_of[$1]}"; }

# ---- Figures --------------------------------------------------------------------------------------------------------

# keep LINE NAME SECONDS: one measurement.
keep() {
    printf '%s\n' "$3" >>"$scratch/$1.$2.seconds"
    say "$1, $2: $(awk -v s="$3" 'BEGIN { printf "%.3f s", s }')"
}

median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

median_of() { median <"$scratch/$1.$2.seconds"; }

# How many times as fast we are: the median of the ratios of each run's pair.
ratio_of() { paste "$scratch/$1.$3.seconds" "$scratch/$1.$2.seconds" | awk '{ print $1 / $2 }' | median; }

# row WORK FIGURE TARGET VERDICT
row() {
    printf '| %s | %s | %s | %s |\n' "$@" >>"$scratch/table"
    printf '%-58s %-34s %-16s %s\n' "$@"
}

at_least() { awk -v is="$1" -v least="$2" 'BEGIN { print (is >= least ? "ok" : "missed") }'; }
at_most() { awk -v is="$1" -v most="$2" 'BEGIN { print (is <= most ? "ok" : "missed") }'; }

# compare LINE WORK AMOUNT UNIT PEER TARGET [OURS]: a row with the ratio and both medians as AMOUNT per second.
compare() {
    local line=$1 what=$2 amount=$3 unit=$4 peer=$5 target=$6 ours=${7:-ours} ratio figure verdict=ok
    [ -e "$scratch/$line.$peer.seconds" ] || return 0
    ratio=$(ratio_of "$line" "$ours" "$peer")
    figure=$(awk -v amount="$amount" -v unit="$unit" -v a="$(median_of "$line" "$ours")" \
        -v b="$(median_of "$line" "$peer")" -v ratio="$ratio" \
        'BEGIN { printf "%.2f (%.4g : %.4g %s)", ratio, amount / a, amount / b, unit }')
    if [ -n "$target" ]; then
        verdict=$(at_least "$ratio" "$target")
        target=">= $target $peer"
    else
        target="($peer)" verdict=
    fi
    row "$what" "$figure" "$target" "$verdict"
}

# ---- The lines ------------------------------------------------------------------------------------------------------

peers="ours ${BENCH_PEERS:-ext4 btrfs ntfs-3g fuse2fs}"
mib=$((1024 / scale))

line_write() {
    local name run
    for name in $peers; do make "$name"; done
    for run in $(seq "$runs"); do
        for name in $peers; do
            rm -f "$scratch/$name/file"
            settle "$name"
            keep write "$name" "$("$work" write "$scratch/$name/file" $mib)"
        done
    done
    for name in ext4:0.8 ntfs-3g:1.5 btrfs: fuse2fs:; do
        compare write "write 1 GiB in 1 MiB pieces, fsync" "$mib" MiB/s "${name%:*}" "${name#*:}"
    done
}

line_read() {
    local name run
    for name in $peers; do
        make "$name"
        "$work" write "$scratch/$name/file" $mib >/dev/null
    done
    for run in $(seq "$runs"); do
        for name in $peers; do
            cold "$name"
            keep read "$name" "$("$work" read "$scratch/$name/file")"
        done
    done
    for name in ext4:0.8 btrfs: ntfs-3g: fuse2fs:; do
        compare read "read it back cold, CRCs checked" "$mib" MiB/s "${name%:*}" "${name#*:}"
    done
}

# random LINE TEXT TARGET STEP: after a warm-up that leads to each leaf of the tree but reads other pages.
random() {
    local line=$1 what=$2 target=$3 step=$4 name run reads=$((4000 / scale))
    for run in $(seq "$runs"); do
        for name in ours ext4; do
            cold "$name"
            "$work" touch "$scratch/$name" "$step" >/dev/null
            keep "$line" "$name" "$("$work" random "$scratch/$name" $reads "$run")"
        done
    done
    compare "$line" "$what" "$reads" reads/s ext4 "$target"
}

line_random16() {
    local name
    for name in ours ext4; do
        make "$name"
        "$work" create "$scratch/$name" "$mib" $((1 << 20)) 16 >/dev/null
        settle "$name"
    done
    random random16 "4 KiB random reads in 16 KiB records" 0.6 $((256 << 10))
}

line_random64() {
    local name
    for name in ours ext4; do
        make "$name"
        "$work" write "$scratch/$name/file" "$mib" >/dev/null
    done
    random random64 "4 KiB random reads in 64 KiB records" 0.3 $((2 << 20))
}

line_create() {
    local name run count=$((20000 / scale)) from
    for run in $(seq "$runs"); do
        for name in $peers; do
            make "$name"
            settle "$name"
            from=$(now)
            "$work" create "$scratch/$name" $count 4096 200 >/dev/null
            settle "$name"
            keep create "$name" "$(since "$from")"
            discard "$name"
        done
    done
    for name in ntfs-3g:2 ext4:0.3 btrfs: fuse2fs:; do
        compare create "create 20 000 files of 4 KiB, sync" "$count" files/s "${name%:*}" "${name#*:}"
    done
}

line_walk() {
    local name run count=$((100000 / scale))
    for name in $peers; do
        make "$name"
        "$work" create "$scratch/$name" $count 8 1000 >/dev/null
        settle "$name"
    done
    for run in $(seq "$runs"); do
        for name in $peers; do
            cold "$name"
            keep walk "$name" "$("$work" walk "$scratch/$name")"
        done
    done
    for name in ntfs-3g:1 ext4: btrfs: fuse2fs:; do
        compare walk "cold walk with stat of 100 000 files" "$count" files/s "${name%:*}" "${name#*:}"
    done
}

line_delete() {
    local name run count=$((100000 / scale)) from
    for run in $(seq "$runs"); do
        for name in $peers; do
            make "$name"
            mkdir "$scratch/$name/tree"
            "$work" create "$scratch/$name/tree" $count 8 1000 >/dev/null
            settle "$name"
            cold "$name"
            from=$(now)
            "$work" delete "$scratch/$name/tree" >/dev/null
            settle "$name"
            keep delete "$name" "$(since "$from")"
            discard "$name"
        done
    done
    for name in ntfs-3g:2 ext4: btrfs: fuse2fs:; do
        compare delete "delete 100 000 files, sync" "$count" files/s "${name%:*}" "${name#*:}"
    done
}

line_append() {
    local name run count=$((2000 / scale))
    for name in $peers; do make "$name"; done
    for run in $(seq "$runs"); do
        for name in $peers; do
            keep append "$name" "$("$work" append "$scratch/$name" 1 "$count")"
            settle "$name"
        done
    done
    for name in ext4:0.7 ntfs-3g:3 btrfs: fuse2fs:; do
        compare append "append 4 KiB, fsync, one after the other" "$count" fsyncs/s "${name%:*}" "${name#*:}"
    done
}

line_save() {
    local name run count=$((1000 / scale))
    for name in $peers; do make "$name"; done
    for run in $(seq "$runs"); do
        for name in $peers; do
            keep save "$name" "$("$work" save "$scratch/$name" "$count")"
            settle "$name"
        done
    done
    for name in ext4:0.5 btrfs: ntfs-3g: fuse2fs:; do
        compare save "create, write 4 KiB, fsync, rename" "$count" saves/s "${name%:*}" "${name#*:}"
    done
}

# Eight at once against one alone, of ours; ext4 for comparison.
line_fsyncers() {
    local name run count=$((1000 / scale))
    for name in ours ext4; do make "$name"; done
    for run in $(seq "$runs"); do
        for name in ours ext4; do
            keep fsyncers "$name-1" "$("$work" append "$scratch/$name" 1 "$((count * 8))")"
            keep fsyncers "$name-8" "$("$work" append "$scratch/$name" 8 "$count")"
            settle "$name"
        done
    done
    for name in ours:3 ext4:; do
        compare fsyncers "8 processes append and fsync, against one (${name%:*})" "$((count * 8))" fsyncs/s \
            "${name%:*}-1" "${name#*:}" "${name%:*}-8"
    done
}

# make_pfs NAME: a master there; slave_of NAME SOURCE: a fresh volume with a slave for it.
make_pfs() {
    make "$1"
    "$program" pfs-master "$scratch/$1/data" >/dev/null
}

slave_of() {
    local shared
    shared=$("$program" pfs-status "$scratch/$2/data" | sed -n 's/.*shared-uuid=//p')
    make "$1"
    "$program" pfs-slave "$scratch/$1/data" "shared-uuid=$shared" >/dev/null
}

line_mirror() {
    local run count=$((20000 / scale)) from
    make_pfs ours
    make ext4
    make btrfs
    btrfs -q subvolume create "$scratch/btrfs/data"
    mkdir "$scratch/ext4/data"
    for name in ours ext4 btrfs; do
        "$work" create "$scratch/$name/data" $count $((53687)) 200 >/dev/null
        settle "$name"
    done
    btrfs -q subvolume snapshot -r "$scratch/btrfs/data" "$scratch/btrfs/still"
    settle btrfs
    for run in $(seq "$runs"); do
        cold ours
        slave_of ours-2 ours
        from=$(now)
        "$program" mirror-copy "$scratch/ours/data" "$scratch/ours-2/data" >/dev/null 2>"$scratch/mirror.log" \
            || { cat "$scratch/mirror.log" >&2; die "mirror-copy failed"; }
        settle ours-2
        keep mirror ours "$(since "$from")"
        discard ours-2

        cold ext4
        make ext4-2
        from=$(now)
        rsync -a "$scratch/ext4/data" "$scratch/ext4-2/"
        settle ext4-2
        keep mirror rsync "$(since "$from")"
        discard ext4-2

        cold btrfs
        make btrfs-2
        from=$(now)
        btrfs -q send "$scratch/btrfs/still" | btrfs -q receive "$scratch/btrfs-2"
        settle btrfs-2
        keep mirror btrfs-send "$(since "$from")"
        discard btrfs-2
    done
    compare mirror "full mirror of 1 GiB in 20 000 files" $((1024 / scale)) MiB/s rsync 2
    compare mirror "full mirror of 1 GiB in 20 000 files" $((1024 / scale)) MiB/s btrfs-send 0.8
}

# CPU that processes have used, in seconds.
cpu_of() {
    local pid
    for pid in "$@"; do sed 's/.*) //' "/proc/$pid/stat"; done \
        | awk -v hz="$(getconf CLK_TCK)" '{ n += $12 + $13 } END { printf "%.3f", n / hz }'
}

line_increment() {
    local run count=$((100000 / scale)) from before cpu nodes
    make_pfs ours
    make ext4
    mkdir "$scratch/ext4/data"
    for name in ours ext4; do
        "$work" create "$scratch/$name/data" $count 4096 1000 >/dev/null
        settle "$name"
    done
    slave_of ours-2 ours
    make ext4-2
    "$program" mirror-copy "$scratch/ours/data" "$scratch/ours-2/data" >/dev/null 2>&1
    rsync -a "$scratch/ext4/data" "$scratch/ext4-2/"
    settle ours-2
    settle ext4-2
    for run in $(seq "$runs"); do
        "$work" change "$scratch/ours/data" 10 "$run" >/dev/null
        settle ours
        before=$(cpu_of "${pid_of[ours]}" "${pid_of[ours-2]}")
        from=$(now)
        # The shell's times are those of its ended children: the command's own CPU.
        cpu=$({ TIMEFORMAT='%3U %3S'; time "$program" mirror-copy -vv "$scratch/ours/data" "$scratch/ours-2/data" \
            >"$scratch/mirror.log" 2>&1; } 2>&1 | awk '{ printf "%.3f", $1 + $2 }')
        keep increment ours "$(since "$from")"
        cpu=$(awk -v a="$cpu" -v b="$before" -v c="$(cpu_of "${pid_of[ours]}" "${pid_of[ours-2]}")" \
            'BEGIN { printf "%.3f", a + c - b }')
        keep increment ours-cpu "$cpu"

        "$work" change "$scratch/ext4/data" 10 "$run" >/dev/null
        settle ext4
        from=$(now)
        rsync -a "$scratch/ext4/data" "$scratch/ext4-2/"
        settle ext4-2
        keep increment rsync "$(since "$from")"
    done
    nodes=$(grep -o '[0-9]* nodes' "$scratch/mirror.log" | tail -n 1 || true)
    cpu=$(median_of increment ours-cpu)
    row "incremental mirror, 10 files of 100 000 changed: CPU" \
        "$(awk -v s="$cpu" 'BEGIN { printf "%.0f ms", s * 1000 }')${nodes:+, $nodes visited}" "<= 100 ms" \
        "$(at_most "$cpu" 0.1)"
    compare increment "the same, time" 1 mirrors/s rsync 20
}

# A first load begins at once, whatever the size: until the first record is sent, of a PFS larger than what the original
# would scan before.
line_first() {
    local run seconds
    make_pfs ours
    "$work" write "$scratch/ours/data/big" $((5 * 1024 / scale)) >/dev/null
    "$work" create "$scratch/ours/data" $((20000 / scale)) 4096 200 >/dev/null
    settle ours
    for run in $(seq "$runs"); do
        cold ours
        slave_of ours-2 ours
        keep first ours "$("$work" first "$program" mirror-copy -v "$scratch/ours/data" "$scratch/ours-2/data")"
        discard ours-2
    done
    seconds=$(median_of first ours)
    row "first byte of a first load of $((5 * 1024 / scale)) MiB, cold" "$(printf "%.2f s" "$seconds")" \
        "<= 1 s" "$(at_most "$seconds" 1)"
}

# percentile N FILE
percentile() { sort -g "$2" | awk -v p="$1" '{ v[NR] = $1 } END { print v[int((NR * p + 99) / 100)] }'; }

# lag_row WHAT FILE
lag_row() {
    local middle most
    middle=$(percentile 50 "$2")
    most=$(percentile 99 "$2")
    row "$1, p50" "$middle s" "<= 1.5 s" "$(at_most "$middle" 1.5)"
    row "$1, p99" "$most s" "<= 5 s" "$(at_most "$most" 5)"
}

# From fsync on the master to durable and readable on the slave, which shows nothing that is not durable.
line_lag() {
    local stream writer times=$((100 / scale)) from=$scratch/ours/data to=$scratch/ours-2/data
    [ "$times" -ge 5 ] || times=5
    make_pfs ours
    slave_of ours-2 ours
    "$program" mirror-stream -i 0 "$from" "$to" >/dev/null 2>"$scratch/mirror.log" &
    stream=$!
    "$work" lag "$from" "$to" "$times" 0.7 "$scratch/lag.small" >/dev/null
    lag_row "lag of a mirror, single small changes" "$scratch/lag.small"
    "$work" mixed "$from/mixed" 20 $((times * 4)) >/dev/null &
    writer=$!
    "$work" lag "$from" "$to" "$times" 0.7 "$scratch/lag.mixed" >/dev/null
    kill "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
    lag_row "lag of a mirror, 20 MB/s of mixed writes" "$scratch/lag.mixed"
    kill "$stream"
    wait "$stream" 2>/dev/null || true
}

line_mount() {
    local run from seconds
    make ours 1T
    for run in $(seq "$runs"); do
        leave ours
        detach ours
        dd if="$scratch/ours.img" iflag=nocache count=0 status=none
        attach ours
        from=$(now)
        attach_mount ours
        keep mount ours "$(since "$from")"
    done
    seconds=$(median_of mount ours)
    row "mount of a clean 1 TiB sparse volume" "$(awk -v s="$seconds" 'BEGIN { printf "%.2f s", s }')" "<= 0.5 s" \
        "$(at_most "$seconds" 0.5)"
}

resident_of() { awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

line_memory() {
    local count=$((1000000 / scale)) idle walked
    make ours
    idle=$(resident_of "${pid_of[ours]}")
    row "resident memory, idle" "$idle MB" "<= 40 MB" "$(at_most "$idle" 40)"
    "$work" create "$scratch/ours" $count 0 1000 >/dev/null
    settle ours
    say "memory after creating $count files: $(resident_of "${pid_of[ours]}") MB"
    cold ours
    "$work" walk "$scratch/ours" >/dev/null
    walked=$(resident_of "${pid_of[ours]}")
    row "resident memory after walking 1 000 000 files" "$walked MB" "<= 150 MB" "$(at_most "$walked" 150)"
}

describe_machine() {
    echo "Measured $(date -u +%Y-%m-%d), commit $(git describe --always --dirty 2>/dev/null || echo unknown)," \
        "kernel $(uname -r), $(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), load" \
        "$(cut -d ' ' -f 1 /proc/loadavg), $runs runs$([ "$scale" = 1 ] || echo ", all sizes divided by $scale")."
}

for line in $lines; do
    case " $all_lines " in *" $line "*) ;; *) die "'$line' is none of $all_lines" ;; esac
done
prepare
describe_machine | tee "$scratch/head"
printf '\n| Work | Ours : peer | Target | |\n|---|---|---|---|\n' >"$scratch/table"
for line in $lines; do
    "line_$line"
    for name in "${!loop_of[@]}"; do discard "$name"; done
    if [ -n "${BENCH_OUT:-}" ]; then cat "$scratch/head" "$scratch/table" >"$BENCH_OUT"; fi
done
say "$(minutes_since "$started") in all"
