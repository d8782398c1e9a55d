/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine with the engine sbe and a few bytes of guest code at CPL 3, 32-bit, flat, without paging, that
 * may use ports: what runs natively. For tests and benchmarks of the engine through the public API.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex86/duplex86.h"

enum {
    SBE_GUEST_CODE = 0x20000, /* ordinary users cannot have code natively in the first 64 KiB */
    SBE_GUEST_DATA = 0x30000,
    SBE_GUEST_STACK = 0x40000,
    SBE_GUEST_RAM = 0x100000,
};

struct sbe_guest {
    struct d86_vm *vm;
    struct d86_vcpu *cpu;
    struct d86_exit *exit;
};

static inline void sbe_guest_require(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, d86_last_error());
    exit(1);
}

/* False: the host cannot have the engine; it is said why. */
static inline bool sbe_guest_open(struct sbe_guest *g, const struct d86_vcpu_config *config, const void *code,
                                  size_t size)
{
    struct d86_sregs s;
    sbe_guest_require(d86_vm_create(&g->vm) == 0 && d86_vm_add_ram(g->vm, 0, SBE_GUEST_RAM) == 0, "memory");
    int result = d86_vcpu_create(g->vm, config, &g->cpu);
    if (result == -ENOTSUP) {
        fprintf(stderr, "skipped: %s\n", d86_last_error());
        d86_vm_destroy(g->vm);
        return false;
    }
    sbe_guest_require(result == 0, "the processor");
    g->exit = d86_vcpu_exit(g->cpu);
    sbe_guest_require(d86_vm_write(g->vm, SBE_GUEST_CODE, code, size) == 0, "the guest's code");
    d86_vcpu_get_sregs(g->cpu, &s);
    for (unsigned i = 0; i < sizeof(s.seg) / sizeof(s.seg[0]); i++)
        s.seg[i] = (struct d86_segment){ .limit = UINT32_MAX, .selector = 11, .attr = 0xc0f3 };
    s.seg[D86_CS].attr = 0xc0fb;
    s.cr0 |= 1; /* PE */
    sbe_guest_require(d86_vcpu_set_sregs(g->cpu, &s) == 0, "the segments");
    d86_vcpu_set_regs(g->cpu, &(struct d86_regs){ .eip = SBE_GUEST_CODE,
                                                  .esp = SBE_GUEST_STACK,
                                                  .ebx = SBE_GUEST_DATA,
                                                  .eflags = 0x3002 /* IOPL 3 */ });
    return true;
}

/* The same code at CPL 0. */
static inline void sbe_guest_be_kernel(struct sbe_guest *g)
{
    struct d86_sregs s;
    d86_vcpu_get_sregs(g->cpu, &s);
    for (unsigned i = 0; i < sizeof(s.seg) / sizeof(s.seg[0]); i++) {
        s.seg[i].selector = 8;
        s.seg[i].attr &= (uint16_t)~0x60; /* DPL */
    }
    sbe_guest_require(d86_vcpu_set_sregs(g->cpu, &s) == 0, "the segments");
}

static inline void sbe_guest_close(struct sbe_guest *g)
{
    d86_vm_destroy(g->vm);
}

static inline uint64_t sbe_guest_counter(const struct sbe_guest *g, const char *name)
{
    struct d86_counter c;
    for (unsigned i = 0; d86_vcpu_counter(g->cpu, i, &c); i++)
        if (!strcmp(c.name, name))
            return c.value;
    fprintf(stderr, "there is no counter %s\n", name);
    exit(1);
}
