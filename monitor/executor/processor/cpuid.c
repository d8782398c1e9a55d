/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The CPUID instruction, computed from the processor's model (cpu_model.c).
 * SDM 2A, "CPUID". A leaf above the highest one reads as the highest basic leaf, as Intel's do.
 * Executor side.
 */
#include "cpu_model.h"
#include "executor.h"
#include "msr.h"

#define EXT_BASE                0x80000000u
#define MISC_ENABLE_LIMIT_CPUID (1ull << 22)
#define MISC_ENABLE_XD_DISABLE  (1ull << 34)

struct regs {
    uint32_t eax, ebx, ecx, edx;
};

/*
 * Differs from hardware: models that have extended leaves also have 15 and 16, though no processor of
 * their time did. They tell a guest how fast its time stamp counter runs, which is the host's; measuring it
 * against the timer chip, as kernels do otherwise, fails where accesses to devices take microseconds.
 */
static bool tells_frequency(const struct vcpu *v)
{
    return v->model.brand[0] && v->tsc_khz;
}

static uint32_t max_basic(const struct vcpu *v)
{
    uint32_t max = tells_frequency(v) ? 0x16 : v->model.caches[0].type ? 4 : 2;
    return max > 3 && (v->msr.misc_enable & MISC_ENABLE_LIMIT_CPUID) ? 3 : max;
}

/* Highest extended leaf, 0: none. */
static uint32_t max_extended(const struct vcpu *v)
{
    return v->model.brand[0] ? EXT_BASE + 8 : 0;
}

static uint32_t bytes_at(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct regs leaf_signature(const struct vcpu *v)
{
    struct regs r = { .eax = v->model.signature, .ecx = v->features[1], .edx = v->features[0] };
    if (cpu_has(v, CPU_CLFSH))
        r.ebx = 64 / 8 << 8; /* CLFLUSH line size in units of 8 bytes */
    return r;
}

/*
 * The crystal's frequency, and the time stamp counter's ratio to it. It is 1 MHz; but a local APIC's timer
 * counts the crystal, and that is 1 GHz (devices/near/lapic.c). There the ratio is of small numbers, for
 * kernels multiply it by the crystal's kHz in 32 bits, and the crystal is what makes the product right: less
 * than 0.04 % off.
 */
static struct regs leaf_crystal(const struct vcpu *v)
{
    enum { DENOMINATOR = 500 };
    uint32_t ratio = (v->tsc_khz + 1000) / 2000;

    if (!cpu_has(v, CPU_APIC) || !ratio)
        return (struct regs){ .eax = 1000, .ebx = v->tsc_khz, .ecx = 1000000 };
    uint64_t khz = ((uint64_t)v->tsc_khz * DENOMINATOR + ratio / 2) / ratio;
    return (struct regs){ .eax = DENOMINATOR, .ebx = ratio, .ecx = (uint32_t)(khz * 1000) };
}

static struct regs leaf_caches(const struct vcpu *v, uint32_t index)
{
    const struct cpu_model *m = &v->model;
    if (index >= sizeof(m->caches) / sizeof(m->caches[0]) || !m->caches[index].type)
        return (struct regs){ 0 };
    const struct cpu_cache *c = &m->caches[index];
    return (struct regs){
        .eax = c->type | (uint32_t)c->level << 5 | 1u << 8, /* self-initialising */
        .ebx = (c->ways - 1u) << 22 | (64 - 1),
        .ecx = c->sets - 1u,
    };
}

/* 16 bytes of the brand string, which ends in zeros. */
static struct regs leaf_brand(const struct vcpu *v, unsigned part)
{
    uint8_t text[48] = { 0 };
    for (unsigned i = 0; i < sizeof(text) - 1 && v->model.brand[i]; i++)
        text[i] = (uint8_t)v->model.brand[i];
    const uint8_t *p = text + part * 16;
    return (struct regs){ bytes_at(p), bytes_at(p + 4), bytes_at(p + 8), bytes_at(p + 12) };
}

static struct regs leaf_extended(const struct vcpu *v, uint32_t leaf)
{
    switch (leaf) {
    case EXT_BASE:
        return (struct regs){ .eax = max_extended(v) };
    case EXT_BASE + 1: {
        uint32_t edx = v->features[CPU_NX / 32];
        if (v->msr.misc_enable & MISC_ENABLE_XD_DISABLE)
            edx &= ~(1u << CPU_NX % 32);
        return (struct regs){ .edx = edx };
    }
    case EXT_BASE + 2:
    case EXT_BASE + 3:
    case EXT_BASE + 4:
        return leaf_brand(v, leaf - EXT_BASE - 2);
    case EXT_BASE + 6:
        return (struct regs){ .ecx =
                                  (uint32_t)v->model.l2_kib << 16 | 6u << 12 | 64 }; /* 8-way, 64-byte line */
    case EXT_BASE + 8:
        return (struct regs){ .eax = 32u << 8 | 36 }; /* linear and physical address bits */
    default:
        return (struct regs){ 0 };
    }
}

static struct regs leaf_basic(const struct vcpu *v, uint32_t leaf, uint32_t index)
{
    switch (leaf) {
    case 0:
        return (struct regs){ max_basic(v), 0x756e6547, 0x6c65746e, 0x49656e69 }; /* "GenuineIntel" */
    case 1:
        return leaf_signature(v);
    case 2: {
        const uint8_t *d = v->model.descriptors;
        return (struct regs){ bytes_at(d), bytes_at(d + 4), bytes_at(d + 8), bytes_at(d + 12) };
    }
    case 4:
        return leaf_caches(v, index);
    case 0x15:
        return leaf_crystal(v);
    case 0x16: /* base and maximum frequency, bus: MHz */
        return (struct regs){ .eax = v->tsc_khz / 1000, .ebx = v->tsc_khz / 1000, .ecx = 100 };
    default:
        return (struct regs){ 0 }; /* leaf 3: no processor serial number */
    }
}

void cpuid_execute(struct vcpu *v)
{
    uint32_t leaf = v->gpr.d[X86_EAX];
    struct regs r;

    if (leaf >= EXT_BASE && leaf <= max_extended(v))
        r = leaf_extended(v, leaf);
    else
        r = leaf_basic(v, leaf <= max_basic(v) ? leaf : max_basic(v), v->gpr.d[X86_ECX]);
    v->gpr.d[X86_EAX] = r.eax;
    v->gpr.d[X86_EBX] = r.ebx;
    v->gpr.d[X86_ECX] = r.ecx;
    v->gpr.d[X86_EDX] = r.edx;
}
