using Xunit;

namespace NasFirmware.Tests.Pair;

/// <summary>A card dies, a card and its disks do, a disk comes from elsewhere: two real daemons.</summary>
public sealed class IdentityPairTests
{
    [Fact]
    public void New_card_resumes_its_mirrors_and_with_new_disks_too_the_box_says_that_it_is_new()
    {
        PairScripts.Run("""
            id() { "$H" peer id --config "$T/$1/config.toml"; }
            kept() { "$H" peer id --copies --config "$T/$1/config.toml" | grep -q "^disk-$1 .*a copy in"; }
            # What the boxes know of each other was learnt, and is in no configuration.
            for box in left right; do sed -i '/^key = /d' $box/config.toml; done
            "$H" peer add right "$(cat right/key)" 10.93.0.2 --config left/config.toml
            "$H" peer add left "$(cat left/key)" 10.93.0.1 --config right/config.toml
            box_start left; box_start right
            pair_wait 60 "both are in step" in_step
            pair_wait 20 "copies of left" kept left
            pair_wait 20 "copies of right" kept right
            [ "$(stat -c '%a %u %F' left/mnt/.nashammer)" = '700 0 directory' ]
            [ "$(stat -c '%a %u %F' left/mnt/.nashammer/identity)" = '600 0 regular file' ]
            echo one >"$MASTER/one"; sync "$MASTER/one"
            pair_wait 30 "the file is there" grep -qs one "$SLAVE/one"

            for dead in right left; do
                box_stop $dead
                rm -r $dead/state
                box_start $dead
                pair_wait 60 "$dead is itself again" eval '[ "$(id $dead 2>/dev/null)" = "$(cat $dead/key)" ]'
                echo "after $dead" >"$MASTER/$dead" || true
                again() { echo "after $dead" >"$MASTER/$dead" && sync "$MASTER/$dead"; }
                pair_wait 60 "the master is back" again
                pair_wait 60 "the mirror goes on" grep -qs "after $dead" "$SLAVE/$dead"
                [ "$(box_status $dead .identity.isNew)" = "" ]
            done
            grep -q 'taken from its disks' left/log
            grep -q 'taken from its disks' right/log

            # Card and disk are gone: another box, and everybody is told.
            box_stop right
            rm -r right/state right/disk.img
            truncate -s 2G right/disk.img
            "$H" newfs -f -L right right/disk.img >/dev/null
            box_start right
            pair_wait 60 "right says that it is new" eval '[ "$(box_status right .identity.isNew)" = true ]'
            [ "$(id right)" != "$(cat right/key)" ]
            box right status >told || true
            grep -q 'this box has a new key.*nashammer peer pair' told
            another() { box_status left '.problems[]' | grep -q 'is another one: its key is'; }
            pair_wait 90 "left sees that it is another box" another
            phase_is Unreachable
            box right panel --acknowledge
            pair_wait 20 "the owner knows" eval '! box right status | grep -q "new key"'
            # A disk is to keep no key, and is to keep one again.
            "$H" peer id --forget disk-right --config right/config.toml
            [ ! -e right/mnt/.nashammer ]
            "$H" peer id --replace disk-right --config right/config.toml
            pair_wait 20 "copies of right" kept right
            # The disk that was lost knew right's key; left gives its own up, too.
            renewed=$("$H" peer id --new --config left/config.toml)
            [ "$renewed" = "$(id left)" ]
            [ "$renewed" != "$(cat left/key)" ]
            grep -q "$renewed" left/mnt/.nashammer/identity
            # Paired anew, it is loaded anew.
            "$H" peer add right "$(id right)" 10.93.0.2 --config left/config.toml
            "$H" peer add left "$renewed" 10.93.0.1 --config right/config.toml
            pair_wait 120 "both are in step" in_step
            equal
            sound
            """, 280);
    }
}
