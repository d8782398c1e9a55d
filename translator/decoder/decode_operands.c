/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operands of an instruction: the address in ModRM, SIB and displacement, and what each operand code of
 * operand_codes.h finds. SDM 2A, "Addressing-Mode Encoding of ModR/M and SIB Bytes".
 */
#include "decoder.h"
#include "operand_codes.h"

static const struct operand_rule operand_rules[OPERAND_CODE_COUNT] = {
#define OPERAND_RULE(code, method, reg_bytes, mem_bytes)                                                     \
    [OPERAND_##code] = { METHOD_##method, (reg_bytes), (mem_bytes) },
    X86_OPERAND_CODES(OPERAND_RULE)
#undef OPERAND_RULE
};

/* The memory operand's segment, unless a prefix has named one: SS for a base of EBP, ESP or BP. */
static void default_segment(struct insn *insn, enum x86_sreg seg)
{
    if (!(insn->prefixes & X86_PFX_SEG))
        insn->seg = seg;
}

/* SDM 2A, "16-Bit Addressing Forms with the ModR/M Byte". */
static void memory16(struct decoder *d)
{
    static const struct {
        uint8_t base, index;
    } forms[8] = {
        { 3, 6 },          { 3, 7 },          { 5, 6 },          { 5, 7 },
        { 6, X86_NO_REG }, { 7, X86_NO_REG }, { 5, X86_NO_REG }, { 3, X86_NO_REG },
    };
    struct insn *insn = d->insn;
    unsigned mod = modrm_mod(insn), rm = modrm_rm(insn);

    if (mod == 0 && rm == 6) {
        insn->disp = fetch16(d);
        return;
    }
    insn->base = forms[rm].base;
    insn->index = forms[rm].index;
    if (insn->base == 5)
        default_segment(insn, X86_SS);
    if (mod == 1)
        insn->disp = fetch8_signed(d);
    else if (mod == 2)
        insn->disp = fetch16(d);
}

/* SDM 2A, "32-Bit Addressing Forms with the ModR/M Byte" and "... with the SIB Byte". */
static void memory32(struct decoder *d)
{
    struct insn *insn = d->insn;
    unsigned mod = modrm_mod(insn), base = modrm_rm(insn);

    if (base == 4) {
        uint8_t sib = fetch8(d);

        base = sib & 7;
        if ((sib >> 3 & 7) != 4) {
            insn->index = sib >> 3 & 7;
            insn->scale = sib >> 6;
        }
    }
    if (mod == 0 && base == 5) {
        insn->disp = fetch32(d);
        return;
    }
    insn->base = base;
    if (base == 4 || base == 5)
        default_segment(insn, X86_SS);
    if (mod == 1)
        insn->disp = fetch8_signed(d);
    else if (mod == 2)
        insn->disp = fetch32(d);
}

void decoder_memory(struct decoder *d)
{
    if (modrm_mod(d->insn) == 3)
        return;
    if (d->insn->addr_size == 4)
        memory32(d);
    else
        memory16(d);
}

static uint8_t operand_bytes(const struct insn *insn, uint8_t bytes)
{
    switch (bytes) {
    case SIZE_V:
        return insn->op_size;
    case SIZE_P:
        return insn->op_size + 2;
    case SIZE_A:
        return insn->op_size * 2;
    default:
        return bytes;
    }
}

static bool set_memory(struct x86_operand *out, uint8_t bytes)
{
    out->kind = X86_OPND_MEM;
    out->size = bytes;
    return true;
}

static bool set_reg(struct x86_operand *out, enum x86_operand_kind kind, unsigned reg)
{
    out->kind = kind;
    out->reg = reg;
    return true;
}

static bool set_imm(struct insn *insn, struct x86_operand *out, enum x86_operand_kind kind, uint32_t value)
{
    /* ENTER alone has two immediate operands; the second goes to imm2. */
    if (kind == X86_OPND_IMM && out != insn->opnd && out[-1].kind == X86_OPND_IMM)
        insn->imm2 = value;
    else
        insn->imm = value;
    out->kind = kind;
    return true;
}

static bool far_pointer(struct decoder *d, struct x86_operand *out)
{
    d->insn->imm = d->insn->op_size == 2 ? fetch16(d) : fetch32(d);
    d->insn->imm2 = fetch16(d);
    out->kind = X86_OPND_FAR;
    return true;
}

/* An operand in ModRM.rm that may be a register or memory. */
static bool rm_operand(const struct insn *insn, struct x86_operand *out, const struct operand_rule *rule,
                       enum x86_operand_kind kind)
{
    if (modrm_mod(insn) != 3)
        return set_memory(out, operand_bytes(insn, rule->mem_bytes));
    return set_reg(out, kind, modrm_rm(insn));
}

static bool rm_register_only(const struct insn *insn, struct x86_operand *out, enum x86_operand_kind kind)
{
    return modrm_mod(insn) == 3 && set_reg(out, kind, modrm_rm(insn));
}

/* Control registers that exist: SDM 3A, "Control Registers". */
static bool control_register(struct x86_operand *out, unsigned reg)
{
    return reg <= 4 && reg != 1 && set_reg(out, X86_OPND_CREG, reg);
}

static bool implied_memory(struct decoder *d, struct x86_operand *out, const struct operand_rule *rule,
                           uint8_t base)
{
    d->insn->base = base;
    return set_memory(out, rule->mem_bytes);
}

static bool memory_offset(struct decoder *d, struct x86_operand *out, const struct operand_rule *rule)
{
    d->insn->disp = d->insn->addr_size == 2 ? fetch16(d) : fetch32(d);
    return set_memory(out, operand_bytes(d->insn, rule->mem_bytes));
}

bool decoder_operand(struct decoder *d, unsigned code, struct x86_operand *out)
{
    const struct operand_rule *rule = &operand_rules[code];
    struct insn *insn = d->insn;

    out->size = operand_bytes(insn, rule->reg_bytes);
    switch ((enum operand_method)rule->method) {
    case METHOD_NONE:
        return true;
    case METHOD_RM_GPR:
        return rm_operand(insn, out, rule, X86_OPND_GPR);
    case METHOD_RM_MMX:
        return rm_operand(insn, out, rule, X86_OPND_MMX);
    case METHOD_RM_XMM:
        return rm_operand(insn, out, rule, X86_OPND_XMM);
    case METHOD_MEM:
        return modrm_mod(insn) != 3 && set_memory(out, operand_bytes(insn, rule->mem_bytes));
    case METHOD_ONLY_MMX:
        return rm_register_only(insn, out, X86_OPND_MMX);
    case METHOD_ONLY_XMM:
        return rm_register_only(insn, out, X86_OPND_XMM);
    case METHOD_ONLY_GPR:
        return rm_register_only(insn, out, X86_OPND_GPR);
    case METHOD_MOV_RM:
        return set_reg(out, X86_OPND_GPR, modrm_rm(insn));
    case METHOD_REG_GPR:
        return set_reg(out, X86_OPND_GPR, modrm_reg(insn));
    case METHOD_REG_MMX:
        return set_reg(out, X86_OPND_MMX, modrm_reg(insn));
    case METHOD_REG_XMM:
        return set_reg(out, X86_OPND_XMM, modrm_reg(insn));
    case METHOD_SREG:
        return modrm_reg(insn) < X86_SREG_COUNT && set_reg(out, X86_OPND_SREG, modrm_reg(insn));
    case METHOD_SREG_LOAD:
        return modrm_reg(insn) < X86_SREG_COUNT && modrm_reg(insn) != X86_CS &&
               set_reg(out, X86_OPND_SREG, modrm_reg(insn));
    case METHOD_CREG:
        return control_register(out, modrm_reg(insn));
    case METHOD_DREG:
        return set_reg(out, X86_OPND_DREG, modrm_reg(insn));
    case METHOD_TREG:
        return set_reg(out, X86_OPND_TREG, modrm_reg(insn));
    case METHOD_ST_RM:
        return set_reg(out, X86_OPND_ST, modrm_rm(insn));
    case METHOD_FIXED_AX:
    case METHOD_FIXED_CX:
    case METHOD_FIXED_DX:
        return set_reg(out, X86_OPND_GPR, rule->method - METHOD_FIXED_AX);
    case METHOD_OPCODE_GPR:
        return set_reg(out, X86_OPND_GPR, insn->opcode & 7);
    case METHOD_FIXED_ES:
    case METHOD_FIXED_CS:
    case METHOD_FIXED_SS:
    case METHOD_FIXED_DS:
    case METHOD_FIXED_FS:
    case METHOD_FIXED_GS:
        return set_reg(out, X86_OPND_SREG, rule->method - METHOD_FIXED_ES);
    case METHOD_ST0:
        return set_reg(out, X86_OPND_ST, 0);
    case METHOD_XMM0:
        return set_reg(out, X86_OPND_XMM, 0);
    case METHOD_IMM_BYTE:
        return set_imm(insn, out, X86_OPND_IMM, fetch8(d));
    case METHOD_IMM_BYTE_SIGN:
        return set_imm(insn, out, X86_OPND_IMM, fetch8_signed(d));
    case METHOD_IMM_WORD:
        return set_imm(insn, out, X86_OPND_IMM, fetch16(d));
    case METHOD_IMM_FULL:
        return set_imm(insn, out, X86_OPND_IMM, fetch_full(d));
    case METHOD_IMM_ONE:
        return set_imm(insn, out, X86_OPND_IMM, 1);
    case METHOD_IMM_TWO_BYTES:
        set_imm(insn, out, X86_OPND_IMM, fetch8(d));
        insn->imm2 = fetch8(d);
        return true;
    case METHOD_REL_BYTE:
        return set_imm(insn, out, X86_OPND_REL, fetch8_signed(d));
    case METHOD_REL_FULL:
        return set_imm(insn, out, X86_OPND_REL, fetch_full(d));
    case METHOD_FAR:
        return far_pointer(d, out);
    case METHOD_MOFFS:
        return memory_offset(d, out, rule);
    case METHOD_STR_SI:
        return set_reg(out, X86_OPND_STR_SI, 0);
    case METHOD_STR_DI:
        return set_reg(out, X86_OPND_STR_DI, 0);
    case METHOD_MEM_BX:
        return implied_memory(d, out, rule, 3);
    case METHOD_MEM_DI:
        return implied_memory(d, out, rule, 7);
    }
    return false;
}
