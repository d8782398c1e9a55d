/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The audits of what is mapped for native code and of translated code, run while the guest runs: struct
 * d86_vcpu_config, `audit`. Executor process.
 */
#pragma once

#include "cpu.h"

/*
 * Every mapping of data and code against the guest's tables. Only right after a sync: until it has flushed, a
 * guest may have other tables than its translations were made from. A finding is an exit that names it.
 */
void audit_all(struct vcpu *v);
/* The same of translated code and the window it runs in. */
void audit_translated(struct vcpu *v);
/* Is it time for one? Counts entries into native code and into translated code. */
static inline bool audit_due(struct vcpu *v)
{
    if (likely(!v->sbe.audit))
        return false;
    uint64_t entries = v->counts.native_entries + v->counts.lockstep_checks + v->counts.translated_entries;
    if (entries < v->sbe.audit_at)
        return false;
    v->sbe.audit_at = entries + v->sbe.audit;
    return true;
}
