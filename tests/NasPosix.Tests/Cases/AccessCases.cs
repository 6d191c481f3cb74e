namespace NasPosix.Tests.Cases;

/// <summary>Who may do what.</summary>
static class AccessCases
{
    internal const string Permissions = """
        owner-class: put f x; chmod f 077; chown f 1000 1000; U tryopen f r; U tryopen f w; V tryopen f r
        owner-class-before-group: put f x; chown f 1000 2000; chmod f 070; U tryopen f r; chmod f 0700; U tryopen f rw
        group-by-primary: put f x; chown f 0 1000; chmod f 040; U tryopen f r; U tryopen f w; V tryopen f r
        group-by-supplementary: put f x; chown f 0 2000; chmod f 060; U tryopen f rw; V tryopen f r
        group-class-before-other: put f x; chown f 0 2000; chmod f 006; U tryopen f r; V tryopen f r
        many-groups: put f x; chown f 0 5000; chmod f 040; as 1000:1000,4000,4001,4002,5000 tryopen f r;
          as 1000:1000,4000,4001,4002 tryopen f r
        root-reads-all: put f x; chmod f 0; tryopen f rw; mkdir d 0; create d/x; ls d
        root-executes-only-with-x: peer run('cp','/bin/true','t'); chmod t 0644; access t x; chmod t 0100; access t x
        search-needs-x: mkdir d 744; put d/f x; U ls d; U stat d/f; U tryopen d/f r
        search-without-read: mkdir d 711; put d/f x; U ls d; U stat d/f; U cat d/f
        write-directory-without-x: mkdir d 766; U create d/f; put d/g x; U unlink d/g
        write-directory-without-r: mkdir d 733; U create d/f; U unlink d/f; U ls d
        create-needs-write: mkdir d 755; U create d/f; U mkdir d/g; U symlink x d/h; U mknod d/p fifo; U link d d/l
        unlink-needs-directory-not-file: mkdir d 777; put d/f x; chmod d/f 0; U unlink d/f
        rename-needs-both-directories: mkdir a 777; mkdir b 755; put a/f x; put b/g x; U rename a/f b/f;
          U rename b/g a/g
        rename-directory-needs-its-own-write: mkdir a 777; mkdir b 777; mkdir a/d 755; U rename a/d b/d;
          U rename a/d a/e
        rename-own-directory-to-other-parent: mkdir a 777; mkdir b 777; U mkdir a/d; U rename a/d b/d; U mkdir a/c 555;
          U rename a/c b/c
        trunc-needs-write: put f x; chmod f 644; U tryopen f r,trunc; U truncate f 0; cat f
        open-creat-existing-needs-rights: put f x; chmod f 600; U tryopen f r,creat 644; U tryopen f w,creat,excl 644
        created-open-ignores-mode: mkdir d 777; U tryopen d/f rw,creat 000; U tryopen d/f r; mode d/f
        o-path-needs-none: put f x; chmod f 0; U tryopen f path; U tryopen f r
        link-needs-directory-write: put f x; chown f 1000 1000; mkdir d 755; U link f d/l; mkdir e 777; U link f e/l
        chmod-by-owner-only: put f x; chown f 1000 1000; U chmod f 600; V chmod f 777; mode f
        chown-by-root-only: put f x; chown f 1000 1000; U chown f 1001 -1; U chown f 1000 -1; U chown f -1 1000; owner f
        chgrp-to-own-groups: put f x; chown f 1000 1000; U chown f -1 2000; U chown f -1 3000; U chown f 1000 1000;
          owner f; V chown f -1 1001
        chown-of-nothing: put f x; mark f; chown f -1 -1; touched f; U chown f -1 -1; V chown f -1 -1
        access-call: put f x; chmod f 754; chown f 1000 2000; U access f rwx; V access f r; V access f w; access f rwx;
          as 1001:2000 access f rx; as 1001:2000 access f w
        access-follows: put f x; symlink f l; symlink no m; access l r; access m r; access no f
        statx-needs-search-only: mkdir d 711; put d/f x; chmod d/f 0; U stat d/f; mkdir e 766; put e/f x; U stat e/f
        readlink-needs-search-only: mkdir d 700; symlink x d/l; U readlink d/l; chmod d 711; U readlink d/l
        exec-through-kernel: peer run('cp','/usr/bin/id','id'); chmod id 755; peer run('./id','-u',uid=1000);
          chmod id 644; peer run('sh','-c','./id || echo $?',uid=1000)
        exec-set-uid: peer run('cp','/usr/bin/id','id'); chmod id 4755; peer run('./id','-u',uid=1000); chmod id 755;
          peer run('./id','-u',uid=1000)
        exec-set-gid: peer run('cp','/usr/bin/id','id'); chown id 0 3000; chmod id 2755; peer run('./id','-g',uid=1000)
        sticky-unlink: mkdir d 1777; put d/f x; chown d/f 1001 1001; U unlink d/f; V unlink d/f
        sticky-rename-source: mkdir d 1777; put d/f x; U rename d/f d/g; chown d/f 1000 1000; U rename d/f d/g
        sticky-rename-over: mkdir d 1777; put d/f x; U create d/mine; U rename d/mine d/f; V rename d/mine d/g
        sticky-rmdir: mkdir d 1777; mkdir d/e 777; U rmdir d/e; chown d/e 1000 1000; U rmdir d/e
        sticky-directory-owner: mkdir d 1777; chown d 1000 1000; V create d/f; U unlink d/f
        sticky-exchange: mkdir d 1777; U create d/a; V create d/b; U rename d/a d/b exchange
        sticky-link: mkdir d 1777; U create d/a; U link d/a d/b; V unlink d/b; U unlink d/b
        sticky-writes-allowed: mkdir d 1777; put d/f x; chmod d/f 666; U add d/f y; cat d/f
        sticky-on-file: put f x; chown f 1000 1000; U chmod f 1644; mode f; chmod f 1755; mode f
        umask: umask 027; create f 666; mkdir d 777; mknod p fifo 666; mode f; mode d; mode p; umask 0; create g 7666;
          mode g; mkdir e 7777; mode e
        umask-of-links: umask 777; symlink x l; lstat l
        """;

    internal const string SetId = """
        dir-passes-group: mkdir d 2775; chown d 0 2000; chmod d 2775; create d/f; mkdir d/e; owner d/f; owner d/e;
          mode d/e
        dir-passes-bit-to-directories-only: mkdir d 777; chown d 0 2000; chmod d 2777; create d/f 2755; mode d/f;
          mknod d/p fifo 644; mode d/p; owner d/p; symlink x d/l; owner d/l
        dir-set-uid-means-nothing: mkdir d 777; chown d 1000 1000; chmod d 4777; create d/f; owner d/f; mkdir d/e;
          mode d/e
        dir-foreign-group-drops-bit: mkdir d 777; chown d 0 3000; chmod d 2777; U tryopen d/f w,creat 2775; stat d/f;
          U tryopen d/g w,creat 2765; mode d/g
        dir-own-group-keeps-bit: mkdir d 777; chown d 0 2000; chmod d 2777; U tryopen d/f w,creat 2775; mode d/f
        dir-moved-keeps-group: mkdir d 777; chown d 0 2000; chmod d 2777; create f; rename f d/f; owner d/f
        chmod-foreign-group-drops-bit: put f x; chown f 1000 3000; U chmod f 2755; mode f; U chmod f 6755; mode f
        chmod-own-group-keeps-bit: put f x; chown f 1000 2000; U chmod f 6755; mode f
        chmod-dir-foreign-group: mkdir d 755; chown d 1000 3000; U chmod d 2755; mode d
        write-clears: put f x; chown f 1000 1000; chmod f 6777; V add f y; mode f
        write-by-owner-clears: put f x; chown f 1000 1000; chmod f 6777; U add f y; mode f
        write-by-root-keeps: put f x; chown f 1000 1000; chmod f 6777; add f y; mode f
        write-keeps-sgid-without-x: put f x; chown f 1000 1000; chmod f 2767; V add f y; mode f; chmod f 6767;
          V add f y; mode f
        write-of-nothing-keeps: put f x; chmod f 6777; V open F f w; write F 0; mode f
        write-through-map: put f x*5000; chown f 1000 1000; chmod f 6777; V open F f rw; V mmap M F 0 4096 rws;
          V poke M 0 y; munmap M; mode f
        pwrite-clears-both: put f x; chmod f 6777; V open F f w; V write F 0 y; mode f
        write-keeps-sticky: put f x; chmod f 7777; V add f y; mode f
        truncate-clears: put f x*9; chmod f 6777; V truncate f 3; mode f
        truncate-same-size-clears: put f x*9; chmod f 6777; V truncate f 9; mode f
        truncate-by-root: put f x*9; chmod f 6777; truncate f 3; mode f
        ftruncate-clears: put f x*9; chmod f 6777; V open F f rw; V ftruncate F 4; mode f
        open-trunc-clears: put f x*9; chmod f 6777; V tryopen f w,trunc; mode f
        open-trunc-of-empty-clears: put f -; truncate f 0; chmod f 6777; V tryopen f w,trunc; mode f
        fallocate-clears: put f x*9; chmod f 6777; V open F f rw; V fallocate F alloc 0 100; mode f
        punch-clears: put f x*9; chmod f 6777; V open F f rw; V fallocate F punch,keep 0 5; mode f
        copy-range-clears: put f x*9; put g y*9; chmod f 6777; V open F f rw; V open G g r; V copy G 0 F 0 5; mode f
        sendfile-clears: put f x*9; put g y*9; chmod f 6777; V open F f rw; V open G g r; V sendfile F G 5; mode f
        chown-clears: put f x; chmod f 6755; chown f 1000 1000; mode f
        chown-clears-for-root-too: put f x; chmod f 6755; chown f -1 2000; mode f; chmod f 4755; chown f 0 -1; mode f
        chown-nothing-clears: put f x; chmod f 6755; chown f -1 -1; mode f
        chown-keeps-sgid-without-x: put f x; chmod f 2745; chown f 1000 1000; mode f; chmod f 6745; chown f 0 0; mode f
        chown-by-owner-clears: put f x; chown f 1000 1000; U chmod f 6755; U chown f -1 2000; mode f
        chown-of-directory-keeps: mkdir d 755; chmod d 6755; chown d 1000 1000; mode d
        chown-keeps-sticky: put f x; chmod f 7755; chown f 1000 1000; mode f
        chown-of-fifo: mknod p fifo 644; chmod p 6755; chown p 1000 1000; mode p
        link-keeps: put f x; chmod f 6755; link f g; mode g; rename g h; mode h
        sgid-chmod-by-supplementary: put f x; chown f 1000 2000; U chmod f 2777; mode f; as 1000:1000 chmod f 2777;
          mode f
        """;

    internal const string Acls = """
        minimal-is-mode: put f x; setacl f a u::rw,g::r,o::-; mode f; acl f a; listx f
        mask-shows-as-group: put f x; setacl f a u::rw,u:1000:rw,g::r,m::rw,o::-; mode f; acl f a; listx f
        named-user: put f x; chmod f 600; setacl f a u::rw,u:1000:r,g::-,m::r,o::-; U tryopen f r; U tryopen f w;
          V tryopen f r
        named-user-denied: put f x; setacl f a u::rw,u:1000:-,g::r,m::r,o::r; U tryopen f r; V tryopen f r
        named-user-before-group: put f x; chown f 0 2000; setacl f a u::rw,u:1000:-,g::rw,m::rw,o::-; U tryopen f r;
          as 1001:2000 tryopen f rw
        named-group: put f x; setacl f a u::rw,g::-,g:2000:rw,m::rw,o::-; U tryopen f rw; V tryopen f r
        groups-any-grants: put f x; chown f 0 1000; setacl f a u::rw,g::-,g:2000:rw,m::rw,o::-; U tryopen f rw
        groups-do-not-add-up: put f x; chown f 0 1000; setacl f a u::rw,g::r,g:2000:w,m::rw,o::-; U tryopen f r;
          U tryopen f w; U tryopen f rw
        group-match-excludes-other: put f x; setacl f a u::rw,g::-,g:2000:-,m::rw,o::rw; U tryopen f r; V tryopen f r
        mask-limits-named: put f x; setacl f a u::rw,u:1000:rw,g::rw,m::r,o::-; U tryopen f r; U tryopen f w
        mask-limits-owning-group: put f x; chown f 0 2000; setacl f a u::rw,u:5:r,g::rw,m::r,o::-; U tryopen f r;
          U tryopen f w
        mask-not-for-owner-and-other: put f x; chown f 1000 0; setacl f a u::rw,u:5:r,g::r,m::-,o::rw; U tryopen f rw;
          V tryopen f rw
        chmod-moves-mask: put f x; setacl f a u::rw,u:1000:rw,g::r,m::rw,o::-; chmod f 600; acl f a; U tryopen f r;
          chmod f 664; acl f a; U tryopen f rw
        chmod-minimal-moves-group: put f x; setacl f a u::rw,g::r,o::-; chmod f 661; acl f a; mode f
        chown-keeps-acl: put f x; setacl f a u::rw,u:1000:rw,g::r,m::rw,o::-; chown f 1001 1001; acl f a; owner f
        remove: put f x; setacl f a u::rw,u:1000:rw,g::r,m::rw,o::-; rmacl f a; mode f; acl f a; rmacl f a
        set-needs-owner: put f x; chown f 1000 1000; V setacl f a u::rwx,g::r,o::r; U setacl f a u::rwx,g::r,o::r;
          mode f; V rmacl f a
        invalid-no-mask: put f x; setacl f a u::rw,u:1000:rw,g::r,o::-; acl f a
        invalid-no-other: put f x; setacl f a u::rw,g::r
        invalid-duplicate: put f x; setacl f a u::rw,u:1000:rw,u:1000:r,g::r,m::rw,o::-
        invalid-order: put f x; setacl f a g::r,u::rw,o::-; mode f
        invalid-value: put f x; setx f system.posix_acl_access abc; setx f system.posix_acl_access -
        default-on-file: put f x; setacl f d u::rw,g::r,o::-; acl f d
        default-inherited: mkdir d; setacl d d u::rwx,u:1000:rw,g::rx,m::rwx,o::-; create d/f 666; acl d/f a; acl d/f d;
          mode d/f; mkdir d/e 777; acl d/e a; acl d/e d; mode d/e
        default-ignores-umask: umask 077; mkdir d; setacl d d u::rwx,g::rwx,o::rwx; create d/f 666; mode d/f; acl d/f a;
          mkdir d/e 777; mode d/e; mkdir p; create p/f 666; mode p/f
        default-limited-by-mode: mkdir d; setacl d d u::rwx,u:1000:rwx,g::rwx,m::rwx,o::rwx; create d/f 640; acl d/f a;
          mode d/f; U tryopen d/f r; mknod d/p fifo 600; acl d/p a
        default-minimal-inherited: mkdir d; setacl d d u::rw,g::r,o::-; create d/f 777; mode d/f; acl d/f a;
          mkdir d/e 777; mode d/e; acl d/e d
        default-not-checked: mkdir d 700; setacl d d u::rwx,u:1000:rwx,g::-,m::rwx,o::-; U ls d; acl d a
        default-inherited-deep: mkdir d; setacl d d u::rwx,u:1000:r,g::r,m::r,o::-; mkdir d/a; mkdir d/a/b;
          create d/a/b/f; acl d/a/b d; acl d/a/b/f a
        default-symlink-has-none: mkdir d; setacl d d u::rwx,u:1000:r,g::r,m::r,o::-; symlink x d/l; lstat d/l;
          llistx d/l
        default-tmpfile: mkdir d; setacl d d u::rw,u:1000:r,g::r,m::rw,o::-; open F d tmp,rw 666; fstat F;
          linkproc F d/f; acl d/f a; mode d/f
        default-removed: mkdir d; setacl d d u::rwx,u:1000:r,g::r,m::r,o::-; rmacl d d; create d/f 644; mode d/f;
          acl d d; listx d
        move-does-not-inherit: mkdir d; setacl d d u::rwx,u:1000:r,g::r,m::r,o::-; put f x; rename f d/f; acl d/f a;
          mode d/f
        link-shares: put f x; link f g; setacl f a u::rw,u:1000:rw,g::r,m::rw,o::-; acl g a
        set-clears-sgid-of-others: put f x; chown f 1000 3000; chmod f 2755; U setacl f a u::rwx,g::rx,o::rx; mode f
        set-keeps-sgid-of-member: put f x; chown f 1000 2000; chmod f 2755; U setacl f a u::rwx,g::rx,o::rx; mode f
        directory-search: mkdir d 700; put d/f x; setacl d a u::rwx,u:1000:x,g::-,m::x,o::-; U cat d/f; U ls d
        directory-write: mkdir d 700; setacl d a u::rwx,u:1000:wx,g::-,m::wx,o::-; U create d/f; V create d/g; owner d/f
        times-of-set: put f x; mark f; setacl f a u::rw,u:1000:rw,g::r,m::rw,o::-; touched f
        get-needs-search-only: mkdir d 711; put d/f x; chmod d/f 600; setacl d/f a u::rw,u:5:r,g::-,m::r,o::-;
          U acl d/f a
        many-entries: put f x; setacl f a u::rw,u:1:r,u:2:r,u:3:r,u:4:r,u:5:r,u:6:r,u:7:r,u:8:r,u:9:r,g::r,m::r,o::-;
          acl f a
        access-call: put f x; chmod f 600; setacl f a u::rw,u:1000:r,g::-,m::r,o::-; U access f r; U access f w
        on-fifo-and-symlink: mknod p fifo 600; setacl p a u::rw,u:1000:rw,g::-,m::rw,o::-; acl p a; symlink f l;
          lsetx l system.posix_acl_access x
        """;
}
