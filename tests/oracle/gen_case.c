/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A whole case: where its code lies, what the registers hold, and a few pieces of the group's kind.
 */
#include <string.h>

#include "gen.h"
#include "image.h"

/* Fill in the distances and addresses that branches left open. */
static void resolve_fixups(struct gen *g)
{
    struct test_case *c = g->c;

    for (unsigned i = 0; i < g->fixup_count; i++) {
        const struct fixup *f = &g->fixup[i];
        unsigned last = c->piece_count - 1;
        uint32_t target = c->piece[f->target < last ? f->target : last];
        uint32_t value = f->absolute ? c->code_la + target : target - (f->at + f->size);
        if (f->at + f->size <= c->code_len)
            memcpy(c->code + f->at, &value, f->size);
    }
}

static void initial_registers(struct gen *g)
{
    struct test_case *c = g->c;
    struct rng *r = &g->rng;
    uint32_t *gpr = c->regs.gpr;
    static const uint8_t pointer[] = { EBX, ESI, EDI };

    for (int i = 0; i < 8; i++)
        gpr[i] = special_u32(r);
    for (unsigned i = 0; i < ARRAY_SIZE(pointer); i++)
        gpr[pointer[i]] = DATA_LA + SLOTS_END + rng_below(r, 2 * PAGE - SLOTS_END - 64);
    if (rng_one_in(r, 2))
        gpr[EDX] = rng_below(r, 4); /* lets DIV succeed now and then */
    gpr[ESP] = STACK_LA + PAGE - 512 + rng_below(r, 1024);
    if (!rng_one_in(r, 4))
        gpr[ESP] &= ~3u;
    if (rng_one_in(r, 2))
        gpr[EBP] = STACK_LA + 1024 + rng_below(r, 2 * PAGE - 2048);
    memcpy(g->value, gpr, sizeof g->value);
    g->known = 0xff;
    c->regs.eflags = FL_FIXED | FL_IF | (rng_u32(r) & FL_STATUS);
    if (rng_one_in(r, 8))
        c->regs.eflags |= FL_DF;
    if (rng_one_in(r, 64))
        c->regs.eflags |= FL_AC;
    if (rng_one_in(r, 64))
        c->regs.eflags |= FL_ID;
    if (rng_one_in(r, 64))
        c->regs.eflags |= FL_NT;
}

/* Where the code starts: mostly inside a page, sometimes across the border or running off the end. */
static void place_code(struct gen *g)
{
    struct rng *r = &g->rng;

    switch (rng_below(r, 64)) {
    case 0:
    case 1:
        g->c->code_la = CODE_LA + PAGE - rng_below(r, 40);
        break;
    case 2:
        g->c->code_la = CODE_END - 1 - rng_below(r, 40);
        break;
    default:
        g->c->code_la = CODE_LA + rng_below(r, PAGE - CODE_MAX);
    }
    g->c->regs.eip = g->c->code_la;
}

static void finish(struct gen *g)
{
    struct test_case *c = g->c;

    if (c->piece_count == PIECES_MAX)
        c->piece_count--; /* the end needs an entry of its own */
    gen_piece(g);
    c->code[c->code_len++] = 0xcc;
    if (g->whole && c->code_la > CODE_END - c->code_len)
        c->code_la = c->regs.eip = CODE_END - c->code_len;
    resolve_fixups(g);
    c->piece[c->piece_count] = c->code_len;
    if (c->code_len > CODE_END - c->code_la)
        c->code_len = CODE_END - c->code_la;
}

/* ---- The groups ---------------------------------------------------------------------------------- */

static void int_piece(struct gen *g)
{
    gen_random_form(g, forms_int());
}

static void mmx_piece(struct gen *g)
{
    gen_random_form(g, forms_mmx());
}

static void sse_piece(struct gen *g)
{
    if (rng_one_in(&g->rng, 10))
        gen_fxsave_piece(g);
    else
        gen_random_form(g, forms_sse());
}

static void sse2_piece(struct gen *g)
{
    gen_random_form(g, forms_sse2());
}

static void mixed_piece(struct gen *g);

static const struct {
    const char *name;
    void (*piece)(struct gen *g);
    uint8_t max_pieces;
} groups[GROUP_COUNT] = {
    [GROUP_INT] = { "int", int_piece, 10 },          [GROUP_STRING] = { "string", gen_string_piece, 5 },
    [GROUP_STACK] = { "stack", gen_stack_piece, 8 }, [GROUP_BRANCH] = { "branch", gen_branch_piece, 10 },
    [GROUP_X87] = { "x87", gen_x87_piece, 8 },       [GROUP_MMX] = { "mmx", mmx_piece, 8 },
    [GROUP_SSE] = { "sse", sse_piece, 8 },           [GROUP_SSE2] = { "sse2", sse2_piece, 8 },
    [GROUP_FAULT] = { "fault", gen_fault_piece, 3 }, [GROUP_MIXED] = { "mixed", mixed_piece, 16 },
};

static void mixed_piece(struct gen *g)
{
    unsigned n = rng_below(&g->rng, 2) ? GROUP_INT : rng_below(&g->rng, GROUP_MIXED);

    if (n != GROUP_FAULT || rng_one_in(&g->rng, 8))
        groups[n].piece(g);
    else
        int_piece(g);
}

const char *group_name(unsigned group)
{
    return group < GROUP_COUNT ? groups[group].name : "directed";
}

int group_by_name(const char *name)
{
    for (unsigned i = 0; i <= GROUP_DIRECTED; i++)
        if (!strcmp(group_name(i), name))
            return i;
    return -1;
}

void generate_case(unsigned group, uint64_t seed, struct test_case *c)
{
    struct gen g = { .c = c, .rng = { seed * GROUP_COUNT + group } };

    memset(c, 0, sizeof *c);
    c->seed = seed;
    c->group = group;
    c->image = seed / 64 % IMAGE_COUNT; /* neighbours share an image: it need not be loaded for each */
    initial_registers(&g);
    special_fxsave(&g.rng, c->fxsave);
    place_code(&g);
    c->pae = rng_one_in(&g.rng, 2);
    c->stepping = rng_one_in(&g.rng, 16); /* a debug exception costs a virtual host 10 us */
    unsigned pieces = 1 + rng_below(&g.rng, groups[group].max_pieces);
    for (unsigned i = 0; i < pieces; i++) {
        gen_piece(&g);
        groups[group].piece(&g);
    }
    finish(&g);
    if (c->stepping)
        c->regs.eflags |= FL_TF;
}
