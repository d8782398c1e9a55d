/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See random_machines.h.
 */
#include "random_machines.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    EXITS_MAX = 200000,
    INTERP_MS = 200,
    OTHERS_MS = 30000,
    LOCKSTEP_MAX = 50000, /* instructions of a program, some 30 us each; iterations of strings count */
    EXIT_SKIPPED = 77
};

struct machine {
    const char *name;
    struct d86_vm *vm;
    struct d86_vcpu *cpu;
    struct d86_exit *exit;
    bool kicked;
    unsigned each;              /* not 0: every so manieth program, if it is short */
    uint8_t memory[RANDOM_RAM]; /* in the end */
    struct d86_regs regs;
    const char *end;
    uint64_t instructions; /* interpreted */
};

static struct machine machines[] = { { .name = "interp" },
                                     { .name = "sbe" },
                                     { .name = "kicked", .kicked = true },
                                     { .name = "lockstep", .each = 128 } };

enum { MACHINES = sizeof(machines) / sizeof(machines[0]) };

static atomic_bool ended;
static _Atomic(struct machine *) watched; /* kicked when it has taken too long */
static _Atomic double too_late;

static void require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, d86_last_error());
    exit(1);
}

static void open_machine(struct machine *m, enum d86_engine engine, uint32_t audit)
{
    const struct d86_vcpu_config config = { .engine = engine, .eager = true, .audit = audit };
    require(d86_vm_create(&m->vm) == 0 && d86_vm_add_ram(m->vm, 0, RANDOM_RAM) == 0, "memory");
    if (d86_vcpu_create(m->vm, &config, &m->cpu)) {
        printf("skipped: %s\n", d86_last_error());
        exit(EXIT_SKIPPED);
    }
    m->exit = d86_vcpu_exit(m->cpu);
}

/* ---- A run --------------------------------------------------------------------------------------------- */

static void start(struct machine *m, const struct random_guest *guest, const uint8_t *image)
{
    d86_vcpu_reset(m->cpu);
    require(d86_vm_write(m->vm, 0, image, RANDOM_RAM) == 0, "the image");
    require(guest->start(m->cpu) == 0, "the registers");
}

/* What a device has at an address, and ports everywhere. */
static void answer(struct d86_exit *e)
{
    if (e->reason == D86_EXIT_IO && !e->io.is_out)
        memset(e->io.data, 0x5a, (size_t)e->io.count * e->io.size);
    if (e->reason == D86_EXIT_MMIO && !e->mmio.is_write)
        for (unsigned i = 0; i < e->mmio.size; i++)
            e->mmio.data[i] = (uint8_t)(~(e->mmio.pa + i) * 7);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void show_difference(const struct machine *m)
{
    struct d86_difference d;
    d86_vcpu_difference(m->cpu, &d);
    const struct d86_regs *r[] = { &d.before, &d.interp, &d.native };
    printf("%s: %s, at %08x:", m->name, d.what, d.linear);
    for (unsigned i = 0; i < d.length; i++)
        printf(" %02x", d.code[i]);
    for (unsigned i = 0; i < 3; i++)
        printf("\n  eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x eip %08x "
               "eflags %08x",
               r[i]->eax, r[i]->ecx, r[i]->edx, r[i]->ebx, r[i]->esp, r[i]->ebp, r[i]->esi, r[i]->edi,
               r[i]->eip, r[i]->eflags);
    putchar('\n');
}

static const char *run(struct machine *m)
{
    for (unsigned n = 0; n < EXITS_MAX || m->kicked; n++) {
        if (now_ms() > too_late)
            return "too late";
        require(d86_vcpu_run(m->cpu) == 0, "run");
        switch (m->exit->reason) {
        case D86_EXIT_IO:
            if (m->exit->io.is_out)
                return "port";
            answer(m->exit);
            break;
        case D86_EXIT_MMIO:
            answer(m->exit);
            break;
        case D86_EXIT_KICKED:
            break;
        case D86_EXIT_SHUTDOWN:
            return "shutdown";
        case D86_EXIT_HLT:
            return "halted";
        case D86_EXIT_INTERNAL_ERROR:
            return m->exit->error.text;
        case D86_EXIT_DIFFERENCE:
            show_difference(m);
            return "difference";
        default:
            return "another exit";
        }
    }
    return "too many exits";
}

/*
 * Kicks the machine that is to be kicked at random moments, and others when it is too late. The moments are
 * some hundred nanoseconds to some hundred microseconds apart: with nothing but the former a run is over
 * before it has begun, and how long a program takes is a matter of luck.
 */
static void *kick(void *data)
{
    uint32_t state = 1;
    (void)data;
    while (!ended) {
        struct machine *m = watched;
        state = state * 1664525 + 1013904223;
        for (uint32_t i = 0; i < state >> 24 << (state >> 21 & 7); i++)
            __asm__ volatile("pause");
        if (m && (m->kicked || now_ms() > too_late))
            d86_vcpu_kick(m->cpu);
    }
    return NULL;
}

static uint64_t instructions(const struct machine *m)
{
    struct d86_stats s;
    d86_vcpu_stats(m->cpu, &s);
    return s.instructions;
}

static void run_machine(struct machine *m, const struct random_guest *guest, const uint8_t *image)
{
    uint64_t before = instructions(m);
    start(m, guest, image);
    too_late = now_ms() + (m == machines ? INTERP_MS : OTHERS_MS);
    watched = m;
    m->end = run(m);
    watched = NULL;
    m->instructions = instructions(m) - before;
    d86_vcpu_get_regs(m->cpu, &m->regs);
    require(d86_vm_read(m->vm, 0, m->memory, RANDOM_RAM) == 0, "the memory");
}

/* ---- Comparing ------------------------------------------------------------------------------------------
 */

static void show(const struct machine *m)
{
    const struct d86_regs *r = &m->regs;
    printf("  %-7s %s: eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x eip %08x "
           "eflags %08x\n",
           m->name, m->end, r->eax, r->ecx, r->edx, r->ebx, r->esp, r->ebp, r->esi, r->edi, r->eip,
           r->eflags);
}

static void show_memory(const struct machine *a, const struct machine *b)
{
    unsigned shown = 0;
    for (uint32_t i = 0; i < RANDOM_RAM && shown < 12; i += 4) {
        uint32_t x, y;
        memcpy(&x, a->memory + i, 4);
        memcpy(&y, b->memory + i, 4);
        if (x == y)
            continue;
        printf("  at %08x: %s %08x, %s %08x\n", i, a->name, x, b->name, y);
        shown++;
    }
}

static bool same(const struct machine *a, const struct machine *b)
{
    return !strcmp(a->end, b->end) && !memcmp(&a->regs, &b->regs, sizeof(a->regs)) &&
           !memcmp(a->memory, b->memory, RANDOM_RAM);
}

static bool run_program(const struct random_guest *guest, uint64_t seed)
{
    static uint8_t image[RANDOM_RAM];
    bool good = true;
    guest->make(image, seed);
    for (unsigned i = 0; i < MACHINES; i++) {
        if (machines[i].each && (seed % machines[i].each || machines[0].instructions > LOCKSTEP_MAX))
            continue;
        run_machine(&machines[i], guest, image);
        if (!strcmp(machines[0].end, "too late"))
            return true; /* it goes round in circles */
        if (i == 0 || same(&machines[0], &machines[i]))
            continue;
        good = false;
        printf("seed %llu:\n", (unsigned long long)seed);
        show(&machines[0]);
        show(&machines[i]);
        show_memory(&machines[0], &machines[i]);
    }
    return good;
}

static uint64_t counter(const struct machine *m, const char *name)
{
    struct d86_counter c;
    for (unsigned i = 0; d86_vcpu_counter(m->cpu, i, &c); i++)
        if (!strcmp(c.name, name))
            return c.value;
    fprintf(stderr, "there is no counter %s\n", name);
    exit(1);
}

int random_machines(const struct random_guest *guest, int argc, char **argv)
{
    unsigned long programs = argc > 1 ? strtoul(argv[1], NULL, 0) : guest->programs;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    unsigned bad = 0, ends[2] = { 0 };
    pthread_t kicker;
    open_machine(&machines[0], D86_ENGINE_INTERP, 0);
    open_machine(&machines[1], D86_ENGINE_SBE, argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 0);
    open_machine(&machines[2], D86_ENGINE_SBE, 0);
    open_machine(&machines[3], D86_ENGINE_LOCKSTEP, 0);
    if (argc > 4)
        machines[3].each = (unsigned)strtoul(argv[4], NULL, 0);
    require(pthread_create(&kicker, NULL, kick, NULL) == 0, "a thread");
    for (unsigned long i = 0; i < programs && bad < 5; i++) {
        bad += !run_program(guest, seed + i);
        ends[!strcmp(machines[0].end, "port")]++;
    }
    ended = true;
    pthread_join(kicker, NULL);
    unsigned long long stepped = instructions(&machines[3]),
                       compared = counter(&machines[3], "lockstep_checks");
    printf("%u %s came to their end, %u did not; %u differ; %llu instructions by lockstep\n", ends[1],
           guest->name, ends[0], bad, compared);
    for (unsigned i = 0; i < MACHINES; i++)
        d86_vm_destroy(machines[i].vm);
    return bad || !ends[1] || (stepped && !compared) ? 1 : 0;
}
