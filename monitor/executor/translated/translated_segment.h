/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Segment registers loaded by translated code itself: translated_segment.S, and the cache of descriptors it
 * goes by. Executor process.
 */
#pragma once

#include "translated.h"

/* Where translated code finds it. */
void translated_segment_init(struct vcpu *v);
/* Before translated code goes on: is what is cached still of the guest's GDT? */
void translated_segment_prepare(struct vcpu *v);
/* A data segment register has been loaded from its table a moment ago: the same again shall need nobody. */
void translated_segment_note(struct vcpu *v, enum x86_sreg sreg);
