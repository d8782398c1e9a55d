; SPDX-License-Identifier: GPL-2.0-or-later
; x87, MMX and SSE at CPL 3: the control bits that make them fault, their own exceptions, and that their state
; outlives traps, the kernel's use of them apart. SDM 3A, "System Programming for Instruction Set Extensions";
; SDM 1, "x87 FPU Exception Handling". -D IN_QEMU leaves out what its emulator has not.
%include "user.inc"

%define CR0_EM 4
%define CR0_MP 2
%macro SET_CR0 1
    push eax
    mov eax, cr0
    or eax, %1
    mov cr0, eax
    pop eax
%endmacro
%macro CLEAR_CR0 1
    push eax
    mov eax, cr0
    and eax, ~(%1)
    mov cr0, eax
    pop eax
%endmacro
%macro SET_CR4 1
    push eax
    mov eax, cr4
    or eax, %1
    mov cr4, eax
    pop eax
%endmacro
%macro CLEAR_CR4 1
    push eax
    mov eax, cr4
    and eax, ~(%1)
    mov cr4, eax
    pop eax
%endmacro

start:
    START_KERNEL
    mov ebx, U_FREE
    call test_task_switched
    call test_lazy
    call test_emulation
    call test_osfxsr
%ifndef IN_QEMU                          ; it raises #MF at WAIT only, and never #XM
    call test_x87_errors
    call test_simd_errors
%endif
    call test_kept
    call test_interleaved
    PASS

bits 32
; ---- CR0.TS --------------------------------------------------------------------------------------------------
test_task_switched:
    SET_CR0 CR0_TS
    U_RAISES NM, NOTHING, fld1
    U_RAISES NM, NOTHING, fnop
    U_RAISES NM, NOTHING, fninit
    U_RAISES NM, NOTHING, fnstsw ax
    U_RAISES NM, NOTHING, fld dword [ebx]
    U_RAISES NM, NOTHING, fnsave [ebx]
    U_RAISES NM, NOTHING, fcomip
    U_RAISES NM, NOTHING, {fcmovb st0, st1}
    U_RAISES NM, NOTHING, emms
    U_RAISES NM, NOTHING, {paddb mm0, mm1}
    U_RAISES NM, NOTHING, {movq mm0, [ebx]}
    U_RAISES NM, NOTHING, {movd eax, mm0}
    U_RAISES NM, NOTHING, {addps xmm0, xmm1}
    U_RAISES NM, NOTHING, {movaps xmm0, [ebx]}
    U_RAISES NM, NOTHING, {addsd xmm0, xmm1}
    U_RAISES NM, NOTHING, {cvtsi2sd xmm0, eax}
    U_RAISES NM, NOTHING, {movdqa [ebx], xmm0}
    U_RAISES NM, NOTHING, fxsave [ebx]
    U_RAISES NM, NOTHING, fxrstor [ebx]
    U_RAISES NM, NOTHING, ldmxcsr [ebx]
    U_RAISES NM, NOTHING, stmxcsr [ebx]
    U_RAISES NM, NOTHING, wait           ; TS and MP
    ; these have no state
    U_RUNS sfence
    U_RUNS lfence
    U_RUNS mfence
    U_RUNS prefetcht0 [ebx]
    U_RUNS {movnti [ebx], eax}
    CLEAR_CR0 CR0_MP
    U_RUNS wait
    U_RAISES NM, NOTHING, fld1
    SET_CR0 CR0_MP
    clts
    U_RUNS fld1
    U_RUNS {addps xmm0, xmm1}
    U_RUNS wait
    SET_CR0 CR0_TS
    U_RAISES NM, NOTHING, fld1           ; code that just ran faults again
    U_RAISES NM, NOTHING, {addps xmm0, xmm1}
    clts
    ret

; ---- What kernels do with it: the same instruction goes on after CLTS ----------------------------------------
test_lazy:
    fninit
    mov dword [.rounds], 100
.next:
    SET_CR0 CR0_TS
    mov dword [U_FREE], 0x40a00000       ; 5.0
    ENTER .code
    RAISED NM, NOTHING, .code
    clts
    call continue_user
    CAME_BACK
    CHECK_EQ dword [U_FREE + 4], 0x41c80000 ; 25.0
    SET_CR0 CR0_TS
    ENTER .simd
    RAISED NM, NOTHING, .simd_first
    CHECK_EQ ecx, 3
    clts
    call continue_user
    CAME_BACK
    CHECK_EQ ecx, 0
    CHECK_EQ dword [U_FREE + 8], 15      ; 3 times 5
    dec dword [.rounds]
    jnz .next
    ret
    USER_CODE .code
    fld dword [U_FREE]
    fmul st0, st0
    fstp dword [U_FREE + 4]
    END_USER
    USER_CODE .simd
    mov ecx, 3
    mov eax, 5
.simd_first:
    pxor xmm7, xmm7
.loop:
    movd xmm6, eax
    paddd xmm7, xmm6
    dec ecx
    jnz .loop
    movd [U_FREE + 8], xmm7
    END_USER
.rounds: dd 0

; ---- CR0.EM --------------------------------------------------------------------------------------------------
test_emulation:
    SET_CR0 CR0_EM
    U_RAISES NM, NOTHING, fld1
    U_RAISES NM, NOTHING, fnop
    U_RAISES NM, NOTHING, fnstsw ax
    U_RUNS wait
    U_RAISES UD, NOTHING, emms
    U_RAISES UD, NOTHING, {paddb mm0, mm1}
    U_RAISES UD, NOTHING, {addps xmm0, xmm1}
    U_RAISES UD, NOTHING, {movdqa [ebx], xmm0}
    U_RAISES UD, NOTHING, ldmxcsr [ebx]
    U_RUNS sfence
    SET_CR0 CR0_TS
    U_RAISES UD, NOTHING, {paddb mm0, mm1}
    U_RAISES UD, NOTHING, {addps xmm0, xmm1}
    U_RAISES NM, NOTHING, wait
    CLEAR_CR0 CR0_EM | CR0_TS
    U_RUNS fld1
    U_RUNS {paddb mm0, mm1}
    U_RUNS emms
    ret

; ---- CR4.OSFXSR ----------------------------------------------------------------------------------------------
test_osfxsr:
    CLEAR_CR4 0x200
    U_RAISES UD, NOTHING, {addps xmm0, xmm1}
    U_RAISES UD, NOTHING, {movaps xmm0, [ebx]}
    U_RAISES UD, NOTHING, {addsd xmm0, xmm1}
    U_RAISES UD, NOTHING, {movdqa [ebx], xmm0}
    U_RAISES UD, NOTHING, {paddb xmm0, xmm1}
    U_RAISES UD, NOTHING, {movd xmm0, eax}
    U_RAISES UD, NOTHING, ldmxcsr [ebx]
    U_RAISES UD, NOTHING, stmxcsr [ebx]
    U_RUNS {paddb mm0, mm1}              ; MMX
    U_RUNS {pshufw mm0, mm1, 0}          ; and what SSE added to it
    U_RUNS {pmuludq mm0, mm1}            ; and SSE2
    U_RUNS emms
    U_RUNS fld1
    U_RUNS sfence
    U_RUNS prefetcht0 [ebx]
    U_RUNS {movnti [ebx], eax}
    SET_CR4 0x200
    U_RUNS {addps xmm0, xmm1}
    ret

; ---- x87 exceptions: at the next waiting instruction ---------------------------------------------------------
test_x87_errors:
    fninit
    mov word [U_FREE + 0x20], 0x37b      ; ZM clear
    mov dword [U_FREE], 0
    USER_CODE .divide
    fninit
    fldcw [U_FREE + 0x20]
    fld1
.divides:
    fdiv dword [U_FREE]
    mov ecx, 1                           ; no x87 instruction
    fnstsw ax                            ; one that does not wait
    mov ecx, 2
.waits:
    fld1
    mov ecx, 3
    END_USER
    ENTER .divide
    RAISED MF, NOTHING, .waits
    CHECK_EQ ecx, 2
    test al, 0x84
    CHECK nz
    fnstenv [U_FREE + 0x40]
    CHECK_EQ dword [U_FREE + 0x40 + 12], .divides
    CHECK_EQ dword [U_FREE + 0x40 + 20], U_FREE
    fnclex
    call continue_user
    CAME_BACK
    CHECK_EQ ecx, 3
    ; WAIT and FWAIT forms
    USER_CODE .divide2
    fninit
    fldcw [U_FREE + 0x20]
    fld1
    fdiv dword [U_FREE]
.waits2:
    wait
    END_USER
    ENTER .divide2
    RAISED MF, NOTHING, .waits2
    fnclex
    ; MMX waits, too
    USER_CODE .divide3
    fninit
    fldcw [U_FREE + 0x20]
    fld1
    fdiv dword [U_FREE]
    pxor xmm0, xmm0                      ; SSE does not
.waits3:
    paddb mm0, mm1
    END_USER
    ENTER .divide3
    RAISED MF, NOTHING, .waits3
    ; one that was left pending when control came back shows in the kernel's next waiting one
    RAISES MF, NOTHING, wait
    fnclex
    fninit
    ; the stack's overflow
    mov word [U_FREE + 0x20], 0x37e      ; IM clear
    USER_CODE .overflow
    fninit
    fldcw [U_FREE + 0x20]
%rep 9
    fldz
%endrep
.waits4:
    fldz
    END_USER
    ENTER .overflow
    RAISED MF, NOTHING, .waits4
    fnstsw ax
    and ax, 0x241
    CHECK_EQ ax, 0x241
    fnclex
    fninit
    ret

; ---- SIMD exceptions: at the instruction ---------------------------------------------------------------------
test_simd_errors:
    mov dword [U_FREE], 0x1d80           ; ZM clear
    mov dword [U_FREE + 0x10], 0x3f800000
    mov dword [U_FREE + 0x14], 0
    USER_CODE .divide
    ldmxcsr [U_FREE]
    movss xmm0, [U_FREE + 0x10]
    movss xmm1, [U_FREE + 0x14]
.divides:
    divss xmm0, xmm1
    mov ecx, 1
    END_USER
    xor ecx, ecx
    ENTER .divide
    RAISED XM, NOTHING, .divides
    CHECK_EQ ecx, 0
    stmxcsr [U_FREE + 4]
    CHECK_EQ dword [U_FREE + 4], 0x1d84
    movss [U_FREE + 8], xmm0
    CHECK_EQ dword [U_FREE + 8], 0x3f800000
    mov dword [U_FREE + 4], 0x1f80
    ldmxcsr [U_FREE + 4]
    call continue_user                   ; with it masked
    CAME_BACK
    CHECK_EQ ecx, 1
    movss [U_FREE + 8], xmm0
    CHECK_EQ dword [U_FREE + 8], 0x7f800000
    ; without CR4.OSXMMEXCPT it is #UD
    CLEAR_CR4 0x400
    ENTER .divide
    RAISED UD, NOTHING, .divides
    SET_CR4 0x400
    mov dword [U_FREE], 0x1e80           ; DM clear
    mov dword [U_FREE + 0x10], 1         ; the least denormal number
    mov dword [U_FREE + 0x14], 0x3f800000
    ENTER .divide
    RAISED XM, NOTHING, .divides
    stmxcsr [U_FREE + 4]
    test dword [U_FREE + 4], 2
    CHECK nz
    ; misaligned 16-byte operands, reserved MXCSR bits: #GP
    mov dword [U_FREE + 4], 0x1f80
    ldmxcsr [U_FREE + 4]
    U_RAISES GP, 0, {movaps xmm0, [U_FREE + 8]}
    U_RAISES GP, 0, {addps xmm0, [U_FREE + 4]}
    U_RUNS {movups xmm0, [U_FREE + 4]}
    mov dword [U_FREE + 4], 0x10000
    U_RAISES GP, 0, ldmxcsr [U_FREE + 4]
    U_RAISES GP, 0, fxsave [U_FREE + 8]
    ret

; ---- State across traps --------------------------------------------------------------------------------------
; CHECK_SAME offset, bytes: of the images at ESI and EDI
%macro CHECK_SAME 2
    push esi
    push edi
    add esi, %1
    add edi, %1
    mov ecx, %2
    repe cmpsb
    pop edi
    pop esi
    CHECK e
%endmacro

; All of it is loaded once at CPL 3 and saved again after a thousand traps of many kinds.
test_kept:
    mov edi, U_FREE + 0x1000
    fninit
    fxsave [edi]
    ; another control word, another TOP, patterns in all registers
    mov word [edi], 0x0c7f
    mov word [edi + 2], 0x2800
    mov byte [edi + 4], 0xff
    mov dword [edi + 24], 0x7f80
    mov ecx, 8
    lea esi, [edi + 32]
    mov eax, 0x01234567
.st:
    mov [esi], eax
    rol eax, 7
    mov [esi + 4], eax
    mov word [esi + 8], 0x3fff
    or byte [esi + 7], 0x80
    rol eax, 5
    add esi, 16
    loop .st
    mov ecx, 32
.xmm:
    mov [esi], eax
    rol eax, 3
    add eax, ecx
    add esi, 4
    loop .xmm
    USER_CODE .load
    fxrstor [U_FREE + 0x1000]
    END_USER
    ENTER .load
    CAME_BACK
    mov dword [.rounds], 250
.next:
    U_TRAPS 0x80, int 0x80
    U_RAISES UD, NOTHING, ud2
    U_RAISES GP, 0, hlt
    U_RUNS {mov eax, cs}
    U_RUNS cpuid
    U_RUNS pushfd
%if PAGING
    U_PF 5, 0x8000, {mov eax, [0x8000]}
%endif
    dec dword [.rounds]
    jnz .next
    USER_CODE .save
    fxsave [U_FREE + 0x1200]
    END_USER
    ENTER .save
    CAME_BACK
    fninit
    mov esi, U_FREE + 0x1000
    mov edi, U_FREE + 0x1200
    CHECK_SAME 0, 5                      ; FCW, FSW, FTW
    CHECK_SAME 24, 4                     ; MXCSR
%assign i 0
%rep 8
    CHECK_SAME 32 + 16 * i, 10
%assign i i + 1
%endrep
    CHECK_SAME 160, 128
    mov dword [U_FREE], 0x1f80
    ldmxcsr [U_FREE]
    ret
.rounds: dd 0

; ---- Two contexts, switched with FXSAVE and FXRSTOR by the kernel --------------------------------------------
; Each adds its own number to its accumulators; every step ends in a trap.
test_interleaved:
    fninit
    fldz
    pxor xmm5, xmm5
    fxsave [U_FREE + 0x2000]
    fxsave [U_FREE + 0x2200]
    mov dword [.rounds], 500
.next:
    fxrstor [U_FREE + 0x2000]
    mov dword [U_FREE], 3
    ENTER .step
    CAME_BACK
    fxsave [U_FREE + 0x2000]
    fxrstor [U_FREE + 0x2200]
    mov dword [U_FREE], 7
    ENTER .step
    CAME_BACK
    fxsave [U_FREE + 0x2200]
    dec dword [.rounds]
    jnz .next
    fxrstor [U_FREE + 0x2000]
    fistp dword [U_FREE]
    movd [U_FREE + 4], xmm5
    CHECK_EQ dword [U_FREE], 1500
    CHECK_EQ dword [U_FREE + 4], 1500
    fxrstor [U_FREE + 0x2200]
    fistp dword [U_FREE]
    movd [U_FREE + 4], xmm5
    CHECK_EQ dword [U_FREE], 3500
    CHECK_EQ dword [U_FREE + 4], 3500
    ret
    USER_CODE .step
    fiadd dword [U_FREE]
    movd xmm4, [U_FREE]
    paddd xmm5, xmm4
    END_USER
.rounds: dd 0

BEGIN_GDT
END_GUEST
