#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# capstone 5.0.7 (Debian 13) gives a far call or jump through memory (FF /3, FF /5: SDM 2A, "CALL", "JMP") the mnemonic
# and the instruction number of the near one, and prints no operand size for it: "call ptr [eax]" loads CS. Whoever looks for
# LCALL and LJMP, as with capstone 4.0.2 (Debian 12), misses them. With a 66 prefix it is "lcall" in 32-bit code and "call" in
# 16-bit code, without one the other way round; a direct far call has a comma where a direct far jump has a colon.

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch bookworm libcapstone4=4.0.2-5 libcapstone-dev=4.0.2-5
fetch trixie libcapstone5=5.0.7-1~deb13u1 libcapstone-dev=5.0.7-1~deb13u1
for release in bookworm trixie; do
    build_show $release
    for bits in 16 32; do
        "$work/show-$release" $bits 0x1000 ff10 ff18 66ff18 ff20 ff28 66ff28 9a010203040506 ea010203040506 >>"$work/seen"
    done
done
expect <<'EXPECTED'
capstone 4, 16-bit code: ff10         call word ptr [bx + si]
capstone 4, 16-bit code: ff18         lcall [bx + si]
capstone 4, 16-bit code: 66ff18       lcall [bx + si]
capstone 4, 16-bit code: ff20         jmp word ptr [bx + si]
capstone 4, 16-bit code: ff28         ljmp [bx + si]
capstone 4, 16-bit code: 66ff28       ljmp [bx + si]
capstone 4, 16-bit code: 9a010203040506 lcall 0x403:0x201
capstone 4, 16-bit code: ea010203040506 ljmp 0x403:0x201
capstone 4, 32-bit code: ff10         call dword ptr [eax]
capstone 4, 32-bit code: ff18         lcall [eax]
capstone 4, 32-bit code: 66ff18       lcall [eax]
capstone 4, 32-bit code: ff20         jmp dword ptr [eax]
capstone 4, 32-bit code: ff28         ljmp [eax]
capstone 4, 32-bit code: 66ff28       ljmp [eax]
capstone 4, 32-bit code: 9a010203040506 lcall 0x605:0x4030201
capstone 4, 32-bit code: ea010203040506 ljmp 0x605:0x4030201
capstone 5, 16-bit code: ff10         call word ptr [bx + si]
capstone 5, 16-bit code: ff18         lcall [bx + si]
capstone 5, 16-bit code: 66ff18       call ptr [bx + si]
capstone 5, 16-bit code: ff20         jmp word ptr [bx + si]
capstone 5, 16-bit code: ff28         ljmp [bx + si]
capstone 5, 16-bit code: 66ff28       jmp ptr [bx + si]
capstone 5, 16-bit code: 9a010203040506 lcall 0x403, 0x201
capstone 5, 16-bit code: ea010203040506 ljmp 0x403:0x201
capstone 5, 32-bit code: ff10         call dword ptr [eax]
capstone 5, 32-bit code: ff18         call ptr [eax]
capstone 5, 32-bit code: 66ff18       lcall [eax]
capstone 5, 32-bit code: ff20         jmp dword ptr [eax]
capstone 5, 32-bit code: ff28         jmp ptr [eax]
capstone 5, 32-bit code: 66ff28       ljmp [eax]
capstone 5, 32-bit code: 9a010203040506 lcall 0x605, 0x4030201
capstone 5, 32-bit code: ea010203040506 ljmp 0x605:0x4030201
EXPECTED
