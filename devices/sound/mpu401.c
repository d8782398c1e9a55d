/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The card's MPU-401: its UART mode, with nothing at the other end of the MIDI cable. What is sent is gone,
 * and nothing comes but the acknowledgements of commands. Roland MPU-401 Technical Reference, "UART Mode".
 */
#include "sb16.h"

enum {
    DATA = 0,
    STATUS = 1, /* write: commands */

    NO_DATA = 0x80, /* bit 6, which says that the MPU takes nothing now, is never set */
    FLOATING = 0x3f,
    ACKNOWLEDGE = 0xfe,
    COMMAND_RESET = 0xff,
    COMMAND_UART = 0x3f,
};

static void acknowledge(struct device *dev)
{
    struct sb16 *sb = dev->state;

    sb->mpu_output = ACKNOWLEDGE;
    sb->mpu_count = 1;
    sb16_ask(dev, SB16_IRQ_MPU);
}

/* In UART mode a reset ends it, without a word, and there are no other commands. */
static void command(struct device *dev, uint8_t value)
{
    struct sb16 *sb = dev->state;
    bool was_uart = sb->mpu_uart;

    if (was_uart && value != COMMAND_RESET)
        return;
    sb->mpu_uart = value == COMMAND_UART;
    if (!was_uart)
        acknowledge(dev);
}

void mpu401_reset(struct device *dev)
{
    struct sb16 *sb = dev->state;

    sb->mpu_count = 0;
    sb->mpu_uart = false;
}

uint32_t mpu401_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct sb16 *sb = dev->state;

    (void)size;
    if (offset == STATUS)
        return sb->mpu_count ? FLOATING : FLOATING | NO_DATA;
    sb->mpu_count = 0;
    sb16_noticed(dev, SB16_IRQ_MPU);
    return sb->mpu_output;
}

void mpu401_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)size;
    if (offset == STATUS)
        command(dev, value);
}
