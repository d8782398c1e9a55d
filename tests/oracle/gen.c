/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Instruction encoder of the generator, and the choice of operands. Registers start with known values,
 * so that a memory operand can be aimed: the displacement is whatever leads from the base to the target.
 * Encoding: SDM 2A, "Instruction Format".
 */
#include "gen.h"

#include <string.h>

#include "image.h"

/* ---- Bytes --------------------------------------------------------------------------------------- */

void gen_u8(struct gen *g, uint8_t value)
{
    struct test_case *c = g->c;

    if (c->code_len < CODE_MAX - 1) /* room for the INT3 at the end */
        c->code[c->code_len++] = value;
}

void gen_u16(struct gen *g, uint16_t value)
{
    gen_u8(g, value);
    gen_u8(g, value >> 8);
}

void gen_u32(struct gen *g, uint32_t value)
{
    gen_u16(g, value);
    gen_u16(g, value >> 16);
}

void gen_bytes(struct gen *g, const uint8_t *bytes, unsigned count)
{
    while (count--)
        gen_u8(g, *bytes++);
}

void gen_piece(struct gen *g)
{
    struct test_case *c = g->c;

    if (c->piece_count < PIECES_MAX)
        c->piece[c->piece_count++] = c->code_len;
}

/* ---- Registers ----------------------------------------------------------------------------------- */

unsigned gen_reg(struct gen *g, bool written)
{
    static const uint8_t spare[] = { EAX, ECX, EDX, EAX, ECX, EDX, EBP };

    if (!written || rng_one_in(&g->rng, 12))
        return rng_below(&g->rng, 8);
    return spare[rng_below(&g->rng, ARRAY_SIZE(spare))];
}

void gen_forget(struct gen *g, uint8_t regs)
{
    g->known &= ~regs;
}

void gen_mov_imm(struct gen *g, unsigned reg, uint32_t value)
{
    gen_u8(g, 0xb8 + reg);
    gen_u32(g, value);
    g->value[reg] = value;
    g->known |= 1u << reg;
}

/* A register whose value is known, EBX, ESI and EDI first. */
static unsigned known_reg(struct gen *g)
{
    static const uint8_t pointer[] = { EBX, ESI, EDI, EBX, ESI, EDI, EBP, EAX, ECX, EDX, ESP };

    for (int tries = 0; tries < 8; tries++) {
        unsigned reg = pointer[rng_below(&g->rng, ARRAY_SIZE(pointer))];
        if (g->known & 1u << reg)
            return reg;
    }
    return EBX;
}

/* ---- Memory operands ----------------------------------------------------------------------------- */

uint32_t gen_target(struct gen *g, unsigned size, bool aligned)
{
    struct rng *r = &g->rng;
    uint32_t at;

    switch (rng_below(r, 40)) {
    case 0: /* across the border between two pages */
        at = DATA_LA + PAGE - rng_below(r, size + 1);
        break;
    case 1: /* from writable into read-only memory */
        at = DATA_RO_LA - rng_below(r, size + 1);
        break;
    case 2: /* from read-only memory into nothing */
        at = DATA_END - rng_below(r, size + 1);
        break;
    case 3:
        at = DATA_RO_LA + rng_below(r, PAGE - size);
        break;
    case 4:
        at = STACK_LA + rng_below(r, 2 * PAGE - size);
        break;
    case 5:
        switch (rng_below(r, 6)) {
        case 0:
            at = DATA_END + rng_below(r, PAGE);
            break;
        case 1:
            at = CODE_LA + rng_below(r, 2 * PAGE - size);
            break;
        case 2:
            at = DATA_LA - 1 - rng_below(r, 16);
            break;
        default:
            at = DATA_LA + rng_below(r, 2 * PAGE - size);
        }
        break;
    default:
        at = DATA_LA + rng_below(r, 2 * PAGE - size);
    }
    unsigned alignment = aligned ? 16 : size && !(size & (size - 1)) ? size : 4;
    if (!rng_one_in(r, aligned ? 12 : 3))
        at &= -alignment;
    return at;
}

struct gen_address gen_address(struct gen *g, unsigned size, bool aligned)
{
    static const uint8_t segment[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65 };
    struct rng *r = &g->rng;
    struct gen_address a = { .target = gen_target(g, size, aligned) };

    if (rng_one_in(r, 8))
        a.segment = segment[rng_below(r, ARRAY_SIZE(segment))];
    if (rng_one_in(r, 12)) {
        a.a16 = true;
        if (!rng_one_in(r, 8)) /* 16 bits reach mapped memory only with a base */
            a.segment = 0x64;
    }
    return a;
}

static uint32_t segment_base(int segment)
{
    return segment == 0x64 ? FS_BASE : segment == 0x65 ? GS_BASE : 0;
}

static void modrm_mem16(struct gen *g, unsigned reg, uint32_t offset)
{
    static const struct {
        uint8_t base, index;
    } sum[8] = { { EBX, ESI }, { EBX, EDI }, { EBP, ESI }, { EBP, EDI },
                 { ESI, 8 },   { EDI, 8 },   { EBP, 8 },   { EBX, 8 } };
    unsigned rm = rng_below(&g->rng, 8);

    if (rng_one_in(&g->rng, 6)) {
        gen_u8(g, reg << 3 | 6); /* disp16 alone */
        gen_u16(g, offset);
        return;
    }
    uint32_t displacement = offset - g->value[sum[rm].base];
    if (sum[rm].index != 8)
        displacement -= g->value[sum[rm].index];
    if ((int16_t)displacement == (int8_t)displacement && !rng_one_in(&g->rng, 3)) {
        gen_u8(g, 0x40 | reg << 3 | rm);
        gen_u8(g, displacement);
    } else {
        gen_u8(g, 0x80 | reg << 3 | rm);
        gen_u16(g, displacement);
    }
}

void gen_modrm_abs(struct gen *g, unsigned reg, uint32_t target)
{
    gen_u8(g, reg << 3 | 5);
    gen_u32(g, target);
}

/* ModRM and SIB bytes for mod 0 with the disp32-only base, then the displacement. */
static void index_only(struct gen *g, unsigned reg, unsigned index, unsigned scale, uint32_t offset)
{
    gen_u8(g, reg << 3 | 4);
    gen_u8(g, scale << 6 | index << 3 | 5);
    gen_u32(g, index == ESP ? offset : offset - (g->value[index] << scale));
}

static void modrm_mem32(struct gen *g, unsigned reg, uint32_t offset)
{
    struct rng *r = &g->rng;
    unsigned form = rng_below(r, 8), base = known_reg(g);

    if (form == 0) {
        gen_modrm_abs(g, reg, offset);
        return;
    }
    unsigned index = ESP, scale = rng_below(r, 4); /* ESP as index: none */
    bool sib = base == ESP || form >= 5;
    if (sib && !rng_one_in(r, 4))
        index = known_reg(g);
    if (form == 7) {
        index_only(g, reg, index, scale, offset);
        return;
    }
    uint32_t displacement = offset - g->value[base];
    if (sib && index != ESP)
        displacement -= g->value[index] << scale;
    unsigned mod = displacement == 0 && base != EBP                 ? 0
                   : displacement == (uint32_t)(int8_t)displacement ? 1
                                                                    : 2;
    if (mod < 2 && rng_one_in(r, 6))
        mod = 2;
    gen_u8(g, mod << 6 | reg << 3 | (sib ? 4 : base));
    if (sib)
        gen_u8(g, scale << 6 | index << 3 | base);
    if (mod == 1)
        gen_u8(g, displacement);
    else if (mod == 2)
        gen_u32(g, displacement);
}

void gen_modrm_mem(struct gen *g, unsigned reg, const struct gen_address *a)
{
    uint32_t offset = a->target - segment_base(a->segment);

    if (a->a16)
        modrm_mem16(g, reg, offset);
    else
        modrm_mem32(g, reg, offset);
}

void gen_modrm_reg(struct gen *g, unsigned reg, unsigned rm)
{
    gen_u8(g, 0xc0 | reg << 3 | rm);
}

/* ---- Forms --------------------------------------------------------------------------------------- */

static unsigned pick_digit(struct gen *g, uint8_t digits)
{
    unsigned n;

    do
        n = rng_below(&g->rng, 8);
    while (!(digits & 1u << n));
    return n;
}

/* ModRM.reg: an opcode extension, or a register as the form writes it. */
static unsigned pick_reg_field(struct gen *g, const struct form *f)
{
    if (f->digits != 0xff)
        return pick_digit(g, f->digits);
    return gen_reg(g, f->attr & F_DST_REG);
}

static void immediate(struct gen *g, const struct form *f, bool osz, const struct gen_address *a)
{
    struct rng *r = &g->rng;
    uint32_t value = special_u32(r);

    switch (f->imm) {
    case I_B:
        gen_u8(g, f->map == 1 && f->opcode == 0xc2 ? value & 7 : value); /* CMPPS: the rest is reserved */
        break;
    case I_W:
        gen_u16(g, value);
        break;
    case I_Z:
        if (osz)
            gen_u16(g, value);
        else
            gen_u32(g, value);
        break;
    case I_ADDR:
        if (a->a16)
            gen_u16(g, a->target - segment_base(a->segment));
        else
            gen_u32(g, a->target - segment_base(a->segment));
        break;
    case I_WB: /* ENTER: frames of all sizes, nesting mostly shallow */
        gen_u16(g, rng_one_in(r, 8) ? value : rng_below(r, 256));
        gen_u8(g, rng_one_in(r, 3) ? rng_below(r, 256) : rng_below(r, 4));
        break;
    default:
        break;
    }
}

static void prefixes(struct gen *g, const struct form *f, bool memory, bool osz, const struct gen_address *a)
{
    struct rng *r = &g->rng;
    bool simd = f->attr & F_SIMD;

    if (!simd && (f->attr & F_LOCK && memory ? rng_one_in(r, 10) : rng_one_in(r, 300)))
        gen_u8(g, 0xf0);
    if (!simd && f->map == 0 && rng_one_in(r, 60))
        gen_u8(g, rng_one_in(r, 2) ? 0xf2 : 0xf3); /* no meaning for these */
    if (a->segment)
        gen_u8(g, a->segment);
    if (a->a16)
        gen_u8(g, 0x67);
    if (osz)
        gen_u8(g, 0x66);
    if (f->prefix)
        gen_u8(g, f->prefix);
    if (f->map == 1)
        gen_u8(g, 0x0f);
}

static void forget_written(struct gen *g, const struct form *f, unsigned opcode, int modrm)
{
    gen_forget(g, f->clobbers);
    if (f->attr & F_DST_OP)
        gen_forget(g, 1u << (opcode & 7 & (f->attr & F_BYTE ? 3 : 7)));
    if (modrm < 0)
        return;
    unsigned reg = modrm >> 3 & 7, rm = modrm & 7;
    if (f->attr & F_DST_REG)
        gen_forget(g, 1u << (f->attr & F_BYTE ? reg & 3 : reg));
    if ((f->attr & F_DST_RM) && modrm >= 0xc0 && !(f->attr & F_RM_XMM))
        gen_forget(g, 1u << (f->attr & F_BYTE ? rm & 3 : rm));
}

void gen_form(struct gen *g, const struct form *f)
{
    struct rng *r = &g->rng;
    unsigned choices = (f->last - f->opcode) / f->step + 1;
    unsigned opcode = f->opcode + f->step * rng_below(r, choices);
    bool osz = (f->attr & F_OSZ) && rng_one_in(r, 4);
    bool memory = f->modrm == M_MEM || f->imm == I_ADDR || (f->modrm == M_ANY && rng_one_in(r, 2));
    struct gen_address a = { 0 };
    int modrm = -1;
    unsigned reg = f->modrm != M_NONE ? pick_reg_field(g, f) : 0;

    if ((f->attr & F_BIT) && memory && !rng_one_in(r, 4))
        gen_mov_imm(g, reg, special_u32(r) % 0x1000 - 0x400); /* keeps the bit near its target */
    if (memory)
        a = gen_address(g, f->size ? f->size : osz ? 2 : 4, f->attr & F_ALIGN);
    prefixes(g, f, memory, osz, &a);
    gen_u8(g, opcode);
    if (f->modrm != M_NONE) {
        modrm = g->c->code_len < CODE_MAX ? 0 : -1;
        unsigned at = g->c->code_len;
        if (memory)
            gen_modrm_mem(g, reg, &a);
        else
            gen_modrm_reg(g, reg, f->attr & F_RM_XMM ? rng_below(r, 8) : gen_reg(g, f->attr & F_DST_RM));
        if (modrm == 0)
            modrm = g->c->code[at];
    }
    immediate(g, f, osz, &a);
    forget_written(g, f, opcode, modrm);
}

void gen_random_form(struct gen *g, struct form_set set)
{
    gen_form(g, &set.form[rng_below(&g->rng, set.count)]);
}

/* ---- Branch targets ------------------------------------------------------------------------------ */

void gen_forward(struct gen *g, unsigned size, bool absolute)
{
    struct test_case *c = g->c;

    if (g->fixup_count < FIXUPS_MAX)
        g->fixup[g->fixup_count++] = (struct fixup){
            .at = c->code_len,
            .size = size,
            .target = c->piece_count + rng_below(&g->rng, 3),
            .absolute = absolute,
        };
    for (unsigned i = 0; i < size; i++)
        gen_u8(g, 0);
}
