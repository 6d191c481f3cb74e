namespace NasPosix.Tests.Cases;

/// <summary>Names, links, renames and the errors around them.</summary>
static class NameCases
{
    internal const string Names = """
        length-255: create ~255; stat ~255; mkdir ~256; create ~256; stat ~256; unlink ~256; rename ~255 ~256;
          symlink x ~256; mknod ~256 fifo; link ~255 ~256; unlink ~255
        length-255-directories: mkdir ~255; create ~255/~255; ls ~255; unlink ~255/~255; rmdir ~255
        length-256-before-missing: stat no/~256; stat ~256/no; symlink x l; stat l/~256
        path-4095: put p x; stat %4095; stat %4096; stat %4097; unlink %4096; unlink %4095
        path-4095-create: create %4095; create %4096; mkdir %4096; rename p %4096; link p %4096
        symlink-4095: symlink ~4095 l; lstat l; symlink ~4096 m; readlink l 10
        symlink-empty: symlink x l; unlink l; peer os.symlink('','e')
        symlink-short-buffer: symlink abcdef l; readlink l 3; readlink l 6; readlink l 100; put f x; readlink f;
          readlink .
        symlink-chain-40: symlink f l0; put f x; peer [os.symlink('l%d'%i,'l%d'%(i+1)) for(i)in(range(45))][0]; cat l39;
          cat l40; cat l44
        symlink-loop: symlink a b; symlink b a; stat a; lstat a; tryopen a r; tryopen a r,creat; mkdir a/x; unlink a
        symlink-to-directory: mkdir d; symlink d l; create l/f; ls d; rmdir l; unlink l; ls d
        symlink-trailing-slash: mkdir d; symlink d l; lstat l/; lstat l; rmdir l/; unlink l/; put f x; symlink f m;
          lstat m/
        symlink-dangling: symlink no l; stat l; tryopen l r; tryopen l w,creat,excl; tryopen l w,creat; stat no; mkdir l
        symlink-dangling-mkdir-slash: symlink no l; mkdir l/; mknod l fifo; rename l m; lstat m
        trailing-slash-file: put f x; stat f/; tryopen f/ r; unlink f/; rename f/ g; rename f g/; link f g/; mkdir d/;
          rmdir d/; create g/; mknod h/ fifo; symlink x s/
        trailing-slash-directory: mkdir d; rename d/ e/; stat e/; rename e f/; ls f/; rmdir f/
        dots: mkdir d; rmdir d/.; rmdir d/..; mkdir .; mkdir ..; create .; unlink .; rename . x; rename d .;
          rename d ..; rename .. d; link d/. e; rmdir .
        dot-dot-through-file: put f x; stat f/.; stat f/..; stat f/../f; create f/x; mkdir f/x; readlink f/x;
          symlink x f/l
        empty-path: peer os.stat(''); peer os.mkdir(''); peer os.unlink(''); peer os.rename('','x');
          peer os.rename('.','')
        any-bytes: peer open(bytes(range(1,47)),'w').close(); peer open(bytes(range(48,256)),'w').close();
          peer sorted(os.listdir(b'.')); peer os.unlink(bytes(range(48,256))); peer os.listdir(b'.')
        case-and-composition: create a; create A; peer open(b'e\xcc\x81','w').close();
          peer open(b'\xc3\xa9','w').close(); peer len(os.listdir('.'))
        deep-directories: deep 300 100
        deep-directories-255: deep 40 255
        links-300: put f x; links f 300; nlink f
        link-directory: mkdir d; link d e; link . e
        link-over: put f x; put g y; link f g; link f f; mkdir d; link f d; symlink x l; link f l
        link-symlink: put f x; symlink f l; link l m; lstat m; nlink l; link l n follow; lstat n; nlink f
        link-fifo: mknod p fifo; link p q; nlink q; lstat q; unlink p; lstat q
        link-device: mknod c char 666 1 3; link c d; rdev d; nlink d; add d x; nlink c
        link-socket: peer sock('s'); link s t; lstat t; peer connect('t'); unlink s; peer connect('t')
        link-to-missing: link no f; put f x; link f no/g; link f f/g; link no/f g
        link-of-open-unlinked: open F f rw,creat; unlink f; linkfd F g; linkproc F g; stat g
        link-many-directories: put f x; mkdir a; mkdir b; link f a/f; link f b/f; unlink f; nlink a/f; same a/f b/f;
          add a/f y; cat b/f
        nlink-of-directories: nlink .; mkdir a; nlink .; nlink a
        unlink-errors: unlink no; unlink no/x; mkdir d; unlink d; U unlink d; unlink d/; rmdir d
        rmdir-errors: rmdir no; put f x; rmdir f; mkdir d; create d/f; rmdir d; symlink d l; rmdir l; unlink d/f;
          rmdir d
        rmdir-of-current: mkdir d; chdir d; peer os.rmdir('d'); create f; ls .; stat .; stat ..; mkdir e; chdir ..
        mkdir-over: put f x; mkdir f; mkdir d; mkdir d; symlink d l; mkdir l; symlink no m; mkdir m
        mkdir-modes: mkdir a 0; mode a; mkdir b 7777; mode b; mkdir c 1777; mode c
        unlink-while-open: put f x*9; open F f rw; unlink f; fstat F; write F 9 y*5; read F 0 20; ftruncate F 3;
          fstat F; put f new; read F 0 20; cat f; close F
        unlink-while-open-attributes: put f x; open F f rw; unlink f; fchmod F 600; fchown F 1000 1000; fstat F;
          fsync F; peer os.stat('f')
        unlink-while-mapped: put f x*4096; open F f rw; mmap M F 0 4096 rws; unlink f; close F; poke M 0 yes; peek M 0 5
        unlink-one-of-two: put f x; link f g; open F f r; unlink f; fstat F; unlink g; fstat F; read F 0 5
        unlink-open-by-other: put f x*9; peer read('f',0,3); unlink f; peer write('f',0,'yyy'); peer read('f',0,9);
          peer os.fstat(fd('f')).st_nlink; peer close('f')
        rmdir-while-open: mkdir d; open D d r,dir; rmdir d; fstat D; getdents D 1000; openat F D x w,creat; mkdirat D y
        """;

    internal const string Opening = """
        excl: create f; create f; symlink f l; tryopen l w,creat,excl; symlink no m; tryopen m w,creat,excl; mkdir d;
          tryopen d w,creat,excl
        creat-directory: mkdir d; tryopen d r,creat; tryopen d rw,creat; tryopen d/ r,creat; tryopen no/ w,creat
        nofollow: put f x; symlink f l; tryopen l r,nofollow; tryopen f r,nofollow; tryopen l path,nofollow;
          tryopen l r,nofollow,creat; mkdir d; symlink d m; tryopen m r,nofollow,dir; put d/f x; tryopen m/f r,nofollow
        directory-flag: put f x; mkdir d; tryopen f r,dir; tryopen d r,dir; tryopen d rw; tryopen d w; tryopen d rw,dir;
          symlink d l; tryopen l r,dir; tryopen no r,dir; mknod p fifo; tryopen p r,dir
        directory-creat-flag: tryopen d r,dir,creat 755; stat d
        trunc-read-only: put f x*9; tryopen f r,trunc; size f
        trunc-directory: mkdir d; tryopen d r,trunc
        trunc-fifo: mknod p fifo; tryopen p r,trunc,nonblock; tryopen p w,nonblock
        append: put f abc; open F f rw,append; append F def; write F 0 ghi; cat f; seek F cur 0; ftruncate F 2;
          append F z; cat f
        append-two: put f -; truncate f 0; open F f w,append; open G f w,append; append F a; append G b; append F c;
          cat f
        append-other-process: put f a; open F f w,append; peer write('f',1,'bcd'); append F e; cat f
        access-mode-3: put f x; open F f 3; read F 0 1; write F 0 y; close F
        write-only-does-not-read: put f x; open F f w; read F 0 1; open G f r; write G 0 y; ftruncate G 0
        path-handle: put f x; open F f path; read F 0 1; fchmod F 600; fstat F; linkproc F g; nlink f; ftruncate F 0;
          fsync F
        tmpfile: open F . tmp,rw 600; fstat F; write F 0 abc; linkproc F f; cat f; nlink f; fstat F; ls .
        tmpfile-excl: open F . tmp,rw,excl 600; linkproc F f
        tmpfile-read-only: open F . tmp 600; put f x; open G f tmp,rw; open H no tmp,rw
        tmpfile-linkfd: open F . tmp,w 644; write F 0 x*9000; linkfd F f; size f; link f g; unlink f; cat g
        tmpfile-over-existing: put f x; open F . tmp,rw; linkproc F f; linkproc F no/f; mkdir d; linkproc F d/g;
          nlink d/g
        tmpfile-umask-and-group: umask 27; mkdir d 777; chown d 0 2000; chmod d 2777; open F d tmp,rw 666; fstat F
        tmpfile-closed-is-gone: open F . tmp,rw; write F 0 x*100000; close F; ls .
        tmpfile-permission: mkdir d 755; U open F d tmp,rw; mkdir e 777; U open G e tmp,rw 0; fstat G
        mknod-types: mknod f file 640; lstat f; mknod p fifo 640; lstat p; mknod s sock 640; lstat s;
          mknod c char 640 4 5; lstat c; rdev c; mknod b block 640 300 70000; lstat b; rdev b; mknod z none 640; lstat z
        mknod-errors: mknod d dir; mknod l link; mknod x other; mknod no/p fifo; mknod p fifo; mknod p fifo;
          mknod . fifo
        mknod-by-users: mkdir d 777; U mknod d/p fifo; U mknod d/s sock; U mknod d/f file; U mknod d/c char 600 1 3;
          U mknod d/b block 600 1 3
        mknod-largest-device: mknod c char 600 4095 1048575; rdev c; mknod d char 600 0 0; rdev d
        device-works: mknod c char 666 1 3; put c x; cat c; mknod z char 666 1 5; open F z r; read F 0 4
        device-missing: mknod c char 666 250 99; tryopen c r
        fifo-works: mknod p fifo; open R p r,nonblock; open W p w,nonblock; append W abc; seek R cur 0;
          tryopen p w,nonblock
        socket-open: peer sock('s'); tryopen s r; tryopen s rw; peer connect('s')
        text-busy: peer run('cp','/bin/sleep','t'); chmod t 755;
          peer held.update(p=__import__('subprocess').Popen(['./t','9'])); tryopen t w; tryopen t r;
          peer (held['p'].kill(),held.pop('p').wait())[1]
        order-of-errors: stat no/~256; stat f/x; put f x; stat f/x; mkdir d 700; put d/f x; U stat d/f/x; U stat d/no;
          U create d/f; U mkdir d/~256; U unlink f/x; U rmdir d/f; U rename d/f x
        order-exist-before-access: mkdir d 755; create d/f; U create d/f; U mkdir d/f; U symlink x d/f;
          U mknod d/f fifo; U link d/f d/f; put g x; U link g d/f
        order-type-before-access: mkdir d 755; mkdir d/e; create d/f; U unlink d/e; U rmdir d/f; U tryopen d/f r,dir;
          U tryopen d w
        order-not-empty-and-access: mkdir d 755; mkdir d/e; create d/e/f; U rmdir d/e; U rename d/e d/f; mkdir d/g;
          U rename d/g d/e
        order-missing-before-access: mkdir d 755; U unlink d/no; U rmdir d/no; U rename d/no d/x; U link d/no d/x;
          U truncate d/no 0; U chmod d/no 600
        bad-descriptors: read #-1 0 1; write #9999 0 x; fsync #9999; ftruncate #9999 0; fchmod #9999 600;
          openat F #9999 x r; fstat #9999
        relative-to-handle: mkdir d; open D d r,dir; openat F D f w,creat; ls d; unlinkat D f; ls d; put g x;
          open G g r; openat H G x r; mkdirat G x
        relative-to-moved: mkdir a; mkdir b; open D a r,dir; rename a b/a; openat F D f w,creat; ls b/a; mkdirat D e;
          ls b/a
        direct: put f x*8192; open F f rw,direct; read F 0 0; seek F end 0
        bad-addresses: open F f rw,creat; write F -5 x; seek F set -1; ftruncate F -1; truncate f -1;
          fallocate F alloc -1 5; fallocate F alloc 0 0; seek F bad 0; seek F cur -1
        directory-as-file: mkdir d; open D d r; read D 0 10; write D 0 x; ftruncate D 0; truncate d 0;
          fallocate D alloc 0 1; fsync D; fdatasync D
        special-files-as-files: mknod p fifo; truncate p 0; open P p rw,nonblock; ftruncate P 0; fallocate P alloc 0 5;
          seek P set 0; fsync P
        symlink-operations: symlink f l; put f x; chown l 1000 1000; owner f; owner l; lchown l 1001 1001; owner l;
          truncate l 0; size f; chmod l 600; mode f; mode l
        """;

    internal const string Renames = """
        file-over-file: put a A; put b B; rename a b; cat b; stat a; nlink b
        file-over-directory: put a A; mkdir b; rename a b; mkdir b/c; rename a b
        directory-over-file: mkdir a; put b B; rename a b; cat b
        directory-over-empty: mkdir a; put a/f x; mkdir b; rename a b; ls b; stat a
        directory-over-non-empty: mkdir a; mkdir b; create b/f; rename a b; ls b; unlink b/f; rename a b
        symlink-over-file: symlink x a; put b B; rename a b; lstat b
        file-over-symlink: put a A; symlink c b; put c C; rename a b; lstat b; cat c
        symlink-over-directory: symlink x a; mkdir b; rename a b
        directory-over-symlink: mkdir a; mkdir c; symlink c b; rename a b
        symlink-over-symlink: symlink x a; symlink y b; rename a b; readlink b
        fifo-over-file: mknod a fifo; put b B; rename a b; lstat b
        file-over-fifo: put a A; mknod b fifo; rename a b; cat b
        fifo-over-directory: mknod a fifo; mkdir b; rename a b
        directory-over-fifo: mkdir a; mknod b fifo; rename a b
        device-over-device: mknod a char 600 1 3; mknod b block 600 7 0; rename a b; rdev b; lstat b
        socket-over-socket: peer sock('a'); mknod b sock; rename a b; peer connect('b')
        to-itself: put a A; rename a a; mkdir d; rename d d; cat a
        link-to-itself: put a A; link a b; rename a b; nlink a; ls .
        into-itself: mkdir d; rename d d/e; mkdir d/e; rename d d/e/f; rename d d/e; rename d/e d
        onto-ancestor: mkdir a; mkdir a/b; mkdir a/b/c; rename a/b/c a; rename a/b/c a/b; put a/f x; rename a/f a;
          rename a/b/c ..
        missing: rename no x; put f x; rename f no/x; rename no/f x; rename f f/x; rename f/x y
        parent-changes: mkdir a; mkdir b; mkdir a/d; create a/d/f; rename a/d b/e; ls b/e; same b/e/.. b;
          same b/e/../.. .
        parent-of-handle: mkdir a; mkdir b; mkdir a/d; open D a/d r,dir; rename a/d b/d; openat P D .. r; lsfd P
        open-target: put a A; put b B; open F b rw; rename a b; read F 0 5; fstat F; write F 0 C; cat b
        open-source: put a A; open F a rw; rename a b; write F 0 C; cat b; fstat F
        open-directory-target: mkdir a; mkdir b; open D b r,dir; rename a b; fstat D; getdents D 500;
          openat F D x w,creat
        same-name-other-directory: mkdir a; mkdir b; put a/f A; put b/f B; rename a/f b/f; cat b/f; ls a
        noreplace: put a A; put b B; rename a b noreplace; cat b; rename a c noreplace; ls .; mkdir d;
          rename d c noreplace; rename c c noreplace
        noreplace-missing: rename no a noreplace; put b B; rename no b noreplace
        noreplace-symlink: put a A; symlink no l; rename a l noreplace
        exchange-files: put a A; put b B; rename a b exchange; cat a; cat b; nlink a
        exchange-file-directory: put a A; mkdir b; create b/x; rename a b exchange; cat b; ls a; same a/.. .
        exchange-missing: put a A; rename a b exchange; rename b a exchange
        exchange-across: mkdir a; mkdir b; mkdir a/d; create a/d/x; put b/f F; rename a/d b/f exchange; cat a/d; ls b/f;
          same b/f/.. b
        exchange-symlink: put a A; symlink a l; rename a l exchange; readlink a; lstat l
        exchange-with-child: mkdir a; mkdir a/b; rename a a/b exchange; rename a/b a exchange
        exchange-with-self: put a A; rename a a exchange; link a b; rename a b exchange; nlink a
        exchange-non-empty-directories: mkdir a; mkdir b; create a/x; create b/y; rename a b exchange; ls a; ls b
        flags-together: put a A; put b B; rename a b both
        whiteout: put a A; rename a b whiteout; lstat a
        long-names: create ~255; rename ~255 a; rename a ~255; stat ~255
        many-times: create a; rename a b; rename b c; rename c a; ls .; mkdir d; rename a d/a; rename d/a a; ls d; ls .
        last-link-removed: put a A; put b B; link b c; rename a b; nlink c; cat c; cat b
        directory-without-write: mkdir a 777; mkdir b 777; mkdir a/d 555; chown a/d 1000 1000; U rename a/d a/e;
          U rename a/e b/e
        current-directory: mkdir a; chdir a; peer os.rename('a','b'); create f; peer sorted(os.listdir('b')); chdir ..
        group-of-target-stays: put a A; mkdir d; chown d 0 2000; chmod d 2775; rename a d/a; owner d/a
        """;
}
