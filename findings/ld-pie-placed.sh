#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# GNU ld 2.40 (Debian 12): "-pie" with a linker script that puts the first section anywhere but at 0 makes an ELF file of type
# EXEC, not DYN, without a word, although the dynamic relocations of a position-independent program are in it. Who loads by the
# type puts it at the addresses it was linked for; the kernel gives it no random place either. The same link with
# "-shared" is DYN, and so is "-pie" if the script begins at 0. (The manual has -pie create "a position independent executable";
# gABI, "ELF Header": ET_DYN is the type of what can be placed anywhere.)

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch bookworm binutils=2.40-2 binutils-x86-64-linux-gnu=2.40-2 binutils-common=2.40-2 libbinutils=2.40-2 libctf0=2.40-2 \
    libctf-nobfd0=2.40-2 libgprofng0=2.40-2
root=$work/bookworm/usr
export LD_LIBRARY_PATH=$root/lib/x86_64-linux-gnu
tool()
{
    local name=$1
    shift
    "$root/bin/x86_64-linux-gnu-$name" "$@"
}
printf '.globl _start\n_start: ret\n.data\n.quad _start\n' >"$work/program.s"
tool as -o "$work/program.o" "$work/program.s" || cannot "the fetched assembler does not run"
tool ld --version | sed -n 1p >"$work/seen"
for start in 0 0x10000; do
    printf 'SECTIONS { . = %s; .text : { *(.text) } . = ALIGN(0x1000); .data : { *(.data) }
        .dynamic : { *(.dynamic) } .rela.dyn : { *(.rela*) } }\n' $start >"$work/program.ld"
    for how in "-pie --no-dynamic-linker" "-shared"; do
        # shellcheck disable=SC2086 # options
        tool ld $how -T "$work/program.ld" -o "$work/program" "$work/program.o"
        type=$(tool readelf -h "$work/program" | sed -n 's/^ *Type: *\([A-Z]*\).*/\1/p')
        relocations=$(tool readelf -r "$work/program" | grep -c R_X86_64)
        echo "$how, from $start: $type, $relocations dynamic relocation" >>"$work/seen"
    done
done
expect <<'EXPECTED'
GNU ld (GNU Binutils for Debian) 2.40
-pie --no-dynamic-linker, from 0: DYN, 1 dynamic relocation
-shared, from 0: DYN, 1 dynamic relocation
-pie --no-dynamic-linker, from 0x10000: EXEC, 1 dynamic relocation
-shared, from 0x10000: DYN, 1 dynamic relocation
EXPECTED
