/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a PC reports x87 errors when CR0.NE is clear: FERR# raises IRQ 13; the handler writes to port F0h,
 * which drops IRQ 13 and holds IGNNE# active until the error is gone, so that it may use the FPU. SDM 1,
 * "MS-DOS Compatibility Sub-mode" (figure of the external logic).
 */
#include "devices/chips.h"

struct fpu_error {
    bool ferr; /* the processor's pin, active true */
    bool irq;
    bool ignne;
};

static void drive(struct device *dev)
{
    const struct fpu_error *fpu = dev->state;

    device_set_line(dev, FPU_ERROR_LINE_IRQ, fpu->irq);
    device_set_line(dev, FPU_ERROR_LINE_IGNNE, fpu->ignne);
}

static void fpu_error_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct fpu_error *fpu = dev->state;

    (void)size, (void)value;
    if (offset != 0)
        return; /* F1h resets a 287; nothing to do since the 387 */
    fpu->irq = false;
    fpu->ignne = fpu->ferr;
    drive(dev);
}

static void fpu_error_input(struct device *dev, unsigned pin, bool level)
{
    struct fpu_error *fpu = dev->state;

    if (pin != FPU_ERROR_PIN_FERR)
        return;
    if (level && !fpu->ferr)
        fpu->irq = true;
    if (!level)
        fpu->ignne = false;
    fpu->ferr = level;
    drive(dev);
}

static void fpu_error_reset(struct device *dev)
{
    struct fpu_error *fpu = dev->state;

    *fpu = (struct fpu_error){ .ferr = false };
    drive(dev);
}

const struct device_type fpu_error_device = {
    .name = "fpu_error",
    .state_size = sizeof(struct fpu_error),
    .ports = { { .count = 2, .write = fpu_error_write } },
    .line_count = 2,
    .reset = fpu_error_reset,
    .input = fpu_error_input,
};
