/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A vCPU with nothing but memory and page tables, for the suites of shadow paging: shadow.c and paging.c are
 * real, private pages are a list here, and space.h is what the program brings along (shadow_space.c: a
 * table).
 */
#pragma once

#include "code_cache.h"
#include "paging.h"
#include "shadow.h"
#include "space.h"
#include "trace_ring.h"

#define P  X86_PTE_P
#define W  X86_PTE_W
#define U  X86_PTE_U
#define A  X86_PTE_A
#define D  X86_PTE_D
#define PS X86_PTE_PS

/* Guest-physical layout. Tables begin at RIG_ROOT; RAM beyond them is the suite's. */
enum {
    RIG_ROOT = 0x1000,   /* 32-bit page directory */
    RIG_PAE = 0x2000,    /* four PAE page directories */
    RIG_TABLES = 0x6000, /* page tables */
    RIG_TABLE_COUNT = 6,
    RIG_TABLES_END = RIG_TABLES + RIG_TABLE_COUNT * 4096,
    RIG_RAM = 4 << 20, /* bytes of RAM, if rig_open() was not told more */
    RIG_ROM_SIZE = 0x10000,
};
#define RIG_ROM     0x60000000ull  /* read-only ... */
#define RIG_ROM_TOP 0xffff0000ull  /* ... and again, as a PC has it */
#define RIG_HIGH    0x100000000ull /* RAM above 4 GiB, RIG_ROM_SIZE bytes */
#define RIG_HOLE    0x70000000ull  /* a device */

struct rig {
    struct vcpu v;
    int ram_fd;
    uint64_t ram_size; /* of the RAM file */
    bool yield;        /* what code_yield_frame() answers */
    unsigned yields;   /* times it was asked */
    unsigned code_count;
    struct {
        guest_la la;
        uint64_t frame;
    } code[64]; /* private pages */
};

extern struct rig rig;

/* No paging, the segment split. ram: bytes of RAM from 0 on. */
void rig_open(uint64_t ram);
void rig_close(void);
void rig_split(enum d86_split provider);
/* 32-bit paging with `tables` page tables from RIG_TABLES on for the first regions, all entries absent. */
void rig_paging_32(unsigned tables);
uint32_t *rig_entry_32(guest_la la);          /* of a page, in the tables rig_paging_32() made */
void rig_set_32(guest_la la, uint32_t entry); /* likewise */

/* Private pages, as code_cache.c would see to them. */
void rig_make_code(guest_la la, uint64_t frame);
void rig_drop_code(unsigned index);

/* ---- shadow_space.c: what is mapped in the low 4 GiB --------------------------------------------- */

struct space_page {
    uint32_t frame_plus_one; /* 0: nothing is mapped; code: all ones */
    uint8_t rights;          /* enum space_rights */
};

struct space {
    struct space_page page[1 << 20];
    unsigned maps, unmaps, protects; /* calls */
    uint32_t data_pages;
    uint32_t refuse; /* page no mapping may include; the lowest, unless set */
    bool refuse_all;
};

extern struct space space;

/* Separate mappings of data in the pages first to last, as the host merges them. */
unsigned space_runs(uint32_t first, uint32_t last);
