/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of IN, OUT, INS and OUTS. A REP string goes to the caller in batches where its memory is plain
 * RAM that is known to be accessible: one exit for up to a page of elements.
 * SDM 2A, "IN", "INS"; SDM 2B, "OUT", "OUTS"; SDM 1, "Input/Output". Executor side.
 */
#include "breakpoint.h"
#include "bus.h"
#include "chips.h"
#include "system.h"

/* ---- IN, OUT: aux is the size, src says whether the port is in DX
 * -------------------------------------------- */

static ALWAYS_INLINE uint16_t port_of(const struct vcpu *v, const struct uop *u)
{
    return u->src ? v->gpr.w[X86_EDX * 2] : (uint16_t)(u->imm & 0xff);
}

/* I/O breakpoints; with any enabled each access comes alone, batches and their like are not for the stepped.
 */
static ALWAYS_INLINE void port_accessed(struct vcpu *v, uint16_t port, unsigned size)
{
    if (unlikely(v->debug.active))
        breakpoint_port(v, port, size);
}

HANDLER(in_port)
{
    uint16_t port = port_of(v, u);

    tss_check_io(v, u, port, u->aux);
    /* No variable whose address is taken: the handler must end in a jump, since a guest may poll for ever. */
    int64_t value = chips_in(v, port, u->aux);
    if (value == CHIPS_NOT_HERE)
        value = bus_in(v, u, port, u->aux);
    port_accessed(v, port, u->aux);
    gpr_write(v, gpr_index(X86_EAX, u->aux), u->aux, (uint32_t)value);
    NEXT(v, u);
}

HANDLER(out_port)
{
    uint16_t port = port_of(v, u);

    tss_check_io(v, u, port, u->aux);
    uint32_t value = gpr_read(v, gpr_index(X86_EAX, u->aux), u->aux);
    if (!chips_out(v, port, u->aux, value))
        bus_out(v, u, port, u->aux, value);
    port_accessed(v, port, u->aux);
    NEXT(v, u);
}

/* ---- INS, OUTS
 * ----------------------------------------------------------------------------------------------------- */

static uint32_t address_mask(const struct uop *u)
{
    return u->flags & UOP_A16 ? 0xffff : UINT32_MAX;
}

/* Add to SI, DI or CX in the address size. */
static void advance(struct vcpu *v, const struct uop *u, unsigned reg, uint32_t by)
{
    uint32_t mask = address_mask(u);

    v->gpr.d[reg] = (v->gpr.d[reg] & ~mask) | ((v->gpr.d[reg] + by) & mask);
}

static uint32_t stride(const struct vcpu *v, unsigned size)
{
    return v->eflags & X86_DF ? 0u - size : size;
}

/* Everything one iteration may fault on comes before the port is touched. */
static void ins_once(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size)
{
    uint32_t offset = v->gpr.d[X86_EDI] & address_mask(u);
    guest_la la = seg_linear(v, u, X86_ES, offset, size, true);

    mem_probe_write(v, u, la, size);
    uint32_t value = bus_in(v, u, port, size);
    port_accessed(v, port, size);
    mem_write_slow(v, u, la, size, value);
    advance(v, u, X86_EDI, stride(v, size));
}

static void outs_once(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size)
{
    uint32_t offset = v->gpr.d[X86_ESI] & address_mask(u);
    guest_la la = seg_linear(v, u, u->seg, offset, size, false);

    bus_out(v, u, port, size, (uint32_t)mem_read_slow(v, u, la, size));
    port_accessed(v, port, size);
    advance(v, u, X86_ESI, stride(v, size));
}

/*
 * How many elements from `offset` on, forward, lie in one page inside the segment and the address size?
 * 0 unless a batch makes sense.
 */
static uint32_t batch_size(const struct vcpu *v, const struct uop *u, const struct segment *s,
                           uint32_t offset, unsigned size, uint32_t count)
{
    guest_la la = s->base + offset;
    uint32_t n = (4096 - (la & 0xfff)) / size;

    if ((v->eflags & X86_DF) || (v->pending & PENDING_STEP))
        return 0;
    if (n > count)
        n = count;
    if (n < 2 || offset < s->min || offset > s->max || n * size - 1 > s->max - offset ||
        n * size - 1 > address_mask(u) - offset)
        return 0;
    return n;
}

/* The batch for the caller, in the exit record. */
static struct d86_exit *batch_exit(struct vcpu *v, uint16_t port, unsigned size, uint32_t n, bool is_out)
{
    struct d86_exit *exit = v->exit;

    exit->reason = D86_EXIT_IO;
    exit->io.port = port;
    exit->io.size = (uint8_t)size;
    exit->io.is_out = is_out;
    exit->io.count = n;
    return exit;
}

/* Ask the caller for n elements and start over; ins_batch_take() finds them. */
static void ins_batch_ask(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size, uint32_t count)
{
    const struct segment *es = &v->seg[X86_ES];
    uint32_t offset = v->gpr.d[X86_EDI] & address_mask(u);
    uint32_t n = batch_size(v, u, es, offset, size, count);

    if (n == 0 || !es->writable)
        return;
    /* What one element would fault on a batch faults on; and then the TLB knows the page. */
    mem_probe_write(v, u, es->base + offset, size);
    if (!mem_hit_write(v, es->base + offset, size))
        return;
    cpu_sync(v, u);
    batch_exit(v, port, size, n, false);
    v->bus.access[0] =
        (struct bus_access){ .pa = port, .size = (uint8_t)size, .is_port = true, .batch = (uint16_t)n };
    v->bus.count = 0;
    v->bus.waiting = true;
    exec_exit(v);
}

/* Elements stored from the answer to a batch; 0: there is none. */
static uint32_t ins_batch_take(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size,
                               uint32_t count)
{
    const struct bus_access *a = &v->bus.access[0];

    if (v->bus.count != 1 || !a->is_port || a->is_write || a->batch == 0 || a->pa != port ||
        a->size != size || a->batch > count)
        return 0;
    guest_la la = v->seg[X86_ES].base + (v->gpr.d[X86_EDI] & address_mask(u));
    uint8_t *to = mem_hit_write(v, la, a->batch * size);
    if (to)
        __builtin_memcpy(to, v->exit->io.data, a->batch * size);
    for (unsigned i = 0; i < a->batch && !to; i++) {
        uint32_t value = 0;
        __builtin_memcpy(&value, &v->exit->io.data[i * size], size);
        mem_write_slow(v, u, la + i * size, size, value);
    }
    advance(v, u, X86_EDI, a->batch * size);
    return a->batch;
}

/* Give the caller n elements: they are out once it runs us again, so the registers are past them already. */
static void outs_batch(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size, uint32_t count)
{
    const struct segment *s = &v->seg[u->seg];
    uint32_t offset = v->gpr.d[X86_ESI] & address_mask(u);
    uint32_t n = batch_size(v, u, s, offset, size, count);

    if (n == 0 || !s->readable)
        return;
    const uint8_t *from = mem_hit_read(v, s->base + offset, size);
    if (!from)
        return;
    cpu_sync(v, u);
    __builtin_memcpy(batch_exit(v, port, size, n, true)->io.data, from, n * size);
    advance(v, u, X86_ESI, n * size);
    advance(v, u, X86_ECX, 0u - n);
    v->icount += n;
    v->repeating = n < count;
    if (n == count)
        v->eip = v->next_eip;
    exec_exit(v);
}

/* One step of a REP string: elements done. */
static uint32_t string_step(struct vcpu *v, const struct uop *u, bool is_in, uint16_t port, unsigned size,
                            uint32_t count)
{
    if (is_in) {
        uint32_t n = ins_batch_take(v, u, port, size, count);
        if (n)
            return n;
        if (v->bus.count == 0)
            ins_batch_ask(v, u, port, size, count);
        ins_once(v, u, port, size);
    } else {
        if (v->bus.count == 0)
            outs_batch(v, u, port, size, count);
        outs_once(v, u, port, size);
    }
    return 1;
}

/* Between iterations: come back to this instruction. */
static const struct uop *interrupted(struct vcpu *v, const struct uop *u)
{
    cpu_sync(v, u);
    return NULL;
}

static ALWAYS_INLINE const struct uop *io_string(struct vcpu *v, const struct uop *u, bool is_in)
{
    uint16_t port = v->gpr.w[X86_EDX * 2];
    unsigned size = u->aux;
    uint32_t count = v->gpr.d[X86_ECX] & address_mask(u);

    if (!(u->flags & (UOP_REP | UOP_REPNE))) {
        tss_check_io(v, u, port, size);
        if (is_in)
            ins_once(v, u, port, size);
        else
            outs_once(v, u, port, size);
        NEXT(v, u);
    }
    if (count == 0)
        NEXT(v, u);
    tss_check_io(v, u, port, size);
    for (;;) {
        uint32_t n = string_step(v, u, is_in, port, size, count);
        bus_commit(v);
        advance(v, u, X86_ECX, 0u - n);
        v->icount += n;
        count -= n;
        if (count == 0)
            break;
        v->repeating = true;
        if (v->pending)
            return interrupted(v, u);
    }
    v->repeating = false;
    v->icount--; /* the end of the block counts one for this instruction */
    NEXT(v, u);
}

HANDLER(ins)
{
    return io_string(v, u, true);
}

HANDLER(outs)
{
    return io_string(v, u, false);
}

bool bind_io(const struct insn *in, struct uop *u)
{
    switch (in->op) {
    case X86_IN:
        u->run = in_port;
        u->aux = in->opnd[0].size;
        u->src = in->opnd[1].kind == X86_OPND_GPR;
        return true;
    case X86_OUT:
        u->run = out_port;
        u->aux = in->opnd[1].size;
        u->src = in->opnd[0].kind == X86_OPND_GPR;
        return true;
    case X86_INS:
        u->run = ins;
        u->aux = in->opnd[0].size;
        return true;
    case X86_OUTS:
        u->run = outs;
        u->aux = in->opnd[1].size;
        return true;
    default:
        return false;
    }
}
