; SPDX-License-Identifier: GPL-2.0-or-later
; Control registers, MSRs, time stamp, SYSENTER and SYSEXIT, flags by privilege.
; SDM 3A, "System Architecture Overview"; SDM 2B, "POPF", "SYSENTER".
%include "guest.inc"

%define SYS_CODE 0x50                   ; CS for SYSENTER; SS, user CS and user SS follow
bits 16
start:
    ENTER_PROTECTED
    ; ---- CR0 ------------------------------------------------------------------------------------------------
    mov eax, cr0
    test al, 0x10
    CHECK nz
    and al, ~0x10
    mov cr0, eax
    mov eax, cr0
    test al, 0x10                        ; ET is always 1
    CHECK nz
    or eax, 0x0ff8ffc0                   ; reserved bits are ignored
    mov cr0, eax
    mov eax, cr0
    test eax, 0x0ffaffc0
    CHECK z
    mov eax, cr0
    or al, 8
    mov cr0, eax
    mov bx, 0xfff0                       ; LMSW cannot clear PE
    lmsw bx
    mov eax, cr0
    and al, 0xf
    CHECK_EQ al, 1
    smsw ebx
    CHECK_EQ bl, 0x11
    RAISES UD, NOTHING, db 0x0f, 0x20, 0xc8 ; mov eax, cr1
    RAISES UD, NOTHING, db 0x0f, 0x22, 0xe8 ; mov cr5, eax
    RAISES UD, NOTHING, db 0x0f, 0x01, 0xf8 ; INVLPG of a register
    ; CR0.TS makes FPU instructions #NM; EM too; WAIT with MP and TS
    mov eax, cr0
    or al, 8
    mov cr0, eax
    RAISES NM, NOTHING, fld1
    RUNS wait
    mov eax, cr0
    or al, 2
    mov cr0, eax
    RAISES NM, NOTHING, wait
    clts
    RUNS fninit
    mov eax, cr0
    or al, 4
    mov cr0, eax
    RAISES NM, NOTHING, fld1
    and al, ~6
    mov cr0, eax

    ; ---- MSRs and time ------------------------------------------------------------------------------------------
    mov ecx, 0x12345678
    RAISES GP, 0, rdmsr
    RAISES GP, 0, wrmsr
    mov ecx, 0x8b
    RUNS rdmsr
    mov ecx, 0x17
    RUNS rdmsr
    RAISES GP, 0, wrmsr
    rdtsc
    mov esi, eax
    mov edi, edx
    rdtsc
    sub eax, esi
    sbb edx, edi
    CHECK ns                             ; does not go back
    mov ecx, 0x10
    xor eax, eax
    mov edx, 0x100
    wrmsr
    rdtsc
    CHECK_EQ edx, 0x100
    USER_RUNS 2, rdtsc
    mov eax, cr4
    or al, 4                             ; TSD
    mov cr4, eax
    USER_RAISES GP, 0, 2, rdtsc
    RUNS rdtsc
    xor ecx, ecx
    USER_RAISES GP, 0, 2, rdpmc
    mov ecx, 0x40000000
    RAISES GP, 0, rdpmc

    ; ---- SYSENTER, SYSEXIT ----------------------------------------------------------------------------------------
    mov ecx, 0x174
    xor eax, eax
    xor edx, edx
    wrmsr
    RAISES GP, 0, sysenter
    RAISES GP, 0, sysexit
    mov eax, SYS_CODE
    wrmsr
    mov ecx, 0x175
    mov eax, 0x6800
    wrmsr
    mov ecx, 0x176
    mov eax, .entered
    wrmsr
    rdmsr
    CHECK_EQ eax, .entered
    AT_CPL3 .user, 0x202
    CHECK_EQ dword [got_vector], 0x80
    CHECK_EQ dword [got_cs], SYS_CODE + 16 | 3
    CHECK_EQ dword [got_ss], SYS_CODE + 24 | 3
    CHECK_EQ dword [got_esp], 0x12340
    CHECK_EQ dword [sys_cs], SYS_CODE
    CHECK_EQ dword [sys_ss], SYS_CODE + 8
    CHECK_EQ dword [sys_esp], 0x6800
    test dword [sys_flags], 0x200        ; IF was cleared
    CHECK z
    mov ecx, 0x12340
    mov edx, .user_exit
    USER_RAISES GP, 0, 2, sysexit
    jmp .flags
.user:
    mov ax, UDATA32
    mov ds, ax
    sysenter
.entered:
    mov [sys_esp], esp
    mov [sys_cs], cs
    mov [sys_ss], ss
    pushfd
    pop dword [sys_flags]
    mov ecx, 0x12340
    mov edx, .user_exit
    sysexit
.user_exit:
    int 0x80

    ; ---- POPF by privilege --------------------------------------------------------------------------------------------
.flags:
    push dword 0x3202
    popfd
    pushfd
    pop eax
    cli
    CHECK_EQ eax, 0x3202
    push dword 2
    popfd
    ; CPL 3, IOPL 0: IF and IOPL do not change, silently
    AT_CPL3 .user_popf, 2
    mov eax, [got_eflags]
    and eax, 0x3200
    CHECK_EQ eax, 0
    ; CPL 3, IOPL 3: IF does, IOPL does not
    AT_CPL3 .user_popf, 0x3002
    mov eax, [got_eflags]
    and eax, 0x3200
    CHECK_EQ eax, 0x3200
    AT_CPL3 .user_popf0, 0x3202
    mov eax, [got_eflags]
    and eax, 0x3200
    CHECK_EQ eax, 0x3000
    ; IRET at CPL 3 the same
    AT_CPL3 .user_iret, 2
    mov eax, [got_eflags]
    and eax, 0x3200
    CHECK_EQ eax, 0
    ; 16-bit POPF leaves the upper half
    push dword 0x200002
    popfd
    push word 2
    popf
    pushfd
    pop eax
    CHECK_EQ eax, 0x200002

    ; ---- alignment checks: CPL 3 with AM and AC ------------------------------------------------------------------------
    mov eax, cr0
    or eax, 0x40000
    mov cr0, eax
    USER_RAISES AC, 0, 0x40002, mov eax, [SCRATCH + 1]
    USER_RAISES AC, 0, 0x40002, mov [SCRATCH + 3], ax
    USER_RUNS 0x40002, mov al, [SCRATCH + 1]
    USER_RUNS 2, mov eax, [SCRATCH + 1]
    push dword 0x40002
    popfd
    RUNS mov eax, [SCRATCH + 1]          ; not at CPL 0

    ; ---- the 15-byte limit and LOCK ----------------------------------------------------------------------------------------
    RAISES GP, 0, times 15 db 0x66
    RAISES UD, NOTHING, db 0xf0, 0x90
    RAISES UD, NOTHING, db 0xf0, 0x89, 0x00
    mov ebx, SCRATCH
    RUNS lock inc dword [ebx]
    PASS

.user_popf:
    push dword 0x3202
    popfd
    int 0x80
.user_popf0:
    push dword 2
    popfd
    int 0x80
.user_iret:
    push dword 0x3202
    push dword UCODE32
    push dword .user_iret_to
    iretd
.user_iret_to:
    int 0x80

align 4
sys_cs: dd 0
sys_ss: dd 0
sys_esp: dd 0
sys_flags: dd 0

BEGIN_GDT
    DESC 0, 0xfffff, 0x9b, 0xc
    DESC 0, 0xfffff, 0x93, 0xc
    DESC 0, 0xfffff, 0xfb, 0xc
    DESC 0, 0xfffff, 0xf3, 0xc
gdt_end:
