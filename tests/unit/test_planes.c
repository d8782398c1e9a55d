/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A display adapter's planes lent to the processor (d86_exit.lend_video): what is no exit then, what is one
 * all the same, and that code in that memory is seen to change. On each kind of processor.
 */
#include "cpu_bench.h"

#include "devices/lent_video.h"
#include "devices/video.h"

#include <errno.h>

#define FRAME_BUFFER 0x2000000u
#define NOWHERE      0x6000000u

static const struct {
    const char *name;
    struct d86_vcpu_config config;
} processors[] = {
    { "in the caller", { .engine = D86_ENGINE_INTERP, .in_caller = true } },
    { "in its own process", { .engine = D86_ENGINE_INTERP } },
    { "sbe", { .engine = D86_ENGINE_SBE, .eager = true } },
};

static struct bench b;
static struct lent_video *lent;
static const uint8_t *memory;

/* False: the host does not allow that kind. */
static bool start(unsigned processor)
{
    memset(&b, 0, sizeof(b));
    ck_assert_int_eq(d86_vm_create(&b.vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(b.vm, 0, BENCH_DEVICE), 0);
    uint64_t offset;
    ck_assert_int_eq(d86_vm_add_memory(b.vm, VIDEO_MEMORY, &offset), 0);
    ck_assert_int_eq(d86_vm_map(b.vm, FRAME_BUFFER, offset, VIDEO_MEMORY, false), 0);
    int result = d86_vcpu_create(b.vm, &processors[processor].config, &b.cpu);
    if (result == -ENOTSUP) {
        d86_vm_destroy(b.vm);
        return false;
    }
    ck_assert_int_eq(result, 0);
    b.exit = d86_vcpu_exit(b.cpu);
    d86_vcpu_set_debug(b.cpu, D86_DEBUG_INT3 | D86_DEBUG_EXCEPTIONS);
    memory = d86_vm_memory(b.vm, offset, VIDEO_MEMORY);
    ck_assert_ptr_nonnull(memory);
    b.exit->lend_video = 1;
    b.exit->video_memory = offset;
    lent = (struct lent_video *)b.exit->video;
    *lent = (struct lent_video){
        .planar = { .seq = { 3, 1, 0xf, 0, 6 },
                    .gc = { 0, 0, 0, 0, 0, 0, 5, 0xf, 0xff },
                    .enabled = 1,
                    .mask = 0xffff },
        .beam = { .line_ps = 30000000,
                  .shown_ps = 20000000,
                  .lines = 500,
                  .shown_lines = 400,
                  .retrace = 450,
                  .retrace_end = 452 },
        .status_port = 0x3da,
        .attr_data = 1,
    };
    return true;
}

static void stop(void)
{
    d86_vm_destroy(b.vm);
}

static uint32_t planes_at(unsigned at)
{
    uint32_t value;
    memcpy(&value, memory + 4 * (size_t)at, 4);
    return value;
}

START_TEST(drawing_is_no_exit)
{
    if (!start((unsigned)_i))
        return;
    bench_mode(&b, BENCH_FLAT32);
    /* mov dx,3c4; mov ax,0502; out dx,ax (map mask 5); mov dword [a0010],44332211; mov al,[a0011];
       mov dl,da; in al,dx; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0x66, 0xba, LE16(0x3c4), 0x66, 0xb8, LE16(0x0502), 0x66, 0xef, 0xc7, 0x05,
                LE32(0xa0010), LE32(0x44332211), 0x8a, 0x0d, LE32(0xa0011), 0xb2, 0xda, 0xec, 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(planes_at(0x10 + i), 0x00110011 * (i + 1));
    ck_assert_uint_eq(bench_regs(&b).ecx & 0xff, 0x22);
    ck_assert_uint_eq(lent->planar.seq[SEQ_MAP_MASK], 5);
    ck_assert_uint_eq(lent->planar.latch, 0x00220022);
    ck_assert_uint_eq(lent->attr_data, 0);
    stop();
}
END_TEST

START_TEST(what_others_must_know_is_an_exit)
{
    if (!start((unsigned)_i))
        return;
    bench_mode(&b, BENCH_FLAT32);
    /* mov dx,3ce; mov ax,0d06; out dx,ax (memory map); mov byte [c0000],1; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0x66, 0xba, LE16(0x3ce), 0x66, 0xb8, LE16(0x0d06), 0x66, 0xef, 0xc6, 0x05,
                LE32(0xc0000), 1, 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 2);
    ck_assert(b.log[0].is_port && b.log[0].at == 0x3ce && b.log[0].size == 2 && b.log[0].value == 0x0d06);
    ck_assert(!b.log[1].is_port && b.log[1].at == 0xc0000);
    ck_assert_uint_eq(lent->planar.gc[GC_MISCELLANEOUS], 5);
    ck_assert_uint_eq(lent->planar.gc_index, 0); /* a word goes there whole or not at all */
    stop();
}
END_TEST

/* The instruction leaves for the other device, and starts over. */
START_TEST(one_instruction_may_access_others_too)
{
    if (!start((unsigned)_i))
        return;
    bench_mode(&b, BENCH_FLAT32);
    /* mov dword [a0000],78563412; mov esi,a0000; mov edi,6000000; mov ecx,3; rep movsb; int3 */
    BENCH_BYTES(&b, BENCH_CODE, 0xc7, 0x05, LE32(0xa0000), LE32(0x78563412), 0xbe, LE32(0xa0000), 0xbf,
                LE32(NOWHERE), 0xb9, LE32(3), 0xf3, 0xa4, 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(b.log[i].at, NOWHERE + i);
        ck_assert_uint_eq(b.log[i].value, 0x563412 >> 8 * i & 0xff);
    }
    ck_assert_uint_eq(lent->planar.latch, 0x56565656);
    stop();
}
END_TEST

START_TEST(code_there_is_seen_to_change)
{
    if (!start((unsigned)_i))
        return;
    for (unsigned i = 0; i < 3; i++) {
        bench_mode(&b, BENCH_FLAT32);
        BENCH_BYTES(&b, FRAME_BUFFER, 0x40, 0xc3, 0xcc, 0xcc, 0x40, 0xc3); /* inc eax; ret */
        /* xor eax,eax; call FRAME_BUFFER; call FRAME_BUFFER; mov byte [a0000],40; call FRAME_BUFFER; int3:
           the first four bytes are INC EAX then, behind them is another and RET */
        const uint32_t here = BENCH_CODE;
        BENCH_BYTES(&b, here, 0x31, 0xc0, 0xe8, LE32(FRAME_BUFFER - here - 7), 0xe8,
                    LE32(FRAME_BUFFER - here - 12), 0xc6, 0x05, LE32(0xa0000), 0x40, 0xe8,
                    LE32(FRAME_BUFFER - here - 24), 0xcc);
        BENCH_RUN(&b);
        ck_assert_uint_eq(bench_regs(&b).eax, 7);
        ck_assert_uint_eq(b.logged, 0);
    }
    stop();
}
END_TEST

/* Whatever is lent, the executor writes to the adapter's memory alone. */
START_TEST(any_state_can_be_lent)
{
    uint32_t x = 12345;
    if (!start((unsigned)_i))
        return;
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned n = 0; n < sizeof(b.exit->video); n++) {
            x = x * 1664525 + 1013904223;
            ((uint8_t *)b.exit->video)[n] = (uint8_t)(x >> 24);
        }
        lent->beam = (struct beam){ .line_ps = 1000000, .lines = 500 };
        lent->status_port = 0x3da;
        b.logged = 0;
        bench_mode(&b, BENCH_FLAT32);
        /* mov [a0000+x],al; mov al,[b8000+x]; mov dx,3c5; in al,dx; out dx,al; mov dl,cf; in al,dx; out
         * dx,al; int3 */
        BENCH_BYTES(&b, BENCH_CODE, 0xa2, LE32(0xa0000 + (x & 0xffff)), 0xa0, LE32(0xb8000 + (x & 0x7fff)),
                    0x66, 0xba, LE16(0x3c5), 0xec, 0xee, 0xb2, 0xcf, 0xec, 0xee, 0xcc);
        BENCH_RUN(&b);
    }
    b.exit->video_memory = UINT64_MAX - 5; /* no such memory: nothing is lent */
    b.logged = 0;
    bench_mode(&b, BENCH_FLAT32);
    BENCH_BYTES(&b, BENCH_CODE, 0xa2, LE32(0xa0000), 0xcc);
    BENCH_RUN(&b);
    ck_assert_uint_eq(b.logged, 1);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("planes");
    TCase *tc = tcase_create("planes");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, drawing_is_no_exit, 0, ARRAY_SIZE(processors));
    tcase_add_loop_test(tc, what_others_must_know_is_an_exit, 0, ARRAY_SIZE(processors));
    tcase_add_loop_test(tc, one_instruction_may_access_others_too, 0, ARRAY_SIZE(processors));
    tcase_add_loop_test(tc, code_there_is_seen_to_change, 0, ARRAY_SIZE(processors));
    tcase_add_loop_test(tc, any_state_can_be_lent, 0, ARRAY_SIZE(processors));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
