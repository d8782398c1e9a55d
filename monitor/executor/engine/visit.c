/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An executor process has one set of mappings below 4 GiB, and to change them for another address space costs
 * some 300 us: dropping and filling a hundred pages. So a few programs have a home in one (pool.h), and who
 * else comes visits. Most are there for a short time (a command of a shell script), and meet new pages all
 * the time, each of which costs a mapping as much as a thousand interpreted instructions: they are
 * interpreted. One that keeps coming without faults (an end of a pipe) is translated; and one that computes
 * moves in. None is worse off than at twice the cost of the best, whatever it does. Whose home is in another
 * process visits, too, if it was not there for long last time. Executor side.
 */
#include "visit.h"

#include "chips.h"
#include "deadline.h"
#include "host.h"
#include "pool.h"

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

static enum visit_answer go_home(struct vcpu *v, enum pool_answer where)
{
    v->sbe.visitor = (struct visitor){ .cr3 = v->cr3 };
    return where == POOL_HERE ? VISIT_HOME : VISIT_MOVE;
}

/* Not at home. */
static enum visit_answer go_on(struct vcpu *v)
{
    struct visitor *now = &v->sbe.visitor;
    if (v->cr3 != now->cr3)
        change_seats(v);
    else
        settle_account(v);
    if (v->sbe.visit >= MOVE_INSTRUCTIONS || now->kicks >= MOVE_KICKS)
        return go_home(v, pool_go_home(v));
    if (now->earned >= CREDIT && v->translated.enabled) {
        now->earned = 0;
        now->credit = CREDIT;
        v->counts.visits_translated++;
    }
    return now->credit > 0 ? VISIT_TRANSLATE : VISIT_INTERPRET;
}

enum visit_answer visit(struct vcpu *v)
{
    enum pool_answer where;
    if (unlikely(v->sbe.translate_only)) {
        v->sbe.visitor = (struct visitor){ .cr3 = v->cr3, .credit = CREDIT };
        return VISIT_TRANSLATE;
    }
    where = pool_choose(v);
    switch (where) {
    case POOL_HERE:
        v->sbe.visit =
            0; /* who comes with the visitor's CR3 next may be another program, as a shell's commands are */
        if (unlikely(v->sbe.visitor.cr3 == v->cr3 && v->sbe.visitor.credit > 0))
            go_home(v, where);
        return VISIT_HOME;
    case POOL_MOVE:
        return go_home(v, where);
    default:
        return go_on(v);
    }
}

uint64_t visit_allowance(const struct vcpu *v)
{
    uint64_t move = v->sbe.visit < MOVE_INSTRUCTIONS ? MOVE_INSTRUCTIONS - v->sbe.visit : 0;
    uint64_t credit = v->sbe.visitor.earned < CREDIT ? CREDIT - v->sbe.visitor.earned : 0;
    return pool_is_here(v) ? 1 : move < credit ? move : credit;
}

bool visit_is_young(struct vcpu *v)
{
    if (v->engine != D86_ENGINE_SBE || v->icount < v->sbe.interpret_until || pool_has_home(v) ||
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
    pool_interpreted(v, count);
    v->sbe.visit += count;
    v->sbe.visitor.earned += (uint32_t)count;
}
