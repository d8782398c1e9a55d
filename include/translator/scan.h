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
    SCAN_JUMPS_MAX = 160,  /* promotions of a page, those that were taken back included */
    SCAN_STEPS_MAX = 1024, /* native instructions in its snippets */
    SCAN_SCRATCH_SIZE = 64,
    SCAN_DOOR_OFFSET = 8, /* behind R15: where doors lead, see struct scan_page */
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
    SCAN_DATA_APART = 1 << 10, /* data segments have another base than CS: operands through CS are replaced */
    SCAN_ES_AT_ZERO = 1 << 11, /* ... and ES has base 0: string instructions need scan_page.data_base added */
    SCAN_GUARD_SHIFT = 12,     /* enum scan_guard, two bits */
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
    SCAN_FPU,        /* CR0.EM, CR0.TS or CR4.OSFXSR say that it faults */
    SCAN_ABSENT,     /* the guest's processor does not have it, the host's may */
    SCAN_UNDEFINED,  /* no instruction, or #UD by definition */
    SCAN_TOO_LONG,   /* more than 15 bytes */
    SCAN_STRADDLE,   /* goes on in the next page */
    SCAN_OVERLAP,    /* harmless, but covers the start of one that is replaced */
    SCAN_HIDDEN,     /* harmless, but the guard found something inside or across its end */
    SCAN_STRING,     /* reaches memory through ES, which has another base than the guest thinks */
    SCAN_CS_OPERAND, /* accesses memory through CS, which has another base than the guest thinks */
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
    SCAN_FORM_INT3,   /* the first byte is INT3; the monitor resolves the trap from the original bytes */
    SCAN_FORM_TWIN,   /* another encoding of the same instruction, of the same length */
    SCAN_FORM_BRANCH, /* a direct branch by way of a jump in the snippet page */
    SCAN_FORM_JUMP,   /* runs in a snippet, which a jump at it, or at one of those before it, leads to */
    SCAN_FORM_COUNT,
};

struct scan_site {
    uint16_t offset;
    uint8_t length;    /* of the original instruction, as far as it is known; may reach beyond the page */
    uint8_t reason;    /* enum scan_reason */
    uint8_t form;      /* enum scan_form */
    uint8_t hidden_at; /* SCAN_HIDDEN: the guard's finding begins this far into the instruction */
    uint32_t hits;     /* traps, counted by the caller; 0 again when a promotion is taken back */
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

/* A promotion: page bytes first to end - 1 became a jump or a branch to snippet bytes from snippet on. */
struct scan_jump {
    uint16_t first, end;
    uint16_t snippet, snippet_end;
    uint8_t form; /* enum scan_form; SCAN_FORM_INT3: taken back, but someone may still be in the snippet */
    uint8_t jump; /* bytes of the range the jump takes; the others trap */
};

/* What the guest's state is before the native instruction at `at` of the snippet page. */
struct scan_step {
    uint16_t at;
    uint8_t how;    /* scan_private.h: enum step_how */
    uint8_t regs;   /* two register numbers */
    uint8_t vector; /* scan_private.h: enum step_vector, and two XMM register numbers */
    uint32_t eip;   /* linear: the guest instruction that is not done yet */
    uint32_t add;
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
    /*
     * For promotion, else NULL and 0. SCAN_PAGE_SIZE bytes that are executed at snippet_address,
     * page-aligned: for code segments with base 0 and limit 4 GiB. And the offset of SCAN_SCRATCH_SIZE bytes,
     * aligned by as many, that ES:scratch reaches for writing whenever the page runs; without it, forms that
     * need it are not available. All may be set later than scan_init(), the snippets being full of traps
     * then.
     */
    uint8_t *snippets;
    uint32_t snippet_address;
    uint32_t scratch;
    uint32_t data_base; /* SCAN_ES_AT_ZERO: what to add to an offset in ES */
    bool turns_fpu;     /* the caller heeds scan_resume_fpu(), so snippets may turn the x87 stack */
    /*
     * Sensitive instructions may become doors: a far jump in the snippet page to 64-bit code behind it, which
     * has R8 = where the far jump stands (linear), and goes on where the quadword at R15 + SCAN_DOOR_OFFSET
     * leads. No other register and no flag has changed; scan_snippet_resume() says which instruction it is.
     */
    bool doors;

    unsigned site_count;
    unsigned exit_count;
    uint32_t exits[SCAN_EXITS_MAX]; /* linear targets of direct branches, and the next page, all unfollowed */
    struct scan_stats stats;

    /* Private to the scanner. */
    struct scan_range dirty;    /* private bytes changed since the guard last looked */
    struct scan_range changed;  /* since the call began */
    bool tail_dropped;          /* likewise */
    bool rotates;               /* there is, or was, a ROL for a ROR */
    uint8_t tail;               /* bytes at the start that finish the previous page's last instruction */
    uint8_t linked;             /* bytes of our last instruction that the next page shows */
    uint16_t linked_at;         /* where that instruction starts */
    const uint8_t *linked_tail; /* the original of the next page, while linked */
    uint64_t pending[SCAN_PAGE_SIZE / 64]; /* entries not yet scanned */
    uint64_t hide[SCAN_PAGE_SIZE / 64];    /* offsets that no kept instruction may cover */
    uint64_t entry[SCAN_PAGE_SIZE / 64];   /* offsets known to be branched to */
    uint8_t mark[SCAN_PAGE_SIZE];          /* for each scanned start its length and state, else 0 */
    uint16_t jump_count, step_count;
    struct scan_jump jumps[SCAN_JUMPS_MAX]; /* in order of time */
    struct scan_step steps[SCAN_STEPS_MAX]; /* in order of `at` */
};

struct scan_change {
    struct scan_range bytes; /* of the private page */
    uint32_t instructions;   /* newly scanned */
    bool tail_dropped;       /* the previous page's scan_link() is void: scan_unlink() it before it runs */
};

/* Begin: every byte of the private page and of the snippets traps, nothing is scanned. Also resets a page. */
void scan_init(struct scan_page *page);

/*
 * Scan from an entry point. Scanning from where it was scanned before changes nothing, but takes a promotion
 * back that displaced the instruction.
 */
struct scan_change scan_from(struct scan_page *page, unsigned offset);

/* The site that starts at that offset, or NULL. The pointer is good until the page is scanned again. */
struct scan_site *scan_site_at(const struct scan_page *page, unsigned offset);

/* What stands at an offset of the private page. */
bool scan_is_start(const struct scan_page *page, unsigned offset);   /* an instruction was scanned here */
bool scan_is_visible(const struct scan_page *page, unsigned offset); /* guest code, or what stands for it */
bool scan_is_plain(const struct scan_page *page, unsigned offset);   /* ... of which all bytes are in place */
/* A sensitive instruction in a promotion: whoever comes to it natively leaves by a door. */
bool scan_is_door(const struct scan_page *page, unsigned offset);

/* Bytes of the instruction scanned there, some of which may lie beyond the page; 0: none was. */
unsigned scan_length_at(const struct scan_page *page, unsigned offset);

/* Take one of the page's exits. False: there is none left. */
bool scan_take_exit(struct scan_page *page, uint32_t *target);

/*
 * A page with nothing to patch at any byte offset, whatever page follows it: it may be mapped directly.
 * Needs no struct scan_page.
 */
bool scan_is_clean(const uint8_t *original, const struct scan_mode *mode);

/* ---- Faster forms: scan_promote.c, scan_snippet.c ------------------------------------------------ */

/*
 * Give a site that traps a form that does not: jumps to equivalent code in the snippet page, with its
 * neighbours if it is short. What may not run natively (any reason but SCAN_HIDDEN and SCAN_STRING) becomes a
 * door, if the page may have doors. False: there is none, or no room; the site stays
 * as it is. An instruction that became part of a promotion without being its first one traps or faults
 * natively when it is jumped to; scan_from() there takes the promotion back (and the site may be promoted in
 * another way later).
 */
bool scan_promote(struct scan_page *page, unsigned offset, struct scan_change *change);

/*
 * A place for the snippets of the page at `address` in the 16 MiB from `window` (a multiple of 16 MiB) from
 * where most short sites can be promoted: other places do for about two thirds of them. `choice` from 0 to
 * SCAN_SNIPPET_CHOICES - 1.
 */
enum { SCAN_SNIPPET_CHOICES = 15 };
uint32_t scan_snippet_place(uint32_t address, uint32_t window, unsigned choice);

/*
 * How to make guest registers of those the processor had inside of a snippet: a register or a dword of the
 * scratch area, and a sum.
 */
struct scan_resume {
    uint32_t eip;    /* linear: the guest instruction to go on with */
    uint8_t from[8]; /* 0 to 7 a register, SCAN_FROM_SCRATCH + n the scratch area's dword n */
    uint32_t add[8];
    uint8_t fpu_turn; /* to be added to the x87 status word's TOP, */
    bool fpu_pop;     /* and ST(0) to be popped then; */
    uint8_t vector;   /* XMM registers to be exchanged or reloaded: scan_resume_fpu() does all that */
};

enum { SCAN_FROM_SCRATCH = 8 };

/*
 * The guest stopped in the page's snippets at this offset (a fault, or a signal between two instructions).
 * False: no native instruction starts there.
 */
bool scan_snippet_resume(const struct scan_page *page, unsigned snippet_offset, struct scan_resume *resume);

/*
 * Where in the snippet page to go on with the guest instruction at `offset`, which is in a promotion and not
 * its first: in the page itself a trap stands there. False: it is no such instruction.
 */
bool scan_snippet_enter(const struct scan_page *page, unsigned offset, unsigned *snippet_offset);

/* Make the x87 and XMM registers of the processor this runs on the guest's. */
void scan_resume_fpu(const struct scan_resume *resume, const uint32_t *scratch);

/* Make `regs` (EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI) the guest's. */
static inline void scan_resume_registers(const struct scan_resume *resume, uint32_t regs[8],
                                         const uint32_t *scratch)
{
    uint32_t native[8];

    for (unsigned i = 0; i < 8; i++)
        native[i] = regs[i];
    for (unsigned i = 0; i < 8; i++) {
        unsigned from = resume->from[i];

        regs[i] =
            (from < SCAN_FROM_SCRATCH ? native[from] : scratch[from - SCAN_FROM_SCRATCH]) + resume->add[i];
    }
}

/* ---- ROL for ROR: scan_rotate.c ------------------------------------------------------------------ */

/* CF and OF are still those of the ROL at `offset`, which stands for a ROR of `reg` by `count`. */
struct scan_owed {
    uint16_t offset;
    uint8_t reg, count;
};

/*
 * The guest stopped before the instruction at `offset`, wherever that runs: does the processor owe flags
 * there? Then the guest's EFLAGS are what scan_flags_paid() makes of the processor's.
 */
bool scan_flags_owed(const struct scan_page *page, unsigned offset, struct scan_owed *owed);
uint32_t scan_flags_paid(const struct scan_owed *owed, const uint32_t regs[8], uint32_t eflags);

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
