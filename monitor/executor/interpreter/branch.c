/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Handlers of near branches. A conditional branch does not end its block: not taken, it falls through to
 * the next uop; taken, it leaves by a link (same page) or the jump cache. uop.imm is the target relative to
 * the block's first EIP (bind_target()). Executor side. SDM 2A, "Jcc", "JMP", "CALL", "RET", "LOOP".
 */
#include "alu.h"
#include "bind.h"
#include "flow.h"
#include "mem.h"

/* How the taken path leaves. Checked: CS may have a limit, or the target is truncated to 16 bits. */
enum leave { LEAVE_LINK, LEAVE_GOTO, LEAVE_CHECKED, LEAVE_COUNT };

/* A target outside CS faults at the branch, before it changes anything (SDM 2A, "JMP"). */
static ALWAYS_INLINE uint32_t checked_target(struct vcpu *v, const struct uop *u, uint32_t eip)
{
    if (u->flags & UOP_O16)
        eip &= 0xffff;
    if (unlikely(eip > v->seg[X86_CS].limit))
        raise_error(v, u, X86_GP, 0);
    return eip;
}

static ALWAYS_INLINE const struct uop *branch_taken(struct vcpu *v, const struct uop *u, enum leave leave)
{
    uint32_t eip = v->eip + u->imm;
    if (leave == LEAVE_CHECKED)
        eip = checked_target(v, u, eip);
    v->eip = eip;
    v->icount += u->n;
    switch (leave) {
    case LEAVE_LINK:
        return flow_link(v, u);
    case LEAVE_GOTO:
        return flow_far(v, u);
    default:
        return flow_goto_checked(v);
    }
}

/* ---- Jcc ------------------------------------------------------------------------------------------------
 */

#define EACH_CONDITION(X)                                                                                    \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static ALWAYS_INLINE const struct uop *jcc_template(struct vcpu *v, const struct uop *u, unsigned cc,
                                                    enum leave leave)
{
    if (alu_condition(v->arith, cc))
        return branch_taken(v, u, leave);
    NEXT(v, u);
}

#define JCC_HANDLERS(cc)                                                                                     \
    HANDLER(jcc_link_##cc)                                                                                   \
    {                                                                                                        \
        return jcc_template(v, u, cc, LEAVE_LINK);                                                           \
    }                                                                                                        \
    HANDLER(jcc_goto_##cc)                                                                                   \
    {                                                                                                        \
        return jcc_template(v, u, cc, LEAVE_GOTO);                                                           \
    }                                                                                                        \
    HANDLER(jcc_checked_##cc)                                                                                \
    {                                                                                                        \
        return jcc_template(v, u, cc, LEAVE_CHECKED);                                                        \
    }
EACH_CONDITION(JCC_HANDLERS)

#define JCC_LINK(cc)    jcc_link_##cc,
#define JCC_GOTO(cc)    jcc_goto_##cc,
#define JCC_CHECKED(cc) jcc_checked_##cc,
static uop_fn *const jcc_handlers[LEAVE_COUNT][16] = {
    [LEAVE_LINK] = { EACH_CONDITION(JCC_LINK) },
    [LEAVE_GOTO] = { EACH_CONDITION(JCC_GOTO) },
    [LEAVE_CHECKED] = { EACH_CONDITION(JCC_CHECKED) },
};

/* ---- JMP, CALL, RET
 * ----------------------------------------------------------------------------------------- */

HANDLER(jmp_link)
{
    return branch_taken(v, u, LEAVE_LINK);
}

HANDLER(jmp_goto)
{
    return branch_taken(v, u, LEAVE_GOTO);
}

HANDLER(jmp_checked)
{
    return branch_taken(v, u, LEAVE_CHECKED);
}

/* Go to an offset computed at run time, in a flat CS or any. */
static ALWAYS_INLINE const struct uop *jump_to(struct vcpu *v, const struct uop *u, uint32_t eip)
{
    v->eip = eip;
    v->icount += u->n;
    return flow_goto(v);
}

static ALWAYS_INLINE const struct uop *jump_to_checked(struct vcpu *v, const struct uop *u, uint32_t eip)
{
    eip = checked_target(v, u, eip);
    v->eip = eip;
    v->icount += u->n;
    return flow_goto_checked(v);
}

/* Address after the branch, before v->eip moves. */
static ALWAYS_INLINE uint32_t return_address(const struct vcpu *v, const struct uop *u)
{
    return v->eip + u->eip_off + u->len;
}

/* Push on the flat 32-bit stack; false: not in the TLB, nothing changed. */
static ALWAYS_INLINE bool push_flat(struct vcpu *v, uint32_t value)
{
    guest_la la = v->gpr.d[X86_ESP] - 4;
    uint8_t *p = mem_hit_write(v, la, 4);
    if (unlikely(!p))
        return false;
    *(mem_u32 *)p = value;
    v->gpr.d[X86_ESP] = la;
    return true;
}

static ALWAYS_INLINE void push_any(struct vcpu *v, const struct uop *u, uint32_t value)
{
    unsigned size = u->flags & UOP_O16 ? 2 : 4;
    stack_poke(v, u, size, size, value);
    stack_set(v, v->gpr.d[X86_ESP] - size);
}

HANDLER(call_any)
{
    (void)checked_target(v, u, v->eip + u->imm);
    push_any(v, u, return_address(v, u));
    return branch_taken(v, u, LEAVE_CHECKED);
}

static __attribute__((noinline)) void push_slow(struct vcpu *v, const struct uop *u, uint32_t value)
{
    push_any(v, u, value);
}

/* Push the return address on the flat 32-bit stack; raises what that raises. */
static ALWAYS_INLINE void push_return(struct vcpu *v, const struct uop *u)
{
    uint32_t la = return_address(v, u);
    if (unlikely(!push_flat(v, la)))
        push_slow(v, u, la);
    flow_note_return(v, u, la);
}

HANDLER(call_link)
{
    push_return(v, u);
    return branch_taken(v, u, LEAVE_LINK);
}

HANDLER(call_goto)
{
    push_return(v, u);
    return branch_taken(v, u, LEAVE_GOTO);
}

HANDLER(ret_any)
{
    unsigned size = u->flags & UOP_O16 ? 2 : 4;
    uint32_t eip = checked_target(v, u, stack_peek(v, u, 0, size));
    stack_set(v, v->gpr.d[X86_ESP] + size + u->imm);
    return jump_to_checked(v, u, eip);
}

HANDLER(ret_flat)
{
    guest_la la = v->gpr.d[X86_ESP];
    const uint8_t *p = mem_hit_read(v, la, 4);
    if (unlikely(!p))
        return ret_any(v, u);
    v->gpr.d[X86_ESP] = la + 4 + u->imm;
    v->eip = *(const mem_u32 *)p;
    v->icount += u->n;
    return flow_return(v);
}

HANDLER(jmp_ind)
{
    return jump_to_checked(v, u, opnd_read_dst(v, u, u->flags & UOP_O16 ? 2 : 4));
}

static ALWAYS_INLINE const struct uop *jmp_mem_template(struct vcpu *v, const struct uop *u, uop_fn *slow)
{
    uint32_t eip;
    if (!mem_try_read(v, u, ea_offset32(v, u), 4, slow, &eip))
        return slow(v, u);
    return jump_to(v, u, eip);
}

HANDLER_PAIR(jmp_mem_flat, jmp_mem_template(v, u, slow))

HANDLER(jmp_reg)
{
    return jump_to(v, u, v->gpr.d[u->dst]);
}

HANDLER(call_ind)
{
    uint32_t eip = checked_target(v, u, opnd_read_dst(v, u, u->flags & UOP_O16 ? 2 : 4));
    push_any(v, u, return_address(v, u));
    return jump_to_checked(v, u, eip);
}

SLOW_HANDLER(call_ind_slow)
{
    return call_ind(v, u);
}

HANDLER(call_reg_flat)
{
    uint32_t eip = v->gpr.d[u->dst];
    push_return(v, u);
    return jump_to(v, u, eip);
}

HANDLER(call_mem_flat)
{
    const uint8_t *p = mem_hit_read(v, ea_offset32(v, u), 4);
    if (unlikely(!p))
        return call_ind_slow(v, u);
    uint32_t eip = *(const mem_u32 *)p;
    push_return(v, u);
    return jump_to(v, u, eip);
}

/* ---- LOOP, JCXZ: the counter is CX or ECX by address size
 * ----------------------------------------------------- */

/* aux: what must hold besides the counter. */
enum { LOOP_ALWAYS, LOOP_ZERO, LOOP_NOT_ZERO, LOOP_CXZ };

static ALWAYS_INLINE const struct uop *loop_template(struct vcpu *v, const struct uop *u, enum leave leave)
{
    uint32_t mask = u->flags & UOP_A16 ? 0xffff : 0xffffffffu;
    uint32_t ecx = v->gpr.d[X86_ECX];
    bool zero = v->arith & ARITH_ZF, taken;
    if (u->aux == LOOP_CXZ) {
        taken = (ecx & mask) == 0;
    } else {
        uint32_t count = (ecx - 1) & mask;
        taken = count != 0 && (u->aux == LOOP_ALWAYS || zero == (u->aux == LOOP_ZERO));
        if (leave == LEAVE_CHECKED && taken)
            (void)checked_target(v, u, v->eip + u->imm);
        v->gpr.d[X86_ECX] = (ecx & ~mask) | count;
    }
    if (taken)
        return branch_taken(v, u, leave);
    NEXT(v, u);
}

HANDLER(loop_link)
{
    return loop_template(v, u, LEAVE_LINK);
}

HANDLER(loop_goto)
{
    return loop_template(v, u, LEAVE_GOTO);
}

HANDLER(loop_checked)
{
    return loop_template(v, u, LEAVE_CHECKED);
}

/* ---- Binding
 * ----------------------------------------------------------------------------------------------------- */

/* block_offset: of the block in its page. */
static enum leave leave_for(const struct uop *u, unsigned mode, unsigned block_offset)
{
    if (!(mode & MODE_FLAT) || (u->flags & UOP_O16))
        return LEAVE_CHECKED;
    return block_offset + u->imm < 4096 ? LEAVE_LINK : LEAVE_GOTO;
}

static void bind_loop(const struct insn *in, struct uop *u, enum leave leave)
{
    static uop_fn *const loops[] = { loop_link, loop_goto, loop_checked };
    u->aux = in->op == X86_LOOP    ? LOOP_ALWAYS
             : in->op == X86_LOOPE ? LOOP_ZERO
             : in->op == X86_JCXZ  ? LOOP_CXZ
                                   : LOOP_NOT_ZERO;
    u->run = loops[leave];
}

static void bind_indirect(const struct insn *in, unsigned mode, struct uop *u)
{
    bool memory = u->flags & UOP_MEM;
    bool flat = (mode & MODE_FLAT) && !(u->flags & UOP_O16) && (!memory || ea_is_flat(u, mode));
    if (in->op == X86_JMP_IND)
        u->run = !flat ? jmp_ind : memory ? jmp_mem_flat : jmp_reg;
    else if (flat && (mode & MODE_STACK32))
        u->run = memory ? call_mem_flat : call_reg_flat;
    else
        u->run = call_ind;
}

bool bind_branch(const struct insn *in, unsigned mode, struct uop *u, unsigned block_offset, bool *ends)
{
    bool flat_stack = (mode & MODE_FLAT) && (mode & MODE_STACK32) && !(u->flags & UOP_O16);
    if (in->opnd[0].kind == X86_OPND_REL) {
        u->imm = u->eip_off + u->len + in->imm;
        u->link = NULL;
        u->link_tag = 0; /* no mode is 0 with a flat CS */
    }
    enum leave leave = leave_for(u, mode, block_offset);
    switch (in->op) {
    case X86_JCC:
        u->run = jcc_handlers[leave][in->cond];
        return true;
    case X86_LOOP:
    case X86_LOOPE:
    case X86_LOOPNE:
    case X86_JCXZ:
        bind_loop(in, u, leave);
        return true;
    case X86_JMP:
        u->run = leave == LEAVE_LINK ? jmp_link : leave == LEAVE_GOTO ? jmp_goto : jmp_checked;
        break;
    case X86_CALL:
        u->run = !flat_stack ? call_any : leave == LEAVE_LINK ? call_link : call_goto;
        break;
    case X86_RET:
        u->run = flat_stack ? ret_flat : ret_any;
        break;
    case X86_JMP_IND:
    case X86_CALL_IND:
        bind_indirect(in, mode, u);
        break;
    default:
        return false;
    }
    bool calls =
        u->run == call_link || u->run == call_goto || u->run == call_reg_flat || u->run == call_mem_flat;
    if (calls && block_offset + u->eip_off + u->len < 4096)
        u->flags |= UOP_LANDING;
    *ends = true;
    return true;
}
