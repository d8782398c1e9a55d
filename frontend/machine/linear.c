/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linear to physical addresses. SDM 3A, "32-Bit Paging" and "PAE Paging"; rights do not matter here.
 */
#include "linear.h"

enum { CR4_PSE = 1 << 4, CR4_PAE = 1 << 5, PTE_P = 1 << 0, PDE_PS = 1 << 7 };

#define CR0_PG   UINT32_C(0x80000000)
#define FRAME_36 UINT64_C(0x0000000ffffff000) /* a PAE entry's frame, to 36 bits as the processor has */

static bool read_entry(struct d86_vm *vm, uint64_t pa, size_t size, uint64_t *entry)
{
    *entry = 0;
    return d86_vm_read(vm, pa, entry, size) == 0 && (*entry & PTE_P);
}

static bool walk_32(struct d86_vm *vm, const struct d86_sregs *sregs, uint32_t la, uint64_t *pa)
{
    uint64_t entry;
    if (!read_entry(vm, (sregs->cr3 & 0xfffff000u) + (la >> 22) * 4, 4, &entry))
        return false;
    if ((entry & PDE_PS) && (sregs->cr4 & CR4_PSE)) {
        /* PSE-36: bits 13..16 are the frame's bits 32..35. */
        *pa = (entry & 0xffc00000u) | (entry >> 13 & 0xf) << 32 | (la & 0x3fffff);
        return true;
    }
    if (!read_entry(vm, (entry & 0xfffff000u) + (la >> 12 & 0x3ff) * 4, 4, &entry))
        return false;
    *pa = (entry & 0xfffff000u) | (la & 0xfff);
    return true;
}

static bool walk_pae(struct d86_vm *vm, const struct d86_sregs *sregs, uint32_t la, uint64_t *pa)
{
    uint64_t entry;
    if (!read_entry(vm, (sregs->cr3 & 0xffffffe0u) + (la >> 30) * 8, 8, &entry) ||
        !read_entry(vm, (entry & FRAME_36) + (la >> 21 & 0x1ff) * 8, 8, &entry))
        return false;
    if (entry & PDE_PS) {
        *pa = (entry & FRAME_36 & ~UINT64_C(0x1fffff)) | (la & 0x1fffff);
        return true;
    }
    if (!read_entry(vm, (entry & FRAME_36) + (la >> 12 & 0x1ff) * 8, 8, &entry))
        return false;
    *pa = (entry & FRAME_36) | (la & 0xfff);
    return true;
}

bool linear_walk(struct d86_vm *vm, const struct d86_sregs *sregs, uint32_t la, uint64_t *pa)
{
    *pa = la;
    if (!(sregs->cr0 & CR0_PG))
        return true;
    return sregs->cr4 & CR4_PAE ? walk_pae(vm, sregs, la, pa) : walk_32(vm, sregs, la, pa);
}

size_t linear_in_page(uint32_t la, size_t size)
{
    size_t part = 0x1000 - (la & 0xfff);
    return part < size ? part : size;
}

size_t linear_read(struct d86_vm *vm, const struct d86_sregs *sregs, uint32_t la, void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        uint64_t pa;
        uint32_t here = la + (uint32_t)done;
        size_t part = linear_in_page(here, size - done);
        if (!linear_walk(vm, sregs, here, &pa) || d86_vm_read(vm, pa, (uint8_t *)data + done, part) < 0)
            break;
        done += part;
    }
    return done;
}
