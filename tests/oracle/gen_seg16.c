/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segments that are not flat: 16-bit code with the default sizes turned round, 16-bit stacks, bases, limits
 * of all kinds. Memory operands are aimed by segment and offset: mostly within the limit and at mapped
 * memory, often across the limit or across 64 KiB. SDM 3A, "Limit Checking", "Stack-Fault Exception (#SS)".
 */
#include "gen_seg16.h"

#define PREFIX_ADDRESS 0x67
#define PREFIX_OPERAND 0x66

/* ---- Segments ---- */

/* clang-format off */
#define L(name) SEL_LDT(LDT_##name)

const uint16_t seg16_code[SEG16_CODE_COUNT] = {
    L(CODE16), L(CODE16), L(CODE16), L(CODE16_SHORT), L(CODE16_SHORT), L(CODE16_HIGH), L(CODE16_EXECUTE),
    L(CODE32_SHORT), L(CODE32_SHORT), SEL_CODE,
};

const uint16_t seg16_stack[SEG16_STACK_COUNT] = {
    L(STACK16), L(STACK16), L(STACK16_WRAP), L(STACK16_WRAP), L(STACK16_DOWN), L(STACK16_DOWN),
    L(STACK32_SHORT), L(DATA_DOWN16), L(DATA_DOWN32), L(DATA_AROUND), SEL_DATA,
};

const uint16_t seg16_data[SEG16_DATA_COUNT] = {
    L(DATA_SHORT), L(DATA_SHORT), L(DATA_READ), L(DATA_PAGES), L(DATA_DOWN16), L(DATA_DOWN32),
    L(DATA_DOWN_PAGES), L(DATA_AROUND), L(STACK16_WRAP), L(STACK16), L(CODE16), SEL_DATA, SEL_DATA, SEL_DATA, 0,
};

/* What a program might try to load besides: absent, of the wrong kind or privilege, not there. */
static const uint16_t odd[] = {
    L(DATA_ABSENT), L(CODE_ABSENT), L(CONFORMING_ABSENT), L(CODE16_EXECUTE), L(CODE32_SHORT), L(STACK16) & ~3,
    L(STACK16) & ~2, SEL_LDT(0), SEL_LDT(LDT_COUNT), SEL_CODE, 0,
};
/* clang-format on */

uint16_t seg16_any(struct gen *g)
{
    switch (rng_below(&g->rng, 4)) {
    case 0:
        return PICK(g, odd);
    case 1:
        return PICK(g, seg16_stack);
    default:
        return PICK(g, seg16_data);
    }
}

/* Offsets of mapped memory in a flat segment, by segment register. */
static uint32_t flat_aim(unsigned sreg)
{
    static const uint32_t aim[6] = {
        DATA_LA, CODE_LA, STACK_LA, DATA_LA, DATA_LA - FS_BASE, DATA_LA - GS_BASE
    };

    return aim[sreg];
}

/* The first offset outside of a segment, on whichever side that is. */
static uint32_t edge(const struct ldt_entry *e)
{
    return (e->pages ? e->limit << 12 | 0xfff : e->limit) + 1;
}

/* An offset for `size` bytes in segment register `sreg`. */
static uint32_t aimed_offset(struct gen *g, unsigned sreg, unsigned size)
{
    struct rng *r = &g->rng;
    const struct ldt_entry *e = ldt_by_selector(g->sreg[sreg]);
    uint32_t aim = e ? e->aim : flat_aim(sreg), room = e && e->aim_size ? e->aim_size : 2 * PAGE;
    uint32_t offset = aim + rng_below(r, room - size + 1);

    switch (rng_below(r, 16)) {
    case 0: /* around the limit */
    case 1:
        return e ? edge(e) - rng_below(r, size + 2) + rng_below(r, 2) : offset;
    case 2: /* around 64 KiB, or the end of it all */
        return (rng_one_in(r, 4) ? 0 : 0x10000u) - rng_below(r, size + 1);
    case 3: /* the other end of what is mapped */
        return aim + room - rng_below(r, size + 1);
    case 4:
        return aim - rng_below(r, 2) * rng_below(r, 8);
    case 5:
        return rng_u32(r) & 0xffff;
    default:
        return rng_one_in(r, 3) ? offset : offset & ~(size >= 4 ? 3u : size - 1u);
    }
}

/* ---- Memory operands ---- */

static unsigned sreg_of_prefix(int prefix)
{
    switch (prefix) {
    case 0x26:
        return SREG_ES;
    case 0x2e:
        return SREG_CS;
    case 0x36:
        return SREG_SS;
    case 0x64:
        return SREG_FS;
    case 0x65:
        return SREG_GS;
    default:
        return SREG_DS;
    }
}

struct gen_address gen_seg16_address(struct gen *g, unsigned size)
{
    static const uint8_t prefix[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    struct rng *r = &g->rng;
    struct gen_address a = { .a16 = rng_one_in(r, 4) != g->code16, .size = size };

    if (rng_one_in(r, 3))
        a.segment = PICK(g, prefix);
    return a;
}

uint32_t gen_seg16_offset(struct gen *g, int segment, unsigned size, bool a16)
{
    uint32_t offset = aimed_offset(g, sreg_of_prefix(segment), size);

    return a16 ? offset & 0xffff : offset;
}

/* The segment an operand with this base register goes to. */
static unsigned operand_sreg(const struct gen_address *a, unsigned base)
{
    return a->segment ? sreg_of_prefix(a->segment) : base == EBP || base == ESP ? SREG_SS : SREG_DS;
}

static void modrm16(struct gen *g, unsigned reg, const struct gen_address *a)
{
    enum { NONE = 8 };
    static const uint8_t base[8] = { EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX };
    static const uint8_t index[8] = { ESI, EDI, ESI, EDI, NONE, NONE, NONE, NONE };
    unsigned rm = rng_below(&g->rng, 8);

    if (rng_one_in(&g->rng, 6)) {
        gen_u8(g, reg << 3 | 6);
        gen_u16(g, aimed_offset(g, operand_sreg(a, NONE), a->size));
        return;
    }
    uint16_t displacement = aimed_offset(g, operand_sreg(a, base[rm]), a->size) - g->value[base[rm]];
    if (index[rm] != NONE)
        displacement -= g->value[index[rm]];
    bool small = displacement == (uint16_t)(int8_t)displacement;
    if (displacement == 0 && rm != 6 && rng_one_in(&g->rng, 2)) {
        gen_u8(g, reg << 3 | rm);
    } else if (small) {
        gen_u8(g, 0x40 | reg << 3 | rm);
        gen_u8(g, displacement);
    } else {
        gen_u8(g, 0x80 | reg << 3 | rm);
        gen_u16(g, displacement);
    }
}

static void modrm32(struct gen *g, unsigned reg, const struct gen_address *a)
{
    struct rng *r = &g->rng;
    unsigned base = rng_below(r, 8), index = ESP, scale = rng_below(r, 4);

    if (rng_one_in(r, 6)) {
        gen_u8(g, reg << 3 | 5);
        gen_u32(g, aimed_offset(g, operand_sreg(a, EAX), a->size));
        return;
    }
    if (!(g->known & 1u << base))
        base = EBX;
    bool sib = base == ESP || rng_one_in(r, 3);
    if (sib && rng_one_in(r, 2))
        index = rng_below(r, 8);
    uint32_t displacement = aimed_offset(g, operand_sreg(a, base), a->size) - g->value[base];
    if (index != ESP)
        displacement -= g->value[index] << scale;
    bool small = displacement == (uint32_t)(int8_t)displacement;
    gen_u8(g, (small ? 0x40 : 0x80) | reg << 3 | (sib ? 4 : base));
    if (sib)
        gen_u8(g, scale << 6 | index << 3 | base);
    if (small)
        gen_u8(g, displacement);
    else
        gen_u32(g, displacement);
}

void gen_seg16_modrm(struct gen *g, unsigned reg, const struct gen_address *a)
{
    if (a->a16)
        modrm16(g, reg, a);
    else
        modrm32(g, reg, a);
}

/* ---- Operand and address sizes ---- */

void seg16_operand(struct gen *g, bool wanted)
{
    if (wanted != g->code16)
        gen_u8(g, PREFIX_OPERAND);
}

void seg16_address(struct gen *g, bool wanted)
{
    if (wanted != g->code16)
        gen_u8(g, PREFIX_ADDRESS);
}

bool seg16_default(struct gen *g)
{
    return rng_one_in(&g->rng, 4) != g->code16;
}

void seg16_imm(struct gen *g, bool o16, uint32_t value)
{
    if (o16)
        gen_u16(g, value);
    else
        gen_u32(g, value);
}

/* PUSH imm of the given size. */
void seg16_push(struct gen *g, bool o16, uint32_t value)
{
    seg16_operand(g, o16);
    gen_u8(g, 0x68);
    seg16_imm(g, o16, value);
}

/* ---- Stack ---- */

/* A stack pointer: at an edge now and then; with a 16-bit stack the upper half of ESP means nothing. */
uint32_t seg16_stack_pointer(struct gen *g)
{
    struct rng *r = &g->rng;
    const struct ldt_entry *e = ldt_by_selector(g->sreg[SREG_SS]);
    uint32_t aim = e ? e->aim : STACK_LA, room = e ? e->aim_size : 2 * PAGE, at;

    switch (rng_below(r, 6)) {
    case 0:
        at = aim + rng_below(r, 40);
        break;
    case 1:
        at = aim + room - rng_below(r, 40);
        break;
    case 2:
        at = 0x10000 - 16 + rng_below(r, 40); /* SP wraps */
        break;
    default:
        at = aim + room / 4 + rng_below(r, room / 2);
    }
    if (!rng_one_in(r, 4))
        at &= ~3u;
    if (e && !e->big)
        at = (at & 0xffff) | (rng_one_in(r, 3) ? 0 : rng_u32(r) & 0xffff0000);
    return at;
}

static void move_stack(struct gen *g)
{
    gen_mov_imm(g, rng_one_in(&g->rng, 5) ? EBP : ESP, seg16_stack_pointer(g));
}

/* PUSHF; change it; POPF: TF and NT stay out of it. */
static void flags(struct gen *g)
{
    bool o16 = seg16_default(g);

    seg16_operand(g, o16);
    gen_u8(g, 0x68);
    seg16_imm(g, o16, rng_u32(&g->rng) & ~(uint32_t)(FL_TF | FL_NT | FL_AC));
    seg16_operand(g, o16);
    gen_u8(g, 0x9d);
    seg16_operand(g, seg16_default(g));
    gen_u8(g, 0x9c);
    gen_forget(g, 1 << ESP);
}

/* ---- Strings ---- */

static void string(struct gen *g)
{
    static const uint8_t opcode[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
    static const uint8_t prefix[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    struct rng *r = &g->rng;
    int override = rng_one_in(r, 4) ? PICK(g, prefix) : 0;

    gen_mov_imm(g, ESI, aimed_offset(g, sreg_of_prefix(override), 16));
    gen_mov_imm(g, EDI, aimed_offset(g, SREG_ES, 16));
    gen_mov_imm(g, ECX,
                (rng_one_in(r, 4) ? rng_u32(r) & 0xffff0000 : 0) |
                    rng_below(r, rng_one_in(r, 6) ? 0x1800 : 24));
    if (rng_one_in(r, 3))
        gen_u8(g, 0xfc + rng_below(r, 2)); /* CLD, STD */
    if (override)
        gen_u8(g, override);
    if (!rng_one_in(r, 4))
        gen_u8(g, 0xf2 + rng_below(r, 2));
    seg16_operand(g, seg16_default(g));
    seg16_address(g, seg16_default(g));
    gen_u8(g, PICK(g, opcode));
    gen_forget(g, 1 << ESI | 1 << EDI | 1 << ECX | 1 << EAX);
}

/* ---- Branches ---- */

/* Where the next byte will stand, as an offset in the code segment. */
uint32_t seg16_here(const struct gen *g)
{
    return g->c->code_la + g->c->code_len - selector_base(g->sreg[SREG_CS]);
}

/*
 * An instruction pointer outside of the code segment; just inside only where it cannot hit the case's code.
 * A 16-bit operand will cut it.
 */
static uint32_t beyond(struct gen *g, bool o16)
{
    struct rng *r = &g->rng;
    const struct ldt_entry *e = ldt_by_selector(g->sreg[SREG_CS]);

    if (!e)
        return rng_u32(r) | 0x40000000;
    if (rng_one_in(r, 4))
        return edge(e) + (o16 ? rng_below(r, 0x8000) : rng_u32(r) >> (1 + rng_below(r, 20)));
    return edge(e) + rng_below(r, 4) - (seg16_here(g) + CODE_MAX < edge(e) ? 2 : 0);
}

/* JMP, CALL, Jcc near to a place beyond the limit. */
static void branch_beyond(struct gen *g)
{
    bool o16 = seg16_default(g);
    unsigned size = o16 ? 2 : 4;
    uint32_t target = beyond(g, o16);

    seg16_operand(g, o16);
    switch (rng_below(&g->rng, 4)) {
    case 0:
        gen_u8(g, 0xe9);
        break;
    case 1:
        gen_u8(g, 0xe8);
        break;
    case 2:
        gen_u8(g, 0x0f);
        gen_u8(g, 0x80 + rng_below(&g->rng, 16));
        break;
    default: /* RET */
        gen_u8(g, 0x68);
        seg16_imm(g, o16, target);
        seg16_operand(g, o16);
        gen_u8(g, 0xc3);
        return;
    }
    seg16_imm(g, o16, target - (seg16_here(g) + size));
    gen_forget(g, 1 << ESP);
}

/* Forward, within the case. */
static void branch(struct gen *g)
{
    struct rng *r = &g->rng;
    bool o16 = seg16_default(g);
    unsigned reg;

    switch (rng_below(r, 6)) {
    case 0:
        seg16_operand(g, o16);
        gen_u8(g, 0x70 + rng_below(r, 16));
        gen_forward(g, 1, false);
        return;
    case 1:
        seg16_operand(g, o16);
        gen_u8(g, 0x0f);
        gen_u8(g, 0x80 + rng_below(r, 16));
        gen_forward(g, o16 ? 2 : 4, false);
        return;
    case 2: /* LOOPcc, JCXZ: by CX or ECX */
        seg16_address(g, seg16_default(g));
        gen_u8(g, 0xe0 + rng_below(r, 4));
        gen_forward(g, 1, false);
        gen_forget(g, 1 << ECX);
        return;
    case 3: /* JMP, CALL */
        seg16_operand(g, o16);
        gen_u8(g, 0xe8 + rng_below(r, 2));
        gen_forward(g, o16 ? 2 : 4, false);
        break;
    case 4: /* RET, RET n */
        seg16_operand(g, o16);
        gen_u8(g, 0x68);
        gen_forward(g, o16 ? 2 : 4, true);
        seg16_operand(g, o16);
        if (rng_one_in(r, 2)) {
            gen_u8(g, 0xc3);
        } else {
            gen_u8(g, 0xc2);
            gen_u16(g, rng_below(r, 64));
        }
        break;
    default: /* through a register */
        reg = gen_reg(g, true);
        seg16_operand(g, false);
        gen_u8(g, 0xb8 + reg);
        gen_forward(g, 4, true);
        gen_forget(g, 1u << reg);
        seg16_operand(g, o16);
        gen_u8(g, 0xff);
        gen_modrm_reg(g, rng_one_in(r, 2) ? 2 : 4, reg);
    }
    gen_forget(g, 1 << ESP);
}

/* ---- Cases ---- */

/* Mostly at the start of the segment's memory, sometimes so that execution runs into the limit. */
static void place_code(struct gen *g)
{
    struct test_case *c = g->c;
    const struct ldt_entry *e = ldt_by_selector(c->regs.cs);

    if (!e)
        return; /* as placed for flat segments */
    uint32_t at = rng_one_in(&g->rng, 8) ? edge(e) - 1 - rng_below(&g->rng, 40)
                                         : e->aim + rng_below(&g->rng, e->aim_size - CODE_MAX);
    c->regs.eip = at;
    c->code_la = at + e->base;
}

void gen_seg16_begin(struct gen *g)
{
    struct test_case *c = g->c;

    c->regs.cs = c->sreg[SREG_CS] = PICK(g, seg16_code);
    c->sreg[SREG_SS] = PICK(g, seg16_stack);
    c->sreg[SREG_ES] = PICK(g, seg16_data);
    c->sreg[SREG_DS] = PICK(g, seg16_data);
    c->sreg[SREG_FS] = PICK(g, seg16_data);
    c->sreg[SREG_GS] = PICK(g, seg16_data);
    for (unsigned i = 0; i < 6; i++)
        g->sreg[i] = c->sreg[i];
    g->segmented = true;
    g->code16 = !selector_big(c->regs.cs);
    place_code(g);
    c->regs.gpr[ESP] = g->value[ESP] = seg16_stack_pointer(g);
    if (rng_one_in(&g->rng, 2))
        c->regs.gpr[EBP] = g->value[EBP] = seg16_stack_pointer(g);
    c->regs.eflags &= ~(uint32_t)FL_NT; /* IRET would mean a task switch, which long mode lacks */
}

void gen_seg16_piece(struct gen *g)
{
    static void (*const kind[])(struct gen *) = {
        branch,
        branch,
        branch,
        branch_beyond,
        string,
        string,
        move_stack,
        move_stack,
        flags,
        seg16_load_segment,
        seg16_load_segment,
        seg16_query_selector,
        seg16_excursion,
        seg16_excursion,
        seg16_bad_far_transfer,
        seg16_far_pointer,
    };

    switch (rng_below(&g->rng, 8)) {
    case 0:
    case 1:
        gen_random_form(g, forms_stack());
        break;
    case 2:
        gen_random_form(g, rng_one_in(&g->rng, 2) ? forms_mmx() : forms_sse2());
        break;
    case 3:
    case 4:
        gen_random_form(g, forms_int());
        break;
    default:
        PICK(g, kind)(g);
    }
}
