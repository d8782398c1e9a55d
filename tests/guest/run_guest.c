/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runs a test guest: a flat binary at 0000:7C00, entered there in real mode, on nothing but a processor, RAM
 * and the ports below. The guest prints on port E9 and ends the run with its status on port F4.
 *
 *     run_guest [--cpu MODEL] [--engine NAME] [--split NAME] [--expect shutdown] [--stats yes]
 *               [--audit N] [--keys simulated] [--translate HOW] [--move N] GUEST.bin
 *
 * --stats: tell the split in use and all counters afterwards. --audit: check all mappings before every Nth
 * entry into native code. --keys simulated: as on a host with protection keys, by lockstep. --translate: as
 * duplex86 has it. --move: N times, at moments that are a matter of luck, the processor's state and the
 * memory go to another virtual machine, and the guest goes on there. Exit status: what the guest wrote (0:
 * all its checks hold), 1 also for an end that was not expected, 77 if the engine or the split cannot be had
 * here.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "duplex86/duplex86.h"

enum {
    PORT_DEBUG = 0xe9,     /* out: a character to print */
    PORT_INTERRUPT = 0xf0, /* out: raise an external interrupt with this vector as soon as possible */
    PORT_NMI = 0xf1,       /* out: raise an NMI */
    PORT_COUNT = 0xf2,     /* in: exits made by the string port since the last read, saturating */
    PORT_TICKS = 0xf3,     /* out: raise this vector about every millisecond from now on; 0: no more */
    PORT_STATUS = 0xf4,    /* out: end with this status */
    PORT_STRING = 0x100,   /* in: bytes 0, 1, 2 ...; out: must be the same sequence; both start over at... */
    PORT_RESTART = 0x110,  /* ... a write here */
    MMIO_BASE = 0x2000000, /* reads FF bytes counting down from their address; writes vanish */
    RAM_SIZE = 16 << 20,
    LOAD_AT = 0x7c00,
    EXITS_MAX = 2000000,
    TICK_NS = 1000000,
    MOVE_NS = 2000000, /* from one move to the next, at most */
    EXIT_SKIPPED = 77, /* as ctest's SKIP_RETURN_CODE */
};

struct machine {
    struct d86_vm *vm;
    struct d86_vcpu *cpu;
    struct d86_exit *exit;
    int interrupt; /* waiting vector, or -1 */
    uint8_t tick_vector;
    pthread_t ticker;
    atomic_bool ticking; /* the ticker kicks the processor */
    uint8_t next_byte;
    unsigned string_exits;
    bool ended;
    int status;
    const struct d86_vcpu_config *config;
    pthread_t mover;
    atomic_uint moves; /* that are still to come */
    atomic_bool due;   /* one of them now */
    unsigned moved;
    pthread_mutex_t lock; /* of `vm` and `cpu`, for who kicks */
};

static void die(const char *what, int error)
{
    fprintf(stderr, "run_guest: %s: %s\n", what, error ? d86_last_error() : "");
    exit(1);
}

static void end(struct machine *m, int status)
{
    m->ended = true;
    m->status = status;
}

/* ---- Ticks: interrupts that come by themselves ------------------------------------------------------- */

static void kick(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    d86_vcpu_kick(m->cpu);
    pthread_mutex_unlock(&m->lock);
}

static void *tick(void *data)
{
    const struct timespec pause = { .tv_nsec = TICK_NS };
    struct machine *m = data;

    while (m->ticking) {
        nanosleep(&pause, NULL);
        kick(m);
    }
    return NULL;
}

static void set_ticks(struct machine *m, uint8_t vector)
{
    bool wanted = vector != 0;

    m->tick_vector = vector;
    if (m->ticking == wanted)
        return;
    m->ticking = wanted;
    if (!wanted)
        pthread_join(m->ticker, NULL);
    else if (pthread_create(&m->ticker, NULL, tick, m))
        die("cannot create the ticker", 0);
}

/* ---- Ports ------------------------------------------------------------------------------------------- */

static void port_out(struct machine *m, uint16_t port, uint8_t value)
{
    switch (port) {
    case PORT_DEBUG:
        putchar(value);
        break;
    case PORT_INTERRUPT:
        m->interrupt = value;
        break;
    case PORT_NMI:
        d86_vcpu_nmi(m->cpu);
        break;
    case PORT_TICKS:
        set_ticks(m, value);
        break;
    case PORT_STATUS:
        end(m, value);
        break;
    case PORT_RESTART:
        m->next_byte = 0;
        m->string_exits = 0;
        break;
    default:
        break;
    }
}

/* Bytes of the string port come from and are compared with one sequence. */
static void string_port(struct machine *m)
{
    struct d86_exit *e = m->exit;
    size_t bytes = (size_t)e->io.count * e->io.size;

    m->string_exits++;
    for (size_t i = 0; i < bytes; i++) {
        if (!e->io.is_out) {
            e->io.data[i] = m->next_byte++;
        } else if (e->io.data[i] != m->next_byte++) {
            printf("string port: byte %zu is %#x\n", i, e->io.data[i]);
            end(m, 1);
        }
    }
}

static void do_io(struct machine *m)
{
    struct d86_exit *e = m->exit;

    if (e->io.port == PORT_STRING) {
        string_port(m);
    } else if (e->io.is_out) {
        for (uint32_t i = 0; i < e->io.count; i++)
            port_out(m, e->io.port, e->io.data[i * e->io.size]);
    } else {
        memset(e->io.data, 0xff, (size_t)e->io.count * e->io.size);
        if (e->io.port == PORT_COUNT) {
            e->io.data[0] = m->string_exits > 255 ? 255 : (uint8_t)m->string_exits;
            m->string_exits = 0;
        }
    }
}

static void do_mmio(struct machine *m)
{
    struct d86_exit *e = m->exit;

    for (unsigned i = 0; i < e->mmio.size && !e->mmio.is_write; i++)
        e->mmio.data[i] = (uint8_t) ~(e->mmio.pa + i);
}

/* ---- The run ----------------------------------------------------------------------------------------- */

static void load(struct machine *m, const char *path)
{
    static uint8_t image[512 << 10];
    FILE *f = fopen(path, "rb");

    if (!f) {
        perror(path);
        exit(1);
    }
    size_t size = fread(image, 1, sizeof(image), f);
    fclose(f);
    if (d86_vm_write(m->vm, LOAD_AT, image, size))
        die("cannot load the guest", 1);
}

static void create(struct machine *m, const struct d86_vcpu_config *config)
{
    if (d86_vm_create(&m->vm) || d86_vm_add_ram(m->vm, 0, RAM_SIZE))
        die("cannot create the machine", 1);
    int result = d86_vcpu_create(m->vm, config, &m->cpu);
    if (result && config->engine != D86_ENGINE_INTERP && (result == -EINVAL || result == -ENOTSUP)) {
        printf("skipped: %s\n", d86_last_error());
        exit(EXIT_SKIPPED);
    }
    if (result)
        die("cannot create the processor", 1);
}

/* ---- Moves ------------------------------------------------------------------------------------------- */

static void *ask_for_moves(void *data)
{
    struct machine *m = data;
    uint32_t state = 1;

    while (m->moves) {
        state = state * 1664525 + 1013904223;
        nanosleep(&(struct timespec){ .tv_nsec = state % MOVE_NS }, NULL);
        m->due = true;
        kick(m);
    }
    return NULL;
}

static void copy_memory(struct d86_vm *to, struct d86_vm *from)
{
    uint64_t start, end = 0;

    while (d86_vm_next_written(from, end, RAM_SIZE, &start, &end))
        if (d86_vm_store(to, start, d86_vm_memory(from, start, end - start), end - start))
            die("cannot copy the memory", 1);
}

/* What is under way in an instruction stays where it is: then the next exit is the moment. */
static void move(struct machine *m)
{
    struct machine there = { .vm = NULL };
    struct d86_vm *left = m->vm;
    uint8_t state[D86_SAVED_MAX];

    if (d86_vcpu_is_amid(m->cpu)) {
        d86_vcpu_kick(m->cpu);
        return;
    }
    int size = d86_vcpu_save(m->cpu, state, sizeof(state));
    if (size < 0)
        die("cannot save the processor", 1);
    create(&there, m->config);
    copy_memory(there.vm, m->vm);
    if (d86_vcpu_restore(there.cpu, state, (size_t)size))
        die("cannot restore the processor", 1);
    d86_vcpu_exit(there.cpu)->request_interrupt_window = m->exit->request_interrupt_window;
    pthread_mutex_lock(&m->lock);
    m->vm = there.vm;
    m->cpu = there.cpu;
    m->exit = d86_vcpu_exit(m->cpu);
    pthread_mutex_unlock(&m->lock);
    d86_vm_destroy(left);
    m->due = false;
    m->moves--;
    m->moved++;
}

static void set_moves(struct machine *m, unsigned moves)
{
    bool wanted = moves != 0, are = m->moves != 0 || m->moved != 0;

    m->moves = moves;
    if (wanted && pthread_create(&m->mover, NULL, ask_for_moves, m))
        die("cannot create the mover", 0);
    if (!wanted && are)
        pthread_join(m->mover, NULL);
}

static void start(struct machine *m, const struct d86_vcpu_config *config, const char *path)
{
    struct d86_sregs s;
    struct d86_regs r = { .eip = LOAD_AT, .esp = LOAD_AT, .eflags = 2 };

    m->config = config;
    create(m, config);
    load(m, path);
    m->exit = d86_vcpu_exit(m->cpu);
    d86_vcpu_get_sregs(m->cpu, &s);
    s.seg[D86_CS].base = 0;
    s.seg[D86_CS].selector = 0;
    if (d86_vcpu_set_sregs(m->cpu, &s))
        die("cannot set the registers", 1);
    d86_vcpu_set_regs(m->cpu, &r);
}

static void deliver_pending(struct machine *m)
{
    if (m->interrupt < 0)
        return;
    if (d86_vcpu_interrupt(m->cpu, (uint8_t)m->interrupt) == 0) {
        m->interrupt = -1;
        m->exit->request_interrupt_window = 0;
    } else {
        m->exit->request_interrupt_window = 1;
    }
}

static void show_registers(const char *whose, const struct d86_regs *r)
{
    printf("  %-7s eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x eip %08x eflags "
           "%08x\n",
           whose, r->eax, r->ecx, r->edx, r->ebx, r->esp, r->ebp, r->esi, r->edi, r->eip, r->eflags);
}

static void show_difference(struct machine *m)
{
    struct d86_difference d;

    d86_vcpu_difference(m->cpu, &d);
    printf("difference in %s at %08x:", d.what, d.linear);
    for (unsigned i = 0; i < d.length; i++)
        printf(" %02x", d.code[i]);
    putchar('\n');
    show_registers("before", &d.before);
    show_registers("interp", &d.interp);
    show_registers("native", &d.native);
}

/* Whether the end is the expected one is for the caller. */
static const char *run(struct machine *m)
{
    for (unsigned i = 0; i < EXITS_MAX && !m->ended; i++) {
        deliver_pending(m);
        if (d86_vcpu_run(m->cpu))
            die("run failed", 1);
        switch (m->exit->reason) {
        case D86_EXIT_IO:
            do_io(m);
            break;
        case D86_EXIT_MMIO:
            do_mmio(m);
            break;
        case D86_EXIT_INTERRUPT_WINDOW:
            break;
        case D86_EXIT_KICKED:
            if (m->ticking && m->interrupt < 0)
                m->interrupt = m->tick_vector;
            break;
        case D86_EXIT_HLT:
            if (m->interrupt < 0)
                return "halted";
            break;
        case D86_EXIT_SHUTDOWN:
            return "shutdown";
        case D86_EXIT_INTERNAL_ERROR:
            return m->exit->error.text;
        case D86_EXIT_DIFFERENCE:
            show_difference(m);
            return "difference";
        default:
            return "an exit nobody asked for";
        }
        if (m->moves && !(i % 4)) /* some guests are over before the mover has had a word */
            m->due = true;
        if (m->moves && m->due)
            move(m);
    }
    return m->ended ? "status" : "too many exits";
}

static void show_state(struct machine *m, const char *how)
{
    struct d86_regs r;
    struct d86_sregs s;

    d86_vcpu_get_regs(m->cpu, &r);
    d86_vcpu_get_sregs(m->cpu, &s);
    printf("\nended with: %s\n", how);
    printf("cs:eip %04x:%08x ss:esp %04x:%08x eflags %08x cr0 %08x cr2 %08x\n", s.seg[D86_CS].selector, r.eip,
           s.seg[D86_SS].selector, r.esp, r.eflags, s.cr0, s.cr2);
    printf("eax %08x ebx %08x ecx %08x edx %08x esi %08x edi %08x ebp %08x\n", r.eax, r.ebx, r.ecx, r.edx,
           r.esi, r.edi, r.ebp);
}

/* ---- Command line ------------------------------------------------------------------------------------ */

struct name {
    const char *name;
    int value;
};

static const struct name engines[] = { { "interp", D86_ENGINE_INTERP },
                                       { "sbe", D86_ENGINE_SBE },
                                       { "lockstep", D86_ENGINE_LOCKSTEP },
                                       { NULL, 0 } };
static const struct name splits[] = { { "auto", D86_SPLIT_AUTO }, { "segment", D86_SPLIT_SEGMENT },
                                      { "pku", D86_SPLIT_PKU },   { "none", D86_SPLIT_NONE },
                                      { "tlb", D86_SPLIT_TLB },   { NULL, 0 } };

static const struct name keys[] = { { "real", false }, { "simulated", true }, { NULL, 0 } };
static const struct name translations[] = {
    { "on", D86_TRANSLATE_ON }, { "off", D86_TRANSLATE_OFF }, { "only", D86_TRANSLATE_ONLY }, { NULL, 0 }
};
static const struct name answers[] = { { "no", false }, { "yes", true }, { NULL, 0 } };

static _Noreturn void usage(void)
{
    fprintf(
        stderr,
        "usage: run_guest [--cpu MODEL] [--engine interp|sbe|lockstep] [--split auto|segment|pku|tlb|none]\n"
        "                 [--expect shutdown] [--stats yes|no] [--audit N] [--keys real|simulated]\n"
        "                 [--translate on|off|only] [--move N] GUEST.bin\n");
    exit(1);
}

static uint32_t number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (!*text || *end || value > UINT32_MAX)
        usage();
    return (uint32_t)value;
}

static int by_name(const struct name *names, const char *name)
{
    for (; names->name; names++)
        if (!strcmp(names->name, name))
            return names->value;
    usage();
}

static void show_counters(struct machine *m)
{
    const enum d86_split split = d86_vcpu_split(m->cpu);
    struct d86_counter c;

    for (const struct name *n = splits; n->name; n++)
        if (n->value == (int)split)
            printf("split %s\n", n->name);
    for (unsigned i = 0; d86_vcpu_counter(m->cpu, i, &c); i++)
        printf("%s %llu\n", c.name, (unsigned long long)c.value);
}

int main(int argc, char **argv)
{
    /* Eager: a guest this short would else be interpreted for the most part. */
    struct d86_vcpu_config config = { .engine = D86_ENGINE_INTERP, .eager = true };
    struct machine m = { .interrupt = -1, .lock = PTHREAD_MUTEX_INITIALIZER };
    const char *expect = "status";
    unsigned moves = 0;
    int i = 1, stats = false;

    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (!strcmp(argv[i], "--cpu"))
            config.cpu = argv[i + 1];
        else if (!strcmp(argv[i], "--engine"))
            config.engine = by_name(engines, argv[i + 1]);
        else if (!strcmp(argv[i], "--split"))
            config.split = by_name(splits, argv[i + 1]);
        else if (!strcmp(argv[i], "--expect"))
            expect = argv[i + 1];
        else if (!strcmp(argv[i], "--stats"))
            stats = by_name(answers, argv[i + 1]);
        else if (!strcmp(argv[i], "--keys"))
            config.simulate_keys = by_name(keys, argv[i + 1]);
        else if (!strcmp(argv[i], "--translate"))
            config.translate = by_name(translations, argv[i + 1]);
        else if (!strcmp(argv[i], "--audit"))
            config.audit = number(argv[i + 1]);
        else if (!strcmp(argv[i], "--move"))
            moves = number(argv[i + 1]);
        else
            usage();
    }
    if (i + 1 != argc)
        usage();
    start(&m, &config, argv[i]);
    set_moves(&m, moves);
    const char *how = run(&m);
    set_moves(&m, 0);
    set_ticks(&m, 0);
    if (moves)
        printf("moved %u times\n", m.moved);
    bool expected = !strcmp(how, expect);
    if (!expected || m.status)
        show_state(&m, how);
    if (stats)
        show_counters(&m);
    d86_vm_destroy(m.vm);
    return expected ? m.status : 1;
}
