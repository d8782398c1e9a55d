#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# capstone 5.0.7 (Debian 13) no longer decodes encodings that capstone 4.0.2 (Debian 12) does and that processors execute:
# DC D0+i (FCOM), DC D8+i and DE D0+i (FCOMP), DD C8+i and DF C8+i (FXCH), DF D0+i and DF D8+i (FSTP). They are
# second encodings, which processors run as the first ones, as the end of this script shows. A disassembly by capstone 5
# stops there.

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch bookworm libcapstone4=4.0.2-5 libcapstone-dev=4.0.2-5
fetch trixie libcapstone5=5.0.7-1~deb13u1 libcapstone-dev=5.0.7-1~deb13u1
for release in bookworm trixie; do
    build_show $release
    "$work/show-$release" 32 0x1000 d8d1 dcd1 dcd9 ddc9 ded1 dfc9 dfd1 dfd9 >>"$work/seen"
done
cat >"$work/execute.c" <<'PROGRAM'
#include <stdio.h>

#define TRY(bytes)                                                                                           \
    do {                                                                                                     \
        double top;                                                                                          \
        __asm__ volatile("fninit\n\tfld1\n\tfldz\n\tfldpi\n\t.byte " bytes "\n\tfstl %0" : "=m"(top));         \
        printf("processor, pi, 0, 1 on its stack: %s leaves %g on top\n", bytes, top);                       \
    } while (0)

int main(void)
{
    TRY("0xdc, 0xd1");
    TRY("0xdc, 0xd9");
    TRY("0xdd, 0xc9");
    TRY("0xde, 0xd1");
    TRY("0xdf, 0xc9");
    TRY("0xdf, 0xd1");
    TRY("0xdf, 0xd9");
    return 0;
}
PROGRAM
"${CC:-cc}" -o "$work/execute" "$work/execute.c" || cannot "cannot build its program"
"$work/execute" >>"$work/seen"
expect <<'EXPECTED'
capstone 4, 32-bit code: d8d1         fcom st(1)
capstone 4, 32-bit code: dcd1         fcom st(0), st(1)
capstone 4, 32-bit code: dcd9         fcomp st(0), st(1)
capstone 4, 32-bit code: ddc9         fxch st(0), st(1)
capstone 4, 32-bit code: ded1         fcomp st(0), st(1)
capstone 4, 32-bit code: dfc9         fxch st(0), st(1)
capstone 4, 32-bit code: dfd1         fstp st(1), st(0)
capstone 4, 32-bit code: dfd9         fstp st(1), st(0)
capstone 5, 32-bit code: d8d1         fcom st(1)
capstone 5, 32-bit code: dcd1         (none)
capstone 5, 32-bit code: dcd9         (none)
capstone 5, 32-bit code: ddc9         (none)
capstone 5, 32-bit code: ded1         (none)
capstone 5, 32-bit code: dfc9         (none)
capstone 5, 32-bit code: dfd1         (none)
capstone 5, 32-bit code: dfd9         (none)
processor, pi, 0, 1 on its stack: 0xdc, 0xd1 leaves 3.14159 on top
processor, pi, 0, 1 on its stack: 0xdc, 0xd9 leaves 0 on top
processor, pi, 0, 1 on its stack: 0xdd, 0xc9 leaves 0 on top
processor, pi, 0, 1 on its stack: 0xde, 0xd1 leaves 0 on top
processor, pi, 0, 1 on its stack: 0xdf, 0xc9 leaves 0 on top
processor, pi, 0, 1 on its stack: 0xdf, 0xd1 leaves 3.14159 on top
processor, pi, 0, 1 on its stack: 0xdf, 0xd9 leaves 3.14159 on top
EXPECTED
