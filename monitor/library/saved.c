/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A processor's whole state as bytes, and back. What the public structs show is in there, and what they do
 * not because only a processor that goes on elsewhere needs it: the PDPTEs as they were loaded, the time
 * stamp counter, which instruction a held debug trap belongs to. Library side. API:
 * include/duplex86/duplex86.h.
 */
#include <errno.h>
#include <string.h>

#include "cpu_model.h"
#include "executor.h"
#include "flags.h"
#include "fpu_state.h"
#include "mirror.h"
#include "msr.h"
#include "segment.h"
#include "state.h"

/* Another one whenever struct saved changes. */
enum { SAVED_VERSION = 1, SAVED_MODEL = 32 };

struct saved_segment {
    uint32_t base, limit;
    uint16_t selector, attr;
    uint32_t unusable;
};

/* Little-endian, as this host is, without holes: so it is the same whatever the compiler. */
struct saved {
    uint32_t version, size;
    char model[SAVED_MODEL];
    uint32_t features[4];

    uint32_t gpr[8];
    uint32_t eip, eflags;
    struct saved_segment seg[X86_SREG_COUNT], ldt, tr;
    uint32_t gdt_base, idt_base;
    uint16_t gdt_limit, idt_limit;
    uint32_t cr0, cr2, cr3, cr4;
    uint32_t dr[8];
    uint32_t debug_held;
    uint64_t efer, pdpte[4];

    uint8_t halted, shutdown, nmi_pending, nmi_blocked, int_shadow, shadow_is_ss, repeating, ignne;
    int16_t interrupt;
    uint8_t fpu_hidden;
    uint8_t unused[5];

    uint32_t sysenter_cs, sysenter_esp, sysenter_eip, unused_too;
    uint64_t tsc;
    uint64_t pat, misc_enable, mcg_status, mcg_ctl, mc_ctl[MCA_BANKS];
    uint64_t mtrr_def_type, mtrr_range[2 * MTRR_RANGES], mtrr_fixed[MTRR_FIXED];
    uint8_t fxsave[512];
};

_Static_assert(sizeof(struct saved) <= D86_SAVED_MAX, "the caller has room for it");
_Static_assert(sizeof(struct saved) == 1176, "another layout needs another version");
_Static_assert(X86_SREG_COUNT == 6 && sizeof(struct saved_segment) == 16, "the layout does not depend on us");

/* ---- Out ---- */

static struct saved_segment save_segment(const struct segment *s)
{
    return (struct saved_segment){
        .base = s->base, .limit = s->limit, .selector = s->selector, .attr = s->attr, .unusable = s->unusable
    };
}

static void save_registers(const struct vcpu *v, struct saved *s)
{
    memcpy(s->gpr, v->gpr.d, sizeof(s->gpr));
    s->eip = v->eip;
    s->eflags = flags_get(v);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = save_segment(&v->seg[i]);
    s->ldt = save_segment(&v->ldt);
    s->tr = save_segment(&v->tr);
    s->gdt_base = v->gdt.base;
    s->gdt_limit = v->gdt.limit;
    s->idt_base = v->idt.base;
    s->idt_limit = v->idt.limit;
    s->cr0 = v->cr0;
    s->cr2 = v->cr2;
    s->cr3 = v->cr3;
    s->cr4 = v->cr4;
    s->efer = v->efer;
    memcpy(s->pdpte, v->pdpte, sizeof(s->pdpte));
    memcpy(s->dr, v->debug.dr, sizeof(s->dr));
    s->debug_held = v->debug.held;
}

static void save_events(const struct vcpu *v, struct saved *s)
{
    s->halted = v->halted;
    s->shutdown = v->shutdown;
    s->nmi_pending = v->nmi_pending;
    s->nmi_blocked = v->nmi_blocked;
    s->int_shadow = v->int_shadow;
    s->shadow_is_ss = v->shadow_is_ss;
    s->repeating = v->repeating;
    s->interrupt = v->interrupt;
}

static void save_msrs(const struct vcpu *v, struct saved *s)
{
    s->sysenter_cs = v->msr.sysenter_cs;
    s->sysenter_esp = v->msr.sysenter_esp;
    s->sysenter_eip = v->msr.sysenter_eip;
    s->tsc = tsc_read(v);
    s->pat = v->msr.pat;
    s->misc_enable = v->msr.misc_enable;
    s->mcg_status = v->msr.mcg_status;
    s->mcg_ctl = v->msr.mcg_ctl;
    memcpy(s->mc_ctl, v->msr.mc_ctl, sizeof(s->mc_ctl));
    s->mtrr_def_type = v->msr.mtrr_def_type;
    memcpy(s->mtrr_range, v->msr.mtrr_range, sizeof(s->mtrr_range));
    memcpy(s->mtrr_fixed, v->msr.mtrr_fixed, sizeof(s->mtrr_fixed));
}

bool d86_vcpu_is_amid(const struct d86_vcpu *vcpu)
{
    const struct vcpu *v = mirror_state(vcpu);
    return v->bus.waiting || v->bus.count || v->event.kind != EVENT_NONE || v->delivering.kind != EVENT_NONE;
}

int d86_vcpu_save(const struct d86_vcpu *vcpu, void *data, size_t room)
{
    const struct vcpu *v = mirror_state(vcpu);
    struct saved s = { .version = SAVED_VERSION, .size = sizeof(s) };
    error_clear();
    if (d86_vcpu_is_amid(vcpu))
        return error_set(-EBUSY, "the processor is in the middle of an instruction");
    if (room < sizeof(s))
        return error_set(-ENOSPC, "a processor's state takes %zu bytes", sizeof(s));
    strncpy(s.model, v->model.name, sizeof(s.model) - 1);
    memcpy(s.features, v->features, sizeof(s.features));
    save_registers(v, &s);
    save_events(v, &s);
    save_msrs(v, &s);
    fpu_export(v, s.fxsave);
    s.ignne = v->fpu.ignne;
    s.fpu_hidden = v->fpu.hidden;
    memcpy(data, &s, sizeof(s));
    return sizeof(s);
}

/* ---- In ---- */

/* Sentences, not codes: they reach whoever asked for it. */
static int check(const struct vcpu *v, const void *data, size_t size, struct saved *s)
{
    if (size >= sizeof(*s))
        memcpy(s, data, sizeof(*s));
    if (size < sizeof(*s) || s->version != SAVED_VERSION || s->size != sizeof(*s) || size != sizeof(*s))
        return error_set(-EINVAL, "the processor's state is of another version of this program");
    s->model[SAVED_MODEL - 1] = 0;
    if (strcmp(s->model, v->model.name))
        return error_set(-EINVAL, "the processor's state is of the model '%s', and this one is of '%s'",
                         s->model, v->model.name);
    if (memcmp(s->features, v->features, sizeof(s->features)))
        return error_set(-EINVAL, "the processor's state is of one with other features");
    return state_check_control(v, s->cr0, s->cr4, s->efer);
}

static void restore_segment(struct vcpu *v, struct segment *to, const struct saved_segment *s)
{
    *to = (struct segment){
        .base = s->base, .limit = s->limit, .selector = s->selector, .attr = s->attr, .unusable = s->unusable
    };
    seg_derive(v, to);
}

static void restore_registers(struct vcpu *v, const struct saved *s)
{
    memcpy(v->gpr.d, s->gpr, sizeof(s->gpr));
    v->eip = s->eip;
    v->cr0 = s->cr0 | X86_CR0_ET;
    v->cr2 = s->cr2;
    v->cr3 = s->cr3;
    v->cr4 = s->cr4;
    v->efer = s->efer;
    flags_set(v, (s->eflags & X86_FLAGS_ALL) | X86_FLAGS_ONE);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        restore_segment(v, &v->seg[i], &s->seg[i]);
    restore_segment(v, &v->ldt, &s->ldt);
    restore_segment(v, &v->tr, &s->tr);
    v->gdt = (struct d86_table){ .base = s->gdt_base, .limit = s->gdt_limit };
    v->idt = (struct d86_table){ .base = s->idt_base, .limit = s->idt_limit };
    memcpy(v->pdpte, s->pdpte, sizeof(s->pdpte));
    memcpy(v->debug.dr, s->dr, sizeof(s->dr));
    v->debug.dr[6] |= X86_DR6_FIXED;
    v->debug.dr[7] |= X86_DR7_FIXED;
    v->debug.active = v->debug.dr[7] & 0xff;
    v->debug.held = s->debug_held;
    state_derive_cpl(v);
}

static void restore_events(struct vcpu *v, const struct saved *s)
{
    v->halted = s->halted;
    v->shutdown = s->shutdown;
    v->nmi_pending = s->nmi_pending;
    v->nmi_blocked = s->nmi_blocked;
    v->int_shadow = s->int_shadow;
    v->shadow_is_ss = s->shadow_is_ss;
    v->repeating = s->repeating;
    v->interrupt = s->interrupt < 0 || s->interrupt > 255 ? -1 : s->interrupt;
}

/* The time stamp counter goes on from where it was, as machine time does. */
static void restore_msrs(struct vcpu *v, const struct saved *s)
{
    v->msr.sysenter_cs = s->sysenter_cs;
    v->msr.sysenter_esp = s->sysenter_esp;
    v->msr.sysenter_eip = s->sysenter_eip;
    v->msr.tsc_offset = 0;
    v->msr.tsc_offset = (int64_t)(s->tsc - tsc_read(v));
    v->msr.pat = s->pat;
    v->msr.misc_enable = s->misc_enable;
    v->msr.mcg_status = s->mcg_status;
    v->msr.mcg_ctl = s->mcg_ctl;
    memcpy(v->msr.mc_ctl, s->mc_ctl, sizeof(s->mc_ctl));
    v->msr.mtrr_def_type = s->mtrr_def_type;
    memcpy(v->msr.mtrr_range, s->mtrr_range, sizeof(s->mtrr_range));
    memcpy(v->msr.mtrr_fixed, s->mtrr_fixed, sizeof(s->mtrr_fixed));
}

int d86_vcpu_restore(struct d86_vcpu *vcpu, const void *data, size_t size)
{
    struct saved s;
    error_clear();
    int result = check(mirror_state(vcpu), data, size, &s);
    if (result < 0)
        return result;
    struct vcpu *v = mirror_change(vcpu, CHANNEL_MODE | CHANNEL_TRANSLATIONS);
    state_reset(v);               /* what was under way is over */
    if (!fpu_import(v, s.fxsave)) /* the reset state stays, which is one a processor can be in */
        return error_set(-EINVAL, "MXCSR in the processor's state has reserved bits set");
    v->fpu.ignne = s.ignne;
    v->fpu.hidden = s.fpu_hidden;
    restore_registers(v, &s);
    restore_events(v, &s);
    restore_msrs(v, &s);
    vcpu->exit.ready_for_interrupt = 0; /* known at the next exit */
    return 0;
}
