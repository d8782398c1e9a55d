/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events as text. Whether a device's event is wanted is found out once: events are static data, so their
 * addresses are the key. The processor's are chosen by the library, and shown when a run is over, with the
 * time of that moment.
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

/* ---- What is wanted ---- */

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

/* ---- Lines ---- */

/* A line grows in `text`; what does not fit is cut off. */
struct line {
    char text[256];
    size_t used;
};

static void line_add(struct line *line, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void line_add(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->text - line->used;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->used, room, format, args);
    va_end(args);
    if (n > 0)
        line->used += MIN((size_t)n, room - 1);
}

static void line_start(struct line *line, struct trace *trace, uint64_t now)
{
    if (!trace->start)
        trace->start = now;
    uint64_t us = (now - trace->start) / 1000;
    *line = (struct line){ .used = 0 };
    line_add(line, "%6" PRIu64 ".%06" PRIu64 " ", us / 1000000, us % 1000000);
}

/* ---- Events ---- */

void trace_event(struct trace *trace, const struct device_event *event, const uint64_t *args, uint64_t now,
                 const struct d86_vcpu *vcpu)
{
    struct line line;
    if (!is_wanted(trace, event))
        return;
    line_start(&line, trace, now);
    if (vcpu) {
        struct d86_regs regs;
        struct d86_sregs sregs;
        d86_vcpu_get_regs(vcpu, &regs);
        d86_vcpu_get_sregs(vcpu, &sregs);
        line_add(&line, "%04x:%08x ", sregs.seg[D86_CS].selector, regs.eip);
    } else {
        line_add(&line, "%13s ", "-");
    }
    line_add(&line, "%s", event->name);
    for (unsigned i = 0; i < DEVICE_EVENT_ARGS && event->args[i]; i++)
        line_add(&line, " %s=0x%" PRIx64, event->args[i], args[i]);
    fprintf(stderr, "%s\n", line.text);
}

void trace_processor(struct trace *trace, struct d86_vcpu *vcpu, uint64_t now)
{
    struct d86_trace_event event;
    struct line line;
    while (d86_vcpu_trace_next(vcpu, &event)) {
        line_start(&line, trace, now);
        if (event.lost)
            fprintf(stderr, "%s%13s trace_lost events=%" PRIu64 "\n", line.text, "-", event.lost);
        line_add(&line, "%04x:%08x %s", event.cs, event.eip, event.name);
        for (unsigned i = 0; i < D86_TRACE_ARGS && event.arg_name[i]; i++)
            line_add(&line, " %s=0x%" PRIx32, event.arg_name[i], event.arg[i]);
        fprintf(stderr, "%s\n", line.text);
    }
}
