; SPDX-License-Identifier: GPL-2.0-or-later
; Segment register loads and accesses in protected mode: each row loads a selector and names the fault.
; SDM 3A, "Segment Descriptors", "Privilege Levels"; SDM 2B, "MOV".
%include "guest.inc"

%define FRESH FIRST_FREE
%define SMALL FIRST_FREE + 0x08
%define READONLY FIRST_FREE + 0x10
%define DOWN32 FIRST_FREE + 0x18
%define DOWN16 FIRST_FREE + 0x20
%define EXECONLY FIRST_FREE + 0x28
%define CONFORMING FIRST_FREE + 0x30
%define ABSENT FIRST_FREE + 0x38
%define LDT FIRST_FREE + 0x40
%define CALLGATE FIRST_FREE + 0x48
%define INTGATE FIRST_FREE + 0x50
%define ABSENTLDT FIRST_FREE + 0x58
%define LDTDATA 4

start:
    ENTER_PROTECTED
    mov ax, LDT
    lldt ax

    ; ---- rows: selector, register, vector, error -------------------------------------------------------
    mov esi, load_rows
.row:
    movzx eax, word [esi]
    movzx ecx, byte [esi + 2]
    mov dword [resume], .after
    mov [resume_esp], esp
    mov dword [got_vector], NOTHING
    mov dword [got_error], NOTHING
    call [load_code + ecx * 4]
.after:
    mov ax, DATA32
    mov ss, ax
    mov ds, ax
    mov es, ax
    movsx edx, byte [esi + 3]
    cmp [got_vector], edx
    jne .bad
    mov dx, [esi + 4]
    cmp [got_error], dx
    je .next
.bad:
    mov edx, esi
    sub edx, load_rows
    FAIL_HERE "the row at offset EDX of load_rows"
.next:
    add esi, 6
    cmp esi, load_rows_end
    jb .row

    ; ---- the accessed flag is set by a load, not by a failing one ---------------------------------------
    CHECK_EQ byte [gdt + FRESH + 5], 0x92
    mov ax, FRESH
    mov ds, ax
    CHECK_EQ byte [es:gdt + FRESH + 5], 0x93
    mov ax, DATA32
    mov ds, ax

    ; ---- accesses ------------------------------------------------------------------------------------------
    mov ax, SMALL                            ; 256 bytes at SCRATCH
    mov fs, ax
    RUNS mov al, [fs:0xff]
    RAISES GP, 0, mov al, [fs:0x100]
    RUNS mov eax, [fs:0xfc]
    RAISES GP, 0, mov eax, [fs:0xfd]
    RAISES GP, 0, mov eax, [fs:0xffffffff]
    mov ax, READONLY
    mov fs, ax
    RUNS mov al, [fs:0]
    RAISES GP, 0, mov [fs:0], al
    RAISES GP, 0, inc byte [fs:0]
    mov ax, CODE32
    mov fs, ax
    RUNS mov al, [fs:0x7c00]
    RAISES GP, 0, mov [fs:0x7c00], al
    mov ax, DOWN32                           ; above 0x100
    mov fs, ax
    RAISES GP, 0, mov al, [fs:0x100]
    RUNS mov al, [fs:0x101]
    RAISES GP, 0, mov eax, [fs:0xfe]
    RUNS mov al, [fs:0xfffff]
    mov ax, DOWN16                           ; above 0x100, below 64 KiB
    mov fs, ax
    RAISES GP, 0, mov al, [fs:0x100]
    RUNS mov al, [fs:0xffff]
    RAISES GP, 0, mov al, [fs:0x10000]
    RAISES GP, 0, mov ax, [fs:0xffff]
    xor ax, ax
    mov fs, ax
    RAISES GP, 0, mov al, [fs:0]
    RAISES GP, 0, mov [fs:0], al
    mov ax, SMALL
    mov ss, ax
    mov esp, 0xf0
    mov ax, DATA32
    mov dword [resume_esp], 0x7c00
    mov dword [resume], .stack_fault
    mov dword [got_vector], NOTHING
.stack_at:
    push dword [esp + 0xd]                   ; reads FD..100
    FAIL_HERE "no #SS"
.stack_fault:
    CHECK_EQ dword [got_vector], SS_
    CHECK_EQ dword [got_error], 0
    CHECK_EQ dword [got_eip], .stack_at

    ; ---- writes to CS and code that does not read -----------------------------------------------------------
    RAISES GP, 0, mov [cs:0x7c00], al
    RAISES UD, NOTHING, db 0x8e, 0xc8       ; mov cs, ax
    RAISES UD, NOTHING, db 0x8c, 0xf0       ; mov ax, sreg 6

    ; ---- a load through memory keeps the register when it faults ----------------------------------------------
    mov ax, DATA32
    mov gs, ax
    mov dword [SCRATCH], 0x11223344
    mov word [SCRATCH + 4], ABSENT
    mov ebx, 0x55
    RAISES NP, ABSENT, lgs ebx, [SCRATCH]
    CHECK_EQ ebx, 0x55
    mov ax, gs
    CHECK_EQ ax, DATA32
    mov word [SCRATCH + 4], SMALL
    RUNS lgs ebx, [SCRATCH]
    mov ax, gs
    CHECK_EQ ax, SMALL
    mov eax, [got_eax]
    ; POP SS of a bad selector leaves ESP
    push dword ABSENT
    mov ebp, esp
    RAISES SS_, ABSENT, pop ss
    CHECK_EQ ebp, esp
    pop eax

    ; ---- LAR, LSL, VERR, VERW, ARPL ------------------------------------------------------------------------------
    mov eax, SMALL
    lar edx, eax
    CHECK z
    CHECK_EQ edx, 0x00409300
    lsl edx, eax
    CHECK z
    CHECK_EQ edx, 0xff
    mov eax, DATA32
    lsl edx, eax
    CHECK_EQ edx, 0xffffffff
    mov edx, 0x77
    mov eax, 0xfff8
    lar edx, eax
    CHECK nz
    CHECK_EQ edx, 0x77
    mov eax, INTGATE
    lar edx, eax
    CHECK nz
    mov eax, CALLGATE
    lar edx, eax
    CHECK z
    lsl edx, eax
    CHECK nz
    mov eax, DATA32 | 3                      ; RPL 3 sees no DPL 0
    lsl edx, eax
    CHECK nz
    mov eax, CONFORMING | 3                  ; but conforming code
    lsl edx, eax
    CHECK z
    verr ax
    CHECK z
    mov ax, EXECONLY
    verr ax
    CHECK nz
    mov ax, READONLY
    verr ax
    CHECK z
    verw ax
    CHECK nz
    mov ax, SMALL
    verw ax
    CHECK z
    xor ax, ax
    verr ax
    CHECK nz
    mov bx, 0x10
    mov cx, 0x2b
    arpl bx, cx
    CHECK z
    CHECK_EQ bx, 0x13
    arpl bx, cx
    CHECK nz

    ; ---- LLDT, LTR ---------------------------------------------------------------------------------------------------
    mov ax, DATA32
    RAISES GP, DATA32, lldt ax
    mov ax, 4
    RAISES GP, 4, lldt ax
    mov ax, ABSENTLDT
    RAISES NP, ABSENTLDT, lldt ax
    mov ax, TSS_MAIN                         ; busy already
    RAISES GP, TSS_MAIN, ltr ax
    xor ax, ax
    RAISES GP, 0, ltr ax
    sldt ax
    CHECK_EQ ax, LDT
    str ax
    CHECK_EQ ax, TSS_MAIN
    xor ax, ax
    lldt ax
    mov ax, LDTDATA
    RAISES GP, 4, mov fs, ax                 ; no LDT now
    ; at CPL 3
    USER_RAISES GP, 0, 2, lldt ax
    USER_RAISES GP, 0, 2, lgdt [SCRATCH]
    USER_RAISES GP, 0, 2, hlt
    USER_RAISES GP, 0, 2, mov eax, cr0
    USER_RAISES GP, 0, 2, invlpg [SCRATCH]
    USER_RAISES GP, 0, 2, wbinvd
    USER_RAISES GP, 0, 2, rdmsr
    USER_RAISES GP, 0, 2, clts
    USER_RAISES GP, 0, 2, cli
    USER_RAISES GP, 0, 2, sti
    USER_RAISES GP, 0, 2, in al, 0x80
    USER_RUNS 0x3002, cli
    USER_RUNS 0x3002, in al, 0x80
    USER_RUNS 2, sgdt [SCRATCH]
    CHECK_EQ dword [SCRATCH + 2], gdt
    USER_RUNS 2, smsw ax
    ; data of CPL 0 from CPL 3
    mov dword [SCRATCH], DATA32
    USER_RAISES GP, DATA32, 2, mov es, [SCRATCH]
    PASS

%macro ROW 4                                 ; selector, register 0..3 (ES, SS, DS, FS), vector, error
    dw %1
    db %2, %3
    dw %4
%endmacro
%define NONE -1, -1
load_rows:
    ROW 0, 0, NONE
    ROW 3, 3, NONE
    ROW 0, 1, GP, 0
    ROW DATA32, 0, NONE
    ROW DATA32 | 3, 0, GP, DATA32            ; RPL above DPL
    ROW UDATA32, 0, NONE
    ROW UDATA32, 1, GP, UDATA32 & ~3         ; SS: RPL is not CPL
    ROW UDATA32 & ~3, 1, GP, UDATA32 & ~3    ; SS: DPL is not CPL
    ROW DATA32, 1, NONE
    ROW CODE32, 0, NONE                      ; readable code
    ROW CODE32, 1, GP, CODE32
    ROW EXECONLY, 0, GP, EXECONLY
    ROW READONLY, 0, NONE
    ROW READONLY, 1, GP, READONLY
    ROW ABSENT, 0, NP, ABSENT
    ROW ABSENT, 1, SS_, ABSENT
    ROW ABSENT, 3, NP, ABSENT
    ROW TSS_MAIN, 0, GP, TSS_MAIN            ; system segment
    ROW CALLGATE, 0, GP, CALLGATE
    ROW CONFORMING | 3, 0, NONE              ; conforming: RPL does not matter
    ROW 0xfff8, 0, GP, 0xfff8                ; beyond the GDT
    ROW LDTDATA, 0, NONE
    ROW LDTDATA, 2, NONE
    ROW LDTDATA + 8, 0, GP, LDTDATA + 8      ; beyond the LDT
    ROW DOWN32, 1, NONE
load_rows_end:

load_code: dd .es, .ss, .ds, .fs
.es: mov es, ax
    ret
.ss: mov ss, ax
    jmp .back
.ds: mov bx, DATA32
    mov ds, ax
    mov ds, bx
    ret
.fs: mov fs, ax
    ret
.back:
    mov bx, DATA32
    mov ss, bx
    ret

align 8
ldt: DESC SCRATCH, 0xff, 0x93, 4
ldt_end:

BEGIN_GDT
    DESC SCRATCH, 0xff, 0x92, 4
    DESC SCRATCH, 0xff, 0x92, 4
    DESC 0, 0xfffff, 0x91, 0xc
    DESC 0, 0x100, 0x97, 4
    DESC 0, 0x100, 0x97, 0
    DESC 0, 0xfffff, 0x99, 0xc
    DESC 0, 0xfffff, 0x9f, 0xc
    DESC 0, 0xfffff, 0x13, 0xc
    DESC ADDR(ldt), ldt_end - ldt - 1, 0x82, 0
    GATE CODE32, 0, 0x8c, 0
    GATE CODE32, 0, 0x8e, 0
    DESC 0, 0xff, 0x02, 0
gdt_end:
