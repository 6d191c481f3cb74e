using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>Ordinary programs between the live tree and its past (architecture R2, W12).</summary>
public sealed class MountedHistoryTests
{
    /// <summary>Prints a TID that names the present state; writes go on afterwards.</summary>
    const string TidFunction = """
        tid() { "$N" synctid "$D"; }
        """;

    const string Past = TidFunction + """

        mkdir -p tree/a/b tree/c; echo one > tree/a/f; echo same > tree/a/b/g; ln tree/a/b/g tree/c/hard
        ln -s ../a/f tree/c/soft; head -c 300000 /dev/urandom > tree/c/big; setfattr -n user.note -v old tree/a/f
        touch -d '2001-02-03 04:05:06.123456' tree/a/f; cp -a tree $S/before
        T=@@$(tid); echo "$T" > $S/tid
        echo two > tree/a/f; rm tree/a/b/g; mv tree/c/big tree/c/large; echo new > tree/new; chmod 700 tree/c
        setfattr -n user.note -v new tree/a/f
        dd if=/dev/urandom of=tree/c/large bs=1000 count=1 seek=9 conv=notrunc status=none
        sync .
        """;

    static MountedVolume Volume()
    {
        MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        volume.Run(Past);
        return volume;
    }

    [Fact]
    public void Past_of_a_tree_is_what_it_was_to_diff_rsync_and_stat()
    {
        using MountedVolume volume = Volume();
        volume.Run("""
            T=$(cat $S/tid)
            diff -r $S/before tree$T; diff -r $S/before $T/tree; diff -r $S/before tree/$T
            same "$(rsync -naHAXSi --delete $S/before/ $T/tree/)" ''
            same "$(stat -c %y tree/a/f$T)" "$(stat -c %y $S/before/a/f)"
            same "$(getfattr -n user.note --only-values tree/a/f$T)" old
            same "$(getfattr -n user.note --only-values tree/a/f)" new
            no diff -r tree $T/tree; diff -r tree $T/tree > $S/diff || true
            grep -q 'Only in .*: large' $S/diff; grep -q 'Only in .*: big' $S/diff; grep -q 'Only in .*: new' $S/diff
            grep -q '^-*diff -r tree/a/f\|^< two' $S/diff
            """);
        volume.UnmountSound();
    }

    [Fact]
    public void Cp_and_mv_between_past_and_present_see_different_files()
    {
        using MountedVolume volume = Volume();
        volume.Run("""
            T=$(cat $S/tid)
            cp tree/a/f$T tree/a/f; same "$(cat tree/a/f)" one; cp -a tree/a/b/g$T tree/a/b/g
            same "$(cat tree/a/b/g)" same; cp -a tree/c$T restored; diff -r --no-dereference $S/before/c restored
            no mv tree/a/b/g$T moved; rm -f moved; no mv tree/new $T/tree/new; no cp tree/new $T/tree/new
            test -e tree/new
            no touch tree/a/f$T; no rm -f tree/a/f$T; no rmdir tree/a$T; no mkdir $T/d; no ln tree/a/f$T linked
            test "$(stat -c %i tree/a/f)" != "$(stat -c %i tree/a/f$T)"
            same "$(stat -c %i tree/a/b/g$T)" "$(stat -c %i tree/c/hard$T)"
            same "$(stat -c %h tree/a/b/g$T)" 2
            """);
        volume.UnmountSound();
    }

    [Fact]
    public void Tar_du_and_find_take_the_past_for_a_tree_of_its_own()
    {
        using MountedVolume volume = Volume();
        volume.Run("""
            T=$(cat $S/tid)
            digest() { tar --sort=name --numeric-owner -C "$1" -cf - . | sha256sum; }
            same "$(digest $T/tree)" "$(digest tree$T)"
            tar --sort=name -cf $S/both.tar tree $T/tree; mkdir $S/out; tar -C $S/out -xf $S/both.tar
            diff -r $S/before $S/out/$T/tree; diff -r tree $S/out/tree
            same "$(cat $S/out/tree/a/f)" two; same "$(cat $S/out/$T/tree/a/f)" one
            du -a --apparent-size -B1 tree $T/tree > $S/du
            test "$(grep -c "$T" $S/du)" -ge 8; grep -q "$T/tree/c/big" $S/du; grep -q "tree/c/large" $S/du
            same "$(find -L . -name large 2>$S/err | wc -l)$(cat $S/err)" 1
            same "$(find -L tree $T/tree -type f 2>$S/err | wc -l)$(cat $S/err)" 10
            same "$(find $T -samefile $T/tree/c/hard | wc -l)" 2
            ls -R . > $S/listed; no grep -q @@ $S/listed
            """);
        volume.UnmountSound();
    }

    [Fact]
    public void Every_flush_group_is_a_version_and_asof_mounts_show_it()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        string[] tids = volume.Run(TidFunction + """

            for i in 1 2 3 4 5; do echo "version $i" > file; echo $i > f$i; rm -f f$((i - 1)); tid; done
            """).Split('\n');
        Assert.Equal(5, tids.Length);
        string fromLive = "";
        for (int i = 1; i <= 5; i++)
        {
            string tid = tids[i - 1];
            volume.Run($"T=@@{tid}; same \"$(cat file$T)\" 'version {i}'; same \"$(echo $(ls $T))\" 'f{i} file'");
        }
        fromLive = volume.Run($"ls -li --time-style=full-iso @@{tids[2]}/");
        volume.UnmountSound();
        volume.Mount("asof=" + tids[2]);
        volume.Run("same \"$(cat file)\" 'version 3'; same \"$(ls | tr '\\n' ' ')\" 'f3 file '; no touch new");
        Assert.Equal(fromLive, volume.Run("ls -li --time-style=full-iso ."));
        volume.UnmountSound();
    }

    [Fact]
    public void Nohistory_mount_keeps_no_past()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount("nohistory");
        volume.Run(TidFunction + """

            echo one > f; T=$(tid); rm f; for i in 1 2 3; do echo two > g; tid; done
            no cat f@@$T; same "$(cat g)" two
            """);
        volume.UnmountSound();
    }
}
