/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory type range registers: kept, and of no effect, since memory here has one type, the host's. Firmware
 * sets them and systems look what it has set. SDM 3A, "Memory Type Range Registers (MTRRs)"; as many as a P6
 * has. Executor side.
 */
#include "cpu_model.h"
#include "executor.h"
#include "msr.h"

/* MTRRCAP: so many ranges, fixed ranges, write combining. */
#define MTRR_CAP          (MTRR_RANGES | 1ull << 8 | 1ull << 10)
#define DEF_TYPE_WRITABLE (0xffull | 3ull << 10) /* type, FE, E */
#define BASE_WRITABLE     (0xfffffffffull & ~0xf00ull)
#define MASK_WRITABLE     (0xfffffffffull & ~0x7ffull) /* and V, in bit 11 */

/* Uncacheable, write combining, through, protected, back. */
static bool is_type(unsigned type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

/* The registers for the first MiB, in ascending order of addresses; NULL: it is none of them. */
static uint64_t *fixed_range(struct vcpu *v, uint32_t index)
{
    if (index == X86_MSR_MTRR_FIX64K)
        return &v->msr.mtrr_fixed[0];
    if (index - X86_MSR_MTRR_FIX16K < 2)
        return &v->msr.mtrr_fixed[1 + index - X86_MSR_MTRR_FIX16K];
    if (index - X86_MSR_MTRR_FIX4K < 8)
        return &v->msr.mtrr_fixed[3 + index - X86_MSR_MTRR_FIX4K];
    return NULL;
}

static bool is_range(uint32_t index)
{
    return index - X86_MSR_MTRR_PHYSBASE0 < 2 * MTRR_RANGES;
}

bool mtrr_has(const struct vcpu *v, uint32_t index)
{
    return cpu_has(v, CPU_MTRR) && (index == X86_MSR_MTRRCAP || index == X86_MSR_MTRR_DEF_TYPE ||
                                    is_range(index) || fixed_range((struct vcpu *)v, index));
}

/* A reset disables them; what it leaves in the ranges the manual leaves open. */
void mtrr_reset(struct vcpu *v)
{
    v->msr.mtrr_def_type = 0;
    for (unsigned i = 0; i < 2 * MTRR_RANGES; i++)
        v->msr.mtrr_range[i] = 0;
    for (unsigned i = 0; i < MTRR_FIXED; i++)
        v->msr.mtrr_fixed[i] = 0;
}

uint64_t mtrr_read(struct vcpu *v, uint32_t index)
{
    if (index == X86_MSR_MTRRCAP)
        return MTRR_CAP;
    if (index == X86_MSR_MTRR_DEF_TYPE)
        return v->msr.mtrr_def_type;
    return is_range(index) ? v->msr.mtrr_range[index - X86_MSR_MTRR_PHYSBASE0] : *fixed_range(v, index);
}

/* Eight types, each of a stretch. */
static bool write_fixed(struct vcpu *v, uint32_t index, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        if (!is_type(value >> 8 * i & 0xff))
            return false;
    }
    *fixed_range(v, index) = value;
    return true;
}

/* Bases are even and have a type; masks have a bit that makes the pair count. */
static bool write_range(struct vcpu *v, uint32_t index, uint64_t value)
{
    bool base = !(index & 1);

    if (base ? value & ~BASE_WRITABLE || !is_type(value & 0xff) : value & ~MASK_WRITABLE)
        return false;
    v->msr.mtrr_range[index - X86_MSR_MTRR_PHYSBASE0] = value;
    return true;
}

bool mtrr_write(struct vcpu *v, uint32_t index, uint64_t value)
{
    if (index == X86_MSR_MTRRCAP)
        return false; /* read only */
    if (is_range(index))
        return write_range(v, index, value);
    if (index != X86_MSR_MTRR_DEF_TYPE)
        return write_fixed(v, index, value);
    if (value & ~DEF_TYPE_WRITABLE || !is_type(value & 0xff))
        return false;
    v->msr.mtrr_def_type = value;
    return true;
}
