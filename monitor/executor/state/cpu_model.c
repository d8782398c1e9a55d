/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processor models: one row each. A feature is here only if the executor has it: a local APIC is not, it
 * is the machine's to add. Signatures and cache descriptors are those of the
 * processors named; SDM 2A, "CPUID", tables of leaves 1, 2 and 4. Executor side.
 */
#include "cpu_model.h"

#include "executor.h"

#define BIT(feature) (1u << ((feature) % 32))

#define WORD0_PENTIUM2                                                                                       \
    (BIT(CPU_FPU) | BIT(CPU_VME) | BIT(CPU_DE) | BIT(CPU_PSE) | BIT(CPU_TSC) | BIT(CPU_MSR) | BIT(CPU_PAE) | \
     BIT(CPU_MCE) | BIT(CPU_CX8) | BIT(CPU_SEP) | BIT(CPU_MTRR) | BIT(CPU_PGE) | BIT(CPU_MCA) |              \
     BIT(CPU_CMOV) | BIT(CPU_PSE36) | BIT(CPU_MMX) | BIT(CPU_FXSR))
#define WORD0_PENTIUM3  (WORD0_PENTIUM2 | BIT(CPU_PAT) | BIT(CPU_SSE))
#define WORD0_PENTIUM_M (WORD0_PENTIUM3 | BIT(CPU_SSE2) | BIT(CPU_CLFSH))
/* Executed on the host's own units, so a model may offer only what the host has. */
#define WORD1_MAX (BIT(CPU_SSE3) | BIT(CPU_SSSE3) | BIT(CPU_SSE41) | BIT(CPU_SSE42) | BIT(CPU_POPCNT))

/* clang-format off */
#define CACHES_32K_2M { { 1, 1, 8, 64 }, { 2, 1, 8, 64 }, { 3, 2, 8, 4096 } }
/* clang-format on */

const struct cpu_model cpu_models[] = {
    /*
     * The signature is that of an Atom D510, which executes in order. Kernels know that such a processor
     * needs none of their precautions against speculative execution, and take none. Here they would be of no
     * use: what a program's own code can reach, speculating or not, is the first 4 GiB of a process that has
     * nothing of the guest's kernel there. But they cost a great deal, since kernels are interpreted. SSE3
     * and SSSE3, which that processor has, are left out for hosts that lack them.
     */
    {
        .name = "atom",
        .description = "the default: Atom class (no speculation, no mitigations) with PAE, NX, SSE2",
        .signature = 0x106ca,
        .feature = { WORD0_PENTIUM_M, 0, BIT(CPU_NX) },
        /* TLBs, 32 KiB + 24 KiB L1, 512 KiB 8-way L2 */
        .descriptors = { 0x01, 0xba, 0x59, 0x4f, 0xc0, 0x80, 0x30, 0x0e },
        .brand = "Duplex86 virtual processor (Atom class)",
        .l2_kib = 512,
        .has_misc_enable = true,
    },
    {
        .name = "pentium-m",
        .description = "Pentium M class with PAE, NX, SSE and SSE2",
        .signature = 0x6d8,
        .feature = { WORD0_PENTIUM_M, 0, BIT(CPU_NX) },
        /* 4 KiB and 4 MiB TLBs, 32 KiB + 32 KiB L1, 2 MiB 8-way L2 */
        .descriptors = { 0x01, 0x02, 0xb3, 0xb0, [12] = 0x7d, 0x30, 0x04, 0x2c },
        .brand = "Duplex86 virtual processor (Pentium M class)",
        .l2_kib = 2048,
        .has_misc_enable = true,
    },
    {
        .name = "pentium2",
        .description = "Pentium II class: MMX, no SSE, no NX",
        .signature = 0x652,
        .feature = { WORD0_PENTIUM2, 0, 0 },
        /* TLBs as above, 16 KiB + 16 KiB L1, 512 KiB 4-way L2 */
        .descriptors = { 0x01, 0x02, 0x01, 0x03, [12] = 0x0c, 0x08, 0x04, 0x43 },
    },
    {
        .name = "pentium3",
        .description = "Pentium III class: SSE, no SSE2, no NX",
        .signature = 0x68a,
        .feature = { WORD0_PENTIUM3, 0, 0 },
        .descriptors = { 0x01, 0x02, 0x01, 0x03, [12] = 0x0c, 0x08, 0x04, 0x82 },
    },
    {
        .name = "core",
        .description = "Core Duo class: Pentium M and SSE3",
        .signature = 0x6ec,
        .feature = { WORD0_PENTIUM_M, BIT(CPU_SSE3), BIT(CPU_NX) },
        .descriptors = { 0x01, 0x02, 0xb3, 0xb0, [12] = 0x7d, 0x30, 0x04, 0x2c },
        .brand = "Duplex86 virtual processor (Core class)",
        .caches = CACHES_32K_2M,
        .l2_kib = 2048,
        .has_misc_enable = true,
    },
    {
        .name = "max",
        .description = "Core class and what this host has of SSE3, SSSE3, SSE4.1, SSE4.2 and POPCNT",
        .signature = 0x106a5,
        .feature = { WORD0_PENTIUM_M, 0, BIT(CPU_NX) },
        .descriptors = { 0x01, 0x02, 0xb3, 0xb0, [12] = 0x7d, 0x30, 0x04, 0x2c },
        .brand = "Duplex86 virtual processor (max)",
        .caches = CACHES_32K_2M,
        .l2_kib = 2048,
        .has_misc_enable = true,
    },
};

const unsigned cpu_model_count = sizeof(cpu_models) / sizeof(cpu_models[0]);

/* The model whose word 1 is filled in from the host. */
static const struct cpu_model *const model_max = &cpu_models[sizeof(cpu_models) / sizeof(cpu_models[0]) - 1];

static bool same_name(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

const struct cpu_model *cpu_model_find(const char *name)
{
    if (!name)
        return &cpu_models[0];
    for (unsigned i = 0; i < cpu_model_count; i++)
        if (same_name(cpu_models[i].name, name))
            return &cpu_models[i];
    return NULL;
}

/* CPUID.1 of the host: EDX and ECX in our word order. */
static void host_features(uint32_t word[2])
{
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    word[0] = edx;
    word[1] = ecx;
}

bool cpu_model_select(struct vcpu *v, const struct cpu_model *model, const char **missing)
{
    static const struct {
        unsigned feature;
        const char *name;
    } needed[] = {
        { CPU_MMX, "MMX" },      { CPU_FXSR, "FXSR" },    { CPU_SSE, "SSE" },
        { CPU_SSE2, "SSE2" },    { CPU_SSE3, "SSE3" },    { CPU_SSSE3, "SSSE3" },
        { CPU_SSE41, "SSE4.1" }, { CPU_SSE42, "SSE4.2" }, { CPU_POPCNT, "POPCNT" },
    };
    uint32_t host[2];

    host_features(host);
    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        unsigned word = needed[i].feature / 32;
        if (model->feature[word] & ~host[word] & BIT(needed[i].feature)) {
            *missing = needed[i].name;
            return false;
        }
    }
    v->model = *model;
    for (unsigned i = 0; i < CPU_FEATURE_WORDS; i++)
        v->features[i] = model->feature[i];
    if (model == model_max)
        v->features[1] |= host[1] & WORD1_MAX;
    return true;
}

bool cpu_has(const struct vcpu *v, unsigned feature)
{
    return v->features[feature / 32] >> feature % 32 & 1;
}
