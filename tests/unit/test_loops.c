/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guests that do one thing millions of times without leaving a block for the run loop. What each round left
 * on the host's stack, however little, would overflow it. The loops are those of instructions whose handlers
 * once did; test_handlers is about all others.
 */
#include "chips_bench.h"

/* A million times 8 bytes is what a process is usually given for its stack. Without tail calls nothing can
 * grow. */
enum { FEWER = D86_THREADED ? 1 : 100, ROUNDS = 1000000 / FEWER };

struct loop {
    const char *name;
    bool user; /* at CPL 3, too */
    uint8_t size, bytes[20];
};

#define LOOP(name, user, ...)                                                                                \
    {                                                                                                        \
        name, user, sizeof((uint8_t[]){ __VA_ARGS__ }),                                                      \
        {                                                                                                    \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }

static const struct loop loops[] = {
    LOOP("in al, 20h", false, 0xe4, 0x20),
    LOOP("in al, 21h", false, 0xe4, 0x21),
    LOOP("in al, 80h", false, 0xe4, 0x80),
    LOOP("in al, 4d0h", false, 0x66, 0xba, 0xd0, 0x04, 0xec),
    LOOP("in al, 40h", true, 0xe4, 0x40),
    LOOP("fnstcw", true, 0xd9, 0x3d, LE32(BENCH_DATA)),
    LOOP("fnstsw", true, 0xdd, 0x3d, LE32(BENCH_DATA)),
    LOOP("fnstcw, fldcw", true, 0xd9, 0x3d, LE32(BENCH_DATA), 0xd9, 0x2d, LE32(BENCH_DATA)),
    LOOP("stmxcsr", true, 0x0f, 0xae, 0x1d, LE32(BENCH_DATA)),
    LOOP("stmxcsr, ldmxcsr", true, 0x0f, 0xae, 0x1d, LE32(BENCH_DATA), 0x0f, 0xae, 0x15, LE32(BENCH_DATA)),
    LOOP("fxsave", true, 0x0f, 0xae, 0x05, LE32(BENCH_DATA)),
    LOOP("fxsave, fxrstor", true, 0x0f, 0xae, 0x05, LE32(BENCH_DATA), 0x0f, 0xae, 0x0d, LE32(BENCH_DATA)),
    LOOP("maskmovq", true, 0x0f, 0xf7, 0xc1),
    LOOP("maskmovdqu", true, 0x66, 0x0f, 0xf7, 0xc1),
    LOOP("rdmsr", false, 0xb9, LE32(0x10), 0x0f, 0x32),
    LOOP("lar", true, 0x0f, 0x02, 0xc3),
    LOOP("lsl", true, 0x0f, 0x03, 0xc3),
    LOOP("verr", true, 0x0f, 0x00, 0xe3),
    LOOP("verw", true, 0x0f, 0x00, 0xeb),
    LOOP("lldt", false, 0x31, 0xc0, 0x0f, 0x00, 0xd0),
    LOOP("ltr", false, 0xb8, LE32(TASK), 0x80, 0x25, LE32(GDT + TASK + 5), 0xfd /* not busy */, 0x0f, 0x00,
         0xd8),
};

/* mov ebp, rounds; L: ...; dec ebp; jnz L; out f5, al */
static void write_loop(uint32_t at, const struct loop *loop, uint32_t rounds)
{
    BENCH_BYTES(&b, at, 0xbd, LE32(rounds));
    bench_write(&b, at + 5, loop->bytes, loop->size);
    BENCH_BYTES(&b, at + 5 + loop->size, 0x4d, 0x75, (uint8_t) - (loop->size + 3), 0xe6, PORT_MARK);
}

static void enter_loop(bool user)
{
    struct d86_sregs s;
    enter(user, user ? X86_IOPL : 0);
    d86_vcpu_get_sregs(b.cpu, &s);
    s.cr4 |= X86_CR4_OSFXSR;
    ck_assert_int_eq(d86_vcpu_set_sregs(b.cpu, &s), 0);
    struct d86_regs r = bench_regs(&b);
    r.ebx = DATA3;
    d86_vcpu_set_regs(b.cpu, &r);
    bench_write64(&b, GDT + TASK, (uint64_t)0x8900 << 32 | TSS << 16 | 0x67);
}

/* The loop comes to its end, and the processor is still there. */
static void run_loop(unsigned processor, const struct loop *loop, bool user, uint32_t rounds)
{
    write_loop(user ? USER_CODE : BENCH_CODE, loop, rounds);
    enter_loop(user);
    enum d86_exit_reason reason = run();
    ck_assert_msg(reason == D86_EXIT_IO && b.exit->io.port == PORT_MARK, "%s, %s: exit %u at EIP %#x: %s",
                  processors[processor].name, loop->name, reason, bench_regs(&b).eip, b.exit->error.text);
    ck_assert_uint_eq(bench_regs(&b).ebp, 0);
}

static bool interprets_user_code(unsigned processor)
{
    return processors[processor].config.engine == D86_ENGINE_INTERP;
}

START_TEST(a_million_rounds_leave_nothing_behind)
{
    if (!start((unsigned)_i))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(loops); i++) {
        run_loop((unsigned)_i, &loops[i], false, ROUNDS);
        if (loops[i].user && interprets_user_code((unsigned)_i))
            run_loop((unsigned)_i, &loops[i], true, ROUNDS);
    }
    stop();
}
END_TEST

START_TEST(nor_do_twenty_million_of_an_unprivileged_program)
{
    static const struct loop fnstcw = LOOP("fnstcw", true, 0xd9, 0x3d, LE32(BENCH_DATA));
    if (!interprets_user_code((unsigned)_i) || !start((unsigned)_i))
        return;
    run_loop((unsigned)_i, &fnstcw, true, 20000000 / FEWER);
    stop();
}
END_TEST

/* What firmware may do: mov ecx, 3000000; L: in al, 21h; dec ecx; jnz L; out f5, al */
START_TEST(nor_does_polling_in_real_mode)
{
    if (!start((unsigned)_i))
        return;
    BENCH_BYTES(&b, BENCH_CODE, 0x66, 0xb9, LE32(3000000 / FEWER), 0xe4, 0x21, 0x66, 0x49, 0x75, 0xfa, 0xe6,
                PORT_MARK);
    bench_mode(&b, BENCH_REAL);
    RUN_MARK();
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loops");
    TCase *tc = tcase_create("loops");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_million_rounds_leave_nothing_behind, 0, PROCESSORS);
    tcase_add_loop_test(tc, nor_do_twenty_million_of_an_unprivileged_program, 0, PROCESSORS);
    tcase_add_loop_test(tc, nor_does_polling_in_real_mode, 0, PROCESSORS);
    suite_add_tcase(suite, tc);
    return bench_main(suite);
}
