/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The bus master of an IDE channel: it moves the drive's data to or from the regions of memory that a table
 * of descriptors lists. Programming Interface for Bus Master IDE Controller 1.0; Intel 82371SB (PIIX3)
 * datasheet, "Bus Master Function".
 */
#include "ide.h"

enum {
    COMMAND = 0,
    STATUS = 2,
    TABLE = 4,

    COMMAND_START = 1 << 0,
    COMMAND_TO_MEMORY = 1 << 3,

    STATUS_ACTIVE = 1 << 0,
    STATUS_ERROR = 1 << 1,
    STATUS_INTERRUPT = 1 << 2,
    STATUS_CAPABLE = 3 << 5, /* software's notes on both drives */

    PCICMD = 0x04, /* in configuration space */
    PCICMD_MASTER = 1 << 2,

    DESCRIPTOR = 8,
    END_OF_TABLE = 1 << 7, /* in its last byte */
};

static const struct device_event event_start = { "ide_bus_master", { "channel", "command", "table" } };
static const struct device_event event_fault = { "ide_bus_master_fault", { "channel", "address", "size" } };

/* ---- Registers ------------------------------------------------------------------------------- */

uint8_t bus_master_read(const struct ide_channel *ch, unsigned offset)
{
    const struct ide_bus_master *m = &ch->master;

    switch (offset) {
    case COMMAND:
        return m->command;
    case STATUS:
        return m->status;
    case TABLE ... TABLE + 3:
        return m->table >> (offset - TABLE) * 8;
    default:
        return 0;
    }
}

static void start(struct device *dev, struct ide_channel *ch)
{
    struct ide_bus_master *m = &ch->master;

    device_trace(dev, &event_start, ch->number, m->command, m->table);
    m->status |= STATUS_ACTIVE;
    m->next = m->table;
    m->left = 0;
    m->last = false;
    ide_data_pump(dev, ch);
}

static void write_command(struct device *dev, struct ide_channel *ch, uint8_t value)
{
    struct ide_bus_master *m = &ch->master;
    bool was_started = m->command & COMMAND_START;

    m->command = value & (COMMAND_START | COMMAND_TO_MEMORY);
    if (!(value & COMMAND_START))
        m->status &= ~STATUS_ACTIVE;
    else if (!was_started)
        start(dev, ch);
}

void bus_master_write(struct device *dev, struct ide_channel *ch, unsigned offset, uint8_t value)
{
    struct ide_bus_master *m = &ch->master;

    switch (offset) {
    case COMMAND:
        write_command(dev, ch, value);
        break;
    case STATUS:
        m->status &= ~(value & (STATUS_ERROR | STATUS_INTERRUPT));
        m->status = (m->status & ~STATUS_CAPABLE) | (value & STATUS_CAPABLE);
        break;
    case TABLE ... TABLE + 3:
        m->table &= ~(0xffu << (offset - TABLE) * 8);
        m->table |= (uint32_t)value << (offset - TABLE) * 8;
        m->table &= ~3u;
        break;
    default:
        break;
    }
}

/* ---- Data ------------------------------------------------------------------------------------ */

/* A region that is not there stops it with an error, as a master abort does. */
static void fault(struct device *dev, struct ide_channel *ch, uint32_t address, uint32_t size)
{
    device_trace(dev, &event_fault, ch->number, address, size);
    ch->master.status |= STATUS_ERROR;
    ch->master.status &= ~STATUS_ACTIVE;
}

/* The next region, joined with those that go on where it ends. False: there is none, or no table. */
static bool next_region(struct device *dev, struct ide_channel *ch, uint32_t enough)
{
    struct ide_bus_master *m = &ch->master;

    m->left = 0;
    while (!m->last && m->left < enough) {
        uint8_t d[DESCRIPTOR];
        uint32_t address, size;

        if (!device_dma_read(dev, m->next, d, sizeof(d))) {
            fault(dev, ch, m->next, sizeof(d));
            return false;
        }
        address = (d[0] & ~1u) | (uint32_t)d[1] << 8 | (uint32_t)d[2] << 16 | (uint32_t)d[3] << 24;
        size = (d[4] & ~1u) | (uint32_t)d[5] << 8;
        size = size ? size : 0x10000;
        if (m->left && (address != m->address + m->left || address == 0))
            break;
        m->address = m->left ? m->address : address;
        m->left += size;
        m->last = d[7] & END_OF_TABLE;
        m->next += DESCRIPTOR;
    }
    return m->left;
}

/* What can be moved at once: a region ends at 4 GiB, where a 32-bit master begins again at 0. */
static uint32_t piece(const struct ide_bus_master *m, uint32_t size)
{
    uint64_t to_end = UINT64_C(0x100000000) - m->address;
    uint32_t n = m->left < size ? m->left : size;

    return n < to_end ? n : (uint32_t)to_end;
}

static bool move_piece(struct device *dev, guest_pa pa, uint8_t *data, uint32_t size, bool out)
{
    return out ? device_dma_read(dev, pa, data, size) : device_dma_write(dev, pa, data, size);
}

uint32_t bus_master_move(struct device *dev, struct ide_channel *ch, uint8_t *data, uint32_t size, bool out)
{
    struct ide_bus_master *m = &ch->master;
    uint32_t done = 0;

    if (!(dev->config[PCICMD] & PCICMD_MASTER) || out != !(m->command & COMMAND_TO_MEMORY))
        return 0; /* started the wrong way round: it moves nothing, as without leave */
    while (done < size && m->status & STATUS_ACTIVE) {
        uint32_t n;

        if (!m->left && !next_region(dev, ch, size - done)) {
            m->status &= ~STATUS_ACTIVE;
            break;
        }
        n = piece(m, size - done);
        if (!move_piece(dev, m->address, data + done, n, out)) {
            fault(dev, ch, m->address, n);
            break;
        }
        m->address += n;
        m->left -= n;
        done += n;
    }
    if (!m->left && m->last)
        m->status &= ~STATUS_ACTIVE;
    return done;
}
