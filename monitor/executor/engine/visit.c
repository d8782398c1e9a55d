/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * There is one set of mappings below 4 GiB, and to change them for another address space costs some 300 us:
 * dropping and filling a hundred pages. So one program is at home, and who else comes visits. Most are there
 * for a short time (a command of a shell script), and meet new pages all the time, each of which costs a
 * mapping as much as a thousand interpreted instructions: they are interpreted. One that keeps coming without
 * faults (an end of a pipe) is translated; and one that computes moves in. None is worse off than at twice
 * the cost of the best, whatever it does. Executor side.
 */
#include "visit.h"

#include "chips.h"
#include "deadline.h"
#include "host.h"

enum {
    MOVE_INSTRUCTIONS = 150000, /* interpreted without a change of address space: about what moving costs */
    MOVE_KICKS = 3,             /* ticks that met translated code: some milliseconds of computing */
    CREDIT = 30000,             /* interpreted instructions that make a program worth its mappings */
    FAULT = 2000,               /* a fault, in such instructions */
    YOUNG_INSTRUCTIONS = 50000, /* so long, and ... */
    YOUNG_NS = 500000,          /* ... not longer than this, nobody counts: links lead from block to block */
    COME_AGAIN = 100,           /* what each visit gives back */
};

static struct visitor *seat_of(struct vcpu *v, uint32_t cr3)
{
    for (unsigned i = 0; i < SBE_VISITORS; i++) {
        if (v->sbe.seat[i].cr3 == cr3)
            return &v->sbe.seat[i];
    }
    struct visitor *seat = &v->sbe.seat[v->sbe.next_seat++ % SBE_VISITORS];
    *seat = (struct visitor){ .cr3 = cr3 };
    return seat;
}

static void change_seats(struct vcpu *v)
{
    struct visitor *now = &v->sbe.visitor;
    if (now->cr3)
        *seat_of(v, now->cr3) = *now;
    *now = *seat_of(v, v->cr3);
    v->sbe.visit = 0;
    v->sbe.timed = false;
    v->sbe.exceptions = v->stats.exceptions;
}

/* What happened since the last look at the same visitor. */
static void settle_account(struct vcpu *v)
{
    struct visitor *now = &v->sbe.visitor;
    uint64_t faults = v->stats.exceptions - v->sbe.exceptions;
    v->sbe.exceptions = v->stats.exceptions;
    if (faults)
        now->earned = faults * FAULT > now->earned ? 0 : now->earned - (uint32_t)faults * FAULT;
    if (now->credit > 0 && now->credit < CREDIT)
        now->credit += COME_AGAIN;
}

static enum visit_answer move_in(struct vcpu *v)
{
    v->sbe.visitor = (struct visitor){ .cr3 = v->cr3 };
    v->sbe.home = v->cr3;
    v->sbe.settled = true;
    return VISIT_HOME;
}

enum visit_answer visit(struct vcpu *v)
{
    struct visitor *now = &v->sbe.visitor;
    if (unlikely(v->sbe.translate_only)) {
        *now = (struct visitor){ .cr3 = v->cr3, .credit = CREDIT };
        return VISIT_TRANSLATE;
    }
    if (likely(v->cr3 == v->sbe.home && v->sbe.settled)) {
        v->sbe.visit =
            0; /* who comes with the visitor's CR3 next may be another program, as a shell's commands are */
        return VISIT_HOME;
    }
    if (!v->sbe.settled || v->sbe.eager)
        return move_in(v);
    if (v->cr3 != now->cr3)
        change_seats(v);
    else
        settle_account(v);
    if (v->sbe.visit >= MOVE_INSTRUCTIONS || now->kicks >= MOVE_KICKS) {
        v->counts.moves++;
        return move_in(v);
    }
    if (now->earned >= CREDIT && v->translated.enabled) {
        now->earned = 0;
        now->credit = CREDIT;
        v->counts.visits_translated++;
    }
    return now->credit > 0 ? VISIT_TRANSLATE : VISIT_INTERPRET;
}

uint64_t visit_allowance(const struct vcpu *v)
{
    uint64_t move = v->sbe.visit < MOVE_INSTRUCTIONS ? MOVE_INSTRUCTIONS - v->sbe.visit : 0;
    uint64_t credit = v->sbe.visitor.earned < CREDIT ? CREDIT - v->sbe.visitor.earned : 0;
    return v->cr3 == v->sbe.home ? 1 : move < credit ? move : credit;
}

bool visit_is_young(struct vcpu *v)
{
    if (v->engine != D86_ENGINE_SBE || v->icount < v->sbe.interpret_until || v->cr3 == v->sbe.home ||
        v->sbe.visit >= YOUNG_INSTRUCTIONS)
        return false;
    if (!v->sbe.timed) {
        uint64_t end = host_clock_ns() + YOUNG_NS, deadline = chips_deadline(v);
        deadline_move(v, deadline && deadline < end ? deadline : end);
        v->sbe.timed = true;
    }
    return true;
}

void visit_interpreted(struct vcpu *v, uint64_t count)
{
    v->sbe.visit += count;
    v->sbe.visitor.earned += (uint32_t)count;
}
