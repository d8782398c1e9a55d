/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Power management of the PIIX4, function 3 of the 82371AB: ACPI's fixed registers in a run of ports that
 * software places, and the ports of Advanced Power Management. The power button sets a flag, a suspend type
 * of 0 switches off. There is no SMM and nothing to save power with: what steers timers and traps for that
 * keeps what is written. On the SMBus is nobody, and whoever is called does not answer. Intel 82371AB (PIIX4)
 * datasheet, "Power Management"; ACPI specification, "ACPI Hardware Specification".
 */
#include "devices/chips.h"
#include "pm_timer.h"

#include <string.h>

enum {
    PMSTS = 0x00,
    TMROF = 1 << 0,  /* in PMSTS and PMEN */
    PWRBTN = 1 << 0, /* in their second bytes */
    PMEN = 0x02,
    PMCNTRL = 0x04,
    SCI_EN = 1 << 0,
    SUS_EN = 1 << 5, /* in its second byte, like */
    SUS_TYP = 7 << 2,
    SUS_TYP_OFF = 0 << 2,
    PMTMR = 0x08,
    GPSTS = 0x0c,
    GPEN = 0x0e,
    PM_PORTS = 64,

    HSTSTS = 0x00, /* of the SMBus */
    DEV_ERR = 1 << 2,
    HSTCNT = 0x02,
    START = 1 << 6,
    SMB_PORTS = 16,

    APMC = 0, /* offsets of B2h, B3h */
    APMS = 1,
};

struct piix4_pm {
    uint8_t reg[PM_PORTS];
    uint8_t smb[SMB_PORTS];
    uint8_t apm[2];
    uint64_t halves; /* how many halves of the timer's period had passed when TMROF_STS was last cleared */
};

static const struct device_event event_sci = { "piix4_sci", { "level", "status", "enable" } };
static const struct device_event event_suspend = { "piix4_suspend", { "type" } };
static const struct device_event event_apm = { "piix4_apm_control", { "value" } };

/* ---- Status and interrupt -------------------------------------------------------------------- */

static uint64_t halves_passed(const struct device *dev)
{
    return pm_timer_ticks(device_now(dev)) >> (PM_TIMER_BITS - 1);
}

/* TMROF_STS is set whenever the timer's highest bit changes. */
static void update_overflow(struct device *dev)
{
    struct piix4_pm *p = dev->state;

    if (halves_passed(dev) != p->halves)
        p->reg[PMSTS] |= TMROF;
}

/* A flag that interrupts nobody needs no deadline: it is computed when somebody looks. */
static void set_deadline(struct device *dev)
{
    const struct piix4_pm *p = dev->state;
    bool waits = p->reg[PMEN] & TMROF && !(p->reg[PMSTS] & TMROF);

    device_set_deadline(dev, waits ? pm_timer_ns((p->halves + 1) << (PM_TIMER_BITS - 1)) : DEVICE_NEVER);
}

static void update(struct device *dev)
{
    const struct piix4_pm *p = dev->state;
    unsigned events = (p->reg[PMSTS] & p->reg[PMEN]) | (p->reg[PMSTS + 1] & p->reg[PMEN + 1]) |
                      (p->reg[GPSTS] & p->reg[GPEN]) | (p->reg[GPSTS + 1] & p->reg[GPEN + 1]);
    bool level = events && p->reg[PMCNTRL] & SCI_EN;

    device_trace(dev, &event_sci, level, p->reg[PMSTS] | p->reg[PMSTS + 1] << 8,
                 p->reg[PMEN] | p->reg[PMEN + 1] << 8);
    device_set_line(dev, PIIX4_PM_LINE_SCI, level);
    set_deadline(dev);
}

static void pm_timer_due(struct device *dev)
{
    update_overflow(dev);
    update(dev);
}

static void piix4_pm_input(struct device *dev, unsigned pin, bool level)
{
    struct piix4_pm *p = dev->state;

    if (pin != PIIX4_PM_PIN_BUTTON || !level)
        return;
    p->reg[PMSTS + 1] |= PWRBTN;
    update(dev);
}

/* Would the button be noticed? */
static bool piix4_pm_sample(struct device *dev, unsigned line)
{
    const struct piix4_pm *p = dev->state;

    return line == PIIX4_PM_LINE_SCI && p->reg[PMCNTRL] & SCI_EN && p->reg[PMEN + 1] & PWRBTN;
}

/* ---- Registers ------------------------------------------------------------------------------- */

/* What a write changes: bits it stores, and bits that a 1 clears. All others stay as they are. */
struct pm_byte {
    uint8_t stored, cleared;
};

/* clang-format off */
static const struct pm_byte pm_bytes[PM_PORTS] = {
    [PMSTS]       = { 0x00, 0x31 }, /* TMROF, BM, GBL */
    [PMSTS + 1]   = { 0x00, 0x8d }, /* PWRBTN, RTC, PWRBTNOR, RSM */
    [PMEN]        = { 0x21, 0x00 },
    [PMEN + 1]    = { 0x05, 0x00 },
    [PMCNTRL]     = { 0x03, 0x00 }, /* SCI_EN, BRLD_EN_BM; GBL_RLS is a pulse */
    [PMCNTRL + 1] = { SUS_TYP, 0x00 }, /* SUS_EN is one, too */
    [GPSTS]       = { 0x00, 0x81 },
    [GPSTS + 1]   = { 0x00, 0x0f },
    [GPEN]        = { 0x01, 0x00 },
    [GPEN + 1]    = { 0x0f, 0x00 },
    [0x10] = { 0xff, 0 }, [0x11] = { 0xff, 0 }, [0x12] = { 0x07, 0 },                       /* PCNTRL */
    [0x18] = { 0x00, 0xff }, [0x19] = { 0x00, 0x0f },                                       /* GLBSTS */
    [0x1c] = { 0x00, 0xff }, [0x1d] = { 0x00, 0xff }, [0x1e] = { 0, 0xff }, [0x1f] = { 0, 0x3f }, /* DEVSTS */
    [0x20] = { 0xff, 0 }, [0x21] = { 0x0d, 0 },                                             /* GLBEN */
    [0x28] = { 0xff, 0 }, [0x29] = { 0xff, 0 }, [0x2a] = { 0x01, 0 }, [0x2b] = { 0x07, 0 }, /* GLBCTL */
    [0x2c] = { 0xff, 0 }, [0x2d] = { 0xff, 0 }, [0x2e] = { 0xff, 0 }, [0x2f] = { 0x3f, 0 }, /* DEVCTL */
    [0x34] = { 0xff, 0 }, [0x35] = { 0xff, 0 }, [0x36] = { 0xff, 0 }, [0x37] = { 0x7f, 0 }, /* GPOREG */
};
/* clang-format on */

static uint32_t pm_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct piix4_pm *p = dev->state;
    uint32_t timer = pm_timer_count(device_now(dev)), value = 0;

    update_overflow(dev);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = (offset + i) % PM_PORTS;
        bool counts = at >= PMTMR && at < PMTMR + 4;

        value |= (counts ? timer >> (at - PMTMR) * 8 & 0xff : p->reg[at]) << i * 8;
    }
    return value;
}

static void suspend(struct device *dev, uint8_t control)
{
    device_trace(dev, &event_suspend, (control & SUS_TYP) >> 2, 0, 0);
    if ((control & SUS_TYP) != SUS_TYP_OFF)
        return; /* nothing here can sleep */
    device_set_line(dev, PIIX4_PM_LINE_OFF, true);
    device_set_line(dev, PIIX4_PM_LINE_OFF, false);
}

static void write_byte(struct device *dev, unsigned at, uint8_t value)
{
    struct piix4_pm *p = dev->state;
    const struct pm_byte *b = &pm_bytes[at];

    p->reg[at] = ((p->reg[at] & ~b->stored) | (value & b->stored)) & ~(value & b->cleared);
    if (at == PMSTS && value & TMROF)
        p->halves = halves_passed(dev);
    if (at == PMCNTRL + 1 && value & SUS_EN)
        suspend(dev, value);
}

static void pm_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    update_overflow(dev);
    for (unsigned i = 0; i < size; i++)
        write_byte(dev, (offset + i) % PM_PORTS, value >> i * 8);
    update(dev);
}

/* ---- Advanced power management --------------------------------------------------------------- */

static uint32_t apm_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct piix4_pm *p = dev->state;

    (void)size;
    return p->apm[offset];
}

/* A write to APMC calls the firmware's SMI handler, of which here only what the FADT promises is left. */
static void apm_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct piix4_pm *p = dev->state;

    (void)size;
    p->apm[offset] = value;
    if (offset != APMC)
        return;
    device_trace(dev, &event_apm, value, 0, 0);
    if (value == PIIX4_PM_ACPI_ENABLE)
        p->reg[PMCNTRL] |= SCI_EN;
    else if (value == PIIX4_PM_ACPI_DISABLE)
        p->reg[PMCNTRL] &= ~SCI_EN;
    update(dev);
}

/* ---- SMBus ----------------------------------------------------------------------------------- */

static uint32_t smb_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct piix4_pm *p = dev->state;

    (void)size;
    return p->smb[offset];
}

/* Status bits are cleared by ones, and a transaction is over at once: no slave acknowledged its address. */
static void smb_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct piix4_pm *p = dev->state;

    (void)size;
    if (offset == HSTSTS)
        p->smb[HSTSTS] &= ~value;
    else
        p->smb[offset] = offset == HSTCNT ? value & ~START : value;
    if (offset == HSTCNT && value & START)
        p->smb[HSTSTS] |= DEV_ERR;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void piix4_pm_reset(struct device *dev)
{
    struct piix4_pm *p = dev->state;

    memset(p, 0, sizeof(*p));
    p->reg[0x34] = 0xff;
    p->reg[0x35] = 0xbf;
    p->reg[0x36] = 0xff;
    p->reg[0x37] = 0x7f;
    p->halves = halves_passed(dev);
    update(dev);
}

/* clang-format off */
static const struct device_register registers[] = {
    { 0x00, 4, 0x71138086, 0, 0 },         /* VID, DID */
    { 0x04, 2, 0x0000, 0x0001, 0 },        /* PCICMD */
    { 0x06, 2, 0x0280, 0, 0x3800 },        /* PCISTS: medium DEVSEL#, fast back-to-back */
    { 0x08, 4, 0x06800003, 0, 0 },         /* RID, CLASSC: another bridge */
    { 0x3c, 1, 0x00, 0xff, 0 },            /* INTLN */
    { 0x3d, 1, 0x01, 0, 0 },               /* INTPN; the SCI is an interrupt request of its own */
    { 0x44, 4, 0x00000000, 0xffffffff, 0 }, /* CNTA */
    { 0x48, 4, 0x00000000, 0x00ffffff, 0 }, /* CNTB */
    { 0x4c, 4, 0x00000000, 0xffffffff, 0 }, /* GPICTL */
    { 0x50, 3, 0x00000000, 0x00ffffff, 0 }, /* DEVRESD */
    { 0x54, 4, 0x00000000, 0xffffffff, 0 }, /* DEVACTA */
    /* DEVACTB. Firmware takes APMC_EN for a sign that SMM is set up, and there is none to set up. */
    { 0x58, 4, 0x02000000, 0xfdffffff, 0 },
    { 0x5c, 4, 0x00000000, 0xffffffff, 0 }, /* DEVRESA */
    { 0x60, 4, 0x00000000, 0xffffffff, 0 }, /* DEVRESB */
    { 0x64, 4, 0x00000000, 0xffffffff, 0 }, /* DEVRESC */
    { 0x68, 3, 0x00000000, 0x00ffffff, 0 }, /* DEVRESE */
    { 0x6c, 4, 0x00000000, 0xffffffff, 0 }, /* DEVRESF */
    { 0x70, 3, 0x00000000, 0x00ffffff, 0 }, /* DEVRESG */
    { 0x74, 4, 0x00000000, 0xffffffff, 0 }, /* DEVRESH */
    { 0x78, 4, 0x00000000, 0xffffffff, 0 }, /* DEVRESI */
    { 0x7c, 4, 0x00000000, 0xffffffff, 0 }, /* DEVRESJ */
    { 0x80, 1, 0x00, 0x01, 0 },            /* PMREGMISC */
    { 0xd2, 4, 0x00000000, 0xffffff0f, 0 }, /* SMBHSTCFG, SMBSLVC, SMBSHDW1, SMBSHDW2 */
    { 0 },
};
/* clang-format on */

static const struct device_pci piix4_pm_pci = {
    .registers = registers,
    .window = { { .offset = PIIX4_PM_BASE, /* PMBA, moved by PMREGMISC.PMIOSE */
                  .enable_offset = 0x80,
                  .enable_mask = 1 << 0,
                  .ports = { .count = PM_PORTS, .width = 4, .read = pm_read, .write = pm_write } },
                { .offset = 0x90, /* SMBBA, and SMBHSTCFG.SMB_HST_EN */
                  .enable_offset = 0xd2,
                  .enable_mask = 1 << 0,
                  .ports = { .count = SMB_PORTS, .read = smb_read, .write = smb_write } } },
};

const struct device_type piix4_pm_device = {
    .name = "piix4_pm",
    .state_size = sizeof(struct piix4_pm),
    .ports = { { .count = 2, .read = apm_read, .write = apm_write } },
    .pci = &piix4_pm_pci,
    .line_count = 2,
    .reset = piix4_pm_reset,
    .timer = pm_timer_due,
    .input = piix4_pm_input,
    .sample = piix4_pm_sample,
};
