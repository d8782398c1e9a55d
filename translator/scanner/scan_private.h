/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scanner's own contents page: marks, the rules of visibility, and the bytes of a private page.
 */
#pragma once

#include "translator/decode.h"
#include "translator/scan.h"

/* A mark: what is known of a scanned start. The low bits are its length, 1 to 15. */
enum {
    MARK_LENGTH = 0x0f,
    MARK_STATE = 0x70,
    MARK_KEEP = 0x10,  /* shows the guest's bytes, all of them */
    MARK_TWIN = 0x20,  /* shows a twin encoding; no other kept instruction overlaps it */
    MARK_TRAP = 0x30,  /* its first byte traps */
    MARK_JUMP = 0x40,  /* the first of a promotion: a jump or branch to a snippet begins here */
    MARK_MOVED = 0x50, /* another of a promotion: runs in the snippet, its first byte here traps */
};

static inline unsigned mark_state(const struct scan_page *page, unsigned offset)
{
    return page->mark[offset] & MARK_STATE;
}

/* One past the last byte, perhaps beyond the page. */
static inline unsigned mark_end(const struct scan_page *page, unsigned offset)
{
    return offset + (page->mark[offset] & MARK_LENGTH);
}

/* The lowest offset an instruction that covers `offset` can start at. */
static inline unsigned reach_back(unsigned offset)
{
    return offset < X86_INSN_MAX ? 0 : offset - (X86_INSN_MAX - 1);
}

static inline bool bitmap_has(const uint64_t *bitmap, unsigned bit)
{
    return bitmap[bit / 64] >> bit % 64 & 1;
}

static inline void bitmap_set(uint64_t *bitmap, unsigned bit)
{
    bitmap[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* Take the lowest bit out of a bitmap of one bit for each byte of a page; -1: none. */
static inline int bitmap_take(uint64_t *bitmap)
{
    for (unsigned i = 0; i < SCAN_PAGE_SIZE / 64; i++) {
        if (bitmap[i]) {
            unsigned bit = (unsigned)__builtin_ctzll(bitmap[i]);
            bitmap[i] &= bitmap[i] - 1;
            return (int)(i * 64 + bit);
        }
    }
    return -1;
}

/* ---- scan_rules.c: who may be seen --------------------------------------------------------------- */

/* Record a newly scanned start. The rules are restored by rules_settle(). */
void rules_keep(struct scan_page *page, unsigned offset, const struct insn *insn);
void rules_trap(struct scan_page *page, unsigned offset, unsigned length, enum scan_reason reason);

/* As rules_keep(), in its twin encoding; as rules_trap() where there is none or others overlap it. */
void rules_recode(struct scan_page *page, unsigned offset, const struct insn *insn, enum scan_reason reason);

/* Make a kept start a trap. */
void rules_demote(struct scan_page *page, unsigned offset, enum scan_reason reason, unsigned hidden_at);

/* Does the guard object to what stands in the range? The offset, or -1. Changes nothing. */
int rules_guard(const struct scan_page *page, struct scan_range range);

/* Give the range of a promotion (`first` its first start, up to `end`) its bytes; the caller enters the
 * sites. */
void rules_promote(struct scan_page *page, const struct scan_jump *jump, const uint8_t *bytes);

/* The promotion in force that covers a byte; NULL: none. */
struct scan_jump *rules_jump_at(struct scan_page *page, unsigned offset);

/* Take a promotion back: its instructions are scanned again. */
void rules_unpromote(struct scan_page *page, struct scan_jump *jump);

/* Hide what must be hidden until every rule holds. */
void rules_settle(struct scan_page *page);

/* ---- scan_sites.c: the table --------------------------------------------------------------------- */

/* Enter a site, or change the one that is there. */
void sites_set(struct scan_page *page, const struct scan_site *site);
void sites_remove(struct scan_page *page, unsigned offset);

/* ---- scan_emit.c: bytes of the private page ------------------------------------------------------ */

/* Write one byte, which the guard and the caller are to hear of. */
void emit_byte(struct scan_page *page, unsigned offset, uint8_t byte);

/* Show the original, or a trap. */
void emit_original(struct scan_page *page, unsigned offset);
void emit_trap(struct scan_page *page, unsigned offset);

/* Another encoding of the same instruction, of the same length. False: there is none. */
bool emit_twin(const struct insn *insn, const uint8_t *original, uint8_t twin[X86_INSN_MAX]);

/* ---- scan_rotate.c: ROL for ROR ------------------------------------------------------------------ */

bool rotate_is_ror(const struct insn *insn);
/* May the instruction at `offset` be a ROL instead, as far as the instructions behind it go? */
bool rotate_may_be_rol(const struct scan_page *page, unsigned offset, const struct insn *insn);
void rotate_twin(const struct insn *insn, uint8_t twin[X86_INSN_MAX]);
void rotate_entered(struct scan_page *page, unsigned target);

/* ---- scan.c -------------------------------------------------------------------------------------- */

/* Begin and end a call that changes the page. */
void scan_begin(struct scan_page *page);
struct scan_change scan_end(struct scan_page *page);

/* ---- scan_check_promoted.c: the audit of promotions ---------------------------------------------- */

struct scan_fault check_promotions(const struct scan_page *page);
