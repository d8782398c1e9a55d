/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sets up a VM's shared memory: two files without names (memfd), mapped at the fixed places arena.h draws.
 * Library side.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static bool slot_used[ARENA_SLOTS];

static void *slot_address(unsigned slot, uint64_t offset)
{
    return (void *)(uintptr_t)(ARENA_BASE + slot * ARENA_SLOT_SIZE + offset);
}

/* Claim a slot nobody uses and reserve its address space. */
static int slot_claim(unsigned *slot)
{
    int result = error_set(-EAGAIN, "this process has %d virtual machines already", ARENA_SLOTS);
    pthread_mutex_lock(&slots_lock);
    for (unsigned i = 0; i < ARENA_SLOTS; i++) {
        if (slot_used[i])
            continue;
        void *at = slot_address(i, 0);
        void *p = mmap(at, ARENA_SLOT_SIZE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (p == at) {
            slot_used[i] = true;
            *slot = i;
            error_clear();
            result = 0;
            break;
        }
        if (p != MAP_FAILED)
            munmap(p, ARENA_SLOT_SIZE); /* a kernel before 4.17 takes the address as a hint */
        result = error_set(-ENOMEM,
                           "cannot reserve %llu GiB of address space at %p: %s (is there a limit on "
                           "virtual memory, see ulimit -v?)",
                           (unsigned long long)(ARENA_SLOT_SIZE >> 30), at, strerror(errno));
    }
    pthread_mutex_unlock(&slots_lock);
    return result;
}

static void slot_release(unsigned slot)
{
    pthread_mutex_lock(&slots_lock);
    munmap(slot_address(slot, 0), ARENA_SLOT_SIZE);
    slot_used[slot] = false;
    pthread_mutex_unlock(&slots_lock);
}

static int file_create(const char *name, uint64_t size, int *fd)
{
    *fd = memfd_create(name, MFD_CLOEXEC);
    if (*fd < 0)
        return error_set(-errno, "cannot create a memory file: %s", strerror(errno));
    if (ftruncate(*fd, (off_t)size) < 0) {
        int error = errno;
        close(*fd);
        return error_set(-error, "cannot give a memory file %llu MiB: %s", (unsigned long long)(size >> 20),
                         strerror(error));
    }
    return 0;
}

static int map_at(void *at, uint64_t size, int protection, int fd, uint64_t offset)
{
    void *p = mmap(at, size, protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset);
    if (p == MAP_FAILED)
        return error_set(-errno, "cannot map %llu MiB of shared memory%s: %s",
                         (unsigned long long)(size >> 20), protection & PROT_EXEC ? " as executable" : "",
                         strerror(errno));
    return 0;
}

int arena_create(struct d86_vm *vm)
{
    int result = slot_claim(&vm->slot);
    if (result < 0)
        return result;
    result = file_create("duplex86-arena", sizeof(struct arena), &vm->arena_fd);
    if (result < 0)
        goto release_slot;
    result = file_create("duplex86-ram", 0, &vm->ram_fd);
    if (result < 0)
        goto close_arena;
    vm->arena = slot_address(vm->slot, 0);
    result = map_at(vm->arena, sizeof(struct arena), PROT_READ | PROT_WRITE, vm->arena_fd, 0);
    if (result < 0)
        goto close_ram;
    vm->arena->native = (struct native_pool){
        .code = vm->arena->native_code,
        .text = slot_address(vm->slot, ARENA_TEXT_OFFSET),
        .slots = ARENA_NATIVE_SLOTS,
    };
    vm->map.ram = slot_address(vm->slot, ARENA_RAM_OFFSET);
    return 0;

close_ram:
    close(vm->ram_fd);
close_arena:
    close(vm->arena_fd);
release_slot:
    slot_release(vm->slot);
    return result;
}

void arena_destroy(struct d86_vm *vm)
{
    close(vm->ram_fd);
    close(vm->arena_fd);
    slot_release(vm->slot);
}

int arena_map_text(struct d86_vm *vm)
{
    return map_at(slot_address(vm->slot, ARENA_TEXT_OFFSET), sizeof(vm->arena->native_code),
                  PROT_READ | PROT_EXEC, vm->arena_fd, offsetof(struct arena, native_code));
}

int arena_grow_ram(struct d86_vm *vm, uint64_t size)
{
    if (size > ARENA_RAM_MAX)
        return error_set(-ENOMEM, "a virtual machine has at most %llu GiB of memory",
                         (unsigned long long)(ARENA_RAM_MAX >> 30));
    if (ftruncate(vm->ram_fd, (off_t)size) < 0)
        return error_set(-errno, "cannot give the guest %llu MiB of memory: %s",
                         (unsigned long long)(size >> 20), strerror(errno));
    int result = map_at(vm->map.ram, size, PROT_READ | PROT_WRITE, vm->ram_fd, 0);
    if (result < 0)
        return result;
    /* Fewer host TLB misses where the host allows huge pages for shared memory; no harm where it does not. */
    (void)madvise(vm->map.ram, size, MADV_HUGEPAGE);
    vm->ram_size = size;
    vm->map.ram_size = size;
    return 0;
}

bool d86_vm_next_written(struct d86_vm *vm, uint64_t offset, uint64_t end, uint64_t *from, uint64_t *to)
{
    end = end < vm->ram_size ? end : vm->ram_size;
    if (offset >= end)
        return false;
    off_t data = lseek(vm->ram_fd, (off_t)offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return false; /* holes up to the end */
    off_t hole = data < 0 ? -1 : lseek(vm->ram_fd, data, SEEK_HOLE);
    /* A host that cannot tell: all of it may be. */
    *from = data < 0 ? offset : (uint64_t)data;
    *to = hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
    return *from < end;
}
