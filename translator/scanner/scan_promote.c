/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Promotion: forms without a trap for sites where the guard found something hidden. A long branch keeps its
 * opcode and goes by way of a jump in the snippet page; anything else runs there, as an equivalent that hides
 * nothing, with neighbours of the straight line if it is shorter than the jump to it. docs/scanning.md,
 * "Promotion", has the rules.
 */
#include "scan_snippet.h"

#include "policy.h"
#include "prefix.h"
#include "scan_private.h"

enum {
    JUMP_SIZE = 5, /* E9 cd */
    JUMP_OPCODE = 0xe9,
    PADDING = 0x3e,     /* a prefix a jump ignores */
    NEIGHBOURS_MAX = 9, /* instructions in a promotion that is no loop */
    RUN_BEFORE_MAX = 7, /* of them before the site */
};

static struct emit emit_for(const struct scan_page *page)
{
    bool es_at_zero = page->mode.bits & SCAN_ES_AT_ZERO;

    return (struct emit){
        .scratch = page->scratch,
        .turns_fpu = page->turns_fpu,
        .data_base = es_at_zero ? page->data_base : 0,
    };
}

static bool decode(const struct scan_page *page, unsigned offset, struct guest_insn *guest)
{
    unsigned length = page->mark[offset] & MARK_LENGTH;

    guest->bytes = page->original + offset;
    guest->eip = page->address + offset;
    return x86_decode(guest->bytes, length, true, &guest->insn) == X86_DECODE_OK || guest->insn.op == X86_UD2;
}

static void promote(struct scan_page *page, const struct emit *e, const struct patch *patch, unsigned at,
                    enum scan_form form)
{
    struct scan_jump *jump = &page->jumps[page->jump_count++];

    *jump = (struct scan_jump){
        .first = (uint16_t)patch->first,
        .end = (uint16_t)(patch->first + patch->size),
        .snippet = (uint16_t)at,
        .snippet_end = (uint16_t)(at + e->size),
        .form = (uint8_t)form,
        .jump = (uint8_t)patch->jump,
    };
    snippet_commit(page, e, at);
    rules_promote(page, jump, patch->bytes);
    for (unsigned offset = jump->first; offset < jump->end; offset = mark_end(page, offset)) {
        const struct scan_site *known = scan_site_at(page, offset);
        struct scan_site site;

        if (!known)
            continue;
        site = *known;
        site.form = (uint8_t)form;
        sites_set(page, &site);
    }
}

/* ---- Runs ---------------------------------------------------------------------------------------- */

static bool may_be_promoted(const struct scan_page *page, const struct scan_site *site)
{
    return site && (site->reason == SCAN_HIDDEN || site->reason == SCAN_STRING ||
                    (page->doors && site->reason != SCAN_STRADDLE && site->reason != SCAN_OVERLAP));
}

/* May it become a door? */
static bool is_sensitive(const struct scan_page *page, const struct insn *insn)
{
    return page->doors && (insn->class_ == X86_SENSITIVE || insn->op == X86_UD2) &&
           scan_verdict(insn, &page->mode).action == SCAN_REPLACE;
}

/* Its meaning is the guest's, or has an equivalent that means the same. */
static bool is_harmless(const struct scan_page *page, const struct insn *insn)
{
    struct scan_verdict verdict = scan_verdict(insn, &page->mode);

    return verdict.action == SCAN_KEEP || verdict.action == SCAN_RECODE ||
           (verdict.reason == SCAN_STRING && equivalent_uses_es(insn));
}

bool run_takes(const struct scan_page *page, unsigned offset, struct guest_insn *guest)
{
    unsigned state = mark_state(page, offset);

    if (state != MARK_KEEP &&
        !((state == MARK_TRAP || state == MARK_TWIN) && may_be_promoted(page, scan_site_at(page, offset))))
        return false;
    if (offset < page->tail || mark_end(page, offset) > SCAN_PAGE_SIZE)
        return false;
    return decode(page, offset, guest) &&
           (is_harmless(page, &guest->insn) || is_sensitive(page, &guest->insn));
}

static bool is_call(const struct insn *insn)
{
    return insn->op == X86_CALL || insn->op == X86_CALL_IND;
}

/* Behind UD2 nothing is scanned unless somebody comes there, as handlers do that skip it. */
static bool falls_through(const struct scan_page *page, const struct insn *insn)
{
    unsigned flow = scan_verdict(insn, &page->mode).flow;

    return !is_call(insn) && (flow == SCAN_FLOW_NEXT || flow == SCAN_FLOW_BRANCH || insn->op == X86_UD2);
}

/* The only instruction known that ends where this one begins, if it goes on there; -1. */
static int find_before(const struct scan_page *page, unsigned offset)
{
    struct guest_insn guest;
    int found = -1;

    for (unsigned start = reach_back(offset); start < offset; start++) {
        if (!page->mark[start] || mark_end(page, start) != offset)
            continue;
        if (found >= 0)
            return -1;
        found = (int)start;
    }
    if (found < 0 || !run_takes(page, (unsigned)found, &guest) || !falls_through(page, &guest.insn))
        return -1;
    return found;
}

bool run_is_alone(const struct scan_page *page, const struct run *run)
{
    unsigned member = 0;

    for (unsigned start = reach_back(run->first); start < run->end; start++) {
        if (!page->mark[start])
            continue;
        if (member < run->count && start == run->start[member]) {
            member++;
            continue;
        }
        if (start > run->first ||
            (mark_end(page, start) > run->first && mark_state(page, start) != MARK_TRAP))
            return false;
    }
    return true;
}

/* Does a call end here? Then it returns here. */
static bool is_return_address(const struct scan_page *page, unsigned offset)
{
    struct guest_insn guest;

    for (unsigned start = reach_back(offset); start < offset; start++)
        if (page->mark[start] && mark_end(page, start) == offset && decode(page, start, &guest) &&
            is_call(&guest.insn))
            return true;
    return false;
}

bool run_may_go_on(const struct scan_page *page, unsigned offset)
{
    return offset < SCAN_PAGE_SIZE && !bitmap_has(page->entry, offset) && !is_return_address(page, offset);
}

/* By its first byte, as decoding all of a page takes long: a branch by an offset, or 0F or a prefix before
 * it. */
static bool may_branch(uint8_t byte)
{
    return (byte & 0xf0) == 0x70 || (byte & 0xfc) == 0xe0 || byte == 0xe8 || byte == 0xe9 || byte == 0xeb ||
           byte == 0x0f || x86_is_prefix(byte);
}

/* Does the instruction branch to `target`, an offset in the page? */
static bool branches_to(const struct scan_page *page, unsigned offset, unsigned target)
{
    struct guest_insn guest;

    return may_branch(page->original[offset]) && decode(page, offset, &guest) &&
           guest.insn.opnd[0].kind == X86_OPND_REL &&
           guest.eip + guest.insn.length + guest.insn.imm == page->address + target;
}

/*
 * Do only instructions of the run branch there, as far as is known? C libraries copy what is left of a string
 * by `shr ecx, 1`; `jnc over`; `movsb`; over: ... If none does, somebody came there who went on behind an
 * instruction that the monitor did, the one before.
 */
static bool is_entered_from_run(const struct scan_page *page, const struct run *run, unsigned offset)
{
    const struct scan_site *before = scan_site_at(page, run->start[run->count - 1]);
    bool found = before && before->reason != SCAN_HIDDEN;
    unsigned member = 0;

    for (unsigned start = 0; start < SCAN_PAGE_SIZE; start++) {
        bool inside = member < run->count && run->start[member] == start;

        member += inside;
        if (!page->mark[start] || (found && inside) || !branches_to(page, start, offset))
            continue;
        if (!inside)
            return false;
        found = true;
    }
    return found;
}

/* What a run may contain besides its first instruction. */
struct choice {
    bool with_calls, with_branches, with_entries, site_last;
    unsigned also; /* an offset that must be in it; 0: none */
};

static bool is_entry(const struct scan_page *page, unsigned offset, const struct choice *choice)
{
    return !choice->with_entries && bitmap_has(page->entry, offset);
}

/*
 * Add instructions behind the run until it has `count`, calls among them or none. False: it cannot have that
 * many.
 */
static bool extend(const struct scan_page *page, struct run *run, unsigned count, const struct choice *choice)
{
    bool has_call = false;
    struct guest_insn guest;

    while (run->count < count) {
        unsigned next = run->end;

        if (run->count) {
            decode(page, run->start[run->count - 1], &guest);
            if (!falls_through(page, &guest.insn) || next >= SCAN_PAGE_SIZE || is_return_address(page, next))
                return false;
            if (is_entry(page, next, choice) &&
                !(choice->with_branches && is_entered_from_run(page, run, next)))
                return false;
        }
        if (!run_takes(page, next, &guest) || (is_call(&guest.insn) && !choice->with_calls))
            return false;
        has_call |= is_call(&guest.insn);
        run->start[run->count++] = (uint16_t)next;
        run->end = mark_end(page, next);
    }
    return has_call == choice->with_calls && run->end > choice->also && run->end - run->first >= JUMP_SIZE &&
           run_is_alone(page, run);
}

/* The jump begins behind `padding` prefixes, so that what began inside of it may meet a byte that traps. */
static void make_patch(const struct run *run, unsigned padding, struct patch *patch)
{
    *patch = (struct patch){ .first = run->first, .size = run->end - run->first };
    __builtin_memset(patch->bytes, SCAN_TRAP_BYTE, patch->size);
    __builtin_memset(patch->bytes, PADDING, padding);
    patch->bytes[padding] = JUMP_OPCODE;
    patch->rel = padding + 1;
    patch->jump = padding + JUMP_SIZE;
    for (unsigned i = 1; i < run->count; i++)
        patch->starts[patch->start_count++] = (uint8_t)(run->start[i] - run->first);
}

/* Code that does what the instruction does, or the door by which the caller gets to do it. */
static bool emit_for_guest(const struct scan_page *page, struct emit *e, const struct guest_insn *guest)
{
    if (!is_sensitive(page, &guest->insn))
        return equivalent_emit(e, guest, scan_mode_guard(&page->mode));
    emit_guest(e, guest->eip);
    emit_door(e);
    emit_guest(e, equivalent_next(guest));
    return !e->overflow;
}

/* Does the code for it go on behind itself? */
static bool runs_on(const struct scan_page *page, const struct insn *insn)
{
    return falls_through(page, insn) && !is_sensitive(page, insn);
}

/* Code for the run; `apart`: with a NOP after each instruction, in case they hide something together. */
static bool make_snippet(const struct scan_page *page, const struct run *run, bool apart, struct emit *e)
{
    struct guest_insn guest;
    unsigned at[RUN_MAX];

    *e = emit_for(page);
    for (unsigned i = 0; i < run->count; i++) {
        at[i] = e->size;
        if (!decode(page, run->start[i], &guest) || !emit_for_guest(page, e, &guest))
            return false;
        if (apart && runs_on(page, &guest.insn))
            emit_nop(e);
    }
    if (runs_on(page, &guest.insn))
        emit_jmp(e, page->address + run->end);
    for (unsigned i = 0; i < run->count; i++)
        emit_inside(e, page->address + run->start[i], at[i]);
    return snippet_fits(page, e);
}

/* Put the run's code into the snippet page, and a jump to it in its place. */
static bool promote_to(struct scan_page *page, const struct run *run, struct emit *e)
{
    unsigned padding_max = run->count > 1 ? run->start[1] - run->first - 1u : 0, at;
    struct patch patch;

    for (unsigned padding = 0; padding <= padding_max; padding++) {
        if (run->end - run->first < padding + JUMP_SIZE)
            break;
        make_patch(run, padding, &patch);
        if (snippet_place(page, e, &patch, &at)) {
            promote(page, e, &patch, at, SCAN_FORM_JUMP);
            return true;
        }
    }
    return false;
}

static bool promote_as(struct scan_page *page, const struct run *run)
{
    struct emit e;

    for (unsigned apart = 0; apart < 2; apart++) {
        if (!make_snippet(page, run, apart, &e))
            return false;
        if (!equivalent_is_objected(&e, 0, scan_mode_guard(&page->mode)) && promote_to(page, run, &e))
            return true;
    }
    return false;
}

/*
 * All runs of `count` instructions around the site: those with the fewest before it first. Or, if it is to be
 * the last, the one that ends with it.
 */
static bool promote_run(struct scan_page *page, unsigned offset, unsigned count, const struct choice *choice)
{
    int first = (int)offset;

    for (unsigned before = 0; before < count && before <= RUN_BEFORE_MAX && first >= 0; before++) {
        struct run run = { .first = (unsigned)first, .end = (unsigned)first };
        bool wanted = !choice->site_last || before == count - 1;

        if (wanted && extend(page, &run, count, choice) && promote_as(page, &run))
            return true;
        /* What is branched to can only be the first, unless it is from those before it. */
        if ((is_entry(page, (unsigned)first, choice) && !choice->with_branches) ||
            is_return_address(page, (unsigned)first))
            break;
        first = find_before(page, (unsigned)first);
    }
    return false;
}

/* In a loop a door would have it gone back into, with whatever registers it keeps exchanged. */
static bool has_door(const struct scan_page *page, const struct run *run)
{
    struct guest_insn guest;

    for (unsigned i = 0; i < run->count; i++)
        if (decode(page, run->start[i], &guest) && is_sensitive(page, &guest.insn))
            return true;
    return false;
}

/*
 * A whole loop around the site: it runs in the snippet from then on, without a jump to and fro in each
 * iteration. One with an XMM register in the site has another in its place, if that helps.
 */
static bool promote_loop(struct scan_page *page, unsigned offset)
{
    struct guest_insn guest;
    struct run run;

    if (!loop_find(page, offset, &run) || has_door(page, &run) || !decode(page, offset, &guest))
        return false;
    for (unsigned variant = equivalent_has_kind(&guest.insn, X86_OPND_XMM) ? 0 : LOOP_SWAPS;
         variant < LOOP_VARIANTS; variant++) {
        struct emit e = emit_for(page);

        if (loop_emit(page, &run, variant, &e) && snippet_fits(page, &e) &&
            !equivalent_is_objected(&e, 0, scan_mode_guard(&page->mode)) && promote_to(page, &run, &e))
            return true;
    }
    return false;
}

/* ---- Branches by way of the snippet page --------------------------------------------------------- */

static bool is_long_branch(const struct insn *insn)
{
    return (insn->op == X86_CALL || insn->op == X86_JMP || insn->op == X86_JCC) && insn->op_size == 4 &&
           insn->length >= JUMP_SIZE && (insn->map == 1 || insn->opcode >= 0xe8) && insn->opcode != 0xeb;
}

/*
 *     call | jmp | jcc   snippet
 * snippet:
 *     jmp target
 * A call pushes the guest's return address, as it stands where it stood.
 */
static bool promote_branch(struct scan_page *page, unsigned offset)
{
    struct guest_insn guest;
    struct patch patch = { .first = offset };
    struct emit e = emit_for(page);
    struct run alone = { offset, mark_end(page, offset), 1, { (uint16_t)offset } };
    unsigned at;

    if (!run_takes(page, offset, &guest) || !run_is_alone(page, &alone) || !is_long_branch(&guest.insn))
        return false;
    patch.size = patch.jump = guest.insn.length;
    patch.rel = guest.insn.length - 4u;
    __builtin_memcpy(patch.bytes, guest.bytes, guest.insn.length);
    emit_guest(&e, guest.eip + guest.insn.length + guest.insn.imm);
    emit_jmp(&e, e.now.eip);
    if (!snippet_fits(page, &e) || !snippet_place(page, &e, &patch, &at))
        return false;
    promote(page, &e, &patch, at, SCAN_FORM_BRANCH);
    return true;
}

/* ---- Sites --------------------------------------------------------------------------------------- */

/* Has it an equivalent at all? */
static bool has_equivalent(const struct scan_page *page, unsigned offset)
{
    struct emit e = emit_for(page);
    struct guest_insn guest;

    return run_takes(page, offset, &guest) && emit_for_guest(page, &e, &guest);
}

/* Runs of any length, the shortest first. */
static bool promote_runs(struct scan_page *page, unsigned offset, const struct choice *choice)
{
    for (unsigned count = 1; count <= NEIGHBOURS_MAX; count++)
        if (promote_run(page, offset, count, choice))
            return true;
    return false;
}

/* A string instruction that traps, too, shortly behind this one; 0. */
static unsigned next_string(const struct scan_page *page, unsigned offset)
{
    enum { NEAR = 8 };

    for (unsigned next = offset + 1; next < offset + NEAR && next < SCAN_PAGE_SIZE; next++) {
        const struct scan_site *site = scan_site_at(page, next);

        if (site && site->reason == SCAN_STRING && site->form == SCAN_FORM_INT3)
            return next;
    }
    return 0;
}

/*
 * `rep movsd`; `mov ecx, eax`; `rep movsb`: with the first one alone, what is between them might be taken,
 * and the second find no room. So as many as can be go together.
 */
static bool promote_strings(struct scan_page *page, unsigned offset)
{
    enum { CHAIN_MAX = 4 };
    unsigned chain[CHAIN_MAX], count = 0;

    for (unsigned next = next_string(page, offset); next && count < CHAIN_MAX; next = next_string(page, next))
        chain[count++] = next;
    while (count--)
        if (promote_runs(page, offset, &(struct choice){ .with_branches = true, .also = chain[count] }))
            return true;
    return false;
}

static bool promote_well(struct scan_page *page, unsigned offset)
{
    unsigned reason = scan_site_at(page, offset)->reason;

    if (promote_branch(page, offset))
        return true;
    if (!has_equivalent(page, offset))
        return false;
    /* Best to come back from a door to what is in its place. */
    if (reason != SCAN_HIDDEN && reason != SCAN_STRING
            ? promote_runs(page, offset, &(struct choice){ .site_last = true })
            : promote_loop(page, offset) || (reason == SCAN_STRING && promote_strings(page, offset)))
        return true;
    return promote_runs(page, offset, &(struct choice){ .site_last = false }) ||
           promote_runs(page, offset, &(struct choice){ .with_branches = true });
}

/*
 * The last resort: a return from a call that a snippet made is not foreseen by the processor; and who
 * branches to what was moved has the promotion taken back.
 */
static bool promote_at_last(struct scan_page *page, unsigned offset)
{
    bool comes_back = scan_site_at(page, offset)->reason != SCAN_HIDDEN;

    if (!has_equivalent(page, offset))
        return false;
    for (unsigned i = 1; i < (comes_back ? 4 : 2); i++)
        if (promote_runs(page, offset, &(struct choice){ .with_calls = i & 1, .with_entries = i & 2 }))
            return true;
    return false;
}

bool scan_promote(struct scan_page *page, unsigned offset, struct scan_change *change)
{
    const struct scan_site *site = scan_site_at(page, offset);
    bool done;

    *change = (struct scan_change){ { 0, 0 }, 0, false };
    if (!page->snippets || !may_be_promoted(page, site) || site->form != SCAN_FORM_INT3 ||
        !(page->mode.bits & SCAN_CODE32) || scan_mode_guard(&page->mode) == SCAN_GUARD_STRICT)
        return false;
    scan_begin(page);
    done = promote_well(page, offset) || promote_at_last(page, offset);
    *change = scan_end(page);
    return done;
}
