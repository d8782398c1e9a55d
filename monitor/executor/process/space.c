/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * space.h by the host's system calls. Executor process.
 */
#include "space.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "../../library/arena.h"
#include "channel.h"
#include "host.h"
#include "tlb.h"

static int protection(unsigned rights)
{
    return (rights & SPACE_READ ? PROT_READ : 0) | (rights & SPACE_WRITE ? PROT_WRITE : 0) |
           (rights & SPACE_EXEC ? PROT_EXEC : 0);
}

int space_map(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights, enum space_file file,
              uint64_t offset, int key, bool populate)
{
    int fd = file == SPACE_RAM ? CHANNEL_FD_RAM : CHANNEL_FD_ARENA;
    uint64_t start = file == SPACE_RAM ? 0 : offsetof(struct arena, code.private_page);
    int flags = MAP_SHARED | MAP_FIXED | (populate ? MAP_POPULATE : 0);
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
    v->counts.host_unmaps++;
    host_call(__NR_munmap, (long)at, (long)size, 0, 0, 0, 0);
}

void space_protect(struct vcpu *v, uint64_t at, uint64_t size, unsigned rights)
{
    v->counts.host_protects++;
    host_call(__NR_mprotect, (long)at, (long)size, protection(rights), 0, 0, 0);
}
