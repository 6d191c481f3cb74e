#!/usr/bin/env bash
# Debian packages of the program: out/nashammer_VERSION_ARCH.deb, for the architectures named (default: both). The same
# commit and tools give the same bytes, whoever builds, wherever and whenever.
#
# usage: scripts/deb.sh [amd64] [arm64]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

umask 022
export LC_ALL=C.UTF-8 TZ=UTC0
package=firmware/package
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
[ -n "$version" ] || { echo "deb: Directory.Build.props names no Version" >&2; exit 1; }
# The time of the last commit: what the package says of its files, whenever it is made.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1)}

rid_of() { case "$1" in amd64) echo linux-x64 ;; arm64) echo linux-arm64 ;; esac; }

# run_program ARCH ARGUMENTS...: the program that goes into the package, on this machine.
run_program() {
    local arch=$1 emulator=()
    shift
    if [ "$arch" != "$(dpkg --print-architecture)" ]; then
        case "$arch" in arm64) emulator=(qemu-aarch64-static) ;; amd64) emulator=(qemu-x86_64-static) ;; esac
    fi
    "${emulator[@]}" "out/$(rid_of "$arch")/nashammer" "$@"
}

put() { install -D -m "$1" "$2" "$tree/$3"; }
zip_to() { mkdir -p "$(dirname "$tree/$1")" && gzip -9n >"$tree/$1"; }

# CHANGELOG.md in Debian's form. A heading is "## VERSION, YYYY-MM-DD"; without a day it is the time of the commit.
changelog() {
    awk -v maintainer="$(sed -n 's/^Maintainer: //p' $package/control)" -v built="$(date -R -d "@$SOURCE_DATE_EPOCH")" '
        # Broken at 78 columns.
        function item(    words, n, i, line) {
            n = split(text, words, " ")
            line = "  *"
            for (i = 1; i <= n; i++) {
                if (length(line " " words[i]) > 78) { print line; line = "   " }
                line = line " " words[i]
            }
            if (n) print line
            text = ""
        }
        function sign() { item(); if (version != "") printf "\n -- %s  %s\n\n", maintainer, when }
        /^## / {
            sign()
            version = $2; sub(/,$/, "", version)
            when = built
            if (match($0, /[0-9]{4}-[0-9]{2}-[0-9]{2}/)) "date -R -d " substr($0, RSTART, RLENGTH) | getline when
            printf "nashammer (%s) unstable; urgency=medium\n\n", version
            next
        }
        version == "" || !NF { next }
        /^- / { item(); sub(/^- /, "") }
        { text = text " " $0 }
        END { sign() }' CHANGELOG.md
}

# The runtime and ASP.NET Core are linked into the program; their notices come with it.
notices() {
    local folder version part
    folder=$(dotnet nuget locals global-packages --list | sed 's/^[^:]*: //')
    version=$(dotnet msbuild firmware/NasFirmware.csproj -getProperty:BundledNETCoreAppPackageVersion)
    for part in microsoft.netcore.app.runtime.nativeaot microsoft.aspnetcore.app.runtime; do
        printf '==== %s %s ====\n\n' $part "$version"
        cat "$folder/$part.$1/$version/THIRD"* || return 1
        echo
    done
}

fill() {
    local arch=$1 unit script mode link
    put 755 "out/$(rid_of "$arch")/nashammer" usr/bin/nashammer
    ln -s nashammer "$tree/usr/bin/hammer"
    mkdir -p "$tree/usr/sbin"
    for link in mount umount; do ln -s ../bin/nashammer "$tree/usr/sbin/$link.nashammer"; done
    for unit in firmware/systemd/*.service; do put 644 "$unit" "usr/lib/systemd/system/$(basename "$unit")"; done
    put 644 firmware/systemd/nashammer.modules usr/lib/modules-load.d/nashammer.conf
    put 644 $package/nashammer.udev usr/lib/udev/rules.d/61-nashammer.rules
    put 644 config.toml etc/nashammer/config.toml
    put 755 $package/update-guard usr/lib/nashammer/update-guard
    # As it was shipped: the way back of an update needs it, whatever became of the one in /etc.
    put 644 config.toml usr/share/nashammer/config.toml
    for script in scripts/operating/*.sh; do
        if [ -x "$script" ]; then mode=755; else mode=644; fi
        put $mode "$script" "usr/share/nashammer/operating/$(basename "$script")"
    done
    run_program "$arch" completion bash >"$scratch/bash"
    run_program "$arch" completion zsh >"$scratch/zsh"
    run_program "$arch" completion fish >"$scratch/fish"
    put 644 "$scratch/bash" usr/share/bash-completion/completions/nashammer
    put 644 "$scratch/zsh" usr/share/zsh/vendor-completions/_nashammer
    put 644 "$scratch/fish" usr/share/fish/vendor_completions.d/nashammer.fish
    ln -s nashammer "$tree/usr/share/bash-completion/completions/hammer"
    manual "$arch"
    put 644 $package/copyright usr/share/doc/nashammer/copyright
    changelog | zip_to usr/share/doc/nashammer/changelog.gz
    notices "$(rid_of "$arch")" | zip_to usr/share/doc/nashammer/THIRD-PARTY-NOTICES.gz
    put 644 $package/lintian-overrides usr/share/lintian/overrides/nashammer
}

# Pages made from the program's own --help, and the names that lead to them.
manual() {
    local page
    run_program "$1" man "$scratch/man"
    for page in "$scratch"/man/*.8; do zip_to "usr/share/man/man8/$(basename "$page").gz" <"$page"; done
    ln -s nashammer.8.gz "$tree/usr/share/man/man8/hammer.8.gz"
    for page in mount umount; do ln -s nashammer-volume.8.gz "$tree/usr/share/man/man8/$page.nashammer.8.gz"; done
}

# What the program links against, from the libraries of its architecture. libssl is loaded by name at run time: it
# stands in the control file.
libraries() {
    mkdir -p "$scratch/debian"
    cp $package/control "$scratch/debian/control"
    (cd "$scratch" && DEB_HOST_ARCH=$1 dpkg-shlibdeps -O -pshlibs "$tree/usr/bin/nashammer" 2>"$scratch/words" |
        sed -n 's/^shlibs:Depends=//p') || { cat "$scratch/words" >&2; return 1; }
}

describe() {
    local arch=$1 shlibs=$2 script
    mkdir -p "$tree/DEBIAN"
    {
        echo "Package: nashammer"
        echo "Version: $version"
        echo "Architecture: $arch"
        sed -n '/^Maintainer: /p' $package/control
        echo "Installed-Size: $(du -k --apparent-size -s "$tree" | cut -f 1)"
        sed -n '/^\(Section\|Priority\): /p' $package/control
        sed -n '/^Package: /,$p' $package/control | sed -e '/^\(Package\|Architecture\):/d' \
            -e "s/\${shlibs:Depends}/$shlibs/"
    } >"$tree/DEBIAN/control"
    echo /etc/nashammer/config.toml >"$tree/DEBIAN/conffiles"
    for script in postinst prerm postrm; do put 755 "$package/$script" "DEBIAN/$script"; done
    (cd "$tree" && find etc usr -type f ! -path etc/nashammer/config.toml | sort | xargs md5sum) >"$tree/DEBIAN/md5sums"
    chmod 644 "$tree"/DEBIAN/{control,conffiles,md5sums}
}

build() {
    local arch=$1 file=out/nashammer_${version}_$1.deb shlibs
    tree=$scratch/$arch
    mkdir "$tree"
    fill "$arch"
    shlibs=$(libraries "$arch")
    [ -n "$shlibs" ] || { echo "deb: no libraries found for $arch" >&2; exit 1; }
    describe "$arch" "$shlibs"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    # One thread: with more, xz cuts the data into blocks by their number.
    dpkg-deb --root-owner-group --threads-max=1 -Zxz -z6 --build "$tree" "$scratch/$arch.deb" >/dev/null
    rm -f out/nashammer_*_"$arch".deb
    mv -f "$scratch/$arch.deb" "$file"
    echo "$file: $(stat -c %s "$file") bytes, sha256 $(sha256sum <"$file" | cut -d ' ' -f 1)"
}

architectures=("$@")
[ ${#architectures[@]} -gt 0 ] || architectures=(amd64 arm64)
rids=()
for arch in "${architectures[@]}"; do
    rid=$(rid_of "$arch")
    [ -n "$rid" ] || { echo "deb: '$arch' is not one of amd64, arm64" >&2; exit 2; }
    rids+=("$rid")
done
scripts/setup.sh deb
scripts/build.sh "${rids[@]}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for arch in "${architectures[@]}"; do build "$arch"; done
