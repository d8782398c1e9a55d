; SPDX-License-Identifier: GPL-2.0-or-later
; A kernel's segments: FS and GS with any base, limit and type, sums and operands that go over 4 GiB, DS, ES, SS
; and CS that stop being flat from one instruction to the next and become it again; device memory and memory
; that is not there, in every kind of operand. SDM 3A, "Limit Checking", "Type Checking"; SDM 1, "Operand
; Addressing".
%include "guest.inc"

%define DATA 0x40000
%define MMIO 0x2000000                  ; bytes there read as the complement of their address
%define BASED 0x50                      ; base 40000h, limit FFFh
%define WRAPS 0x58                      ; base FFFFFFF0h, 4 GiB
%define READ_ONLY 0x60
%define DOWN 0x68                       ; expands down: offsets 1000h to FFFFFFFFh
%define CODE_ONLY 0x70
%define CODE_READ 0x78
%define BASED_FLAT 0x80                 ; base 40000h, 4 GiB
%define END 0x88                        ; base FFFFFFFEh, 4 GiB
%define STACK16 0x90
%define BASED_CODE 0x98                 ; base 1000h
%define CONFORMING 0xa0
%define DOWN16 0xa8                     ; expands down, 16-bit: offsets 1000h to FFFFh
%define ODD 0xb0                        ; base 40003h, limit 12345h

%macro LOAD 2                           ; segment register, selector
    mov eax, %2
    mov %1, eax
%endmacro

start:
    ENTER_PROTECTED
    fninit
    mov ebp, 5
.round:
    mov edi, DATA
    mov ecx, 0x2000
.fill:
    mov [edi], edi
    add edi, 4
    loop .fill
    mov dword [0], 0x33221100
    mov dword [4], 0x77665544
    mov dword [0x10], 0xa1a2a3a4
    call fs_and_gs
    call wrapping
    call data_segments
    call stacks
    call code
    call devices
    dec ebp
    jnz .round
    PASS

; ---- FS and GS -----------------------------------------------------------------------------------------------------
%macro EACH_OF 1                        ; fs or gs
    LOAD %1, BASED
    CHECK_EQ dword [%1:0], DATA
    mov ebx, 0x20
    mov eax, [%1:ebx + ebx * 2 + 4]
    CHECK_EQ eax, DATA + 0x64
    mov [%1:ebx], ebx
    CHECK_EQ dword [DATA + 0x20], 0x20
    inc dword [%1:ebx]
    CHECK_EQ dword [DATA + 0x20], 0x21
    push dword [%1:ebx]
    pop dword [%1:ebx + 4]
    CHECK_EQ dword [DATA + 0x24], 0x21
    mov dword [DATA + 0x20], DATA + 0x20
    mov dword [DATA + 0x24], DATA + 0x24
    mov eax, [%1:0xffc]
    CHECK_EQ eax, DATA + 0xffc
    RAISES GP, 0, mov eax, [%1:0xffd]
    RAISES GP, 0, mov [%1:0xffd], eax
    RAISES GP, 0, mov al, [%1:0x1000]
    RAISES GP, 0, mov eax, [%1:0x10000]
    RAISES GP, 0, add [%1:ebx - 0x21], eax
    RAISES GP, 0, push dword [%1:0x1000]
    RAISES GP, 0, pop dword [%1:0x1000]
    RAISES GP, 0, call [%1:0x1000]
    RUNS mov al, [%1:0xfff]
    mov esi, 0x30
    mov edi, DATA + 0x1000
    %1 movsd
    CHECK_EQ dword [DATA + 0x1000], DATA + 0x30
    mov dword [DATA + 0x1000], DATA + 0x1000
    mov esi, 0xff8
    mov edi, DATA + 0x1800
    mov ecx, 5
    RAISES GP, 0, %1 rep movsd
    CHECK_EQ ecx, 3
    CHECK_EQ esi, 0x1000
    mov esi, 8
    %1 lodsd
    CHECK_EQ eax, DATA + 8
    LOAD %1, READ_ONLY
    RUNS mov eax, [%1:DATA]
    CHECK_EQ eax, DATA
    RAISES GP, 0, mov [%1:DATA], eax
    RAISES GP, 0, inc dword [%1:DATA]
    RAISES GP, 0, xchg [%1:DATA], eax
    LOAD %1, CODE_READ
    RUNS mov eax, [%1:DATA + 4]
    RAISES GP, 0, mov [%1:DATA], eax
    mov eax, CODE_ONLY
    RAISES GP, CODE_ONLY, mov %1, eax
    LOAD %1, DOWN
    RUNS mov eax, [%1:DATA]
    RUNS mov [%1:DATA], eax
    RAISES GP, 0, mov eax, [%1:0xfff]
    RAISES GP, 0, mov eax, [%1:0]
    LOAD %1, DOWN16
    RUNS mov eax, [%1:0x1000]
    RAISES GP, 0, mov eax, [%1:0xffd + 0xf000]
    RAISES GP, 0, mov eax, [%1:0xffff]
    RAISES GP, 0, mov eax, [%1:DATA]
    LOAD %1, 0
    RAISES GP, 0, mov eax, [%1:DATA]
    RAISES GP, 0, mov [%1:DATA], eax
    RAISES GP, 0, mov eax, [%1:0]
    LOAD %1, BASED_FLAT
    mov eax, [%1:ebx]
    CHECK_EQ eax, DATA + 0x20
    mov eax, [%1:ebx - DATA - 0x20]      ; wraps
    CHECK_EQ eax, 0x33221100
    mov ecx, ebx
    neg ecx
    mov eax, [%1:ebx + ecx + 8]
    CHECK_EQ eax, DATA + 8
    LOAD %1, ODD
    mov eax, [%1:1]
    CHECK_EQ eax, DATA + 4
    RUNS mov eax, [%1:0x12342]
    RAISES GP, 0, mov eax, [%1:0x12343]
    LOAD %1, WRAPS
    mov eax, [%1:0x10]
    CHECK_EQ eax, 0x33221100
    mov eax, [%1:ebx]                    ; FFFFFFF0h + 20h
    CHECK_EQ eax, 0xa1a2a3a4
    mov eax, [%1:0x12]
    CHECK_EQ eax, 0x55443322
    mov eax, [%1:0xe]                    ; two bytes before the end
    CHECK_EQ eax, 0x11000001
    mov eax, [%1:0xd]
    CHECK_EQ eax, 0x00000102
    mov ax, [%1:0xf]
    CHECK_EQ ax, 0x0000
    mov dword [%1:0xe], 0x99887766       ; the half of it that is memory
    CHECK_EQ dword [0], 0x33229988
    mov dword [0], 0x33221100
    LOAD %1, END
    mov eax, [%1:0]
    CHECK_EQ eax, 0x11000001
    mov eax, [%1:2]
    CHECK_EQ eax, 0x33221100
    LOAD %1, DATA32
    mov eax, [%1:DATA]
    CHECK_EQ eax, DATA
    ; saved and loaded as kernels do
    push %1
    LOAD %1, BASED
    mov eax, [%1:4]
    CHECK_EQ eax, DATA + 4
    pop %1
    mov eax, [%1:DATA + 4]
    CHECK_EQ eax, DATA + 4
    l%1 eax, [.pointer]
    CHECK_EQ eax, 0x123
    mov eax, [%1:8]
    CHECK_EQ eax, DATA + 8
    LOAD %1, DATA32
%endmacro
fs_and_gs:
    EACH_OF fs
    EACH_OF gs
    ret
align 4
.pointer: dd 0x123
    dw BASED

; ---- Over the end ---------------------------------------------------------------------------------------------------
; Flat segments end at FFFFFFFFh: what begins before and ends behind goes on at 0, as on all processors since
; the Pentium Pro.
wrapping:
    mov ebx, -2
    mov eax, [ebx]
    CHECK_EQ eax, 0x11000001
    mov eax, [0xfffffffe]
    CHECK_EQ eax, 0x11000001
    mov eax, [0xfffffffd]
    CHECK_EQ eax, 0x00000102
    mov ax, [ebx + 1]
    CHECK_EQ ax, 0
    mov al, [ebx + 1]
    CHECK_EQ al, 0
    mov dword [ebx], 0x99887766
    CHECK_EQ dword [0], 0x33229988
    mov dword [0], 0x33221100
    mov eax, [ebx + 0x12]                ; the sum wraps
    CHECK_EQ eax, 0xa1a2a3a4
    mov eax, [ebx + ebx * 8 + 0x12]
    CHECK_EQ eax, 0x33221100
    ; strings
    mov esi, -8
    mov edi, DATA
    mov ecx, 4
    rep movsd
    CHECK_EQ esi, 8
    CHECK_EQ dword [DATA], 0x04050607
    CHECK_EQ dword [DATA + 4], 0x00010203
    CHECK_EQ dword [DATA + 8], 0x33221100
    CHECK_EQ dword [DATA + 12], 0x77665544
    mov esi, -8
    mov ecx, 9
    mov edi, DATA
    rep movsb
    CHECK_EQ esi, 1
    CHECK_EQ byte [DATA + 8], 0
    mov edi, -4
    mov eax, 0x33221100
    mov ecx, 2
    rep stosd
    CHECK_EQ edi, 4
    CHECK_EQ dword [0], 0x33221100
    ; the stack
    mov ecx, esp
    mov esp, 4
    push 0x33221100
    CHECK_EQ esp, 0
    push 5                               ; to a device
    CHECK_EQ esp, -4
    pop eax
    pop eax
    CHECK_EQ eax, 0x33221100
    mov esp, 2
    push 0x11001234                      ; half and half
    CHECK_EQ esp, -2
    CHECK_EQ word [0], 0x1100
    pop eax
    CHECK_EQ eax, 0x11000001
    CHECK_EQ esp, 2
    mov esp, ecx
    ret

; ---- DS and ES ------------------------------------------------------------------------------------------------------------
data_segments:
    mov ebx, BASED_FLAT
    mov ecx, DATA32
    mov edx, 5
.again:
    mov ds, ebx
    mov eax, [0x10]
    mov ds, ecx
    CHECK_EQ eax, DATA + 0x10
    mov es, ebx
    mov edi, 0x40
    stosd
    mov es, ecx
    CHECK_EQ dword [DATA + 0x40], DATA + 0x10
    mov dword [DATA + 0x40], DATA + 0x40
    push ds
    push ebx
    pop ds
    mov eax, [0x14]
    pop ds
    CHECK_EQ eax, DATA + 0x14
    lds esi, [.pointer]
    mov eax, [esi]
    mov ds, ecx
    CHECK_EQ eax, DATA + 0x24
    les edi, [.pointer]
    mov [es:edi], edi
    mov es, ecx
    CHECK_EQ dword [DATA + 0x24], 0x24
    mov dword [DATA + 0x24], DATA + 0x24
    mov eax, 0
    mov es, eax
    RAISES GP, 0, mov eax, [es:DATA]
    mov eax, 0                           ; the handler loaded it
    mov es, eax
    mov edi, DATA
    RAISES GP, 0, stosb
    mov es, ecx
    dec edx
    jnz near .again
    ret
align 4
.pointer: dd 0x24
    dw BASED_FLAT

; ---- SS -------------------------------------------------------------------------------------------------------------------------
stacks:
    mov ecx, esp
    mov edx, 5
.again:
    mov eax, BASED_FLAT
    mov ss, eax
    mov esp, 0x800
    push 0x1234
    pop eax
    push ebx
    CHECK_EQ dword [ss:esp], ebx
    call .nothing
    mov eax, DATA32
    mov ss, eax
    mov esp, ecx
    CHECK_EQ dword [DATA + 0x7fc], ebx
    mov eax, STACK16
    mov ss, eax
    mov esp, 0x12340000
    push dword 0x5678                    ; SP wraps in 16 bits
    CHECK_EQ esp, 0x1234fffc
    pop eax
    CHECK_EQ esp, 0x12340000
    CHECK_EQ eax, 0x5678
    lss esp, [.pointer]
    call .nothing
    mov esp, ecx
    dec edx
    jnz near .again
    ret
.nothing:
    ret
align 4
.pointer: dd 0x7800
    dw DATA32

; ---- CS ---------------------------------------------------------------------------------------------------------------------------
code:
    mov edx, 5
.again:
    call BASED_CODE:ADDR(.based) - 0x1000
    CHECK_EQ eax, 0x77
    call CODE16:ADDR(.short)
    CHECK_EQ eax, 0x78
    call CONFORMING:ADDR(.conforming)
    CHECK_EQ eax, 0x79
    jmp CODE_READ:.read
.read:
    mov eax, cs
    CHECK_EQ eax, CODE_READ
    jmp CODE32:.back
.back:
    dec edx
    jnz near .again
    ret
.based:
    mov eax, 0x77
    call .inner                          ; offsets are 1000h less
    retf
.inner:
    ret
.conforming:
    mov eax, 0x79
    call .inner
    retf
bits 16
.short:
    mov eax, 0x78
    call .short_inner
    o32 retf
.short_inner:
    ret
bits 32

; ---- What is not memory -----------------------------------------------------------------------------------------------------------
devices:
    mov ebx, MMIO
    call .one
    mov ebx, 0x80000000
    call .one
    mov ebx, 0xfffff000
    call .last
    ; half memory, half not: the end of RAM
    mov dword [0xfffffc], 0x87654321
    mov eax, [0xfffffe]
    CHECK_EQ eax, 0xfeff8765
    mov dword [0xfffffe], 0x12345678
    CHECK_EQ dword [0xfffffc], 0x56784321
    ret
.one:
    CHECK_EQ dword [ebx], 0xfcfdfeff
    mov eax, [ebx + 4]
    CHECK_EQ eax, 0xf8f9fafb
.last:
    CHECK_EQ byte [ebx + 0x801], 0xfe
    mov ah, [ebx + 2]
    CHECK_EQ ah, 0xfd
    mov dword [ebx], 5                   ; writes are lost
    stc
    adc dword [ebx + 0x800], 0
    CHECK nc
    CHECK s
    mov edx, 0x55
    xchg [ebx + 0x100], dl
    CHECK_EQ dl, 0xff
    push dword [ebx + 0x20]
    pop eax
    CHECK_EQ al, 0xdf
    push 7
    pop dword [ebx + 0x20]
    CHECK_EQ byte [ebx + 0x20], 0xdf
    mov al, 0xdf
    mov cl, 5
    cmpxchg [ebx + 0x20], cl
    CHECK e
    bts dword [ebx + 0x40], 0
    CHECK c
    lea esi, [ebx + 0x80]
    mov edi, DATA
    mov ecx, 16
    rep movsb
    CHECK_EQ dword [DATA], 0x7c7d7e7f
    CHECK_EQ dword [DATA + 12], 0x70717273
    mov esi, DATA
    lea edi, [ebx + 0x80]
    mov ecx, 4
    rep movsd
    mov al, 0x7f
    lea edi, [ebx + 0x70]
    mov ecx, 0x20
    repne scasb
    CHECK e
    lea eax, [ebx + 0x81]
    CHECK_EQ edi, eax
    mov edi, DATA
.restore:
    mov [edi], edi
    add edi, 4
    cmp edi, DATA + 0x20
    jb .restore
    ret

    BEGIN_GDT
    DESC DATA, 0xfff, 0x93, 4            ; 50
    DESC 0xfffffff0, 0xfffff, 0x93, 0xc
    DESC 0, 0xfffff, 0x91, 0xc           ; 60
    DESC 0, 0, 0x97, 0xc
    DESC 0, 0xfffff, 0x99, 0xc           ; 70
    DESC 0, 0xfffff, 0x9b, 0xc
    DESC DATA, 0xfffff, 0x93, 0xc        ; 80
    DESC 0xfffffffe, 0xfffff, 0x93, 0xc
    DESC 0x60000, 0xffff, 0x93, 0        ; 90
    DESC 0x1000, 0xfffff, 0x9b, 0xc
    DESC 0, 0xfffff, 0x9f, 0xc           ; a0
    DESC DATA, 0xfff, 0x97, 0
    DESC DATA + 3, 0x12345, 0x93, 4      ; b0
gdt_end:
