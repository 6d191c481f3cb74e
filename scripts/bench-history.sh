# The lines of bench.sh about thinning a volume of a million records: how many a second of processor, and how soon the
# work ends when it is asked to. Sourced by bench.sh.

history_lines="prune reblock"

# history_volume: a million records, one in ten of which has ended: files of 8 bytes are a name, an inode, data each.
history_volume() {
    local count=$((1000000 / 3 / scale))
    make ours
    "$work" create "$scratch/ours" $count 8 1000 >/dev/null
    settle ours
    # Each tenth folder goes, with what is in it.
    rm -r "$scratch/ours"/d*7
    settle ours
}

# thin LINE VERB...: to its end, with the processor that the command and the serving process used; the command's output.
thin() {
    local line=$1 before own
    shift
    before=$(cpu_of "${pid_of[ours]}")
    own=$({ TIMEFORMAT='%3U %3S'; time "$program" "$@" >"$scratch/$line.log" 2>&1; } 2>&1 \
        | awk '{ printf "%.3f", $1 + $2 }')
    keep "$line" ours-cpu "$(awk -v a="$own" -v b="$before" -v c="$(cpu_of "${pid_of[ours]}")" \
        'BEGIN { printf "%.3f", a + c - b }')"
}

# thin_stop LINE VERB...: begun, interrupted as by Ctrl-C after a moment, some times; seconds until it had ended.
thin_stop() {
    local line=$1 i pid from
    shift
    for i in 1 2 3 4 5; do
        # A shell that runs something in the background makes it ignore the signal; perl gives it back.
        perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$program" "$@" >"$scratch/$line.stopped" 2>&1 &
        pid=$!
        sleep "0.$((3 + i))"
        kill -INT $pid 2>/dev/null || { say "$line was over before it could be stopped"; break; }
        from=$(now)
        wait $pid || true
        since "$from" >>"$scratch/$line.stops"
        echo >>"$scratch/$line.stops"
    done
}

# thin_rows LINE RECORDS
thin_rows() {
    local line=$1 records=$2 cpu rate most
    cpu=$(median_of "$line" ours-cpu)
    rate=$(awk -v n="$records" -v s="$cpu" 'BEGIN { printf "%.0f", n / s }')
    row "$line of $records records, for each second of processor" "$rate records" ">= 100000" \
        "$(at_least "$rate" 100000)"
    [ -s "$scratch/$line.stops" ] || return 0
    most=$(sort -g "$scratch/$line.stops" | tail -n 1)
    row "$line: ends after being asked, median of $(wc -l <"$scratch/$line.stops")" \
        "$(median <"$scratch/$line.stops") s, most $most s" "<= 0.1 s" "$(at_most "$most" 0.1)"
}

line_prune() {
    history_volume
    thin_stop prune prune-everything "$scratch/ours"
    # What was interrupted has removed some; the whole is measured on a fresh one.
    history_volume
    thin prune prune-everything "$scratch/ours"
    say "$(tail -n 1 "$scratch/prune.log")"
    thin_rows prune "$(sed -n 's/^Pruned [0-9]*\/\([0-9]*\) records.*/\1/p' "$scratch/prune.log")"
}

line_reblock() {
    history_volume
    "$program" prune-everything "$scratch/ours" >/dev/null
    # All of it moves; what is left of each big-block at a lower level depends on the size.
    thin reblock reblock "$scratch/ours"
    say "$(grep '/' "$scratch/reblock.log" | tail -n 4 | tr -s ' \n' ' ')"
    thin_stop reblock reblock "$scratch/ours"
    thin_rows reblock "$(sed -n 's|^ *[0-9]*/\([0-9]*\) data elements.*|\1|p' "$scratch/reblock.log")"
}
