using Xunit;

namespace NasFirmware.Tests.Mounted;

/// <summary>smbd exports the mount, smbclient reads and writes it.</summary>
public sealed class MountedSambaTests
{
    /// <summary>A server of the test's own: configuration, state and sockets in the scratch directory, the loopback
    /// address of a network namespace of its own, guests only.</summary>
    const string Session = """
        ip link set lo up
        mkdir -p $S/smb/{private,lock,state,cache,pid,ncalrpc}; mkdir -m 777 $D/share
        cat > $S/smb.conf <<CONF
        [global]
        server role = standalone server
        workgroup = TEST
        interfaces = 127.0.0.1
        bind interfaces only = yes
        smb ports = 4450
        disable netbios = yes
        map to guest = bad user
        guest account = nobody
        private dir = $S/smb/private
        lock directory = $S/smb/lock
        state directory = $S/smb/state
        cache directory = $S/smb/cache
        pid directory = $S/smb/pid
        ncalrpc dir = $S/smb/ncalrpc
        log file = $S/smb/log
        load printers = no
        ea support = yes
        store dos attributes = yes
        [share]
        path = $D/share
        guest ok = yes
        read only = no
        CONF
        smbd --foreground -s $S/smb.conf > $S/smb/out 2>&1 & server=$!
        trap 'kill $server; wait $server || true' EXIT
        client() { smbclient -s $S/smb.conf -N -p 4450 //127.0.0.1/share -c "$1" > $S/client 2>&1; }
        for i in $(seq 100); do client ls && break; read -t 0.1 <> <(:) || true; done
        client ls || { cat $S/client $S/smb/out $S/smb/log*; exit 1; }
        head -c 5000000 /dev/urandom > $S/sent; mkdir $S/got
        run() { client "$1" || { echo "$1:"; cat $S/client; exit 1; }; }
        run "put $S/sent large.bin; mkdir dir; cd dir; put $S/smb.conf text; ls"; cmp $S/sent $D/share/large.bin
        same "$(stat -c %U $D/share/large.bin)" nobody
        run "lcd $S/got; get large.bin; cd dir; get text"; cmp $S/sent $S/got/large.bin; cmp $S/smb.conf $S/got/text
        echo made by linux > $D/share/linux; chmod 666 $D/share/linux; run "lcd $S/got; get linux"
        cmp $D/share/linux $S/got/linux
        run "rename large.bin renamed.bin; del dir\\text; rmdir dir"; test -e $D/share/renamed.bin
        test ! -e $D/share/dir
        run "put $S/smb.conf renamed.bin"; cmp $S/smb.conf $D/share/renamed.bin
        run "setmode linux +h; allinfo linux"; getfattr --absolute-names -n user.DOSATTRIB $D/share/linux > $S/attribute
        mkdir -m 755 $D/share/roots; if client "cd roots; put $S/smb.conf no"; then exit 1; fi
        run "lcd $S; mkdir tree; cd tree; prompt off; recurse on; mput got"; diff -r $S/got $D/share/tree/got
        run "deltree tree; ls"; test ! -e $D/share/tree
        """;

    [Fact]
    public void Smbd_exports_the_mount_and_smbclient_uses_it()
    {
        using MountedVolume volume = MountedVolume.Fresh();
        volume.Mount();
        System.IO.File.WriteAllText(System.IO.Path.Combine(volume.Scratch, "session.sh"), Session);
        volume.Run("unshare -n bash -c 'set -eE; . $S/support.sh; . $S/session.sh'");
        volume.UnmountSound();
    }
}
