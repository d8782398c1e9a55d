/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mode key: everything of the virtual processor that a private page depends on besides the bytes and
 * their address. All mapped pages are of one mode; when it changes they are unmapped, and stay in the pool
 * for the next time. Executor side.
 */
#include "code_private.h"

/* In our key only; the scanner has no such bit: snippets may be used. */
#define KEY_SNIPPETS (UINT64_C(1) << 31)

/* Features are those the executor can give (cpu_model.h); the sets no model has are not here. */
static const struct {
    uint8_t isa, feature;
} isa_features[] = {
    { X86_ISA_X87, CPU_FPU },       { X86_ISA_TSC, CPU_TSC },     { X86_ISA_MSR, CPU_MSR },
    { X86_ISA_CX8, CPU_CX8 },       { X86_ISA_SEP, CPU_SEP },     { X86_ISA_CMOV, CPU_CMOV },
    { X86_ISA_FXSR, CPU_FXSR },     { X86_ISA_CLFSH, CPU_CLFSH }, { X86_ISA_MMX, CPU_MMX },
    { X86_ISA_SSE, CPU_SSE },       { X86_ISA_SSE2, CPU_SSE2 },   { X86_ISA_SSE3, CPU_SSE3 },
    { X86_ISA_SSSE3, CPU_SSSE3 },   { X86_ISA_SSE41, CPU_SSE41 }, { X86_ISA_SSE42, CPU_SSE42 },
    { X86_ISA_POPCNT, CPU_POPCNT },
};

uint32_t code_isa(const struct vcpu *v)
{
    uint32_t isa = 0;

    for (unsigned i = 0; i < sizeof(isa_features) / sizeof(isa_features[0]); i++) {
        if (cpu_has(v, isa_features[i].feature))
            isa |= 1u << isa_features[i].isa;
    }
    return isa;
}

/* Natively IF is set and IOPL, VIF and VIP are clear. */
static bool flags_differ(const struct vcpu *v)
{
    return (v->eflags & (X86_IF | X86_IOPL | X86_VIF | X86_VIP)) != X86_IF;
}

static bool is_flat(const struct segment *s)
{
    return s->base == 0 && s->writable && s->min == 0 && s->max == UINT32_MAX;
}

uint32_t code_mode_bits(const struct vcpu *v)
{
    uint32_t bits = SCAN_GUARD_ESCAPE << SCAN_GUARD_SHIFT;

    if (v->seg[X86_CS].attr & X86_SEG_DB)
        bits |= SCAN_CODE32;
    if (v->cpl < 3)
        bits |= SCAN_CPL0;
    if (v->cpl <= cpu_iopl(v))
        bits |= SCAN_IO_ALLOWED;
    if (flags_differ(v))
        bits |= SCAN_FLAGS_DIFFER;
    if (v->msr.tsc_offset == 0)
        bits |= SCAN_TSC_NATIVE;
    if (v->cr0 & X86_CR0_MP)
        bits |= SCAN_CR0_MP;
    if (v->cr0 & X86_CR0_EM)
        bits |= SCAN_CR0_EM;
    if (v->cr0 & X86_CR0_TS)
        bits |= SCAN_CR0_TS;
    if (v->cr4 & X86_CR4_TSD)
        bits |= SCAN_CR4_TSD;
    if (v->cr4 & X86_CR4_OSFXSR)
        bits |= SCAN_CR4_OSFXSR;
    if (v->split.data_base)
        bits |= SCAN_DATA_APART | (is_flat(&v->seg[X86_ES]) ? SCAN_ES_AT_ZERO : 0); /* host_segments.c */
    return bits;
}

/*
 * Snippets find the scratch page through ES, which has base 0 when it is the guest's flat one, in all splits;
 * and CS has to be flat, since a snippet that stands for a CALL pushes a linear address.
 */
static bool snippets_work(const struct vcpu *v)
{
    const struct segment *cs = &v->seg[X86_CS];

    return is_flat(&v->seg[X86_ES]) && cs->base == 0 && cs->limit == UINT32_MAX;
}

void code_mode_refresh(struct vcpu *v)
{
    struct code_cache *c = v->code;
    uint32_t bits = code_mode_bits(v);
    bool snippets = snippets_work(v);
    bool same_processor = v->features[0] == c->features[0] && v->features[1] == c->features[1];

    if (likely(bits == c->mode.bits && snippets == c->snippets && same_processor))
        return;
    for (uint32_t i = 0; i < c->mapping_count; i++)
        c->page[c->mapping[i].slot].leaving = true;
    v->counts.code_unmaps += code_unmap_leaving(v);
    if (!same_processor) {
        c->features[0] = v->features[0];
        c->features[1] = v->features[1];
        c->mode.isa = code_isa(v);
    }
    c->mode.bits = bits;
    c->snippets = snippets;
    c->key = scan_mode_key(&c->mode) | (snippets ? KEY_SNIPPETS : 0);
}
