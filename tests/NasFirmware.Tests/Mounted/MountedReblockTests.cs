using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>The reblock verbs on a real mount, with what they print.</summary>
public sealed class MountedReblockTests
{
    [Fact]
    public void Verbs_move_what_they_say_and_trees_stay()
    {
        using MountedVolume volume = MountedVolume.Fresh(512, "-u", "16m");
        volume.Mount();
        volume.Run("""
            "$N" pfs-master $D/m > $S/out
            mkdir -p m/a d; for i in $(seq 60); do head -c $((i * 4000)) /dev/urandom > m/a/f$i; echo $i > d/g$i; done
            setfattr -n user.x -v value d/g1; ln -s $(printf '%0100d' 7) d/long
            T=$("$N" synctid $D); rm m/a/f?5 d/g?; digest() { tar --sort=name -C "$1" -cf - . | sha256sum; }
            A=$(digest m/); B=$(digest d); P=$(digest "$D/@@$T/d")
            "$N" reblock $D/m > $S/r1; cat $S/r1
            same "$(sed -n 1,2p $S/r1)" "$(printf 'reblock start 8000000000000000:0000\nfree level 0/8388608')"
            grep -qx "Reblock $D/m succeeded" $S/r1; grep -qx 'Reblocked:' $S/r1
            grep -Eqx '    ([1-9][0-9]*)/\1 B-Tree nodes' $S/r1; grep -Eqx '    ([1-9][0-9]*)/\1 B-Tree bytes' $S/r1
            grep -Eqx '    ([1-9][0-9]*)/\1 data elements' $S/r1; grep -Eqx '    ([1-9][0-9]*)/\1 data bytes' $S/r1
            for v in btree inodes dirs data; do
                "$N" -A reblock-$v $D 95% > $S/r; grep -qx 'free level 419431/8388608' $S/r
                grep -qx "Reblock $D succeeded" $S/r
            done
            "$N" reblock-btree $D > $S/r; grep -qx '    0/0 data elements' $S/r
            "$N" reblock-data -A $D > $S/r; grep -qx '    0/0 B-Tree nodes' $S/r
            same "$A" "$(digest m/)"; same "$B" "$(digest d)"; same "$P" "$(digest "$D/@@$T/d")"
            no "$N" reblock $D 101; no "$N" reblock $D many; no "$N" reblock /tmp; no "$N" reblock $S/none
            """);
        volume.UnmountSound();
    }

    [Fact]
    public void Interrupted_reblock_saves_its_place_and_goes_on_from_there()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run("""
            head -c 1000000 /dev/urandom > one; for i in $(seq 80); do cp one f$i; done; "$N" synctid $D
            # bash lets what runs in the background ignore the signal
            env --default-signal=INT "$N" reblock $D -c $S/cycle > $S/r1 2> $S/e1 & R=$!
            until grep -q 'free level' $S/r1; do sleep 0.01; done; kill -INT $R; wait $R
            grep -Eqx "Reblock $D interrupted by timer at [0-9a-f]{16}:[0-9a-f]{4}" $S/r1 || cat $S/r1
            test -s $S/cycle; cat $S/cycle
            "$N" reblock $D -v -c $S/cycle > $S/r2 2> $S/e2; grep -qx "Reblock $D succeeded" $S/r2; test ! -e $S/cycle
            grep -q ' nodes, ' $S/e2
            # both together moved everything once
            moved() { sed -n 's|^ *\([0-9]*\)/[0-9]* data elements|\1|p' $1; }
            "$N" reblock $D 0 > $S/r3; all=$(sed -n 's|^ *0/\([0-9]*\) data elements|\1|p' $S/r3)
            same $(($(moved $S/r1) + $(moved $S/r2))) $all
            test $(moved $S/r2) -lt $all
            for i in $(seq 80); do cmp one f$i; done
            timeout 20 "$N" reblock $D -t 1 > $S/r4
            """);
        volume.UnmountSound();
    }
}
