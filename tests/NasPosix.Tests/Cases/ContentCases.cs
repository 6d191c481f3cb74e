namespace NasPosix.Tests.Cases;

/// <summary>Content, space, mappings and locks.</summary>
static class ContentCases
{
    internal const string Content = """
        write-extends: open F f rw,creat; write F 5 abc; read F 0 20; fstat F; write F 100000 x; fstat F;
          read F 99990 20
        write-overlaps: open F f rw,creat; write F 0 a*20000; write F 16000 b*1000; read F 15990 1020
        write-nothing: open F f rw,creat; write F 100; fstat F; write F 0 abc; write F 50; fstat F
        read-beyond-end: put f abc; open F f r; read F 3 5; read F 100 5; read F 2 5; read F 0 0;
          read F 9223372036854775800 5
        positions: put f abcdef; open F f rw; append F xy; seek F cur 0; seek F end -1; append F z; cat f;
          seek F set 100; append F e; size f
        truncate-shrinks: put f x*100000; truncate f 50000; size f; truncate f 100; cat f; truncate f 0; cat f
        truncate-grows: put f abc; truncate f 10; cat f; truncate f 70000; size f; truncate f 3; truncate f 6; cat f
        truncate-zeroes-tail: put f x*20000; truncate f 5; truncate f 20000; cat f
        truncate-block-edges: put f x*40000; truncate f 16384; size f; truncate f 16385; cat f; truncate f 16383; cat f
        truncate-times: put f x*9; mark f; truncate f 9; touched f; mark f; truncate f 3; touched f; mark f;
          truncate f 30; touched f
        ftruncate-same-size-times: put f x*9; open F f rw; mark f; ftruncate F 9; touched f
        truncate-errors: truncate no 0; mkdir d; truncate d 0; symlink no l; truncate l 0; put f x; truncate f/x 0
        truncate-large: put f x; truncate f 4t; size f; truncate f 8t; size f; truncate f 1; cat f
        size-limit: put f x; truncate f 9223372036854775807; size f
        offset-limit: open F f rw,creat; write F 9223372036854775807 x; write F 9223372036854775800 abcdefghij; fstat F
        large-offsets: open F f rw,creat; write F 2147483647 ab; write F 4294967295 cd; write F 1t ef;
          read F 2147483646 4; read F 4294967294 4; read F 1t-1 5; fstat F
        large-sparse-blocks: open F f rw,creat; write F 100g x; hasblocks f; ftruncate F 0; fsync F; hasblocks f
        holes-read-zero: open F f rw,creat; write F 1m x; write F 3m y; read F 1m-5 10; read F 2m 10; fstat F
        seek-data: open F f rw,creat; write F 1m x*65536; ftruncate F 4m; datamap F; seek F data 1m+1; seek F hole 1m;
          seek F data 4m; seek F hole 4m; seek F hole 5m; seek F data -1; seek F hole 2m
        seek-data-dense: put f x*200000; open F f r; seek F data 0; seek F hole 0; seek F data 199999;
          seek F hole 199999; seek F data 200000
        seek-data-empty: create f; open F f r; seek F data 0; seek F hole 0
        seek-data-only-hole: put f -; truncate f 0; truncate f 10m; open F f r; seek F data 0; seek F hole 0;
          seek F hole 5m
        seek-data-after-sync: open F f rw,creat; write F 2m x*65536; ftruncate F 8m; fsync F; datamap F
        seek-data-many: open F f rw,creat; write F 0 x*65536; write F 1m x*65536; write F 2m x*65536; datamap F;
          fsync F; datamap F
        seek-moves-position: open F f rw,creat; write F 1m x*65536; seek F data 0; seek F cur 0; seek F hole 1m;
          seek F cur 0
        punch: open F f rw,creat; write F 0 x*300000; fallocate F punch,keep 64k 64k; read F 65530 10; read F 131066 10;
          fstat F; datamap F
        punch-unaligned: open F f rw,creat; write F 0 x*100; fallocate F punch,keep 10 20; read F 0 100; fstat F
        punch-beyond-end: open F f rw,creat; write F 0 x*100; fallocate F punch,keep 50 1m; fstat F; read F 40 100;
          fallocate F punch,keep 1m 1m; fstat F
        punch-needs-keep: open F f rw,creat; fallocate F punch 0 100
        punch-all: open F f rw,creat; write F 0 x*300000; fallocate F punch,keep 0 1m; datamap F; fstat F; hasblocks f
        zero-range: open F f rw,creat; write F 0 x*100; fallocate F zero 10 20; read F 0 100; fallocate F zero 90 20;
          fstat F; fallocate F zero,keep 100 200; fstat F
        allocate: open F f rw,creat; fallocate F alloc 0 100000; fstat F; read F 0 5; write F 0 abc;
          fallocate F alloc 0 10; fstat F; read F 0 5
        allocate-keep: open F f rw,creat; fallocate F keep 0 1m; fstat F; write F 0 x; fallocate F keep 0 1m; fstat F
        allocate-beyond-end: open F f rw,creat; write F 0 x; fallocate F alloc 1m 1m; fstat F; read F 1m 5
        allocate-read-only: put f x; open F f r; fallocate F alloc 0 100; fallocate F punch,keep 0 1
        allocate-collapse: open F f rw,creat; write F 0 x*65536; fallocate F collapse 0 16k
        allocate-insert: open F f rw,creat; write F 0 x*65536; fallocate F insert 0 16k
        allocate-unknown-mode: open F f rw,creat; fallocate F insert,punch,keep 0 4096; fallocate F collapse,keep 0 4096
        allocate-times: put f x*9; open F f rw; mark f; fallocate F alloc 0 100; touched f; mark f;
          fallocate F punch,keep 0 4; touched f; mark f; fallocate F zero 0 4; touched f
        copy-range: put f abcdefghij; open F f r; open G g rw,creat; copy F 2 G 0 5; cat g; copy F 0 G 10 3; cat g;
          copy F 8 G 0 100; copy F 10 G 0 5; copy F 100 G 0 5
        copy-range-same-file: put f abcdefghij; open F f rw; copy F 0 F 5 5; cat f; copy F 0 F 2 5; copy F 0 F 10 5;
          cat f
        copy-range-errors: put f x*9; open F f r; open G g w,creat; copy G 0 G 10 1; copy F 0 F 10 1; mkdir d;
          open D d r; copy D 0 G 0 1; open A g w,append; copy F 0 A 0 1; copy F 0 G 0 1 1; copy F -1 G 0 1;
          copy F 0 G 0 0
        copy-range-large: open F f rw,creat; write F 0 a*100000; write F 1m b*100000; open G g rw,creat;
          copy F 0 G 0 2m; size g; read G 1m-2 5
        copy-range-times: put f x*9; put g y*9; open F f r; open G g rw; mark f g; copy F 0 G 0 5; touched f g
        sendfile: put f x*100000; open F f r; open G g w,creat; sendfile G F 50000; sendfile G F 100000; size g
        fsync-variants: open F f rw,creat; write F 0 x; fsync F; fdatasync F; open G f r; fsync G; mkdir d; open D d r;
          fsync D; mknod p fifo; open P p rw; fsync P
        sync-flags: open F f rw,creat,sync; write F 0 abc; open G f rw,dsync; write G 3 def; cat f
        sparse-copy: open F f rw,creat; write F 64k x; peer run('cp','--sparse=always','f','g'); size g; open G g r;
          read G 64k 5
        overwrite-many-times: open F f rw,creat; write F 0 a*70000; write F 1 b*69998; write F 2 c*69996; read F 0 4;
          read F 69996 4
        """;

    internal const string Mappings = """
        map-sees-write: open F f rw,creat; write F 0 abc*2000; mmap M F 0 6000 rws; write F 3 XYZ; peek M 0 9
        write-through-map: open F f rw,creat; write F 0 a*6000; mmap M F 0 6000 rws; poke M 100 hello; read F 98 9;
          msync M; read F 98 9
        other-process-sees-map: open F f rw,creat; write F 0 a*8192; mmap M F 0 8192 rws; poke M 10 one;
          peer read('f',8,7); peer write('f',10,'two'); peek M 8 7
        two-maps: open F f rw,creat; write F 0 a*8192; mmap M F 0 8192 rws; peer poke('f',8192,0,'peer'); peek M 0 6;
          poke M 4096 mine; peer peek('f',8192,4094,8)
        private-map: open F f rw,creat; write F 0 a*5000; mmap M F 0 5000 rwp; poke M 0 xyz; read F 0 5; peek M 0 5;
          write F 4 Q; read F 0 6
        map-after-close: open F f rw,creat; write F 0 a*5000; mmap M F 0 5000 rws; close F; poke M 1 zz; munmap M;
          open G f r; read G 0 5
        map-tail-is-zero: open F f rw,creat; write F 0 abc; mmap M F 0 4096 rws; peek M 0 10; poke M 5 no; munmap M;
          cat f; size f; truncate f 10; cat f
        map-grows: open F f rw,creat; write F 0 a*4096; mmap M F 0 16384 rws; ftruncate F 16384; poke M 12000 new;
          read F 11998 7; peek M 4094 4
        map-truncate-grow-zero: open F f rw,creat; write F 0 a*8192; mmap M F 0 8192 rws; poke M 5000 b;
          ftruncate F 4096; ftruncate F 8192; peek M 4094 4; peek M 5000 2
        map-of-punch: open F f rw,creat; write F 0 a*131072; mmap M F 0 131072 rws; fallocate F punch,keep 64k 64k;
          peek M 65534 4; poke M 70000 c; read F 69999 3
        map-hole: open F f rw,creat; ftruncate F 1m; mmap M F 64k 64k rws; poke M 0 x; datamap F; read F 64k 3
        map-rights: put f x*5000; open F f r; mmap M F 0 4096 rs; mmap N F 0 4096 rws; mmap P F 0 4096 rwp; open G f w;
          mmap Q G 0 4096 rs; mmap R G 0 4096 rws
        map-errors: create f; open F f rw; mmap M F 1 4096 rs; mmap M F 0 0 rs; mkdir d; open D d r; mmap M D 0 4096 rs;
          mknod p fifo; open P p rw; mmap M P 0 4096 rs
        map-offset: open F f rw,creat; write F 0 a*70000; write F 65536 here; mmap M F 65536 4096 rs; peek M 0 6
        map-times: put f a*5000; open F f rw; mmap M F 0 4096 rws; mark f; poke M 0 b; msync M; touched f
        map-append: open F f rw,creat,append; append F a*4096; mmap M F 0 8192 rws; append F b*4096; peek M 4094 4
        map-copied: open F f rw,creat; write F 0 a*8192; mmap M F 0 8192 rws; poke M 100 fresh; open G g rw,creat;
          copy F 0 G 0 8192; read G 98 9
        map-fallocate-zero: open F f rw,creat; write F 0 a*8192; mmap M F 0 8192 rws; poke M 10 b;
          fallocate F zero 0 100; peek M 8 5
        map-persists: open F f rw,creat; write F 0 a*8192; mmap M F 0 8192 rws; poke M 4000 kept; munmap M; fsync F;
          close F; peer run('sh','-c','tail -c +4000 f | head -c 6')
        """;

    internal const string Locks = """
        fcntl-exclusive: open F f rw,creat; lock F w 0 10; peer lock('f','w',5,10); peer lock('f','w',10,10);
          peer lock('f','r',0,1)
        fcntl-shared: open F f rw,creat; lock F r 0 0; peer lock('f','r'); peer lock('f','w'); lock F u 0 0;
          peer lock('f','w')
        fcntl-getlk: open F f rw,creat; peer lock('f','w',100,50); getlock F w 0 0; getlock F r 120 1;
          getlock F w 0 100; getlock F w 150 0
        fcntl-split: open F f rw,creat; lock F w 0 100; lock F u 40 20; peer lock('f','w',40,20);
          peer lock('f','w',39,1); peer lock('f','w',60,1)
        fcntl-upgrade: open F f rw,creat; lock F r 0 10; peer lock('f','r',0,10); lock F w 0 10;
          peer lock('f','u',0,10); lock F w 0 10; peer lock('f','r',0,10)
        fcntl-own-overlap: open F f rw,creat; open G f rw; lock F w 0 10; lock G w 0 10; close G;
          peer lock('f','w',0,10)
        fcntl-to-end: open F f rw,creat; lock F w 100 0; peer lock('f','w',0,100); peer lock('f','w',1000000,1)
        fcntl-needs-mode: put f x; open F f r; lock F w 0 1; lock F r 0 1; open G f w; lock G r 0 1; lock G w 0 1
        fcntl-bad-range: open F f rw,creat; lock F w -5 10; lock F w 9223372036854775807 5; lock F w 10 -5;
          lock F w 3 -5
        fcntl-released-by-exit: open F f rw,creat;
          peer run('python3','-c','__import__("fcntl").lockf(open("f","r+"),2)'); lock F w 0 0
        fcntl-on-unlinked: open F f rw,creat; peer fd('f')>0; unlink f; lock F w 0 0; peer lock('f','w')
        ofd-own-handles: open F f rw,creat; open G f rw; ofdlock F w 0 10; ofdlock G w 0 10; ofdlock G w 10 5;
          ofdlock G r 9 1
        ofd-against-process: open F f rw,creat; ofdlock F w 0 10; peer lock('f','w',0,1); close F;
          peer lock('f','w',0,1)
        flock: open F f rw,creat; flock F ex; peer flock('f','sh'); peer flock('f','ex'); flock F un;
          peer flock('f','ex'); flock F sh
        flock-shared: open F f rw,creat; flock F sh; peer flock('f','sh'); peer flock('f','ex'); flock F un;
          peer flock('f','ex')
        flock-own-handles: open F f rw,creat; open G f rw; flock F ex; flock G ex; close F; flock G ex
        flock-apart-from-fcntl: open F f rw,creat; flock F ex; peer lock('f','w'); peer flock('f','ex')
        flock-directory: mkdir d; open D d r; flock D ex; peer flock('d','ex') if(False)else(fcntl.flock(fd('d',0),6))
        flock-read-only: put f x; open F f r; flock F ex; peer flock('f','sh')
        """;
}
