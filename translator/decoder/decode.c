/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The instruction decoder: prefixes, opcode, the row of the tables, and the operands the row lists.
 * It works on a copy of the bytes padded with zeros, so nothing is checked byte by byte: whatever was
 * decided by looking past the bytes given is thrown away at the end. SDM 2A, "Instruction Format".
 */
#include "translator/decode.h"

#include "decoder.h"
#include "opcodes.h"

enum {
    ESCAPE_TWO_BYTE = 0x0f,
    ESCAPE_0F38 = 0x38,
    ESCAPE_0F3A = 0x3a,
};

/* SDM 2A, "LOCK": the instructions that take it, given a memory destination. */
static const bool lockable[X86_OP_COUNT] = {
    [X86_ADD] = true,  [X86_ADC] = true,  [X86_AND] = true,     [X86_BTC] = true,       [X86_BTR] = true,
    [X86_BTS] = true,  [X86_DEC] = true,  [X86_CMPXCHG] = true, [X86_CMPXCHG8B] = true, [X86_INC] = true,
    [X86_NEG] = true,  [X86_NOT] = true,  [X86_OR] = true,      [X86_SBB] = true,       [X86_SUB] = true,
    [X86_XADD] = true, [X86_XCHG] = true, [X86_XOR] = true,
};

static const char *const op_names[X86_OP_COUNT] = {
#define OP_NAME(name, text) [X86_##name] = (text),
    X86_OPCODE_NAMES(OP_NAME)
#undef OP_NAME
};

const char *x86_op_name(unsigned op)
{
    return op < X86_OP_COUNT ? op_names[op] : op_names[X86_BAD];
}

/* The immediate bytes that follow ModRM in a VEX, EVEX or XOP instruction, by opcode map. */
static unsigned extension_imm_bytes(uint8_t escape, unsigned map, uint8_t opcode)
{
    if (escape == 0x8f)
        return map == 8 ? 1 : map == 10 ? 4 : 0;
    if (map == 3)
        return 1;
    if (map != 1)
        return 0;
    return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
}

/*
 * VEX, EVEX and XOP prefixes took opcodes whose ModRM could not name a register (or, for XOP, could not
 * have ModRM.reg bits 3 and 4 set). No processor we model knows them, so only the length matters.
 * SDM 2A, "Intel AVX" and "Intel AVX-512"; AMD APM 3, "XOP Prefix".
 */
static bool is_extension(const struct decoder *d, uint8_t opcode)
{
    uint8_t next = d->window[d->pos];

    return opcode == 0x8f ? (next & 0x18) != 0 : next >> 6 == 3;
}

static bool decode_extension(struct decoder *d, uint8_t escape)
{
    struct insn *insn = d->insn;
    unsigned map = 1;
    uint8_t payload = fetch8(d), opcode;

    if (escape == 0xc4 || escape == 0x8f) {
        map = payload & 0x1f;
        fetch8(d);
    } else if (escape == 0x62) {
        map = payload & 7;
        fetch16(d);
    }
    if (escape == 0x8f ? map < 8 || map > 10 : map == 0 || map == 4 || map > 6)
        return false;
    opcode = fetch8(d);
    if (escape == 0x62 || map != 1 || opcode != 0x77) { /* VZEROUPPER alone has no ModRM */
        fetch_modrm(d);
        decoder_memory(d);
    }
    d->pos += extension_imm_bytes(escape, map, opcode);
    insn->op = escape == 0x62 ? X86_EVEX : escape == 0x8f ? X86_XOP : X86_VEX;
    insn->class_ = X86_INVALID;
    insn->isa = X86_ISA_LATER;
    return true;
}

/*
 * Up to avail bytes, then zeros. Two fixed copies where there are enough: decode_bench, compiled code, 15 to
 * 20 ns a decode; 24 with the byte loop for all.
 */
static void fill_window(struct decoder *d, const uint8_t *bytes, size_t avail)
{
    __builtin_memset(d->window, 0, sizeof(d->window));
    d->pos = 0;
    if (avail >= X86_INSN_MAX) {
        d->limit = X86_INSN_MAX;
        __builtin_memcpy(d->window, bytes, 8);
        __builtin_memcpy(d->window + 7, bytes + 7, 8);
        return;
    }
    d->limit = avail;
    for (size_t i = 0; i < avail; i++)
        d->window[i] = bytes[i];
}

/* Take prefixes up to the first byte that is none, and return that byte's form in the one-byte map. */
static const struct form *fetch_prefixes(struct decoder *d)
{
    struct insn *insn = d->insn;

    for (;;) {
        const struct form *form = &opcodes_map[0][insn->opcode = fetch8(d)];

        if (form->kind != FORM_PREFIX)
            return form;
        if (form->op == X86_PFX_SEG)
            insn->seg = form->operand[0];
        else if (form->op & (X86_PFX_REP | X86_PFX_REPNE))
            insn->prefixes &= ~(X86_PFX_REP | X86_PFX_REPNE);
        insn->prefixes |= form->op;
    }
}

/* Follow the escape bytes to the map and its form. */
static const struct form *fetch_opcode(struct decoder *d)
{
    struct insn *insn = d->insn;
    const struct form *form = fetch_prefixes(d);

    if (insn->opcode != ESCAPE_TWO_BYTE)
        return form;
    insn->map = 1;
    insn->opcode = fetch8(d);
    if (insn->opcode == ESCAPE_0F38 || insn->opcode == ESCAPE_0F3A) {
        insn->map = insn->opcode == ESCAPE_0F38 ? 2 : 3;
        insn->opcode = fetch8(d);
    }
    return &opcodes_map[insn->map][insn->opcode];
}

/* The mandatory prefix that counts and its column: F3 or F2, the last of them, goes before 66. */
static unsigned prefix_column(struct insn *insn)
{
    if (insn->prefixes & X86_PFX_REP) {
        insn->simd_prefix = 0xf3;
        return 2;
    }
    if (insn->prefixes & X86_PFX_REPNE) {
        insn->simd_prefix = 0xf2;
        return 3;
    }
    if (insn->prefixes & X86_PFX_OPSIZE) {
        insn->simd_prefix = 0x66;
        return 1;
    }
    return 0;
}

/* Choose among subtables until a form stands for one instruction. */
static const struct form *resolve(struct decoder *d, const struct form *form)
{
    struct insn *insn = d->insn;

    while (form->kind != FORM_INSN) {
        unsigned choice;

        switch ((enum form_kind)form->kind) {
        case FORM_BY_PREFIX:
            choice = prefix_column(insn);
            break;
        case FORM_BY_REG:
            fetch_modrm(d);
            choice = modrm_reg(insn) + (modrm_mod(insn) == 3 ? 8 : 0);
            break;
        case FORM_BY_RM:
            choice = modrm_rm(insn);
            break;
        case FORM_BY_MOD:
            fetch_modrm(d);
            choice = modrm_mod(insn) == 3;
            break;
        default:
            return form;
        }
        form = &opcodes_subtable[form->next + choice];
    }
    return form;
}

/* FCMOVcc: ModRM.reg holds B, E, BE, U; opcode DB negates. Others: the opcode's low four bits. */
static uint8_t condition(const struct insn *insn)
{
    static const uint8_t fcmov[4] = { 2, 4, 6, 10 };

    if (insn->op == X86_FCMOVCC)
        return fcmov[modrm_reg(insn) & 3] | (insn->opcode & 1);
    return insn->opcode & 15;
}

static bool decode_form(struct decoder *d, const struct form *form)
{
    struct insn *insn = d->insn;

    if (form->kind == FORM_VEX) {
        if (is_extension(d, insn->opcode))
            return decode_extension(d, insn->opcode);
        fetch_modrm(d);
        if (insn->opcode == 0x8f && modrm_reg(insn) != 0)
            return false; /* POP is /0 only */
    }
    insn->op = form->op;
    insn->class_ = form->class_;
    insn->isa = form->isa;
    if (form->op == X86_BAD) {
        /* Processors fetch the whole operand before they see that the group's row is empty (seen on a Zen 4).
         */
        if (insn->has_modrm)
            decoder_memory(d);
        return false;
    }
    if (form->isa < X86_ISA_MMX)
        insn->simd_prefix = 0; /* a cell that is no MMX or SSE form, as PAUSE */
    if (form->modrm != FORM_NO_MODRM) {
        fetch_modrm(d);
        if (form->modrm == FORM_MODRM)
            decoder_memory(d);
    }
    for (unsigned i = 0; i < 3 && form->operand[i] != OPERAND_xx; i++) {
        if (!decoder_operand(d, form->operand[i], &insn->opnd[i]))
            return false;
    }
    insn->cond = condition(insn);
    insn->lockable = insn->opnd[0].kind == X86_OPND_MEM && lockable[insn->op];
    return true;
}

enum x86_decode_status x86_decode(const uint8_t *bytes, size_t avail, bool code32, struct insn *insn)
{
    struct decoder d = { .insn = insn };
    const struct form *form;
    bool known;

    fill_window(&d, bytes, avail);
    *insn = (struct insn){ .seg = X86_DS, .base = X86_NO_REG, .index = X86_NO_REG };
    form = fetch_opcode(&d);
    insn->op_size = code32 != !!(insn->prefixes & X86_PFX_OPSIZE) ? 4 : 2;
    insn->addr_size = code32 != !!(insn->prefixes & X86_PFX_ADDRSIZE) ? 4 : 2;
    known = decode_form(&d, resolve(&d, form));
    if (d.pos > d.limit)
        return avail < X86_INSN_MAX ? X86_DECODE_MORE : X86_DECODE_TOO_LONG;
    insn->length = d.pos;
    if (known)
        return X86_DECODE_OK;
    insn->op = X86_BAD;
    insn->class_ = X86_INVALID;
    return X86_DECODE_INVALID;
}
