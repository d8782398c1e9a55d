/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PC's power, reset, pins and timers: the board as a whole.
 */
#include "devices/pc.h"

#include <errno.h>
#include <string.h>

#include "pc_private.h"

/* ---- Power-on and reset ---------------------------------------------------------------------- */

static size_t aligned(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static bool is_nic(unsigned slot)
{
    return slot >= NIC0 && slot <= NIC_LAST;
}

size_t pc_size(void)
{
    size_t size = sizeof(struct pc);

    for (unsigned i = 0; i < SLOT_COUNT; i++)
        size += aligned(is_nic(i) ? pc_nic_state_size() : pc_rows[i].type->state_size);
    return size;
}

/* The chip in the slot, or NULL. */
static const struct device_type *type_in(const struct pc_config *config, unsigned slot)
{
    const struct device_type *type = is_nic(slot) ? pc_nic_type(config, slot - NIC0) : pc_rows[slot].type;

    return type && type->pci && config->chipset != PC_CHIPSET_I440FX ? NULL : type;
}

static uint16_t port_of(const struct pc *pc, unsigned slot, unsigned run)
{
    if (slot == EXIT_PORT)
        return pc->config.exit_port;
    return is_nic(slot) ? pc_nic_isa_ports[run] : pc_rows[slot].port[run];
}

static bool is_present(const struct pc_config *config, unsigned slot)
{
    if (slot >= COM1 && slot <= COM4)
        return config->serial_ports >> (slot - COM1) & 1;
    if (slot == I440FX || slot == PIIX3 || slot == PIIX3_IDE || slot == FW_CFG || slot == PIIX4_PM ||
        slot == FLOPPY)
        return config->chipset == PC_CHIPSET_I440FX;
    if (slot >= VIRTIO_BLK0 && slot <= VIRTIO_BLK_LAST)
        return config->drives[PC_DRIVE_VDA + slot - VIRTIO_BLK0];
    if (slot == VIRTIO_RNG)
        return config->rng;
    if (slot == VIRTIO_TABLET)
        return config->tablet;
    if (slot == VIRTIO_BALLOON)
        return config->balloon;
    if (slot == VIRTIO_KEYBOARD)
        return config->keyboard;
    if (slot == VIRTIO_CONSOLE)
        return config->consoles[0].present;
    if (slot >= SHARE0 && slot <= SHARE_LAST)
        return config->shares[slot - SHARE0][0];
    if (slot == VGA)
        return config->chipset == PC_CHIPSET_I440FX && config->video_memory;
    if (slot == FIRMWARE_LOG)
        return config->firmware_log;
    return slot != EXIT_PORT || config->exit_port;
}

static bool attach_near(struct pc *pc)
{
    near_init(&pc->near, &pc->near_state, &pc_near_host, pc);
    pc->near_state.deadline = pc->near_state.pit_deadline = DEVICE_NEVER;
    pc->near_state.apic = pc->config.apic;
    for (unsigned slot = 0; slot < NEAR_CHIPS; slot++) {
        struct device *dev = &pc->near.chip[slot];

        for (unsigned i = 0; i < DEVICE_MAX_PORT_RANGES && dev->type->ports[i].count; i++) {
            if (!bus_attach_ports(&pc->bus, dev, &dev->type->ports[i], near_ports[slot][i]))
                return false;
        }
    }
    return true;
}

static bool attach(struct pc *pc, unsigned slot)
{
    struct device *dev = &pc->devices[slot];

    for (unsigned i = 0; i < DEVICE_MAX_PORT_RANGES && dev->type->ports[i].count; i++) {
        if (!bus_attach_ports(&pc->bus, dev, &dev->type->ports[i], port_of(pc, slot, i)))
            return false;
    }
    for (unsigned i = 0; i < DEVICE_MAX_MMIO_RANGES && dev->type->mmio[i].size; i++) {
        if (!bus_attach_mmio(&pc->bus, dev, &dev->type->mmio[i], pc_rows[slot].mmio[i]))
            return false;
    }
    return !dev->type->pci || pci_attach(&pc->pci, dev, pc_rows[slot].devfn);
}

/* Solder every chip in; the bus must have them all before the first one is reset. */
static bool assemble(struct pc *pc)
{
    uint8_t *state = pc->state;

    if (!attach_near(pc))
        return false;
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        const struct device_type *type = type_in(&pc->config, slot);

        pc->deadlines[slot] = DEVICE_NEVER;
        if (!type || !is_present(&pc->config, slot))
            continue;
        pc->devices[slot] = (struct device){
            .type = type,
            .ops = &pc_board_ops,
            .board = pc,
            .state = state,
            .slot = slot,
            .straps = pc_rows[slot].straps,
            .memory = slot == VGA ? pc->config.video_memory : NULL,
        };
        state += aligned(type->state_size);
        if (!attach(pc, slot))
            return false;
    }
    return true;
}

static void reset_chips(struct pc *pc)
{
    near_reset(&pc->near);
    pci_reset(&pc->pci);
    if (pc->pci.count)
        pc_place_functions(pc);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (dev->type && dev->type->reset)
            dev->type->reset(dev);
    }
}

static bool has_drives(const struct pc_config *config)
{
    for (unsigned i = 0; i < PC_DRIVES; i++) {
        if (config->drives[i])
            return true;
    }
    return false;
}

static bool has_nics(const struct pc_config *config)
{
    for (unsigned i = 0; i < PC_NICS; i++) {
        if (config->nics[i].model)
            return true;
    }
    return false;
}

static bool has_shares(const struct pc_config *config)
{
    for (unsigned i = 0; i < PC_SHARES; i++) {
        if (config->shares[i][0])
            return true;
    }
    return false;
}

static bool is_complete(const struct pc_config *config, const struct pc_callbacks *callbacks)
{
    bool dma = callbacks->memory_read && callbacks->memory_write;
    bool media = callbacks->medium && callbacks->transfer_data && callbacks->transfer;

    if ((has_drives(config) && !media) || (has_nics(config) && !callbacks->send_frame) ||
        (config->balloon && !callbacks->discard) ||
        (config->consoles[0].present && !(callbacks->console_transmit && callbacks->console_room)) ||
        (has_shares(config) && !callbacks->ask) || (config->rng && !callbacks->random))
        return false;
    return callbacks->now_ns && callbacks->wall_clock_ns &&
           (callbacks->video_write || !config->video_memory) && (dma || config->chipset != PC_CHIPSET_I440FX);
}

int pc_init(struct pc *pc, const struct pc_config *config, const struct pc_callbacks *callbacks, void *ctx)
{
    if (!pc_memory_is_valid(config) || !is_complete(config, callbacks))
        return -EINVAL;
    memset(pc, 0, pc_size());
    pc->config = *config;
    pc->callbacks = *callbacks;
    pc->ctx = ctx;
    pc->a20 = true;
    pc->next_deadline = DEVICE_NEVER;
    pc->sound_frame = device_sound_frame(callbacks->now_ns(ctx));
    if (!assemble(pc))
        return -EINVAL;
    pc->region_count = pc_memory_map(config, pc->regions);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (dev->type && dev->type->power_on)
            dev->type->power_on(dev);
    }
    reset_chips(pc);
    for (unsigned com = 0; com < PC_SERIAL_MAX; com++) {
        pc_serial_set_modem(pc, com, PC_MODEM_CTS | PC_MODEM_DSR | PC_MODEM_DCD);
        pc_port_read(pc, pc_rows[COM1 + com].port[0] + 6, 1); /* the line was up before: no deltas */
    }
    pc_fill_cmos(pc, config);
    pc_fill_cmos_drives(pc);
    if (pc_has_pci(pc)) {
        pc_fill_fw_items(config, &pc->fw_items, pc->e820);
        pc_fill_acpi(config, &pc->fw_items, &pc->acpi);
        pc_fill_smbios(config, &pc->fw_items, &pc->smbios);
    }
    return 0;
}

bool pc_has_pci(const struct pc *pc)
{
    return pc->devices[I440FX].type;
}

_Static_assert((int)PC_ACPI_MAX >= ACPI_ALIGN + (int)ACPI_TABLES_MAX, "the caller has room for the tables");

size_t pc_acpi_tables(const struct pc *pc, uint32_t base, uint8_t *image)
{
    struct acpi acpi = pc->acpi;

    if (!acpi.size)
        return 0;
    acpi_place(&acpi, base + ACPI_ALIGN);
    memset(image, 0, ACPI_ALIGN);
    memcpy(image, acpi.rsdp, sizeof(acpi.rsdp));
    memcpy(image + ACPI_ALIGN, acpi.tables, acpi.size);
    return ACPI_ALIGN + acpi.size;
}

enum { PIRQRC = 0x60, PIRQRC_DISABLED = 0x80 }; /* of the PIIX3 */

static size_t mp_table(const struct pc *pc, uint32_t base, uint8_t *image)
{
    const uint8_t *config = pc->devices[PIIX3].config;
    uint8_t irq[MP_PIRQS];

    for (unsigned pirq = 0; pirq < MP_PIRQS; pirq++)
        irq[pirq] = config[PIRQRC + pirq] & PIRQRC_DISABLED ? 0 : config[PIRQRC + pirq] & 0x0f;
    return mp_table_build(image, base, irq);
}

enum { SMBIOS_AT = 32, MP_AT = SMBIOS_AT + SMBIOS_TABLES_MAX }; /* behind the SMBIOS entry point */

_Static_assert((int)PC_SYSTEM_TABLES_MAX >= (int)MP_AT + (int)MP_TABLE_MAX,
               "the caller has room for the tables");

size_t pc_system_tables(const struct pc *pc, uint32_t base, uint8_t *image)
{
    struct smbios smbios = pc->smbios;

    if (!pc_has_pci(pc))
        return 0;
    smbios_place(&smbios, base + SMBIOS_AT);
    memset(image, 0, MP_AT);
    memcpy(image, smbios.anchor, sizeof(smbios.anchor));
    memcpy(image + SMBIOS_AT, smbios.tables, smbios.size);
    return MP_AT + (pc->config.apic ? mp_table(pc, base + MP_AT, image + MP_AT) : 0);
}

bool pc_add_file(struct pc *pc, const char *name, const void *data, uint32_t size)
{
    return pc->devices[FW_CFG].type && fw_add_file(&pc->fw_items, name, data, size);
}

void pc_reset(struct pc *pc)
{
    reset_chips(pc);
}

/* ---- Processor pins -------------------------------------------------------------------------- */

bool pc_intr(const struct pc *pc)
{
    return pc->near_state.intr;
}

uint8_t pc_intr_ack(struct pc *pc)
{
    return near_acknowledge(&pc->near);
}

void pc_raise_nmi(struct pc *pc)
{
    if (pc->nmi_enabled && pc->callbacks.nmi)
        pc->callbacks.nmi(pc->ctx);
}

bool pc_power_button(struct pc *pc)
{
    struct device *pm = &pc->devices[PIIX4_PM];
    bool noticed = pm->type && pm->type->sample(pm, PIIX4_PM_LINE_SCI);

    pc_set_pin(pc, PIIX4_PM, PIIX4_PM_PIN_BUTTON, true);
    pc_set_pin(pc, PIIX4_PM, PIIX4_PM_PIN_BUTTON, false);
    return noticed;
}

void pc_set_ferr(struct pc *pc, bool active)
{
    pc_set_pin(pc, FPU_ERROR, FPU_ERROR_PIN_FERR, active);
}

void pc_set_halted(struct pc *pc, bool halted)
{
    pc_count_halt(pc);
    pc->halted = halted;
    pc->halted_since = pc->callbacks.now_ns(pc->ctx);
}

/* ---- Time ------------------------------------------------------------------------------------ */

uint64_t pc_next_deadline(const struct pc *pc)
{
    return pc->next_deadline;
}

/* A chip that sets a deadline in the past is served in the next call: a guest cannot keep this loop going. */
void pc_run_timers(struct pc *pc)
{
    uint64_t now;

    if (pc->next_deadline == DEVICE_NEVER)
        return;
    now = pc->callbacks.now_ns(pc->ctx);
    if (now < pc->next_deadline)
        return;
    pc->running_timers = true;
    if (pc->near_state.deadline <= now)
        near_run_timer(&pc->near);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (pc->deadlines[slot] > now)
            continue;
        pc->deadlines[slot] = DEVICE_NEVER;
        if (dev->type->timer)
            dev->type->timer(dev);
    }
    pc->running_timers = false;
    pc_publish_deadline(pc);
}
