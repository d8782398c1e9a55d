/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What traps and mappings cost a program here. Traps are met by 32-bit code and answered by a signal handler
 * that goes on behind the instruction, which is what an executor's cost without what it does about them. The
 * least of a few runs counts: a busy host only adds.
 */
#include "probe.h"

#include <asm/ldt.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { RUNS = 7, TRAP_ROUNDS = 2000, FAR_ROUNDS = 20000, MAP_ROUNDS = 500, PAGE = 4096 };

/* ---- Traps ----------------------------------------------------------------------------------------- */

/* How far a handler must go on to be behind the instruction; INT3's EIP is there already. */
static unsigned behind;

static void skip(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += behind;
}

static void handle(void)
{
    static char stack[1 << 16];
    static const int signals[] = { SIGTRAP, SIGILL, SIGSEGV, SIGBUS };
    const stack_t s = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_sigaction = skip, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaltstack(&s, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++)
        sigaction(signals[i], &action, NULL);
}

/* The least time of a round of `work`, whose rounds are `rounds`. */
static double least(void (*work)(void), unsigned rounds)
{
    double best = 0;
    for (unsigned i = 0; i < RUNS; i++) {
        double began = trial_now();
        work();
        double ns = (trial_now() - began) / rounds;
        if (i == 0 || ns < best)
            best = ns;
    }
    return best;
}

static void trap(struct trial *t, const unsigned char *bytes, unsigned size, unsigned skipped)
{
    behind = skipped;
    handle();
    if (!code32_load(bytes, size, TRAP_ROUNDS))
        trial_refuse(t, "this host does not let a process map memory where the guest's code has to be");
    else
        t->ns = least(code32_run, TRAP_ROUNDS);
}

static void int3(struct trial *t)
{
    trap(t, (const unsigned char *)"\xcc", 1, 0);
}

static void ud2(struct trial *t)
{
    trap(t, (const unsigned char *)"\x0f\x0b", 2, 2);
}

static void general_protection(struct trial *t) /* HLT */
{
    trap(t, (const unsigned char *)"\xf4", 1, 1);
}

static void page_fault(struct trial *t) /* MOV [CODE32_ABSENT], EAX */
{
    const unsigned char store[] = { 0xa3, 0, 0, 0, CODE32_ABSENT >> 24 };
    trap(t, store, sizeof(store), sizeof(store));
}

/* ---- Ways to the kernel and to 32-bit code ------------------------------------------------------------- */

static void many_system_calls(void)
{
    for (unsigned i = 0; i < FAR_ROUNDS; i++)
        syscall(SYS_getppid);
}

static void system_call(struct trial *t)
{
    t->ns = least(many_system_calls, FAR_ROUNDS);
}

static void many_far_jumps(void)
{
    for (unsigned i = 0; i < FAR_ROUNDS; i++)
        code32_run();
}

static void far_jumps(struct trial *t)
{
    static const unsigned char nop = 0x90;
    if (!code32_load(&nop, 1, 1))
        trial_refuse(t, "this host does not let a process map memory where the guest's code has to be");
    else
        t->ns = least(many_far_jumps, FAR_ROUNDS);
}

static void many_ldt_writes(void)
{
    struct user_desc d = {
        .entry_number = 1, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1
    };
    for (unsigned i = 0; i < MAP_ROUNDS; i++)
        syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
}

static void ldt_write(struct trial *t)
{
    t->ns = least(many_ldt_writes, MAP_ROUNDS);
}

/* ---- Mappings -------------------------------------------------------------------------------------- */

/*
 * Pages of a memory file mapped one by one, in an order that makes no two neighbours one mapping: as guest
 * pages are. Each step is timed for all of them.
 */
static struct {
    int file;
    uint8_t *at;
    double map, touch, protect, unmap;
} mapping;

static uint8_t *place(unsigned i)
{
    return mapping.at + (size_t)i * PAGE;
}

static bool map_page(unsigned i)
{
    return mmap(place(i), PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mapping.file,
                (off_t)(MAP_ROUNDS - 1 - i) * PAGE) != MAP_FAILED;
}

static void keep_least(double *kept, double began)
{
    double ns = (trial_now() - began) / MAP_ROUNDS;
    if (*kept == 0 || ns < *kept)
        *kept = ns;
}

static bool map_all(void)
{
    bool ok = true;
    double began = trial_now();
    for (unsigned i = 0; i < MAP_ROUNDS; i++)
        ok &= map_page(i);
    keep_least(&mapping.map, began);
    began = trial_now();
    for (unsigned i = 0; i < MAP_ROUNDS && ok; i++)
        *(volatile uint8_t *)place(i) = 1;
    keep_least(&mapping.touch, began);
    began = trial_now();
    for (unsigned i = 0; i < MAP_ROUNDS; i++)
        ok &= mprotect(place(i), PAGE, PROT_READ) == 0;
    keep_least(&mapping.protect, began);
    began = trial_now();
    for (unsigned i = 0; i < MAP_ROUNDS; i++)
        munmap(place(i), PAGE);
    keep_least(&mapping.unmap, began);
    return ok;
}

static bool mapping_run(struct trial *t)
{
    size_t size = (size_t)MAP_ROUNDS * PAGE;
    bool ok = true;
    mapping.file = memfd_create("duplex86-probe", MFD_CLOEXEC);
    mapping.at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping.file < 0 || mapping.at == MAP_FAILED || ftruncate(mapping.file, (off_t)size) < 0) {
        trial_refuse(t, "this host gives no memory file");
        return false;
    }
    for (unsigned i = 0; i < RUNS && ok; i++)
        ok = map_all();
    if (!ok)
        trial_refuse(t, "this host does not let a process map a page of a memory file");
    return ok;
}

static void map(struct trial *t)
{
    if (mapping_run(t))
        t->ns = mapping.map;
}

static void touch(struct trial *t)
{
    if (mapping_run(t))
        t->ns = mapping.touch;
}

static void protect(struct trial *t)
{
    if (mapping_run(t))
        t->ns = mapping.protect;
}

static void unmap(struct trial *t)
{
    if (mapping_run(t))
        t->ns = mapping.unmap;
}

/* ---- All of it --------------------------------------------------------------------------------------- */

struct cost {
    const char *key, *what;
    void (*run)(struct trial *t);
};

static void measure(struct facts *f, const struct cost *costs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct trial t = trial_run(costs[i].run);
        facts_cost(f, costs[i].key, costs[i].what, t.ns, t.why);
    }
}

void probe_costs(struct facts *f)
{
    static const struct cost traps[] = {
        { "system_call", "a system call that does nothing", system_call },
        { "far_jumps", "a far jump to 32-bit code and one back", far_jumps },
        { "int3", "INT3 in 32-bit code, signal handler, and on", int3 },
        { "ud2", "UD2", ud2 },
        { "gp", "a general protection fault (HLT)", general_protection },
        { "segv", "a page fault where nothing is mapped", page_fault },
    };
    static const struct cost mappings[] = {
        { "map", "mmap of a page of a memory file", map },   { "touch", "the first access to it", touch },
        { "protect", "mprotect of a page in use", protect }, { "unmap", "munmap of one", unmap },
        { "ldt", "modify_ldt of one entry", ldt_write },
    };
    facts_section(f, "traps", "What ways to the kernel and back cost");
    measure(f, traps, G_N_ELEMENTS(traps));
    facts_section(f, "mappings", "What mappings cost");
    measure(f, mappings, G_N_ELEMENTS(mappings));
}
