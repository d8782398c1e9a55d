; SPDX-License-Identifier: GPL-2.0-or-later
; Every instruction that shows or changes what belongs to the system, at CPL 3: segment registers, far transfers,
; interrupts, flags, I/O, privileged instructions, descriptor tables, identity, fast system calls. The selectors
; of 64-bit and of flat code and data in usual 64-bit systems (23, 2B, 33) mean something else here.
; SDM 2, the page of each instruction; SDM 3A, "Protection".
%include "user.inc"

; The GDT's own part.
%define LDT_SEL 0x50
%define GATE_USER 0x5b
%define GATE_KERNEL 0x60
%define CONFORMING 0x68
%define ABSENT 0x70
%define ABSENT_CODE 0x78
%define EXECUTE_ONLY 0x83
%define TSS_IO 0x88
%define SYS_CODE 0x90                 ; for SYSENTER: with the three that follow
; The LDT.
%define L_DATA 0x07               ; base U_DATA
%define L_CODE 0x0f               ; base U_CODE
%define L_CODE_HIGH 0x17          ; base 400000h below U_CODE: like flat, but not quite
%define L_CODE16 0x1f             ; base U_CODE
%define L_READ 0x27               ; read-only, base U_DATA
%define BEYOND 0x1003

; U_UD bytes: an undefined instruction
%macro U_UD 1+
    U_RAISES UD, NOTHING, {db %1}
%endmacro

start:
    START_KERNEL
    mov ax, LDT_SEL
    lldt ax
    call test_selectors
    call test_loads
    call test_far
    call test_gates
    call test_interrupts
    call test_iret
    call test_flags
    call test_steps
    call test_io
    call test_privileged
    call test_tables
    call test_access_rights
    call test_identity
    call test_fast_calls
    call test_undefined
    call test_lengths
    call test_watch
    PASS

; A level-0 routine behind a call gate; below 64 KiB.
bits 32
gate_target:
    mov [cs_inside], cs
    mov [esp_inside], esp
    retf

; ---- Reading segment registers -------------------------------------------------------------------------------
test_selectors:
    SHOWS eax, UCODE32, {mov eax, cs}
    SHOWS eax, UDATA32, {mov eax, ds}
    SHOWS eax, UDATA32, {mov eax, es}
    SHOWS eax, UDATA32, {mov eax, ss}
    mov dword [user_fs], L_DATA
    mov dword [user_gs], 0
    SHOWS eax, L_DATA, {mov eax, fs}
    SHOWS eax, 0, {mov eax, gs}
    SHOWS eax, 0xffff0000 | UCODE32, {mov ax, cs}
    mov dword [udata_word], -1
    SHOWS eax, 0xffff0000 | UDATA32, {mov [udata_word], ss}, {mov eax, [udata_word]}
    SHOWS ecx, UCODE32, push cs, pop ecx
    SHOWS ecx, UDATA32, push ds, pop ecx
    SHOWS ecx, UDATA32, push es, pop ecx
    SHOWS ecx, UDATA32, push ss, pop ecx
    SHOWS ecx, L_DATA, push fs, pop ecx
    SHOWS ecx, 0, push gs, pop ecx
    U_RUNS o16 push cs
    CHECK_EQ dword [got_esp], U_STACK - 2
    SHOWS ecx, 0xffff0000 | UCODE32, o16 push cs, pop cx
    mov dword [user_gs], UDATA32
    mov dword [user_fs], UDATA32
    ret

; ---- Loading them --------------------------------------------------------------------------------------------
test_loads:
    mov dword [U_DATA], 0x11223344
    mov eax, L_DATA
    SHOWS ecx, 0x11223344, {mov eax, L_DATA}, {mov ds, ax}, {mov ecx, [0]}
    SHOWS ecx, 0x11223344, push dword L_DATA, pop es, {mov ecx, [es:0]}
    SHOWS ecx, 0x11223344, push dword L_DATA, pop fs, {mov ecx, [fs:0]}
    SHOWS ecx, 0x11223344, push dword L_DATA, pop gs, {mov ecx, [gs:0]}
    SHOWS ecx, 0x11223344, push dword L_DATA, pop ds, {mov ecx, [0]}
    SHOWS ecx, 0x11223344, {mov eax, L_DATA}, {mov ss, ax}, {mov ebp, 0}, {mov ecx, [ebp]}
    SHOWS ecx, 0x11223344, {mov eax, L_DATA}, {mov ss, ax}, {mov esp, 0}, pop ecx
    SHOWS ecx, UCODE32, {mov eax, UCODE32}, {mov ds, ax}, {mov ecx, ds}
    SHOWS ecx, 0x50006, {lds ecx, [far_pointer]}, nop
    SHOWS ecx, L_DATA, {lds ecx, [far_pointer]}, {mov ecx, ds}
    SHOWS ecx, L_DATA, {les ecx, [far_pointer]}, {mov ecx, es}
    SHOWS ecx, L_DATA, {lfs ecx, [far_pointer]}, {mov ecx, fs}
    SHOWS ecx, L_DATA, {lgs ecx, [far_pointer]}, {mov ecx, gs}
    SHOWS ecx, L_DATA, {lss esp, [far_pointer]}, {mov ecx, ss}, {mov esp, U_STACK}
    SHOWS ecx, 0x50006, {lss esp, [far_pointer]}, {mov ecx, esp}
    SHOWS ecx, 0xffff0006, {o16 lgs cx, [far_pointer16]}, nop
    ; null: may be loaded, may not be used
    SHOWS ecx, 3, {mov eax, 3}, {mov gs, ax}, {mov ecx, gs}
    mov dword [user_gs], 0
%ifndef IN_QEMU                          ; it does not look at null selectors and limits
    U_RAISES GP, 0, {mov eax, [gs:U_DATA]}
    U_RAISES GP, 0, {mov [gs:U_DATA], eax}
%endif
    mov dword [user_gs], UDATA32
    ; what may not be loaded
    mov eax, DATA32
    U_RAISES GP, DATA32, {mov ds, ax}
    U_RAISES GP, DATA32, {mov ss, ax}
    mov eax, DATA32 | 3
    U_RAISES GP, DATA32, {mov es, ax}
    mov eax, 0x23
    U_RAISES GP, 0x20, {mov ds, ax} ; elsewhere flat code, here data of DPL 0
    U_RAISES GP, 0x20, {mov gs, ax}
    mov eax, 0x2b                        ; elsewhere flat data, here code
    U_RAISES GP, 0x28, {mov ss, ax}
    U_RUNS {mov fs, ax}
    mov eax, 0
    U_RAISES GP, 0, {mov ss, ax}
    mov eax, 3
    U_RAISES GP, 0, {mov ss, ax}
    mov eax, ABSENT | 3
    U_RAISES NP, ABSENT, {mov fs, ax}
    U_RAISES SS_, ABSENT, {mov ss, ax}
    mov eax, EXECUTE_ONLY
    U_RAISES GP, EXECUTE_ONLY & ~3, {mov gs, ax}
    mov eax, TSS_MAIN | 3
    U_RAISES GP, TSS_MAIN, {mov gs, ax}
    mov eax, BEYOND
    U_RAISES GP, BEYOND & ~3, {mov ds, ax}
    mov eax, 0x57 | 8                    ; beyond the LDT
    U_RAISES GP, 0x5c, {mov ds, ax}
    mov eax, L_READ
    U_RAISES GP, L_READ & ~3, {mov ss, ax}
    mov eax, UDATA32 & ~3
    U_RAISES GP, UDATA32 & ~3, {mov ss, ax} ; RPL is not CPL
    U_RUNS {mov ds, ax}
    U_UD 0x8e, 0xc8                      ; MOV CS, AX
    U_UD 0x8e, 0xf0                      ; no such register
    U_UD 0x8c, 0xf8
    U_UD 0xc5, 0xc0                      ; LDS of a register
    U_RAISES GP, DATA32, {lds eax, [bad_pointer]}
    U_RAISES GP, DATA32, {lss eax, [bad_pointer]}
    U_RAISES GP, DATA32, {les eax, [bad_pointer]}
    mov dword [user_esp], U_STACK - 4
    mov dword [U_STACK - 4], DATA32
    U_RAISES GP, DATA32, pop ds
    CHECK_EQ dword [got_esp], U_STACK - 4
    U_RAISES GP, DATA32, pop ss
    U_RAISES GP, DATA32, pop gs
    mov dword [user_esp], U_STACK
    ; a register that failed to load keeps what it had
    mov eax, DATA32
    mov dword [user_fs], L_DATA
    U_RAISES GP, DATA32, {mov fs, ax}
    mov ecx, fs
    CHECK_EQ ecx, L_DATA
    mov dword [user_fs], UDATA32
    ; writes through what cannot be written
    mov dword [user_gs], L_READ
    U_RUNS {mov eax, [gs:0]}
    CHECK_EQ eax, 0x11223344
%ifndef IN_QEMU
    U_RAISES GP, 0, {mov [gs:0], eax}
%endif
    mov dword [user_gs], UCODE32
%ifndef IN_QEMU
    U_RAISES GP, 0, {mov [gs:U_DATA], eax}
%endif
    mov dword [user_gs], UDATA32
    ; the limit of the LDT's segment
    mov dword [user_gs], L_DATA
    U_RUNS {mov al, [gs:0xffff]}
%ifndef IN_QEMU
    U_RAISES GP, 0, {mov ax, [gs:0xffff]}
%endif
    mov dword [user_gs], UDATA32
    ; the descriptor's accessed bit is set by a load
    and byte [ldt + (L_DATA & ~7) + 5], ~1
    U_RUNS {mov eax, L_DATA}, {mov gs, ax}
    CHECK_EQ byte [ldt + (L_DATA & ~7) + 5], 0xf3
    ; another descriptor under the same selector counts from the next load on
    mov dword [U_DATA + 0x100], 0x55667788
    mov word [ldt + (L_DATA & ~7) + 2], (U_DATA + 0x100) & 0xffff
    U_RUNS {mov eax, L_DATA}, {mov gs, ax}, {mov ecx, [gs:0]}
    CHECK_EQ ecx, 0x55667788
    mov word [ldt + (L_DATA & ~7) + 2], U_DATA & 0xffff
    U_RUNS {mov eax, L_DATA}, {mov gs, ax}, {mov ecx, [gs:0]}
    CHECK_EQ ecx, 0x11223344
    ret

section .udata
far_pointer: dd 0x50006
    dw L_DATA
far_pointer16: dw 6, L_DATA
bad_pointer: dd 0
    dw DATA32
udata_word: dd 0
section .text

; ---- Far transfers between segments of this level ------------------------------------------------------------
; WENT selector, instructions (ending at far_landing): CS and EIP where they came out
%macro WENT 2-*
    BEGIN_PIECE
%rotate 1
%rep %0 - 1
    %1
%rotate 1
%endrep
    END_PIECE
    TEXT_OF %%text, %{1:-1}
    CHECK_THAT dword [got_vector], BACK, %%text
    CHECK_THAT dword [got_cs], %1, %%text
%endmacro
    USER_CODE far_landing
    END_USER
test_far:
    WENT UCODE32, jmp UCODE32:far_landing
    CHECK_EQ dword [got_eip], far_landing + 2
    WENT L_CODE, jmp L_CODE:far_landing - U_CODE
    CHECK_EQ dword [got_eip], far_landing - U_CODE + 2
    WENT L_CODE_HIGH, jmp L_CODE_HIGH:far_landing + 0x400000 - U_CODE
    WENT L_CODE16, jmp L_CODE16:far_landing - U_CODE
    CHECK_EQ dword [got_eip], far_landing - U_CODE + 2
    WENT UCODE32, jmp far [pointer_flat]
    WENT L_CODE, jmp far [pointer_ldt]
    WENT L_CODE, o16 jmp far [pointer16]
    WENT UCODE32, push dword UCODE32, push dword far_landing, retf
    CHECK_EQ dword [got_esp], U_STACK
    WENT L_CODE, push dword 0, push dword L_CODE, push dword far_landing - U_CODE, retf 4
    CHECK_EQ dword [got_esp], U_STACK
    WENT L_CODE, push word L_CODE, push word far_landing - U_CODE, o16 retf
    ; RPL of the far pointer does not matter for jumps and calls; CS shows CPL
    WENT UCODE32, jmp (UCODE32 & ~3):far_landing
    WENT CONFORMING | 3, jmp CONFORMING:far_landing
    ; calls: the frame, and back
    USER_CODE .calls
    call UCODE32:.called
.return1:
    mov ecx, eax
    call far [pointer_called]
.return2:
    END_USER
    USER_CODE .called
    mov eax, [esp]
    mov edx, [esp + 4]
    mov ebx, cs
    retf
    section .text
    ENTER .calls
    CAME_BACK
    CHECK_EQ ecx, .return1
    CHECK_EQ edx, UCODE32
    CHECK_EQ ebx, L_CODE
    CHECK_EQ eax, .return2
    CHECK_EQ dword [got_esp], U_STACK
    ; from a segment with a base, back into the flat one
    USER_CODE .based
    jmp L_CODE:.in_ldt - U_CODE
.in_ldt:
    mov ecx, cs
    call .near
    call UCODE32:.called
.return3:
    mov esi, cs
    END_USER
    USER_CODE .near
    mov edi, [esp]
    ret
    section .text
    mov dword [got_vector], NOTHING
    ENTER .based
    CAME_BACK
    CHECK_EQ ecx, L_CODE
    CHECK_EQ esi, L_CODE
    CHECK_EQ edx, L_CODE
    CHECK_EQ eax, .return3 - U_CODE
    CHECK_EQ ebx, UCODE32
    ; 16-bit code: operand sizes are the other way round
    BEGIN_PIECE
    jmp L_CODE16:.code16 - U_CODE
    END_PIECE
    section .user
.code16:
    db 0xb8, 0x34, 0x12                  ; mov ax, 1234h
    db 0x66, 0xb9, 0x78, 0x56, 0x34, 0x12 ; mov ecx, 12345678h
    db 0x8c, 0xca                        ; mov dx, cs
    db 0xcd, BACK
    section .text
    CAME_BACK
    CHECK_EQ ax, 0x1234
    CHECK_EQ ecx, 0x12345678
    CHECK_EQ dx, L_CODE16
    ; what may not be done
    U_RAISES GP, CODE32, jmp CODE32:far_landing
    U_RAISES GP, CODE32, jmp (CODE32 | 3):far_landing
    U_RAISES GP, CODE32, call CODE32:far_landing
    U_RAISES GP, 0x30, jmp 0x33:far_landing
    U_RAISES GP, 0x30, call 0x33:far_landing
    U_RAISES GP, 0x20, jmp 0x23:far_landing
    U_RAISES GP, 0, jmp 0:far_landing
    U_RAISES GP, 0, call 3:far_landing
    U_RAISES GP, BEYOND & ~3, jmp BEYOND:far_landing
    U_RAISES NP, ABSENT_CODE, jmp (ABSENT_CODE | 3):far_landing
    U_RAISES GP, L_DATA & ~3, jmp L_DATA:0
    U_RAISES GP, TSS_MAIN, jmp TSS_MAIN:0 ; DPL 0
    U_RAISES GP, LDT_SEL, jmp LDT_SEL:0
    U_RAISES GP, 0, jmp L_CODE:0x20000 ; beyond the limit
    CHECK_EQ dword [got_cs], UCODE32
    U_RAISES GP, 0x30, jmp far [pointer_64]
    CHECK_EQ dword [got_esp], U_STACK
    U_RAISES GP, 0x30, call far [pointer_64]
    CHECK_EQ dword [got_esp], U_STACK
    mov dword [user_esp], U_STACK - 16
    mov dword [U_STACK - 16], far_landing
    mov dword [U_STACK - 12], CODE32
    U_RAISES GP, CODE32, retf ; inward
    mov dword [U_STACK - 12], 0x33
    U_RAISES GP, 0x30, retf
    mov dword [U_STACK - 12], 0x23
    U_RAISES GP, 0x20, retf
    mov dword [U_STACK - 12], 0
    U_RAISES GP, 0, retf
    mov dword [U_STACK - 12], ABSENT_CODE | 3
    U_RAISES NP, ABSENT_CODE, retf
    CHECK_EQ dword [got_esp], U_STACK - 16
    mov dword [user_esp], U_STACK
    U_UD 0xff, 0xe8                      ; far jump and call want memory
    U_UD 0xff, 0xd8
    U_UD 0xff, 0xf8
    ret

section .udata
pointer_flat: dd far_landing
    dw UCODE32
pointer_ldt: dd far_landing - U_CODE
    dw L_CODE
pointer16: dw far_landing - U_CODE, L_CODE
pointer_called: dd test_far.called - U_CODE
    dw L_CODE
pointer_64: dd far_landing
    dw 0x33
section .text

; ---- Call gates ----------------------------------------------------------------------------------------------
test_gates:
    mov dword [cs_inside], -1
    U_RUNS {mov ebx, 0x12345678}, call GATE_USER:0
    CHECK_EQ word [cs_inside], CODE32
    CHECK_EQ dword [got_cs], UCODE32
    CHECK_EQ dword [got_esp], U_STACK
    CHECK_EQ ebx, 0x12345678
    mov eax, [resume_esp]                ; four doublewords on the kernel's stack
    sub eax, 16
    CHECK_EQ dword [esp_inside], eax
    mov dword [cs_inside], -1
    U_RUNS call far [pointer_gate]
    CHECK_EQ word [cs_inside], CODE32
    U_RAISES GP, CODE32, jmp GATE_USER:0 ; cannot change the level
    U_RAISES GP, GATE_KERNEL, call GATE_KERNEL:0
    U_RAISES GP, GATE_KERNEL, call (GATE_KERNEL | 3):0
    ret
section .udata
pointer_gate: dd 0x12345678
    dw GATE_USER
section .text

; ---- INT and its kind ----------------------------------------------------------------------------------------
%macro GATE_DPL 2
    and byte [IDT_AT + 8 * (%1) + 5], ~0x60
    or byte [IDT_AT + 8 * (%1) + 5], (%2) << 5
%endmacro
test_interrupts:
    U_TRAPS 0x80, int 0x80
    CHECK_EQ dword [got_cs], UCODE32
    CHECK_EQ dword [got_ss], UDATA32
    CHECK_EQ dword [got_esp], U_STACK
    U_TRAPS 0x2e, int 0x2e
    U_TRAPS 0x03, int 3 ; CD 03
    BEGIN_PIECE
    int GP                               ; pushes no error code: its stub takes EIP for one
    END_PIECE
    CHECK_EQ dword [got_vector], GP
    CHECK_EQ dword [got_error], piece_next
    U_TRAPS 0xff, int 0xff
    U_TRAPS BP, int3
    U_TRAPS DB, int1
    U_TRAPS OF, {mov eax, 0x7fffffff}, inc eax, into
    U_RUNS {xor eax, eax}, into
    mov dword [U_FREE], 5
    mov dword [U_FREE + 4], -3
    mov eax, 6
    U_RAISES BR, NOTHING, {bound eax, [U_FREE]}
    mov dword [U_FREE + 4], 7
    U_RUNS {bound eax, [U_FREE]}
    mov eax, 8
    U_RAISES BR, NOTHING, {o16 bound ax, [U_FREE + 2]}
    GATE_DPL 0x80, 0
    U_RAISES GP, 0x80 * 8 + 2, int 0x80
    GATE_DPL 0x80, 1
    U_RAISES GP, 0x80 * 8 + 2, int 0x80
    GATE_DPL 0x80, 3
    GATE_DPL BP, 0
    U_RAISES GP, BP * 8 + 2, int3
    U_RAISES GP, BP * 8 + 2, int 3
    GATE_DPL BP, 3
    GATE_DPL OF, 0
    USER_CODE .overflow
    mov al, 0x7f
    inc al
.into:
    into
    END_USER
    ENTER .overflow
    RAISED GP, OF * 8 + 2, .into
    GATE_DPL OF, 3
    ret

; ---- IRET at the same level ----------------------------------------------------------------------------------
test_iret:
    WENT UCODE32, push dword 0xcd7, push dword UCODE32, push dword far_landing, iretd
    mov eax, [got_eflags]
    and eax, 0xcd5 | 0x200
    CHECK_EQ eax, 0xcd5 | 0x200          ; IF stays; status and DF come
    WENT L_CODE, push dword 2, push dword L_CODE, push dword far_landing - U_CODE, iretd
    mov eax, [got_eflags]
    and eax, 0xcd5 | 0x200
    CHECK_EQ eax, 0x200
    WENT L_CODE, push word 2, push word L_CODE, push word far_landing - U_CODE, iretw
    CHECK_EQ dword [got_esp], U_STACK
    ; AC, ID and NT may come, IOPL, VM, VIF and VIP may not
    WENT UCODE32, push dword 0x3e7002, push dword UCODE32, push dword far_landing, iretd
    mov eax, [got_eflags]
    and eax, 0x3e7300
    CHECK_EQ eax, 0x244200
    ; with IOPL 3 IF comes, too
%define UFLAGS (0x202 | IOPL3)
    WENT UCODE32, push dword 2, push dword UCODE32, push dword far_landing, iretd
    test dword [got_eflags], 0x200
    CHECK z
    test dword [got_eflags], IOPL3
    CHECK nz
%define UFLAGS 0x202
    mov dword [user_esp], U_STACK - 16
    mov dword [U_STACK - 16], far_landing
    mov dword [U_STACK - 12], CODE32
    mov dword [U_STACK - 8], 2
    U_RAISES GP, CODE32, iretd
    mov dword [U_STACK - 12], 0x33
    U_RAISES GP, 0x30, iretd
    mov dword [U_STACK - 12], 0x23
    U_RAISES GP, 0x20, iretd
    mov dword [U_STACK - 12], 0
    U_RAISES GP, 0, iretd
    mov dword [U_STACK - 12], UCODE32
    mov dword [U_STACK - 16], 0x20000
    mov dword [U_STACK - 12], L_CODE
    U_RAISES GP, 0, iretd
    CHECK_EQ dword [got_esp], U_STACK - 16
    ; with NT it returns to the task TSS.link names: none
%define UFLAGS 0x4202
    mov word [tss_main], 0
    U_RAISES TS, 0, iretd
    mov word [tss_main], DATA32
    U_RAISES TS, DATA32, iretd
%define UFLAGS 0x202
    mov dword [user_esp], U_STACK
    ret

; ---- PUSHF and POPF ------------------------------------------------------------------------------------------
; POPS value, seen: POPF of a value, then PUSHF
%macro POPS 2
    SHOWS eax, %2, {push dword %1}, {popfd}, {pushfd}, pop eax
%endmacro
test_flags:
    POPS 2, 0x202
    POPS 0xcd7, 0xed7
    POPS 0x3002, 0x202
    POPS 0x204202, 0x204202              ; NT, ID
    POPS 0x040002, 0x040202              ; AC
    POPS 0x1b0002, 0x202                 ; VM, RF, VIF, VIP
    POPS 0x8000, 0x202                   ; reserved bits
    SHOWS eax, 0xffff0ed7, push word 0x3cd7, popfw, pushfw, pop ax
    SHOWS eax, 0x202, push dword 0x202, popfd, push word 2, popfw, pushfd, pop eax
    U_RUNS pushfd
    CHECK_EQ dword [got_esp], U_STACK - 4
    U_RUNS pushfw
    CHECK_EQ dword [got_esp], U_STACK - 2
    SHOWS eax, 0x244ed7, push dword 0x244cd7, popfd, push word 0xcd7, popfw, pushfd, pop eax, {or eax, 0x4000}
%define UFLAGS (2 | IOPL3)
    POPS 2, 0x3002
    POPS 0x202, 0x3202
    POPS 0xcd7, 0x3cd7
    SHOWS eax, 0xffff3202, push word 0x202, popfw, pushfw, pop ax
    SHOWS eax, 0x3202, sti, nop, pushfd, pop eax
%define UFLAGS (0x202 | IOPL3)
    SHOWS eax, 0x3002, cli, pushfd, pop eax
    ; lower IOPLs are no use at CPL 3, but show
%define UFLAGS 0x2202
    POPS 2, 0x2202
    U_RAISES GP, 0, cli
    U_RAISES GP, 0, sti
%define UFLAGS 2
    POPS 0x202, 2                        ; IF clear stays clear
    U_RAISES GP, 0, sti
    U_RAISES GP, 0, cli
%define UFLAGS 0x202
    U_RAISES GP, 0, sti
    U_RAISES GP, 0, cli
    ; LAHF and SAHF have nothing of it
    SHOWS eax, 0xffffd7ff, {mov ah, 0xff}, sahf, lahf
    ; AC with CR0.AM
%ifndef IN_QEMU                          ; it never raises #AC
    USER_CODE .align
    push dword 0x40202
    popfd
.misaligned:
    mov eax, [U_FREE + 1]
    END_USER
    ENTER .align
    RAISED AC, 0, .misaligned
%endif
%define UFLAGS 0x40202
%ifndef IN_QEMU
    U_RAISES AC, 0, {mov [U_FREE + 3], ax}
%endif
    U_RUNS {mov al, [U_FREE + 1]}
    mov eax, cr0
    and eax, ~0x40000
    mov cr0, eax                         ; without CR0.AM
    U_RUNS {mov [U_FREE + 3], ax}
    or eax, 0x40000
    mov cr0, eax
%define UFLAGS 0x202
    ret

; ---- Single steps --------------------------------------------------------------------------------------------
test_steps:
    mov dword [step_next], step_list
    ENTER steps
.next:
    pushad                               ; the user's, who goes on with them
    mov esi, [step_next]
    mov eax, [esi]
    cmp eax, NOTHING
    je .last
    CHECK_EQ dword [got_vector], DB
    CHECK_EQ dword [got_eip], eax
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 0x4000
    xor eax, eax
    mov dr6, eax
    add dword [step_next], 4
    popad
    call continue_user
    jmp .next
.last:
    popad
    CAME_BACK
    CHECK_EQ dword [got_eip], steps.end
    CHECK_EQ ebp, 0x302                  ; PUSHF shows TF
    CHECK_EQ edi, UDATA32
    test dword [got_eflags], 0x100
    CHECK z
    ret

section .user
steps:
    push dword 0x302
    popfd
    nop
.s1:
    mov eax, 1
.s2:
    pushfd
.s3:
    pop ebp
.s4:
    push ds
.s5:
    pop edi
.s6:
    mov eax, ds
.s7:
    mov es, ax
.s8:
    mov ss, ax                           ; no trap until after the next
    nop
.s9:
    mov ecx, 3
.s10:
.loop:
    loop .loop                           ; three, each to its target
.s11:
    jmp .s12
    int3
.s12:
    xor eax, eax
.s13:
    cpuid
.s14:
    call .routine
.s15:
    push dword 0x202
.s16:
    popfd                                ; traps still: TF was set when it began
.s17:
    nop
    int BACK
.end:
.routine:
    ret
section .text
align 4
step_list:
    dd steps.s1, steps.s2, steps.s3, steps.s4, steps.s5, steps.s6, steps.s7, steps.s8, steps.s9
    dd steps.s10, steps.s10, steps.s10, steps.s11, steps.s12, steps.s13, steps.s14
    dd steps.routine, steps.s15, steps.s16, steps.s17, NOTHING
step_next: dd 0

; ---- I/O -----------------------------------------------------------------------------------------------------
; The I/O map's TSS has a stack of its own to name.
%macro U_IO_RUNS 1
    lea ebx, [esp - 4]
    mov [tss_io + 4], ebx
    U_RUNS {%1}
%endmacro
%macro U_IO_RAISES 1
    lea ebx, [esp - 4]
    mov [tss_io + 4], ebx
    U_RAISES GP, 0, {%1}
%endmacro
test_io:
    U_RAISES GP, 0, {in al, 0xe8}
    U_RAISES GP, 0, {out 0xe8, al}
    mov edx, 0x400
    mov edi, U_FREE
    mov esi, U_FREE
    mov ecx, 4
    U_RAISES GP, 0, {in eax, dx}
    U_RAISES GP, 0, {out dx, ax}
    U_RAISES GP, 0, insb
    U_RAISES GP, 0, rep outsd
    CHECK_EQ ecx, 4
    ; a map: ports 400..407 and 40B..40E allowed
    mov ax, TSS_IO
    ltr ax
    U_IO_RUNS {in al, dx}
    U_IO_RUNS {in ax, dx}
    U_IO_RUNS {in eax, dx}
    CHECK_EQ eax, -1
    U_IO_RUNS {out dx, eax}
    mov edx, 0x404
    U_IO_RUNS {in eax, dx}
    mov edx, 0x405
    U_IO_RAISES {in eax, dx}
    U_IO_RUNS {in ax, dx}
    mov edx, 0x407
    U_IO_RUNS {in al, dx}
    U_IO_RAISES {in ax, dx}
    mov edx, 0x408
    U_IO_RAISES {out dx, al}
    mov edx, 0x40b
    U_IO_RUNS {out dx, eax}
    mov edx, 0x40f
    U_IO_RAISES {in al, dx}
    U_IO_RAISES {in al, 0xe8} ; beyond the map's ones
    mov edx, 0x402
    mov edi, U_FREE
    mov ecx, 5
    mov dword [U_FREE], 0
    U_IO_RUNS rep insb
    CHECK_EQ ecx, 0
    CHECK_EQ edi, U_FREE + 5
    CHECK_EQ dword [U_FREE], -1
    mov esi, U_FREE
    U_IO_RUNS outsb
    CHECK_EQ esi, U_FREE + 1
    mov edx, 0x408
    U_IO_RAISES insb
    mov edx, 0x10000
    mov dx, 0xffff                       ; beyond the TSS
    U_IO_RAISES {in al, dx}
    mov byte [gdt + TSS_MAIN + 5], 0x89
    mov ax, TSS_MAIN
    ltr ax
    ; IOPL 3: all of them
%define UFLAGS (0x202 | IOPL3)
    U_RUNS {in al, 0xe8}
    mov edx, 0x408
    U_RUNS {in eax, dx}
    CHECK_EQ eax, -1
    U_RUNS {out dx, al}
    mov edx, PORT_RESTART
    U_RUNS {out dx, al}
    mov edx, PORT_STRING
    mov edi, U_FREE
    mov ecx, 8
    U_RUNS rep insb
    CHECK_EQ dword [U_FREE], 0x03020100
    CHECK_EQ dword [U_FREE + 4], 0x07060504
    U_RUNS {in al, dx}, {mov ah, al}, {in al, dx}
    CHECK_EQ ax, 0x0809
    mov edx, PORT_RESTART
    out dx, al
    mov edx, PORT_STRING
    mov esi, U_FREE
    mov ecx, 2
    U_RUNS rep outsd ; the port compares
    CHECK_EQ esi, U_FREE + 8
%define UFLAGS 0x202
    ret

; ---- Privileged instructions ---------------------------------------------------------------------------------
test_privileged:
    mov ebx, U_FREE
    mov ecx, 0x10
    U_RAISES GP, 0, hlt
    U_RAISES GP, 0, lgdt [ebx]
    U_RAISES GP, 0, lidt [ebx]
    U_RAISES GP, 0, lldt ax
    U_RAISES GP, 0, ltr ax
    U_RAISES GP, 0, ltr [ebx]
    U_RAISES GP, 0, lmsw ax
    U_RAISES GP, 0, lmsw [ebx]
    U_RAISES GP, 0, {mov eax, cr0}
    U_RAISES GP, 0, {mov eax, cr2}
    U_RAISES GP, 0, {mov eax, cr3}
    U_RAISES GP, 0, {mov eax, cr4}
    U_RAISES GP, 0, {mov cr0, eax}
    U_RAISES GP, 0, {mov cr2, eax}
    U_RAISES GP, 0, {mov cr3, eax}
    U_RAISES GP, 0, {mov cr4, eax}
    U_RAISES GP, 0, {mov eax, dr0}
    U_RAISES GP, 0, {mov eax, dr6}
    U_RAISES GP, 0, {mov dr7, eax}
    U_RAISES GP, 0, {mov dr3, eax}
    U_RAISES GP, 0, clts
    U_RAISES GP, 0, invd
    U_RAISES GP, 0, wbinvd
    U_RAISES GP, 0, invlpg [ebx]
    U_RAISES GP, 0, rdmsr
    U_RAISES GP, 0, wrmsr
    U_RAISES GP, 0, {db 0xf3, 0x0f, 0x09} ; WBNOINVD elsewhere
    U_RAISES GP, 0, sysexit
    xor ecx, ecx
    U_RAISES GP, 0, rdpmc
    ; time
    U_RUNS rdtsc, {mov esi, eax}, {mov edi, edx}, rdtsc
    sub eax, esi
    sbb edx, edi
    CHECK nc
    mov eax, cr4
    or al, 4
    mov cr4, eax
    U_RAISES GP, 0, rdtsc
    mov eax, cr4
    and al, ~4
    mov cr4, eax
    U_RUNS rdtsc
    ret

; ---- Descriptor-table registers and the like: the guest's ----------------------------------------------------
test_tables:
    mov ebx, U_FREE
    mov dword [U_FREE], 0
    mov dword [U_FREE + 4], 0
    U_RUNS sgdt [ebx]
    mov ax, [gdt_pointer]
    CHECK_EQ [U_FREE], ax
    CHECK_EQ dword [U_FREE + 2], gdt
    CHECK_EQ word [U_FREE + 6], 0
    U_RUNS sidt [ebx]
    CHECK_EQ word [U_FREE], 0x7ff
    CHECK_EQ dword [U_FREE + 2], IDT_AT
    SHOWS eax, LDT_SEL, sldt eax
    SHOWS eax, 0xffff0000 | LDT_SEL, sldt ax
    SHOWS eax, 0xffff0000 | TSS_MAIN, str ax
    SHOWS ecx, TSS_MAIN, str ecx
    mov ecx, cr0
    U_RUNS smsw eax
    CHECK_EQ ax, cx
    SHOWS eax, 0xffff0033, smsw ax
    mov dword [U_FREE], -1
    mov ebx, U_FREE
    U_RUNS sldt [ebx], {mov edx, [ebx]}, str [ebx + 2], {mov ecx, [ebx]}
    CHECK_EQ edx, 0xffff0000 | LDT_SEL
    CHECK_EQ ecx, TSS_MAIN << 16 | LDT_SEL
    U_RUNS smsw [ebx]
    CHECK_EQ word [U_FREE], 0x33
    mov eax, cr0
    or al, 8                             ; TS shows
    mov cr0, eax
    U_RUNS smsw ecx
    clts
    CHECK_EQ cx, 0x3b
    ; these follow the registers
    xor eax, eax
    lldt ax
    SHOWS eax, 0, sldt eax
    mov ax, LDT_SEL
    lldt ax
    U_UD 0x0f, 0x01, 0xc0                ; SGDT of a register
    U_UD 0x0f, 0x01, 0xe8
    ret

; ---- LAR, LSL, VERR, VERW, ARPL ------------------------------------------------------------------------------
%define UNCHANGED 0x5a5a5a5a
; RIGHTS selector, access rights or UNCHANGED, limit or UNCHANGED, readable, writable
%macro RIGHTS 5
    U_RUNS {mov ecx, %1}, {mov eax, UNCHANGED}, {mov ebx, UNCHANGED}, {lar eax, ecx}, {setz dl}, {lsl ebx, ecx}, {setz dh}, {verr cx}, {setz cl}, {mov esi, %1}, {verw si}, {setz ch}
    CHECK_EQ eax, %2
    CHECK_EQ ebx, %3
%ifidn %2, UNCHANGED
    CHECK_EQ dx, 0
%elifidn %3, UNCHANGED
    CHECK_EQ dx, 1
%else
    CHECK_EQ dx, 0x101
%endif
    CHECK_EQ cx, %4 | %5 << 8
%endmacro
test_access_rights:
    RIGHTS 0, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS UCODE32, 0xcffb00, 0xffffffff, 1, 0
    RIGHTS UDATA32, 0xcff300, 0xffffffff, 1, 1
    RIGHTS UDATA32 & ~3, 0xcff300, 0xffffffff, 1, 1
    RIGHTS CODE32, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS DATA32, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS 0x23, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS CONFORMING, 0xcf9f00, 0xffffffff, 1, 0
    RIGHTS ABSENT, 0xcf7300, 0xffffffff, 1, 1
    RIGHTS EXECUTE_ONLY, 0xcff900, 0xffffffff, 0, 0
    RIGHTS L_DATA, 0x40f300, 0xffff, 1, 1
    RIGHTS L_READ, 0x40f100, 0xffff, 1, 0
    RIGHTS GATE_USER, 0xec00, UNCHANGED, 0, 0
    RIGHTS GATE_KERNEL, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS TSS_MAIN, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS LDT_SEL, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS BEYOND, UNCHANGED, UNCHANGED, 0, 0
    RIGHTS 0x1007, UNCHANGED, UNCHANGED, 0, 0
    mov word [U_FREE], UDATA32
    SHOWS eax, 0xcff300, {lar eax, [U_FREE]}
    SHOWS eax, 0xfffff300, {lar ax, [U_FREE]}
    SHOWS eax, 0xffffffff, {lsl ax, [U_FREE]}
    U_RUNS {mov eax, 0x10}, {mov ecx, 3}, {arpl ax, cx}, setz bl
    CHECK_EQ eax, 0x13
    CHECK_EQ bl, 1
    U_RUNS {mov eax, 0x13}, {mov ecx, 1}, {arpl ax, cx}, setz bl
    CHECK_EQ eax, 0x13
    CHECK_EQ bl, 0
    ret

; ---- CPUID ---------------------------------------------------------------------------------------------------
test_identity:
    xor esi, esi
.leaf:
    mov eax, [.leaves + esi]
    cmp eax, NOTHING
    je .done
    mov ebp, eax
    xor ecx, ecx
    cpuid
    mov [cpuid_seen], eax
    mov [cpuid_seen + 4], ebx
    mov [cpuid_seen + 8], ecx
    mov [cpuid_seen + 12], edx
    mov eax, ebp
    xor ecx, ecx
    U_RUNS cpuid
    CHECK_EQ eax, [cpuid_seen]
    CHECK_EQ ebx, [cpuid_seen + 4]
    CHECK_EQ ecx, [cpuid_seen + 8]
    CHECK_EQ edx, [cpuid_seen + 12]
    add esi, 4
    jmp .leaf
.done:
    ret
align 4
.leaves: dd 0, 1, 2, 3, 4, 7, 0x40000000, 0x80000000, 0x80000001, 0x80000002, 0x80000004, 0x80000008, 0x12345678
    dd NOTHING
cpuid_seen: dd 0, 0, 0, 0

; ---- SYSENTER, SYSEXIT, and calls this processor does not have -----------------------------------------------
test_fast_calls:
    mov ecx, 0x174
    xor eax, eax
    xor edx, edx
    wrmsr
    U_RAISES GP, 0, sysenter
    mov eax, SYS_CODE
    wrmsr
    mov ecx, 0x175
    mov eax, 0x6800
    wrmsr
    mov ecx, 0x176
    mov eax, .entered
    wrmsr
    USER_CODE .call
    mov ecx, esp
    mov edx, .back
    mov ebx, 0x600d
    sysenter
    int3
.back:
    inc ebx
    END_USER
    ENTER .call
    CAME_BACK
    CHECK_EQ ebx, 0x600e
    CHECK_EQ dword [got_cs], SYS_CODE + 16 | 3
    CHECK_EQ dword [got_ss], SYS_CODE + 24 | 3
    CHECK_EQ dword [got_esp], U_STACK
    CHECK_EQ word [cs_inside], SYS_CODE
    CHECK_EQ dword [esp_inside], 0x6800
    CHECK_EQ dword [flags_inside], 2
    U_UD 0x0f, 0x05                      ; SYSCALL
    U_UD 0x0f, 0x07                      ; SYSRET
    ret
.entered:
    mov eax, DATA32
    mov ds, ax
    mov [cs_inside], cs
    mov [esp_inside], esp
    pushfd
    pop dword [flags_inside]
    and dword [flags_inside], 0x27302
    mov eax, UDATA32
    mov ds, ax
    sysexit

; ---- Instructions this processor does not have, whatever the one underneath does -----------------------------
test_undefined:
    mov ebx, U_FREE
    xor eax, eax
    xor ecx, ecx
    U_RAISES UD, NOTHING, ud2
    U_UD 0x0f, 0xb9, 0xc0                ; UD1
    U_UD 0x0f, 0xff, 0xc0                ; UD0
    U_UD 0x0f, 0x04
    U_UD 0x0f, 0x0a
    U_UD 0x0f, 0x0e                      ; FEMMS
    U_UD 0x0f, 0x0f, 0xc1, 0x9e          ; 3DNow!
    U_UD 0x0f, 0xaa                      ; RSM
    U_UD 0x0f, 0x37                      ; GETSEC
    U_UD 0x0f, 0x24, 0xc0                ; test registers
    U_UD 0xc5, 0xf8, 0x77                ; VZEROUPPER
    U_UD 0xc5, 0xf8, 0x58, 0xc1          ; VADDPS
    U_UD 0xc4, 0xe2, 0x78, 0xf2, 0xc1    ; ANDN
    U_UD 0xc4, 0xe2, 0x79, 0x18, 0xc0    ; VBROADCASTSS
    U_UD 0xc4, 0xe2, 0xf9, 0xf7, 0xc1
    U_UD 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1 ; VADDPS ZMM
    U_UD 0x8f, 0xe9, 0x78, 0x80, 0xc1    ; XOP
    U_UD 0xf3, 0x0f, 0xb8, 0xc1          ; POPCNT
    U_UD 0x0f, 0x38, 0xf0, 0x03          ; MOVBE
    U_UD 0xf2, 0x0f, 0x38, 0xf0, 0xc1    ; CRC32
    U_UD 0x66, 0x0f, 0x38, 0xf6, 0xc1    ; ADCX
    U_UD 0x0f, 0x38, 0x00, 0xc1          ; PSHUFB
    U_UD 0x66, 0x0f, 0x38, 0x40, 0xc1    ; PMULLD
    U_UD 0x66, 0x0f, 0x38, 0xdc, 0xc1    ; AESENC
    U_UD 0x66, 0x0f, 0x3a, 0x0f, 0xc1, 1 ; PALIGNR
    U_UD 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0 ; PCLMULQDQ
    U_UD 0x0f, 0x38, 0xc8, 0xc1          ; SHA1NEXTE
    U_UD 0x66, 0x0f, 0x38, 0x82, 0x03    ; INVPCID
    U_UD 0xf2, 0x0f, 0x7c, 0xc1          ; HADDPS
    U_UD 0xf2, 0x0f, 0xf0, 0x03          ; LDDQU
    U_UD 0xdb, 0x0b                      ; FISTTP
    U_UD 0x0f, 0xc7, 0xf0                ; RDRAND
    U_UD 0x0f, 0xc7, 0xf8                ; RDSEED
    U_UD 0xf3, 0x0f, 0xc7, 0xf8          ; RDPID
    U_UD 0x0f, 0xc7, 0x33                ; VMPTRLD
    U_UD 0x0f, 0xc7, 0x23                ; XSAVEC
    U_UD 0x0f, 0x01, 0xd0                ; XGETBV
    U_UD 0x0f, 0x01, 0xd1                ; XSETBV
    U_UD 0x0f, 0x01, 0xd5                ; XEND
    U_UD 0x0f, 0x01, 0xd6                ; XTEST
    U_UD 0x0f, 0x01, 0xee                ; RDPKRU
    U_UD 0x0f, 0x01, 0xef                ; WRPKRU
    U_UD 0x0f, 0x01, 0xc1                ; VMCALL
    U_UD 0x0f, 0x01, 0xd4                ; VMFUNC
    U_UD 0x0f, 0x01, 0xd9                ; VMMCALL
    U_UD 0x0f, 0x01, 0xd8                ; VMRUN
    U_UD 0x0f, 0x01, 0xc8                ; MONITOR
    U_UD 0x0f, 0x01, 0xc9                ; MWAIT
    U_UD 0x0f, 0x01, 0xca                ; CLAC
    U_UD 0x0f, 0x01, 0xcb                ; STAC
    U_UD 0x0f, 0x01, 0xf8                ; SWAPGS
    U_UD 0x0f, 0x01, 0xf9                ; RDTSCP
    U_UD 0x0f, 0x01, 0xfa                ; MONITORX
    U_UD 0x0f, 0x01, 0xfc                ; CLZERO
    U_UD 0x0f, 0x01, 0xfd                ; RDPRU
    U_UD 0x0f, 0xae, 0x23                ; XSAVE
    U_UD 0x0f, 0xae, 0x2b                ; XRSTOR
    U_UD 0x0f, 0xae, 0x33                ; XSAVEOPT
    U_UD 0xf3, 0x0f, 0xae, 0xc0          ; RDFSBASE
    U_UD 0xf3, 0x0f, 0xae, 0xc8          ; RDGSBASE
    U_UD 0xf3, 0x0f, 0xae, 0xd0          ; WRFSBASE
    U_UD 0xf3, 0x0f, 0xae, 0xd8          ; WRGSBASE
    U_UD 0xf3, 0x0f, 0xae, 0xe8          ; INCSSPD
    U_UD 0xf3, 0x0f, 0xae, 0xf0          ; UMONITOR
    U_UD 0x66, 0x0f, 0xae, 0x33          ; CLWB
    U_UD 0x66, 0x0f, 0xae, 0xf1          ; TPAUSE
    U_UD 0xc7, 0xf8, 0, 0, 0, 0          ; XBEGIN
    U_UD 0xc6, 0xf8, 0                   ; XABORT
    U_UD 0x0f, 0xc7, 0xc8                ; CMPXCHG8B of a register
    U_UD 0x8d, 0xc0                      ; LEA of a register
    U_UD 0xfe, 0xd0
    U_UD 0xc6, 0xc8, 0
    U_UD 0x8f, 0xc8
    ; what these were before they became something else
    U_RUNS {mov eax, 5}, {xor ecx, ecx}, {db 0xf3, 0x0f, 0xbc, 0xc1}, setz dl ; TZCNT: BSF, ZF by its source
    CHECK_EQ eax, 5
    CHECK_EQ dl, 1
    U_RUNS {mov ecx, 0x80000000}, {db 0xf3, 0x0f, 0xbd, 0xc1} ; LZCNT: BSR
    CHECK_EQ eax, 31
    U_RUNS {mov ecx, 0x100}, {db 0xf3, 0x0f, 0xbc, 0xc1}
    CHECK_EQ eax, 8
    U_RUNS {db 0xf3, 0x0f, 0x1e, 0xfb} ; ENDBR32: NOP
%ifndef IN_QEMU                          ; it loses the single-step trap after this one
    U_RUNS {db 0xf3, 0x90} ; PAUSE
%endif
    ; arithmetic that faults
    xor ecx, ecx
    U_RAISES DE, NOTHING, div ecx
    U_RAISES DE, NOTHING, aam 0
    U_RAISES DE, NOTHING, {db 0xf7, 0xf9} ; IDIV
    ret

; ---- LOCK, and how long an instruction may be ----------------------------------------------------------------
test_lengths:
    mov ebx, U_FREE
%ifndef IN_QEMU                          ; it lets some of these pass
    U_UD 0xf0, 0x90
    U_UD 0xf0, 0x89, 0x03                ; MOV
    U_UD 0xf0, 0x01, 0xc0                ; ADD to a register
    U_UD 0xf0, 0x3b, 0x03                ; CMP
    U_UD 0xf0, 0x03, 0x03                ; ADD from memory
    U_UD 0xf0, 0x0f, 0xa3, 0x03          ; BT
    U_UD 0xf0, 0x0f, 0xc1, 0xc0
    U_UD 0xf0, 0xeb, 0x00
    U_UD 0xf0, 0xcd, BACK
    U_UD 0xf0, 0xfa                      ; before CLI's #GP
%endif
    mov dword [U_FREE], 7
    U_RUNS lock inc dword [ebx]
    U_RUNS {lock xadd [ebx], eax}
    U_RUNS lock cmpxchg8b [ebx]
    U_RAISES GP, 0, times 15 db 0x66
    U_RAISES GP, 0, times 15 db 0x3e, nop
    U_RAISES GP, 0, times 15 db 0xf3, {db 0x0f, 0x05}
    U_RUNS times 14 db 0x3e, nop
    U_RUNS times 14 db 0x66, nop
    ret

; ---- Debug registers over user code --------------------------------------------------------------------------
test_watch:
    USER_CODE .watched
    nop
.instruction:
    inc ecx
.written:
    mov [U_FREE + 0x101], cl
.behind:
    mov al, [U_FREE + 0x100]
.behind_read:
    END_USER
    mov eax, .instruction
    mov dr0, eax
    mov eax, U_FREE + 0x100
    mov dr1, eax
    mov eax, 0x402 | 1 << 20 | 1 << 22   ; DR1: writes of two bytes
    or eax, 0x401
    and eax, ~2                          ; L0
    or eax, 4                            ; L1
    mov dr7, eax
    xor eax, eax
    mov dr6, eax
    xor ecx, ecx
    ENTER .watched
    RAISED DB, NOTHING, .instruction
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 1
    CHECK_EQ ecx, 0
    xor eax, eax
    mov dr6, eax
    or dword [got_eflags], 0x10000       ; RF
    call continue_user
    RAISED DB, NOTHING, .behind
    mov eax, dr6
    and eax, 0xe00f
    CHECK_EQ eax, 2
    CHECK_EQ ecx, 1
    xor eax, eax
    mov dr7, eax
    mov dr6, eax
    call continue_user
    CAME_BACK
    ENTER .watched
    CAME_BACK
    ret

align 4
cs_inside: dw 0, 0
esp_inside: dd 0
flags_inside: dd 0

align 8
tss_io:
    dd 0, 0x7000, DATA32
    times 0x64 - ($ - tss_io) db 0
    dw 0, .map - tss_io
.map:
    times 0x80 db 0xff
    db 0x00, 0x87                        ; 400..407, 40B..40E
    db 0xff
tss_io_end:
ldt:
    DESC U_DATA, 0xffff, 0xf3, 4
    DESC U_CODE, 0xffff, 0xfb, 4
    DESC U_CODE - 0x400000, 0x7ff, 0xfb, 0xc
    DESC U_CODE, 0xffff, 0xfb, 0
    DESC U_DATA, 0xffff, 0xf1, 4
ldt_end:

BEGIN_GDT
    DESC ADDR(ldt), ldt_end - ldt - 1, 0x82, 0
    GATE CODE32, gate_target, 0xec, 0
    GATE CODE32, gate_target, 0x8c, 0
    DESC 0, 0xfffff, 0x9f, 0xc
    DESC 0, 0xfffff, 0x73, 0xc
    DESC 0, 0xfffff, 0x7b, 0xc
    DESC 0, 0xfffff, 0xf9, 0xc
    DESC ADDR(tss_io), tss_io_end - tss_io - 1, 0x89, 0
    DESC 0, 0xfffff, 0x9b, 0xc
    DESC 0, 0xfffff, 0x93, 0xc
    DESC 0, 0xfffff, 0xfb, 0xc
    DESC 0, 0xfffff, 0xf3, 0xc
END_GUEST
