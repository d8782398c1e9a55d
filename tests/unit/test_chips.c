/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Accesses to the chips next to the processor, lent to it: it makes them without an exit, and what the caller
 * finds in d86_exit.lent afterwards is what the same accesses do to a struct near of its own.
 */
#define _GNU_SOURCE
#include "chips_bench.h"

/* ---- Accesses ------------------------------------------------------------------------------------------ */

enum { ACCESSES_MAX = 24, READ = -1 };

/* Of time nothing here depends: counters that count are not read, and none of them starts. */
/* clang-format off */
static const struct {
    const char *name;
    uint16_t requests; /* interrupt requests that are up */
    struct {
        uint16_t port;
        int16_t value; /* written, or READ */
    } access[ACCESSES_MAX];
} talks[] = {
    { "initialization", 0,
      { { 0x20, 0x11 }, { 0x21, 0x30 }, { 0x21, 4 }, { 0x21, 3 }, { 0xa0, 0x19 }, { 0xa1, 0x38 },
        { 0xa1, 2 }, { 0xa1, 1 }, { 0x21, READ }, { 0xa1, READ }, { 0x20, READ }, { 0xa0, READ } } },
    { "half an initialization", 0,
      { { 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0x20, 0x13 }, { 0x21, READ } } },
    { "masks", 0x1002,
      { { 0x21, 0xfb }, { 0xa1, 0xff }, { 0x21, READ }, { 0xa1, READ }, { 0x21, 0 }, { 0xa1, 0x5a },
        { 0x21, READ }, { 0xa1, READ } } },
    { "requests, polls and services", 0x1008,
      { { 0x20, 0x0a }, { 0x20, READ }, { 0x20, 0x0c }, { 0x20, READ }, { 0x20, 0x0b }, { 0x20, READ },
        { 0xa0, 0x0c }, { 0xa0, READ }, { 0xa0, 0x20 }, { 0x20, 0x20 }, { 0x20, 0x0c }, { 0x20, READ },
        { 0x20, 0x0b }, { 0x20, READ }, { 0x20, 0x63 }, { 0x20, READ }, { 0x20, 0xc2 }, { 0x20, 0x68 } } },
    { "edges and levels", 0x0008,
      { { 0x4d0, 0xff }, { 0x4d1, 0xff }, { 0x4d0, READ }, { 0x4d1, READ } } },
    { "the timer", 0,
      { { 0x43, 0x30 }, { 0x43, 0x00 }, { 0x40, READ }, { 0x40, READ }, { 0x40, 0x55 }, { 0x43, 0x72 },
        { 0x41, 0x34 }, { 0x41, 0x12 }, { 0x43, 0xe4 }, { 0x41, READ }, { 0x43, READ }, { 0x43, 0xb3 },
        { 0x42, 0x99 }, { 0x42, 0x99 }, { 0x43, 0xee }, { 0x40, READ }, { 0x41, READ }, { 0x42, READ } } },
    { "a timer whose output rises", 0,
      { { 0x43, 0x34 }, { 0x20, READ }, { 0x40, 0x55 }, { 0x20, 0x0b } } },
    { "the latch", 0,
      { { 0x80, READ }, { 0x80, 0x5a }, { 0x80, READ }, { 0x80, 0xa5 } } },
};
/* clang-format on */

/* Guest code for one access: with the port in DX, or in the instruction. What is read is stored at EDI. */
static size_t emit_access(uint8_t *to, uint16_t port, int value, bool immediate)
{
    size_t n = 0;
    if (value != READ)
        to[n++] = 0xb0, to[n++] = (uint8_t)value; /* mov al,value */
    if (immediate) {
        to[n++] = value == READ ? 0xe4 : 0xe6; /* in al,port; out port,al */
        to[n++] = (uint8_t)port;
    } else {
        const uint8_t mov_dx[] = { 0x66, 0xba, LE16(port) };
        memcpy(&to[n], mov_dx, sizeof(mov_dx));
        n += sizeof(mov_dx);
        to[n++] = value == READ ? 0xec : 0xee;
    }
    if (value == READ)
        to[n++] = 0xaa; /* stosb */
    return n;
}

static void write_talk(unsigned t, uint32_t at)
{
    uint8_t code[512];
    size_t n = 0;
    for (unsigned i = 0; i < ACCESSES_MAX && talks[t].access[i].port; i++)
        n += emit_access(&code[n], talks[t].access[i].port, talks[t].access[i].value,
                         i % 2 && talks[t].access[i].port < 0x100);
    code[n++] = 0xe6, code[n++] = PORT_MARK;
    bench_write(&b, at, code, n);
}

/* Of the timer's words one may differ: the guest's own time at which it made a request. */
static bool same_but_for_the_time(const struct near_state *one, const struct near_state *other)
{
    struct near_state copy = *one;
    unsigned words = 0;
    for (unsigned i = 0; i + 8 <= sizeof(copy.pit); i += 8)
        words += memcmp(&copy.pit[i], &other->pit[i], 8) != 0;
    memcpy(copy.pit, other->pit, sizeof(copy.pit));
    return words <= 1 && !memcmp(&copy, other, sizeof(copy));
}

/* At CPL 3 the engines differ in how they come to the instruction. */
START_TEST(accesses_do_what_they_do_to_the_callers_chips)
{
    unsigned t = (unsigned)_i / 2 % ARRAY_SIZE(talks), reads = 0, writes = 0;
    bool user = _i % 2;
    struct near_state begun;
    if (!start((unsigned)_i / 2 / ARRAY_SIZE(talks)))
        return;
    enter(user, user ? X86_IOPL : 0);
    for (unsigned irq = 0; irq < 16; irq++)
        if (talks[t].requests >> irq & 1)
            near_set_irq(&chips, irq, true);
    write_talk(t, user ? USER_CODE : BENCH_CODE);
    begun = state;
    RUN_MARK();
    struct near_state is = state;
    state = begun;
    for (unsigned i = 0; i < ACCESSES_MAX && talks[t].access[i].port; i++) {
        uint16_t port = talks[t].access[i].port;
        if (talks[t].access[i].value == READ) {
            uint8_t should = chip_read(port), read = (uint8_t)bench_read32(&b, BENCH_DATA + reads++);
            ck_assert_msg(read == should, "%s: access %u read %02x, not %02x", talks[t].name, i, read,
                          should);
        } else {
            ck_assert(near_write(&chips, port, (uint8_t)talks[t].access[i].value));
            writes++;
        }
    }
    ck_assert_msg(same_but_for_the_time(&is, &state), "%s: another state", talks[t].name);
    ck_assert_uint_eq(counter("chip_reads"), reads);
    ck_assert_uint_eq(counter("chip_writes"), writes);
    ck_assert_uint_eq(counter("exits"), 1);
    stop();
}
END_TEST

/* Counter 0 loaded with 10000h, which is 54.9 ms: its deadline is that from the moment of the write. */
START_TEST(the_timer_goes_by_the_monotonic_clock)
{
    enum { PERIOD_NS = 54925348, TICK_NS = 839 };
    if (!start((unsigned)_i))
        return;
    /* mov al,34; out 43,al; mov al,0; out 40,al; out 40,al; out f5,al; out 43,al; in al,40; in al,40; ... */
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40, 0xe6, 0x40, 0xe6, PORT_MARK,
                0xe6, 0x43, 0xe4, 0x40, 0x88, 0xc4, 0xe4, 0x40, 0xe6, PORT_MARK);
    uint64_t before = now(NULL);
    RUN_MARK();
    uint64_t after = now(NULL);
    ck_assert_uint_ge(state.deadline, before + PERIOD_NS);
    ck_assert_uint_le(state.deadline, after + PERIOD_NS + 2 * TICK_NS);
    /* It counts down, here and there: what the guest reads now lies between what we read. */
    uint64_t deadline = state.deadline;
    near_write(&chips, 0x43, 0);
    unsigned first = chip_read(0x40), more = chip_read(0x40);
    RUN_MARK();
    unsigned guest = (bench_regs(&b).eax >> 8 & 0xff) | (bench_regs(&b).eax & 0xff) << 8;
    near_write(&chips, 0x43, 0);
    unsigned last = chip_read(0x40);
    last |= (unsigned)chip_read(0x40) << 8;
    first |= more << 8;
    if (now(NULL) < deadline) /* 0 stands for 10000h */
        ck_assert_msg((uint16_t)(first - 1) >= (uint16_t)(guest - 1) && guest >= last, "%u, %u, %u", first,
                      guest, last);
    stop();
}
END_TEST

/* Code, and the exit it makes though the chips are lent. */
static const struct {
    const char *name;
    uint8_t code[8];
    uint16_t port;
    uint8_t size, is_out;
    uint16_t dx, count;
} others[] = {
    { "out 20,ax", { 0x66, 0xe7, 0x20 }, 0x20, 2, 1, 0, 1 },
    { "out 20,eax", { 0xe7, 0x20 }, 0x20, 4, 1, 0, 1 },
    { "in ax,40", { 0x66, 0xe5, 0x40 }, 0x40, 2, 0, 0, 1 },
    { "in eax,80", { 0xe5, 0x80 }, 0x80, 4, 0, 0, 1 },
    { "out dx,ax to 4d0", { 0x66, 0xef }, 0x4d0, 2, 1, 0x4d0, 1 },
    { "insb from 21", { 0x6c }, 0x21, 1, 0, 0x21, 1 },
    { "outsb to 80", { 0x6e }, 0x80, 1, 1, 0x80, 1 },
    { "insw from a0", { 0x66, 0x6d }, 0xa0, 2, 0, 0xa0, 1 },
    { "outsd to 40", { 0x6f }, 0x40, 4, 1, 0x40, 1 },
    { "byte to 1f", { 0xe6, 0x1f }, 0x1f, 1, 1, 0, 1 },
    { "byte to 22", { 0xe6, 0x22 }, 0x22, 1, 1, 0, 1 },
    { "byte from 3f", { 0xe4, 0x3f }, 0x3f, 1, 0, 0, 1 },
    { "byte from 44", { 0xe4, 0x44 }, 0x44, 1, 0, 0, 1 },
    { "byte to 7f", { 0xe6, 0x7f }, 0x7f, 1, 1, 0, 1 },
    { "byte to 81", { 0xe6, 0x81 }, 0x81, 1, 1, 0, 1 },
    { "byte from 9f", { 0xe4, 0x9f }, 0x9f, 1, 0, 0, 1 },
    { "byte from a2", { 0xe4, 0xa2 }, 0xa2, 1, 0, 0, 1 },
    { "byte to 4cf", { 0xee }, 0x4cf, 1, 1, 0x4cf, 1 },
    { "byte from 4d2", { 0xec }, 0x4d2, 1, 0, 0x4d2, 1 },
    { "byte to ff20", { 0xee }, 0xff20, 1, 1, 0xff20, 1 },
};

static void set_dx(uint16_t port, uint32_t ecx)
{
    struct d86_regs r = bench_regs(&b);
    r.edx = port;
    r.ecx = ecx;
    d86_vcpu_set_regs(b.cpu, &r);
}

START_TEST(other_accesses_are_exits)
{
    if (!start((unsigned)_i))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        struct near_state before = state;
        enter(false, 0);
        bench_write(&b, BENCH_CODE, others[i].code, sizeof(others[i].code));
        set_dx(others[i].dx, 0);
        RUN(D86_EXIT_IO);
        ck_assert_msg(b.exit->io.port == others[i].port && b.exit->io.size == others[i].size &&
                          b.exit->io.is_out == others[i].is_out && b.exit->io.count == others[i].count,
                      "%s: port %#x, size %u", others[i].name, b.exit->io.port, b.exit->io.size);
        ck_assert_msg(!memcmp(&before, &state, sizeof(state)), "%s changes the chips", others[i].name);
    }
    ck_assert_uint_eq(counter("chip_reads") + counter("chip_writes"), 0);
    stop();
}
END_TEST

/* A batch, or one by one, but never here. */
START_TEST(strings_of_accesses_are_exits)
{
    enum { COUNT = 100 };
    unsigned out = 0, in = 0;
    if (!start((unsigned)_i))
        return;
    /* rep outsb; mov cl,COUNT; rep insb */
    BENCH_BYTES(&b, BENCH_CODE, 0xf3, 0x6e, 0xb1, COUNT, 0xf3, 0x6c, 0xe6, PORT_MARK);
    set_dx(0x21, COUNT);
    struct near_state before = state;
    for (;;) {
        RUN(D86_EXIT_IO);
        if (b.exit->io.port == PORT_MARK)
            break;
        ck_assert_uint_eq(b.exit->io.port, 0x21);
        *(b.exit->io.is_out ? &out : &in) += b.exit->io.count;
        if (!b.exit->io.is_out)
            memset(b.exit->io.data, 0x5a, b.exit->io.count);
    }
    ck_assert_uint_eq(out, COUNT);
    ck_assert_uint_eq(in, COUNT);
    ck_assert_uint_eq(bench_read32(&b, BENCH_DATA + COUNT - 4), 0x5a5a5a5a);
    ck_assert_mem_eq(&before, &state, sizeof(state));
    ck_assert_uint_eq(counter("chip_reads") + counter("chip_writes"), 0);
    stop();
}
END_TEST

static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x80, 0x4d0, 0x4d1 };

START_TEST(not_lent_all_are_exits)
{
    uint64_t pattern[D86_LENT_WORDS];
    if (!start((unsigned)_i))
        return;
    near_set_irq(&chips, 1, true);
    memset(pattern, 0, sizeof(pattern));
    memcpy(pattern, &state, sizeof(state));
    memcpy(b.exit->lent, pattern, sizeof(pattern));
    lent = false;
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        enter(false, IF);                              /* and INTR, up in there, is nobody's */
        BENCH_BYTES(&b, BENCH_CODE, 0xee, 0xec, 0xf4); /* out dx,al; in al,dx; hlt */
        set_dx(ports[i], 0);
        RUN_IO(ports[i], 1, 1, 1);
        RUN_IO(ports[i], 1, 0, 1);
        b.exit->io.data[0] = 0x77;
        RUN(D86_EXIT_HLT);
        ck_assert_uint_eq(bench_regs(&b).eax, 0x77);
    }
    ck_assert_mem_eq(pattern, b.exit->lent, sizeof(pattern));
    ck_assert_uint_eq(counter("chip_reads") + counter("chip_writes") + counter("chip_interrupts"), 0);
    stop();
}
END_TEST

/* What was asked for has been read from the chip, and written to it, by the caller. */
START_TEST(an_answer_on_its_way_counts)
{
    if (!start((unsigned)_i))
        return;
    /* in al,21; mov ah,al; in al,21; out f5,al; out 80,al; out f5,al; in al,21; out f5,al */
    BENCH_BYTES(&b, BENCH_CODE, 0xe4, 0x21, 0x88, 0xc4, 0xe4, 0x21, 0xe6, PORT_MARK, 0xe6, 0x80, 0xe6,
                PORT_MARK, 0xe4, 0x21, 0xe6, PORT_MARK);
    near_write(&chips, 0x21, 0x5a);
    near_write(&chips, 0x80, 0x11);
    lent = false;
    RUN_IO(0x21, 1, 0, 1);
    b.exit->io.data[0] = 0x77;
    lent = true;
    d86_vcpu_kick(b.cpu); /* taken before the instruction is over: it starts once more, for the answer */
    RUN(D86_EXIT_KICKED);
    RUN_MARK();
    ck_assert_uint_eq(bench_regs(&b).eax, 0x775a);
    lent = false;
    RUN_IO(0x80, 1, 1, 1);
    ck_assert_uint_eq(b.exit->io.data[0], 0x5a);
    lent = true;
    RUN_MARK();
    ck_assert_uint_eq(chip_read(0x80), 0x11);
    lent = false;
    RUN_IO(0x21, 1, 0, 1);
    b.exit->io.data[0] = 0x33;
    RUN_MARK();
    ck_assert_uint_eq(bench_regs(&b).eax, 0x7733);
    ck_assert_uint_eq(counter("chip_reads"), 1);
    ck_assert_uint_eq(counter("chip_writes"), 0);
    stop();
}
END_TEST

/* ---- Without chips: what the caller said beforehand ------------------------------------------------------
 */

/* Code, and what it leaves in EAX; an exit at `port` instead, unless that is 0. */
static const struct {
    const char *name;
    uint8_t code[2], length;
    uint16_t dx, port;
    uint32_t eax;
} told[] = {
    { "known byte", { 0xe4, 0x64 }, 2, 0, 0, 0x11223314 },
    { "known byte by DX", { 0xec }, 1, 0x3fd, 0, 0x11223360 },
    { "dword over it", { 0xe5, 0x63 }, 2, 0, 0x63, 0 },
    { "write to it", { 0xe6, 0x64 }, 2, 0, 0x64, 0 },
    { "insb from it", { 0x6c }, 1, 0x64, 0x64, 0 },
    { "claimed, not known", { 0xe4, 0x60 }, 2, 0, 0x60, 0 },
    { "last of a run", { 0xec }, 1, 0x3ff, 0x3ff, 0 },
    { "first of a run", { 0xee }, 1, 0x3f8, 0x3f8, 0 },
    { "open byte", { 0xe4, 0x65 }, 2, 0, 0, 0x112233ff },
    { "open word", { 0x66, 0xed }, 2, 0x300, 0, 0x1122ffff },
    { "open dword", { 0xed }, 1, 0x400, 0, 0xffffffff },
    { "open byte written", { 0xe6, 0xed }, 2, 0, 0, 0x11223344 },
    { "open dword written", { 0xef }, 1, 0xcfc, 0, 0x11223344 },
    { "dword whose last byte is claimed", { 0xed }, 1, 0x3f5, 0x3f5, 0 },
    { "word whose first byte is claimed", { 0x66, 0xef }, 2, 0x3ff, 0x3ff, 0 },
    { "the end of the ports", { 0xed }, 1, 0xfffe, 0, 0xffffffff },
    { "insb from an open port", { 0x6c }, 1, 0x300, 0x300, 0 },
};

START_TEST(what_is_known_and_what_is_nobodys_is_no_exit)
{
    static const struct d86_ports claimed[] = {
        { 0x60, 0x60 }, { 0x64, 0x64 }, { 0xf4, 0xf5 }, { 0x3f8, 0x3ff }
    };
    if (!start((unsigned)_i))
        return;
    lent = false;
    ck_assert_int_eq(d86_vcpu_set_ports(b.cpu, claimed, ARRAY_SIZE(claimed)), 0);
    b.exit->known_count = 2;
    b.exit->known[0].port = 0x3fd, b.exit->known[0].value = 0x60;
    b.exit->known[1].port = 0x64, b.exit->known[1].value = 0x14;
    for (unsigned i = 0; i < ARRAY_SIZE(told); i++) {
        const uint8_t mark[] = { 0xe6, PORT_MARK };
        enter(false, 0);
        bench_write(&b, BENCH_CODE, told[i].code, told[i].length);
        bench_write(&b, BENCH_CODE + told[i].length, mark, sizeof(mark));
        struct d86_regs r = bench_regs(&b);
        r.eax = 0x11223344, r.edx = told[i].dx;
        d86_vcpu_set_regs(b.cpu, &r);
        RUN(D86_EXIT_IO);
        ck_assert_msg(b.exit->io.port == (told[i].port ? told[i].port : PORT_MARK), "%s: exit at port %#x",
                      told[i].name, b.exit->io.port);
        if (!told[i].port)
            ck_assert_msg(bench_regs(&b).eax == told[i].eax, "%s: EAX is %#x", told[i].name,
                          bench_regs(&b).eax);
    }
    ck_assert_uint_eq(counter("known_reads"), 2);
    ck_assert_uint_eq(counter("open_accesses"), 6);
    stop();
}
END_TEST

/* They come with the next exit, in their order; when there is no room, with the write that finds none. */
START_TEST(posted_writes_wait_for_the_next_exit)
{
    if (!start((unsigned)_i))
        return;
    lent = false;
    b.exit->posting_count = 2;
    b.exit->posting[0] = 0x3f8, b.exit->posting[1] = 0xe9;
    /* mov dx,3f8h; mov cl,150; write: out dx,al; out e9h,al; inc eax; loop write */
    BENCH_BYTES(&b, BENCH_CODE, 0x66, 0xba, 0xf8, 0x03, 0xb9, 150, 0, 0, 0, 0xee, 0xe6, 0xe9, 0x40, 0xe2,
                0xfa, 0xe6, PORT_MARK);
    struct d86_regs r = bench_regs(&b);
    r.eax = 0;
    d86_vcpu_set_regs(b.cpu, &r);
    uint32_t seen = 0;
    for (bool over = false; !over;) {
        ck_assert_int_eq(d86_vcpu_run(b.cpu), 0);
        for (uint32_t i = 0; i < b.exit->posted_count; i++, seen++) {
            ck_assert_uint_eq(b.exit->posted[i].port, seen % 2 ? 0xe9 : 0x3f8);
            ck_assert_uint_eq(b.exit->posted[i].value, seen / 2);
        }
        over = b.exit->reason == D86_EXIT_IO && b.exit->io.port == PORT_MARK;
        if (b.exit->reason == D86_EXIT_IO && !over) {
            ck_assert_uint_eq(b.exit->posted_count, D86_POSTED_MAX);
            ck_assert_uint_eq(b.exit->io.port, seen % 2 ? 0xe9 : 0x3f8);
            ck_assert_uint_eq(b.exit->io.data[0], seen / 2);
            seen++;
        } else if (!over) {
            ck_assert_uint_eq(b.exit->reason, D86_EXIT_DEADLINE);
        }
    }
    ck_assert_uint_eq(seen, 300);
    stop();
}
END_TEST

/* Who writes and has nothing else to say is not waited for. */
START_TEST(posted_writes_do_not_wait_long)
{
    if (!start((unsigned)_i))
        return;
    lent = false;
    b.exit->posting_count = 1;
    b.exit->posting[0] = 0xe9;
    BENCH_BYTES(&b, BENCH_CODE, 0xb0, 0x5a, 0xe6, 0xe9, 0xeb, 0xfe); /* mov al,5ah; out e9h,al; jmp $ */
    RUN(D86_EXIT_DEADLINE);
    ck_assert_uint_eq(b.exit->posted_count, 1);
    ck_assert_uint_eq(b.exit->posted[0].port, 0xe9);
    ck_assert_uint_eq(b.exit->posted[0].value, 0x5a);
    d86_vcpu_kick(b.cpu);
    RUN(D86_EXIT_KICKED);
    ck_assert_uint_eq(b.exit->posted_count, 0);
    stop();
}
END_TEST

/* A kick reaches who polls, and the next run goes by what is said then. */
START_TEST(polling_ends_when_the_caller_says_so)
{
    if (!start((unsigned)_i))
        return;
    lent = false;
    BENCH_BYTES(&b, BENCH_CODE, 0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa, 0xe6, PORT_MARK); /* in; test al,1; jz */
    b.exit->known_count = 1;
    b.exit->known[0].port = 0x64, b.exit->known[0].value = 0x14;
    for (unsigned i = 0; i < 3; i++) {
        b.exit->deadline_ns = now(NULL) + 5 * MS;
        RUN(D86_EXIT_DEADLINE);
    }
    ck_assert_uint_gt(counter("known_reads"), 10);
    b.exit->deadline_ns = 0;
    d86_vcpu_kick(b.cpu);
    RUN(D86_EXIT_KICKED);
    b.exit->known[0].value = 0x15;
    RUN_MARK();
    ck_assert_uint_eq(counter("exits"), 5);
    stop();
}
END_TEST

START_TEST(impossible_runs_of_ports_are_refused)
{
    static struct d86_ports many[D86_PORTS_MAX + 1];
    const struct d86_ports turned = { 0x65, 0x64 };
    if (!start(0))
        return;
    ck_assert_int_eq(d86_vcpu_set_ports(b.cpu, many, D86_PORTS_MAX + 1), -EINVAL);
    ck_assert_int_eq(d86_vcpu_set_ports(b.cpu, &turned, 1), -EINVAL);
    ck_assert_int_eq(d86_vcpu_set_ports(b.cpu, many, D86_PORTS_MAX), 0);
    stop();
}
END_TEST

/* SDM 1, "I/O Permission Bit Map". */
START_TEST(the_guests_permissions_come_first)
{
    static const struct {
        uint8_t code[2];
        bool allowed;
    } rows[] = { { { 0xe6, 0x20 }, true },  { { 0xe4, 0x20 }, true },  { { 0xe6, 0x21 }, false },
                 { { 0xe4, 0x21 }, false }, { { 0xe6, 0x80 }, false }, { { 0xe4, 0x40 }, false } };
    struct d86_sregs s;
    if (!start((unsigned)_i))
        return;
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_EXCEPTIONS);
    for (unsigned map = 0; map < 2; map++) {
        uint8_t bits[0x20];
        memset(bits, 0xff, sizeof(bits));
        bits[0x20 / 8] = 0xfe;
        bench_write(&b, TSS + 0x68, bits, sizeof(bits));
        for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
            struct near_state before = state;
            enter(true, 0);
            d86_vcpu_get_sregs(b.cpu, &s);
            s.tr.limit = map ? 0x68 + sizeof(bits) - 1 : 0x67;
            ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
            bench_write(&b, USER_CODE, rows[i].code, 2);
            BENCH_BYTES(&b, USER_CODE + 2, 0x0f, 0x0b); /* ud2 */
            RUN(D86_EXIT_DEBUG);
            d86_vcpu_exception(b.cpu, &b.exception);
            bool made = b.exception.vector == X86_UD;
            ck_assert(made || b.exception.vector == X86_GP);
            ck_assert_msg(made == (map && rows[i].allowed), "%02x %02x", rows[i].code[0], rows[i].code[1]);
            ck_assert_mem_eq(&before, &state, sizeof(state));
        }
    }
    ck_assert_uint_eq(counter("chip_reads"), 1);
    ck_assert_uint_eq(counter("chip_writes"), 1);
    stop();
}
END_TEST

/* An I/O breakpoint: a trap behind the access, which was made and needed no exit. */
START_TEST(io_breakpoints_stop_behind_the_access)
{
    static const struct {
        uint8_t code[2];
        uint16_t port;
    } rows[] = { { { 0xe6, 0x80 }, 0x80 }, { { 0xe4, 0x21 }, 0x21 }, { { 0xec }, 0xa1 }, { { 0xee }, 0x80 } };
    enum { STUB = STUBS + STUB_SIZE * (VECTORS_END - VECTORS), CR4_DE = X86_CR4_DE, VALUE = 0x5a };
    unsigned processor = (unsigned)_i / 2;
    bool user = _i % 2;
    struct d86_sregs s;
    if (!start(processor))
        return;
    bench_write64(&b, IDT + 8 * X86_DB, (uint64_t)0x8e00 << 32 | (uint64_t)CODE0 << 16 | STUB);
    BENCH_BYTES(&b, STUB, 0x50, 0xb0, X86_DB, 0xe6, PORT_HANDLER, 0x58, 0xcf);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t code = user ? USER_CODE : BENCH_CODE, size = rows[i].code[1] ? 2 : 1;
        enter(user, user ? X86_IOPL : 0);
        d86_vcpu_get_sregs(b.cpu, &s);
        s.cr4 |= CR4_DE;
        s.dr[0] = rows[i].port;
        s.dr[7] = 0x20001; /* L0, I/O, a byte */
        ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
        struct d86_regs r = bench_regs(&b);
        r.eax = VALUE;
        r.edx = rows[i].port;
        d86_vcpu_set_regs(b.cpu, &r);
        bench_write(&b, code, rows[i].code, size);
        RUN_HANDLER(X86_DB);
        ck_assert_uint_eq(interrupted_at(), code + size);
        d86_vcpu_get_sregs(b.cpu, &s);
        ck_assert_uint_eq(s.dr[6] & 0xe00f, 1);
    }
    ck_assert_uint_eq(chip_read(0x80), VALUE);
    ck_assert_uint_eq(counter("chip_reads"), 2);
    ck_assert_uint_eq(counter("chip_writes"), 2);
    stop();
}
END_TEST

/* On each of the processors, with all rows if there are any. */
#define ADD(test, rows) tcase_add_loop_test(tc, test, 0, PROCESSORS *(int)(rows))

int main(void)
{
    Suite *suite = suite_create("chips");
    TCase *tc = tcase_create("chips");
    tcase_set_timeout(tc, 90);
    ADD(accesses_do_what_they_do_to_the_callers_chips, 2 * ARRAY_SIZE(talks));
    ADD(the_timer_goes_by_the_monotonic_clock, 1);
    ADD(other_accesses_are_exits, 1);
    ADD(strings_of_accesses_are_exits, 1);
    ADD(not_lent_all_are_exits, 1);
    ADD(an_answer_on_its_way_counts, 1);
    ADD(the_guests_permissions_come_first, 1);
    ADD(what_is_known_and_what_is_nobodys_is_no_exit, 1);
    ADD(posted_writes_wait_for_the_next_exit, 1);
    ADD(posted_writes_do_not_wait_long, 1);
    ADD(polling_ends_when_the_caller_says_so, 1);
    tcase_add_test(tc, impossible_runs_of_ports_are_refused);
    ADD(io_breakpoints_stop_behind_the_access, 2);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
