#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run a command and pass if it ends with the given status: expect_status.sh STATUS COMMAND...
wanted=$1
shift
"$@"
status=$?
test "$status" -eq "$wanted" && exit 0
echo "status $status, expected $wanted: $*"
exit 1
