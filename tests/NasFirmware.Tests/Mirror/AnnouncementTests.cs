using Xunit;

namespace NasFirmware.Tests.Mirror;

/// <summary>What the announcement of mirroring promised, on two mounted volumes, through the kernel.</summary>
public sealed class AnnouncementTests
{
    [Fact]
    public void Announcement_holds_while_the_master_is_written() => MirrorScripts.Run("""
        "$H" pfs-master a/obj >/dev/null
        "$H" pfs-status a/obj | grep 'operating as a MASTER' >/dev/null
        "$H" pfs-slave b/obj shared-uuid="$(uuid_of a/obj)" >/dev/null
        "$H" pfs-status b/obj | grep 'operating as a SLAVE' >/dev/null
        mkdir a/obj/dir; for i in $(seq 200); do echo "file $i" > "a/obj/dir/f$i"; done; ln a/obj/dir/f1 a/obj/hard
        head -c 5000000 /dev/urandom > a/obj/big; ln -s dir/f1 a/obj/soft; truncate -s 9000000 a/obj/sparse; sync
        "$H" mirror-stream -i 0 a/obj b/obj & stream=$!
        until_true '[ -e b/obj/sparse ]'
        (cd b/obj && pwd -P) | grep -E '/b/@@0x[0-9a-f]{16}:00001$' >/dev/null
        ! touch b/obj/dir/new 2>/dev/null
        # An open directory stays at its TID, a re-entered one moves on.
        exec 9< b/obj/dir
        inside=$(cd b/obj/dir && pwd -P); old=$(link_tid b/obj)
        echo later > a/obj/dir/later; sync
        until_true '[ -e b/obj/dir/later ]'
        [ "$(link_tid b/obj)" != "$old" ]
        [ ! -e "$inside/later" ]; [ ! -e /proc/self/fd/9/later ]; [ "$(ls /proc/self/fd/9/ | wc -l)" = 200 ]
        exec 9<&-
        # Digests agree while the master is written.
        write() { local i=0; while :; do
            i=$((i+1)); echo "$i" > "a/obj/dir/w$((i % 40))"; rm -f "a/obj/dir/w$(((i + 7) % 40))"
        done; }
        write & writer=$!
        seen=""
        for round in 1 2 3 4 5; do
            link=$(readlink b/obj); tid=${link%:*}
            [ "$(digest "b/$link")" = "$(digest "a/obj/$tid")" ]
            until_true '[ "$(link_tid b/obj)" != "'"$tid"'" ]'
        done
        # Killed and restarted at will.
        for round in 1 2 3; do
            kill -9 $stream; wait $stream 2>/dev/null || true
            tid=$(link_tid b/obj)
            [ "$(digest "b/$(readlink b/obj)")" = "$(digest "a/obj/$tid")" ]
            "$H" mirror-stream -i 0 a/obj b/obj & stream=$!
            until_true '[ "$(link_tid b/obj)" != "'"$tid"'" ]'
        done
        kill $writer; wait $writer 2>/dev/null || true
        sync; live=$(digest a/obj)
        until_true '[ "$(digest b/obj)" = "'"$live"'" ]'
        """);

    [Fact]
    public void Master_without_history_is_equal_once_idle() => MirrorScripts.Run("""
        "$H" pfs-master a/obj >/dev/null
        "$H" pfs-slave b/obj shared-uuid="$(uuid_of a/obj)" >/dev/null
        mkdir a/obj/d; for i in $(seq 100); do echo "$i" > "a/obj/d/f$i"; done; sync
        "$H" mirror-copy a/obj b/obj
        for i in $(seq 50); do rm "a/obj/d/f$i"; done; for i in $(seq 60 70); do echo new > "a/obj/d/f$i"; done
        rm -rf a/obj/none; sync; sync
        live=$(digest a/obj)
        until_true '"$H" mirror-copy a/obj b/obj && [ "$(digest b/obj)" = "'"$live"'" ]'
        """, "flush=1,nohistory");

    [Fact]
    public void One_way_streams_through_files_and_their_dump() => MirrorScripts.Run("""
        "$H" pfs-master a/obj label=one >/dev/null
        for i in $(seq 50); do echo "$i" > "a/obj/f$i"; done; "$H" synctid a/obj >/dev/null
        "$H" mirror-read a/obj > full.stream
        "$H" mirror-dump header < full.stream | grep 'label="one"' >/dev/null
        [ "$("$H" mirror-dump < full.stream | grep -c '^Record .* rt=01')" -ge 51 ]
        "$H" -y mirror-write b/obj < full.stream > said
        tid=$(link_tid b/obj); tid=${tid#@@}; grep "Source can update synctid to $tid" said >/dev/null
        [ "$(digest b/obj)" = "$(digest "a/obj/@@$tid")" ]
        rm a/obj/f7; echo x > a/obj/f8; "$H" synctid a/obj >/dev/null
        next=$(printf '0x%016x' $((tid + 1)))
        "$H" mirror-read a/obj "$next" > incr.stream
        # A broken stream changes nothing and says where it broke.
        head -c 2000 incr.stream | "$H" mirror-write b/obj > out 2>&1 && exit 1
        grep 'mirror stream, record [0-9]* at byte [0-9]*' out >/dev/null; [ "$(link_tid b/obj)" = "@@$tid" ]
        "$H" mirror-write b/obj < incr.stream >/dev/null
        [ ! -e b/obj/f7 ]; [ "$(cat b/obj/f8)" = x ]
        # The slave becomes a master of its own and takes writes.
        "$H" pfs-upgrade b/obj | grep 'pfs-upgrade of PFS#1 () succeeded' >/dev/null
        echo mine > b/obj/mine; [ "$(readlink b/obj)" = '@@-1:00001' ]
        "$H" pfs-downgrade b/obj | grep succeeded >/dev/null
        ! touch b/obj/no 2>/dev/null
        printf 'y\n' | "$H" pfs-destroy -d b/obj | grep 'pfs-destroy of PFS#1 succeeded!' >/dev/null
        [ ! -L b/obj ]
        "$H" synctid a/obj | grep -E '^0x[0-9a-f]{16}$' >/dev/null
        """);

    [Fact]
    public void Former_master_returns_as_a_slave_of_the_promoted_one() => MirrorScripts.Run("""
        "$H" pfs-master a/obj >/dev/null
        "$H" pfs-slave b/obj shared-uuid="$(uuid_of a/obj)" >/dev/null
        for i in $(seq 50); do echo "$i" > "a/obj/f$i"; done; "$H" synctid a/obj >/dev/null
        "$H" mirror-copy a/obj b/obj
        common=$(link_tid b/obj)
        # The master goes on alone, its slave is promoted.
        echo lost > a/obj/lost; rm a/obj/f1; "$H" synctid a/obj >/dev/null
        "$H" pfs-upgrade b/obj 2> promoted | grep succeeded >/dev/null
        promotion=$("$H" pfs-status b/obj | sed -n 's/.*promoted=//p')
        [ "$(sed -n 's/.*pfs-rejoin PATH //p' promoted)" = "$promotion" ]
        echo mine > b/obj/mine; "$H" synctid b/obj >/dev/null
        ! "$H" mirror-copy b/obj a/obj 2> refused; grep "pfs-rejoin PATH $promotion" refused >/dev/null
        # First it tells what would be lost and changes nothing.
        ! "$H" pfs-rejoin a/obj "$promotion" > would; grep 'would lose: 3 files and directories' would >/dev/null
        [ "$(cat a/obj/lost)" = lost ]
        ! "$H" pfs-rejoin a/obj "${promotion%-*}-000000000000" --yes 2>/dev/null; [ "$(cat a/obj/lost)" = lost ]
        until_true '"$H" pfs-rejoin a/obj "'"$promotion"'" --yes > said 2>&1'
        grep "a slave at ${common#@@}" said >/dev/null
        [ "$(link_tid a/obj)" = "$common" ]; [ ! -e a/obj/lost ]; [ "$(cat a/obj/f1)" = 1 ]
        "$H" mirror-copy b/obj a/obj
        [ "$(cat a/obj/mine)" = mine ]; [ "$(digest a/obj)" = "$(digest "b/obj/$(link_tid a/obj)")" ]
        """);

    [Fact]
    public void Other_machines_through_ssh_in_both_directions() => MirrorScripts.Run("""
        ns=nashammer-test-$$
        trap 'ip netns pids $ns 2>/dev/null | xargs -r kill -9 2>/dev/null; ip netns del $ns 2>/dev/null; cleanup' EXIT
        ip netns add $ns; ip -n $ns link set lo up
        ssh-keygen -q -t ed25519 -N '' -f key; ssh-keygen -q -t ed25519 -N '' -f hostkey; cp key.pub authorized
        mkdir -p /run/sshd
        cat > sshd_config <<EOF
        ListenAddress 127.0.0.1:2222
        HostKey $T/hostkey
        AuthorizedKeysFile $T/authorized
        StrictModes no
        UsePAM no
        PermitRootLogin yes
        PidFile none
        SetEnv PATH=$T/bin:/usr/bin:/bin DOTNET_ROOT=${DOTNET_ROOT:-$(dirname "$(readlink -f "$(command -v dotnet)")")}
        EOF
        cat > rsh <<EOF
        #!/bin/sh
        exec ssh -F none -i $T/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "\$@"
        EOF
        chmod +x rsh; export HAMMER_RSH=$T/rsh
        ip netns exec $ns /usr/sbin/sshd -D -f "$T/sshd_config" -E "$T/sshd.log" &
        until_true 'ip netns exec $ns "$HAMMER_RSH" 127.0.0.1 -p 2222 true'
        "$H" pfs-master a/obj >/dev/null;
        for i in $(seq 100); do echo "$i" > "a/obj/f$i"; done; "$H" synctid a/obj >/dev/null
        # Push: the slave is made over there.
        ip netns exec $ns "$H" -y mirror-copy -p 2222 a/obj "root@127.0.0.1:$T/b/obj"
        [ "$(digest b/obj)" = "$(digest "a/obj/$(link_tid b/obj)")" ]
        # Pull.
        rm a/obj/f1; echo pulled > a/obj/f2; "$H" synctid a/obj >/dev/null
        ip netns exec $ns "$H" mirror-copy -p 2222 "127.0.0.1:$T/a/obj" b/obj
        [ "$(cat b/obj/f2)" = pulled ]; [ ! -e b/obj/f1 ]
        [ "$(digest b/obj)" = "$(digest "a/obj/$(link_tid b/obj)")" ]
        # Streaming pull.
        ip netns exec $ns "$H" mirror-stream -i 0 -p 2222 "127.0.0.1:$T/a/obj" b/obj & stream=$!
        echo streamed > a/obj/f3; "$H" synctid a/obj >/dev/null
        until_true '[ "$(cat b/obj/f3)" = streamed ]'
        # A failure over there is a failure here.
        ! ip netns exec $ns "$H" mirror-copy -p 2222 a/obj "127.0.0.1:$T/b/no/such"
        """);
}
