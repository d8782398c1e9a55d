/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor and its caller: on one CPU, and each on its own while exits come one upon the other. How fast
 * that is is for tests/bench/exit_bench.c.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../monitor/library/arena.h" /* struct handover */
#include "duplex86/duplex86.h"

enum { CODE = 0x1000, HANG_S = 120 };

static struct d86_vm *vm;
static struct d86_vcpu *vcpu;

/* Real mode. L: OUT 80h, AL; JMP L */
static const uint8_t exits[] = { 0xe6, 0x80, 0xeb, 0xfc };
/* L: JMP L */
static const uint8_t none[] = { 0xeb, 0xfe };

static void load(const uint8_t *code, size_t size)
{
    ck_assert_int_eq(d86_vm_write(vm, CODE, code, size), 0);
}

static void create(void)
{
    static const struct d86_ports claimed[] = { { 0x80, 0x80 } };
    struct d86_sregs s;
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vm_add_ram(vm, 0, 1 << 20), 0);
    ck_assert_int_eq(d86_vcpu_create(vm, &(struct d86_vcpu_config){ .engine = D86_ENGINE_INTERP }, &vcpu), 0);
    ck_assert_int_eq(d86_vcpu_set_ports(vcpu, claimed, 1), 0);
    d86_vcpu_get_sregs(vcpu, &s);
    s.seg[D86_CS].base = 0;
    s.seg[D86_CS].selector = 0;
    ck_assert_int_eq(d86_vcpu_set_sregs(vcpu, &s), 0);
    d86_vcpu_set_regs(vcpu, &(struct d86_regs){ .eip = CODE, .eflags = 2 });
    load(exits, sizeof(exits));
}

/* Run until they are apart, or together; false: that takes too long. */
static bool run_until(bool apart, unsigned seconds)
{
    time_t end = time(NULL) + (time_t)seconds;
    while (vm->handover.apart != apart && time(NULL) < end) {
        ck_assert_int_eq(d86_vcpu_run(vcpu), 0);
        ck_assert(d86_vcpu_exit(vcpu)->reason == D86_EXIT_IO ||
                  d86_vcpu_exit(vcpu)->reason == D86_EXIT_KICKED);
    }
    return vm->handover.apart == apart;
}

static cpu_set_t cpus_of(pid_t process)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    ck_assert_int_eq(sched_getaffinity(process, sizeof(cpus), &cpus), 0);
    return cpus;
}

static bool have_a_cpu_in_common(void)
{
    cpu_set_t mine = cpus_of(0), executors = cpus_of(vm->executor[0].pid), both;
    CPU_AND(&both, &mine, &executors);
    return CPU_COUNT(&both) > 0;
}

/* Kicks every ten milliseconds: exits, but few. */
static atomic_bool ended;

static void *kick(void *data)
{
    (void)data;
    while (!ended) {
        nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
        d86_vcpu_kick(vcpu);
    }
    return NULL;
}

START_TEST(apart_while_there_are_many_exits)
{
    cpu_set_t before = cpus_of(0);
    pthread_t kicker;
    if (CPU_COUNT(&before) < 2) {
        fprintf(stderr, "skipped: there is one CPU\n");
        return;
    }
    create();
    ck_assert(run_until(true, HANG_S));
    ck_assert(!have_a_cpu_in_common());
    ck_assert_uint_gt(vm->arena->channel.look, 0);

    load(none, sizeof(none));
    ended = false;
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick, NULL), 0);
    ck_assert(run_until(false, HANG_S));
    ended = true;
    pthread_join(kicker, NULL);
    ck_assert(have_a_cpu_in_common());
    ck_assert_uint_eq(vm->arena->channel.look, 0);

    d86_vm_destroy(vm);
    cpu_set_t after = cpus_of(0);
    ck_assert_msg(CPU_EQUAL(&before, &after), "the caller may not run where it might before");
}
END_TEST

/*
 * MOV CX, 400; K: OUT 80h, AL; LOOP K; then some milliseconds of nothing: MOV DX, 60; N: MOV CX, 0; M: LOOP
 * M; DEC DX; JNZ N; JMP to the begin. To set them apart would be over when it had begun; a neighbour that
 * takes the CPU all the time looks the same from here.
 */
static const uint8_t bursts[] = { 0xb9, 0x90, 0x01, 0xe6, 0x80, 0xe2, 0xfc, 0xba, 0x3c, 0x00,
                                  0xb9, 0x00, 0x00, 0xe2, 0xfe, 0x4a, 0x75, 0xf8, 0xeb, 0xec };

enum { BURSTS = 300, CHANGES_MAX = 60 };

START_TEST(short_stays_apart_become_rare)
{
    unsigned changes = 0;
    bool apart = false;
    create();
    load(bursts, sizeof(bursts));
    for (unsigned i = 0; i < BURSTS * 400; i++) {
        ck_assert_int_eq(d86_vcpu_run(vcpu), 0);
        ck_assert_uint_eq(d86_vcpu_exit(vcpu)->reason, D86_EXIT_IO);
        changes += vm->handover.apart != apart;
        apart = vm->handover.apart;
    }
    ck_assert_uint_le(changes, CHANGES_MAX);
    d86_vm_destroy(vm);
}
END_TEST

/* What a caller forbids itself is forbidden the executor too. */
START_TEST(together_where_there_is_one_cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    create();
    ck_assert(!run_until(true, 2));
    cpu_set_t executors = cpus_of(vm->executor[0].pid);
    ck_assert(CPU_EQUAL(&one, &executors));
    d86_vm_destroy(vm);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("handover");
    TCase *tc = tcase_create("exits");
    tcase_set_timeout(tc, 3 * HANG_S);
    tcase_add_test(tc, apart_while_there_are_many_exits);
    tcase_add_test(tc, short_stays_apart_become_rare);
    tcase_add_test(tc, together_where_there_is_one_cpu);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
