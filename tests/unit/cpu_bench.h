/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bare machine for tests of the monitor: RAM with a hole at A0000 that is a device, a processor put straight
 * into the mode a test wants, and a record of every access the device and the ports saw. The guest's code is
 * bytes in the test; it ends with INT3, which exits, and so does every exception before it is delivered.
 */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "duplex86/duplex86.h"
#include "x86/x86.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
    BENCH_CODE = 0x1000,
    BENCH_DATA = 0x4000,
    BENCH_STACK = 0x8000,
    BENCH_DEVICE = 0xa0000, /* device memory: what is written there can be read back */
    BENCH_DEVICE_SIZE = 0x10000,
    BENCH_HIGH = 0x100000, /* RAM again, up to 16 MiB */
    BENCH_RAM_END = 0x1000000,
    BENCH_LOG = 256,
    BENCH_EXITS_MAX = 100000,
};

enum bench_mode { BENCH_REAL, BENCH_FLAT16, BENCH_FLAT32, BENCH_USER32 };

struct bench_access {
    bool is_port, is_write;
    uint8_t size;
    uint64_t at;
    uint32_t count;
    uint64_t value; /* of the first element */
};

struct bench {
    struct d86_vm *vm;
    struct d86_vcpu *cpu;
    struct d86_exit *exit;
    uint8_t device[BENCH_DEVICE_SIZE];
    uint8_t port_byte; /* ports read as this byte, which then counts up */
    struct bench_access log[BENCH_LOG];
    unsigned logged;
    struct d86_exception exception; /* the last one, when bench_run() returned BENCH_EXCEPTION */
};

/* How a run ended, as tests look at it. */
enum bench_end { BENCH_INT3, BENCH_EXCEPTION, BENCH_HLT, BENCH_OTHER };

/* ---- Setting up ------------------------------------------------------------------------------------- */

static inline void bench_open_model(struct bench *b, const char *model)
{
    memset(b, 0, sizeof(*b));
    ck_assert_int_eq(d86_vm_create(&b->vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(b->vm, 0, BENCH_DEVICE), 0);
    ck_assert_int_eq(d86_vm_add_ram(b->vm, BENCH_HIGH, BENCH_RAM_END - BENCH_HIGH), 0);
    struct d86_vcpu_config config = { .cpu = model, .engine = D86_ENGINE_INTERP };
    ck_assert_int_eq(d86_vcpu_create(b->vm, &config, &b->cpu), 0);
    b->exit = d86_vcpu_exit(b->cpu);
    d86_vcpu_set_debug(b->cpu, D86_DEBUG_INT3 | D86_DEBUG_EXCEPTIONS);
}

static inline void bench_open(struct bench *b)
{
    bench_open_model(b, NULL);
}

static inline void bench_close(struct bench *b)
{
    d86_vm_destroy(b->vm);
}

static inline void bench_write(struct bench *b, uint64_t pa, const void *bytes, size_t size)
{
    ck_assert_int_eq(d86_vm_write(b->vm, pa, bytes, size), 0);
}

static inline void bench_write32(struct bench *b, uint64_t pa, uint32_t value)
{
    bench_write(b, pa, &value, sizeof(value));
}

static inline void bench_write64(struct bench *b, uint64_t pa, uint64_t value)
{
    bench_write(b, pa, &value, sizeof(value));
}

static inline uint32_t bench_read32(struct bench *b, uint64_t pa)
{
    uint32_t value;
    ck_assert_int_eq(d86_vm_read(b->vm, pa, &value, sizeof(value)), 0);
    return value;
}

static inline uint64_t bench_read64(struct bench *b, uint64_t pa)
{
    return bench_read32(b, pa) | (uint64_t)bench_read32(b, pa + 4) << 32;
}

/* Guest code as a list of bytes. */
#define BENCH_BYTES(b, pa, ...)                                                                              \
    do {                                                                                                     \
        const uint8_t bytes_[] = { __VA_ARGS__ };                                                            \
        bench_write((b), (pa), bytes_, sizeof(bytes_));                                                      \
    } while (0)

/* Little-endian bytes of an immediate or displacement. */
#define LE16(x) (uint8_t)(x), (uint8_t)((x) >> 8)
#define LE32(x) (uint8_t)(x), (uint8_t)((x) >> 8), (uint8_t)((x) >> 16), (uint8_t)((x) >> 24)

/* Segments, CR0 and the usual EIP and ESP of a mode; whatever ran before is forgotten. */
static inline void bench_mode(struct bench *b, enum bench_mode mode)
{
    static const struct {
        uint16_t code, data, selector;
        uint32_t limit, cr0;
    } modes[] = {
        [BENCH_REAL] = { 0x93, 0x93, 0, 0xffff, 0x10 },
        [BENCH_FLAT16] = { 0x9b, 0x93, 8, 0xffff, 0x11 },
        [BENCH_FLAT32] = { 0xc09b, 0xc093, 8, 0xffffffffu, 0x11 },
        [BENCH_USER32] = { 0xc0fb, 0xc0f3, 11, 0xffffffffu, 0x11 },
    };
    struct d86_sregs s;
    d86_vcpu_reset(b->cpu);
    d86_vcpu_get_sregs(b->cpu, &s);
    for (unsigned i = 0; i < 6; i++)
        s.seg[i] = (struct d86_segment){
            .limit = modes[mode].limit, .selector = modes[mode].selector, .attr = modes[mode].data
        };
    s.seg[D86_CS].attr = modes[mode].code;
    s.cr0 = modes[mode].cr0;
    ck_assert_int_eq(d86_vcpu_set_sregs(b->cpu, &s), 0);
    struct d86_regs r = { .eip = BENCH_CODE, .esp = BENCH_STACK, .eflags = 2 };
    d86_vcpu_set_regs(b->cpu, &r);
}

static inline struct d86_regs bench_regs(struct bench *b)
{
    struct d86_regs r;
    d86_vcpu_get_regs(b->cpu, &r);
    return r;
}

static inline void bench_set_eip(struct bench *b, uint32_t eip)
{
    struct d86_regs r = bench_regs(b);
    r.eip = eip;
    d86_vcpu_set_regs(b->cpu, &r);
}

/* ---- Running ---------------------------------------------------------------------------------------- */

static inline void bench_record(struct bench *b, struct bench_access access)
{
    ck_assert_msg(b->logged < BENCH_LOG, "more device accesses than a test makes");
    b->log[b->logged++] = access;
}

static inline uint64_t bench_value(const uint8_t *data, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, data, size < 8 ? size : 8);
    return value;
}

/* Answer the access in the exit record; false: it is not one. */
static inline bool bench_answer(struct bench *b)
{
    struct d86_exit *e = b->exit;
    if (e->reason == D86_EXIT_IO) {
        unsigned bytes = e->io.count * e->io.size;
        if (!e->io.is_out) {
            for (unsigned i = 0; i < bytes; i++)
                e->io.data[i] = b->port_byte++;
        }
        bench_record(b, (struct bench_access){ true, e->io.is_out, e->io.size, e->io.port, e->io.count,
                                               bench_value(e->io.data, e->io.size) });
        return true;
    }
    if (e->reason != D86_EXIT_MMIO)
        return false;
    uint64_t offset = e->mmio.pa - BENCH_DEVICE;
    bool known = offset < BENCH_DEVICE_SIZE;
    if (e->mmio.is_write && known)
        memcpy(&b->device[offset], e->mmio.data, e->mmio.size);
    else if (!e->mmio.is_write && known)
        memcpy(e->mmio.data, &b->device[offset], e->mmio.size);
    else if (!e->mmio.is_write)
        memset(e->mmio.data, 0xff, e->mmio.size);
    bench_record(b, (struct bench_access){ false, e->mmio.is_write, e->mmio.size, e->mmio.pa, 1,
                                           bench_value(e->mmio.data, e->mmio.size) });
    return true;
}

/* Run, answering device accesses, until the guest does something else. */
static inline enum bench_end bench_run(struct bench *b)
{
    unsigned exits = 0;
    do {
        ck_assert_msg(exits++ < BENCH_EXITS_MAX, "the guest does not come to an end");
        ck_assert_int_eq(d86_vcpu_run(b->cpu), 0);
    } while (bench_answer(b));
    if (b->exit->reason == D86_EXIT_HLT)
        return BENCH_HLT;
    if (b->exit->reason != D86_EXIT_DEBUG)
        return BENCH_OTHER;
    if (b->exit->debug.cause == D86_DEBUG_INT3)
        return BENCH_INT3;
    if (b->exit->debug.cause != D86_DEBUG_EXCEPTIONS)
        return BENCH_OTHER;
    d86_vcpu_exception(b->cpu, &b->exception);
    return BENCH_EXCEPTION;
}

/* The guest must come to its INT3 ... */
#define BENCH_RUN(b)                                                                                         \
    do {                                                                                                     \
        enum bench_end end_ = bench_run(b);                                                                  \
        ck_assert_msg(end_ == BENCH_INT3, "ended with %d, exit %u, exception %u, EIP %#x", (int)end_,        \
                      (b)->exit->reason, (b)->exception.vector, bench_regs(b).eip);                          \
    } while (0)

/* ... or to this exception. */
#define BENCH_FAULT(b, vector_)                                                                              \
    do {                                                                                                     \
        enum bench_end end_ = bench_run(b);                                                                  \
        ck_assert_msg(end_ == BENCH_EXCEPTION, "ended with %d, exit %u, EIP %#x", (int)end_,                 \
                      (b)->exit->reason, bench_regs(b).eip);                                                 \
        ck_assert_uint_eq((b)->exception.vector, (vector_));                                                 \
    } while (0)

/* One recorded access is what it should be. */
#define BENCH_SAW(b, i, at_, size_, write_, value_)                                                          \
    do {                                                                                                     \
        const struct bench_access *a_ = &(b)->log[i];                                                        \
        ck_assert_msg((i) < (b)->logged && a_->at == (at_) && a_->size == (size_) &&                         \
                          a_->is_write == (write_) && a_->value == (uint64_t)(value_),                       \
                      "access %u of %u: %s of %u bytes at %#llx, value %#llx", (unsigned)(i), (b)->logged,   \
                      a_->is_write ? "write" : "read", a_->size, (unsigned long long)a_->at,                 \
                      (unsigned long long)a_->value);                                                        \
    } while (0)

static inline int bench_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
