; SPDX-License-Identifier: GPL-2.0-or-later
; CPUID of any model: what is advertised is consistent and works, what is not is refused.
; SDM 2A, "CPUID".
%include "guest.inc"

%macro HAS 1                            ; CPUID.1:EDX bit; ZF clear: yes
    test dword [features], 1 << (%1)
%endmacro

bits 16
start:
    ENTER_PROTECTED
    ; EFLAGS.ID can be changed
    pushfd
    pop eax
    xor eax, 1 << 21
    mov ecx, eax
    push eax
    popfd
    pushfd
    pop eax
    xor eax, ecx
    test eax, 1 << 21
    CHECK z
    xor eax, eax
    cpuid
    CHECK_EQ ebx, "Genu"
    CHECK_EQ edx, "ineI"
    CHECK_EQ ecx, "ntel"
    cmp eax, 2
    CHECK ae
    mov [max_leaf], eax
    mov eax, 1
    cpuid
    mov [features], edx
    mov [features_ecx], ecx
    shr eax, 8
    and eax, 15
    CHECK_EQ eax, 6                      ; family 6
    ; what every model here has: FPU VME DE PSE TSC MSR PAE MCE CX8 SEP MTRR PGE MCA CMOV MMX FXSR
    mov eax, [features]
    and eax, 0x0180f9ff
    CHECK_EQ eax, 0x0180f9ff
    ; no local APIC in this machine
    test dword [features], 1 << 9
    CHECK z
    ; SSE2 needs SSE; SSE3 and later need SSE2
    HAS 26
    jz .no_sse2
    HAS 25
    CHECK nz
.no_sse2:
    cmp dword [features_ecx], 0
    je .no_sse3
    HAS 26
    CHECK nz
.no_sse3:
    test dword [features_ecx], ~(1 << 0 | 1 << 9 | 1 << 19 | 1 << 20 | 1 << 23)
    CHECK z
    ; leaf 2 ends after one round
    mov eax, 2
    cpuid
    CHECK_EQ al, 1
    ; above the highest leaf: the data of the highest one
    mov eax, [max_leaf]
    xor ecx, ecx
    cpuid
    mov [last], eax
    mov [last + 4], edx
    mov eax, 0x50000000
    xor ecx, ecx
    cpuid
    CHECK_EQ eax, [last]
    CHECK_EQ edx, [last + 4]
    ; extended leaves, where there are some: NX, brand string, address sizes
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000000
    jb .no_extended
    cmp eax, 0x80000008
    CHECK e
    mov eax, 0x80000001
    cpuid
    mov [extended], edx
    test edx, 1 << 29                    ; no long mode
    CHECK z
    mov eax, 0x80000002
    cpuid
    CHECK_EQ eax, "Dupl"
    mov eax, 0x80000008
    cpuid
    CHECK_EQ al, 36
.no_extended:

    ; ---- the features behind the bits ---------------------------------------------------------------------------
    ; MTRRs: what there are, and what they take
    mov ecx, 0xfe
    rdmsr
    CHECK_EQ eax, 0x508                  ; eight ranges, fixed ones, write combining
    RAISES GP, 0, wrmsr
    mov ecx, 0x2ff
    rdmsr
    CHECK_EQ eax, 0                      ; disabled by a reset
    mov eax, 0xc06
    xor edx, edx
    RUNS wrmsr
    or eax, 1 << 12
    RAISES GP, 0, wrmsr
    rdmsr
    CHECK_EQ eax, 0xc06
    mov ecx, 0x26f
    mov eax, 0x06050401
    mov edx, 0x00010405
    RUNS wrmsr
    mov eax, 2                           ; no such type
    RAISES GP, 0, wrmsr
    rdmsr
    CHECK_EQ eax, 0x06050401
    CHECK_EQ edx, 0x00010405
    mov ecx, 0x20f
    mov eax, 0xe0000800
    mov edx, 0x0f
    RUNS wrmsr
    mov edx, 0x10                        ; addresses have 36 bits
    RAISES GP, 0, wrmsr
    rdmsr
    CHECK_EQ edx, 0x0f
    mov ecx, 0x210
    RAISES GP, 0, rdmsr
    test dword [extended], 1 << 20
    jz .no_nx
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x800
    RUNS wrmsr
    rdmsr
    test eax, 0x800
    CHECK nz
    or eax, 1                            ; SCE: no SYSCALL here
    RAISES GP, 0, wrmsr
    jmp .nx_done
.no_nx:
    mov ecx, 0xc0000080
    RAISES GP, 0, rdmsr
.nx_done:
    ; SSE: CR4.OSXMMEXCPT exists with it alone
    mov eax, cr4
    or eax, 0x400
    HAS 25
    jz .no_sse
    RUNS mov cr4, eax
    mov eax, cr4
    or eax, 0x200
    mov cr4, eax
    RUNS xorps xmm0, xmm0
    HAS 26
    jz .no_sse2_code
    RUNS paddq xmm0, xmm0
    jmp .sse_done
.no_sse2_code:
    RAISES UD, NOTHING, paddq xmm0, xmm0
    jmp .sse_done
.no_sse:
    RAISES GP, 0, mov cr4, eax
    and eax, ~0x400
    or eax, 0x200
    mov cr4, eax
    RAISES UD, NOTHING, xorps xmm0, xmm0
.sse_done:
    mov ecx, 0x277                       ; PAT
    HAS 16
    jz .no_pat
    rdmsr
    CHECK_EQ eax, 0x00070406
    CHECK_EQ edx, 0x00070406
    mov eax, 0x02
    RAISES GP, 0, wrmsr
    jmp .pat_done
.no_pat:
    RAISES GP, 0, rdmsr
.pat_done:
    ; the APIC that is not there cannot be enabled; who tries sees that it is not
    mov ecx, 0x1b
    RUNS rdmsr
    or eax, 0x800
    RUNS wrmsr
    rdmsr
    CHECK_EQ eax, 0xfee00100
    CHECK_EQ edx, 0
    or eax, 0x400                        ; x2APIC
    RAISES GP, 0, wrmsr
    ; machine checks: enabled, every bank enabled and cleared, and nothing to report
    mov eax, cr4
    or eax, 0x40
    RUNS mov cr4, eax
    mov eax, cr4
    test eax, 0x40
    CHECK nz
    mov ecx, 0x179
    rdmsr
    CHECK_EQ eax, 0x105                  ; five banks, MCG_CTL
    mov ecx, 0x17b
    mov eax, -1
    mov edx, -1
    RUNS wrmsr
    mov ecx, 0x400
.bank:
    mov eax, -1
    mov edx, -1
    RUNS wrmsr                           ; CTL
    rdmsr
    CHECK_EQ eax, -1
    inc ecx
    xor eax, eax
    xor edx, edx
    RUNS wrmsr                           ; STATUS
    rdmsr
    CHECK_EQ eax, 0
    CHECK_EQ edx, 0
    inc eax
    RAISES GP, 0, wrmsr
    add ecx, 3
    cmp ecx, 0x414
    jb .bank
    RAISES GP, 0, rdmsr
    RAISES UD, NOTHING, db 0x0f, 0x05    ; SYSCALL
    RAISES UD, NOTHING, db 0x0f, 0x01, 0xd0 ; XGETBV
    RAISES UD, NOTHING, db 0x0f, 0x01, 0xc8 ; MONITOR
    RAISES UD, NOTHING, db 0x0f, 0x01, 0xc1 ; VMCALL
    RAISES UD, NOTHING, db 0x0f, 0xaa    ; RSM
    PASS

align 4
max_leaf: dd 0
features: dd 0
features_ecx: dd 0
extended: dd 0
last: dd 0, 0

BEGIN_GDT
gdt_end:
