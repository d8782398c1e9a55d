/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Machine-check architecture: banks that never have anything to report. Kernels and firmware of the class
 * expect them, enable what can be enabled, clear what can be cleared, and look again later. The addresses of
 * the Pentium are there as well, as on P6 processors. SDM 3B, "Machine-Check Architecture". Executor side.
 */
#include "cpu_model.h"
#include "executor.h"
#include "msr.h"

enum {
    MSR_P5_MC_ADDR = 0x00,
    MSR_P5_MC_TYPE = 0x01,
    MSR_MCG_STATUS = 0x17a,
    MSR_MCG_CTL = 0x17b,
    MSR_MC0_CTL = 0x400, /* then STATUS, ADDR and MISC, then those of the next bank */
    BANK_MSRS = 4,
    BANK_CTL = 0,

    MCG_CTL_P = 1 << 8,      /* in MCG_CAP: MCG_CTL exists */
    MCG_STATUS_WRITABLE = 7, /* RIPV, EIPV, MCIP */
};

static uint32_t bank_register(uint32_t index)
{
    return (index - MSR_MC0_CTL) % BANK_MSRS;
}

static uint64_t *bank_ctl(struct vcpu *v, uint32_t index)
{
    return &v->msr.mc_ctl[(index - MSR_MC0_CTL) / BANK_MSRS];
}

static bool is_bank(uint32_t index)
{
    return index - MSR_MC0_CTL < MCA_BANKS * BANK_MSRS;
}

/* After power-on. What a kernel finds in MCG_CTL and MCi_CTL then, the manual leaves open. */
void mca_reset(struct vcpu *v)
{
    v->msr.mcg_status = v->msr.mcg_ctl = 0;
    for (unsigned i = 0; i < MCA_BANKS; i++)
        v->msr.mc_ctl[i] = 0;
}

bool mca_has(const struct vcpu *v, uint32_t index)
{
    switch (index) {
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
        return cpu_has(v, CPU_MCE);
    case X86_MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_MCG_CTL:
        return cpu_has(v, CPU_MCA);
    default:
        return cpu_has(v, CPU_MCA) && is_bank(index);
    }
}

uint64_t mca_read(struct vcpu *v, uint32_t index)
{
    switch (index) {
    case X86_MSR_MCG_CAP:
        return MCG_CTL_P | MCA_BANKS;
    case MSR_MCG_STATUS:
        return v->msr.mcg_status;
    case MSR_MCG_CTL:
        return v->msr.mcg_ctl;
    default:
        return is_bank(index) && bank_register(index) == BANK_CTL ? *bank_ctl(v, index) : 0;
    }
}

/* What tells of errors can be cleared, but not set ("IA32_MCi_STATUS MSRS"). */
bool mca_write(struct vcpu *v, uint32_t index, uint64_t value)
{
    switch (index) {
    case X86_MSR_MCG_CAP:
        return false; /* read only */
    case MSR_MCG_STATUS:
        if (value & ~(uint64_t)MCG_STATUS_WRITABLE)
            return false;
        v->msr.mcg_status = value;
        return true;
    case MSR_MCG_CTL:
        v->msr.mcg_ctl = value;
        return true;
    default:
        if (!is_bank(index) || bank_register(index) != BANK_CTL)
            return value == 0;
        *bank_ctl(v, index) = value;
        return true;
    }
}
