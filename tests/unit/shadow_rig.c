/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See shadow_rig.h. Stands in for the executor's other files, as far as shadow paging calls them.
 */
#define _GNU_SOURCE
#include "shadow_rig.h"
#include "news.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct rig rig;

/* ---- The vCPU ------------------------------------------------------------------------------------ */

/* Zeroed memory that costs nothing until it is touched. */
static void *sparse(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(p != MAP_FAILED);
    return p;
}

void rig_open(uint64_t ram)
{
    static struct shadow shadow;
    static struct code_cache code; /* only the place of its nexus is looked at */
    struct vcpu *v = &rig.v;
    uint64_t rom = ram, high = ram + RIG_ROM_SIZE;
    rig.ram_size = high + RIG_ROM_SIZE;
    rig.ram_fd = memfd_create("ram", MFD_CLOEXEC);
    assert(rig.ram_fd >= 0 && ftruncate(rig.ram_fd, (off_t)rig.ram_size) == 0);
    v->map = (struct memory_map){
        .count = 4,
        .region = { { .pa = 0, .size = ram },
                    { .pa = RIG_ROM, .size = RIG_ROM_SIZE, .offset = rom, .read_only = true },
                    { .pa = RIG_ROM_TOP, .size = RIG_ROM_SIZE, .offset = rom, .read_only = true },
                    { .pa = RIG_HIGH, .size = RIG_ROM_SIZE, .offset = high } },
        .ram = mmap(NULL, rig.ram_size, PROT_READ | PROT_WRITE, MAP_SHARED, rig.ram_fd, 0),
        .ram_size = rig.ram_size,
    };
    assert(v->map.ram != MAP_FAILED);
    v->pa_mask = (1ull << 36) - 1;
    v->cr0 = X86_CR0_PE;
    v->cpl = 3;
    v->code_frame = sparse((rig.ram_size >> 12) * sizeof(struct code_frame));
    memset(&shadow, 0, sizeof(shadow));
    v->shadow = &shadow;
    v->code = &code;
    code.nexus = 0;
    shadow_init(&shadow, 0, sparse(SHADOW_PAGES * sizeof(struct shadow_page)),
                sparse((rig.ram_size >> 12) * sizeof(uint32_t)));
    rig_split(D86_SPLIT_SEGMENT);
}

void rig_close(void)
{
    struct vcpu *v = &rig.v;
    munmap(v->shadow->page, SHADOW_PAGES * sizeof(struct shadow_page));
    munmap(v->shadow->frame_head, (rig.ram_size >> 12) * sizeof(uint32_t));
    munmap(v->code_frame, (rig.ram_size >> 12) * sizeof(struct code_frame));
    munmap(v->map.ram, rig.ram_size);
    close(rig.ram_fd);
    memset(&rig, 0, sizeof(rig));
}

void rig_split(enum d86_split provider)
{
    rig.v.split = (struct split){ .provider = (uint8_t)provider, .data_limit = 0xffffffff };
    rig.v.split.visible = provider == D86_SPLIT_NONE;
    if (provider == D86_SPLIT_SEGMENT) {
        rig.v.split.data_base = 0x40000000;
        rig.v.split.data_limit = 0xbfffffff;
    }
}

/* ---- Page tables --------------------------------------------------------------------------------- */

void rig_paging_32(unsigned tables)
{
    uint32_t *root = (uint32_t *)(rig.v.map.ram + RIG_ROOT);
    for (unsigned i = 0; i < tables; i++)
        root[i] = (RIG_TABLES + i * 4096) | P | W | U | A;
    rig.v.cr0 |= X86_CR0_PG;
    rig.v.cr4 |= X86_CR4_PSE;
    rig.v.cr3 = RIG_ROOT;
}

uint32_t *rig_entry_32(guest_la la)
{
    return (uint32_t *)(rig.v.map.ram + RIG_TABLES) + (la >> 12);
}

void rig_set_32(guest_la la, uint32_t entry)
{
    *rig_entry_32(la) = entry;
}

/* ---- Private pages ------------------------------------------------------------------------------- */

static unsigned find_code(guest_la la)
{
    unsigned i = 0;
    while (i < rig.code_count && rig.code[i].la != (la & ~0xfffu))
        i++;
    return i;
}

void code_data_comes(struct vcpu *v, uint32_t host_la)
{
    (void)v, (void)host_la;
}

struct code_page *code_page_at(struct vcpu *v, guest_la la)
{
    static struct code_page found;
    assert(v == &rig.v);
    return find_code(la) < rig.code_count ? &found : NULL;
}

void rig_make_code(guest_la la, uint64_t frame)
{
    struct vcpu *v = &rig.v;
    unsigned i = find_code(la);
    if (i < rig.code_count)
        rig_drop_code(i);
    if (rig.code_count == sizeof(rig.code) / sizeof(rig.code[0]))
        rig_drop_code(0);
    shadow_drop_page(v, v->shadow, split_guest(&v->split, la));
    if (space_map(v, la & ~0xfffu, 4096, SPACE_READ | SPACE_EXEC, SPACE_CODE, 0, 0, true) < 0)
        return;
    rig.code[rig.code_count].la = la & ~0xfffu;
    rig.code[rig.code_count++].frame = frame;
    v->code_frame[frame].private_head++;
    shadow_protect_frame(v, v->shadow, frame);
}

void rig_drop_code(unsigned index)
{
    space_unmap(&rig.v, rig.code[index].la, 4096);
    rig.v.code_frame[rig.code[index].frame].private_head--;
    rig.code[index] = rig.code[--rig.code_count];
}

void code_unmap_page(struct vcpu *v, guest_la la)
{
    assert(v == &rig.v);
    unsigned i = find_code(la);
    if (i < rig.code_count)
        rig_drop_code(i);
}

bool code_yield_frame(struct vcpu *v, uint64_t frame)
{
    rig.yields++;
    if (!rig.yield)
        return false;
    for (unsigned i = rig.code_count; i-- > 0;)
        if (rig.code[i].frame == frame)
            rig_drop_code(i);
    v->code_frame[frame].granules = 0;
    return true;
}

/* The guest's own page tables may be code; what it does about that is not the shadow's business. */
void translation_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    (void)v, (void)frame, (void)offset, (void)size;
}

void code_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    assert(v == &rig.v && frame < rig.ram_size >> 12 && offset + size <= 4096);
}

void block_written(struct vcpu *v, uint64_t frame, unsigned offset, unsigned size)
{
    code_written(v, frame, offset, size);
}

/* ---- What is linked but never reached ------------------------------------------------------------ */

void exec_trace_write(struct vcpu *v, enum exec_trace_event event, uint32_t a, uint32_t b, uint32_t c,
                      uint32_t d)
{
    (void)v, (void)event, (void)a, (void)b, (void)c, (void)d;
    abort(); /* no trace ring: v->trace is NULL */
}

void raise_error(struct vcpu *v, const struct uop *u, uint8_t vector, uint32_t error)
{
    (void)v, (void)u, (void)vector, (void)error;
    abort(); /* only paging_fetch() and paging_fault() raise */
}
