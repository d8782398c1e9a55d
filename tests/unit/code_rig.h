/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A vCPU for tests of the code cache: real page walks and the real scanner over a small RAM, while host
 * mappings, shadow pages, blocks and the clock are records in this file's struct. Guest code is written with
 * rig_code(), mapped with rig_map(), and changed with rig_write() as the interpreter changes it.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "code_private.h"
#include "news.h"
#include "paging.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum {
    RIG_FRAMES = 64,
    RIG_DIRECTORY = 1, /* frames of the guest's tables; page tables follow the directory */
    RIG_TABLE = 2,
    RIG_CODE = 16, /* frames from here on are the tests' */
    RIG_LA = 0x08048000,
    RIG_USER = X86_PTE_P | X86_PTE_W | X86_PTE_U,
};

/* What stands at a page of the host's low 4 GiB. */
struct rig_place {
    bool mapped;
    uint8_t rights, file;
    int key;
    uint64_t offset;
    uint64_t original; /* by the ring-0 helper: offset in RAM of what data accesses meet, */
    unsigned primes;   /* and how often that was said */
};

struct rig {
    struct vcpu *v;
    struct rig_place *place; /* 1 << 20 */
    uint64_t time;           /* what tsc_read() says ... */
    uint64_t time_passes;    /* ... and how much more at each call */
    bool refuse;             /* space_map() fails */
    unsigned mapped;         /* pages, the nexus left out */
    unsigned maps, unmaps;   /* calls */
    uint64_t unmapped_pages;
    unsigned protected_times[RIG_FRAMES]; /* sbe_frame_is_code() */
    unsigned blocks_dropped[RIG_FRAMES];  /* block_written() of the whole frame */
    unsigned shadow_drops;
};

extern struct rig rig;

/* Paging on, with nothing mapped; CPL 3, flat 32-bit code, flags and processor as Linux programs have them.
 */
void rig_open(void);
void rig_close(void);

/* Guest tables: 32-bit, 4 KiB pages. Nothing is flushed. flags 0: not present. */
void rig_map(guest_la la, unsigned frame, uint32_t flags);
uint32_t *rig_pte(guest_la la);

/* Guest memory as it stands, without anybody noticing; and a write that is noticed. */
uint8_t *rig_frame(unsigned frame);
void rig_code(unsigned frame, unsigned offset, const uint8_t *bytes, unsigned size);
void rig_write(unsigned frame, unsigned offset, const uint8_t *bytes, unsigned size);
#define RIG_CODE_AT(frame, offset, ...)                                                                      \
    rig_code(frame, offset, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define RIG_WRITE(frame, offset, ...)                                                                        \
    rig_write(frame, offset, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* What the processor would fetch at la; fails the test if nothing is mapped there. */
uint8_t rig_fetch(guest_la la);
bool rig_is_mapped(guest_la la);

/* inc eax; cpuid; inc eax; ret: a program, and a page that has it at its start. */
#define RIG_PROGRAM 0x40, 0x0f, 0xa2, 0x40, 0xc3
void rig_load_program(guest_la la, unsigned frame);

/* code_prepare(), and rig_check(). */
enum code_answer rig_prepare(guest_la la);

/*
 * The audit, and beside it what it may not get wrong: the host has exactly the pages the cache believes in,
 * every visible byte is the guest's present one or a replacement's, and an instruction that shows its start
 * in one page shows its tail in the next.
 */
void rig_check(const char *when);
