/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the processor counts, by struct and by name. The lists are those of duplex86.h and of
 * executor/state/stats.h. Library side. API: include/duplex86/duplex86.h.
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "mirror.h"

/* X(field of struct d86_stats, what it counts) */
#define VCPU_STATS(X)                                                                                        \
    X(instructions, "guest instructions interpreted")                                                        \
    X(blocks_built, "blocks of decoded instructions built")                                                  \
    X(blocks_dropped, "blocks dropped because their bytes were written")                                     \
    X(cache_flushes, "times all blocks were dropped")                                                        \
    X(tlb_fills, "translations looked up in the guest's tables")                                             \
    X(tlb_flushes, "times all translations were dropped")                                                    \
    X(exceptions, "exceptions delivered to the guest")                                                       \
    X(interrupts, "interrupts delivered to the guest")                                                       \
    X(exits, "times the processor came back to its caller")

/* Where each counter is found in struct vcpu. */
static const struct {
    const char *name, *what;
    size_t offset;
} counters[] = {
#define COUNTER_OF_STATS(field, what)  { #field, what, offsetof(struct vcpu, stats.field) },
#define COUNTER_OF_COUNTS(field, what) { #field, what, offsetof(struct vcpu, counts.field) },
#define COUNTER_OF_SITES(reason, name, what)                                                                 \
    { "sites_" name, "sites: " what, offsetof(struct vcpu, counts.sites[SCAN_##reason]) },
#define COUNTER_OF_TRAPS(reason, name, what)                                                                 \
    { "traps_" name, "traps: " what, offsetof(struct vcpu, counts.traps[SCAN_##reason]) },
#define COUNTER_OF_FORMS(form, name, what)                                                                   \
    { "forms_" name, "sites that " what, offsetof(struct vcpu, counts.forms[SCAN_FORM_##form]) },
    VCPU_STATS(COUNTER_OF_STATS) EXEC_STATS(COUNTER_OF_COUNTS) EXEC_REASONS(COUNTER_OF_SITES)
        EXEC_FORMS(COUNTER_OF_FORMS) EXEC_REASONS(COUNTER_OF_TRAPS)
};

enum { COUNTERS = sizeof(counters) / sizeof(counters[0]) };

/* No site has SCAN_NO_REASON; call-outs are counted by mnemonic. */
_Static_assert((COUNTERS + 2 + X86_OP_COUNT) * sizeof(uint64_t) ==
                   sizeof(struct d86_stats) + sizeof(struct exec_stats),
               "every field is listed");

void d86_vcpu_stats(const struct d86_vcpu *vcpu, struct d86_stats *stats)
{
    arena_take(stats, &vcpu->vm->arena->vcpu.stats, sizeof(*stats));
}

/* ---- Time ------------------------------------------------------------------------------------------ */

/* The executor cannot ask for the time, but it can read the TSC; how long a tick is shows in the long run. */
static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void d86_vcpu_set_timing(struct d86_vcpu *vcpu, bool enabled)
{
    if (enabled && !vcpu->timing.ns) {
        vcpu->timing.ticks = __builtin_ia32_rdtsc();
        vcpu->timing.ns = now_ns();
    }
    vcpu->cpu.timing = enabled;
    mirror_publish_settings(vcpu, 0);
}

static uint64_t ticks_to_ns(const struct d86_vcpu *vcpu, uint64_t ticks)
{
    uint64_t all_ticks = __builtin_ia32_rdtsc() - vcpu->timing.ticks, all_ns = now_ns() - vcpu->timing.ns;
    if (!vcpu->timing.ns || !all_ticks)
        return 0;
    return (uint64_t)((double)ticks * (double)all_ns / (double)all_ticks);
}

/* ---- By mnemonic ---------------------------------------------------------------------------------- */

/* Several have one mnemonic, so it is the enumerator's name that tells which is meant. */
static const char *const op_names[X86_OP_COUNT] = {
#define OP_NAME(op, text) #op,
    X86_OPCODE_NAMES(OP_NAME)
};

/* Made when they are asked for, always the same. */
static const char *call_out_name(unsigned op)
{
    static char names[X86_OP_COUNT][32];
    const char *from = op_names[op];
    char *to = stpcpy(names[op], "call_out_");
    for (; *from && to < names[op] + sizeof(names[op]) - 1; from++)
        *to++ = *from >= 'A' && *from <= 'Z' ? (char)(*from - 'A' + 'a') : *from;
    *to = 0;
    return names[op];
}

/* ---- By index -------------------------------------------------------------------------------------- */

bool d86_vcpu_counter(const struct d86_vcpu *vcpu, unsigned index, struct d86_counter *counter)
{
    if (index >= COUNTERS + X86_OP_COUNT)
        return false;
    if (index >= COUNTERS) {
        unsigned op = index - COUNTERS;
        *counter = (struct d86_counter){ call_out_name(op), x86_op_name(op),
                                         arena_take_u64(&vcpu->vm->arena->vcpu.counts.call_outs[op]) };
        return true;
    }
    const uint8_t *base = (const uint8_t *)&vcpu->vm->arena->vcpu;
    uint64_t value = arena_take_u64((const uint64_t *)(base + counters[index].offset));
    if (counters[index].offset == offsetof(struct vcpu, counts.native_ns))
        value = ticks_to_ns(vcpu, value);
    *counter = (struct d86_counter){ counters[index].name, counters[index].what, value };
    return true;
}
