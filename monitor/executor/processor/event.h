/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Exceptions and interrupts; what is raised: raise_*() in state/executor.h. Executor side.
 */
#pragma once

#include "executor.h"

/* Deliver v->event (set by raise*) in the guest; nested faults become #DF or shutdown (SDM 3A, "Interrupt
 * 8"). */
void event_deliver_exception(struct vcpu *v);
/* Deliver an external interrupt or an NMI; same rules. May unwind with a further exception. */
void event_deliver_interrupt(struct vcpu *v, uint8_t vector);
void event_deliver_nmi(struct vcpu *v);
/* INT n (soft: DPL and V86/VME rules), INT3, INTO; v synced; return address is v->next_eip. */
void event_software(struct vcpu *v, uint8_t vector);
/* INT1 (ICEBP): a #DB trap without the software checks; v synced. */
void event_icebp(struct vcpu *v);
/* #DB as a trap after an instruction: dr6 gives the DR6 bits to set. */
void event_debug_trap(struct vcpu *v, uint32_t dr6);
