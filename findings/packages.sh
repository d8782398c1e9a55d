# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the findings, which source this: a temporary folder in $work, pinned packages in it, and the comparison of what was
# seen with what is expected. An apt configuration of our own leaves the host's lists and packages alone.

set -euo pipefail
findings=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cannot()
{
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 2
}

# Download the packages $2... (NAME=VERSION) of Debian's release $1 and unpack them in $work/$1.
fetch()
{
    local suite=$1 apt=$work/apt-$1 mirror=${D86_DEBIAN_MIRROR:-}
    shift
    # shellcheck disable=SC2016 # the variable is apt's
    [ -n "$mirror" ] ||
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | sed -n 1p)
    [ -n "$mirror" ] || cannot "name a Debian archive in D86_DEBIAN_MIRROR"
    mkdir -p "$apt"/{parts,sources,state/lists/partial,cache/archives/partial} "$work/$suite"
    : >"$apt/status"
    # The host's own settings (proxies) hold, but not what it does after an update.
    find /etc/apt/apt.conf.d -maxdepth 1 -type f -readable -exec ln -s -t "$apt/parts" {} + || true
    cat >"$apt/parts/zz-findings" <<CONFIGURATION
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
CONFIGURATION
    cat >"$apt/sources/debian.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    echo "Dir::Etc::parts \"$apt/parts\";" >"$apt/apt.conf"
    (
        export APT_CONFIG=$apt/apt.conf
        cd "$work/$suite"
        { apt-get -q update && apt-get -q download "$@"; } >"$apt/log" 2>&1 || { cat "$apt/log" >&2; exit 1; }
        for package in ./*.deb; do
            dpkg-deb -x "$package" .
        done
    ) || cannot "cannot have $* from $mirror $suite"
}

# Make $work/show-$1, findings/capstone_show.c with the capstone fetched from release $1.
build_show()
{
    local root=$work/$1/usr
    "${CC:-cc}" -w -I "$root/include" -I "$root/include/capstone" -o "$work/show-$1" "$findings/capstone_show.c" \
        -L "$root/lib/x86_64-linux-gnu" -Wl,-rpath,"$root/lib/x86_64-linux-gnu" -lcapstone ||
        cannot "cannot build capstone_show.c"
}

# Show what the program printed into $work/seen; it must be what stands on standard input.
expect()
{
    cat "$work/seen"
    diff -u --label expected --label seen - "$work/seen" || { echo "changed"; exit 1; }
    echo "as expected"
}
