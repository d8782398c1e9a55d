/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reader's side of the executor's trace events: which ones are wanted, and taking them from the ring
 * (executor/trace_ring.h). Library side. API: include/duplex86/duplex86.h.
 */
#include <fnmatch.h>
#include <string.h>

#include "arena.h"

static const struct {
    const char *name;
    const char *arg[D86_TRACE_ARGS];
} events[] = {
#define TRACE_EVENT_NAMES(constant, name, a, b, c, d) [TRACE_##constant] = { name, { a, b, c, d } },
    EXEC_TRACE_EVENTS(TRACE_EVENT_NAMES)
};

unsigned d86_vcpu_trace_enable(struct d86_vcpu *vcpu, const char *glob)
{
    struct exec_trace *t = vcpu->cpu->trace;
    unsigned matches = 0;
    if (!glob)
        t->enabled = 0;
    for (unsigned i = 0; glob && i < TRACE_EVENT_COUNT; i++) {
        if (fnmatch(glob, events[i].name, 0) == 0) {
            t->enabled |= 1u << i;
            matches++;
        }
    }
    return matches;
}

bool d86_vcpu_trace_next(struct d86_vcpu *vcpu, struct d86_trace_event *event)
{
    const struct exec_trace *t = vcpu->cpu->trace;
    uint64_t waiting = t->head - vcpu->trace_next, lost = 0;
    if (waiting == 0)
        return false;
    if (waiting > EXEC_TRACE_SLOTS) {
        lost = waiting - EXEC_TRACE_SLOTS;
        vcpu->trace_next += lost;
    }
    const struct exec_trace_entry *e = &t->entry[vcpu->trace_next++ % EXEC_TRACE_SLOTS];
    /* The executor wrote it, and is not to be trusted with an index. */
    unsigned kind = e->event < TRACE_EVENT_COUNT ? e->event : 0;
    *event = (struct d86_trace_event){ .name = events[kind].name, .cs = e->cs, .eip = e->eip, .lost = lost };
    memcpy(event->arg_name, events[kind].arg, sizeof(event->arg_name));
    memcpy(event->arg, e->arg, sizeof(event->arg));
    return true;
}
