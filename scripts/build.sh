#!/usr/bin/env bash
# Publishes the program with NativeAOT into out/RID/nashammer, for the architectures named (default: both). What has not
# changed since is not built again; the same sources and tools give the same bytes.
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

# Everything that the program is made of, in one line: sources, settings, tools.
inputs() {
    local skipped=(-name bin -o -name obj -o -name package -o -name systemd)
    {
        find src firmware -type d \( "${skipped[@]}" \) -prune -o -type f -print0
        printf '%s\0' Directory.* global.json scripts/build.sh
    } | sort -z | xargs -0 sha256sum
    dotnet --version
    dpkg-query -W -f='${Package} ${Version}\n' clang lld gcc-aarch64-linux-gnu 'libc6-dev*' 'zlib1g-dev*' 2>/dev/null ||
        true
}
stamp() { echo "$1 $(sha256sum <"out/$2/nashammer" 2>/dev/null)"; }
is_current() { [ -f "out/$2/nashammer.stamp" ] && [ "$(stamp "$1" "$2")" = "$(cat "out/$2/nashammer.stamp")" ]; }

rids=("$@")
[ ${#rids[@]} -gt 0 ] || rids=(linux-x64 linux-arm64)
for rid in "${rids[@]}"; do
    case "$rid" in
        linux-x64) scripts/setup.sh build aot ;;
        linux-arm64) scripts/setup.sh build arm64 ;;
        *) echo "build: '$rid' is not one of linux-x64, linux-arm64" >&2; exit 2 ;;
    esac
done
made_of=$(inputs | sha256sum)
stale=()
for rid in "${rids[@]}"; do
    if is_current "$made_of" "$rid"; then echo "out/$rid/nashammer: nothing has changed"; else stale+=("$rid"); fi
done
[ ${#stale[@]} -gt 0 ] || exit 0
restore firmware/NasFirmware.csproj
for rid in "${stale[@]}"; do
    publish "$rid"
    stamp "$made_of" "$rid" >"out/$rid/nashammer.stamp"
done
