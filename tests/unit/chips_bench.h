/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bare machine whose caller lends the chips next to the processor (d86_exit.lend), on each kind of
 * processor. Every run is counted: a test that says nothing of an exit had none.
 */
#pragma once

#include "cpu_bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "devices/near.h"

#define MS UINT64_C(1000000)

/* A busy host makes anything wait: what has not come by then is lost. */
#define LOST_AFTER (60000 * MS)

static const struct {
    const char *name;
    struct d86_vcpu_config config;
} processors[] = {
    { "in the caller", { .engine = D86_ENGINE_INTERP, .in_caller = true } },
    { "in its own process", { .engine = D86_ENGINE_INTERP } },
    { "sbe", { .engine = D86_ENGINE_SBE, .eager = true } },
    { "lockstep", { .engine = D86_ENGINE_LOCKSTEP } },
};

enum { PROCESSORS = ARRAY_SIZE(processors) };

enum {
    TICKS = BENCH_DATA + 0x800, /* counted by the handler of the timer */
    STUBS = 0x2000,             /* handlers, STUB_SIZE bytes each */
    STUB_SIZE = 16,
    IDT = 0x5000,
    GDT = 0x6000,
    TSS = 0x7000,
    USER_CODE = 0x20000, /* ordinary users cannot have code natively in the first 64 KiB */
    USER_STACK = 0x48000,
    CODE0 = 0x08, /* selectors */
    DATA0 = 0x10,
    CODE3 = 0x1b,
    DATA3 = 0x23,
    TASK = 0x28,
};

enum {
    VECTORS = 0x20, /* of the master; those of the slave follow */
    VECTORS_END = 0x48,
    VECTOR_TIMER = VECTORS,
    VECTOR_SPURIOUS = VECTORS + 7,
    VECTOR_OTHER = 0x40, /* injected by the caller */
    PORT_MARK = 0xf5,    /* nobody's: written by guests to say where they are */
    PORT_HANDLER = 0xf4, /* ... by a handler, with its vector */
    IF = X86_IF,
};

/* ---- The machine --------------------------------------------------------------------------------------- */

static struct bench b;
static struct near chips;
static struct near_state state;
static bool lent;

static inline uint64_t now(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t behind; /* by that much the chips' time is behind CLOCK_MONOTONIC */

static inline uint64_t chips_now(void *ctx)
{
    return now(ctx) - behind;
}

static inline void ignore_intr(void *ctx, bool level)
{
    (void)ctx, (void)level;
}

static inline void ignore_deadline(void *ctx)
{
    (void)ctx;
}

static const struct near_host host = {
    .now = chips_now,
    .intr_changed = ignore_intr,
    .deadline_changed = ignore_deadline,
};

/* As firmware leaves them: fully nested, nothing masked, the timer silent. */
static inline void chips_start(void)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } program[] = { { 0x20, 0x11 }, { 0x21, VECTORS },     { 0x21, 4 }, { 0x21, 1 },
                    { 0xa0, 0x11 }, { 0xa1, VECTORS + 8 }, { 0xa1, 2 }, { 0xa1, 1 } };
    memset(&state, 0, sizeof(state));
    near_init(&chips, &state, &host, NULL);
    near_reset(&chips);
    for (unsigned i = 0; i < ARRAY_SIZE(program); i++)
        ck_assert(near_write(&chips, program[i].port, program[i].value));
    lent = true;
}

/* Counter 0 makes an interrupt every so many ticks of its clock, and one at once: OUT rises. */
static inline void timer_start(unsigned count)
{
    ck_assert(near_write(&chips, 0x43, 0x34));
    ck_assert(near_write(&chips, 0x40, (uint8_t)count));
    ck_assert(near_write(&chips, 0x40, (uint8_t)(count >> 8)));
}

enum { KHZ = 1193 }; /* for timer_start(): about 1000 a second, not more */

#define KHZ_NS UINT64_C(999847)

static inline uint8_t chip_read(uint16_t port)
{
    uint8_t value;
    ck_assert(near_read(&chips, port, &value));
    return value;
}

/* Handlers say their vector, then send EOI; that of the timer counts, and says nothing. */
static inline void write_handlers(void)
{
    for (unsigned v = VECTORS; v < VECTORS_END; v++) {
        uint32_t at = STUBS + STUB_SIZE * (v - VECTORS);
        bench_write64(&b, IDT + 8 * v, (uint64_t)0x8e00 << 32 | (uint64_t)CODE0 << 16 | at);
        if (v == VECTOR_TIMER) /* inc dword [TICKS]; push eax; mov al,20; out 20,al; pop eax; iret */
            BENCH_BYTES(&b, at, 0xff, 0x05, LE32(TICKS), 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf);
        else if (v < VECTORS + 8) /* push eax; mov al,v; out f4,al; mov al,20; out 20,al; pop eax; iret */
            BENCH_BYTES(&b, at, 0x50, 0xb0, (uint8_t)v, 0xe6, PORT_HANDLER, 0xb0, 0x20, 0xe6, 0x20, 0x58,
                        0xcf);
        else if (v < VECTORS + 16) /* ... mov al,20; out a0,al; out 20,al ... */
            BENCH_BYTES(&b, at, 0x50, 0xb0, (uint8_t)v, 0xe6, PORT_HANDLER, 0xb0, 0x20, 0xe6, 0xa0, 0xe6,
                        0x20, 0x58, 0xcf);
        else /* push eax; mov al,v; out f4,al; pop eax; iret */
            BENCH_BYTES(&b, at, 0x50, 0xb0, (uint8_t)v, 0xe6, PORT_HANDLER, 0x58, 0xcf);
    }
}

static inline void write_tables(void)
{
    bench_write64(&b, GDT + CODE0, 0x00cf9b000000ffff);
    bench_write64(&b, GDT + DATA0, 0x00cf93000000ffff);
    bench_write64(&b, GDT + (CODE3 & ~7), 0x00cffb000000ffff);
    bench_write64(&b, GDT + (DATA3 & ~7), 0x00cff3000000ffff);
    bench_write32(&b, TSS + 4, BENCH_STACK);
    bench_write32(&b, TSS + 8, DATA0);
    bench_write32(&b, TSS + 0x64, 0x68 << 16); /* the I/O map begins behind the limit */
    write_handlers();
}

static inline void set_flags(uint32_t flags)
{
    struct d86_regs r = bench_regs(&b);
    r.eflags = flags | X86_FLAGS_ONE;
    d86_vcpu_set_regs(b.cpu, &r);
}

/* Flat, without paging, at the guest's first instruction. It can be interrupted from now on. */
static inline void enter(bool user, uint32_t flags)
{
    struct d86_sregs s;
    bench_mode(&b, user ? BENCH_USER32 : BENCH_FLAT32);
    d86_vcpu_get_sregs(b.cpu, &s);
    for (unsigned i = 0; i < ARRAY_SIZE(s.seg); i++)
        s.seg[i].selector = i == D86_CS ? (user ? CODE3 : CODE0) : (user ? DATA3 : DATA0);
    s.gdt = (struct d86_table){ GDT, 0x2f };
    s.idt = (struct d86_table){ IDT, 8 * VECTORS_END - 1 };
    s.tr = (struct d86_segment){ .base = TSS, .limit = 0x67, .selector = TASK, .attr = 0x8b };
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    struct d86_regs r = { .eip = user ? USER_CODE : BENCH_CODE,
                          .esp = user ? USER_STACK : BENCH_STACK,
                          .esi = BENCH_DATA,
                          .edi = BENCH_DATA,
                          .eflags = flags | X86_FLAGS_ONE };
    d86_vcpu_set_regs(b.cpu, &r);
}

/* False: the host cannot have that processor; it is said why. Ready to run at CPL 0 with interrupts off. */
static inline bool start(unsigned processor)
{
    memset(&b, 0, sizeof(b));
    ck_assert_int_eq(d86_vm_create(&b.vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(b.vm, 0, BENCH_DEVICE), 0);
    int result = d86_vcpu_create(b.vm, &processors[processor].config, &b.cpu);
    if (result == -ENOTSUP) {
        fprintf(stderr, "skipped: %s: %s\n", processors[processor].name, d86_last_error());
        d86_vm_destroy(b.vm);
        return false;
    }
    ck_assert_msg(result == 0, "%s: %s", processors[processor].name, d86_last_error());
    b.exit = d86_vcpu_exit(b.cpu);
    write_tables();
    chips_start();
    enter(false, 0);
    return true;
}

static inline void stop(void)
{
    d86_vm_destroy(b.vm);
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static inline uint64_t counter(const char *name)
{
    struct d86_counter c;
    for (unsigned i = 0; d86_vcpu_counter(b.cpu, i, &c); i++) {
        if (!strcmp(c.name, name))
            return c.value;
    }
    ck_abort_msg("there is no counter %s", name);
    return 0;
}

/* One run, with the chips lent or not; afterwards they are the test's again. */
static enum d86_exit_reason run(void)
{
    b.exit->lend = lent;
    b.exit->behind_ns = behind;
    if (lent)
        memcpy(b.exit->lent, &state, sizeof(state));
    ck_assert_int_eq(d86_vcpu_run(b.cpu), 0);
    if (lent)
        memcpy(&state, b.exit->lent, sizeof(state));
    ck_assert(near_is_valid(&state));
    return b.exit->reason;
}

#define RUN(reason_)                                                                                         \
    do {                                                                                                     \
        enum d86_exit_reason got_ = run();                                                                   \
        ck_assert_msg(got_ == (reason_), "exit %u instead of %u at EIP %#x: port %#x, %s", got_, (reason_),  \
                      bench_regs(&b).eip, b.exit->io.port, b.exit->error.text);                              \
    } while (0)

/* The next exit is this access. */
#define RUN_IO(port_, size_, out_, count_)                                                                   \
    do {                                                                                                     \
        RUN(D86_EXIT_IO);                                                                                    \
        ck_assert_msg(b.exit->io.port == (port_) && b.exit->io.size == (size_) &&                            \
                          b.exit->io.is_out == (out_) && b.exit->io.count == (count_),                       \
                      "port %#x, size %u, out %u, count %u", b.exit->io.port, b.exit->io.size,               \
                      b.exit->io.is_out, b.exit->io.count);                                                  \
    } while (0)

/* The next exit is from the handler of that vector ... */
#define RUN_HANDLER(vector_)                                                                                 \
    do {                                                                                                     \
        RUN_IO(PORT_HANDLER, 1, 1, 1);                                                                       \
        ck_assert_uint_eq(b.exit->io.data[0], (vector_));                                                    \
    } while (0)

/* ... or from the guest's main path. */
#define RUN_MARK() RUN_IO(PORT_MARK, 1, 1, 1)

/* In a handler that said its vector: where the guest was interrupted. */
static inline uint32_t interrupted_at(void)
{
    return bench_read32(&b, bench_regs(&b).esp + 4);
}
