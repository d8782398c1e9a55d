/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Trace events of the executor: typed integers in a ring in the arena, which the library empties between two
 * runs (d86_vcpu_trace_next()). When it is full the oldest events are overwritten, and counted as lost. An
 * event is a line in the list here and a call where it happens; switched off, it costs the test of a bit.
 * Both sides.
 */
#pragma once

#include "cpu.h"

/*
 * X(constant, name, names of up to four arguments). la: guest linear address; frame: of the RAM file.
 *
 * A scan from la: instructions in this scan, sites in the page by now; a site (enum scan_reason, scan_form)
 * as it is made or gets another form, and the count-th trap there; a data access to a private page, emulated;
 * data pages mapped (with neighbours mapped ahead) and unmapped; a write to scanned code.
 */
/* clang-format off */
#define EXEC_TRACE_EVENTS(X)                                                                                 \
    X(SCAN_PAGE,   "scan_page",   "la",    "frame",  "instructions", "sites")                                \
    X(SCAN_PATCH,  "scan_patch",  "la",    "reason", "form",         "length")                               \
    X(SITE_TRAP,   "site_trap",   "la",    "reason", "count",        NULL)                                   \
    X(SPLIT_FAULT, "split_fault", "la",    "write",  NULL,           NULL)                                   \
    X(SHADOW_FILL, "shadow_fill", "la",    "frame",  "writable",     "pages")                                \
    X(SHADOW_DROP, "shadow_drop", "la",    "pages",  NULL,           NULL)                                   \
    X(CODE_WRITE,  "code_write",  "frame", "offset", "size",         NULL)

enum exec_trace_event {
#define EXEC_TRACE_ENUM(constant, name, a, b, c, d) TRACE_##constant,
    EXEC_TRACE_EVENTS(EXEC_TRACE_ENUM)
#undef EXEC_TRACE_ENUM
    TRACE_EVENT_COUNT
};
/* clang-format on */

_Static_assert(TRACE_EVENT_COUNT <= 32, "events are bits of a word");

enum { EXEC_TRACE_SLOTS = 4096 };

struct exec_trace_entry {
    uint16_t event; /* enum exec_trace_event */
    uint16_t cs;    /* the guest's CS:EIP; in interpreted code, of the block in progress */
    uint32_t eip;
    uint32_t arg[4];
};

struct exec_trace {
    uint32_t enabled; /* bit n: event n; set by the library */
    uint64_t head;    /* events written since the start */
    struct exec_trace_entry entry[EXEC_TRACE_SLOTS];
};

/* trace_ring.c: the slow half of exec_trace(). */
void exec_trace_write(struct vcpu *v, enum exec_trace_event event, uint32_t a, uint32_t b, uint32_t c,
                      uint32_t d);

/* exec_trace(v, TRACE_SHADOW_FILL, la, frame, writable, pages): surplus arguments are 0. */
static inline void exec_trace(struct vcpu *v, enum exec_trace_event event, uint32_t a, uint32_t b, uint32_t c,
                              uint32_t d)
{
    if (unlikely(v->trace && v->trace->enabled >> event & 1))
        exec_trace_write(v, event, a, b, c, d);
}
