/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What blocks and caches depend on besides the code. Executor side.
 */
#pragma once

#include "executor.h"

/* Recompute v->mode, v->cpl's effects, v->tlb and v->fetch_tag after a change of CS, SS, DS, ES, CPL, CR0,
 * EFLAGS.VM/AC. */
void exec_mode_changed(struct vcpu *v);
