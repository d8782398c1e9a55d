/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Promotion of loops: short ones whose only branch is the one back, at their end. An instruction that names
 * two XMM registers and hides something by that (`66 0F 58 CB` is addpd xmm1, xmm3 and a far return) is
 * written with another register: two of them exchange their values before the loop and again behind it, and
 * their names in it. That costs nothing in the loop, whereas an operand in the scratch area costs the way
 * through memory.
 */
#include "scan_snippet.h"

#include "scan_private.h"

/* ---- Finding ------------------------------------------------------------------------------------- */

static bool branches_back(const struct scan_page *page, const struct guest_insn *guest, unsigned *head)
{
    const struct insn *insn = &guest->insn;
    uint32_t target = guest->eip + insn->length + insn->imm - page->address;

    *head = target;
    return (insn->op == X86_JCC || insn->op == X86_LOOP || insn->op == X86_LOOPE || insn->op == X86_LOOPNE) &&
           target < SCAN_PAGE_SIZE;
}

/* The straight line from `head` on, up to a branch back to it. */
static bool build(const struct scan_page *page, unsigned head, struct run *run)
{
    struct guest_insn guest;
    unsigned target;

    *run = (struct run){ .first = head, .end = head };
    while (run->count < RUN_MAX && (run->count == 0 || run_may_go_on(page, run->end)) &&
           run_takes(page, run->end, &guest)) {
        run->start[run->count++] = (uint16_t)run->end;
        run->end += guest.insn.length;
        if (guest.insn.class_ == X86_BRANCH)
            return branches_back(page, &guest, &target) && target == head && run->end - head <= PATCH_MAX &&
                   run_is_alone(page, run);
    }
    return false;
}

bool loop_find(const struct scan_page *page, unsigned offset, struct run *run)
{
    struct guest_insn guest;
    unsigned at = offset, head;

    for (unsigned i = 0; i < RUN_MAX && at < SCAN_PAGE_SIZE && run_takes(page, at, &guest); i++) {
        if (guest.insn.class_ != X86_BRANCH) {
            at += guest.insn.length;
            continue;
        }
        if (!branches_back(page, &guest, &head) || head > offset || !build(page, head, run))
            return false;
        for (unsigned n = 0; n < run->count; n++)
            if (run->start[n] == offset)
                return true;
        return false;
    }
    return false;
}

/* ---- Other names --------------------------------------------------------------------------------- */

static bool names(const struct insn *insn, unsigned a, unsigned b)
{
    for (unsigned i = 0; i < 3; i++)
        if (insn->opnd[i].kind == X86_OPND_XMM && (insn->opnd[i].reg == a || insn->opnd[i].reg == b))
            return true;
    return false;
}

/* Which fields of ModRM name XMM registers shows when it is decoded. */
static bool emit_renamed(struct emit *e, const struct guest_insn *guest, unsigned a, unsigned b)
{
    struct insn expected = guest->insn;
    struct shape shape;

    for (unsigned i = 0; i < 3; i++)
        if (expected.opnd[i].kind == X86_OPND_XMM)
            expected.opnd[i].reg = (uint8_t)equivalent_swapped(expected.opnd[i].reg, a, b);
    if (!shape_read(&shape, &guest->insn, guest->bytes))
        return false;
    emit_guest(e, guest->eip);
    for (unsigned fields = 1; fields < 4; fields++) {
        struct shape trial = shape;

        if (fields & 1)
            trial.reg = (uint8_t)equivalent_swapped(shape.reg, a, b);
        if (fields & 2)
            trial.rm = (uint8_t)equivalent_swapped(shape.rm, a, b);
        if (equivalent_emit_shape(e, &trial, &expected)) {
            emit_guest(e, equivalent_next(guest));
            return true;
        }
    }
    return false;
}

/*
 *     movups es:[scratch], a
 *     movaps a, b
 *     movups b, es:[scratch]
 * The way back is the same.
 */
static void exchange(struct emit *e, unsigned a, unsigned b, bool back)
{
    unsigned saved = back ? b : a; /* whose guest value is in the scratch area: coming back, a has b's */

    emit_movups_scratch_xmm(e, SCRATCH_VECTOR, a);
    emit_movaps(e, a, b);
    e->vector = (uint8_t)(VECTOR_SAVED | saved << 3);
    emit_movups_xmm_scratch(e, b, SCRATCH_VECTOR);
    e->vector = back ? VECTOR_SAME : (uint8_t)(VECTOR_SWAPPED | a << 3 | b);
}

/* ---- Code ---------------------------------------------------------------------------------------- */

/* All ordered pairs: the exchange is written differently for each. */
static void choose_pair(unsigned variant, unsigned *a, unsigned *b)
{
    *a = variant / 7;
    *b = variant % 7;
    *b += *b >= *a;
}

bool loop_emit(const struct scan_page *page, const struct run *run, unsigned variant, struct emit *e)
{
    bool exchanges = variant < LOOP_SWAPS, named = false;
    struct guest_insn guest;
    unsigned a, b;

    choose_pair(variant, &a, &b);
    if (exchanges) {
        if (!e->scratch)
            return false;
        emit_guest(e, page->address + run->first);
        exchange(e, a, b, false);
    }
    e->start = e->size;
    for (unsigned i = 0; i < run->count; i++) {
        bool renamed;

        run_takes(page, run->start[i], &guest);
        renamed = exchanges && names(&guest.insn, a, b);
        named |= renamed;
        if (renamed ? !emit_renamed(e, &guest, a, b)
                    : !equivalent_emit(e, &guest, scan_mode_guard(&page->mode)))
            return false;
    }
    if (exchanges) {
        emit_guest(e, page->address + run->end);
        exchange(e, a, b, true);
    }
    emit_jmp(e, page->address + run->end);
    emit_inside(e, page->address + run->first, e->start);
    return named || !exchanges;
}
