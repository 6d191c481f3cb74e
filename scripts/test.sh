#!/usr/bin/env bash
# All tests, from a bare Debian with the .NET SDK to one line of numbers: packages, locked restore, build, every test
# project, and the self-test of both published programs. The last line is always "N passed, N failed, N skipped".
#
# Counts as a failure: a failed test, a test program that crashes, hangs or runs nothing although it has tests,
# a skipped test that tests/skips.txt does not name with its reason, a step that cannot be done.
#
# CONFIGURATION=Debug|Release   what is built and run (default Release)
# PROJECT_MINUTES=N             how long one test program may run (default 12)
set -uo pipefail
. "$(dirname "$0")/lib.sh"

configuration=${CONFIGURATION:-Release}
project_minutes=${PROJECT_MINUTES:-12}
started=$SECONDS
passed=0 failed=0 skipped=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/nashammer-test.XXXXXX")
chmod 755 "$scratch"    # tests look into their mounts as other users too
export TMPDIR=$scratch

# Everything that a killed test may leave behind lies under the scratch folder: mounts, loop devices, files.
clean_up() {
    local place device backing
    awk -v under="$scratch/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | while read -r place; do
        umount -l "$(printf '%b' "$place")"
    done
    losetup -l -n -O NAME,BACK-FILE 2>/dev/null | while read -r device backing; do
        case "$backing" in "$scratch"/*) losetup -d "$device" ;; esac
    done
    rm -rf --one-file-system "$scratch"
}

finish() {
    local code=0
    [ $failed -eq 0 ] && [ $((passed)) -gt 0 ] || code=1
    clean_up
    echo "test: $(minutes_since $started) in all"
    echo "$passed passed, $failed failed, $skipped skipped"
    exit $code
}

# A step outside the test programs: without it nothing after it means anything.
step() {
    local name=$1 start=$SECONDS log=$scratch/step.log
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        echo "test: $name, $(minutes_since $start)"
    else
        cat "$log"
        echo "test: FAILED: $name"
        failed=$((failed + 1))
        finish
    fi
}

has_tests() {
    grep -rqE '\[(Fact|Theory)\b' --include='*.cs' "$1"
}

# Prints "passed failed skipped" of a report, or nothing if the program did not live to write it.
counts_of() {
    perl -0ne '
        my ($p, $f, $s) = (0, 0, 0);
        exit unless m{</assemblies>};
        while (/<assembly\s([^>]*)>/g) {
            my %a = $1 =~ /([\w-]+)="([^"]*)"/g;
            $p += $a{passed}; $f += $a{failed} + $a{errors}; $s += $a{skipped};
        }
        print "$p $f $s\n";' "$1" 2>/dev/null
}

# Prints the name and reason of each skipped test that tests/skips.txt does not list ("name: reason" a line).
unlisted_skips_of() {
    perl -0ne '
        my %listed;
        if (open(my $file, "<", "tests/skips.txt")) {
            local $/ = "\n";
            while (my $line = <$file>) { $listed{$1} = 1 if $line =~ /^([^#\s][^:]*):\s*\S/ }
        }
        while (m{<test\s([^>]*result="Skip"[^>]*)>(.*?)</test>}gs) {
            my ($head, $body) = ($1, $2);
            my ($type) = $head =~ /\stype="([^"]*)"/;
            my ($method) = $head =~ /\smethod="([^"]*)"/;
            my ($reason) = $body =~ m{<reason>(.*?)</reason>}s;
            print "$type.$method: $reason\n" unless $listed{"$type.$method"};
        }' "$1"
}

run_project() {
    local name=$1 start=$SECONDS log=$scratch/$1.log report=$scratch/$1.xml code=0 counts p f s unlisted
    local program=tests/$name/bin/$configuration/net10.0/$name
    if ! has_tests "tests/$name"; then
        echo "test: $name has no tests"
        return
    fi
    timeout -k 30 $((project_minutes * 60 + 30)) "$program" --timeout "${project_minutes}m" --progress off \
        --results-directory "$scratch" --report-xunit-xml --report-xunit-xml-filename "$name.xml" \
        --long-running 60 >"$log" 2>&1 </dev/null || code=$?
    counts=$(counts_of "$report")
    read -r p f s <<<"${counts:-0 0 0}"
    # A program that fails no test but ends badly (crash, time limit, nothing run) is one failure more.
    if [ -z "$counts" ] || { [ $code -ne 0 ] && [ "$f" -eq 0 ]; } || [ $((p + f)) -eq 0 ]; then
        f=$((f + 1))
        echo "test: $name ended with code $code before its tests did (124 or 3: the time limit; 134, 137, 139: a crash)"
    fi
    if [ "$s" -gt 0 ]; then
        unlisted=$(unlisted_skips_of "$report")
        if [ -n "$unlisted" ]; then
            echo "test: skipped without a line in tests/skips.txt:"
            echo "$unlisted"
            f=$((f + $(wc -l <<<"$unlisted")))
        fi
    fi
    if [ "$f" -gt 0 ]; then
        tail -n 300 "$log"
        mkdir -p out/test-logs && cp -f "$log" out/test-logs/
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    echo "test: $name: $p passed, $f failed, $s skipped, $(minutes_since $start)"
}

# The shipped program checks itself: the native one directly, that of the boards under the user-mode emulator.
self_test() {
    local name=$1 start=$SECONDS log=$scratch/selftest.log
    shift
    if timeout -k 10 300 "$@" selftest >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "test: selftest of $name: passed, $(minutes_since $start)"
    else
        echo "test: selftest of $name: FAILED with code $?"
        tail -n 50 "$log"
        failed=$((failed + 1))
    fi
}

trap 'failed=$((failed + 1)); echo "test: interrupted"; finish' INT TERM

step "packages" scripts/setup.sh build test
step "restore" restore NasHammer.sln
step "build" dotnet build NasHammer.sln --no-restore -c "$configuration" -v q --nologo
step "structure" "tests/NasTidy/bin/$configuration/net10.0/NasTidy" "$root"
git diff --quiet -- docs/structure.svg 2>/dev/null || echo "test: docs/structure.svg is drawn anew: commit it"
step "native programs" scripts/build.sh linux-x64 linux-arm64
step "packages for Debian" scripts/deb.sh
self_test linux-x64 out/linux-x64/nashammer
self_test linux-arm64 qemu-aarch64-static out/linux-arm64/nashammer
for project in tests/*.Tests; do
    run_project "$(basename "$project")"
done
finish
