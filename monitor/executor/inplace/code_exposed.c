/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Code that data accesses can reach. Under the split `segment` the host address of code at or above data_base
 * is also that of the data page `data_base` below it, and without a protection key the processor would let
 * data accesses read the private page. So such code is native only while the guest's tables have nothing far
 * and wide around that data page; as soon as they have, it is the interpreter's. What remains is an access to
 * a page there that is the guest's first in 64 MiB around: docs/scan-before-execute.md, "Two faces of a
 * page". Executor side.
 */
#include "code_private.h"
#include "paging.h"

enum {
    REGION_SHIFT = 22,
    REGIONS = 1 << (32 - REGION_SHIFT),
    DISTANCE = 16, /* regions: 64 MiB */
};

static bool is_exposed(const struct vcpu *v, guest_la address)
{
    return v->split.provider == D86_SPLIT_SEGMENT && !v->split.code_key_used && address >= v->split.data_base;
}

/* Do the guest's tables have any page of CPL 3's in a region, or could they without a new directory entry? */
static bool region_is_used(const struct vcpu *v, uint32_t region)
{
    guest_la la = region << REGION_SHIFT, last = la + ((1u << REGION_SHIFT) - 1);
    struct paging_span span;

    for (;;) {
        paging_span(v, la, &span);
        if (!(~span.rights & (X86_PTE_P | X86_PTE_U)))
            return true;
        if (span.last >= last)
            return false;
        la = span.last + 1;
    }
}

bool code_may_stand(const struct vcpu *v, guest_la address)
{
    uint32_t region = split_guest(&v->split, address) >> REGION_SHIFT;

    if (!is_exposed(v, address))
        return true;
    for (uint32_t i = 0; i <= 2 * DISTANCE; i++) {
        if (region_is_used(v, (region + i - DISTANCE) % REGIONS))
            return false;
    }
    return true;
}

void code_note_exposed(struct vcpu *v, guest_la address, int change)
{
    uint32_t region = address >> REGION_SHIFT;

    if (!is_exposed(v, address))
        return;
    for (uint32_t i = 0; i <= 2 * DISTANCE; i++)
        v->code->exposed_near[(region + i - DISTANCE) % REGIONS] += (uint16_t)change;
}

void code_data_comes(struct vcpu *v, uint32_t host_la)
{
    struct code_cache *c = v->code;
    uint32_t region = host_la >> REGION_SHIFT;

    if (likely(!c->exposed_near[region]))
        return;
    for (uint32_t i = 0; i < c->mapping_count; i++) {
        const struct code_mapping *m = &c->mapping[i];
        uint32_t apart = ((m->address >> REGION_SHIFT) + DISTANCE - region) % REGIONS;

        if (is_exposed(v, m->address) && apart <= 2 * DISTANCE)
            c->page[m->slot].leaving = true;
    }
    v->counts.code_conflicts += code_unmap_leaving(v);
}
