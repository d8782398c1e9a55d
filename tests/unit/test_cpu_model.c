/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processor models and model-specific registers through the public API. What CPUID shows the guest is
 * checked by tests/guest/cpuid.asm.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex86/duplex86.h"
#include "x86/x86.h"

#define ARRAY_SIZE(a) ((int)(sizeof(a) / sizeof((a)[0])))

static struct d86_vm *vm;

static struct d86_vcpu *create(const char *model)
{
    const struct d86_vcpu_config config = { .cpu = model };
    struct d86_vcpu *vcpu;

    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &vcpu), 0);
    return vcpu;
}

static void destroy(void)
{
    d86_vm_destroy(vm);
    vm = NULL;
}

START_TEST(every_listed_model_has_a_description_and_can_be_created)
{
    const char *const *names = d86_cpu_models();

    ck_assert_ptr_nonnull(names[0]);
    for (unsigned i = 0; names[i]; i++) {
        ck_assert_ptr_nonnull(d86_cpu_model_description(names[i]));
        create(names[i]);
        destroy();
    }
}
END_TEST

START_TEST(names_are_unique)
{
    const char *const *names = d86_cpu_models();

    for (unsigned i = 0; names[i]; i++)
        for (unsigned j = 0; j < i; j++)
            ck_assert_str_ne(names[i], names[j]);
}
END_TEST

START_TEST(an_unknown_model_is_refused_by_name)
{
    const struct d86_vcpu_config config = { .cpu = "i860" };
    struct d86_vcpu *vcpu;

    ck_assert_ptr_null(d86_cpu_model_description("i860"));
    ck_assert_int_eq(d86_vm_create(&vm), 0);
    ck_assert_int_eq(d86_vcpu_create(vm, &config, &vcpu), -EINVAL);
    ck_assert_ptr_nonnull(strstr(d86_last_error(), "i860"));
    destroy();
}
END_TEST

struct msr_row {
    const char *name, *model;
    uint32_t index;
    uint64_t value;
    int write;      /* result of setting it to value */
    uint64_t reads; /* what it then reads, if it was set */
};

static const struct msr_row msr_rows[] = {
    { "SYSENTER_CS keeps 32 bits", "pentium2", 0x174, 0x123456789abcdefull, 0, 0x89abcdef },
    { "SYSENTER_EIP", "pentium-m", 0x176, 0xc0100000, 0, 0xc0100000 },
    { "EFER.NXE where CPUID has NX", "pentium-m", 0xc0000080, 0x800, 0, 0x800 },
    { "EFER.SCE: no SYSCALL", "pentium-m", 0xc0000080, 0x801, -EINVAL, 0 },
    { "EFER.LME: no long mode", "max", 0xc0000080, 0x900, -EINVAL, 0 },
    { "no EFER without NX", "pentium3", 0xc0000080, 0, -EINVAL, 0 },
    { "PAT", "pentium3", 0x277, 0x0605040100070406ull, 0, 0x0605040100070406ull },
    { "PAT with a reserved type", "pentium3", 0x277, 0x0605040200070406ull, -EINVAL, 0 },
    { "PAT with a reserved bit", "pentium3", 0x277, 0x0e05040100070406ull, -EINVAL, 0 },
    { "no PAT on a Pentium II", "pentium2", 0x277, 0x0007040600070406ull, -EINVAL, 0 },
    { "PLATFORM_ID is read-only", "pentium-m", 0x17, 0, -EINVAL, 0 },
    { "APIC_BASE cannot be enabled: no APIC", "pentium-m", 0x1b, 0xfee00900, 0, 0xfee00100 },
    { "APIC_BASE as it is", "pentium-m", 0x1b, 0xfee00100, 0, 0xfee00100 },
    { "APIC_BASE elsewhere: there is nothing to move", "atom", 0x1b, 0xfffffe800, 0, 0xfee00100 },
    { "APIC_BASE.BSP is read-only", "pentium2", 0x1b, 0xfee00000, 0, 0xfee00100 },
    { "APIC_BASE, x2APIC", "max", 0x1b, 0xfee00d00, -EINVAL, 0 },
    { "APIC_BASE beyond 36 bits", "max", 0x1b, 0x10fee00100, -EINVAL, 0 },
    { "APIC_BASE reserved", "max", 0x1b, 0xfee00101, -EINVAL, 0 },
    { "P5_MC_ADDR tells of nothing", "pentium2", 0x00, 0, 0, 0 },
    { "P5_MC_TYPE is not set", "atom", 0x01, 1, -EINVAL, 0 },
    { "MCG_CAP is read-only", "atom", 0x179, 0x105, -EINVAL, 0 },
    { "MCG_STATUS", "atom", 0x17a, 7, 0, 7 },
    { "MCG_STATUS reserved", "atom", 0x17a, 8, -EINVAL, 0 },
    { "MCG_CTL", "pentium3", 0x17b, UINT64_MAX, 0, UINT64_MAX },
    { "MC0_CTL", "atom", 0x400, UINT64_MAX, 0, UINT64_MAX },
    { "MC0_STATUS is cleared", "atom", 0x401, 0, 0, 0 },
    { "MC0_STATUS is not set", "atom", 0x401, 1, -EINVAL, 0 },
    { "MC0_ADDR", "core", 0x402, 0, 0, 0 },
    { "MC4_CTL, the last bank", "max", 0x410, 0x5a, 0, 0x5a },
    { "MC4_MISC", "max", 0x413, 1ull << 63, -EINVAL, 0 },
    { "no bank 5", "max", 0x414, 0, -EINVAL, 0 },
    { "MISC_ENABLE", "core", 0x1a0, 0, 0, 0x1800 },
    { "MISC_ENABLE reserved", "core", 0x1a0, 1ull << 63, -EINVAL, 0 },
    { "no MISC_ENABLE on a Pentium III", "pentium3", 0x1a0, 0, -EINVAL, 0 },
    { "MTRRCAP is read-only", "max", 0xfe, 0x508, -EINVAL, 0 },
    { "MTRR_DEF_TYPE", "pentium2", 0x2ff, 0xc06, 0, 0xc06 },
    { "MTRR_DEF_TYPE reserved", "atom", 0x2ff, 0x1c06, -EINVAL, 0 },
    { "MTRR_DEF_TYPE with a reserved type", "atom", 0x2ff, 0xc02, -EINVAL, 0 },
    { "PHYSBASE0", "pentium3", 0x200, 0xfe0000001, 0, 0xfe0000001 },
    { "PHYSBASE0 reserved", "pentium3", 0x200, 0xe0000100, -EINVAL, 0 },
    { "PHYSBASE0 with a reserved type", "pentium3", 0x200, 0xe0000007, -EINVAL, 0 },
    { "PHYSBASE0 beyond 36 bits", "core", 0x200, 1ull << 36, -EINVAL, 0 },
    { "PHYSMASK7, the last one", "atom", 0x20f, 0xfe0000800, 0, 0xfe0000800 },
    { "PHYSMASK7 reserved", "atom", 0x20f, 0xfe0000c00, -EINVAL, 0 },
    { "no PHYSBASE8", "max", 0x210, 0, -EINVAL, 0 },
    { "MTRR_FIX64K", "atom", 0x250, 0x0606060606060606ull, 0, 0x0606060606060606ull },
    { "MTRR_FIX16K, the second one", "atom", 0x259, 0x0001040506000000ull, 0, 0x0001040506000000ull },
    { "no third one", "atom", 0x25a, 0, -EINVAL, 0 },
    { "MTRR_FIX4K, the last one", "pentium-m", 0x26f, 0x0505050505050505ull, 0, 0x0505050505050505ull },
    { "MTRR_FIX4K with a reserved type", "pentium-m", 0x268, 0x0600000003000000ull, -EINVAL, 0 },
    { "no such register", "max", 0xdeadbeef, 0, -EINVAL, 0 },
};

START_TEST(msr_row_holds)
{
    const struct msr_row *row = &msr_rows[_i];
    struct d86_vcpu *vcpu = create(row->model);
    uint64_t value = 0;

    ck_assert_msg(d86_vcpu_set_msr(vcpu, row->index, row->value) == row->write, "%s", row->name);
    if (row->write == 0) {
        ck_assert_msg(d86_vcpu_get_msr(vcpu, row->index, &value) == 0, "%s", row->name);
        ck_assert_msg(value == row->reads, "%s: reads %#llx", row->name, (unsigned long long)value);
    }
    destroy();
}
END_TEST

/* Kernels enable machine checks where there are any, and look at each bank. */
START_TEST(machine_checks_are_there_and_silent)
{
    const char *const *names = d86_cpu_models();

    for (unsigned n = 0; names[n]; n++) {
        struct d86_vcpu *vcpu = create(names[n]);
        struct d86_sregs s;
        uint64_t value;

        ck_assert_int_eq(d86_vcpu_get_msr(vcpu, 0x179, &value), 0);
        ck_assert_uint_eq(value, 0x105);
        for (unsigned i = 0; i < 4 * 5; i++) {
            ck_assert_int_eq(d86_vcpu_get_msr(vcpu, 0x400 + i, &value), 0);
            ck_assert_uint_eq(value, 0);
        }
        ck_assert_int_eq(d86_vcpu_set_msr(vcpu, 0x410, 3), 0);
        ck_assert_int_eq(d86_vcpu_get_msr(vcpu, 0x40c, &value), 0);
        ck_assert_uint_eq(value, 0);
        d86_vcpu_get_sregs(vcpu, &s);
        s.cr4 |= X86_CR4_MCE;
        ck_assert_int_eq(d86_vcpu_set_sregs(vcpu, &s), 0);
        d86_vcpu_get_sregs(vcpu, &s);
        ck_assert_uint_eq(s.cr4 & X86_CR4_MCE, X86_CR4_MCE);
        d86_vcpu_reset(vcpu);
        ck_assert_int_eq(d86_vcpu_get_msr(vcpu, 0x410, &value), 0);
        ck_assert_uint_eq(value, 0);
        destroy();
    }
}
END_TEST

START_TEST(the_time_stamp_is_the_hosts_until_it_is_written)
{
    struct d86_vcpu *vcpu = create(NULL);
    uint64_t value, before = __builtin_ia32_rdtsc();

    ck_assert_int_eq(d86_vcpu_get_msr(vcpu, 0x10, &value), 0);
    ck_assert_uint_ge(value, before);
    ck_assert_uint_le(value, __builtin_ia32_rdtsc());
    ck_assert_int_eq(d86_vcpu_set_msr(vcpu, 0x10, 1ull << 50), 0);
    ck_assert_int_eq(d86_vcpu_get_msr(vcpu, 0x10, &value), 0);
    ck_assert_uint_ge(value, 1ull << 50);
    ck_assert_uint_lt(value, (1ull << 50) + (1ull << 40));
    destroy();
}
END_TEST

/*
 * Kernels know processors that do not speculate by family and model: 6 and 28 is the first Atom. Before its
 * stepping 3 it had an erratum for which Linux does without large pages.
 */
START_TEST(the_default_does_not_speculate)
{
    struct d86_vcpu *vcpu = create(NULL);
    struct d86_regs r;

    d86_vcpu_get_regs(vcpu, &r); /* after a reset EDX is the signature */
    ck_assert_uint_eq(r.edx >> 8 & 0xf, 6);
    ck_assert_uint_eq((r.edx >> 12 & 0xf0) | (r.edx >> 4 & 0xf), 28);
    ck_assert_uint_gt(r.edx & 0xf, 2);
    destroy();
}
END_TEST

START_TEST(reset_shows_the_signature_in_edx)
{
    struct d86_vcpu *vcpu = create("pentium2");
    struct d86_regs r;

    d86_vcpu_get_regs(vcpu, &r);
    ck_assert_uint_eq(r.edx, 0x652);
    ck_assert_uint_eq(r.eip, 0xfff0);
    destroy();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cpu_model");
    TCase *tc = tcase_create("models");

    tcase_add_test(tc, every_listed_model_has_a_description_and_can_be_created);
    tcase_add_test(tc, names_are_unique);
    tcase_add_test(tc, an_unknown_model_is_refused_by_name);
    tcase_add_loop_test(tc, msr_row_holds, 0, ARRAY_SIZE(msr_rows));
    tcase_add_test(tc, machine_checks_are_there_and_silent);
    tcase_add_test(tc, the_time_stamp_is_the_hosts_until_it_is_written);
    tcase_add_test(tc, reset_shows_the_signature_in_edx);
    tcase_add_test(tc, the_default_does_not_speculate);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
