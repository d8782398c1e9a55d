/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --trace: events of devices and of the processor whose name matches a glob, one line each on stderr.
 */
#pragma once

#include "devices/device.h"

struct d86_vcpu;
struct trace;

struct trace *trace_new(char **globs);
void trace_free(struct trace *trace);
/* `vcpu` may be NULL: the event has nothing to do with an instruction. `now` is machine time. */
void trace_event(struct trace *trace, const struct device_event *event, const uint64_t *args, uint64_t now,
                 const struct d86_vcpu *vcpu);

/* Show what the processor recorded during the last run; it knows the globs already. */
void trace_processor(struct trace *trace, struct d86_vcpu *vcpu, uint64_t now);
