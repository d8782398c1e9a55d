; SPDX-License-Identifier: GPL-2.0-or-later
; Interrupts that come by themselves while CPL 3 runs: they arrive in loops that do nothing else, between
; instructions only, in both halves of a REP (RF is set there), and leave every register and flag as it was; not while IF is clear.
; Each computation is done with interrupts and without, and must give the same. SDM 3A, "Maskable Hardware
; Interrupts", "Masking Exceptions and Interrupts When Switching Stacks".
%include "user.inc"

%define TICK 0x50
%define ENOUGH 20              ; interrupts each test waits for
%define IF 0x200
%define RF 0x10000
%define STOS_COUNT 0x20000
%define MOVS_COUNT 0x8000
; Rounds of a computation: many enough for interrupts to come; -D SHORT for engines that take long for each.
%ifdef SHORT
%define ROUNDS(n) ((n) / 100)
%define WAIT 2000
%else
%define ROUNDS(n) (n)
%define WAIT 20000000
%endif

%macro TICKS 1
    mov al, %1
    out PORT_TICKS, al
%endmacro

; SET_HANDLER vector, label
%macro SET_HANDLER 2
    mov eax, %2
    mov [IDT_AT + 8 * (%1)], ax
    shr eax, 16
    mov [IDT_AT + 8 * (%1) + 6], ax
%endmacro

start:
    START_KERNEL
    SET_HANDLER TICK, tick
    call test_injected
    TICKS TICK
    call test_tight
    call test_integer
    call test_floating
    call test_strings
    call test_sensitive
    call test_based
    call test_masked
    TICKS 0
    PASS

bits 32
; ---- The handler: counts, uses everything, restores it -------------------------------------------------------
tick:
    pushad
    push ds
    mov eax, DATA32
    mov ds, ax
    inc dword [ticks]
    mov eax, [esp + 36 + 4]              ; CS of what was interrupted
    and eax, 3
    cmp eax, 3
    jne .bad
    mov eax, [esp + 36]
    mov [tick_eip], eax
    sub eax, [low_eip]
    cmp eax, [eip_range]
    jae .bad
    mov eax, [esp + 36 + 8]
    mov [tick_eflags], eax
    test eax, IF
    jz .bad
    call check_rf
    fxsave [tick_fpu]
    fninit
    fldpi
    pxor xmm0, xmm0
    pxor xmm6, xmm6
    pcmpeqd xmm7, xmm7
    fxrstor [tick_fpu]
    cmp dword [leave_to], 0
    je .stay
    cmp dword [ticks], ENOUGH
    jb .stay
    mov eax, [leave_to]
    mov [esp + 36], eax
.stay:
    pop ds
    popad
    iretd
.bad:
    FAIL_HERE "an interrupt where none may be"

; RF is pushed clear, but set in the middle of a REP, where ECX is no more what a round begins with.
check_rf:
    mov ebx, [esp + 4 + 36]              ; EIP
    mov ecx, [esp + 4 + 28]              ; ECX
    cmp dword [in_strings], 0
    je .clear
    cmp byte [ebx], 0xf3                 ; in that test, all these are REP
    jne .clear
    cmp ecx, STOS_COUNT
    je .either
    cmp ecx, MOVS_COUNT
    je .either
    inc dword [amid]
    test eax, RF
    jnz .either
    FAIL_HERE "RF is clear in the middle of a REP"
.clear:
    test eax, RF
    jz .either
    FAIL_HERE "RF is set between instructions"
.either:
    ret

align 16
tick_fpu: times 512 db 0
ticks: dd 0
tick_eip: dd 0
tick_eflags: dd 0
low_eip: dd 0
eip_range: dd -1
in_strings: dd 0
amid: dd 0                     ; interrupts in the middle of a REP
leave_to: dd 0                 ; where the handler returns to after ENOUGH interrupts

; WITHIN first, end: interrupts must come at addresses from first to end - 1
%macro WITHIN 2
    mov dword [ticks], 0
    mov dword [low_eip], (%1) - UBASE
    mov dword [eip_range], (%2) - (%1)
%endmacro

; ---- One at a time, asked for by the user: right behind the OUT ----------------------------------------------
%define UFLAGS (0x202 | IOPL3)
test_injected:
    BEGIN_PIECE
    mov al, 0x60
    out PORT_INTERRUPT, al
    END_PIECE
    CHECK_EQ dword [got_vector], 0x60
    CHECK_EQ dword [got_eip], piece_next
    ; with IF clear it waits; STI lets one instruction pass
    USER_CODE .sti
    cli
    mov al, 0x61
    out PORT_INTERRUPT, al
    mov ecx, 5
    sti
    inc ecx
.sti_at:
    inc ecx
    END_USER
    ENTER .sti
    RAISED 0x61, NOTHING, .sti_at
    CHECK_EQ ecx, 6
    USER_CODE .popf
    pushfd
    cli
    mov al, 0x62
    out PORT_INTERRUPT, al
    mov ecx, 7
    popfd
.popf_at:
    inc ecx
    END_USER
    ENTER .popf
    RAISED 0x62, NOTHING, .popf_at
    CHECK_EQ ecx, 7
    ; MOV SS
    USER_CODE .ss
    cli
    mov edx, ss
    mov al, 0x63
    out PORT_INTERRUPT, al
    push dword 0x3202
    mov ecx, 1
    popfd
.ss_at:
    mov ss, dx
    inc ecx
    END_USER
    ENTER .ss
    RAISED 0x63, NOTHING, .ss_at
    ; an IRET at CPL 3 that sets IF
    USER_CODE .iret
    cli
    mov al, 0x64
    out PORT_INTERRUPT, al
    push dword 0x3202
    push cs
    push dword .iret_at
    iretd
.iret_at:
    END_USER
    ENTER .iret
    RAISED 0x64, NOTHING, .iret_at
    ; into the kernel with IF clear, and back with it set
    USER_CODE .return
    cli
    mov al, 0x65
    out PORT_INTERRUPT, al
    int 0x80
.return_at:
    nop
    END_USER
    ENTER .return
    RAISED 0x80, NOTHING, .return_at
    or dword [got_eflags], IF
    call continue_user
    RAISED 0x65, NOTHING, .return_at
    ; an NMI does not ask IF
    USER_CODE .nmi
    cli
    out PORT_NMI, al
.nmi_at:
    nop
    END_USER
    ENTER .nmi
    RAISED 2, NOTHING, .nmi_at
    push dword 2                         ; NMIs are blocked until an IRET
    push cs
    push dword .unblocked
    iretd
.unblocked:
    ret
%define UFLAGS 0x202

; ---- Loops without any reason to leave -----------------------------------------------------------------------
test_tight:
    USER_CODE .forever
    jmp .forever
.left:
    END_USER
    mov dword [leave_to], .left
    WITHIN .forever, .left + 1            ; where one may come, too
    ENTER .forever
    CAME_BACK
    ; two that call each other, a computed one
    USER_CODE .calls
    mov eax, .routine
.again:
    call eax
    jmp .again
.routine:
    ret
.left2:
    END_USER
    mov dword [leave_to], .left2
    WITHIN .calls, .left2 + 1
    mov dword [user_esp], U_STACK
    ENTER .calls
    CAME_BACK
    ; with LOCK, over two pages of code
    USER_CODE .locked
    lock inc dword [U_FREE]
    jmp far_piece
.left3:
    END_USER
    mov dword [leave_to], .left3
    WITHIN .locked, far_piece + 5
    ENTER .locked
    CAME_BACK
    mov dword [leave_to], 0
    ret
section .user
align 4096
far_piece:
    jmp test_tight.locked
section .text

; TWICE label, first, end, registers...: without interrupts, then again and again until enough have come
%macro TWICE 3-*
%define UFLAGS 2
    ENTER %1
    CAME_BACK
%rotate 3
%assign i 0
%rep %0 - 3
    mov [expected + 4 * i], %1
%assign i i + 1
%rotate 1
%endrep
%define UFLAGS 0x202
    WITHIN %2, %3
%%again:
    ENTER %1
    CAME_BACK
%rotate 3
%assign i 0
%rep %0 - 3
    CHECK_EQ [expected + 4 * i], %1
%assign i i + 1
%rotate 1
%endrep
    cmp dword [ticks], ENOUGH
    jb %%again
%endmacro
align 4
expected: times 8 dd 0

; ---- All general registers and the flags, from round to round ------------------------------------------------
test_integer:
    USER_CODE .code
    mov eax, 1
    mov ebx, 2
    mov edx, 3
    mov esi, 4
    mov edi, 5
    mov ebp, 6
    mov ecx, ROUNDS(300000)
    clc
.loop:                                   ; the carry lives from round to round
    adc eax, ebx
    rcl ebx, 5
    adc edx, eax
    rcr esi, 3
    sbb edi, edx
    adc ebp, esi
    bt edi, 7
    rcl ebx, 1
    lea esi, [esi + ebp * 4 + 9]
    cmc
    dec ecx
    jnz .loop
    pushfd
    pop ecx
    and ecx, 0x8d5
    END_USER
    TWICE .code, .code, .code + 0x80, eax, ebx, ecx, edx, esi, edi, ebp
    ; DF and a stack in use
    USER_CODE .stack
    mov ecx, ROUNDS(40000)
    xor eax, eax
    std
.push:
    push ecx
    push eax
    xchg eax, [esp + 4]
    pop ebx
    pop edx
    add eax, ebx
    lea eax, [eax + edx * 2 + 1]
    dec ecx
    jnz .push
    pushfd
    pop ebx
    and ebx, 0x400
    cld
    END_USER
    TWICE .stack, .stack, .stack + 0x80, eax, ebx, edx
    CHECK_EQ ebx, 0x400
    ret

; ---- x87, MMX and SSE ----------------------------------------------------------------------------------------
test_floating:
    USER_CODE .code
    fninit
    mov dword [U_FREE], 0x3f800347       ; 1.0001
    mov dword [U_FREE + 4], 0x40490fdb
    fldz
    fld1
    fld dword [U_FREE]
    movss xmm0, [U_FREE]
    movss xmm1, [U_FREE + 4]
    pxor xmm6, xmm6
    mov eax, 0x01020304
    movd xmm7, eax
    mov ecx, ROUNDS(100000)
.loop:
    fmul st1, st0
    fld st1
    faddp st3, st0
    mulss xmm1, xmm0
    addss xmm6, xmm1
    paddd xmm7, xmm6
    pxor xmm7, xmm1
    dec ecx
    jnz .loop
    fstp st0
    fstp qword [U_FREE + 0x10]
    fstp qword [U_FREE + 0x18]
    movd eax, xmm6
    movd ebx, xmm7
    mov esi, [U_FREE + 0x10]
    mov edi, [U_FREE + 0x14]
    mov ebp, [U_FREE + 0x18]
    mov edx, [U_FREE + 0x1c]
    END_USER
    TWICE .code, .code, .code + 0x100, eax, ebx, edx, esi, edi, ebp
    fninit
    ret

; ---- REP: the instruction is interrupted, its registers show how far it came ---------------------------------
test_strings:
    USER_CODE .code
    mov ebx, ROUNDS(300)
    xor eax, eax
    xor edx, edx
.round:
    mov edi, U_FREE + 0x1000
    mov ecx, STOS_COUNT
    mov al, bl
    rep stosb
    mov esi, U_FREE + 0x1000
    mov edi, U_FREE + 0x41003
    mov ecx, MOVS_COUNT
    rep movsd
    mov esi, U_FREE + 0x1000
    mov edi, U_FREE + 0x41003
    mov ecx, STOS_COUNT
    repe cmpsb
    lea edx, [edx + ecx + 1]
    setne dh
    dec ebx
    jnz .round
    END_USER
    mov dword [in_strings], 1
    TWICE .code, .code, .code + 0x100, eax, ecx, edx, esi, edi
    mov dword [in_strings], 0
    cmp dword [amid], 0
    CHECK ne
    ret

; ---- Instructions an engine looks after ----------------------------------------------------------------------
test_sensitive:
    USER_CODE .code
    mov ebp, ROUNDS(3000)
    xor esi, esi
    xor edi, edi
.loop:
    mov eax, ds
    add esi, eax
    push cs
    pop eax
    add edi, eax
    pushfd
    pop eax
    and eax, 0xd5
    add esi, eax
    xor eax, eax
    cpuid
    add edi, ebx
    mov eax, UDATA32
    mov gs, ax
    add esi, [gs:U_DATA + 0x10]
    str ax
    add esi, eax
    dec ebp
    jnz .loop
    END_USER
    TWICE .code, .code, .code + 0x100, esi, edi
    ret

; ---- Code with a base, 16-bit stacks -------------------------------------------------------------------------
%define LDT_SEL 0x50
%define C_BASE 0x07
%define S_16 0x0f
test_based:
    mov eax, LDT_SEL
    lldt ax
    mov dword [user_cs], C_BASE
    mov dword [user_ss], S_16
    mov dword [user_esp], 0x4000
%define UBASE U_CODE
    USER_CODE .code
    mov ecx, ROUNDS(60000)
    xor eax, eax
.loop:
    push ecx
    add eax, ecx
    call .routine
    pop ecx
    dec ecx
    jnz .loop
    mov ebx, esp
    END_USER
    section .user
.routine:
    rol eax, 1
    ret
    section .text
    TWICE .code, .code, .code + 0x100, eax, ecx, ebx
%define UBASE 0
    mov dword [user_cs], UCODE32
    mov dword [user_ss], UDATA32
    mov dword [user_esp], U_STACK
    ret

; ---- None come while IF is clear -----------------------------------------------------------------------------
test_masked:
    mov dword [ticks], 0
    mov dword [low_eip], 0
    mov dword [eip_range], -1
%define UFLAGS (0x202 | IOPL3)
    USER_CODE .code
    cli
    int 0x80                             ; IF is clear from here
    mov ecx, WAIT
.wait:
    dec ecx
    jnz .wait
    int 0x80                             ; until here
    sti
    nop
.open:
    mov ecx, WAIT
.wait2:
    dec ecx
    jnz .wait2
    END_USER
    mov dword [leave_to], 0
    ENTER .code
    CHECK_EQ dword [got_vector], 0x80
    mov dword [ticks], 0                 ; one may have come before the CLI
    call continue_user
    CHECK_EQ dword [got_vector], 0x80
    CHECK_EQ dword [ticks], 0
    call continue_user
    CAME_BACK
%ifndef SHORT
    cmp dword [ticks], 0
    CHECK ne
%endif
%define UFLAGS 0x202
    ret

align 8
ldt:
    DESC U_CODE, 0xffff, 0xfb, 4
    DESC U_FREE + 0x80000, 0xffff, 0xf3, 0
ldt_end:
BEGIN_GDT
    DESC ADDR(ldt), ldt_end - ldt - 1, 0x82, 0
END_GUEST
