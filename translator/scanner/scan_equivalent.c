/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Equivalents: other code for an instruction that hides something. They change no flags and no memory but
 * what the instruction itself does, and at each of their instructions the guest's registers follow from the
 * processor's (struct scan_step). What was written from fields is decoded again and compared with what it
 * should be, so that the decoder, and no table here, says which bits of an encoding name a register.
 */
#include "scan_snippet.h"

#include "policy.h"
#include "scan_private.h"

#define REG(name) ((uint8_t)(1u << (name)))

enum { ALL_REGISTERS = 0xff };

/* Steps of a nibble and of a byte, then several bytes at once: for displacements and constants. */
const uint32_t equivalent_shifts[EQUIVALENT_SHIFTS] = {
    0x40,      -0x40u,      0x10,      -0x10u,      0x01,       -0x01u,       0x100,
    -0x100u,   0x1000,      -0x1000u,  0x10000,     -0x10000u,  0x100000,     -0x100000u,
    0x1000000, -0x1000000u, 0x1010101, -0x1010101u, 0x10101010, -0x10101010u,
};

/* ---- Registers ----------------------------------------------------------------------------------- */

static unsigned whole_register(const struct x86_operand *operand)
{
    return operand->size == 1 ? operand->reg & 3 : operand->reg;
}

uint8_t equivalent_named(const struct insn *insn)
{
    uint8_t named = 0;

    for (unsigned i = 0; i < 3; i++)
        if (insn->opnd[i].kind == X86_OPND_GPR)
            named |= REG(whole_register(&insn->opnd[i]));
    if (insn->base != X86_NO_REG)
        named |= REG(insn->base);
    if (insn->index != X86_NO_REG)
        named |= REG(insn->index);
    return named;
}

bool equivalent_has_kind(const struct insn *insn, unsigned kind)
{
    return insn->opnd[0].kind == kind || insn->opnd[1].kind == kind || insn->opnd[2].kind == kind;
}

/* MMX and SSE instructions name what they use, but for these. */
static uint8_t implied_by_simd(const struct insn *insn)
{
    switch (insn->op) {
    case X86_MASKMOVQ:
    case X86_MASKMOVDQU:
        return REG(EDI);
    case X86_PCMPESTRI:
    case X86_PCMPESTRM:
    case X86_PCMPISTRI:
    case X86_PCMPISTRM:
        return REG(EAX) | REG(ECX) | REG(EDX);
    default:
        return 0;
    }
}

static bool is_x87_memory(const struct insn *insn)
{
    return insn->map == 0 && insn->opcode >= 0xd8 && insn->opcode <= 0xdf &&
           equivalent_has_kind(insn, X86_OPND_MEM);
}

uint8_t equivalent_implied(const struct insn *insn)
{
    /* clang-format off */
    switch (insn->op) {
    case X86_ADD: case X86_OR: case X86_ADC: case X86_SBB: case X86_AND: case X86_SUB: case X86_XOR:
    case X86_CMP: case X86_TEST: case X86_NOT: case X86_NEG: case X86_INC: case X86_DEC:
    case X86_ROL: case X86_ROR: case X86_RCL: case X86_RCR: case X86_SHL: case X86_SHR: case X86_SAR:
    case X86_SHLD: case X86_SHRD: case X86_BT: case X86_BTS: case X86_BTR: case X86_BTC: case X86_BSF:
    case X86_BSR: case X86_MOV: case X86_MOVZX: case X86_MOVSX: case X86_MOVBE: case X86_BSWAP:
    case X86_XCHG: case X86_XADD: case X86_CMOVCC: case X86_SETCC: case X86_LEA: case X86_NOP:
    case X86_POPCNT: case X86_CRC32:
        return 0;
    case X86_IMUL:
        return insn->opnd[1].kind == X86_OPND_NONE ? REG(EAX) | REG(EDX) : 0;
    case X86_MUL: case X86_DIV: case X86_IDIV:
        return REG(EAX) | REG(EDX);
    case X86_CMPXCHG:
        return REG(EAX);
    case X86_PUSH: case X86_POP: case X86_CALL_IND: case X86_JMP_IND:
        return REG(ESP);
    default:
        if (equivalent_has_kind(insn, X86_OPND_XMM) || equivalent_has_kind(insn, X86_OPND_MMX))
            return implied_by_simd(insn);
        return is_x87_memory(insn) ? 0 : ALL_REGISTERS;
    }
    /* clang-format on */
}

int equivalent_temp(const struct insn *insn, uint8_t among, unsigned choice)
{
    uint8_t used = (uint8_t)(equivalent_named(insn) | equivalent_implied(insn) | REG(ESP) | REG(EBP));

    for (int reg = EAX; reg <= EDI; reg++)
        if (!(used >> reg & 1) && (among >> reg & 1) && choice-- == 0)
            return reg;
    return -1;
}

/* ---- What was written is what was meant ---------------------------------------------------------- */

static bool same_operand(const struct x86_operand *a, const struct x86_operand *b)
{
    return a->kind == b->kind && a->size == b->size && a->reg == b->reg;
}

static bool same_memory(const struct insn *a, const struct insn *b)
{
    return a->seg == b->seg && a->base == b->base && a->index == b->index && a->scale == b->scale &&
           a->disp == b->disp && a->addr_size == b->addr_size;
}

static bool is_conditional(const struct insn *insn)
{
    return insn->op == X86_SETCC || insn->op == X86_CMOVCC || insn->op == X86_FCMOVCC;
}

static bool same_insn(const struct insn *a, const struct insn *b)
{
    const unsigned prefixes = X86_PFX_LOCK | X86_PFX_REP | X86_PFX_REPNE | X86_PFX_OPSIZE;

    for (unsigned i = 0; i < 3; i++)
        if (!same_operand(&a->opnd[i], &b->opnd[i]))
            return false;
    if ((equivalent_has_kind(a, X86_OPND_MEM) || a->op == X86_LEA) && !same_memory(a, b))
        return false;
    if (is_conditional(a) && a->cond != b->cond)
        return false;
    return a->op == b->op && a->op_size == b->op_size && a->imm == b->imm && a->imm2 == b->imm2 &&
           (a->prefixes & prefixes) == (b->prefixes & prefixes);
}

bool equivalent_is_written(const struct emit *e, unsigned start, const struct insn *expected)
{
    struct insn insn;

    return !e->overflow && x86_decode(e->bytes + start, e->size - start, true, &insn) == X86_DECODE_OK &&
           insn.length == e->size - start && same_insn(&insn, expected);
}

bool equivalent_emit_shape(struct emit *e, const struct shape *shape, const struct insn *expected)
{
    unsigned size = e->size, steps = e->step_count;

    emit_shape(e, shape);
    if (equivalent_is_written(e, size, expected))
        return true;
    e->size = size;
    e->step_count = steps;
    e->overflow = false;
    return false;
}

/* ---- Ways without a change of state -------------------------------------------------------------- */

/*
 * as_is: what is bad across the end of the instruction may be harmless elsewhere.
 */
static bool as_is(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    (void)variant;
    emit_guest(e, guest->eip);
    emit_begin(e);
    emit_bytes(e, guest->bytes, guest->insn.length);
    emit_guest(e, equivalent_next(guest));
    return true;
}

static bool as_twin(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    uint8_t twin[X86_INSN_MAX];

    (void)variant;
    if (!emit_twin(&guest->insn, guest->bytes, twin))
        return false;
    emit_guest(e, guest->eip);
    emit_begin(e);
    emit_bytes(e, twin, guest->insn.length);
    emit_guest(e, equivalent_next(guest));
    return true;
}

/* ---- Other registers ----------------------------------------------------------------------------- */

/*
 *     xchg a, b
 *     op           with a for b and b for a
 *     xchg a, b
 */
unsigned equivalent_swapped(unsigned reg, unsigned a, unsigned b)
{
    return reg == a ? b : reg == b ? a : reg;
}

/* The instruction after the exchange; false: one of them has no such byte register. */
static bool swap_insn(struct insn *insn, unsigned a, unsigned b)
{
    for (unsigned i = 0; i < 3; i++) {
        struct x86_operand *operand = &insn->opnd[i];
        unsigned other;

        if (operand->kind != X86_OPND_GPR)
            continue;
        other = equivalent_swapped(whole_register(operand), a, b);
        if (operand->size == 1 && other > EBX)
            return false;
        operand->reg = (uint8_t)(operand->size == 1 ? (operand->reg & 4) | other : other);
    }
    if (insn->base != X86_NO_REG)
        insn->base = (uint8_t)equivalent_swapped(insn->base, a, b);
    if (insn->index != X86_NO_REG)
        insn->index = (uint8_t)equivalent_swapped(insn->index, a, b);
    return true;
}

/* A field's value after the exchange, if it names nothing, a register, or a byte register. */
static uint8_t swap_field(uint8_t field, unsigned kind, unsigned a, unsigned b)
{
    switch (kind) {
    case 0:
        return field;
    case 1:
        return (uint8_t)equivalent_swapped(field, a, b);
    default:
        return (uint8_t)((field & 4) | equivalent_swapped(field & 3, a, b));
    }
}

/* ModRM.reg, ModRM.rm and the opcode's low bits: which of them name registers shows when it is decoded. */
static bool emit_swapped(struct emit *e, const struct shape *shape, const struct insn *expected, unsigned a,
                         unsigned b)
{
    for (unsigned kinds = 0; kinds < 27; kinds++) {
        struct shape trial = *shape;
        uint8_t *opcode = &trial.opcode[trial.opcode_count - 1];

        trial.reg = swap_field(shape->reg, kinds % 3, a, b) & 7;
        trial.rm = swap_field(shape->rm, kinds / 3 % 3, a, b) & 7;
        *opcode = (uint8_t)((*opcode & ~7) | (swap_field(*opcode & 7, kinds / 9, a, b) & 7));
        trial.memory.base = expected->base;
        trial.memory.index = expected->index;
        if (equivalent_emit_shape(e, &trial, expected))
            return true;
    }
    return false;
}

enum { SWAPS = 21 };

static bool with_other_registers(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    static const uint8_t pairs[SWAPS][2] = {
        { EAX, ECX }, { EAX, EDX }, { EAX, EBX }, { EAX, ESI }, { EAX, EDI }, { EAX, EBP }, { ECX, EDX },
        { ECX, EBX }, { ECX, ESI }, { ECX, EDI }, { ECX, EBP }, { EDX, EBX }, { EDX, ESI }, { EDX, EDI },
        { EDX, EBP }, { EBX, ESI }, { EBX, EDI }, { EBX, EBP }, { ESI, EDI }, { ESI, EBP }, { EDI, EBP },
    };
    unsigned a = pairs[variant][0], b = pairs[variant][1];
    uint8_t both = REG(a) | REG(b);
    struct insn expected = guest->insn;
    struct shape shape;

    if ((equivalent_implied(&expected) & both) || !(equivalent_named(&expected) & both) ||
        !swap_insn(&expected, a, b) || !shape_read(&shape, &guest->insn, guest->bytes))
        return false;
    emit_guest(e, guest->eip);
    emit_xchg_r32_r32(e, a, b);
    emit_guest_swapped(e, guest->eip, a, b);
    if (!emit_swapped(e, &shape, &expected, a, b))
        return false;
    emit_guest_swapped(e, equivalent_next(guest), a, b);
    emit_xchg_r32_r32(e, a, b);
    emit_guest(e, equivalent_next(guest));
    return true;
}

/* ---- Constants in two parts ---------------------------------------------------------------------- */

void equivalent_add(struct emit *e, unsigned reg, uint32_t by)
{
    emit_lea_r32_m(e, reg, &(struct emit_memory){ .base = (uint8_t)reg, .index = X86_NO_REG, .disp = by });
}

/*
 *     lea reg, [... + disp - by]    or    mov reg, imm - by
 *     lea reg, [reg + by]
 */
static bool in_two_parts(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    uint32_t by = equivalent_shifts[variant];
    unsigned reg = insn->opnd[0].reg;
    struct emit_memory memory = shape_memory(insn);

    if (insn->opnd[0].kind != X86_OPND_GPR || insn->op_size != 4 || insn->addr_size != 4 || reg == ESP)
        return false;
    emit_guest(e, guest->eip);
    if (insn->op == X86_LEA) {
        memory.disp -= by;
        emit_lea_r32_m(e, reg, &memory);
    } else if (insn->op == X86_MOV && insn->opnd[0].size == 4 && insn->opnd[1].kind == X86_OPND_IMM) {
        emit_mov_r32_imm32(e, reg, insn->imm - by);
    } else {
        return false;
    }
    emit_guest_add(e, equivalent_next(guest), reg, by);
    equivalent_add(e, reg, by);
    emit_guest(e, equivalent_next(guest));
    return true;
}

/* ---- A moved base -------------------------------------------------------------------------------- */

/* MOV, MOVZX, MOVSX, LEA of memory to all of a register. */
static bool is_load_of(const struct insn *insn, unsigned reg)
{
    bool loads = insn->op == X86_MOV || insn->op == X86_MOVZX || insn->op == X86_MOVSX || insn->op == X86_LEA;

    return loads && insn->opnd[0].kind == X86_OPND_GPR && insn->opnd[0].size == 4 &&
           insn->opnd[0].reg == reg && insn->opnd[1].kind == X86_OPND_MEM;
}

static bool is_operand(const struct insn *insn, unsigned reg)
{
    for (unsigned i = 0; i < 3; i++)
        if (insn->opnd[i].kind == X86_OPND_GPR && whole_register(&insn->opnd[i]) == reg)
            return true;
    return false;
}

/*
 *     lea base, [base + by]
 *     op  ... [base + disp - by]
 *     lea base, [base - by]        unless op has loaded it
 * or the same with the index, scaled.
 */
static bool with_moved_base(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    bool use_index = variant >= EQUIVALENT_SHIFTS;
    uint32_t by = equivalent_shifts[variant % EQUIVALENT_SHIFTS];
    unsigned reg = use_index ? insn->index : insn->base;
    struct insn expected = *insn;
    bool loaded = is_load_of(insn, reg);
    struct shape shape;

    if (reg == X86_NO_REG || insn->base == insn->index || (is_operand(insn, reg) && !loaded) ||
        (equivalent_implied(insn) >> reg & 1) || !shape_read(&shape, insn, guest->bytes) || !shape.is_memory)
        return false;
    expected.disp = shape.memory.disp -= use_index ? by << insn->scale : by;
    emit_guest(e, guest->eip);
    equivalent_add(e, reg, by);
    emit_guest_add(e, guest->eip, reg, -by);
    if (!equivalent_emit_shape(e, &shape, &expected))
        return false;
    if (!loaded) {
        emit_guest_add(e, equivalent_next(guest), reg, -by);
        equivalent_add(e, reg, -by);
    }
    emit_guest(e, equivalent_next(guest));
    return true;
}

/* ---- Choosing ------------------------------------------------------------------------------------ */

bool equivalent_is_objected(const struct emit *e, unsigned first, enum scan_guard guard)
{
    uint8_t bytes[EMIT_BYTES_MAX + X86_INSN_MAX];
    unsigned size = e->size - first;

    __builtin_memcpy(bytes, e->bytes + first, size);
    __builtin_memset(bytes + size, 0x90, X86_INSN_MAX);
    for (unsigned i = 0; i < size; i++) {
        struct guard_view view = { bytes + i, size + X86_INSN_MAX - i };

        if (policy_guards(&view, guard) && !policy_is_placeless_door(&view, guard))
            return true;
    }
    return false;
}

struct way {
    bool (*emit)(struct emit *e, const struct guest_insn *guest, unsigned variant);
    unsigned variants;
};

static bool try_way(struct emit *e, const struct guest_insn *guest, enum scan_guard guard,
                    const struct way *way)
{
    const unsigned size = e->size, steps = e->step_count, jumps = e->jump_count;

    for (unsigned variant = 0; variant < way->variants; variant++) {
        if (way->emit(e, guest, variant) && !e->overflow && !equivalent_is_objected(e, size, guard))
            return true;
        e->size = size;
        e->step_count = steps;
        e->jump_count = jumps;
        e->overflow = false;
    }
    return false;
}

/*
 * BSF and BSR with F2 or F3, as the guest's processor takes them: written without. The twin has a segment
 * prefix there, so that all is as long as it was.
 */
static bool is_meant_otherwise(const struct guest_insn *guest, uint8_t twin[X86_INSN_MAX],
                               struct guest_insn *meant)
{
    if ((guest->insn.op != X86_BSF && guest->insn.op != X86_BSR) ||
        !(guest->insn.prefixes & (X86_PFX_REP | X86_PFX_REPNE)) ||
        !emit_twin(&guest->insn, guest->bytes, twin))
        return false;
    *meant = (struct guest_insn){ .bytes = twin, .eip = guest->eip };
    return x86_decode(twin, guest->insn.length, true, &meant->insn) == X86_DECODE_OK;
}

bool equivalent_emit(struct emit *e, const struct guest_insn *as_written, enum scan_guard guard)
{
    uint8_t twin[X86_INSN_MAX];
    struct guest_insn meant;
    const struct guest_insn *guest = is_meant_otherwise(as_written, twin, &meant) ? &meant : as_written;
    /* The cheapest first. */
    static const struct way ways[] = {
        { as_is, 1 },
        { as_twin, 1 },
        { in_two_parts, EQUIVALENT_SHIFTS },
        { with_other_registers, SWAPS },
        { with_moved_base, 2 * EQUIVALENT_SHIFTS },
        { equivalent_turned_fpu, 1 },
        { equivalent_vector_in_scratch, 1 },
        { equivalent_address_in_temp, EQUIVALENT_TEMP_VARIANTS },
        { equivalent_constant_in_temp, EQUIVALENT_TEMP_VARIANTS },
        { equivalent_factor_in_temp, EQUIVALENT_TEMP_VARIANTS },
    };
    static const struct way flow = { equivalent_flow, EQUIVALENT_FLOW_VARIANTS };
    static const struct way string = { equivalent_string, 1 };

    if (guest->insn.class_ == X86_BRANCH)
        return try_way(e, guest, guard, &flow);
    if (e->data_base && equivalent_uses_es(&guest->insn))
        return try_way(e, guest, guard, &string);
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (try_way(e, guest, guard, &ways[i]))
            return true;
    return false;
}
