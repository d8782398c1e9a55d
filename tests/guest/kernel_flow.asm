; SPDX-License-Identifier: GPL-2.0-or-later
; Calls, returns and jumps of a kernel: deeper than any host stack, without each other, to and fro between
; stacks; flags across all of them; interrupts, single steps and breakpoints between any two instructions.
; SDM 2, "CALL", "RET"; SDM 3A, "Masking Interrupts", "Debug Exceptions".
%include "guest.inc"

%define DEPTH 20000
%define STACK_TOP 0x400000              ; a deep stack below
%define STACK_B 0x500000
%define STACK_C 0x580000
%define TF 0x100
%define RF 0x10000
%define ARITH 0x8d5

; HANDLER vector, label
%macro HANDLER 2
    mov word [IDT_AT + %1 * 8], %2
    mov word [IDT_AT + %1 * 8 + 6], 0
%endmacro

start:
    ENTER_PROTECTED
    fninit
    mov ebp, 3
.round:
    call deep
    call unbalanced
    call coroutines
    call flags
    call indirect
    call repeats
    call direction
    call shadows
    call pending
    call single_steps
    call breakpoints
    dec ebp
    jnz .round
    call time
    PASS

; ---- Depth -------------------------------------------------------------------------------------------------------
deep:
    mov ebx, esp
    mov esp, STACK_TOP
    mov ecx, DEPTH
    xor eax, eax
    xor edx, edx
    call .down
    CHECK_EQ eax, DEPTH
    CHECK_EQ edx, DEPTH + 1
    CHECK_EQ esp, STACK_TOP
    ; two that call each other, by register
    mov ecx, DEPTH
    xor eax, eax
    mov esi, .odd
    mov edi, .even
    call esi
    CHECK_EQ eax, DEPTH * 3
    CHECK_EQ esp, STACK_TOP
    ; down by jumps: returns that no call of the processor's belongs to
    mov ecx, DEPTH
    xor eax, eax
.push:
    push .up
    loop .push
    mov dword [esp + (DEPTH - 1) * 4], .top
.up:
    inc eax
    ret
.top:
    CHECK_EQ eax, DEPTH
    CHECK_EQ esp, STACK_TOP
    mov esp, ebx
    ret
.down:
    jecxz .bottom
    dec ecx
    call .down
    inc eax
.bottom:
    inc edx
    ret
.odd:
    add eax, 2
    dec ecx
    jz .done
    call edi
.done:
    ret
.even:
    add eax, 4
    dec ecx
    jz .done2
    call esi
.done2:
    ret

; ---- Calls without returns and returns without calls ------------------------------------------------------------
unbalanced:
    mov ebx, esp
    mov ecx, 3000
.drop:
    call .forget
.forget:
    add esp, 4                           ; the address is dropped
    loop .drop
    CHECK_EQ esp, ebx
    ; where am I
    mov ecx, 100
.where:
    call .here
.here:
    pop eax
    CHECK_EQ eax, .here
    loop .where
    ; back to elsewhere, over several levels
    mov ecx, 1000
.long:
    mov esi, esp
    call .first
    ud2
.landed:
    CHECK_EQ esp, esi
    loop .long
    ; a return address that was changed
    mov ecx, 100
.changed:
    call .changes
    ud2
    nop
.behind:
    loop .changed
    CHECK_EQ esp, ebx
    ; RET n, and with more on the stack than was called
    mov ecx, 100
.release:
    push 1
    push 2
    call .releases
    CHECK_EQ esp, ebx
    push .after
    push .twice
    push .twice
    ret
.twice:
    inc eax
    ret
.after:
    CHECK_EQ esp, ebx
    loop .release
    ret
.first:
    call .second
    ud2
.second:
    call .third
    ud2
.third:
    lea esp, [esp + 8]
    mov dword [esp], .landed
    ret
.changes:
    mov dword [esp], .behind
    ret
.releases:
    ret 8

; ---- Two stacks ---------------------------------------------------------------------------------------------------
coroutines:
    mov [.main], esp
    mov esp, STACK_B
    push .producer
    push ebp
    push ebx
    mov [.other], esp
    mov esp, [.main]
    xor eax, eax
    mov ecx, 3000
.again:
    call switch
    CHECK_EQ edx, ecx
    loop .again
    CHECK_EQ esp, [.main]
    CHECK_EQ eax, 3000
    ret
.producer:                               ; switches at different depths
    mov edx, ecx
    inc eax
    test ecx, 1
    jz .deeper
    call switch
    jmp .producer
.deeper:
    call .level
    jmp .producer
.level:
    call switch
    ret
align 4
.main: dd 0
.other: dd 0
; To the other stack, as schedulers do.
switch:
    push ebp
    push ebx
    xchg esp, [coroutines.other]
    pop ebx
    pop ebp
    ret

; ---- Flags ---------------------------------------------------------------------------------------------------------
; Through every kind of branch, with all set and all clear.
%macro THROUGH 1+                       ; what leads to %%there with a return address or without
    mov esi, esp
    push dword [.value]
    popfd
    %1
%%back:
    pushfd
    pop eax
    and eax, ARITH
    mov esp, esi
    CHECK_EQ eax, [.value]
%endmacro
flags:
    mov dword [.value], ARITH
    call .all
    mov dword [.value], 0
    call .all
    mov dword [.value], 0x801
    call .all
    mov dword [.value], 0xd4
    call .all
    ; carried through: stc; ret; adc
    mov ecx, 1000
    xor eax, eax
.carry:
    call .set
    adc eax, 0
    call .clear
    adc eax, 0
    mov edx, .set
    call edx
    adc eax, 0
    push .returned
    push .set
    ret
.returned:
    adc eax, 0
    loop .carry
    CHECK_EQ eax, 3000
    ret
.set:
    stc
    ret
.clear:
    clc
    ret
.nothing:
    ret
.leave_it:
    lea esp, [esp + 4]
    jmp edx
.all:
    THROUGH call .nothing
    mov edx, .nothing
    THROUGH call edx
    mov edx, .jumped
    THROUGH jmp edx
.jumped:
    mov edx, .left
    THROUGH call .leave_it
.left:
    THROUGH jmp short $ + 2
    THROUGH nop
    mov ecx, 5
    THROUGH jecxz $ + 2
    THROUGH loop $ + 2
    mov edx, esp
    THROUGH xchg edx, esp
    mov esi, 0x40000
    mov edi, 0x41000
    mov ecx, 100
    push esi
    push dword [.value]
    popfd
    rep movsd
    pushfd
    pop eax
    pop esi
    and eax, ARITH
    CHECK_EQ eax, [.value]
    ; across an instruction for the interpreter, one that faults, and a page that is new
    THROUGH cpuid
    THROUGH {mov eax, cr0}
    THROUGH {mov edx, [fs:0x40000]}
    THROUGH {mov edx, [gs:0x40000]}
    THROUGH {mov edx, [0x2000000]}
    THROUGH push dword [0x40000]
    ret
align 4
.value: dd 0

; ---- By register, to many places -------------------------------------------------------------------------------------
indirect:
    ; code all over: each place returns its number
    mov edi, 0x600000
    xor ecx, ecx
.make:
    mov byte [edi], 0xb8
    mov [edi + 1], ecx
    mov byte [edi + 5], 0xc3
    lea edi, [edi + 0x1000 + 7]
    inc ecx
    cmp ecx, 500
    jb .make
    mov esi, 3
.again:
    mov ebx, 0x600000
    xor ecx, ecx
.visit:
    call ebx
    CHECK_EQ eax, ecx
    lea ebx, [ebx + 0x1000 + 7]
    inc ecx
    cmp ecx, 500
    jb .visit
    dec esi
    jnz .again
    ret

; ---- Repeats ----------------------------------------------------------------------------------------------------------
repeats:
    mov edi, 0x40000
    mov eax, 0x01020304
    mov ecx, 0x1000
    rep stosd
    CHECK_EQ edi, 0x44000
    CHECK_EQ ecx, 0
    mov edi, 0x40000
    mov ecx, 0x10000
    repe scasd                           ; ends behind what is there
    CHECK ne
    mov edi, 0x40000
    mov ecx, 0
    rep stosb
    CHECK_EQ edi, 0x40000
    mov al, 2
    mov ecx, 100
    repne scasb
    CHECK e
    CHECK_EQ edi, 0x40003
    CHECK_EQ ecx, 97
    ret

; ---- DF -----------------------------------------------------------------------------------------------------------------
direction:
    std
    mov esi, 0x40ffc
    mov edi, 0x41ffc
    mov ecx, 0x400
    rep movsd
    CHECK_EQ esi, 0x3fffc
    CHECK_EQ edi, 0x40ffc
    mov edi, 0x45000
    mov al, 7
    stosb
    stosb
    CHECK_EQ edi, 0x44ffe
    call .inner                          ; with DF set
    cld
    mov edi, 0x44fff
    CHECK_EQ word [edi], 0x0707
    scasb
    CHECK_EQ edi, 0x45000
    pushfd
    or dword [esp], 0x400
    popfd
    scasb
    CHECK_EQ edi, 0x44fff
    cld
    ret
.inner:
    scasw
    CHECK_EQ edi, 0x44ffc
    ret

; ---- Interrupts held back -----------------------------------------------------------------------------------------------
; IRQ_AT label: the interrupt must have come in front of it
%macro PREPARE_IRQ 0
    mov dword [got_vector], NOTHING
    mov [resume_esp], esp
%endmacro
%macro IRQ_AT 1
    CHECK_EQ dword [got_vector], 0x30
    CHECK_EQ dword [got_eip], %1
    mov eax, [got_eflags]
    test eax, RF
    CHECK z
    cli
%endmacro
shadows:
    ; STI holds for one instruction
    cli
    PREPARE_IRQ
    mov dword [resume], .sti
    mov al, 0x30
    out PORT_INTERRUPT, al
    nop
    sti
    inc eax
.sti_at:
    jmp .never
.sti:
    IRQ_AT .sti_at
    ; STI; CLI lets none in
    PREPARE_IRQ
    mov dword [resume], .never
    mov al, 0x30
    out PORT_INTERRUPT, al
    sti
    cli
    nop
    CHECK_EQ dword [got_vector], NOTHING
    ; MOV SS behind STI: one more
    PREPARE_IRQ
    mov dword [resume], .ss
    mov dx, ss
    mov ebx, esp
    sti
    mov ss, dx
    mov esp, ebx
.ss_at:
    jmp .never
.ss:
    IRQ_AT .ss_at
    ret
.never:
    ud2

; POPF, IRET and STI with one waiting
pending:
    cli
    mov ebx, 20
.again:
    PREPARE_IRQ
    mov dword [resume], .popf
    mov al, 0x30
    out PORT_INTERRUPT, al
    pushfd
    or dword [esp], 0x200
    popfd
.popf_at:
    jmp .never
.popf:
    IRQ_AT .popf_at
    PREPARE_IRQ
    mov dword [resume], .iret
    mov al, 0x30
    out PORT_INTERRUPT, al
    pushfd
    or dword [esp], 0x200
    push CODE32
    push .iret_at
    iretd
.iret_at:
    jmp .never
.iret:
    IRQ_AT .iret_at
    ; enabled all the time: right behind the OUT
    PREPARE_IRQ
    mov dword [resume], .out
    sti
    mov al, 0x30
    out PORT_INTERRUPT, al
.out_at:
    jmp .never
.out:
    IRQ_AT .out_at
    ; HLT
    PREPARE_IRQ
    mov dword [resume], .hlt
    mov al, 0x30
    out PORT_INTERRUPT, al
    sti
    hlt
.hlt_at:
    jmp .never
.hlt:
    IRQ_AT .hlt_at
    dec ebx
    jnz near .again
    ret
.never:
    ud2

; ---- Single steps --------------------------------------------------------------------------------------------------------
; The handler counts, notes where, and returns.
single_steps:
    HANDLER DB, step_handler
    mov dword [steps], 0
    mov dword [step_sum], 0
    pushfd
    or dword [esp], TF
    popfd
    inc eax                              ; the trap comes behind this one first
.s1:
    push eax
.s2:
    pop edx
.s3:
    call .sub
.s4:
    pushfd
.s5:
    and dword [esp], ~TF
.s6:
    popfd
.s7:
    nop
    CHECK_EQ dword [steps], 10
%define STEP_SUM (ADDR(.s1) + ADDR(.s2) + ADDR(.s3) + ADDR(.s4) + ADDR(.s5) + ADDR(.s6) + ADDR(.s7) + \
                  ADDR(.sub) + ADDR(.sub2) + ADDR(.sub3))
    mov eax, STEP_SUM
    CHECK_EQ [step_sum], eax
    ret
.sub:
    mov ecx, 1
.sub2:
    rep stosb
.sub3:
    ret
step_handler:
    push eax
    mov eax, [esp + 4]
    add [step_sum], eax
    inc dword [steps]
    mov eax, dr6
    and eax, ~0x4000
    mov dr6, eax
    pop eax
    iretd
align 4
steps: dd 0
step_sum: dd 0

; ---- Breakpoints ------------------------------------------------------------------------------------------------------------
breakpoints:
    HANDLER DB, break_handler
    mov dword [steps], 0
    mov eax, .at
    mov dr0, eax
    mov eax, 0x40010
    mov dr1, eax
    mov eax, 0x00d00005 | 0x300          ; 0: execution; 1: writes of four bytes
    mov dr7, eax
    mov ecx, 10
.again:
    nop
.at:
    inc edx
    mov [0x40010], ecx
.behind:
    mov ebx, [0x40010]
    loop .again
    xor eax, eax
    mov dr7, eax
    CHECK_EQ dword [steps], 20
    ; no longer
    mov ecx, 10
.more:
    mov [0x40010], ecx
    call .at_again
    loop .more
    CHECK_EQ dword [steps], 20
    ret
.at_again:
    ret
break_handler:
    push eax
    mov eax, dr6
    test al, 1
    jz .data
    cmp dword [esp + 4], breakpoints.at
    jne .wrong
    or dword [esp + 12], RF
    jmp .done
.data:
    test al, 2
    jz .wrong
    cmp dword [esp + 4], breakpoints.behind
    jne .wrong
.done:
    inc dword [steps]
    xor eax, eax
    mov dr6, eax
    pop eax
    iretd
.wrong:
    ud2

; ---- Ticks, in loops that do nothing and loops that do everything -------------------------------------------------------------
time:
    HANDLER 0x31, tick
    mov al, 0x31
    out PORT_TICKS, al
    ; jmp $ is left by the handler alone
    mov ebx, 20
.again:
    mov dword [ticks], 0
    mov dword [leave_at], 2
    mov dword [leave_to], .left
    mov [leave_esp], esp
    sti
    jmp $
.left:
    cli
    mov dword [leave_to], .left2
    mov dword [ticks], 0
    sti
.self:
    test eax, eax
    jz .self
    jnz .self
.left2:
    cli
    mov dword [leave_to], .left3
    mov dword [ticks], 0
    mov eax, .forever
    sti
.forever:
    jmp eax
.left3:
    cli
    mov dword [leave_to], .left4
    mov dword [ticks], 0
    sti
.calls:
    call .calls_back
    jmp .calls
.calls_back:
    ret
.left4:
    cli
    dec ebx
    jnz near .again
    ; and work that must come out right however often it is interrupted
    mov dword [leave_at], -1
    mov dword [ticks], 0
    sti
    mov edx, 0
.work:
    xor eax, eax
    mov ecx, 200
.inner:
    push ecx
    call .add
    pop ecx
    stc
    adc eax, 0
    mov esi, 0x40000
    mov edi, 0x42000
    push ecx
    mov ecx, 0x40
    rep movsd
    pop ecx
    cmp edi, 0x42100
    jne near .bad
    lea esi, [esp]
    push dword [esp]
    pop edi
    cmp esi, esp
    jne near .bad
    loop .inner
    cmp eax, 20100 + 200
    jne near .bad
    inc edx
    cmp dword [ticks], 300
    jb .work
    cli
    mov al, 0
    out PORT_TICKS, al
    ret
.add:
    xor ebx, ebx
    add eax, [esp + 4]
    adc ebx, 0
    jnz .bad
    ret
.bad:
    FAIL_HERE "work that was interrupted"
tick:
    push eax
    push ecx
    push edx
    inc dword [ticks]
    mov eax, [ticks]
    cmp eax, [leave_at]
    jae .leave
    pop edx
    pop ecx
    pop eax
    iretd
.leave:
    cmp dword [leave_at], -1
    je .wrong
    mov esp, [leave_esp]
    jmp [leave_to]
.wrong:
    ud2
align 4
ticks: dd 0
leave_at: dd 0
leave_to: dd 0
leave_esp: dd 0

    BEGIN_GDT
gdt_end:
