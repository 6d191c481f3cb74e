# Shared by the scripts of this folder: source it, do not run it.
# It moves to the root of the repository, so that every script works from anywhere.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

# No processes that outlive a script: they would keep its output open, and a caller that reads it waiting.
export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false

# The lock files name the compiler packages that come with one patch level of the SDK. With that one the restore is
# locked; with another the graph is resolved from the pinned versions, and the lock files are left alone.
restore() {
    local project=$1 lock=firmware/packages.lock.json locked bundled
    locked=$(grep -A3 '"Microsoft.DotNet.ILCompiler"' $lock | sed -n 's/.*"resolved": "\(.*\)".*/\1/p' | head -n 1)
    bundled=$(dotnet msbuild firmware/NasFirmware.csproj -getProperty:BundledNETCoreAppPackageVersion)
    if [ "$bundled" = "$locked" ]; then
        dotnet restore "$project" --locked-mode -v q --nologo
    else
        echo "restore: this SDK brings $bundled, the lock files are for $locked: restoring without them"
        dotnet restore "$project" -v q --nologo -p:NuGetLockFilePath=obj/unlocked.json
    fi
}

# Minutes since a moment of the shell's SECONDS.
minutes_since() {
    awk -v seconds=$((SECONDS - $1)) 'BEGIN { printf "%.1f min", seconds / 60 }'
}
