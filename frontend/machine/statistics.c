/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --stats: what the processor counted, how often it came back and why, and where the time of its thread went.
 * For people a table without the counters that stayed 0; for machines one line of JSON with all of them,
 * whose names are the library's and do not change.
 */
#include "machine_private.h"
#include "net.h"

#include <inttypes.h>
#include <stdio.h>

/* Names for machines, and for people. */
static const struct {
    const char *name, *what;
} reasons[D86_EXIT_REASONS] = {
    [D86_EXIT_NONE] = { "none", "no reason" },
    [D86_EXIT_IO] = { "io", "port access" },
    [D86_EXIT_MMIO] = { "mmio", "access to device memory" },
    [D86_EXIT_HLT] = { "hlt", "halt" },
    [D86_EXIT_INTERRUPT_WINDOW] = { "interrupt_window", "ready for an interrupt" },
    [D86_EXIT_SHUTDOWN] = { "shutdown", "triple fault" },
    [D86_EXIT_DEBUG] = { "debug", "debug" },
    [D86_EXIT_KICKED] = { "kicked", "kick" },
    [D86_EXIT_INTERNAL_ERROR] = { "internal_error", "internal error" },
    [D86_EXIT_FERR] = { "ferr", "x87 error" },
    [D86_EXIT_DIFFERENCE] = { "difference", "lockstep difference" },
    [D86_EXIT_DEADLINE] = { "deadline", "time for a device" },
}, times[SPENT_KINDS] = {
    [SPENT_RUNNING] = { "running", "running the guest, native code included" },
    [SPENT_WAITING] = { "waiting", "waiting for an interrupt" },
    [SPENT_DEVICES] = { "devices", "device code and the run loop" },
};

/* ---- Time ---- */

void statistics_spend(struct machine *m, enum spent kind)
{
    if (m->options->stats == OPTIONS_STATS_NONE)
        return;
    uint64_t now = m->clock.now(&m->clock);
    if (m->spending_since)
        m->spent_ns[m->spending] += now - m->spending_since;
    m->spending_since = now;
    m->spending = kind;
}

/* ---- For people ---- */

/* Counters come in groups by the first word of their names; a group has a headline of its own. */
static const char *group_of(const char *name)
{
    static const struct {
        const char *prefix, *headline;
    } groups[] = {
        { "translat", "translated code" },
        { "system_", "translated code" },
        { "call_out_", "instructions of translated code done by the interpreter" },
        { "native_", "native code" },
        { "trap_", "native code" },
        { "tlb_primes", "native code" },
        { "tlb_lost", "native code" },
        { "steps", "native code" },
        { "code_", "scanner and private pages" },
        { "nexus_", "scanner and private pages" },
        { "shadow_", "shadow paging" },
        { "host_", "the host" },
        { "ldt_", "the host" },
        { "lockstep_", "lockstep" },
        { "bursts", "native code" },
        { "moves", "native code" },
        { "repeats", "native code" },
        { "chip_", "chips lent to the processor" },
        { "sites_", "sites found, by reason" },
        { "forms_", "what replaces them" },
        { "traps_", "traps at sites, by reason" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (g_str_has_prefix(name, groups[i].prefix))
            return groups[i].headline;
    }
    return "interpreter";
}

static void show_row(const char *name, uint64_t value, const char *what)
{
    fprintf(stderr, "    %-20s %16" PRIu64 "  %s\n", name, value, what);
}

static void show_counters(const struct machine *m)
{
    struct d86_counter counter;
    const char *group = NULL;
    for (unsigned i = 0; d86_vcpu_counter(m->vcpu, i, &counter); i++) {
        if (!counter.value)
            continue;
        if (group != group_of(counter.name))
            fprintf(stderr, "  %s\n", group_of(counter.name));
        group = group_of(counter.name);
        show_row(counter.name, counter.value, counter.what);
    }
}

static void show_flow(unsigned number, const char *name, const struct net_flow *flow, const char *direction)
{
    const struct {
        const char *unit, *what;
        uint64_t value;
    } rows[] = {
        { "frames", "frames", flow->frames },
        { "bytes", "bytes in these", flow->bytes },
        { "lost", "frames lost by a queue that was full", flow->lost },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        char *row = g_strdup_printf("net%u_%s_%s", number, name, rows[i].unit);
        char *what = g_strdup_printf("%s %s", rows[i].what, direction);
        if (rows[i].value)
            show_row(row, rows[i].value, what);
        g_free(row);
        g_free(what);
    }
}

static void show_nets(const struct machine *m)
{
    struct net_counters counters;
    if (m->nic_count)
        fprintf(stderr, "  network\n");
    for (unsigned i = 0; i < m->nic_count; i++) {
        net_count(m->nics[i].net, &counters);
        show_flow(i, "out", &counters.from_guest, "from the guest");
        show_flow(i, "in", &counters.to_guest, "to the guest");
    }
}

static void show_table(const struct machine *m)
{
    fprintf(stderr, "duplex86: statistics, engine %s", options_engine_name(m->engine));
    if (m->engine != D86_ENGINE_INTERP)
        fprintf(stderr, ", split %s", options_split_name(d86_vcpu_split(m->vcpu)));
    fprintf(stderr, "\n");
    show_counters(m);
    fprintf(stderr, "  exits\n");
    for (size_t i = 0; i < D86_EXIT_REASONS; i++) {
        if (m->exits[i])
            show_row(reasons[i].name, m->exits[i], reasons[i].what);
    }
    show_nets(m);
    fprintf(stderr, "  time, ms\n");
    for (size_t i = 0; i < SPENT_KINDS; i++)
        show_row(times[i].name, m->spent_ns[i] / 1000000, times[i].what);
}

/* ---- For machines ---- */

static void add_number(GString *json, const char *name, uint64_t value)
{
    bool first = json->str[json->len - 1] == '{';
    g_string_append_printf(json, "%s\"%s\":%" PRIu64, first ? "" : ",", name, value);
}

static void add_nets(GString *json, const struct machine *m)
{
    struct net_counters c;
    for (unsigned i = 0; i < m->nic_count; i++) {
        net_count(m->nics[i].net, &c);
        g_string_append(json, i ? ",{" : "{");
        add_number(json, "out_frames", c.from_guest.frames);
        add_number(json, "out_bytes", c.from_guest.bytes);
        add_number(json, "out_lost", c.from_guest.lost);
        add_number(json, "in_frames", c.to_guest.frames);
        add_number(json, "in_bytes", c.to_guest.bytes);
        add_number(json, "in_lost", c.to_guest.lost);
        g_string_append(json, "}");
    }
}

/* No name needs escaping: they are words of this program. */
char *statistics_json(const struct machine *m)
{
    GString *json = g_string_new(NULL);
    struct d86_counter counter;
    g_string_append_printf(json, "{\"version\":\"%s\",\"engine\":\"%s\",\"split\":\"%s\",\"counters\":{",
                           d86_version(), options_engine_name(m->engine),
                           options_split_name(d86_vcpu_split(m->vcpu)));
    for (unsigned i = 0; d86_vcpu_counter(m->vcpu, i, &counter); i++) {
        /* There is one for each mnemonic: only what is the case. */
        if (counter.value || !g_str_has_prefix(counter.name, "call_out_"))
            add_number(json, counter.name, counter.value);
    }
    g_string_append(json, "},\"exits\":{");
    for (size_t i = D86_EXIT_NONE + 1; i < D86_EXIT_REASONS; i++)
        add_number(json, reasons[i].name, m->exits[i]);
    g_string_append(json, "},\"nets\":[");
    add_nets(json, m);
    g_string_append(json, "],\"time_ns\":{");
    for (size_t i = 0; i < SPENT_KINDS; i++)
        add_number(json, times[i].name, m->spent_ns[i]);
    g_string_append(json, "}}");
    return g_string_free(json, FALSE);
}

static void show_json(const struct machine *m)
{
    char *json = statistics_json(m);
    fprintf(stderr, "%s\n", json);
    g_free(json);
}

void statistics_report(const struct machine *m)
{
    if (m->options->stats == OPTIONS_STATS_JSON)
        show_json(m);
    else
        show_table(m);
}
