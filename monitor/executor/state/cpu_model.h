/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The processor models a VM can choose from: what CPUID says and which features instructions ask for.
 * The table is plain constant data in cpu_model.c; the library side reads it too. Executor side.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/*
 * Feature numbers are 32 * word + bit, the words being CPUID.1:EDX, CPUID.1:ECX and CPUID.80000001H:EDX.
 * SDM 2A, "CPUID", "Feature Information". Only what the executor implements can be in a model.
 */
enum cpu_feature {
    CPU_FPU = 0,
    CPU_VME = 1,
    CPU_DE = 2,
    CPU_PSE = 3,
    CPU_TSC = 4,
    CPU_MSR = 5,
    CPU_PAE = 6,
    CPU_MCE = 7,
    CPU_CX8 = 8,
    CPU_APIC = 9,
    CPU_SEP = 11,
    CPU_MTRR = 12,
    CPU_PGE = 13,
    CPU_MCA = 14,
    CPU_CMOV = 15,
    CPU_PAT = 16,
    CPU_PSE36 = 17,
    CPU_CLFSH = 19,
    CPU_MMX = 23,
    CPU_FXSR = 24,
    CPU_SSE = 25,
    CPU_SSE2 = 26,
    CPU_SSE3 = 32 + 0,
    CPU_SSSE3 = 32 + 9,
    CPU_SSE41 = 32 + 19,
    CPU_SSE42 = 32 + 20,
    CPU_POPCNT = 32 + 23,
    CPU_NX = 64 + 20,
    CPU_FEATURE_WORDS = 3,
};

enum { MCA_BANKS = 5 }; /* of the models that have MCA, as on a P6 */
/* Ranges of the models that have MTRRs: a base and a mask each; and those below 1 MiB. */
enum { MTRR_RANGES = 8, MTRR_FIXED = 11 };

/* Deterministic cache parameters, CPUID.4: one cache. */
struct cpu_cache {
    uint8_t type; /* 1 data, 2 instruction, 3 unified */
    uint8_t level;
    uint16_t ways, sets; /* line size is 64 */
};

/* Plain data without pointers: the vCPU keeps a copy in the arena. */
struct cpu_model {
    char name[16], description[80];
    uint32_t signature; /* CPUID.1:EAX */
    uint32_t feature[CPU_FEATURE_WORDS];
    uint8_t descriptors[16];    /* CPUID.2: the bytes of EAX, EBX, ECX, EDX */
    char brand[48];             /* CPUID.80000002H..4H; empty: no extended leaves */
    struct cpu_cache caches[3]; /* CPUID.4, or all zero: no such leaf */
    uint16_t l2_kib;            /* CPUID.80000006H */
    bool has_misc_enable;       /* IA32_MISC_ENABLE exists */
};

extern const struct cpu_model cpu_models[];
extern const unsigned cpu_model_count;

/* The model of that name (NULL: the default one), or NULL. */
const struct cpu_model *cpu_model_find(const char *name);

/*
 * Give the processor this model. false: the host lacks a feature the model promises to programs, named
 * in *missing. The model "max" promises none of those and takes what the host has.
 */
bool cpu_model_select(struct vcpu *v, const struct cpu_model *model, const char **missing);
