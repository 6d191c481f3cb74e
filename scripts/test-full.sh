#!/usr/bin/env bash
# Everything of scripts/test.sh, with the long forms of the tests that have one: a million files, fifty fillings of a
# disk, objects with a very long past, the mirror of a million files. Before that the image of a card is built, and
# started in the emulator (scripts/image-test.sh). The last line is that of test.sh.
set -uo pipefail

export NASHAMMER_FULL=1
export NASHAMMER_MIRROR_FILES=${NASHAMMER_MIRROR_FILES:-1000000}
export NASHAMMER_TEST_SECONDS=${NASHAMMER_TEST_SECONDS:-1200}
export PROJECT_MINUTES=${PROJECT_MINUTES:-45}
scripts=$(dirname "$0")
"$scripts/image.sh" pi3 || exit 1
"$scripts/image-test.sh" || exit 1
exec "$scripts/test.sh"
