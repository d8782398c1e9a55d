; SPDX-License-Identifier: GPL-2.0-or-later
; I/O breakpoints: with CR4.DE set, R/W 10b of DR7 watches ports. A trap after the access, by port and length;
; after the iteration for INS and OUTS; and none for an access the permission bitmap refuses.
; SDM 3B, "Debug Registers", "Data Memory and I/O Breakpoint Exception Conditions".
%include "debug.inc"

%define FROM SCRATCH + 0x100
%define TO SCRATCH + 0x200
%define FREE 0x220                      ; ports nobody has
%define LOW 0x30                        ; likewise, within the bitmap

; TRAPS label, DR6 bits, instruction: a trap after it
%macro TRAPS 3+
    ARM %1_done
    %3
%1_at:
    nop
%1_done:
    TRAP_AT %1_at, %2
    RF_WAS z
%endmacro

start:
    ENTER_PROTECTED
    cld
    xor eax, eax
    mov dr6, eax
    mov dword [FROM], 0x03020100
    mov dword [TO], 0
    mov esi, FROM
    mov edi, TO
    ADDRESS 0, FREE
    ADDRESS 1, FREE + 4
    ADDRESS 2, FREE + 8

    ; ---- not without CR4.DE -------------------------------------------------------------------------------------
    WATCH_FOR WATCH(0, PORT, 1)
    mov dx, FREE
    RUNS in al, dx
    mov eax, cr4
    or al, 8
    mov cr4, eax

    ; ---- by port and length ---------------------------------------------------------------------------------------
    WATCH_FOR WATCH(0, PORT, 1) | WATCH(1, PORT, 2) | WATCH(2, PORT, 4)
    TRAPS .in1, B(0), in al, dx
    TRAPS .out1, B(0), out dx, al
    TRAPS .in2, B(0), in ax, dx
    TRAPS .in4, B(0), in eax, dx
    mov dx, FREE - 1
    RUNS in al, dx
    TRAPS .in2b, B(0), in ax, dx         ; the second byte
    mov dx, FREE + 1
    RUNS out dx, al
    RUNS out dx, ax
    TRAPS .out4b, B(1), out dx, eax      ; 221 to 224
    mov dx, FREE + 5
    TRAPS .in1c, B(1), in al, dx
    mov dx, FREE + 6
    RUNS in ax, dx
    TRAPS .in4c, B(2), in eax, dx        ; 226 to 229
    mov dx, FREE + 5
    TRAPS .in4d, B(1) | B(2), in eax, dx
    mov dx, FREE + 11
    TRAPS .out1d, B(2), out dx, al
    mov dx, FREE + 12
    RUNS out dx, eax
    ; the address is rounded down to the length
    ADDRESS 2, FREE + 0x13
    mov dx, FREE + 0x10
    TRAPS .in1e, B(2), in al, dx
    ; memory at such an address is none of them
    RUNS mov eax, [FREE]
    ; the port in the instruction
    ADDRESS 0, PORT_COUNT
    TRAPS .imm1, B(0), in al, PORT_COUNT
    mov al, ' '
    ADDRESS 0, PORT_DEBUG
    mov al, ' '
    TRAPS .imm2, B(0), out PORT_DEBUG, al
    ; the access was made, once
    ADDRESS 0, PORT_STRING
    WATCH_FOR WATCH(0, PORT, 1)
    mov dx, PORT_RESTART
    out dx, al
    mov dx, PORT_STRING
    TRAPS .made1, B(0), in al, dx
    CHECK_EQ al, 0
    TRAPS .made2, B(0), in al, dx
    CHECK_EQ al, 1
    ; with others: single-stepping, data, an instruction breakpoint on what comes next
    ARM .step_done
    push dword 2 | TF
    popfd
    in al, dx
.step_at:
    nop
.step_done:
    TRAP_AT .step_at, B(0) | BS
    CHECK_EQ al, 2
    ADDRESS 1, TO
    ADDRESS 2, .next_at
    WATCH_FOR WATCH(0, PORT, 1) | WATCH(1, WRITE, 1) | WATCH(2, FETCH, 1)
    ARM .next1
    insb
.next_at:
    nop
.next1:
    TRAP_AT .next_at, B(0) | B(1)
    CHECK_EQ byte [TO], 3
    GO_ON .next2
.next2:
    TRAP_AT .next_at, B(2)
    ; MOV SS before it holds nothing back
    WATCH_FOR WATCH(0, PORT, 1)
    mov cx, ss
    ARM .ss_done
    mov ss, cx
    in al, dx
.ss_at:
    nop
.ss_done:
    TRAP_AT .ss_at, B(0)

    ; ---- INS, OUTS, repeated -----------------------------------------------------------------------------------------
    mov dx, PORT_RESTART
    out dx, al
    mov dx, PORT_STRING
    mov esi, FROM
    mov edi, TO
    TRAPS .outs, B(0), outsb
    CHECK_EQ esi, FROM + 1
    mov ecx, 3
    ARM .outs1
.outs_rep:
    rep outsb
.outs_end:
    FAIL_HERE "no I/O breakpoint in REP OUTSB"
.outs1:
    TRAP_AT .outs_rep, B(0)
    RF_WAS nz
    CHECK_EQ ecx, 2
    GO_ON .outs2
.outs2:
    TRAP_AT .outs_rep, B(0)
    CHECK_EQ ecx, 1
    GO_ON .outs3
.outs3:
    TRAP_AT .outs_end, B(0)
    RF_WAS z
    CHECK_EQ ecx, 0
    CHECK_EQ esi, FROM + 4
    mov ecx, 2
    ARM .ins1
.ins_rep:
    rep insb
.ins_end:
    FAIL_HERE "no I/O breakpoint in REP INSB"
.ins1:
    TRAP_AT .ins_rep, B(0)
    RF_WAS nz
    CHECK_EQ ecx, 1
    CHECK_EQ byte [TO], 4
    GO_ON .ins2
.ins2:
    TRAP_AT .ins_end, B(0)
    RF_WAS z
    CHECK_EQ byte [TO + 1], 5
    ; no iteration, no access
    xor ecx, ecx
    RUNS rep insb

    ; ---- at CPL 3: by IOPL, and by the bitmap, which comes first ------------------------------------------------------
    mov word [tss_main + 0x66], 0x68
    mov byte [tss_main + 0x68 + LOW / 8], 0xfe ; this one port
    ADDRESS 0, LOW
    ADDRESS 1, LOW + 1
    WATCH_FOR WATCH(0, PORT, 1) | WATCH(1, PORT, 1)
    AT_CPL3 .user_allowed, 2
    TRAP_AT .user_allowed_end, B(0)
    CHECK_EQ dword [got_cs], UCODE32
    AT_CPL3 .user_refused, 2
    CHECK_EQ dword [got_vector], GP
    CHECK_EQ dword [got_eip], .user_refused_at
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 0
    AT_CPL3 .user_refused, 0x3002
    TRAP_AT .user_refused_end, B(1)
    WATCH_FOR 0
    PASS
.user_allowed:
    in al, LOW
.user_allowed_end:
    nop
    int 0x80
.user_refused:
    mov dx, LOW + 1
.user_refused_at:
    out dx, al
.user_refused_end:
    nop
    int 0x80

BEGIN_GDT
gdt_end:
