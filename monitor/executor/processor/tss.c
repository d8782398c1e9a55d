/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the processor reads from the current TSS outside of task switches: inner stacks, the I/O permission
 * bitmap and the interrupt redirection bitmap. SDM 3A, "Task-State Segment (TSS)"; SDM 1, "I/O Permission
 * Bit Map"; SDM 3B, "Handling Software Interrupts in Virtual-8086 Mode". Executor side.
 */
#include "mem.h"
#include "segment.h"

void tss_inner_stack(struct vcpu *v, unsigned dpl, struct segment *ss, uint32_t *esp)
{
    const struct segment *tr = &v->tr;
    unsigned size = tss_is_32(tr) ? 4 : 2;
    uint32_t offset = size + dpl * 2 * size; /* after the back link, a pair for each level */

    /* The upper half of a 32-bit SSn is reserved and need not be there. */
    if (tr->unusable || offset + size + 1 > tr->limit)
        raise_selector(v, X86_TS, tr->selector);
    uint32_t new_esp = (uint32_t)mem_system_read(v, tr->base + offset, size);
    uint16_t selector = (uint16_t)mem_system_read(v, tr->base + offset + size, 2);
    seg_check_stack(v, selector, dpl, X86_TS, ss);
    *esp = new_esp;
}

/* Where the I/O map starts in the TSS; false: this TSS has none. */
static bool io_map_base(struct vcpu *v, uint32_t *offset)
{
    const struct segment *tr = &v->tr;

    if (tr->unusable || !tss_is_32(tr) || tr->limit < TSS32_LIMIT)
        return false;
    *offset = (uint32_t)mem_system_read(v, tr->base + TSS32_IOMAP, 2);
    return true;
}

/* Do the bitmap's bits for these ports allow access? Two bytes are always read, and must be inside. */
static bool bitmap_allows(struct vcpu *v, uint16_t port, unsigned size)
{
    uint32_t offset;

    if (!io_map_base(v, &offset))
        return false;
    offset += port / 8u;
    if (offset + 1 > v->tr.limit)
        return false;
    uint32_t bits = (uint32_t)mem_system_read(v, v->tr.base + offset, 2);
    return !(bits >> (port & 7) & ((1u << size) - 1));
}

void tss_check_io(struct vcpu *v, const struct uop *u, uint16_t port, unsigned size)
{
    if (!cpu_protected(v) || (!cpu_v86(v) && v->cpl <= cpu_iopl(v)))
        return;
    cpu_sync(v, u);
    if (!bitmap_allows(v, port, size))
        raise_error(v, NULL, X86_GP, 0);
    cpu_unsync(v, u);
}

bool tss_int_redirected(struct vcpu *v, uint8_t vector)
{
    uint32_t offset;

    /* The 32 bytes below the I/O map. */
    if (!io_map_base(v, &offset))
        raise_error(v, NULL, X86_GP, 0);
    offset = offset - 32 + vector / 8u;
    if (offset > v->tr.limit)
        raise_error(v, NULL, X86_GP, 0);
    return !(mem_system_read(v, v->tr.base + offset, 1) >> (vector & 7) & 1);
}
