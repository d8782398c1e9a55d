/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * x87 instructions other than those that move the whole environment (fpu_env.c): each runs as itself on the
 * host, with a memory operand at [rsi]. Executor side. SDM 2A, F2XM1 to FYL2XP1; SDM 1, "x87 FPU".
 *
 * Memory handlers come flat and checked, fast and slow (mem.h). The fast ones let the host instruction work
 * on guest memory directly.
 */
#include "fpu.h"

/* ---- Instruction and data pointers --------------------------------------------------------------------- */

/* uop.imm holds FOP: opcode bits 10..8 are the low bits of the escape byte, 7..0 ModRM. */
static ALWAYS_INLINE void note_instruction(struct vcpu *v, const struct uop *u)
{
    v->fpu.fip = v->eip + u->eip_off;
    v->fpu.fcs = v->seg[X86_CS].selector;
    v->fpu.fop = (uint16_t)u->imm;
}

static ALWAYS_INLINE void note_operand(struct vcpu *v, const struct uop *u, uint32_t offset)
{
    note_instruction(v, u);
    v->fpu.fdp = offset;
    v->fpu.fds = v->seg[u->seg].selector;
}

/* ---- Register forms ------------------------------------------------------------------------------------ */

static ALWAYS_INLINE const struct uop *x87_register(struct vcpu *v, const struct uop *u, bool arith,
                                                    uop_fn *slow)
{
    if (unlikely(v->fpu.guard & FPU_X87)) {
        if (slow)
            return slow(v, u);
        fpu_admit(v, u, FPU_X87);
    }
    note_instruction(v, u);
    if (arith)
        v->arith = fpu_call_arith(v, u->native, NULL, v->arith);
    else
        fpu_call(v, u->native, NULL, 0);
    NEXT(v, u);
}

HANDLER_PAIR(x87_reg, x87_register(v, u, false, slow))
HANDLER_PAIR(x87_reg_arith, x87_register(v, u, true, slow)) /* FCMOVcc, FCOMI and relatives */

/* ---- Memory operands ----------------------------------------------------------------------------------- */

static ALWAYS_INLINE uint32_t operand_offset(const struct vcpu *v, const struct uop *u, enum ea_form form)
{
    return form == EA_FLAT ? ea_offset32(v, u) : ea_offset(v, u);
}

static ALWAYS_INLINE guest_la operand_linear(struct vcpu *v, const struct uop *u, enum ea_form form,
                                             uint32_t offset, unsigned size, bool write)
{
    return form == EA_FLAT ? offset : seg_linear(v, u, u->seg, offset, size, write);
}

static ALWAYS_INLINE const struct uop *x87_load(struct vcpu *v, const struct uop *u, enum ea_form form,
                                                unsigned size, uop_fn *slow)
{
    if (unlikely(v->fpu.guard & FPU_X87))
        return slow(v, u);
    uint32_t offset = operand_offset(v, u, form);
    const void *p = mem_hit_read(v, operand_linear(v, u, form, offset, size, false), size);
    if (unlikely(!p))
        return slow(v, u);
    note_operand(v, u, offset);
    fpu_call(v, u->native, p, 0);
    NEXT(v, u);
}

static ALWAYS_INLINE void x87_load_anywhere(struct vcpu *v, const struct uop *u, enum ea_form form,
                                            unsigned size)
{
    uint8_t buffer[16];
    if (v->fpu.guard & FPU_X87)
        fpu_admit(v, u, FPU_X87);
    uint32_t offset = operand_offset(v, u, form);
    guest_la la = operand_linear(v, u, form, offset, size, false);
    const void *p = mem_hit_read(v, la, size);
    if (!p)
        p = fpu_fetch(v, u, la, size, buffer);
    note_operand(v, u, offset);
    fpu_call(v, u->native, p, 0);
}

/* After a store with unmasked exceptions: any but #P kept the operand from memory and on the stack. */
static bool store_suppressed(struct vcpu *v)
{
    fpu_save(v);
    unsigned fsw = fx_read16(v->fpu.image, FX_FSW), fcw = fx_read16(v->fpu.image, FX_FCW);
    return fsw & ~fcw & (FCW_MASKS & ~FSW_P);
}

/*
 * A store whose destination may fault, or be a device that makes the instruction run twice: find the value,
 * take the FPU back to where it was, store, and only then execute for good.
 */
static NOINLINE void x87_store_twice(struct vcpu *v, const struct uop *u, guest_la la, unsigned size)
{
    _Alignas(16) uint8_t before[FX_SIZE];
    uint8_t buffer[16];
    fpu_check_alignment(v, u, la, size == 10 ? 8 : size);
    fpu_probe_write(v, u, la, size);
    fpu_save(v);
    fpu_copy(before, v->fpu.image, FX_SIZE);
    fpu_call(v, u->native, buffer, 0);
    if (store_suppressed(v))
        return;
    fpu_copy(v->fpu.image, before, FX_SIZE);
    fpu_load(v);
    fpu_store(v, u, la, size, buffer);
    fpu_call(v, u->native, buffer, 0);
}

static ALWAYS_INLINE const struct uop *x87_store(struct vcpu *v, const struct uop *u, enum ea_form form,
                                                 unsigned size, uop_fn *slow)
{
    if (unlikely(v->fpu.guard & FPU_X87)) {
        if (slow)
            return slow(v, u);
        fpu_admit(v, u, FPU_X87);
    }
    uint32_t offset = operand_offset(v, u, form);
    guest_la la = operand_linear(v, u, form, offset, size, true);
    void *p = mem_hit_write(v, la, size);
    if (likely(p))
        fpu_call(v, u->native, p, 0);
    else if (slow)
        return slow(v, u);
    else
        x87_store_twice(v, u, la, size);
    note_operand(v, u, offset);
    NEXT(v, u);
}

#define X87_LOAD(size)                                                                                       \
    HANDLER_PAIR_APART(x87_load##size##_flat, x87_load(v, u, EA_FLAT, size, slow),                           \
                       x87_load_anywhere(v, u, EA_FLAT, size))                                               \
    HANDLER_PAIR_APART(x87_load##size##_checked, x87_load(v, u, EA_CHECKED, size, slow),                     \
                       x87_load_anywhere(v, u, EA_CHECKED, size))
#define X87_STORE(size)                                                                                      \
    HANDLER_PAIR(x87_store##size##_flat, x87_store(v, u, EA_FLAT, size, slow))                               \
    HANDLER_PAIR(x87_store##size##_checked, x87_store(v, u, EA_CHECKED, size, slow))

X87_LOAD(2)
X87_LOAD(4)
X87_LOAD(8)
X87_LOAD(10)
X87_STORE(2)
X87_STORE(4)
X87_STORE(8)
X87_STORE(10)

/* ---- Control instructions ------------------------------------------------------------------------------ */

static ALWAYS_INLINE void enter_control(struct vcpu *v, const struct uop *u)
{
    if (unlikely(v->fpu.guard & FPU_CONTROL))
        fpu_admit(v, u, FPU_CONTROL);
}

/* FLDCW waits: it checks for pending exceptions as they were masked before. */
HANDLER(x87_fldcw)
{
    if (unlikely(v->fpu.guard & FPU_X87))
        fpu_admit(v, u, FPU_X87);
    uint16_t fcw = (uint16_t)mem_read(v, u, ea_checked(v, u, 2, false), 2);
    v->fpu_word = fcw;
    fpu_call(v, u->native, &v->fpu_word, 0);
    bool unmasked = (fcw & FCW_MASKS) != FCW_MASKS;
    if (unlikely(unmasked != v->fpu.unmasked))
        fpu_controls_changed(v);
    NEXT(v, u);
}

/* FNSTCW m16, FNSTSW m16 */
HANDLER(x87_store_word)
{
    enter_control(v, u);
    guest_la la = ea_checked(v, u, 2, true);
    fpu_call(v, u->native, &v->fpu_word, 0);
    mem_write(v, u, la, 2, (uint16_t)v->fpu_word);
    NEXT(v, u);
}

HANDLER(x87_fnstsw_ax)
{
    enter_control(v, u);
    v->gpr.w[X86_EAX * 2] = (uint16_t)fpu_call(v, u->native, NULL, 0);
    NEXT(v, u);
}

HANDLER(x87_fnclex)
{
    enter_control(v, u);
    fpu_call(v, u->native, NULL, 0);
    v->fpu.ignne = false;
    NEXT(v, u);
}

HANDLER(x87_fninit)
{
    enter_control(v, u);
    fpu_call(v, u->native, NULL, 0);
    v->fpu.ignne = false;
    v->fpu.fip = v->fpu.fdp = 0;
    v->fpu.fcs = v->fpu.fds = v->fpu.fop = 0;
    fpu_controls_changed(v);
    NEXT(v, u);
}

/* FNENI, FNDISI, FNSETPM: 8087 and 287 instructions; no-operations on everything later. */
HANDLER(x87_nothing)
{
    enter_control(v, u);
    NEXT(v, u);
}

HANDLER(x87_fwait)
{
    if (unlikely(v->fpu.guard & FPU_WAIT))
        fpu_admit(v, u, FPU_WAIT);
    NEXT(v, u);
}

/* ---- Binding ------------------------------------------------------------------------------------------- */

static uop_fn *const loads[4][2] = {
    { x87_load2_checked, x87_load2_flat },
    { x87_load4_checked, x87_load4_flat },
    { x87_load8_checked, x87_load8_flat },
    { x87_load10_checked, x87_load10_flat },
};

static uop_fn *const stores[4][2] = {
    { x87_store2_checked, x87_store2_flat },
    { x87_store4_checked, x87_store4_flat },
    { x87_store8_checked, x87_store8_flat },
    { x87_store10_checked, x87_store10_flat },
};

/*
 * Memory operands by escape byte and ModRM.reg: SDM 2D, "Escape Opcode Instructions". Operand bytes, with
 * W where the instruction writes; 0: no such instruction, or a control instruction that is not bound here.
 */
enum { W = 0x80 };
/* clang-format off */
static const uint8_t memory_forms[8][8] = {
    [0] = { 4, 4, 4, 4, 4, 4, 4, 4 },
    [1] = { 4, 0, W | 4, W | 4, 0, 0, 0, 0 },
    [2] = { 4, 4, 4, 4, 4, 4, 4, 4 },
    [3] = { 4, W | 4, W | 4, W | 4, 0, 10, 0, W | 10 },
    [4] = { 8, 8, 8, 8, 8, 8, 8, 8 },
    [5] = { 8, W | 8, W | 8, W | 8, 0, 0, 0, 0 },
    [6] = { 2, 2, 2, 2, 2, 2, 2, 2 },
    [7] = { 2, W | 2, W | 2, W | 2, 10, 8, W | 10, W | 8 },
};
/* clang-format on */

static unsigned size_row(unsigned size)
{
    return size == 2 ? 0 : size == 4 ? 1 : size == 8 ? 2 : 3;
}

static bool is_register_form(const struct insn *in)
{
    return in->modrm >= 0xc0;
}

/* The handler, or NULL for what is not ours. */
static uop_fn *choose(const struct insn *in, unsigned mode, const struct uop *u)
{
    switch (in->op) {
    case X86_FLDCW:
        return x87_fldcw;
    case X86_FNSTCW:
        return x87_store_word;
    case X86_FNSTSW:
        return is_register_form(in) ? x87_fnstsw_ax : x87_store_word;
    case X86_FNCLEX:
        return x87_fnclex;
    case X86_FNINIT:
        return x87_fninit;
    case X86_FNENI:
    case X86_FNDISI:
    case X86_FNSETPM:
        return x87_nothing;
    case X86_FCMOVCC:
    case X86_FCOMI:
    case X86_FCOMIP:
    case X86_FUCOMI:
    case X86_FUCOMIP:
        return x87_reg_arith;
    default:
        break;
    }
    if (is_register_form(in))
        return x87_reg;
    unsigned form = memory_forms[in->opcode & 7][in->modrm >> 3 & 7];
    if (!form)
        return NULL;
    return (form & W ? stores : loads)[size_row(form & 0x7f)][ea_is_flat(u, mode)];
}

bool bind_x87(struct vcpu *v, const struct insn *in, unsigned mode, struct uop *u)
{
    if (in->op == X86_FWAIT) {
        u->run = x87_fwait;
        return true;
    }
    if (in->map != 0 || (in->opcode & 0xf8) != 0xd8)
        return false;
    if (!simd_offered(v, in)) { /* FISTTP, FCMOVcc, FCOMI and relatives are later than the 387 */
        u->run = fpu_undefined;
        return true;
    }
    u->run = choose(in, mode, u);
    if (!u->run)
        return false;
    const uint8_t bytes[2] = { in->opcode, is_register_form(in) ? in->modrm : (in->modrm & 0x38) | 6 };
    u->native = fpu_emit(v, bytes, sizeof(bytes));
    u->imm = (in->opcode & 7u) << 8 | in->modrm;
    return true;
}
