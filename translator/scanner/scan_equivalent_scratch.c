/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Equivalents that need the scratch area: a register is saved there and holds an address or a constant
 * meanwhile; or an XMM operand is put there to be used from memory.
 */
#include "scan_snippet.h"

enum {
    ALL_REGISTERS = 0xff,
    BYTE_REGISTERS = 0x0f, /* EAX, ECX, EDX, EBX: whose low bytes have names */
};

/* ---- Addresses ----------------------------------------------------------------------------------- */

/*
 *     mov es:[scratch], temp
 *     lea temp, [... + disp - by]
 *     op  ... [temp + by]
 *     mov temp, es:[scratch]
 */
bool equivalent_address_in_temp(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    uint32_t by = equivalent_shifts[variant % EQUIVALENT_SHIFTS];
    int temp = equivalent_temp(insn, ALL_REGISTERS, variant / EQUIVALENT_SHIFTS);
    struct insn expected = *insn;
    struct shape shape;

    if (!e->scratch || temp < 0 || !shape_read(&shape, insn, guest->bytes) || !shape.is_memory ||
        (insn->op == X86_POP && insn->base == ESP)) /* POP's address is that after the pop */
        return false;
    shape.memory.disp -= by;
    emit_guest(e, guest->eip);
    emit_mov_scratch_r32(e, 4 * SCRATCH_TEMP, (unsigned)temp);
    emit_lea_r32_m(e, (unsigned)temp, &shape.memory);
    emit_guest_saved(e, guest->eip, (unsigned)temp);
    expected.base = shape.memory.base = (uint8_t)temp;
    expected.index = shape.memory.index = X86_NO_REG;
    expected.scale = 0;
    expected.disp = shape.memory.disp = by;
    if (!equivalent_emit_shape(e, &shape, &expected))
        return false;
    emit_guest_saved(e, equivalent_next(guest), (unsigned)temp);
    emit_mov_r32_scratch(e, (unsigned)temp, 4 * SCRATCH_TEMP);
    emit_guest(e, equivalent_next(guest));
    return true;
}

/* ---- Constants ----------------------------------------------------------------------------------- */

/* The opcode with a register for the immediate operand, as "Ev, Gv" or "Eb, Gb"; -1: there is none. */
static int opcode_with_register(const struct insn *insn)
{
    int wide = insn->opcode & 1;

    if (insn->map != 0 || insn->opnd[1].kind != X86_OPND_IMM)
        return -1;
    if (insn->op == X86_TEST)
        return 0x84 | wide;
    if (insn->op == X86_MOV)
        return insn->opnd[0].size == 1 ? 0x88 : 0x89;
    if (insn->opcode >= 0x80 && insn->opcode <= 0x83)
        return (insn->modrm & 0x38) | wide;
    if (insn->opcode < 0x40 && (insn->opcode & 6) == 4)
        return (insn->opcode & 0x38) | wide;
    return -1;
}

/* Change the shape so that `temp` takes the place of the immediate operand. */
static bool replace_constant(struct shape *shape, const struct insn *insn, unsigned temp)
{
    int opcode = opcode_with_register(insn);

    shape->imm_count = 0;
    if (insn->op == X86_PUSH && insn->opnd[0].kind == X86_OPND_IMM && insn->op_size == 4) {
        shape->opcode[0] = (uint8_t)(0x50 | temp);
        return true;
    }
    if (opcode < 0)
        return false;
    if (!shape->has_modrm) {
        shape->has_modrm = true;
        shape->rm = insn->opnd[0].reg;
    }
    shape->opcode[0] = (uint8_t)opcode;
    shape->reg = (uint8_t)temp;
    return true;
}

/* Is `written` the instruction with register `temp` for its constant? */
static bool uses_temp_for_constant(const struct emit *e, unsigned start, const struct insn *insn,
                                   unsigned temp)
{
    unsigned at = insn->op == X86_PUSH ? 0 : 1;
    struct insn expected = *insn;

    expected.opnd[at] = (struct x86_operand){
        .kind = X86_OPND_GPR,
        .size = at ? insn->opnd[0].size : 4,
        .reg = (uint8_t)temp,
    };
    expected.imm = 0;
    return equivalent_is_written(e, start, &expected);
}

/*
 *     mov es:[scratch], temp
 *     mov temp, imm - by
 *     lea temp, [temp + by]
 *     op  ..., temp
 *     mov temp, es:[scratch]
 */
bool equivalent_constant_in_temp(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    uint32_t by = equivalent_shifts[variant % EQUIVALENT_SHIFTS];
    uint8_t among = insn->opnd[0].size == 1 ? BYTE_REGISTERS : ALL_REGISTERS;
    int temp = equivalent_temp(insn, among, variant / EQUIVALENT_SHIFTS);
    struct shape shape;
    unsigned start;

    if (!e->scratch || temp < 0 || !shape_read(&shape, insn, guest->bytes) ||
        !replace_constant(&shape, insn, (unsigned)temp))
        return false;
    emit_guest(e, guest->eip);
    emit_mov_scratch_r32(e, 4 * SCRATCH_TEMP, (unsigned)temp);
    emit_mov_r32_imm32(e, (unsigned)temp, insn->imm - by);
    emit_guest_saved(e, guest->eip, (unsigned)temp);
    equivalent_add(e, (unsigned)temp, by);
    start = e->size;
    emit_shape(e, &shape);
    if (!uses_temp_for_constant(e, start, insn, (unsigned)temp))
        return false;
    emit_guest_saved(e, equivalent_next(guest), (unsigned)temp);
    emit_mov_r32_scratch(e, (unsigned)temp, 4 * SCRATCH_TEMP);
    emit_guest(e, equivalent_next(guest));
    return true;
}

/*
 * IMUL reg, r/m, imm. The product is made in temp, so that reg has its value if r/m faults:
 *     mov es:[scratch], temp
 *     mov temp, imm - by
 *     lea temp, [temp + by]
 *     imul temp, r/m
 *     xchg temp, reg
 *     mov temp, es:[scratch]
 */
bool equivalent_factor_in_temp(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    uint32_t by = equivalent_shifts[variant % EQUIVALENT_SHIFTS];
    int temp = equivalent_temp(insn, ALL_REGISTERS, variant / EQUIVALENT_SHIFTS);
    unsigned reg = insn->opnd[0].reg;
    struct shape shape;

    if (!e->scratch || temp < 0 || insn->op != X86_IMUL || insn->opnd[2].kind != X86_OPND_IMM ||
        insn->op_size != 4 || reg == ESP || !shape_read(&shape, insn, guest->bytes))
        return false;
    emit_guest(e, guest->eip);
    emit_mov_scratch_r32(e, 4 * SCRATCH_TEMP, (unsigned)temp);
    emit_mov_r32_imm32(e, (unsigned)temp, insn->imm - by);
    emit_guest_saved(e, guest->eip, (unsigned)temp);
    equivalent_add(e, (unsigned)temp, by);
    emit_imul_r32_rm32(e, (unsigned)temp, &shape);
    emit_guest_result(e, equivalent_next(guest), reg, (unsigned)temp);
    emit_xchg_r32_r32(e, (unsigned)temp, reg);
    emit_guest_saved(e, equivalent_next(guest), (unsigned)temp);
    emit_mov_r32_scratch(e, (unsigned)temp, 4 * SCRATCH_TEMP);
    emit_guest(e, equivalent_next(guest));
    return true;
}

/* ---- Vectors ------------------------------------------------------------------------------------- */

/* Vector instructions whose memory form does something else than their register form. */
static bool has_other_memory_form(const struct insn *insn)
{
    return insn->op == X86_MOVSS || insn->op == X86_MOVSD || insn->op == X86_INSERTPS;
}

/*
 * Which operand is the XMM register ModRM.rm names; -1: none. MMX registers are left alone: to store one
 * would change the x87 tags before the instruction does.
 */
static int vector_in_rm(const struct insn *insn)
{
    if (!insn->has_modrm || insn->modrm >> 6 != 3)
        return -1;
    for (int i = 1; i < 3; i++)
        if (insn->opnd[i].kind == X86_OPND_XMM && insn->opnd[i].reg == (insn->modrm & 7))
            return i;
    return -1;
}

/*
 *     movups es:[scratch], rm
 *     op  reg, es:[scratch]
 */
bool equivalent_vector_in_scratch(struct emit *e, const struct guest_insn *guest, unsigned variant)
{
    const struct insn *insn = &guest->insn;
    struct insn expected = *insn, written;
    int at = vector_in_rm(insn);
    struct shape shape;
    unsigned start;

    (void)variant;
    if (!e->scratch || at < 0 || has_other_memory_form(insn) || !shape_read(&shape, insn, guest->bytes))
        return false;
    emit_guest(e, guest->eip);
    emit_movups_scratch_xmm(e, SCRATCH_VECTOR, shape.rm);
    shape.is_memory = true;
    shape.memory = emit_scratch(e, SCRATCH_VECTOR);
    start = e->size;
    emit_shape(e, &shape);
    if (x86_decode(e->bytes + start, e->size - start, true, &written) != X86_DECODE_OK ||
        written.opnd[at].kind != X86_OPND_MEM)
        return false;
    expected.opnd[at] = written.opnd[at];
    expected.seg = X86_ES;
    expected.disp = shape.memory.disp;
    emit_guest(e, equivalent_next(guest));
    return equivalent_is_written(e, start, &expected);
}
