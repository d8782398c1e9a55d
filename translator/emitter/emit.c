/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host forms snippets are made of. None of them changes a flag but those that stand for the guest's own
 * instruction. Encodings: SDM 2B to 2D, the opcode table of each instruction.
 */
#include "emit.h"

/* ---- Bytes and steps ----------------------------------------------------------------------------- */

void emit_u8(struct emit *e, uint8_t value)
{
    if (e->size == EMIT_BYTES_MAX)
        e->overflow = true;
    else
        e->bytes[e->size++] = value;
}

void emit_u32(struct emit *e, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        emit_u8(e, (uint8_t)(value >> 8 * i));
}

void emit_bytes(struct emit *e, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        emit_u8(e, bytes[i]);
}

void emit_begin(struct emit *e)
{
    if (e->step_count == EMIT_STEPS_MAX) {
        e->overflow = true;
        return;
    }
    e->steps[e->step_count++] = (struct scan_step){
        .at = (uint16_t)e->size,
        .how = e->now.how,
        .regs = (uint8_t)(e->now.a << 4 | e->now.b),
        .vector = e->vector,
        .eip = e->now.eip,
        .add = e->now.add,
    };
}

void emit_guest(struct emit *e, uint32_t eip)
{
    e->now = (struct emit_state){ .how = STEP_SAME, .eip = eip };
}

void emit_guest_swapped(struct emit *e, uint32_t eip, unsigned a, unsigned b)
{
    e->now = (struct emit_state){ .how = STEP_SWAPPED, .a = (uint8_t)a, .b = (uint8_t)b, .eip = eip };
}

void emit_guest_add(struct emit *e, uint32_t eip, unsigned reg, uint32_t add)
{
    e->now = (struct emit_state){ .how = STEP_ADD, .a = (uint8_t)reg, .eip = eip, .add = add };
}

void emit_guest_add_two(struct emit *e, uint32_t eip, unsigned a, unsigned b, uint32_t add)
{
    e->now =
        (struct emit_state){ .how = STEP_ADD_TWO, .a = (uint8_t)a, .b = (uint8_t)b, .eip = eip, .add = add };
}

void emit_guest_saved(struct emit *e, uint32_t eip, unsigned reg)
{
    e->now = (struct emit_state){ .how = STEP_SAVED, .a = (uint8_t)reg, .eip = eip };
}

void emit_guest_result(struct emit *e, uint32_t eip, unsigned reg, unsigned in)
{
    e->now = (struct emit_state){ .how = STEP_RESULT, .a = (uint8_t)reg, .b = (uint8_t)in, .eip = eip };
}

void emit_guest_turned(struct emit *e, uint32_t eip, int by, bool pop)
{
    e->now = (struct emit_state){ .how = STEP_TURNED, .a = pop, .eip = eip, .add = (uint32_t)by };
}

/* ---- Registers and constants --------------------------------------------------------------------- */

static void emit_reg_memory(struct emit *e, uint8_t opcode, unsigned reg, const struct emit_memory *memory)
{
    struct shape shape = {
        .opcode = { opcode },
        .opcode_count = 1,
        .has_modrm = true,
        .is_memory = true,
        .reg = (uint8_t)reg,
        .memory = *memory,
    };

    emit_shape(e, &shape);
}

static void emit_reg_reg(struct emit *e, uint8_t opcode, unsigned reg, unsigned rm)
{
    emit_begin(e);
    emit_u8(e, opcode);
    emit_u8(e, (uint8_t)(0xc0 | reg << 3 | rm));
}

/* 90 */
void emit_nop(struct emit *e)
{
    emit_begin(e);
    emit_u8(e, 0x90);
}

/* 90+rd with EAX, else 87 /r; the order is the one whose ModRM is no RETF or IRET (CA, CB, CF). */
void emit_xchg_r32_r32(struct emit *e, unsigned a, unsigned b)
{
    unsigned low = a < b ? a : b, high = a < b ? b : a;

    if (low == EAX) {
        emit_begin(e);
        emit_u8(e, (uint8_t)(0x90 | high));
    } else {
        emit_reg_reg(e, 0x87, high, low);
    }
}

/* 8D /r */
void emit_lea_r32_m(struct emit *e, unsigned reg, const struct emit_memory *memory)
{
    struct emit_memory plain = *memory;

    plain.seg = plain.base == ESP || plain.base == EBP ? X86_SS : X86_DS; /* LEA looks at no segment */
    emit_reg_memory(e, 0x8d, reg, &plain);
}

/* B8+rd id */
void emit_mov_r32_imm32(struct emit *e, unsigned reg, uint32_t value)
{
    emit_begin(e);
    emit_u8(e, (uint8_t)(0xb8 | reg));
    emit_u32(e, value);
}

/* 8B /r */
void emit_mov_r32_m32(struct emit *e, unsigned reg, const struct emit_memory *memory)
{
    emit_reg_memory(e, 0x8b, reg, memory);
}

/* 0F AF /r, with the prefixes of the shape */
void emit_imul_r32_rm32(struct emit *e, unsigned reg, const struct shape *rm)
{
    struct shape shape = *rm;

    shape.opcode[0] = 0x0f;
    shape.opcode[1] = 0xaf;
    shape.opcode_count = 2;
    shape.imm_count = 0;
    shape.reg = (uint8_t)reg;
    emit_shape(e, &shape);
}

/* ---- The stack and branches ---------------------------------------------------------------------- */

/* 68 id */
void emit_push_imm32(struct emit *e, uint32_t value)
{
    emit_begin(e);
    emit_u8(e, 0x68);
    emit_u32(e, value);
}

/* 50+rd */
void emit_push_r32(struct emit *e, unsigned reg)
{
    emit_begin(e);
    emit_u8(e, (uint8_t)(0x50 | reg));
}

/* FF /4 */
void emit_jmp_r32(struct emit *e, unsigned reg)
{
    emit_reg_reg(e, 0xff, 4, reg);
}

static void put_rel32(struct emit *e, uint32_t target)
{
    if (e->jump_count == EMIT_JUMPS_MAX)
        e->overflow = true;
    else
        e->jumps[e->jump_count++] = (struct emit_jump){ .at = (uint8_t)e->size, .target = target };
    emit_u32(e, 0x90909090);
}

/* E9 cd */
void emit_jmp(struct emit *e, uint32_t target)
{
    emit_begin(e);
    emit_u8(e, 0xe9);
    put_rel32(e, target);
}

/* 0F 80+cc cd */
void emit_jcc(struct emit *e, unsigned cond, uint32_t target)
{
    emit_begin(e);
    emit_u8(e, 0x0f);
    emit_u8(e, (uint8_t)(0x80 | cond));
    put_rel32(e, target);
}

/*
 *     E2 02        loop taken
 *     EB 05        jmp out
 * taken:
 *     E9 cd        jmp target
 * out:
 */
void emit_counted(struct emit *e, uint8_t opcode, uint32_t target, uint32_t next)
{
    emit_begin(e);
    emit_u8(e, opcode);
    emit_u8(e, 2);
    emit_guest(e, next);
    emit_begin(e);
    emit_u8(e, 0xeb);
    emit_u8(e, 5);
    emit_guest(e, target);
    emit_jmp(e, target);
    emit_guest(e, next);
}

/* ---- SSE ----------------------------------------------------------------------------------------- */

/* 0F 28 /r */
void emit_movaps(struct emit *e, unsigned to, unsigned from)
{
    emit_begin(e);
    emit_u8(e, 0x0f);
    emit_u8(e, 0x28);
    emit_u8(e, (uint8_t)(0xc0 | to << 3 | from));
}

/* ---- x87 ----------------------------------------------------------------------------------------- */

static void emit_x87(struct emit *e, uint8_t opcode, unsigned modrm)
{
    emit_begin(e);
    emit_u8(e, opcode);
    emit_u8(e, (uint8_t)modrm);
}

/* D9 F7, D9 F6 */
void emit_turn(struct emit *e, bool up)
{
    emit_x87(e, 0xd9, up ? 0xf7 : 0xf6);
}

/* D9 C8+i */
void emit_fxch(struct emit *e, unsigned st)
{
    emit_x87(e, 0xd9, 0xc8 + st);
}

/* D8 C8+i */
void emit_fmul_st0_sti(struct emit *e, unsigned st)
{
    emit_x87(e, 0xd8, 0xc8 + st);
}

/* DC C8+i */
void emit_fmul_sti_st0(struct emit *e, unsigned st)
{
    emit_x87(e, 0xdc, 0xc8 + st);
}

/* DD C0+i */
void emit_ffree_st0(struct emit *e)
{
    emit_x87(e, 0xdd, 0xc0);
}

/* ---- The scratch area ---------------------------------------------------------------------------- */

struct emit_memory emit_scratch(const struct emit *e, unsigned offset)
{
    return (struct emit_memory){
        .seg = X86_ES,
        .base = X86_NO_REG,
        .index = X86_NO_REG,
        .disp = e->scratch + offset,
    };
}

static void emit_reg_scratch(struct emit *e, const uint8_t *opcode, unsigned opcodes, unsigned reg,
                             unsigned offset)
{
    struct shape shape = {
        .opcode_count = (uint8_t)opcodes,
        .has_modrm = true,
        .is_memory = true,
        .reg = (uint8_t)reg,
        .memory = emit_scratch(e, offset),
    };

    __builtin_memcpy(shape.opcode, opcode, opcodes);
    emit_shape(e, &shape);
}

/* 26 89 /r */
void emit_mov_scratch_r32(struct emit *e, unsigned offset, unsigned reg)
{
    emit_reg_scratch(e, (const uint8_t[]){ 0x89 }, 1, reg, offset);
}

/* 26 8B /r */
void emit_mov_r32_scratch(struct emit *e, unsigned reg, unsigned offset)
{
    emit_reg_scratch(e, (const uint8_t[]){ 0x8b }, 1, reg, offset);
}

/* 26 0F 11 /r */
void emit_movups_scratch_xmm(struct emit *e, unsigned offset, unsigned xmm)
{
    emit_reg_scratch(e, (const uint8_t[]){ 0x0f, 0x11 }, 2, xmm, offset);
}

/* 26 0F 10 /r */
void emit_movups_xmm_scratch(struct emit *e, unsigned xmm, unsigned offset)
{
    emit_reg_scratch(e, (const uint8_t[]){ 0x0f, 0x10 }, 2, xmm, offset);
}

/* 26 FF /4 */
void emit_jmp_scratch(struct emit *e, unsigned offset)
{
    emit_reg_scratch(e, (const uint8_t[]){ 0xff }, 1, 4, offset);
}

/* ---- Doors --------------------------------------------------------------------------------------- */

/*
 *     EA cp                    jmp far 33:door
 * door:                        64-bit code
 *     4C 8D 05 F2 FF FF FF     lea r8, [rip - 14]
 *     41 FF 67 08              jmp [r15 + SCAN_DOOR_OFFSET]
 */
void emit_door(struct emit *e)
{
    static const uint8_t selector[] = { 0x33, 0x00 };
    static const uint8_t lea[] = { 0x4c, 0x8d, 0x05, 0xf2, 0xff, 0xff, 0xff };
    static const uint8_t jmp[] = { 0x41, 0xff, 0x67, SCAN_DOOR_OFFSET };

    emit_begin(e);
    emit_u8(e, 0xea);
    put_rel32(e, e->size + 6);
    if (!e->overflow)
        e->jumps[e->jump_count - 1].absolute = true;
    emit_bytes(e, selector, sizeof(selector));
    emit_begin(e);
    emit_bytes(e, lea, sizeof(lea));
    emit_begin(e);
    emit_bytes(e, jmp, sizeof(jmp));
}

/* ---- Places -------------------------------------------------------------------------------------- */

void emit_inside(struct emit *e, uint32_t target, unsigned at)
{
    for (unsigned i = 0; i < e->jump_count; i++) {
        struct emit_jump *jump = &e->jumps[i];

        if (jump->absolute || jump->inside || jump->target != target)
            continue;
        jump->inside = true;
        jump->target = at;
    }
}

void emit_place(struct emit *e, uint32_t address)
{
    for (unsigned i = 0; i < e->jump_count; i++) {
        const struct emit_jump *jump = &e->jumps[i];
        uint32_t target = jump->inside ? address + jump->target : jump->target;
        uint32_t relative = jump->absolute ? address + jump->target : target - (address + jump->at + 4u);

        __builtin_memcpy(e->bytes + jump->at, &relative, sizeof(relative));
    }
}
