/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vCPU state in and out of the public structs, and the reset state. Whatever is set here passes the checks
 * that keep the executor's derived state consistent; nothing else is assumed of the caller. Library side.
 * SDM 3A, "Processor State After Reset".
 */
#include "state.h"

#include <errno.h>
#include <string.h>

#include "cpu_model.h"
#include "executor.h"
#include "flags.h"
#include "fpu_state.h"
#include "mirror.h"
#include "msr.h"
#include "paging.h"
#include "segment.h"

/* ---- Reset
 * ------------------------------------------------------------------------------------------------- */

static struct segment real_mode_segment(struct vcpu *v, uint16_t selector, uint32_t base, uint16_t attr)
{
    struct segment s = { .base = base, .limit = 0xffff, .selector = selector, .attr = attr };
    seg_derive(v, &s);
    return s;
}

enum {
    ATTR_DATA = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A,
    ATTR_CODE = X86_SEG_P | X86_SEG_S | X86_SEG_CODE | X86_SEG_R | X86_SEG_A,
};

static void reset_segments(struct vcpu *v)
{
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        v->seg[i] = real_mode_segment(v, 0, 0, ATTR_DATA);
    v->seg[X86_CS] = real_mode_segment(v, 0xf000, 0xffff0000u, ATTR_DATA);
    v->ldt = real_mode_segment(v, 0, 0, X86_SEG_P | X86_LDT);
    v->tr = real_mode_segment(v, 0, 0, X86_SEG_P | X86_TSS32_BUSY);
    v->gdt = (struct d86_table){ .limit = 0xffff };
    v->idt = (struct d86_table){ .limit = 0xffff };
}

void state_reset(struct vcpu *v)
{
    memset(&v->gpr, 0, sizeof(v->gpr));
    v->gpr.d[X86_EDX] = v->model.signature;
    v->eip = 0xfff0;
    v->cr0 = X86_CR0_ET | X86_CR0_NW | X86_CR0_CD;
    v->cr2 = v->cr3 = v->cr4 = 0;
    v->efer = 0;
    memset(v->pdpte, 0, sizeof(v->pdpte));
    memset(&v->debug, 0, sizeof(v->debug));
    v->debug.dr[6] = X86_DR6_FIXED;
    v->debug.dr[7] = X86_DR7_FIXED;
    v->cpl = 0;
    flags_set(v, X86_FLAGS_ONE);
    reset_segments(v);
    msr_reset(v);
    fpu_reset(v);

    v->halted = v->shutdown = false;
    v->nmi_pending = v->nmi_blocked = false;
    v->int_shadow = v->shadow_is_ss = v->repeating = false;
    v->interrupt = -1;
    v->event = v->delivering = (struct event){ .kind = EVENT_NONE };
    v->exception_shown = false;
    v->bus.count = v->bus.cursor = 0;
    v->bus.waiting = false;
}

/* ---- General registers
 * --------------------------------------------------------------------------------------- */

void d86_vcpu_get_regs(const struct d86_vcpu *vcpu, struct d86_regs *r)
{
    const struct vcpu *v = mirror_state(vcpu);
    *r = (struct d86_regs){
        .eax = v->gpr.d[X86_EAX],
        .ecx = v->gpr.d[X86_ECX],
        .edx = v->gpr.d[X86_EDX],
        .ebx = v->gpr.d[X86_EBX],
        .esp = v->gpr.d[X86_ESP],
        .ebp = v->gpr.d[X86_EBP],
        .esi = v->gpr.d[X86_ESI],
        .edi = v->gpr.d[X86_EDI],
        .eip = v->eip,
        .eflags = flags_get(v),
    };
}

/* What was under way belongs to the state that is being replaced. */
static void abandon_instruction(struct vcpu *v)
{
    v->event.kind = v->delivering.kind = EVENT_NONE;
    v->debug.trap = 0;
    if (v->repeating)
        v->eflags |= X86_RF;
    v->repeating = false;
    v->exception_shown = false;
    v->bus.count = v->bus.cursor = 0;
    v->bus.waiting = false;
}

/* CPL follows from the mode and SS: SDM 3A, "Privilege Levels". */
void state_derive_cpl(struct vcpu *v)
{
    if (!cpu_protected(v))
        v->cpl = 0;
    else if (cpu_v86(v))
        v->cpl = 3;
    else
        v->cpl = (v->seg[X86_SS].attr & X86_SEG_DPL) >> X86_SEG_DPL_SHIFT;
}

void d86_vcpu_set_regs(struct d86_vcpu *vcpu, const struct d86_regs *r)
{
    struct vcpu *v = mirror_change(vcpu, CHANNEL_MODE);
    v->gpr.d[X86_EAX] = r->eax;
    v->gpr.d[X86_ECX] = r->ecx;
    v->gpr.d[X86_EDX] = r->edx;
    v->gpr.d[X86_EBX] = r->ebx;
    v->gpr.d[X86_ESP] = r->esp;
    v->gpr.d[X86_EBP] = r->ebp;
    v->gpr.d[X86_ESI] = r->esi;
    v->gpr.d[X86_EDI] = r->edi;
    v->eip = r->eip;
    flags_set(v, (r->eflags & X86_FLAGS_ALL) | X86_FLAGS_ONE);
    abandon_instruction(v);
    state_derive_cpl(v);
}

/* ---- System registers
 * ------------------------------------------------------------------------------------------- */

static struct d86_segment get_segment(const struct segment *s)
{
    return (struct d86_segment){
        .base = s->base, .limit = s->limit, .selector = s->selector, .attr = s->attr, .unusable = s->unusable
    };
}

static void set_segment(struct vcpu *v, struct segment *s, const struct d86_segment *from)
{
    *s = (struct segment){ .base = from->base,
                           .limit = from->limit,
                           .selector = from->selector,
                           .attr = from->attr,
                           .unusable = from->unusable };
    seg_derive(v, s);
}

void d86_vcpu_get_sregs(const struct d86_vcpu *vcpu, struct d86_sregs *s)
{
    const struct vcpu *v = mirror_state(vcpu);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = get_segment(&v->seg[i]);
    s->ldt = get_segment(&v->ldt);
    s->tr = get_segment(&v->tr);
    s->gdt = v->gdt;
    s->idt = v->idt;
    s->cr0 = v->cr0;
    s->cr2 = v->cr2;
    s->cr3 = v->cr3;
    s->cr4 = v->cr4;
    s->efer = v->efer;
    memcpy(s->dr, v->debug.dr, sizeof(s->dr));
}

#define CR0_DEFINED                                                                                          \
    (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | \
     X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)

int state_check_control(const struct vcpu *v, uint32_t cr0, uint32_t cr4, uint64_t efer)
{
    if (cr0 & ~CR0_DEFINED)
        return error_set(-EINVAL, "CR0 has reserved bits set");
    if ((cr0 & X86_CR0_PG) && !(cr0 & X86_CR0_PE))
        return error_set(-EINVAL, "CR0.PG is set without CR0.PE");
    if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
        return error_set(-EINVAL, "CR0.NW is set without CR0.CD");
    if (cr4 & ~cr4_allowed(v))
        return error_set(-EINVAL, "CR4 has bits that the processor model lacks");
    if (efer & ~(cpu_has(v, CPU_NX) ? (uint64_t)X86_EFER_NXE : 0))
        return error_set(-EINVAL, "EFER has bits that the processor model lacks");
    return 0;
}

int d86_vcpu_set_sregs(struct d86_vcpu *vcpu, const struct d86_sregs *s)
{
    struct vcpu *v = mirror_change(vcpu, CHANNEL_MODE | CHANNEL_TRANSLATIONS);
    error_clear();
    int result = state_check_control(v, s->cr0, s->cr4, s->efer);
    if (result < 0)
        return result;
    /* The last check, for it loads them. */
    if ((s->cr0 & X86_CR0_PG) && (s->cr4 & X86_CR4_PAE) && !paging_load_pdptes(v, s->cr3))
        return error_set(-EINVAL, "the page-directory-pointer table at CR3 has reserved bits set");
    v->cr0 = s->cr0 | X86_CR0_ET;
    v->cr2 = s->cr2;
    v->cr3 = s->cr3;
    v->cr4 = s->cr4;
    v->efer = s->efer;
    memcpy(v->debug.dr, s->dr, sizeof(v->debug.dr));
    v->debug.dr[6] |= X86_DR6_FIXED;
    v->debug.dr[7] |= X86_DR7_FIXED;
    v->debug.active = v->debug.dr[7] & 0xff;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        set_segment(v, &v->seg[i], &s->seg[i]);
    set_segment(v, &v->ldt, &s->ldt);
    set_segment(v, &v->tr, &s->tr);
    v->gdt = s->gdt;
    v->idt = s->idt;
    abandon_instruction(v);
    state_derive_cpl(v);
    return 0;
}

/* ---- FPU, MSRs, events
 * ---------------------------------------------------------------------------------------------- */

void d86_vcpu_get_fpu(const struct d86_vcpu *vcpu, struct d86_fpu *fpu)
{
    fpu_export(mirror_state(vcpu), fpu->fxsave);
}

int d86_vcpu_set_fpu(struct d86_vcpu *vcpu, const struct d86_fpu *fpu)
{
    error_clear();
    if (!fpu_import(mirror_change(vcpu, 0), fpu->fxsave))
        return error_set(-EINVAL, "MXCSR in the FXSAVE image has reserved bits set");
    return 0;
}

int d86_vcpu_get_msr(const struct d86_vcpu *vcpu, uint32_t index, uint64_t *value)
{
    error_clear();
    if (!msr_read(mirror_state(vcpu), index, value))
        return error_set(-EINVAL, "the processor model has no MSR %#x", index);
    return 0;
}

int d86_vcpu_set_msr(struct d86_vcpu *vcpu, uint32_t index, uint64_t value)
{
    error_clear();
    /* EFER decides what page-table entries mean. */
    struct vcpu *v = mirror_change(vcpu, CHANNEL_MODE | CHANNEL_TRANSLATIONS);
    if (!msr_write(v, index, value))
        return error_set(-EINVAL, "MSR %#x does not take the value %#llx", index, (unsigned long long)value);
    return 0;
}

void d86_vcpu_get_events(const struct d86_vcpu *vcpu, struct d86_events *e)
{
    const struct vcpu *v = mirror_state(vcpu);
    *e = (struct d86_events){
        .halted = v->halted,
        .shutdown = v->shutdown,
        .nmi_pending = v->nmi_pending,
        .nmi_blocked = v->nmi_blocked,
        .interrupt_shadow = v->int_shadow,
        .interrupt = v->interrupt,
    };
}

void d86_vcpu_set_events(struct d86_vcpu *vcpu, const struct d86_events *e)
{
    struct vcpu *v = mirror_change(vcpu, 0);
    v->halted = e->halted;
    v->shutdown = e->shutdown;
    v->nmi_pending = e->nmi_pending;
    v->nmi_blocked = e->nmi_blocked;
    v->int_shadow = e->interrupt_shadow;
    v->shadow_is_ss = false;
    v->interrupt = e->interrupt < 0 || e->interrupt > 255 ? -1 : e->interrupt;
}
