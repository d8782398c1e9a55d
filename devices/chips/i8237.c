/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DMA of the AT: two 8237A, the first one's request on channel 4 of the second, and the page registers that
 * give them 24 address bits. A peripheral asks to move bytes and is told how many could be; requests that
 * come too early are tried again when software has opened the channel. Intel 8237A datasheet; IBM PC/AT
 * Technical Reference, "DMA Controllers".
 */
#include "devices/chips.h"

#include <string.h>

enum {
    CONTROLLERS = 2,
    CHANNELS = 4, /* of each */
    CASCADE = 4,

    COMMAND = 8, /* write; read: status */
    REQUEST = 9,
    MASK_ONE = 10,
    MODE = 11,
    FLIP_FLOP = 12,
    MASTER_CLEAR = 13,
    MASK_NONE = 14,
    MASK_ALL = 15,

    COMMAND_DISABLE = 1 << 2,
    MODE_TYPE = 3 << 2,
    MODE_VERIFY = 0 << 2,
    MODE_WRITE = 1 << 2, /* to memory */
    MODE_READ = 2 << 2,
    MODE_AUTO = 1 << 4,
    MODE_DOWN = 1 << 5,
    MODE_CASCADE = 3 << 6,

    PAGES = 15, /* from 81h on */
};

struct channel {
    uint16_t base_address, base_count, address, count;
    uint8_t mode;
};

struct controller {
    struct channel channel[CHANNELS];
    uint8_t command, status, mask;
    bool high_byte; /* the flip-flop */
};

struct i8237 {
    struct controller controller[CONTROLLERS];
    uint8_t page[PAGES];
};

static const struct device_event event_move = { "i8237_move", { "channel", "address", "count" } };
static const struct device_event event_mode = { "i8237_mode", { "channel", "mode" } };

/* ---- Channels -------------------------------------------------------------------------------- */

/* Where in `page` the channel has its page register; channel 4 has that of refresh. */
static unsigned page_of(unsigned channel)
{
    static const uint8_t at[CONTROLLERS * CHANNELS] = { 0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa };

    return at[channel] - 1;
}

static bool is_open(const struct i8237 *d, unsigned channel)
{
    const struct controller *c = &d->controller[channel / CHANNELS];

    return !(c->command & COMMAND_DISABLE) && !(c->mask >> channel % CHANNELS & 1) &&
           (channel >= CASCADE || is_open(d, CASCADE));
}

static void tell_open(struct device *dev)
{
    for (unsigned channel = 0; channel < CONTROLLERS * CHANNELS; channel++) {
        if (!is_open(dev->state, channel))
            continue;
        device_set_line(dev, channel, true);
        device_set_line(dev, channel, false);
    }
}

/* The terminal count is reached. */
static void end_channel(struct controller *c, unsigned n)
{
    struct channel *ch = &c->channel[n];

    c->status |= 1u << n;
    if (ch->mode & MODE_AUTO) {
        ch->address = ch->base_address;
        ch->count = ch->base_count;
    } else {
        c->mask |= 1u << n;
    }
}

/* Bytes that lie in a row in memory, from `at` on, which nobody wraps round in. */
static void move(struct device *dev, guest_pa at, uint8_t *data, size_t size, bool to_memory)
{
    bool there = to_memory ? device_dma_write(dev, at, data, size) : device_dma_read(dev, at, data, size);

    if (!there && !to_memory)
        memset(data, 0xff, size);
}

/* `units` of them, a byte or a word each, as far as addresses go on without a wrap. Returns how many. */
static uint32_t move_run(struct device *dev, unsigned channel, uint8_t *data, uint32_t units, bool to_memory)
{
    struct i8237 *d = dev->state;
    struct channel *ch = &d->controller[channel / CHANNELS].channel[channel % CHANNELS];
    unsigned shift = channel >= CASCADE;
    uint32_t page = d->page[page_of(channel)], left = 0x10000u - ch->address;
    bool down = ch->mode & MODE_DOWN;
    guest_pa at = (guest_pa)(shift ? page & 0xfe : page) << 16 | (uint32_t)ch->address << shift;

    units = down ? 1 : units < left ? units : left;
    if ((ch->mode & MODE_TYPE) == MODE_VERIFY && !to_memory)
        memset(data, 0xff, (size_t)units << shift);
    if ((ch->mode & MODE_TYPE) != MODE_VERIFY)
        move(dev, at, data, (size_t)units << shift, to_memory);
    ch->address += down ? -1 : (int)units;
    return units;
}

/* Does software want the channel to go that way? A verify transfer goes any, without touching memory. */
static bool is_direction(const struct channel *ch, bool to_memory)
{
    unsigned type = ch->mode & MODE_TYPE;

    return type == MODE_VERIFY || type == (unsigned)(to_memory ? MODE_WRITE : MODE_READ);
}

static size_t i8237_dma(struct device *dev, unsigned channel, uint8_t *data, size_t size, bool to_memory,
                        bool *terminal)
{
    struct i8237 *d = dev->state;
    struct controller *c = &d->controller[channel / CHANNELS % CONTROLLERS];
    struct channel *ch = &c->channel[channel % CHANNELS];
    unsigned shift = channel >= CASCADE;
    uint32_t units = size >> shift, moved = 0;

    *terminal = false;
    if (channel >= CONTROLLERS * CHANNELS || channel == CASCADE || !is_open(d, channel) ||
        !is_direction(ch, to_memory) || (ch->mode & MODE_CASCADE) == MODE_CASCADE)
        return 0;
    if (units > ch->count + 1u)
        units = ch->count + 1u;
    device_trace(dev, &event_move, channel, ch->address, units);
    while (moved < units)
        moved += move_run(dev, channel, data + ((size_t)moved << shift), units - moved, to_memory);
    *terminal = moved == ch->count + 1u;
    ch->count -= moved;
    if (*terminal)
        end_channel(c, channel % CHANNELS);
    return (size_t)moved << shift;
}

/* ---- Registers ------------------------------------------------------------------------------- */

static uint8_t *half(struct controller *c, uint16_t *word)
{
    uint8_t *byte = (uint8_t *)word + c->high_byte;

    c->high_byte = !c->high_byte;
    return byte;
}

static void master_clear(struct controller *c)
{
    c->command = c->status = 0;
    c->mask = 0x0f;
    c->high_byte = false;
}

/* Software looks how far channels have come: peripherals that move at a pace of their own catch up. */
static void bring_up_to_date(struct device *dev, uint32_t r)
{
    if (r <= COMMAND)
        tell_open(dev);
}

static uint32_t read_register(struct controller *c, uint32_t r)
{
    uint8_t value;

    if (r < COMMAND)
        return *half(c, r & 1 ? &c->channel[r / 2].count : &c->channel[r / 2].address);
    if (r == COMMAND) {
        value = c->status;
        c->status = 0; /* the terminal counts; requests of peripherals are not seen here */
        return value;
    }
    return r == MASK_ALL ? 0xf0u | c->mask : 0;
}

static void write_address(struct controller *c, uint32_t r, uint8_t value)
{
    struct channel *ch = &c->channel[r / 2];
    bool high = c->high_byte;

    *half(c, r & 1 ? &ch->base_count : &ch->base_address) = value;
    c->high_byte = high;
    *half(c, r & 1 ? &ch->count : &ch->address) = value;
}

static void write_register(struct controller *c, uint32_t r, uint8_t value)
{
    uint8_t bit = 1u << (value & 3);

    switch (r) {
    case COMMAND:
        c->command = value;
        break;
    case MASK_ONE:
        c->mask = value & 4 ? c->mask | bit : c->mask & ~bit;
        break;
    case MODE:
        c->channel[value & 3].mode = value & ~3;
        break;
    case FLIP_FLOP:
        c->high_byte = false;
        break;
    case MASTER_CLEAR:
        master_clear(c);
        break;
    case MASK_NONE:
        c->mask = 0;
        break;
    case MASK_ALL:
        c->mask = value & 0x0f;
        break;
    case REQUEST: /* without a peripheral nothing would be moved */
        break;
    default:
        write_address(c, r, value);
        break;
    }
}

static void write_controller(struct device *dev, unsigned n, uint32_t r, uint8_t value)
{
    struct i8237 *d = dev->state;

    if (r == MODE)
        device_trace(dev, &event_mode, n * CHANNELS + (value & 3), value, 0);
    if (r != FLIP_FLOP)
        tell_open(dev); /* what was due before this is done with the channels as they were */
    write_register(&d->controller[n], r, value);
    tell_open(dev); /* last: a peripheral that waits goes on in there */
}

static uint32_t first_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct i8237 *d = dev->state;

    (void)size;
    bring_up_to_date(dev, offset);
    return read_register(&d->controller[0], offset);
}

static void first_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)size;
    write_controller(dev, 0, offset, value);
}

/* The second one is on address lines 1 to 4. */
static uint32_t second_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct i8237 *d = dev->state;

    (void)size;
    bring_up_to_date(dev, offset / 2);
    return read_register(&d->controller[1], offset / 2);
}

static void second_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)size;
    write_controller(dev, 1, offset / 2, value);
}

static uint32_t page_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct i8237 *d = dev->state;

    (void)size;
    return d->page[offset];
}

static void page_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct i8237 *d = dev->state;

    (void)size;
    d->page[offset] = value;
}

static void i8237_reset(struct device *dev)
{
    struct i8237 *d = dev->state;

    memset(d, 0, sizeof(*d));
    for (unsigned n = 0; n < CONTROLLERS; n++)
        master_clear(&d->controller[n]);
}

const struct device_type i8237_device = {
    .name = "i8237",
    .state_size = sizeof(struct i8237),
    .ports = {
        { .count = 16, .read = first_read, .write = first_write },
        { .count = 32, .read = second_read, .write = second_write },
        { .count = PAGES, .read = page_read, .write = page_write },
    },
    .line_count = CONTROLLERS * CHANNELS,
    .reset = i8237_reset,
    .dma = i8237_dma,
};
