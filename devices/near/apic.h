/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The local APIC and the I/O APIC next to the processor, from inside. Both are plain data in near_state, and
 * what one has to tell the other is a call. SDM 3A, "Advanced Programmable Interrupt Controller (APIC)";
 * Intel 82093AA (IOAPIC) datasheet.
 */
#pragma once

#include "devices/near.h"

enum {
    IOAPIC_EXTINT_PIN = 0, /* where the 8259A's INTR is */
    IOAPIC_TIMER_PIN = 2,  /* where IRQ 0 is */

    APIC_FIXED = 0, /* delivery modes */
    APIC_LOWEST_PRIORITY = 1,
    APIC_EXTINT = 7,

    APIC_MASKED = 1 << 16, /* in entries of either */
    APIC_LEVEL = 1 << 15,
    APIC_REMOTE_IRR = 1 << 14,
};

/* ---- lapic.c: the local APIC -------------------------------------------------------------------------- */

void lapic_reset(struct near *near);
uint32_t lapic_read(const struct near *near, uint32_t offset);
void lapic_write(struct near *near, uint32_t offset, uint32_t value);
/* Is there an interrupt for the processor? The vector, or -1. */
int lapic_pending(const struct near_lapic *a);
/* The processor takes it. */
void lapic_take(struct near *near, uint8_t vector);
/* A message comes in: is it for this APIC, and does it accept it? */
bool lapic_accept(struct near *near, uint8_t destination, bool logical, unsigned mode, uint8_t vector,
                  bool level);
/* Has that vector been requested and not been taken yet? */
bool lapic_requests(const struct near_lapic *a, uint8_t vector);
/* LINT0, which is INTR of the 8259A: does it let that through to the processor? And it has risen. */
bool lapic_passes_extint(const struct near_lapic *a);
void lapic_lint0_rises(struct near *near);
void lapic_run_timer(struct near *near);

/* ---- ioapic.c: the I/O APIC --------------------------------------------------------------------------- */

void ioapic_reset(struct near *near);
uint32_t ioapic_read(const struct near *near, uint32_t offset);
void ioapic_write(struct near *near, uint32_t offset, uint32_t value);
void ioapic_input(struct near *near, unsigned pin, bool level);
/* The processor is through with a level-triggered interrupt. */
void ioapic_eoi(struct near *near, uint8_t vector);
bool ioapic_passes_extint(const struct near_ioapic *io);

/* ---- near.c ------------------------------------------------------------------------------------------- */

/* What the APICs do to INTR, the timer's view of its request, and the deadline, brought up to date. */
void near_apic_changed(struct near *near);
