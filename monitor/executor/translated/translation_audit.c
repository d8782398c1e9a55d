/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The audit of translated code: that the lists agree with each other, that pages lead where the guest's
 * tables do and are written nowhere unnoticed, that every stretch is what the generator makes of the guest's
 * present bytes, and that all branches lead to stretches that are. For tests and debugging: some hundred
 * nanoseconds for each instruction there is. Executor side.
 */
#include "code_private.h"
#include "paging.h"
#include "shadow.h"
#include "system_space.h"
#include "translated.h"
#include "translation_private.h"

/*
 * How many records a list has that begins with number + 1 `head`, each of which must be as `good` says of
 * `record`; UINT32_MAX: some are not, or it goes round. Every record is to be in one list of a kind, so what
 * all lists of the kind have is how many there are.
 */
#define LIST_LENGTH(head, array, limit, link, record, good)                                                  \
    ({                                                                                                       \
        uint32_t i_ = (head), length_ = 0;                                                                   \
        for (; i_ && i_ <= (limit) && length_ <= (limit); length_++) {                                       \
            const typeof(*(array)) *record = &(array)[i_ - 1];                                               \
            if (!(good))                                                                                     \
                break;                                                                                       \
            i_ = record->link;                                                                               \
        }                                                                                                    \
        i_ ? UINT32_MAX : length_;                                                                           \
    })

static uint64_t text_of(const struct translation *t, uint32_t code)
{
    return (uint64_t)(uintptr_t)t->text + code;
}

/* ---- Pages ------------------------------------------------------------------------------------------- */

static const char *audit_mapping(const struct vcpu *v, const struct translation_page *p)
{
    struct paging_span span;
    guest_pa pa = 0;
    paging_span(v, p->address, &span);
    uint32_t bits = paging_span_page(v, &span, p->address, &pa);
    if (!translation_may_fetch(v->translation, p->space, bits) || !paging_span_executable(&span, p->address))
        return "a page is kept that the guest's tables let nobody fetch from";
    const struct region *r = phys_region(v, pa);
    if (pa != p->pa || !r || (r->offset + (pa - r->pa)) >> 12 != p->frame)
        return "a page is kept that leads elsewhere now";
    return NULL;
}

static bool shadow_writes(const struct shadow *s, uint64_t frame)
{
    uint32_t page = s->frame_head[frame];
    for (unsigned n = 0; page && n <= SHADOW_PAGES; n++) {
        if (s->page[page - 1].writable)
            return true;
        page = s->page[page - 1].next;
    }
    return page != 0;
}

static bool tlb_writes(const struct vcpu *v, const struct tlb_entry *tlb, uint64_t frame)
{
    const uint8_t *page = v->map.ram + (frame << 12);
    for (unsigned i = 0; i < TLB_SIZE; i++) {
        if (tlb[i].write_tag != TLB_INVALID &&
            (const uint8_t *)(uintptr_t)(tlb[i].write_tag + tlb[i].addend) == page)
            return true;
    }
    return false;
}

/* Whoever writes to the frame must be noticed. */
static const char *audit_writers(const struct vcpu *v, const struct translation_page *p)
{
    bool writable = shadow_writes(v->shadow, p->frame);
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        writable |= shadow_writes(&v->spaces->shadow[i], p->frame);
    if (writable)
        return "a frame with translated code can be written by host code";
    if (tlb_writes(v, v->tlb_system, p->frame) || tlb_writes(v, v->tlb_user, p->frame))
        return "a frame with translated code can be written by the interpreter unnoticed";
    return NULL;
}

/* Are the offsets that are known those of the instructions in the page's stretches, each once? */
static const char *audit_known(const struct translation *t, const struct translation_page *p)
{
    uint64_t known[GEN_PAGE_SIZE / 64] = { 0 };
    uint32_t steps = 0;
    for (uint32_t i = p->stretches; i; i = t->stretch[i - 1].next) {
        const struct translation_stretch *s = &t->stretch[i - 1];
        if (i > TRANSLATION_STRETCHES || steps++ > TRANSLATION_STRETCHES || s->dropped ||
            &t->page[s->page] != p)
            return "a page's list of stretches holds one that is not its";
        for (uint32_t n = 0; n < s->insn_count; n++) {
            unsigned offset = t->insn[s->insns + n].guest;
            if (known[offset / 64] >> (offset % 64) & 1)
                return "an instruction is in two stretches";
            known[offset / 64] |= 1ull << (offset % 64);
        }
    }
    return __builtin_memcmp(known, p->known, sizeof(known)) ? "the known offsets of a page are wrong" : NULL;
}

static bool is_found(const struct translation *t, uint32_t number)
{
    const struct translation_page *p = &t->page[number];
    uint32_t i = t->page_at[p->address >> 12], steps = 0;
    while (i && i != number + 1 && i <= t->page_count && steps++ < t->page_count)
        i = t->page[i - 1].next_of_address;
    return i == number + 1 && p->space < t->space_count;
}

static const char *audit_page(struct vcpu *v, uint32_t number)
{
    const struct translation *t = v->translation;
    const struct translation_page *p = &t->page[number];
    if (!is_found(t, number))
        return "a page is not found by its address";
    bool waits = translation_is_elsewhere(v, p) || t->space[p->space].doubtful;
    const char *what = waits ? NULL : audit_mapping(v, p);
    if (!what)
        what = audit_writers(v, p);
    return what ? what : audit_known(t, p);
}

/* ---- Stretches ----------------------------------------------------------------------------------------- */

/* Make the stretch again; what was not taken into it then is known now. */
static bool make_again(struct vcpu *v, const struct translation_stretch *s)
{
    struct translation *t = v->translation;
    const struct translation_page *p = &t->page[s->page];
    uint64_t known[GEN_PAGE_SIZE / 64];
    if (s->tail_page)
        return translation_generate_joined(v, p, s->start, &t->page[s->tail_page - 1]);
    for (unsigned i = 0; i < GEN_PAGE_SIZE / 64; i++)
        known[i] = UINT64_MAX;
    for (uint32_t i = 0; i < s->insn_count; i++) {
        unsigned offset = t->insn[s->insns + i].guest;
        known[offset / 64] &= ~(1ull << (offset % 64));
    }
    return translation_generate(v, p->space, v->map.ram + (p->frame << 12), p->address, s->start, known);
}

/* Set the fields of the new code that are filled in later to what they are. */
static void take_fields(struct translation *t, const struct translation_stretch *s)
{
    struct gen_result *r = &t->result;
    for (uint32_t i = 0; i < r->exit_count; i++)
        __builtin_memcpy(r->code + r->exit[i].rel32, t->code + s->code + r->exit[i].rel32, 4);
    for (uint32_t i = 0; i < r->call_out_count; i++)
        __builtin_memcpy(r->code + r->call_out[i].number, t->code + s->code + r->call_out[i].number, 4);
}

static bool same_insns(const struct translation *t, const struct translation_stretch *s)
{
    const struct gen_result *r = &t->result;
    bool same = r->insn_count == s->insn_count;
    for (uint32_t i = 0; i < s->insn_count && same; i++) {
        const struct gen_insn *now = &r->insn[i], *then = &t->insn[s->insns + i];
        unsigned guest = s->tail_page ? s->start : now->guest;
        same = then->guest == guest && then->length == now->length && then->host == now->host &&
               then->restart == now->restart;
    }
    return same;
}

static bool same_exits(const struct translation *t, const struct translation_stretch *s)
{
    const struct gen_result *r = &t->result;
    bool same = r->exit_count == s->exit_count;
    for (uint32_t i = 0; i < s->exit_count && same; i++) {
        const struct gen_exit *now = &r->exit[i];
        const struct translation_exit *then = &t->exit[s->exits + i];
        same = then->target == now->target && then->rel32 == s->code + now->rel32 &&
               then->stub == s->code + now->stub && then->after == s->code + now->after;
    }
    return same;
}

/* Each call-out's site: of the instruction that is there. */
static bool same_sites(const struct translation *t, const struct translation_stretch *s)
{
    const struct gen_result *r = &t->result;
    uint32_t address = t->page[s->page].address - t->space[t->page[s->page].space].segmented.base;
    bool same = true;
    for (uint32_t i = 0; i < r->call_out_count && same; i++) {
        const struct gen_insn *insn = &t->insn[s->insns + r->call_out[i].insn];
        uint32_t number;
        __builtin_memcpy(&number, t->code + s->code + r->call_out[i].number, 4);
        same = number < TRANSLATION_SITES && t->site[number].eip == address + insn->guest &&
               (!t->site[number].length || t->site[number].length == insn->length);
    }
    return same;
}

static const char *audit_bytes(struct vcpu *v, const struct translation_stretch *s)
{
    struct translation *t = v->translation;
    if (!make_again(v, s) || !same_insns(t, s) || !same_exits(t, s))
        return "a stretch was made of other bytes than the guest has there now";
    if (!same_sites(t, s))
        return "a call-out leads to another instruction's site";
    take_fields(t, s);
    if (t->result.guest_end > s->end && !s->tail_page)
        return "a stretch was made of more bytes than it says";
    if (t->result.code_size != s->code_size ||
        __builtin_memcmp(t->result.code, t->code + s->code, s->code_size))
        return "a stretch's host code is not what the guest's bytes make";
    return NULL;
}

/* Does this offset of the code begin an instruction, the one at la, of a stretch that is? */
static bool begins(const struct translation *t, uint32_t code, guest_la la, uint32_t *stretch)
{
    struct translation_place place;
    if (!translation_place(t, text_of(t, code), &place))
        return false;
    *stretch = place.stretch;
    return !t->stretch[place.stretch].dropped && place.begin == text_of(t, code) && place.la == la;
}

static uint32_t led_to(const struct translation *t, const struct translation_exit *e)
{
    uint32_t distance;
    __builtin_memcpy(&distance, t->code + e->rel32, 4);
    return e->rel32 + 4 + distance;
}

static bool leads_into(const struct translation *t, const struct translation_exit *e,
                       const struct translation_stretch *s)
{
    return e->linked && !s->dropped && led_to(t, e) - s->code < s->code_size;
}

/* A near branch stays in its space. */
static bool same_space(const struct translation *t, const struct translation_stretch *from, uint32_t to)
{
    return t->page[from->page].space == t->page[t->stretch[to].page].space;
}

static const char *audit_exit(const struct translation *t, const struct translation_stretch *from,
                              uint32_t number)
{
    const struct translation_exit *e = &t->exit[number];
    uint32_t to = led_to(t, e), stretch;
    if (!e->linked)
        return to == e->stub ? NULL : "an exit that is not linked does not lead to its stub";
    return begins(t, to, e->target, &stretch) && same_space(t, from, stretch)
               ? NULL
               : "an exit leads to what is not its target's code";
}

static const char *audit_stretch(struct vcpu *v, uint32_t number)
{
    struct translation *t = v->translation;
    const struct translation_stretch *s = &t->stretch[number];
    const char *what = NULL;
    uint32_t part = number / TRANSLATION_FIRST(1, TRANSLATION_STRETCHES);
    uint32_t code = TRANSLATION_FIRST(part, TRANSLATION_CODE);
    bool first = number == TRANSLATION_FIRST(part, TRANSLATION_STRETCHES);
    if (s->code + s->code_size > code + t->part[part].code ||
        s->code < (first ? code : s[-1].code + s[-1].code_size))
        return "stretches do not lie behind each other";
    if (s->dropped)
        return s->incoming ? "something leads to a stretch that was dropped" : NULL;
    for (uint32_t i = 0; i < s->exit_count && !what; i++)
        what = audit_exit(t, s, s->exits + i);
    return what ? what : audit_bytes(v, s);
}

/* ---- All of it ------------------------------------------------------------------------------------------
 */

static const char *audit_target(const struct translation *t, uint32_t index)
{
    const struct translation_target *target = &t->target[index];
    struct translation_place place;
    if (target->host == translated_no_target())
        return target->negative ? "a target of nobody's has an address" : NULL;
    if (!translation_has(t, target->host) || !translation_place(t, target->host, &place) ||
        place.la % TRANSLATION_TARGETS != index || t->stretch[place.stretch].dropped ||
        place.begin != target->host ||
        translation_key(t, &t->page[t->stretch[place.stretch].page], place.insn->guest) != -target->negative)
        return "the table of targets leads to what is not an address's code";
    return NULL;
}

static const char *audit_page_lists(const struct vcpu *v)
{
    const struct translation *t = v->translation;
    uint32_t used = 0, by_address = 0, by_region = 0, by_frame = 0, own = 0, by_space = 0;
    for (uint32_t i = 0; i < t->page_count; i++) {
        uint64_t frame = t->page[i].frame;
        used += frame != FRAME_NONE;
        own += frame != FRAME_NONE && t->space[t->page[i].space].own;
        if (frame != FRAME_NONE && v->code_frame[frame].translated_head == i + 1)
            by_frame += LIST_LENGTH(i + 1, t->page, t->page_count, next_of_frame, p, p->frame == frame);
    }
    for (uint32_t number = 0; number < 1u << 20; number++)
        by_address += LIST_LENGTH(t->page_at[number], t->page, t->page_count, next_of_address, p,
                                  p->frame != FRAME_NONE && p->address >> 12 == number);
    for (uint32_t region = 0; region < TRANSLATION_REGIONS; region++)
        by_region += LIST_LENGTH(t->region[region], t->page, t->page_count, next_of_region, p,
                                 p->frame != FRAME_NONE && p->address >> 22 == region);
    for (uint32_t space = 1; space < t->space_count; space++)
        by_space += LIST_LENGTH(t->space[space].pages, t->page, t->page_count, next_of_space, p,
                                p->frame != FRAME_NONE && p->space == space);
    if (by_space != own)
        return "the lists of own spaces do not hold every page once";
    if (by_address != used)
        return "not every page is found by its address";
    return by_region == used && by_frame == used
               ? NULL
               : "the lists of regions and frames do not hold every page once";
}

static const char *audit_stretch_lists(const struct translation *t)
{
    uint32_t used = 0, tails = 0, listed = 0, listed_tails = 0;
    TRANSLATION_EACH(t, i, stretches, TRANSLATION_STRETCHES)
    {
        used += !t->stretch[i].dropped;
        tails += !t->stretch[i].dropped && t->stretch[i].tail_page;
    }
    for (uint32_t i = 0; i < t->page_count; i++) {
        if (t->page[i].frame == FRAME_NONE)
            continue;
        listed += LIST_LENGTH(t->page[i].stretches, t->stretch, TRANSLATION_STRETCHES, next, s,
                              !s->dropped && s->page == i);
        listed_tails += LIST_LENGTH(t->page[i].tails, t->stretch, TRANSLATION_STRETCHES, next_tail, s,
                                    !s->dropped && s->tail_page == i + 1);
    }
    return listed == used && listed_tails == tails ? NULL : "the pages' lists do not hold every stretch once";
}

/* Exits of stretches that were dropped may be linked, too. */
static const char *audit_links(const struct translation *t)
{
    uint32_t linked = 0, listed = 0;
    TRANSLATION_EACH(t, i, exits, TRANSLATION_EXITS)
    linked += t->exit[i].linked;
    TRANSLATION_EACH(t, i, stretches, TRANSLATION_STRETCHES)
    {
        const struct translation_stretch *s = &t->stretch[i];
        listed += LIST_LENGTH(s->incoming, t->exit, TRANSLATION_EXITS, next_incoming, e,
                              leads_into(t, e, s) && &t->stretch[e->to] == s);
    }
    return listed == linked ? NULL : "the lists of links do not hold every linked exit once";
}

const char *translation_audit(struct vcpu *v)
{
    const struct translation *t = v->translation;
    const char *what = audit_page_lists(v);
    v->counts.translation_audits++;
    for (uint32_t i = 0; i < t->page_count && !what; i++) {
        if (t->page[i].frame != FRAME_NONE)
            what = audit_page(v, i);
    }
    if (!what)
        what = audit_stretch_lists(t);
    TRANSLATION_EACH(t, i, stretches, TRANSLATION_STRETCHES)
    {
        if (!what)
            what = audit_stretch(v, i);
    }
    if (!what)
        what = audit_links(t);
    for (uint32_t i = 0; i < TRANSLATION_TARGETS && !what; i++)
        what = audit_target(t, i);
    return what;
}
