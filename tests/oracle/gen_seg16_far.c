/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segment registers and far transfers among the segments of the LDT. Code in another segment, perhaps of the
 * other size, is an excursion inside one piece, so that no branch gets the mode wrong.
 * SDM 3A, "Direct Calls or Jumps to Code Segments".
 */
#include "gen_seg16.h"

/* ---- Far transfers ---- */

/* What a far transfer needs before its target is known: the place of the offset, to be patched. */
struct far_target {
    uint16_t at;
    bool o16;
};

static struct far_target open_target(struct gen *g, bool o16)
{
    struct far_target t = { g->c->code_len, o16 };

    seg16_imm(g, o16, 0);
    return t;
}

static void close_target(struct gen *g, struct far_target t)
{
    uint32_t offset = seg16_here(g);
    unsigned size = t.o16 ? 2 : 4;

    for (unsigned i = 0; i < size && t.at + i < g->c->code_len; i++)
        g->c->code[t.at + i] = offset >> 8 * i;
}

/* To the next byte, in code segment `selector`; IRET takes the flags it has. */
static void far_transfer(struct gen *g, uint16_t selector)
{
    bool o16 = selector_base(selector) && seg16_default(g); /* flat addresses have 32 bits */
    struct far_target target;
    unsigned how = rng_below(&g->rng, 4);

    if (how <= 1) { /* JMP, CALL ptr16:z */
        seg16_operand(g, o16);
        gen_u8(g, how ? 0x9a : 0xea);
        target = open_target(g, o16);
        gen_u16(g, selector);
    } else {
        if (how == 3) {
            seg16_operand(g, o16);
            gen_u8(g, 0x9c);
        }
        seg16_push(g, o16, selector);
        seg16_operand(g, o16);
        gen_u8(g, 0x68);
        target = open_target(g, o16);
        seg16_operand(g, o16);
        gen_u8(g, how == 3 ? 0xcf : 0xcb);
    }
    g->sreg[SREG_CS] = selector;
    g->code16 = !selector_big(selector);
    close_target(g, target);
    gen_forget(g, 1 << ESP);
}

/* A few instructions in another code segment, and back: one piece, so that no branch gets the mode wrong. */
void seg16_excursion(struct gen *g)
{
    uint16_t home = g->c->regs.cs;

    far_transfer(g, PICK(g, seg16_code));
    for (unsigned n = rng_below(&g->rng, 3); n > 0; n--)
        gen_random_form(g, rng_one_in(&g->rng, 2) ? forms_stack() : forms_int());
    far_transfer(g, home);
}

/* A far jump that must fail: wrong kind, absent, or beyond the limit of a good one. */
void seg16_bad_far_transfer(struct gen *g)
{
    bool o16 = seg16_default(g);

    seg16_operand(g, o16);
    gen_u8(g, rng_one_in(&g->rng, 2) ? 0xea : 0x9a);
    seg16_imm(g, o16, 0x2000 + rng_below(&g->rng, 0x8000)); /* no code there in any of them */
    gen_u16(g, rng_one_in(&g->rng, 2) ? SEL_LDT(LDT_CODE16) : seg16_any(g));
}

/* ---- Segment registers ---- */

void seg16_load_segment(struct gen *g)
{
    static const uint8_t loadable[] = { SREG_ES, SREG_SS, SREG_DS, SREG_FS, SREG_GS, SREG_ES, SREG_DS };
    static const uint8_t pop[6] = { 0x07, 0, 0x17, 0x1f, 0xa1, 0xa9 };
    unsigned n = PICK(g, loadable);
    bool o16 = seg16_default(g);
    uint16_t selector = rng_one_in(&g->rng, 4) ? seg16_any(g)
                        : n == SREG_SS         ? PICK(g, seg16_stack)
                                               : PICK(g, seg16_data);

    if (rng_one_in(&g->rng, 2)) {
        unsigned reg = gen_reg(g, true);
        gen_mov_imm(g, reg, selector);
        gen_u8(g, 0x8e);
        gen_modrm_reg(g, n, reg);
    } else {
        seg16_push(g, o16, selector);
        seg16_operand(g, o16);
        if (n >= SREG_FS)
            gen_u8(g, 0x0f);
        gen_u8(g, pop[n]);
        gen_forget(g, 1 << ESP);
    }
    g->sreg[n] = selector;
    if (n == SREG_SS && !rng_one_in(&g->rng, 4))
        gen_mov_imm(g, ESP, seg16_stack_pointer(g));
}

/*
 * What takes a far pointer from memory: LES LDS LSS LFS LGS, CALL and JMP. The pointer is pushed and read
 * back through BP or EBP, so that its selector means the same on both sides.
 */
void seg16_far_pointer(struct gen *g)
{
    static const struct {
        uint8_t map, opcode, reg;
    } form[] = { { 0, 0xc4, EAX }, { 0, 0xc5, ECX }, { 1, 0xb2, ESP }, { 1, 0xb4, EDX },
                 { 1, 0xb5, EDX }, { 0, 0xff, 3 },   { 0, 0xff, 5 } };
    unsigned n = rng_below(&g->rng, ARRAY_SIZE(form));
    bool o16 = seg16_default(g), a16 = !selector_big(g->sreg[SREG_SS]) && !rng_one_in(&g->rng, 4);
    bool forward = form[n].opcode == 0xff && !rng_one_in(&g->rng, 4);

    seg16_push(g, o16, forward ? g->c->regs.cs : seg16_any(g));
    seg16_operand(g, o16);
    gen_u8(g, 0x68);
    if (forward)
        gen_forward(g, o16 ? 2 : 4, true);
    else
        seg16_imm(g, o16, form[n].reg == ESP ? seg16_stack_pointer(g) : 0x2000 + rng_below(&g->rng, 0x8000));
    seg16_operand(g, false);
    gen_u8(g, 0x89); /* mov ebp, esp */
    gen_modrm_reg(g, ESP, EBP);
    seg16_address(g, a16);
    seg16_operand(g, o16);
    if (form[n].map)
        gen_u8(g, 0x0f);
    gen_u8(g, form[n].opcode);
    gen_u8(g, 0x40 | form[n].reg << 3 | (a16 ? 6 : 5)); /* [bp + 0] or [ebp + 0] */
    gen_u8(g, 0);
    gen_forget(g, 1 << EAX | 1 << ECX | 1 << EDX | 1 << ESP | 1 << EBP);
}

/* LAR, LSL, VERR, VERW. */
void seg16_query_selector(struct gen *g)
{
    unsigned from = gen_reg(g, true), to = gen_reg(g, true), which = rng_below(&g->rng, 4);

    gen_mov_imm(g, from, seg16_any(g));
    seg16_operand(g, seg16_default(g));
    gen_u8(g, 0x0f);
    if (which < 2) {
        gen_u8(g, 0x02 + which);
        gen_modrm_reg(g, to, from);
        gen_forget(g, 1u << to);
    } else {
        gen_u8(g, 0x00);
        gen_modrm_reg(g, 2 + which, from);
    }
}
