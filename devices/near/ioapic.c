/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * I/O APIC: 24 inputs, each with an entry that says which message a request becomes. Inputs are active high
 * here, whatever polarity an entry has: whoever drives one means it. Intel 82093AA datasheet, "Register
 * Description".
 */
#include "apic.h"

enum {
    SELECT = 0x00, /* offsets */
    WINDOW = 0x10,

    ID = 0x00, /* registers */
    VERSION = 0x01,
    ARBITRATION = 0x02,
    ENTRIES = 0x10,

    VERSION_24 = 0x00170011,
    ENTRY_WRITABLE = 0x1afff, /* of the low half: not delivery status and remote IRR */
    ENTRY_LOGICAL = 1 << 11,
};

static unsigned mode_of(uint32_t entry)
{
    return entry >> 8 & 7;
}

static void send(struct near *near, unsigned pin)
{
    struct near_ioapic *io = &near->state->ioapic;
    uint32_t low = io->low[pin];
    bool level = low & APIC_LEVEL;
    bool taken =
        lapic_accept(near, io->high[pin] >> 24, low & ENTRY_LOGICAL, mode_of(low), (uint8_t)low, level);

    if (level && taken)
        io->low[pin] |= APIC_REMOTE_IRR;
}

/* A level that is up is sent, unless it has been and is not over. */
static void look_at_level(struct near *near, unsigned pin)
{
    const struct near_ioapic *io = &near->state->ioapic;
    uint32_t low = io->low[pin];

    if (io->pins >> pin & 1 && low & APIC_LEVEL && !(low & (APIC_MASKED | APIC_REMOTE_IRR)))
        send(near, pin);
}

/* An edge that meets a mask is lost. */
void ioapic_input(struct near *near, unsigned pin, bool level)
{
    struct near_ioapic *io = &near->state->ioapic;
    uint32_t bit = 1u << pin, before = io->pins;

    io->pins = level ? before | bit : before & ~bit;
    if (io->low[pin] & APIC_LEVEL)
        look_at_level(near, pin);
    else if (level && !(before & bit) && !(io->low[pin] & APIC_MASKED))
        send(near, pin);
}

void ioapic_eoi(struct near *near, uint8_t vector)
{
    struct near_ioapic *io = &near->state->ioapic;

    for (unsigned pin = 0; pin < NEAR_IOAPIC_PINS; pin++) {
        if (!(io->low[pin] & APIC_LEVEL) || (uint8_t)io->low[pin] != vector)
            continue;
        io->low[pin] &= ~(uint32_t)APIC_REMOTE_IRR;
        look_at_level(near, pin);
    }
}

bool ioapic_passes_extint(const struct near_ioapic *io)
{
    uint32_t low = io->low[IOAPIC_EXTINT_PIN];

    return !(low & APIC_MASKED) && mode_of(low) == APIC_EXTINT;
}

static uint32_t read_register(const struct near_ioapic *io, uint32_t number)
{
    unsigned pin = (number - ENTRIES) / 2;

    if (number >= ENTRIES && pin < NEAR_IOAPIC_PINS)
        return number & 1 ? io->high[pin] : io->low[pin];
    switch (number) {
    case ID:
    case ARBITRATION:
        return io->id;
    case VERSION:
        return VERSION_24;
    default:
        return 0;
    }
}

static void write_register(struct near *near, uint32_t number, uint32_t value)
{
    struct near_ioapic *io = &near->state->ioapic;
    unsigned pin = (number - ENTRIES) / 2;

    if (number == ID)
        io->id = value & 0x0f000000;
    if (number < ENTRIES || pin >= NEAR_IOAPIC_PINS)
        return;
    if (number & 1) {
        io->high[pin] = value & 0xff000000;
        return;
    }
    io->low[pin] = (io->low[pin] & ~(uint32_t)ENTRY_WRITABLE) | (value & ENTRY_WRITABLE);
    if (!(value & APIC_LEVEL))
        io->low[pin] &= ~(uint32_t)APIC_REMOTE_IRR;
    look_at_level(near, pin);
}

uint32_t ioapic_read(const struct near *near, uint32_t offset)
{
    const struct near_ioapic *io = &near->state->ioapic;

    return offset == SELECT ? io->select : offset == WINDOW ? read_register(io, io->select) : 0;
}

void ioapic_write(struct near *near, uint32_t offset, uint32_t value)
{
    struct near_ioapic *io = &near->state->ioapic;

    if (offset == SELECT)
        io->select = value & 0xff;
    else if (offset == WINDOW)
        write_register(near, io->select, value);
}

/* The inputs belong to others and stay. */
void ioapic_reset(struct near *near)
{
    struct near_ioapic *io = &near->state->ioapic;
    uint32_t pins = io->pins;

    *io = (struct near_ioapic){ .pins = pins };
    for (unsigned pin = 0; pin < NEAR_IOAPIC_PINS; pin++)
        io->low[pin] = APIC_MASKED;
}
