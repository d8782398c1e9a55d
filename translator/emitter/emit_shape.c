/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instructions taken apart into fields and written again: the one place that knows ModRM, SIB and
 * displacements. SDM 2A, "Instruction Format" and "Addressing-Mode Encoding of ModR/M and SIB Bytes".
 */
#include "emit.h"

#include "prefix.h"

enum {
    MODRM_SIB = 4,    /* ModRM.rm: a SIB byte follows */
    MODRM_DISP32 = 5, /* ModRM.rm or SIB.base with mod 0: a displacement and no base */
    MODRM_DISP16 = 6, /* the same of 16-bit addresses */
    SIB_NO_INDEX = 4,
    MOD_REGISTER = 3,
};

static bool is_segment_prefix(uint8_t byte)
{
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 || byte == 0x65;
}

static void take_prefixes(struct shape *shape, const uint8_t **at)
{
    for (; x86_is_prefix(**at); (*at)++)
        if (!is_segment_prefix(**at))
            shape->prefix[shape->prefix_count++] = **at;
}

static void take_opcode(struct shape *shape, const struct insn *insn, const uint8_t **at)
{
    shape->opcode_count = (uint8_t)(insn->map < 2 ? insn->map + 1 : 3);
    __builtin_memcpy(shape->opcode, *at, shape->opcode_count);
    *at += shape->opcode_count;
}

/* How many bytes SIB and displacement have. Where there are none, `behind` ModRM nothing may be readable. */
static unsigned address_bytes(uint8_t modrm, const uint8_t *behind)
{
    unsigned mod = modrm >> 6, rm = modrm & 7, count = 0;

    if (mod == MOD_REGISTER)
        return 0;
    if (rm == MODRM_SIB) {
        count = 1;
        rm = *behind & 7;
    }
    if (mod == 0)
        return count + (rm == MODRM_DISP32 ? 4 : 0);
    return count + (mod == 1 ? 1 : 4);
}

static unsigned address_bytes16(uint8_t modrm)
{
    static const uint8_t count[4] = { 0, 1, 2, 0 };
    unsigned mod = modrm >> 6;

    return mod == 0 && (modrm & 7) == MODRM_DISP16 ? 2 : count[mod];
}

struct emit_memory shape_memory(const struct insn *insn)
{
    return (struct emit_memory){
        .seg = insn->seg,
        .base = insn->base,
        .index = insn->index,
        .scale = insn->scale,
        .disp = insn->disp,
    };
}

/* A0..A3, MOV with an offset: the same with ModRM, 88..8B. */
static bool read_moffs(struct shape *shape, const struct insn *insn)
{
    static const uint8_t with_modrm[4] = { 0x8a, 0x8b, 0x88, 0x89 };

    if (insn->map != 0 || insn->opcode < 0xa0 || insn->opcode > 0xa3)
        return false;
    shape->opcode[0] = with_modrm[insn->opcode & 3];
    shape->has_modrm = shape->is_memory = true;
    shape->reg = EAX;
    shape->memory = shape_memory(insn);
    return true;
}

bool shape_read_any(struct shape *shape, const struct insn *insn, const uint8_t *bytes)
{
    const uint8_t *at = bytes;
    unsigned left;

    *shape = (struct shape){ 0 };
    take_prefixes(shape, &at);
    take_opcode(shape, insn, &at);
    if (read_moffs(shape, insn))
        return true;
    if (insn->has_modrm) {
        shape->has_modrm = true;
        shape->is_memory = insn->modrm >> 6 != MOD_REGISTER;
        shape->reg = insn->modrm >> 3 & 7;
        shape->rm = insn->modrm & 7;
        shape->memory = shape_memory(insn);
        at += 1 + (insn->addr_size == 4 ? address_bytes(insn->modrm, at + 1) : address_bytes16(insn->modrm));
    }
    left = insn->length - (unsigned)(at - bytes);
    if (left > sizeof(shape->imm))
        return false;
    shape->imm_count = (uint8_t)left;
    __builtin_memcpy(shape->imm, at, left);
    return true;
}

bool shape_read(struct shape *shape, const struct insn *insn, const uint8_t *bytes)
{
    return insn->addr_size == 4 && shape_read_any(shape, insn, bytes);
}

/* ---- Writing ------------------------------------------------------------------------------------- */

static bool is_default_segment(const struct emit_memory *memory)
{
    bool stack = memory->base == ESP || memory->base == EBP;

    return memory->seg == (stack ? X86_SS : X86_DS);
}

static void put_segment(struct emit *e, const struct emit_memory *memory)
{
    static const uint8_t override[X86_SREG_COUNT] = {
        [X86_ES] = 0x26, [X86_CS] = 0x2e, [X86_SS] = 0x36, [X86_DS] = 0x3e, [X86_FS] = 0x64, [X86_GS] = 0x65,
    };

    if (!is_default_segment(memory))
        emit_u8(e, override[memory->seg]);
}

static void put_disp(struct emit *e, unsigned mod, uint32_t disp)
{
    if (mod == 1)
        emit_u8(e, (uint8_t)disp);
    else
        emit_u32(e, disp);
}

static unsigned choose_mod(const struct emit_memory *memory)
{
    if (memory->wide)
        return 2;
    if (memory->disp == 0 && memory->base != EBP)
        return 0;
    return memory->disp == (uint32_t)(int8_t)memory->disp ? 1 : 2;
}

static void put_memory(struct emit *e, unsigned reg, const struct emit_memory *memory)
{
    bool sib = memory->index != X86_NO_REG || memory->base == ESP;
    unsigned index = memory->index == X86_NO_REG ? SIB_NO_INDEX : memory->index;
    unsigned mod = choose_mod(memory);

    if (memory->base == X86_NO_REG) {
        emit_u8(e, (uint8_t)(reg << 3 | (sib ? MODRM_SIB : MODRM_DISP32)));
        if (sib)
            emit_u8(e, (uint8_t)(memory->scale << 6 | index << 3 | MODRM_DISP32));
        emit_u32(e, memory->disp);
        return;
    }
    emit_u8(e, (uint8_t)(mod << 6 | reg << 3 | (sib ? MODRM_SIB : memory->base)));
    if (sib)
        emit_u8(e, (uint8_t)(memory->scale << 6 | index << 3 | memory->base));
    if (mod)
        put_disp(e, mod, memory->disp);
}

void emit_shape(struct emit *e, const struct shape *shape)
{
    unsigned start = e->size;

    emit_begin(e);
    if (shape->is_memory)
        put_segment(e, &shape->memory);
    emit_bytes(e, shape->prefix, shape->prefix_count);
    emit_bytes(e, shape->opcode, shape->opcode_count);
    if (shape->is_memory)
        put_memory(e, shape->reg, &shape->memory);
    else if (shape->has_modrm)
        emit_u8(e, (uint8_t)(MOD_REGISTER << 6 | shape->reg << 3 | shape->rm));
    emit_bytes(e, shape->imm, shape->imm_count);
    if (e->size - start > X86_INSN_MAX)
        e->overflow = true;
}
