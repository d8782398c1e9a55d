#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# iPXE's ipxe.lkrn (1.0.0+git-20190125.36a4c85-5.1, Debian 12) looks like a Linux kernel to a loader, and takes a script as its
# initrd. Its header says that the initrd may lie anywhere below 4 GiB, and its version of the protocol has no field for the room
# the kernel takes, so loaders put the initrd at the top of memory. iPXE unpacks itself before it
# looks there, as far as one sees from outside to the end of what is free below 64 MiB. With 64 MiB or less these are the same place: the script is written over, is nowhere mentioned, and the machine goes
# on as if there had been none. With 65 MiB it runs. Tried with QEMU's loader; whoever loads as the boot protocol says sees it
# (Documentation/arch/x86/boot.rst of Linux, "initrd_addr_max"; "init_size" came with 2.10).

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
command -v qemu-system-i386 >/dev/null || cannot "needs qemu-system-i386"
fetch bookworm ipxe=1.0.0+git-20190125.36a4c85-5.1
kernel=$work/bookworm/boot/ipxe.lkrn
printf '#!ipxe\necho THE-SCRIPT-RUNS\nsleep 1000\n' >"$work/script"

# What is on the screen, once one of the two ends is.
boot()
{
    local memory=$1 monitor=$work/monitor-$1 screen=$work/screen-$1
    mkfifo "$monitor"
    qemu-system-i386 -accel tcg -m "$memory" -kernel "$kernel" -initrd "$work/script" -nic none -vga std \
        -display none -serial none -monitor stdio <"$monitor" >/dev/null &
    exec 3>"$monitor"
    for ((i = 0; i < 120; i++)); do
        sleep 1
        echo "pmemsave 0xb8000 4000 \"$screen\"" >&3
        [ -s "$screen" ] || continue
        # Every other byte is a colour.
        sed 's/\(.\)./\1/g' <(LC_ALL=C tr '\0\n' '  ' <"$screen") >"$screen.text"
        if LC_ALL=C grep -aq -e THE-SCRIPT-RUNS -e 'No bootable device' "$screen.text"; then break; fi
    done
    echo quit >&3
    exec 3>&-
    wait
    if LC_ALL=C grep -aq THE-SCRIPT-RUNS "$screen.text"; then
        echo "$memory MiB: the script runs"
    elif LC_ALL=C grep -aq 'No bootable device' "$screen.text"; then
        echo "$memory MiB: no script, and the BIOS finds nothing to boot"
    else
        echo "$memory MiB: neither"
    fi >>"$work/seen"
}

qemu-system-i386 --version | sed -n 1p
{
    od -An -tx2 -j 0x206 -N 2 "$kernel" | sed 's/^ */protocol /'
    od -An -tx4 -j 0x22c -N 4 "$kernel" | sed 's/^ */initrd_addr_max /'
} >"$work/seen"
for memory in 48 64 65 128; do
    boot $memory
done
expect <<'EXPECTED'
protocol 0207
initrd_addr_max ffffffff
48 MiB: no script, and the BIOS finds nothing to boot
64 MiB: no script, and the BIOS finds nothing to boot
65 MiB: the script runs
128 MiB: the script runs
EXPECTED
