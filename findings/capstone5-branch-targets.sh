#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A branch of 16-bit operand size clears the upper half of EIP (SDM 2A, "JMP": "EIP AND 0000FFFFH"). capstone 5.0.7
# (Debian 13) does not: in 16-bit code a jump forward from FFF0h has a target beyond FFFFh, and a 66 prefix in 32-bit code
# keeps the upper half. capstone 4.0.2 (Debian 12) is right in these, but not for a short jump with 66 in 32-bit code.

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch bookworm libcapstone4=4.0.2-5 libcapstone-dev=4.0.2-5
fetch trixie libcapstone5=5.0.7-1~deb13u1 libcapstone-dev=5.0.7-1~deb13u1
for release in bookworm trixie; do
    build_show $release
    "$work/show-$release" 16 0xfff0 eb7f 747f e97f00 e87f00 >>"$work/seen"
    "$work/show-$release" 32 0x12340 66e90102 66e80102 66eb80 >>"$work/seen"
done
expect <<'EXPECTED'
capstone 4, 16-bit code: eb7f         jmp 0x71
capstone 4, 16-bit code: 747f         je 0x71
capstone 4, 16-bit code: e97f00       jmp 0x72
capstone 4, 16-bit code: e87f00       call 0x72
capstone 4, 32-bit code: 66e90102     jmp 0x2545
capstone 4, 32-bit code: 66e80102     call 0x2545
capstone 4, 32-bit code: 66eb80       jmp 0x122c3
capstone 5, 16-bit code: eb7f         jmp 0x10071
capstone 5, 16-bit code: 747f         je 0x10071
capstone 5, 16-bit code: e97f00       jmp 0x10072
capstone 5, 16-bit code: e87f00       call 0x10072
capstone 5, 32-bit code: 66e90102     jmp 0x12545
capstone 5, 32-bit code: 66e80102     call 0x12545
capstone 5, 32-bit code: 66eb80       jmp 0x122c3
EXPECTED
