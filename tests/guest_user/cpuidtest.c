/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The processor a user program finds is the guest's: CPUID says what the kernel says, and what CPUID does not
 * offer raises #UD although the host's processor may have it.
 */
#include "user.h"

#define UD(at)                                                                                               \
    .sig = SIG_ILL, .code = CODE_ILLOPN, .trapno = 6, .eip = (at), .addr_is_eip = true, .guest_only = true

static const struct code_row rows[] = {
    /* for the default processor */
    { "SSE3 haddps", CODE("\xf2\x0f\x7c\xc1"), UD(0) },
    { "SSE3 lddqu", CODE("\xf2\x0f\xf0\x04\x24"), UD(0) },
    { "SSE3 fisttp", CODE("\xd9\xe8\xdb\x0c\x24"), UD(2) },
    { "SSSE3 pshufb", CODE("\x0f\x38\x00\xc1"), UD(0) },
    { "SSE4.1 pmulld", CODE("\x66\x0f\x38\x40\xc1"), UD(0) },
    { "SSE4.1 ptest", CODE("\x66\x0f\x38\x17\xc1"), UD(0) },
    { "SSE4.2 crc32", CODE("\xf2\x0f\x38\xf1\xc1"), UD(0) },
    { "SSE4.2 pcmpestri", CODE("\x66\x0f\x3a\x61\xc1\x00"), UD(0) },
    { "SSE4a extrq", CODE("\x66\x0f\x79\xc1"), UD(0) },
    { "popcnt", CODE("\xf3\x0f\xb8\xc1"), UD(0) },
    { "movbe", CODE("\x0f\x38\xf0\x04\x24"), UD(0) },
    { "aesenc", CODE("\x66\x0f\x38\xdc\xc1"), UD(0) },
    { "pclmulqdq", CODE("\x66\x0f\x3a\x44\xc1\x00"), UD(0) },
    { "sha1nexte", CODE("\x0f\x38\xc8\xc1"), UD(0) },
    { "adcx", CODE("\x66\x0f\x38\xf6\xc1"), UD(0) },
    { "rdrand", CODE("\x0f\xc7\xf0"), UD(0) },
    { "rdseed", CODE("\x0f\xc7\xf8"), UD(0) },
    { "hidden rdrand", CODE("\xb8\x0f\xc7\xf0\x90\xc3"), 1, {}, UD(1) },
    { "vzeroupper", CODE("\xc5\xf8\x77"), UD(0) },
    { "vaddps", CODE("\xc5\xf4\x58\xc1"), UD(0) },
    { "vpxor, three-byte prefix", CODE("\xc4\xe1\x71\xef\xc1"), UD(0) },
    { "hidden vzeroupper", CODE("\xb8\xc5\xf8\x77\x90\xc3"), 1, {}, UD(1) },
    { "andn", CODE("\xc4\xe2\x78\xf2\xc1"), UD(0) },
    { "shlx", CODE("\xc4\xe2\x79\xf7\xc1"), UD(0) },
    { "pdep", CODE("\xc4\xe2\x7b\xf5\xc1"), UD(0) },
    { "rorx", CODE("\xc4\xe3\x7b\xf0\xc1\x05"), UD(0) },
    { "EVEX vpaddd", CODE("\x62\xf1\x7d\x48\xfe\xc1"), UD(0) },
    { "XOP vprotd", CODE("\x8f\xe8\x78\xc2\xc1\x05"), UD(0) },
    { "clwb", CODE("\x66\x0f\xae\x34\x24"), UD(0) },
    { "movdiri", CODE("\x0f\x38\xf9\x04\x24"), UD(0) },
    { "femms", CODE("\x0f\x0e"), UD(0) },
    { "3DNow! pfadd", CODE("\x0f\x0f\xc1\x9e"), UD(0) },
    /* A prefix that older processors ignore. */
    { "lzcnt is bsr", CODE("\xf3\x0f\xbd\xc1\xc3"), 0, { .ecx = 0x10 }, .eax = 4, .guest_only = true },
    { "tzcnt is bsf", CODE("\xf3\x0f\xbc\xc1\xc3"), 0, { .ecx = 0x10 }, .eax = 4 },
    { "tzcnt of 0 leaves its operand",
      CODE("\xf3\x0f\xbc\xc1\xc3"),
      0,
      { .eax = 77 },
      .eax = 77,
      .guest_only = true },
    { "endbr32 is nop", CODE("\xf3\x0f\x1e\xfb\xc3"), 0, { .eax = 5 }, .eax = 5 },
    { "rdsspd is nop", CODE("\xf3\x0f\x1e\xc8\xc3"), 0, { .eax = 5 }, .eax = 5, .guest_only = true },
    { "xrelease is ignored", CODE("\xf3\x89\x44\x24\xf8\xc3"), 0, { .eax = 6 }, .eax = 6 },
    /* What it has. */
    { "cmov", CODE("\x0f\x45\xc1\xc3"), 0, { .ecx = 8, .eflags = 2 }, .eax = 8 },
    { "SSE2 pmuludq", CODE("\x6a\x03\x66\x0f\x6e\x04\x24\x66\x0f\xf4\xc0\x66\x0f\x7e\xc0\x59\xc3"),
      .eax = 9 },
    { "pause", CODE("\xf3\x90\xc3"), 0, { .eax = 5 }, .eax = 5 },
    { "long nop", CODE("\x0f\x1f\x44\x00\x00\xc3"), 0, { .eax = 5 }, .eax = 5 },
};

struct leaf {
    uint32_t eax, ebx, ecx, edx;
};

static struct leaf cpuid(uint32_t number)
{
    struct leaf l;
    __asm__ volatile("cpuid" : "=a"(l.eax), "=b"(l.ebx), "=c"(l.ecx), "=d"(l.edx) : "0"(number), "2"(0));
    return l;
}

static char text[4096];

static void read_cpuinfo(void)
{
    int file = (int)linux_call(NR_OPEN, "/proc/cpuinfo", 0, 0);
    long size = linux_call(NR_READ, file, text, sizeof(text) - 1);
    text[size > 0 ? size : 0] = 0;
    linux_call(NR_CLOSE, file);
}

static bool has_line(const char *key, const char *value)
{
    for (const char *p = text; *p; p++) {
        if ((p == text || p[-1] == '\n') && !memcmp(p, key, strlen(key))) {
            const char *colon = p;
            while (*colon && *colon != ':' && *colon != '\n')
                colon++;
            return *colon == ':' && !memcmp(colon + 2, value, strlen(value)) &&
                   colon[2 + strlen(value)] == '\n';
        }
    }
    return false;
}

static bool has_flag(const char *name)
{
    for (const char *p = text; *p; p++) {
        if (*p == ' ' && !memcmp(p + 1, name, strlen(name)) &&
            (p[1 + strlen(name)] == ' ' || p[1 + strlen(name)] == '\n'))
            return true;
    }
    return false;
}

static void check_identity(void)
{
    char vendor[13] = { 0 }, brand[49] = { 0 };
    const char *shown = brand;
    struct leaf l = cpuid(0);
    memcpy(vendor, &l.ebx, 4);
    memcpy(vendor + 4, &l.edx, 4);
    memcpy(vendor + 8, &l.ecx, 4);
    read_cpuinfo();
    check(has_line("vendor_id", vendor), "the vendor is the kernel's");
    if (cpuid(0x80000000).eax >= 0x80000004) {
        for (uint32_t i = 0; i < 3; i++) {
            l = cpuid(0x80000002 + i);
            memcpy(brand + i * 16, &l, 16);
        }
        while (*shown == ' ')
            shown++;
        check(has_line("model name", shown), GUEST_ONLY "the name is the kernel's");
    }
    l = cpuid(1);
    check_equal(l.edx >> 0 & 1, has_flag("fpu"), "fpu");
    check_equal(l.edx >> 4 & 1, has_flag("tsc"), "tsc");
    check_equal(l.edx >> 23 & 1, has_flag("mmx"), "mmx");
    check_equal(l.edx >> 25 & 1, has_flag("sse"), "sse");
    check_equal(l.edx >> 26 & 1, has_flag("sse2"), "sse2");
    check_equal(l.ecx & 1, has_flag("pni"), "SSE3");
    check_equal(l.ecx >> 28 & 1, has_flag("avx"), "AVX");
    check_equal(l.ecx >> 26 & 3, 0, GUEST_ONLY "no XSAVE");
    check_equal(l.ecx >> 31, 0, GUEST_ONLY "no hypervisor is announced");
}

static void check_stable(void)
{
    uint32_t wrong = 0;
    struct leaf first = cpuid(0);
    for (unsigned i = 0; i < scaled(500); i++) {
        struct leaf again = cpuid(0);
        wrong += memcmp(&first, &again, sizeof(first)) != 0;
    }
    check_equal(wrong, 0, "again and again the same");
}

static void check_time_stamps(void)
{
    uint32_t wrong = 0;
    uint64_t last = 0;
    for (unsigned i = 0; i < scaled(20000); i++) {
        uint64_t stamp;
        __asm__ volatile("rdtsc" : "=A"(stamp));
        wrong += stamp < last;
        last = stamp;
        if (i % 1000 == 0)
            linux_call(NR_SCHED_YIELD);
    }
    check_equal(wrong, 0, "the time stamp never goes back");
}

int program(void)
{
    uint8_t *page = map_memory(NULL, PAGE, PROT_RWX);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        run_row(&rows[i], page);
    check_identity();
    check_stable();
    check_time_stamps();
    return 0;
}
