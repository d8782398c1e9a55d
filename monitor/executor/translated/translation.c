/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stretches: found, made, dropped. Memory is filled part by part, and the oldest part is emptied when all are
 * full; what is dropped before leaves its memory unused, so that who has yet to notice finds code, if not the
 * right one, where it was. Executor side.
 */
#include "translation_private.h"

#include "code_cache.h"
#include "code_private.h"
#include "executor.h"
#include "news.h"
#include "paging.h"
#include "translated.h"

void translation_init(struct translation *t, uint8_t *code, const uint8_t *text)
{
    t->code = code;
    t->text = text;
    t->space_count = 1;
    t->parts = TRANSLATION_PARTS;
}

void translation_limit(struct translation *t, uint64_t bytes)
{
    uint64_t parts = bytes / TRANSLATION_FIRST(1, TRANSLATION_CODE);
    t->parts = parts < TRANSLATION_PARTS_MIN ? TRANSLATION_PARTS_MIN
               : parts > TRANSLATION_PARTS   ? TRANSLATION_PARTS
                                             : (uint32_t)parts;
}

/* ---- Targets of indirect branches -------------------------------------------------------------------- */

static struct translation_target *target_of(struct translation *t, guest_la la)
{
    return &t->target[la % TRANSLATION_TARGETS];
}

uint64_t translation_key(const struct translation *t, const struct translation_page *p, unsigned offset)
{
    return translation_space_key(t, p->space) +
           (uint32_t)(p->address + offset - t->space[p->space].segmented.base);
}

/* An entry that is nobody's looks like that of key 0, which is asked for now and then, too. */
static void forget_target(struct translation_target *target)
{
    *target = (struct translation_target){ .host = translated_no_target() };
}

/* ---- Pages ------------------------------------------------------------------------------------------- */

static bool is_known(const struct translation_page *p, unsigned offset)
{
    return p->known[offset / 64] >> (offset % 64) & 1;
}

static uint32_t *region_of(struct translation *t, uint32_t address)
{
    return &t->region[address >> 22];
}

/* A number for a page more; the caller has seen to it that there is one. */
static uint32_t take_page(struct translation *t)
{
    uint32_t number = t->free_pages;
    if (!number)
        return t->page_count++;
    t->free_pages = t->page[number - 1].next_of_region;
    return number - 1;
}

/*
 * Where the guest's tables lead to. A fetch may have found the frame by a translation from before they
 * changed, which is valid until the guest flushes: then nowhere, so that the next sync drops the page.
 */
static guest_pa find_pa(const struct vcpu *v, uint32_t address, uint64_t frame)
{
    struct paging_span span;
    guest_pa pa;
    paging_span(v, address, &span);
    uint32_t bits = paging_span_page(v, &span, address, &pa);
    const struct region *r = bits & X86_PTE_P ? phys_region(v, pa) : NULL;
    return r && (r->offset + (pa - r->pa)) >> 12 == frame ? pa : TRANSLATION_PA_NONE;
}

/* Does the page still lead where it did? One whose A bit the guest has cleared does not: a fetch sets it. */
static bool still_leads(const struct vcpu *v, const struct translation_page *p, struct paging_span *span)
{
    guest_pa pa = 0;
    if (p->address < span->first || p->address > span->last)
        paging_span(v, p->address, span);
    uint32_t bits = paging_span_page(v, span, p->address, &pa);
    return translation_may_fetch(v->translation, p->space, bits) && pa == p->pa &&
           paging_span_executable(span, p->address);
}

/*
 * A page was made as the tables are now. That is noted if others of its address, made in other spaces, lead
 * there as well; one that does not has yet to be found out.
 */
static void note_tables(struct vcpu *v, uint32_t address)
{
    struct translation *t = v->translation;
    struct paging_span span = { .first = 1, .last = 0 };
    bool all = true;
    for (uint32_t i = t->page_at[address >> 12]; i && all; i = t->page[i - 1].next_of_address)
        all = translation_is_elsewhere(v, &t->page[i - 1]) || still_leads(v, &t->page[i - 1], &span);
    if (all)
        paging_seen_note_pages(v, &t->seen, address >> 12, 1);
    else
        paging_seen_forget(&t->seen, address >> 12);
}

static struct translation_page *make_page(struct vcpu *v, uint32_t address, uint64_t frame)
{
    struct translation *t = v->translation;
    uint32_t number = take_page(t);
    struct translation_page *p = &t->page[number];
    if (!frame_has_code(v, frame))
        sbe_frame_is_code(v, frame);
    *p = (struct translation_page){ .address = address,
                                    .space = t->space_now,
                                    .next_of_address = t->page_at[address >> 12],
                                    .frame = frame,
                                    .pa = find_pa(v, address, frame),
                                    .next_of_frame = v->code_frame[frame].translated_head,
                                    .next_of_region = *region_of(t, address) };
    v->code_frame[frame].translated_head = number + 1;
    if (t->space[p->space].own) {
        p->next_of_space = t->space[p->space].pages;
        t->space[p->space].pages = number + 1;
    }
    *region_of(t, address) = number + 1;
    t->some_pages[address >> 28] |= 1ull << (address >> 22 & 63);
    t->page_at[address >> 12] = number + 1;
    t->has_page[address >> 18] |= 1ull << (address >> 12 & 63);
    note_tables(v, address);
    v->counts.translated_pages++;
    return p;
}

/* Take a number out of a list of stretches; `tails`: it is one of those whose last instruction ends in a
 * page. */
static void unlist(struct translation *t, uint32_t *link, uint32_t number, bool tails)
{
    while (*link != number + 1)
        link = tails ? &t->stretch[*link - 1].next_tail : &t->stretch[*link - 1].next;
    *link = tails ? t->stretch[number].next_tail : t->stretch[number].next;
}

static void drop_stretch(struct vcpu *v, uint32_t number)
{
    struct translation *t = v->translation;
    struct translation_stretch *s = &t->stretch[number];
    struct translation_page *p = &t->page[s->page];
    translation_unlink(t, number);
    for (uint32_t i = 0; i < s->insn_count; i++) {
        unsigned offset = t->insn[s->insns + i].guest;
        struct translation_target *target = target_of(t, p->address + offset);
        p->known[offset / 64] &= ~(1ull << (offset % 64));
        if (target->host - (uint64_t)(uintptr_t)t->text - s->code < s->code_size)
            forget_target(target);
    }
    unlist(t, &p->stretches, number, false);
    if (s->tail_page)
        unlist(t, &t->page[s->tail_page - 1].tails, number, true);
    s->dropped = true;
    t->drops++;
    v->counts.translation_drops++;
}

/* With its stretches, and those that end in it. */
static void drop_page(struct vcpu *v, struct translation_page *p)
{
    struct translation *t = v->translation;
    uint32_t number = (uint32_t)(p - t->page), *link;
    while (p->stretches)
        drop_stretch(v, p->stretches - 1);
    while (p->tails)
        drop_stretch(v, p->tails - 1);
    for (link = &v->code_frame[p->frame].translated_head; *link != number + 1;)
        link = &t->page[*link - 1].next_of_frame;
    *link = p->next_of_frame;
    for (link = region_of(t, p->address); *link != number + 1;)
        link = &t->page[*link - 1].next_of_region;
    *link = p->next_of_region;
    for (link = &t->page_at[p->address >> 12]; *link != number + 1;)
        link = &t->page[*link - 1].next_of_address;
    *link = p->next_of_address;
    if (t->space[p->space].own) {
        for (link = &t->space[p->space].pages; *link != number + 1;)
            link = &t->page[*link - 1].next_of_space;
        *link = p->next_of_space;
    }
    if (!t->page_at[p->address >> 12])
        t->has_page[p->address >> 18] &= ~(1ull << (p->address >> 12 & 63));
    p->frame = FRAME_NONE;
    p->next_of_region = t->free_pages;
    t->free_pages = number + 1;
}

void translation_forget_targets(struct translation *t)
{
    for (uint32_t i = 0; i < TRANSLATION_TARGETS; i++)
        forget_target(&t->target[i]);
}

void translation_flush(struct vcpu *v)
{
    struct translation *t = v->translation;
    if (!t->page_count)
        return;
    for (uint32_t region = 0; region < TRANSLATION_REGIONS; region++) {
        while (t->region[region])
            drop_page(v, &t->page[t->region[region] - 1]);
    }
    translation_forget_targets(t);
    for (uint32_t part = 0; part < TRANSLATION_PARTS; part++)
        t->part[part] = (struct translation_part){ .stretches = 0 };
    t->page_count = t->now = 0;
    t->free_pages = 0;
    t->drops++;
    v->counts.translation_flushes++;
}

/* Its numbers and its memory will be used again: nothing may lead there, or be in a list of others. */
static void empty_part(struct vcpu *v, uint32_t part)
{
    struct translation *t = v->translation;
    struct translation_part *p = &t->part[part];
    uint32_t stretch = TRANSLATION_FIRST(part, TRANSLATION_STRETCHES);
    uint32_t exit = TRANSLATION_FIRST(part, TRANSLATION_EXITS);
    if (!p->stretches)
        return;
    for (uint32_t i = stretch; i < stretch + p->stretches; i++) {
        if (!t->stretch[i].dropped)
            drop_stretch(v, i);
    }
    for (uint32_t i = exit; i < exit + p->exits; i++)
        translation_unlink_exit(t, &t->exit[i]);
    for (uint32_t i = 0; i < t->page_count; i++) {
        if (t->page[i].frame != FRAME_NONE && !t->page[i].stretches && !t->page[i].tails)
            drop_page(v, &t->page[i]);
    }
    *p = (struct translation_part){ .stretches = 0 };
    t->drops++;
    v->counts.translation_evictions++;
}

/* ---- Changes ----------------------------------------------------------------------------------------- */

void translation_region_changed(struct vcpu *v, guest_la la)
{
    struct translation *t = v->translation;
    if (*region_of(t, la))
        t->region_stale[la >> 22] = t->some_stale = true;
}

void translation_check_tsc(struct vcpu *v)
{
    bool native = v->msr.tsc_offset == 0;
    if (likely(v->translation->tsc_native == native))
        return;
    translation_flush(v);
    v->translation->tsc_native = native;
}

/* Of 64 pages, first on, those whose bits are set. */
static void sync_pages(struct vcpu *v, uint32_t first, uint64_t pages, struct paging_span *span)
{
    struct translation *t = v->translation;
    for (; pages; pages &= pages - 1) {
        uint32_t next = t->page_at[first + (uint32_t)__builtin_ctzll(pages)];
        while (next) {
            struct translation_page *p = &t->page[next - 1];
            next = p->next_of_address;
            if (!translation_is_elsewhere(v, p) && !still_leads(v, p, span))
                drop_page(v, p);
        }
    }
}

void translation_drop_space(struct vcpu *v, uint32_t space)
{
    struct translation *t = v->translation;
    while (t->space[space].pages)
        drop_page(v, &t->page[t->space[space].pages - 1]);
}

void translation_compare_space(struct vcpu *v, uint32_t space)
{
    struct translation *t = v->translation;
    struct paging_span span = { .first = 1, .last = 0 };
    uint32_t next = t->space[space].pages;
    t->space[space].doubtful = false;
    while (next) {
        struct translation_page *p = &t->page[next - 1];
        next = p->next_of_space;
        if (!still_leads(v, p, &span))
            drop_page(v, p);
    }
}

/* What is noted of the tables is another address space's from now on. */
static void doubt_own_spaces(struct vcpu *v)
{
    struct translation *t = v->translation;
    for (unsigned i = 0; i < TRANSLATION_OWN_SPACES; i++) {
        struct translation_space *s = &t->space[t->own_space[i]];
        s->doubtful |= s->own && s->cr3 != v->cr3;
    }
}

/* 2 MiB. What was compared before, and is as it was, is not looked at page by page. */
static void sync_half(struct vcpu *v, uint32_t first)
{
    struct translation *t = v->translation;
    struct paging_span span;
    paging_span(v, first << 12, &span);
    uint64_t how = paging_seen_how(v, &span, first << 12);
    bool known = how && how == t->seen.how[first / SEEN_HALF_PAGES];
    for (uint32_t page = first; page < first + SEEN_HALF_PAGES; page += SEEN_WORD_PAGES) {
        uint64_t pages = t->has_page[page / 64];
        if (pages && known)
            pages &= paging_seen_changes(&t->seen, &span, page);
        sync_pages(v, page, pages, &span);
    }
    if (!known)
        paging_seen_note_half(v, &t->seen, &span, first);
}

static void sync_region(struct vcpu *v, uint32_t region)
{
    struct translation *t = v->translation;
    bool doubtful = t->stale || t->region_stale[region];
    t->region_stale[region] = false;
    if (!t->region[region]) {
        t->some_pages[region / 64] &= ~(1ull << (region % 64));
    } else if (doubtful) {
        sync_half(v, region << 10);
        sync_half(v, region << 10 | SEEN_HALF_PAGES);
    }
}

void translation_sync(struct vcpu *v)
{
    struct translation *t = v->translation;
    if (!t->stale && !t->some_stale)
        return;
    doubt_own_spaces(v);
    for (uint32_t word = 0; word < TRANSLATION_REGIONS / 64; word++) {
        for (uint64_t left = t->some_pages[word]; left; left &= left - 1)
            sync_region(v, word * 64 + (uint32_t)__builtin_ctzll(left));
    }
    t->stale = t->some_stale = false;
}

/* Drop the stretches of a list that have any of the bytes. True: there were some. */
static bool drop_written(struct vcpu *v, uint32_t first, bool tails, unsigned offset, unsigned size)
{
    const struct translation *t = v->translation;
    bool any = false;
    uint32_t next;
    for (uint32_t i = first; i; i = next) {
        const struct translation_stretch *s = &t->stretch[i - 1];
        unsigned start = tails ? 0 : s->start, end = tails ? s->tail : s->end;
        next = tails ? s->next_tail : s->next;
        if (start < offset + size && offset < end) {
            drop_stretch(v, i - 1);
            any = true;
        }
    }
    return any;
}

void translation_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    const struct translation *t = v->translation;
    bool any = false;
    for (uint32_t i = v->code_frame[frame].translated_head; i; i = t->page[i - 1].next_of_frame) {
        any |= drop_written(v, t->page[i - 1].stretches, false, offset, size);
        any |= drop_written(v, t->page[i - 1].tails, true, offset, size);
    }
    if (any && code_note_drop(v, frame))
        translation_drop_frame(v, frame);
}

void translation_drop_at(struct vcpu *v, guest_la la)
{
    const struct translation *t = v->translation;
    for (uint32_t page = t->page_at[la >> 12]; page; page = t->page[page - 1].next_of_address)
        drop_written(v, t->page[page - 1].stretches, false, la % GEN_PAGE_SIZE, 1);
}

void translation_drop_frame(struct vcpu *v, uint64_t frame)
{
    while (v->code_frame[frame].translated_head)
        drop_page(v, &v->translation->page[v->code_frame[frame].translated_head - 1]);
}

/* ---- Making ------------------------------------------------------------------------------------------ */

static void add_insns(struct translation *t, struct translation_stretch *s, struct translation_page *p)
{
    const struct gen_result *r = &t->result;
    s->insns = TRANSLATION_FIRST(t->now, TRANSLATION_INSNS) + t->part[t->now].insns;
    s->insn_count = r->insn_count;
    t->part[t->now].insns += r->insn_count;
    for (uint32_t i = 0; i < r->insn_count; i++) {
        t->insn[s->insns + i] = r->insn[i];
        p->known[r->insn[i].guest / 64] |= 1ull << (r->insn[i].guest % 64);
    }
}

static void add_exits(struct translation *t, struct translation_stretch *s)
{
    const struct gen_result *r = &t->result;
    s->exits = TRANSLATION_FIRST(t->now, TRANSLATION_EXITS) + t->part[t->now].exits;
    s->exit_count = r->exit_count;
    t->part[t->now].exits += r->exit_count;
    for (uint32_t i = 0; i < r->exit_count; i++) {
        const struct gen_exit *e = &r->exit[i];
        t->exit[s->exits + i] = (struct translation_exit){ .target = e->target,
                                                           .rel32 = s->code + e->rel32,
                                                           .stub = s->code + e->stub,
                                                           .after = s->code + e->after };
    }
}

/* page, address: what the generator was given */
static void add_sites(struct vcpu *v, const struct translation_stretch *s, const uint8_t *page,
                      uint32_t address)
{
    struct translation *t = v->translation;
    const struct gen_result *r = &t->result;
    uint32_t eip = address - t->space[t->page[s->page].space].segmented.base;
    for (uint32_t i = 0; i < r->call_out_count; i++) {
        const struct gen_call_out *c = &r->call_out[i];
        const struct gen_insn *insn = &r->insn[c->insn];
        uint32_t number = TRANSLATION_FIRST(t->now, TRANSLATION_SITES) + t->part[t->now].sites++;
        translated_bind_site(v, &t->site[number], page + insn->guest, GEN_PAGE_SIZE - insn->guest,
                             eip + insn->guest);
        __builtin_memcpy(t->code + s->code + c->number, &number, 4);
    }
}

static bool has_room(const struct translation *t)
{
    const struct translation_part *p = &t->part[t->now];
    return p->stretches < TRANSLATION_FIRST(1, TRANSLATION_STRETCHES) &&
           p->insns + GEN_INSNS_MAX <= TRANSLATION_FIRST(1, TRANSLATION_INSNS) &&
           p->exits + GEN_EXITS_MAX <= TRANSLATION_FIRST(1, TRANSLATION_EXITS) &&
           p->sites + GEN_CALL_OUTS_MAX <= TRANSLATION_FIRST(1, TRANSLATION_SITES) &&
           p->code + GEN_CODE_MAX <= TRANSLATION_FIRST(1, TRANSLATION_CODE);
}

/* For one more stretch, and two pages. */
static void make_room(struct vcpu *v)
{
    struct translation *t = v->translation;
    if (t->page_count + 2 > TRANSLATION_PAGES)
        translation_flush(v);
    if (has_room(t))
        return;
    t->now = (t->now + 1) % t->parts;
    empty_part(v, t->now);
}

/* Take over what the generator made of bytes of the page from `start` on. */
static struct translation_stretch *add_stretch(struct vcpu *v, struct translation_page *p, unsigned start)
{
    struct translation *t = v->translation;
    struct translation_part *part = &t->part[t->now];
    uint32_t number = TRANSLATION_FIRST(t->now, TRANSLATION_STRETCHES) + part->stretches++;
    struct translation_stretch *s = &t->stretch[number];
    *s = (struct translation_stretch){ .code = TRANSLATION_FIRST(t->now, TRANSLATION_CODE) + part->code,
                                       .code_size = t->result.code_size,
                                       .page = (uint32_t)(p - t->page),
                                       .next = p->stretches,
                                       .start = (uint16_t)start,
                                       .end = t->result.guest_end };
    __builtin_memcpy(t->code + s->code, t->result.code, s->code_size);
    add_insns(t, s, p);
    add_exits(t, s);
    p->stretches = number + 1;
    part->code += (s->code_size + 15) & ~15u;
    t->changed = true;
    v->counts.translated_stretches++;
    v->counts.translated_insns += s->insn_count;
    v->counts.translated_bytes += s->code_size;
    return s;
}

bool translation_generate(struct vcpu *v, uint32_t space, const uint8_t *page, uint32_t address,
                          unsigned start, const uint64_t *known)
{
    uint64_t apart[GEN_PAGE_SIZE / 64];
    const struct translation_space *s = &v->translation->space[space];
    const struct gen_request request = {
        .page = page,
        .address = address,
        .start = start,
        .layout = translated_layout(space != 0),
        .cpl0 = space == 0 || s->flags,
        .tsc_native = v->translation->tsc_native && !s->user,
        .isa = code_isa(v) | 1u << X86_ISA_BASE,
        .known = known,
        .segment_loads = space == 0,
        .apart = space == 0 && translation_apart_in(v->translation, address, apart) ? apart : NULL,
        .segmented = space ? &s->segmented : NULL
    };
    return gen_stretch(&request, &v->translation->result);
}

/* Translate from this offset of the page on. NULL: the first instruction does not lie in it alone. */
static const struct translation_stretch *make_stretch(struct vcpu *v, struct translation_page *p,
                                                      unsigned offset)
{
    const uint8_t *page = v->map.ram + (p->frame << 12);
    if (!translation_generate(v, p->space, page, p->address, offset, p->known))
        return NULL;
    const struct translation_stretch *s = add_stretch(v, p, offset);
    add_sites(v, s, page, p->address);
    return s;
}

bool translation_generate_joined(struct vcpu *v, const struct translation_page *p, unsigned offset,
                                 const struct translation_page *tail)
{
    static const uint64_t all[GEN_PAGE_SIZE / 64] = { [0 ... GEN_PAGE_SIZE / 64 - 1] = UINT64_MAX };
    struct translation *t = v->translation;
    unsigned first = GEN_PAGE_SIZE - offset;
    __builtin_memcpy(t->joined, v->map.ram + (p->frame << 12) + offset, first);
    __builtin_memcpy(t->joined + first, v->map.ram + (tail->frame << 12), X86_INSN_MAX - first);
    return translation_generate(v, p->space, t->joined, p->address + offset, 0, all) &&
           t->result.insn_count == 1;
}

static const struct translation_stretch *make_joined(struct vcpu *v, struct translation_page *p,
                                                     unsigned offset, struct translation_page *tail)
{
    struct translation *t = v->translation;
    if (!translation_generate_joined(v, p, offset, tail))
        return NULL;
    t->result.insn[0].guest = (uint16_t)offset;
    t->result.guest_end = GEN_PAGE_SIZE;
    struct translation_stretch *s = add_stretch(v, p, offset);
    t->result.insn[0].guest = 0;
    add_sites(v, s, t->joined, p->address + offset);
    s->tail_page = (uint32_t)(tail - t->page) + 1;
    s->tail = X86_INSN_MAX - 1; /* at most */
    s->next_tail = tail->tails;
    tail->tails = (uint32_t)(s - t->stretch) + 1;
    return s;
}

/* ---- Finding ----------------------------------------------------------------------------------------- */

static uint64_t host_of(const struct translation *t, const struct translation_stretch *s, unsigned insn)
{
    return (uint64_t)(uintptr_t)t->text + s->code + t->insn[s->insns + insn].host;
}

/* Host code of an instruction that is known. */
static uint64_t find_known(const struct translation *t, const struct translation_page *p, unsigned offset)
{
    for (uint32_t i = p->stretches; i; i = t->stretch[i - 1].next) {
        const struct translation_stretch *s = &t->stretch[i - 1];
        if (offset < s->start || offset >= s->end)
            continue;
        uint32_t low = 0, high = s->insn_count;
        while (high - low > 1) {
            uint32_t middle = low + (high - low) / 2;
            if (t->insn[s->insns + middle].guest <= offset)
                low = middle;
            else
                high = middle;
        }
        if (t->insn[s->insns + low].guest == offset)
            return host_of(t, s, low);
    }
    return TRANSLATION_STEP;
}

/* The page's record, made if there is none. NULL: none is to be had, *why says what to do instead. */
static struct translation_page *page_of(struct vcpu *v, guest_la la, uint64_t *why)
{
    struct translation_page *p = translation_page_at(v->translation, la);
    if (p)
        return p;
    uint64_t frame = paging_fetch(v, la);
    if (frame == FRAME_NONE) {
        *why = TRANSLATION_STEP;
        return NULL;
    }
    if (code_backs_off(v, frame)) {
        *why = TRANSLATION_INTERPRET;
        return NULL;
    }
    return make_page(v, la & ~0xfffu, frame);
}

/* The fetch of the second page may fault, and a walk sets bits in tables that are code themselves. */
static uint64_t find_joined(struct vcpu *v, guest_la la)
{
    struct translation *t = v->translation;
    uint64_t why = TRANSLATION_STEP;
    struct translation_page *tail = page_of(v, (la | 0xfff) + 1, &why);
    struct translation_page *p = translation_page_at(t, la);
    if (!tail || !p)
        return why;
    const struct translation_stretch *s = make_joined(v, p, la % GEN_PAGE_SIZE, tail);
    return s ? host_of(t, s, 0) : TRANSLATION_STEP;
}

/* Does the code segment end in the page, or with it? */
static bool ends_segment(const struct translation *t, const struct translation_page *p)
{
    return p->space && gen_segmented_end(&t->space[p->space].segmented, p->address) <= GEN_PAGE_SIZE;
}

static uint64_t find_or_make(struct vcpu *v, guest_la la)
{
    struct translation *t = v->translation;
    unsigned offset = la % GEN_PAGE_SIZE;
    uint64_t why = TRANSLATION_STEP;
    struct translation_page *p = page_of(v, la, &why);
    if (!p)
        return why;
    if (is_known(p, offset))
        return find_known(t, p, offset);
    const struct translation_stretch *s = make_stretch(v, p, offset);
    if (s)
        return host_of(t, s, 0);
    return ends_segment(t, p) ? TRANSLATION_STEP : find_joined(v, la);
}

/* Who came here will often come again. */
static void note_target(struct translation *t, guest_la la, uint64_t key, uint64_t host)
{
    if (translation_has(t, host))
        *target_of(t, la) = (struct translation_target){ .negative = 0 - key, .host = host };
}

uint64_t translation_find(struct vcpu *v, uint32_t eip)
{
    struct translation *t = v->translation;
    const struct gen_segmented *segmented = &t->space[t->space_now].segmented;
    uint64_t key = translation_space_key(t, t->space_now) + eip;
    const struct translation_target *target = target_of(t, segmented->base + eip);
    if (target->negative == 0 - key && translation_has(t, target->host))
        return target->host;
    if (t->space_now && eip > segmented->limit)
        return TRANSLATION_STEP;
    make_room(v);
    uint64_t host = find_or_make(v, segmented->base + eip);
    note_target(t, segmented->base + eip, key, host);
    return host;
}
