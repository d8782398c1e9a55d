/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The audits of what is mapped for native code, run while the guest runs: struct d86_vcpu_config, `audit`.
 * Executor process.
 */
#pragma once

struct vcpu;

/*
 * Every mapping of data and code against the guest's tables. Only right after a sync: until it has flushed, a
 * guest may have other tables than its translations were made from. A finding is an exit that names it.
 */
void audit_all(struct vcpu *v);
