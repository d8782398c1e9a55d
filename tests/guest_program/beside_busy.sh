#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run a command beside processes that are busy, all on one CPU where the host has taskset(1): beside_busy.sh COUNT
# COMMAND... Its status is the command's.
count=$1
shift
cpu=$(taskset -cp $$ 2>/dev/null | sed 's/.*[ ,-]//')
test -n "$cpu" && taskset -cp "$cpu" $$ >/dev/null
busy=
while test "$count" -gt 0; do
    # As long as this shell lives, whatever becomes of it.
    sh -c 'while kill -0 "$0"; do i=0; while test $i -lt 20000; do i=$((i + 1)); done; done' $$ 2>/dev/null &
    busy="$busy $!"
    count=$((count - 1))
done
trap 'kill $busy 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM
"$@"
