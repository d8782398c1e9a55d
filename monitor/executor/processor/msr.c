/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Model-specific registers: those that follow from advertised features (those of machine checks are in mca.c,
 * of memory types in mtrr.c) and those a P6-class processor always has and systems touch at boot. Any other
 * index, and any reserved bit, is #GP. SDM 4, "Model-Specific Registers". Executor side.
 */
#include "msr.h"

#include "cpu_model.h"
#include "executor.h"
#include "mem.h"
#include "mode.h"

enum {
    MSR_BIOS_UPDT_TRIG = 0x79, /* start a microcode update */
};

#define APIC_BASE_BSP     (1ull << 8)
#define APIC_BASE_ENABLED (1ull << 11)
#define APIC_BASE_FIXED   (0xfee00000ull | APIC_BASE_BSP)
/* What may be written to it: the address, the enable bit, and BSP, which does not change by that. */
#define APIC_BASE_KNOWN 0xffffff900ull
/* Revision in the upper half of IA32_BIOS_SIGN_ID: some microcode is loaded. */
#define MICROCODE_REVISION (1ull << 32)
/* IA32_MISC_ENABLE: fast strings, limit CPUID, XD disable; no BTS, no PEBS. */
#define MISC_ENABLE_WRITABLE (1ull | 1ull << 22 | 1ull << 34)
#define MISC_ENABLE_FIXED    (1ull << 11 | 1ull << 12)

uint64_t tsc_read(const struct vcpu *v)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((uint64_t)high << 32 | low) + (uint64_t)v->msr.tsc_offset;
}

/*
 * The TSC is the host's, so that RDTSC may run natively, with which Linux and others tell the time. (SDM 3B,
 * "Time-Stamp Counter": a reset clears it; but nobody who starts an operating system has been there.) PAT as
 * the page-table bits mean without it: WB, WT, UC-, UC, twice.
 */
void msr_reset(struct vcpu *v)
{
    v->msr.sysenter_cs = v->msr.sysenter_esp = v->msr.sysenter_eip = 0;
    v->msr.pat = 0x0007040600070406ull;
    v->msr.misc_enable = 1;
    v->msr.tsc_offset = 0;
    mca_reset(v);
    mtrr_reset(v);
}

/* Does this model have the register? */
static bool exists(const struct vcpu *v, uint32_t index)
{
    switch (index) {
    case X86_MSR_TSC:
        return cpu_has(v, CPU_TSC);
    case X86_MSR_PLATFORM_ID:
    case X86_MSR_APIC_BASE:
    case X86_MSR_BIOS_SIGN_ID:
    case MSR_BIOS_UPDT_TRIG:
        return true;
    case X86_MSR_SYSENTER_CS:
    case X86_MSR_SYSENTER_ESP:
    case X86_MSR_SYSENTER_EIP:
        return cpu_has(v, CPU_SEP);
    case X86_MSR_PAT:
        return cpu_has(v, CPU_PAT);
    case X86_MSR_MISC_ENABLE:
        return v->model.has_misc_enable;
    case X86_MSR_EFER:
        return cpu_has(v, CPU_NX);
    default:
        return mca_has(v, index) || mtrr_has(v, index);
    }
}

bool msr_read(struct vcpu *v, uint32_t index, uint64_t *value)
{
    if (!exists(v, index))
        return false;
    switch (index) {
    case X86_MSR_TSC:
        *value = tsc_read(v);
        return true;
    case X86_MSR_APIC_BASE:
        /* Where it is and whether it is on is fixed: without one it is off for good. */
        *value = APIC_BASE_FIXED | (cpu_has(v, CPU_APIC) ? APIC_BASE_ENABLED : 0);
        return true;
    case X86_MSR_BIOS_SIGN_ID:
        *value = MICROCODE_REVISION;
        return true;
    case X86_MSR_SYSENTER_CS:
        *value = v->msr.sysenter_cs;
        return true;
    case X86_MSR_SYSENTER_ESP:
        *value = v->msr.sysenter_esp;
        return true;
    case X86_MSR_SYSENTER_EIP:
        *value = v->msr.sysenter_eip;
        return true;
    case X86_MSR_PAT:
        *value = v->msr.pat;
        return true;
    case X86_MSR_MISC_ENABLE:
        *value = v->msr.misc_enable | MISC_ENABLE_FIXED;
        return true;
    case X86_MSR_EFER:
        *value = v->efer;
        return true;
    case X86_MSR_PLATFORM_ID:
        *value = 0;
        return true;
    case MSR_BIOS_UPDT_TRIG:
        return false; /* write-only */
    default:
        *value = mtrr_has(v, index) ? mtrr_read(v, index) : mca_read(v, index);
        return true;
    }
}

/* Eight memory types of 3 bits; 2, 3 and the rest are reserved: SDM 3A, "IA32_PAT MSR". */
static bool pat_is_valid(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> (8 * i) & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool write_efer(struct vcpu *v, uint64_t value)
{
    if (value & ~(uint64_t)X86_EFER_NXE)
        return false;
    if (v->efer != value) {
        v->efer = value;
        tlb_flush(v);
        exec_mode_changed(v);
    }
    return true;
}

static bool write_misc_enable(struct vcpu *v, uint64_t value)
{
    if (value & ~(MISC_ENABLE_WRITABLE | MISC_ENABLE_FIXED))
        return false;
    v->msr.misc_enable = value & MISC_ENABLE_WRITABLE;
    return true;
}

bool msr_write(struct vcpu *v, uint32_t index, uint64_t value)
{
    if (!exists(v, index))
        return false;
    switch (index) {
    case X86_MSR_TSC:
        v->msr.tsc_offset = (int64_t)((uint64_t)v->msr.tsc_offset + (value - tsc_read(v)));
        return true;
    case X86_MSR_APIC_BASE: /* firmware tries to enable it, and looks whether it is */
        return !(value & ~APIC_BASE_KNOWN);
    case X86_MSR_BIOS_SIGN_ID: /* cleared before CPUID loads the revision */
    case MSR_BIOS_UPDT_TRIG:
        return true;
    case X86_MSR_SYSENTER_CS:
        v->msr.sysenter_cs = (uint32_t)value;
        return true;
    case X86_MSR_SYSENTER_ESP:
        v->msr.sysenter_esp = (uint32_t)value;
        return true;
    case X86_MSR_SYSENTER_EIP:
        v->msr.sysenter_eip = (uint32_t)value;
        return true;
    case X86_MSR_PAT:
        if (!pat_is_valid(value))
            return false;
        v->msr.pat = value;
        return true;
    case X86_MSR_MISC_ENABLE:
        return write_misc_enable(v, value);
    case X86_MSR_EFER:
        return write_efer(v, value);
    case X86_MSR_PLATFORM_ID:
        return false; /* read-only */
    default:
        return mtrr_has(v, index) ? mtrr_write(v, index, value) : mca_write(v, index, value);
    }
}
