/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private pages: made by the scanner from frames the guest executes, kept in a pool in the arena, mapped
 * read-execute at the guest's linear addresses. A private page is a function of (frame contents, linear page,
 * mode key); the pool keeps pages that are not mapped at the moment, and forgets the least recently used.
 * A write to a scanned frame, by whichever way, comes here first. Executor side.
 */
#pragma once

#include "cpu.h"
#include "translator/scan.h"

enum {
    CODE_PAGES_MAX = 4096, /* private pages in the pool */
    CODE_SITES_MAX = 256,  /* sites listed for each */
    CODE_BUCKETS = 8192,
    CODE_HISTORIES = 1024, /* frames whose past rewriting is remembered */
};

/*
 * The nexus: host addresses that are ours, 16 MiB at a multiple of that below 1 GiB. Snippet pages lie in it
 * where the scanner wants them (scan_snippet_place()), its last page is the scratch page, where snippets keep
 * registers; they reach it through ES. It lies where the guest has no memory, and moves when it comes to have
 * some: code_nexus.c.
 */
#define CODE_NEXUS_SIZE ((uint32_t)CODE_PAGES_MAX * SCAN_PAGE_SIZE)
#define CODE_NEXUS_END  0x40000000u /* what data accesses cannot reach under the split `segment` ends here */

struct code_page {
    struct scan_page scan;   /* scan.address is the linear page; scan.private_page lies in the pool;
                                scan.snippets is NULL until a site is to be promoted */
    uint64_t frame;          /* RAM-file frame; FRAME_NONE: slot is free */
    uint64_t key;            /* mode key: code_mode.c */
    uint64_t number;         /* no other page has, or had; never 0 */
    uint32_t next_of_frame;  /* number (code_number_of()), of whichever member; of a free slot, the next free
                                one + 1 */
    uint32_t next_in_bucket; /* slot + 1 */
    uint32_t linked_from;    /* slot + 1 of the page whose last instruction ends here (scan_link) */
    uint32_t linked_to;      /* slot + 1 of the page in which our last instruction ends */
    uint32_t newer, older;   /* use order among the mapped or among the idle, slot + 1 */
    uint32_t place;          /* index in code_cache.mapping, while mapped */
    uint32_t arrivals;       /* in the middle of a promotion, by jumps of native code */
    bool mapped;             /* at scan.address */
    bool leaving;            /* about to be unmapped; these two are never set while guest code runs */
    bool written;            /* about to be dropped, as its original changed */
    struct scan_site site[CODE_SITES_MAX];
};

/* One mapped page; all that code_sync() looks at while nothing has changed. */
struct code_mapping {
    uint32_t address; /* linear page */
    uint32_t slot;
    uint64_t frame;
};

/* What is remembered of a frame whose private pages were dropped because it was written: code_write.c. */
struct code_history {
    uint64_t frame_plus_one; /* 0: nobody */
    uint64_t dropped_at;     /* time stamp */
    uint64_t scanning;       /* ticks it took to scan the frame since then */
    uint32_t streak;         /* drops that quickly followed each other */
    uint32_t asks_left;      /* times code_prepare() still says CODE_INTERPRET */
    uint32_t level;          /* how often the time given to the interpreter has been doubled */
};

/* Pages in the order of their use, slot + 1. */
struct code_order {
    uint32_t newest, oldest;
};

/*
 * In the arena, all zero at first: only what is touched exists. The file offsets of SPACE_CODE count from
 * private_page: snippet pages follow at CODE_FILE_SNIPPETS, the scratch page at CODE_FILE_SCRATCH.
 */
struct code_cache {
    struct scan_mode mode; /* every mapped page is of this mode ... */
    uint64_t key;          /* ... that is, of this key */
    uint32_t features[2];  /* of the processor, which mode.isa was made from */
    bool snippets;         /* the segments are such that snippets work; part of the key, too */
    uint32_t member;       /* whose it is: member.h */
    uint64_t made;         /* pages so far */
    uint32_t limit;        /* slots to use, at least 4; 0: all of them. For tests */
    uint32_t fresh;        /* slots from here on were never used */
    uint32_t free;         /* first free slot below that + 1 */
    uint32_t nexus;        /* where it begins; 0: nobody has snippets */
    uint32_t nexus_before; /* where it was; 0: nowhere yet */
    bool scratch_mapped;
    struct code_order order_mapped, order_idle;
    uint32_t mapping_count;
    struct code_mapping mapping[CODE_PAGES_MAX];
    struct code_history history[CODE_HISTORIES];
    uint32_t bucket[CODE_BUCKETS];
    uint16_t exposed_near[1024]; /* per 4 MiB: code that data accesses can reach, mapped within 64 MiB */
    uint16_t slot_at[1 << 20];   /* slot + 1 of the page mapped at a linear page */
    uint16_t nexus_slot[CODE_PAGES_MAX]; /* slot + 1 of the page whose snippets are in a page of the nexus */
    struct code_page page[CODE_PAGES_MAX];
    _Alignas(SCAN_PAGE_SIZE) uint8_t private_page[CODE_PAGES_MAX][SCAN_PAGE_SIZE];
    uint8_t snippet_page[CODE_PAGES_MAX][SCAN_PAGE_SIZE];
    uint8_t scratch_page[SCAN_PAGE_SIZE];
};

#define CODE_FILE_SNIPPETS ((uint64_t)CODE_PAGES_MAX * SCAN_PAGE_SIZE)
#define CODE_FILE_SCRATCH  (2 * CODE_FILE_SNIPPETS)

_Static_assert(offsetof(struct code_cache, snippet_page) ==
                   offsetof(struct code_cache, private_page) + CODE_FILE_SNIPPETS,
               "SPACE_CODE offsets");
_Static_assert(offsetof(struct code_cache, scratch_page) ==
                   offsetof(struct code_cache, private_page) + CODE_FILE_SCRATCH,
               "SPACE_CODE offsets");
static inline bool code_in_nexus(const struct code_cache *c, uint32_t host_la)
{
    return c->nexus && host_la - c->nexus < CODE_NEXUS_SIZE;
}

static inline uint32_t code_scratch(const struct code_cache *c)
{
    return c->nexus + CODE_NEXUS_SIZE - SCAN_PAGE_SIZE;
}

enum code_answer {
    CODE_READY,   /* mapped and visible at this address: run natively */
    CODE_EMULATE, /* the interpreter does (at least) this instruction: a site, a fetch fault, no memory there
                   */
    CODE_INTERPRET, /* the page is given to the interpreter for a while: run its blocks */
};

/*
 * Guest code at linear address la is to run natively, now, at CPL 3 in v's mode: make what is needed. Called
 * before entering, and after a fetch fault or a trap at la.
 */
enum code_answer code_prepare(struct vcpu *v, guest_la la);

/*
 * Where the processor enters for the guest's la, for which code_prepare() said CODE_READY: la itself, or in a
 * snippet that has the instruction in its middle. A host linear address.
 */
uint32_t code_entry(struct vcpu *v, guest_la la);

/*
 * Native code went to la by itself, and faulted at once: where la is in the middle of a promotion, those who
 * jump there are counted, and too many of them end it.
 */
void code_arrived(struct vcpu *v, guest_la la);

/*
 * A trap at la (mapped code): counts it at its site, links an instruction that crosses into the next page,
 * promotes a site that is hit often. NULL: there is no site, perhaps not any more: the instruction may run
 * natively now.
 */
struct scan_site *code_trap(struct vcpu *v, guest_la la);

/*
 * Is host_la in the nexus (snippets)? Then bring v (registers as they were at the trap) to the guest state
 * the snippet stood for: EIP, and scratch registers restored.
 */
bool code_leave_snippet(struct vcpu *v, uint32_t host_la);

/* What guest state the place in the nexus stands for. False: it stands for none. */
bool code_snippet_state(struct vcpu *v, uint32_t host_la, struct scan_resume *resume);

/* Native code stopped before the guest's instruction at la: does it owe flags there (scan_flags_owed())? */
bool code_owes_flags(struct vcpu *v, guest_la la, struct scan_owed *owed);

/* The mapped private page for a linear address, or NULL. */
struct code_page *code_page_at(struct vcpu *v, guest_la la);

/*
 * Guest code is about to run natively: if the guest's tables have memory where the nexus is, or near, that
 * goes, and all pages with snippets. code_nexus.c
 */
void code_nexus_yield(struct vcpu *v);

/* tlb_flush() happened: unmap private pages whose translation or mode no longer holds. */
void code_sync(struct vcpu *v);
/*
 * Split `tlb`: have the processor fetch the private page at la once more. False: none is mapped there, or the
 * helper refused. code_map.c
 */
bool code_prime(struct vcpu *v, guest_la la);
/* INVLPG, or the place is wanted for something else. */
void code_unmap_page(struct vcpu *v, guest_la la);
/* code_written(), for bytes of a frame with private pages that were written, is in news.h. */
/*
 * A native write faulted because the frame holds code. False: let the interpreter do this one write. True:
 * the frame's code was dropped, blocks too, and the page may be mapped writable.
 */
bool code_yield_frame(struct vcpu *v, uint64_t frame);
void code_drop_all(struct vcpu *v);
/* The same for the present member, all of whose host mappings have gone: the nexus too. */
void code_forget_member(struct vcpu *v);

/* Data is about to be mapped here: code it might be confused with leaves. code_exposed.c */
void code_data_comes(struct vcpu *v, uint32_t host_la);

/* First broken invariant: every mapped private page against the guest's tables and scan_check(); NULL: none.
 */
const char *code_audit(struct vcpu *v);
