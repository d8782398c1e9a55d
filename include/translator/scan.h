/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scanner: a guest page and a mode in; out comes a private page that may run natively, and a table of the
 * sites where it differs from the original. It knows no VM, makes no system call and allocates nothing: the
 * caller owns all memory. What is kept and what is replaced is the policy; what may be visible is a set of
 * rules; docs/scanning.md explains both and says what each of them guarantees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct insn;

enum {
    SCAN_PAGE_SIZE = 4096,
    SCAN_EXITS_MAX = 32,   /* direct branches out of a page that are remembered; a hint only */
    SCAN_TRAP_BYTE = 0xcc, /* INT3: what is not visible */
};

/* ---- The mode ------------------------------------------------------------------------------------ */

/*
 * All that decides what is sensitive. Two scans of the same bytes under equal modes make the same private
 * page, so (frame contents, linear page, mode) is the key of a cache of private pages.
 */
enum scan_mode_bit {
    SCAN_CODE32 = 1 << 0,       /* CS.D */
    SCAN_CPL0 = 1 << 1,         /* guest ring 0 to 2, run at the host's CPL 3; else guest ring 3 */
    SCAN_IO_ALLOWED = 1 << 2,   /* CPL <= IOPL: CLI, STI and all ports are the guest's to use */
    SCAN_FLAGS_DIFFER = 1 << 3, /* guest IF, IOPL, VIF or VIP are not what PUSHF would natively show */
    SCAN_TSC_NATIVE = 1 << 4,   /* the guest's time stamp counter is the host's */
    SCAN_CR0_MP = 1 << 5,
    SCAN_CR0_EM = 1 << 6,
    SCAN_CR0_TS = 1 << 7,
    SCAN_CR4_TSD = 1 << 8,
    SCAN_CR4_OSFXSR = 1 << 9,
    SCAN_GUARD_SHIFT = 12, /* enum scan_guard, two bits */
};

/*
 * What must hold at offsets that are not decoded starts, where only an indirect jump into the middle of an
 * instruction can get. Each level includes those before it.
 */
enum scan_guard {
    SCAN_GUARD_NONE,   /* nothing: to measure what the others cost; no sandbox */
    SCAN_GUARD_ESCAPE, /* no offset holds an encoding that leaves 32-bit guest code natively */
    SCAN_GUARD_STATE,  /* nor one that loads a segment register */
    SCAN_GUARD_STRICT, /* every visible offset is an entry: all that is guaranteed at starts is everywhere */
};

struct scan_mode {
    uint32_t bits; /* enum scan_mode_bit */
    uint32_t isa;  /* 1 << enum x86_isa for each the guest's processor has; X86_ISA_BASE is implied */
};

static inline uint64_t scan_mode_key(const struct scan_mode *mode)
{
    return (uint64_t)mode->isa << 32 | mode->bits;
}

static inline enum scan_guard scan_mode_guard(const struct scan_mode *mode)
{
    return (enum scan_guard)(mode->bits >> SCAN_GUARD_SHIFT & 3);
}

/* ---- The policy: policy.c ------------------------------------------------------------------------ */

/* Why an instruction is replaced. */
enum scan_reason {
    SCAN_NO_REASON,
    SCAN_SELECTOR_READ, /* shows the selector really loaded: PUSH Sreg, MOV r/m, Sreg */
    SCAN_SEGMENT_LOAD,  /* loads from the real descriptor tables */
    SCAN_FAR_TRANSFER,
    SCAN_INTERRUPT,      /* INT n, INT3, INTO, INT1: the host's IDT, not the guest's */
    SCAN_SYSTEM_CALL,    /* SYSENTER, SYSEXIT */
    SCAN_FLAGS,          /* PUSHF, POPF: the real IF and IOPL */
    SCAN_INTERRUPT_FLAG, /* CLI, STI */
    SCAN_TABLES,         /* SGDT, SIDT, SLDT, STR, SMSW, LAR, LSL, VERR, VERW */
    SCAN_IDENTITY,       /* CPUID */
    SCAN_TIME,           /* RDTSC, RDTSCP, RDPMC */
    SCAN_IO,
    SCAN_PRIVILEGED,
    SCAN_FPU,       /* CR0.EM, CR0.TS or CR4.OSFXSR say that it faults */
    SCAN_ABSENT,    /* the guest's processor does not have it, the host's may */
    SCAN_UNDEFINED, /* no instruction, or #UD by definition */
    SCAN_TOO_LONG,  /* more than 15 bytes */
    SCAN_STRADDLE,  /* goes on in the next page */
    SCAN_OVERLAP,   /* harmless, but covers the start of one that is replaced */
    SCAN_HIDDEN,    /* harmless, but the guard found something inside or across its end */
    SCAN_REASON_COUNT,
};

enum scan_action {
    SCAN_KEEP,    /* the guest's own bytes */
    SCAN_FAULTS,  /* the same, since natively it always faults at CPL 3; the interpreter decides on the fault
                   */
    SCAN_RECODE,  /* another encoding of the same length is the guest's meaning; else as SCAN_REPLACE */
    SCAN_REPLACE, /* must not run natively */
};

/* How control goes on after an instruction. */
enum scan_flow {
    SCAN_FLOW_NEXT,
    SCAN_FLOW_BRANCH, /* next or a direct target */
    SCAN_FLOW_JUMP,   /* a direct target only */
    SCAN_FLOW_STOP,   /* indirect, far, or never past it */
};

struct scan_verdict {
    uint8_t action;  /* enum scan_action */
    uint8_t reason;  /* enum scan_reason; SCAN_NO_REASON for SCAN_KEEP */
    uint8_t flow;    /* enum scan_flow */
    const char *why; /* a clause for people; NULL for SCAN_KEEP */
};

/* What becomes of an instruction that was decoded (X86_DECODE_OK or X86_DECODE_INVALID). */
struct scan_verdict scan_verdict(const struct insn *insn, const struct scan_mode *mode);

/* Is this instruction one the guard keeps out of every offset? */
bool scan_is_critical(const struct insn *insn, enum scan_guard guard);

/* "segment-load": for tables and counters. */
const char *scan_reason_name(enum scan_reason reason);

/* ---- A page: scan.c ------------------------------------------------------------------------------ */

enum scan_form {
    SCAN_FORM_INT3, /* the first byte is INT3; the monitor resolves the trap from the original bytes */
    SCAN_FORM_TWIN, /* another encoding of the same instruction, of the same length */
    SCAN_FORM_COUNT,
};

struct scan_site {
    uint16_t offset;
    uint8_t length;    /* of the original instruction, as far as it is known; may reach beyond the page */
    uint8_t reason;    /* enum scan_reason */
    uint8_t form;      /* enum scan_form */
    uint8_t hidden_at; /* SCAN_HIDDEN: the guard's finding begins this far into the instruction */
    uint32_t hits;     /* traps, counted by the caller */
};

struct scan_stats {
    uint64_t scans, instructions, bytes; /* bytes: of all instructions scanned, overlaps counted twice */
    uint64_t sites[SCAN_REASON_COUNT];
    uint64_t forms[SCAN_FORM_COUNT];
    uint64_t sites_lost; /* replaced without an entry, as the table was full */
    uint64_t exits_lost;
};

/* Bytes first to end - 1 of a page; none if they are equal. */
struct scan_range {
    uint16_t first, end;
};

/*
 * One page being scanned. The caller sets the first group, calls scan_init(), and only reads the rest. Plain
 * data but for the pointers, and without hidden state elsewhere.
 */
struct scan_page {
    const uint8_t *original; /* SCAN_PAGE_SIZE bytes; when they change, scan_init() before the next call */
    uint8_t *private_page;   /* SCAN_PAGE_SIZE bytes: what is executed */
    struct scan_site *sites; /* site_capacity entries, kept in order of their offsets */
    unsigned site_capacity;  /* when full, instructions are still replaced, only not listed */
    uint32_t address;        /* linear, of the page's first byte */
    struct scan_mode mode;

    unsigned site_count;
    unsigned exit_count;
    uint32_t exits[SCAN_EXITS_MAX]; /* linear targets of direct branches, and the next page, all unfollowed */
    struct scan_stats stats;

    /* Private to the scanner. */
    struct scan_range dirty;    /* private bytes changed since the guard last looked */
    struct scan_range changed;  /* since the call began */
    bool tail_dropped;          /* likewise */
    uint8_t tail;               /* bytes at the start that finish the previous page's last instruction */
    uint8_t linked;             /* bytes of our last instruction that the next page shows */
    uint16_t linked_at;         /* where that instruction starts */
    const uint8_t *linked_tail; /* the original of the next page, while linked */
    uint64_t pending[SCAN_PAGE_SIZE / 64]; /* entries not yet scanned */
    uint64_t hide[SCAN_PAGE_SIZE / 64];    /* offsets that no kept instruction may cover */
    uint8_t mark[SCAN_PAGE_SIZE];          /* for each scanned start its length and state, else 0 */
};

struct scan_change {
    struct scan_range bytes; /* of the private page */
    uint32_t instructions;   /* newly scanned */
    bool tail_dropped;       /* the previous page's scan_link() is void: scan_unlink() it before it runs */
};

/* Begin: every byte of the private page traps, nothing is scanned. Also resets a page. */
void scan_init(struct scan_page *page);

/* Scan from an entry point. Scanning from where it was scanned before changes nothing. */
struct scan_change scan_from(struct scan_page *page, unsigned offset);

/* The site that starts at that offset, or NULL. The pointer is good until the page is scanned again. */
struct scan_site *scan_site_at(const struct scan_page *page, unsigned offset);

/* What stands at an offset of the private page. */
bool scan_is_start(const struct scan_page *page, unsigned offset);   /* an instruction was scanned here */
bool scan_is_visible(const struct scan_page *page, unsigned offset); /* guest code; else a trap */

/* Bytes of the instruction scanned there, some of which may lie beyond the page; 0: none was. */
unsigned scan_length_at(const struct scan_page *page, unsigned offset);

/* Take one of the page's exits. False: there is none left. */
bool scan_take_exit(struct scan_page *page, uint32_t *target);

/*
 * A page with nothing to patch at any byte offset, whatever page follows it: it may be mapped directly.
 * Needs no struct scan_page.
 */
bool scan_is_clean(const uint8_t *original, const struct scan_mode *mode);

/* ---- Instructions across a page boundary: scan_link.c -------------------------------------------- */

/*
 * Keep the instruction at the site `offset` (reason SCAN_STRADDLE) of `first`, whose tail lies in `next`, the
 * scan of the following linear page in the same mode. From then on first's private page is right only
 * while next's stays mapped behind it: before that changes, call scan_unlink(). False: it cannot be kept
 * (sensitive, in conflict with a replaced one, or the guard objects), and nothing has changed.
 */
bool scan_link(struct scan_page *first, unsigned offset, struct scan_page *next);

/* Make first's last instruction a trap again. `next` is its partner, or NULL if that is gone. */
void scan_unlink(struct scan_page *first, struct scan_page *next);

/* ---- Invariants: scan_check.c -------------------------------------------------------------------- */

struct scan_fault {
    const char *what; /* NULL: all invariants hold */
    unsigned offset;
};

/*
 * Derive again, with the decoder, from the private page and the original, that the page obeys the rules
 * of docs/scanning.md. Shares no code with what established them. For tests and audits: about a millisecond.
 */
struct scan_fault scan_check(const struct scan_page *page);
