; SPDX-License-Identifier: GPL-2.0-or-later
; Debug exceptions: TF, instruction and data breakpoints, RF, general detect, INT1, shadows, DR4/DR5 and CR4.DE.
; SDM 3B, "Debugging, Branch Profiling, TSC".
%include "debug.inc"

start:
    ENTER_PROTECTED
    mov eax, dr6
    CHECK_EQ eax, 0xffff0ff0
    mov eax, dr7
    CHECK_EQ eax, 0x400
    mov dword [SCRATCH], 0

    ; ---- TF: after the instruction that follows POPF -------------------------------------------------------
    ARM .tf1_done
    push dword 0x102
    popfd
    nop
.tf1:
    nop
.tf1_done:
    TRAP_AT .tf1, 0x4000
    test dword [got_eflags], 0x100       ; pushed with TF, cleared for the handler
    CHECK nz
    test dword [handler_eflags], 0x100
    CHECK z
    ; a fault comes instead of the trap
    ARM .tf2_done
    push dword 0x102
    popfd
.tf2:
    ud2
.tf2_done:
    CHECK_EQ dword [got_vector], UD
    CHECK_EQ dword [got_eip], .tf2
    ; INT n clears TF before a trap could come
    ARM .tf3_done
    push dword 0x102
    popfd
    int 0x40
.tf3:
.tf3_done:
    CHECK_EQ dword [got_vector], 0x40
    CHECK_EQ dword [got_eip], .tf3
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 0
    ; no trap between MOV SS and the next instruction
    ARM .tf4_done
    mov cx, ss
    push dword 0x102
    popfd
    mov ss, cx
    nop
.tf4:
    nop
.tf4_done:
    TRAP_AT .tf4, 0x4000
    ; POPF that clears TF still traps
    ARM .tf5_done
    push dword 2
    push dword 0x102
    popfd
    popfd
.tf5:
    nop
.tf5_done:
    TRAP_AT .tf5, 0x4000
    ; REP: after every iteration, at the instruction itself
    ARM .tf6_done
    mov edi, SCRATCH
    mov ecx, 3
    push dword 0x102
    popfd
.tf6:
    rep stosb
.tf6_done:
    TRAP_AT .tf6, 0x4000
    CHECK_EQ ecx, 2
    ; IRET into TF: one instruction runs
    ARM .tf7_done
    push dword 0x102
    push dword CODE32
    push dword .tf7_to
    iretd
.tf7_to:
    nop
.tf7:
    nop
.tf7_done:
    TRAP_AT .tf7, 0x4000

    ; ---- instruction breakpoints ---------------------------------------------------------------------------------
    mov eax, .bp1
    mov dr0, eax
    mov eax, 1                           ; L0, execute
    mov dr7, eax
    ARM .bp1_done
    nop
.bp1:
    nop
.bp1_done:
    TRAP_AT .bp1, 1
    test dword [got_eflags], 0x10000     ; RF as it was: clear
    CHECK z
    ; RF set by IRET lets it pass once, and only that instruction
    mov eax, .bp2
    mov dr0, eax
    mov eax, .bp2 + 1
    mov dr1, eax
    mov eax, 5                           ; L0, L1
    mov dr7, eax
    ARM .bp2_done
    xor ecx, ecx
    push dword 0x10002
    push dword CODE32
    push dword .bp2
    iretd
.bp2:
    nop
    inc ecx
.bp2_done:
    TRAP_AT .bp2 + 1, 2
    CHECK_EQ ecx, 0
    ; a fault at a breakpoint passed with RF pushes RF again
    mov eax, .bp3
    mov dr0, eax
    mov eax, 1
    mov dr7, eax
    ARM .bp3_done
    push dword 0x10002
    push dword CODE32
    push dword .bp3
    iretd
.bp3:
    ud2
.bp3_done:
    CHECK_EQ dword [got_vector], UD
    test dword [got_eflags], 0x10000
    CHECK nz
    ; disabled: nothing
    xor eax, eax
    mov dr7, eax
    RUNS nop

    ; ---- data breakpoints: traps ------------------------------------------------------------------------------------
    mov eax, SCRATCH + 4
    mov dr2, eax
    mov eax, 0x0d000020                  ; G2, write, 4 bytes
    mov dr7, eax
    ARM .db1_done
    mov eax, [SCRATCH + 4]               ; reads do not count
    mov byte [SCRATCH + 3], 1            ; outside
    mov byte [SCRATCH + 8], 1
    mov byte [SCRATCH + 7], 0x5a
.db1:
    nop
.db1_done:
    TRAP_AT .db1, 4
    CHECK_EQ byte [SCRATCH + 7], 0x5a    ; it was written
    test dword [got_eflags], 0x10000
    CHECK z
    mov eax, 0x07000020                  ; read or write, 2 bytes
    mov dr7, eax
    ARM .db2_done
    mov ax, [SCRATCH + 6]
    mov ax, [SCRATCH + 4]
.db2:
    nop
.db2_done:
    TRAP_AT .db2, 4
    ARM .db3_done
    push dword [SCRATCH + 2]             ; 4 bytes that overlap
.db3:
    nop
.db3_done:
    TRAP_AT .db3, 4
    pop eax
    ; together with TF: both bits
    ARM .db4_done
    push dword 0x102
    popfd
    mov al, [SCRATCH + 5]
.db4:
    nop
.db4_done:
    TRAP_AT .db4, 0x4004
    ; the last bytes of the address space
    ADDRESS 2, 0xfffffffc
    WATCH_FOR WATCH(2, ACCESS, 4)
    ARM .db5_done
    mov al, [0xffffffff]
.db5:
    nop
.db5_done:
    TRAP_AT .db5, 4
    RUNS mov eax, [0]
    xor eax, eax
    mov dr7, eax

    ; ---- general detect -------------------------------------------------------------------------------------------------
    mov eax, 0x2000
    mov dr7, eax
    ARM .gd_done
.gd:
    mov ebx, dr3
.gd_done:
    TRAP_AT .gd, 0x2000                  ; reading DR6 here works: the delivery cleared GD
    mov eax, dr7
    CHECK_EQ eax, 0x400
    test dword [got_eflags], 0x10000
    CHECK nz

    ; ---- INT1, DR4 and DR5, rights ----------------------------------------------------------------------------------------
    ARM .int1_done
    db 0xf1
.int1:
.int1_done:
    TRAP_AT .int1, 0
    mov eax, dr4
    CHECK_EQ eax, 0xffff0ff0
    mov eax, cr4
    or al, 8
    mov cr4, eax
    RAISES UD, NOTHING, mov eax, dr4
    RAISES UD, NOTHING, mov dr5, eax
    USER_RAISES GP, 0, 2, mov eax, dr0
    USER_RAISES GP, 0, 2, mov dr7, eax
    ; reserved bits do not stick
    mov eax, 0xffffffff
    mov dr6, eax
    mov eax, dr6
    CHECK_EQ eax, 0xffffefff
    ; TF at CPL 3
    AT_CPL3 .user, 0x102
    CHECK_EQ dword [got_vector], DB
    CHECK_EQ dword [got_eip], .user + 1
    CHECK_EQ dword [got_cs], UCODE32
    PASS
.user:
    nop
    nop

BEGIN_GDT
gdt_end:
