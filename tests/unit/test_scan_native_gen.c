/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Code for test_scan_native.c: an instruction that compilers emit, with registers, displacements and
 * constants that are likely to hide something, between neighbours that are harmless. Memory operands are
 * aimed at the data page, mostly; the rest fault, on both sides alike.
 */
#include "test_scan_native.h"

#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum imm { NONE, BYTE, FULL, REL8, REL32 };

enum rm {
    NO_MODRM, /* the opcode's low bits may name a register: `any` */
    ANY_RM,
    ONLY_REG,
    ONLY_MEM,
};

struct form {
    uint8_t prefix, opcode[2], rm, imm;
    uint16_t digits; /* values of ModRM.reg; 0: all */
    uint8_t spread;  /* added to the opcode's last byte, at random below this; 0: nothing */
};

/* clang-format off */
static const struct form forms[] = {
    { 0, { 0x00 }, ANY_RM, NONE, 0, 4 }, { 0, { 0x08 }, ANY_RM, NONE, 0, 4 }, { 0, { 0x10 }, ANY_RM, NONE, 0, 4 },
    { 0, { 0x28 }, ANY_RM, NONE, 0, 4 }, { 0, { 0x30 }, ANY_RM, NONE, 0, 4 }, { 0, { 0x38 }, ANY_RM, NONE, 0, 4 },
    { 0, { 0x04 }, NO_MODRM, BYTE, 0, 0 }, { 0, { 0x05 }, NO_MODRM, FULL, 0, 0 },
    { 0, { 0x24 }, NO_MODRM, BYTE, 0, 0 }, { 0, { 0x3d }, NO_MODRM, FULL, 0, 0 },
    { 0, { 0x80 }, ANY_RM, BYTE, 0, 0 }, { 0, { 0x81 }, ANY_RM, FULL, 0, 0 }, { 0, { 0x83 }, ANY_RM, BYTE, 0, 0 },
    { 0, { 0x83 }, ONLY_REG, BYTE, 0x02, 0 }, { 0x66, { 0x83 }, ANY_RM, BYTE, 0, 0 }, { 0x66, { 0x81 }, ANY_RM, FULL, 0, 0 },
    { 0, { 0x69 }, ANY_RM, FULL, 0, 0 }, { 0, { 0x6b }, ANY_RM, BYTE, 0, 0 },
    { 0, { 0x84 }, ANY_RM, NONE, 0, 8 }, { 0x66, { 0x89 }, ANY_RM, NONE, 0, 3 }, { 0, { 0x8d }, ONLY_MEM, NONE, 0, 0 },
    { 0, { 0x8b }, ONLY_MEM, NONE, 0, 0 }, { 0, { 0x89 }, ONLY_MEM, NONE, 0, 0 },
    { 0, { 0xa8 }, NO_MODRM, BYTE, 0, 0 }, { 0, { 0xa9 }, NO_MODRM, FULL, 0, 0 },
    { 0, { 0xb0 }, NO_MODRM, BYTE, 0, 8 }, { 0, { 0xb8 }, NO_MODRM, FULL, 0, 8 },
    { 0, { 0xc0 }, ANY_RM, BYTE, 0, 2 }, { 0, { 0xd0 }, ANY_RM, NONE, 0, 4 },
    { 0, { 0xc6 }, ANY_RM, BYTE, 1, 0 }, { 0, { 0xc7 }, ANY_RM, FULL, 1, 0 },
    { 0, { 0xf6 }, ANY_RM, BYTE, 1, 0 }, { 0, { 0xf7 }, ANY_RM, FULL, 1, 0 }, { 0, { 0xf6 }, ANY_RM, NONE, 0x3c, 2 },
    { 0, { 0xfe }, ANY_RM, NONE, 3, 2 }, { 0, { 0xff }, ANY_RM, NONE, 0x44, 0 },
    { 0, { 0x68 }, NO_MODRM, FULL, 0, 0 }, { 0, { 0x6a }, NO_MODRM, BYTE, 0, 0 },
    { 0, { 0x8f }, ANY_RM, NONE, 1, 0 },
    { 0, { 0x0f, 0x40 }, ANY_RM, NONE, 0, 16 }, { 0, { 0x0f, 0x90 }, ANY_RM, NONE, 1, 16 },
    { 0, { 0x0f, 0xa3 }, ONLY_REG, NONE, 0, 0 }, { 0, { 0x0f, 0xa4 }, ONLY_REG, BYTE, 0, 0 }, { 0, { 0x0f, 0xac }, ONLY_REG, BYTE, 0, 0 },
    { 0, { 0x0f, 0xa5 }, ONLY_REG, NONE, 0, 0 }, { 0, { 0x0f, 0xad }, ONLY_REG, NONE, 0, 0 }, { 0, { 0x0f, 0xaf }, ANY_RM, NONE, 0, 0 },
    { 0, { 0x0f, 0xb0 }, ANY_RM, NONE, 0, 2 }, { 0, { 0x0f, 0xb6 }, ANY_RM, NONE, 0, 2 }, { 0, { 0x0f, 0xbe }, ANY_RM, NONE, 0, 2 },
    { 0, { 0x0f, 0xc0 }, ANY_RM, NONE, 0, 2 }, { 0, { 0x0f, 0xc8 }, NO_MODRM, NONE, 0, 8 },
    { 0, { 0x0f, 0xba }, ANY_RM, BYTE, 0xf0, 0 },
    { 0x66, { 0x0f, 0x60 }, ANY_RM, NONE, 0, 16 }, { 0x66, { 0x0f, 0x74 }, ANY_RM, NONE, 0, 3 }, { 0x66, { 0x0f, 0xd4 }, ANY_RM, NONE, 0, 2 },
    { 0x66, { 0x0f, 0xd8 }, ANY_RM, NONE, 0, 14 }, { 0x66, { 0x0f, 0xef }, ANY_RM, NONE, 0, 0 }, { 0x66, { 0x0f, 0xf8 }, ANY_RM, NONE, 0, 7 },
    { 0x66, { 0x0f, 0x70 }, ANY_RM, BYTE, 0, 0 }, { 0x66, { 0x0f, 0xd7 }, ONLY_REG, NONE, 0, 0 }, { 0, { 0x0f, 0xc6 }, ANY_RM, BYTE, 0, 0 },
    { 0, { 0x0f, 0x54 }, ANY_RM, NONE, 0, 12 }, { 0xf2, { 0x0f, 0x58 }, ANY_RM, NONE, 0, 2 }, { 0xf2, { 0x0f, 0x2a }, ANY_RM, NONE, 0, 0 },
    { 0xf2, { 0x0f, 0x2c }, ANY_RM, NONE, 0, 2 }, { 0xf3, { 0x0f, 0x10 }, ANY_RM, NONE, 0, 2 }, { 0, { 0x0f, 0x74 }, ANY_RM, NONE, 0, 3 },
    { 0, { 0x0f, 0xfc }, ANY_RM, NONE, 0, 3 }, { 0, { 0x0f, 0xd7 }, ONLY_REG, NONE, 0, 0 }, { 0x66, { 0x0f, 0x6e }, ANY_RM, NONE, 0, 0 },
    { 0, { 0xd9 }, ONLY_MEM, NONE, 1, 0 }, { 0, { 0xdc }, ONLY_MEM, NONE, 0, 0 }, { 0, { 0xdd }, ONLY_MEM, NONE, 0x0d, 0 },
    { 0, { 0xdb }, ONLY_MEM, NONE, 0x0d, 0 }, { 0, { 0xd8 }, ONLY_REG, NONE, 2, 2 }, { 0, { 0xdc }, ONLY_REG, NONE, 2, 0 },
    { 0, { 0xde }, ONLY_REG, NONE, 2, 0 }, { 0, { 0xd9 }, ONLY_REG, NONE, 2, 0 }, { 0, { 0xd8 }, ONLY_REG, NONE, 0, 8 },
    { 0, { 0x70 }, NO_MODRM, REL8, 0, 16 }, { 0, { 0xeb }, NO_MODRM, REL8, 0, 0 }, { 0, { 0xe0 }, NO_MODRM, REL8, 0, 4 },
    { 0, { 0xe8 }, NO_MODRM, REL32, 0, 2 }, { 0, { 0x0f, 0x80 }, NO_MODRM, REL32, 0, 16 },
    { 0, { 0xff }, ANY_RM, NONE, 0x14, 0 }, { 0, { 0xff }, ONLY_MEM, NONE, 0x14, 0 },
    { 0, { 0xa0 }, NO_MODRM, FULL, 0, 4 },
};

/* Neighbours: no memory but the stack, nothing hidden. */
static const uint8_t neighbours[][8] = {
    { 1, 0x90 }, { 1, 0x40 }, { 1, 0x4b }, { 2, 0x89, 0xc1 }, { 2, 0x01, 0xd8 }, { 2, 0x31, 0xd2 }, { 2, 0x85, 0xc0 },
    { 3, 0x83, 0xe8, 0x05 }, { 3, 0x8d, 0x50, 0x04 }, { 3, 0xc1, 0xe1, 0x02 }, { 5, 0xb8, 1, 2, 3, 4 }, { 5, 0x05, 9, 8, 7, 6 },
    { 6, 0x81, 0xc2, 4, 3, 2, 1 }, { 4, 0x8d, 0x44, 0x24, 0x08 }, { 1, 0x50 }, { 2, 0x74, 0x02 }, { 2, 0x75, 0x30 }, { 1, 0x98 },
    { 4, 0x89, 0x44, 0x24, 0x04 }, { 3, 0x8b, 0x1c, 0x24 }, { 3, 0x0f, 0xb6, 0xc0 }, { 7, 0xc7, 0x44, 0x24, 0x04, 1, 0, 0 },
    { 4, 0x66, 0x0f, 0xef, 0xc0 }, { 2, 0xd1, 0xe0 }, { 2, 0x31, 0xca }, { 3, 0xc1, 0xc8, 0x0b }, { 2, 0x89, 0xf0 }, { 1, 0xf9 }, { 2, 0x11, 0xc0 }, { 2, 0xe2, 0x01 }, { 2, 0x74, 0xf8 }, { 2, 0x79, 0x05 },
};

/* What hides something, alone or with what follows, and what does not. */
static const uint8_t bad_bytes[] = { 0xca, 0xcb, 0xcf, 0xff, 0xff, 0x0f, 0xcd, 0xea, 0x9a, 0x2f, 0x5a, 0x80, 0x05, 0x33 };
/* clang-format on */

struct gen {
    struct native_case *c;
    uint64_t random;
    uint32_t address;
    unsigned at;
};

uint64_t native_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(struct gen *g, unsigned bound)
{
    return (unsigned)(native_random(&g->random) % bound);
}

static void put(struct gen *g, uint8_t byte)
{
    g->c->page[g->at++] = byte;
}

static void put32(struct gen *g, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        put(g, (uint8_t)(value >> 8 * i));
}

static uint8_t bad_byte(struct gen *g)
{
    return below(g, 4) ? bad_bytes[below(g, ARRAY_SIZE(bad_bytes))] : (uint8_t)native_random(&g->random);
}

/* One bad byte at a random place, or small and harmless. */
static uint32_t bad_word(struct gen *g)
{
    uint32_t value = below(g, 2)   ? (uint32_t)native_random(&g->random)
                     : below(g, 2) ? below(g, 64)
                                   : -below(g, 64);
    unsigned shift = 8 * below(g, 4);

    return (value & ~(UINT32_C(0xff) << shift)) | (uint32_t)bad_byte(g) << shift;
}

/* ---- Memory operands ----------------------------------------------------------------------------- */

/* An address in the data page, aligned for all but rare operands, not where the stack is. */
static uint32_t data_address(struct gen *g)
{
    return NATIVE_DATA + 16 * (4 + below(g, 100)) + (below(g, 8) ? 0 : below(g, 16));
}

static void put_memory(struct gen *g, unsigned reg)
{
    unsigned kind = below(g, 8), base = below(g, 8), index = below(g, 8), scale = below(g, 4);
    uint32_t disp = below(g, 2) ? bad_word(g) : (uint32_t)(int8_t)bad_byte(g);
    bool small = disp == (uint32_t)(int8_t)disp;
    uint32_t *value = g->c->state.reg;

    if (kind == 0) {
        put(g, (uint8_t)(reg << 3 | 5));
        put32(g, below(g, 2) ? data_address(g) : (data_address(g) & ~0xff00u) | 0xcb00);
        return;
    }
    if (index == 4 || index == base)
        index = 8;
    if (kind < 6)
        index = 8;
    if (base != 4)
        value[base] = data_address(g) - disp - (index < 8 ? value[index] << scale : 0);
    if (index == 8 && base != 4) {
        put(g, (uint8_t)((small ? 1 : 2) << 6 | reg << 3 | base));
    } else {
        put(g, (uint8_t)((small ? 1 : 2) << 6 | reg << 3 | 4));
        put(g, (uint8_t)((index < 8 ? scale << 6 | index << 3 : 4 << 3) | base));
    }
    if (small)
        put(g, (uint8_t)disp);
    else
        put32(g, disp);
}

static unsigned choose_digit(struct gen *g, const struct form *form)
{
    unsigned digit = below(g, 8);

    while (form->digits && !(form->digits >> digit & 1))
        digit = (digit + 1) & 7;
    return digit;
}

static void put_modrm(struct gen *g, const struct form *form)
{
    static const uint8_t bad_modrm[] = { 0xca, 0xcb, 0xcf, 0xff, 0xda, 0xfe };
    unsigned digit = choose_digit(g, form);

    if (form->rm == ONLY_MEM || (form->rm == ANY_RM && below(g, 2)))
        put_memory(g, digit);
    else if (!form->digits && below(g, 2))
        put(g, bad_modrm[below(g, ARRAY_SIZE(bad_modrm))]);
    else
        put(g, (uint8_t)(0xc0 | digit << 3 | (below(g, 2) ? 2 + below(g, 2) : below(g, 8))));
}

/* ---- Instructions -------------------------------------------------------------------------------- */

static void put_imm(struct gen *g, const struct form *form)
{
    switch ((enum imm)form->imm) {
    case NONE:
        break;
    case BYTE:
        put(g, bad_byte(g));
        break;
    case FULL:
        if (form->prefix == 0x66) {
            put(g, bad_byte(g));
            put(g, bad_byte(g));
        } else if (form->opcode[0] == 0xa0) {
            put32(g, (data_address(g) & ~0xff00u) | (below(g, 2) ? 0xca00u : 0));
        } else {
            put32(g, bad_word(g));
        }
        break;
    case REL8:
        put(g, bad_byte(g));
        break;
    case REL32:
        put32(g, below(g, 3) ? bad_word(g) : (uint32_t)(int32_t)(int8_t)bad_byte(g));
        break;
    }
}

/* ror edx | ebx | edi, imm8: what hash functions have. */
static void put_rotation(struct gen *g)
{
    static const uint8_t modrm[] = { 0xca, 0xcb, 0xcf };

    put(g, 0xc1);
    put(g, modrm[below(g, ARRAY_SIZE(modrm))]);
    put(g, below(g, 2) ? (uint8_t)below(g, 40) : bad_byte(g));
}

static void put_site(struct gen *g)
{
    if (below(g, 8) == 0) {
        put_rotation(g);
        return;
    }
    const unsigned first_branch =
        ARRAY_SIZE(forms) - 9; /* as many as all others: compilers emit them so often */
    const struct form *form = &forms[below(g, 3) ? below(g, ARRAY_SIZE(forms)) : first_branch + below(g, 9)];
    unsigned spread = form->spread ? below(g, form->spread) : 0;

    if (form->prefix)
        put(g, form->prefix);
    if (form->opcode[1]) {
        put(g, form->opcode[0]);
        put(g, (uint8_t)(form->opcode[1] + spread));
    } else {
        put(g, (uint8_t)(form->opcode[0] + spread));
    }
    if (form->rm != NO_MODRM)
        put_modrm(g, form);
    put_imm(g, form);
}

static void put_neighbours(struct gen *g, unsigned count)
{
    while (count--) {
        const uint8_t *neighbour = neighbours[below(g, ARRAY_SIZE(neighbours))];

        for (unsigned i = 1; i <= neighbour[0]; i++)
            put(g, neighbour[i]);
        if (neighbour[0] == 7) /* the last byte of a constant does not fit a row */
            put(g, 0);
    }
}

/* addpd, mulpd, subpd, paddd, pxor, movapd, addps, mulps between registers; which often hides something. */
static void put_vector(struct gen *g)
{
    static const uint8_t opcodes[][2] = { { 0x66, 0x58 }, { 0x66, 0x59 }, { 0x66, 0x5c }, { 0x66, 0xfe },
                                          { 0x66, 0xef }, { 0x66, 0x28 }, { 0, 0x58 },    { 0, 0x59 } };
    const uint8_t *opcode = opcodes[below(g, ARRAY_SIZE(opcodes))];

    if (opcode[0])
        put(g, opcode[0]);
    put(g, 0x0f);
    put(g, opcode[1]);
    put(g, (uint8_t)(below(g, 2) ? 0xc8 | (below(g, 2) ? 3 : 2) : 0xc0 | below(g, 64)));
}

/* What leaves ECX alone. */
static void put_loop_member(struct gen *g)
{
    static const uint8_t harmless[][4] = { { 1, 0x40 },       { 1, 0x4b },
                                           { 2, 0x01, 0xd8 }, { 3, 0x8d, 0x50, 0x04 },
                                           { 2, 0x31, 0xd2 }, { 3, 0x83, 0xca, 0x10 } };
    const uint8_t *member = harmless[below(g, ARRAY_SIZE(harmless))];

    if (below(g, 3)) {
        put_vector(g);
        return;
    }
    for (unsigned i = 1; i <= member[0]; i++)
        put(g, member[i]);
}

/* A loop of a few rounds. */
static void put_loop(struct gen *g)
{
    unsigned head = g->at, members = 2 + below(g, 5);

    g->c->state.reg[1] = 1 + below(g, 4);
    g->c->site = head;
    while (members--)
        put_loop_member(g);
    if (below(g, 3)) {
        put(g, 0x49); /* dec ecx */
        put(g, 0x75); /* jnz */
    } else {
        put(g, 0xe2); /* loop */
    }
    put(g, (uint8_t)(head - g->at - 1));
}

static void invent_state(struct gen *g)
{
    struct native_state *state = &g->c->state;

    for (unsigned i = 0; i < 8; i++)
        state->reg[i] = below(g, 3) ? data_address(g) : below(g, 2) ? below(g, 9) : bad_word(g);
    state->reg[4] = NATIVE_STACK;
    state->flags = (uint32_t)native_random(&g->random) & 0x8d5;
    memset(state->fpu, 0, sizeof(state->fpu));
    state->fpu[0] = 0x7f; /* FCW: all masked, extended precision */
    state->fpu[1] = 0x03;
    state->fpu[24] = 0x80; /* MXCSR: all masked */
    state->fpu[25] = 0x1f;
    state->fpu[3] = (uint8_t)(below(g, 8) << 3);                                   /* TOP */
    state->fpu[4] = (uint8_t)native_random(&g->random) | (below(g, 4) ? 0xff : 0); /* tags */
    for (unsigned i = 32; i < 160; i++)
        if (i % 16 < 10)
            state->fpu[i] = (uint8_t)native_random(&g->random);
    for (unsigned i = 0; i < 8; i++)
        if (below(g, 4)) { /* a number near 1 */
            state->fpu[32 + 16 * i + 7] |= 0x80;
            state->fpu[32 + 16 * i + 8] = (uint8_t)(0xf8 + below(g, 8));
            state->fpu[32 + 16 * i + 9] = 0x3f;
        }
    for (unsigned i = 160; i < 160 + 8 * 16; i++)
        state->fpu[i] = (uint8_t)native_random(&g->random);
    for (unsigned i = 0; i < NATIVE_DATA_SIZE; i++)
        state->data[i] = (uint8_t)native_random(&g->random);
}

void native_generate(struct native_case *c, uint64_t seed, uint32_t address)
{
    struct gen g = { .c = c, .random = seed, .address = address };

    memset(c->page, 0xcc, sizeof(c->page));
    invent_state(&g);
    c->start = g.at = 256 + below(&g, 3500);
    if (below(&g, 6) == 0) {
        put_loop(&g);
        put_neighbours(&g, 1 + below(&g, 4));
        c->state.eip = address + c->start;
        return;
    }
    put_neighbours(&g, below(&g, 4));
    c->site = g.at;
    put_site(&g);
    put_neighbours(&g, 1 + below(&g, 4));
    if (below(&g, 4) == 0)
        put_site(&g);
    c->state.eip = address + c->start;
}
