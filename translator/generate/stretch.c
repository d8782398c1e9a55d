/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The former of stretches: lines of guest code in the order in which they stand in their page, so that what
 * falls through in the guest does in the host, too. (Blocks that end in jumps cost 20 %:
 * docs/translated-code.md.) A line ends with what never falls through; the next one begins at the nearest
 * place behind it that a branch leads to.
 */
#include "gen.h"
#include "segmented.h"

enum {
    NEAR = 256,               /* bytes from the end of a line to the next one, at most */
    INSN_HOST_MAX = 128,      /* host bytes of one instruction, at most ... */
    SEGMENTED_HOST_MAX = 512, /* ... and of segmented code: PUSHA with a check for each */
    STUB_MAX = 10,            /* of a stub, at most */
    EXITS_MARGIN = 3,         /* of the next instruction, and of what ends the line behind it */
};

/* clang-format off */
static gen_form *const forms[X86_OP_COUNT] = {
    [X86_ADD] = gen_recode, [X86_OR] = gen_recode, [X86_ADC] = gen_recode, [X86_SBB] = gen_recode,
    [X86_AND] = gen_recode, [X86_SUB] = gen_recode, [X86_XOR] = gen_recode, [X86_CMP] = gen_recode,
    [X86_TEST] = gen_recode, [X86_NOT] = gen_recode, [X86_NEG] = gen_recode,
    [X86_MUL] = gen_recode, [X86_IMUL] = gen_recode, [X86_DIV] = gen_recode, [X86_IDIV] = gen_recode,
    [X86_INC] = gen_recode, [X86_DEC] = gen_recode,
    [X86_ROL] = gen_recode, [X86_ROR] = gen_recode, [X86_RCL] = gen_recode, [X86_RCR] = gen_recode,
    [X86_SHL] = gen_recode, [X86_SHR] = gen_recode, [X86_SAR] = gen_recode,
    [X86_SHLD] = gen_recode, [X86_SHRD] = gen_recode,
    [X86_BT] = gen_recode, [X86_BTS] = gen_recode, [X86_BTR] = gen_recode, [X86_BTC] = gen_recode,
    [X86_BSF] = gen_recode, [X86_BSR] = gen_recode, [X86_BSWAP] = gen_recode, [X86_POPCNT] = gen_recode,
    [X86_CRC32] = gen_recode,
    [X86_MOV] = gen_recode, [X86_MOVZX] = gen_recode, [X86_MOVSX] = gen_recode, [X86_LEA] = gen_recode,
    [X86_XCHG] = gen_recode, [X86_XADD] = gen_recode, [X86_CMPXCHG] = gen_recode,
    [X86_CMPXCHG8B] = gen_recode, [X86_CMOVCC] = gen_recode, [X86_SETCC] = gen_recode,
    [X86_MOVNTI] = gen_recode,
    [X86_CBW] = gen_recode, [X86_CWD] = gen_recode, [X86_LAHF] = gen_recode, [X86_SAHF] = gen_recode,
    [X86_CLC] = gen_recode, [X86_STC] = gen_recode, [X86_CMC] = gen_recode,
    [X86_PREFETCHNTA] = gen_recode, [X86_PREFETCHT0] = gen_recode, [X86_PREFETCHT1] = gen_recode,
    [X86_PREFETCHT2] = gen_recode,
    [X86_PREFETCH] = gen_nop, [X86_PREFETCHW] = gen_nop, /* which hosts have them is another question */
    [X86_LFENCE] = gen_fence, [X86_MFENCE] = gen_fence, [X86_SFENCE] = gen_fence,
    [X86_CLD] = gen_nop, /* DF is clear */
    [X86_NOP] = gen_nop, [X86_PAUSE] = gen_pause, [X86_RDTSC] = gen_rdtsc,
    [X86_PUSH_SREG] = gen_push_sreg, [X86_MOV_FROM_SREG] = gen_mov_from_sreg,
    [X86_MOV_TO_SREG] = gen_mov_to_sreg, [X86_POP_SREG] = gen_pop_sreg,
    [X86_PUSHF] = gen_pushf, [X86_POPF] = gen_popf, [X86_CLI] = gen_cli, [X86_STI] = gen_sti,
    [X86_PUSH] = gen_push, [X86_POP] = gen_pop, [X86_LEAVE] = gen_leave,
    [X86_MOVS] = gen_string, [X86_STOS] = gen_string, [X86_LODS] = gen_string,
    [X86_SCAS] = gen_string, [X86_CMPS] = gen_string,
    [X86_JCC] = gen_jcc, [X86_JMP] = gen_jmp, [X86_JMP_IND] = gen_jmp_indirect,
    [X86_LOOP] = gen_loop, [X86_LOOPE] = gen_loopcc, [X86_LOOPNE] = gen_loopcc, [X86_JCXZ] = gen_jecxz,
    [X86_CALL] = gen_call, [X86_CALL_IND] = gen_call_indirect, [X86_RET] = gen_ret,
};
/* clang-format on */

/* ---- One instruction ----------------------------------------------------------------------------- */

/* Decode at an offset. False: the instruction does not lie wholly in the page. */
static bool decode(struct gen *g, unsigned offset)
{
    const struct gen_segmented *segmented = g->request->segmented;
    enum x86_decode_status status;

    g->offset = offset;
    g->bytes = g->request->page + offset;
    status = x86_decode(g->bytes, g->end - offset, !segmented || segmented->code32, &g->insn);
    if (status == X86_DECODE_MORE) {
        gen_looked_at(g, g->end);
        return false;
    }
    if (status == X86_DECODE_TOO_LONG) {
        g->insn.length = X86_INSN_MAX;
        g->insn.class_ = X86_INVALID;
    }
    g->next = offset + g->insn.length;
    gen_looked_at(g, g->next);
    return true;
}

bool gen_exists(const struct gen *g, const struct insn *insn)
{
    if (insn->class_ == X86_INVALID || !(g->request->isa >> insn->isa & 1))
        return false;
    return insn->lockable || !(insn->prefixes & X86_PFX_LOCK);
}

static bool try_form(struct gen *g)
{
    gen_form *form = NULL;

    if (gen_exists(g, &g->insn) && g->request->segmented)
        form = segmented_form(g->insn.op);
    if (gen_exists(g, &g->insn) && !form)
        form = forms[g->insn.op];

    if (form && form(g))
        return true;
    g->code.size = g->entry->host;
    return false;
}

/* When it has been executed elsewhere, does execution go on somewhere else for certain, or nearly so? */
static bool leaves_line(const struct insn *insn)
{
    /* clang-format off */
    switch (insn->op) {
    case X86_JMP: case X86_JMP_IND: case X86_JMP_FAR: case X86_JMP_FAR_IND:
    case X86_CALL: case X86_CALL_IND: case X86_CALL_FAR: case X86_CALL_FAR_IND:
    case X86_RET: case X86_RETF: case X86_IRET: case X86_SYSENTER: case X86_SYSEXIT:
        return true;
    default:
        return false;
    }
    /* clang-format on */
}

/* What leaves the line may lead behind itself by chance: a far jump after a change of mode does. */
static void call_out(struct gen *g)
{
    bool leaves = leaves_line(&g->insn);

    gen_call_out(g);
    g->ends_line = leaves || g->insn.class_ == X86_INVALID;
    if (leaves)
        gen_jump(g, gen_address(g, g->next));
}

static bool bitmap_has(const uint64_t *bitmap, unsigned bit)
{
    return bitmap[bit / 64] >> bit % 64 & 1;
}

static bool is_apart(const struct gen *g)
{
    return g->request->apart && bitmap_has(g->request->apart, g->offset) && g->insn.class_ != X86_BRANCH;
}

static void translate(struct gen *g)
{
    struct gen_result *result = g->result;

    g->ends_line = false;
    g->entry = &result->insn[result->insn_count++];
    *g->entry = (struct gen_insn){
        .guest = (uint16_t)g->offset,
        .length = g->insn.length,
        .host = (uint16_t)g->code.size,
    };
    if (is_apart(g) || !try_form(g))
        call_out(g);
}

/* ---- Lines --------------------------------------------------------------------------------------- */

static bool is_known(const struct gen *g, unsigned offset)
{
    return g->request->known && bitmap_has(g->request->known, offset);
}

/* Room for one more instruction, what ends its line, and all stubs? */
static bool has_room(const struct gen *g)
{
    const struct gen_result *result = g->result;
    unsigned stubs = result->exit_count + EXITS_MARGIN + 1u;
    unsigned insn_max = g->request->segmented ? SEGMENTED_HOST_MAX : INSN_HOST_MAX;

    return result->insn_count < GEN_INSNS_MAX && result->exit_count + EXITS_MARGIN <= GEN_EXITS_MAX &&
           g->code.size + insn_max + stubs * STUB_MAX <= GEN_CODE_MAX;
}

/* Translate a line; the offset behind it. A line that stops goes on by a jump. */
static unsigned translate_line(struct gen *g, unsigned offset)
{
    bool falls_in = false;

    while (offset < g->end && has_room(g)) {
        if (g->result->insn_count && is_known(g, offset))
            break;
        if (!decode(g, offset))
            break;
        translate(g);
        offset = g->next;
        falls_in = true;
        if (g->ends_line)
            return offset;
    }
    if (falls_in)
        gen_jump(g, gen_address(g, offset));
    return offset;
}

/* The first place near behind a line's end that a branch leads to; g->end: there is none. */
static unsigned next_line(const struct gen *g, unsigned end)
{
    for (unsigned offset = end; offset < end + NEAR && offset < g->end; offset++)
        if (bitmap_has(g->targets, offset) && !is_known(g, offset))
            return offset;
    return g->end;
}

/* Where in the page the code segment ends. */
static unsigned fetch_end(const struct gen_request *request)
{
    uint64_t end;

    if (!request->segmented)
        return GEN_PAGE_SIZE;
    end = gen_segmented_end(request->segmented, request->address);
    return end < GEN_PAGE_SIZE ? (unsigned)end : GEN_PAGE_SIZE;
}

/* False: nothing was made, or, with *again, something is to be done in another way. */
static bool make(const struct gen_request *request, struct gen_result *result, uint64_t *long_at, bool *again)
{
    struct gen g = {
        .request = request,
        .result = result,
        .code = { .bytes = result->code, .room = GEN_CODE_MAX },
        .end = fetch_end(request),
        .long_at = long_at,
    };
    unsigned offset = request->start;

    result->insn_count = result->exit_count = result->call_out_count = 0;
    result->guest_end = (uint16_t)offset;
    *again = false;
    while (offset < g.end && has_room(&g)) {
        unsigned end = translate_line(&g, offset);

        if (!result->insn_count)
            return false;
        offset = next_line(&g, end == offset ? end + 1 : end); /* one that has no room is left out */
    }
    if (!result->insn_count)
        return false;
    *again = !gen_resolve(&g);
    result->code_size = g.code.size;
    return !*again && !g.code.overflow;
}

/* Each time one more branch is long at least, so there is an end. */
bool gen_stretch(const struct gen_request *request, struct gen_result *result)
{
    uint64_t long_at[GEN_PAGE_SIZE / 64] = { 0 };
    bool again, made;

    do
        made = make(request, result, long_at, &again);
    while (again);
    return made;
}
