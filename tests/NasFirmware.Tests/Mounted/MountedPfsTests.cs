using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>Ordinary programs between master and slave, through their softlinks (architecture R2).</summary>
public sealed class MountedPfsTests
{
    [Fact]
    public void Master_and_slave_are_trees_of_their_own_and_equal_at_a_tid()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run("""
            "$N" pfs-master $D/master > $S/out
            mkdir -p master/a/b; echo one > master/a/f; ln master/a/f master/a/b/hard
            head -c 200000 /dev/urandom > master/a/big; ln -s f master/a/soft; touch -d 2001-01-01 master/a/f
            mkdir live; cp -a master/a live/
            uuid=$("$N" pfs-status $D/master | sed -n 's/^ *shared-uuid=//p'); "$N" pfs-slave $D/slave shared-uuid=$uuid
            "$N" mirror-copy $D/master $D/slave > $S/out 2>&1
            case $(readlink slave) in @@0x*:00002) ;; *) readlink slave; exit 1 ;; esac
            same "$(readlink master)" @@-1:00001
            diff -r master slave/; diff -r live/a slave/a; same "$(rsync -naHAXSi --delete master/ slave/)" ''
            no touch slave/new; no rm -f slave/a/f; no cp master/a/f slave/a/f
            same "$(stat -c %y slave/a/f)" "$(stat -c %y master/a/f)"
            # the same file in three views is three files, and the slave's hard links are one
            same "$(stat -Lc %i live/a/f master/a/f slave/a/f | sort -u | wc -l)" 3
            same "$(stat -Lc %i slave/a/f slave/a/b/hard | sort -u | wc -l)" 1
            T=$(readlink slave); T=${T%:*}; digest() { tar --sort=name --numeric-owner -C "$1" -cf - . | sha256sum; }
            same "$(digest master/$T)" "$(digest slave/)"
            # an open directory of the slave stays at its TID, one that is entered anew moves on
            cd -P slave; echo two > $D/master/a/f; rm $D/master/a/big; "$N" mirror-copy $D/master $D/slave > $S/out 2>&1
            same "$(cat a/f)" one; same "$(cat $D/slave/a/f)" two; test -e a/big; test ! -e $D/slave/a/big; cd $D
            find -L . -type f 2> $S/err | wc -l > $S/files; same "$(cat $S/err)" ''
            du -sL . > $S/du; mv live master/moved; test -e master/moved/a/b/hard; test ! -e live
            cp -a slave/. restored; diff -r slave/ restored
            """);
        volume.UnmountSound();
    }
}
