using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>snap, snapls, snaprm, config, prune and cleanup as an administrator uses them.</summary>
public sealed class MountedSnapshotTests
{
    [Fact]
    public void Snapshots_outlive_a_prune_and_what_lies_between_them_goes()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run("""
            mkdir snaps; for i in 1 2 3 4; do
                echo "version $i" > file; head -c 100000 /dev/urandom > big; cp -a file big $S/; mkdir $S/$i
                cp -a file big $S/$i; "$N" synctid $D > $S/tid$i; done
            same "$("$N" snap snaps/one first)" ''; same "$(readlink snaps/one | cut -c1-$((${#D} + 5)))" "$D/@@0x"
            rm big; echo later > file; "$N" snaplo $D/snaps/two; test -L snaps/two/one; test ! -e snaps/two/two
            echo last > file; Q=$("$N" snapq $D quiet); same "$(cat $Q/file)" last
            same "$("$N" snapls $D | wc -l)" 5; "$N" snapls $D | grep -q "$(printf '\tfirst$')"
            same "$("$N" snapls $D | head -1)" "$(printf 'Snapshots on %s\tPFS#0' $D)"
            same "$(cat @@$(cat $S/tid2)/file)" 'version 2'
            "$N" prune $D > $S/out; grep -q "^Prune $D: 3 snapshots$" $S/out; grep -q "^Prune $D succeeded" $S/out
            grep -Eq '^Pruned [1-9][0-9]*/[0-9]+ records \([0-9]+ directory entries\) and [0-9]+ bytes$' $S/out
            # what a snapshot shows is whole, what only lay between is not
            diff -r $S/4/file snaps/one/file; cmp $S/4/big snaps/one/big; no test -s @@$(cat $S/tid2)/big
            same "$(cat file)" last; same "$(cat $Q/file)" last
            "$N" snaprm snaps/one; test ! -L snaps/one; same "$("$N" snapls $D | wc -l)" 4
            "$N" snaprm 0x0000000000000123 2> $S/err; grep -q 'no such snapshot' $S/err
            (cd $D && "$N" snaprm ${Q##*@@}); same "$("$N" snapls | wc -l)" 3
            "$N" prune-everything $D > $S/out; grep -q EVERYTHING $S/out; same "$("$N" snapls $D | wc -l)" 2
            same "$(cat file)" last; "$N" prune $D 2> $S/err; grep -q 'no snapshots' $S/err
            """);
        volume.UnmountSound();
    }

    [Fact]
    public void Configuration_is_kept_by_pfs_and_errors_end_with_2()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run("""
            code() { c=0; "$@" > $S/out 2>&1 || c=$?; echo $c; }
            same "$(code "$N" config $D)" 2; printf 'snapshots 1h 2d\nprune 1d 5m\n' > $S/c
            same "$(code "$N" config $D $S/c)" 0; same "$("$N" config $D)" "$(cat $S/c)"
            "$N" pfs-master $D/m > $S/out; same "$(code "$N" config $D/m)" 2
            head -c 1023 /dev/zero | tr '\0' '#' > $S/big; same "$(code "$N" config $D $S/big)" 2
            grep -q 'too big' $S/out; same "$(code "$N" snapls /)" 2; same "$(code "$N" snap $D/no/where)" 2
            # the first snapshot of a PFS: its link carries the id
            echo in > m/file; "$N" snap $D/m/s; same "$(cat m/s/file)" in; readlink m/s | grep -q ':00001$'
            EDITOR='sed -i s/1h/3h/' "$N" viconfig $D; "$N" config $D | grep -q '^snapshots 3h 2d$'
            """);
        volume.UnmountSound();
    }

    [Fact]
    public void Cleanup_makes_expires_prunes_and_knows_when_it_is_due()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run("""
            "$N" pfs-update $D snapshots=$S/snaps > $S/out; echo one > file
            "$N" cleanup $D > $S/out; cat $S/out
            grep -q "^cleanup $D *- handle PFS#0 using $S/snaps$" $S/out; grep -q '^ *snapshots - run' $S/out
            grep -q '^ *prune - run' $S/out; same "$(cat $S/snaps/snap-*/file)" one
            "$N" config $D | head -1 | grep -q '^snapshots 1d 60d$'; grep -q '^0x[0-9a-f]*$' $S/snaps/.prune.period
            "$N" cleanup $D > $S/out; grep -q '^ *snapshots - skip$' $S/out; grep -q '^ *prune - skip$' $S/out
            ln -s $D/@@0x0000000000000001 $S/snaps/snap-20010101-0000; echo two > file
            rm $S/snaps/snap-2[0-9][0-9][0-9][0-9][0-9][0-9][0-9]-[0-9]*[1-9]* || true
            "$N" -F cleanup $D > $S/out; test ! -L $S/snaps/snap-20010101-0000; same "$("$N" snapls $D | wc -l)" 4
            printf 'snapshots 0d 0d\nprune 1d 5m\n' > $S/c; "$N" config $D $S/c; "$N" snaprm $S/snaps/snap-* || true
            "$N" -vF cleanup $D > $S/out; grep -q '^ *snapshots - disabled$' $S/out
            grep -q prune-everything $S/out; same "$("$N" snapls $D | wc -l)" 2; same "$(cat file)" two
            """);
        volume.UnmountSound();
    }
}
