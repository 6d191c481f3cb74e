#!/usr/bin/env bash
# The main job, end to end, on real files: two images become two volumes, one is filled, mirrored to the other while it
# is written, loses its process in mid-write and goes on. Ends with a table; exit 0 only if every claim of it held.
# Whatever happens, nothing is left behind: everything lies in one temporary folder.
#
# usage: scripts/demo.sh                (or make demo [DEMO_DIR=folder])
#
# DEMO_DIR=folder       what is copied in (default: the SDK, then documentation and libraries until it is enough)
# DEMO_ROUNDS=N         incremental mirrors under the writer (default 3)
# NASHAMMER=program     the program to show (default: built here, NativeAOT)
# TMPDIR=folder         where the images are to lie (needs about four times the size of the tree)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. scripts/pair.sh
. scripts/demo-pair.sh

least_bytes=$((500 * 1000 * 1000)) least_files=5000
rounds=${DEMO_ROUNDS:-3}
started=$SECONDS
scratch=
writer=
report=()

say() { printf 'demo: %s\n' "$*"; }
die() { printf 'demo: FAILED: %s\n' "$*" >&2; exit 1; }
now() { date +%s.%N; }

# since MOMENT: seconds with two places; rate BYTES SECONDS: MB/s.
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.2f", to - from }'; }
rate() { awk -v bytes="$1" -v seconds="$2" 'BEGIN { printf "%.0f", bytes / 1e6 / (seconds > 0 ? seconds : 0.01) }'; }

# row WHAT SECONDS MB/S RECORDS REMARK: a line of the table at the end; said at once too.
row() {
    report+=("$(printf '%-34s %8s %7s %9s  %s' "$@")")
    say "$1:${2:+ $2 s}${3:+, $3 MB/s}${4:+, $4 records}${5:+ $5}"
}

clean_up() {
    local code=$? place pid
    trap - EXIT
    trap '' INT TERM HUP
    [ -n "$scratch" ] || exit $code
    stop_writer
    pair_end || true
    for place in "$scratch/a" "$scratch/b"; do
        mountpoint -q "$place" 2>/dev/null || [ -n "$(mounts_on "$place")" ] || continue
        timeout 60 "$program" umount "$place" >/dev/null 2>&1 || true
        [ -z "$(mounts_on "$place")" ] || umount -l "$place" || true
    done
    for pid in $(server_of a) $(server_of b); do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf --one-file-system "$scratch"
    [ $code -ne 0 ] || say "all of it held; $(minutes_since "$started")"
    exit $code
}

mounts_on() { awk -v place="$1" '$2 == place { print $1 }' /proc/mounts; }

# The process that serves volume a or b: the only one whose arguments name its image in our own folder.
server_of() { pgrep -f -- "--detached .*nashammer:$scratch/$1\.img " || true; }

memory_of() { awk '/^VmRSS/ { now = $2 } /^VmHWM/ { peak = $2 } END { printf "%.0f/%.0f", now / 1024, peak / 1024 }' \
    "/proc/$(server_of "$1")/status"; }

# ---- Set-up -------------------------------------------------------------------------------------------------------

prepare() {
    [ "$(id -u)" -eq 0 ] || die "mounting needs root"
    scripts/setup.sh build aot demo
    [ -e /dev/fuse ] || die "there is no /dev/fuse: the kernel needs its fuse module"
    program=${NASHAMMER:-}
    if [ -z "$program" ]; then
        program=$root/out/linux-x64/nashammer
        [ "$(uname -m)" != aarch64 ] || program=$root/out/linux-arm64/nashammer
        if [ ! -x "$program" ] || [ -n "$(find src firmware ./*.props -newer "$program" -name '*.[cp]*' \
            -not -path '*/obj/*' -not -path '*/bin/*' -print -quit)" ]; then
            say "building $program"
            scripts/build.sh "$(basename "$(dirname "$program")")"
        fi
    fi
    program=$(readlink -f "$program")
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/nashammer-demo.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$scratch/a" "$scratch/b"
}

# The folders to copy: what the user named, or what the machine has, until it is enough.
choose_tree() {
    local folder
    tree=()
    tree_bytes=0 tree_files=0
    if [ -n "${DEMO_DIR:-}" ]; then
        [ -d "$DEMO_DIR" ] || die "DEMO_DIR=$DEMO_DIR is not a folder"
        add_tree "$(readlink -f "$DEMO_DIR")"
    else
        for folder in "$(dirname "$(readlink -f "$(command -v dotnet)")")" /usr/share/doc /usr/share /usr/lib; do
            [ -d "$folder" ] || continue
            add_tree "$folder"
            [ $tree_bytes -lt $least_bytes ] || [ $tree_files -lt $least_files ] || break
        done
    fi
    say "the tree: ${tree[*]}: $tree_files files, $((tree_bytes / 1000000)) MB"
    local room
    room=$(df --output=avail -B1 "$scratch" | tail -n 1)
    [ "$room" -gt $((tree_bytes * 4 + (1 << 30))) ] || die "$scratch needs $((tree_bytes * 4 / 1000000 + 1000)) MB"
}

add_tree() {
    tree+=("$1")
    tree_bytes=$((tree_bytes + $(find "$1" -xdev -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%.0f", n }')))
    tree_files=$((tree_files + $(find "$1" -xdev -type f | wc -l)))
}

mount_volume() { "$program" mount "$scratch/$1.img" "$scratch/$1"; }

make_volumes() {
    local volume from
    for volume in a b; do
        truncate -s 64G "$scratch/$volume.img"
        from=$(now)
        "$program" newfs -L "demo-$volume" "$scratch/$volume.img" >"$scratch/newfs.log"
        row "newfs of 64 GiB ($volume)" "$(since "$from")" "" "" ""
        from=$(now)
        mount_volume "$volume"
        row "mount ($volume)" "$(since "$from")" "" "" "$(memory_of "$volume") MB resident now/peak"
    done
    "$program" pfs-master "$master" label=demo >"$scratch/log"
    "$program" pfs-status "$master" | tee "$scratch/status"
    shared=$(sed -n 's/.*shared-uuid=//p' "$scratch/status")
    [ -n "$shared" ] || die "pfs-status shows no shared-uuid"
    "$program" pfs-slave "$slave" "shared-uuid=$shared" label=demo-copy >"$scratch/log"
    "$program" pfs-status "$slave" | tee "$scratch/status"
    grep -q "operating as a SLAVE" "$scratch/status" || die "the slave is not one"
}

# ---- The steps ----------------------------------------------------------------------------------------------------

synctid() { "$program" synctid "$1" | tail -n 1; }

copy_tree() {
    local from folder seconds tid try
    from=$(now)
    mkdir "$master/tree"
    for folder in "${tree[@]}"; do
        mkdir -p "$master/tree$(dirname "$folder")"
        cp -a "$folder" "$master/tree$(dirname "$folder")/"
    done
    tid=$(synctid "$master")
    seconds=$(since "$from")
    row "copy in, with synctid" "$seconds" "$(rate $tree_bytes "$seconds")" "" "TID $tid"
    # A folder of a running machine may change while it is copied: then what changed is copied again, twice at most.
    for folder in "${tree[@]}"; do
        for try in 1 2 3; do
            from=$(now)
            ! diff -rq --no-dereference "$folder" "$master/tree$folder" >"$scratch/diff" 2>&1 || break
            [ $try -lt 3 ] || { head "$scratch/diff"; die "the copy of $folder differs from it"; }
            rsync -aHAX --delete "$folder/" "$master/tree$folder/"
        done
    done
    row "diff -r with the original" "$(since "$from")" "$(rate $((2 * tree_bytes)) "$(since "$from")")" "" "equal"
}

# An old version to come back to: one file with its digest, then written over twice, each time a new TID.
keep_version() {
    local file
    file=$(find "$master/tree" -type f -size +64k -size -1024k -print -quit)
    [ -n "$file" ] || file=$(find "$master/tree" -type f -size +0 -print -quit)
    history_file=${file#"$master/"}
    history_digest=$(sha256sum <"$file")
    history_tid=$(synctid "$master")
    for _ in 1 2; do
        head -c 100000 /dev/urandom >"$file"
        synctid "$master" >"$scratch/tid"
    done
}

tid_of_slave() { readlink "$slave" | sed -n 's/^@@\(0x[0-9a-f]*\):.*/\1/p'; }

digest() { (cd "$1" && tar -cf - . | sha256sum | cut -d ' ' -f 1); }

# What the announcement promises: the archive of the slave's softlink is that of the master at the slave's TID.
compare_digests() {
    local tid ours theirs from
    from=$(now)
    tid=$(tid_of_slave)
    digest "$master/@@$tid" >"$scratch/digest" &
    # Inside the slave's link one stays at its TID, so both archives are of the same moment.
    theirs=$(digest "$slave")
    wait $! || die "the master's archive could not be made"
    ours=$(cat "$scratch/digest")
    [ "$tid" = "$(tid_of_slave)" ] || die "the slave moved while nobody mirrored"
    [ "$ours" = "$theirs" ] || die "archives differ at $tid: master $ours, slave $theirs"
    row "  archives equal ($1)" "$(since "$from")" "" "" "$tid sha256 ${ours:0:16}"
}

count_records() { "$program" mirror-dump | awk '/^Record/ { n++ } END { printf "%d", n }'; }

full_mirror() {
    local from seconds records bytes
    from=$(now)
    "$program" mirror-copy "$master" "$slave"
    seconds=$(since "$from")
    "$program" mirror-read "$master" 2>/dev/null | tee >(wc -c >"$scratch/bytes") | count_records >"$scratch/records"
    records=$(cat "$scratch/records")
    bytes=$(wait_for_number "$scratch/bytes")
    row "full mirror" "$seconds" "$(rate "$bytes" "$seconds")" "$records" "to $(tid_of_slave)"
    compare_digests "idle"
}

wait_for_number() {
    local try
    for try in $(seq 100); do
        [ -s "$1" ] && { cat "$1"; return; }
        sleep 0.1
    done
    die "nothing was counted in $1"
}

# One batch from where the slave stands to where the master is now, counted on its way through a pipe.
increment() {
    local from seconds before
    before=$(tid_of_slave)
    rm -f "$scratch/records" "$scratch/bytes"
    from=$(now)
    "$program" mirror-read "$master" "$(printf '0x%016x' $((before + 1)))" 2>"$scratch/read.log" \
        | tee >(wc -c >"$scratch/bytes") >(count_records >"$scratch/records") \
        | "$program" mirror-write "$slave" >"$scratch/write.log" 2>&1 \
        || { cat "$scratch/read.log" "$scratch/write.log"; die "an incremental mirror failed"; }
    seconds=$(since "$from")
    [ "$(tid_of_slave)" != "$before" ] || die "the slave did not move from $before"
    row "incremental mirror $1" "$seconds" "$(rate "$(wait_for_number "$scratch/bytes")" "$seconds")" \
        "$(wait_for_number "$scratch/records")" "to $(tid_of_slave)"
}

# Changes the master for ever, as people do: new files, appends, overwrites, renames, removals, folders; what was
# synced is noted outside, so that it can be asked for after the crash.
write_for_ever() {
    local i=0 place=$master/work
    mkdir -p "$place/keep"
    while :; do
        i=$((i + 1))
        mkdir -p "$place/d$((i % 50))"
        head -c $((i * 7919 % 200000)) /dev/urandom >"$place/d$((i % 50))/file$i"
        echo "line $i" >>"$place/journal"
        [ $((i % 3)) -ne 0 ] || mv "$place/d$((i % 50))/file$i" "$place/d$(((i + 7) % 50))-moved$i"
        [ $((i % 4)) -ne 0 ] || rm -f "$place/d$(((i - 2) % 50))/file$((i - 2))"
        [ $((i % 5)) -ne 0 ] || ln -s "file$i" "$place/d$((i % 50))/link$i"
        [ $((i % 10)) -ne 0 ] \
            || dd if=/dev/urandom of="$place/large" bs=64k count=16 seek=$((i % 100)) conv=notrunc status=none
        if [ $((i % 10)) -eq 0 ]; then
            echo "acknowledged $i" >"$place/keep/$i"
            sync "$place/keep/$i"
            echo $i >>"$scratch/acknowledged"
        fi
    done
}

start_writer() {
    write_for_ever 2>/dev/null &
    writer=$!
}

stop_writer() {
    [ -n "$writer" ] || return 0
    kill "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
    writer=
}

mirror_under_load() {
    local round files
    : >"$scratch/acknowledged"
    start_writer
    for round in $(seq "$rounds"); do
        sleep 3
        increment "$round"
        kill -0 "$writer" || die "the writer stopped by itself"
        compare_digests "writer running"
    done
    row "changes of the writer meanwhile" "" "" "" "$(find "$master/work" -type f | wc -l) files now"
}

kill_in_mid_write() {
    local pid from number lost=0 status
    pid=$(server_of a)
    [ -n "$pid" ] || die "the process that serves the master is not found"
    row "memory before the kill" "" "" "" "master $(memory_of a), slave $(memory_of b) MB resident now/peak"
    kill -0 "$writer" || die "the writer stopped by itself"
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    stop_writer
    from=$(now)
    mount_volume a
    row "mount after SIGKILL, recovery" "$(since "$from")" "" "" ""
    while read -r number; do
        [ "$(cat "$master/work/keep/$number" 2>/dev/null)" = "acknowledged $number" ] || lost=$((lost + 1))
    done <"$scratch/acknowledged"
    [ $lost -eq 0 ] || die "$lost synced files are missing after the kill"
    row "files synced before, all there" "" "" "" "$(wc -l <"$scratch/acknowledged") files"
    increment "after the kill"
    compare_digests "after the kill"
}

check_both() {
    local volume from status
    for volume in a b; do
        "$program" umount "$scratch/$volume"
        while [ -n "$(server_of $volume)" ]; do sleep 0.05; done
        from=$(now)
        status=0
        "$program" check --data "$scratch/$volume.img" >"$scratch/check" 2>&1 || status=$?
        [ $status -eq 0 ] || { tail -n 30 "$scratch/check"; die "check --data of volume $volume ended with $status"; }
        row "check --data ($volume)" "$(since "$from")" "" "" "$(tail -n 1 "$scratch/check")"
    done
    mount_volume a
    mount_volume b
}

bring_back_version() {
    local name old
    name=$(basename "$history_file")
    old=$(dirname "$master/$history_file")/@@$history_tid/$name
    [ "$(sha256sum <"$master/$history_file")" != "$history_digest" ] || die "the file did not change"
    [ "$(sha256sum <"$old")" = "$history_digest" ] || die "$old is not what it was"
    cp "$old" "$master/$history_file"
    [ "$(sha256sum <"$master/$history_file")" = "$history_digest" ] || die "the version copied back is not the old one"
    synctid "$master" >"$scratch/tid"
    row "older version copied back with cp" "" "" "" "$name@@$history_tid"
}

show_report() {
    echo
    printf '%-34s %8s %7s %9s  %s\n' "" seconds "MB/s" records ""
    printf '%s\n' "${report[@]}"
    echo
}

prepare
master=$scratch/a/data slave=$scratch/b/data
choose_tree
make_volumes
copy_tree
keep_version
full_mirror
mirror_under_load
kill_in_mid_write
check_both
bring_back_version
increment "at the end"
compare_digests "at the end"
[ "$(sha256sum <"$slave/$history_file")" = "$history_digest" ] || die "the slave has not got the version copied back"
row "memory at the end" "" "" "" "master $(memory_of a), slave $(memory_of b) MB resident now/peak"
show_pair
show_report
