/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PC: which chips there are, at which ports, and what every line is wired to. Only this file says where a
 * chip is and which interrupt it raises, but for those next to the processor (near.c). The table below is the
 * machine; the rest carries signals along it.
 * IBM PC/AT Technical Reference, "System Board"; Intel 82441FX and 82371SB datasheets.
 */
#include "devices/pc.h"

#include <errno.h>
#include <string.h>

#include "bus.h"
#include "devices/chips.h"
#include "devices/near.h"
#include "fw_items.h"
#include "pc_setup.h"
#include "pci.h"

enum pc_slot {
    RTC,
    KBC,
    KEYBOARD,
    MOUSE,
    PORT61,
    PORT92,
    RESET_CONTROL,
    FPU_ERROR,
    COM1,
    COM2,
    COM3,
    COM4,
    DEBUGCON,
    EXIT_PORT,
    I440FX,
    PIIX3,
    FW_CFG,
    FIRMWARE_LOG,
    SLOT_COUNT,
};

/* The other end of an output line or a byte link. */
struct wire {
    enum {
        NOWHERE,
        TO_IRQ,        /* interrupt request n, shared by wired OR */
        TO_INTX,       /* a PCI function's interrupt pin n, 0 for INTA# */
        TO_PIN,        /* input pin n, or link n, of the chip in `slot` */
        TO_GATE2,      /* gate of the timer's counter 2 */
        TO_NMI_ENABLE, /* gate in front of the processor's NMI pin */
        TO_IGNNE,
        TO_A20,    /* the A20 gate: moved by whoever wrote last */
        TO_RESET,  /* a reset request, n is enum pc_reset_reason */
        TO_MODEM,  /* modem output bit n of a serial port, to the frontend */
        TO_LED,    /* keyboard LED n */
        TO_SERIAL, /* bytes of COM(n+1), to the frontend */
        TO_DEBUGCON,
        TO_EXIT,
        TO_MEMORY, /* the memory map has changed */
    } to;
    uint8_t n;
    uint8_t slot;
};

/* What drives input pin 0 of the chips that ask for it. */
enum pin_source { FROM_NOTHING, FROM_A20, FROM_OUT2 };

struct row {
    const struct device_type *type;
    uint16_t port[DEVICE_MAX_PORT_RANGES];
    uint8_t devfn; /* of a PCI function */
    uint32_t straps;
    enum pin_source pin0;
    struct wire line[DEVICE_MAX_LINES];
    struct wire link[DEVICE_MAX_LINKS];
};

/* clang-format off */
#define IRQ(n) { TO_IRQ, n, 0 }
#define COM_ROW(com, base, irq) { &uart16550_device, .port = { base },                              \
    .line = { { TO_IRQ, irq, 0 }, { TO_MODEM, 0, 0 }, { TO_MODEM, 1, 0 } },                         \
    .link = { { TO_SERIAL, com, 0 } } }

static const struct row rows[SLOT_COUNT] = {
    /* Interrupt controllers, timer and POST latch are in devices/near.c. */
    [RTC]           = { &mc146818_device, .port = { 0x70 },
                        .line = { { TO_IRQ, 8, 0 }, { TO_NMI_ENABLE, 0, 0 } } },
    [KBC]           = { &i8042_device, .port = { 0x60, 0x64 }, .pin0 = FROM_A20,
                        .line = { { TO_IRQ, 1, 0 }, { TO_IRQ, 12, 0 }, { TO_A20, 0, 0 },
                                  { TO_RESET, PC_RESET_KEYBOARD, 0 } },
                        .link = { { TO_PIN, 0, KEYBOARD }, { TO_PIN, 0, MOUSE } } },
    [KEYBOARD]      = { &ps2_keyboard_device, .link = { { TO_PIN, I8042_LINK_KBD, KBC } },
                        .line = { { TO_LED, 0, 0 }, { TO_LED, 1, 0 }, { TO_LED, 2, 0 } } },
    [MOUSE]         = { &ps2_mouse_device, .link = { { TO_PIN, I8042_LINK_AUX, KBC } } },
    [PORT61]        = { &port61_device, .port = { 0x61 }, .pin0 = FROM_OUT2,
                        .line = { { TO_GATE2, 0, 0 } } },
    [PORT92]        = { &port92_device, .port = { 0x92 }, .pin0 = FROM_A20,
                        .line = { { TO_A20, 0, 0 }, { TO_RESET, PC_RESET_FAST, 0 } } },
    [RESET_CONTROL] = { &reset_control_device, .port = { 0xcf9 },
                        .line = { { TO_RESET, PC_RESET_SOFT, 0 }, { TO_RESET, PC_RESET_HARD, 0 } } },
    [FPU_ERROR]     = { &fpu_error_device, .port = { 0xf0 },
                        .line = { { TO_IRQ, 13, 0 }, { TO_IGNNE, 0, 0 } } },
    [COM1]          = COM_ROW(0, 0x3f8, 4),
    [COM2]          = COM_ROW(1, 0x2f8, 3),
    [COM3]          = COM_ROW(2, 0x3e8, 4),
    [COM4]          = COM_ROW(3, 0x2e8, 3),
    [DEBUGCON]      = { &debugcon_device, .port = { 0xe9 }, .link = { { TO_DEBUGCON, 0, 0 } } },
    [EXIT_PORT]     = { &exit_port_device, .link = { { TO_EXIT, 0, 0 } } }, /* port: see pc_config */
    [I440FX]        = { &i440fx_device, .port = { 0xcf8, 0xcfc }, .devfn = PCI_DEVFN(0, 0),
                        .line = { { TO_MEMORY, 0, 0 }, { TO_RESET, PC_RESET_SOFT, 0 },
                                  { TO_RESET, PC_RESET_HARD, 0 } } },
    [PIIX3]         = { &piix3_device, .devfn = PCI_DEVFN(1, 0),
                        .line = { IRQ(0), IRQ(1), IRQ(2), IRQ(3), IRQ(4), IRQ(5), IRQ(6), IRQ(7), IRQ(8),
                                  IRQ(9), IRQ(10), IRQ(11), IRQ(12), IRQ(13), IRQ(14), IRQ(15) } },
    [FW_CFG]        = { &fw_cfg_device, .port = { 0x510, 0x514 } },
    [FIRMWARE_LOG]  = { &debugcon_device, .port = { 0x402 }, .link = { { TO_DEBUGCON, 0, 0 } } },
};
/* clang-format on */

struct pc {
    struct pc_config config;
    struct pc_callbacks callbacks;
    void *ctx;
    struct device devices[SLOT_COUNT]; /* type is NULL where the configuration leaves one out */
    uint64_t deadlines[SLOT_COUNT];
    uint64_t next_deadline;   /* the earliest of them */
    bool running_timers;      /* changes of next_deadline are told once, at the end */
    uint32_t irq_sources[16]; /* by IRQ: bit n is set while the chip in slot n asserts it */
    bool lent;                /* the near chips are: what happens to their inputs waits */
    uint16_t risen;           /* bit n: IRQ n rose meanwhile */
    uint8_t serial_outputs[PC_SERIAL_MAX];
    uint8_t leds;
    bool nmi_enabled, ignne, a20;
    bool halted;
    uint64_t halted_since;               /* machine time; valid while halted */
    struct pc_known known[PC_KNOWN_MAX]; /* as last told */
    unsigned known_count;
    struct near near;
    struct near_state near_state;
    struct bus bus;
    struct pci_bus pci;
    struct fw_items fw_items;
    uint8_t e820[PC_E820_SIZE];
    struct pc_region regions[PC_REGIONS_MAX]; /* the memory map, as last told */
    unsigned region_count;
    _Alignas(16) uint8_t state[]; /* the chips' states, one after the other */
};

static const struct device_event event_read = { "pc_port_read", { "port", "size", "value" } };
static const struct device_event event_write = { "pc_port_write", { "port", "size", "value" } };
static const struct device_event event_unclaimed = { "pc_port_unclaimed", { "port", "size", "write" } };
static const struct device_event event_reset = { "pc_reset_request", { "reason" } };

/* ---- The board: what chips ask of it --------------------------------------------------------- */

static uint64_t board_now(void *board)
{
    struct pc *pc = board;

    return pc->callbacks.now_ns(pc->ctx);
}

/* Bring the time the guest was halted up to date. */
static void count_halt(struct pc *pc)
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

static void set_pin(struct pc *pc, unsigned slot, unsigned pin, bool level)
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
    uint32_t before = pc->irq_sources[irq];
    uint32_t after = level ? before | 1u << slot : before & ~(1u << slot);

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
    bool now = pci_drive(&pc->pci, rows[slot].devfn, pin, level, &line);

    set_pin(pc, PIIX3, PIIX3_PIN_PIRQA + line, now);
}

static unsigned decode_of(const struct pc *pc, unsigned segment)
{
    const struct device *bridge = &pc->devices[I440FX];

    return bridge->type->decodes(bridge, segment);
}

static unsigned compute_memory(const struct pc *pc, struct pc_region *regions)
{
    uint8_t decodes[I440FX_SEGMENTS];

    if (!pc->devices[I440FX].type)
        return pc_memory_map(&pc->config, regions);
    for (unsigned segment = 0; segment < I440FX_SEGMENTS; segment++)
        decodes[segment] = decode_of(pc, segment);
    return pc_map_memory(&pc->config, decodes, regions);
}

/* Which part of memory the host bridge decodes by itself holds the address; I440FX_SEGMENTS: none. */
static unsigned segment_at(guest_pa pa)
{
    if (pa >= 0xa0000 && pa < 0xc0000)
        return I440FX_SEGMENT_SMRAM;
    if (pa >= 0xc0000 && pa < 0xf0000)
        return I440FX_SEGMENT_C0000 + (pa - 0xc0000) / 0x4000;
    return pa >= 0xf0000 && pa < 0x100000 ? I440FX_SEGMENT_F0000 : I440FX_SEGMENTS;
}

static bool writes_hidden_ram(const struct pc *pc, guest_pa pa)
{
    unsigned segment = segment_at(pa);

    return segment < I440FX_SEGMENTS && pc->devices[I440FX].type &&
           decode_of(pc, segment) == DEVICE_WRITES_RAM;
}

static bool is_same_region(const struct pc_region *a, const struct pc_region *b)
{
    return a->kind == b->kind && a->base == b->base && a->size == b->size && a->offset == b->offset &&
           a->writable == b->writable;
}

static void remap_memory(struct pc *pc)
{
    struct pc_region now[PC_REGIONS_MAX];
    unsigned count = compute_memory(pc, now);
    bool same = count == pc->region_count;

    for (unsigned i = 0; i < count && same; i++)
        same = is_same_region(&now[i], &pc->regions[i]);
    if (same)
        return;
    memcpy(pc->regions, now, count * sizeof(now[0]));
    pc->region_count = count;
    if (pc->callbacks.memory_changed)
        pc->callbacks.memory_changed(pc->ctx);
}

static void place_functions(struct pc *pc)
{
    pci_place(&pc->pci, &pc->bus);
    if (pc->callbacks.ports_changed)
        pc->callbacks.ports_changed(pc->ctx);
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

static void board_set_line(void *board, struct device *dev, unsigned line, bool level)
{
    struct pc *pc = board;
    const struct wire *wire = &rows[dev->slot].line[line % DEVICE_MAX_LINES];

    switch (wire->to) {
    case TO_IRQ:
        set_irq(pc, wire->n, dev->slot, level);
        break;
    case TO_INTX:
        set_intx(pc, wire->n, dev->slot, level);
        break;
    case TO_MEMORY:
        if (level)
            remap_memory(pc);
        break;
    case TO_PIN:
        set_pin(pc, wire->slot, wire->n, level);
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
    default:
        break;
    }
}

static bool board_input(void *board, struct device *dev, unsigned pin)
{
    struct pc *pc = board;

    if (pin != 0)
        return false;
    switch (rows[dev->slot].pin0) {
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

static void publish_deadline(struct pc *pc)
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
    publish_deadline(pc);
}

static size_t send_to_device(struct pc *pc, const struct wire *wire, const uint8_t *bytes, size_t count)
{
    struct device *peer = &pc->devices[wire->slot];

    return peer->type && peer->type->receive ? peer->type->receive(peer, wire->n, bytes, count) : 0;
}

static size_t board_send(void *board, struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    struct pc *pc = board;
    const struct wire *wire = &rows[dev->slot].link[link % DEVICE_MAX_LINKS];

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
    const struct wire *wire = &rows[dev->slot].link[link % DEVICE_MAX_LINKS];
    struct device *peer = &pc->devices[wire->slot];

    if (wire->to == TO_PIN && peer->type && peer->type->room)
        peer->type->room(peer, wire->n);
    else if (wire->to == TO_SERIAL && pc->callbacks.serial_room)
        pc->callbacks.serial_room(pc->ctx, wire->n);
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
        place_functions(pc);
}

static bool board_dma_read(void *board, guest_pa pa, void *data, size_t size)
{
    struct pc *pc = board;

    return pc->callbacks.memory_read(pc->ctx, pa, data, size);
}

static bool board_dma_write(void *board, guest_pa pa, const void *data, size_t size)
{
    struct pc *pc = board;

    return pc->callbacks.memory_write(pc->ctx, pa, data, size);
}

static const uint8_t *board_contents(void *board, struct device *dev, unsigned key, uint32_t *size)
{
    const struct pc *pc = board;

    (void)dev;
    return fw_item(&pc->fw_items, key, size);
}

static const struct device_board board_ops = {
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
};

/* ---- What the chips next to the processor ask of it ------------------------------------------- */

static void near_intr_changed(void *ctx, bool level)
{
    tell_intr(ctx, level);
}

static void near_deadline_changed(void *ctx)
{
    publish_deadline(ctx);
}

static void near_trace(void *ctx, const struct device_event *event, const uint64_t *args)
{
    board_trace(ctx, NULL, event, args);
}

static uint64_t near_run_ns(void *ctx)
{
    struct pc *pc = ctx;

    count_halt(pc);
    return pc->callbacks.run_ns ? pc->callbacks.run_ns(pc->ctx) : 0;
}

static const struct near_host near_host = {
    .now = board_now,
    .intr_changed = near_intr_changed,
    .deadline_changed = near_deadline_changed,
    .trace = near_trace,
    .run_ns = near_run_ns,
};

/* ---- Power-on and reset ---------------------------------------------------------------------- */

static size_t aligned_state_size(const struct device_type *type)
{
    return (type->state_size + 15) & ~(size_t)15;
}

size_t pc_size(void)
{
    size_t size = sizeof(struct pc);

    for (unsigned i = 0; i < SLOT_COUNT; i++)
        size += aligned_state_size(rows[i].type);
    return size;
}

static bool is_present(const struct pc_config *config, unsigned slot)
{
    if (slot >= COM1 && slot <= COM4)
        return config->serial_ports >> (slot - COM1) & 1;
    if (slot == I440FX || slot == PIIX3 || slot == FW_CFG)
        return config->chipset == PC_CHIPSET_I440FX;
    if (slot == FIRMWARE_LOG)
        return config->firmware_log;
    return slot != EXIT_PORT || config->exit_port;
}

static bool attach_near(struct pc *pc)
{
    near_init(&pc->near, &pc->near_state, &near_host, pc);
    pc->near_state.deadline = DEVICE_NEVER;
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
        uint32_t base = slot == EXIT_PORT ? pc->config.exit_port : rows[slot].port[i];

        if (!bus_attach_ports(&pc->bus, dev, &dev->type->ports[i], base))
            return false;
    }
    return !dev->type->pci || pci_attach(&pc->pci, dev, rows[slot].devfn);
}

/* Solder every chip in; the bus must have them all before the first one is reset. */
static bool assemble(struct pc *pc)
{
    uint8_t *state = pc->state;

    if (!attach_near(pc))
        return false;
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        pc->deadlines[slot] = DEVICE_NEVER;
        if (!is_present(&pc->config, slot))
            continue;
        pc->devices[slot] = (struct device){
            .type = rows[slot].type,
            .ops = &board_ops,
            .board = pc,
            .state = state,
            .slot = slot,
            .straps = rows[slot].straps,
        };
        state += aligned_state_size(rows[slot].type);
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
        place_functions(pc);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (dev->type && dev->type->reset)
            dev->type->reset(dev);
    }
}

static bool is_complete(const struct pc_config *config, const struct pc_callbacks *callbacks)
{
    bool dma = callbacks->memory_read && callbacks->memory_write;

    return callbacks->now_ns && callbacks->wall_clock_ns && (dma || config->chipset != PC_CHIPSET_I440FX);
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
        pc_port_read(pc, rows[COM1 + com].port[0] + 6, 1); /* the line was up before: no deltas */
    }
    pc_fill_cmos(pc, config);
    if (pc_has_pci(pc))
        pc_fill_fw_items(config, &pc->fw_items, pc->e820);
    return 0;
}

bool pc_has_pci(const struct pc *pc)
{
    return pc->devices[I440FX].type;
}

bool pc_add_file(struct pc *pc, const char *name, const void *data, uint32_t size)
{
    return pc->devices[FW_CFG].type && fw_add_file(&pc->fw_items, name, data, size);
}

void pc_reset(struct pc *pc)
{
    reset_chips(pc);
}

/* ---- Guest accesses -------------------------------------------------------------------------- */

static void trace_access(struct pc *pc, const struct device_event *event, uint16_t port, unsigned size,
                         uint32_t value)
{
    const uint64_t args[DEVICE_EVENT_ARGS] = { port, size, value, 0 };
    const uint64_t unclaimed[DEVICE_EVENT_ARGS] = { port, size, event == &event_write, 0 };

    if (!pc->callbacks.trace)
        return;
    pc->callbacks.trace(pc->ctx, event, args);
    if (bus_is_news(&pc->bus, port))
        pc->callbacks.trace(pc->ctx, &event_unclaimed, unclaimed);
}

uint32_t pc_port_read(struct pc *pc, uint16_t port, unsigned size)
{
    uint32_t value = bus_port_read(&pc->bus, port, size);

    trace_access(pc, &event_read, port, size, value);
    return value;
}

void pc_port_write(struct pc *pc, uint16_t port, unsigned size, uint32_t value)
{
    trace_access(pc, &event_write, port, size, value);
    bus_port_write(&pc->bus, port, size, value);
}

static unsigned moved_ports(const struct pc *pc, struct pc_ports *ports)
{
    for (unsigned i = 0; i < pc->bus.moved_port_count; i++) {
        const struct bus_ports *range = &pc->bus.moved_ports[i];

        ports[i].first = range->base;
        ports[i].last = range->base + range->ports->count - 1;
    }
    return pc->bus.moved_port_count;
}

unsigned pc_claimed_ports(const struct pc *pc, struct pc_ports *ports)
{
    for (unsigned i = 0; i < pc->bus.port_range_count; i++) {
        const struct bus_ports *range = &pc->bus.port_ranges[i];

        ports[i].first = range->base;
        ports[i].last = range->base + range->ports->count - 1;
    }
    return pc->bus.port_range_count + moved_ports(pc, ports + pc->bus.port_range_count);
}

unsigned pc_known_reads(struct pc *pc, struct pc_known *known)
{
    pc->known_count = bus_known_reads(&pc->bus, pc->known);
    memcpy(known, pc->known, sizeof(pc->known));
    return pc->known_count;
}

/* Something came from outside; the processor may be polling what it changes. */
static void news_from_outside(struct pc *pc)
{
    struct pc_known now[PC_KNOWN_MAX];
    bool same = bus_known_reads(&pc->bus, now) == pc->known_count;

    for (unsigned i = 0; i < pc->known_count && same; i++)
        same = now[i].port == pc->known[i].port && now[i].value == pc->known[i].value;
    if (!same && pc->callbacks.known_changed)
        pc->callbacks.known_changed(pc->ctx);
}

uint64_t pc_mmio_read(struct pc *pc, guest_pa pa, unsigned size)
{
    return bus_mmio_read(&pc->bus, pa, size);
}

void pc_mmio_write(struct pc *pc, guest_pa pa, unsigned size, uint64_t value)
{
    if (writes_hidden_ram(pc, pa) && pc->callbacks.ram_write)
        pc->callbacks.ram_write(pc->ctx, pa, &value, size);
    else
        bus_mmio_write(&pc->bus, pa, size, value);
}

unsigned pc_memory(const struct pc *pc, struct pc_region *regions)
{
    memcpy(regions, pc->regions, pc->region_count * sizeof(pc->regions[0]));
    return pc->region_count;
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

void pc_set_ferr(struct pc *pc, bool active)
{
    set_pin(pc, FPU_ERROR, FPU_ERROR_PIN_FERR, active);
}

void pc_set_halted(struct pc *pc, bool halted)
{
    count_halt(pc);
    pc->halted = halted;
    pc->halted_since = board_now(pc);
}

/* ---- Lending ------------------------------------------------------------------------------------- */

_Static_assert(sizeof(struct near_state) <= PC_LENT_SIZE, "the caller has room for it");
_Static_assert((int)BUS_MAX_PORT_RANGES + (int)BUS_MAX_MOVED <= (int)PC_PORTS_MAX,
               "the caller has room for all runs");

void pc_lend(struct pc *pc, void *state)
{
    memcpy(state, &pc->near_state, sizeof(pc->near_state));
    pc->lent = true;
    pc->risen = 0;
    publish_deadline(pc);
}

/* What others did to the inputs meanwhile. A line that fell and rose again is to be seen to have risen. */
static void drive_irqs(struct pc *pc)
{
    for (unsigned irq = 0; irq < 16; irq++) {
        if (irq == NEAR_IRQ_TIMER || irq == NEAR_IRQ_CASCADE)
            continue;
        if (pc->risen & 1u << irq)
            near_set_irq(&pc->near, irq, false);
        near_set_irq(&pc->near, irq, pc->irq_sources[irq]);
    }
}

bool pc_take_back(struct pc *pc, const void *state)
{
    struct near_state back;
    bool valid;

    memcpy(&back, state, sizeof(back));
    valid = near_is_valid(&back);
    if (valid)
        pc->near_state = back;
    pc->lent = false;
    drive_irqs(pc);
    publish_deadline(pc);
    return valid;
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
    now = board_now(pc);
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
    publish_deadline(pc);
}

/* ---- Serial lines, keyboard and mouse ----------------------------------------------------- */

static struct device *serial_port(struct pc *pc, unsigned com)
{
    return com < PC_SERIAL_MAX && pc->devices[COM1 + com].type ? &pc->devices[COM1 + com] : NULL;
}

size_t pc_serial_receive(struct pc *pc, unsigned com, const uint8_t *bytes, size_t count)
{
    struct device *dev = serial_port(pc, com);
    size_t taken = dev ? uart16550_device.receive(dev, 0, bytes, count) : 0;

    news_from_outside(pc);
    return taken;
}

void pc_serial_break(struct pc *pc, unsigned com)
{
    struct device *dev = serial_port(pc, com);

    if (!dev)
        return;
    uart16550_device.input(dev, UART16550_PIN_BREAK, true);
    uart16550_device.input(dev, UART16550_PIN_BREAK, false);
    news_from_outside(pc);
}

void pc_serial_set_modem(struct pc *pc, unsigned com, unsigned inputs)
{
    struct device *dev = serial_port(pc, com);

    for (unsigned pin = UART16550_PIN_CTS; dev && pin <= UART16550_PIN_DCD; pin++)
        uart16550_device.input(dev, pin, inputs >> pin & 1);
    news_from_outside(pc);
}

void pc_key(struct pc *pc, uint16_t code, bool down)
{
    ps2_keyboard_device.key(&pc->devices[KEYBOARD], code, down);
    news_from_outside(pc);
}

void pc_mouse(struct pc *pc, int32_t dx, int32_t dy, int32_t dz, unsigned buttons)
{
    ps2_mouse_device.pointer(&pc->devices[MOUSE], dx, dy, dz, buttons);
    news_from_outside(pc);
}
