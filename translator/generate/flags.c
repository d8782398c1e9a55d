/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looking ahead: are the arithmetic flags written before anybody reads them? A proof from the guest's bytes
 * alone, along straight lines, jumps and both ways of conditional branches; what is not known reads them all.
 * SDM 1, "EFLAGS Cross-Reference". Flags that an instruction leaves undefined do not count as written, but
 * for AF after logic, which all processors clear.
 */
#include "gen.h"

enum {
    CF = 1 << 0,
    PF = 1 << 1,
    AF = 1 << 2,
    ZF = 1 << 3,
    SF = 1 << 4,
    OF = 1 << 5,
    ALL = CF | PF | AF | ZF | SF | OF,
    LOOK_AHEAD = 32, /* instructions, on all ways together */
    WAYS_MAX = 8,
};

struct effect {
    uint8_t reads, writes;
};

struct way {
    uint16_t offset;
    uint8_t live; /* flags not written so far */
};

struct search {
    struct way way[WAYS_MAX];
    unsigned ways, left;
};

/* By the condition's upper three bits: O, B, Z, BE, S, P, L, LE. */
static uint8_t condition_reads(const struct insn *insn)
{
    static const uint8_t reads[8] = { OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF };

    return reads[insn->cond >> 1 & 7];
}

/* A count of zero writes nothing, and one in CL may be zero. */
static struct effect shift(const struct insn *insn, uint8_t writes)
{
    bool counted = insn->opnd[1].kind == X86_OPND_IMM && (insn->imm & 31);

    return (struct effect){ 0, counted ? writes : 0 };
}

static struct effect string(const struct insn *insn)
{
    bool repeats = (insn->prefixes & (X86_PFX_REP | X86_PFX_REPNE)) != 0;
    bool compares = insn->op == X86_SCAS || insn->op == X86_CMPS;

    return (struct effect){ 0, compares && !repeats ? ALL : 0 };
}

static struct effect effect_of(const struct insn *insn)
{
    /* clang-format off */
    switch (insn->op) {
    case X86_ADD: case X86_SUB: case X86_CMP: case X86_NEG: case X86_AND: case X86_OR: case X86_XOR:
    case X86_TEST: case X86_XADD: case X86_CMPXCHG:
        return (struct effect){ 0, ALL };
    case X86_ADC: case X86_SBB:
        return (struct effect){ CF, ALL };
    case X86_INC: case X86_DEC:
        return (struct effect){ 0, ALL & ~CF };
    case X86_MUL: case X86_IMUL:
        return (struct effect){ 0, CF | OF };
    case X86_SHL: case X86_SHR: case X86_SAR:
        return shift(insn, CF | ZF | SF | PF);
    case X86_ROL: case X86_ROR:
        return shift(insn, CF);
    case X86_BT: case X86_BTS: case X86_BTR: case X86_BTC: case X86_CLC: case X86_STC:
        return (struct effect){ 0, CF };
    case X86_BSF: case X86_BSR: case X86_CMPXCHG8B:
        return (struct effect){ 0, ZF };
    case X86_SAHF:
        return (struct effect){ 0, ALL & ~OF };
    case X86_SETCC: case X86_CMOVCC: case X86_JCC:
        return (struct effect){ condition_reads(insn), 0 };
    case X86_MOVS: case X86_STOS: case X86_LODS: case X86_SCAS: case X86_CMPS:
        return string(insn);
    case X86_MOV: case X86_MOVZX: case X86_MOVSX: case X86_LEA: case X86_NOT: case X86_XCHG: case X86_BSWAP:
    case X86_PUSH: case X86_POP: case X86_LEAVE: case X86_CBW: case X86_CWD: case X86_NOP: case X86_PAUSE:
    case X86_JMP: case X86_LOOP: case X86_JCXZ:
        return (struct effect){ 0, 0 };
    default:
        return (struct effect){ ALL, 0 };
    }
    /* clang-format on */
}

/* Only forward, in the page: what was looked at is then one range. */
static bool add_way(const struct gen *g, struct search *search, uint32_t target, unsigned from, uint8_t live)
{
    if (!gen_in_page(g, target) || target - g->request->address < from || search->ways == WAYS_MAX)
        return false;
    search->way[search->ways++] = (struct way){ (uint16_t)(target - g->request->address), live };
    return true;
}

static bool look_at(struct gen *g, unsigned offset, struct insn *insn)
{
    unsigned left = GEN_PAGE_SIZE - offset;
    bool known = x86_decode(g->request->page + offset, left, true, insn) == X86_DECODE_OK;
    unsigned length = known ? insn->length : X86_INSN_MAX;

    gen_looked_at(g, offset + (length < left ? length : left));
    return known && gen_exists(g, insn);
}

/* Follow one way to where all flags are written. */
static bool follow(struct gen *g, struct search *search, struct way way)
{
    while (way.live) {
        struct insn insn;
        struct effect effect;
        unsigned next;

        if (way.offset >= GEN_PAGE_SIZE || !search->left-- || !look_at(g, way.offset, &insn))
            return false;
        next = way.offset + insn.length;
        effect = effect_of(&insn);
        if (effect.reads & way.live)
            return false;
        way.live &= (uint8_t)~effect.writes;
        way.offset = (uint16_t)next;
        if (insn.class_ != X86_BRANCH)
            continue;
        if (insn.op_size != 4 || !add_way(g, search, gen_address(g, next) + insn.imm, next, way.live))
            return false;
        if (insn.op == X86_JMP)
            return true;
    }
    return true;
}

bool gen_flags_dead(struct gen *g, unsigned offset)
{
    struct search search = { .ways = 1, .left = LOOK_AHEAD, .way[0] = { (uint16_t)offset, ALL } };

    while (search.ways)
        if (!follow(g, &search, search.way[--search.ways]))
            return false;
    return true;
}
