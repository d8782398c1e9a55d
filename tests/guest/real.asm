; SPDX-License-Identifier: GPL-2.0-or-later
; Real mode: interrupt table, limits, far transfers, and what of protected mode stays ("big real" mode).
%include "guest.inc"

bits 16
%macro HOOK 2                          ; vector, handler
    mov word [%1 * 4], %2
    mov word [%1 * 4 + 2], 0
%endmacro

start:
    HOOK 0x30, on_int
    HOOK GP, on_fault
    HOOK SS_, on_fault
    HOOK UD, on_fault
    HOOK DE, on_fault

    ; INT pushes FLAGS, CS, IP in 16 bits, clears IF and TF
    mov sp, 0x7c00
    sti
    stc
    int 0x30
after_int:
    CHECK_EQ word [seen_ip], after_int
    CHECK_EQ word [seen_sp], 0x7c00 - 6
    test word [seen_flags], 0x200
    CHECK nz
    test word [inside_flags], 0x200
    CHECK z
    pushf
    pop ax
    test ax, 0x200                     ; IRET brought IF back
    CHECK nz
    cli

    ; beyond the limit: #GP, nothing pushed but the frame
    mov word [seen_ip], 0
    mov bx, 0xffff
at_limit:
    mov ax, [bx]
    CHECK_EQ word [seen_ip], at_limit
    ; stack: #SS
    mov word [seen_ip], 0
    mov bp, 0xfffe
at_stack:
    mov eax, [bp]
    CHECK_EQ word [seen_ip], at_stack
    ; no system instructions here
    mov word [seen_ip], 0
at_lldt:
    lldt ax
    CHECK_EQ word [seen_ip], at_lldt
    ; LOCK on a register form
    mov word [seen_ip], 0
at_lock:
    db 0xf0, 0x40
    CHECK_EQ word [seen_ip], at_lock
    ; divide error is a fault: pushes its own address
    mov word [seen_ip], 0
    xor bl, bl
at_div:
    div bl
    CHECK_EQ word [seen_ip], at_div

    ; far call and return
    mov sp, 0x7c00
    call 0x0010:far_target - 0x100
    CHECK_EQ word [seen_cs], 0x0010
    CHECK_EQ sp, 0x7c00
    ; IRET with a 32-bit operand leaves VM, VIF, VIP alone
    pushfd
    pop eax
    or eax, 1 << 17 | 1 << 19 | 1 << 20 | 1 << 21
    push eax
    push dword 0
    push dword after_iretd
    o32 iret
after_iretd:
    pushfd
    pop eax
    and eax, 1 << 17 | 1 << 19 | 1 << 20 | 1 << 21
    CHECK_EQ eax, 1 << 21

    ; POPF: TF trap goes through vector 1 in real mode
    HOOK 1, on_int
    pushf
    pop ax
    or ax, 0x100
    push ax
    popf
    nop
after_nop:
    CHECK_EQ word [seen_ip], after_nop
    test word [seen_flags], 0x100
    CHECK nz
    pushf
    pop ax
    and ax, 0xfeff
    push ax
    popf

    ; big real mode: limits loaded in protected mode stay
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, DATA32
    mov fs, bx
    and al, 0xfe
    mov cr0, eax
    mov bx, 0x1000
    mov fs, bx                         ; the base changes, the limit does not
    mov esi, 0x400000
    mov dword [fs:esi], 0x12345678
    CHECK_EQ dword [fs:esi], 0x12345678
    mov word [seen_ip], 0
at_small:
    mov dword [es:esi], 0              ; ES was not loaded there: still 64 KiB
    CHECK_EQ word [seen_ip], at_small
    xor ax, ax
    mov fs, ax
    CHECK_EQ dword [fs:esi + 0x10000], 0x12345678

    ; writing through CS is allowed in real mode
    mov word [cs:seen_ip], 0x5aa5
    CHECK_EQ word [seen_ip], 0x5aa5

    ; a small IDT: the vector is beyond it, #GP through it
    lidt [small_idt]
    mov word [seen_ip], 0
at_int:
    int 0x30
    CHECK_EQ word [seen_ip], at_int
    PASS

far_target:
    mov bp, sp
    mov ax, cs
    mov [seen_cs], ax
    retf

on_int:
    mov [seen_sp], sp
    push bp
    push ax
    mov bp, sp
    mov ax, [bp + 4]
    mov [seen_ip], ax
    mov ax, [bp + 8]
    mov [seen_flags], ax
    pushf
    pop word [inside_flags]
    pop ax
    pop bp
    iret

; a fault: remember where, and skip the instruction by the table
on_fault:
    push bp
    mov bp, sp
    push ax
    push si
    mov ax, [bp + 2]
    mov [seen_ip], ax
    mov si, skip_table
.look:
    cmp [si], ax
    je .found
    add si, 4
    cmp si, skip_end
    jb .look
    FAIL_HERE "a fault nobody expects"
.found:
    mov ax, [si + 2]
    mov [bp + 2], ax
    pop si
    pop ax
    pop bp
    iret

%macro SKIP 2
    dw %1, %2
%endmacro
skip_table:
    SKIP at_limit, at_limit + 2
    SKIP at_stack, at_stack + 4
    SKIP at_lldt, at_lldt + 3
    SKIP at_lock, at_lock + 2
    SKIP at_div, at_div + 2
    SKIP at_small, at_small + 9
    SKIP at_int, at_int + 2
skip_end:
small_idt: dw 0x30 * 4 - 1
    dd 0
seen_ip: dw 0
seen_cs: dw 0
seen_sp: dw 0
seen_flags: dw 0
inside_flags: dw 0

BEGIN_GDT
gdt_end:
