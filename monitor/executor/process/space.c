/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * space.h by the host's system calls, and by a list for each process that has not its turn. Executor process.
 */
#include "space.h"

#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/mman.h>

#include "../../library/arena.h"
#include "channel.h"
#include "host.h"
#include "member.h"
#include "system_space.h"
#include "tlb.h"

/* Of this process. */
static struct {
    uint32_t self;
    bool forgetting;
} space;

void space_init(uint32_t self)
{
    space.self = self;
}

/* Note a change for a process that has not its turn. Those beside the last one are one change with it. */
static void note(struct vcpu *v, uint64_t at, uint64_t size, uint32_t rights)
{
    uint32_t *count = &v->members->member[v->member].change_count;
    struct member_change *change = v->members->member[v->member].change, *last = change + *count - 1;
    v->counts.space_changes++;
    if (*count > MEMBER_CHANGES_MAX)
        return;
    if (*count && last->rights == rights && last->at + last->size == at) {
        last->size += size;
        return;
    }
    if (*count < MEMBER_CHANGES_MAX)
        change[*count] = (struct member_change){ at, size, rights };
    ++*count;
}

static bool is_here(const struct vcpu *v)
{
    return v->member == space.self;
}

static int protection(unsigned rights)
{
    return (rights & SPACE_READ ? PROT_READ : 0) | (rights & SPACE_WRITE ? PROT_WRITE : 0) |
           (rights & SPACE_EXEC ? PROT_EXEC : 0);
}

int space_map(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights, enum space_file file,
              uint64_t offset, int key, bool populate)
{
    int fd = file == SPACE_RAM ? CHANNEL_FD_RAM : CHANNEL_FD_ARENA;
    uint64_t start = file == SPACE_RAM ? 0
                                       : offsetof(struct arena, code[0].private_page) +
                                             v->member * sizeof(struct code_cache);
    int flags = MAP_SHARED | MAP_FIXED | (populate ? MAP_POPULATE : 0);
    if (!is_here(v))
        return -EBUSY;
    v->counts.host_maps++;
    long result =
        host_call(__NR_mmap, (long)at, (long)size, protection(rights), flags, fd, (long)(start + offset));
    if (result < 0)
        return (int)result;
    int error = 0;
    if (key) {
        error = host_call_int(__NR_pkey_mprotect, (long)at, (long)size, protection(rights), key, 0, 0);
        if (error)
            space_unmap(v, at, size);
    }
    return error;
}

int space_prime(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    if (!is_here(v))
        return -EBUSY;
    v->counts.tlb_primes++;
    return tlb_prime(CHANNEL_FD_TLB, at, (uint8_t *)v->code->private_page + code_offset,
                     v->map.ram + ram_offset);
}

int space_map_faces(struct vcpu *v, uint32_t at, uint64_t code_offset, uint64_t ram_offset)
{
    v->counts.host_maps++;
    int result = tlb_map(CHANNEL_FD_TLB, at);
    if (result == 0)
        result = space_prime(v, at, code_offset, ram_offset);
    if (result < 0)
        space_unmap(v, at, 4096);
    return result;
}

void space_unmap(struct vcpu *v, uint64_t at, uint64_t size)
{
    if (space.forgetting)
        return;
    if (!is_here(v)) {
        note(v, at, size, 0);
        return;
    }
    v->counts.host_unmaps++;
    host_call(__NR_munmap, (long)at, (long)size, 0, 0, 0, 0);
}

void space_protect(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights)
{
    if (space.forgetting)
        return;
    if (!is_here(v)) {
        note(v, at, size, rights);
        return;
    }
    v->counts.host_protects++;
    host_call(__NR_mprotect, (long)at, (long)size, protection(rights), 0, 0, 0);
}

/* ---- Turns -----------------------------------------------------------------------------------------------
 */

static void unmap_everything(struct vcpu *v)
{
    enum { LOWEST = 1 << 16 }; /* below that nobody has anything */
    space_unmap(v, LOWEST, (UINT64_C(1) << 32) - LOWEST);
    for (unsigned i = 0; i < SYSTEM_SPACES; i++)
        space_unmap(v, SYSTEM_WINDOW(i), UINT64_C(1) << 32);
}

bool space_take_turn(struct vcpu *v)
{
    const struct member_change *change = v->members->member[space.self].change;
    uint32_t count = v->members->member[space.self].change_count;
    v->members->member[space.self].change_count = 0;
    if (count > MEMBER_CHANGES_MAX) {
        unmap_everything(v);
        v->counts.space_overflows++;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (change[i].rights)
            space_protect(v, change[i].at, change[i].size, change[i].rights);
        else
            space_unmap(v, change[i].at, change[i].size);
    }
    return true;
}

void space_forget(bool on)
{
    space.forgetting = on;
}
