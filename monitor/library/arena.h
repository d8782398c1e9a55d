/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a VM's shared memory lies. Each VM of a process has a slot of address space of its own; inside it
 * everything has a fixed place, so that another process can map the same files at the same addresses and
 * every pointer in the arena keeps its meaning. Library side.
 *
 *   slot +0         arena file: vCPU state, exit record, what is cached of code, frame tables (read, write)
 *   slot +32 GiB    the arena file's native-code pool again (read, execute)
 *   slot +33 GiB    its translated code again (read, execute)
 *   slot +64 GiB    RAM file (read, write), grown as regions are added
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "block.h"
#include "channel.h"
#include "code_cache.h"
#include "lockstep.h"
#include "pool.h"
#include "shadow.h"
#include "system_space.h"
#include "trace_ring.h"
#include "translation.h"

enum { ARENA_SLOTS = 8 };

/* Above everything the kernel and the sanitizers use by default, below the stack and the libraries. */
#define ARENA_BASE              0x200000000000ull
#define ARENA_SLOT_SIZE         (128ull << 30)
#define ARENA_TEXT_OFFSET       (32ull << 30)
#define ARENA_TRANSLATED_OFFSET (33ull << 30)
#define ARENA_RAM_OFFSET        (64ull << 30)
#define ARENA_RAM_MAX           (64ull << 30)

#define ARENA_POOL_SIZE    (64ull << 20)
#define ARENA_NATIVE_SLOTS (128u << 10)
#define ARENA_FRAMES       (ARENA_RAM_MAX >> 12)

/* What one of the executor's processes has mapped. */
struct arena_member {
    struct shadow shadow;
    struct shadow_page shadow_page[SHADOW_PAGES];
    uint32_t frame_head[ARENA_FRAMES];
    struct system_spaces spaces;
    struct shadow_page space_page[SYSTEM_SPACES][SHADOW_PAGES];
    uint32_t space_frame_head[SYSTEM_SPACES][ARENA_FRAMES];
};

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
    struct exec_trace trace;
    /* For the engines that run guest code natively. */
    struct lockstep lockstep;
    struct pool executors;
    struct arena_member member[EXECUTORS_MAX];
    _Alignas(4096) struct code_cache code[EXECUTORS_MAX];
    struct translation translation;
    _Alignas(4096) uint8_t translated_code[TRANSLATION_CODE];
};

_Static_assert(sizeof(struct arena) <= ARENA_TEXT_OFFSET, "the arena file ends before its text is mapped");

struct d86_vcpu {
    struct d86_vm *vm;
    struct vcpu cpu;      /* what the library knows of the one in the arena: mirror.c */
    bool state_known;     /* its state is the arena's, or newer ... */
    bool state_changed;   /* ... and it is newer */
    unsigned follows;     /* enum channel_change */
    struct d86_exit exit; /* the caller's: exit_record.c */
    struct {
        uint32_t io; /* bytes of exit.io.data the executor waits for */
        bool mmio;   /* it waits for exit.mmio.data */
    } answer;
    enum d86_split split; /* in use */
    struct {
        uint32_t enabled; /* bit n: event n */
        uint64_t next;    /* the first event not yet handed out */
    } trace;
    struct {
        uint64_t ticks, ns; /* both clocks when timing began */
    } timing;
};

enum { PLACEMENT_WORDS = 16 };

/* placement.c */
struct placement {
    uintptr_t thread; /* whose d86_vcpu_run() it was */
    bool kept;        /* that thread and the executor are on one CPU ... */
    uint64_t until;   /* ... or may go where they like; until this tick of the time stamp counter */
    uint64_t own[PLACEMENT_WORDS]; /* a bit for each CPU the thread may run on by itself */
    bool apart;                    /* not on one CPU, but each on its own */
};

/* handover.c. Times in ticks of the time stamp counter. */
struct handover {
    bool apart;              /* each has a CPU of its own */
    uint64_t look;           /* how long to look at the turn before sleeping */
    uint64_t window;         /* when the present window began */
    uint32_t exits, in_vain; /* in it: runs, and looks without success */
    uint64_t since;          /* when they were set apart */
    uint32_t wait_ms;        /* how long the last stay apart keeps us from another; 0: it was long enough */
    uint64_t not_before;
};

struct d86_vm {
    unsigned slot;
    int arena_fd, ram_fd;
    struct arena *arena;
    uint64_t ram_size;     /* bytes of the RAM file in use */
    struct memory_map map; /* copied to the vCPU whenever it changes */
    struct {
        uint32_t count; /* of channel.write, and the last of them */
        struct channel_write last;
    } noted;
    struct d86_vcpu vcpu;
    bool has_vcpu;
    bool apart; /* the vCPU has processes of its own, ... */
    unsigned executor_count;
    struct {
        int pid;      /* process number; 0: it died, of `executor_status`, and so did all */
        int fd;       /* its pidfd, or -1 */
        int lifeline; /* pipe end whose closing ends it */
    } executor[EXECUTORS_MAX];
    int executor_status;
    uint64_t looked_after; /* when it was last asked whether all are alive: tick of the time stamp counter */
    int here_clock;        /* not `apart`: CPU clock of the thread that ran the vCPU last; 0: none has */
    struct placement placement;
    struct handover handover;
};

/* error.c: remember one sentence for d86_last_error() and return `error` (a negative errno value). */
__attribute__((format(printf, 2, 3))) int error_set(int error, const char *format, ...);
void error_clear(void);

/* arena.c: reserve a slot and set up its files; undo. 0 or -errno with the error text set. */
int arena_create(struct d86_vm *vm);
void arena_destroy(struct d86_vm *vm);
/* Have native code of the arena executable here too: for a VM whose vCPU runs in the caller. */
int arena_map_text(struct d86_vm *vm);
/* Make the RAM file `size` bytes (a multiple of 4096) and map it. */
int arena_grow_ram(struct d86_vm *vm, uint64_t size);

/*
 * carrier.c: start an executor process for the vCPU, or as many as config says, which run guest code natively
 * (-ENOTSUP: they cannot, here); end them, if any; run the vCPU, wherever it is, until an exit. False: an
 * executor died, and the caller's exit record says so.
 */
int carrier_start(struct d86_vm *vm);
int carrier_start_native(struct d86_vm *vm, const struct d86_vcpu_config *config);
void carrier_stop(struct d86_vm *vm);
bool carrier_run(struct d86_vm *vm);
/* What processor time the vCPU has had, ns. Any thread. */
uint64_t carrier_run_ns(const struct d86_vm *vm);
/* vcpu.pending was set: see that a vCPU in native code notices. Any thread, any signal handler. */
void carrier_rouse(struct d86_vm *vm);

/*
 * handover.c: before a run in the executor process; after the last one. Give the executor the turn. Is it the
 * library's again: look for as long as it is worth while (false: it is not yet); sleep until it is, or for so
 * many ns, or less (false: look again).
 */
void handover_before_run(struct d86_vm *vm);
void handover_end(struct d86_vm *vm);
void handover_give(struct d86_vm *vm);
bool handover_look(struct d86_vm *vm);
bool handover_sleep(struct d86_vm *vm, long ns);

/*
 * placement.c: before a run in the executor process: see that the calling thread and the executor share a
 * CPU, or have one each; let the thread go. Which of the two it is: false if it cannot be that.
 */
void placement_before_run(struct d86_vm *vm);
void placement_end(struct d86_vm *vm);
bool placement_set_apart(struct d86_vm *vm, bool apart);

/* tsc.c: frequency of the host's time stamp counter; takes 10 ms the first time in a process. 0: not known */
uint32_t tsc_khz(void);
enum { TSC_GUESSED_KHZ = 2000000 };

/* vcpu.c: the memory map changed. */
void vcpu_memory_changed(struct d86_vm *vm);
