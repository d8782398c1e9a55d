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
