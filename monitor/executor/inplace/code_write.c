/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Frames that are written and executed. A write to bytes that a private page shows drops that page, and the
 * next fetch scans it again: 10 to 100 us, after which the code runs natively. That is the right deal for
 * programs that are loaded or patched now and then, and a bad one for a page rewritten all the time: such
 * frames are left to the interpreter for a while that doubles as long as they do not change their ways.
 * Executor side.
 */
#include "code_private.h"
#include "msr.h"
#include "news.h"
#include "trace_ring.h"

enum {
    /*
     * Native writes emulated before the frame's code goes. A few words next to code (a lock, a jump patched
     * once) are cheaper emulated, at 2 us each, than scanned again; whoever writes more writes a page.
     */
    WRITE_TRAPS_MAX = 4,
    /* Drops in a row until the interpreter gets the frame. Loaders and start-up code stay below. */
    STREAK_MAX = 16,
    /* Asks, one for each block interpreted, so some 100 us; doubled up to LEVEL_MAX times, to some 50 ms. */
    BACKOFF_ASKS = 4096,
    LEVEL_MAX = 9,
};

/*
 * Drops belong to a row while they are less than this many ticks of the time stamp counter apart, a
 * millisecond at 2 GHz, or less than so many times what it took to scan: a page that is one long chain of
 * overlapping instructions takes a millisecond itself. Beyond that, scanning costs a few per cent at most.
 */
#define QUICK_TICKS (UINT64_C(1) << 21)
enum { QUICK_SCANS = 16 };

/* ---- Hysteresis -------------------------------------------------------------------------------------- */

/* One entry for many frames: who finds it taken by another frame forgets that one's past. */
static struct code_history *history_of(struct code_cache *c, uint64_t frame)
{
    return &c->history[(frame ^ frame >> 10) % CODE_HISTORIES];
}

bool code_backs_off(struct vcpu *v, uint64_t frame)
{
    struct code_history *h = history_of(v->code, frame);

    if (h->frame_plus_one != frame + 1 || !h->asks_left)
        return false;
    h->asks_left--;
    return true;
}

void code_note_scan(struct vcpu *v, uint64_t frame, uint64_t ticks)
{
    struct code_history *h = history_of(v->code, frame);

    if (h->frame_plus_one == frame + 1)
        h->scanning += ticks;
}

bool code_note_drop(struct vcpu *v, uint64_t frame)
{
    struct code_history *h = history_of(v->code, frame);
    uint64_t now = tsc_read(v);

    if (h->frame_plus_one != frame + 1)
        *h = (struct code_history){ .frame_plus_one = frame + 1 };
    else if (now - h->dropped_at > QUICK_TICKS + QUICK_SCANS * h->scanning && !h->asks_left)
        h->streak = h->level = 0;
    h->dropped_at = now;
    h->scanning = 0;
    if (++h->streak <= STREAK_MAX)
        return false;
    h->streak = 0;
    h->asks_left = (uint32_t)BACKOFF_ASKS << h->level;
    if (h->level < LEVEL_MAX)
        h->level++;
    v->counts.code_backoffs++;
    return true;
}

/* ---- Writes ------------------------------------------------------------------------------------------ */

/* The page has a number in its frame's list: of whichever member. */
static void drop(struct vcpu *v, uint32_t number)
{
    uint32_t before = member_act_as(v, code_member_of(number));

    code_drop(v, code_of_number(v, number));
    v->counts.code_drops++;
    member_act_as(v, before);
}

static void unlink_tail(struct vcpu *v, uint32_t number)
{
    uint32_t before = member_act_as(v, code_member_of(number));

    code_unlink_tail(v, code_of_number(v, number));
    member_act_as(v, before);
}

static void drop_frame(struct vcpu *v, uint64_t frame)
{
    const uint32_t *head = &v->code_frame[frame].private_head;

    while (*head)
        drop(v, *head);
}

/*
 * Is any of the bytes part of an instruction that was scanned? Others have left no trace in the private page.
 * But what is written whole may have been given back to the host (d86_vm_discard()), and be another page of
 * its now: then no mapping of the old one may stay, as the split `tlb` has them.
 */
static bool shows(const struct code_page *p, unsigned offset, unsigned size)
{
    unsigned start = offset < X86_INSN_MAX ? 0 : offset - (X86_INSN_MAX - 1);

    if (size >= SCAN_PAGE_SIZE)
        return true;
    for (; start < offset + size; start++) {
        unsigned length = scan_length_at(&p->scan, start);

        if (length && start + length > offset)
            return true;
    }
    return false;
}

/*
 * In three rounds, as the originals have changed already and the scanner must not look at what it knew of
 * them: begin the pages anew that showed any of the bytes; undo links whose tail was written; drop the
 * former.
 */
void code_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    uint32_t head = v->code_frame[frame].private_head, number, next;
    struct code_page *p;
    bool any = false;

    v->counts.code_writes++;
    exec_trace(v, TRACE_CODE_WRITE, (uint32_t)frame, offset, size, 0);
    for (number = head; number; number = p->next_of_frame) {
        p = code_of_number(v, number);
        if (!shows(p, offset, size))
            continue;
        scan_init(&p->scan);
        p->written = any = true;
    }
    for (number = head; number; number = p->next_of_frame) {
        p = code_of_number(v, number);
        if (p->scan.tail > offset)
            unlink_tail(v, number);
    }
    for (number = head; number && any; number = next) {
        p = code_of_number(v, number);
        next = p->next_of_frame;
        if (p->written)
            drop(v, number);
    }
    if (any && code_note_drop(v, frame))
        drop_frame(v, frame);
}

bool code_yield_frame(struct vcpu *v, uint64_t frame)
{
    struct code_frame *f = &v->code_frame[frame];

    v->counts.code_writes++;
    if (++f->write_traps <= WRITE_TRAPS_MAX)
        return false;
    f->write_traps = 0;
    if (f->private_head) {
        drop_frame(v, frame);
        code_note_drop(v, frame);
    }
    if (f->translated_head) {
        translation_drop_frame(v, frame);
        code_note_drop(v, frame);
    }
    block_written(v, frame, 0, SCAN_PAGE_SIZE);
    return true;
}
