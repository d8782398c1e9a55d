#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run a command and pass if it ends with the given status: expect_status.sh STATUS COMMAND... A guest that finds that
# the host does not let it test anything ends with 45; the status is 77 then.
wanted=$1
shift
"$@"
status=$?
test "$status" -eq "$wanted" && exit 0
test "$status" -eq 45 && exit 77
echo "status $status, expected $wanted: $*"
exit 1
