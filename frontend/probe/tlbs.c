/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What CPUID says of the TLBs for pages of 4 KiB: whether instruction fetches and data share a level. AMD APM
 * 3, "CPUID", functions 8000_0005h and 8000_0006h; SDM 2A, "CPUID", leaf 18h. Older Intel processors tell by
 * numbers in leaf 2, which are not looked up here. docs/split-tlb.md says why that is of interest.
 */
#include "probe.h"

#include <cpuid.h>
#include <stdio.h>

/* Types of leaf 18h, EDX bits 4..0. */
enum { TLB_NONE, TLB_DATA, TLB_CODE, TLB_UNIFIED, TLB_LOAD, TLB_STORE };

static gboolean amd(char *text, size_t size)
{
    unsigned a, b, c, d, e;
    if (!__get_cpuid(0x80000005, &a, &e, &c, &d) || !__get_cpuid(0x80000006, &a, &b, &c, &d) || !(e & 0xff) ||
        !(e >> 16 & 0xff))
        return FALSE;
    snprintf(text, size, "first level %u for fetches, %u for data; second level %u, %u", e & 0xff,
             e >> 16 & 0xff, b & 0xfff, b >> 16 & 0xfff);
    return TRUE;
}

static const char *purpose(unsigned type)
{
    static const char *const names[] = { [TLB_DATA] = "for data",
                                         [TLB_CODE] = "for fetches",
                                         [TLB_UNIFIED] = "for both",
                                         [TLB_LOAD] = "for loads",
                                         [TLB_STORE] = "for stores" };
    return type < G_N_ELEMENTS(names) && names[type] ? names[type] : "of a kind not known here";
}

static gboolean intel(char *text, size_t size)
{
    unsigned a, b, c, d, last;
    size_t used = 0;
    if (__get_cpuid_max(0, NULL) < 0x18)
        return FALSE;
    __cpuid_count(0x18, 0, last, b, c, d);
    for (unsigned i = 0; i <= last && i < 32 && used < size; i++) {
        __cpuid_count(0x18, i, a, b, c, d);
        if ((d & 31) != TLB_NONE && (b & 1)) /* 4 KiB pages */
            used += (size_t)snprintf(text + used, size - used, "%slevel %u: %u %s", used ? "; " : "",
                                     d >> 5 & 7, (b >> 16) * c, purpose(d & 31));
    }
    return used > 0;
}

void probe_tlbs(struct facts *f)
{
    char text[256];
    if (!amd(text, sizeof(text)) && !intel(text, sizeof(text)))
        g_strlcpy(text, "CPUID does not say", sizeof(text));
    facts_text(f, "tlbs", "TLB entries for 4 KiB pages", text);
}
