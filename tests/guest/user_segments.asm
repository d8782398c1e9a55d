; SPDX-License-Identifier: GPL-2.0-or-later
; Segments at CPL 3 that are not flat: bases, limits, expand-down, read-only, 16-bit, in every data segment
; register and in CS. Each is a row of the local descriptor table; accesses go just inside and just outside.
; SDM 3A, "Limit Checking", "Type Checking", "Loading Segment Registers". -D NO_CODE_READS leaves out what reads
; code that ran.
%include "user.inc"

%define LDT_SEL 0x50
%define D_SHORT 0x07           ; U_DATA, 256 bytes
%define D_PAGES 0x0f           ; U_DATA, two pages
%define D_READ 0x17            ; U_DATA, 256 bytes, read-only
%define D_DOWN 0x1f            ; expand-down, 32-bit: above FFF of a base below U_DATA
%define D_DOWN16 0x27          ; expand-down, 16-bit: 1000..FFFF
%define D_ABSENT 0x2f
%define D_4G 0x37              ; base 10000h, 4 GiB: wraps
%define S_16 0x3f              ; stack of 64 KiB, 16-bit
%define S_SHORT 0x47           ; stack of 256 bytes, 32-bit
%define C_BASE 0x4f            ; code at U_CODE, 64 KiB
%define C_EXECUTE 0x57         ; the same, not readable
%define C_SHORT 0x5f           ; code that ends behind `last_instruction`
%define C_FLAT 0x67            ; flat, by another name
%define C_CONFORM 0x6f         ; conforming, base U_CODE
%define D_CODE 0x77            ; data at U_CODE
%define DOWN_BASE (U_DATA - 0x1000)

; LIMIT register, selector, last good offset, first bad width: reads and writes of 1, 2 and 4 bytes at the limit
%macro LIMIT 3
    mov dword [user_%1], %2
    U_RUNS {mov al, [%1:%3]}
    U_RUNS {mov ax, [%1:%3 - 1]}
    U_RUNS {mov eax, [%1:%3 - 3]}
    U_RUNS {mov [%1:%3 - 3], eax}
    U_RUNS {inc byte [%1:%3]}
    U_RAISES GP, 0, {mov al, [%1:%3 + 1]}
    U_RAISES GP, 0, {mov [%1:%3 + 1], al}
    U_RAISES GP, 0, {mov ax, [%1:%3]}
    U_RAISES GP, 0, {mov eax, [%1:%3 - 2]}
    U_RAISES GP, 0, {mov [%1:%3], eax}
    U_RAISES GP, 0, {add [%1:%3 - 2], eax}
    U_RAISES GP, 0, {fld qword [%1:%3 - 6]}
    U_RAISES GP, 0, {mov al, [%1:-1]}
    mov dword [user_%1], UDATA32
%endmacro

start:
    START_KERNEL
    mov ax, LDT_SEL
    lldt ax
    call test_bases
%ifndef IN_QEMU                          ; it looks at bases only, not at limits, rights or null selectors
    call test_limits
    call test_down
    call test_rights
    call test_null
    call test_stack
    call test_stack16
    call test_code
    call test_strings
%endif
    PASS

bits 32
; ---- Bases ---------------------------------------------------------------------------------------------------
test_bases:
    mov dword [U_DATA], 0x11111111
    mov dword [U_DATA + 0x10], 0x22222222
    mov dword [user_ds], D_SHORT
    mov ebx, 0x10
    mov esi, 8
    SHOWS eax, 0x11111111, {mov eax, [0]}
    SHOWS eax, 0x22222222, {mov eax, [ebx]}
    SHOWS eax, 0x22222222, {mov eax, [esi * 2]}
    SHOWS eax, 0x11111111, {mov eax, [ebx - 0x10]}
    SHOWS eax, 0x22222222, {a16 mov eax, [bx]}
    U_RUNS {mov dword [0x20], 0x33333333}
    CHECK_EQ dword [U_DATA + 0x20], 0x33333333
    U_RUNS {mov eax, 0x5a5a5a5a}, {mov [0x24], eax}
    CHECK_EQ dword [U_DATA + 0x24], 0x5a5a5a5a
    U_RUNS {lock xadd [0x24], eax}
    CHECK_EQ dword [U_DATA + 0x24], 0xb4b4b4b4
    U_RUNS {mov eax, [ss:U_DATA]}        ; the others are flat
    CHECK_EQ eax, 0x11111111
    U_RUNS {mov eax, [cs:U_DATA]}
    CHECK_EQ eax, 0x11111111
    U_RUNS {lea eax, [ebx + 5]}          ; no base
    CHECK_EQ eax, 0x15
    mov dword [user_ds], UDATA32
%macro REACHES 1
    mov dword [user_%1], D_SHORT
    SHOWS eax, 0x22222222, {mov eax, [%1:0x10]}
    U_RUNS {movups xmm0, [%1:0x10]}, {movups [%1:0x30], xmm0}
    CHECK_EQ dword [U_DATA + 0x30], 0x22222222
    mov dword [user_%1], UDATA32
    SHOWS eax, 0x22222222, {mov eax, [%1:U_DATA + 0x10]}
%endmacro
    REACHES es
    REACHES fs
    REACHES gs
    ; 4 GiB with a base: offsets wrap around the end
    mov dword [user_fs], D_4G
    SHOWS eax, 0x22222222, {mov eax, [fs:U_DATA + 0x10 - 0x10000]}
    mov dword [user_gs], D_4G
    SHOWS eax, 0x22222222, {mov eax, [gs:U_DATA + 0x10 - 0x10000]}
    mov dword [user_ds], D_4G
    SHOWS eax, 0x22222222, {mov eax, [U_DATA + 0x10 - 0x10000]}
    mov dword [user_ds], UDATA32
%if PAGING != PAGING_NONE
    U_PF 5, 0x8000, {mov eax, [fs:-0x8000]} ; linear 8000: the kernel's
    U_PF 7, 0x8000, {mov [gs:-0x8000], eax}
%endif
    mov dword [user_fs], UDATA32
    mov dword [user_gs], UDATA32
    ; all four apart
    mov dword [user_ds], D_SHORT
    mov dword [user_es], D_PAGES
    mov dword [user_fs], D_READ
    mov dword [user_gs], D_4G
    U_RUNS {mov eax, [0x10]}, {mov ebx, [es:0x10]}, {mov ecx, [fs:0x10]}, {mov edx, [gs:U_DATA - 0xfff0]}
    CHECK_EQ eax, 0x22222222
    CHECK_EQ ebx, 0x22222222
    CHECK_EQ ecx, 0x22222222
    CHECK_EQ edx, 0x22222222
    mov dword [user_ds], UDATA32
    mov dword [user_es], UDATA32
    mov dword [user_fs], UDATA32
    mov dword [user_gs], UDATA32
    ret

; ---- Limits --------------------------------------------------------------------------------------------------
test_limits:
    LIMIT ds, D_SHORT, 0xff
    LIMIT es, D_SHORT, 0xff
    LIMIT fs, D_SHORT, 0xff
    LIMIT gs, D_SHORT, 0xff
    LIMIT ds, D_PAGES, 0x1fff
    LIMIT gs, D_PAGES, 0x1fff
    ret

test_down:
    mov dword [U_DATA], 0x44444444
    mov dword [user_gs], D_DOWN
    SHOWS eax, 0x44444444, {mov eax, [gs:0x1000]}
    U_RUNS {mov [gs:0x1000], eax}
    U_RAISES GP, 0, {mov al, [gs:0xfff]}
    U_RAISES GP, 0, {mov eax, [gs:0xffd]}
    U_RAISES GP, 0, {mov [gs:0], eax}
    U_RUNS {mov eax, [gs:0x20000]}
    mov dword [user_ds], D_DOWN16
    U_RUNS {mov eax, [0x1000]}
    U_RUNS {mov eax, [0xfffc]}
    U_RAISES GP, 0, {mov eax, [0xfffd]}
    U_RAISES GP, 0, {mov al, [0x10000]}
    U_RAISES GP, 0, {mov al, [0xfff]}
    mov dword [user_ds], UDATA32
    mov dword [user_gs], UDATA32
    ret

; ---- What may be done through a segment ----------------------------------------------------------------------
test_rights:
    mov dword [U_DATA], 0x55555555
    mov dword [user_ds], D_READ
    SHOWS eax, 0x55555555, {mov eax, [0]}
    U_RAISES GP, 0, {mov [0], eax}
    U_RAISES GP, 0, inc dword [0]
    U_RAISES GP, 0, {xchg [0], eax}
    U_RAISES GP, 0, {bts dword [0], 1}
    U_RUNS {cmp [0], eax}
    U_RUNS {test [0], eax}
    mov dword [user_ds], UDATA32
    CHECK_EQ dword [U_DATA], 0x55555555
    mov dword [user_fs], D_READ
    U_RAISES GP, 0, {mov [fs:0], eax}
    mov dword [user_fs], UDATA32
    mov dword [user_es], D_READ
    mov edi, 0
    U_RAISES GP, 0, stosb
    mov dword [user_es], UDATA32
    ; a descriptor that is gone: only the load looks at it
    mov eax, D_ABSENT
    U_RAISES NP, D_ABSENT & ~3, {mov ds, ax}
    U_RAISES NP, D_ABSENT & ~3, {mov gs, ax}
    U_RAISES SS_, D_ABSENT & ~3, {mov ss, ax}
    USER_CODE .gone
    mov eax, D_SHORT
    mov gs, ax
    mov eax, [gs:0]
    int 0x80
    mov eax, [gs:0]
    mov ecx, gs
    END_USER
    mov dword [user_gs], D_SHORT
    ENTER .gone
    CHECK_EQ dword [got_vector], 0x80
    and byte [ldt + (D_SHORT & ~7) + 5], 0x7f
    mov dword [resume], .left            ; not through enter_user, which would load GS
    mov [resume_esp], esp
    mov [tss_main + 4], esp
    push dword [got_ss]
    push dword [got_esp]
    push dword [got_eflags]
    push dword [got_cs]
    push dword [got_eip]
    push dword UDATA32
    pop ds
    iretd
.left:
    CAME_BACK
    CHECK_EQ eax, 0x55555555
    CHECK_EQ ecx, D_SHORT
    or byte [ldt + (D_SHORT & ~7) + 5], 0x80
    mov dword [user_gs], UDATA32
    ret

test_null:
%macro NULL 1
    mov dword [user_%1], 0
    U_RAISES GP, 0, {mov eax, [%1:U_DATA]}
    U_RAISES GP, 0, {mov [%1:U_DATA], eax}
    mov dword [user_%1], 3
    U_RAISES GP, 0, {mov eax, [%1:0]}
    mov dword [user_%1], UDATA32
%endmacro
    NULL ds
    NULL es
    NULL fs
    NULL gs
    mov dword [user_es], 0
    mov edi, U_DATA
    mov esi, U_DATA
    mov ecx, 2
    U_RAISES GP, 0, rep movsb
    CHECK_EQ ecx, 2
    xor ecx, ecx
    U_RUNS rep movsb                     ; nothing is accessed
    mov dword [user_es], UDATA32
    U_RUNS lodsb                         ; through DS alone
    ret

; ---- Stacks --------------------------------------------------------------------------------------------------
test_stack:
    mov dword [user_ss], S_SHORT
    mov dword [user_esp], 0x100
    U_RUNS {push dword 0x66666666}, pop eax
    CHECK_EQ eax, 0x66666666
    CHECK_EQ dword [U_DATA + 0xfc], 0x66666666
    CHECK_EQ dword [got_esp], 0x100
    CHECK_EQ dword [got_ss], S_SHORT
    mov ebp, 0x100
    U_RAISES SS_, 0, pop eax
    U_RAISES SS_, 0, {mov eax, [ebp]}
    U_RAISES SS_, 0, {mov al, [ss:0x100]}
    U_RAISES SS_, 0, leave
    SHOWS eax, 0x66666666, {mov eax, [ebp - 4]}
    SHOWS eax, 0x66666666, {mov eax, [ds:ebp + U_DATA - 4]}
    mov dword [user_esp], 2
    U_RAISES SS_, 0, push eax
    CHECK_EQ dword [got_esp], 2
    mov dword [user_esp], 0
    U_RAISES SS_, 0, {call piece}
    U_RAISES SS_, 0, pushad
    mov dword [user_ss], UDATA32
    mov dword [user_esp], U_STACK
    ret

test_stack16:
    mov dword [user_ss], S_16
    mov dword [user_esp], 0x1000
    U_RUNS {push dword 0x77777777}, pop eax
    CHECK_EQ eax, 0x77777777
    CHECK_EQ dword [U_FREE + 0xffc], 0x77777777
    CHECK_EQ word [got_esp], 0x1000
    ; SP wraps, the upper half of ESP stays
    USER_CODE .wraps
    mov esp, 0x12340000
    push eax
    mov ecx, esp
    pop edx
    mov edi, esp
    END_USER
    mov eax, 0x88888888
    ENTER .wraps
    CAME_BACK
    CHECK_EQ ecx, 0x1234fffc
    CHECK_EQ edi, 0x12340000
    CHECK_EQ edx, 0x88888888
    CHECK_EQ dword [U_FREE + 0xfffc], 0x88888888
    ; near calls and LEAVE by SP and BP
    USER_CODE .calls
    mov esp, 0x00031000
    call .routine
    mov ebp, 0x00042000
    mov dword [ss:bp], 0x99999999
    leave
    mov ecx, esp
    END_USER
    USER_CODE .routine
    mov ecx, [esp - 0x30000]             ; addresses are 32-bit: [ESP] itself would be outside
    mov edi, esp
    ret
    section .text
    ENTER .calls
    CAME_BACK
    CHECK_EQ edi, 0x30ffc
    CHECK_EQ ebp, 0x99999999
    CHECK_EQ ecx, 0x00032004
    U_RAISES SS_, 0, {mov eax, [ss:0x10000]}
    mov dword [user_ss], UDATA32
    mov dword [user_esp], U_STACK
    ret

; ---- Code segments -------------------------------------------------------------------------------------------
test_code:
    mov dword [user_cs], C_BASE
%define UBASE U_CODE
    ; EIP, return addresses and CS: are offsets
%ifndef NO_CODE_READS
    SHOWS eax, 0x12345678, {mov eax, [cs:constant - U_CODE]}
%endif
    SHOWS eax, C_BASE, {mov eax, cs}
    U_RAISES GP, 0, hlt
    U_RAISES GP, 0, {mov [cs:constant - U_CODE], eax}
    U_TRAPS 0x80, int 0x80
    U_RAISES UD, NOTHING, ud2
    USER_CODE .calls
    call .routine
.returned:
    mov esi, .indirect - U_CODE
    jmp esi
    int3
.indirect:
    mov ecx, 3
.loop:
    inc edx
    loop .loop
    jmp [.pointer]
    int3
.pointed:
    call UCODE32:.flat
.flat_returned:
    mov ebp, cs
    END_USER
    USER_CODE .routine
    mov eax, [esp]
    ret
.flat:
    mov ebx, [esp]
    mov edi, cs
    retf
    section .udata
.pointer: dd .pointed - U_CODE
    section .text
    xor edx, edx
    ENTER .calls
    CAME_BACK
    CHECK_EQ eax, .returned - U_CODE
    CHECK_EQ edx, 3
    CHECK_EQ ebx, .flat_returned - U_CODE
    CHECK_EQ edi, UCODE32
    CHECK_EQ ebp, C_BASE
    ; the limit: at the target, before anything else of it
    U_RAISES GP, 0, jmp U_CODE + 0x10000
    USER_CODE .far_away
    mov eax, 0x10000
.jumps:
    jmp eax
    END_USER
    ENTER .far_away
    CHECK_EQ dword [got_vector], GP
    CHECK_EQ dword [got_error], 0
    CHECK_EQ dword [got_eip], .jumps - U_CODE
    ; execute-only
    mov dword [user_cs], C_EXECUTE
    U_RUNS nop
    U_RAISES GP, 0, {mov eax, [cs:constant - U_CODE]}
    U_RAISES GP, 0, {mov [cs:constant - U_CODE], eax}
%ifndef NO_CODE_READS
    SHOWS eax, 0x12345678, {mov eax, [ds:constant]}
%endif
    mov eax, C_EXECUTE
    U_RAISES GP, C_EXECUTE & ~3, {mov ds, ax}
    ; conforming: still at CPL 3
    mov dword [user_cs], C_CONFORM
    U_RAISES GP, 0, hlt
    SHOWS eax, C_CONFORM, {mov eax, cs}
    ; code read through DS
    mov dword [user_cs], C_BASE
    mov dword [user_ds], C_BASE
%ifndef NO_CODE_READS
    SHOWS eax, 0x12345678, {mov eax, [constant - U_CODE]}
%endif
    U_RAISES GP, 0, {mov [constant - U_CODE], eax}
    mov dword [user_ds], D_CODE
%ifndef NO_CODE_READS
    SHOWS eax, 0x12345678, {mov eax, [constant - U_CODE]}
%endif
    mov dword [user_ds], UDATA32
    ; a limit in the middle of the code: the last instruction that fits, and one that does not
    mov eax, last_end - U_CODE - 1
    mov [ldt + (C_SHORT & ~7)], ax
    mov dword [user_cs], C_SHORT
    mov ecx, 5
    ENTER last_instruction
    CHECK_EQ dword [got_vector], GP
    CHECK_EQ dword [got_error], 0
    CHECK_EQ dword [got_eip], last_end - U_CODE
    CHECK_EQ ecx, 6
    dec word [ldt + (C_SHORT & ~7)]
    mov ecx, 5
    ENTER last_instruction
    CHECK_EQ dword [got_vector], GP
    CHECK_EQ dword [got_eip], last_instruction.inc - U_CODE
    CHECK_EQ ecx, 5
%define UBASE 0
    ; flat under another name
    mov dword [user_cs], C_FLAT
    SHOWS eax, C_FLAT, {mov eax, cs}
%ifndef NO_CODE_READS
    SHOWS eax, 0x12345678, {mov eax, [cs:constant]}
%endif
    U_RAISES GP, 0, hlt
    mov dword [user_cs], UCODE32
    ret

    USER_CODE last_instruction
    nop
.inc:
    add ecx, 0x00000001
last_end:
    inc ecx
    END_USER
section .user
align 4
constant: dd 0x12345678
section .text

; ---- String instructions through segments --------------------------------------------------------------------
test_strings:
    mov edi, U_DATA
    mov ecx, 0x40
    mov eax, 0x03020100
.fill:
    stosd
    add eax, 0x04040404
    loop .fill
    mov dword [user_ds], D_SHORT
    mov dword [user_es], S_16
    mov esi, 0xf0
    mov edi, 0x20
    mov ecx, 8
    U_RUNS rep movsw
    CHECK_EQ ecx, 0
    CHECK_EQ esi, 0x100
    CHECK_EQ edi, 0x30
    mov eax, [U_DATA + 0xf0]
    CHECK_EQ dword [U_FREE + 0x20], eax
    ; over the limit: as far as it goes
    mov esi, 0xf0
    mov edi, 0x40
    mov ecx, 8
    U_RAISES GP, 0, rep movsd
    CHECK_EQ ecx, 4
    CHECK_EQ esi, 0x100
    CHECK_EQ edi, 0x50
    ; source override, 16-bit addresses, downwards
    mov dword [user_fs], D_SHORT
    mov dword [user_ds], UDATA32
    mov esi, 0xabcd0010
    mov edi, 0xabcd0060
    mov ecx, 0xabcd0004
    U_RUNS std, {db 0x64, 0x67, 0xf3, 0xa4}, cld ; rep fs a16 movsb
    CHECK_EQ ecx, 0xabcd0000
    CHECK_EQ esi, 0xabcd000c
    CHECK_EQ edi, 0xabcd005c
    mov al, [U_DATA + 0x10]
    CHECK_EQ byte [U_FREE + 0x60], al
    mov al, [U_DATA + 0xd]
    CHECK_EQ byte [U_FREE + 0x5d], al
    mov dword [user_fs], UDATA32
    ; CMPS and SCAS
    mov dword [user_ds], D_SHORT
    mov dword [user_es], D_SHORT
    mov esi, 0x80
    mov edi, 0x80
    mov ecx, 0x100
    U_RAISES GP, 0, repe cmpsb
    CHECK_EQ ecx, 0x80
    mov edi, 0
    mov al, 0xc4
    mov ecx, 0x200
    U_RUNS repne scasb
    CHECK_EQ edi, 0xc5
    mov dword [user_ds], UDATA32
    mov dword [user_es], UDATA32
    ret

align 8
ldt:
    DESC U_DATA, 0xff, 0xf3, 4
    DESC U_DATA, 1, 0xf3, 0xc
    DESC U_DATA, 0xff, 0xf1, 4
    DESC DOWN_BASE, 0xfff, 0xf7, 4
    DESC DOWN_BASE, 0xfff, 0xf7, 0
    DESC U_DATA, 0xff, 0x73, 4
    DESC 0x10000, 0xfffff, 0xf3, 0xc
    DESC U_FREE, 0xffff, 0xf3, 0
    DESC U_DATA, 0xff, 0xf3, 4
    DESC U_CODE, 0xffff, 0xfb, 4
    DESC U_CODE, 0xffff, 0xf9, 4
    DESC U_CODE, 0, 0xfb, 4
    DESC 0, 0xfffff, 0xfb, 0xc
    DESC U_CODE, 0xffff, 0xff, 4
    DESC U_CODE, 0xffff, 0xf3, 4
ldt_end:

BEGIN_GDT
    DESC ADDR(ldt), ldt_end - ldt - 1, 0x82, 0
END_GUEST
