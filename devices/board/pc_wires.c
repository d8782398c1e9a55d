/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What chips ask of the board: the levels of lines, bytes of links, time, deadlines, and the way into memory
 * and configuration space. Carries each along the table's wires.
 */
#include "pc_private.h"

#include <string.h>

static const struct device_event event_reset = { "pc_reset_request", { "reason" } };

/* ---- The board: what chips ask of it --------------------------------------------------------- */

static uint64_t board_now(void *board)
{
    struct pc *pc = board;

    return pc->callbacks.now_ns(pc->ctx);
}

void pc_count_halt(struct pc *pc)
{
    uint64_t now;

    if (!pc->halted)
        return;
    now = board_now(pc);
    pc->near_state.halted_ns += now - pc->halted_since;
    pc->halted_since = now;
}

static int64_t board_wall_clock(void *board)
{
    struct pc *pc = board;

    return pc->callbacks.wall_clock_ns(pc->ctx);
}

static uint64_t board_guest_ns(void *board)
{
    const struct pc *pc = board;

    return near_guest_ns(&pc->near);
}

void pc_set_pin(struct pc *pc, unsigned slot, unsigned pin, bool level)
{
    struct device *dev = &pc->devices[slot];

    if (dev->type && dev->type->input)
        dev->type->input(dev, pin, level);
}

static void tell_intr(struct pc *pc, bool level)
{
    if (pc->callbacks.intr_changed)
        pc->callbacks.intr_changed(pc->ctx, level);
}

static void set_irq(struct pc *pc, unsigned irq, unsigned slot, bool level)
{
    uint64_t bit = UINT64_C(1) << slot, before = pc->irq_sources[irq];
    uint64_t after = level ? before | bit : before & ~bit;

    pc->irq_sources[irq] = after;
    if (!before == !after)
        return;
    if (!pc->lent) {
        near_set_irq(&pc->near, irq, after);
    } else if (after) {
        /* Only the chips could say whether this is an interrupt. */
        pc->risen |= 1u << irq;
        tell_intr(pc, true);
    }
}

static void set_intx(struct pc *pc, unsigned pin, unsigned slot, bool level)
{
    unsigned line;
    bool now = pci_drive(&pc->pci, pc_rows[slot].devfn, pin, level, &line);

    pc_set_pin(pc, PIIX3, PIIX3_PIN_PIRQA + line, now);
}

/* The timer is read so often that the chips next to the processor answer for it, wherever it is. */
static void follow_pm_base(struct pc *pc)
{
    const struct device *pm = &pc->devices[PIIX4_PM];
    uint32_t base = pc_pm_base(pc);

    acpi_set_pm_base(&pc->acpi, base);
    pc->near_state.pm_timer = base && bus_answers(&pc->bus, pm, base + 8, 4) ? base + 8 : 0;
}

uint32_t pc_pm_base(const struct pc *pc)
{
    const uint8_t *config = pc->devices[PIIX4_PM].config;

    return config ? (config[PIIX4_PM_BASE] | config[PIIX4_PM_BASE + 1] << 8) & ~1u : 0;
}

static void place_cards(struct pc *pc)
{
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];
        const struct device_ports *ports;
        uint32_t base;

        if (dev->type && dev->type->placed && (ports = dev->type->placed(dev, &base)))
            bus_place_ports(&pc->bus, dev, ports, base);
    }
}

void pc_place_functions(struct pc *pc)
{
    pci_place(&pc->pci, &pc->bus);
    place_cards(pc);
    follow_pm_base(pc);
    if (pc->callbacks.ports_changed)
        pc->callbacks.ports_changed(pc->ctx);
    pc_remap_memory(pc);
}

static void set_a20(struct pc *pc, bool level)
{
    if (level == pc->a20)
        return;
    pc->a20 = level;
    if (pc->callbacks.a20_changed)
        pc->callbacks.a20_changed(pc->ctx, level);
}

static void set_ignne(struct pc *pc, bool level)
{
    if (level == pc->ignne)
        return;
    pc->ignne = level;
    if (pc->callbacks.ignne_changed)
        pc->callbacks.ignne_changed(pc->ctx, level);
}

static void request_reset(struct pc *pc, struct device *dev, enum pc_reset_reason reason)
{
    device_trace(dev, &event_reset, reason, 0, 0);
    if (pc->callbacks.reset_request)
        pc->callbacks.reset_request(pc->ctx, reason);
}

static void set_modem_output(struct pc *pc, unsigned com, unsigned bit, bool level)
{
    uint8_t outputs = (pc->serial_outputs[com] & ~(1u << bit)) | (unsigned)level << bit;

    if (outputs == pc->serial_outputs[com])
        return;
    pc->serial_outputs[com] = outputs;
    if (pc->callbacks.serial_modem)
        pc->callbacks.serial_modem(pc->ctx, com, outputs);
}

static void set_led(struct pc *pc, unsigned bit, bool level)
{
    uint8_t leds = (pc->leds & ~(1u << bit)) | (unsigned)level << bit;

    if (leds == pc->leds)
        return;
    pc->leds = leds;
    if (pc->callbacks.keyboard_leds)
        pc->callbacks.keyboard_leds(pc->ctx, leds);
}

static void open_channel(struct pc *pc, unsigned channel)
{
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (dev->type && dev->type->channel_open &&
            memchr(pc_rows[slot].channel, (int)channel + 1, sizeof(pc_rows[slot].channel)))
            dev->type->channel_open(dev);
    }
}

static void board_set_line(void *board, struct device *dev, unsigned line, bool level)
{
    struct pc *pc = board;
    const struct wire *wire = &pc_rows[dev->slot].line[line % DEVICE_MAX_LINES];

    switch (wire->to) {
    case TO_IRQ:
        set_irq(pc, wire->n, dev->slot, level);
        break;
    case TO_INTX:
        set_intx(pc, wire->n, dev->slot, level);
        break;
    case TO_MEMORY:
        if (level)
            pc_remap_memory(pc);
        break;
    case TO_CHANNEL:
        if (level)
            open_channel(pc, wire->n);
        break;
    case TO_HEARD:
        pc->near_state.heard = level;
        break;
    case TO_POWER:
        if (level && pc->callbacks.power_off)
            pc->callbacks.power_off(pc->ctx);
        break;
    case TO_PIN:
        pc_set_pin(pc, wire->slot, wire->n, level);
        break;
    case TO_GATE2:
        near_set_gate2(&pc->near, level);
        break;
    case TO_NMI_ENABLE:
        pc->nmi_enabled = level;
        break;
    case TO_IGNNE:
        set_ignne(pc, level);
        break;
    case TO_A20:
        set_a20(pc, level);
        break;
    case TO_RESET:
        if (level)
            request_reset(pc, dev, wire->n);
        break;
    case TO_MODEM:
        set_modem_output(pc, dev->slot - COM1, wire->n, level);
        break;
    case TO_LED:
        set_led(pc, wire->n, level);
        break;
    case TO_PLACES:
        if (level)
            pc_place_functions(pc);
        break;
    default:
        break;
    }
}

static bool board_input(void *board, struct device *dev, unsigned pin)
{
    struct pc *pc = board;

    if (pin != 0)
        return false;
    switch (pc_rows[dev->slot].pin0) {
    case FROM_A20:
        return pc->a20;
    case FROM_OUT2:
        return near_out2(&pc->near);
    default:
        return false;
    }
}

static uint64_t earliest(const struct pc *pc)
{
    uint64_t when = pc->lent ? DEVICE_NEVER : pc->near_state.deadline;

    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        if (pc->deadlines[i] < when)
            when = pc->deadlines[i];
    }
    return when;
}

void pc_publish_deadline(struct pc *pc)
{
    uint64_t when = earliest(pc);

    if (pc->running_timers || when == pc->next_deadline)
        return;
    pc->next_deadline = when;
    if (pc->callbacks.deadline_changed)
        pc->callbacks.deadline_changed(pc->ctx, when);
}

static void board_set_deadline(void *board, struct device *dev, uint64_t when)
{
    struct pc *pc = board;

    pc->deadlines[dev->slot] = when;
    pc_publish_deadline(pc);
}

static size_t send_to_device(struct pc *pc, const struct wire *wire, const uint8_t *bytes, size_t count)
{
    struct device *peer = &pc->devices[wire->slot];

    return peer->type && peer->type->receive ? peer->type->receive(peer, wire->n, bytes, count) : 0;
}

static size_t board_send(void *board, struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    struct pc *pc = board;
    const struct wire *wire = &pc_rows[dev->slot].link[link % DEVICE_MAX_LINKS];

    switch (wire->to) {
    case TO_PIN:
        return send_to_device(pc, wire, bytes, count);
    case TO_SERIAL:
        if (pc->callbacks.serial_transmit)
            pc->callbacks.serial_transmit(pc->ctx, wire->n, bytes, count);
        return count;
    case TO_DEBUGCON:
        for (size_t i = 0; i < count && pc->callbacks.debugcon; i++)
            pc->callbacks.debugcon(pc->ctx, bytes[i]);
        return count;
    case TO_CONSOLE:
        return pc->callbacks.console_transmit(pc->ctx, wire->n, bytes, count);
    case TO_EXIT:
        if (pc->callbacks.exit_request && count)
            pc->callbacks.exit_request(pc->ctx, (2u * bytes[0] + 1) & 0xff);
        return count;
    default:
        return 0;
    }
}

static void board_room(void *board, struct device *dev, unsigned link)
{
    struct pc *pc = board;
    const struct wire *wire = &pc_rows[dev->slot].link[link % DEVICE_MAX_LINKS];
    struct device *peer = &pc->devices[wire->slot];

    if (wire->to == TO_PIN && peer->type && peer->type->room)
        peer->type->room(peer, wire->n);
    else if (wire->to == TO_SERIAL && pc->callbacks.serial_room)
        pc->callbacks.serial_room(pc->ctx, wire->n);
    else if (wire->to == TO_CONSOLE)
        pc->callbacks.console_room(pc->ctx, wire->n);
}

/* Interrupt controllers have it; there is none here. */
static uint8_t board_cascade(void *board, struct device *dev, unsigned level)
{
    (void)board, (void)dev, (void)level;
    return 0xff;
}

static void board_trace(void *board, struct device *dev, const struct device_event *event,
                        const uint64_t *args)
{
    struct pc *pc = board;

    (void)dev;
    if (pc->callbacks.trace)
        pc->callbacks.trace(pc->ctx, event, args);
}

static uint32_t board_config_read(void *board, uint32_t address, unsigned size)
{
    const struct pc *pc = board;

    return pci_read(&pc->pci, address, size);
}

static void board_config_write(void *board, uint32_t address, unsigned size, uint32_t value)
{
    struct pc *pc = board;

    if (pci_write(&pc->pci, address, size, value))
        pc_place_functions(pc);
}

static bool board_dma_read(void *board, guest_pa pa, void *data, size_t size)
{
    struct pc *pc = board;

    return pc->callbacks.memory_read && pc->callbacks.memory_read(pc->ctx, pa, data, size);
}

static bool board_dma_write(void *board, guest_pa pa, const void *data, size_t size)
{
    struct pc *pc = board;

    return pc->callbacks.memory_write && pc->callbacks.memory_write(pc->ctx, pa, data, size);
}

static uint64_t board_input_high_ns(void *board, struct device *dev, unsigned pin, uint64_t from, uint64_t to)
{
    struct pc *pc = board;

    return dev->slot == SPEAKER && pin == SPEAKER_PIN_OUT2 ? near_out2_high_ns(&pc->near, from, to) : 0;
}

static size_t board_channel(void *board, struct device *dev, unsigned request, uint8_t *data, size_t size,
                            bool to_memory, bool *terminal)
{
    struct pc *pc = board;
    unsigned channel = pc_rows[dev->slot].channel[request % DEVICE_MAX_REQUESTS];

    *terminal = false;
    if (!channel || !pc->devices[DMA].type)
        return 0;
    return i8237_device.dma(&pc->devices[DMA], channel - 1, data, size, to_memory, terminal);
}

static const uint8_t *board_contents(void *board, struct device *dev, unsigned key, uint32_t *size)
{
    const struct pc *pc = board;
    const struct pc_nic *nic = &pc->config.nics[(dev->slot - NIC0) % PC_NICS];

    if (dev->slot >= SHARE0 && dev->slot <= SHARE_LAST)
        return pc_share_name(pc, dev->slot, size);
    if (dev->slot == VIRTIO_CONSOLE)
        return pc_console_name(pc, key, size);
    if (dev->slot < NIC0 || dev->slot > NIC_LAST)
        return fw_item(&pc->fw_items, key, size);
    *size = nic->rom_size;
    return nic->rom;
}

static void board_memory_write(void *board, struct device *dev, uint32_t offset, const void *data,
                               size_t size)
{
    struct pc *pc = board;

    (void)dev;
    pc->callbacks.video_write(pc->ctx, offset, data, size);
}

const struct device_board pc_board_ops = {
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
    .config_read = board_config_read,
    .config_write = board_config_write,
    .dma_read = board_dma_read,
    .dma_write = board_dma_write,
    .contents = board_contents,
    .memory_write = board_memory_write,
    .channel = board_channel,
    .sound = pc_board_sound,
    .input_high_ns = board_input_high_ns,
    .medium = pc_board_medium,
    .transfer_data = pc_board_transfer_data,
    .transfer = pc_board_transfer,
    .ask = pc_board_ask,
    .random = pc_board_random,
    .discard = pc_board_discard,
    .mac = pc_board_mac,
    .send_frame = pc_board_send_frame,
    .frame_room = pc_board_frame_room,
    .take_segments = pc_board_take_segments,
};

/* ---- What the chips next to the processor ask of it ------------------------------------------- */

static void near_intr_changed(void *ctx, bool level)
{
    tell_intr(ctx, level);
}

static void near_deadline_changed(void *ctx)
{
    pc_publish_deadline(ctx);
}

static void near_trace(void *ctx, const struct device_event *event, const uint64_t *args)
{
    board_trace(ctx, NULL, event, args);
}

static uint64_t near_run_ns(void *ctx)
{
    struct pc *pc = ctx;

    pc_count_halt(pc);
    return pc->callbacks.run_ns ? pc->callbacks.run_ns(pc->ctx) : 0;
}

const struct near_host pc_near_host = {
    .now = board_now,
    .intr_changed = near_intr_changed,
    .deadline_changed = near_deadline_changed,
    .trace = near_trace,
    .run_ns = near_run_ns,
    .sound = pc_board_sound,
};
