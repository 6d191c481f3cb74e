#!/usr/bin/env bash
# Breaks the engine on purpose, one step at a time (scripts/mutations.txt), in a copy of the repository, and sees
# whether it is noticed: by the power-cut campaigns, else by the campaigns of faults, else by the tests of recovery and
# check. Prints a line for each mutation with the message that caught it; ends with 1 if one survives.
#
# usage: scripts/mutate-engine.sh [NAME...]     default: all; NAME may be a shell pattern
#
# MUTATE_SECONDS=N   how long the campaigns try, at most (default 60)
# MUTATE_TABLE=file  where the rows of the table for docs/TESTING.md go
# MUTATE_TREE=folder the copy, built once and kept for the next run (default: a new one, removed at the end)
set -uo pipefail
. "$(dirname "$0")/lib.sh"

seconds=${MUTATE_SECONDS:-60}
table=${MUTATE_TABLE:-/dev/null}
list=$root/scripts/mutations.txt
scratch=$(mktemp -d "${TMPDIR:-/tmp}/nashammer-mutate.XXXXXX")
tree=${MUTATE_TREE:-$scratch/tree}
trap 'undo; rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
soak=tests/NasSoak/bin/Release/net10.0
tests=tests/NasCore.Tests/bin/Release/net10.0
fast=(-c Release -v q --nologo -p:RunAnalyzers=false -p:TreatWarningsAsErrors=false
    "-p:UseSharedCompilation=${MUTATE_SHARED:-false}")
# The oracle and the rules come after the campaigns: what a sum protects from is not a power cut.
second_line=(--filter-class '*Recovery*' --filter-class '*Check*' --filter-class '*DamagedVolume*'
    --filter-class '*Evil*' --filter-class '*Fuzz*' --filter-class '*Mirror*' --filter-class '*ReviewTests*'
    --stop-on-fail on)

# Applies the mutation of a name to the copy; says what does not fit.
apply() {
    perl - "$list" "$1" "$tree" <<'P'
        use strict;
        my ($list, $name, $tree) = @ARGV;
        open(my $in, '<', $list) or die "$list: $!\n";
        my ($mine, $file, $old, $new, $into, %text) = (0);
        while (my $line = <$in>) {
            if ($line =~ /^== ([^:]+):/) { $mine = $1 eq $name; next }
            next unless $mine;
            if ($line =~ /^file: (\S+)/) { $file = $1 }
            elsif ($line =~ /^<<<<$/) { ($old, $new, $into) = ('', '', \$old) }
            elsif ($line =~ /^====$/) { $into = \$new }
            elsif ($line =~ /^>>>>$/) {
                $into = undef;
                unless (exists $text{$file}) {
                    local $/;
                    open(my $f, '<', "$tree/$file") or die "$name: $file is not there any more\n";
                    $text{$file} = <$f>;
                }
                my $count = () = $text{$file} =~ /\Q$old\E/g;
                die "$name: its old text stands $count times in $file, not once; the code has moved: mend "
                    . "scripts/mutations.txt\n" if $count != 1;
                $text{$file} =~ s/\Q$old\E/$new/;
            }
            elsif ($into) { $$into .= $line }
        }
        die "there is no mutation $name\n" unless %text;
        for my $path (keys %text) {
            rename("$tree/$path", "$tree/$path.good") or die "$path: $!\n";
            open(my $f, '>', "$tree/$path") or die "$path: $!\n";
            print $f $text{$path};
        }
P
}

undo() {
    local path
    find "$tree/src" -name '*.good' 2>/dev/null | while read -r path; do
        mv "$path" "${path%.good}"
        touch "${path%.good}"
    done
}

# Builds NasCore alone and puts it into both programs.
build_core() {
    (cd "$tree" && dotnet build src/NasCore --no-restore --no-dependencies "${fast[@]}") >"$scratch/build.log" 2>&1 \
        && cp "$tree/src/NasCore/bin/Release/net10.0/NasCore.dll" "$tree/$soak/" \
        && cp "$tree/src/NasCore/bin/Release/net10.0/NasCore.dll" "$tree/$tests/"
}

# Prints who caught it, a tab, and the message; fails if nobody does.
catch() {
    local log=$scratch/run.log only code
    for only in 'power-*' 'fault-*'; do
        code=0
        (cd "$tree" && timeout -k 5 $((seconds * 3 + 60)) "$soak/NasSoak" --only "$only" --seconds "$seconds" \
            --smoke --first >"$log" 2>&1 </dev/null) || code=$?
        if [ $code -eq 1 ]; then
            printf '%s\t%s\n' "$(sed -n 's/^FINDING \([^:]*\):.*/\1/p' "$log" | head -n 1)" "$(message "$log")"
            return 0
        elif [ $code -ne 0 ]; then
            printf 'campaigns\tended with code %s (124: no progress)\n' "$code"
            return 0
        fi
    done
    code=0
    (cd "$tree" && timeout -k 5 400 "$tests/NasCore.Tests" --progress off "${second_line[@]}" >"$log" 2>&1 \
        </dev/null) || code=$?
    [ $code -eq 0 ] && return 1
    if ! grep -q '^failed ' "$log"; then
        printf 'tests\tended with code %s (124: no progress)\n' "$code"
        return 0
    fi
    printf '%s\t%s\n' "$(sed -n 's/^failed \([^ (]*\).*/\1/p' "$log" | head -n 1 | grep -o '[^.]*\.[^.]*$')" \
        "$(grep -A 8 '^failed ' "$log" | sed '1d; /^ *Xunit\.[A-Za-z.]*Exception/d' | head -n 4 | tr -s ' \n' ' ' \
            | cut -c1-260)"
}

# The finding in one line: what, and the first facts; not where, which is long.
message() {
    sed -n '/^FINDING/,/replay:/p' "$1" | grep -v '^  where:\|^   at \|replay:' | sed 's/^FINDING [^:]*: //' \
        | head -n 4 | tr -s ' \n' ' ' | cut -c1-260
}

copy_tree() {
    [ -d "$tree" ] && return 0
    mkdir "$tree"
    git ls-files -z -- . ':!tests/golden' | xargs -0 cp --parents -t "$tree" || return 1
    ln -s "$root/tests/golden" "$tree/tests/golden"
    (cd "$tree" && git init -q . && dotnet build tests/NasCore.Tests "${fast[@]}" \
        && dotnet build tests/NasSoak "${fast[@]}") >"$scratch/build.log" 2>&1 \
        || { grep -m 20 error "$scratch/build.log"; return 1; }
}

wanted() {
    local name=$1 pattern
    shift
    [ $# -eq 0 ] && return 0
    for pattern in "$@"; do
        # shellcheck disable=SC2053  # a pattern on purpose
        [[ $name == $pattern ]] && return 0
    done
    return 1
}

copy_tree || { echo "mutate: the copy of the repository does not build"; exit 2; }
caught=0 survived=0 broken=0
while IFS= read -r line; do
    name=${line%%:*} what=${line#*: }
    wanted "$name" "$@" || continue
    if ! problem=$(apply "$name" 2>&1); then
        echo "mutate: BROKEN $problem"
        broken=$((broken + 1))
    elif ! build_core; then
        echo "mutate: BROKEN $name does not compile: $(grep -m 1 'error' "$scratch/build.log")"
        broken=$((broken + 1))
    elif result=$(catch); then
        caught=$((caught + 1))
        echo "mutate: $name ($what): caught by ${result%%$'\t'*}: ${result#*$'\t'}"
        echo "| $name | $what | ${result%%$'\t'*} | $(tr '|' '/' <<<"${result#*$'\t'}") |" >>"$table"
    else
        survived=$((survived + 1))
        echo "mutate: SURVIVED $name ($what)"
    fi
    undo
done < <(sed -n 's/^== //p' "$list")
echo "$caught caught, $survived survived, $broken broken"
[ $survived -eq 0 ] && [ $broken -eq 0 ] && [ $caught -gt 0 ]
