/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * LDT entries for guest segments. A guest rarely has more than a handful of segments that are not flat; the
 * table is replaced round robin. Entries are data of this process and die with it. Executor process.
 * SDM 3A, "Segment Descriptors"; modify_ldt(2).
 */
#include "host_segments.h"

#include <asm/ldt.h>
#include <asm/unistd.h>

#include "code_cache.h"
#include "executor.h"
#include "host.h"

enum { LDT_FLAT = 1, LDT_FIRST = 2, LDT_COUNT = 128, LDT_READ_WRITE = 0x11 };

/* What an entry was made for. */
struct ldt_entry {
    uint32_t base, limit;
    uint16_t attr; /* X86_SEG_*; 0: free */
};

static struct {
    struct ldt_entry entry[LDT_COUNT];
    unsigned next;    /* to be replaced next */
    uint64_t written; /* times an entry was */
} ldt;

static uint16_t ldt_selector(unsigned entry)
{
    return (uint16_t)(entry << 3 | X86_SEL_TI | 3);
}

static bool ldt_write(struct vcpu *v, unsigned entry, const struct ldt_entry *e)
{
    bool code = e->attr & X86_SEG_CODE, pages = e->limit > 0xfffff;
    struct user_desc d = {
        .entry_number = entry,
        .base_addr = e->base,
        .limit = pages ? e->limit >> 12 : e->limit,
        .seg_32bit = !!(e->attr & X86_SEG_DB),
        .contents = code ? (e->attr & X86_SEG_C ? 3u : 2u) : (e->attr & X86_SEG_E ? 1u : 0u),
        /* Bit 1 of the type: data writable, code readable. */
        .read_exec_only = !(e->attr & X86_SEG_W),
        .limit_in_pages = pages,
        .useable = 1,
    };
    v->counts.ldt_loads++;
    ldt.written++;
    if (host_call_int(__NR_modify_ldt, LDT_READ_WRITE, (long)&d, sizeof(d), 0, 0, 0) != 0)
        return false;
    ldt.entry[entry] = *e;
    return true;
}

static uint16_t ldt_find(struct vcpu *v, const struct ldt_entry *e)
{
    for (unsigned i = LDT_FLAT; i < LDT_COUNT; i++) {
        const struct ldt_entry *have = &ldt.entry[i];
        if (have->attr == e->attr && have->base == e->base && have->limit == e->limit)
            return ldt_selector(i);
    }
    unsigned entry = LDT_FIRST + ldt.next;
    ldt.next = (ldt.next + 1) % (LDT_COUNT - LDT_FIRST);
    return ldt_write(v, entry, e) ? ldt_selector(entry) : 0;
}

enum { TYPE_BITS = X86_SEG_W | X86_SEG_E | X86_SEG_CODE | X86_SEG_DB | X86_SEG_P };

int host_segments_init(struct vcpu *v)
{
    const uint16_t attr = X86_SEG_W | X86_SEG_DB | X86_SEG_P;
    const struct ldt_entry flat = { .base = v->split.data_base, .limit = v->split.data_limit, .attr = attr };
    if (v->split.data_base == 0)
        return 0;
    return ldt_write(v, LDT_FLAT, &flat) ? 0 : -1;
}

uint64_t host_segments_written(void)
{
    return ldt.written + 1;
}

bool host_segments_unguarded(void)
{
    for (unsigned selector = 3; selector < 0x400; selector += 8) {
        uint32_t rights = 0;
        uint8_t valid;
        __asm__ volatile("lar %2, %0\n\tsetz %1" : "+r"(rights), "=qm"(valid) : "r"(selector) : "cc");
        bool code64 = valid && (rights & 0x1800) == 0x1800 && (rights & 0x200000); /* S, code; L */
        if (code64 && selector != HOST_CODE64)
            return true;
    }
    return false;
}

/* A data segment of the guest's; *base is set when the flat selector needs one. 0: accesses must fault. */
static uint16_t data_selector(struct vcpu *v, const struct segment *s, bool based, uint32_t *base)
{
    const struct split *split = &v->split;
    uint16_t type = s->attr & TYPE_BITS;
    if (s->unusable || !(s->attr & X86_SEG_P))
        return 0;
    bool flat = s->limit == 0xffffffffu && type == (X86_SEG_W | X86_SEG_DB | X86_SEG_P);
    if (flat && based) {
        *base = split_data(split, s->base);
        return HOST_FLAT_DATA;
    }
    if (flat && s->base == 0)
        return split->data_base ? ldt_selector(LDT_FLAT) : HOST_FLAT_DATA;
    if ((type & X86_SEG_CODE) && !(type & X86_SEG_R))
        return 0;
    /* A code segment loaded for reading: the same as a read-only data segment. */
    if (type & X86_SEG_CODE)
        type = (uint16_t)((type & X86_SEG_DB) | X86_SEG_P);
    const struct ldt_entry e = { .base = split_data(split, s->base), .limit = s->limit, .attr = type };
    return ldt_find(v, &e);
}

static uint16_t code_selector(struct vcpu *v, const struct segment *s)
{
    uint16_t type = s->attr & TYPE_BITS & (uint16_t)~X86_SEG_C; /* conforming makes no difference at CPL 3 */
    if (s->base == 0 && s->limit == 0xffffffffu && (type & X86_SEG_R))
        return HOST_CODE32;
    const struct ldt_entry e = { .base = s->base, .limit = s->limit, .attr = type };
    return ldt_find(v, &e);
}

bool host_segments(struct vcpu *v, struct native_segments *out)
{
    const struct segment *ss = &v->seg[X86_SS];
    uint32_t none;
    if (!(ss->attr & X86_SEG_DB))
        return false;
    out->cs = code_selector(v, &v->seg[X86_CS]);
    out->ss = data_selector(v, ss, false, &none);
    out->ds = data_selector(v, &v->seg[X86_DS], false, &none);
    /* String instructions add the base themselves, by snippets: with a segment base they are slow. */
    if (v->code->mode.bits & SCAN_ES_AT_ZERO)
        out->es = HOST_FLAT_DATA;
    else
        out->es = data_selector(v, &v->seg[X86_ES], false, &none);
    out->fs = data_selector(v, &v->seg[X86_FS], true, &out->fs_base);
    out->gs = data_selector(v, &v->seg[X86_GS], true, &out->gs_base);
    return out->cs && out->ss;
}
