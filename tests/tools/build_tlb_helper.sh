#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Build the kernel module of monitor/helper/ in folder $1, with warnings as errors, against the newest headers of a cloud
# kernel (package linux-headers-cloud-amd64). Laid out as DKMS does it. Exit status 77: there are no headers.
set -eu
source=$(dirname "$(readlink -f "$0")")/../..
folder=$1
headers=$(ls -d /usr/src/linux-headers-*-cloud-amd64 2>/dev/null | sort -V | tail -n 1)
[ -n "$headers" ] || { echo "skipped: there are no headers of a kernel: './setup deps' installs linux-headers-cloud-amd64"; exit 77; }
rm -rf "$folder"
mkdir -p "$folder/include"
cp -r "$source"/monitor/helper/. "$folder"
cp -r "$source"/include/helper "$folder/include/"
make -C "$folder" KDIR="$headers" KCFLAGS=-Werror W=1 modules >"$folder/build.log" 2>&1 || { cat "$folder/build.log"; exit 1; }
if grep -i 'warning' "$folder/build.log"; then
    exit 1
fi
modinfo -F vermagic "$folder/duplex86_tlb.ko" 2>/dev/null || basename "$headers"
