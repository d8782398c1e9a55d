/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the executor's raw system calls answer when the kernel refuses. modify_ldt() is the one to watch: to
 * 64-bit code its refusals look like large positive numbers.
 */
#include "host_call.h"

#include <asm/ldt.h>
#include <check.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { READ_LDT = 0, WRITE_LDT = 0x11, NO_SUCH_FUNCTION = 0x77 };

static const struct user_desc data_segment = {
    .entry_number = 5, .base_addr = 0x1000, .limit = 0xfff, .seg_32bit = 1, .useable = 1
};
static const struct user_desc beyond_the_table = { .entry_number = LDT_ENTRIES,
                                                   .limit = 0xfff,
                                                   .seg_32bit = 1 };
static const struct user_desc conforming_and_present = {
    .entry_number = 5, .contents = 3, .limit = 0xfff, .seg_32bit = 1
};

static int write_ldt(const struct user_desc *d, unsigned size)
{
    return host_call_int(__NR_modify_ldt, WRITE_LDT, (long)d, size, 0, 0, 0);
}

/* Kernels can be built without, and filters take it away: then every answer is the same. */
static bool host_has_ldts(void)
{
    int result = host_call_int(__NR_modify_ldt, READ_LDT, 0, 0, 0, 0, 0);

    ck_assert_msg(result == 0 || result == -ENOSYS || result == -EPERM, "%d", result);
    return result == 0;
}

START_TEST(a_refused_ldt_entry_is_an_error)
{
    if (!host_has_ldts())
        return;
    ck_assert_int_eq(write_ldt(&beyond_the_table, sizeof(beyond_the_table)), -EINVAL);
    ck_assert_int_eq(write_ldt(&conforming_and_present, sizeof(conforming_and_present)), -EINVAL);
    ck_assert_int_eq(write_ldt(&data_segment, sizeof(data_segment) - 1), -EINVAL);
    ck_assert_int_eq(write_ldt(NULL, sizeof(data_segment)), -EFAULT);
    ck_assert_int_eq(host_call_int(__NR_modify_ldt, NO_SUCH_FUNCTION, 0, 0, 0, 0, 0), -ENOSYS);
}
END_TEST

START_TEST(an_accepted_one_is_zero_and_a_count_a_count)
{
    uint8_t table[8 * 6];

    if (!host_has_ldts())
        return;
    ck_assert_int_eq(write_ldt(&data_segment, sizeof(data_segment)), 0);
    ck_assert_int_gt(host_call_int(__NR_modify_ldt, READ_LDT, (long)table, sizeof(table), 0, 0, 0), 0);
}
END_TEST

/* A filter that refuses modify_ldt(), as containers have them, with these errors in turn. */
static const int errors[] = { EPERM, ENOSYS, EINVAL };

START_TEST(a_filtered_call_is_an_error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_modify_ldt, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)errors[_i]),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { ARRAY_SIZE(filter), filter };

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    ck_assert_int_eq(write_ldt(&data_segment, sizeof(data_segment)), -errors[_i]);
}
END_TEST

START_TEST(other_calls_are_the_same)
{
    ck_assert_int_eq(host_call_int(__NR_close, -1, 0, 0, 0, 0, 0), -EBADF);
    ck_assert_int_gt(host_call_int(__NR_getpid, 0, 0, 0, 0, 0, 0), 0);
    ck_assert_int_eq(host_call_int(__NR_mprotect, 1, 1, 0, 0, 0, 0), -EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host_call");
    TCase *tcase = tcase_create("results"); /* each check in a process of its own: filters stay */
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, a_refused_ldt_entry_is_an_error);
    tcase_add_test(tcase, an_accepted_one_is_zero_and_a_count_a_count);
    tcase_add_loop_test(tcase, a_filtered_call_is_an_error, 0, (int)ARRAY_SIZE(errors));
    tcase_add_test(tcase, other_calls_are_the_same);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
