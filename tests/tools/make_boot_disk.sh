#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Make the image of a disk that a PC's BIOS can start: a partition table, GRUB, and one partition with an ext4 file
# system that holds a folder. Needs neither root nor loop devices: what GRUB's installer writes is put where it belongs
# by its own documentation ("BIOS installation", "Embedding"): boot.img in sector 0, core.img from sector 1 on,
# which is where both look for what follows when nobody tells them otherwise.
#
# Usage: make_boot_disk.sh FOLDER IMAGE MIB [UUID]      (owners in FOLDER count: run it under fakeroot)

set -euo pipefail

folder=$1 image=$2 mib=$3 uuid=${4:-$(cat /proc/sys/kernel/random/uuid)}
grub=/usr/lib/grub/i386-pc
start=2048 # the partition's first sector: 1 MiB, as all tools have it; GRUB is in the gap before it
# Named outright: what else the host's mke2fs makes by default is not known to every GRUB and every Linux.
features=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file
features+=,huge_file,dir_nlink,extra_isize,metadata_csum

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$folder/boot/grub/i386-pc"
cp "$grub"/*.mod "$grub"/*.lst "$folder/boot/grub/i386-pc/"

rm -f "$image"
truncate -s "${mib}M" "$image"
mke2fs -q -F -t ext4 -O "$features" -U "$uuid" -E "offset=$((start * 512)),root_owner=0:0" -d "$folder" \
    "$image" "$((mib - 1))M"
echo "start=$start, type=83, bootable" | sfdisk --quiet --label dos "$image"

# The prefix without a disk: the one that was started from.
grub-mkimage -O i386-pc -d "$grub" -p '(,msdos1)/boot/grub' -o "$work/core.img" biosdisk part_msdos ext2
[ "$(stat -c %s "$work/core.img")" -le $(((start - 1) * 512)) ] || { echo "GRUB does not fit" >&2; exit 1; }
# The partition table is in the sector's last bytes.
dd if="$grub/boot.img" of="$image" bs=1 count=440 conv=notrunc status=none
dd if="$work/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none
