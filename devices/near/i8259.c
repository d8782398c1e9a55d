/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * i8259A interrupt controller, and the PIIX edge/level register that belongs to it. Requests, masks and
 * priorities are three bytes; INT is recomputed after every change of any of them.
 * Intel 8259A datasheet; Intel 82371SB, "ELCR1/ELCR2".
 */
#include "devices/chips.h"
#include "devices/near.h"

enum {
    ICW1_IC4 = 0x01, /* ICW4 follows */
    ICW1_SNGL = 0x02,
    ICW1_LTIM = 0x08,
    ICW1_SELECT = 0x10, /* D4: this is ICW1, not an OCW */

    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,

    OCW2_EOI = 0x20,
    OCW2_SL = 0x40,
    OCW2_R = 0x80,

    OCW3_RIS = 0x01,
    OCW3_RR = 0x02,
    OCW3_POLL = 0x04,
    OCW3_SELECT = 0x08, /* D3: OCW3, not OCW2 */
    OCW3_SMM = 0x20,
    OCW3_ESMM = 0x40,

    NO_LEVEL = 8,
};

/* Which byte the next write to the odd address is. */
enum init_step { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

struct i8259 {
    uint8_t pins;  /* IR inputs as they are */
    uint8_t edges; /* edge-sense latches: a rise was seen and not yet acknowledged */
    uint8_t elcr;  /* 1: the input is level sensitive */
    uint8_t imr, isr;
    uint8_t icw1, icw2, icw3, icw4;
    uint8_t init_step;
    uint8_t lowest; /* level with the lowest priority; the next one, circularly, has the highest */
    /* Bits, not bytes: then every value that can come from elsewhere is one of a bool's (is_valid). */
    bool rotate_on_aeoi : 1;
    bool special_mask : 1;
    bool read_isr : 1; /* OCW3 chose ISR for reads of the even address, else IRR */
    bool poll : 1;     /* the next read is a poll */
    bool line : 1;     /* INT as driven */
    bool request0 : 1; /* REQUEST0 as driven */
};

static const struct device_event event_init = { "i8259_init", { "slot", "icw2", "icw1" } };
static const struct device_event event_ack = { "i8259_acknowledge", { "slot", "level", "vector" } };
static const struct device_event event_spurious = { "i8259_spurious", { "slot", "irr", "imr" } };
static const struct device_event event_mask = { "i8259_mask", { "slot", "imr", "irr" } };
static const struct device_event event_ocw2 = { "i8259_ocw2", { "slot", "value", "isr" } };

static uint8_t level_lines(const struct i8259 *pic)
{
    return pic->icw1 & ICW1_LTIM ? 0xff : pic->elcr;
}

/* An edge input requests only while it also stays high: one that falls early ends as a spurious level 7. */
static uint8_t irr(const struct i8259 *pic)
{
    return pic->pins & (pic->edges | level_lines(pic));
}

/* The level of highest priority in `set`, or NO_LEVEL. */
static unsigned highest(const struct i8259 *pic, uint8_t set)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned level = (pic->lowest + i) & 7;

        if (set & (1u << level))
            return level;
    }
    return NO_LEVEL;
}

/* Position in the priority order: 0 is the highest; NO_LEVEL comes last. */
static unsigned rank(const struct i8259 *pic, unsigned level)
{
    return level == NO_LEVEL ? 8 : (level - pic->lowest - 1) & 7;
}

/*
 * The level that would be acknowledged now, or NO_LEVEL. Special mask mode lets a masked level in service
 * block nothing; special fully nested mode lets a slave in service interrupt again (datasheet, "Special Mask
 * Mode", "The Special Fully Nested Mode").
 */
static unsigned pending(const struct i8259 *pic)
{
    unsigned request = highest(pic, irr(pic) & ~pic->imr);
    uint8_t blocking = pic->isr;

    if (request == NO_LEVEL || pic->init_step != INIT_DONE)
        return NO_LEVEL;
    if (pic->special_mask)
        blocking &= ~pic->imr;
    if ((pic->icw4 & ICW4_SFNM) && !(pic->icw1 & ICW1_SNGL))
        blocking &= ~(pic->icw3 & (1u << request));
    return rank(pic, request) < rank(pic, highest(pic, blocking)) ? request : NO_LEVEL;
}

static void update_line(struct device *dev)
{
    struct i8259 *pic = dev->state;
    bool level = pending(pic) != NO_LEVEL, request0 = irr(pic) & 1;

    if (level != pic->line) {
        pic->line = level;
        device_set_line(dev, I8259_LINE_INT, level);
    }
    if (request0 != pic->request0) {
        pic->request0 = request0;
        device_set_line(dev, I8259_LINE_REQUEST0, request0);
    }
}

/* The INTA or poll read takes `level` into service. INT falls first: the next request is a new edge. */
static void begin_service(struct device *dev, unsigned level)
{
    struct i8259 *pic = dev->state;

    pic->line = false;
    device_set_line(dev, I8259_LINE_INT, false);
    pic->edges &= ~(1u << level);
    if (!(pic->icw4 & ICW4_AEOI))
        pic->isr |= 1u << level;
    else if (pic->rotate_on_aeoi)
        pic->lowest = level;
}

/* Both INTA cycles at once. A chip that is not addressed on the cascade lines leaves the bus floating. */
static uint8_t i8259_acknowledge(struct device *dev, unsigned cas)
{
    struct i8259 *pic = dev->state;
    bool master = dev->straps & I8259_STRAP_MASTER;
    unsigned level = pending(pic);
    uint8_t vector;

    if (!master && cas != (pic->icw3 & 7u))
        return 0xff;
    if (level == NO_LEVEL) {
        vector = (pic->icw2 & 0xf8) | 7;
        device_trace(dev, &event_spurious, dev->slot, irr(pic), pic->imr);
        return vector;
    }
    begin_service(dev, level);
    if (master && !(pic->icw1 & ICW1_SNGL) && (pic->icw3 & (1u << level)))
        vector = device_cascade(dev, level);
    else
        vector = (pic->icw2 & 0xf8) | level;
    device_trace(dev, &event_ack, dev->slot, level, vector);
    update_line(dev);
    return vector;
}

static void write_icw1(struct device *dev, uint8_t value)
{
    struct i8259 *pic = dev->state;

    pic->icw1 = value;
    pic->edges = 0;
    pic->imr = 0;
    pic->isr = 0;
    pic->lowest = 7;
    pic->special_mask = false;
    pic->read_isr = false;
    pic->poll = false;
    pic->init_step = INIT_ICW2;
    if (!(value & ICW1_IC4)) {
        pic->icw4 = 0;
        pic->rotate_on_aeoi = false;
    }
}

static void write_ocw2(struct device *dev, uint8_t value)
{
    struct i8259 *pic = dev->state;
    unsigned level = value & 7;

    device_trace(dev, &event_ocw2, dev->slot, value, pic->isr);
    if (!(value & OCW2_SL) && (value & OCW2_EOI)) {
        /* A level masked in special mask mode is not reached by a non-specific EOI. */
        level = highest(pic, pic->special_mask ? pic->isr & ~pic->imr : pic->isr);
        if (level == NO_LEVEL)
            return;
    }
    switch (value & (OCW2_R | OCW2_SL | OCW2_EOI)) {
    case OCW2_EOI:
    case OCW2_SL | OCW2_EOI:
        pic->isr &= ~(1u << level);
        break;
    case OCW2_R | OCW2_EOI:
    case OCW2_R | OCW2_SL | OCW2_EOI:
        pic->isr &= ~(1u << level);
        pic->lowest = level;
        break;
    case OCW2_R | OCW2_SL:
        pic->lowest = level;
        break;
    case OCW2_R:
        pic->rotate_on_aeoi = true;
        break;
    case 0:
        pic->rotate_on_aeoi = false;
        break;
    default: /* SL alone: no operation */
        break;
    }
}

static void write_ocw3(struct i8259 *pic, uint8_t value)
{
    if (value & OCW3_ESMM)
        pic->special_mask = value & OCW3_SMM;
    pic->poll = value & OCW3_POLL;
    if (value & OCW3_RR)
        pic->read_isr = value & OCW3_RIS;
}

/* The odd address: the rest of the initialization sequence, then OCW1. */
static void write_odd(struct device *dev, uint8_t value)
{
    struct i8259 *pic = dev->state;

    switch (pic->init_step) {
    case INIT_ICW2:
        pic->icw2 = value;
        device_trace(dev, &event_init, dev->slot, value, pic->icw1);
        if (!(pic->icw1 & ICW1_SNGL))
            pic->init_step = INIT_ICW3;
        else
            pic->init_step = pic->icw1 & ICW1_IC4 ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW3:
        pic->icw3 = value;
        pic->init_step = pic->icw1 & ICW1_IC4 ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW4:
        pic->icw4 = value;
        pic->init_step = INIT_DONE;
        break;
    default:
        pic->imr = value;
        device_trace(dev, &event_mask, dev->slot, value, irr(pic));
        break;
    }
}

static void i8259_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct i8259 *pic = dev->state;

    (void)size;
    if (offset == 1)
        write_odd(dev, value);
    else if (value & ICW1_SELECT)
        write_icw1(dev, value);
    else if (value & OCW3_SELECT)
        write_ocw3(pic, value);
    else
        write_ocw2(dev, value);
    update_line(dev);
}

/* A poll is an acknowledge that answers on the data bus: bit 7 and the level (datasheet, "Poll Command"). */
static uint8_t read_poll(struct device *dev)
{
    struct i8259 *pic = dev->state;
    unsigned level = pending(pic);

    pic->poll = false;
    if (level == NO_LEVEL)
        return 0x07;
    begin_service(dev, level);
    update_line(dev);
    return 0x80 | level;
}

static uint32_t i8259_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct i8259 *pic = dev->state;

    (void)size;
    if (pic->poll)
        return read_poll(dev);
    if (offset == 1)
        return pic->imr;
    return pic->read_isr ? pic->isr : irr(pic);
}

static uint32_t elcr_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct i8259 *pic = dev->state;

    (void)offset, (void)size;
    return pic->elcr;
}

static void elcr_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct i8259 *pic = dev->state;

    (void)offset, (void)size;
    pic->elcr = value & ~(dev->straps & I8259_STRAP_ELCR_FIXED);
    update_line(dev);
}

static void i8259_input(struct device *dev, unsigned pin, bool level)
{
    struct i8259 *pic = dev->state;
    uint8_t bit;

    if (pin > 7)
        return;
    bit = 1u << pin;
    if (level && !(pic->pins & bit))
        pic->edges |= bit;
    if (!level)
        pic->edges &= ~bit;
    pic->pins = level ? pic->pins | bit : pic->pins & ~bit;
    update_line(dev);
}

/*
 * The 8259A has no RESET pin, but a PC that resets is programmed anew before it enables interrupts. The
 * inputs belong to others and stay. Until ICW1 arrives nothing is masked in hardware; here everything is, so
 * that a guest that never programs the chip sees no interrupt from a random vector.
 */
static void i8259_reset(struct device *dev)
{
    struct i8259 *pic = dev->state;
    uint8_t pins = pic->pins;

    *pic = (struct i8259){ .pins = pins, .imr = 0xff, .lowest = 7, .icw1 = ICW1_IC4 };
    device_set_line(dev, I8259_LINE_INT, false);
    device_set_line(dev, I8259_LINE_REQUEST0, false);
}

static bool i8259_is_valid(const void *state)
{
    const struct i8259 *pic = state;

    return pic->init_step <= INIT_ICW4 && pic->lowest <= 7;
}

_Static_assert(sizeof(struct i8259) <= NEAR_PIC_SIZE, "the state fits where it is lent");

const struct device_type i8259_device = {
    .name = "i8259",
    .state_size = sizeof(struct i8259),
    .ports = {
        { .count = 2, .read = i8259_read, .write = i8259_write },
        { .count = 1, .read = elcr_read, .write = elcr_write },
    },
    .line_count = 2,
    .reset = i8259_reset,
    .input = i8259_input,
    .acknowledge = i8259_acknowledge,
    .is_valid = i8259_is_valid,
};
