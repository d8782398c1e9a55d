; SPDX-License-Identifier: GPL-2.0-or-later
; A kernel that changes its own code, in every way there is: the next instruction, the loop it is in, the place
; it returns to, instructions across two pages, by another mapping, by REP MOVS, by the stack, from a port.
; Each round changes the same place again, a little later: an engine that translates leaves code that is changed
; all the time to an interpreter for a while, and half of this is about those that do not.
; SDM 3A, "Handling Self- and Cross-Modifying Code"; no serialisation is needed but a jump, and not even that
; on these processors.
%include "guest.inc"

%define ROUNDS 12
%define DIR 0x100000
%define TABLE 0x101000
%define CODE_PAGE 0x200000              ; two pages for code that is put there
%define ALIAS 0x3f0000                  ; with paging: CODE_PAGE again
%define DATA_PAGE 0x210000

; REPEATED: the lines up to END_REPEATED, with EBP = 1 to ROUNDS
%macro REPEATED 0
%push repeated
    mov ebp, 1
%$again:
%endmacro
%macro END_REPEATED 0
    call a_moment
    inc ebp
    cmp ebp, ROUNDS
    jbe near %$again
%pop
%endmacro

; COPY label, label, to: bytes between two labels
%macro COPY 3
    mov esi, %1
    mov edi, %3
    mov ecx, %2 - %1
    rep movsb
%endmacro

start:
    ENTER_PROTECTED
    fninit
    call everything
    ; the same with paging, where one frame has two addresses
    mov edi, TABLE
    mov eax, 7
    mov ecx, 1024
.fill:
    stosd
    add eax, 0x1000
    loop .fill
    mov dword [TABLE + (ALIAS >> 10)], CODE_PAGE | 7
    mov dword [TABLE + (ALIAS >> 10) + 4], (CODE_PAGE + 0x1000) | 7
    mov dword [DIR], TABLE | 7
    mov eax, DIR
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
    call everything
    call aliases
    PASS

; Two milliseconds or so, but not while what is changed in one go is on trial.
a_moment:
    test byte [in_one_go], 1
    jnz .done
    pushad
    rdtsc
    lea ecx, [eax + 5000000]
.wait:
    rdtsc
    sub eax, ecx
    js .wait
    popad
.done:
    ret
in_one_go: db 0

everything:
    call once
    xor byte [in_one_go], 1
    call once
    xor byte [in_one_go], 1
    ret
once:
    call next_instruction
    call own_loop
    call return_sites
    call across_pages
    call by_string
    call by_stack
    call by_port
    call by_others
    call linked
    call data_beside_code
    ret

; ---- The next instruction, and the one after -----------------------------------------------------------------
next_instruction:
    REPEATED
    xor eax, eax
    mov edx, ebp
    mov [.first + 1], dl
.first:
    mov al, 0x11
    CHECK_EQ eax, ebp
    not dl
    mov [.second + 2], dl
    nop
    mov ecx, 0x100
.second:
    add ecx, byte 0x11                   ; FFh to 80h: below zero
    sub ecx, 0xff
    neg ecx
    CHECK_EQ ecx, ebp
    END_REPEATED
    ret

; ---- A loop that changes what it has run and will run ----------------------------------------------------------
own_loop:
    REPEATED
    mov byte [.behind + 2], 1
    mov byte [.ahead + 2], 1
    xor eax, eax
    xor ebx, ebx
    mov ecx, 10
.loop:
.behind:
    add eax, byte 1
    inc byte [.behind + 2]
    inc byte [.ahead + 2]
    test ecx, 1
    jz .even
.ahead:
    add ebx, byte 1
.even:
    dec ecx
    jnz .loop
    CHECK_EQ eax, 55
    CHECK_EQ ebx, 3 + 5 + 7 + 9 + 11
    END_REPEATED
    ret

; ---- Where calls return to -----------------------------------------------------------------------------------
return_sites:
    REPEATED
    mov eax, ebp
    call .change
.site:
    mov edx, 0
    CHECK_EQ edx, ebp
    ; three levels, each changed by the innermost
    call .one
.after_one:
    add edx, byte 0
    lea eax, [ebp * 3]
    CHECK_EQ edx, eax
    END_REPEATED
    ret
.change:
    mov [.site + 1], eax
    ret
.one:
    xor edx, edx
    call .two
.after_two:
    add edx, byte 0
    ret
.two:
    call .three
.after_three:
    add edx, byte 0
    ret
.three:
    mov eax, ebp
    mov [.after_three + 2], al
    mov [.after_two + 2], al
    mov [.after_one + 2], al
    ret

; ---- An instruction that lies in two pages ---------------------------------------------------------------------
%macro ACROSS 1                         ; so many of its bytes are in the first page
    COPY straddle, straddle.end, CODE_PAGE + 0x1000 - (straddle.insn - straddle) - %1
    REPEATED
    mov dword [CODE_PAGE + 0x1000 - %1 + 1], ebp
    mov eax, CODE_PAGE + 0x1000 - (straddle.insn - straddle) - %1
    call eax
    CHECK_EQ eax, ebp
    ; the tail alone, and the head alone
    not byte [CODE_PAGE + 0x1000]
    not byte [CODE_PAGE + 0xfff]
    not byte [CODE_PAGE + 0x1000]
    not byte [CODE_PAGE + 0xfff]
    mov eax, CODE_PAGE + 0x1000 - (straddle.insn - straddle) - %1
    call eax
    CHECK_EQ eax, ebp
    mov byte [CODE_PAGE + 0x1000 - %1 + 4], 0x80
    mov eax, CODE_PAGE + 0x1000 - (straddle.insn - straddle) - %1
    call eax
    mov edx, ebp
    or edx, 0x80000000
    CHECK_EQ eax, edx
    END_REPEATED
%endmacro
across_pages:
    ACROSS 1
    ACROSS 2
    ACROSS 3
    ACROSS 4
    ret
straddle:
    nop
    xor eax, eax
    stc
.insn:
    mov eax, 0x12345678
    jc .carry
    ud2
.carry:
    ret
.end:

; ---- Strings --------------------------------------------------------------------------------------------------
by_string:
    REPEATED
    lea eax, [ebp + 0x100]
    mov [.there + 1], eax
    mov esi, .there
    mov edi, .here
    mov ecx, 5
    rep movsb
.here:
    mov edx, 0
    CHECK_EQ eax, edx
    lea eax, [ebp + 0x200]
    mov edi, .here2 + 1
    mov ecx, 1
    rep stosd
.here2:
    mov edx, 0
    CHECK_EQ eax, edx
    mov edi, .here3 + 1
    mov eax, ebp
    stosb
.here3:
    mov dl, 0
    CHECK_EQ al, dl
    END_REPEATED
    ret
.there:
    mov edx, 0

; ---- The stack -------------------------------------------------------------------------------------------------
by_stack:
    REPEATED
    mov ebx, esp
    mov esp, .pushed + 5
    push ebp                             ; over the operand of the next but one
    mov esp, ebx
.pushed:
    mov eax, 0
    CHECK_EQ eax, ebp
    push ebp
    pop dword [.popped + 1]
.popped:
    mov eax, 0
    CHECK_EQ eax, ebp
    ; CALL writes over what it calls: all but its opcode
    mov ebx, esp
    mov esp, .called + 5
    call .called
.site:
    mov esp, ebx
    CHECK_EQ eax, .site
    END_REPEATED
    ret
.called:
    mov eax, 0
    jmp eax

; ---- From a port: written by whoever does DMA --------------------------------------------------------------------
by_port:
    mov al, 0
    mov dx, PORT_RESTART
    out dx, al
    mov ecx, ROUNDS
.again:
    mov dx, PORT_STRING
    mov edi, .insn + 1
    insb
.insn:
    mov al, 0x55
    mov ah, ROUNDS
    sub ah, cl
    CHECK_EQ al, ah
    loop .again
    mov al, 0
    mov dx, PORT_RESTART
    out dx, al
    ret

; ---- Other instructions that write -------------------------------------------------------------------------------
by_others:
    mov dword [.counter + 1], 0
    mov dword [.counter2 + 1], 0
    REPEATED
    lock inc dword [.counter + 1]
.counter:
    mov eax, 0
    CHECK_EQ eax, ebp
    mov ecx, 1
    xadd [.counter2 + 1], ecx
.counter2:
    mov eax, 0
    CHECK_EQ eax, ebp
    mov edx, ebp
    xchg [.exchanged + 1], edx
.exchanged:
    mov eax, 0
    CHECK_EQ eax, ebp
    mov eax, [.compared + 1]
    lea ecx, [ebp + 7]
    cmpxchg [.compared + 1], ecx
.compared:
    mov eax, 0
    CHECK_EQ eax, ecx
    mov eax, [.eight + 1]
    mov edx, [.eight + 5]
    lea ebx, [ebp + 9]
    mov ecx, edx
    cmpxchg8b [.eight + 1]
.eight:
    mov eax, 0
    db 0x3d                              ; cmp eax, imm32
    dd 0
    CHECK_EQ eax, ebx
    mov [DATA_PAGE], ebp
    fild dword [DATA_PAGE]
    fistp dword [.fpu + 1]
.fpu:
    mov eax, 0
    CHECK_EQ eax, ebp
    cmp ebp, 7
    sete [.set + 1]
.set:
    mov al, 0x77
    sete ah
    CHECK_EQ al, ah
    fnstcw [.control + 2]
.control:
    mov ax, 0
    fnstcw [DATA_PAGE]
    CHECK_EQ ax, [DATA_PAGE]
    END_REPEATED
    ret

; ---- Code that is led to directly and by register ---------------------------------------------------------------
linked:
    COPY .template, .template_end, CODE_PAGE
    REPEATED
    mov [CODE_PAGE + 1], ebp
    call CODE_PAGE
    CHECK_EQ eax, ebp
    mov ecx, 3
    mov ebx, CODE_PAGE
.indirect:
    call ebx
    CHECK_EQ eax, ebp
    loop .indirect
    not ebp
    mov [CODE_PAGE + 1], ebp
    call CODE_PAGE
    CHECK_EQ eax, ebp
    call ebx
    CHECK_EQ eax, ebp
    push .came_back
    jmp ebx
.came_back:
    CHECK_EQ eax, ebp
    not ebp
    END_REPEATED
    ret
.template:
    mov eax, 0
    ret
.template_end:

; ---- Data in a page of code ---------------------------------------------------------------------------------------
data_beside_code:
    mov dword [.word], 0
    mov ecx, 5000
.again:
    inc dword [.word]
    loop .again
    CHECK_EQ dword [.word], 5000
    ret
align 16
.word: dd 0

; ---- One frame at two addresses ------------------------------------------------------------------------------------
aliases:
    COPY linked.template, linked.template_end, CODE_PAGE
    REPEATED
    mov [ALIAS + 1], ebp
    call CODE_PAGE
    CHECK_EQ eax, ebp
    call ALIAS
    CHECK_EQ eax, ebp
    not ebp
    mov [CODE_PAGE + 1], ebp
    call ALIAS
    CHECK_EQ eax, ebp
    call CODE_PAGE
    CHECK_EQ eax, ebp
    not ebp
    END_REPEATED
    ; the tail of an instruction across pages, written by its alias
    COPY straddle, straddle.end, CODE_PAGE + 0x1000 - (straddle.insn - straddle) - 2
    REPEATED
    mov [ALIAS + 0x1000 - 2 + 1], ebp
    mov eax, CODE_PAGE + 0x1000 - (straddle.insn - straddle) - 2
    call eax
    CHECK_EQ eax, ebp
    mov [CODE_PAGE + 0x1000 - 2 + 4], byte 1
    mov eax, ALIAS + 0x1000 - (straddle.insn - straddle) - 2
    call eax
    lea edx, [ebp + 0x1000000]
    CHECK_EQ eax, edx
    END_REPEATED
    ret

    BEGIN_GDT
gdt_end:
