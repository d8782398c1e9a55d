/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Translated execution: what the guest's kernel executes in flat 32-bit protected mode becomes 64-bit host
 * code (translator/generate.h), which finds the guest's data in the window of the shadow for supervisors.
 * This file says what is kept of it. A *stretch* is what was translated at a time; it belongs to a linear
 * page that leads to a RAM-file frame, and while it does, other stretches may branch into it directly. Plain
 * data in the arena, mapped twice: host code is written by one mapping and executed by the other. Executor
 * side. docs/translated-code.md
 */
#pragma once

#include "cpu.h"
#include "paging_seen.h"
#include "translator/generate.h"

enum {
    TRANSLATION_PAGES = 16384, /* linear pages that have translated code */
    TRANSLATION_STRETCHES = 1 << 18,
    TRANSLATION_INSNS = 1 << 22,
    TRANSLATION_EXITS = 1 << 20,
    TRANSLATION_SITES = 1 << 18,
    TRANSLATION_TARGETS = 1 << 16, /* entries of the table by which indirect branches find their way */
    TRANSLATION_CODE = 64 << 20,   /* bytes of host code */
    TRANSLATION_REGIONS = 1024,    /* of 4 MiB of linear addresses each */
    TRANSLATION_SPACES = 1024,     /* kinds of code */
    TRANSLATION_SPACE_HASH = 256,
    TRANSLATION_OWN_SPACES = 4, /* of them, at most, those of one address space each */
    TRANSLATION_PARTS = 16,     /* of stretches and all that belongs to them: struct translation_part */
    TRANSLATION_PARTS_MIN = 2,
    TRANSLATION_CODE_MIN = TRANSLATION_CODE / TRANSLATION_PARTS * TRANSLATION_PARTS_MIN,
};

/*
 * Stretches, their instructions, exits and sites, and their code are made in parts, one behind the other:
 * number n of N is in part n / (N / TRANSLATION_PARTS). When all parts are full the oldest one is emptied.
 */
struct translation_part {
    uint32_t stretches, insns, exits, sites, code; /* used so far */
};

/* The first number of a part; `all`: TRANSLATION_STRETCHES or the like. */
#define TRANSLATION_FIRST(part, all) ((part) * ((uint32_t)(all) / TRANSLATION_PARTS))
/* Numbers that are used, of all parts. */
#define TRANSLATION_EACH(t, i, used, all)                                                                    \
    for (uint32_t part_ = 0; part_ < TRANSLATION_PARTS; part_++)                                             \
        for (uint32_t i = TRANSLATION_FIRST(part_, all);                                                     \
             i < TRANSLATION_FIRST(part_, all) + (t)->part[part_].used; i++)

/* No page's address: beyond what the processor can address. */
#define TRANSLATION_PA_NONE (~UINT64_C(0))

/*
 * What code depends on besides its bytes and address. The same bytes may be translated in several spaces.
 * Space 0 is flat 32-bit code of CPL 0, of which most fields say nothing.
 */
struct translation_space {
    struct gen_segmented segmented;
    bool user; /* CPL 3: fetches need the U bit */
    bool own;  /* of one address space, `cr3`: its pages mean nothing in others, and wait there unlooked at */
    bool flags; /* struct gen_request, cpl0 */
    uint32_t cr3;
    /* Of an own one: the first page's number + 1; others' tables have been looked at since; when it was
     * chosen. */
    uint32_t pages;
    bool doubtful;
    uint32_t chosen;
    uint16_t
        group; /* the first space that differs by the base of CS at most: filled in by whoever keeps it */
};

/* A linear page in a space; all its stretches go when it no longer leads to the frame, or when their bytes
 * are written.
 */
struct translation_page {
    uint32_t address;
    uint32_t next_of_frame, next_of_region; /* page number + 1 */
    uint32_t next_of_address;               /* the same page in another space, page number + 1 */
    uint32_t next_of_space;                 /* in an own space, page number + 1 */
    uint32_t space;
    uint32_t stretches;                 /* newest one + 1 */
    uint32_t tails;                     /* newest one + 1 whose last instruction ends here */
    uint64_t frame;                     /* of the RAM file */
    guest_pa pa;                        /* where the page tables lead to, or TRANSLATION_PA_NONE */
    uint64_t known[GEN_PAGE_SIZE / 64]; /* offsets of the instructions in its stretches */
};

struct translation_stretch {
    uint32_t code, code_size; /* in translation.code */
    uint32_t page;            /* its number */
    uint32_t next;            /* in the page, stretch number + 1 */
    uint32_t insns, exits;    /* first of them in translation.insn, translation.exit */
    uint16_t insn_count, exit_count;
    uint16_t start, end; /* bytes of the page that were looked at */
    /* An instruction across the end of its page is a stretch of its own, and has bytes in the next page, too.
     */
    uint32_t tail_page; /* its number + 1; 0: it has none */
    uint32_t next_tail; /* in that page, stretch number + 1 */
    uint16_t tail;      /* bytes there */
    uint32_t incoming;  /* exit number + 1 of the first exit that leads here */
    bool dropped;
};

/* A direct branch out of a stretch. Positions are offsets in translation.code. */
struct translation_exit {
    uint32_t target;                           /* linear address */
    uint32_t rel32, stub;                      /* the field, and where it leads while it is not linked */
    uint32_t after;                            /* what exit_direct is given */
    uint32_t next_incoming, previous_incoming; /* exit number + 1: others that lead to the same stretch */
    uint32_t to;                               /* its number */
    bool linked;
};

/* An instruction that is executed by the interpreter's handler. */
struct translation_site {
    struct uop uop[2]; /* the instruction, and what ends it */
    uint32_t eip;
    uint16_t op;    /* enum x86_op */
    bool apart;     /* it has a form: translation_apart.c counts how often it is executed */
    uint8_t length; /* 0: no instruction */
};

/* Where an indirect branch goes. Found by the lower half of its linear address, compared is its key's
 * negative: see translated_entry.S. */
struct translation_target {
    uint64_t negative;
    uint64_t host;
};

/* An instruction that keeps faulting in a way that costs more than a call-out: translation_apart.c. */
struct translation_apart {
    guest_la la;
    uint16_t faults; /* so far, while it has its form */
    uint16_t left;   /* as a call-out: executions until it gets its form again; 0: it has it */
    uint32_t since;  /* when the first of those faults was, in units of 1024 ticks */
};

enum { TRANSLATION_APART = 256 };

struct translation {
    uint8_t *code;       /* in the arena, writable ... */
    const uint8_t *text; /* ... and executable */
    uint32_t page_count;
    struct translation_part part[TRANSLATION_PARTS];
    uint32_t parts;  /* so many are used at most */
    uint32_t now;    /* the one being filled */
    uint32_t drops;  /* stretches dropped so far: what held code, or a place in it, must look again */
    bool stale;      /* the guest's translations changed: translation_sync() */
    bool changed;    /* host code was written since it last ran */
    bool tsc_native; /* what was translated goes by the time stamp counter of the host */
    bool region_stale[TRANSLATION_REGIONS], some_stale;
    uint32_t free_pages;                  /* page number + 1, by next_of_region */
    uint32_t region[TRANSLATION_REGIONS]; /* pages in each, page number + 1 */
    uint64_t
        some_pages[TRANSLATION_REGIONS / 64]; /* bit n % 64 of word n / 64: there may be some in region n */
    uint32_t page_at[1 << 20];         /* page number + 1, by linear page: the first of next_of_address */
    uint64_t has_page[(1 << 20) / 64]; /* bit n % 64 of word n / 64: page_at[n] is not 0 */
    struct paging_seen seen;           /* what the pages were last compared with */
    struct translation_space space[TRANSLATION_SPACES];
    uint32_t space_count;
    uint32_t space_now;                         /* of the code that is executed */
    uint32_t choices;                           /* of own spaces, so far */
    uint32_t own_space[TRANSLATION_OWN_SPACES]; /* their numbers; 0: none yet */
    uint32_t space_hash[TRANSLATION_SPACE_HASH];
    struct translation_target target[TRANSLATION_TARGETS];
    struct translation_page page[TRANSLATION_PAGES];
    struct translation_stretch stretch[TRANSLATION_STRETCHES];
    struct gen_insn insn[TRANSLATION_INSNS];
    struct translation_exit exit[TRANSLATION_EXITS];
    struct translation_site site[TRANSLATION_SITES];
    struct translation_apart apart[TRANSLATION_APART]; /* by address */
    struct gen_result result;                          /* of the stretch being made */
    uint8_t
        joined[GEN_PAGE_SIZE]; /* the bytes of an instruction across two pages, as one page; zeros behind */
};

/* ---- translation.c: stretches ------------------------------------------------------------------------ */

/* Once, before anything else; *t is zeroed memory. */
void translation_init(struct translation *t, uint8_t *code, const uint8_t *text);
/* Have no more than so many bytes of host code, in whole parts and at least two of them. */
void translation_limit(struct translation *t, uint64_t bytes);
/* Instead of the address of host code. */
enum {
    TRANSLATION_NOTHING,   /* none is wanted */
    TRANSLATION_STEP,      /* the instruction cannot be translated: the interpreter must execute it */
    TRANSLATION_INTERPRET, /* the code there is rewritten all the time: the interpreter should have it for a
                              while */
};

/*
 * Host code for the instruction at EIP in the present space, translated now if it was not, or
 * TRANSLATION_STEP or TRANSLATION_INTERPRET. Indirect branches to EIP find the way by themselves from then
 * on. May raise #PF, and drop any stretch.
 */
uint64_t translation_find(struct vcpu *v, uint32_t eip);
/* The page's record in the present space; NULL: there is none. */
struct translation_page *translation_page_at(struct translation *t, guest_la la);
/* What follows is executed in this space; NULL: in that of flat code. */
void translation_choose_space(struct vcpu *v, const struct translation_space *space);
/* With `far` the lower half of a key is selector and offset, so that who loads CS can make it. */
static inline uint64_t translation_group_key(const struct translation *t, uint32_t space)
{
    return (uint64_t)(t->space[space].group | 1u << 31) << 32;
}
/* What indirect branches to EIP in a space are found by: this plus EIP, perhaps with a carry into bit 32. */
static inline uint64_t translation_space_key(const struct translation *t, uint32_t space)
{
    const struct gen_segmented *s = &t->space[space].segmented;
    return s->far ? translation_group_key(t, space) | s->base << 12 : (uint64_t)space << 33 | s->base;
}
/* No indirect branch finds its way. Once, in the executor: only there is what an empty entry leads to. */
void translation_forget_targets(struct translation *t);
/* Forget everything. */
void translation_flush(struct vcpu *v);
/* tlb_flush(), tlb_flush_page(): the guest's translations changed. */
void translation_region_changed(struct vcpu *v, guest_la la);
/* Drop the stretches of pages that lead elsewhere now. */
void translation_sync(struct vcpu *v);
/* Is the guest's time stamp counter still the host's, or still not? Otherwise forget everything. */
void translation_check_tsc(struct vcpu *v);
/* Drop the stretches in which the instruction at la is. */
void translation_drop_at(struct vcpu *v, guest_la la);
/* translation_written() and translation_drop_frame(), for frames with translated code, are in news.h. */

/* ---- translation_apart.c: instructions that are better executed by the interpreter -----------------------
 */

/* A fault at the instruction at la was for nothing, as the next one there will be. May drop its stretch. */
void translation_note_trouble(struct vcpu *v, guest_la la);
/*
 * A page of a program's was mapped for the kernel's instruction at la. That is trouble if it comes often:
 * where programs are started and end all the time. Else the mapping is for more than a few accesses.
 */
void translation_note_program(struct vcpu *v, guest_la la);
/* Is it a call-out at present? */
bool translation_is_apart(const struct translation *t, guest_la la);
/* It was executed as one. May drop its stretch. */
void translation_apart_executed(struct vcpu *v, guest_la la);
/* Offsets in the page at this address of all that are. False: there are none. */
bool translation_apart_in(const struct translation *t, guest_la page, uint64_t offsets[GEN_PAGE_SIZE / 64]);

/* ---- translation_place.c: from host code back to the guest ------------------------------------------- */

/* A place in host code. */
struct translation_place {
    uint32_t stretch;            /* its number */
    const struct gen_insn *insn; /* the guest instruction it belongs to; NULL: a stub */
    guest_la la;                 /* of that instruction ... */
    uint32_t eip;                /* ... in its space */
    uint64_t begin;              /* host address at which the instruction begins */
    bool restartable;            /* the guest state is that before the instruction */
};

/* Is the host address one of translated code? */
static inline bool translation_has(const struct translation *t, uint64_t host)
{
    return host - (uint64_t)(uintptr_t)t->text < TRANSLATION_CODE;
}
/* False: no stretch has that. */
bool translation_place(const struct translation *t, uint64_t host, struct translation_place *place);

/* ---- translation_link.c: direct branches between stretches --------------------------------------------- */

/* The exit whose stub called from before `after` (a host address); NULL: there is none. */
struct translation_exit *translation_exit_at(struct translation *t, uint64_t after);
/* Have the exit branch to host code of stretch `to` directly. */
void translation_link(struct translation *t, struct translation_exit *exit, uint32_t to, uint64_t host);
/* The exit branches to its stub again. */
void translation_unlink_exit(struct translation *t, struct translation_exit *exit);
/* Nothing branches to the stretch any more. */
void translation_unlink(struct translation *t, uint32_t stretch);

/* ---- translation_audit.c ----------------------------------------------------------------------------------
 */

/*
 * The first disagreement of what is kept with itself, the guest's tables or the guest's bytes; NULL: there is
 * none. Right after translation_sync(): later, a guest that has not flushed yet may be the cause.
 */
const char *translation_audit(struct vcpu *v);
