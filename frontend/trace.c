/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Device events as text. Whether an event is wanted is found out once: events are static data, so their
 * addresses are the key.
 */
#include "trace.h"

#include <duplex86/duplex86.h>

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>

struct trace {
    GPtrArray *patterns;
    GHashTable *wanted; /* struct device_event * to GINT_TO_POINTER(1 + wanted) */
    uint64_t start;     /* machine time of the first event: lines count from there */
};

struct trace *trace_new(char **globs)
{
    struct trace *trace = g_new0(struct trace, 1);
    trace->patterns = g_ptr_array_new_with_free_func((GDestroyNotify)g_pattern_spec_free);
    trace->wanted = g_hash_table_new(NULL, NULL);
    for (; *globs; globs++)
        g_ptr_array_add(trace->patterns, g_pattern_spec_new(*globs));
    return trace;
}

void trace_free(struct trace *trace)
{
    if (!trace)
        return;
    g_ptr_array_unref(trace->patterns);
    g_hash_table_unref(trace->wanted);
    g_free(trace);
}

static bool is_wanted(struct trace *trace, const struct device_event *event)
{
    int known = GPOINTER_TO_INT(g_hash_table_lookup(trace->wanted, event));
    if (!known) {
        known = 1;
        for (guint i = 0; i < trace->patterns->len; i++) {
            if (g_pattern_spec_match_string(trace->patterns->pdata[i], event->name))
                known = 2;
        }
        g_hash_table_insert(trace->wanted, (gpointer)(uintptr_t)event, GINT_TO_POINTER(known));
    }
    return known == 2;
}

void trace_event(struct trace *trace, const struct device_event *event, const uint64_t *args, uint64_t now,
                 const struct d86_vcpu *vcpu)
{
    char line[256];
    if (!is_wanted(trace, event))
        return;
    if (!trace->start)
        trace->start = now;
    uint64_t us = (now - trace->start) / 1000;
    int n = snprintf(line, sizeof line, "%6" PRIu64 ".%06" PRIu64 " ", us / 1000000, us % 1000000);
    if (vcpu) {
        struct d86_regs regs;
        struct d86_sregs sregs;
        d86_vcpu_get_regs(vcpu, &regs);
        d86_vcpu_get_sregs(vcpu, &sregs);
        n += snprintf(line + n, sizeof line - (size_t)n, "%04x:%08x ", sregs.seg[D86_CS].selector, regs.eip);
    } else {
        n += snprintf(line + n, sizeof line - (size_t)n, "%13s ", "-");
    }
    n += snprintf(line + n, sizeof line - (size_t)n, "%s", event->name);
    for (unsigned i = 0; i < DEVICE_EVENT_ARGS && event->args[i] && n < (int)sizeof line; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, " %s=0x%" PRIx64, event->args[i], args[i]);
    fprintf(stderr, "%s\n", line);
}
