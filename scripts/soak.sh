#!/usr/bin/env bash
# The campaigns, for as long as wanted: power cuts, faults, exercisers, fuzzing (docs/TESTING.md). The last line is
# "N rounds, N findings"; the lines before it say what was tried. Ends with 1 if something was found.
#
# usage: scripts/soak.sh [OPTION...]     the options of NasSoak: --seconds, --seed, --only, --rounds, --resume FILE, ...
#
# CONFIGURATION=Debug|Release            what is built and run (default Release)
set -euo pipefail
. "$(dirname "$0")/lib.sh"

configuration=${CONFIGURATION:-Release}
scripts/setup.sh build
restore tests/NasSoak/NasSoak.csproj
dotnet build tests/NasSoak --no-restore -c "$configuration" -v q --nologo
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
exec "tests/NasSoak/bin/$configuration/net10.0/NasSoak" --commit "$commit" "$@"
