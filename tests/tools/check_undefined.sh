#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Hold up the rule that the freestanding side calls no libc: list the symbols that the given objects
# or archives, taken together, use and do not define. Only mem* may be among them, which the compiler
# itself may call (GCC manual, "Standards": memcpy, memmove, memset, memcmp).
#
#   check_undefined.sh library|image FILE...
#
# library: mem* may stay undefined, whoever links it provides them. image: nothing may.

set -eu
kind=$1
shift
: "${NM:=nm}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Two runs and not a pipe, so that a file nm cannot read ends this script.
"$NM" --undefined-only --format=just-symbols "$@" >"$work/undefined.raw"
"$NM" --defined-only --extern-only --format=just-symbols "$@" >"$work/defined.raw"
for list in undefined defined; do
    # Between the symbols nm prints the names of files and members, which end in a colon.
    sed -e '/:$/d' -e '/^$/d' "$work/$list.raw" | sort -u >"$work/$list"
done
if ! [ -s "$work/defined" ]; then
    echo "$*: defines no symbol at all; is this the right file?"
    exit 1
fi

comm -23 "$work/undefined" "$work/defined" >"$work/missing"
if [ "$kind" = library ]; then
    grep -vxE '_GLOBAL_OFFSET_TABLE_|mem(cpy|move|set|cmp)' "$work/missing" >"$work/bad" || true
else
    grep -vxE '_GLOBAL_OFFSET_TABLE_' "$work/missing" >"$work/bad" || true
fi
if [ -s "$work/bad" ]; then
    echo "undefined, though this side has no libc:"
    cat "$work/bad"
    exit 1
fi
echo "$(wc -l <"$work/defined") symbols defined, nothing forbidden undefined"
