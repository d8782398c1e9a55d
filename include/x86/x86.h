/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Facts of the architecture, named as in the Intel SDM: flags, control registers, vectors, descriptors, MSRs.
 * Nothing here is a decision of ours. Sources: SDM 3A chapters 2 to 7, SDM 4.
 */
#pragma once

#include <stdint.h>

typedef uint64_t guest_pa; /* guest-physical address */
typedef uint32_t guest_la; /* guest linear address */

enum x86_gpr { X86_EAX, X86_ECX, X86_EDX, X86_EBX, X86_ESP, X86_EBP, X86_ESI, X86_EDI };

/* EFLAGS: SDM 1, "EFLAGS Register" */
#define X86_CF         (1u << 0)
#define X86_FLAGS_ONE  (1u << 1)
#define X86_PF         (1u << 2)
#define X86_AF         (1u << 4)
#define X86_ZF         (1u << 6)
#define X86_SF         (1u << 7)
#define X86_TF         (1u << 8)
#define X86_IF         (1u << 9)
#define X86_DF         (1u << 10)
#define X86_OF         (1u << 11)
#define X86_IOPL       (3u << 12)
#define X86_IOPL_SHIFT 12
#define X86_NT         (1u << 14)
#define X86_RF         (1u << 16)
#define X86_VM         (1u << 17)
#define X86_AC         (1u << 18)
#define X86_VIF        (1u << 19)
#define X86_VIP        (1u << 20)
#define X86_ID         (1u << 21)
#define X86_ARITH      (X86_CF | X86_PF | X86_AF | X86_ZF | X86_SF | X86_OF)
#define X86_FLAGS_ALL  0x3f7fd5u /* every defined flag, without the constant bit 1 */

/* CR0, CR4, EFER: SDM 3A, "Control Registers" */
#define X86_CR0_PE         (1u << 0)
#define X86_CR0_MP         (1u << 1)
#define X86_CR0_EM         (1u << 2)
#define X86_CR0_TS         (1u << 3)
#define X86_CR0_ET         (1u << 4)
#define X86_CR0_NE         (1u << 5)
#define X86_CR0_WP         (1u << 16)
#define X86_CR0_AM         (1u << 18)
#define X86_CR0_NW         (1u << 29)
#define X86_CR0_CD         (1u << 30)
#define X86_CR0_PG         (1u << 31)
#define X86_CR3_PWT        (1u << 3)
#define X86_CR3_PCD        (1u << 4)
#define X86_CR4_VME        (1u << 0)
#define X86_CR4_PVI        (1u << 1)
#define X86_CR4_TSD        (1u << 2)
#define X86_CR4_DE         (1u << 3)
#define X86_CR4_PSE        (1u << 4)
#define X86_CR4_PAE        (1u << 5)
#define X86_CR4_MCE        (1u << 6)
#define X86_CR4_PGE        (1u << 7)
#define X86_CR4_PCE        (1u << 8)
#define X86_CR4_OSFXSR     (1u << 9)
#define X86_CR4_OSXMMEXCPT (1u << 10)
#define X86_EFER_NXE       (1u << 11)

/* Page-table entries: SDM 3A, "32-Bit Paging" and "PAE Paging" */
#define X86_PTE_P   (1u << 0)
#define X86_PTE_W   (1u << 1)
#define X86_PTE_U   (1u << 2)
#define X86_PTE_PWT (1u << 3)
#define X86_PTE_PCD (1u << 4)
#define X86_PTE_A   (1u << 5)
#define X86_PTE_D   (1u << 6)
#define X86_PTE_PS  (1u << 7)
#define X86_PTE_G   (1u << 8)
#define X86_PTE_NX  (1ull << 63)

/* #PF error code: SDM 3A, "Page-Fault Exceptions" */
#define X86_PF_P    (1u << 0)
#define X86_PF_W    (1u << 1)
#define X86_PF_U    (1u << 2)
#define X86_PF_RSVD (1u << 3)
#define X86_PF_I    (1u << 4)
#define X86_PF_PK   (1u << 5)

/* Vectors: SDM 3A, "Exception and Interrupt Reference" */
enum x86_vector {
    X86_DE = 0,
    X86_DB = 1,
    X86_NMI = 2,
    X86_BP = 3,
    X86_VEC_OF = 4,
    X86_BR = 5,
    X86_UD = 6,
    X86_NM = 7,
    X86_DOUBLE_FAULT = 8,
    X86_TS = 10,
    X86_NP = 11,
    X86_VEC_SS = 12,
    X86_GP = 13,
    X86_VEC_PF = 14,
    X86_MF = 16,
    X86_VEC_AC = 17,
    X86_MC = 18,
    X86_XM = 19,
};

/* Error code bits of selector faults: SDM 3A, "Error Code" */
#define X86_ERR_EXT 1u
#define X86_ERR_IDT 2u

/* Segment attributes as in the descriptor's second doubleword, bits 8..23, limit bits left out. */
#define X86_SEG_TYPE      0x000fu
#define X86_SEG_A         0x0001u /* accessed */
#define X86_SEG_W         0x0002u /* data: writable */
#define X86_SEG_R         0x0002u /* code: readable */
#define X86_SEG_E         0x0004u /* data: expand-down */
#define X86_SEG_C         0x0004u /* code: conforming */
#define X86_SEG_CODE      0x0008u
#define X86_SEG_S         0x0010u /* code or data, not system */
#define X86_SEG_DPL       0x0060u
#define X86_SEG_DPL_SHIFT 5
#define X86_SEG_P         0x0080u
#define X86_SEG_AVL       0x1000u
#define X86_SEG_DB        0x4000u
#define X86_SEG_G         0x8000u

/* System descriptor types: SDM 3A, "System Descriptor Types" */
enum x86_system_type {
    X86_TSS16_AVAIL = 1,
    X86_LDT = 2,
    X86_TSS16_BUSY = 3,
    X86_CALL_GATE16 = 4,
    X86_TASK_GATE = 5,
    X86_INT_GATE16 = 6,
    X86_TRAP_GATE16 = 7,
    X86_TSS32_AVAIL = 9,
    X86_TSS32_BUSY = 11,
    X86_CALL_GATE32 = 12,
    X86_INT_GATE32 = 14,
    X86_TRAP_GATE32 = 15,
};

#define X86_SEL_RPL 3u
#define X86_SEL_TI  4u

/* Debug registers: SDM 3B, "Debug Registers" */
#define X86_DR6_FIXED 0xffff0ff0u
#define X86_DR6_BD    (1u << 13)
#define X86_DR6_BS    (1u << 14)
#define X86_DR6_BT    (1u << 15)
#define X86_DR7_FIXED 0x00000400u
#define X86_DR7_GD    (1u << 13)

/* MSRs: SDM 4 */
enum x86_msr {
    X86_MSR_TSC = 0x10,
    X86_MSR_PLATFORM_ID = 0x17,
    X86_MSR_APIC_BASE = 0x1b,
    X86_MSR_BIOS_SIGN_ID = 0x8b,
    X86_MSR_MTRRCAP = 0xfe,
    X86_MSR_MTRR_PHYSBASE0 = 0x200, /* then PHYSMASK0, and so on */
    X86_MSR_MTRR_FIX64K = 0x250,
    X86_MSR_MTRR_FIX16K = 0x258, /* 2 of them */
    X86_MSR_MTRR_FIX4K = 0x268,  /* 8 */
    X86_MSR_SYSENTER_CS = 0x174,
    X86_MSR_SYSENTER_ESP = 0x175,
    X86_MSR_SYSENTER_EIP = 0x176,
    X86_MSR_MCG_CAP = 0x179,
    X86_MSR_MISC_ENABLE = 0x1a0,
    X86_MSR_PAT = 0x277,
    X86_MSR_MTRR_DEF_TYPE = 0x2ff,
    X86_MSR_EFER = 0xc0000080,
};
