/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * breakpoint.h. Executor side.
 */
#include "breakpoint.h"

/* DR7's R/W field: SDM 3B, "Debug Control Register (DR7)". */
enum watched { WATCH_FETCH, WATCH_WRITE, WATCH_PORT, WATCH_ACCESS };

static bool is_enabled(const struct vcpu *v, unsigned i)
{
    return v->debug.dr[7] >> (2 * i) & 3;
}

static enum watched watched(const struct vcpu *v, unsigned i)
{
    return v->debug.dr[7] >> (16 + 4 * i) & 3;
}

/* LEN, in bytes; the address is rounded down to a multiple of it. */
static uint32_t length(const struct vcpu *v, unsigned i)
{
    static const uint8_t bytes[] = { 1, 2, 8, 4 };
    return bytes[v->debug.dr[7] >> (18 + 4 * i) & 3];
}

uint32_t breakpoint_fetch(const struct vcpu *v)
{
    guest_la la = v->seg[X86_CS].base + v->eip;
    uint32_t hit = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (is_enabled(v, i) && watched(v, i) == WATCH_FETCH && v->debug.dr[i] == la)
            hit |= 1u << i;
    }
    return hit;
}

/* Note the breakpoints of these kinds (a bit for each enum watched) that watch any of `size` bytes from `at`.
 */
static void note(struct vcpu *v, uint32_t at, unsigned size, unsigned kinds)
{
    for (unsigned i = 0; i < 4; i++) {
        uint32_t bytes = length(v, i), start = v->debug.dr[i] & ~(bytes - 1);
        bool meets = at - start < bytes || start - at < size; /* at the end of the address space too */
        if (meets && is_enabled(v, i) && kinds >> watched(v, i) & 1)
            v->debug.hit |= 1u << i;
    }
}

void breakpoint_data(struct vcpu *v, guest_la la, unsigned size, bool write)
{
    note(v, la, size, 1u << WATCH_ACCESS | (write ? 1u << WATCH_WRITE : 0));
}

/* Without CR4.DE this R/W is undefined: here it watches nothing. */
void breakpoint_port(struct vcpu *v, uint16_t port, unsigned size)
{
    if (v->cr4 & X86_CR4_DE)
        note(v, port, size, 1u << WATCH_PORT);
}
