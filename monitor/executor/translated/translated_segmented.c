/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segmented code: which of it is translated, in which space, and what its forms find in struct vcpu. Limits
 * are checked by loads from a table behind which nothing is mapped (translator/generate/segment_memory.c): a
 * pointer leads so far before its end as the segment is long. Executor process.
 */
#include "translated.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "executor.h"
#include "host.h"
#include "system_space.h"
#include "translation.h"

/* ---- The table ----------------------------------------------------------------------------------------- */

/* 8 GiB behind the windows; nothing is mapped in the 4 GiB that follow either. */
#define TABLE     (NOTHING_BASE + (UINT64_C(2) << 32))
#define TABLE_END (TABLE + GEN_LIMIT_MAX)

int translated_segmented_init(void)
{
    long at = host_call(__NR_mmap, (long)TABLE, GEN_LIMIT_MAX, PROT_READ,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
    return at == (long)TABLE ? 0 : -1;
}

/* By which exactly what is at or below this offset can be read. */
static uint64_t limit_pointer(uint32_t max)
{
    return TABLE_END - ((uint64_t)max + 1);
}

/* ---- Segments ------------------------------------------------------------------------------------------ */

static bool is_open(const struct segment *s)
{
    return s->readable && s->writable && s->min == 0;
}

/* Can everything up to the window's end be accessed? What lies behind that faults by itself. */
static bool reaches_the_end(const struct segment *s)
{
    return is_open(s) && s->base + s->max == UINT32_MAX;
}

/* In real mode and virtual-8086 mode all segments are alike, and loads do not change how. */
static enum gen_segment kind_real(const struct segment *s)
{
    if (!is_open(s) || s->max < 0xffff)
        return GEN_SEGMENT_CLOSED;
    return s->max == UINT32_MAX ? GEN_SEGMENT_4G : GEN_SEGMENT_64K;
}

/* In protected mode another descriptor should not make another space, so limits are the context's. */
static enum gen_segment kind_protected(const struct segment *s)
{
    if (is_open(s) && s->max == UINT32_MAX)
        return s->base ? GEN_SEGMENT_WRAPS : GEN_SEGMENT_FLAT;
    if (reaches_the_end(s))
        return GEN_SEGMENT_4G;
    if (!s->readable && !s->writable)
        return GEN_SEGMENT_LIMITED;
    return s->min == 0 && s->max < GEN_LIMIT_MAX ? GEN_SEGMENT_LIMITED : GEN_SEGMENT_CLOSED;
}

/* ---- When ---------------------------------------------------------------------------------------------- */

/* Code that uses a segment of which nothing is known all the time is better interpreted. */
static bool segments_known(const struct vcpu *v)
{
    bool real = cpu_real_segments(v);
    static const uint8_t used[] = { X86_SS, X86_DS, X86_ES };
    for (unsigned i = 0; i < sizeof(used); i++) {
        const struct segment *s = &v->seg[used[i]];
        if ((real ? kind_real(s) : kind_protected(s)) == GEN_SEGMENT_CLOSED)
            return false;
    }
    return true;
}

/* 32-bit code of a program that is not mapped in place, and comes often enough. */
static bool is_visitor(const struct vcpu *v)
{
    const struct visitor *visitor = &v->sbe.visitor;
    return visitor->credit > 0 && visitor->cr3 == v->cr3 && !cpu_v86(v);
}

/* At CPL 3, what cannot be executed in place: 16-bit code; and what is not at the moment. */
static bool is_for_user(const struct vcpu *v)
{
    bool aligned = (v->cr0 & X86_CR0_AM) && (v->eflags & X86_AC);
    return v->cpl == 3 && (!(v->mode & MODE_CODE32) || is_visitor(v)) && !aligned;
}

bool translated_segmented_possible(const struct vcpu *v)
{
    if (v->cpl != 0 && !is_for_user(v))
        return false;
    return cpu_v86(v) || segments_known(v);
}

/* As one number: they are compared in a moment. */
static void describe_segments(const struct vcpu *v, struct gen_segmented *s, bool real)
{
    uint64_t kinds = 0;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        enum gen_segment kind = cpu_v86(v) ? GEN_SEGMENT_64K
                                : real     ? kind_real(&v->seg[i])
                                           : kind_protected(&v->seg[i]);
        kinds |= (uint64_t)kind << 8 * i;
    }
    __builtin_memcpy(s->segment, &kinds, sizeof(s->segment));
}

static void describe(const struct vcpu *v, struct translation_space *space)
{
    const struct segment *cs = &v->seg[X86_CS];
    struct gen_segmented *s = &space->segmented;
    bool real = cpu_real_segments(v);
    *space = (struct translation_space){ .own = v->cpl == 3 && (v->mode & MODE_CODE32) };
    space->cr3 = space->own ? v->cr3 : 0;
    space->user = v->cpl == 3;
    space->flags = v->cpl == 0 || (v->eflags & X86_IOPL) == X86_IOPL;
    s->code32 = v->mode & MODE_CODE32;
    s->stack32 = v->mode & MODE_STACK32;
    s->base = cs->base;
    s->limit = cs->limit;
    s->real = real && cs->limit != UINT32_MAX; /* else a load may make all segments flat */
    s->far = s->real && cs->limit == 0xffff && cs->base == (uint32_t)cs->selector << 4;
    s->interrupts =
        s->far && !cpu_protected(v) && v->idt.base == 0 && v->idt.limit >= 0x3ff && !(v->eflags & X86_AC);
    s->returns = s->far && space->flags && !v->nmi_blocked;
    describe_segments(v, s, real);
}

/* For GEN_SEGMENT_LIMITED. */
static void prepare_limits(struct translated *t, const struct segment *s, unsigned i)
{
    bool known = s->min == 0 && s->max < GEN_LIMIT_MAX;
    t->limit_read[i] = known && s->readable ? limit_pointer(s->max) : NOTHING_BASE;
    t->limit_write[i] = known && s->readable && s->writable ? limit_pointer(s->max) : NOTHING_BASE;
}

void translated_segmented_prepare(struct vcpu *v)
{
    struct translated *t = &v->translated;
    struct translation_space space;
    describe(v, &space);
    translation_choose_space(v, &space);
    t->space_key = translation_space_key(v->translation, v->translation->space_now);
    t->group_key = translation_group_key(v->translation, v->translation->space_now);
    t->code_base = space.segmented.base;
    t->fs_window = limit_pointer(0xffff);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        t->place[i] = t->window + v->seg[i].base;
        if (space.segmented.segment[i] == GEN_SEGMENT_LIMITED)
            prepare_limits(t, &v->seg[i], i);
    }
}
