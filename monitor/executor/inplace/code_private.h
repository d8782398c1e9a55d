/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the code cache offer each other, grouped by the file that defines it. Executor side.
 */
#pragma once

#include "code_cache.h"
#include "executor.h"
#include "member.h"
#include "shadow.h"
#include "space.h"

static inline struct code_page *code_slot(struct code_cache *c, uint32_t slot_plus_one)
{
    return slot_plus_one ? &c->page[slot_plus_one - 1] : NULL;
}

static inline uint32_t code_slot_of(const struct code_cache *c, const struct code_page *p)
{
    return (uint32_t)(p - c->page);
}

/* Pages made from a frame are in one list, whosever they are: slots of the first member, of the second, ...
 */
static inline uint32_t code_number_of(const struct code_cache *c, uint32_t slot)
{
    return c->member * CODE_PAGES_MAX + slot + 1;
}

static inline uint32_t code_member_of(uint32_t number)
{
    return (number - 1) / CODE_PAGES_MAX;
}

/* The page of a number, NULL for 0. */
static inline struct code_page *code_of_number(struct vcpu *v, uint32_t number)
{
    uint32_t member = number ? code_member_of(number) : v->member;
    struct code_cache *c = member == v->member ? v->code : v->members->member[member].code;
    return number ? &c->page[(number - 1) % CODE_PAGES_MAX] : NULL;
}

/* ---- code_cache.c: the pool ------------------------------------------------------------------------ */

/*
 * The mapped private page for la, made and mapped if need be, into *page; else why not. Sets A bits, and by
 * that may drop any page: the guest's tables can lie in a frame that is code.
 */
enum code_answer code_bring(struct vcpu *v, guest_la la, struct code_page **page);
/* Count what sites and forms the scanner added to p, since its figures were `before`. */
void code_count_sites(struct vcpu *v, const struct code_page *p, const struct scan_stats *before);
/* Scan from an entry point. */
void code_scan(struct vcpu *v, struct code_page *p, unsigned offset);
/* The page was used just now. */
void code_touch(struct code_cache *c, struct code_page *p);
/* Move it to the order of the mapped or of the idle. */
void code_set_mapped(struct code_cache *c, struct code_page *p, bool mapped);
/* Unmap it and free its slot. */
void code_drop(struct vcpu *v, struct code_page *p);
/* The page of these three, or NULL. */
struct code_page *code_find(struct code_cache *c, uint64_t frame, guest_la address, uint64_t key);

/* ---- code_mode.c ------------------------------------------------------------------------------------ */

/* Instruction sets of a processor with these features: scan_mode.isa. */
uint32_t code_isa(const struct vcpu *v);
/* enum scan_mode_bit for v as it stands. */
uint32_t code_mode_bits(const struct vcpu *v);
/* Bring v->code's mode up to date; if it changed, nothing is mapped afterwards. */
void code_mode_refresh(struct vcpu *v);

/* ---- code_map.c: the guest's address space, and instructions across two pages ------------------------- */

/* Map a page where nothing of ours is. False: the host refused. */
bool code_map(struct vcpu *v, struct code_page *p);
void code_unmap(struct vcpu *v, struct code_page *p);
/* Unmap every page that is `leaving`; returns how many. Neighbours go with one system call. */
unsigned code_unmap_leaving(struct vcpu *v);
/* Do the guest's tables, A bits included, still lead from the linear page to the frame? Changes nothing. */
bool code_still_maps(const struct vcpu *v, guest_la address, uint64_t frame);
/* Show the instruction at this STRADDLE site of p with its tail in the next page, if that can be had. */
void code_link(struct vcpu *v, struct code_page *p, unsigned offset);
/* No longer show the tail of the page before in p. */
void code_unlink_tail(struct vcpu *v, struct code_page *p);
/* The scanner changed p: undo links it had to give up. */
void code_settle(struct vcpu *v, struct code_page *p);

/* ---- code_exposed.c: code within reach of data accesses ---------------------------------------------- */

/* May code at this page run natively, as far as the data page at its host address goes? */
bool code_may_stand(const struct vcpu *v, guest_la address);
/* It was mapped (1) or unmapped (-1). */
void code_note_exposed(struct vcpu *v, guest_la address, int change);

/* ---- code_nexus.c: where snippets lie ------------------------------------------------------------------ */

/* Let p have snippets. False: it cannot. */
bool code_give_snippets(struct vcpu *v, struct code_page *p);
/* The page has no snippets any more. */
void code_release_snippets(struct vcpu *v, struct code_page *p);
/* Whose snippets are there, or NULL. */
struct code_page *code_nexus_owner(struct code_cache *c, uint32_t host_la);
/* What is wrong with the nexus; NULL: nothing. */
const char *code_nexus_audit(struct vcpu *v);

/* ---- code_trap.c: sites and snippets ------------------------------------------------------------------ */

/*
 * Execution arrives within the bytes of a promotion where no instruction of it begins, so that natively
 * nothing can start there. True: let it be emulated; false: it does not, or the promotion should be taken
 * back.
 */
bool code_tolerates_promotion(struct code_page *p, unsigned offset);
/* Is it within the bytes of a promotion, behind the first? */
bool code_inside_promotion(const struct code_page *p, unsigned offset);

/* ---- code_write.c: frames that are written and executed ------------------------------------------------ */

/* Is the frame the interpreter's, this time? */
bool code_backs_off(struct vcpu *v, uint64_t frame);
/*
 * Private pages or translated code of the frame were dropped because it was written. True: it is the
 * interpreter's now.
 */
bool code_note_drop(struct vcpu *v, uint64_t frame);
/* A page of the frame was scanned, which took so many ticks of the time stamp counter. */
void code_note_scan(struct vcpu *v, uint64_t frame, uint64_t ticks);
