#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run a command and, when it has been at it for a while, give it the text as standard input, which stays open:
# type_slowly.sh TEXT COMMAND... Its status is the command's.
text=$1
shift
pipe=$(mktemp -u) && mkfifo "$pipe" || exit 1
"$@" <"$pipe" &
command=$!
exec 3>"$pipe"
rm "$pipe"
sleep 0.5
printf %s "$text" >&3
wait $command
