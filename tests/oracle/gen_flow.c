/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Branches, calls and string instructions. Branches lead forward, to one of the next pieces; the only
 * way back is a loop inside one piece that counts ECX down and whose body leaves ECX alone, so every
 * case ends.
 */
#include "gen.h"
#include "image.h"

static void conditional(struct gen *g)
{
    unsigned condition = rng_below(&g->rng, 16);

    if (rng_one_in(&g->rng, 2)) {
        gen_u8(g, 0x70 + condition);
        gen_forward(g, 1, false);
        return;
    }
    bool osz = rng_one_in(&g->rng, 24); /* EIP is cut to 16 bits if taken */
    if (osz)
        gen_u8(g, 0x66);
    gen_u8(g, 0x0f);
    gen_u8(g, 0x80 + condition);
    gen_forward(g, osz ? 2 : 4, false);
}

static void jump(struct gen *g)
{
    bool osz = rng_one_in(&g->rng, 40);

    if (osz)
        gen_u8(g, 0x66);
    if (rng_one_in(&g->rng, 2)) {
        gen_u8(g, 0xeb);
        gen_forward(g, 1, false);
    } else {
        gen_u8(g, 0xe9);
        gen_forward(g, osz ? 2 : 4, false);
    }
}

/* LOOPNE LOOPE LOOP JECXZ, by ECX or CX. */
static void count_branch(struct gen *g)
{
    if (rng_one_in(&g->rng, 2))
        gen_mov_imm(g, ECX, rng_one_in(&g->rng, 3) ? rng_u32(&g->rng) & 0xffff0001 : rng_below(&g->rng, 3));
    if (rng_one_in(&g->rng, 6))
        gen_u8(g, 0x67);
    if (rng_one_in(&g->rng, 30))
        gen_u8(g, 0x66);
    gen_u8(g, 0xe0 + rng_below(&g->rng, 4));
    gen_forward(g, 1, false);
    gen_forget(g, 1 << ECX);
}

static void call(struct gen *g)
{
    bool osz = rng_one_in(&g->rng, 40);

    if (osz)
        gen_u8(g, 0x66);
    gen_u8(g, 0xe8);
    gen_forward(g, osz ? 2 : 4, false);
    gen_forget(g, 1 << ESP);
}

static void push_forward(struct gen *g)
{
    gen_u8(g, 0x68);
    gen_forward(g, 4, true);
    gen_forget(g, 1 << ESP);
}

static void ret(struct gen *g)
{
    push_forward(g);
    if (rng_one_in(&g->rng, 30))
        gen_u8(g, 0x66);
    if (rng_one_in(&g->rng, 2)) {
        gen_u8(g, 0xc3);
    } else {
        gen_u8(g, 0xc2);
        gen_u16(g, rng_one_in(&g->rng, 4) ? rng_u32(&g->rng) : rng_below(&g->rng, 64));
    }
}

/* JMP or CALL through a register or memory. */
static void indirect(struct gen *g)
{
    unsigned digit = rng_one_in(&g->rng, 2) ? 2 : 4;
    bool osz = rng_one_in(&g->rng, 30);

    if (rng_one_in(&g->rng, 2)) {
        unsigned reg = gen_reg(g, true);
        gen_u8(g, 0xb8 + reg);
        gen_forward(g, 4, true);
        gen_forget(g, 1u << reg);
        if (osz)
            gen_u8(g, 0x66);
        gen_u8(g, 0xff);
        gen_modrm_reg(g, digit, reg);
    } else {
        uint32_t at = DATA_LA + SLOTS_END + rng_below(&g->rng, PAGE);
        gen_u8(g, 0xc7);
        gen_modrm_abs(g, 0, at);
        gen_forward(g, 4, true);
        if (osz)
            gen_u8(g, 0x66);
        gen_u8(g, 0xff);
        gen_modrm_abs(g, digit, at);
    }
    gen_forget(g, 1 << ESP);
}

/* Far transfers to the segment we are in; IRET with NT set would mean a task switch, so NT goes first. */
static void far_transfer(struct gen *g)
{
    static const uint8_t clear_nt[] = { 0x9c, 0x81, 0x24, 0x24, 0xff, 0xbf, 0xff, 0xff, 0x9d };
    static const uint8_t push_cs[] = { 0x6a, SEL_CODE };

    switch (rng_below(&g->rng, 5)) {
    case 0: /* jmp ptr16:32 */
    case 1:
        gen_u8(g, rng_one_in(&g->rng, 2) ? 0xea : 0x9a);
        gen_forward(g, 4, true);
        gen_u16(g, SEL_CODE);
        break;
    case 2: /* retf, retf imm16 */
        gen_bytes(g, push_cs, sizeof push_cs);
        push_forward(g);
        if (rng_one_in(&g->rng, 2)) {
            gen_u8(g, 0xcb);
        } else {
            gen_u8(g, 0xca);
            gen_u16(g, rng_below(&g->rng, 64));
        }
        break;
    case 3: { /* far jump or call through memory */
        uint32_t at = DATA_LA + SLOTS_END + rng_below(&g->rng, PAGE);
        gen_u8(g, 0xc7);
        gen_modrm_abs(g, 0, at);
        gen_forward(g, 4, true);
        gen_u8(g, 0x66);
        gen_u8(g, 0xc7);
        gen_modrm_abs(g, 0, at + 4);
        gen_u16(g, SEL_CODE);
        gen_u8(g, 0xff);
        gen_modrm_abs(g, rng_one_in(&g->rng, 2) ? 3 : 5, at);
        break;
    }
    default:
        gen_bytes(g, clear_nt, sizeof clear_nt);
        gen_u8(g, 0x9c);
        gen_bytes(g, push_cs, sizeof push_cs);
        push_forward(g);
        gen_u8(g, 0xcf);
    }
    gen_forget(g, 1 << ESP);
}

/* mov ecx, n; a few register instructions; loop back. */
static void counted_loop(struct gen *g)
{
    static const uint8_t alu[] = { 0x01, 0x03, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85 };
    struct rng *r = &g->rng;

    gen_mov_imm(g, ECX, 1 + rng_below(r, 12));
    unsigned top = g->c->code_len;
    for (unsigned n = 1 + rng_below(r, 5); n > 0; n--) {
        gen_u8(g, alu[rng_below(r, ARRAY_SIZE(alu))]);
        gen_modrm_reg(g, rng_one_in(r, 2) ? EAX : EDX, rng_one_in(r, 2) ? EAX : EDX);
    }
    gen_u8(g, 0xe2);
    gen_u8(g, top - (g->c->code_len + 1));
    gen_forget(g, 1 << EAX | 1 << EDX);
    g->value[ECX] = 0;
}

void gen_branch_piece(struct gen *g)
{
    switch (rng_below(&g->rng, 20)) {
    case 0:
    case 1:
    case 2:
    case 3:
        conditional(g);
        break;
    case 4:
        jump(g);
        break;
    case 5:
    case 6:
        count_branch(g);
        break;
    case 7:
        call(g);
        break;
    case 8:
        ret(g);
        break;
    case 9:
    case 10:
        indirect(g);
        break;
    case 11:
        counted_loop(g);
        break;
    case 12:
        far_transfer(g);
        break;
    default:
        gen_random_form(g, forms_int());
    }
}

/* ---- Strings ------------------------------------------------------------------------------------- */

/* Mostly near the start of the operands' page, sometimes so that the count runs over an edge. */
static uint32_t string_address(struct gen *g)
{
    struct rng *r = &g->rng;

    switch (rng_below(r, 8)) {
    case 0:
        return DATA_LA + rng_below(r, 64);
    case 1:
        return DATA_RO_LA - rng_below(r, 96);
    case 2:
        return DATA_END - rng_below(r, 96);
    case 3:
        return STACK_LA + rng_below(r, 2 * PAGE);
    default:
        return DATA_LA + rng_below(r, 2 * PAGE);
    }
}

static uint32_t string_count(struct gen *g)
{
    struct rng *r = &g->rng;

    switch (rng_below(r, 10)) {
    case 0:
        return 0;
    case 1:
        return rng_below(r, 0x3000); /* runs into an edge sooner or later */
    case 2:
        return special_u32(r); /* ... certainly */
    default:
        return rng_below(r, 48);
    }
}

void gen_string_piece(struct gen *g)
{
    static const uint8_t opcode[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
    static const uint8_t segment[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    struct rng *r = &g->rng;
    uint32_t source = string_address(g);
    uint32_t destination = rng_one_in(r, 4) ? source + rng_below(r, 17) - 8 : string_address(g);
    int override = rng_one_in(r, 6) ? segment[rng_below(r, ARRAY_SIZE(segment))] : 0;

    if (override == 0x64)
        source -= FS_BASE;
    if (override == 0x65)
        source -= GS_BASE;
    gen_mov_imm(g, ESI, source);
    gen_mov_imm(g, EDI, destination);
    if (!rng_one_in(r, 8))
        gen_mov_imm(g, ECX, string_count(g));
    if (rng_one_in(r, 4))
        gen_mov_imm(g, EAX, rng_below(r, 4) * 0x01010101); /* as the images' runs of equal bytes */
    if (rng_one_in(r, 4))
        gen_u8(g, 0xfc + rng_below(r, 2)); /* CLD, STD */
    if (override)
        gen_u8(g, override);
    if (!rng_one_in(r, 4))
        gen_u8(g, 0xf2 + rng_below(r, 2));
    if (rng_one_in(r, 4))
        gen_u8(g, 0x66);
    if (rng_one_in(r, 16))
        gen_u8(g, 0x67); /* SI, DI, CX */
    gen_u8(g, opcode[rng_below(r, ARRAY_SIZE(opcode))]);
    gen_forget(g, 1 << ESI | 1 << EDI | 1 << ECX | 1 << EAX);
}
