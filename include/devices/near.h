/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chips next to the processor: two 8259A, an 8254 and the latch at port 80h, wired to each other as on a
 * PC, and the power management timer, which is a clock and nothing else. They are a part of the board by
 * themselves because a kernel's timer tick is a talk with them and with nobody else: whoever runs the
 * processor can be lent their state, and then a tick needs nobody else. No libc; used by devices/board/ and
 * by the executor.
 */
#pragma once

#include "devices/device.h"

enum near_slot { NEAR_MASTER, NEAR_SLAVE, NEAR_PIT, NEAR_POST, NEAR_CHIPS };

/* Interrupt requests that are driven in here. */
enum { NEAR_IRQ_TIMER = 0, NEAR_IRQ_CASCADE = 2 };

/* Where each chip's runs of ports begin. */
extern const uint16_t near_ports[NEAR_CHIPS][DEVICE_MAX_PORT_RANGES];

/* Entries of the local vector table, in the order of their registers. */
enum {
    NEAR_LVT_TIMER,
    NEAR_LVT_THERMAL,
    NEAR_LVT_PERFORMANCE,
    NEAR_LVT_LINT0,
    NEAR_LVT_LINT1,
    NEAR_LVT_ERROR,
    NEAR_LVTS,
    NEAR_IOAPIC_PINS = 24,
};

enum { NEAR_PIC_SIZE = 16, NEAR_PIT_SIZE = 160, NEAR_POST_SIZE = 8, NEAR_ARREARS_SIZE = 24 };

/* Local APIC: registers as software reads them. Sets of vectors are 256 bits. */
struct near_lapic {
    uint64_t timer_start, deadline; /* machine time */
    uint64_t period_end;            /* ... of a periodic timer */
    _Alignas(8) uint8_t arrears[NEAR_ARREARS_SIZE];
    uint32_t irr[8], isr[8], tmr[8];
    uint32_t lvt[NEAR_LVTS];
    uint32_t id, tpr, ldr, dfr, svr, esr, icr_low, icr_high;
    uint32_t errors; /* since ESR was written */
    uint32_t timer_initial, divide;
};

/* I/O APIC: the halves of its entries. */
struct near_ioapic {
    uint32_t low[NEAR_IOAPIC_PINS], high[NEAR_IOAPIC_PINS];
    uint32_t pins; /* levels */
    uint32_t id, select;
};

/* All that they know: plain data, which may be copied. */
struct near_state {
    uint64_t deadline;     /* of the timers, machine time; DEVICE_NEVER: none */
    uint64_t pit_deadline; /* ... of the 8254 alone */
    _Alignas(8) uint8_t pic[2][NEAR_PIC_SIZE];
    _Alignas(8) uint8_t pit[NEAR_PIT_SIZE];
    uint8_t post[NEAR_POST_SIZE];
    uint64_t halted_ns; /* how long the guest has been halted; the board with the clocks counts it */
    uint16_t pm_timer;  /* port of the power management timer; 0: it has none */
    uint8_t intr;       /* level of the processor's INTR pin, 0 or 1 */
    uint8_t apic;       /* 1: there are APICs */
    uint8_t pic_intr;   /* level of the master 8259A's INT */
    uint8_t request0;   /* ... and of its REQUEST0 */
    uint8_t requested;  /* what the 8254 was told of its request */
    uint8_t heard;      /* 1: the speaker plays counter 2, and who changes it is to be the board */
    struct near_lapic lapic;
    struct near_ioapic ioapic;
};

/* What they need of whoever has them. `run_ns`, `trace` and `sound` (device_sound()) may be NULL. */
struct near_host {
    uint64_t (*now)(void *ctx); /* machine time in ns, never goes back */
    void (*intr_changed)(void *ctx, bool level);
    void (*deadline_changed)(void *ctx);
    void (*trace)(void *ctx, const struct device_event *event, const uint64_t *args);
    uint64_t (*run_ns)(void *ctx); /* how long the guest has run, not counting when it was halted */
    void (*sound)(void *ctx);
};

struct near {
    struct device chip[NEAR_CHIPS]; /* `slot` is enum near_slot */
    const struct near_host *host;
    void *ctx;
    struct near_state *state;
};

/* Wire the chips up around `state`, which is left as it is. */
void near_init(struct near *near, struct near_state *state, const struct near_host *host, void *ctx);
/* Pull RESET. The state may be all zero before. */
void near_reset(struct near *near);
/* Can chips be in that state? For one that comes from where nobody is trusted. */
bool near_is_valid(const struct near_state *state);

/* Access of one byte; false: the port is not theirs, or they are lent and it is to be the board's (`heard`).
 */
bool near_read(struct near *near, uint16_t port, uint8_t *value);
bool near_write(struct near *near, uint16_t port, uint8_t value);

/* The APICs' memory, as far as accesses are inside; false: the address is not theirs. */
bool near_mmio_read(const struct near *near, guest_pa pa, unsigned size, uint64_t *value);
bool near_mmio_write(struct near *near, guest_pa pa, unsigned size, uint64_t value);

/* A whole read of the power management timer, which is computed from the machine time; false: not there. */
bool near_read_pm_timer(const struct near *near, uint16_t port, unsigned size, uint32_t *value);

/* Interrupt request n, 0 to 15, but not those driven in here. */
void near_set_irq(struct near *near, unsigned irq, bool level);
/* The processor's acknowledge sequence: the vector. */
uint8_t near_acknowledge(struct near *near);

/* The deadline has passed. */
void near_run_timer(struct near *near);
/* The guest's own time: device_guest_ns(). */
uint64_t near_guest_ns(const struct near *near);
/* Counter 2 of the timer: its gate, driven by port 61h, and its output. */
void near_set_gate2(struct near *near, bool level);
bool near_out2(struct near *near);
uint64_t near_out2_high_ns(struct near *near, uint64_t from, uint64_t to); /* device_input_high_ns() */
