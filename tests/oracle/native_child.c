/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The child process of the native side. It lives in its signal handler: a case is started by rewriting
 * the signal frame and returning from the signal into 32-bit code, and the case's last instruction
 * (INT3, or whatever faults) raises the signal that brings the outcome. One case costs one signal.
 *
 * From enter_cases() on FS and GS belong to the cases, so nothing here may use thread-local storage:
 * no errno, no stdio, no stack protector (this file is built without); system calls are raw.
 */
#define _GNU_SOURCE
#include "native_child.h"

#include "host_call.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image.h"
#include "segments.h"

/* native_entry.S knows these offsets. */
_Static_assert(offsetof(struct native_segments, ds) == 0 && offsetof(struct native_segments, es) == 4 &&
                   offsetof(struct native_segments, fs) == 8 && offsetof(struct native_segments, gs) == 12 &&
                   offsetof(struct native_segments, fs_base) == 16 &&
                   offsetof(struct native_segments, gs_base) == 24,
               "struct native_segments");

struct native_segments native_segments;

enum {
    FX_SW_RESERVED = 464,  /* the kernel's own words in the frame's FXSAVE image */
    XSAVE_XSTATE_BV = 512, /* SDM 1, "XSAVE Header": components that are not in their initial state */
    XSTATE_X87_SSE = 3,
};

/* EFLAGS bits rt_sigreturn restores, and those native_trap_entry sets. */
#define FL_BY_FRAME (FL_STATUS | FL_TF | FL_DF | FL_AC | FL_RF | FL_FIXED | FL_IF)
#define FL_BY_ENTRY (FL_NT | FL_ID)

/* The child's state; one thread, entered again and again by signals, never nested. */
static struct {
    struct native_ring *ring;
    uint8_t *code; /* writable view of the code pages */
    uint32_t batch;
    bool running; /* ring->next is in 32-bit code */
    int image;    /* in memory now */
} child;

static void *la(uint32_t linear)
{
    return (void *)(uintptr_t)linear;
}

/* ---- Outcome of the case that just ended --------------------------------------------------------- */

/* Where the frame has the registers EAX, ECX ... EDI. */
static const uint8_t gpr_index[8] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI
};

static void save_regs(struct regs *r, const greg_t *g)
{
    for (int i = 0; i < 8; i++)
        r->gpr[i] = g[gpr_index[i]];
    r->eip = g[REG_RIP];
    r->eflags = g[REG_EFL];
    r->cs = g[REG_CSGSFS] & 0xffff;
}

static void save_memory(struct outcome *o, const uint8_t *before)
{
    o->dirty = 0;
    for (unsigned n = 0; n < MEM_PAGES; n++) {
        uint8_t *page = la(mem_page_la(n));
        if (!memcmp(page, before + n * PAGE, PAGE))
            continue;
        o->dirty |= 1u << n;
        memcpy(o->page[n], page, PAGE);
        if (n != READ_ONLY_PAGE)
            memcpy(page, before + n * PAGE, PAGE);
    }
}

static void save_outcome(struct outcome *o, int sig, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    uint16_t cs_ss[4];

    memcpy(cs_ss, &g[REG_CSGSFS], sizeof cs_ss);
    o->kind = sig == SIGSYS ? OUTCOME_SYSCALL : OUTCOME_EXCEPTION;
    o->vector = g[REG_TRAPNO];
    o->error_code = g[REG_ERR];
    o->cr2 = o->vector == 14 ? g[REG_CR2] : 0;
    o->detail = 0;
    save_regs(&o->regs, g);
    o->sreg[0] = native_segments.es;
    o->sreg[1] = cs_ss[0];
    o->sreg[2] = cs_ss[3];
    o->sreg[3] = native_segments.ds;
    o->sreg[4] = native_segments.fs;
    o->sreg[5] = native_segments.gs;
    memset(o->fxsave, 0, FX_SIZE);
    memcpy(o->fxsave, uc->uc_mcontext.fpregs, FX_USED);
}

static bool single_step(const struct test_case *c, const ucontext_t *uc)
{
    return c->stepping && uc->uc_mcontext.gregs[REG_TRAPNO] == 1;
}

/* ---- Starting the next one ----------------------------------------------------------------------- */

static void load_memory(const struct test_case *c)
{
    if (child.image != c->image) {
        for (unsigned n = 0; n < MEM_PAGES; n++)
            if (n != READ_ONLY_PAGE)
                memcpy(la(mem_page_la(n)), image(c->image) + n * PAGE, PAGE);
        child.image = c->image;
    }
    memcpy(child.code + (c->code_la - CODE_LA), c->code, c->code_len);
}

static void load_frame(ucontext_t *uc, const struct test_case *c)
{
    greg_t *g = uc->uc_mcontext.gregs;
    uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
    uint64_t xstate_bv;

    for (int i = REG_R8; i <= REG_R15; i++)
        g[i] = 0;
    for (int i = 0; i < 8; i++)
        g[gpr_index[i]] = c->regs.gpr[i];
    g[REG_RIP] = c->regs.eip;
    g[REG_EFL] = c->regs.eflags & FL_BY_FRAME;
    g[REG_CSGSFS] = (greg_t)c->regs.cs | (greg_t)c->sreg[2] << 48;

    /* Everything but MXCSR_MASK, which is the host's, and the kernel's words behind XMM15. */
    memcpy(fx, c->fxsave, FX_MXCSR_MASK);
    memcpy(fx + FX_ST, c->fxsave + FX_ST, FX_USED - FX_ST);
    memcpy(&xstate_bv, fx + XSAVE_XSTATE_BV, sizeof xstate_bv);
    xstate_bv |= XSTATE_X87_SSE;
    memcpy(fx + XSAVE_XSTATE_BV, &xstate_bv, sizeof xstate_bv);
}

static void load_segments(const uint16_t *sreg)
{
    native_segments = (struct native_segments){
        .es = sreg[0],
        .ds = sreg[3],
        .fs = sreg[4],
        .gs = sreg[5],
        .fs_base = sreg[4] == SEL_DATA ? FS_BASE : selector_base(sreg[4]),
        .gs_base = sreg[5] == SEL_DATA ? GS_BASE : selector_base(sreg[5]),
    };
}

static void wait_for_batch(void)
{
    struct native_ring *ring = child.ring;

    for (;;) {
        uint32_t go = __atomic_load_n(&ring->go, __ATOMIC_ACQUIRE);
        if (go != child.batch) {
            child.batch = go;
            return;
        }
        host_call(__NR_futex, (long)&ring->go, FUTEX_WAIT, go, 0, 0, 0);
    }
}

/* A case that single-steps itself is the processor's alone. */
static bool translates(const struct test_case *c)
{
    return child.ring->translate && !c->stepping;
}

/* Rewrite the frame for the next case, waiting for a batch if this one is through. */
static uint64_t next_case(ucontext_t *uc)
{
    struct native_ring *ring = child.ring;

    while (ring->next == ring->count || child.batch != ring->go) {
        __atomic_store_n(&ring->done, child.batch, __ATOMIC_RELEASE);
        host_call(__NR_futex, (long)&ring->done, FUTEX_WAKE, 1, 0, 0, 0);
        wait_for_batch();
    }
    const struct test_case *c = &ring->test[ring->next];
    load_memory(c);
    load_frame(uc, c);
    load_segments(c->sreg);
    ring->outcome[ring->next].step_count = 0;
    child.running = true;
    if (translates(c))
        translated_start(c, uc);
    return c->regs.eflags & FL_BY_ENTRY;
}

uint64_t native_trap(int sig, siginfo_t *info, ucontext_t *uc)
{
    struct native_ring *ring = child.ring;
    const struct test_case *c = &ring->test[ring->next];
    struct outcome *o = &ring->outcome[ring->next];

    (void)info;
    if (!child.running) /* the INT3 of enter_cases() */
        return next_case(uc);
    enum translated_next next = translates(c) ? translated_trap(uc) : TRANSLATED_OVER;
    if (next == TRANSLATED_GOES_ON)
        return uc->uc_mcontext.gregs[REG_EFL] & FL_BY_ENTRY;
    bool step = single_step(c, uc);
    if (step) {
        save_regs(next_step(o->step, &o->step_count, uc->uc_mcontext.gregs[REG_RIP]), uc->uc_mcontext.gregs);
        if (o->step_count < STEPS_MAX) {
            if (c->sticky)
                uc->uc_mcontext.gregs[REG_EFL] |= FL_TF;
            return o->step[o->step_count - 1].eflags & FL_BY_ENTRY;
        }
    }
    child.running = false;
    save_outcome(o, sig, uc);
    if (step)
        o->kind = OUTCOME_STEPS;
    if (next == TRANSLATED_BROKEN) {
        o->kind = OUTCOME_BROKEN;
        o->detail = translated_fault();
    }
    save_memory(o, image(c->image));
    memset(child.code + (c->code_la - CODE_LA), 0xcc, c->code_len);
    __atomic_store_n(&ring->next, ring->next + 1, __ATOMIC_RELEASE);
    return next_case(uc);
}

/* ---- Set-up, with libc still usable -------------------------------------------------------------- */

static _Noreturn void give_up(const char *what)
{
    dprintf(STDERR_FILENO, "oracle: native child: %s\n", what);
    _exit(1);
}

/* Whatever lies below 4 GiB (the parent's VM, perhaps) would be visible to 32-bit code. */
static void clear_low_memory(void)
{
    struct range {
        unsigned long start, end;
    } low[128];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];

    if (!maps)
        give_up("cannot read /proc/self/maps");
    while (count < ARRAY_SIZE(low) && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start < 0x100000000)
            low[count++] = (struct range){ start, end };
    }
    fclose(maps);
    for (unsigned i = 0; i < count; i++) {
        if ((uintptr_t)give_up >= low[i].start && (uintptr_t)give_up < low[i].end)
            give_up("the program itself lies below 4 GiB; build it position-independent");
        munmap((void *)low[i].start, low[i].end - low[i].start);
    }
}

static void map_pages(uint32_t at, unsigned pages, int prot, int memory, unsigned first)
{
    void *p =
        mmap(la(at), pages * PAGE, prot, MAP_SHARED | MAP_FIXED | MAP_POPULATE, memory, (off_t)first * PAGE);

    if (p != la(at))
        give_up("cannot map the cases' memory");
    mlock(p, pages * PAGE); /* a page the kernel took away would still be found, only slower */
}

static void map_memory(int memory)
{
    enum { DATA_FIRST = CODE_PAGES, STACK_FIRST = CODE_PAGES + DATA_PAGES };

    child.code = mmap(NULL, CODE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (child.code == MAP_FAILED)
        give_up("cannot map the code pages");
    memset(child.code, 0xcc, CODE_PAGES * PAGE);
    if (pwrite(memory, image(0), MEM_SIZE, CODE_PAGES * PAGE) != MEM_SIZE)
        give_up("cannot fill the cases' memory");
    map_pages(CODE_LA, CODE_PAGES, PROT_READ | PROT_EXEC, memory, 0);
    map_pages(DATA_LA, READ_ONLY_PAGE, PROT_READ | PROT_WRITE, memory, DATA_FIRST);
    map_pages(DATA_RO_LA, DATA_PAGES - READ_ONLY_PAGE, PROT_READ, memory, DATA_FIRST + READ_ONLY_PAGE);
    map_pages(STACK_LA, STACK_PAGES, PROT_READ | PROT_WRITE, memory, STACK_FIRST);
    map_pages(WRAP_LA, 1, PROT_READ | PROT_WRITE, memory, STACK_FIRST);
    map_pages(WRAP_HIGH, 1, PROT_READ | PROT_WRITE, memory, STACK_FIRST + 1);
    child.image = 0;
}

/* As the kernel's struct sigaction; libc's would bring its own restorer. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

static void catch_signals(void)
{
    static const int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS, SIGSYS };
    enum { SA_RESTORER_FLAG = 0x04000000 };
    const size_t size = 64 * 1024;
    stack_t stack = { .ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                      .ss_size = size };
    struct kernel_sigaction action = {
        .handler = native_trap_entry,
        .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER_FLAG,
        .restorer = abort, /* never reached: the entry returns from the signal itself */
        .mask = ~0ul,
    };

    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL))
        give_up("no alternate signal stack");
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        if (syscall(SYS_rt_sigaction, signals[i], &action, NULL, sizeof action.mask))
            give_up("cannot catch signals");
}

/* A case that gets as far as a system call must harm nobody: all but these three end in SIGSYS. */
static void forbid_system_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_futex, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        give_up("cannot forbid system calls");
}

_Noreturn void native_child(struct native_ring *ring, int memory)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    child.ring = ring;
    /* A new child goes on in the batch the last one left, if it left one. */
    child.batch = ring->next < ring->count ? ring->go : ring->done;
    clear_low_memory();
    map_memory(memory);
    (void)native_load_ldt(); /* without it no case uses it: native_no_ldt() */
    if (ring->may_translate && !translated_open(memory, child.code, &ring->stats))
        give_up("cannot map the window of translated code");
    catch_signals();
    forbid_system_calls();
    __asm__ volatile("int3");
    _exit(1); /* the handler never comes back here */
}
