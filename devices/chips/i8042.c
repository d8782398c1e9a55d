/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * i8042 keyboard controller with a second PS/2 port: output buffer, command byte, translation of scan code
 * set 2 to set 1, A20 gate and reset line. A byte from a device takes the time of its eleven bits on the
 * cable. IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller".
 */
#include "devices/chips.h"

/* Eleven bits at 16.7 kHz, the fastest the interface allows. Guests that read port 60h twice rely on it. */
#define CABLE_BYTE_NS UINT64_C(660000)

/* clang-format off */
enum {
    STATUS_OBF = 0x01, STATUS_SYSTEM = 0x04, STATUS_COMMAND = 0x08, STATUS_UNLOCKED = 0x10,
    STATUS_AUX_OBF = 0x20,

    MODE_KBD_IRQ = 0x01, MODE_AUX_IRQ = 0x02, MODE_SYSTEM = 0x04,
    MODE_KBD_OFF = 0x10, MODE_AUX_OFF = 0x20, MODE_TRANSLATE = 0x40,

    OUTPUT_RESET = 0x01, /* low resets the processor */
    OUTPUT_A20 = 0x02, OUTPUT_KBD_IRQ = 0x10, OUTPUT_AUX_IRQ = 0x20,

    INPUT_UNLOCKED = 0x80, /* input port: the key switch is open */

    CMD_READ_RAM = 0x20, CMD_WRITE_RAM = 0x60, RAM_BYTES = 0x20,
    CMD_TEST_PASSWORD = 0xa4, CMD_AUX_DISABLE = 0xa7, CMD_AUX_ENABLE = 0xa8, CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa, CMD_KBD_TEST = 0xab, CMD_KBD_DISABLE = 0xad, CMD_KBD_ENABLE = 0xae,
    CMD_READ_INPUT = 0xc0, CMD_READ_OUTPUT = 0xd0, CMD_WRITE_OUTPUT = 0xd1, CMD_WRITE_KBD_BUFFER = 0xd2,
    CMD_WRITE_AUX_BUFFER = 0xd3, CMD_WRITE_AUX = 0xd4, CMD_A20_OFF = 0xdd, CMD_A20_ON = 0xdf,
    CMD_READ_TEST_INPUTS = 0xe0, CMD_PULSE = 0xf0,
};
/* clang-format on */

/* Where the byte in the output buffer came from. */
enum source { FROM_CONTROLLER, FROM_KBD, FROM_AUX };

/* One PS/2 port: a byte on its way through the cable. */
struct ps2_port {
    uint64_t ready_at; /* machine time at which the last bit is in; valid while busy */
    uint8_t byte;
    bool busy;
    bool refused; /* the device was turned away and waits for room */
};

struct i8042 {
    uint8_t ram[RAM_BYTES]; /* byte 0 is the command byte */
    uint8_t output_buffer;
    uint8_t source;       /* enum source of output_buffer; valid while full */
    bool full;            /* OBF */
    bool aux_status;      /* status bit 5: the last byte put into the buffer counts as the mouse's */
    uint8_t command;      /* command whose data byte comes next at port 60h; 0: none */
    bool command_written; /* status bit 3: the last write went to port 64h */
    bool break_prefix;    /* translation has swallowed an F0 */
    uint8_t output_port;  /* bits 0 and 1 as written; the others follow the buffer */
    struct ps2_port ports[2];
};

static const struct device_event event_command = { "i8042_command", { "command" } };
static const struct device_event event_unknown = { "i8042_unknown_command", { "command" } };
static const struct device_event event_data = { "i8042_output", { "byte", "source" } };

/* Scan code set 2 to set 1, for make codes; a preceding F0 sets bit 7. Codes from 85h up pass unchanged. */
/* clang-format off */
static const uint8_t set2_to_set1[0x85] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
    0x80, 0x81, 0x82, 0x41, 0x54,
};
/* clang-format on */

static bool port_enabled(const struct i8042 *kbc, unsigned link)
{
    return !(kbc->ram[0] & (link == I8042_LINK_KBD ? MODE_KBD_OFF : MODE_AUX_OFF));
}

static void update_irqs(struct device *dev)
{
    const struct i8042 *kbc = dev->state;
    bool aux = kbc->full && kbc->aux_status;
    bool kbd = kbc->full && !kbc->aux_status;

    device_set_line(dev, I8042_LINE_IRQ_KBD, kbd && (kbc->ram[0] & MODE_KBD_IRQ));
    device_set_line(dev, I8042_LINE_IRQ_AUX, aux && (kbc->ram[0] & MODE_AUX_IRQ));
}

/* IRQ lines fall between two bytes, so that an edge-triggered 8259A sees each. */
static void fill_buffer(struct device *dev, uint8_t byte, enum source source, bool aux)
{
    struct i8042 *kbc = dev->state;

    kbc->full = false;
    update_irqs(dev);
    kbc->output_buffer = byte;
    kbc->source = source;
    kbc->aux_status = aux;
    kbc->full = true;
    device_trace(dev, &event_data, byte, source, 0);
    update_irqs(dev);
}

/*
 * What a command has to say. There is one register, and the controller writes it whether or not the system
 * has read it: an unread byte is gone. Software counts on it that switches the keyboard off (ADh), gives a
 * command and takes the next byte for its answer.
 */
static void reply(struct device *dev, uint8_t byte, bool aux)
{
    fill_buffer(dev, byte, FROM_CONTROLLER, aux);
}

/* A byte is in from the keyboard. Returns false if translation swallowed it. */
static bool translate(struct i8042 *kbc, uint8_t *byte)
{
    if (!(kbc->ram[0] & MODE_TRANSLATE)) {
        kbc->break_prefix = false;
        return true;
    }
    if (*byte == 0xf0) {
        kbc->break_prefix = true;
        return false;
    }
    if (*byte < sizeof(set2_to_set1))
        *byte = set2_to_set1[*byte] | (kbc->break_prefix ? 0x80 : 0);
    kbc->break_prefix = false;
    return true;
}

/* May this port's device send? The controller holds the clock low while its buffer is full or the port is
 * off. */
static bool accepts(const struct i8042 *kbc, unsigned link)
{
    return !kbc->full && !kbc->ports[link].busy && port_enabled(kbc, link);
}

static void invite(struct device *dev)
{
    struct i8042 *kbc = dev->state;

    for (unsigned link = 0; link < 2; link++) {
        if (kbc->ports[link].refused && accepts(kbc, link)) {
            kbc->ports[link].refused = false;
            device_room(dev, link);
        }
    }
}

/* A byte whose time on the cable is over goes into the buffer; the keyboard goes first. */
static void deliver(struct device *dev, unsigned link, uint64_t now)
{
    struct i8042 *kbc = dev->state;
    struct ps2_port *port = &kbc->ports[link];
    uint8_t byte = port->byte;

    if (kbc->full || !port->busy || now < port->ready_at || !port_enabled(kbc, link))
        return;
    port->busy = false;
    if (link == I8042_LINK_AUX)
        fill_buffer(dev, byte, FROM_AUX, true);
    else if (translate(kbc, &byte))
        fill_buffer(dev, byte, FROM_KBD, false);
}

static void catch_up(struct device *dev)
{
    struct i8042 *kbc = dev->state;
    uint64_t now = device_now(dev);
    uint64_t deadline = DEVICE_NEVER;

    deliver(dev, I8042_LINK_KBD, now);
    deliver(dev, I8042_LINK_AUX, now);
    invite(dev);
    for (unsigned link = 0; link < 2; link++) {
        const struct ps2_port *port = &kbc->ports[link];

        if (port->busy && !kbc->full && port_enabled(kbc, link) && port->ready_at < deadline)
            deadline = port->ready_at;
    }
    device_set_deadline(dev, deadline);
}

static void put_on_cable(struct device *dev, unsigned link, uint8_t byte)
{
    struct i8042 *kbc = dev->state;

    kbc->ports[link].busy = true;
    kbc->ports[link].byte = byte;
    kbc->ports[link].ready_at = device_now(dev) + CABLE_BYTE_NS;
}

/* A device offers bytes: one at a time goes into the cable. */
static size_t i8042_receive(struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    struct i8042 *kbc = dev->state;
    struct ps2_port *port;

    if (link > 1 || count == 0)
        return 0;
    port = &kbc->ports[link];
    if (!accepts(kbc, link)) {
        port->refused = true;
        return 0;
    }
    put_on_cable(dev, link, bytes[0]);
    port->refused = count > 1;
    catch_up(dev);
    return 1;
}

/* ---- A20 and reset --------------------------------------------------------------------------- */

static void write_output_port(struct device *dev, uint8_t value)
{
    struct i8042 *kbc = dev->state;
    bool resets = (kbc->output_port & OUTPUT_RESET) && !(value & OUTPUT_RESET);

    kbc->output_port = value & (OUTPUT_RESET | OUTPUT_A20);
    device_set_line(dev, I8042_LINE_A20, value & OUTPUT_A20);
    if (resets) {
        device_set_line(dev, I8042_LINE_RESET, true);
        device_set_line(dev, I8042_LINE_RESET, false);
    }
}

static uint8_t read_output_port(struct device *dev)
{
    const struct i8042 *kbc = dev->state;

    return (kbc->output_port & OUTPUT_RESET) | (device_input(dev, I8042_PIN_A20) ? OUTPUT_A20 : 0) |
           (kbc->full && !kbc->aux_status ? OUTPUT_KBD_IRQ : 0) |
           (kbc->full && kbc->aux_status ? OUTPUT_AUX_IRQ : 0) | 0xc0; /* keyboard clock and data are high */
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void set_mode(struct device *dev, uint8_t mode)
{
    struct i8042 *kbc = dev->state;

    kbc->ram[0] = mode;
    update_irqs(dev);
}

/* The self test also sets the command byte: both ports off, no interrupts. */
static void self_test(struct device *dev)
{
    struct i8042 *kbc = dev->state;

    set_mode(dev, MODE_SYSTEM | MODE_KBD_OFF | MODE_AUX_OFF);
    kbc->break_prefix = false;
    reply(dev, 0x55, false);
}

/* Commands F0-FF pulse low the output port bits that are 0 in bits 3-0; only bit 0 is wired to something. */
static void pulse(struct device *dev, uint8_t command)
{
    if (command & OUTPUT_RESET)
        return;
    device_set_line(dev, I8042_LINE_RESET, true);
    device_set_line(dev, I8042_LINE_RESET, false);
}

static void write_command(struct device *dev, uint8_t command)
{
    struct i8042 *kbc = dev->state;
    uint8_t mode = kbc->ram[0];

    device_trace(dev, &event_command, command, 0, 0);
    kbc->command_written = true;
    kbc->command = 0;
    switch (command) {
    case CMD_READ_RAM ... CMD_READ_RAM + RAM_BYTES - 1:
        reply(dev, kbc->ram[command - CMD_READ_RAM], false);
        break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + RAM_BYTES - 1:
    case CMD_WRITE_OUTPUT:
    case CMD_WRITE_KBD_BUFFER:
    case CMD_WRITE_AUX_BUFFER:
    case CMD_WRITE_AUX:
        kbc->command = command;
        break;
    case CMD_TEST_PASSWORD:
        reply(dev, 0xf1, false); /* none installed */
        break;
    case CMD_AUX_DISABLE:
        set_mode(dev, mode | MODE_AUX_OFF);
        break;
    case CMD_AUX_ENABLE:
        set_mode(dev, mode & ~MODE_AUX_OFF);
        break;
    case CMD_KBD_DISABLE:
        set_mode(dev, mode | MODE_KBD_OFF);
        break;
    case CMD_KBD_ENABLE:
        set_mode(dev, mode & ~MODE_KBD_OFF);
        break;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
        reply(dev, 0x00, false); /* no line stuck */
        break;
    case CMD_SELF_TEST:
        self_test(dev);
        break;
    case CMD_READ_INPUT:
        reply(dev, INPUT_UNLOCKED, false);
        break;
    case CMD_READ_OUTPUT:
        reply(dev, read_output_port(dev), false);
        break;
    case CMD_A20_OFF:
    case CMD_A20_ON:
        write_output_port(dev, (kbc->output_port & ~OUTPUT_A20) | (command & OUTPUT_A20));
        break;
    case CMD_READ_TEST_INPUTS:
        reply(dev, (port_enabled(kbc, 0) ? 1 : 0) | 2, false); /* T0: keyboard clock, T1: keyboard data */
        break;
    case CMD_PULSE ... 0xff:
        pulse(dev, command);
        break;
    default:
        device_trace(dev, &event_unknown, command, 0, 0);
        break;
    }
}

/*
 * Devices take a byte at once. For an empty socket the controller answers FE itself, after a time-out; that
 * stands for the device's answer, and waits for the register like one.
 */
static void send_to_device(struct device *dev, unsigned link, uint8_t value)
{
    if (device_send(dev, link, &value, 1) == 0)
        put_on_cable(dev, link, 0xfe);
}

/* A data byte for the keyboard also enables its port, as the controller needs the clock to send it. */
static void write_data(struct device *dev, uint8_t value)
{
    struct i8042 *kbc = dev->state;
    uint8_t command = kbc->command;

    kbc->command_written = false;
    kbc->command = 0;
    switch (command) {
    case 0:
        set_mode(dev, kbc->ram[0] & ~MODE_KBD_OFF);
        send_to_device(dev, I8042_LINK_KBD, value);
        break;
    case CMD_WRITE_RAM:
        set_mode(dev, value);
        break;
    case CMD_WRITE_OUTPUT:
        write_output_port(dev, value);
        break;
    case CMD_WRITE_KBD_BUFFER:
        reply(dev, value, false);
        break;
    case CMD_WRITE_AUX_BUFFER:
        reply(dev, value, true);
        break;
    case CMD_WRITE_AUX:
        set_mode(dev, kbc->ram[0] & ~MODE_AUX_OFF);
        send_to_device(dev, I8042_LINK_AUX, value);
        break;
    default:
        kbc->ram[command - CMD_WRITE_RAM] = value;
        break;
    }
}

/* ---- Ports ----------------------------------------------------------------------------------- */

static void data_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)offset, (void)size;
    write_data(dev, value);
    catch_up(dev);
}

static void command_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)offset, (void)size;
    write_command(dev, value);
    catch_up(dev);
}

static uint32_t data_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct i8042 *kbc = dev->state;
    uint8_t value;

    (void)offset, (void)size;
    catch_up(dev);
    value = kbc->output_buffer;
    if (kbc->full) {
        kbc->full = false;
        update_irqs(dev);
        catch_up(dev);
    }
    return value;
}

/* Reading the register again changes nothing, once it has been read. */
static bool data_known(const struct device *dev, uint32_t offset, uint8_t *value)
{
    const struct i8042 *kbc = dev->state;

    (void)offset;
    *value = kbc->output_buffer;
    return !kbc->full;
}

/* Commands are executed at once, so the input buffer is never full. */
static uint8_t status(const struct i8042 *kbc)
{
    return (kbc->full ? STATUS_OBF : 0) | (kbc->full && kbc->aux_status ? STATUS_AUX_OBF : 0) |
           (kbc->ram[0] & MODE_SYSTEM) | (kbc->command_written ? STATUS_COMMAND : 0) | STATUS_UNLOCKED;
}

static uint32_t status_read(struct device *dev, uint32_t offset, unsigned size)
{
    (void)offset, (void)size;
    catch_up(dev);
    return status(dev->state);
}

/* A byte that is on the cable comes at the deadline. */
static bool status_known(const struct device *dev, uint32_t offset, uint8_t *value)
{
    (void)offset;
    *value = status(dev->state);
    return true;
}

static void i8042_reset(struct device *dev)
{
    struct i8042 *kbc = dev->state;

    *kbc = (struct i8042){ .output_port = OUTPUT_RESET | OUTPUT_A20 };
    kbc->ram[0] = MODE_KBD_OFF | MODE_AUX_OFF;
    update_irqs(dev);
    device_set_line(dev, I8042_LINE_A20, true);
    device_set_line(dev, I8042_LINE_RESET, false);
    device_set_deadline(dev, DEVICE_NEVER);
}

const struct device_type i8042_device = {
    .name = "i8042",
    .state_size = sizeof(struct i8042),
    .ports = {
        { .count = 1, .read = data_read, .write = data_write, .known = data_known },
        { .count = 1, .read = status_read, .write = command_write, .known = status_known },
    },
    .line_count = 4,
    .link_count = 2,
    .reset = i8042_reset,
    .timer = catch_up,
    .receive = i8042_receive,
};
