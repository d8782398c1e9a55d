/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shadow paging: guest linear pages as data, mapped from the RAM file on demand, by the guest's own page
 * tables. There is one for the rights of CPL 3 at split_data() of the address, where native code accesses it,
 * and some for a supervisor's in windows above 4 GiB, where only translated code does (system_space.h). The
 * host's page tables are the shadow; this file knows what is in them. A mapping is what a TLB entry is to the
 * processor: it may be dropped at any time, it exists only while guest tables allow it or until the guest
 * must flush (SDM 3A, "Invalidation of TLBs and Paging-Structure Caches"), it is writable only when the D bit
 * is set and the frame holds no code. Plain data in the arena. Executor side.
 */
#pragma once

#include "cpu.h"
#include "paging_seen.h"

enum {
    SHADOW_PAGES = 1 << 20, /* linear pages; la >> 12 is a page's number */
    SHADOW_REGIONS = 1024,  /* of 4 MiB each */
    SHADOW_REGION_PAGES = SHADOW_PAGES / SHADOW_REGIONS,
    /* Separate host mappings of data; the host's limit is 65,530 in all. */
    SHADOW_BUDGET = 28 << 10,
    SHADOW_SYSTEM_BUDGET = 2560, /* of each */
    SHADOW_WINDOW_MAX = 16,
};

/* One linear page. All zero: not mapped. */
struct shadow_page {
    uint32_t frame_plus_one; /* RAM-file frame + 1 */
    uint32_t next, prev;     /* others that map the same frame: page number + 1, 0 ends the list */
    bool writable;
};

struct shadow {
    uint64_t base; /* 0: for native code; else for translated code, guest linear address 0 is there ... */
    bool user; /* ... at CPL 3, in 16-bit segments or in virtual-8086 mode; else with a supervisor's rights */

    /* Parameters; shadow_init() sets what measurements favour. */
    uint32_t budget; /* separate host mappings allowed, 4 or more */
    uint32_t window; /* a fault looks at so many aligned pages (1 to 16, a power of two) and maps those ... */
    uint32_t runs;   /* ... that the guest uses anyway, in so many mappings at most; 1: its own only */

    uint32_t mappings; /* separate host mappings there are: runs with consecutive frames and like rights */
    uint32_t pages;    /* linear pages mapped */
    uint32_t hand;     /* where eviction looks next: a region's number */
    bool stale;        /* the guest's translations changed as a whole: sync before running natively */
    bool space_stale;  /* ... but for global pages, by a load of CR3 */
    bool global[SEEN_HALVES]; /* all pages mapped there are */
    bool some_stale;          /* those of some regions did: region_stale */
    bool region_stale[SHADOW_REGIONS];
    uint8_t region_changes[SHADOW_REGIONS];   /* INVLPG so often, against fills */
    struct paging_seen seen;                  /* what the mapped pages were last compared with */
    bool region_used[SHADOW_REGIONS];         /* a page was filled there since the hand passed */
    uint16_t region_pages[SHADOW_REGIONS];    /* pages mapped in each */
    uint64_t some_pages[SHADOW_REGIONS / 64]; /* bit n % 64 of word n / 64: there may be some in region n */
    uint16_t region_mappings[SHADOW_REGIONS]; /* runs that begin in each */
    uint64_t mapped[SHADOW_PAGES / 64];       /* bit n % 64 of word n / 64: page n is mapped */
    struct shadow_page *page;                 /* SHADOW_PAGES of them */
    uint32_t *frame_head;                     /* per RAM-file frame: first page number + 1 that maps it */
};

enum shadow_answer {
    SHADOW_MAPPED,  /* run again */
    SHADOW_EMULATE, /* the interpreter must do this access: guest fault, device, ROM write, code, no room */
};

/* Once, before anything else. *s and the two tables are zeroed memory; page has SHADOW_PAGES entries. */
void shadow_init(struct shadow *s, uint64_t base, struct shadow_page *page, uint32_t *frame_head);

static inline bool shadow_is_system(const struct shadow *s)
{
    return s->base != 0;
}

/* Are the rights those of CPL 3? */
static inline bool shadow_is_user(const struct shadow *s)
{
    return !shadow_is_system(s) || s->user;
}

/* Host linear address at which the shadow has guest linear address la. */
static inline uint64_t shadow_host(const struct vcpu *v, const struct shadow *s, guest_la la)
{
    return shadow_is_system(s) ? s->base + la : split_data(&v->split, la);
}

/* A data access of the host's processor at guest la (access: ACCESS_WRITE or 0) faulted. Sets A and D as it
 * maps. */
enum shadow_answer shadow_fault(struct vcpu *v, struct shadow *s, guest_la la, unsigned access);

/*
 * An access that was the guest's to see to is about to be made again: map the page if its tables let it by
 * now, setting nothing in them. Saves the fault if they do.
 */
void shadow_expect(struct vcpu *v, struct shadow *s, guest_la la, unsigned access);

/* Do mappings there come and go, so that each is for a few accesses only? */
bool shadow_churns(const struct shadow *s, guest_la la);

/* What guest-physical addresses mean changed. */
void shadow_map_changed(struct shadow *s);
static inline bool shadow_is_stale(const struct shadow *s)
{
    return s->stale || s->space_stale || s->some_stale;
}
/* Compare what is stale with the guest's tables, and drop mappings that differ. */
void shadow_sync(struct vcpu *v, struct shadow *s);
/* INVLPG: the translation of the page changed, or, as it may have been a large one, of all of its region. */
static inline void shadow_region_changed(struct shadow *s, guest_la la)
{
    uint32_t region = (la >> 12) / SHADOW_REGION_PAGES;
    if (!s->region_pages[region])
        return;
    s->region_stale[region] = s->some_stale = true;
    if (s->region_changes[region] < UINT8_MAX)
        s->region_changes[region]++;
}
/* INVLPG, or a page is wanted for something else. */
void shadow_drop_page(struct vcpu *v, struct shadow *s, guest_la la);
void shadow_drop_all(struct vcpu *v, struct shadow *s);
/* The frame became code: take write permission from every mapping of it. */
void shadow_protect_frame(struct vcpu *v, struct shadow *s, uint64_t frame);

/*
 * shadow_audit.c: the first disagreement between the shadow and the guest's tables, or of the shadow with
 * itself. Right after shadow_sync() there is none; later, a guest that has not flushed yet may be the cause.
 */
struct shadow_finding {
    const char *what; /* NULL: none */
    guest_la la;
};
struct shadow_finding shadow_audit(struct vcpu *v, struct shadow *s);
