/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reader's side of the executor's trace events: which ones are wanted, and taking them from the ring
 * (executor/state/trace_ring.h). Library side. API: include/duplex86/duplex86.h.
 */
#include <fnmatch.h>
#include <string.h>

#include "mirror.h"

static const struct {
    const char *name;
    const char *arg[D86_TRACE_ARGS];
} events[] = {
#define TRACE_EVENT_NAMES(constant, name, a, b, c, d) [TRACE_##constant] = { name, { a, b, c, d } },
    EXEC_TRACE_EVENTS(TRACE_EVENT_NAMES)
};

unsigned d86_vcpu_trace_enable(struct d86_vcpu *vcpu, const char *glob)
{
    unsigned matches = 0;
    if (!glob)
        vcpu->trace.enabled = 0;
    for (unsigned i = 0; glob && i < TRACE_EVENT_COUNT; i++) {
        if (fnmatch(glob, events[i].name, 0) == 0) {
            vcpu->trace.enabled |= 1u << i;
            matches++;
        }
    }
    vcpu->vm->arena->trace.enabled = vcpu->trace.enabled;
    return matches;
}

bool d86_vcpu_trace_next(struct d86_vcpu *vcpu, struct d86_trace_event *event)
{
    uint64_t waiting = arena_take_u64(&vcpu->vm->arena->trace.head) - vcpu->trace.next, lost = 0;
    struct exec_trace_entry e;
    if (waiting == 0)
        return false;
    if (waiting > EXEC_TRACE_SLOTS) {
        lost = waiting - EXEC_TRACE_SLOTS;
        vcpu->trace.next += lost;
    }
    arena_take(&e, &vcpu->vm->arena->trace.entry[vcpu->trace.next++ % EXEC_TRACE_SLOTS], sizeof(e));
    unsigned kind = e.event < TRACE_EVENT_COUNT ? e.event : 0;
    *event = (struct d86_trace_event){ .name = events[kind].name, .cs = e.cs, .eip = e.eip, .lost = lost };
    memcpy(event->arg_name, events[kind].arg, sizeof(event->arg_name));
    memcpy(event->arg, e.arg, sizeof(event->arg));
    return true;
}
