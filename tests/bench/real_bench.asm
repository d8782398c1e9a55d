; SPDX-License-Identifier: GPL-2.0-or-later
;
; A ROM that measures what real-mode programs do: in real mode, and then the same code in virtual-8086 mode, with
; paging. Each line on the debug console is a test's name and the time stamp counter's ticks for one round of it; the
; least of some rounds counts. Every test's result is compared with what it is known to be. Ends through the exit port:
; status 43. tests/tools/real_bench.py compares with other machines.

bits 16
cpu 686
org 0

%define PASSED 21                       ; status 43
%define FAILED 20                       ; status 41
%define PORT_DEBUG 0xe9
%define PORT_EXIT 0xf4

%define ROM 0xf000
%define DATA_A 0x2000                   ; segments of data
%define DATA_B 0x3000
%define STACK 0x1000
%define DIRECTORY 0x80000               ; linear
%define TABLE 0x81000
%define TSS 0x82000
%define TSS_SIZE (0x68 + 8192 + 1)
%define RING0_STACK 0x7f000
%define SERVICE 0x60
%define ROUNDS 5

; What tests come to.
%define PRIMES 1900
%define CHECKSUM 408
%define TRANSLATE 202
%define CRC 2911
%define FIBONACCI 6765
%define SORT 32455
%define WIDE 62856
%define BLOCKS 30049

%define SEL_CODE 8
%define SEL_DATA 16
%define SEL_TSS 24

absolute 0x500
round:    resw 1
least:    resd 1
started:  resd 1
mode:     resw 1                        ; what a line begins with: offset of a text
pointer_a: resd 1
pointer_b: resd 1
section .text

start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ax, STACK
    mov ss, ax
    mov sp, 0xfff0
    mov word [SERVICE * 4], service
    mov word [SERVICE * 4 + 2], cs
    mov word [mode], text_real
    call all_tests
    jmp to_v86

; ---- The frame -----------------------------------------------------------------------------------------

all_tests:
    mov di, tests
.next:
    mov ax, [cs:di]
    test ax, ax
    jz .done
    push di
    call one_test
    pop di
    add di, 6
    jmp .next
.done:
    ret

; di: a row of tests
one_test:
    xor ax, ax
    mov ds, ax
    mov word [round], ROUNDS
    mov dword [least], -1
.again:
    push di
    rdtsc
    mov [started], eax
    call [cs:di]
    xor cx, cx
    mov ds, cx
    mov es, cx
    pop di
    cmp ax, [cs:di + 4]
    jne .wrong
    rdtsc
    sub eax, [started]
    cmp eax, [least]
    jae .slower
    mov [least], eax
.slower:
    dec word [round]
    jnz .again
    mov si, [mode]
    call print
    mov si, [cs:di + 2]
    call print
    mov eax, [least]
    call print_number
    mov al, 10
    out PORT_DEBUG, al
    ret
.wrong:
    push ax
    mov si, [cs:di + 2]
    call print
    xor eax, eax
    pop ax
    call print_number
    mov al, FAILED
    out PORT_EXIT, al
    hlt

print:
    mov al, [cs:si]
    inc si
    test al, al
    jz .done
    out PORT_DEBUG, al
    jmp print
.done:
    ret

print_number:
    xor cx, cx
    mov ebx, 10
.digit:
    xor edx, edx
    div ebx
    push dx
    inc cx
    test eax, eax
    jnz .digit
.show:
    pop ax
    add al, '0'
    out PORT_DEBUG, al
    loop .show
    ret

service:
    inc bx
    iret

; ---- Tests: the result in AX ---------------------------------------------------------------------------

; Primes below 16384, ten times.
sieve:
    mov ax, DATA_A
    mov ds, ax
    mov es, ax
    mov bp, 10
.times:
    xor di, di
    mov cx, 8192
    xor ax, ax
    rep stosw
    mov si, 2
    xor dx, dx
.candidate:
    cmp byte [si], 0
    jne .composite
    inc dx
    mov bx, si
    add bx, si
.mark:
    cmp bx, 16384
    jae .composite
    mov byte [bx], 1
    add bx, si
    jmp .mark
.composite:
    inc si
    cmp si, 16384
    jb .candidate
    dec bp
    jnz .times
    mov ax, dx
    ret

; A sum with carries over 32 KiB, sixteen times.
checksum:
    call fill_a
    xor dx, dx
    mov bp, 16
.times:
    xor si, si
    mov cx, 16384
    clc
.word:
    lodsw
    adc dx, ax
    loop .word
    dec bp
    jnz .times
    mov ax, dx
    ret

; A byte at a time from one segment to the other, with a change.
translate:
    call fill_a
    mov ax, DATA_B
    mov es, ax
    mov bp, 4
.times:
    xor si, si
    xor di, di
    mov cx, 32768
    xor bx, bx
.byte:
    lodsb
    xor al, bl
    add bl, al
    stosb
    dec cx
    jnz .byte
    dec bp
    jnz .times
    mov al, bl
    mov ah, 0
    ret

; CRC-16 of 16 KiB, bit by bit.
crc:
    call fill_a
    xor si, si
    mov cx, 16384
    mov dx, 0xffff
.byte:
    mov ah, [si]
    inc si
    xor dh, ah
    mov bl, 8
.bit:
    add dx, dx
    jnc .no
    xor dx, 0x1021
.no:
    dec bl
    jnz .bit
    loop .byte
    mov ax, dx
    ret

; Fibonacci's 20th number by recursion.
fibonacci:
    mov ax, 20
.of:
    cmp ax, 2
    jb .done
    push ax
    dec ax
    call .of
    pop bx
    push ax
    mov ax, bx
    sub ax, 2
    call .of
    pop bx
    add ax, bx
.done:
    ret

; Words sorted by insertion: 512 of them.
sort:
    call fill_a
    mov si, 2
.next:
    mov ax, [si]
    mov bx, si
.move:
    mov dx, [bx - 2]
    cmp dx, ax
    jbe .place
    mov [bx], dx
    sub bx, 2
    jnz .move
.place:
    mov [bx], ax
    add si, 2
    cmp si, 1024
    jb .next
    mov ax, [512]
    xor ax, [0]
    xor ax, [1022]
    ret

; Numbers of 32 bits: products, quotients.
wide:
    mov ecx, 20000
    mov eax, 12345
    xor ebx, ebx
.next:
    imul eax, eax, 1103515245
    add eax, 12345
    mov esi, eax
    xor edx, edx
    mov edi, 1000
    div edi
    add ebx, edx
    mov eax, esi
    dec ecx
    jnz .next
    mov ax, bx
    ret

; Pointers with their segments: a linked list whose links are far.
pointers:
    xor ax, ax
    mov ds, ax
    mov word [pointer_a], 0
    mov word [pointer_a + 2], DATA_A
    mov word [pointer_b], 16
    mov word [pointer_b + 2], DATA_B
    mov cx, 20000
    xor dx, dx
.next:
    les di, [pointer_a]
    mov [es:di], cx
    push es
    les bx, [pointer_b]
    mov ax, [es:bx]
    add dx, ax
    mov [es:bx], dx
    pop es
    add dx, [es:di]
    loop .next
    xor ax, ax
    mov es, ax
    mov ax, 1
    ret

; Calls to another segment, as those to a runtime library are.
far_calls:
    mov cx, 10000
    xor bx, bx
.next:
    call ROM:.function
    loop .next
    mov ax, bx
    ret
.function:
    inc bx
    retf

; Software interrupts, which a BIOS and DOS are called by.
services:
    mov cx, 10000
    xor bx, bx
.next:
    int SERVICE
    loop .next
    mov ax, 10000
    ret

; Blocks of 64 bytes by REP MOVSW.
blocks:
    call fill_a
    mov ax, DATA_B
    mov es, ax
    mov bp, 4000
.next:
    xor si, si
    xor di, di
    mov cx, 32
    rep movsw
    dec bp
    jnz .next
    mov ax, [es:62]
    ret

; PUSHF, CLI, work, POPF, as critical sections are.
flags:
    mov cx, 20000
    xor ax, ax
.next:
    pushf
    cli
    inc ax
    popf
    loop .next
    ret

; ds = DATA_A, with 32 KiB that look random
fill_a:
    mov ax, DATA_A
    mov ds, ax
    xor bx, bx
    mov ax, 1
.next:
    imul ax, ax, 25173
    add ax, 13849
    mov [bx], ax
    add bx, 2
    cmp bx, 0x8000
    jb .next
    ret

%macro row 3
    dw %1, %%name, %3
    [section .names]
%%name: db %2, " ", 0
    __?SECT?__
%endmacro

section .names follows=.text vstart=0x6000 align=1
section .text

tests:
    row sieve, "sieve", PRIMES
    row checksum, "checksum", CHECKSUM
    row translate, "translate", TRANSLATE
    row crc, "crc", CRC
    row fibonacci, "fibonacci", FIBONACCI
    row sort, "sort", SORT
    row wide, "wide", WIDE
    row pointers, "pointers", 1
    row far_calls, "far-calls", 10000
    row services, "services", 10000
    row blocks, "blocks", BLOCKS
    row flags, "flags", 20000
    dw 0

text_real: db "real.", 0
text_v86: db "v86.", 0

; ---- Virtual-8086 mode ---------------------------------------------------------------------------------

to_v86:
    xor ax, ax
    mov ds, ax
    mov word [mode], text_v86
    mov ax, TSS >> 4
    mov es, ax
    xor di, di
    xor ax, ax
    mov cx, TSS_SIZE
    rep stosb
    mov dword [es:4], RING0_STACK
    mov word [es:8], SEL_DATA
    mov word [es:0x66], 0x68
    mov byte [es:TSS_SIZE - 1], 0xff
    mov ax, DIRECTORY >> 4
    mov es, ax
    xor di, di
    xor eax, eax
    mov cx, 1024
    rep stosd
    mov dword [es:0], TABLE | 7
    mov eax, 7
    mov cx, 1024
    mov di, TABLE - DIRECTORY
.page:
    stosd
    add eax, 0x1000
    loop .page
    lgdt [cs:gdt_pointer]
    lidt [cs:idt_pointer]
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000001
    mov cr0, eax
    jmp dword SEL_CODE:(ROM << 4) + protected

bits 32
protected:
    mov ax, SEL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, RING0_STACK
    mov ax, SEL_TSS
    ltr ax
    push dword 0                        ; gs, fs, ds, es
    push dword 0
    push dword 0
    push dword 0
    push dword STACK
    push dword 0xfff0
    push dword 0x23002                  ; VM, IOPL 3
    push dword ROM
    push dword in_v86
    iretd

; INT n of the program: at CPL 0, and back.
service32:
    iretd

unexpected:
    mov al, FAILED
    out PORT_EXIT, al
    hlt

bits 16
in_v86:
    call all_tests
    mov al, PASSED
    out PORT_EXIT, al
.stop:
    jmp .stop

align 8
gdt:
    dq 0
    dq 0x00cf9b000000ffff
    dq 0x00cf93000000ffff
    dw TSS_SIZE - 1, TSS & 0xffff, 0x8900 | TSS >> 16, 0
gdt_pointer:
    dw $ - gdt - 1
    dd (ROM << 4) + gdt

align 8
idt:
%assign vector 0
%rep SERVICE + 1
%if vector == SERVICE
    dw service32, SEL_CODE, 0xee00, (ROM << 4) >> 16
%else
    dw unexpected, SEL_CODE, 0x8e00, (ROM << 4) >> 16
%endif
%assign vector vector + 1
%endrep
idt_pointer:
    dw $ - idt - 1
    dd (ROM << 4) + idt

    times 0x6000 - ($ - $$) db 0xff
section .vector start=0xfff0 vstart=0xfff0
    jmp ROM:start
    times 0x10000 - 0xfff0 - ($ - $$) db 0xff
