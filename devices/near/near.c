/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chips next to the processor and the wires between them: OUT0 of the timer is IRQ 0, INT of the slave
 * is IRQ 2, INT of the master is INTR; and the timer is told what has become of IRQ 0.
 * IBM PC/AT Technical Reference, "System Board"; Intel 82371SB, "ISA Compatible Interrupt Controller".
 */
#include "devices/near.h"

#include "apic.h"
#include "devices/chips.h"
#include "i8254.h"
#include "pm_timer.h"

/* ELCR: IRQ 0, 1, 2, 8 and 13 are edge triggered for ever (82371SB, "ELCR1", "ELCR2"). */
static const struct {
    const struct device_type *type;
    uint32_t straps;
} chips[NEAR_CHIPS] = {
    [NEAR_MASTER] = { &i8259_device, I8259_STRAP_MASTER | 0x07 },
    [NEAR_SLAVE] = { &i8259_device, 0x21 },
    [NEAR_PIT] = { &i8254_device, 0 },
    [NEAR_POST] = { &port80_device, 0 },
};

const uint16_t near_ports[NEAR_CHIPS][DEVICE_MAX_PORT_RANGES] = {
    [NEAR_MASTER] = { 0x20, 0x4d0 },
    [NEAR_SLAVE] = { 0xa0, 0x4d1 },
    [NEAR_PIT] = { 0x40 },
    [NEAR_POST] = { 0x80 },
};

/* ---- What the chips ask for ------------------------------------------------------------------ */

static uint64_t board_now(void *board)
{
    const struct near *near = board;

    return near->host->now(near->ctx);
}

/* None of them asks for it. */
static int64_t board_wall_clock(void *board)
{
    (void)board;
    return 0;
}

uint64_t near_guest_ns(const struct near *near)
{
    uint64_t run = near->host->run_ns ? near->host->run_ns(near->ctx) : 0;

    return run + near->state->halted_ns; /* which the call may have brought up to date */
}

static uint64_t board_guest_ns(void *board)
{
    return near_guest_ns(board);
}

static void set_intr(struct near *near, bool level)
{
    if (level == near->state->intr)
        return;
    near->state->intr = level;
    near->host->intr_changed(near->ctx, level);
}

/* ---- Through the APICs ----------------------------------------------------------------------- */

/* Does INTR of the 8259A reach the processor? */
static bool passes_extint(const struct near_state *s)
{
    return !s->apic || lapic_passes_extint(&s->lapic) || ioapic_passes_extint(&s->ioapic);
}

/* What the timer's interrupt is: a request of the 8259A, or a vector if it goes by the I/O APIC. */
static bool timer_requests(const struct near_state *s)
{
    uint32_t entry = s->ioapic.low[IOAPIC_TIMER_PIN];

    return s->apic && !(entry & APIC_MASKED) ? lapic_requests(&s->lapic, (uint8_t)entry) : s->request0;
}

static void tell_deadline(struct near *near)
{
    struct near_state *s = near->state;
    uint64_t when = s->pit_deadline;

    if (s->apic && s->lapic.deadline < when)
        when = s->lapic.deadline;
    if (when == s->deadline)
        return;
    s->deadline = when;
    near->host->deadline_changed(near->ctx);
}

static void tell_request(struct near *near)
{
    bool level = timer_requests(near->state);

    if (level == near->state->requested)
        return;
    near->state->requested = level;
    i8254_device.input(&near->chip[NEAR_PIT], I8254_PIN_REQUEST0, level);
}

void near_apic_changed(struct near *near)
{
    const struct near_state *s = near->state;
    bool extint = s->pic_intr && passes_extint(s);

    set_intr(near, extint || (s->apic && lapic_pending(&s->lapic) >= 0));
    tell_request(near);
    tell_deadline(near);
}

/* The 8259A's INT is LINT0 as well as an input of the I/O APIC. */
static void set_pic_intr(struct near *near, bool level)
{
    bool rises = level && !near->state->pic_intr;

    near->state->pic_intr = level;
    if (near->state->apic && rises)
        lapic_lint0_rises(near);
    near_apic_changed(near);
}

static void set_request0(struct near *near, bool level)
{
    near->state->request0 = level;
    near_apic_changed(near);
}

static void board_set_line(void *board, struct device *dev, unsigned line, bool level)
{
    struct near *near = board;

    if (dev->slot == NEAR_PIT)
        near_set_irq(near, NEAR_IRQ_TIMER, level);
    else if (dev->slot == NEAR_SLAVE && line == I8259_LINE_INT)
        near_set_irq(near, NEAR_IRQ_CASCADE, level);
    else if (dev->slot == NEAR_MASTER && line == I8259_LINE_INT)
        set_pic_intr(near, level);
    else if (dev->slot == NEAR_MASTER)
        set_request0(near, level);
}

static bool board_input(void *board, struct device *dev, unsigned pin)
{
    (void)board, (void)dev, (void)pin;
    return false;
}

static void board_set_deadline(void *board, struct device *dev, uint64_t when)
{
    struct near *near = board;

    (void)dev; /* the timer */
    near->state->pit_deadline = when;
    tell_deadline(near);
}

static size_t board_send(void *board, struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    (void)board, (void)dev, (void)link, (void)bytes;
    return count;
}

static void board_room(void *board, struct device *dev, unsigned link)
{
    (void)board, (void)dev, (void)link;
}

/* The cascade lines reach the one slave there is; it answers if `level` is its own number. */
static uint8_t board_cascade(void *board, struct device *dev, unsigned level)
{
    struct near *near = board;

    (void)dev;
    return i8259_device.acknowledge(&near->chip[NEAR_SLAVE], level);
}

static void board_trace(void *board, struct device *dev, const struct device_event *event,
                        const uint64_t *args)
{
    const struct near *near = board;

    (void)dev;
    if (near->host->trace)
        near->host->trace(near->ctx, event, args);
}

static void board_sound(void *board)
{
    const struct near *near = board;

    if (near->host->sound)
        near->host->sound(near->ctx);
}

static const struct device_board board_ops = {
    .now = board_now,
    .wall_clock = board_wall_clock,
    .guest_ns = board_guest_ns,
    .set_line = board_set_line,
    .input = board_input,
    .set_deadline = board_set_deadline,
    .send = board_send,
    .room = board_room,
    .cascade = board_cascade,
    .trace = board_trace,
    .sound = board_sound,
};

/* ---- Life ------------------------------------------------------------------------------------ */

static void *state_of(struct near_state *state, unsigned slot)
{
    switch (slot) {
    case NEAR_MASTER:
    case NEAR_SLAVE:
        return state->pic[slot];
    case NEAR_PIT:
        return state->pit;
    default:
        return state->post;
    }
}

void near_init(struct near *near, struct near_state *state, const struct near_host *host, void *ctx)
{
    near->host = host;
    near->ctx = ctx;
    near->state = state;
    for (unsigned slot = 0; slot < NEAR_CHIPS; slot++) {
        near->chip[slot] = (struct device){
            .type = chips[slot].type,
            .ops = &board_ops,
            .board = near,
            .state = state_of(state, slot),
            .slot = slot,
            .straps = chips[slot].straps,
        };
    }
}

void near_reset(struct near *near)
{
    near->state->pit_deadline = DEVICE_NEVER;
    if (near->state->apic) {
        lapic_reset(near);
        ioapic_reset(near);
    }
    for (unsigned slot = 0; slot < NEAR_CHIPS; slot++)
        near->chip[slot].type->reset(&near->chip[slot]);
    near_apic_changed(near);
}

bool near_is_valid(const struct near_state *state)
{
    return state->intr <= 1 && state->apic <= 1 && state->requested <= 1 &&
           i8259_device.is_valid(state->pic[0]) && i8259_device.is_valid(state->pic[1]) &&
           i8254_device.is_valid(state->pit);
}

/* ---- Accesses -------------------------------------------------------------------------------- */

/* The run of ports that `port` is in, and whose it is; NULL: nobody's. */
static const struct device_ports *find(struct near *near, uint16_t port, struct device **dev,
                                       uint32_t *offset)
{
    for (unsigned slot = 0; slot < NEAR_CHIPS; slot++) {
        for (unsigned i = 0; i < DEVICE_MAX_PORT_RANGES && chips[slot].type->ports[i].count; i++) {
            *offset = (uint32_t)port - near_ports[slot][i];
            *dev = &near->chip[slot];
            if (*offset < chips[slot].type->ports[i].count)
                return &chips[slot].type->ports[i];
        }
    }
    return NULL;
}

bool near_read(struct near *near, uint16_t port, uint8_t *value)
{
    struct device *dev;
    uint32_t offset;
    const struct device_ports *ports = find(near, port, &dev, &offset);

    if (!ports)
        return false;
    *value = (uint8_t)ports->read(dev, offset, 1);
    return true;
}

bool near_write(struct near *near, uint16_t port, uint8_t value)
{
    struct device *dev;
    uint32_t offset;
    const struct device_ports *ports = find(near, port, &dev, &offset);

    if (!ports || (near->state->heard && dev == &near->chip[NEAR_PIT] && i8254_changes_out2(offset, value)))
        return false;
    ports->write(dev, offset, 1, value);
    return true;
}

enum { LAPIC_BASE = 0xfee00000u, IOAPIC_BASE = 0xfec00000u, APIC_SIZE = 4096 };

/* The dword that holds all of the access; what it begins with is `offset`. False: there is none. */
static bool find_apic(const struct near *near, guest_pa pa, unsigned size, bool *local, uint32_t *offset)
{
    guest_pa page = pa & ~(guest_pa)(APIC_SIZE - 1);

    if (!near->state->apic || (page != LAPIC_BASE && page != IOAPIC_BASE) || (pa & 3) + size > 4)
        return false;
    *local = page == LAPIC_BASE;
    *offset = (uint32_t)(pa - page);
    return true;
}

bool near_mmio_read(const struct near *near, guest_pa pa, unsigned size, uint64_t *value)
{
    uint32_t offset, word;
    bool local;

    if (!find_apic(near, pa, size, &local, &offset))
        return false;
    word = local ? lapic_read(near, offset & ~3u) : ioapic_read(near, offset & ~3u);
    *value = word >> (offset & 3) * 8;
    return true;
}

/* Registers are written whole; other writes do nothing. */
bool near_mmio_write(struct near *near, guest_pa pa, unsigned size, uint64_t value)
{
    uint32_t offset;
    bool local;

    if (!find_apic(near, pa, size, &local, &offset))
        return false;
    if (size != 4)
        return true;
    if (local)
        lapic_write(near, offset, (uint32_t)value);
    else
        ioapic_write(near, offset, (uint32_t)value);
    near_apic_changed(near);
    return true;
}

bool near_read_pm_timer(const struct near *near, uint16_t port, unsigned size, uint32_t *value)
{
    if (size != 4 || port != near->state->pm_timer || !port)
        return false;
    *value = pm_timer_count(near->host->now(near->ctx));
    return true;
}

/* ---- Pins ------------------------------------------------------------------------------------ */

void near_set_irq(struct near *near, unsigned irq, bool level)
{
    if (near->state->apic && irq != NEAR_IRQ_CASCADE) {
        ioapic_input(near, irq == NEAR_IRQ_TIMER ? (unsigned)IOAPIC_TIMER_PIN : irq, level);
        near_apic_changed(near);
    }
    i8259_device.input(&near->chip[irq < 8 ? NEAR_MASTER : NEAR_SLAVE], irq % 8, level);
}

uint8_t near_acknowledge(struct near *near)
{
    int vector = near->state->apic ? lapic_pending(&near->state->lapic) : -1;

    if (vector < 0)
        return i8259_device.acknowledge(&near->chip[NEAR_MASTER], 0);
    lapic_take(near, vector);
    near_apic_changed(near);
    return vector;
}

/* Both deadlines may have passed. */
void near_run_timer(struct near *near)
{
    struct near_state *s = near->state;
    uint64_t now = near->host->now(near->ctx);

    s->deadline = DEVICE_NEVER;
    if (s->apic && s->lapic.deadline <= now)
        lapic_run_timer(near);
    tell_request(near); /* the 8254 may find by it that it is due */
    if (s->pit_deadline <= now) {
        s->pit_deadline = DEVICE_NEVER;
        i8254_device.timer(&near->chip[NEAR_PIT]);
    }
    near_apic_changed(near);
}

void near_set_gate2(struct near *near, bool level)
{
    i8254_device.input(&near->chip[NEAR_PIT], I8254_PIN_GATE2, level);
}

uint64_t near_out2_high_ns(struct near *near, uint64_t from, uint64_t to)
{
    return i8254_device.high_ns(&near->chip[NEAR_PIT], I8254_LINE_OUT2, from, to);
}

bool near_out2(struct near *near)
{
    return i8254_device.sample(&near->chip[NEAR_PIT], I8254_LINE_OUT2);
}
