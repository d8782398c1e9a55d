#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prefixes of different groups may stand in any order (SDM 2A, "Instruction Prefixes"), so F3 67 0F 10 is MOVSS with a
# 16-bit address just as 67 F3 0F 10 is. capstone sees that only if F3 or F2 is the last one. With the address size behind
# it, 4.0.2 (Debian 12) takes the instruction for one without F3: MOVUPS, of another operand size; 5.0.7 (Debian 13)
# for none in 16- and 32-bit code, even where F3 means nothing (BSWAP), and is right in 64-bit code.

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
fetch bookworm libcapstone4=4.0.2-5 libcapstone-dev=4.0.2-5
fetch trixie libcapstone5=5.0.7-1~deb13u1 libcapstone-dev=5.0.7-1~deb13u1
for release in bookworm trixie; do
    build_show $release
    for bits in 32 64; do
        "$work/show-$release" $bits 0x1000 67f30f1000 f3670f1000 67f20f5800 f2670f5800 67f30fc8 f3670fc8 >>"$work/seen"
    done
done
expect <<'EXPECTED'
capstone 4, 32-bit code: 67f30f1000   movss xmm0, dword ptr [bx + si]
capstone 4, 32-bit code: f3670f1000   movups xmm0, xmmword ptr [bx + si]
capstone 4, 32-bit code: 67f20f5800   addsd xmm0, qword ptr [bx + si]
capstone 4, 32-bit code: f2670f5800   addps xmm0, xmmword ptr [bx + si]
capstone 4, 32-bit code: 67f30fc8     bswap eax
capstone 4, 32-bit code: f3670fc8     bswap eax
capstone 4, 64-bit code: 67f30f1000   movss xmm0, dword ptr [eax]
capstone 4, 64-bit code: f3670f1000   movups xmm0, xmmword ptr [eax]
capstone 4, 64-bit code: 67f20f5800   addsd xmm0, qword ptr [eax]
capstone 4, 64-bit code: f2670f5800   addps xmm0, xmmword ptr [eax]
capstone 4, 64-bit code: 67f30fc8     bswap eax
capstone 4, 64-bit code: f3670fc8     bswap eax
capstone 5, 32-bit code: 67f30f1000   movss xmm0, dword ptr [bx + si]
capstone 5, 32-bit code: f3670f1000   (none)
capstone 5, 32-bit code: 67f20f5800   addsd xmm0, qword ptr [bx + si]
capstone 5, 32-bit code: f2670f5800   (none)
capstone 5, 32-bit code: 67f30fc8     bswap eax
capstone 5, 32-bit code: f3670fc8     (none)
capstone 5, 64-bit code: 67f30f1000   movss xmm0, dword ptr [eax]
capstone 5, 64-bit code: f3670f1000   movss xmm0, dword ptr [eax]
capstone 5, 64-bit code: 67f20f5800   addsd xmm0, qword ptr [eax]
capstone 5, 64-bit code: f2670f5800   addsd xmm0, qword ptr [eax]
capstone 5, 64-bit code: 67f30fc8     bswap eax
capstone 5, 64-bit code: f3670fc8     bswap eax
EXPECTED
