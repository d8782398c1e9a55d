/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instructions that fault: privileged, undefined, too long, misaligned, badly addressed. What counts is
 * which exception wins, its error code, CR2, and that nothing else changed.
 */
#include "gen.h"

#include "image.h"

struct bytes {
    uint8_t length;
    uint8_t byte[8];
};

static void any_of(struct gen *g, const struct bytes *list, unsigned count)
{
    const struct bytes *b = &list[rng_below(&g->rng, count)];

    gen_bytes(g, b->byte, b->length);
}

#define B(...)                                                                                               \
    {                                                                                                        \
        sizeof((uint8_t[]){ __VA_ARGS__ }),                                                                  \
        {                                                                                                    \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }

/* #GP(0) at CPL 3, IOPL 0. SDM 2, the instructions' pages; SGDT and the like are not privileged. */
static void privileged(struct gen *g)
{
    /* clang-format off */
    static const struct bytes list[] = {
        B(0xf4),                      /* hlt */
        B(0xfa),                      /* cli */
        B(0xfb),                      /* sti */
        B(0xe4, 0x61),                /* in al, 61h */
        B(0xe5, 0x61),                /* in eax, 61h */
        B(0xe6, 0x80),                /* out 80h, al */
        B(0xe7, 0x80),
        B(0xec), B(0xed), B(0xee), B(0xef),
        B(0x66, 0xed), B(0x66, 0xef),
        B(0x6c), B(0x6d), B(0x6e), B(0x6f),
        B(0x0f, 0x06),                /* clts */
        B(0x0f, 0x08),                /* invd */
        B(0x0f, 0x09),                /* wbinvd */
        B(0x0f, 0x20, 0xc0),          /* mov eax, cr0 */
        B(0x0f, 0x20, 0xd3),          /* mov ebx, cr2 */
        B(0x0f, 0x22, 0xd8),          /* mov cr3, eax */
        B(0x0f, 0x22, 0xe1),          /* mov cr4, ecx */
        B(0x0f, 0x21, 0xc0),          /* mov eax, dr0 */
        B(0x0f, 0x23, 0xfa),          /* mov dr7, edx */
        B(0x0f, 0x30),                /* wrmsr */
        B(0x0f, 0x32),                /* rdmsr */
        B(0x0f, 0x00, 0xd0),          /* lldt ax */
        B(0x0f, 0x00, 0xd9),          /* ltr cx */
        B(0x0f, 0x01, 0xf0),          /* lmsw ax */
        B(0x0f, 0x01, 0x13),          /* lgdt [ebx] */
        B(0x0f, 0x01, 0x1b),          /* lidt [ebx] */
        B(0x0f, 0x01, 0x3b),          /* invlpg [ebx] */
    };
    /* clang-format on */

    any_of(g, list, ARRAY_SIZE(list));
}

/* #UD. SDM 2D, opcode maps: empty cells and group members; SDM 2, "LOCK": what it may precede. */
static void undefined(struct gen *g)
{
    /* clang-format off */
    static const struct bytes list[] = {
        B(0x0f, 0x0b),                /* ud2 */
        B(0x0f, 0xb9, 0xc0),          /* ud1 */
        B(0x0f, 0xb9, 0x03),
        B(0x0f, 0xff, 0xc1),          /* ud0 */
        B(0x0f, 0x04),
        B(0x0f, 0x0a),
        B(0x0f, 0x24, 0xc0),          /* test registers of the 486 */
        B(0x0f, 0x26, 0xc0),
        B(0x0f, 0x36),
        B(0x0f, 0x39),
        B(0x0f, 0x7a, 0xc0),
        B(0x0f, 0xa6, 0xc0),
        B(0x0f, 0xc7, 0xc8),          /* cmpxchg8b with a register */
        B(0x0f, 0xba, 0xc0, 1),       /* group 8, /0../3 */
        B(0x0f, 0xba, 0x1b, 1),
        B(0x0f, 0xb2, 0xc3),          /* lss with a register */
        B(0x8d, 0xc3),                /* lea with a register */
        B(0x8c, 0xf0),                /* mov eax, segment register 6 */
        B(0x8e, 0xc8),                /* mov cs, eax */
        B(0x8e, 0xf9),
        B(0xfe, 0xd0), B(0xfe, 0x13), B(0xfe, 0xf8), /* group 4 */
        B(0xff, 0xf8), B(0xff, 0x3b), /* group 5, /7 */
        B(0xff, 0xd8), B(0xff, 0xe8), /* far call and jump with a register */
        B(0xc6, 0xc8, 1), B(0xc7, 0x4b, 0x10, 1, 2, 3, 4),
        B(0x0f, 0x71, 0xc1, 1), B(0x0f, 0x73, 0xd9, 1), /* pslldq needs 66 */
        B(0x0f, 0x71, 0x13, 1),       /* shift groups have no memory form */
        B(0x0f, 0x6c, 0xc1), B(0x0f, 0xd6, 0xc1),
        B(0x0f, 0x13, 0xc1), B(0x0f, 0x2b, 0xc1), B(0x0f, 0xe7, 0xc1), B(0x0f, 0xc3, 0xc1),
        B(0x0f, 0x50, 0x03), B(0x0f, 0xd7, 0x03), B(0x0f, 0xf7, 0x03),
        B(0xf0, 0x90), B(0xf0, 0x89, 0x03), B(0xf0, 0x01, 0xc0), B(0xf0, 0x39, 0x03),
        B(0xf0, 0x0f, 0xa3, 0x03), B(0xf0, 0x0f, 0xba, 0x23, 1), B(0xf0, 0xf6, 0x03, 1),
        B(0xf0, 0xff, 0x33), B(0xf0, 0xd1, 0x03), B(0xf0, 0xa4), B(0xf0, 0xe9, 0, 0, 0, 0),
        B(0xf0, 0x0f, 0xaf, 0x03), B(0xf0, 0xd8, 0x03), B(0xf0, 0x0f, 0x58, 0x03), B(0xf0, 0x8b, 0x03),
        B(0xf0, 0xf4), B(0xf0, 0xcc), B(0xf0, 0x0f, 0x0b),
    };
    /* clang-format on */

    g->whole = true; /* how much of an undefined instruction is fetched is not defined either */

    any_of(g, list, ARRAY_SIZE(list));
}

/* INT n through gates that only ring 0 may use: #GP with the vector as error code. */
static void software_interrupt(struct gen *g)
{
    uint8_t vector;

    do
        vector = rng_u32(&g->rng);
    while (vector == 3 || vector == 4 || vector == 0x80); /* open to programs in Linux */
    gen_u8(g, 0xcd);
    gen_u8(g, vector);
}

/* Around the limit of fifteen bytes: prefixes, then an ordinary instruction. */
static void long_instruction(struct gen *g)
{
    static const uint8_t prefix[] = { 0x26, 0x2e, 0x36, 0x3e }; /* 66 would change the immediate's size */
    unsigned count = 8 + rng_below(&g->rng, 8);

    while (count--)
        gen_u8(g, prefix[rng_below(&g->rng, ARRAY_SIZE(prefix))]);
    gen_random_form(g, forms_int());
}

/* A memory operand at an edge. */
static void edge_access(struct gen *g)
{
    static const uint8_t opcode[] = { 0x00, 0x01, 0x03, 0x29, 0x39, 0x84, 0x85,
                                      0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b };
    static const uint32_t edge[] = { DATA_LA,  DATA_LA + PAGE, DATA_RO_LA, DATA_END,
                                     STACK_LA, STACK_END,      CODE_LA,    CODE_END };
    struct gen_address a = {
        .target = edge[rng_below(&g->rng, ARRAY_SIZE(edge))] + rng_below(&g->rng, 8) - 4,
    };

    if (rng_one_in(&g->rng, 4))
        gen_u8(g, 0x66);
    gen_u8(g, opcode[rng_below(&g->rng, ARRAY_SIZE(opcode))]);
    gen_modrm_mem(g, gen_reg(g, true), &a);
    gen_forget(g, 0x37);
}

/* Sixteen-byte operands that must be aligned, and with EFLAGS.AC everything else, too. */
static void misaligned(struct gen *g)
{
    struct form_set sets[] = { forms_sse(), forms_sse2(), forms_int(), forms_mmx(), forms_stack() };
    static const uint8_t set_ac[] = { 0x9c, 0x81, 0x0c, 0x24, 0x00, 0x00, 0x04, 0x00, 0x9d };

    if (rng_one_in(&g->rng, 2))
        gen_bytes(g, set_ac, sizeof set_ac);
    gen_random_form(g, sets[rng_below(&g->rng, ARRAY_SIZE(sets))]);
    gen_random_form(g, sets[rng_below(&g->rng, ARRAY_SIZE(sets))]);
}

/* Writes through CS: its segment is not writable, flat or not. */
static void write_code_segment(struct gen *g)
{
    gen_u8(g, 0x2e);
    gen_u8(g, 0x89);
    gen_modrm_abs(g, gen_reg(g, false), gen_target(g, 4, false));
}

/* A jump into a page that may not be executed, or is not there. */
static void bad_jump(struct gen *g)
{
    unsigned reg = gen_reg(g, true);

    g->c->pae = true; /* without NX the guest would run whatever is there */
    gen_mov_imm(g, reg, gen_target(g, 4, false));
    gen_u8(g, 0xff);
    gen_modrm_reg(g, rng_one_in(&g->rng, 2) ? 2 : 4, reg);
}

/* DIV and IDIV with a divisor just around what overflows. */
static void divide(struct gen *g)
{
    uint32_t divisor = special_u32(&g->rng);

    gen_mov_imm(g, ECX, divisor);
    gen_mov_imm(g, EDX, rng_one_in(&g->rng, 2) ? divisor - rng_below(&g->rng, 3) + 1 : divisor / 2);
    gen_mov_imm(g, EAX, special_u32(&g->rng));
    if (rng_one_in(&g->rng, 3))
        gen_u8(g, 0x66);
    gen_u8(g, 0xf6 + rng_below(&g->rng, 2));
    gen_modrm_reg(g, 6 + rng_below(&g->rng, 2), ECX);
    gen_forget(g, 1 << EAX | 1 << EDX);
}

void gen_fault_piece(struct gen *g)
{
    static void (*const kind[])(struct gen *) = {
        privileged,  undefined,  software_interrupt, long_instruction, edge_access,        edge_access,
        edge_access, misaligned, misaligned,         misaligned,       write_code_segment, bad_jump,
        divide,      divide,     gen_segment_piece,
    };

    if (rng_one_in(&g->rng, 3)) /* something harmless first: registers and flags differ then */
        gen_random_form(g, forms_int());
    kind[rng_below(&g->rng, ARRAY_SIZE(kind))](g);
}
