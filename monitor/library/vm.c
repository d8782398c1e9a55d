/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The VM object: its guest-physical memory map and the caller's access to it. Every byte of RAM and ROM
 * lives in the RAM file; a region says where. Library side. API: include/duplex86/duplex86.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define PA_LIMIT (64ull << 30)

int d86_vm_create(struct d86_vm **vm)
{
    struct d86_vm *new = aligned_alloc(_Alignof(struct d86_vm), sizeof(*new));
    error_clear();
    if (!new)
        return error_set(-ENOMEM, "out of memory");
    memset(new, 0, sizeof(*new));
    int result = arena_create(new);
    if (result < 0) {
        free(new);
        return result;
    }
    *vm = new;
    return 0;
}

void d86_vm_destroy(struct d86_vm *vm)
{
    if (!vm)
        return;
    carrier_stop(vm);
    arena_destroy(vm);
    free(vm);
}

/* ---- Memory map -------------------------------------------------------------------------------------------
 */

static int check_pages(uint64_t start, uint64_t size)
{
    if ((start | size) & 0xfff || size == 0)
        return error_set(-EINVAL, "a memory region starts and ends on a multiple of 4096");
    return 0;
}

static int check_range(const struct d86_vm *vm, uint64_t pa, uint64_t size)
{
    int result = check_pages(pa, size);
    if (result < 0)
        return result;
    if (pa >= PA_LIMIT || size > PA_LIMIT - pa)
        return error_set(-EINVAL, "guest-physical memory ends at 64 GiB");
    if (vm->map.count == D86_REGION_MAX)
        return error_set(-ENOSPC, "more than %d memory regions", D86_REGION_MAX);
    for (unsigned i = 0; i < vm->map.count; i++) {
        const struct region *r = &vm->map.region[i];
        if (pa < r->pa + r->size && r->pa < pa + size)
            return error_set(-EEXIST, "memory region at %#llx overlaps the one at %#llx",
                             (unsigned long long)pa, (unsigned long long)r->pa);
    }
    return 0;
}

/* Is there memory at all of [offset, offset + size)? */
static int check_memory(const struct d86_vm *vm, uint64_t offset, uint64_t size)
{
    if (offset > vm->ram_size || size > vm->ram_size - offset)
        return error_set(-ENOENT, "the virtual machine's memory has no %#llx bytes at %#llx",
                         (unsigned long long)size, (unsigned long long)offset);
    return 0;
}

static void insert_region(struct d86_vm *vm, struct region region)
{
    unsigned i = vm->map.count++;
    while (i > 0 && vm->map.region[i - 1].pa > region.pa) {
        vm->map.region[i] = vm->map.region[i - 1];
        i--;
    }
    vm->map.region[i] = region;
    vcpu_memory_changed(vm);
}

int d86_vm_add_memory(struct d86_vm *vm, uint64_t size, uint64_t *offset)
{
    error_clear();
    int result = check_pages(0, size);
    if (result < 0)
        return result;
    uint64_t end = vm->ram_size;
    if (size > UINT64_MAX - end)
        return error_set(-ENOMEM, "out of memory");
    result = arena_grow_ram(vm, end + size);
    if (result == 0)
        *offset = end;
    return result;
}

int d86_vm_map(struct d86_vm *vm, uint64_t pa, uint64_t offset, uint64_t size, bool read_only)
{
    error_clear();
    int result = check_range(vm, pa, size);
    if (result == 0)
        result = check_pages(offset, size);
    if (result == 0)
        result = check_memory(vm, offset, size);
    if (result < 0)
        return result;
    insert_region(vm, (struct region){ .pa = pa, .size = size, .offset = offset, .read_only = read_only });
    return 0;
}

static int add_backed(struct d86_vm *vm, uint64_t pa, uint64_t size, bool read_only, uint64_t *offset)
{
    error_clear();
    int result = check_range(vm, pa, size);
    if (result == 0)
        result = d86_vm_add_memory(vm, size, offset);
    return result < 0 ? result : d86_vm_map(vm, pa, *offset, size, read_only);
}

int d86_vm_add_ram(struct d86_vm *vm, uint64_t pa, uint64_t size)
{
    uint64_t offset;
    return add_backed(vm, pa, size, false, &offset);
}

int d86_vm_add_rom(struct d86_vm *vm, uint64_t pa, const void *data, uint64_t size)
{
    uint64_t offset;
    int result = add_backed(vm, pa, size, true, &offset);
    if (result == 0)
        memcpy(vm->map.ram + offset, data, size);
    return result;
}

static const struct region *region_at(const struct d86_vm *vm, uint64_t pa)
{
    for (unsigned i = 0; i < vm->map.count; i++) {
        const struct region *r = &vm->map.region[i];
        if (pa >= r->pa && pa - r->pa < r->size)
            return r;
    }
    return NULL;
}

int d86_vm_add_alias(struct d86_vm *vm, uint64_t pa, uint64_t pa_of, uint64_t size, bool read_only)
{
    error_clear();
    int result = check_range(vm, pa, size);
    if (result < 0)
        return result;
    const struct region *of = region_at(vm, pa_of);
    if ((pa_of & 0xfff) || !of || size > of->size - (pa_of - of->pa))
        return error_set(-ENOENT, "no memory region holds %#llx bytes at %#llx", (unsigned long long)size,
                         (unsigned long long)pa_of);
    insert_region(vm, (struct region){ .pa = pa,
                                       .size = size,
                                       .offset = of->offset + (pa_of - of->pa),
                                       .read_only = read_only || of->read_only });
    return 0;
}

int d86_vm_remove(struct d86_vm *vm, uint64_t pa)
{
    error_clear();
    for (unsigned i = 0; i < vm->map.count; i++) {
        if (vm->map.region[i].pa != pa)
            continue;
        vm->map.count--;
        memmove(&vm->map.region[i], &vm->map.region[i + 1], (vm->map.count - i) * sizeof(vm->map.region[0]));
        vcpu_memory_changed(vm);
        return 0;
    }
    return error_set(-ENOENT, "no memory region starts at %#llx", (unsigned long long)pa);
}

/* ---- The caller's access
 * ------------------------------------------------------------------------------------ */

/* Is all of [pa, pa+size) RAM or ROM? */
static int check_backed(const struct d86_vm *vm, uint64_t pa, size_t size)
{
    while (size) {
        const struct region *r = region_at(vm, pa);
        if (!r)
            return error_set(-EFAULT, "no memory at guest-physical %#llx", (unsigned long long)pa);
        uint64_t n = r->size - (pa - r->pa);
        n = n < size ? n : size;
        pa += n;
        size -= n;
    }
    return 0;
}

/* One piece within a page at a time, so that cached code can be looked up by frame. */
static size_t piece(const struct d86_vm *vm, uint64_t pa, size_t size, const struct region **r,
                    uint64_t *offset)
{
    *r = region_at(vm, pa);
    *offset = (*r)->offset + (pa - (*r)->pa);
    size_t n = 4096 - (pa & 0xfff);
    return n < size ? n : size;
}

/* The executor drops what it has cached from there before it runs again. Adjacent writes become one note. */
static void note_write(struct d86_vm *vm, uint64_t offset, size_t size)
{
    struct channel *c = &vm->arena->channel;
    struct channel_write *last = &vm->noted.last;
    uint64_t frame = offset >> 12;
    uint16_t start = (uint16_t)(offset & 0xfff);
    if (vm->noted.count > CHANNEL_WRITES_MAX)
        return;
    if (vm->noted.count > 0 && last->frame == frame && last->offset + last->size == start) {
        last->size = (uint16_t)(last->size + size);
    } else {
        *last = (struct channel_write){ frame, start, (uint16_t)size };
        vm->noted.count++;
    }
    if (vm->noted.count <= CHANNEL_WRITES_MAX)
        c->write[vm->noted.count - 1] = *last;
    c->write_count = vm->noted.count;
}

int d86_vm_read(struct d86_vm *vm, uint64_t pa, void *data, size_t size)
{
    error_clear();
    int result = check_backed(vm, pa, size);
    for (uint8_t *to = data; result == 0 && size;) {
        const struct region *r;
        uint64_t offset;
        size_t n = piece(vm, pa, size, &r, &offset);
        memcpy(to, vm->map.ram + offset, n);
        to += n, pa += n, size -= n;
    }
    return result;
}

int d86_vm_write(struct d86_vm *vm, uint64_t pa, const void *data, size_t size)
{
    error_clear();
    int result = check_backed(vm, pa, size);
    for (const uint8_t *from = data; result == 0 && size;) {
        const struct region *r;
        uint64_t offset;
        size_t n = piece(vm, pa, size, &r, &offset);
        if (!r->read_only) {
            memcpy(vm->map.ram + offset, from, n);
            note_write(vm, offset, n);
        }
        from += n, pa += n, size -= n;
    }
    return result;
}

int d86_vm_store(struct d86_vm *vm, uint64_t offset, const void *data, size_t size)
{
    error_clear();
    int result = check_memory(vm, offset, size);
    for (const uint8_t *from = data; result == 0 && size;) {
        size_t left = 4096 - (offset & 0xfff), n = left < size ? left : size;
        memcpy(vm->map.ram + offset, from, n);
        note_write(vm, offset, n);
        from += n, offset += n, size -= n;
    }
    return result;
}

/* Is all of [pa, pa+size) RAM that the guest can write? */
static int check_writable(const struct d86_vm *vm, uint64_t pa, uint64_t size)
{
    if ((pa | size) & 0xfff || size > PA_LIMIT)
        return error_set(-EINVAL, "memory is given back in pages of 4096 bytes");
    while (size) {
        const struct region *r = region_at(vm, pa);
        if (!r || r->read_only)
            return error_set(-EFAULT, "no RAM at guest-physical %#llx", (unsigned long long)pa);
        uint64_t n = r->size - (pa - r->pa);
        n = n < size ? n : size;
        pa += n;
        size -= n;
    }
    return 0;
}

/* Most memory is no code: where nothing is cached from there is nothing to tell, and it may be all there is.
 */
static void note_discard(struct d86_vm *vm, uint64_t offset, uint64_t size)
{
    for (uint64_t frame = offset >> 12; frame < (offset + size) >> 12; frame++) {
        const struct code_frame *f = &vm->arena->code_frame[frame];
        if (f->granules || f->private_head || f->translated_head)
            note_write(vm, frame << 12, 4096);
    }
}

/* Pages taken out of the file are gone from all its mappings, those of executor processes too. */
int d86_vm_discard(struct d86_vm *vm, uint64_t pa, uint64_t size)
{
    error_clear();
    int result = check_writable(vm, pa, size);
    while (result == 0 && size) {
        const struct region *r = region_at(vm, pa);
        uint64_t offset = r->offset + (pa - r->pa), n = r->size - (pa - r->pa);
        n = n < size ? n : size;
        if (fallocate(vm->ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n) < 0)
            return error_set(-errno, "the host does not take memory back: %s", strerror(errno));
        note_discard(vm, offset, n);
        pa += n;
        size -= n;
    }
    return result;
}

const void *d86_vm_memory(struct d86_vm *vm, uint64_t offset, uint64_t size)
{
    error_clear();
    return check_memory(vm, offset, size) < 0 ? NULL : vm->map.ram + offset;
}
