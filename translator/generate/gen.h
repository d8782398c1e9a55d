/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The generator's own contents page: a stretch under way, and who writes which forms.
 *
 * Every form follows one rule: what may fault comes before anything of the guest's is changed, and
 * gen_commit() stands between the two. Helpers are R8 to R11, and none of the instructions that help changes
 * a flag (LEA, MOV, JRCXZ; never ADD or CMP), except where gen_flags_dead() has said that nobody minds.
 */
#pragma once

#include "translator/decode.h"
#include "translator/generate.h"

#include "host.h"

struct gen {
    const struct gen_request *request;
    struct gen_result *result;
    struct host_code code;
    struct host_label indirect;           /* where exit_indirect is jumped to */
    struct {
        struct host_label label; /* ... from a return site, with R9D the guest's ECX */
        unsigned at,
            hops; /* the last jump there: its offset, and how many lead on to the label; 0: none yet */
    } elsewhere;
    uint64_t targets[GEN_PAGE_SIZE / 64]; /* offsets that jumps and conditional branches lead to */

    struct {
        struct host_short branch;
        uint16_t from, target; /* offsets in the page */
    } shorts[GEN_EXITS_MAX];
    unsigned short_count;
    uint64_t *long_at; /* offsets of branches that turned out not to be short, as `targets` */

    /* The instruction being translated. */
    struct insn insn;
    const uint8_t *bytes;
    unsigned offset, next; /* in the page: of it, and behind it */
    unsigned end;          /* in the page: behind what may be fetched */
    struct gen_insn *entry;
    bool ends_line; /* what stands behind it is not reached from it */
};

enum guest_registers {
    GUEST_ESP = 4, /* in the guest's numbering; in the host's, R14 */
};

/* Nothing of the guest's has changed so far, and nothing will fault from the next instruction's end on. */
static inline void gen_commit(struct gen *g)
{
    g->entry->restart = (uint16_t)g->code.size;
}

static inline void gen_commit_at(struct gen *g, unsigned host)
{
    g->entry->restart = (uint16_t)host;
}

static inline uint32_t gen_address(const struct gen *g, unsigned offset)
{
    return g->request->address + offset;
}

/* Linear address of EIP 0. */
static inline uint32_t gen_base(const struct gen *g)
{
    return g->request->segmented ? g->request->segmented->base : 0;
}

/* EIP behind the instruction being translated */
static inline uint32_t gen_next_eip(const struct gen *g)
{
    return gen_address(g, g->next) - gen_base(g);
}

/* A guest's register of 16 or 32 bits. */
static inline unsigned gen_register(unsigned reg)
{
    return reg == GUEST_ESP ? R14 : reg;
}

/*
 * Forms. False: there is none for this instruction after all, and what was written is void.
 */
typedef bool gen_form(struct gen *g);

/* ---- recode.c: the same instruction, with other operands ----------------------------------------- */

gen_form gen_recode;
gen_form gen_nop, gen_pause, gen_fence, gen_rdtsc;

/* The memory operand's place, with instructions that compute it where needed. False: it has no form. */
bool gen_memory(struct gen *g, struct host_memory *memory);

/* ---- high_byte.c --------------------------------------------------------------------------------- */

/* For gen_recode(): AH to DH with an operand that needs a REX prefix. */
gen_form gen_load_high_byte;

/* ---- stack.c ------------------------------------------------------------------------------------- */

gen_form gen_push, gen_pop, gen_leave;

/* [ESP + disp] of the guest's */
struct host_memory gen_stack(uint32_t disp);
void gen_move_stack(struct gen *g, uint32_t by);

/* ---- flow.c -------------------------------------------------------------------------------------- */

gen_form gen_jmp, gen_jcc, gen_loop, gen_loopcc, gen_jecxz;
gen_form gen_jmp_indirect, gen_call, gen_call_indirect, gen_ret;

/* Go on at a linear address, by an exit that may turn out to lead into the stretch. */
void gen_jump(struct gen *g, uint32_t target);
/* Go on there if the condition is met. */
void gen_branch(struct gen *g, unsigned cond, uint32_t target);
/* A branch leads to this linear address. */
void gen_note_target(struct gen *g, uint32_t target);
/* Behind a host CALL: R8D is the address that the guest's RET took, R9D is ECX. */
void gen_return_site(struct gen *g);

/* ---- system.c ------------------------------------------------------------------------------------ */

gen_form gen_push_sreg, gen_mov_from_sreg, gen_pushf, gen_popf, gen_cli, gen_sti;

/* ---- segment.c ----------------------------------------------------------------------------------- */

gen_form gen_mov_to_sreg, gen_pop_sreg;
/* R8D = the guest's EFLAGS. */
void gen_all_flags(struct gen *g);

/*
 * POPF in three parts. R8D has what was popped, of which EFLAGS takes over these bits: all but the arithmetic
 * ones; then the stack's pointer is to be moved, without R8; then the arithmetic ones, or somebody else does
 * it all.
 */
struct gen_popf_ways {
    struct host_short rare, wanted;
};
struct gen_popf_ways gen_take_flags(struct gen *g, uint32_t popped);
/* The six flags from a register that is not EAX. By R10D. */
void gen_arithmetic_flags(struct gen *g, unsigned from);
void gen_popf_end(struct gen *g, const struct gen_popf_ways *ways);

/* ---- string.c ------------------------------------------------------------------------------------ */

gen_form gen_string;

/* ---- flags.c ------------------------------------------------------------------------------------- */

/* Does the guest's code from this offset on write all arithmetic flags before it reads one? */
bool gen_flags_dead(struct gen *g, unsigned offset);

/* ---- exits.c ------------------------------------------------------------------------------------- */

/* [R15 + disp] */
struct host_memory gen_context(int32_t disp);
void gen_note_exit(struct gen *g, enum gen_exit_kind kind, unsigned rel32, uint32_t target);
/*
 * Would a branch of two bytes, written now, reach the target in the stretch? A guess where it is yet to come;
 * then gen_note_short() has the rel8 filled in.
 */
bool gen_is_short(const struct gen *g, uint32_t target);
void gen_note_short(struct gen *g, struct host_short branch, uint32_t target);
/*
 * Lead branches to where they go: into the stretch, or out of it by a stub behind it. False: a guess was
 * wrong, which is in long_at now, and all is to be done again.
 */
bool gen_resolve(struct gen *g);
/* Have somebody else execute the instruction. gen_call_out(): that is its form, and all there is of it. */
void gen_call_somebody(struct gen *g);
/* The same by another pointer of the context: what is there does it, or has somebody do it. No more follows.
 */
void gen_call_by(struct gen *g, int32_t pointer);
void gen_call_out(struct gen *g);

/* ---- stretch.c ----------------------------------------------------------------------------------- */

/* Has the processor the instruction, in the form it has here? */
bool gen_exists(const struct gen *g, const struct insn *insn);

/* These bytes of the page were looked at. */
static inline void gen_looked_at(struct gen *g, unsigned end)
{
    if (end > g->result->guest_end)
        g->result->guest_end = (uint16_t)end;
}

static inline bool gen_in_page(const struct gen *g, uint32_t target)
{
    return target - g->request->address < GEN_PAGE_SIZE;
}
