/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See kernel_gen.h. Instructions are put together from their encodings (SDM 2, "Instruction Format"). Where
 * one leaves flags undefined, a comparison follows: what a processor and an interpreter make of those may
 * differ.
 */
#include "kernel_gen.h"

#include <string.h>

enum {
    SAFE = KERNEL_SAFE,         /* linear: the first 32 pages of memory again, where nothing strays ... */
    RESUME = SAFE + 0x3000,     /* where a fault goes on */
    ROUNDS = SAFE + 0x3004,     /* still to come */
    LOG_AT = SAFE + 0x3008,     /* where the next fault's record goes */
    IRQ_LOG_AT = SAFE + 0x300c, /* ... and the next interrupt's, less KERNEL_IRQ_LOG */
    IRQ_HANDLER = SAFE + 0x4500,
    HANDLERS = SAFE + 0x4000, /* 16 bytes for each vector */
    COMMON = SAFE + 0x4400,
    SECOND_GDT = KERNEL_GDT + 0x100, /* physical, as KERNEL_GDT */
    GDT_POINTERS = KERNEL_GDT + 0x200,
    TEST_TABLE = SAFE + KERNEL_TABLE + 4096,
    /* Another address space, which has pages of its own at LINEAR. */
    OTHER_DIRECTORY = KERNEL_DIRECTORY ^ 0x3000,
    OTHER_TABLE = OTHER_DIRECTORY + 4096,
    OTHER_TEST_TABLE = SAFE + OTHER_TABLE,
    CODE_AGAIN = 0x600000, /* ... and the pages of code, which are read-only where they run */
    CODE = KERNEL_ENTRY,
    CODE_END = 0x40000,
    DATA = 0x40000,    /* flat, 64 KiB */
    FRAMES = 0x100000, /* data frames that pages lead to */
    FRAME_COUNT = 16,
    CODE_FRAMES = 0x120000, /* frames with functions, alike but for a number */
    CODE_FRAME_COUNT = 4,
    LINEAR = 0x400000, /* pages: of code ... */
    CODE_PAGES = 4,
    DATA_PAGES = 24, /* ... and of data behind them */
    BLOCKS = 60,
    FUNCTIONS = 12,
    SITES = 256,
    DEVICE = 0x2000000,
};

enum reg { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

struct gen {
    uint8_t *image;
    struct rng rng;
    uint32_t at;                  /* where the next byte goes */
    uint32_t function[FUNCTIONS]; /* what there is to call so far */
    unsigned function_count;
    uint32_t site[SITES]; /* operands of MOV r32, imm32 */
    unsigned site_count;
    uint32_t skip; /* field of a forward branch that has no target yet, or 0 */
    bool in_function;
};

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

static void put32(struct gen *g, uint32_t at, uint32_t value)
{
    memcpy(g->image + at, &value, 4);
}

static void bytes(struct gen *g, const uint8_t *from, size_t size)
{
    memcpy(g->image + g->at, from, size);
    g->at += (uint32_t)size;
}

#define BYTES(g, ...) bytes((g), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ---- Operands ----------------------------------------------------------------------------------------- */

/* Any register but ESP. */
static enum reg any_reg(struct gen *g)
{
    enum reg r = (enum reg)below(g, 7);
    return r >= ESP ? r + 1 : r;
}

static uint32_t any_value(struct gen *g)
{
    static const uint32_t odd[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0x80000000, ~0u };
    return one_in(g, 2) ? rng_u32(&g->rng) : odd[below(g, sizeof(odd) / sizeof(odd[0]))];
}

static void mov_imm(struct gen *g, enum reg r, uint32_t value)
{
    byte(g, 0xb8 + r);
    if (g->site_count < SITES)
        g->site[g->site_count++] = g->at;
    dword(g, value);
}

/* The same as what nobody writes over: an address. */
static void mov_address(struct gen *g, enum reg r, uint32_t value)
{
    byte(g, 0xb8 + r);
    dword(g, value);
}

static uint32_t any_address(struct gen *g)
{
    uint32_t page = LINEAR + (CODE_PAGES + below(g, DATA_PAGES)) * 4096;
    switch (below(g, 16)) {
    case 0:
        return page + 4096 - 1 - below(g, 8); /* perhaps over its end */
    case 1:
        return DEVICE + below(g, 4096);
    case 2:
        return 0u - 1 - below(g, 8);
    case 3:
        return rng_u32(&g->rng) | 0x1000000;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        return page + below(g, 4090);
    default:
        return DATA + below(g, 0xff00);
    }
}

/* ModRM of register field `reg` and memory: [base + disp], [base + index * n + disp], [disp] or by ESP. */
static void memory(struct gen *g, unsigned reg, enum reg base, uint32_t disp)
{
    if (one_in(g, 4)) {
        byte(g, 0x84 | reg << 3);
        byte(g, below(g, 4) << 6 | 4 << 3 | base); /* an SIB byte without an index */
    } else {
        byte(g, 0x80 | reg << 3 | base);
    }
    dword(g, disp);
}

/* Perhaps a segment override, which may be of a segment that is none. */
static void segment(struct gen *g)
{
    static const uint8_t prefix[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    if (one_in(g, 5))
        byte(g, prefix[below(g, sizeof(prefix))]);
}

/* An instruction with a memory operand: first the base is made to lead somewhere, mostly. */
static void with_memory(struct gen *g, const uint8_t *opcode, size_t size, unsigned reg)
{
    enum reg base = any_reg(g);
    uint32_t disp = below(g, 64);
    if (base == reg && one_in(g, 2))
        base = EBX;
    if (!one_in(g, 6))
        mov_address(g, base, any_address(g) - disp);
    segment(g);
    bytes(g, opcode, size);
    memory(g, reg, base, disp);
}

#define WITH_MEMORY(g, reg, ...)                                                                             \
    with_memory((g), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), (reg))

/* cmp r, r: all six flags are defined again */
static void compare(struct gen *g)
{
    byte(g, 0x39);
    byte(g, 0xc0 | any_reg(g) << 3 | any_reg(g));
}

/* ---- Instructions -----------------------------------------------------------------------------------------
 */

static void arithmetic(struct gen *g)
{
    unsigned op = below(g, 8) << 3;
    bool logic = op == 0x08 || op == 0x20 || op == 0x30; /* AF is undefined */
    switch (below(g, 4)) {
    case 0:
        byte(g, op | 1);
        byte(g, 0xc0 | any_reg(g) << 3 | any_reg(g));
        break;
    case 1:
        byte(g, 0x81);
        byte(g, 0xc0 | op | any_reg(g));
        dword(g, any_value(g));
        break;
    case 2: {
        enum reg r = any_reg(g);
        WITH_MEMORY(g, r, (uint8_t)(op | (one_in(g, 2) ? 3 : 1)));
        break;
    }
    default: {
        /* on 8 bits; AH to DH too, but not ESP's neighbours by name */
        unsigned r = below(g, 8);
        WITH_MEMORY(g, r, (uint8_t)(op | (one_in(g, 2) ? 2 : 0)));
        break;
    }
    }
    if (logic)
        compare(g);
}

static void one_operand(struct gen *g)
{
    static const uint8_t rows[][2] = { { 0xff, 0 }, { 0xff, 1 }, { 0xf7, 2 }, { 0xf7, 3 },
                                       { 0xfe, 0 }, { 0xf6, 3 }, { 0xf6, 2 } };
    const uint8_t *row = rows[below(g, 7)];
    if (one_in(g, 2))
        WITH_MEMORY(g, row[1], row[0]);
    else if (row[0] & 1)
        byte(g, row[0]), byte(g, 0xc0 | row[1] << 3 | any_reg(g));
}

static void multiply_or_shift(struct gen *g)
{
    switch (below(g, 5)) {
    case 0: /* mul, imul, div, idiv */
        byte(g, 0xf7);
        byte(g, 0xe0 | below(g, 4) << 3 | any_reg(g));
        break;
    case 1:
        byte(g, 0x69); /* imul r, r, imm */
        byte(g, 0xc0 | any_reg(g) << 3 | any_reg(g));
        dword(g, any_value(g));
        break;
    case 2:
        byte(g, one_in(g, 2) ? 0xd3 : 0xd1);
        byte(g, 0xc0 | below(g, 8) << 3 | any_reg(g));
        break;
    case 3:
        WITH_MEMORY(g, 4 | below(g, 4), 0xf7);
        break;
    default:
        WITH_MEMORY(g, below(g, 2) ? 4 : 7, 0xc1);
        byte(g, below(g, 32));
        break;
    }
    compare(g);
}

static void move(struct gen *g)
{
    enum reg r = any_reg(g);
    switch (below(g, 8)) {
    case 0:
    case 1:
        mov_imm(g, r, any_value(g));
        break;
    case 2:
        WITH_MEMORY(g, one_in(g, 4) ? below(g, 8) : r, (uint8_t)(0x8a | below(g, 2)));
        break;
    case 3:
        WITH_MEMORY(g, r, 0x89);
        break;
    case 4:
        WITH_MEMORY(g, r, 0x0f, (uint8_t)(0xb6 | below(g, 2) | below(g, 2) << 3)); /* movzx, movsx */
        break;
    case 5:
        WITH_MEMORY(g, r, 0x0f, (uint8_t)(0x40 | below(g, 16))); /* cmov */
        break;
    case 6:
        WITH_MEMORY(g, 0, 0x0f, (uint8_t)(0x90 | below(g, 16))); /* setcc */
        break;
    default:
        WITH_MEMORY(g, 0, 0xc7);
        dword(g, any_value(g));
        break;
    }
}

static void exchange(struct gen *g)
{
    enum reg r = any_reg(g);
    switch (below(g, 5)) {
    case 0:
        WITH_MEMORY(g, r, 0x87);
        break;
    case 1:
        WITH_MEMORY(g, r, 0x0f, 0xc1);
        break;
    case 2:
        WITH_MEMORY(g, r, 0x0f, 0xb1);
        break;
    case 3:
        WITH_MEMORY(g, 1, 0x0f, 0xc7);
        break;
    default: /* bt, bts, btr, btc with a number: CF alone is defined, OF, SF, AF, PF are not */
        WITH_MEMORY(g, 4 | below(g, 4), 0x0f, 0xba);
        byte(g, below(g, 32));
        compare(g);
        break;
    }
}

static void flags(struct gen *g)
{
    static const uint8_t ops[] = { 0xf5, 0xf8, 0xf9, 0x9f, 0x9e, 0x98, 0x99, 0xfa, 0xfb, 0xfc, 0x90 };
    byte(g, ops[below(g, sizeof(ops))]);
}

static void push(struct gen *g)
{
    switch (below(g, 5)) {
    case 0:
        byte(g, 0x50 + any_reg(g));
        break;
    case 1:
        byte(g, 0x68), dword(g, any_value(g));
        break;
    case 2:
        WITH_MEMORY(g, 6, 0xff);
        break;
    case 3:
        BYTES(g, 0xff, 0x74, 0x24); /* push [esp + n] */
        byte(g, below(g, 32) * 4);
        break;
    default:
        byte(g, 0x9c); /* pushf */
        break;
    }
}

static void pop(struct gen *g)
{
    switch (below(g, 3)) {
    case 0:
        byte(g, 0x58 + any_reg(g));
        break;
    case 1:
        WITH_MEMORY(g, 0, 0x8f);
        break;
    default:
        BYTES(g, 0x8d, 0x64, 0x24, 0x04); /* lea esp, [esp + 4] */
        break;
    }
}

/* A function leaves the stack as it was, unless it faults: where it would return to else, nobody knows. */
static void stack(struct gen *g)
{
    switch (below(g, 8)) {
    case 0:
        push(g);
        if (g->in_function)
            pop(g);
        break;
    case 1:
        if (g->in_function)
            push(g);
        pop(g);
        break;
    case 2:
        push(g);
        flags(g);
        pop(g);
        break;
    case 3: /* popf of anything but VM, DF and IF; TF now and then */
        byte(g, 0x68);
        dword(g, (rng_u32(&g->rng) & 0x2448d5) | (one_in(g, 12) ? 0x100 : 0) | 2);
        byte(g, 0x9d);
        break;
    case 4:
        BYTES(g, 0x60, 0x61); /* pusha; popa */
        break;
    case 5: /* AL to BH: loaded, or stored */
        byte(g, one_in(g, 4) ? 0x88 : 0x8a);
        byte(g, 0x44 | below(g, 8) << 3), byte(g, 0x24), byte(g, below(g, 32) * 4);
        break;
    case 6:
        BYTES(g, 0x8b, 0x44, 0x24); /* mov eax, [esp + n] */
        byte(g, below(g, 32) * 4);
        break;
    default:
        BYTES(g, 0x55, 0x89, 0xe5, 0x83, 0xec, 0x18, 0xc9); /* push ebp; mov ebp, esp; sub esp, 18h; leave */
        break;
    }
}

static void string(struct gen *g)
{
    static const uint8_t ops[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xa6, 0xa7 };
    /* Over 4 GiB a string may or may not fault, in either order. */
    if (!one_in(g, 5))
        mov_address(g, ESI, any_address(g) & 0x7fffffff);
    mov_address(g, EDI, any_address(g) & 0x7fffffff);
    if (one_in(g, 8))
        byte(g, 0xfd); /* std */
    mov_address(g, ECX, below(g, 40));
    if (one_in(g, 6))
        segment(g);
    if (!one_in(g, 3))
        byte(g, 0xf2 | below(g, 2));
    byte(g, ops[below(g, sizeof(ops))]);
    if (!one_in(g, 8))
        byte(g, 0xfc); /* cld */
}

/* ---- Branches
 * ------------------------------------------------------------------------------------------------- */

/* The branch that waits for it leads here. */
static void land(struct gen *g)
{
    if (g->skip)
        put32(g, g->skip, g->at - (g->skip + 4));
    g->skip = 0;
}

static void branch(struct gen *g)
{
    if (g->skip)
        land(g);
    switch (below(g, 7)) {
    case 0:
    case 1:
    case 2:
        byte(g, 0x0f), byte(g, 0x80 | below(g, 16)); /* jcc */
        g->skip = g->at;
        dword(g, 0);
        break;
    case 3:
        byte(g, 0xe9);
        g->skip = g->at;
        dword(g, 0);
        break;
    case 4: /* a loop of a few instructions that do not touch its counter */
        mov_address(g, ECX, 1 + below(g, 9));
        BYTES(g, 0x83, 0xd0, 0x03, 0x11, 0xc2, 0xe2, (uint8_t)-7); /* adc eax, 3; adc edx, eax; loop */
        break;
    case 5: /* push of an address, and ret to it */
        byte(g, 0x68), dword(g, g->at + 5), byte(g, 0xc3);
        break;
    default: { /* jmp r */
        enum reg r = any_reg(g);
        mov_address(g, r, g->at + 7);
        byte(g, 0xff), byte(g, 0xe0 | r);
        break;
    }
    }
}

static void call(struct gen *g)
{
    enum reg r = any_reg(g);
    if (one_in(g, 4)) { /* one in a page that comes and goes */
        mov_address(g, r, LINEAR + below(g, CODE_PAGES) * 4096 + below(g, 8) * 64);
        byte(g, 0xff), byte(g, 0xd0 | r);
    } else if (!g->function_count) {
        flags(g);
    } else if (one_in(g, 3)) {
        mov_address(g, r, g->function[below(g, g->function_count)]);
        byte(g, 0xff), byte(g, 0xd0 | r);
    } else {
        byte(g, 0xe8), dword(g, g->function[below(g, g->function_count)] - (g->at + 4));
    }
}

/* ---- The system's
 * ------------------------------------------------------------------------------------------------- */

static uint32_t any_entry(struct gen *g, bool code)
{
    static const uint32_t rights[] = { 0, 1, 3, 3, 3, 5, 7, 0x21, 0x23, 0x63, 0x103, 0x163 };
    uint32_t frame =
        code ? CODE_FRAMES + below(g, CODE_FRAME_COUNT) * 4096 : FRAMES + below(g, FRAME_COUNT) * 4096;
    return frame | rights[below(g, sizeof(rights) / sizeof(rights[0]))];
}

static void flush(struct gen *g, uint32_t la)
{
    switch (below(g, 4)) {
    case 0:
        BYTES(g, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8); /* mov eax, cr3; mov cr3, eax */
        break;
    case 1: /* the other one: mov eax, cr3; xor eax, 3000h; mov cr3, eax */
        BYTES(g, 0x0f, 0x20, 0xd8, 0x35, 0x00, 0x30, 0x00, 0x00, 0x0f, 0x22, 0xd8);
        compare(g);
        break;
    case 2:
        BYTES(g, 0x36, 0x0f, 0x01, 0x3d); /* invlpg ss:[la] */
        dword(g, la + below(g, 4096));
        break;
    default: /* CR4.PGE, there and back */
        BYTES(g, 0x0f, 0x20, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0);
        compare(g);
        break;
    }
}

static void remap(struct gen *g)
{
    bool code = one_in(g, 3);
    unsigned page = code ? below(g, CODE_PAGES) : CODE_PAGES + below(g, DATA_PAGES);
    uint32_t entry = TEST_TABLE + page * 4;
    if (one_in(g, 3))
        entry += OTHER_TEST_TABLE - TEST_TABLE;
    if (one_in(g, 3)) {
        BYTES(g, 0x36, 0x80, 0x25); /* and byte ss:[entry], ~bits: A, D, W, P */
        dword(g, entry);
        byte(g, ~(1u << (const uint8_t[]){ 0, 1, 5, 6 }[below(g, 4)]));
        compare(g);
    } else {
        BYTES(g, 0x36, 0xc7, 0x05);
        dword(g, entry);
        dword(g, any_entry(g, code));
    }
    /* A global page survives a load of CR3. */
    if (one_in(g, 2)) {
        BYTES(g, 0x36, 0x0f, 0x01, 0x3d);
        dword(g, LINEAR + page * 4096 + below(g, 4096));
    } else {
        flush(g, LINEAR + page * 4096);
    }
}

/* Into ES, DS, FS or GS, from EAX, from memory, or from the stack. */
static void load_segment(struct gen *g, unsigned selector)
{
    static const uint8_t sregs[] = { 0, 3, 4, 5, 4, 4 };
    unsigned sreg = sregs[below(g, sizeof(sregs))];
    uint32_t high = one_in(g, 4) ? any_value(g) & 0xffff0000 : 0; /* of no meaning */
    switch (below(g, 3)) {
    case 0:
        mov_address(g, EAX, high | selector);
        byte(g, 0x8e), byte(g, 0xc0 | sreg << 3);
        break;
    case 1:
        byte(g, 0x68), dword(g, high | selector);
        BYTES(g, 0x8e, 0x04 | (uint8_t)(sreg << 3), 0x24); /* mov sreg, [esp] */
        BYTES(g, 0x8d, 0x64, 0x24, 0x04);                  /* lea esp, [esp + 4] */
        break;
    default:
        byte(g, 0x68), dword(g, high | selector);
        if (sreg >= 4)
            byte(g, 0x0f), byte(g, 0xa1 | (sreg - 4) << 3);
        else
            byte(g, 0x07 | sreg << 3);
        break;
    }
}

static void segments(struct gen *g)
{
    static const uint8_t selectors[] = { 0,    0x10, 0x10, 0x10, 0x18, 0x18, 0x20, 0x28, 0x28,
                                         0x30, 0x38, 0x8,  0x40, 0x13, 0x1b, 3,    0x14, 0x2b };
    load_segment(g, selectors[below(g, sizeof(selectors))]);
    if (one_in(g, 2)) { /* and flat again, a little later */
        flags(g);
        mov_address(g, EDX, KERNEL_DATA);
        byte(g, 0x8e), byte(g, 0xc2 | (const uint8_t[]){ 0, 3, 4, 5 }[below(g, 4)] << 3);
    }
}

/* Another descriptor for 18h to 38h, in either table; one half of it only, now and then. */
static void rewrite_descriptor(struct gen *g)
{
    static const uint32_t high[] = { 0x00cf9300, 0x00cf9300, 0x00cf9200, 0x00cf9000, 0x00cf1300,
                                     0x00cff300, 0x00cf9b00, 0x00cf9900, 0x00cf9f00, 0x00408b00,
                                     0x00409304, 0x00cf9304, 0x004f9300, 0x00cf9700 };
    static const uint32_t low[] = { 0x0000ffff, 0x0000ffff, 0x00000fff, 0x0010ffff };
    uint32_t at = SAFE + (one_in(g, 3) ? SECOND_GDT : KERNEL_GDT) + 0x18 + below(g, 5) * 8;
    if (!one_in(g, 4)) {
        BYTES(g, 0x36, 0xc7, 0x05), dword(g, at + 4); /* mov dword ss:[], imm */
        dword(g, high[below(g, sizeof(high) / 4)]);
    }
    if (one_in(g, 3)) {
        BYTES(g, 0x36, 0xc7, 0x05), dword(g, at);
        dword(g, low[below(g, sizeof(low) / 4)]);
    }
}

static void descriptors(struct gen *g)
{
    if (one_in(g, 6)) {
        BYTES(g, 0x36, 0x0f, 0x01, 0x15); /* lgdt ss:[] */
        dword(g, SAFE + GDT_POINTERS + below(g, 3) * 8);
    } else {
        rewrite_descriptor(g);
    }
    segments(g);
    if (one_in(g, 2)) { /* the same descriptor again: once more the same, or faulting */
        rewrite_descriptor(g);
        segments(g);
    }
}

static void system_code(struct gen *g)
{
    switch (below(g, 10)) {
    case 0:
        BYTES(g, 0x0f, 0xa2); /* cpuid */
        break;
    case 1:
        byte(g, 0x0f), byte(g, 0x20), byte(g, 0xc0 | (below(g, 2) ? 0 : 2) << 3 | any_reg(g)); /* CR0, CR2 */
        break;
    case 2: { /* an access without CR0.WP */
        static const uint8_t toggle[] = { 0x0f, 0x20, 0xc0, 0x0f, 0xba, 0xf8, 0x10, 0x0f, 0x22, 0xc0 };
        bytes(g, toggle, sizeof(toggle));
        mov_address(g, EBX, LINEAR + (CODE_PAGES + below(g, DATA_PAGES)) * 4096 + below(g, 4090));
        BYTES(g, 0x89, 0x03); /* mov [ebx], eax */
        bytes(g, toggle, sizeof(toggle));
        compare(g);
        break;
    }
    case 3:
        byte(g, 0xcd), byte(g, 0x10 + below(g, 8)); /* int */
        break;
    case 4:
        BYTES(g, 0x0f, 0x0b); /* ud2 */
        break;
    case 5: /* iret to the next */
        BYTES(g, 0x9c, 0x6a, KERNEL_CODE, 0x68);
        dword(g, g->at + 5);
        byte(g, 0xcf);
        break;
    case 6:
        flush(g, LINEAR);
        break;
    case 7: { /* fxsave [ebx]; fxrstor [ebx] */
        uint32_t at = one_in(g, 3) ? any_address(g) : DATA + below(g, 0xf00) * 16;
        mov_address(g, EBX, at);
        BYTES(g, 0x0f, 0xae, 0x03, 0x0f, 0xae, 0x0b);
        break;
    }
    case 8:
        BYTES(g, 0x1e, 0x1f, 0x06, 0x07, 0x0f, 0xa0, 0x0f, 0xa1); /* push, pop of ds, es, fs */
        break;
    default:
        BYTES(g, 0xe4, 0x71); /* in al, 71h */
        break;
    }
}

/* Writes over the operand of another instruction, one that there is by now. */
static void rewrite(struct gen *g)
{
    if (!g->site_count)
        return;
    byte(g, 0x36);
    byte(g, 0x89); /* mov ss:[site], r */
    byte(g, 0x05 | any_reg(g) << 3);
    dword(g, g->site[below(g, g->site_count)] + CODE_AGAIN - CODE);
}

static void instruction(struct gen *g)
{
    static void (*const kinds[])(struct gen * g) = {
        arithmetic, arithmetic,  arithmetic, one_operand, multiply_or_shift,
        move,       move,        move,       exchange,    stack,
        stack,      string,      flags,      branch,      branch,
        call,       call,        remap,      segments,    system_code,
        rewrite,    descriptors,
    };
    kinds[below(g, sizeof(kinds) / sizeof(kinds[0]))](g);
    if (g->skip && one_in(g, 3))
        land(g);
    /* Another page now and then. */
    if (one_in(g, 40) && g->at + 0x2000 < CODE_END) {
        byte(g, 0xe9);
        uint32_t field = g->at, to = ((g->at + 4096) & ~4095u) - below(g, 12);
        if (to < field + 4)
            to += 4096;
        dword(g, to - (field + 4));
        g->at = to;
    }
}

/* ---- The whole
 * ------------------------------------------------------------------------------------------------------- */

static void make_gdt_pointer(struct gen *g, unsigned number, uint32_t gdt, uint32_t limit)
{
    g->at = GDT_POINTERS + number * 8;
    word(g, limit), dword(g, SAFE + gdt);
}

static void make_tables(struct gen *g)
{
    static const uint32_t gdt[][2] = {
        { 0, 0 },
        { 0x0000ffff, 0x00cf9b00 }, /* 08: code */
        { 0x0000ffff, 0x00cf9300 }, /* 10: data */
        { 0x00000fff, 0x00409304 }, /* 18: base 40000h, 4 KiB */
        { 0x0000ffff, 0x00cf9104 }, /* 20: base 40000h, read-only */
        { 0xfff0ffff, 0xffcf93ff }, /* 28: base FFFFFFF0h */
        { 0x00000000, 0x00409704 }, /* 30: expands down */
        { 0x0000ffff, 0x00cf1300 }, /* 38: not present */
    };
    memcpy(g->image + KERNEL_GDT, gdt, sizeof(gdt));
    memcpy(g->image + SECOND_GDT, gdt, 0x18);
    memcpy(g->image + SECOND_GDT + 0x20, gdt + 3, 0x20); /* the same, by other selectors */
    make_gdt_pointer(g, 0, KERNEL_GDT, KERNEL_GDT_SIZE - 1);
    make_gdt_pointer(g, 1, SECOND_GDT, KERNEL_GDT_SIZE - 1);
    make_gdt_pointer(g, 2, KERNEL_GDT, 0x1f); /* a few less */
    put32(g, KERNEL_DIRECTORY, KERNEL_TABLE | 7);
    put32(g, KERNEL_DIRECTORY + 4, (KERNEL_TABLE + 4096) | 7);
    for (uint32_t i = KERNEL_STACK / 4096 - 1; i < KERNEL_RAM / 4096; i++)
        put32(g, KERNEL_TABLE + i * 4, i * 4096 | (i >= CODE / 4096 && i < CODE_END / 4096 ? 1 : 3));
    for (uint32_t i = 0; i < 32; i++) {
        put32(g, KERNEL_TABLE + 4096 + ((SAFE - LINEAR) / 4096 + i) * 4, i * 4096 | 3);
        put32(g, KERNEL_TABLE + 4096 + ((CODE_AGAIN - LINEAR) / 4096 + i) * 4, (CODE + i * 4096) | 3);
    }
    memcpy(g->image + OTHER_DIRECTORY, g->image + KERNEL_DIRECTORY, 4096);
    put32(g, OTHER_DIRECTORY + 4, OTHER_TABLE | 7);
    memcpy(g->image + OTHER_TABLE, g->image + KERNEL_TABLE + 4096, 4096);
    for (uint32_t i = 0; i < CODE_PAGES + DATA_PAGES; i++) {
        put32(g, KERNEL_TABLE + 4096 + i * 4, any_entry(g, i < CODE_PAGES));
        put32(g, OTHER_TABLE + i * 4, any_entry(g, i < CODE_PAGES));
    }
}

/* Log: vector, error, EIP, CS, EFLAGS, CR2 and the general registers; then the next block. */
static void make_handlers(struct gen *g)
{
    const uint32_t with_error = 1 << 8 | 0xf << 10 | 1 << 14 | 1 << 17;
    for (uint32_t vector = 0; vector < 64; vector++) {
        put32(g, KERNEL_IDT + vector * 8, KERNEL_CODE << 16 | ((HANDLERS + vector * 16) & 0xffff));
        put32(g, KERNEL_IDT + vector * 8 + 4, (HANDLERS & 0xffff0000) | 0x8e00);
        g->at = HANDLERS - SAFE + vector * 16;
        if (vector > 31 || !(with_error >> vector & 1))
            BYTES(g, 0x6a, 0x00); /* push 0 */
        byte(g, 0x6a), byte(g, vector);
        byte(g, 0xe9), dword(g, COMMON - SAFE - (g->at + 4));
    }
    g->at = COMMON - SAFE;
    BYTES(g, 0x60);                                                 /* pusha */
    BYTES(g, 0xb8, KERNEL_DATA, 0, 0, 0);                           /* mov eax, data */
    BYTES(g, 0x8e, 0xd8, 0x8e, 0xc0, 0xfc);                         /* mov ds, eax; mov es, eax; cld */
    BYTES(g, 0x0f, 0x20, 0xc0, 0x0d, 0, 0, 1, 0, 0x0f, 0x22, 0xc0); /* CR0.WP is set again */
    /* #DB may come between a change of the tables and its flush: mov eax, [esp + 32]; dec eax; jnz; CR4.PGE
     */
    BYTES(g, 0x8b, 0x44, 0x24, 0x20, 0x48, 0x75, 13);
    BYTES(g, 0x0f, 0x20, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0);
    BYTES(g, 0x0f, 0x20, 0xd0, 0x50);                   /* mov eax, cr2; push eax */
    BYTES(g, 0x89, 0xe6, 0x8b, 0x3d), dword(g, LOG_AT); /* mov esi, esp; mov edi, [LOG_AT] */
    BYTES(g, 0xb9, 14, 0, 0, 0, 0xf3, 0xa5);            /* mov ecx, 14; rep movsd */
    BYTES(g, 0x89, 0x3d), dword(g, LOG_AT);             /* mov [LOG_AT], edi */
    BYTES(g, 0xbc), dword(g, KERNEL_STACK);             /* mov esp, KERNEL_STACK */
    BYTES(g, 0x31, 0xc0, 0x39, 0xc0);                   /* xor eax, eax; cmp eax, eax */
    BYTES(g, 0xff, 0x25), dword(g, RESUME);             /* jmp [RESUME] */
    put32(g, LOG_AT - SAFE, KERNEL_LOG);
}

/* Segment registers but SS and CS may hold anything. Log: EIP, ESP, EFLAGS and EAX of who was interrupted. */
static void make_interrupt_handler(struct gen *g)
{
    g->at = HANDLERS - SAFE + KERNEL_INTERRUPT * 16;
    byte(g, 0xe9), dword(g, IRQ_HANDLER - SAFE - (g->at + 4));
    g->at = IRQ_HANDLER - SAFE;
    BYTES(g, 0x50, 0x52);                       /* push eax; push edx */
    BYTES(g, 0x36, 0xa1), dword(g, IRQ_LOG_AT); /* mov eax, ss:[IRQ_LOG_AT] */
    for (uint8_t i = 0; i < 4; i++) {
        static const uint8_t from[] = { 8, 0, 16, 4 };
        if (i == 1)
            BYTES(g, 0x8d, 0x54, 0x24, 20); /* lea edx, [esp + 20] */
        else
            BYTES(g, 0x8b, 0x54, 0x24, from[i]);                       /* mov edx, [esp + n] */
        BYTES(g, 0x36, 0x89, 0x90), dword(g, KERNEL_IRQ_LOG + i * 4u); /* mov ss:[eax + log], edx */
    }
    BYTES(g, 0x83, 0xc0, 16, 0x25), dword(g, KERNEL_IRQ_LOG_SIZE - 1); /* add eax, 16; and eax, size - 1 */
    BYTES(g, 0x36, 0xa3), dword(g, IRQ_LOG_AT);                        /* mov ss:[IRQ_LOG_AT], eax */
    BYTES(g, 0x5a, 0x58, 0xcf);                                        /* pop edx; pop eax; iret */
}

/* Eight functions of 64 bytes in each frame: a number of the frame's, and arithmetic. */
static void make_code_frames(struct gen *g)
{
    for (uint32_t i = 0; i < CODE_FRAME_COUNT * 64; i++) {
        g->at = CODE_FRAMES + i * 64;
        byte(g, 0xb8 + any_reg(g));
        dword(g, i);
        byte(g, 0x81), byte(g, 0xd0 | any_reg(g)), dword(g, any_value(g)); /* adc */
        BYTES(g, 0x83, 0xd1, 0x01, 0x42, 0xc3);                            /* adc ecx, 1; inc edx; ret */
    }
}

static void make_function(struct gen *g)
{
    uint32_t entry = g->at;
    g->in_function = true;
    for (unsigned n = 1 + below(g, 8); n; n--)
        instruction(g);
    land(g);
    byte(g, 0xc3);
    g->in_function = false;
    g->function[g->function_count++] = entry;
}

static void make_block(struct gen *g)
{
    BYTES(g, 0x36, 0xc7, 0x05), dword(g, RESUME);
    uint32_t field = g->at;
    dword(g, 0);
    if (one_in(g, 3))
        byte(g, 0xbc), dword(g, KERNEL_STACK);
    for (unsigned n = 1 + below(g, 10); n; n--)
        instruction(g);
    land(g);
    put32(g, field, g->at);
}

static void set_up(struct gen *g)
{
    for (unsigned sreg = 0; sreg < 6; sreg++) {
        if (sreg == 1 || sreg == 2)
            continue;
        mov_address(g, EAX, KERNEL_DATA);
        byte(g, 0x8e), byte(g, 0xc0 | sreg << 3);
    }
    byte(g, 0xbc), dword(g, KERNEL_STACK);
    byte(g, 0xfc);
}

void kernel_make(uint8_t image[KERNEL_RAM], uint64_t seed)
{
    struct gen g = { .image = image, .rng = { seed } };
    memset(image, 0, KERNEL_RAM);
    for (uint32_t i = 0; i < 0x10000; i += 4)
        put32(&g, DATA + i, rng_u32(&g.rng));
    make_tables(&g);
    make_handlers(&g);
    make_interrupt_handler(&g);
    make_code_frames(&g);
    g.at = KERNEL_ENTRY + 16;
    while (g.function_count < FUNCTIONS)
        make_function(&g);
    uint32_t begin = g.at;
    put32(&g, ROUNDS - SAFE, 4);
    set_up(&g);
    for (unsigned i = 0; i < BLOCKS && g.at < CODE_END - 0x2000; i++)
        make_block(&g);
    /* The end of a round: faults no longer go anywhere else. */
    set_up(&g);
    BYTES(&g, 0x36, 0xff, 0x0d), dword(&g, ROUNDS);
    byte(&g, 0x0f), byte(&g, 0x85), dword(&g, begin - (g.at + 4));
    byte(&g, 0xe6), byte(&g, KERNEL_PORT);
    g.at = KERNEL_ENTRY;
    byte(&g, 0xe9), dword(&g, begin - (g.at + 4));
}
