#!/usr/bin/env bash
# Publishes the program with NativeAOT into out/RID/nashammer, for the architectures named (default: both).
#
# usage: scripts/build.sh [linux-x64] [linux-arm64]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

publish() {
    local rid=$1 start=$SECONDS cross=()
    if [ "$rid" = linux-arm64 ] && [ "$(uname -m)" != aarch64 ]; then
        cross=(-p:CppCompilerAndLinker=clang -p:LinkerFlavor=lld -p:ObjCopyName=aarch64-linux-gnu-objcopy)
    fi
    dotnet publish firmware/NasFirmware.csproj --no-restore -c Release -r "$rid" -p:PublishAot=true "${cross[@]}" \
        -o "out/$rid/publish" -v q --nologo
    mv -f "out/$rid/publish/nashammer" "out/$rid/nashammer"
    rm -rf "out/$rid/publish"
    echo "out/$rid/nashammer: $(stat -c %s "out/$rid/nashammer") bytes, $(minutes_since "$start")"
}

rids=("$@")
[ ${#rids[@]} -gt 0 ] || rids=(linux-x64 linux-arm64)
for rid in "${rids[@]}"; do
    case "$rid" in
        linux-x64) scripts/setup.sh build aot ;;
        linux-arm64) scripts/setup.sh build arm64 ;;
        *) echo "build: '$rid' is not one of linux-x64, linux-arm64" >&2; exit 2 ;;
    esac
done
restore firmware/NasFirmware.csproj
for rid in "${rids[@]}"; do publish "$rid"; done
