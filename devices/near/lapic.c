/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Local APIC of a P6, alone on its bus: requests and services as sets of vectors, priorities, the local
 * vector table, its timer, and interrupts to itself. The timer's clock is 1 GHz, a tick a ns, and is computed
 * from machine time. SDM 3A, "Advanced Programmable Interrupt Controller (APIC)".
 */
#include "apic.h"
#include "arrears.h"

enum {
    ID = 0x020,
    VERSION = 0x030,
    TPR = 0x080,
    APR = 0x090,
    PPR = 0x0a0,
    EOI = 0x0b0,
    LDR = 0x0d0,
    DFR = 0x0e0,
    SVR = 0x0f0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR_LOW = 0x300,
    ICR_HIGH = 0x310,
    LVT = 0x320, /* timer, thermal, performance, LINT0, LINT1, error */
    TIMER_INITIAL = 0x380,
    TIMER_CURRENT = 0x390,
    TIMER_DIVIDE = 0x3e0,

    VERSION_P6 = 0x00050014,
    SVR_ENABLED = 1 << 8,
    SVR_WRITABLE = 0x1ff,
    LVT_PERIODIC = 1 << 17,
    ESR_SENT_ILLEGAL = 1 << 5,
    ESR_RECEIVED_ILLEGAL = 1 << 6,
    VECTOR_MIN = 16,

    ICR_LOGICAL = 1 << 11,
    ICR_WRITABLE = 0x000ccfff,
};

/* Periodic interrupts that are closer are merged, so that a guest cannot keep the host busy. */
#define PERIOD_MIN_NS 20000

static unsigned mode_of(uint32_t entry)
{
    return entry >> 8 & 7;
}

/* ---- Sets of vectors ------------------------------------------------------------------------- */

static void set_vector(uint32_t *set, uint8_t vector, bool value)
{
    uint32_t bit = 1u << vector % 32;

    set[vector / 32] = value ? set[vector / 32] | bit : set[vector / 32] & ~bit;
}

static bool has_vector(const uint32_t *set, uint8_t vector)
{
    return set[vector / 32] >> vector % 32 & 1;
}

/* -1: it is empty. */
static int highest(const uint32_t *set)
{
    for (int i = 7; i >= 0; i--) {
        if (set[i])
            return i * 32 + 31 - __builtin_clz(set[i]);
    }
    return -1;
}

/* ---- Priorities ------------------------------------------------------------------------------ */

static uint32_t processor_priority(const struct near_lapic *a)
{
    int service = highest(a->isr);
    uint32_t in_service = service < 0 ? 0 : (uint32_t)service & 0xf0;

    return (a->tpr & 0xf0) >= in_service ? a->tpr : in_service;
}

int lapic_pending(const struct near_lapic *a)
{
    int vector = highest(a->irr);

    return vector >= 0 && ((uint32_t)vector & 0xf0) > (processor_priority(a) & 0xf0) ? vector : -1;
}

bool lapic_requests(const struct near_lapic *a, uint8_t vector)
{
    return has_vector(a->irr, vector);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void request(struct near *near, uint8_t vector, bool level)
{
    struct near_lapic *a = &near->state->lapic;

    if (vector < VECTOR_MIN) {
        a->errors |= ESR_RECEIVED_ILLEGAL;
        return;
    }
    set_vector(a->irr, vector, true);
    set_vector(a->tmr, vector, level);
}

static void request_local(struct near *near, unsigned entry)
{
    uint32_t lvt = near->state->lapic.lvt[entry];

    if (!(lvt & APIC_MASKED) && mode_of(lvt) == APIC_FIXED)
        request(near, (uint8_t)lvt, false);
}

static bool is_addressed(const struct near_lapic *a, uint8_t destination, bool logical)
{
    uint8_t name = a->ldr >> 24;

    if (!logical)
        return destination == 0xff || destination == a->id >> 24;
    if (a->dfr >> 28 == 0xf) /* flat; else clusters */
        return destination & name;
    return (destination >> 4 == 0xf || destination >> 4 == name >> 4) && destination & name & 0xf;
}

bool lapic_accept(struct near *near, uint8_t destination, bool logical, unsigned mode, uint8_t vector,
                  bool level)
{
    const struct near_lapic *a = &near->state->lapic;

    if (!is_addressed(a, destination, logical) || !(a->svr & SVR_ENABLED) ||
        (mode != APIC_FIXED && mode != APIC_LOWEST_PRIORITY))
        return false;
    request(near, vector, level);
    return true;
}

bool lapic_passes_extint(const struct near_lapic *a)
{
    return !(a->lvt[NEAR_LVT_LINT0] & APIC_MASKED) && mode_of(a->lvt[NEAR_LVT_LINT0]) == APIC_EXTINT;
}

void lapic_lint0_rises(struct near *near)
{
    request_local(near, NEAR_LVT_LINT0);
}

/* To itself, or to nobody: there is no other. */
static void send(struct near *near, uint32_t icr)
{
    struct near_lapic *a = &near->state->lapic;
    unsigned shorthand = icr >> 18 & 3, mode = mode_of(icr);
    uint8_t vector = (uint8_t)icr;

    if (mode == APIC_FIXED && vector < VECTOR_MIN)
        a->errors |= ESR_SENT_ILLEGAL;
    else if (shorthand == 1 || shorthand == 2)
        lapic_accept(near, 0xff, false, mode, vector, false);
    else if (shorthand == 0)
        lapic_accept(near, a->icr_high >> 24, icr & ICR_LOGICAL, mode, vector, false);
}

static void end_of_interrupt(struct near *near)
{
    struct near_lapic *a = &near->state->lapic;
    int vector = highest(a->isr);

    if (vector < 0)
        return;
    set_vector(a->isr, vector, false);
    if (has_vector(a->tmr, vector))
        ioapic_eoi(near, vector);
}

/* ---- The timer ------------------------------------------------------------------------------- */

/* Divide by 2, 4 ... 128, 1. */
static unsigned divide_shift(const struct near_lapic *a)
{
    return ((a->divide & 3) + (a->divide >> 1 & 4) + 1) & 7;
}

static uint64_t period(const struct near_lapic *a)
{
    return (uint64_t)a->timer_initial << divide_shift(a);
}

/* A start that is yet to come can only be one that somebody made up. */
static uint64_t elapsed(const struct near *near)
{
    uint64_t now = near->host->now(near->ctx), start = near->state->lapic.timer_start;

    return now > start ? now - start : 0;
}

static uint32_t timer_current(const struct near *near)
{
    const struct near_lapic *a = &near->state->lapic;
    uint64_t whole = period(a), passed = elapsed(near);

    if (!whole)
        return 0;
    if (a->lvt[NEAR_LVT_TIMER] & LVT_PERIODIC)
        passed %= whole;
    return passed < whole ? (uint32_t)((whole - passed + ((1u << divide_shift(a)) - 1)) >> divide_shift(a))
                          : 0;
}

/* Between two interrupts of a periodic timer; a multiple of its period. */
static uint64_t step(const struct near_lapic *a)
{
    uint64_t whole = period(a);

    return whole < PERIOD_MIN_NS ? (PERIOD_MIN_NS + whole - 1) / whole * whole : whole;
}

static bool is_periodic(const struct near_lapic *a)
{
    return a->lvt[NEAR_LVT_TIMER] & LVT_PERIODIC;
}

static struct arrears *arrears(struct near_lapic *a)
{
    return (void *)a->arrears;
}

_Static_assert(sizeof(struct arrears) == NEAR_ARREARS_SIZE, "they fit where they are lent");

/* The end of a period, or sooner an interrupt that is owed, once the last one has been taken. */
static void schedule(struct near_lapic *a)
{
    const struct arrears *owed = arrears(a);

    a->deadline = a->period_end;
    if (owed->owed && owed->next_at < a->deadline && !lapic_requests(a, (uint8_t)a->lvt[NEAR_LVT_TIMER]))
        a->deadline = owed->next_at;
}

/* When it comes to 0 next, if that is to interrupt. */
static void set_deadline(struct near *near)
{
    struct near_lapic *a = &near->state->lapic;
    uint64_t whole = period(a), passed = elapsed(near), next = whole;

    a->deadline = DEVICE_NEVER;
    if (!whole || a->lvt[NEAR_LVT_TIMER] & APIC_MASKED || (!is_periodic(a) && passed >= whole))
        return;
    if (is_periodic(a))
        next = (passed / step(a) + 1) * step(a);
    if (next >= DEVICE_NEVER - a->timer_start)
        return;
    a->deadline = a->period_end = a->timer_start + next;
    arrears_begin(arrears(a), near_guest_ns(near));
}

/* Every period counts, though a host that is busy lets many end at once (arrears.h). */
static void end_periods(struct near *near)
{
    struct near_lapic *a = &near->state->lapic;
    uint64_t now = near->host->now(near->ctx), each = step(a), guest_ns = near_guest_ns(near);
    uint64_t ended = now < a->period_end ? 0 : (now - a->period_end) / each + 1;

    a->period_end += ended * each;
    if (lapic_requests(a, (uint8_t)a->lvt[NEAR_LVT_TIMER])) {
        arrears_meet(arrears(a), ended, each, guest_ns);
    } else {
        arrears_owe(arrears(a), ended, each);
        if (arrears_pay(arrears(a), each, now, guest_ns))
            request_local(near, NEAR_LVT_TIMER);
    }
    schedule(a);
}

void lapic_run_timer(struct near *near)
{
    struct near_lapic *a = &near->state->lapic;

    a->deadline = DEVICE_NEVER;
    if (!period(a))
        return;
    if (is_periodic(a))
        end_periods(near);
    else
        request_local(near, NEAR_LVT_TIMER);
}

void lapic_take(struct near *near, uint8_t vector)
{
    struct near_lapic *a = &near->state->lapic;

    set_vector(a->irr, vector, false);
    set_vector(a->isr, vector, true);
    if (vector != (uint8_t)a->lvt[NEAR_LVT_TIMER] || !is_periodic(a) || a->deadline == DEVICE_NEVER ||
        !period(a) || !arrears(a)->owed)
        return;
    arrears_pause(arrears(a), step(a), near->host->now(near->ctx));
    schedule(a);
}

static void start_timer(struct near *near, uint32_t count)
{
    struct near_lapic *a = &near->state->lapic;

    a->timer_initial = count;
    a->timer_start = near->host->now(near->ctx);
    set_deadline(near);
}

/* Its pace changes; what is left to count stays. */
static void set_divide(struct near *near, uint32_t value)
{
    struct near_lapic *a = &near->state->lapic;

    a->divide = value & 0x0b;
    if (a->timer_initial)
        a->timer_start = near->host->now(near->ctx);
    set_deadline(near);
}

/* ---- Registers ------------------------------------------------------------------------------- */

static uint32_t read_set(const struct near_lapic *a, uint32_t offset)
{
    const uint32_t *set = offset < TMR ? a->isr : offset < IRR ? a->tmr : a->irr;

    return set[offset >> 4 & 7];
}

uint32_t lapic_read(const struct near *near, uint32_t offset)
{
    const struct near_lapic *a = &near->state->lapic;

    if (offset >= ISR && offset < ESR)
        return read_set(a, offset);
    if (offset >= LVT && offset < TIMER_INITIAL)
        return a->lvt[(offset - LVT) >> 4];
    switch (offset) {
    case ID:
        return a->id;
    case VERSION:
        return VERSION_P6;
    case TPR:
        return a->tpr;
    case APR:
    case PPR:
        return processor_priority(a);
    case LDR:
        return a->ldr;
    case DFR:
        return a->dfr;
    case SVR:
        return a->svr;
    case ESR:
        return a->esr;
    case ICR_LOW:
        return a->icr_low;
    case ICR_HIGH:
        return a->icr_high;
    case TIMER_INITIAL:
        return a->timer_initial;
    case TIMER_CURRENT:
        return timer_current(near);
    case TIMER_DIVIDE:
        return a->divide;
    default:
        return 0;
    }
}

static void write_svr(struct near_lapic *a, uint32_t value)
{
    a->svr = value & SVR_WRITABLE;
    for (unsigned i = 0; i < NEAR_LVTS && !(value & SVR_ENABLED); i++)
        a->lvt[i] |= APIC_MASKED;
}

static void write_lvt(struct near *near, unsigned entry, uint32_t value)
{
    static const uint32_t writable[NEAR_LVTS] = { 0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff };
    struct near_lapic *a = &near->state->lapic;

    a->lvt[entry] = value & writable[entry];
    if (!(a->svr & SVR_ENABLED))
        a->lvt[entry] |= APIC_MASKED;
    if (entry == NEAR_LVT_TIMER)
        set_deadline(near);
}

static void write_register(struct near *near, uint32_t offset, uint32_t value)
{
    struct near_lapic *a = &near->state->lapic;

    switch (offset) {
    case ID:
        a->id = value & 0x0f000000;
        break;
    case TPR:
        a->tpr = value & 0xff;
        break;
    case EOI:
        end_of_interrupt(near);
        break;
    case LDR:
        a->ldr = value & 0xff000000;
        break;
    case DFR:
        a->dfr = value | 0x0fffffff;
        break;
    case SVR:
        write_svr(a, value);
        set_deadline(near);
        break;
    case ESR:
        a->esr = a->errors;
        a->errors = 0;
        break;
    case ICR_LOW:
        a->icr_low = value & ICR_WRITABLE;
        send(near, value);
        break;
    case ICR_HIGH:
        a->icr_high = value & 0xff000000;
        break;
    case TIMER_INITIAL:
        start_timer(near, value);
        break;
    case TIMER_DIVIDE:
        set_divide(near, value);
        break;
    default:
        break;
    }
}

void lapic_write(struct near *near, uint32_t offset, uint32_t value)
{
    uint32_t errors = near->state->lapic.errors;

    if (offset >= LVT && offset < TIMER_INITIAL)
        write_lvt(near, (offset - LVT) >> 4, value);
    else
        write_register(near, offset, value);
    if (near->state->lapic.errors & ~errors)
        request_local(near, NEAR_LVT_ERROR);
}

/* Differs from hardware: LINT0 lets the 8259A through, as firmware sets it, so that firmware need not. */
void lapic_reset(struct near *near)
{
    struct near_lapic *a = &near->state->lapic;

    *a = (struct near_lapic){ .dfr = UINT32_MAX, .svr = 0xff, .deadline = DEVICE_NEVER };
    for (unsigned i = 0; i < NEAR_LVTS; i++)
        a->lvt[i] = APIC_MASKED;
    a->lvt[NEAR_LVT_LINT0] = APIC_EXTINT << 8;
}
