#!/usr/bin/env bash
# Draws docs/structure.svg from the sources.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build
restore tests/NasTidy/NasTidy.csproj
dotnet build tests/NasTidy/NasTidy.csproj --no-restore -c Release -v q --nologo >/dev/null
tests/NasTidy/bin/Release/net10.0/NasTidy .
