/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See segmented_gen.h. Instructions are put together from their encodings (SDM 2, "Instruction Format").
 * Where one leaves flags undefined, a comparison follows: what a processor and an interpreter make of those
 * may differ.
 */
#include "segmented_gen.h"

#include <string.h>

enum {
    RESUME = 0x500,   /* where a fault goes on: offset, selector */
    LOG_AT = 0x504,   /* where the next fault's record goes */
    ROUNDS = 0x508,   /* still to come */
    STACK_AT = 0x50c, /* ESP and SS behind a fault */
    HANDLERS = 0x8000,
    ENTRY_SIZE = 8,  /* of a handler's entry */
    COMMON = 0x200,  /* ... what they all go to, */
    SERVICE = 0x280, /* ... and what the software interrupts do */
    SERVICE_VECTOR = 0x20,
    DATA = 0x40000, /* up to 80000h */
    STACK = 0x90000,
    LOG = 0xa0000,
    RECORD_WORDS = 40,
    BLOCKS = 50,
    CODE_SEGMENTS = 3,
    DATA_SEGMENTS = 12,
    FUNCTIONS = 9,
    /* selectors of protected mode */
    SEL_LOW = 0x08,
    SEL_LOG = 0x10,
    SEL_STACK = 0x18,
    SEL_HANDLER = 0x20,
    SEL_CODE = 0x28,
    SEL_DATA = SEL_CODE + 8 * CODE_SEGMENTS,
    SEL_KERNEL = SEL_DATA + 8 * DATA_SEGMENTS, /* flat, 32-bit: code, data; TSS */
    SEL_KERNEL_DATA = SEL_KERNEL + 8,
    SEL_TSS = SEL_KERNEL + 16,
    GDT_SIZE = SEL_TSS + 8,
    TABLE = SEGMENTED_DIRECTORY + 0x1000,
    KERNEL = 0x9000, /* what programs at CPL 3 fault to: entries as above, then: */
    KERNEL_COMMON = KERNEL + COMMON,
    KERNEL_SERVICE = KERNEL + SERVICE,
    KERNEL_START = KERNEL + 0x300,
    KERNEL_STACK = 0xe000,
    TSS = 0xb000,
    TSS_MAP = 0x68,
    TSS_LIMIT = TSS_MAP + 0x20,
    USER_FLAGS = 2,
    IOPL_3 = 0x3000,
    VM = 0x20000,
    ATTR_DATA = 0x93,
    ATTR_CODE = 0x9b,
    ATTR_READ_ONLY = 0x91,
    ATTR_32 = 0x4000,
    ATTR_PAGES = 0x8000,
};

enum reg { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

struct function {
    unsigned segment;
    uint16_t offset;
    bool far;
};

struct gen {
    uint8_t *image;
    struct rng rng;
    enum segmented_mode mode;
    bool code32, stack32, paragraphs, user; /* paragraphs: selectors are */
    unsigned now;                           /* code segment that is written to */
    uint32_t next[CODE_SEGMENTS];           /* linear, in each */
    uint32_t at;                            /* linear, the next byte's */
    uint16_t code[CODE_SEGMENTS];           /* selectors */
    uint16_t data[DATA_SEGMENTS];
    uint16_t low, log, stack, handler;
    struct function function[FUNCTIONS];
    unsigned function_count;
    bool in_function;
};

static const uint32_t code_base[CODE_SEGMENTS] = { 0x20000, 0x2a230, 0x32ff0 };

static uint32_t below(struct gen *g, uint32_t n)
{
    return rng_below(&g->rng, n);
}

static bool one_in(struct gen *g, uint32_t n)
{
    return rng_one_in(&g->rng, n);
}

/* ---- Bytes -------------------------------------------------------------------------------------------- */

static void byte(struct gen *g, uint32_t b)
{
    g->image[g->at++] = (uint8_t)b;
}

static void word(struct gen *g, uint32_t w)
{
    byte(g, w);
    byte(g, w >> 8);
}

static void dword(struct gen *g, uint32_t d)
{
    word(g, d);
    word(g, d >> 16);
}

static void put(struct gen *g, uint32_t at, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        g->image[at + i] = (uint8_t)(value >> 8 * i);
}

static void bytes(struct gen *g, const uint8_t *from, size_t size)
{
    memcpy(g->image + g->at, from, size);
    g->at += (uint32_t)size;
}

#define BYTES(g, ...) bytes((g), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static uint16_t offset_now(const struct gen *g)
{
    return (uint16_t)(g->at - code_base[g->now]);
}

static void go_to_segment(struct gen *g, unsigned segment)
{
    g->next[g->now] = g->at;
    g->now = segment;
    g->at = g->next[segment];
}

/* ---- Sizes -------------------------------------------------------------------------------------------- */

static void operand(struct gen *g, unsigned size)
{
    if ((size == 4) != g->code32 && size > 1)
        byte(g, 0x66);
}

static void address(struct gen *g, unsigned size)
{
    if ((size == 4) != g->code32)
        byte(g, 0x67);
}

static void immediate(struct gen *g, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++)
        byte(g, value >> 8 * i);
}

static unsigned any_size(struct gen *g)
{
    return one_in(g, 3) ? 4 : 2;
}

/* ---- Operands ----------------------------------------------------------------------------------------- */

static enum reg any_reg(struct gen *g)
{
    enum reg r = (enum reg)below(g, 7);
    return r >= ESP ? r + 1 : r;
}

static uint32_t any_value(struct gen *g)
{
    static const uint32_t odd[] = { 0,      1,      2,      0x7f,   0x80,    0xff,       0x7fff,     0x8000,
                                    0xfffe, 0xffff, 0xfffd, 0xfffc, 0x10000, 0x7fffffff, 0x80000000, ~0u };
    switch (below(g, 4)) {
    case 0:
        return odd[below(g, sizeof(odd) / sizeof(odd[0]))];
    case 1:
        return rng_u32(&g->rng);
    default:
        return below(g, 0x10000);
    }
}

static void mov_imm(struct gen *g, enum reg r, unsigned size, uint32_t value)
{
    operand(g, size);
    byte(g, 0xb8 + r);
    immediate(g, size, value);
}

static uint16_t any_selector(struct gen *g)
{
    return g->data[below(g, DATA_SEGMENTS)];
}

/* Perhaps a segment override. By CS there is nothing to write, lest code changes. */
static void segment(struct gen *g, bool writes)
{
    static const uint8_t prefix[] = { 0x26, 0x36, 0x3e, 0x64, 0x65, 0x2e };
    if (one_in(g, 4))
        byte(g, prefix[below(g, writes && g->mode == SEGMENTED_REAL ? 5 : 6)]);
}

static void modrm16(struct gen *g, unsigned reg)
{
    unsigned mod = below(g, 3), rm = below(g, 8);
    byte(g, mod << 6 | reg << 3 | rm);
    if (mod == 1)
        byte(g, below(g, 256));
    else if (mod == 2 || rm == 6)
        word(g, any_value(g));
}

static void modrm32(struct gen *g, unsigned reg, enum reg base)
{
    switch (below(g, 4)) {
    case 0: /* with an index */
        byte(g, 0x80 | reg << 3 | 4);
        byte(g, below(g, 4) << 6 | (unsigned)any_reg(g) << 3 | base);
        dword(g, below(g, 64));
        break;
    case 1:
        byte(g, reg << 3 | 5);
        dword(g, any_value(g) & 0x1ffff);
        break;
    default:
        byte(g, 0x40 | reg << 3 | base);
        byte(g, below(g, 256));
        break;
    }
}

/* An instruction with a memory operand; `size` is the operand size, 1 for bytes. */
static void with_memory(struct gen *g, unsigned size, bool writes, const uint8_t *opcode, size_t count,
                        unsigned reg)
{
    bool wide = one_in(g, g->code32 ? 2 : 4);
    enum reg base = any_reg(g);
    if (wide && !one_in(g, 6)) { /* movzx base, base16 */
        operand(g, 4);
        BYTES(g, 0x0f, 0xb7, (uint8_t)(0xc0 | base << 3 | base));
    }
    segment(g, writes);
    operand(g, size);
    address(g, wide ? 4 : 2);
    bytes(g, opcode, count);
    if (wide)
        modrm32(g, reg, base);
    else
        modrm16(g, reg);
}

#define WITH_MEMORY(g, size, writes, reg, ...)                                                               \
    with_memory((g), (size), (writes), (const uint8_t[]){ __VA_ARGS__ },                                     \
                sizeof((const uint8_t[]){ __VA_ARGS__ }), (reg))

/* cmp r, r: all six flags are defined again */
static void compare(struct gen *g)
{
    operand(g, any_size(g));
    BYTES(g, 0x39, (uint8_t)(0xc0 | any_reg(g) << 3 | any_reg(g)));
}

/* ---- Instructions ------------------------------------------------------------------------------------- */

static void arithmetic(struct gen *g)
{
    unsigned op = below(g, 8) << 3, size = any_size(g);
    bool logic = op == 0x08 || op == 0x20 || op == 0x30, writes = op != 0x38;
    switch (below(g, 5)) {
    case 0:
        operand(g, size);
        BYTES(g, (uint8_t)(op | 1), (uint8_t)(0xc0 | any_reg(g) << 3 | any_reg(g)));
        break;
    case 1:
        operand(g, size);
        BYTES(g, 0x81, (uint8_t)(0xc0 | op | any_reg(g)));
        immediate(g, size, any_value(g));
        break;
    case 2: {
        bool load = one_in(g, 2);
        WITH_MEMORY(g, size, !load && writes, any_reg(g), (uint8_t)(op | (load ? 3 : 1)));
        break;
    }
    case 3: {
        bool load = one_in(g, 2);
        WITH_MEMORY(g, 1, !load && writes, below(g, 8), (uint8_t)(op | (load ? 2 : 0)));
        break;
    }
    default:
        WITH_MEMORY(g, size, writes, op >> 3, 0x83);
        byte(g, below(g, 256));
        break;
    }
    if (logic)
        compare(g);
}

static void one_operand(struct gen *g)
{
    static const uint8_t rows[][2] = { { 0xff, 0 }, { 0xff, 1 }, { 0xf7, 2 }, { 0xf7, 3 },
                                       { 0xfe, 0 }, { 0xf6, 3 }, { 0xfe, 1 } };
    const uint8_t *row = rows[below(g, 7)];
    unsigned size = row[0] & 1 ? any_size(g) : 1;
    if (one_in(g, 2)) {
        WITH_MEMORY(g, size, true, row[1], row[0]);
    } else if (size > 1) {
        operand(g, size);
        BYTES(g, row[0], (uint8_t)(0xc0 | row[1] << 3 | any_reg(g)));
    }
}

static void multiply_or_shift(struct gen *g)
{
    unsigned size = any_size(g);
    switch (below(g, 4)) {
    case 0: /* mul, imul, div, idiv */
        operand(g, size);
        BYTES(g, 0xf7, (uint8_t)(0xe0 | below(g, 4) << 3 | any_reg(g)));
        break;
    case 1:
        operand(g, size);
        BYTES(g, (uint8_t)(one_in(g, 2) ? 0xd3 : 0xd1), (uint8_t)(0xc0 | below(g, 8) << 3 | any_reg(g)));
        break;
    case 2:
        WITH_MEMORY(g, size, false, 4 | below(g, 4), 0xf7);
        break;
    default:
        WITH_MEMORY(g, size, true, below(g, 2) ? 4 : 7, 0xc1);
        byte(g, below(g, 32));
        break;
    }
    compare(g);
}

static void move(struct gen *g)
{
    enum reg r = any_reg(g);
    unsigned size = any_size(g);
    switch (below(g, 12)) {
    case 0:
    case 1:
        mov_imm(g, r, size, any_value(g));
        break;
    case 2:
        WITH_MEMORY(g, size, false, r, 0x8b);
        break;
    case 3:
        WITH_MEMORY(g, size, true, r, 0x89);
        break;
    case 4:
        WITH_MEMORY(g, 1, false, below(g, 8), 0x8a);
        break;
    case 5:
        WITH_MEMORY(g, 1, true, below(g, 8), 0x88);
        break;
    case 6:
        WITH_MEMORY(g, size, false, r, 0x0f, (uint8_t)(0xb6 | below(g, 2) | below(g, 2) << 3));
        break;
    case 7:
        WITH_MEMORY(g, size, false, r, 0x0f, (uint8_t)(0x40 | below(g, 16)));
        break;
    case 8:
        WITH_MEMORY(g, 1, true, 0, 0x0f, (uint8_t)(0x90 | below(g, 16)));
        break;
    case 9:
        WITH_MEMORY(g, size, true, 0, 0xc7);
        immediate(g, size, any_value(g));
        break;
    case 10: /* moffs */
        segment(g, true);
        operand(g, size);
        address(g, 2);
        byte(g, 0xa0 | below(g, 4));
        word(g, any_value(g));
        break;
    default:
        WITH_MEMORY(g, size, false, r, 0x8d);
        break;
    }
}

static void exchange(struct gen *g)
{
    enum reg r = any_reg(g);
    unsigned size = any_size(g);
    switch (below(g, 6)) {
    case 0:
        WITH_MEMORY(g, size, true, r, 0x87);
        break;
    case 1:
        WITH_MEMORY(g, size, true, r, 0x0f, 0xc1);
        break;
    case 2:
        WITH_MEMORY(g, size, true, r, 0x0f, 0xb1);
        break;
    case 3:
        WITH_MEMORY(g, 1, true, below(g, 8), 0x86);
        break;
    case 4:
        WITH_MEMORY(g, size, true, r, 0x0f, (uint8_t)(0xa3 | below(g, 2) << 3)); /* bt, bts by register */
        compare(g);
        break;
    default:
        WITH_MEMORY(g, size, true, 4 | below(g, 4), 0x0f, 0xba);
        byte(g, below(g, 32));
        compare(g);
        break;
    }
}

static void flags(struct gen *g)
{
    static const uint8_t ops[] = { 0xf5, 0xf8, 0xf9, 0x9f, 0x9e, 0x98, 0x99, 0xfa, 0xfb, 0xfc, 0x90, 0xd7 };
    if (one_in(g, 4))
        operand(g, any_size(g));
    byte(g, ops[below(g, sizeof(ops))]);
}

static void push_or_pop(struct gen *g)
{
    unsigned size = any_size(g);
    switch (below(g, 12)) {
    case 0:
        operand(g, size);
        byte(g, 0x50 + below(g, 8));
        break;
    case 1:
        operand(g, size);
        byte(g, 0x68), immediate(g, size, any_value(g));
        break;
    case 2:
        operand(g, size);
        BYTES(g, 0x6a, (uint8_t)below(g, 256));
        break;
    case 3:
        WITH_MEMORY(g, size, false, 6, 0xff);
        break;
    case 4:
        WITH_MEMORY(g, size, true, 0, 0x8f);
        break;
    case 5:
        operand(g, size);
        byte(g, 0x60);
        break;
    case 6:
        operand(g, size);
        byte(g, 0x61);
        break;
    case 7:
        operand(g, size);
        byte(g, 0x9c);
        break;
    case 8: { /* popf: what is arithmetic, IF, and now and then what is not */
        operand(g, size);
        byte(g, 0x68);
        immediate(g, size, (any_value(g) & (one_in(g, 8) ? 0x7ed5 : 0xad5)) | 2);
        operand(g, size);
        byte(g, 0x9d);
        break;
    }
    case 9: { /* push bp; mov bp, sp; ...; leave */
        size = g->stack32 ? 4 : size;
        operand(g, size);
        byte(g, 0x55);
        operand(g, size);
        BYTES(g, 0x89, 0xe5);
        flags(g);
        operand(g, size);
        byte(g, 0xc9);
        break;
    }
    default:
        operand(g, size);
        byte(g, 0x58 + any_reg(g));
        break;
    }
}

static void string(struct gen *g)
{
    static const uint8_t ops[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
    static const uint8_t repeat[] = { 0xf2, 0xf3 };
    bool repeats = one_in(g, 4);
    if (repeats)
        mov_imm(g, ECX, 4, below(g, 40));
    segment(g, false);
    if (repeats)
        byte(g, repeat[below(g, 2)]);
    operand(g, any_size(g));
    address(g, one_in(g, 5) ? 4 : 2);
    byte(g, ops[below(g, sizeof(ops))]);
}

/* ---- Segments ----------------------------------------------------------------------------------------- */

/* les, lds, lfs, lgs from where a pointer was put. */
static void far_pointer(struct gen *g)
{
    unsigned which = below(g, 4), size = any_size(g), at = below(g, 0xfff0);
    for (unsigned i = 0; i < 2; i++) {
        byte(g, 0x36);
        operand(g, 2);
        address(g, 2);
        BYTES(g, 0xc7, 0x06);
        word(g, at + (i ? size : 0));
        word(g, i ? any_selector(g) : any_value(g));
    }
    byte(g, 0x36);
    operand(g, size);
    address(g, 2);
    if (which < 2)
        byte(g, 0xc4 + which);
    else
        BYTES(g, 0x0f, (uint8_t)(0xb2 + which));
    byte(g, (unsigned)any_reg(g) << 3 | 6);
    word(g, at);
}

static void load_segment(struct gen *g)
{
    static const uint8_t pop[][2] = { { 0x1f, 0 }, { 0x07, 0 }, { 0x0f, 0xa1 }, { 0x0f, 0xa9 } };
    static const uint8_t field[] = { 3, 0, 4, 5 };
    unsigned which = below(g, 4), size = any_size(g);
    enum reg r = any_reg(g);
    switch (below(g, 4)) {
    case 0:
        operand(g, size);
        byte(g, 0x68), immediate(g, size, any_selector(g));
        operand(g, size);
        byte(g, pop[which][0]);
        if (pop[which][1])
            byte(g, pop[which][1]);
        break;
    case 1:
        far_pointer(g);
        break;
    default:
        mov_imm(g, r, 2, any_selector(g));
        BYTES(g, 0x8e, (uint8_t)(0xc0 | field[which] << 3 | r));
        break;
    }
}

static void store_segment(struct gen *g)
{
    static const uint8_t push[][2] = { { 0x1e, 0 }, { 0x06, 0 }, { 0x0e, 0 }, { 0x16, 0 }, { 0x0f, 0xa0 } };
    unsigned which = below(g, 5);
    switch (below(g, 3)) {
    case 0:
        operand(g, any_size(g));
        byte(g, push[which][0]);
        if (push[which][1])
            byte(g, push[which][1]);
        break;
    case 1:
        operand(g, any_size(g));
        BYTES(g, 0x8c, (uint8_t)(0xc0 | below(g, 6) << 3 | any_reg(g)));
        break;
    default:
        WITH_MEMORY(g, 2, true, below(g, 6), 0x8c);
        break;
    }
}

/* ---- Control ------------------------------------------------------------------------------------------ */

static void simple(struct gen *g);

/* A forward branch over some instructions. */
static void skip(struct gen *g)
{
    uint32_t field;
    if (one_in(g, 3)) {
        address(g, any_size(g));
        byte(g, 0xe0 + below(g, 4)); /* loopne, loope, loop, jcxz */
    } else {
        byte(g, 0x70 + below(g, 16));
    }
    byte(g, 0);
    field = g->at;
    for (unsigned n = 1 + below(g, 3); n; n--)
        simple(g);
    if (g->at - field < 128)
        g->image[field - 1] = (uint8_t)(g->at - field);
}

/* mov cx, n; what does not change it; loop */
static void loop(struct gen *g)
{
    static const uint8_t body[] = { 0x40, 0x42, 0x43, 0x4e, 0xac, 0xaa };
    mov_imm(g, ECX, 4, 1 + below(g, 6));
    uint32_t start = g->at;
    for (unsigned n = 1 + below(g, 3); n; n--)
        byte(g, body[below(g, sizeof(body))]);
    byte(g, 0xe2);
    byte(g, start - (g->at + 1));
}

static void call(struct gen *g)
{
    const struct function *f;
    if (!g->function_count || g->in_function)
        return;
    f = &g->function[below(g, g->function_count)];
    if (f->far) {
        operand(g, 2);
        byte(g, 0x9a);
        word(g, f->offset);
        word(g, g->code[f->segment]);
    } else if (f->segment == g->now) {
        unsigned size = g->code32 ? 4 : 2;
        if (one_in(g, 3)) {
            mov_imm(g, EAX, size, f->offset);
            BYTES(g, 0xff, 0xd0);
        } else {
            byte(g, 0xe8);
            immediate(g, size, f->offset - (offset_now(g) + size));
        }
    }
}

static void interrupt(struct gen *g)
{
    BYTES(g, 0xcd, (uint8_t)(SERVICE_VECTOR + below(g, 4)));
}

/* An immediate is changed, perhaps that of the next instruction. */
static void patch(struct gen *g)
{
    uint16_t at;
    if (g->mode != SEGMENTED_REAL)
        return;
    BYTES(g, 0x2e, 0xc7, 0x06); /* mov word cs:[at], value */
    at = (uint16_t)(offset_now(g) + 4);
    word(g, at + 1);
    word(g, any_value(g));
    mov_imm(g, EDX, 2, 0);
}

static void simple(struct gen *g)
{
    static void (*const kinds[])(struct gen *) = { arithmetic, arithmetic, one_operand,  multiply_or_shift,
                                                   move,       move,       move,         exchange,
                                                   flags,      string,     load_segment, store_segment };
    kinds[below(g, sizeof(kinds) / sizeof(kinds[0]))](g);
}

static void any(struct gen *g)
{
    switch (below(g, 24)) {
    case 0:
    case 1:
        skip(g);
        break;
    case 2:
        loop(g);
        break;
    case 3:
    case 4:
        call(g);
        break;
    case 5:
        interrupt(g);
        break;
    case 6:
        if (one_in(g, 4))
            patch(g);
        break;
    case 7:
    case 8:
    case 9:
        push_or_pop(g);
        break;
    default:
        simple(g);
        break;
    }
}

/* ---- Functions, blocks, handlers ---------------------------------------------------------------------- */

static void function(struct gen *g)
{
    struct function *f = &g->function[g->function_count];
    unsigned take = one_in(g, 4) ? 2 * below(g, 4) : 0;
    go_to_segment(g, below(g, CODE_SEGMENTS));
    *f = (struct function){ g->now, offset_now(g), one_in(g, 2) };
    g->in_function = true;
    for (unsigned n = below(g, 5); n; n--)
        simple(g);
    g->in_function = false;
    if (f->far)
        operand(g, 2);
    byte(g, (f->far ? 0xca : 0xc2) | !take);
    if (take)
        word(g, take);
    g->function_count++;
}

/* push ds; the place to go on at, in the lowest memory; pop ds */
static void note_resume(struct gen *g, uint32_t *field)
{
    operand(g, 2);
    byte(g, 0x1e);
    operand(g, 2);
    byte(g, 0x68), word(g, g->low);
    operand(g, 2);
    byte(g, 0x1f);
    for (unsigned i = 0; i < 2; i++) {
        operand(g, 2);
        address(g, 2);
        BYTES(g, 0xc7, 0x06);
        word(g, RESUME + 2 * i);
        field[i] = g->at;
        word(g, 0);
    }
    operand(g, 2);
    byte(g, 0x1f);
}

static void stack_pointer(struct gen *g)
{
    static const uint16_t odd[] = { 0, 1, 2, 3, 4, 5, 6, 0xfffe, 0xffff, 0xfffd };
    /* A fault at such a place is mostly the end, and always if the stack does not go round. */
    uint32_t value = one_in(g, g->stack32 ? 60 : 12) ? odd[below(g, 10)] : 0x8000 + below(g, 0x7000);
    if (!one_in(g, 6))
        value &= ~1u;
    mov_imm(g, ESP, g->stack32 ? 4 : any_size(g), value);
}

/* A block, and the way to the next one, which the caller fills in: a far jump's operand. */
static uint32_t block(struct gen *g, uint32_t *resume)
{
    note_resume(g, resume);
    if (one_in(g, 2))
        stack_pointer(g);
    for (unsigned n = 0; n < 2; n++)
        load_segment(g);
    for (unsigned n = 4 + below(g, 12); n; n--)
        any(g);
    operand(g, 2);
    byte(g, 0xea);
    g->at += 4;
    return g->at - 4;
}

static void lead_to(struct gen *g, uint32_t field, unsigned segment, uint16_t offset)
{
    put(g, field, 2, offset);
    put(g, field + 2, 2, g->code[segment]);
}

/* dec word [ROUNDS]; jnz first block; out */
static void end(struct gen *g, unsigned segment, uint16_t offset)
{
    mov_imm(g, EAX, 2, g->low);
    BYTES(g, 0x8e, 0xd8);
    operand(g, 2);
    address(g, 2);
    BYTES(g, 0xff, 0x0e);
    word(g, ROUNDS);
    byte(g, 0x74), byte(g, g->code32 ? 6 : 5);
    operand(g, 2);
    byte(g, 0xea);
    g->at += 4;
    lead_to(g, g->at - 4, segment, offset);
    BYTES(g, 0xe6, SEGMENTED_PORT);
}

static void blocks(struct gen *g)
{
    unsigned first_segment = 0;
    uint16_t first = 0;
    uint32_t field = 0, resume[2] = { 0 };
    for (unsigned i = 0; i <= BLOCKS; i++) {
        go_to_segment(g, below(g, CODE_SEGMENTS));
        if (i == 0) {
            first_segment = g->now;
            first = offset_now(g);
        } else {
            lead_to(g, field, g->now, offset_now(g));
            put(g, resume[0], 2, offset_now(g));
            put(g, resume[1], 2, g->code[g->now]);
        }
        if (i < BLOCKS)
            field = block(g, resume);
    }
    end(g, first_segment, first);
    put(g, RESUME, 2, first);
    put(g, RESUME + 2, 2, g->code[first_segment]);
}

/* 16-bit code, in every mode. */
static void handlers(struct gen *g)
{
    for (unsigned n = 0; n < SERVICE_VECTOR; n++) {
        g->at = HANDLERS + n * ENTRY_SIZE;
        BYTES(g, 0x6a, (uint8_t)n, 0xe9);
        word(g, COMMON - (n * ENTRY_SIZE + 5));
    }
    g->at = HANDLERS + COMMON;
    BYTES(g, 0x66, 0x60, 0x1e, 0x06, 0x0f, 0xa0, 0x0f, 0xa8, 0xfc, 0xb8); /* pushad; push ...; cld; mov ax */
    word(g, g->low);
    BYTES(g, 0x8e, 0xd8, 0xb8);
    word(g, g->log);
    BYTES(g, 0x8e, 0xc0, 0x89, 0xe6, 0x8b, 0x3e); /* mov si, sp; mov di, [LOG_AT] */
    word(g, LOG_AT);
    BYTES(g, 0xb9, RECORD_WORDS, 0, 0x36, 0xad, 0xab, 0xe2, 0xfb, 0x89, 0x3e); /* ss lodsw; stosw; loop */
    word(g, LOG_AT);
    BYTES(g, 0x66, 0x0f, 0xb2, 0x26); /* lss esp */
    word(g, STACK_AT);
    BYTES(g, 0xff, 0x2e); /* jmp far */
    word(g, RESUME);
    g->at = HANDLERS + SERVICE;
    BYTES(g, 0x50, 0x8c, 0xc8, 0x58, 0xcf); /* push ax; mov ax, cs; pop ax; iret */
}

/* Of pages at CPL 3: data is now and then not there, or not to be written, or the kernel's. */
static void page_table(struct gen *g)
{
    put(g, SEGMENTED_DIRECTORY, 4, TABLE | 7);
    for (uint32_t page = 0; page < 256; page++) {
        bool data = page >= DATA >> 12 && page < STACK >> 12, code = page >= 0x20 && page < DATA >> 12;
        bool kernels = (page > 0 && page < 0x20) || page >= LOG >> 12;
        uint32_t bits = kernels ? 3 : code ? 5 : 7;
        if (data && one_in(g, 10))
            bits &= ~(1u << below(g, 3));
        put(g, TABLE + page * 4, 4, page << 12 | bits);
    }
}

static uint16_t handler_offset(unsigned vector)
{
    return vector < SERVICE_VECTOR ? (uint16_t)(vector * ENTRY_SIZE) : SERVICE;
}

/* 32-bit, flat, at CPL 0: for programs at CPL 3. */
static void kernel(struct gen *g)
{
    bool v86 = g->mode == SEGMENTED_V86;
    for (unsigned n = 0; n < SERVICE_VECTOR; n++) {
        g->at = KERNEL + n * ENTRY_SIZE;
        BYTES(g, 0x6a, (uint8_t)n, 0xe9);
        dword(g, COMMON - (n * ENTRY_SIZE + 7));
    }
    g->at = KERNEL_COMMON;
    BYTES(g, 0x60, 0x89, 0xe6, 0xfc, 0xb8); /* pushad; mov esi, esp; cld; mov eax */
    dword(g, SEL_KERNEL_DATA);
    BYTES(g, 0x8e, 0xd8, 0x8e, 0xc0, 0x0f, 0xb7, 0x3d); /* mov ds, es; movzx edi, word [LOG_AT] */
    dword(g, LOG_AT);
    BYTES(g, 0x81, 0xc7); /* add edi */
    dword(g, LOG);
    BYTES(g, 0xb9); /* mov ecx */
    dword(g, 20);
    BYTES(g, 0xf3, 0xa5, 0x0f, 0x20, 0xd0, 0xab, 0x66, 0x89,
          0x3d); /* rep movsd; mov eax, cr2; stosd; mov [] */
    dword(g, LOG_AT);
    byte(g, 0xe9);
    dword(g, KERNEL_START + 7 - (g->at + 4));
    g->at = KERNEL_START + 7;
    BYTES(g, 0xbc); /* mov esp */
    dword(g, KERNEL_STACK);
    for (unsigned i = 0; v86 && i < 4; i++)
        BYTES(g, 0x6a, 0);
    BYTES(g, 0x68);
    dword(g, g->stack);
    BYTES(g, 0x68);
    dword(g, SEGMENTED_STACK);
    BYTES(g, 0x68);
    dword(g, USER_FLAGS | (v86 ? VM : 0) | (one_in(g, 3) ? 0 : IOPL_3));
    BYTES(g, 0x0f, 0xb7, 0x05); /* movzx eax, word [RESUME + 2]; push eax; the same of RESUME; iretd */
    dword(g, RESUME + 2);
    BYTES(g, 0x50, 0x0f, 0xb7, 0x05);
    dword(g, RESUME);
    BYTES(g, 0x50, 0xcf);
    g->at = KERNEL_START;
    BYTES(g, 0x66, 0xb8, SEL_TSS, 0, 0x0f, 0x00, 0xd8); /* mov ax; ltr ax */
    g->image[KERNEL_SERVICE] = 0xcf;
}

/* ---- Tables ------------------------------------------------------------------------------------------- */

static void descriptor(struct gen *g, uint16_t selector, uint32_t base, uint32_t limit, uint32_t attr)
{
    if (limit > 0xfffff) {
        limit >>= 12;
        attr |= ATTR_PAGES;
    }
    put(g, SEGMENTED_GDT + selector, 8,
        (uint64_t)(limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xff) << 40 |
            (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(attr >> 12 & 0xf) << 52 |
            (uint64_t)(base >> 24) << 56);
}

static void real_tables(struct gen *g)
{
    g->low = 0;
    g->log = LOG >> 4;
    g->stack = STACK >> 4;
    g->handler = HANDLERS >> 4;
    for (unsigned i = 0; i < CODE_SEGMENTS; i++)
        g->code[i] = (uint16_t)(code_base[i] >> 4);
    for (unsigned i = 0; i < DATA_SEGMENTS; i++)
        g->data[i] = (uint16_t)((DATA >> 4) + below(g, 0x3000));
    for (unsigned vector = 0; g->mode == SEGMENTED_REAL && vector < 0x40; vector++)
        put(g, vector * 4, 4, (uint32_t)g->handler << 16 | handler_offset(vector));
}

static uint32_t any_limit(struct gen *g)
{
    if (g->mode == SEGMENTED_CODE32 && one_in(g, 3))
        return 0x1ffff;
    return one_in(g, 3) ? below(g, 0x10000) : 0xffff;
}

static void user_tables(struct gen *g)
{
    descriptor(g, SEL_KERNEL, 0, UINT32_MAX, ATTR_CODE | ATTR_32);
    descriptor(g, SEL_KERNEL_DATA, 0, UINT32_MAX, ATTR_DATA | ATTR_32);
    descriptor(g, SEL_TSS, TSS, TSS_LIMIT, 0x89);
    put(g, TSS + 4, 4, KERNEL_STACK);
    put(g, TSS + 8, 2, SEL_KERNEL_DATA);
    put(g, TSS + 0x66, 2, TSS_MAP);
    for (unsigned vector = 0; vector < 0x40; vector++)
        put(g, SEGMENTED_IDT + vector * 8, 8,
            (uint64_t)(handler_offset(vector) + KERNEL) | SEL_KERNEL << 16 | UINT64_C(0xee) << 40);
    page_table(g);
}

/* In protected mode. */
static uint16_t selector(const struct gen *g, unsigned index)
{
    return (uint16_t)(index | (g->user ? 3 : 0));
}

static void protected_tables(struct gen *g)
{
    unsigned attr = g->user ? 0x60 : 0; /* DPL */
    g->low = selector(g, SEL_LOW);
    g->log = selector(g, SEL_LOG);
    g->stack = selector(g, SEL_STACK);
    g->handler = SEL_HANDLER;
    descriptor(g, SEL_LOW, 0, 0xffff, ATTR_DATA | attr);
    descriptor(g, SEL_LOG, LOG, 0xffff, ATTR_DATA | attr);
    descriptor(g, SEL_STACK, STACK, 0xffff, ATTR_DATA | attr | (g->stack32 ? ATTR_32 : 0));
    descriptor(g, SEL_HANDLER, HANDLERS, 0xffff, ATTR_CODE);
    for (unsigned i = 0; i < CODE_SEGMENTS; i++) {
        g->code[i] = selector(g, SEL_CODE + 8 * i);
        descriptor(g, SEL_CODE + 8 * i, code_base[i], one_in(g, 2) ? 0xffff : 0x9fff,
                   ATTR_CODE | attr | (g->code32 ? ATTR_32 : 0));
    }
    for (unsigned i = 0; i < DATA_SEGMENTS; i++) {
        g->data[i] = selector(g, SEL_DATA + 8 * i);
        descriptor(g, SEL_DATA + 8 * i, DATA + below(g, 0x20000), any_limit(g),
                   attr | (one_in(g, 8) ? ATTR_READ_ONLY : ATTR_DATA));
    }
    if (one_in(g, 4))
        g->data[0] = 0;
    for (unsigned vector = 0; vector < 0x40; vector++)
        put(g, SEGMENTED_IDT + vector * 8, 8,
            (uint64_t)handler_offset(vector) | (uint64_t)g->handler << 16 | UINT64_C(0xe6) << 40);
}

static struct segmented_segment segment_of(const struct gen *g, uint16_t selector, uint32_t base, bool code)
{
    bool wide = g->mode != SEGMENTED_REAL && (code ? g->code32 : g->stack32);
    return (struct segmented_segment){ .selector = selector,
                                       .base = base,
                                       .limit = 0xffff,
                                       .attr = (uint16_t)((code ? ATTR_CODE : ATTR_DATA) |
                                                          (wide ? ATTR_32 : 0)) };
}

static struct segmented_program start_of_kernel(const struct gen *g)
{
    const struct segmented_segment data = { SEL_KERNEL_DATA, 0, UINT32_MAX,
                                            ATTR_DATA | ATTR_32 | ATTR_PAGES };
    struct segmented_segment code = data;
    code.selector = SEL_KERNEL;
    code.attr = ATTR_CODE | ATTR_32 | ATTR_PAGES;
    return (struct segmented_program){ .mode = g->mode,
                                       .cs = code,
                                       .ss = data,
                                       .data = data,
                                       .gdt_size = GDT_SIZE,
                                       .eip = KERNEL_START,
                                       .esp = KERNEL_STACK,
                                       .paging = true };
}

struct segmented_program segmented_make(uint8_t image[SEGMENTED_RAM], uint64_t seed)
{
    struct gen g = { .image = image, .rng = { seed }, .mode = (enum segmented_mode)(seed % SEGMENTED_MODES) };
    uint16_t resume_selector, resume_offset;
    unsigned first = 0;
    memset(image, 0, SEGMENTED_RAM);
    for (uint32_t at = DATA; at < DATA + 0x50000; at += 4)
        put(&g, at, 4, rng_u32(&g.rng));
    g.code32 = g.mode == SEGMENTED_CODE32;
    g.stack32 = g.code32 || (g.mode == SEGMENTED_CODE16 && one_in(&g, 4));
    g.paragraphs = g.mode == SEGMENTED_REAL || g.mode == SEGMENTED_V86;
    g.user = g.mode == SEGMENTED_V86 || g.mode == SEGMENTED_USER16;
    for (unsigned i = 0; i < CODE_SEGMENTS; i++)
        g.next[i] = code_base[i];
    g.at = g.next[0];
    if (g.paragraphs)
        real_tables(&g);
    else
        protected_tables(&g);
    if (g.user)
        user_tables(&g);
    while (g.function_count < FUNCTIONS)
        function(&g);
    blocks(&g);
    handlers(&g);
    if (g.user)
        kernel(&g);
    put(&g, ROUNDS, 2, 2 + below(&g, 6));
    put(&g, STACK_AT, 4, SEGMENTED_STACK);
    put(&g, STACK_AT + 4, 2, g.stack);
    memcpy(&resume_offset, image + RESUME, 2);
    memcpy(&resume_selector, image + RESUME + 2, 2);
    if (g.user)
        return start_of_kernel(&g);
    while (g.code[first] != resume_selector)
        first++;
    return (struct segmented_program){ .mode = g.mode,
                                       .cs = segment_of(&g, resume_selector, code_base[first], true),
                                       .ss = segment_of(&g, g.stack, STACK, false),
                                       .data = segment_of(&g, g.low, 0, false),
                                       .gdt_size = GDT_SIZE,
                                       .eip = resume_offset,
                                       .esp = SEGMENTED_STACK };
}
