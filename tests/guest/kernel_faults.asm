; SPDX-License-Identifier: GPL-2.0-or-later
; Faults at CPL 0: every form of memory operand, and the stack's, in a page that is not there, that is read-only,
; and across the end of the last page that is there. Handlers are tasks, so a stack that cannot be pushed on is
; a case like others, and all registers can be looked at: an instruction that faults has changed nothing, but
; for a repeated one, which stands at the iteration that faults. SDM 3A, "Page-Fault Exceptions (#PF)".
%include "guest.inc"

%define DIR 0x100000
%define TABLE 0x101000
%define TEST_TABLE 0x102000             ; for linear 400000h on
%define FRAME 0x200000
%define L 0x400000                      ; page 0: writable; 1: nothing; 2: writable; 3: read-only; 4: writable
%define HOLE (L + 0x1000)
%define THERE (L + 0x2000)
%define RO (L + 0x3000)
%define PF_TSS 0x50
%define DE_TSS 0x58
%define GP_TSS 0x60

%define R_EAX 0
%define R_ECX 4
%define R_EDX 8
%define R_EBX 12
%define R_ESP 16
%define R_EBP 20
%define R_ESI 24
%define R_EDI 28

; SET reg, value: before the next FAULTS. WANT reg, value: what it is to be at the fault, if it changes.
%macro SET 2
    mov dword [in_regs + R_%1], %2
    mov dword [want_regs + R_%1], %2
%endmacro
%macro WANT 2
    mov dword [want_regs + R_%1], %2
%endmacro

; FAULTS vector, error, cr2, instruction: with the registers set before, which are the usual ones again after it.
%macro FAULTS 4+
    push %%case
    call begin_case
%%at:
    %4
    jmp no_fault
%%case:
    dd %%at, %%after, %1, %2, %3
    %defstr %%what %{4:-1}
    db %%what, 0
%%after:
%endmacro
%define CASE_AT 0
%define CASE_AFTER 4
%define CASE_VECTOR 8
%define CASE_ERROR 12
%define CASE_CR2 16
%define CASE_TEXT 20
%macro PF_ 3+
    FAULTS PF, %1, %2, %3
%endmacro

; TASK eip, esp
%macro TASK 2
    dd 0, 0, 0, 0, 0, 0, 0, DIR
    dd %1, 2, 0, 0, 0, 0, %2, 0, 0, 0
    dd DATA32, CODE32, DATA32, DATA32, DATA32, DATA32, 0
    dw 0, 0xffff
%endmacro

start:
    ENTER_PROTECTED
    mov edi, TABLE
    mov eax, 7
    mov ecx, 1024
.fill:
    stosd
    add eax, 0x1000
    loop .fill
    mov edi, TEST_TABLE
    xor eax, eax
    mov ecx, 1024
    rep stosd
    mov dword [TEST_TABLE], FRAME | 7
    mov dword [TEST_TABLE + 8], (FRAME + 0x1000) | 7
    mov dword [TEST_TABLE + 12], (FRAME + 0x2000) | 5
    mov dword [TEST_TABLE + 16], (FRAME + 0x3000) | 7
    mov dword [DIR], TABLE | 7
    mov dword [DIR + 4], TEST_TABLE | 7
    mov eax, DIR
    mov cr3, eax
    mov dword [tss_main + 0x1c], eax
    mov eax, cr0
    or eax, 0x80010000                   ; PG, WP
    mov cr0, eax
    fninit
    ; task gates
    mov dword [IDT_AT + PF * 8], PF_TSS << 16
    mov dword [IDT_AT + PF * 8 + 4], 0x8500
    mov dword [IDT_AT + DE * 8], DE_TSS << 16
    mov dword [IDT_AT + DE * 8 + 4], 0x8500
    mov dword [IDT_AT + GP * 8], GP_TSS << 16
    mov dword [IDT_AT + GP * 8 + 4], 0x8500
    mov dword [resume_esp], esp
    mov dword [round], 6
.round:
    call usual_registers
    ; flags all set, all clear
    xor dword [in_flags], 0x8d5
    call memory_operands
    call stack_operands
    call strings
    call across_the_end
    call read_only
    call divisions
    dec dword [round]
    jnz near .round
    PASS

; ---- Memory operands -----------------------------------------------------------------------------------------------
%macro EACH_READ 2                      ; error, cr2: instructions that read [ebx]
    PF_ %1, %2, mov eax, [ebx]
    PF_ %1, %2, mov ax, [ebx]
    PF_ %1, %2, movzx eax, word [ebx]
    PF_ %1, %2, movsx edi, word [ebx]
    PF_ %1, %2, add eax, [ebx]
    PF_ %1, %2, adc cx, [ebx]
    PF_ %1, %2, sbb edx, [ebx]
    PF_ %1, %2, cmp edx, [ebx]
    PF_ %1, %2, cmp [ebx], edx
    PF_ %1, %2, cmp word [ebx], 5
    PF_ %1, %2, test [ebx], ecx
    PF_ %1, %2, test dword [ebx], 12345
    PF_ %1, %2, imul eax, [ebx]
    PF_ %1, %2, imul edi, [ebx], 1000
    PF_ %1, %2, mul dword [ebx]
    PF_ %1, %2, imul word [ebx]
    PF_ %1, %2, div dword [ebx]
    PF_ %1, %2, idiv word [ebx]
    PF_ %1, %2, bt dword [ebx], 3
    PF_ %1, %2, bsf eax, [ebx]
    PF_ %1, %2, bsr ax, [ebx]
    PF_ %1, %2, cmovc eax, [ebx]
    PF_ %1, %2, cmovnc edx, [ebx]
    PF_ %1, %2, push dword [ebx]
    PF_ %1, %2, push word [ebx]
    PF_ %1, %2, call [ebx]
    PF_ %1, %2, jmp [ebx]
    PF_ %1, %2, bound eax, [ebx]
    PF_ %1, %2, mov eax, [fs:ebx]
    PF_ %1, %2, mov eax, [gs:ebx]
    PF_ %1, %2, mov eax, [cs:ebx]
    PF_ %1, %2, mov fs, [ebx]
    PF_ %1, %2, fld dword [ebx]
    PF_ %1, %2, fild word [ebx]
    PF_ %1, %2, lgdt [ebx]
%endmacro
%macro EACH_WRITE 2                     ; instructions that write, or read and write, [ebx]
    PF_ %1, %2, mov [ebx], eax
    PF_ %1, %2, mov [ebx], cx
    PF_ %1, %2, mov dword [ebx], 5
    PF_ %1, %2, add [ebx], eax
    PF_ %1, %2, adc [ebx], edx
    PF_ %1, %2, sbb word [ebx], 5
    PF_ %1, %2, lock add [ebx], eax
    PF_ %1, %2, inc dword [ebx]
    PF_ %1, %2, lock dec word [ebx]
    PF_ %1, %2, neg dword [ebx]
    PF_ %1, %2, not dword [ebx]
    PF_ %1, %2, xchg [ebx], edi
    PF_ %1, %2, xchg [ebx], ax
    PF_ %1, %2, xadd [ebx], edx
    PF_ %1, %2, lock xadd [ebx], edx
    PF_ %1, %2, cmpxchg [ebx], edx
    PF_ %1, %2, lock cmpxchg [ebx], edx
    PF_ %1, %2, cmpxchg8b [ebx]
    PF_ %1, %2, lock cmpxchg8b [ebx]
    PF_ %1, %2, shl dword [ebx], 1
    PF_ %1, %2, sar dword [ebx], cl
    PF_ %1, %2, rcl dword [ebx], 5
    PF_ %1, %2, shld [ebx], eax, 5
    PF_ %1, %2, shrd [ebx], eax, cl
    PF_ %1, %2, bts dword [ebx], 3
    PF_ %1, %2, lock btr [ebx], eax
    PF_ %1, %2, pop dword [ebx]
    PF_ %1, %2, pop word [ebx]
    PF_ %1, %2, mov [fs:ebx], eax
    PF_ %1, %2, add [fs:ebx], eax
    PF_ %1, %2, mov [gs:ebx], eax
    PF_ %1, %2, fst dword [ebx]
    PF_ %1, %2, fnstcw [ebx]
%endmacro
%macro EACH_BYTE 2                      ; error of a read, cr2: what has bytes only
    PF_ %1, %2, mov ah, [ebx]
    PF_ %1, %2, mov bl, [ebx]
    PF_ %1, %2, add ch, [ebx]
    PF_ %1, %2, cmp dh, [ebx]
    PF_ %1, %2, movzx ebx, byte [ebx]
    PF_ %1, %2, div byte [ebx]
    PF_ %1, %2, mul byte [ebx]
    PF_ %1 | 2, %2, mov [ebx], ah
    PF_ %1 | 2, %2, add [ebx], bh
    PF_ %1 | 2, %2, xchg [ebx], dh
    PF_ %1 | 2, %2, cmpxchg [ebx], ch
    PF_ %1 | 2, %2, setc [ebx]
    PF_ %1 | 2, %2, mov byte [ebx], 5
    PF_ %1 | 2, %2, inc byte [ebx]
%endmacro

memory_operands:
    ; bit offsets in registers count from [ebx]
    SET EAX, 0
    SET EBX, HOLE
    SET ECX, 0x103
    EACH_READ 0, HOLE
    EACH_WRITE 2, HOLE
    SET EBX, HOLE + 0x7ff
    EACH_BYTE 0, HOLE + 0x7ff
    ; forms of addresses
    SET ESI, HOLE - 0x100
    SET EDI, 0x40
    PF_ 0, HOLE + 8, mov eax, [esi + edi * 4 + 8]
    PF_ 0, HOLE, mov eax, [HOLE]
    PF_ 2, HOLE, mov [HOLE], al
    PF_ 2, HOLE + 4, mov [HOLE + 4], edx
    PF_ 0, HOLE + 4, mov edx, [HOLE + 4]
    SET EBP, HOLE
    PF_ 0, HOLE + 4, mov eax, [ebp + 4]
    SET ESP, THERE - 4                   ; in the hole
    PF_ 0, THERE - 4, mov eax, [esp]
    PF_ 2, THERE - 3, mov [esp + 1], al
    PF_ 2, THERE - 3, mov [esp + 1], ah
    SET ESI, 0xffffff00                  ; wraps
    SET EDI, HOLE + 0x110
    PF_ 0, HOLE + 0x10, mov eax, [esi + edi]
    SET EBX, HOLE - 0x20
    SET EAX, 0x20
    PF_ 0, HOLE, xlatb
    SET EAX, 0x120                       ; a bit offset far beyond
    SET EBX, HOLE - 0x24
    PF_ 0, HOLE, bt [ebx], eax
    PF_ 2, HOLE, bts [ebx], eax
    SET EAX, -1
    SET EBX, THERE
    PF_ 2, THERE - 4, btc [ebx], eax
    call usual_registers
    ret

; ---- The stack -----------------------------------------------------------------------------------------------------
%macro EACH_PUSH 2                      ; error, cr2
    PF_ %1, %2, push eax
    PF_ %1, %2, push esp
    PF_ %1, %2, push dword 5
    PF_ %1, %2, push byte 5
    PF_ %1, %2, push dword [THERE + 0x100]
    PF_ %1, %2, push fs
    PF_ %1, %2, pushfd
    PF_ %1, %2, call usual_registers
    PF_ %1, %2, call eax
    PF_ %1, %2, call [THERE + 0x100]
    PF_ %1, %2, call CODE32:usual_registers
%endmacro
%macro EACH_POP 2
    PF_ %1, %2, pop eax
    PF_ %1, %2, pop esp
    PF_ %1, %2, pop dword [THERE + 0x100]
    PF_ %1, %2, pop fs
    PF_ %1, %2, popfd
    PF_ %1, %2, ret
    PF_ %1, %2, ret 8
    PF_ %1, %2, retf
    PF_ %1, %2, iretd
    PF_ %1, %2, popad
%endmacro

stack_operands:
    SET ESP, THERE
    EACH_PUSH 2, THERE - 4
    PF_ 2, THERE - 2, push ax
    PF_ 2, THERE - 4, enter 16, 0
    SET ESP, HOLE + 0x100
    EACH_POP 0, HOLE + 0x100
    SET ESP, HOLE + 2                    ; half of it in the page before
    EACH_PUSH 2, HOLE
    mov dword [HOLE - 4], 0x11112222     ; ... which is not written
    SET ESP, HOLE
    EACH_POP 0, HOLE
    SET ESP, HOLE - 2
    EACH_POP 0, HOLE
    SET EBP, HOLE + 0x80
    PF_ 0, HOLE + 0x80, leave
    SET EBP, HOLE - 1
    PF_ 0, HOLE, leave
    ; a push whose operand is on the stack; a pop by ESP
    SET ESP, THERE
    PF_ 2, THERE - 4, push dword [esp]
    SET ESP, HOLE - 4
    PF_ 2, HOLE + 0x10, pop dword [esp + 0x10]
    SET ESP, HOLE - 8
    PF_ 0, HOLE + 4, push dword [esp + 12]
    PF_ 0, HOLE + 4, call [esp + 12]
    SET ESP, HOLE - 16                   ; POPAD reads eight: nothing of it is kept
    PF_ 0, HOLE, popad
    call usual_registers
    ret

; ---- Strings -------------------------------------------------------------------------------------------------------
strings:
    SET ESI, L
    SET EDI, HOLE
    PF_ 2, HOLE, movsd
    PF_ 2, HOLE, movsb
    PF_ 2, HOLE, stosd
    PF_ 0, HOLE, scasb
    PF_ 0, HOLE, cmpsd
    SET ESI, HOLE
    SET EDI, L
    PF_ 0, HOLE, movsd
    PF_ 0, HOLE, lodsd
    PF_ 0, HOLE, lodsb
    PF_ 0, HOLE, cmpsb
    ; in the middle
    SET ECX, 5
    SET ESI, L
    SET EDI, HOLE - 8
    WANT ECX, 3
    WANT ESI, L + 8
    WANT EDI, HOLE
    PF_ 2, HOLE, rep movsd
    SET EDI, L
    SET ESI, HOLE - 3
    WANT ESI, HOLE
    WANT ECX, 2
    WANT EDI, L + 3
    PF_ 0, HOLE, rep movsb
    SET EDI, HOLE - 8
    WANT EDI, HOLE
    WANT ECX, 3
    PF_ 2, HOLE, rep stosd
    SET EDI, HOLE - 6                    ; the second dword crosses
    WANT EDI, HOLE - 2
    WANT ECX, 4
    PF_ 2, HOLE, rep stosd
    ; CMPS and SCAS with what is there equal, LODS
    mov dword [HOLE - 8], 0x11223344     ; EAX
    mov dword [HOLE - 4], 0x11223344
    mov dword [L], 0x11223344
    mov dword [L + 4], 0x11223344
    SET EDI, HOLE - 8
    WANT EDI, HOLE
    WANT ECX, 3
    push dword [in_flags]
    mov dword [in_flags], 0x46           ; as a comparison leaves them that finds equality
    PF_ 0, HOLE, repe scasd
    SET ECX, 5
    SET EDI, L
    SET ESI, HOLE - 8
    WANT ESI, HOLE
    WANT EDI, L + 8
    WANT ECX, 3
    PF_ 0, HOLE, repe cmpsd
    pop dword [in_flags]
    mov dword [HOLE - 4], 0x55443322
    SET ECX, 5
    SET ESI, HOLE - 8
    WANT ESI, HOLE
    WANT ECX, 3
    WANT EAX, 0x55443322
    PF_ 0, HOLE, rep lodsd
    call usual_registers
    ret

; ---- Across the end --------------------------------------------------------------------------------------------------
across_the_end:
    mov dword [HOLE - 4], 0x33445566
    SET EAX, 0
    SET ECX, 0x103
    SET EBX, HOLE - 1
    EACH_READ 0, HOLE
    EACH_WRITE 2, HOLE
    SET EBX, HOLE - 7
    PF_ 2, HOLE, cmpxchg8b [ebx]
    PF_ 0, HOLE, fld qword [ebx]
    PF_ 0, HOLE, bound eax, [ebx]
    CHECK_EQ dword [HOLE - 4], 0x33445566
    call usual_registers
    ret

; ---- What may not be written -------------------------------------------------------------------------------------------
read_only:
    SET EAX, 0
    SET ECX, 0x103
    SET EBX, RO + 0x40
    EACH_WRITE 3, RO + 0x40
    SET EBX, RO - 1                      ; the page before may be
    EACH_WRITE 3, RO
    SET ESP, RO + 0x100
    EACH_PUSH 3, RO + 0xfc
    SET EDI, RO + 0x80
    PF_ 3, RO + 0x80, stosd
    PF_ 3, RO + 0x80, movsd
    call usual_registers
    ret

; ---- Divisions -----------------------------------------------------------------------------------------------------------
divisions:
    mov dword [THERE + 0x200], 0
    SET EDX, 5
    SET ECX, 0
    FAULTS DE, NOTHING, 0, div ecx
    FAULTS DE, NOTHING, 0, idiv ecx
    FAULTS DE, NOTHING, 0, div cx
    FAULTS DE, NOTHING, 0, div cl
    FAULTS DE, NOTHING, 0, idiv ch
    FAULTS DE, NOTHING, 0, div dword [THERE + 0x200]
    FAULTS DE, NOTHING, 0, idiv word [THERE + 0x200]
    FAULTS DE, NOTHING, 0, div byte [THERE + 0x200]
    SET ECX, 5                           ; too much
    FAULTS DE, NOTHING, 0, div ecx
    SET EAX, 0x80000000
    SET EDX, -1
    SET ECX, -1
    FAULTS DE, NOTHING, 0, idiv ecx
    FAULTS DE, NOTHING, 0, aam 0
    call usual_registers
    ret

; ---- Registers -------------------------------------------------------------------------------------------------------------
usual_registers:
    pushad
    mov esi, .values
    mov edi, in_regs
    mov ecx, 8
    rep movsd
    mov esi, .values
    mov edi, want_regs
    mov ecx, 8
    rep movsd
    popad
    ret
.values: dd 0x11223344, 0x55667705, 0x99aabbcc, THERE + 0x300, THERE + 0x800, THERE + 0x400, THERE + 0x500, THERE + 0x600

; begin_case(case): to the caller, with all registers as in_regs has them. no_fault: the caller has got on.
begin_case:
    pop dword [.to]
    pop dword [case]
    mov [resume_esp], esp
    mov dword [resume], end_case
    mov dword [got_vector], NOTHING
    mov dword [got_error], NOTHING
    clts                                 ; a task switch set it
    push dword [in_flags]
    popfd
    mov eax, [in_regs + R_EAX]
    mov ecx, [in_regs + R_ECX]
    mov edx, [in_regs + R_EDX]
    mov ebx, [in_regs + R_EBX]
    mov esp, [in_regs + R_ESP]
    mov ebp, [in_regs + R_EBP]
    mov esi, [in_regs + R_ESI]
    mov edi, [in_regs + R_EDI]
    jmp [.to]
align 4
.to: dd 0

; After the fault: everything as it should be? What is wanted is what is set again, then on behind the case.
no_fault:
    mov esp, [resume_esp]
end_case:
    mov ebp, [case]
    lea ebx, [ebp + CASE_TEXT]
    mov eax, [got_vector]
    cmp eax, [ebp + CASE_VECTOR]
    jne near fail32
    mov eax, [got_error]
    cmp eax, [ebp + CASE_ERROR]
    jne near fail32
    mov eax, [got_eip]
    cmp eax, [ebp + CASE_AT]
    jne near fail32
    mov edx, [got_cr2]
    cmp dword [ebp + CASE_VECTOR], PF
    jne .no_address
    cmp edx, [ebp + CASE_CR2]
    jne near fail32
.no_address:
    mov edx, [got_flags]
    and edx, ~0x10000                    ; RF
    mov eax, [in_flags]
    or eax, 2
    cmp edx, eax
    jne near fail32
    mov edi, want_regs
    mov esi, got_regs
    mov ecx, 8
.compare:
    mov edx, [esi]
    cmp edx, [edi]
    jne near fail32
    add esi, 4
    add edi, 4
    loop .compare
    mov esi, in_regs
    mov edi, want_regs
    mov ecx, 8
    rep movsd
    jmp [ebp + CASE_AFTER]

; ---- The handlers, tasks of their own -----------------------------------------------------------------------------------------
%macro HANDLER_TASK 3                   ; name, vector, has an error code?
%1:
%if %3
    pop dword [got_error]
%endif
    mov dword [got_vector], %2
    call take_state
    iretd
    jmp %1
%endmacro
    HANDLER_TASK pf_task, PF, 1
    HANDLER_TASK de_task, DE, 0
    HANDLER_TASK gp_task, GP, 1
take_state:
    mov eax, cr2
    mov [got_cr2], eax
    mov eax, [tss_main + 0x20]
    mov [got_eip], eax
    mov eax, [tss_main + 0x24]
    mov [got_flags], eax
    mov esi, tss_main + 0x28
    mov edi, got_regs
    mov ecx, 8
    rep movsd
    mov eax, [resume]
    mov [tss_main + 0x20], eax
    mov eax, [resume_esp]
    mov [tss_main + 0x38], eax
    ret

align 4
in_flags: dd 0
got_flags: dd 0
case: dd 0
round: dd 0
in_regs: times 8 dd 0
want_regs: times 8 dd 0
got_regs: times 8 dd 0
align 8
pf_tss: TASK pf_task, 0x70000
de_tss: TASK de_task, 0x71000
gp_tss: TASK gp_task, 0x72000

    BEGIN_GDT
    DESC ADDR(pf_tss), 0x67, 0x89, 0     ; 50
    DESC ADDR(de_tss), 0x67, 0x89, 0
    DESC ADDR(gp_tss), 0x67, 0x89, 0
gdt_end:
