/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of RDMSR, WRMSR, RDTSC, RDPMC, CPUID and of the fast system calls SYSENTER and SYSEXIT.
 * SDM 2B under these names. Executor side.
 */
#include "cpu_model.h"
#include "mode.h"
#include "msr.h"
#include "system.h"

static void write_edx_eax(struct vcpu *v, uint64_t value)
{
    v->gpr.d[X86_EAX] = (uint32_t)value;
    v->gpr.d[X86_EDX] = (uint32_t)(value >> 32);
}

static NOINLINE void read_msr(struct vcpu *v, const struct uop *u)
{
    uint64_t value;

    require_cpl0(v, u);
    if (!msr_read(v, v->gpr.d[X86_ECX], &value))
        raise_error(v, u, X86_GP, 0);
    write_edx_eax(v, value);
}

HANDLER(rdmsr)
{
    read_msr(v, u);
    NEXT(v, u);
}

HANDLER(wrmsr)
{
    uint64_t value = (uint64_t)v->gpr.d[X86_EDX] << 32 | v->gpr.d[X86_EAX];

    require_cpl0(v, u);
    cpu_sync(v, u);
    if (!msr_write(v, v->gpr.d[X86_ECX], value))
        raise_error(v, NULL, X86_GP, 0);
    return finish(v);
}

HANDLER(rdtsc)
{
    if (unlikely(v->cr4 & X86_CR4_TSD))
        require_cpl0(v, u);
    write_edx_eax(v, tsc_read(v));
    NEXT(v, u);
}

/* No model has performance counters, so every index is out of range. */
HANDLER(rdpmc)
{
    raise_error(v, u, X86_GP, 0);
}

HANDLER(cpuid)
{
    cpuid_execute(v);
    NEXT(v, u);
}

/* ---- SYSENTER, SYSEXIT
 * ------------------------------------------------------------------------------------- */

/* CS and SS as these instructions load them: flat, from consecutive selectors, without reading descriptors.
 */
static void load_flat(struct vcpu *v, uint16_t cs, unsigned cpl)
{
    seg_fill_flat(v, &v->seg[X86_CS], cs, true, cpl);
    seg_fill_flat(v, &v->seg[X86_SS], (uint16_t)(cs + 8), false, cpl);
    v->cpl = (uint8_t)cpl;
    exec_mode_changed(v);
}

static void require_sysenter(struct vcpu *v, const struct uop *u)
{
    if (!cpu_has(v, CPU_SEP))
        raise_exception(v, u, X86_UD);
    if (!cpu_protected(v) || !(v->msr.sysenter_cs & 0xfffc))
        raise_error(v, u, X86_GP, 0);
}

HANDLER(sysenter)
{
    require_sysenter(v, u);
    cpu_sync(v, u);
    v->eflags &= ~(X86_VM | X86_IF | X86_RF);
    load_flat(v, v->msr.sysenter_cs & 0xfffc, 0);
    v->gpr.d[X86_ESP] = v->msr.sysenter_esp;
    v->eip = v->msr.sysenter_eip;
    return exec_end(v);
}

HANDLER(sysexit)
{
    require_sysenter(v, u);
    require_cpl0(v, u);
    cpu_sync(v, u);
    load_flat(v, (uint16_t)((v->msr.sysenter_cs + 16) | 3), 3);
    v->gpr.d[X86_ESP] = v->gpr.d[X86_ECX];
    v->eip = v->gpr.d[X86_EDX];
    return exec_end(v);
}

static const struct system_row rows[] = {
    { X86_RDMSR, false, rdmsr },    { X86_WRMSR, true, wrmsr },  { X86_RDTSC, false, rdtsc },
    { X86_RDPMC, true, rdpmc },     { X86_CPUID, false, cpuid }, { X86_SYSENTER, true, sysenter },
    { X86_SYSEXIT, true, sysexit },
};

const struct system_table system_msr_table = SYSTEM_TABLE(rows);
