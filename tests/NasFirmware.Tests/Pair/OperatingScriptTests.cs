using System.IO;
using NasTesting;
using Xunit;

namespace NasFirmware.Tests.Pair;

/// <summary>The scripts of docs/OPERATING.md, run on two boxes as an owner runs them.</summary>
public sealed class OperatingScriptTests
{
    static string Prelude => $$"""
        operating={{Path.Combine(GoldenData.RepositoryRoot, "scripts", "operating")}}
        # on BOX SCRIPT...: with the box's program, configuration and daemon.
        on() {
            local box=$1 script=$2 pid
            shift 2
            pid=$(box_pid $box)
            NASHAMMER="$H" NASHAMMER_CONFIG="$T/$box/config.toml" NASHAMMER_SOCKET="$T/$box/run/daemon.sock" \
                NASHAMMER_RELOAD="kill -HUP $pid" "$operating/$script" "$@"
        }
        answers() { [ -n "$(box_status $1 .name)" ]; }
        in_step_from() {
            [ "$(box_status $1 '.mirrors[0].phase')" = InStep ] \
                && [ "$(box_status $1 '.mirrors[0].isSource')" = true ] \
                && [ "$(number $1 '.mirrors[0].lagSeconds')" = 0 ]
        }
        verb() { local box=$1; shift; "$H" switch-over family --socket "$T/$box/run/daemon.sock" "$@"; }

        """;

    [Fact]
    public void Disk_is_set_up_and_a_dead_one_replaced()
    {
        PairScripts.Run(Prelude + """
            box_start left; box_start right
            pair_wait 60 "left answers" answers left
            truncate -s 1G second.img
            on left first-disk.sh "$T/second.img" second "$T/left/second" -f -u 32m
            echo mine >left/second/file
            grep -q '^mount = ' left/config.toml.before
            # A disk in use, or with anything on it, is never formatted.
            if on left first-disk.sh "$T/second.img" third "$T/left/third" -f -u 32m; then exit 1; fi
            truncate -s 64M foreign.img; mkfs.ext4 -q foreign.img
            if on left first-disk.sh "$T/foreign.img" third "$T/left/third" -f -u 32m; then exit 1; fi
            [ "$(cat left/second/file)" = mine ]

            pair_wait 60 "in step" in_step_from left
            head -c 3000000 /dev/urandom >"$MASTER/photo"; sync "$MASTER/photo"
            pair_wait 30 "the photo is there" cmp -s "$MASTER/photo" "$SLAVE/photo"
            # The disk of the slave dies; an empty one comes in its place.
            box_stop right
            rm right/disk.img; truncate -s 2G right/disk.img
            box_start right
            pair_wait 60 "right answers" answers right
            if on left replace-disk.sh "$T/second.img" second; then exit 1; fi
            on right replace-disk.sh "$T/right/disk.img" disk-right -f -u 32m
            pair_wait 60 "the photo is back" cmp -s "$MASTER/photo" "$SLAVE/photo"
            pair_wait 60 "in step again" in_step_from left
            equal
            sound
            """);
    }

    [Fact]
    public void Slave_becomes_the_master_and_the_former_one_follows_it()
    {
        PairScripts.Run(Prelude + """
            box_start left; box_start right
            pair_wait 60 "in step" in_step_from left
            echo first >"$MASTER/file"; sync "$MASTER/file"
            pair_wait 30 "the file is there" cmp -s "$MASTER/file" "$SLAVE/file"
            pair_wait 60 "in step" in_step_from left
            box_stop left
            on right make-master.sh family "$SLAVE" | tee told
            promotion=$(sed -n 's/.*rejoin.sh family DIRECTORY //p' told)
            [ -n "$promotion" ]
            echo second >>"$SLAVE/file"; sync "$SLAVE/file"
            box_start left
            pair_wait 60 "left answers" answers left
            pair_wait 60 "left is mounted" test -d "$MASTER/."
            # What would be lost is told before anything is.
            code=0; on left rejoin.sh family "$MASTER" "$promotion" || code=$?
            [ $code = 1 ]
            grep -q '^from = "left' left/config.toml
            on left rejoin.sh family "$MASTER" "$promotion" --yes
            pair_wait 60 "the other direction is in step" in_step_from right
            pair_wait 30 "left has what was written on right" cmp -s "$MASTER/file" "$SLAVE/file"
            [ "$(cat "$MASTER/file")" = "first
            second" ]
            sound
            """);
    }

    [Fact]
    public void Switch_over_changes_the_roles_and_back_on_either_box_without_a_line_of_configuration()
    {
        PairScripts.Run(Prelude + """
            takes() { [ "$(box_status $1 '.mirrors[0].isSource | not')" = true ]; }
            box_start left; box_start right
            pair_wait 60 "in step" in_step_from left
            echo first >"$MASTER/file"; sync "$MASTER/file"
            # A file that is open keeps the roles, and can be written on.
            exec 7>>"$MASTER/open"
            code=0; verb left -t 3 2>told || code=$?
            [ $code = 1 ] && grep -q 'files are open' told
            echo more >&7; exec 7>&-
            sync "$MASTER/open"
            before=$(cat left/config.toml right/config.toml)
            # All data are read on both sides before.
            verb left --full --json | tee told
            [ "$(jq -r '.proofs[0].fullTid' left/state/proofs.json)" != null ]
            [ "$(jq -r '.ok, .to' told | tr '\n' ' ')" = "true right " ]
            ! touch "$MASTER/denied" 2>/dev/null
            echo second >>"$SLAVE/file"; sync "$SLAVE/file"
            pair_wait 60 "the other direction is in step" in_step_from right
            pair_wait 30 "left has what was written on right" cmp -s "$MASTER/file" "$SLAVE/file"
            [ "$before" = "$(cat left/config.toml right/config.toml)" ]
            # What the disks say outlives the programs.
            box_stop left; box_stop right; box_start right; box_start left
            pair_wait 60 "right sends again" in_step_from right
            takes left
            # Already so; and back, asked for on the slave, which was the master.
            verb left --to right
            pair_wait 60 "in step" in_step_from right
            verb left --to left
            echo third >>"$MASTER/file"; sync "$MASTER/file"
            pair_wait 60 "left sends again" in_step_from left
            pair_wait 30 "right has it" cmp -s "$MASTER/file" "$SLAVE/file"
            [ "$(wc -l <"$SLAVE/file")" = 3 ] && [ "$(cat "$SLAVE/open")" = more ]
            # The other box is dead: nothing changes.
            box_stop right KILL || true
            code=0; verb left -t 3 || code=$?
            [ $code = 1 ]
            echo fourth >>"$MASTER/file"; sync "$MASTER/file"
            box_start right
            pair_wait 60 "right has it" cmp -s "$MASTER/file" "$SLAVE/file"
            sound
            """);
    }
}
