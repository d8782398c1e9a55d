/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of MOVS, CMPS, SCAS, LODS and STOS. With REP each iteration is complete in itself: registers are
 * up to date before the next access, so a fault or an interrupt leaves a state from which the instruction
 * goes on. Long forward moves and fills are done a page at a time by the host's own string instructions.
 * Executor side. SDM 2B, "REP/REPE/REPZ/REPNE/REPNZ".
 */
#include "alu.h"
#include "bind.h"
#include "bus.h"
#include "mem.h"

/* ---- Pointers and counter ---------------------------------------------------------------------------------
 */

static ALWAYS_INLINE uint32_t address_mask(const struct uop *u)
{
    return u->flags & UOP_A16 ? 0xffff : 0xffffffffu;
}

/* Add to SI, DI or CX in the address size. */
static ALWAYS_INLINE void advance(struct vcpu *v, const struct uop *u, unsigned reg, uint32_t by)
{
    uint32_t mask = address_mask(u);
    v->gpr.d[reg] = (v->gpr.d[reg] & ~mask) | ((v->gpr.d[reg] + by) & mask);
}

static ALWAYS_INLINE uint32_t stride(const struct vcpu *v, unsigned size)
{
    return v->eflags & X86_DF ? 0u - size : size;
}

static ALWAYS_INLINE guest_la source(struct vcpu *v, const struct uop *u, unsigned size)
{
    return seg_linear(v, u, u->seg, v->gpr.d[X86_ESI] & address_mask(u), size, false);
}

static ALWAYS_INLINE guest_la destination(struct vcpu *v, const struct uop *u, unsigned size, bool write)
{
    return seg_linear(v, u, X86_ES, v->gpr.d[X86_EDI] & address_mask(u), size, write);
}

static ALWAYS_INLINE bool is_rep(const struct uop *u)
{
    return u->flags & (UOP_REP | UOP_REPNE);
}

/* ---- One iteration
 * ------------------------------------------------------------------------------------------- */

enum string_op { STRING_MOVS, STRING_CMPS, STRING_SCAS, STRING_LODS, STRING_STOS };

static ALWAYS_INLINE void iterate(struct vcpu *v, const struct uop *u, enum string_op op, unsigned size)
{
    uint32_t a, b, by = stride(v, size);
    unsigned accumulator = gpr_index(X86_EAX, size);
    guest_la from;
    switch (op) {
    case STRING_MOVS:
        from = source(v, u, size);
        a = (uint32_t)mem_read(v, u, from, size);
        mem_write(v, u, destination(v, u, size, true), size, a);
        break;
    case STRING_CMPS:
        a = (uint32_t)mem_read(v, u, source(v, u, size), size);
        b = (uint32_t)mem_read(v, u, destination(v, u, size, false), size);
        (void)alu_binary(ALU_CMP, size, a, b, &v->arith);
        break;
    case STRING_SCAS:
        b = (uint32_t)mem_read(v, u, destination(v, u, size, false), size);
        (void)alu_binary(ALU_CMP, size, gpr_read(v, accumulator, size), b, &v->arith);
        break;
    case STRING_LODS:
        gpr_write(v, accumulator, size, (uint32_t)mem_read(v, u, source(v, u, size), size));
        break;
    default:
        mem_write(v, u, destination(v, u, size, true), size, gpr_read(v, accumulator, size));
        break;
    }
    if (op == STRING_MOVS || op == STRING_CMPS || op == STRING_LODS)
        advance(v, u, X86_ESI, by);
    if (op != STRING_LODS)
        advance(v, u, X86_EDI, by);
}

/* ---- Many iterations at once
 * ------------------------------------------------------------------------------------ */

/* Elements of `size` bytes from la to the end of its page, at most `count`. */
static ALWAYS_INLINE uint32_t in_page(guest_la la, unsigned size, uint32_t count)
{
    uint32_t n = (4096 - (la & 0xfff)) / size;
    return n < count ? n : count;
}

/* May n elements from `offset` on be accessed without a look at each? The first one is known to be inside. */
static ALWAYS_INLINE bool run_inside(const struct segment *s, const struct uop *u, uint32_t offset,
                                     uint32_t bytes)
{
    return bytes - 1 <= s->max - offset && bytes - 1 <= address_mask(u) - offset;
}

/* Fill from the accumulator; returns elements done, 0 when the slow way must do the next one. */
static ALWAYS_INLINE uint32_t fill_run(struct vcpu *v, const struct uop *u, unsigned size, uint32_t count)
{
    guest_la la = destination(v, u, size, true);
    uint32_t n = in_page(la, size, count);
    if (n < 2 || !run_inside(&v->seg[X86_ES], u, v->gpr.d[X86_EDI] & address_mask(u), n * size))
        return 0;
    uint8_t *to = mem_hit_write(v, la, 1);
    if (!to)
        return 0;
    uint64_t host_n = n;
    if (size == 4)
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(host_n) : "a"(v->gpr.d[X86_EAX]) : "memory");
    else if (size == 2)
        __asm__ volatile("rep stosw" : "+D"(to), "+c"(host_n) : "a"(v->gpr.d[X86_EAX]) : "memory");
    else
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(host_n) : "a"(v->gpr.d[X86_EAX]) : "memory");
    advance(v, u, X86_EDI, n * size);
    return n;
}

/*
 * Copy; the host's MOVS in the guest's element size repeats what overlapping operands do, because equal
 * guest frames are equal host addresses.
 */
static ALWAYS_INLINE uint32_t copy_run(struct vcpu *v, const struct uop *u, unsigned size, uint32_t count)
{
    guest_la from_la = source(v, u, size);
    if (v->tlb == v->tlb_none)
        return 0;
    mem_probe_read(v, u, from_la, size); /* its page fault comes before the limit of ES */
    guest_la to_la = destination(v, u, size, true);
    uint32_t n = in_page(to_la, size, in_page(from_la, size, count)), mask = address_mask(u);
    if (n < 2 || !run_inside(&v->seg[u->seg], u, v->gpr.d[X86_ESI] & mask, n * size) ||
        !run_inside(&v->seg[X86_ES], u, v->gpr.d[X86_EDI] & mask, n * size))
        return 0;
    /* Pages that share a TLB entry take it from each other: each host address is taken while it is known. */
    const uint8_t *from = mem_hit_read(v, from_la, 1);
    mem_probe_write(v, u, to_la, size);
    uint8_t *to = mem_hit_write(v, to_la, 1);
    if (!from || !to)
        return 0;
    uint64_t host_n = n;
    if (size == 4)
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(host_n) : : "memory");
    else if (size == 2)
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(host_n) : : "memory");
    else
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(host_n) : : "memory");
    advance(v, u, X86_ESI, n * size);
    advance(v, u, X86_EDI, n * size);
    return n;
}

/* ---- REP
 * ---------------------------------------------------------------------------------------------------------------
 */

/* CMPS and SCAS stop when ZF is not what the prefix asks for. */
static ALWAYS_INLINE bool found(const struct vcpu *v, const struct uop *u, enum string_op op)
{
    if (op != STRING_CMPS && op != STRING_SCAS)
        return false;
    return !!(v->arith & ARITH_ZF) == !!(u->flags & UOP_REPNE);
}

/*
 * An interrupt, a kick or single-stepping between iterations: come back to this instruction later. Whatever
 * is delivered meanwhile pushes RF, so that its return does not meet the instruction's breakpoint again (SDM
 * 3B, "Instruction-Breakpoint Exception Condition").
 */
static const struct uop *interrupted(struct vcpu *v, const struct uop *u)
{
    cpu_sync(v, u);
    return NULL;
}

static ALWAYS_INLINE const struct uop *string_template(struct vcpu *v, const struct uop *u, enum string_op op,
                                                       unsigned size)
{
    if (!is_rep(u)) {
        iterate(v, u, op, size);
        NEXT(v, u);
    }
    uint32_t count = v->gpr.d[X86_ECX] & address_mask(u);
    if (count == 0)
        NEXT(v, u);
    bool bulk =
        (op == STRING_MOVS || op == STRING_STOS) && !(v->eflags & X86_DF) && !(v->pending & PENDING_STEP);
    for (;;) {
        uint32_t n = 0;
        if (bulk)
            n = op == STRING_MOVS ? copy_run(v, u, size, count) : fill_run(v, u, size, count);
        if (n == 0) {
            iterate(v, u, op, size);
            n = 1;
            if (unlikely(v->bus.count))
                bus_commit(v);
        }
        advance(v, u, X86_ECX, 0u - n);
        v->icount += n;
        count -= n;
        if (count == 0 || found(v, u, op))
            break;
        v->repeating = true;
        if (unlikely(v->pending & ~(uint32_t)PENDING_SBE))
            return interrupted(v, u);
    }
    v->repeating = false;
    v->icount--; /* the end of the block counts one for this instruction */
    NEXT(v, u);
}

#define STRING_HANDLERS(op)                                                                                  \
    HANDLER(string_##op##_1)                                                                                 \
    {                                                                                                        \
        return string_template(v, u, STRING_##op, 1);                                                        \
    }                                                                                                        \
    HANDLER(string_##op##_2)                                                                                 \
    {                                                                                                        \
        return string_template(v, u, STRING_##op, 2);                                                        \
    }                                                                                                        \
    HANDLER(string_##op##_4)                                                                                 \
    {                                                                                                        \
        return string_template(v, u, STRING_##op, 4);                                                        \
    }

STRING_HANDLERS(MOVS)
STRING_HANDLERS(CMPS)
STRING_HANDLERS(SCAS)
STRING_HANDLERS(LODS)
STRING_HANDLERS(STOS)

bool bind_string(const struct insn *in, unsigned mode, struct uop *u, bool *ends)
{
    static uop_fn *const handlers[][3] = {
        [STRING_MOVS] = { string_MOVS_1, string_MOVS_2, string_MOVS_4 },
        [STRING_CMPS] = { string_CMPS_1, string_CMPS_2, string_CMPS_4 },
        [STRING_SCAS] = { string_SCAS_1, string_SCAS_2, string_SCAS_4 },
        [STRING_LODS] = { string_LODS_1, string_LODS_2, string_LODS_4 },
        [STRING_STOS] = { string_STOS_1, string_STOS_2, string_STOS_4 },
    };
    enum string_op op;
    (void)mode, (void)ends;
    switch (in->op) {
    case X86_MOVS:
        op = STRING_MOVS;
        break;
    case X86_CMPS:
        op = STRING_CMPS;
        break;
    case X86_SCAS:
        op = STRING_SCAS;
        break;
    case X86_LODS:
        op = STRING_LODS;
        break;
    case X86_STOS:
        op = STRING_STOS;
        break;
    default:
        return false;
    }
    unsigned size = in->opnd[0].size;
    u->run = handlers[op][size == 4 ? 2 : size - 1];
    return true;
}

bool string_repeats(const uint8_t *bytes, unsigned size)
{
    struct insn insn;
    if (x86_decode(bytes, size, true, &insn) != X86_DECODE_OK ||
        !(insn.prefixes & (X86_PFX_REP | X86_PFX_REPNE)))
        return false;
    switch (insn.op) {
    case X86_MOVS:
    case X86_CMPS:
    case X86_STOS:
    case X86_LODS:
    case X86_SCAS:
        return true;
    default:
        return false;
    }
}
