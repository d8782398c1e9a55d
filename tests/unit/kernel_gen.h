/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random kernels: a memory image with tables, fault handlers and code of CPL 0, made from a seed. Control
 * goes forward from block to block, some rounds of all of them, so every kernel ends: with an OUT to
 * KERNEL_PORT. A fault is logged in memory with all registers, and the next block goes on. What a kernel
 * writes over are operands of its own instructions, data, and its page tables, which it flushes. An interrupt
 * of vector KERNEL_INTERRUPT is logged with EIP, ESP and EFLAGS, and returned from.
 */
#pragma once

#include <stdint.h>

#include "../oracle/rng.h"

enum {
    KERNEL_RAM = 0x140000,
    KERNEL_ENTRY = 0x20000,
    KERNEL_STACK = 0x1f000,
    KERNEL_GDT = 0x2000,
    KERNEL_GDT_SIZE = 0x40,
    KERNEL_IDT = 0x1000,
    KERNEL_DIRECTORY = 0x10000,
    KERNEL_TABLE = 0x11000,        /* linear 0 on; then 400000h on */
    KERNEL_SAFE = 0x7c0000,        /* linear: the first 32 pages are here */
    KERNEL_LOG = 0x60000,          /* what faults leave */
    KERNEL_IRQ_LOG = 0xc0000,      /* what interrupts leave: a ring of ... */
    KERNEL_IRQ_LOG_SIZE = 0x40000, /* ... so many bytes */
    KERNEL_PORT = 0x80,            /* the end */
    KERNEL_INTERRUPT = 0x3f,
    KERNEL_CODE = 8,
    KERNEL_DATA = 16,
};

void kernel_make(uint8_t image[KERNEL_RAM], uint64_t seed);
