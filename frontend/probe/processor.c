/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who the host is, and what of its processor its kernel lets a program use. What CPUID announces is asked for
 * as a program would use it wherever that can be done without harm. SDM 2A, "CPUID"; Linux, arch_prctl(2),
 * modify_ldt(2), pkeys(7).
 */
#include "probe.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

struct leaf {
    unsigned a, b, c, d;
};

static struct leaf cpuid(unsigned number)
{
    struct leaf l = { 0 };
    __get_cpuid_count(number, 0, &l.a, &l.b, &l.c, &l.d);
    return l;
}

/* ---- Who ------------------------------------------------------------------------------------------- */

static void processor_name(char name[49])
{
    memset(name, 0, 49);
    if (__get_cpuid_max(0x80000000, NULL) < 0x80000004)
        return;
    for (unsigned i = 0; i < 3; i++) {
        struct leaf l = cpuid(0x80000002 + i);
        memcpy(name + 16 * i, &l, sizeof(l));
    }
    g_strstrip(name);
}

/* SDM 2A, "CPUID", leaf 1: the displayed family and model. */
static void processor_signature(char *text, size_t size)
{
    struct leaf zero = cpuid(0), one = cpuid(1);
    unsigned family = one.a >> 8 & 15, model = one.a >> 4 & 15;
    if (family == 6 || family == 15)
        model += (one.a >> 16 & 15) << 4;
    if (family == 15)
        family += one.a >> 20 & 255;
    snprintf(text, size, "%.4s%.4s%.4s family %u model %u stepping %u", (const char *)&zero.b,
             (const char *)&zero.d, (const char *)&zero.c, family, model, one.a & 15);
}

/* Leaf 4000_0000h, where leaf 1 says that there is a hypervisor. */
static void hypervisor_name(char *text, size_t size)
{
    char name[13] = "";
    unsigned max;
    if (!(cpuid(1).c & 1u << 31)) {
        snprintf(text, size, "none");
        return;
    }
    __cpuid(0x40000000, max, *(unsigned *)&name[0], *(unsigned *)&name[4], *(unsigned *)&name[8]);
    (void)max;
    snprintf(text, size, "%s", name[0] ? name : "one that gives no name");
}

void probe_host(struct facts *f)
{
    char text[128];
    struct utsname u;
    facts_section(f, "host", "Host");
    processor_name(text);
    facts_text(f, "processor", "processor", text);
    processor_signature(text, sizeof(text));
    facts_text(f, "signature", "its signature", text);
    hypervisor_name(text, sizeof(text));
    facts_text(f, "hypervisor", "hypervisor", text);
    snprintf(text, sizeof(text), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    facts_text(f, "cpus", "processors online", text);
    uname(&u);
    facts_text(f, "kernel", "kernel", u.release);
    probe_tlbs(f);
}

/* ---- What is offered ------------------------------------------------------------------------------- */

static void offer_fsgsbase(struct facts *f)
{
    enum { HWCAP2_FSGSBASE_BIT = 1 << 1 };
    bool offered = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT, has = cpuid(7).b & 1;
    facts_offer(f, "fsgsbase", "FSGSBASE: programs set FS and GS bases", offered,
                offered ? NULL
                : has   ? "the processor has it, the kernel keeps it (Linux before 5.9, or nofsgsbase)"
                        : "the processor does not have it");
}

static void offer_keys(struct facts *f)
{
    unsigned bits = cpuid(7).c;
    const char *why = NULL;
    if (!(bits & 1 << 3))
        why = "the processor does not have them";
    else if (!(bits & 1 << 4))
        why = "the kernel does not use them";
    if (!why) {
        long key = syscall(SYS_pkey_alloc, 0, 0);
        if (key < 0)
            why = "the kernel gives this program none";
        else
            syscall(SYS_pkey_free, key);
    }
    facts_offer(f, "pku", "PKU: protection keys", !why, why);
}

static void try_ldt(struct trial *t)
{
    struct user_desc d = { .entry_number = 1,
                           .base_addr = 0x40000000,
                           .limit = 0xbffff,
                           .seg_32bit = 1,
                           .limit_in_pages = 1,
                           .useable = 1 };
    if ((int)syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)) != 0) {
        trial_refuse(t, "the kernel was built without it, or forbids it (modify_ldt)");
        return;
    }
    __asm__ volatile("mov %0, %%es" : : "r"(1 << 3 | 7));
    t->ns = 0;
}

static void try_cpuid_faulting(struct trial *t)
{
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0)
        t->ns = 0;
    else
        trial_refuse(t, errno == ENODEV ? "the processor, or its hypervisor, does not have it"
                                        : "the kernel does not know it (Linux before 4.12)");
}

static void try_code32(struct trial *t)
{
    static const unsigned char inc_edi = 0x47; /* a REX prefix in 64-bit code */
    if (!code32_load(&inc_edi, 1, 1000)) {
        trial_refuse(t, "this host does not let a process map memory where the guest's code has to be");
        return;
    }
    code32_run();
    t->ns = 0;
}

static void offer_trial(struct facts *f, const char *key, const char *what, void (*run)(struct trial *))
{
    struct trial t = trial_run(run);
    facts_offer(f, key, what, t.ns >= 0, t.ns >= 0 ? NULL : t.why);
}

/* With UMIP on, SGDT is a fault, which Linux answers with an address that is nobody's. */
static void offer_umip(struct facts *f)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdt = { 0 };
    if (!(cpuid(7).c & 1 << 2)) {
        facts_offer(f, "umip", "UMIP: programs cannot read descriptor tables", FALSE,
                    "the processor does not have it");
        return;
    }
    __asm__ volatile("sgdt %0" : "=m"(gdt));
    bool on = gdt.base == 0xfffffffffffe0000;
    facts_offer(f, "umip", "UMIP: programs cannot read descriptor tables", on,
                on ? NULL : "the processor has it, the kernel does not use it");
}

void probe_features(struct facts *f)
{
    facts_section(f, "features", "What a program may use");
    facts_offer(f, "lahf", "LAHF in 64-bit mode", cpuid(0x80000001).c & 1,
                cpuid(0x80000001).c & 1
                    ? NULL
                    : "the processor does not have it, and nothing of this program's kind runs");
    offer_trial(f, "code32", "32-bit code in a 64-bit process", try_code32);
    offer_fsgsbase(f);
    offer_trial(f, "ldt", "LDT: segments of its own", try_ldt);
    offer_keys(f);
    offer_trial(f, "cpuid_faulting", "CPUID faulting: CPUID can be made to trap", try_cpuid_faulting);
    offer_umip(f);
}
