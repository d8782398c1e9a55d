/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a VM's shared memory lies. Each VM of a process has a slot of address space of its own; inside it
 * everything has a fixed place, so that another process can map the same files at the same addresses and
 * every pointer in the arena keeps its meaning. Library side.
 *
 *   slot +0         arena file: vCPU state, exit record, block cache, code-frame table (read, write)
 *   slot +32 GiB    the arena file's native-code pool again (read, execute)
 *   slot +64 GiB    RAM file (read, write), grown as regions are added
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../executor/block.h"
#include "../executor/channel.h"

enum { ARENA_SLOTS = 8 };

/* Above everything the kernel and the sanitizers use by default, below the stack and the libraries. */
#define ARENA_BASE        0x200000000000ull
#define ARENA_SLOT_SIZE   (128ull << 30)
#define ARENA_TEXT_OFFSET (32ull << 30)
#define ARENA_RAM_OFFSET  (64ull << 30)
#define ARENA_RAM_MAX     (64ull << 30)

#define ARENA_POOL_SIZE    (64ull << 20)
#define ARENA_NATIVE_SLOTS (128u << 10)
#define ARENA_FRAMES       (ARENA_RAM_MAX >> 12)

/* The arena file. Only pages that are touched exist. */
struct arena {
    struct vcpu vcpu;
    struct d86_exit exit;
    struct channel channel;
    struct block_cache blocks;
    struct native_pool native;
    _Alignas(4096) uint64_t native_code[ARENA_NATIVE_SLOTS];
    _Alignas(4096) uint8_t pool[ARENA_POOL_SIZE];
    struct code_frame code_frame[ARENA_FRAMES];
};

struct d86_vcpu {
    struct d86_vm *vm;
    struct vcpu *cpu; /* in the arena */
};

struct d86_vm {
    unsigned slot;
    int arena_fd, ram_fd;
    struct arena *arena;
    uint64_t ram_size;     /* bytes of the RAM file in use */
    struct memory_map map; /* copied to the vCPU whenever it changes */
    struct d86_vcpu vcpu;
    bool has_vcpu;
    bool sandboxed;   /* the vCPU runs in a process of its own */
    int executor;     /* its process number; 0: it died */
    int executor_cpu; /* the CPU it is kept on */
    int lifeline;     /* pipe end whose closing ends it */
};

/* error.c: remember one sentence for d86_last_error() and return `error` (a negative errno value). */
__attribute__((format(printf, 2, 3))) int error_set(int error, const char *format, ...);
void error_clear(void);

/* arena.c: reserve a slot and set up its files; undo. 0 or -errno with the error text set. */
int arena_create(struct d86_vm *vm);
void arena_destroy(struct d86_vm *vm);
/* Make the RAM file `size` bytes (a multiple of 4096) and map it. */
int arena_grow_ram(struct d86_vm *vm, uint64_t size);

/* carrier.c: start an executor process for the vCPU; end it, if any; run the vCPU, wherever it is, until an
 * exit. */
int carrier_start(struct d86_vm *vm);
void carrier_stop(struct d86_vm *vm);
int carrier_run(struct d86_vm *vm);

/* vcpu.c: the memory map changed. */
void vcpu_memory_changed(struct d86_vm *vm);
