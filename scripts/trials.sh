#!/usr/bin/env bash
# What people run on a file system, run on a mounted volume: copies, archives, version control, rsync, attributes,
# verified random I/O, stressors, a file server's load, a file server; a kill in mid-write; and check --data after all.
# Each trial is one line, ok or FAILED with what it said. The last line counts them.
#
# usage: scripts/trials.sh [TRIAL...]   default: all of: copy tar git rsync attributes fio mmap stress dbench samba kill
#
# NASHAMMER=program     the program to try (default: out/linux-x64/nashammer, built if it is not there)
# SECONDS_EACH=N        how long each stressor and the file server's load run (default 1, and 10 times that)
set -uo pipefail
. "$(dirname "$0")/lib.sh"

all_trials="copy tar git rsync attributes fio mmap stress dbench samba kill"
seconds_each=${SECONDS_EACH:-1}
passed=0 failed=0
scratch=
smbd=

server_of() { pgrep -f -- "--detached .*nashammer:$scratch/volume\.img " || true; }

clean_up() {
    local code=$? pid
    trap - EXIT
    [ -n "$scratch" ] || exit $code
    [ -z "$smbd" ] || { kill "$smbd" 2>/dev/null; wait "$smbd" 2>/dev/null; }
    timeout 60 "$program" umount "$scratch/m" >/dev/null 2>&1
    umount -l "$scratch/m" 2>/dev/null
    for pid in $(server_of); do kill -9 "$pid"; done
    rm -rf --one-file-system "$scratch"
    exit $code
}

prepare() {
    [ "$(id -u)" -eq 0 ] || { echo "trials: mounting needs root" >&2; exit 1; }
    program=${NASHAMMER:-$root/out/linux-x64/nashammer}
    scripts/setup.sh build test || exit 1
    [ -x "$program" ] || scripts/build.sh linux-x64 || exit 1
    program=$(readlink -f "$program")
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/nashammer-trials.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$scratch/m"
    place=$scratch/m
    truncate -s 20G "$scratch/volume.img"
    "$program" newfs -L trials "$scratch/volume.img" >"$scratch/log" 2>&1 && mount_volume \
        || { cat "$scratch/log"; exit 1; }
}

mount_volume() { "$program" mount "$scratch/volume.img" "$place"; }

unmount_volume() {
    "$program" umount "$place" || return 1
    while [ -n "$(server_of)" ]; do sleep 0.05; done
}

# A real tree of a few thousand files, that nothing on this machine changes.
source_tree() { [ -d /usr/share/doc ] && echo /usr/share/doc || echo /usr/lib/modules; }

trial_copy() {
    local from
    from=$(source_tree)
    cp -a "$from" "$place/copy" || return 1
    diff -r --no-dereference "$from" "$place/copy" || return 1
    unmount_volume && mount_volume || return 1
    diff -r --no-dereference "$from" "$place/copy" || return 1
    find -L "$place/copy" -name '*.gz' >/dev/null
    [ "$(find "$from" | wc -l)" = "$(find "$place/copy" | wc -l)" ] && mv "$place/copy" "$place/moved" \
        && du -s "$place/moved" && rm -r "$place/moved"
}

trial_tar() {
    local from ours theirs
    from=$(source_tree)
    mkdir "$place/tar"
    tar -C "$from" --sort=name -cf - . | tar -C "$place/tar" -xpf - || return 1
    theirs=$(tar -C "$from" --sort=name --format=ustar -cf - . | sha256sum)
    ours=$(tar -C "$place/tar" --sort=name --format=ustar -cf - . | sha256sum)
    [ "$ours" = "$theirs" ] || { echo "archives differ"; return 1; }
}

trial_git() {
    git clone -q --no-hardlinks "$root" "$place/repo" || return 1
    (cd "$place/repo" && git fsck --full && [ -z "$(git status --porcelain)" ] \
        && git -c gc.auto=0 repack -adq && git gc -q --prune=now && git fsck --full) 2>&1 || return 1
}

trial_rsync() {
    local from changes
    from=$scratch/rsync-source
    mkdir -p "$from/d"
    seq 1000 >"$from/d/a"
    ln "$from/d/a" "$from/d/hard"
    ln -s a "$from/d/soft"
    truncate -s 10M "$from/d/hole"
    printf end >>"$from/d/hole"
    mkfifo "$from/d/fifo"
    setfattr -n user.note -v text "$from/d/a"
    setfacl -m u:12345:rw,g:54321:r "$from/d/a"
    chmod 2755 "$from/d"
    rsync -aHAXS "$from/" "$place/rsync/" || return 1
    changes=$(rsync -aHAXSnci --delete "$from/" "$place/rsync/")
    [ -z "$changes" ] || { echo "$changes"; return 1; }
    # The medium counts blocks by the size alone (on-disk-format 7), so the hole is asked for.
    perl -e 'open(my $f, "<", shift) or die; exit(sysseek($f, 0, 3) > 5000000 ? 0 : 1)' "$place/rsync/d/hole" \
        || { echo "the hole is filled"; return 1; }
    rsync -aHAXS "$(source_tree)/" "$place/rsync-doc/" || return 1
    changes=$(rsync -aHAXSnci --delete "$(source_tree)/" "$place/rsync-doc/")
    [ -z "$changes" ] || { echo "$changes" | head; return 1; }
}

trial_attributes() {
    local file=$place/attributes
    echo text >"$file"
    setfattr -n user.one -v 1 "$file" && setfattr -n user.large -v "$(head -c 8000 /dev/zero | tr '\0' x)" "$file" \
        && setfattr -n trusted.two -v 2 "$file" && setfattr -x user.one "$file" || return 1
    [ "$(getfattr --only-values -n user.large "$file" | wc -c)" = 8000 ] || return 1
    ! getfattr -n user.one "$file" 2>/dev/null || return 1
    setfacl -m u:12345:rw,m::rw "$file" && getfacl -cn "$file" | grep -q '^user:12345:rw-' || return 1
    mkdir "$place/inherit" && setfacl -d -m u:12345:rwx "$place/inherit" && touch "$place/inherit/file" || return 1
    getfacl -cn "$place/inherit/file" | grep -q '^user:12345:rwx' || return 1
    unmount_volume && mount_volume || return 1
    [ "$(getfattr --only-values -n trusted.two "$file")" = 2 ] && getfacl -cn "$file" | grep -q '^user:12345:rw-'
}

run_fio() { fio --directory="$place/fio" --output="$scratch/fio.log" "$@" || { cat "$scratch/fio.log"; return 1; }; }

trial_fio() {
    local size
    mkdir -p "$place/fio"
    for size in 4k 64k 1m; do
        run_fio --name=random --size=16M --bs=$size --rw=randrw --verify=crc32c --ioengine=psync --fsync=50 || return 1
    done
    run_fio --name=odd --numjobs=3 --size=8M --bsrange=512-128k --bs_unaligned --rw=randwrite --verify=md5 \
        --ioengine=libaio --iodepth=4 --direct=1 || return 1
    rm -r "$place/fio"
}

trial_mmap() {
    mkdir -p "$place/fio"
    run_fio --name=mapped --size=16M --bs=4k --rw=randrw --verify=crc32c --ioengine=mmap && rm -r "$place/fio"
}

# bind-mount and binderfs make mounts of their own, procfs and eventfd do nothing here.
trial_stress() {
    mkdir "$place/stress"
    stress-ng --class filesystem --sequential 1 --timeout "$seconds_each" --temp-path "$place/stress" --verify \
        --skip-silent --exclude bind-mount,binderfs,procfs,eventfd >"$scratch/stress.log" 2>&1
    local code=$?
    if [ $code -ne 0 ] || grep -q ' fail: ' "$scratch/stress.log"; then cat "$scratch/stress.log"; return 1; fi
    rmdir "$place/stress"
}

trial_dbench() {
    mkdir "$place/dbench"
    dbench -D "$place/dbench" -t $((seconds_each * 10)) 4 >"$scratch/dbench.log" 2>&1 \
        || { tail -n 20 "$scratch/dbench.log"; return 1; }
    rm -r "$place/dbench"
}

# A server of our own, with its folders here and a port that the kernel chose for somebody else just before.
trial_samba() {
    local port config=$scratch/smb.conf try
    port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
    mkdir -p "$scratch/samba" "$place/share"
    chmod 1777 "$place/share"
    printf '%s\n' '[global]' "smb ports = $port" 'interfaces = lo' 'bind interfaces only = yes' \
        'map to guest = Bad User' \
        'disable netbios = yes' 'load printers = no' "private dir = $scratch/samba" "lock directory = $scratch/samba" \
        "state directory = $scratch/samba" "cache directory = $scratch/samba" "pid directory = $scratch/samba" \
        "ncalrpc dir = $scratch/samba/ncalrpc" "log file = $scratch/samba/log" '[share]' "path = $place/share" \
        'guest ok = yes' 'guest only = yes' 'force user = root' 'read only = no' 'ea support = yes' \
        >"$config"
    smbd --foreground --configfile="$config" >"$scratch/samba/out" 2>&1 </dev/null &
    smbd=$!
    head -c 3000000 /dev/urandom >"$scratch/there"
    for try in $(seq 50); do
        smbclient -N -p "$port" //127.0.0.1/share -c 'ls' >/dev/null 2>&1 && break
        sleep 0.2
    done
    smbclient -N -p "$port" //127.0.0.1/share -c "mkdir folder; cd folder; put $scratch/there name; rename name other; \
        get other $scratch/back; ls" >"$scratch/samba/client" 2>&1 \
        || { cat "$scratch/samba/client" "$scratch/samba/log"; return 1; }
    cmp "$scratch/there" "$scratch/back" && cmp "$scratch/there" "$place/share/folder/other" || return 1
    smbclient -N -p "$port" //127.0.0.1/share -c 'deltree folder' >"$scratch/samba/client" 2>&1
    kill "$smbd"
    wait "$smbd" 2>/dev/null
    smbd=
    [ ! -e "$place/share/folder" ] || { cat "$scratch/samba/client"; return 1; }
}

# Files that were synced must be there after a kill in mid-write; the next mount comes up by itself.
trial_kill() {
    local pid copier i
    mkdir "$place/kill"
    cp -a "$(source_tree)" "$place/kill/copy" 2>/dev/null &
    copier=$!
    for i in $(seq 20); do
        echo "content $i" >"$place/kill/$i"
        sync "$place/kill/$i"
        sleep 0.05
    done
    pid=$(server_of)
    kill -KILL "$pid"
    wait $copier 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    mount_volume 2>/dev/null || return 1
    for i in $(seq 20); do
        [ "$(cat "$place/kill/$i")" = "content $i" ] || { echo "kill/$i is lost"; return 1; }
    done
}

# Not a trial of its own: the medium after all the others, and nothing that latched on the way.
check_volume() { unmount_volume && "$program" check --data "$scratch/volume.img"; }

run_trial() {
    local name=$1 start=$SECONDS
    if "$2" >"$scratch/log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "trials: $name: ok, $((SECONDS - start)) s"
    else
        failed=$((failed + 1))
        tail -n 40 "$scratch/log"
        echo "trials: $name: FAILED"
    fi
}

trials=("$@")
[ ${#trials[@]} -gt 0 ] || read -ra trials <<<"$all_trials"
for name in "${trials[@]}"; do
    case " $all_trials " in *" $name "*) ;; *) echo "trials: '$name' is none of $all_trials" >&2; exit 2 ;; esac
done
prepare
for name in "${trials[@]}"; do run_trial "$name" "trial_$name"; done
run_trial "check --data" check_volume
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
