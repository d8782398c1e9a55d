/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Host bridge of the i440FX (82441FX, PMC): PCI configuration mechanism 1 and, in its own configuration
 * space, who answers for memory below 1 MiB. The registers that set up DRAM, its timing and error checking
 * keep what is written and do nothing: the memory is there from the start. Intel 82441FX datasheet, "Register
 * Description".
 */
#include "devices/chips.h"

enum {
    /* CONFADD, at CF8h */
    CONFADD_ENABLE = 1u << 31,
    CONFADD_WRITABLE = CONFADD_ENABLE | 0x00fffffc,

    PAM0 = 0x59, /* PAM0..PAM6 */
    PAM_RE = 1 << 0,
    PAM_WE = 1 << 1,

    SMRAM = 0x72,
    G_SMRAME = 1 << 3,
    D_LCK = 1 << 4,
    D_CLS = 1 << 5,
    D_OPEN = 1 << 6,

    TRC = 0x93,
    SHRE = 1 << 1,
    RCPU = 1 << 2,
};

struct i440fx {
    uint32_t confadd;
};

static const struct device_event event_smram = { "i440fx_smram", { "value" } };
static const struct device_event event_pam = { "i440fx_pam", { "register", "value" } };

/* ---- Configuration mechanism 1 --------------------------------------------------------------- */

static uint32_t confadd_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct i440fx *h = dev->state;

    (void)offset, (void)size;
    return h->confadd;
}

static void confadd_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct i440fx *h = dev->state;

    (void)offset, (void)size;
    h->confadd = value & CONFADD_WRITABLE;
}

static uint32_t confdata_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct i440fx *h = dev->state;

    if (!(h->confadd & CONFADD_ENABLE))
        return UINT32_MAX;
    return device_config_read(dev, (h->confadd & ~CONFADD_ENABLE) | offset, size);
}

static void confdata_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    const struct i440fx *h = dev->state;

    if (h->confadd & CONFADD_ENABLE)
        device_config_write(dev, (h->confadd & ~CONFADD_ENABLE) | offset, size, value);
}

static void i440fx_reset(struct device *dev)
{
    struct i440fx *h = dev->state;

    h->confadd = 0;
    device_set_line(dev, I440FX_LINE_MEMORY, true);
    device_set_line(dev, I440FX_LINE_MEMORY, false);
}

/* ---- Memory below 1 MiB ---------------------------------------------------------------------- */

/* PAM0 has F0000h in its high half; the others have two segments each, the lower one in the low half. */
static unsigned i440fx_decodes(const struct device *dev, unsigned segment)
{
    unsigned pam = segment / 2 + 1, half = segment & 1;
    unsigned open = D_OPEN | G_SMRAME, bits;

    if (segment == I440FX_SEGMENT_SMRAM)
        return (dev->config[SMRAM] & open) == open ? DEVICE_READS_RAM | DEVICE_WRITES_RAM : 0;
    if (segment == I440FX_SEGMENT_F0000)
        pam = 0, half = 1;
    bits = dev->config[PAM0 + pam] >> half * 4;
    return (bits & PAM_RE ? DEVICE_READS_RAM : 0) | (bits & PAM_WE ? DEVICE_WRITES_RAM : 0);
}

/* A locked register keeps all but D_CLS until a reset; locking closes the memory ("SMRAM Control"). */
static uint8_t change_smram(uint8_t old, uint8_t value)
{
    if (old & D_LCK)
        return (old & ~D_CLS) | (value & D_CLS);
    return value & D_LCK ? value & ~D_OPEN : value;
}

static void reset_by_trc(struct device *dev, uint8_t old, uint8_t value)
{
    unsigned line = value & SHRE ? I440FX_LINE_HARD : I440FX_LINE_SOFT;

    if ((value & RCPU) && !(old & RCPU)) {
        device_set_line(dev, line, true);
        device_set_line(dev, line, false);
    }
}

static uint8_t i440fx_change(struct device *dev, unsigned offset, uint8_t value)
{
    uint8_t old = dev->config[offset];

    if (offset == SMRAM) {
        value = change_smram(old, value);
        if (value != old)
            device_trace(dev, &event_smram, value, 0, 0);
    } else if (offset == TRC) {
        reset_by_trc(dev, old, value);
    } else if (offset >= PAM0 && offset <= PAM0 + 6 && value != old) {
        device_trace(dev, &event_pam, offset - PAM0, value, 0);
    }
    return value;
}

static void i440fx_changed(struct device *dev)
{
    device_set_line(dev, I440FX_LINE_MEMORY, true);
    device_set_line(dev, I440FX_LINE_MEMORY, false);
}

/* ---- Registers ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct device_register registers[] = {
    { 0x00, 4, 0x12378086, 0, 0 },         /* VID, DID */
    { 0x04, 2, 0x0006, 0x0140, 0 },        /* PCICMD: SERRE, PERRE; memory and mastering cannot be switched off */
    { 0x06, 2, 0x0280, 0, 0xf100 },        /* PCISTS: medium DEVSEL#, fast back-to-back */
    { 0x08, 4, 0x06000002, 0, 0 },         /* RID, CLASSC: host bridge */
    { 0x0d, 1, 0x00, 0xf8, 0 },            /* MLT */
    /* SVID, SID: the chip has none. These are how SeaBIOS knows a virtual PC, whose fw_cfg it then uses. */
    { 0x2c, 4, 0x11001af4, 0, 0 },
    { 0x50, 2, 0x0000, 0xc070, 0 },        /* PMCCFG; the straps HFS and IOQD are 0 */
    { 0x52, 1, 0x00, 0xc0, 0 },            /* DETURBO */
    { 0x53, 1, 0x80, 0xff, 0 },            /* DBC */
    { 0x54, 1, 0x00, 0xff, 0 },            /* AXC */
    { 0x55, 2, 0x0000, 0xffff, 0 },        /* DRT */
    { 0x57, 1, 0x01, 0xff, 0 },            /* DRAMC */
    { 0x58, 1, 0x00, 0xff, 0 },            /* DRAMT */
    { 0x59, 1, 0x00, 0xf0, 0 },            /* PAM0 */
    { 0x5a, 2, 0x0000, 0xffff, 0 },        /* PAM1, PAM2 */
    { 0x5c, 4, 0x00000000, 0xffffffff, 0 }, /* PAM3 to PAM6 */
    { 0x60, 4, 0x01010101, 0xffffffff, 0 }, /* DRB0 to DRB3 */
    { 0x64, 4, 0x01010101, 0xffffffff, 0 }, /* DRB4 to DRB7 */
    { 0x68, 1, 0x00, 0xc0, 0 },            /* FDHC */
    { 0x70, 1, 0x00, 0xf8, 0 },            /* MTT */
    { 0x71, 1, 0x10, 0x1f, 0 },            /* CLT */
    { 0x72, 1, 0x02, 0x78, 0 },            /* SMRAM: C_BASE_SEG is A0000h */
    { 0x90, 1, 0x00, 0xff, 0 },            /* ERRCMD */
    { 0x91, 1, 0x00, 0, 0x11 },            /* ERRSTS */
    { 0x93, 1, 0x00, 0x0f, 0 },            /* TRC */
    { 0 },
};
/* clang-format on */

static const struct device_pci i440fx_pci = {
    .registers = registers,
    .change = i440fx_change,
    .changed = i440fx_changed,
};

const struct device_type i440fx_device = {
    .name = "i440fx",
    .state_size = sizeof(struct i440fx),
    .ports = { { .count = 1, .width = 4, .exact = true, .read = confadd_read, .write = confadd_write },
               { .count = 4, .width = 4, .read = confdata_read, .write = confdata_write } },
    .pci = &i440fx_pci,
    .line_count = 3,
    .reset = i440fx_reset,
    .decodes = i440fx_decodes,
};
