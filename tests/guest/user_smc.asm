; SPDX-License-Identifier: GPL-2.0-or-later
; Code that changes, at CPL 3: by its own hand, through other addresses of its frame, by the kernel, by a device's
; input, by new translations; that reads itself; that is entered in the middle of its instructions; that lies
; across pages which come and go. What runs must always be what memory holds.
; SDM 3A, "Self-Modifying Code", "Handling Self- and Cross-Modifying Code"; -D NO_CODE_READS leaves out what reads
; code that ran.
%include "user.inc"

%define L 0x08048000
%define ALIAS 0x18048000
%define HIGH 0x90048000
%define FRAME(n) (FRAMES + (n) * 0x1000)

; PUT template, linear: copy code (written by the kernel) to where it runs
%macro PUT 2
    mov esi, %1
    mov edi, %2
    mov ecx, %1.end - %1
    rep movsb
%endmacro

; GIVES label, register, value: enter there, come back by INT 30h with this
%macro GIVES 3
    ENTER %1
    TEXT_OF %%text, GIVES %{1:-1}
    CHECK_THAT dword [got_vector], BACK, %%text
    CHECK_THAT %2, %3, %%text
%endmacro

start:
    START_KERNEL
    call test_own
    call test_wide
    call test_kernel
    call test_input
    call test_middle
    call test_overlap
    call test_hidden
    call test_generated
    call test_mixed
%if CAN_MAP
    call test_aliases
    call test_remapped
    call test_across
    call test_edges
    call test_read_only
%endif
%ifndef NO_CODE_READS
    call test_reads
%endif
    PASS

bits 32
; ---- A program that changes itself ---------------------------------------------------------------------------
test_own:
    ; the next instruction, the same page
    USER_CODE .next
    mov byte [.patched + 1], 7
.patched:
    mov al, 5
    END_USER
    xor eax, eax
    GIVES .next, eax, 7
    mov byte [.patched + 1], 5           ; the kernel's turn
    GIVES .patched, al, 5
    GIVES .next, al, 7
    ; an operand in a loop: sum of 1..100
    USER_CODE .loop_code
    xor eax, eax
    mov ecx, 100
.again:
    mov [.operand + 1], ecx
.operand:
    add eax, strict dword 0
    dec ecx
    jnz .again
    END_USER
    GIVES .loop_code, eax, 5050
    GIVES .loop_code, eax, 5050
    ; an opcode back and forth: ADD and SUB
    USER_CODE .opcode
    mov eax, 1000
    mov ecx, 50
.flip:
    mov byte [.operation], 0x05          ; add eax, imm32
    call .operation
    mov byte [.operation], 0x2d          ; sub
    call .operation
    mov dword [.operation + 1], 2
    call .operation
    mov dword [.operation + 1], 1
    dec ecx
    jnz .flip
    END_USER
    section .user
.operation:
    add eax, strict dword 1
    ret
    section .text
    GIVES .opcode, eax, 900
    ; another page
    USER_CODE .other
    mov byte [far_routine + 1], 9
    call far_routine
    mov ebx, eax
    mov byte [far_routine + 1], 8
    call far_routine
    END_USER
    xor eax, eax
    GIVES .other, eax, 8
    CHECK_EQ ebx, 9
    ; an instruction that is nobody's becomes one that is
    USER_CODE .sensitive
    mov eax, 1
    call .changes
    mov word [.changes], 0xa20f          ; cpuid
    call .changes
    mov esi, ebx
    mov word [.changes], 0x9090
    mov ebx, 0x600d
    call .changes
    mov word [.changes], 0x80cd          ; int 80h
    call .changes
    END_USER
    section .user
.changes:
    nop
    nop
.after:
    ret
    section .text
    ENTER .sensitive
    RAISED 0x80, NOTHING, .after
    CHECK_EQ ebx, 0x600d
    mov word [.changes], 0x0b0f          ; ud2
    ENTER .changes
    RAISED UD, NOTHING, .changes
    mov word [.changes], 0x9090
    ret

section .user
align 4096
far_routine:
    mov al, 5
    ret
section .text

; ---- By instructions of all widths and kinds -----------------------------------------------------------------
; REWRITES instruction: makes `target` return EBX = 2; it was 1. ESI: target + 1.
%macro REWRITES 1-*
    mov dword [test_wide.target + 1], 1
    GIVES test_wide.target_call, ebx, 1
    section .user
%%at:
    mov esi, test_wide.target + 1
    mov eax, 2
%rep %0
    %1
%rotate 1
%endrep
    call test_wide.target
    int BACK
    section .text
    GIVES %%at, ebx, 2
%endmacro
test_wide:
    section .user
    align 64
.target:
    mov ebx, strict dword 1
    ret
    align 64
.target_call:
    call .target
    int BACK
.two: dd 2
    section .text
    REWRITES {mov [esi], al}
    REWRITES {mov [esi], ax}
    REWRITES {mov [esi], eax}
    REWRITES {mov byte [esi], 2}
    REWRITES {xchg [esi], al}
    REWRITES {mov edi, esi}, stosb
    REWRITES {mov edi, esi}, stosd
    REWRITES {mov edi, esi}, {mov ecx, 1}, rep stosd
    REWRITES {mov edi, esi}, {mov esi, wide_data}, {mov ecx, 4}, rep movsb
    REWRITES {movd xmm0, eax}, {movd [esi], xmm0}
    REWRITES {movd xmm0, eax}, {movss [esi], xmm0}
    REWRITES {movnti [esi], eax}, sfence
    REWRITES {mov [U_FREE], eax}, {fild dword [U_FREE]}, {fistp dword [esi]}
    REWRITES {lea esp, [esi + 4]}, push eax, {mov esp, U_STACK}
    REWRITES {mov edx, esi}, {push dword 2}, pop dword [edx]
    REWRITES {cmp eax, eax}, sete [esi], {mov byte [esi], 2}
%ifndef NO_CODE_READS
    REWRITES inc dword [esi]
    REWRITES {add dword [esi], 1}
    REWRITES lock inc dword [esi]
    REWRITES {lock xadd [esi], al}, {dec byte [esi]}
    REWRITES {mov ecx, eax}, {mov eax, 1}, {cmpxchg [esi], ecx}
    REWRITES {shl dword [esi], 1}
    REWRITES {btr dword [esi], 0}, {bts dword [esi], 1}
    REWRITES {xor byte [esi], 3}
    REWRITES {movq mm0, [esi]}, {mov [esi], eax}, emms
%endif
    ret
section .udata
wide_data: dd 2
section .text

; ---- By the kernel -------------------------------------------------------------------------------------------
test_kernel:
    mov dword [.rounds], 100
.next:
    mov eax, [.rounds]
    mov [test_wide.target + 1], eax
    mov edx, eax
    GIVES test_wide.target_call, ebx, edx
    dec dword [.rounds]
    jnz .next
    ; its string instructions, and a whole new page
    PUT .first, U_FREE
    GIVES U_FREE, eax, 1
    PUT .second, U_FREE
    GIVES U_FREE, eax, 2
    mov edi, U_FREE
    mov ecx, 0x1000 / 4
    xor eax, eax
    rep stosd
    PUT .first, U_FREE
    GIVES U_FREE, eax, 1
    ; between two traps of one program
    PUT .third, U_FREE
    ENTER U_FREE
    CHECK_EQ dword [got_vector], 0x80
    mov byte [U_FREE + 3], 5
    call continue_user
    CAME_BACK
    CHECK_EQ eax, 5
    ret
align 4
.rounds: dd 0
.first:
    mov eax, 1
    int BACK
.first.end:
.second:
    xor eax, eax
    cpuid
    mov eax, 2
    int BACK
.second.end:
.third:
    int 0x80
    mov eax, 4
    int BACK
.third.end:

; ---- By a device's input -------------------------------------------------------------------------------------
; The string port gives 0, 1, 2 ...: at 48h are DEC EAX and its like; they go over a run of NOPs.
test_input:
    mov edi, U_FREE
    mov ecx, 0x100
    mov al, 0x90
    rep stosb
    mov word [U_FREE + 0x100], BACK << 8 | 0xcd
    mov eax, 10
    GIVES U_FREE, eax, 10
%define UFLAGS (0x202 | IOPL3)
    USER_CODE .input
    mov edx, PORT_RESTART
    out dx, al
    mov edx, PORT_STRING
    mov edi, U_FREE + 0x400              ; up to 3F thrown away
    mov ecx, 0x40
    rep insb
    mov edi, U_FREE
    mov ecx, 0x10                        ; 40..4F: INC and DEC of each register
    rep insb
    mov eax, 10
    mov ebx, 20
    call U_FREE
    END_USER
    mov byte [U_FREE + 0x100], 0xc3
    ENTER .input
%define UFLAGS 0x202
    CAME_BACK
    CHECK_EQ eax, 10
    CHECK_EQ ebx, 20
    CHECK_EQ ecx, 0
    CHECK_EQ dword [U_FREE], 0x43424140
    ret

; ---- Into the middle of instructions -------------------------------------------------------------------------
; MIDDLE offset, register, value: enter the bytes at `code` there
test_middle:
    PUT .code, U_FREE
%rep 3
    GIVES U_FREE, eax, 0xc3909090 ; falls out at the end
    GIVES U_FREE + 0x10, eax, 0x1234 ; the routine in the operand
    ; a sensitive one inside of a harmless one
    mov ebx, 0
    GIVES U_FREE + 0x20, eax, 0xc390a20f
    CHECK_EQ ebx, 0
    GIVES U_FREE + 0x30, ebx, 0x756e6547 ; CPUID's "Genu"
    ; a harmless one inside of a sensitive one
    ENTER U_FREE + 0x40
    CHECK_EQ dword [got_vector], 0x41
    CHECK_EQ dword [got_eip], U_FREE + 0x42
    mov ecx, 5
    GIVES U_FREE + 0x41, ecx, 6
    ; behind a prefix
    GIVES U_FREE + 0x50, ebx, 0x00001234
    GIVES U_FREE + 0x54, ebx, 0x55661234
    ; behind LOCK, which makes it undefined
    ENTER U_FREE + 0x70
    RAISED UD, NOTHING, U_FREE + 0x70
    mov eax, 3
    GIVES U_FREE + 0x71, eax, 4
%endrep
    ret
.code:
    mov eax, 0xc3909090
    int BACK
    times 0x10 - ($ - .code) nop
    mov eax, 0x1234
    call .code + 1
    int BACK
    times 0x20 - ($ - .code) nop
.cpuid:
    mov eax, 0xc390a20f
    int BACK
    times 0x30 - ($ - .code) nop
    xor eax, eax
    call .cpuid + 1
    int BACK
    times 0x40 - ($ - .code) nop
    db 0xcd, 0x41                        ; INT 41h; from its second byte: INC ECX
    int BACK
    times 0x50 - ($ - .code) nop
    xor ebx, ebx
    jmp .prefixed
    mov ebx, 0x77880000                  ; at 54
    jmp .prefixed + 1
.prefixed:
    db 0x66, 0xbb, 0x34, 0x12, 0x66, 0x55 ; mov bx, 1234h; push bp, or: mov ebx, 55661234h
    int BACK
    times 0x70 - ($ - .code) nop
    db 0xf0, 0x40                        ; LOCK INC EAX
    int BACK
.code.end:

; ---- Instructions that share bytes ---------------------------------------------------------------------------
test_overlap:
    USER_CODE .shared
    mov eax, 5
    db 0xeb, 0xff, 0xc0                  ; JMP into its own second byte: INC EAX
    END_USER
%rep 3
    GIVES .shared, eax, 6
%endrep
    ; each byte of a row of them an entry: 40h is INC EAX, B8 takes four
    PUT .row, U_FREE
%assign i 0
%rep 8
    mov eax, 0x100
    GIVES U_FREE + i, eax, 0x100 + 8 - i
%assign i i + 1
%endrep
    GIVES U_FREE + 0x10, eax, 0x40404042 ; the same behind a B8
    mov eax, 0x200
    GIVES U_FREE + 0x11, eax, 0x206
    GIVES U_FREE + 0x10, eax, 0x40404042
    mov eax, 0x200
    GIVES U_FREE + 0x14, eax, 0x203
    ret
.row:
    times 8 inc eax
    int BACK
    times 0x10 - ($ - .row) nop
    db 0xb8, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40
    int BACK
.row.end:

; ---- What hosts must never see run: hidden in operands, found by a jump --------------------------------------
; HIDDEN vector, error, bytes
%macro HIDDEN 3+
    section .user
%%outer:
    db 0xb8                              ; mov eax, imm32 takes the first four
%%inner:
    db %3
    times 4 nop
    int BACK
    section .text
    ENTER %%outer
    CHECK_THAT dword [got_vector], BACK, "hidden, kept"
    ENTER %%inner
    TEXT_OF %%text, HIDDEN %{1:-1}
    EXPECT %1, %2, %%inner, %%text
    ENTER %%outer
    CHECK_THAT dword [got_vector], BACK, "hidden, kept again"
%endmacro
test_hidden:
    xor ecx, ecx
    xor edx, edx
    HIDDEN UD, NOTHING, 0x0f, 0x01, 0xef, 0x90 ; WRPKRU
    HIDDEN UD, NOTHING, 0x0f, 0x05, 0x90, 0x90 ; SYSCALL
    HIDDEN UD, NOTHING, 0xc5, 0xf8, 0x77, 0x90 ; VZEROUPPER
    HIDDEN UD, NOTHING, 0xf3, 0x0f, 0xae, 0xd0 ; WRFSBASE
    HIDDEN UD, NOTHING, 0x0f, 0x01, 0xd0, 0x90 ; XGETBV
    HIDDEN GP, 0, 0x0f, 0x20, 0xc0, 0x90
    HIDDEN GP, 0, 0xf4, 0x90, 0x90, 0x90
    HIDDEN GP, 0, 0xfa, 0x90, 0x90, 0x90
    HIDDEN GP, 0, 0xe4, 0xe8, 0x90, 0x90
    mov ecx, DATA32
    HIDDEN GP, DATA32, 0x8e, 0xd9, 0x90, 0x90 ; MOV DS, CX
    HIDDEN GP, 0, 0x0f, 0x34, 0x90, 0x90 ; SYSENTER, not set up
    ; a far jump straight to 33h: 7 bytes, behind a B8
    USER_CODE .outer
    db 0xb8
.inner:
    db 0xea
    dd .inner
    dw 0x33
    END_USER
    ENTER .inner
    RAISED GP, 0x30, .inner
    ; one through memory
    USER_CODE .outer_memory
    db 0xb8
.inner_memory:
    jmp far [hidden_far]
    END_USER
    ENTER .inner_memory
    RAISED GP, 0x30, .inner_memory
    ; INT 80h reaches the guest's kernel
    USER_CODE .system_call
    db 0xb8
.int80:
    db 0xcd, 0x80, 0xcd, BACK
.behind:
    END_USER
    ENTER .int80
    RAISED 0x80, NOTHING, .int80 + 2
    GIVES .system_call, eax, BACK << 24 | 0xcd80cd
    ret
section .udata
hidden_far: dd test_hidden
    dw 0x33
section .text

; ---- A compiler's way: write, run, write over it -------------------------------------------------------------
; ECX functions are made one after the other at EDI: mov eax, n; add eax, [counter]; mov [counter], eax; ret
test_generated:
    USER_CODE .compiler
    mov dword [U_DATA], 0
    mov ecx, 300
.make:
    mov edi, U_FREE + 0x3000
    mov al, 0xb8
    stosb
    mov eax, ecx
    stosd
    mov ax, 0x0503
    stosw
    mov eax, U_DATA
    stosd
    mov al, 0xa3
    stosb
    mov eax, U_DATA
    stosd
    mov al, 0xc3
    stosb
    call U_FREE + 0x3000
    dec ecx
    jnz .make
    mov eax, [U_DATA]
    END_USER
    GIVES .compiler, eax, 45150
    ; all beside each other, then run twice, then patched
    USER_CODE .many
    mov edi, U_FREE + 0x4000
    mov ecx, 1000
.emit:
    mov al, 0x05                         ; add eax, imm32
    stosb
    mov eax, ecx
    stosd
    loop .emit
    mov al, 0xc3
    stosb
    xor eax, eax
    call U_FREE + 0x4000
    call U_FREE + 0x4000
    mov dword [U_FREE + 0x4000 + 5 * 500 + 1], 0
    call U_FREE + 0x4000
    END_USER
    GIVES .many, eax, 500500 * 3 - 500
%ifndef NO_CODE_READS
    ; on the stack
    USER_CODE .trampoline
    mov ecx, 20
    xor ebx, ebx
.push:
    sub esp, 16
    mov byte [esp], 0x81                 ; add ebx, imm32
    mov byte [esp + 1], 0xc3
    mov [esp + 2], ecx
    mov byte [esp + 6], 0xc3
    call esp
    add esp, 16
    loop .push
    END_USER
    GIVES .trampoline, ebx, 210
%endif
    ret

; ---- Code and its data in one page, which runs long ----------------------------------------------------------
test_mixed:
    PUT .code, U_FREE + 0x8000
    ENTER U_FREE + 0x8000
    CAME_BACK
%ifndef NO_CODE_READS
    CHECK_EQ dword [U_FREE + 0x8000 + .counter - .code], 3000
    CHECK_EQ eax, 3000
%endif
    CHECK_EQ edx, 3000
    ret
.code:
    mov ebx, U_FREE + 0x8000
    mov ecx, 3000
    xor edx, edx
.loop:
%ifndef NO_CODE_READS
    inc dword [ebx + .counter - .code]
%else
    mov [ebx + .counter - .code], ecx
%endif
    inc edx
    dec ecx
    jnz .loop
    mov eax, [ebx + .counter - .code]
    int BACK
align 4
.counter: dd 0
.code.end:

%if CAN_MAP
; ---- Two addresses of one frame ------------------------------------------------------------------------------
test_aliases:
    PUT .code, FRAME(0)
    MAP L, FRAME(0) | PWU
    MAP ALIAS, FRAME(0) | PWU
    MAP HIGH, FRAME(0) | PWU
    GIVES L, eax, 5
    ; written through the other; CPUID, since these are different linear addresses
    USER_CODE .through
    mov byte [ALIAS + 0x11], 6
    xor eax, eax
    cpuid
    call L + 0x10
    mov esi, eax
    mov byte [HIGH + 0x11], 7
    xor eax, eax
    cpuid
    call L + 0x10
    mov edi, eax
    call ALIAS + 0x10
    mov ebp, eax
    mov byte [L + 0x11], 8
    xor eax, eax
    cpuid
    call HIGH + 0x10
    END_USER
%rep 3
    GIVES .through, eax, 8
    CHECK_EQ esi, 6
    CHECK_EQ edi, 7
    CHECK_EQ ebp, 7
%endrep
    ; by the kernel's address of the frame, for which the user has none
    mov byte [FRAME(0) + 1], 9
    GIVES L, al, 9
    GIVES ALIAS, al, 9
    GIVES HIGH, al, 9
    mov byte [FRAME(0) + 1], 5
    GIVES HIGH, al, 5
    GIVES L, al, 5
    ; jumps from one to the other: EIP tells which
    USER_CODE .visit
    mov edx, ALIAS + 0x40
    mov ecx, HIGH + 0x40
    mov edi, .visited
    jmp L + 0x20
.visited:
    END_USER
%rep 3
    ENTER .visit
    CAME_BACK
    CHECK_EQ eax, L + 0x25
    CHECK_EQ ebx, ALIAS + 0x45
    CHECK_EQ ebp, HIGH + 0x45
%endrep
    ; one of them taken away
    MAP ALIAS, 0
    ENTER ALIAS
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_cr2], ALIAS
    GIVES L, al, 5
    ret
.code:
    mov eax, 5
    int BACK
    times 0x10 - ($ - .code) nop
    mov eax, 5
    ret
    times 0x20 - ($ - .code) nop
    call .here                           ; at L
.here:
    pop eax
    jmp edx
    times 0x40 - ($ - .code) nop
    call .there                          ; at ALIAS, then at HIGH
.there:
    pop ebp
    cmp ebp, ecx
    ja .last
    mov ebx, ebp
    jmp ecx
.last:
    jmp edi
.code.end:

; ---- The page shows another frame ----------------------------------------------------------------------------
test_remapped:
    PUT test_kernel.first, FRAME(1)
    PUT test_kernel.second, FRAME(2)
    mov dword [.rounds], 30
.next:
    MAP L, FRAME(1) | PWU
    GIVES L, eax, 1
    MAP L, FRAME(2) | PWU
    GIVES L, eax, 2
    MAP_STALE L, FRAME(1) | PU
    FLUSH
    GIVES L, eax, 1
    MAP L, 0
    ENTER L
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_cr2], L
    MAP_STALE L, FRAME(2) | PU
    call continue_user                   ; the fetch is made again
    CAME_BACK
    CHECK_EQ eax, 2
    MAP L, FRAME(1) | P | W              ; the kernel's
    ENTER L
    CHECK_EQ dword [got_vector], PF
    and dword [got_error], ~0x10
    CHECK_EQ dword [got_error], 5
    dec dword [.rounds]
    jnz .next
    ; data at the same place, then code again
    MAP L, FRAME(1) | PWU
    GIVES L, eax, 1
    U_RUNS {mov byte [L + 1], 77}
    GIVES L, eax, 77
    MAP L, FRAME(2) | PWU
    MAP ALIAS, FRAME(1) | PWU
    U_RUNS {mov byte [ALIAS + 1], 1}
    GIVES L, eax, 2
    GIVES ALIAS, eax, 1
    ret
align 4
.rounds: dd 0

; ---- Instructions across two pages ---------------------------------------------------------------------------
; ACROSS length in the first page, template: its second part absent, then there, then from another frame
%macro ACROSS 2
    MAP L, FRAME(1) | PWU
    MAP L + 0x1000, 0
    mov esi, %2
    mov edi, FRAME(1) + 0x1000 - (%1)
    mov ecx, %1
    rep movsb
    mov edi, FRAME(5)
    mov ecx, %2.end - %2 - (%1)
    rep movsb
    ENTER L + 0x1000 - (%1)
    CHECK_THAT dword [got_vector], PF, "across: absent"
    CHECK_THAT dword [got_eip], L + 0x1000 - (%1), "across: EIP"
    CHECK_THAT dword [got_cr2], L + 0x1000, "across: CR2"
    MAP_STALE L + 0x1000, FRAME(5) | PWU
    call continue_user
%endmacro
%define TWO_WAYS 0x909090         ; an address whose bytes can be run
test_across:
%assign n 1
%rep 4
    ACROSS n, .move
    CAME_BACK
    CHECK_EQ eax, 0x12345678
    ; the second page is another frame, whose tail differs
    mov esi, FRAME(5)
    mov edi, FRAME(3)
    mov ecx, 0x20
    rep movsb
    mov byte [FRAME(3) + 4 - n], 0x99    ; the operand's last byte
    MAP L + 0x1000, FRAME(3) | PWU
    GIVES L + 0x1000 - n, eax, 0x99345678
    MAP L + 0x1000, FRAME(5) | PWU
    GIVES L + 0x1000 - n, eax, 0x12345678
    ; the tail is written: by the kernel, by the user
    mov byte [FRAME(5) + 4 - n], 0x55
    GIVES L + 0x1000 - n, eax, 0x55345678
    U_RUNS {mov byte [L + 0x1000 + 4 - n], 0x66}
    GIVES L + 0x1000 - n, eax, 0x66345678
    ; then the head
    mov byte [FRAME(1) + 0x1000 - n], 0xbb
    GIVES L + 0x1000 - n, ebx, 0x66345678
    ; its second page gone again
    MAP L + 0x1000, 0
    ENTER L + 0x1000 - n
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_cr2], L + 0x1000
    ; the first page alone changes
    MAP L + 0x1000, FRAME(5) | PWU
    mov byte [FRAME(6) + 0x1000 - n], 0xb9
    mov esi, FRAME(1) + 0x1000 - n + 1
    mov edi, FRAME(6) + 0x1000 - n + 1
    mov ecx, n - 1
    rep movsb
    MAP L, FRAME(6) | PWU
    GIVES L + 0x1000 - n, ecx, 0x66345678
%assign n n + 1
%endrep
    ; sensitive ones
    ACROSS 1, .cpuid
    CAME_BACK
    CHECK_EQ ebx, 0x600d
    ACROSS 1, .int
    CHECK_EQ dword [got_vector], 0x80
    CHECK_EQ dword [got_eip], L + 0x1001
    ACROSS 1, .far
    CAME_BACK
    CHECK_EQ ebp, 0xfa2
    ACROSS 4, .far
    CAME_BACK
    CHECK_EQ ebp, 0xfa2
    ACROSS 6, .far
    CAME_BACK
    CHECK_EQ ebp, 0xfa2
    ACROSS 1, .segment
    CAME_BACK
    CHECK_EQ ebx, UDATA32
    ; the tail is an entry of its own: 0F | A2 is CPUID or, from A2, MOV [moffs], AL
    mov byte [TWO_WAYS], 0
    ACROSS 1, .two_ways
    CHECK_EQ dword [got_vector], BACK
    mov eax, 0x5a
    ENTER L + 0x1000
    CAME_BACK
    CHECK_EQ byte [TWO_WAYS], 0x5a
    xor eax, eax
    mov ebx, 0
    ENTER L + 0xfff
    CAME_BACK
    CHECK_EQ ebx, 0x756e6547
    mov eax, 0x5b
    ENTER L + 0x1000
    CAME_BACK
    CHECK_EQ byte [TWO_WAYS], 0x5b
    ; over the boundary without an instruction across it
    mov byte [FRAME(1) + 0xfff], 0x40    ; inc eax
    mov dword [FRAME(5)], 0x30cd40 | 0x90000000
    MAP L, FRAME(1) | PWU
    MAP L + 0x1000, 0
    mov eax, 5
    ENTER L + 0xfff
    CHECK_EQ dword [got_vector], PF
    CHECK_EQ dword [got_eip], L + 0x1000
    CHECK_EQ dword [got_cr2], L + 0x1000
    CHECK_EQ eax, 6
    MAP_STALE L + 0x1000, FRAME(5) | PWU
    call continue_user
    CAME_BACK
    CHECK_EQ eax, 7
    ret
.move:
    mov eax, 0x12345678
    int BACK
    times 8 nop
.move.end:
.cpuid:
    cpuid
    mov ebx, 0x600d
    int BACK
.cpuid.end:
.int:
    int 0x80
    int BACK
.int.end:
.far:
    jmp UCODE32:across_landing
    int3
.far.end:
.segment:
    mov ebx, ds
    int BACK
.segment.end:
.two_ways:
    db 0x0f, 0xa2
    dd TWO_WAYS                          ; NOP three times, ADD AL, AL with the next byte
    db 0xc0, 0xf8, 0x90                  ; behind MOV: SAR AL, 10h; behind ADD: CLC, NOP
    int BACK
.two_ways.end:
section .user
across_landing:
    mov ebp, 0xfa2
    int BACK
section .text

; ---- Writes that reach over into code, and stacks beside it --------------------------------------------------
test_edges:
    PUT test_kernel.first, FRAME(5)
    MAP L, FRAME(1) | PWU
    MAP L + 0x1000, FRAME(5) | PWU
    GIVES L + 0x1000, eax, 1
    U_RUNS {mov ecx, 0x04b81111}, {mov [L + 0xffe], ecx} ; two bytes here, two there
    GIVES L + 0x1000, eax, 4
    U_RUNS {mov dword [U_FREE], 0xb8111111}, {mov dword [U_FREE + 4], 9}, {movq mm0, [U_FREE]}, {movq [L + 0xffd], mm0}, emms
    GIVES L + 0x1000, eax, 9
    ; REP MOVS from the page before into the code
    USER_CODE .copy
    mov esi, across_source
    mov edi, L + 0xff0
    mov ecx, 6
    rep movsd
    mov eax, 5
    call L + 0x1000
    END_USER
    GIVES .copy, eax, 7
    ; the stack pointer just above code: pushes go over it
    USER_CODE .pushes
    mov esp, L + 0x1008
    push dword 0x90c34840                ; inc, dec, ret
    push dword 0x40404040                ; inc four times
    mov ecx, L + 0x1000
    mov esp, U_STACK
    mov eax, 10
    call ecx
    END_USER
    GIVES .pushes, eax, 14
    ret
section .udata
across_source: times 16 db 0x90
    db 0x40, 0x40, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90
section .text

; ---- Code that may not be written, and is by another way -----------------------------------------------------
test_read_only:
    PUT test_kernel.first, FRAME(1)
    MAP L, FRAME(1) | PU
    MAP ALIAS, FRAME(1) | PWU
    GIVES L, eax, 1
    U_PF 7, L + 1, {mov byte [L + 1], 5}
    GIVES L, eax, 1
    U_RUNS {mov byte [ALIAS + 1], 5}
    GIVES L, eax, 5
    PTE_IS L, FRAME(1) | PU | A
    PTE_IS ALIAS, FRAME(1) | PWU | A | D
    ; A and D are right although writes are watched
    MAP L, FRAME(1) | PWU
    GIVES L, eax, 5
    PTE_IS L, FRAME(1) | PWU | A
    U_RUNS {mov byte [L + 1], 6}
    PTE_IS L, FRAME(1) | PWU | A | D
    GIVES L, eax, 6
    ret
%endif

%ifndef NO_CODE_READS
; ---- Code that reads itself ----------------------------------------------------------------------------------
test_reads:
    mov esi, self
    mov ecx, self_end - self
    call sum
    mov [.expected], eax
    ; read before anything of it ran, then half of it, then after all did
    GIVES self_sum, eax, [.expected]
    GIVES self, edx, 0xd0d0
    GIVES self_sum, eax, [.expected]
    GIVES self, edx, 0xd0d0
    GIVES self_sum, eax, [.expected]
    mov esi, self
    mov ecx, self_end - self
    call sum
    CHECK_EQ eax, [.expected]
    ; by other instructions
    USER_CODE .reads
    mov eax, [self]
    mov ebx, [cs:self]
    push dword [self]
    pop ecx
    movups xmm0, [self]
    movd edx, xmm0
    mov esi, self
    mov edi, U_FREE
    push ecx
    mov ecx, self_end - self
    rep movsb
    mov esi, self
    mov edi, U_FREE
    mov ecx, self_end - self
    repe cmpsb
    sete [U_DATA]
    pop ecx
    fild qword [self]
    fistp qword [U_DATA + 8]
    movzx esi, byte [self + 5]
    mov ebp, [self]
    lock add dword [U_DATA + 16], 0
    END_USER
    ENTER .reads
    CAME_BACK
    CHECK_EQ eax, [self]
    CHECK_EQ ebx, [self]
    CHECK_EQ ecx, [self]
    CHECK_EQ edx, [self]
    CHECK_EQ ebp, [self]
    CHECK_EQ byte [U_DATA], 1
    mov eax, [self]
    CHECK_EQ dword [U_DATA + 8], eax
    movzx eax, byte [self + 5]
    CHECK_EQ esi, eax
    ; the copy is as good as the original
    GIVES U_FREE, edx, 0xd0d0
    ; a table of addresses among the code
    USER_CODE .table
    xor eax, eax
    mov ecx, 2
.dispatch:
    jmp [.targets + ecx * 4]
.zero:
    END_USER
    section .user
.targets: dd .zero, .one, .two
.two:
    add eax, 100
    dec ecx
    jmp .dispatch
.one:
    add eax, 10
    dec ecx
    jmp .dispatch
    section .text
    GIVES .table, eax, 110
    GIVES .table, eax, 110
    ret
align 4
.expected: dd 0

; ESI, ECX: EAX is the sum of the bytes, each rotated in
sum:
    xor eax, eax
.next:
    rol eax, 3
    add al, [esi]
    inc esi
    loop .next
    ret

section .user
; Position-independent, and full of what an engine replaces.
self:
    push ds
    pop eax
    pushfd
    pop ecx
    xor eax, eax
    cpuid
    mov ax, ds
    mov es, ax
    rdtsc
    str ax
    sldt cx
    smsw dx
    lar eax, eax
    verr ax
    sgdt [U_DATA + 0x20]
    jmp .over
    hlt
    cli
    db 0x0f, 0x05
    db 0xea
    dd 0
    dw 0x33
    in al, 0x60
    mov cr3, eax
.over:
    mov edx, 0xd0d0
    int BACK
self_end:
self_sum:
    mov esi, self
    mov ecx, self_end - self
    xor eax, eax
.next:
    rol eax, 3
    add al, [esi]
    inc esi
    loop .next
    int BACK
section .text
%endif

BEGIN_GDT
END_GUEST
