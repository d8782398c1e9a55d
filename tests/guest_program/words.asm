; SPDX-License-Identifier: GPL-2.0-or-later
;
; A file that says of each of its words where it is, for packet_driver.asm to get: 78 blocks of TFTP and a short one.

%assign number 0
%rep 20001
    dw number
%assign number number + 1
%endrep
