/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guest memory by linear address, for people who look at a stopped guest: page tables are walked in software,
 * nothing is changed and nothing faults.
 */
#pragma once

#include <duplex86/duplex86.h>

/* Copy up to `size` bytes from linear address `la`; returns how many could be read. */
size_t linear_read(struct d86_vm *vm, const struct d86_sregs *sregs, uint32_t la, void *data, size_t size);
/* The physical address of `la`; false: nothing is mapped there. */
bool linear_walk(struct d86_vm *vm, const struct d86_sregs *sregs, uint32_t la, uint64_t *pa);
/* How much of `size` bytes from `la` on lies in one page. */
size_t linear_in_page(uint32_t la, size_t size);
