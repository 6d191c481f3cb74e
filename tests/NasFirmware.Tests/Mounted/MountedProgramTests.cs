using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>Programs that people run on a NAS, and programs made to find faults of file systems.</summary>
public sealed class MountedProgramTests
{
    static void Run(string script, string options = "defaults", int megabytes = 1024)
    {
        using MountedVolume volume = MountedVolume.Fresh(megabytes);
        volume.Mount(options);
        volume.Run(script);
        volume.Run("no test -e $D/unexpected; touch $D/alive; rm $D/alive");
        volume.UnmountSound();
    }

    /// <summary>A tree with everything that rsync -aHAXS keeps, there and back.</summary>
    [Fact]
    public void Rsync_there_and_back_keeps_all_and_then_finds_nothing_to_do() => Run("""
        mkdir -p $S/from/a/b $S/from/empty; cd $S/from; umask 022
        for i in $(seq 150); do head -c $((i * 531)) /dev/urandom > a/f$i; done
        truncate -s 5M sparse; dd if=/dev/urandom of=sparse bs=64k count=1 seek=20 conv=notrunc status=none
        ln a/f1 a/b/hard; ln a/f1 hard2; ln -s ../a/f2 a/b/soft; ln -s nowhere dangling; mkfifo fifo; mknod dev c 7 200
        chmod 4751 a/f3; chown 12:34 a/f4; chmod 1777 empty; touch -d '1999-12-31 23:59:59.123456789' a/f5 a/b
        setfattr -n user.comment -v hello a/f6; setfattr -n trusted.root -v "$(head -c 3000 a/f9 | base64 -w0)" a/f7
        setfacl -m u:1000:rw,g:2000:r a/f8; setfacl -d -m u:1000:rwx a; touch "$(printf 'odd \n \377 name')"
        # the mount keeps microseconds
        find . -depth -exec python3 -c '
        import os, sys
        for p in sys.argv[1:]:
            s = os.lstat(p); os.utime(p, ns=(s.st_atime_ns // 1000 * 1000, s.st_mtime_ns // 1000 * 1000),
                follow_symlinks=False)' {} +
        rsync -aHAXS $S/from/ $D/to/; same "$(rsync -aHAXSi --delete $S/from/ $D/to/)" ''
        same "$(rsync -aHAXSic --delete $S/from/ $D/to/)" ''
        rsync -aHAXS $D/to/ $S/back/; same "$(rsync -aHAXSic --delete $S/from/ $S/back/)" ''
        diff -r --no-dereference $S/from/a $S/back/a; test $(du -k $S/back/sparse | cut -f1) -lt 1000
        same "$(stat -c %h $D/to/hard2)" 3; same "$(stat -c %i $D/to/hard2)" "$(stat -c %i $D/to/a/b/hard)"
        # what changed is transferred, and nothing else
        echo new >> a/f1; same "$(rsync -aHAXSi $S/from/ $D/to/ | grep -c '^>f')" 1; cmp a/f1 $D/to/a/b/hard
        rsync -aHAXS --inplace --append-verify a/f1 $D/to/a/; rsync -aHAXS --delete $S/from/empty/ $D/to/a/
        same "$(ls -A $D/to/a)" ''
        """);

    [Fact]
    public void Tar_there_and_back_changes_nothing() => Run("""
        mkdir $S/from; cd $S/from; mkdir -p d/e; for i in $(seq 60); do seq $((i * 99)) > d/f$i; done
        ln d/f1 d/e/hard; ln -s f2 d/soft; mkfifo d/p; setfattr -n user.x -v y d/f3; setfacl -m u:1000:r d/f4
        T="tar --sort=name --numeric-owner --xattrs --acls --format=pax"
        touch -d 2020-02-02 d/* d/e/*; touch -d 2020-02-02 d/e d; $T -cf $S/1.tar d; cd $D; $T -xpf $S/1.tar
        $T -cf $S/2.tar d; cd $S/from; $T -df $S/2.tar; cd $D; $T -df $S/1.tar
        tar -cf - d | tar -C $S -xf -; rm d/p $S/d/p; diff -r $S/d d
        mkdir moved; mv d moved/; mv $S/d back; diff -r moved/d back; mv moved/d $S/e; test ! -e moved/d
        """);

    [Fact]
    public void Git_clones_commits_collects_and_checks() => Run("""
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_NOSYSTEM=1
        git init -q -b main first; cd first
        for i in $(seq 15); do
            mkdir -p d$((i % 4)); seq $((i * 50)) > d$((i % 4))/f$i; git add -A; git commit -qm "c $i"
        done
        git checkout -q -b side HEAD~5; echo side > side; git add -A; git commit -qm side; git checkout -q main
        git merge -q -m merged side; git fsck --full --strict
        git status --porcelain > $S/status; same "$(cat $S/status)" ''
        cd $D; git clone -q first second; git clone -q --no-local first third; cd second
        git gc -q --aggressive --prune=now
        git fsck --full; git rev-parse HEAD > $S/head; same "$(cat $S/head)" "$(git -C ../third rev-parse HEAD)"
        git worktree add -q ../tree side; git -C ../tree status --porcelain; git repack -adq; git fsck --full
        diff -r --exclude=.git $D/first $D/second
        """);

    [Fact]
    public void Fio_verifies_what_it_wrote() => Run("""
        verify() {
            fio --directory=$D --size=16m --verify=crc32c --verify_fatal=1 --fallocate=none --output=$S/fio "$@" \
                || { cat $S/fio; exit 1; }
        }
        verify --name=psync --bsrange=512-128k --rw=randwrite --ioengine=psync --randseed=7
        verify --name=mmap --bsrange=512-128k --rw=randwrite --ioengine=mmap --randseed=8
        verify --name=direct --bs=16k --rw=randrw --direct=1 --ioengine=psync --fsync=64 --randseed=9 --numjobs=2
        """);

    /// <summary>Without history: a fast machine writes gigabytes a second, and history would keep them all.</summary>
    [Fact]
    public void Stress_ng_finds_no_fault() => Run("""
        for s in dentry dir dirdeep filename hdd iomix link rename seek symlink sync-file chmod chown xattr fallocate \
            flock fstat touch utime; do
            stress-ng --$s 1 --temp-path $D --timeout 1 --verify > $S/out 2>&1 || { echo "$s:"; cat $S/out; exit 1; }
            if grep -i 'fail:' $S/out; then exit 1; fi
        done
        same "$(find . -mindepth 1 | wc -l)" 0
        """, "nohistory", megabytes: 4096);

    [Fact]
    public void Dbench_runs_with_two_clients() => Run("""
        clients=/usr/share/dbench/client.txt; test -e $clients
        dbench -D $D -t 4 -c $clients 2 > $S/out 2>&1 || { cat $S/out; exit 1; }
        grep -q '^Throughput' $S/out; no grep -q -i 'error\|fail' $S/out
        """, megabytes: 4096);
}
