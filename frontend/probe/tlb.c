/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the ring-0 helper measures, when it is loaded: whether this processor keeps a page's table entry for
 * fetches while data accesses meet another one, what puts it out, and how long it lasts. Nothing is concluded
 * from what processor it is. docs/split-tlb.md.
 */
#include "probe.h"

#include "tlb_device.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 1000, SLOW_ROUNDS = 100, LIVES = 21 };
#define LIFE_MAX_NS 2e8

/* ---- What comes between priming and looking ---------------------------------------------------------- */

static void nothing(void)
{
}

static void system_calls(void)
{
    for (unsigned i = 0; i < 10; i++)
        (void)getppid();
}

static void keep_cr3(void)
{
    tlb_device_reload_cr3(D86_TLB_CR3_KEEP);
}

static void flush_cr3(void)
{
    tlb_device_reload_cr3(D86_TLB_CR3_FLUSH);
}

/* More than the time between two timer interrupts, at 1000 Hz; a quarter of the rounds at 250. */
static void spin(void)
{
    double began = trial_now();
    while (trial_now() - began < 1e6)
        ;
}

static void sleep_a_moment(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
}

struct scenario {
    const char *held_key, *held, *fresh_key, *fresh;
    void (*between)(void);
    unsigned rounds;
    enum tlb_how how;
    bool sibling; /* while the processor's other thread is busy */
};

/* clang-format off */
static const struct scenario scenarios[] = {
    { "held", "fetches that met the private page",
      "fresh", "reads that met the original", nothing, ROUNDS, TLB_RING3, false },
    { "held_system_calls", "the same after ten system calls: fetches",
      "fresh_system_calls", "... reads", system_calls, ROUNDS, TLB_RING3, false },
    { "held_cr3_keep", "after a load of CR3 that keeps (PCID): fetches",
      "fresh_cr3_keep", "... reads", keep_cr3, ROUNDS, TLB_RING3, false },
    { "held_cr3_flush", "after a load of CR3 that flushes: fetches",
      "fresh_cr3_flush", "... reads", flush_cr3, ROUNDS, TLB_RING3, false },
    { "held_spin", "after a millisecond of computing (interrupts): fetches",
      "fresh_spin", "... reads", spin, SLOW_ROUNDS, TLB_RING3, false },
    { "held_sleep", "after sleeping (other programs): fetches",
      "fresh_sleep", "... reads", sleep_a_moment, SLOW_ROUNDS, TLB_RING3, false },
    { "held_sibling", "beside a busy sibling thread (SMT): fetches",
      "fresh_sibling", "... reads", nothing, ROUNDS, TLB_RING3, true },
    { "held_supervisor", "settled without U instead of without X: fetches",
      "fresh_supervisor", "... reads that faulted", nothing, ROUNDS, TLB_RING3_SUPERVISOR, false },
    { "held_ring0", "primed in ring 0: fetches",
      "fresh_ring0", "... reads", nothing, ROUNDS, TLB_RING0, false },
};
/* clang-format on */

struct outcome {
    bool done;
    unsigned rounds, held, fresh, stale;
};

static struct measured {
    char why[160]; /* why nothing was; "" if it was */
    uint32_t features;
    struct outcome outcome[G_N_ELEMENTS(scenarios)];
    double life_ns;
} * measured;

/* ---- A busy sibling ----------------------------------------------------------------------------------- */

static bool pin_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

/* Another thread of the core that is `cpu`, or -1. */
static int sibling_of(int cpu)
{
    char path[96], list[128] = "";
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    if (!fgets(list, sizeof(list), file))
        list[0] = 0;
    fclose(file);
    for (char *p = list; *p;) {
        int n = (int)strtol(p, &p, 10);
        if (n != cpu)
            return n;
        if (*p == '-')
            return n + 1;
        p += strspn(p, ",\n");
    }
    return -1;
}

/* Fetches and reads all over the place, until it is ended. */
static void be_busy(int cpu)
{
    enum { PAGES = 4096, PAGE = 4096 };
    uint8_t *at = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || !pin_to(cpu))
        _exit(1);
    for (size_t i = 0; i < PAGES; i++)
        at[i * PAGE] = 0xc3;
    for (;;) {
        for (size_t i = 0; i < PAGES; i++)
            ((void (*)(void))(uintptr_t)(at + i * PAGE))();
    }
}

static pid_t start_sibling(void)
{
    int cpu = sched_getcpu(), sibling = sibling_of(cpu);
    if (sibling < 0)
        return -1;
    pid_t child = fork();
    if (child == 0)
        be_busy(sibling);
    return child;
}

/* ---- Measuring ----------------------------------------------------------------------------------------- */

static void look(struct outcome *o, unsigned n, const struct scenario *s)
{
    if (!tlb_device_prime(n, s->how))
        return;
    s->between();
    enum tlb_answer fetched = tlb_device_fetch(n), read = tlb_device_read(n);
    o->rounds++;
    o->held += fetched == TLB_PRIVATE;
    o->fresh += read == (s->how == TLB_RING3_SUPERVISOR ? TLB_FAULT : TLB_ORIGINAL);
    o->stale += read == TLB_PRIVATE;
}

static void measure_one(struct outcome *o, const struct scenario *s)
{
    pid_t sibling = s->sibling ? start_sibling() : 0;
    if (sibling < 0 || (s->how == TLB_RING0 && !(measured->features & D86_TLB_HOST_RING0)))
        return;
    for (unsigned i = 0; i < s->rounds; i++)
        look(o, i, s);
    o->done = o->rounds > 0;
    if (sibling) {
        kill(sibling, SIGKILL);
        waitpid(sibling, NULL, 0);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Until a fetch finds it gone, while nothing else is done. */
static double life(unsigned n)
{
    if (!tlb_device_prime(n, TLB_RING3))
        return 0;
    double began = trial_now(), now = began;
    while (now - began < LIFE_MAX_NS && tlb_device_fetch(n) == TLB_PRIVATE)
        now = trial_now();
    return now - began;
}

static void measure(struct trial *t)
{
    double lives[LIVES];
    const char *why;
    if (tlb_device_open(&why) < 0) {
        trial_refuse(t, why);
        return;
    }
    t->ns = 0;
    (void)pin_to(sched_getcpu());
    measured->features = tlb_device_features();
    for (unsigned i = 0; i < G_N_ELEMENTS(scenarios); i++)
        measure_one(&measured->outcome[i], &scenarios[i]);
    for (unsigned i = 0; i < LIVES; i++)
        lives[i] = life(i);
    qsort(lives, LIVES, sizeof(lives[0]), compare);
    measured->life_ns = lives[LIVES / 2];
}

/* ---- Telling ------------------------------------------------------------------------------------------- */

/* Half of the rounds must hold: where fewer do, the program would prime all the time. */
static const char *verdict(void)
{
    const struct outcome *plain = &measured->outcome[0];
    for (unsigned i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        if (measured->outcome[i].stale)
            return "the processor shares second-level TLB entries between fetches and data";
    }
    if (2 * plain->held >= plain->rounds && plain->rounds)
        return NULL;
    if (measured->features & D86_TLB_HOST_PTI)
        return "primed entries are gone when guest code runs: each entry into the kernel loads CR3 here "
               "(pti=off ends that)";
    return "primed entries are gone when guest code runs";
}

static void tell(struct facts *f)
{
    static const char *const features[] = { "page-table isolation", "PCID", "SMEP" };
    char text[64] = "";
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (measured->features & 1u << i)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", text[0] ? ", " : "",
                     features[i]);
    }
    facts_text(f, "host", "the kernel uses",
               text[0] ? text : "neither page-table isolation nor PCID nor SMEP");
    facts_offer(f, "apart", "fetches and reads are kept apart", !verdict(), verdict());
    for (unsigned i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        const struct outcome *o = &measured->outcome[i];
        if (!o->done)
            continue;
        facts_share(f, scenarios[i].held_key, scenarios[i].held, o->held, o->rounds);
        facts_share(f, scenarios[i].fresh_key, scenarios[i].fresh, o->fresh, o->rounds);
    }
    facts_cost(f, "life", "how long an entry lasts, at most 200 ms (median)", measured->life_ns, NULL);
}

void probe_tlb_helper(struct facts *f)
{
    facts_section(f, "tlb_helper", "The ring-0 helper (docs/split-tlb.md)");
    measured = mmap(NULL, sizeof(*measured), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (measured == MAP_FAILED) {
        facts_offer(f, "loaded", "loaded", FALSE, "this host gives no memory to try it in");
        return;
    }
    struct trial t = trial_run(measure);
    facts_offer(f, "loaded", "loaded", t.ns >= 0, t.ns >= 0 ? NULL : t.why);
    if (t.ns >= 0)
        tell(f);
    munmap(measured, sizeof(*measured));
}
