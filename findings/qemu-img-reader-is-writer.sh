#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-img (1:7.2+dfsg-7+deb12u18+b3, Debian 12) takes whoever only reads a qcow2 image for one that writes to it, if that program holds a
# shared lock of the whole file, as fcntl(2) "Advisory record locking" has it for readers that want no writer. Programs of QEMU say
# by *shared* locks of single bytes what they do; as far as one sees from outside, one of byte 101 says "I write". So
# even "qemu-img info" refuses, though both only read, until told not to look (-U). A raw image it shows in either case.

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
command -v python3 >/dev/null || cannot "needs python3"
fetch bookworm qemu-utils=1:7.2+dfsg-7+deb12u18+b3
qemu_img=$work/bookworm/usr/bin/qemu-img
if ldd "$qemu_img" | grep -q 'not found'; then cannot "needs the libraries that the package qemu-utils needs"; fi
"$qemu_img" create -q -f qcow2 "$work/qcow2" 1M
"$qemu_img" create -q -f raw "$work/raw" 1M

# Hold a shared lock of $3 bytes from $2 (0: all there are) of the image of format $1 and look at it.
look()
{
    local format=$1 first=$2 count=$3
    shift 3
    python3 - "$work/$format" "$first" "$count" "$qemu_img" info "$@" -f "$format" "$work/$format" \
        >"$work/answer" 2>&1 <<'PYTHON'
import fcntl, subprocess, sys
with open(sys.argv[1], "rb") as image:
    fcntl.lockf(image, fcntl.LOCK_SH, int(sys.argv[3]), int(sys.argv[2]))
    subprocess.run(sys.argv[4:], stderr=subprocess.STDOUT, check=False)
PYTHON
    grep -oE '^file format: .*|Failed to get .*lock' "$work/answer"
}

"$qemu_img" --version | sed -n 1p
{
    echo "qcow2, byte 0: $(look qcow2 0 1)"
    echo "qcow2, byte 101: $(look qcow2 101 1)"
    echo "qcow2, all: $(look qcow2 0 0)"
    echo "qcow2, all, -U: $(look qcow2 0 0 -U)"
    echo "raw, all: $(look raw 0 0)"
} >"$work/seen"
expect <<'EXPECTED'
qcow2, byte 0: file format: qcow2
qcow2, byte 101: Failed to get shared "write" lock
qcow2, all: Failed to get shared "write" lock
qcow2, all, -U: file format: qcow2
raw, all: file format: raw
EXPECTED
