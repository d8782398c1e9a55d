; SPDX-License-Identifier: GPL-2.0-or-later
; IN, OUT, INS, OUTS in all widths; REP batches over pages, backwards, into and out of devices; faults in the
; middle. SDM 2A, "INS"; SDM 2B, "OUTS", "REP".
%include "guest.inc"

%define SMALL FIRST_FREE
%define PAGE_END 0x41000

; The bytes at %1, %2 of them, must count up from %3.
%macro COUNTS_UP 3
    mov esi, %1
    mov ecx, %2
    mov bl, %3
%%next:
    CHECK_EQ [esi], bl
    inc esi
    inc bl
    loop %%next
%endmacro

%macro RESTART 0
    mov edx, PORT_RESTART
    out dx, al
    mov edx, PORT_STRING
%endmacro

bits 16
start:
    ENTER_PROTECTED
    ; ---- single accesses --------------------------------------------------------------------------------------
    RESTART
    in al, dx
    CHECK_EQ al, 0
    in ax, dx
    CHECK_EQ ax, 0x0201
    in eax, dx
    CHECK_EQ eax, 0x06050403
    RESTART
    mov al, 0
    out dx, al
    mov ax, 0x0201
    out dx, ax
    mov eax, 0x06050403
    out dx, eax
    in al, 0x99                          ; nobody there
    CHECK_EQ al, 0xff

    ; ---- strings ------------------------------------------------------------------------------------------------
    RESTART
    mov edi, SCRATCH
    insb
    insw
    insd
    CHECK_EQ edi, SCRATCH + 7
    mov ecx, 100
    rep insb
    CHECK_EQ ecx, 0
    CHECK_EQ edi, SCRATCH + 107
    COUNTS_UP SCRATCH, 107, 0
    in al, PORT_COUNT                    ; 3 single ones, 1 batch
    CHECK_EQ al, 4
    ; over a page boundary, with an element across it
    RESTART
    mov edi, PAGE_END - 33
    mov ecx, 64
    rep insw
    CHECK_EQ edi, PAGE_END - 33 + 128
    COUNTS_UP PAGE_END - 33, 128, 0
    RESTART
    mov esi, PAGE_END - 33
    mov ecx, 32
    rep outsd
    CHECK_EQ esi, PAGE_END - 33 + 128
    CHECK_EQ ecx, 0
    ; downwards
    RESTART
    std
    mov edi, SCRATCH + 12
    mov ecx, 4
    rep insd
    cld
    CHECK_EQ edi, SCRATCH - 4
    CHECK_EQ dword [SCRATCH + 12], 0x03020100
    CHECK_EQ dword [SCRATCH], 0x0f0e0d0c
    ; ECX 0: nothing
    mov edi, SCRATCH
    RUNS rep insb
    CHECK_EQ edi, SCRATCH
    ; 16-bit addresses wrap
    RESTART
    mov edi, 0x4fffe
    mov ecx, 0x20004
    push dword [0]
    a16 rep insb
    CHECK_EQ edi, 0x40002
    CHECK_EQ ecx, 0x20000
    pop dword [0]
    ; large: several batches
    RESTART
    mov edi, SCRATCH
    mov ecx, 5000
    rep insd
    COUNTS_UP SCRATCH, 20000, 0
    RESTART
    mov esi, SCRATCH
    mov ecx, 20000
    rep outsb
    in al, PORT_COUNT
    CHECK_EQ al, 5                       ; a page each

    ; ---- memory that is a device ------------------------------------------------------------------------------------
    mov eax, [0x2000000]
    CHECK_EQ eax, 0xfcfdfeff
    mov eax, [0x2000ffe]                 ; a page boundary inside
    CHECK_EQ eax, 0xfeff0001
    mov [0x2000000], eax
    mov esi, 0x2000000
    mov edi, SCRATCH
    mov ecx, 3
    rep movsd
    CHECK_EQ dword [SCRATCH + 8], 0xf4f5f6f7
    push dword [0x2000000]
    pop eax
    CHECK_EQ eax, 0xfcfdfeff
    add eax, [0x2000004]
    CHECK_EQ eax, 0xfcfdfeff + 0xf8f9fafb - 0x100000000
    lock inc dword [0x2000000]
    RESTART
    mov edi, 0x2000000                   ; INS into a device: an element at a time
    mov ecx, 4
    rep insb
    CHECK_EQ ecx, 0
    CHECK_EQ edi, 0x2000004
    in al, PORT_COUNT
    CHECK_EQ al, 4

    ; ---- faults in the middle: the elements before are done ---------------------------------------------------------------
    RESTART
    mov ax, SMALL
    mov es, ax
    mov edi, 0xf8
    mov ecx, 16
    mov edx, PORT_STRING
    RAISES GP, 0, rep insb
    CHECK_EQ edi, 0x100
    CHECK_EQ ecx, 8
    COUNTS_UP SCRATCH + 0xf8, 8, 0
    RESTART
    mov ax, SMALL
    mov fs, ax
    mov esi, 0xf8
    mov ecx, 16
    RAISES GP, 0, fs rep outsb
    CHECK_EQ esi, 0x100
    CHECK_EQ ecx, 8
    PASS

BEGIN_GDT
    DESC SCRATCH, 0xff, 0x93, 4
gdt_end:
