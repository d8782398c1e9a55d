; SPDX-License-Identifier: GPL-2.0-or-later
;
; A ROM in real mode that counts ticks of counter 0 at 1000 Hz beside accesses to other chips, and compares with the
; seconds of the real-time clock. The host may be busy, and the guest late by much; but when it has had a rest there are
; as many ticks as periods, and never more. Nothing here depends on how fast the guest is. Only when it falls behind by
; a whole second, more than is promised to be made up for, does it say nothing about ticks.
;
; Ends through the exit port with PASSED, or after a line on the debug console with FAILED or SKIPPED.

bits 16
cpu 386
org 0xf000                              ; the last 4 KiB below 1 MiB

%include "guest_exit.inc"
%define SKIPPED 22                      ; status 45

%define PIC1 0x20
%define EOI 0x20
%define VECTOR_TIMER 0x08
%define COUNTERS 0x40
%define COUNTER_CONTROL 0x43
%define PORT_B 0x61
%define CMOS_INDEX 0x70
%define CMOS_DATA 0x71

%define COUNT 1193                      ; 1000.15 a second
%define BUSY 4                          ; seconds without a rest ...
%define MOST 14                         ; ... and until all ticks must have come
%define SLACK 2                         ; what may be under way
%define TOO_LATE 900                    ; ticks behind
%define TRIES 30                        ; seconds to begin with

absolute 0x500
ticks:   resd 1
before:  resw 1                         ; counter 2 before the last look at the clock, and before that one
earlier: resw 1
section .text

start:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov word [VECTOR_TIMER * 4], on_timer
    mov word [VECTOR_TIMER * 4 + 2], cs
    mov dword [ticks], 0
    call set_up_chips
    sti

    ; Begin with a second: that is, less than 2 ms after it was seen to have begun.
    call seconds
    mov bl, al
    mov bp, TRIES
.await:
    mov ax, [before]
    mov [earlier], ax
    call counter2
    mov [before], ax
    call seconds
    cmp al, bl
    je .await
    mov bl, al
    call counter2
    sub ax, [earlier]                   ; it counts down
    neg ax
    cmp ax, 2 * COUNT
    jbe .begin
    dec bp
    jnz .await
    jmp skip
.begin:
    cli
    call start_counter0
    mov dword [ticks], 0
    sti

    ; EDI: seconds that have passed.
    xor edi, edi
.count:
    cmp edi, BUSY
    jb .work
    hlt
    jmp .look
.work:
    mov ecx, 20000                      ; the accesses shall not be all it does
    a32 loop $
.look:
    call seconds
    mov esi, [ticks]
    cmp al, bl
    je .same
    mov bl, al
    inc edi
    imul eax, edi, 1000
    sub eax, SLACK
    lea ecx, [esi + TOO_LATE]
    cmp ecx, eax
    jb skip
    cmp edi, BUSY
    jbe .same
    cmp esi, eax
    jae passed
    cmp edi, MOST
    mov cx, too_few
    jae fail
.same:
    lea eax, [edi + 1]
    imul eax, eax, 1001
    add eax, SLACK
    cmp esi, eax
    mov cx, too_many
    ja fail
    jmp .count

passed:
    mov al, PASSED
    jmp finish

on_timer:
    push ax
    inc dword [ticks]
    mov al, EOI
    out PIC1, al
    pop ax
    iret

; ---- Chips -------------------------------------------------------------------------------------------------

seconds:                                ; AL
    mov al, 0
    out CMOS_INDEX, al
    in al, CMOS_DATA
    ret

counter2:                               ; AX
    mov al, 0x80
    out COUNTER_CONTROL, al
    in al, COUNTERS + 2
    mov ah, al
    in al, COUNTERS + 2
    xchg al, ah
    ret

start_counter0:
    mov al, 0x34                        ; mode 2
    out COUNTER_CONTROL, al
    mov al, COUNT & 0xff
    out COUNTERS, al
    mov al, COUNT >> 8
    out COUNTERS, al
    ret

set_up_chips:
    mov al, 0x11                        ; ICW1: cascade, edge triggered, ICW4 follows
    out PIC1, al
    mov al, VECTOR_TIMER
    out PIC1 + 1, al
    mov al, 4
    out PIC1 + 1, al
    mov al, 1
    out PIC1 + 1, al
    mov al, 0xfe                        ; the timer alone
    out PIC1 + 1, al
    in al, PORT_B
    and al, 0xfc
    or al, 1                            ; gate of counter 2; no sound
    out PORT_B, al
    mov al, 0xb4                        ; counter 2: mode 2, 65536
    out COUNTER_CONTROL, al
    xor al, al
    out COUNTERS + 2, al
    out COUNTERS + 2, al
    jmp start_counter0                  ; OUT goes up, once: not again when it is set anew

; ---- Ends --------------------------------------------------------------------------------------------------

too_late: db "the host let the guest run too little for this test", 10, 0
too_few: db "too few ticks: ", 0
too_many: db "too many ticks: ", 0
after: db " after seconds: ", 0

skip:
    cli
    mov si, too_late
    call print
    mov al, SKIPPED
    jmp finish

fail:                                   ; CX: text, ESI: ticks, EDI: seconds
    cli
    push esi
    mov si, cx
    call print
    pop eax
    call number
    mov si, after
    call print
    mov eax, edi
    call number
    mov al, 10
    out PORT_DEBUG, al
    mov al, FAILED
finish:
    out PORT_EXIT, al
.stop:
    jmp .stop

print:
    cs lodsb
    test al, al
    jz .end
    out PORT_DEBUG, al
    jmp print
.end:
    ret

number:                                 ; EAX, decimal
    mov ebx, 10
    xor cx, cx
.divide:
    xor edx, edx
    div ebx
    push dx
    inc cx
    test eax, eax
    jnz .divide
.digit:
    pop ax
    add al, '0'
    out PORT_DEBUG, al
    loop .digit
    ret

    times 0xff0 - ($ - $$) db 0xff
    jmp 0xf000:start                    ; the reset vector
    times 0x1000 - ($ - $$) db 0xff
