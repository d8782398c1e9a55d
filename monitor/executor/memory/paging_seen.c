/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Comparing tables with what they were. The number for a directory entry has everything but the page table's
 * entries that decides what a page is: where it leads and its rights, and the bits of control registers that
 * say how both are read. Executor side.
 */
#include "paging_seen.h"

enum { PAGE_SHIFT = 12, HALF_SHIFT = 21 };

/* Beside the rights, in bits that neither a large page's address nor a table's has. */
enum {
    HOW_NO_EXECUTE = 1 << 3,
    HOW_NXE = 1 << 4,
    HOW_WIDE = 1 << 7, /* entries of 8 bytes */
    HOW_KNOWN = 1 << 8,
    HOW_WRITE_PROTECT = 1 << 9,
    HOW_A20 = 1 << 10,
    HOW_TABLE = 1 << 11,
};

static uint64_t how_to_read(const struct vcpu *v)
{
    return HOW_KNOWN | (v->cr0 & X86_CR0_WP ? HOW_WRITE_PROTECT : 0) | (v->pa_mask & 1 << 20 ? HOW_A20 : 0) |
           (v->efer & X86_EFER_NXE ? HOW_NXE : 0);
}

uint64_t paging_seen_how(const struct vcpu *v, const struct paging_span *span, guest_la la)
{
    uint64_t how = span->rights | how_to_read(v) | (span->no_execute ? HOW_NO_EXECUTE : 0);
    if (!(span->rights & X86_PTE_P))
        return 0;
    if (!span->entry_size)
        return how | (span->pa + ((la & ~0x1fffffu) - span->first));
    if (!span->table)
        return 0;
    return how | HOW_TABLE | (span->entry_size == 8 ? HOW_WIDE : 0) | (uint64_t)(span->table - v->map.ram);
}

/* The noted entry of a page, and that of the table. */
static uint8_t *noted(struct paging_seen *seen, const struct paging_span *span, uint32_t page)
{
    return seen->entry + (uint64_t)page * span->entry_size;
}

static const uint8_t *present(const struct paging_span *span, uint32_t page)
{
    unsigned entries = span->entry_size == 4 ? 1024 : 512;
    return span->table + (page % entries) * span->entry_size;
}

/* A word of memory; entries of 4 bytes come in twos. */
static uint64_t load(const uint8_t *p)
{
    uint64_t value;
    __builtin_memcpy(&value, p, 8);
    return value;
}

static bool differ(const uint8_t *a, const uint8_t *b, unsigned size)
{
    uint64_t difference = 0;
    for (unsigned i = 0; i < size; i += 32)
        difference |= (load(a + i) ^ load(b + i)) | (load(a + i + 8) ^ load(b + i + 8)) |
                      (load(a + i + 16) ^ load(b + i + 16)) | (load(a + i + 24) ^ load(b + i + 24));
    return difference != 0;
}

uint64_t paging_seen_changes(struct paging_seen *seen, const struct paging_span *span, uint32_t page)
{
    uint64_t changes = 0;
    if (!span->entry_size)
        return 0;
    page &= ~(SEEN_WORD_PAGES - 1u);
    uint8_t *before = noted(seen, span, page);
    const uint8_t *now = present(span, page);
    unsigned size = span->entry_size;
    if (likely(!differ(before, now, SEEN_WORD_PAGES * size)))
        return 0;
    for (unsigned i = 0; i < SEEN_WORD_PAGES; i++) {
        if (__builtin_memcmp(before + i * size, now + i * size, size) != 0)
            changes |= 1ull << i;
    }
    __builtin_memcpy(before, now, SEEN_WORD_PAGES * size);
    return changes;
}

static void note_entries(struct paging_seen *seen, const struct paging_span *span, uint32_t page,
                         uint32_t count)
{
    if (span->entry_size)
        __builtin_memcpy(noted(seen, span, page), present(span, page), (uint64_t)count * span->entry_size);
}

void paging_seen_note_half(const struct vcpu *v, struct paging_seen *seen, const struct paging_span *span,
                           uint32_t page)
{
    uint64_t how = paging_seen_how(v, span, page << PAGE_SHIFT);
    seen->how[page / SEEN_HALF_PAGES] = how;
    if (how)
        note_entries(seen, span, page & ~(SEEN_HALF_PAGES - 1u), SEEN_HALF_PAGES);
}

void paging_seen_note_pages(const struct vcpu *v, struct paging_seen *seen, uint32_t page, uint32_t count)
{
    struct paging_span span = { .first = 1, .last = 0 };
    while (count) {
        uint32_t half = page / SEEN_HALF_PAGES, some = SEEN_HALF_PAGES - page % SEEN_HALF_PAGES;
        guest_la la = page << PAGE_SHIFT;
        if (some > count)
            some = count;
        if (seen->how[half]) {
            if (la < span.first || la > span.last)
                paging_span(v, la, &span);
            if (paging_seen_how(v, &span, la) == seen->how[half])
                note_entries(seen, &span, page, some);
            else
                seen->how[half] = 0;
        }
        page += some;
        count -= some;
    }
}

void paging_seen_forget(struct paging_seen *seen, uint32_t page)
{
    seen->how[page / SEEN_HALF_PAGES] = 0;
}

void paging_seen_forget_all(struct paging_seen *seen)
{
    for (uint32_t half = 0; half < SEEN_HALVES; half++)
        seen->how[half] = 0;
}
