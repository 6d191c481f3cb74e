namespace NasPosix.Tests.Cases;

/// <summary>Times, extended attributes, directory streams, sizes of the file system.</summary>
static class AttributeCases
{
    internal const string Times = """
        create: mark .; create f; touched .; mark .; mkdir d; touched .; mark .; symlink x l; touched .; mark .;
          mknod p fifo; touched .
        open-existing: put f x; mark f .; tryopen f rw; touched f .; tryopen f rw,creat; touched f .
        open-trunc: put f x; mark f; tryopen f w,trunc; touched f; mark f; tryopen f w,trunc; touched f
        write: put f x; mark f .; add f y; touched f .
        write-nothing: put f x; open F f w; mark f; write F 0; touched f
        read: put f x; mark f; cat f; touched f
        read-directory: mkdir d; create d/f; mark d; ls d; touched d
        readlink: symlink x l; mark l; readlink l; touched l
        unlink: put f x; link f g; mark f .; unlink g; touched f .
        link: put f x; mark f .; link f g; touched f .
        rename: mkdir a; mkdir b; put a/f x; mark a b a/f; rename a/f b/f; touched a b b/f=a/f
        rename-same-directory: put f x; mark f .; rename f g; touched . g=f
        rename-over: put f x; put g y; link g h; mark f g .; rename f g; touched . g=f h=g
        rename-directory: mkdir a; mkdir b; mkdir a/d; mark a b a/d; rename a/d b/d; touched a b b/d=a/d
        rename-exchange: mkdir a; mkdir b; put a/f x; put b/g x; mark a b a/f b/g; rename a/f b/g exchange;
          touched a b a/f=b/g b/g=a/f
        rename-to-itself: put f x; mark f .; rename f f; touched f .; link f g; mark f .; rename f g; touched f .
        failed-operations: mkdir d; put f x; mark . d f; mkdir d; create f; link f d; rename f d; unlink no; rmdir f;
          rename d f; touched . d f
        rmdir: mkdir d; mkdir d/e; mark d; rmdir d/e; touched d
        mkdir-in: mkdir d; mark d .; mkdir d/e; touched d .
        chmod: put f x; mark f .; chmod f 600; touched f .; mark f; chmod f 600; touched f
        chown: put f x; mark f; chown f 1000 1000; touched f; mark f; chown f 1000 1000; touched f
        setxattr: put f x; mark f; setx f user.a 1; touched f; mark f; setx f user.a 1; touched f; mark f; rmx f user.a;
          touched f
        failed-xattr: put f x; mark f; rmx f user.a; setx f user.a 1 replace; getx f user.a; touched f
        utimes: put f x; utimes f 5.25 6.5; atime f; mtime f; mark f; utimes f omit omit; touched f; utimes f 7 omit;
          touched f; mtime f
        utimes-now: put f x; mark f; utimes f now now; touched f; mark f; utimes f omit now; touched f; mark f;
          utimes f now omit; touched f; mark f; touch f; touched f
        utimes-microseconds: put f x; utimes f 1.123456 2.654321; atime f; mtime f
        utimes-nanoseconds: put f x; utimes f 1.123456789 2.987654321; mtime f
        utimes-before-1970: put f x; utimes f -5 -5; mtime f; utimes f 1 -1000000; mtime f
        utimes-far: put f x; utimes f 4000000000 4000000000; peer os.stat('f').st_mtime; utimes f 1 9000000000;
          peer os.stat('f').st_mtime
        utimes-very-far: put f x; utimes f 1 100000000000; peer os.stat('f').st_mtime
        utimes-bad: put f x; utimes f bad 1; utimes f 1 bad; utimes no 1 1; symlink no l; utimes l 1 1; lutimes l 1 2;
          mtime l
        utimes-symlink: put f x; symlink f l; lutimes l 1 2; mtime l; mark f; utimes l 3 4; mtime f; mtime l
        utimes-by-owner: put f x; chown f 1000 1000; chmod f 0; U utimes f 1 2; mtime f; U utimes f now now; U touch f
        utimes-by-writer: put f x; chmod f 666; U touch f; U utimes f now now; U utimes f 1 2; U utimes f omit now;
          U utimes f now omit; U utimes f omit omit
        utimes-by-stranger: put f x; chmod f 644; U touch f; U utimes f now now; U utimes f 1 2; U utimes f omit omit
        utimes-directory: mkdir d; utimes d 1 2; mtime d; create d/f; mtime d
        utimes-fifo-and-device: mknod p fifo; utimes p 1 2; mtime p; mknod c char 600 1 3; utimes c 3 4; mtime c
        mtime-survives-rename: put f x; utimes f 1 2; rename f g; mtime g; link g h; mtime h; chmod g 600; mtime g
        device-write: mknod c char 666 1 3; mark c; add c x; touched c
        fifo-write: mknod p fifo; open P p rw,nonblock; mark p; append P x; touched p
        unlinked-open: put f x; link f g; open F f rw; mark g; unlink f; touched g; append F y; touched g
        """;

    internal const string Xattrs = """
        set-get: put f x; setx f user.a abc; getx f user.a; getx f user.a 0; getx f user.a 3; getx f user.a 2; listx f
        empty-value: put f x; setx f user.a -; getx f user.a; getx f user.a 0; listx f
        create-replace: put f x; setx f user.a 1 replace; setx f user.a 1 create; setx f user.a 2 create;
          setx f user.a 3 replace; getx f user.a; setx f user.a 3 bad
        replace-sizes: put f x; setx f user.a a*100; setx f user.a b*3000; setx f user.a c; getx f user.a; listx f
        missing: put f x; getx f user.a; rmx f user.a; listx f; listx f 0; getx no user.a; setx no user.a 1; listx no
        list-sizes: put f x; setx f user.a 1; setx f user.bb 1; listx f 0; listx f 14; listx f 15; listx f 5
        name-255: put f x; setx f user.~250 1; getx f user.~250; setx f user.~251 1; getx f user.~251; rmx f user.~251
        name-odd: put f x; setx f user. 1; setx f user 1; setx f a 1; setx f .a 1; setx f user.a.b.c 1;
          getx f user.a.b.c
        namespaces: put f x; setx f trusted.a 1; setx f security.a 1; setx f system.a 1; setx f other.a 1; listx f;
          getx f other.a; getx f system.a; rmx f other.a
        user-by-others: put f x; chmod f 644; U setx f user.a 1; setx f user.a 1; U getx f user.a; U rmx f user.a;
          chmod f 600; U getx f user.a; U listx f
        user-by-writer: put f x; chmod f 666; U setx f user.a 1; U getx f user.a; U rmx f user.a
        trusted-by-others: put f x; chown f 1000 1000; setx f trusted.a 1; U getx f trusted.a; U setx f trusted.a 2;
          U listx f; U rmx f trusted.a; listx f
        security-by-others: put f x; chown f 1000 1000; setx f security.a 1; U getx f security.a; U setx f security.a 2
        user-on-symlink: symlink f l; lsetx l user.a 1; lgetx l user.a; lsetx l trusted.a 1; lgetx l trusted.a; llistx l
        user-on-special: mknod p fifo; setx p user.a 1; mknod c char 600 1 3; setx c user.a 1; setx c trusted.a 1;
          listx c; mknod s sock; setx s user.a 1
        user-on-sticky-directory: mkdir d 1777; U setx d user.a 1; setx d user.a 1; chown d 1000 1000;
          U setx d user.a 2; mkdir e 777; U setx e user.a 1
        on-directory: mkdir d; setx d user.a 1; setx d trusted.b 2; listx d; create d/f; listx d/f; rmx d user.a;
          listx d
        follows-links: put f x; symlink f l; setx l user.a 1; getx f user.a; lgetx l user.a
        links-share: put f x; link f g; setx f user.a 1; getx g user.a; unlink f; getx g user.a
        move-keeps: put f x; setx f user.a 1; rename f g; getx g user.a; put h y; rename h g; listx g
        chown-keeps: put f x; setx f user.a 1; chown f 1000 1000; chmod f 600; add f y; getx f user.a
        unlinked-open: open F f rw,creat; setx f user.a 1; unlink f; peer 0; fstat F
        value-64k: put f x; setx f user.a x*65536; setx f user.b x*65537
        value-3000: put f x; setx f user.a x*3000; getx f user.a; getx f user.a 2999; rmx f user.a; getx f user.a
        many: put f x; peer [os.setxattr('f','user.n%d'%i,b'v%d'%i) for(i)in(range(60))][0];
          peer len(os.listxattr('f')); getx f user.n59; rmx f user.n30; peer len(os.listxattr('f'))
        binary-value: put f x; peer os.setxattr('f','user.b',bytes(range(256)));
          peer os.getxattr('f','user.b')==bytes(range(256))
        capability-dropped-by-write: put t x; peer os.setxattr('t','security.capability',b'\1\0\0\2'+bytes(16));
          listx t; add t x; listx t
        capability-dropped-by-chown: put t x; peer os.setxattr('t','security.capability',b'\1\0\0\2'+bytes(16));
          listx t; chown t 1000 1000; listx t
        capability-dropped-by-truncate: put t x; peer os.setxattr('t','security.capability',b'\1\0\0\2'+bytes(16));
          truncate t 0; listx t
        capability-bad: put t x; setx t security.capability x
        immutable: put f x; setx f user.a 1; flags f 16; setx f user.b 1; rmx f user.a; add f y; chmod f 600; unlink f;
          rename f g; link f h; tryopen f w; touch f; utimes f 1 1; chown f 1 1; truncate f 0; getx f user.a; flags f 0;
          unlink f
        append-only: put f x; flags f 32; add f y; tryopen f w; tryopen f w,append; tryopen f w,append,trunc;
          truncate f 0; unlink f; rename f g; chmod f 600; touch f; utimes f 1 1; cat f; flags f 0; unlink f
        immutable-directory: mkdir d; create d/f; flags d 16; create d/g; unlink d/f; rename d/f d/h; mkdir d/e;
          add d/f x; rename d e; flags d 0; unlink d/f
        append-only-directory: mkdir d; create d/f; flags d 32; create d/g; unlink d/f; rename d/f d/h; flags d 0; ls d
        flags-by-others: put f x; chown f 1000 1000; U flags f 16; U flags f 64; V flags f 64; flags f 0
        """;

    internal const string Directories = """
        types: create f; mkdir d; symlink x l; mknod p fifo; mknod s sock; mknod c char 600 1 3; mknod b block 600 1 3;
          ls .
        inodes: create f; mkdir d; symlink x l; mknod p fifo; inodes .
        empty: mkdir d; ls d; open D d r,dir; getdents D 1000; getdents D 1000; close D
        small-buffer: mkdir d; fill d 5; open D d r,dir; getdents D 10; getdents D 100
        not-a-directory: put f x; open F f r; getdents F 1000; getdents #9999 1000
        thousand: mkdir d; fill d 1000; count d 1000
        read-while-removing-all: mkdir d; fill d 1000; readremove d; rmdir d
        read-while-removing-others: mkdir d; fill d 1000; readwhile d 1000 rm
        read-while-adding: mkdir d; fill d 1000; readwhile d 1000 add
        read-while-renaming: mkdir d; fill d 1000; readwhile d 1000 mv
        seekdir: mkdir d; fill d 500; seekdir d
        seekdir-after-removal: mkdir d; fill d 500; seekdir d rm
        rewind-sees-changes: create a; open D . r,dir; lsfd D; create b; lsfd D; seek D set 0; lsfd D; unlink a;
          seek D set 0; lsfd D
        two-streams: create a; create b; open D . r,dir; open E . r,dir; lsfd D; lsfd E; lsfd D
        stream-of-removed: mkdir d; fill d 3; open D d r,dir; peer [os.unlink('d/'+n) for(n)in(os.listdir('d'))][0];
          rmdir d; lsfd D; seek D set 0; lsfd D
        stream-of-moved: mkdir d; fill d 3; open D d r,dir; rename d e; lsfd D; create e/new; seek D set 0; lsfd D
        seek-bad: mkdir d; open D d r,dir; seek D set -1; seek D set 0; seek D cur 0
        after-other-process: mkdir d; ls d; peer open('d/f','w').close(); ls d; peer os.unlink('d/f'); ls d; stat d/f
        negative-names: stat f; peer open('f','w').close(); stat f; peer os.unlink('f'); stat f
        attributes-of-other-process: put f x; stat f; peer write('f',0,'abcdef'); size f; peer os.chmod('f',0o600);
          mode f; peer os.truncate('f',2); cat f
        unreadable: mkdir d 311; create d/f; U ls d; U stat d/f; chmod d 744; U ls d; U inodes d
        statfs: statfs .; put f x; statfs f; symlink f l; statfs l; statfs no; mknod p fifo; statfs p
        remove-large-tree: mkdir d; fill d 300; mkdir d/e; fill d/e 300; peer run('rm','-r','d'); stat d
        dot-dot: mkdir d; mkdir d/e; same d/e/.. d; same d/.. .; same d/. d; chdir d/e; same .. ../../d; chdir ../..
        chdir: mkdir d 700; U chdir d; put f x; chdir f; chdir no; chdir d; create f; chdir ..; ls d
        """;
}
