/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host processor as oracle: a case is a machine state and a few unprivileged instructions. It is run
 * twice, natively in 32-bit code of a child process and on the virtual CPU, and the two outcomes must be
 * equal bit by bit. A case follows from a group and a seed alone, so those two numbers reproduce it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof *(a))

/* ---- The address space every case sees, natively and in the guest -------------------------------- */

enum {
    PAGE = 4096,
    CODE_PAGES = 2,  /* read and execute; an absent page follows */
    DATA_PAGES = 3,  /* two read-write, one read-only; an absent page follows */
    STACK_PAGES = 2, /* read-write; absent pages on both sides */
    MEM_PAGES = DATA_PAGES + STACK_PAGES,
    READ_ONLY_PAGE = 2, /* of the data pages */
    MEM_SIZE = MEM_PAGES * PAGE,
};

#define CODE_LA    0x10000000u
#define CODE_END   (CODE_LA + CODE_PAGES * PAGE)
#define DATA_LA    0x20000000u
#define DATA_RO_LA (DATA_LA + READ_ONLY_PAGE * PAGE)
#define DATA_END   (DATA_LA + DATA_PAGES * PAGE)
#define STACK_LA   0x30000000u
#define STACK_END  (STACK_LA + STACK_PAGES * PAGE)
#define WRAP_LA    0x38000000u /* both stack pages once more, the second at 60 KiB: 16-bit offsets wrap */
#define WRAP_HIGH  (WRAP_LA + 0xf000)
#define FS_BASE    DATA_LA            /* makes 16-bit addresses reach the data pages */
#define GS_BASE    (DATA_LA + 0x1010) /* negative offsets stay inside, too */

/* Selectors as Linux gives them to a program, and as the guest's GDT repeats them. */
#define SEL_CODE 0x23u
#define SEL_DATA 0x2bu

/* Linear address of memory page `n` (0..MEM_PAGES-1). */
static inline uint32_t mem_page_la(unsigned n)
{
    return n < DATA_PAGES ? DATA_LA + n * PAGE : STACK_LA + (n - DATA_PAGES) * PAGE;
}

/* ---- A case and what became of it ---------------------------------------------------------------- */

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };

enum eflags {
    FL_CF = 1 << 0,
    FL_FIXED = 1 << 1,
    FL_PF = 1 << 2,
    FL_AF = 1 << 4,
    FL_ZF = 1 << 6,
    FL_SF = 1 << 7,
    FL_TF = 1 << 8,
    FL_IF = 1 << 9,
    FL_DF = 1 << 10,
    FL_OF = 1 << 11,
    FL_NT = 1 << 14,
    FL_RF = 1 << 16,
    FL_AC = 1 << 18,
    FL_ID = 1 << 21,
    FL_STATUS = FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF,
};

/* Offsets in the FXSAVE image: SDM 1, "FXSAVE Area". */
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4,
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FDP = 16,
    FX_MXCSR = 24,
    FX_MXCSR_MASK = 28,
    FX_ST = 32,
    FX_XMM = 160,
    FX_USED = 288, /* in 32-bit mode there are eight XMM registers */
    FX_SIZE = 512,
};

struct regs {
    uint32_t gpr[8]; /* in encoding order */
    uint32_t eip, eflags;
    uint32_t cs; /* selector */
};

/* A row of single steps that stay at one EIP (iterations of a REP instruction) counts as one step. */
static inline struct regs *next_step(struct regs *step, uint8_t *count, uint32_t eip)
{
    if (!*count || step[*count - 1].eip != eip)
        (*count)++;
    return &step[*count - 1];
}

enum { CODE_MAX = 512, PIECES_MAX = 48, STEPS_MAX = 200 };

struct test_case {
    uint64_t seed;
    uint8_t group;
    uint8_t image;                  /* number of the memory image (image.h) */
    bool stepping;                  /* EFLAGS.TF is set: compare after every instruction */
    bool sticky;                    /* ... and set again after instructions that clear it */
    bool pae;                       /* guest paging: PAE with NX, or 32-bit */
    uint8_t piece_count;            /* instructions, or what must stay together */
    uint16_t piece[PIECES_MAX + 1]; /* offset of each in code[]; one more marks the end of the last */
    uint16_t code_len;
    uint32_t code_la;
    uint16_t sreg[6]; /* ES CS SS DS FS GS; CS is regs.cs */
    struct regs regs;
    uint8_t code[CODE_MAX];
    _Alignas(16) uint8_t fxsave[FX_SIZE];
};

enum outcome_kind {
    OUTCOME_EXCEPTION, /* the usual end: INT3 or a fault */
    OUTCOME_STEPS,     /* STEPS_MAX single steps were taken */
    OUTCOME_SYSCALL,   /* the sequence reached the host kernel: a mistake in the generator */
    OUTCOME_HUNG,
    OUTCOME_BROKEN, /* translated code broke a rule; detail: the line of translated.c that says which */
    OUTCOME_DIED,   /* child process ended, or the VM left with something else than an exception */
};

struct outcome {
    uint8_t kind; /* enum outcome_kind */
    uint8_t vector;
    uint8_t step_count;
    uint8_t dirty;   /* bit n: memory page n changed and stands in page[n] */
    uint8_t adopted; /* guest: after how many steps undefined flags were taken over from the host */
    uint32_t error_code;
    uint32_t cr2;    /* of a #PF, else 0 */
    uint32_t detail; /* OUTCOME_DIED: wait status, or exit reason */
    struct regs regs;
    uint16_t sreg[6]; /* ES CS SS DS FS GS */
    _Alignas(16) uint8_t fxsave[FX_SIZE];
    struct regs step[STEPS_MAX];
    uint8_t page[MEM_PAGES][PAGE];
};

_Static_assert(MEM_PAGES <= 8, "struct outcome.dirty has a bit for each page");

/* ---- Groups -------------------------------------------------------------------------------------- */

enum group {
    GROUP_INT,
    GROUP_STRING,
    GROUP_STACK,
    GROUP_BRANCH,
    GROUP_X87,
    GROUP_MMX,
    GROUP_SSE,
    GROUP_SSE2,
    GROUP_FAULT,
    GROUP_MIXED,
    GROUP_SEG16,
    GROUP_COUNT, /* random groups end here */
    GROUP_DIRECTED = GROUP_COUNT,
};

/* The segment registers of a 32-bit Linux program: flat. */
extern const uint16_t flat_sregs[6];

const char *group_name(unsigned group);
/* Number of the group called `name`, or -1. */
int group_by_name(const char *name);

/* Make the case `seed` of a random group. */
void generate_case(unsigned group, uint64_t seed, struct test_case *c);

/* The directed cases: hand-written, with the expected outcome as far as it was computed by hand. */
unsigned directed_count(void);
const char *directed_name(unsigned n);
bool directed_needs_ldt(unsigned n);
void directed_case(unsigned n, struct test_case *c);
/* True if `o` is what the row says; otherwise says to `out` what is not. */
bool directed_check(unsigned n, const struct test_case *c, const struct outcome *o, FILE *out);

/* ---- Comparison ---------------------------------------------------------------------------------- */

/* Where two outcomes of one case differ: a sum of these, 0 for nowhere. */
enum difference {
    DIFF_KIND = 1 << 0, /* kind, vector */
    DIFF_ERROR_CODE = 1 << 1,
    DIFF_CR2 = 1 << 2,
    DIFF_GPR = 1 << 3,
    DIFF_EIP = 1 << 4,
    DIFF_EFLAGS = 1 << 5,
    DIFF_SREG = 1 << 6,
    DIFF_FPU = 1 << 7,
    DIFF_MEMORY = 1 << 8,
    DIFF_STEPS = 1 << 9,
};

unsigned compare_outcomes(const struct test_case *c, const struct outcome *native,
                          const struct outcome *guest);

/* ---- unspecified.c: what the SDM leaves open ----------------------------------------------------- */

/*
 * If `guest` and `host`, the registers after one instruction of the case, differ in status flags that this
 * instruction leaves undefined and in nothing else, make them equal; false if they did not differ.
 */
bool undefined_adopt(const struct test_case *c, const struct regs *before, struct regs *guest,
                     const struct regs *host);

/*
 * Do the sides differ (in `difference`) only in how far an instruction got before its fault, or in which
 * of its accesses faulted, where no order is specified?
 */
bool unspecified_fault(const struct test_case *c, const struct outcome *native, const struct outcome *guest,
                       unsigned difference);

/* ---- Reports ------------------------------------------------------------------------------------- */

/* Whether the library was built against a disassembler or not, a listing of the code. */
void report_case(FILE *out, const struct test_case *c);
void report_difference(FILE *out, const struct test_case *c, const struct outcome *native,
                       const struct outcome *guest, unsigned difference);
const char *vector_name(unsigned vector);
