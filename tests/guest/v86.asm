; SPDX-License-Identifier: GPL-2.0-or-later
; Virtual-8086 mode: entry and exit, IOPL-sensitive instructions with and without VME, software interrupts and
; their redirection bitmap, the I/O permission bitmap, PVI.
; SDM 3B, "8086 Emulation"; SDM 3A, "I/O Permission Bit Map".
%include "guest.inc"

%define VM (1 << 17)
%define VIF (1 << 19)
%define VIP (1 << 20)
%define IOPL3 0x3000
%define TSS_V FIRST_FREE               ; with redirection and I/O bitmaps
%define V86_SS 0x3000
%define V86_SP 0x1000
%define CODE_CONFORMING FIRST_FREE + 8

; Go to label in V86 with these flags; come back when something is raised. ES, DS, FS, GS are 1..4.
%macro V86 2
    mov dword [resume], %%after
    mov [resume_esp], esp
    mov [tss_v + 4], esp
    mov dword [got_vector], NOTHING
    push 4
    push 3
    push 2
    push 1
    push V86_SS
    push V86_SP
    push (%2) | VM | 2
    push 0
    push %1
    iretd
%%after:
%endmacro

; V86_RAISES vector, error, flags, instruction
%macro V86_RAISES 4+
    jmp %%start
bits 16
%%code:
    %4
    nop
    hlt                                ; #GP, if the instruction does not fault
bits 32
%%start:
    V86 %%code, %3
    %defstr %%what %{1:-1}
    %strcat %%text "V86_RAISES ", %%what
    CHECK_THAT dword [got_vector], %1, %%text
    CHECK_THAT dword [got_error], %2, %%text
    CHECK_THAT dword [got_eip], %%code, %%text
%endmacro

; V86_RUNS flags, instructions: ends at the HLT after them, which is #GP(0) in V86
%macro V86_RUNS 2+
    jmp %%start
bits 16
%%code:
    %2
%%end:
    hlt
bits 32
%%start:
    V86 %%code, %1
    %defstr %%what %{1:-1}
    %strcat %%text "V86_RUNS ", %%what
    CHECK_THAT dword [got_vector], GP, %%text
    CHECK_THAT dword [got_eip], %%end, %%text
%endmacro

; As AT_CPL3, on this guest's TSS.
%macro AT_CPL3_V 2
    mov [tss_v + 4], esp
    AT_CPL3 %1, %2
%endmacro

; Flags the program had when it was left.
%macro CHECK_FLAGS 2                   ; mask, value
    mov eax, [got_eflags]
    and eax, %1
    CHECK_EQ eax, %2
%endmacro

start:
    ENTER_PROTECTED
    mov ax, TSS_V
    ltr ax

    ; ---- entry and exit -----------------------------------------------------------------------------------
    V86_RUNS 0, nop
    CHECK_EQ dword [got_cs], 0
    CHECK_EQ dword [got_ss], V86_SS
    CHECK_EQ dword [got_esp], V86_SP
    CHECK_EQ word [got_ds], 0            ; data segments are null in the handler
    mov ebx, [got_frame]
    CHECK_EQ dword [ebx + 20], 1         ; ES, DS, FS, GS above SS
    CHECK_EQ dword [ebx + 24], 2
    CHECK_EQ dword [ebx + 28], 3
    CHECK_EQ dword [ebx + 32], 4
    CHECK_FLAGS VM, VM
    test dword [handler_eflags], VM
    CHECK z
    ; segments are paragraphs; limits are 64 KiB
    V86_RUNS 0, mov ax, 0x4000
    V86_RAISES GP, 0, 0, mov eax, [0xfffe]
    mov dword [SCRATCH], 0
    jmp .seg_start
bits 16
.seg_code:
    mov ax, SCRATCH >> 4
    mov ds, ax
    mov dword [0], 0x55aa55aa
    mov ax, 0x1234
    push ax
    pop fs
    mov bx, fs
    hlt
bits 32
.seg_start:
    V86 .seg_code, 0
    CHECK_EQ dword [SCRATCH], 0x55aa55aa
    ; a handler outside of CPL 0 is #GP
    mov word [IDT_AT + 8 * 0x45 + 2], CODE_CONFORMING
    V86_RAISES GP, CODE_CONFORMING, IOPL3, int 0x45

    ; ---- IOPL 3: as on an 8086 --------------------------------------------------------------------------------
    V86_RUNS IOPL3 | 0x200, cli
    CHECK_FLAGS 0x200, 0
    V86_RUNS IOPL3, sti
    CHECK_FLAGS 0x200, 0x200
    V86_RUNS IOPL3, push word 0x0202
    jmp .popf_start
bits 16
.popf_code:
    push word 0x0202                   ; tries to clear IOPL
    popf
    pushfd
    pop eax
    mov ebp, eax
    hlt
bits 32
.popf_start:
    V86 .popf_code, IOPL3
    CHECK_EQ ebp, IOPL3 | 0x202        ; VM and RF read as 0
    V86 .int_code, IOPL3
    CHECK_EQ dword [got_vector], 0x46
    V86 .int3_code, IOPL3
    CHECK_EQ dword [got_vector], BP

    ; ---- IOPL 0: #GP(0) ------------------------------------------------------------------------------------------
    V86_RAISES GP, 0, 0, cli
    V86_RAISES GP, 0, 0, sti
    V86_RAISES GP, 0, 0, pushf
    V86_RAISES GP, 0, 0, popf
    V86_RAISES GP, 0, 0, iret
    V86_RAISES GP, 0, 0, int 0x46
    V86 .int3_code, 0                    ; INT3 is not sensitive
    CHECK_EQ dword [got_vector], BP
    ; whatever IOPL
    V86_RAISES GP, 0, IOPL3, hlt
    V86_RAISES GP, 0, IOPL3, mov eax, cr0
    V86_RAISES GP, 0, IOPL3, lgdt [0]
    V86_RAISES UD, NOTHING, IOPL3, lldt ax
    V86_RAISES UD, NOTHING, IOPL3, verr ax
    V86_RAISES UD, NOTHING, IOPL3, arpl ax, ax
    V86_RUNS IOPL3, smsw ax

    ; ---- I/O bitmap: IOPL does not matter in V86 ------------------------------------------------------------------
    V86_RUNS 0, in al, 0x80              ; bit clear
    V86_RAISES GP, 0, IOPL3, in al, 0x81 ; bit set
    V86_RAISES GP, 0, IOPL3, in ax, 0x80 ; covers 81
    V86_RAISES GP, 0, 0, out 0x81, al
    V86_RUNS 0, in ax, 0x82
    V86_RAISES GP, 0, 0, in eax, 0x7e
    V86_RUNS 0, mov dx, 0x1f7
    jmp .limit_start
bits 16
.limit_ok:                               ; the last byte of the map is FF and inside: port 1F7 needs it
    mov dx, 0x1ef
    in al, dx
    hlt
.limit_bad:
    mov dx, 0x200
    in al, dx
    hlt
bits 32
.limit_start:
    V86 .limit_ok, 0
    CHECK_EQ dword [got_eip], .limit_ok + 4
    V86 .limit_bad, IOPL3
    CHECK_EQ dword [got_eip], .limit_bad + 3
    ; from CPL 3 in protected mode it counts above IOPL only
    mov [tss_v + 4], esp
    jmp .pm_start
.pm_code:
    in al, 0x80
    in al, 0x81
.pm_start:
    AT_CPL3_V .pm_code, 2
    CHECK_EQ dword [got_vector], GP
    CHECK_EQ dword [got_eip], .pm_code + 2
    AT_CPL3_V .pm_code2, IOPL3 | 2
    CHECK_EQ dword [got_vector], 0x80

    ; ---- VME ---------------------------------------------------------------------------------------------------------
    mov eax, cr4
    or al, 1
    mov cr4, eax
    V86_RUNS VIF, cli
    CHECK_FLAGS VIF | 0x200, 0
    V86_RUNS 0x200, cli                  ; IF stays
    CHECK_FLAGS VIF | 0x200, 0x200
    V86_RUNS 0, sti
    CHECK_FLAGS VIF, VIF
    V86_RAISES GP, 0, VIP, sti
    V86_RUNS VIP | VIF, cli
    jmp .vme_start
bits 16
.vme_pushf:
    pushf
    pop ax
    mov ebp, eax
    hlt
.vme_popf:
    push word 0x0202
    popf
    hlt
.vme_popf_tf:
    push word 0x0102
    popf
    hlt
.vme_iret:
    push word 0x0202
    push word 0
    push word .vme_iret_to
    iret
.vme_iret_to:
    hlt
.int_code:
    int 0x46
.int3_code:
    int3
.redirected:                             ; through 0000:47h * 4, bit clear
    int 0x47
.redirected_to:
    mov bp, sp
    mov eax, [bp]
    mov ecx, [bp + 4]
.redirected_end:
    hlt
bits 32
.vme_start:
    V86 .vme_pushf, VIF
    and ebp, 0xffff
    CHECK_EQ ebp, IOPL3 | 0x202          ; VIF as IF, IOPL 3
    V86 .vme_pushf, 0x200
    and ebp, 0xffff
    CHECK_EQ ebp, IOPL3 | 2
    V86 .vme_popf, 0
    CHECK_FLAGS VIF | 0x200 | IOPL3, VIF
    V86 .vme_popf, VIP                   ; would let the pending one in
    CHECK_EQ dword [got_eip], .vme_popf + 3
    V86 .vme_popf_tf, 0
    CHECK_EQ dword [got_eip], .vme_popf_tf + 3
    V86 .vme_iret, 0
    CHECK_EQ dword [got_eip], .vme_iret_to
    CHECK_FLAGS VIF | 0x200, VIF
    V86_RAISES GP, 0, 0, pushfd          ; only the 16-bit forms are virtualised
    V86_RAISES GP, 0, 0, popfd
    ; software interrupts: 46 not redirected (bit set), 47 redirected
    V86_RAISES GP, 0, 0, int 0x46
    V86 .int_code, IOPL3
    CHECK_EQ dword [got_vector], 0x46
    mov word [0x47 * 4], .redirected_to
    mov word [0x47 * 4 + 2], 0
    V86 .redirected, VIF | 0x200
    CHECK_EQ dword [got_eip], .redirected_end
    CHECK_EQ dword [got_eax], .redirected + 2 ; IP, CS
    CHECK_EQ cx, IOPL3 | 0x202           ; VIF as IF
    CHECK_EQ dword [got_esp], V86_SP - 6
    CHECK_FLAGS VIF | 0x200, 0x200       ; VIF was cleared, IF not
    V86 .redirected, IOPL3
    CHECK_EQ cx, IOPL3 | 2
    V86 .redirected, IOPL3 | 0x200
    CHECK_FLAGS 0x200, 0                 ; method 5: IF itself

    ; ---- PVI: the same flag for CPL 3 in protected mode -----------------------------------------------------------------
    mov eax, cr4
    or al, 2
    mov cr4, eax
    AT_CPL3_V .pvi, 0x202 | VIF
    CHECK_EQ dword [got_vector], 0x80
    CHECK_FLAGS VIF | 0x200, 0x200
    AT_CPL3_V .pvi_sti, 2
    CHECK_FLAGS VIF | 0x200, VIF
    AT_CPL3_V .pvi_sti, 2 | VIP
    CHECK_EQ dword [got_vector], GP
    PASS
.pvi:
    cli
    int 0x80
.pvi_sti:
    sti
    int 0x80
.pm_code2:
    in al, 0x81
    int 0x80

align 4
tss_v:
    dd 0, 0x7000, DATA32
    times 0x66 - ($ - tss_v) db 0
    dw io_map - tss_v
    ; redirection bitmap: all bits set but that of INT 47h
    times 8 db 0xff
    db 0x7f
    times 23 db 0xff
io_map:                                  ; ports 0..1F7, only 81 forbidden
    times 16 db 0
    db 2
    times 45 db 0
    db 0, 0xff                           ; 1F0..1F7 share the last word
tss_v_end:

BEGIN_GDT
    DESC ADDR(tss_v), tss_v_end - tss_v - 1, 0x89, 0
    DESC 0, 0xfffff, 0x9f, 0xc
gdt_end:
