/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writing to the ring of trace events. Executor side.
 */
#include "trace_ring.h"

void exec_trace_write(struct vcpu *v, enum exec_trace_event event, uint32_t a, uint32_t b, uint32_t c,
                      uint32_t d)
{
    struct exec_trace *t = v->trace;
    t->entry[t->head % EXEC_TRACE_SLOTS] = (struct exec_trace_entry){
        .event = (uint16_t)event, .cs = v->seg[X86_CS].selector, .eip = v->eip, .arg = { a, b, c, d }
    };
    t->head++;
}
