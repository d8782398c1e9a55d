/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The low 4 GiB as a table: space.h without a host. Refuses what the executor must never ask for.
 */
#include <assert.h>
#include <errno.h>

#include "shadow_rig.h"

struct space space;

static void set_page(uint32_t page, struct space_page entry)
{
    struct space_page *p = &space.page[page];
    space.data_pages -= p->frame_plus_one && p->rights != (SPACE_READ | SPACE_EXEC);
    *p = entry;
    space.data_pages += p->frame_plus_one && p->rights != (SPACE_READ | SPACE_EXEC);
}

static void check_range(uint64_t at, uint64_t size)
{
    assert(at % 4096 == 0 && size % 4096 == 0 && size > 0 && at + size <= 1ull << 32);
}

int space_map(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights, enum space_file file,
              uint64_t offset, int key, bool populate)
{
    check_range(at, size);
    assert(key == 0 && populate);
    assert(file == SPACE_CODE
               ? rights == (SPACE_READ | SPACE_EXEC)
               : (rights & ~(unsigned)SPACE_WRITE) == SPACE_READ && offset + size <= v->map.ram_size);
    space.maps++;
    if (space.refuse_all || space.refuse - (at >> 12) < size >> 12)
        return -EPERM;
    for (uint32_t i = 0; i < size >> 12; i++) {
        /* What was there was to be unmapped first, as whoever had it there must know; but a page of data may
         * be replaced by another one (shadow_replace()). */
        const struct space_page *p = &space.page[(at >> 12) + i];
        assert(!p->frame_plus_one || (size == 4096 && file == SPACE_RAM && !(p->rights & SPACE_EXEC)));
        set_page((at >> 12) + i,
                 (struct space_page){ .frame_plus_one =
                                          file == SPACE_CODE ? UINT32_MAX : (uint32_t)(offset >> 12) + i + 1,
                                      .rights = (uint8_t)rights });
    }
    return 0;
}

int space_map_faces(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    (void)v, (void)at, (void)code_offset, (void)ram_offset;
    assert(!"no code is mapped here");
    return -1;
}

int space_prime(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    return space_map_faces(v, at, code_offset, ram_offset);
}

void space_unmap(struct vcpu *v, uint64_t at, uint64_t size)
{
    (void)v;
    check_range(at, size);
    space.unmaps++;
    for (uint32_t i = 0; i < size >> 12; i++) {
        assert(space.page[(at >> 12) + i].frame_plus_one);
        set_page((at >> 12) + i, (struct space_page){ .frame_plus_one = 0 });
    }
}

void space_protect(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights)
{
    (void)v;
    check_range(at, size);
    assert((rights & ~(unsigned)SPACE_WRITE) == SPACE_READ);
    space.protects++;
    for (uint32_t i = 0; i < size >> 12; i++) {
        struct space_page p = space.page[(at >> 12) + i];
        assert(p.frame_plus_one && !(p.rights & SPACE_EXEC) && p.rights != rights);
        p.rights = (uint8_t)rights;
        set_page((at >> 12) + i, p);
    }
}

unsigned space_runs(uint32_t first, uint32_t last)
{
    unsigned runs = 0;
    for (uint32_t page = first; page <= last; page++) {
        const struct space_page *p = &space.page[page];
        if (!p->frame_plus_one || (p->rights & SPACE_EXEC))
            continue;
        runs += page == 0 || p[-1].frame_plus_one + 1 != p->frame_plus_one || p[-1].rights != p->rights;
    }
    return runs;
}
