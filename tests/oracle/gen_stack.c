/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stack instructions, EFLAGS through the stack, and segment registers. Selectors are only ones that
 * mean the same in the host's GDT and in the guest's: null, the two of a 32-bit Linux program, and some
 * beyond the limits of GDT and LDT. Null ones with an RPL are left to a directed case: the IRET of every
 * interrupt clears the RPL.
 */
#include "gen.h"

#include "image.h"

static void move_esp(struct gen *g)
{
    struct rng *r = &g->rng;
    uint32_t at;

    switch (rng_below(r, 6)) {
    case 0: /* little room below */
        at = STACK_LA + rng_below(r, 48);
        break;
    case 1: /* little above */
        at = STACK_END - rng_below(r, 48);
        break;
    case 2:
        at = STACK_LA + PAGE - 24 + rng_below(r, 48);
        break;
    case 3: /* pushes would write to read-only memory, pops read it */
        at = DATA_RO_LA + rng_below(r, PAGE);
        break;
    default:
        at = STACK_LA + rng_below(r, 2 * PAGE);
    }
    if (!rng_one_in(r, 4))
        at &= ~3u;
    gen_mov_imm(g, ESP, at);
}

/* PUSH imm; POPF. With TF among the bits the case ends after the next instruction. */
static void load_flags(struct gen *g)
{
    struct rng *r = &g->rng;
    uint32_t flags = rng_u32(r) & ~(uint32_t)(FL_TF | FL_AC | FL_NT);

    if (rng_one_in(r, 8))
        flags |= FL_TF;
    if (rng_one_in(r, 6))
        flags |= FL_AC;
    if (rng_one_in(r, 6))
        flags |= FL_NT;
    bool osz = rng_one_in(r, 4);
    if (osz)
        gen_u8(g, 0x66);
    gen_u8(g, 0x68);
    if (osz)
        gen_u16(g, flags);
    else
        gen_u32(g, flags);
    if (osz)
        gen_u8(g, 0x66);
    gen_u8(g, 0x9d);
    if (flags & FL_TF) /* in this piece, so that the trap does not cut another one short */
        gen_random_form(g, forms_int());
}

/*
 * PUSH Sreg. With a 32-bit operand size processors differ in what becomes of the upper half (SDM 2B,
 * "PUSH"), so it is cleared.
 */
static void push_sreg(struct gen *g)
{
    static const uint8_t opcode[] = { 0x06, 0x0e, 0x16, 0x1e, 0xa0, 0xa8 };
    static const uint8_t clear_high[] = { 0x81, 0x24, 0x24, 0xff, 0xff, 0x00, 0x00 };
    unsigned n = rng_below(&g->rng, ARRAY_SIZE(opcode));
    bool osz = rng_one_in(&g->rng, 3);

    if (osz)
        gen_u8(g, 0x66);
    if (n >= 4)
        gen_u8(g, 0x0f);
    gen_u8(g, opcode[n]);
    if (!osz)
        gen_bytes(g, clear_high, sizeof clear_high);
    gen_forget(g, 1 << ESP);
}

/* MOV SS with the selector it has: nothing changes, but no trap is taken before the next instruction. */
static void reload_ss(struct gen *g)
{
    unsigned reg = gen_reg(g, true);

    gen_mov_imm(g, reg, SEL_DATA);
    gen_u8(g, 0x8e);
    gen_modrm_reg(g, 2, reg);
}

void gen_stack_piece(struct gen *g)
{
    switch (rng_below(&g->rng, 16)) {
    case 0:
        move_esp(g);
        break;
    case 1:
        load_flags(g);
        break;
    case 2:
        push_sreg(g);
        break;
    case 3:
        reload_ss(g);
        break;
    case 4:
        if (rng_one_in(&g->rng, 4))
            gen_segment_piece(g);
        else
            gen_random_form(g, forms_int());
        break;
    default:
        gen_random_form(g, forms_stack());
    }
}

/* ---- Segment registers --------------------------------------------------------------------------- */

static uint16_t selector(struct gen *g)
{
    static const uint16_t value[] = {
        0,      SEL_CODE, SEL_DATA, SEL_DATA, SEL_DATA, SEL_DATA & ~3, (SEL_DATA & ~3) + 1, SEL_CODE & ~3,
        0xfff8, 0xfffb, /* beyond the GDT */
        0x0004, 0x1237, /* the LDT is empty */
    };

    return value[rng_below(&g->rng, ARRAY_SIZE(value))];
}

/* Opcode of POP and of L*S by segment register: ES SS DS FS GS. */
static const struct {
    uint8_t number, pop[2], load[2];
} segment[] = {
    { 0, { 0, 0x07 }, { 0, 0xc4 } },       { 2, { 0, 0x17 }, { 0x0f, 0xb2 } },
    { 3, { 0, 0x1f }, { 0, 0xc5 } },       { 4, { 0x0f, 0xa1 }, { 0x0f, 0xb4 } },
    { 5, { 0x0f, 0xa9 }, { 0x0f, 0xb5 } },
};

static void opcode_of(struct gen *g, const uint8_t *bytes)
{
    if (bytes[0])
        gen_u8(g, bytes[0]);
    gen_u8(g, bytes[1]);
}

/* A far pointer is written to memory and loaded from there. */
static void load_far_pointer(struct gen *g, unsigned n)
{
    uint32_t at = DATA_LA + SLOTS_END + rng_below(&g->rng, PAGE);
    unsigned reg = gen_reg(g, true);

    gen_u8(g, 0xc7);
    gen_modrm_abs(g, 0, at);
    gen_u32(g, special_u32(&g->rng));
    gen_u8(g, 0x66);
    gen_u8(g, 0xc7);
    gen_modrm_abs(g, 0, at + 4);
    gen_u16(g, selector(g));
    opcode_of(g, segment[n].load);
    gen_modrm_abs(g, reg, at);
    gen_forget(g, 1u << reg);
}

static void query_selector(struct gen *g)
{
    unsigned from = gen_reg(g, true), to = gen_reg(g, true);

    gen_mov_imm(g, from, selector(g));
    if (rng_one_in(&g->rng, 4))
        gen_u8(g, 0x66);
    gen_u8(g, 0x0f);
    switch (rng_below(&g->rng, 3)) {
    case 0: /* LAR, LSL */
    case 1:
        gen_u8(g, 0x02 + rng_below(&g->rng, 2));
        gen_modrm_reg(g, to, from);
        gen_forget(g, 1u << to);
        break;
    default: /* VERR, VERW */
        gen_u8(g, 0x00);
        gen_modrm_reg(g, 4 + rng_below(&g->rng, 2), from);
    }
}

void gen_segment_piece(struct gen *g)
{
    unsigned n = rng_below(&g->rng, ARRAY_SIZE(segment));

    switch (rng_below(&g->rng, 5)) {
    case 0: { /* MOV Sreg, r */
        unsigned reg = gen_reg(g, true);
        gen_mov_imm(g, reg, selector(g));
        gen_u8(g, 0x8e);
        gen_modrm_reg(g, segment[n].number, reg);
        break;
    }
    case 1: /* POP Sreg */
        gen_u8(g, 0x68);
        gen_u32(g, selector(g));
        opcode_of(g, segment[n].pop);
        gen_forget(g, 1 << ESP);
        break;
    case 2:
        load_far_pointer(g, n);
        break;
    default:
        query_selector(g);
    }
}
