/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Raising exceptions and what leads to a delivery: the double-fault rules, external interrupts, software
 * interrupts with the rules of virtual-8086 mode, debug traps. The delivery itself is in delivery.c.
 *
 * v->event holds an exception from the moment it is raised until its handler's first instruction is next;
 * v->delivering says that a delivery is under way, so that a fault inside it is combined with it.
 * SDM 3A, "Interrupt and Exception Handling". Executor side.
 */
#include "event.h"

#include "delivery.h"
#include "flags.h"

/* ---- Raising ------------------------------------------------------------------------------------------- */

/* SDM 3A, "Interrupt 8-Double Fault Exception (#DF)", table of classes. */
enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum fault_class fault_class(uint8_t vector)
{
    switch (vector) {
    case X86_DE:
    case X86_TS:
    case X86_NP:
    case X86_VEC_SS:
    case X86_GP:
        return CONTRIBUTORY;
    case X86_VEC_PF:
        return PAGE_FAULT;
    default:
        return BENIGN;
    }
}

/* Does `second`, raised while `first` was delivered, make a double fault? */
static bool is_double_fault(uint8_t first, uint8_t second)
{
    enum fault_class a = fault_class(first), b = fault_class(second);

    if (a == CONTRIBUTORY)
        return b == CONTRIBUTORY;
    return a == PAGE_FAULT && b != BENIGN;
}

NORETURN static void shut_down(struct vcpu *v)
{
    v->event.kind = EVENT_NONE;
    v->delivering.kind = EVENT_NONE;
    v->shutdown = true;
    v->exit->reason = D86_EXIT_SHUTDOWN;
    exec_exit(v);
}

NORETURN static void raise_event(struct vcpu *v, const struct uop *u, struct event event)
{
    cpu_sync(v, u);
    if (v->delivering.kind == EVENT_EXCEPTION) {
        uint8_t first = v->delivering.vector;
        if (first == X86_DOUBLE_FAULT && fault_class(event.vector) != BENIGN)
            shut_down(v);
        if (is_double_fault(first, event.vector))
            event = (struct event){ EVENT_EXCEPTION, X86_DOUBLE_FAULT, true, 0 };
    }
    v->delivering.kind = EVENT_NONE;
    v->event = event;
    unwind_to(&v->unwind, UNWIND_EXCEPTION);
}

void raise_exception(struct vcpu *v, const struct uop *u, uint8_t vector)
{
    raise_event(v, u, (struct event){ EVENT_EXCEPTION, vector, false, 0 });
}

void raise_error(struct vcpu *v, const struct uop *u, uint8_t vector, uint32_t error)
{
    raise_event(v, u, (struct event){ EVENT_EXCEPTION, vector, true, error });
}

/* ---- Delivering -------------------------------------------------------------------------------------------
 */

/* Deliver with v->delivering telling nested faults what is under way. */
static void deliver_as(struct vcpu *v, enum event_kind kind, const struct delivery *d)
{
    v->delivering = (struct event){ (uint8_t)kind, d->vector, d->has_error, d->error };
    deliver(v, d);
    v->delivering.kind = EVENT_NONE;
    v->int_shadow = v->shadow_is_ss = v->repeating = false;
    v->no_trap = true;
    v->halted = false;
}

/* A #DB clears DR7.GD so that its handler can use the debug registers: SDM 3B, "Debug Control Register
 * (DR7)". */
static void enter_debug_exception(struct vcpu *v)
{
    v->debug.dr[7] &= ~X86_DR7_GD;
}

void event_deliver_exception(struct vcpu *v)
{
    const struct event *e = &v->event;
    struct delivery d = {
        .vector = e->vector,
        .has_error = e->has_error,
        .error = e->error,
        .return_eip = v->eip,
        .flags = flags_get(v),
    };

    /*
     * Faults resume at their instruction; RF keeps its breakpoint from striking again. An instruction
     * breakpoint itself pushes the RF there is (SDM 3B, "Instruction-Breakpoint Exception Condition"), and so
     * does whatever comes between instructions, or between the iterations of one.
     */
    if (d.vector != X86_DB && d.vector != X86_DOUBLE_FAULT && d.vector != X86_MC)
        d.flags |= X86_RF;
    deliver_as(v, EVENT_EXCEPTION, &d);
    if (d.vector == X86_DB)
        enter_debug_exception(v);
    v->event.kind = EVENT_NONE;
    v->stats.exceptions++;
}

void event_deliver_interrupt(struct vcpu *v, uint8_t vector)
{
    const struct delivery d = { .vector = vector, .return_eip = v->eip, .flags = flags_get(v) };

    deliver_as(v, EVENT_EXTERNAL, &d);
    v->stats.interrupts++;
}

void event_deliver_nmi(struct vcpu *v)
{
    v->nmi_blocked = true; /* until the next IRET, even if the delivery faults */
    event_deliver_interrupt(v, X86_NMI);
}

void event_debug_trap(struct vcpu *v, uint32_t dr6)
{
    const struct delivery d = { .vector = X86_DB, .return_eip = v->eip, .flags = flags_get(v) };

    v->debug.dr[6] |= dr6;
    deliver_as(v, EVENT_EXCEPTION, &d);
    enter_debug_exception(v);
    v->stats.exceptions++;
}

void event_icebp(struct vcpu *v)
{
    const struct delivery d = { .vector = X86_DB, .return_eip = v->next_eip, .flags = flags_get(v) };

    v->debug.hit = 0; /* what MOV SS held back is lost, as with any exception but INT n, INT3 and INTO */
    deliver_as(v, EVENT_EXCEPTION, &d);
    enter_debug_exception(v);
    v->stats.exceptions++;
}

/* ---- Software interrupts
 * -------------------------------------------------------------------------------------- */

void event_software_trap(struct vcpu *v, uint8_t vector)
{
    const struct delivery d = {
        .vector = vector, .software = true, .return_eip = v->next_eip, .flags = flags_get(v)
    };

    deliver_as(v, EVENT_SOFT_INT, &d);
}

/*
 * INT n in virtual-8086 mode: SDM 3B, "Software Interrupt Handling Methods While in Virtual-8086 Mode".
 * Methods 5 and 6 stay in the 8086 program; the others go through the IDT or raise #GP.
 */
void event_software(struct vcpu *v, uint8_t vector)
{
    if (cpu_v86(v)) {
        if ((v->cr4 & X86_CR4_VME) && tss_int_redirected(v, vector)) {
            deliver_v86_redirected(v, vector);
            return;
        }
        if (cpu_iopl(v) < 3)
            raise_error(v, NULL, X86_GP, 0);
    }
    event_software_trap(v, vector);
}
