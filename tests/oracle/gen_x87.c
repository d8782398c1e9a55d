/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * x87 instructions, all encodings of D8..DF, and the instructions that move FPU and SSE state.
 * SDM 2D, "Escape Opcode Instructions".
 */
#include "gen.h"

#include "image.h"

/* Memory operand sizes by opcode and ModRM.reg; 0: no such instruction. */
enum { ENV = 28, SAVE = 108, FISTTP = 0xff /* SSE3: the host has it, the default CPU model has not */ };
/* clang-format off */
static const uint8_t mem_size[8][8] = {
    { 4, 4, 4, 4, 4, 4, 4, 4 },     /* D8 */
    { 4, 0, 4, 4, ENV, 2, ENV, 2 }, /* D9 */
    { 4, 4, 4, 4, 4, 4, 4, 4 },     /* DA */
    { 4, FISTTP, 4, 4, 0, 10, 0, 10 },     /* DB */
    { 8, 8, 8, 8, 8, 8, 8, 8 },     /* DC */
    { 8, FISTTP, 8, 8, SAVE, 0, SAVE, 2 }, /* DD */
    { 2, 2, 2, 2, 2, 2, 2, 2 },     /* DE */
    { 2, FISTTP, 2, 2, 10, 8, 10, 8 },     /* DF */
};
/* clang-format on */

/*
 * FNSTENV and FNSAVE: the instruction and operand pointers they store are cleared again, and so are the
 * selectors: processors of this class differ in them. SDM 1, "x87 FPU Instruction and Data (Operand)
 * Pointers": reserved when no exception is unmasked; CS and DS deprecated.
 */
static void clear_pointers(struct gen *g, uint32_t at, bool osz)
{
    static const uint8_t offset32[] = { 12, 16, 20, 24 }, offset16[] = { 6, 10 };
    const uint8_t *offset = osz ? offset16 : offset32;
    unsigned n = osz ? ARRAY_SIZE(offset16) : ARRAY_SIZE(offset32);

    while (n--) {
        gen_u8(g, 0x83); /* and dword [at + offset], 0 */
        gen_modrm_abs(g, 4, at + offset[n]);
        gen_u8(g, 0);
    }
}

static void store_environment(struct gen *g, unsigned op, unsigned size)
{
    uint32_t at = gen_target(g, size, false);
    bool osz = rng_one_in(&g->rng, 3);

    /* With EFLAGS.AC set a misaligned AND would fault before it has cleared them: both formats' fields
     * aligned. */
    at = (at & ~3u) + (osz ? 2 : 0);
    g->whole = true;
    if (osz)
        gen_u8(g, 0x66);
    gen_u8(g, 0xd8 + op);
    gen_modrm_abs(g, 6, at);
    clear_pointers(g, at, osz);
}

static void memory_form(struct gen *g)
{
    struct rng *r = &g->rng;
    unsigned op, digit, size;

    do {
        op = rng_below(r, 8);
        digit = rng_below(r, 8);
        size = mem_size[op][digit];
        /* Loading whole environments of random bits ends most cases at once: seldom. */
    } while (size == FISTTP || !size ? size || !rng_one_in(r, 200) : size >= ENV ? !rng_one_in(r, 6) : false);
    if (digit == 6 && size >= ENV) {
        store_environment(g, op, size);
        return;
    }
    struct gen_address a = gen_address(g, size ? size : 4, false);
    if (op == 1 && digit == 5 && !rng_one_in(r, 4)) /* FLDCW of something sensible */
        a = (struct gen_address){ .target = DATA_LA + SLOT_FCW + 2 * rng_below(r, 32) };
    if (a.segment)
        gen_u8(g, a.segment);
    if (a.a16)
        gen_u8(g, 0x67);
    if (rng_one_in(r, size >= ENV ? 3 : 16))
        gen_u8(g, 0x66);
    gen_u8(g, 0xd8 + op);
    gen_modrm_mem(g, digit, &a);
}

/* Encodings with ModRM C0..FF that are no instruction. */
static bool reserved(unsigned op, unsigned modrm)
{
    unsigned digit = modrm >> 3 & 7;

    switch (op) {
    case 1:
        return (digit == 2 && modrm != 0xd0) || modrm == 0xe2 || modrm == 0xe3 || modrm == 0xe6 ||
               modrm == 0xe7 || modrm == 0xef;
    case 2:
        return digit == 4 || digit >= 6 || (digit == 5 && modrm != 0xe9);
    case 3:
        return (digit == 4 && modrm > 0xe4) || digit == 7;
    case 5:
        return digit >= 6;
    case 6:
        return digit == 3 && modrm != 0xd9;
    case 7:
        return (digit == 4 && modrm != 0xe0) || digit == 7;
    default:
        return false;
    }
}

static void register_form(struct gen *g)
{
    struct rng *r = &g->rng;
    unsigned op, modrm;

    do {
        op = rng_one_in(r, 3) ? 1 : rng_below(r, 8); /* D9 has the transcendental ones */
        modrm = 0xc0 + rng_below(r, 64);
    } while (reserved(op, modrm) && !rng_one_in(r, 200));
    if (rng_one_in(r, 16))
        gen_u8(g, 0x66); /* no meaning */
    gen_u8(g, 0xd8 + op);
    gen_u8(g, modrm);
    if (op == 7 && modrm == 0xe0)
        gen_forget(g, 1 << EAX);
}

void gen_x87_piece(struct gen *g)
{
    unsigned kind = rng_below(&g->rng, 16);

    if (kind < 2 && rng_one_in(&g->rng, 16))
        gen_u8(g, 0x66);
    switch (kind) {
    case 0:
        gen_u8(g, 0x9b); /* WAIT */
        break;
    case 1:
        gen_u8(g, 0xdb); /* FNCLEX, FNINIT */
        gen_u8(g, rng_one_in(&g->rng, 4) ? 0xe3 : 0xe2);
        break;
    case 2:
        gen_random_form(g, forms_int());
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        memory_form(g);
        break;
    default:
        register_form(g);
    }
}

/* ---- FXSAVE, MXCSR ------------------------------------------------------------------------------- */

/* and dword [at], mask */
static void and_memory(struct gen *g, uint32_t at, uint32_t mask)
{
    gen_u8(g, 0x81);
    gen_modrm_abs(g, 4, at);
    gen_u32(g, mask);
}

static void group15(struct gen *g, unsigned digit, uint32_t at)
{
    gen_u8(g, 0x0f);
    gen_u8(g, 0xae);
    gen_modrm_abs(g, digit, at);
}

void gen_fxsave_piece(struct gen *g)
{
    enum { MXCSR_MM = 1u << 17 }; /* AMD's misaligned mode: reserved on the processors we model */
    static const uint8_t fence[] = { 0xe8, 0xf0, 0xf8 };
    struct rng *r = &g->rng;
    uint32_t at;

    g->whole = true;
    switch (rng_below(r, 6)) {
    case 0: /* FXSAVE; its pointers and MXCSR_MASK are the processor's own affair */
        at = gen_target(g, FX_SIZE, true);
        group15(g, 0, at);
        and_memory(g, at + FX_FTW, 0x0000ffff);
        for (unsigned offset = FX_FIP; offset < FX_MXCSR; offset += 4)
            and_memory(g, at + offset, 0);
        and_memory(g, at + FX_MXCSR_MASK, 0);
        break;
    case 1: /* FXRSTOR */
        at = DATA_LA + SLOT_FXSAVE + (rng_one_in(r, 12) ? 8 : 0);
        and_memory(g, at + FX_MXCSR, ~(uint32_t)MXCSR_MM);
        group15(g, 1, at);
        break;
    case 2:
    case 3: /* LDMXCSR */
        at = DATA_LA + SLOT_MXCSR + 4 * rng_below(r, SLOT_MXCSR_COUNT);
        and_memory(g, at, ~(uint32_t)MXCSR_MM);
        group15(g, 2, at);
        break;
    case 4:
        group15(g, 3, gen_target(g, 4, false));
        break;
    default:
        gen_u8(g, 0x0f);
        gen_u8(g, 0xae);
        gen_u8(g, fence[rng_below(r, ARRAY_SIZE(fence))]);
    }
}
