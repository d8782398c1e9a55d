/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Translated code in the child process of the native side. The cases' pages are in a window above 4 GiB as
 * well as at their own addresses, so nothing is copied between the two ways of running. Each way out of
 * translated code is an INT3, and the signal handler rewrites the frame: to go on in other translated code,
 * or to single-step the instruction natively. Some cases break off at a random host instruction, as an
 * interrupt would have it, and are finished natively: what struct gen_insn promises must hold there.
 *
 * Like native_child.c this runs with FS and GS of the cases: no libc that needs thread-local storage.
 */
#define _GNU_SOURCE
#include "translated.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "native_child.h"
#include "segments.h"
#include "translator/decode.h"
#include "translator/generate.h"

enum {
    CODE64 = 0x33, /* Linux's __USER_CS */
    STRETCHES_MAX = 24,
    STACK_SLOTS = 1024,
    STEPS_BEFORE_BREAK = 48,
    STUB_BYTES = 16,
    TRAP_STEP = 1, /* #DB */
    TRAP_INT3 = 3,
};

#define WINDOW      UINT64_C(0x10000000000)
#define WINDOW_SIZE (UINT64_C(1) << 32)
#define NOWHERE     (WINDOW + 2 * WINDOW_SIZE) /* FS cannot be used: nothing is there */

enum mode {
    MODE_NATIVE,     /* until the case is over */
    MODE_STEP,       /* one instruction natively */
    MODE_TRANSLATED, /* R13 is the window, and so on */
};

/* What R15 points to. */
struct context {
    uint32_t fs_base;
    const uint8_t *exit_direct, *exit_indirect, *call_out;
};

static const struct gen_layout layout = {
    .fs_base = offsetof(struct context, fs_base),
    .exit_direct = offsetof(struct context, exit_direct),
    .exit_indirect = offsetof(struct context, exit_indirect),
    .call_out = offsetof(struct context, call_out),
};

struct stretch {
    unsigned page; /* of the code pages */
    uint8_t *code;
    struct gen_result result;
};

static struct {
    const struct test_case *c;
    const uint8_t *guest_code;
    struct translated_stats *stats;
    struct context context;
    uint8_t *stubs;
    uint8_t *code;
    uint64_t *stack, rsp; /* of return addresses; RSP while other code runs */
    struct stretch stretch[STRETCHES_MAX];
    unsigned stretch_count;
    uint64_t known[CODE_PAGES][PAGE / 64];
    enum mode mode;
    struct native_segments guest_segments; /* while translated code runs */
    unsigned steps_left;                   /* until the case breaks off; 0: never */
    uint64_t esp;     /* where the host instruction stepped last began one of the guest's */
    uint32_t stepped; /* EIP of the instruction that is stepped */
    bool faulted;     /* ... since it faulted as translated code */
    uint64_t resume;  /* where call_out returns to, if EIP is ... */
    uint32_t resume_eip;
    uint32_t broken;
} side;

static const uint8_t gpr_index[8] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI
};

uint32_t translated_fault(void)
{
    return side.broken;
}

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            side.broken = __LINE__;                                                                          \
            return TRANSLATED_BROKEN;                                                                        \
        }                                                                                                    \
    } while (0)

/* ---- Translating --------------------------------------------------------------------------------- */

static bool in_code(uint32_t eip)
{
    return eip >= CODE_LA && eip < CODE_END;
}

/* Host address of the instruction at `eip`, if it has been translated; else 0. */
static uint64_t find_entry(uint32_t eip)
{
    for (unsigned i = 0; i < side.stretch_count; i++) {
        const struct stretch *s = &side.stretch[i];

        for (unsigned n = 0; n < s->result.insn_count; n++)
            if (CODE_LA + s->page * PAGE + s->result.insn[n].guest == eip)
                return (uint64_t)(uintptr_t)(s->code + s->result.insn[n].host);
    }
    return 0;
}

static void note_known(const struct stretch *s)
{
    for (unsigned n = 0; n < s->result.insn_count; n++) {
        unsigned offset = s->result.insn[n].guest;
        side.known[s->page][offset / 64] |= UINT64_C(1) << offset % 64;
    }
}

static void number_call_outs(struct stretch *s)
{
    uint32_t first = (uint32_t)(s - side.stretch) * GEN_CALL_OUTS_MAX;

    for (uint32_t n = 0; n < s->result.call_out_count; n++) {
        uint32_t number = first + n;
        memcpy(s->code + s->result.call_out[n].number, &number, sizeof number);
    }
}

/* Host address of the instruction at `eip`, translated if it has to be; 0: that is not possible. */
static uint64_t entry(uint32_t eip)
{
    struct stretch *s = &side.stretch[side.stretch_count];
    uint64_t found = find_entry(eip);

    if (found || !in_code(eip) || side.stretch_count == STRETCHES_MAX)
        return found;
    s->page = (eip - CODE_LA) / PAGE;
    struct gen_request request = {
        .page = side.guest_code + s->page * PAGE,
        .address = CODE_LA + s->page * PAGE,
        .start = eip % PAGE,
        .layout = layout,
        .isa = UINT32_MAX,
        .known = side.known[s->page],
    };
    if (!gen_stretch(&request, &s->result))
        return 0;
    s->code = side.code + side.stretch_count * (size_t)GEN_CODE_MAX;
    memcpy(s->code, s->result.code, s->result.code_size);
    side.stretch_count++;
    note_known(s);
    number_call_outs(s);
    side.stats->stretches++;
    side.stats->instructions += s->result.insn_count;
    return (uint64_t)(uintptr_t)(s->code + s->result.insn[0].host);
}

static struct stretch *stretch_at(uint64_t rip)
{
    for (unsigned i = 0; i < side.stretch_count; i++) {
        struct stretch *s = &side.stretch[i];
        if (rip - (uint64_t)(uintptr_t)s->code < s->result.code_size)
            return s;
    }
    return NULL;
}

/* The instruction whose code this is; NULL: a stub behind the last one. */
static const struct gen_insn *insn_at(const struct stretch *s, uint64_t rip)
{
    uint64_t offset = rip - (uint64_t)(uintptr_t)s->code;
    unsigned n = s->result.insn_count;

    if (s->result.exit_count && offset >= s->result.exit[0].stub)
        return NULL;
    while (n-- > 0)
        if (s->result.insn[n].host <= offset)
            return &s->result.insn[n];
    return NULL;
}

/* ---- From one way of running to the other -------------------------------------------------------- */

static bool is_translatable(const greg_t *g)
{
    const struct native_segments *n = &native_segments;
    uint64_t cs_ss = (uint64_t)g[REG_CSGSFS];

    return (cs_ss & 0xffff) == SEL_CODE && cs_ss >> 48 == SEL_DATA && n->ds == SEL_DATA &&
           n->es == SEL_DATA && !(g[REG_EFL] & FL_DF);
}

/* Forget what translated code calls what: RET finds the way through exit_indirect. */
static uint64_t empty_stack(void)
{
    for (unsigned i = 0; i < STACK_SLOTS; i++)
        side.stack[i] = (uint64_t)(uintptr_t)side.context.exit_indirect;
    return (uint64_t)(uintptr_t)&side.stack[STACK_SLOTS / 2];
}

static void keep_stack(greg_t *g)
{
    uint64_t low = (uint64_t)(uintptr_t)side.stack;

    if ((uint64_t)g[REG_RSP] - low < 256 || (uint64_t)g[REG_RSP] - low > (STACK_SLOTS - 32) * 8)
        g[REG_RSP] = (greg_t)empty_stack();
}

static void to_translated(ucontext_t *uc, uint64_t rip)
{
    greg_t *g = uc->uc_mcontext.gregs;
    bool fs_usable = native_segments.fs == SEL_DATA;

    for (unsigned i = 0; i < 8; i++)
        g[gpr_index[i]] = (uint32_t)g[gpr_index[i]];
    g[REG_R14] = g[REG_RSP];
    side.esp = (uint64_t)g[REG_R14];
    for (unsigned i = REG_R8; i <= REG_R11; i++)
        g[i] = (greg_t)0xdeadbeefdeadbeef; /* of no meaning */
    g[REG_R12] = (greg_t)(fs_usable ? WINDOW : NOWHERE);
    g[REG_R13] = (greg_t)WINDOW;
    g[REG_R15] = (greg_t)(uintptr_t)&side.context;
    g[REG_RSP] = (greg_t)side.rsp;
    keep_stack(g);
    g[REG_RIP] = (greg_t)rip;
    g[REG_EFL] &= ~(greg_t)FL_TF;
    if (side.steps_left)
        g[REG_EFL] |= FL_TF;
    g[REG_CSGSFS] = (greg_t)(((uint64_t)g[REG_CSGSFS] & ~UINT64_C(0xffff)) | CODE64);
    side.context.fs_base = (uint32_t)native_segments.fs_base;
    side.guest_segments = native_segments;
    native_segments.fs = native_segments.gs = 0;
    native_segments.fs_base = 0;
    native_segments.gs_base = WINDOW;
    side.mode = MODE_TRANSLATED;
}

static void to_native(ucontext_t *uc, uint32_t eip, enum mode mode)
{
    greg_t *g = uc->uc_mcontext.gregs;

    side.rsp = (uint64_t)g[REG_RSP];
    g[REG_RSP] = g[REG_R14];
    for (unsigned i = 0; i < 8; i++)
        g[gpr_index[i]] = (uint32_t)g[gpr_index[i]];
    for (unsigned i = REG_R8; i <= REG_R15; i++)
        g[i] = 0;
    g[REG_RIP] = eip;
    g[REG_EFL] &= ~(greg_t)(FL_TF | FL_RF);
    if (mode == MODE_STEP)
        g[REG_EFL] |= FL_TF;
    g[REG_CSGSFS] = (greg_t)(((uint64_t)g[REG_CSGSFS] & ~UINT64_C(0xffff)) | SEL_CODE);
    native_segments = side.guest_segments;
    side.stepped = eip;
    side.faulted = false;
    side.mode = mode;
}

/* ---- Native steps -------------------------------------------------------------------------------- */

static bool decode_at(uint32_t eip, struct insn *insn)
{
    return in_code(eip) &&
           x86_decode(side.guest_code + (eip - CODE_LA), CODE_END - eip, true, insn) == X86_DECODE_OK;
}

/*
 * What pops EFLAGS may set TF itself, and then a step of ours is one of the case's. MOV SS hides a step; and
 * a signal makes 0 of a null selector.
 */
static bool cannot_be_stepped(uint32_t eip)
{
    struct insn insn;

    if (!decode_at(eip, &insn))
        return false;
    switch (insn.op) {
    case X86_POPF:
    case X86_IRET:
    case X86_POP_SREG:
    case X86_MOV_TO_SREG:
    case X86_LES:
    case X86_LDS:
    case X86_LSS:
    case X86_LFS:
    case X86_LGS:
        return true;
    default:
        return false;
    }
}

/* PUSHF has pushed our TF. */
static void mend_pushed_flags(const greg_t *g)
{
    struct insn insn;
    uint8_t *second_byte = (uint8_t *)(uintptr_t)((uint32_t)g[REG_RSP] + 1);

    if (decode_at(side.stepped, &insn) && insn.op == X86_PUSHF)
        *second_byte &= (uint8_t) ~(FL_TF >> 8);
}

static void step(ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;

    side.stepped = (uint32_t)g[REG_RIP];
    side.mode = cannot_be_stepped(side.stepped) ? MODE_NATIVE : MODE_STEP;
    if (side.mode == MODE_STEP)
        g[REG_EFL] |= FL_TF;
    else
        g[REG_EFL] &= ~(greg_t)FL_TF;
}

/* A 32-bit frame between two instructions: go on in translated code if that is possible. */
static void go_on(ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    uint32_t eip = (uint32_t)g[REG_RIP];
    uint64_t rip = 0;

    if (is_translatable(g))
        rip = side.resume && eip == side.resume_eip ? side.resume : entry(eip);
    side.resume = 0;
    if (rip)
        to_translated(uc, rip);
    else
        step(uc);
}

static enum translated_next stepped(ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;

    g[REG_EFL] &= ~(greg_t)FL_TF;
    if (g[REG_TRAPNO] != TRAP_STEP)
        return TRANSLATED_OVER;
    REQUIRE(!side.faulted); /* it has no fault natively */
    mend_pushed_flags(g);
    go_on(uc);
    return TRANSLATED_GOES_ON;
}

/* ---- Translated code ----------------------------------------------------------------------------- */

/* The state at any place up to `restart` is the guest's: have the instruction done natively. */
static enum translated_next restart(ucontext_t *uc, enum mode mode)
{
    greg_t *g = uc->uc_mcontext.gregs;
    const struct stretch *s = stretch_at((uint64_t)g[REG_RIP]);
    const struct gen_insn *insn;
    uint32_t eip;

    REQUIRE(s);
    insn = insn_at(s, (uint64_t)g[REG_RIP]);
    REQUIRE(insn && (uint64_t)g[REG_RIP] - (uint64_t)(uintptr_t)s->code <= insn->restart);
    eip = CODE_LA + s->page * PAGE + insn->guest;
    to_native(uc, eip, mode);
    if (mode == MODE_STEP)
        step(uc);
    return TRANSLATED_GOES_ON;
}

/* Where the exit goes whose stub called from before `after`. */
static uint32_t exit_target(uint64_t after)
{
    const struct stretch *s = stretch_at(after - 1);

    REQUIRE(s);
    for (unsigned n = 0; n < s->result.exit_count; n++)
        if ((uint64_t)(uintptr_t)(s->code + s->result.exit[n].after) == after)
            return s->result.exit[n].target;
    REQUIRE(false);
    return 0;
}

/* Aim the branch at the code it goes to from now on. */
static void link_exit(uint64_t after, uint64_t target)
{
    struct stretch *s = stretch_at(after - 1);

    for (unsigned n = 0; s && n < s->result.exit_count; n++) {
        const struct gen_exit *exit = &s->result.exit[n];
        uint8_t *field = s->code + exit->rel32;
        uint32_t distance = (uint32_t)(target - (uint64_t)(uintptr_t)(field + 4));

        if ((uint64_t)(uintptr_t)(s->code + exit->after) == after)
            memcpy(field, &distance, sizeof distance);
    }
}

static uint64_t pop(greg_t *g)
{
    uint64_t value = *(uint64_t *)(uintptr_t)g[REG_RSP];

    g[REG_RSP] += 8;
    return value;
}

static enum translated_next leave(ucontext_t *uc, bool direct)
{
    greg_t *g = uc->uc_mcontext.gregs;
    uint64_t after = direct ? pop(g) : 0;
    uint32_t eip = direct ? exit_target(after) : (uint32_t)g[REG_R8];
    uint64_t rip = entry(eip);

    side.stats->exits++;
    REQUIRE(direct || (uint64_t)g[REG_R8] == eip);
    if (!rip) {
        to_native(uc, eip, MODE_STEP);
        step(uc);
        return TRANSLATED_GOES_ON;
    }
    if (direct)
        link_exit(after, rip);
    keep_stack(g);
    side.esp = (uint64_t)g[REG_R14];
    g[REG_RIP] = (greg_t)rip;
    return TRANSLATED_GOES_ON;
}

static enum translated_next call_out(ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    uint64_t number = (uint64_t)g[REG_R8];
    const struct stretch *s = &side.stretch[number / GEN_CALL_OUTS_MAX];
    const struct gen_insn *insn;
    uint32_t eip;

    side.stats->call_outs++;
    REQUIRE(number < side.stretch_count * UINT64_C(1) * GEN_CALL_OUTS_MAX);
    REQUIRE(number % GEN_CALL_OUTS_MAX < s->result.call_out_count);
    insn = &s->result.insn[s->result.call_out[number % GEN_CALL_OUTS_MAX].insn];
    eip = CODE_LA + s->page * PAGE + insn->guest;
    side.resume = pop(g);
    REQUIRE(stretch_at(side.resume - 1) == s);
    side.resume_eip = eip + insn->length;
    to_native(uc, eip, MODE_STEP);
    step(uc);
    return TRANSLATED_GOES_ON;
}

/* A host instruction of a case that is to break off. */
static enum translated_next count_step(ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    const struct stretch *s = stretch_at((uint64_t)g[REG_RIP]);
    const struct gen_insn *insn = s ? insn_at(s, (uint64_t)g[REG_RIP]) : NULL;

    if (insn && (uint64_t)g[REG_RIP] - (uint64_t)(uintptr_t)s->code == insn->host)
        side.esp = (uint64_t)g[REG_R14];
    if (side.steps_left > 1) {
        side.steps_left--;
        return TRANSLATED_GOES_ON;
    }
    if (!insn || (uint64_t)g[REG_RIP] - (uint64_t)(uintptr_t)s->code > insn->restart)
        return TRANSLATED_GOES_ON;
    REQUIRE((uint64_t)g[REG_R14] == side.esp); /* an interrupt would push there */
    side.steps_left = 0;
    side.stats->breaks++;
    return restart(uc, MODE_NATIVE);
}

static bool at_stub(const greg_t *g, const uint8_t *stub)
{
    return g[REG_TRAPNO] == TRAP_INT3 && (uint64_t)g[REG_RIP] == (uint64_t)(uintptr_t)stub + 1;
}

static enum translated_next translated(ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    enum translated_next next;

    if (at_stub(g, side.context.exit_direct))
        return leave(uc, true);
    if (at_stub(g, side.context.exit_indirect))
        return leave(uc, false);
    if (at_stub(g, side.context.call_out))
        return call_out(uc);
    if (g[REG_TRAPNO] == TRAP_STEP)
        return count_step(uc);
    side.stats->faults++;
    next = restart(uc, MODE_STEP);
    side.faulted = true;
    return next;
}

enum translated_next translated_trap(ucontext_t *uc)
{
    switch (side.mode) {
    case MODE_STEP:
        return stepped(uc);
    case MODE_TRANSLATED:
        return translated(uc);
    default:
        return TRANSLATED_OVER;
    }
}

void translated_start(const struct test_case *c, ucontext_t *uc)
{
    side.c = c;
    side.stretch_count = 0;
    side.resume = 0;
    side.faulted = false;
    memset(side.known, 0, sizeof side.known);
    side.rsp = empty_stack();
    side.steps_left = c->seed % 3 ? 0 : 1 + (unsigned)(c->seed / 3 % STEPS_BEFORE_BREAK);
    go_on(uc);
}

/* ---- Set-up -------------------------------------------------------------------------------------- */

static bool map_window(uint32_t at, unsigned pages, int rights, int memory, unsigned first)
{
    return mmap((void *)(uintptr_t)(WINDOW + at), pages * PAGE, rights, MAP_SHARED | MAP_FIXED, memory,
                (off_t)first * PAGE) != MAP_FAILED;
}

bool translated_open(int memory, const uint8_t *code, struct translated_stats *stats)
{
    enum { DATA_FIRST = CODE_PAGES, STACK_FIRST = CODE_PAGES + DATA_PAGES };
    const int none = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, write = PROT_READ | PROT_WRITE;
    const size_t code_size = STRETCHES_MAX * (size_t)GEN_CODE_MAX;

    if (mmap((void *)(uintptr_t)WINDOW, 3 * WINDOW_SIZE, PROT_NONE, none | MAP_FIXED_NOREPLACE, -1, 0) !=
        (void *)(uintptr_t)WINDOW)
        return false;
    side.code = mmap(NULL, code_size, write | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    side.stubs = mmap(NULL, PAGE, write | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    side.stack = mmap(NULL, STACK_SLOTS * 8, write, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (side.code == MAP_FAILED || side.stubs == MAP_FAILED || side.stack == MAP_FAILED)
        return false;
    memset(side.stubs, 0xcc, PAGE);
    side.context.exit_direct = side.stubs;
    side.context.exit_indirect = side.stubs + STUB_BYTES;
    side.context.call_out = side.stubs + 2 * STUB_BYTES;
    side.guest_code = code;
    side.stats = stats;
    return map_window(CODE_LA, CODE_PAGES, PROT_READ, memory, 0) &&
           map_window(DATA_LA, READ_ONLY_PAGE, write, memory, DATA_FIRST) &&
           map_window(DATA_RO_LA, DATA_PAGES - READ_ONLY_PAGE, PROT_READ, memory,
                      DATA_FIRST + READ_ONLY_PAGE) &&
           map_window(STACK_LA, STACK_PAGES, write, memory, STACK_FIRST) &&
           map_window(WRAP_LA, 1, write, memory, STACK_FIRST) &&
           map_window(WRAP_HIGH, 1, write, memory, STACK_FIRST + 1);
}
