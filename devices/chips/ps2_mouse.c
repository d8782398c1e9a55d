/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PS/2 mouse with three buttons, and an IntelliMouse's wheel once the driver has asked for it. Movement is
 * summed and leaves in packets, no more of them per second than the sample rate. IBM PS/2 Hardware Interface
 * Technical Reference, "Auxiliary Devices"; Microsoft, "IntelliMouse" wheel protocol.
 */
#include <string.h>

#include "devices/chips.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
    QUEUE_SIZE = 8, /* two packets */

    REPLY_ACK = 0xfa,
    REPLY_RESEND = 0xfe,
    REPLY_BAT_OK = 0xaa,

    ID_STANDARD = 0,
    ID_WHEEL = 3,

    STATUS_REMOTE = 0x40,
    STATUS_ENABLED = 0x20,
    STATUS_SCALING = 0x10,

    PACKET_ALWAYS = 0x08,
    PACKET_X_SIGN = 0x10,
    PACKET_Y_SIGN = 0x20,

    SUM_MAX = 1 << 20, /* keeps sums of hostile or mad movements from overflowing */
};

struct ps2_mouse {
    uint8_t queue[QUEUE_SIZE]; /* head first */
    uint8_t count;
    uint8_t last[QUEUE_SIZE]; /* the last packet or reply, for Resend */
    uint8_t last_count;

    bool enabled; /* data reporting in stream mode */
    bool remote;
    bool wrap;
    bool scaling; /* 2:1 */
    uint8_t id;
    uint8_t rate;       /* samples per second */
    uint8_t resolution; /* 0..3: 1, 2, 4, 8 counts per mm; reported only, see docs/devices.md */
    uint8_t rates[3];   /* the last rates set, newest last: 200, 100, 80 is the wheel knock */
    uint8_t command;    /* command whose data byte comes next; 0: none */

    int32_t x, y, z; /* movement not yet reported; y grows upwards as in the packet */
    uint8_t buttons; /* held now, in packet order: left, right, middle */
    uint8_t reported_buttons;
    uint64_t next_sample; /* machine time before which no packet may start */
};

static const struct device_event event_command = { "ps2_mouse_command", { "byte", "command" } };
static const struct device_event event_packet = { "ps2_mouse_packet", { "buttons", "dx", "dy" } };

/* ---- Sending --------------------------------------------------------------------------------- */

static void flush(struct device *dev)
{
    struct ps2_mouse *mouse = dev->state;

    while (mouse->count && device_send(dev, 0, mouse->queue, 1))
        memmove(mouse->queue, mouse->queue + 1, --mouse->count);
}

/* Start a new reply or packet: what was not yet taken of the last one is gone if a command overtook it. */
static void begin(struct ps2_mouse *mouse)
{
    mouse->count = 0;
    mouse->last_count = 0;
}

static void put(struct ps2_mouse *mouse, uint8_t byte)
{
    if (mouse->count == QUEUE_SIZE)
        return;
    mouse->queue[mouse->count++] = byte;
    mouse->last[mouse->last_count++] = byte;
}

static int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* 2:1 scaling in stream mode: 0, 1, 1, 3, 6, 9, then twice the count (technical reference, "Set Scaling
 * 2:1"). */
static int32_t scale(int32_t counts)
{
    static const uint8_t small[] = { 0, 1, 1, 3, 6, 9 };
    int32_t magnitude = counts < 0 ? -counts : counts;

    magnitude = magnitude < (int32_t)sizeof(small) ? small[magnitude] : magnitude * 2;
    return clamp(counts < 0 ? -magnitude : magnitude, -255, 255);
}

/* One movement packet; what does not fit into it stays summed for the next. */
static void put_packet(struct device *dev, bool scaled)
{
    struct ps2_mouse *mouse = dev->state;
    int32_t x = clamp(mouse->x, -255, 255);
    int32_t y = clamp(mouse->y, -255, 255);
    int32_t z = clamp(mouse->z, -8, 7);

    mouse->x -= x;
    mouse->y -= y;
    mouse->z = mouse->id == ID_WHEEL ? mouse->z - z : 0;
    mouse->reported_buttons = mouse->buttons;
    if (scaled) {
        x = scale(x);
        y = scale(y);
    }
    device_trace(dev, &event_packet, mouse->buttons, x, y);
    put(mouse, mouse->buttons | PACKET_ALWAYS | (x < 0 ? PACKET_X_SIGN : 0) | (y < 0 ? PACKET_Y_SIGN : 0));
    put(mouse, x);
    put(mouse, y);
    if (mouse->id == ID_WHEEL)
        put(mouse, z);
}

static bool something_to_report(const struct ps2_mouse *mouse)
{
    return mouse->x || mouse->y || (mouse->z && mouse->id == ID_WHEEL) ||
           mouse->buttons != mouse->reported_buttons;
}

/* In stream mode: send a packet if there is news, the last one has left, and the sample rate allows. */
static void report(struct device *dev)
{
    struct ps2_mouse *mouse = dev->state;
    uint64_t now = device_now(dev);

    if (!mouse->enabled || mouse->remote || mouse->wrap || mouse->command || mouse->count ||
        !something_to_report(mouse))
        return;
    if (now < mouse->next_sample) {
        device_set_deadline(dev, mouse->next_sample);
        return;
    }
    mouse->next_sample = now + NS_PER_SECOND / mouse->rate;
    begin(mouse);
    put_packet(dev, mouse->scaling);
    flush(dev);
    if (something_to_report(mouse))
        device_set_deadline(dev, mouse->next_sample);
}

static void ps2_mouse_room(struct device *dev, unsigned link)
{
    (void)link;
    flush(dev);
    report(dev);
}

static void ps2_mouse_pointer(struct device *dev, int32_t dx, int32_t dy, int32_t dz, unsigned buttons)
{
    struct ps2_mouse *mouse = dev->state;

    mouse->x = clamp(mouse->x + clamp(dx, -SUM_MAX, SUM_MAX), -SUM_MAX, SUM_MAX);
    mouse->y = clamp(mouse->y - clamp(dy, -SUM_MAX, SUM_MAX), -SUM_MAX, SUM_MAX);
    mouse->z = clamp(mouse->z + clamp(dz, -SUM_MAX, SUM_MAX), -SUM_MAX, SUM_MAX);
    mouse->buttons = buttons & 7;
    if (!mouse->enabled && !mouse->remote)
        mouse->x = mouse->y = mouse->z = 0; /* the counters run only while reporting is possible */
    report(dev);
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void clear_movement(struct ps2_mouse *mouse)
{
    mouse->x = mouse->y = mouse->z = 0;
    mouse->reported_buttons = mouse->buttons;
}

static void set_defaults(struct ps2_mouse *mouse)
{
    clear_movement(mouse);
    mouse->enabled = false;
    mouse->remote = false;
    mouse->wrap = false;
    mouse->scaling = false;
    mouse->rate = 100;
    mouse->resolution = 2;
}

static void run_reset(struct ps2_mouse *mouse)
{
    set_defaults(mouse);
    mouse->id = ID_STANDARD;
    mouse->command = 0;
    memset(mouse->rates, 0, sizeof(mouse->rates));
}

static void put_status(struct ps2_mouse *mouse)
{
    uint8_t b = mouse->buttons;

    /* Here the order of the buttons is left, middle, right from bit 2 down. */
    put(mouse, (mouse->remote ? STATUS_REMOTE : 0) | (mouse->enabled ? STATUS_ENABLED : 0) |
                   (mouse->scaling ? STATUS_SCALING : 0) | (b & 1) << 2 | (b >> 2 & 1) << 1 | (b >> 1 & 1));
    put(mouse, mouse->resolution);
    put(mouse, mouse->rate);
}

static bool valid_rate(uint8_t rate)
{
    static const uint8_t rates[] = { 10, 20, 40, 60, 80, 100, 200 };

    return memchr(rates, rate, sizeof(rates)) != NULL;
}

static void set_rate(struct ps2_mouse *mouse, uint8_t rate)
{
    static const uint8_t wheel_knock[3] = { 200, 100, 80 };

    mouse->rate = rate;
    memmove(mouse->rates, mouse->rates + 1, 2);
    mouse->rates[2] = rate;
    if (memcmp(mouse->rates, wheel_knock, 3) == 0)
        mouse->id = ID_WHEEL;
}

static void run_parameter(struct ps2_mouse *mouse, uint8_t command, uint8_t value)
{
    if (command == 0xe8 && value <= 3) {
        mouse->resolution = value;
        put(mouse, REPLY_ACK);
    } else if (command == 0xf3 && valid_rate(value)) {
        set_rate(mouse, value);
        put(mouse, REPLY_ACK);
    } else {
        put(mouse, REPLY_RESEND);
        mouse->command = command; /* once more */
    }
}

static void run_command(struct device *dev, uint8_t command)
{
    struct ps2_mouse *mouse = dev->state;

    put(mouse, REPLY_ACK);
    switch (command) {
    case 0xe6:
        mouse->scaling = false;
        break;
    case 0xe7:
        mouse->scaling = true;
        break;
    case 0xe8: /* resolution */
    case 0xf3: /* sample rate */
        mouse->command = command;
        break;
    case 0xe9:
        put_status(mouse);
        break;
    case 0xea:
        mouse->remote = false;
        clear_movement(mouse);
        break;
    case 0xeb:
        put_packet(dev, false); /* scaling does not apply to a packet that was asked for */
        break;
    case 0xec:
        mouse->wrap = false;
        break;
    case 0xee:
        mouse->wrap = true;
        break;
    case 0xf0:
        mouse->remote = true;
        clear_movement(mouse);
        break;
    case 0xf2:
        put(mouse, mouse->id);
        break;
    case 0xf4:
        mouse->enabled = true;
        clear_movement(mouse);
        break;
    case 0xf5:
        mouse->enabled = false;
        clear_movement(mouse);
        break;
    case 0xf6:
        set_defaults(mouse);
        break;
    case 0xff:
        run_reset(mouse);
        put(mouse, REPLY_BAT_OK);
        put(mouse, ID_STANDARD);
        break;
    default:
        begin(mouse);
        put(mouse, REPLY_RESEND);
        break;
    }
}

static void resend(struct ps2_mouse *mouse)
{
    memcpy(mouse->queue, mouse->last, mouse->last_count);
    mouse->count = mouse->last_count;
}

static size_t ps2_mouse_receive(struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    struct ps2_mouse *mouse = dev->state;

    (void)link;
    for (size_t i = 0; i < count; i++) {
        uint8_t command = mouse->command;

        device_trace(dev, &event_command, bytes[i], command, 0);
        mouse->command = 0;
        if (bytes[i] == 0xfe && !mouse->wrap) {
            resend(mouse);
            continue;
        }
        begin(mouse);
        if (mouse->wrap && bytes[i] != 0xec && bytes[i] != 0xff)
            put(mouse, bytes[i]);
        else if (command && bytes[i] <= 200)
            run_parameter(mouse, command, bytes[i]);
        else
            run_command(dev, bytes[i]);
    }
    flush(dev);
    report(dev);
    return count;
}

static void ps2_mouse_reset(struct device *dev)
{
    struct ps2_mouse *mouse = dev->state;

    begin(mouse);
    run_reset(mouse);
    mouse->next_sample = 0;
    device_set_deadline(dev, DEVICE_NEVER);
}

const struct device_type ps2_mouse_device = {
    .name = "ps2_mouse",
    .state_size = sizeof(struct ps2_mouse),
    .link_count = 1,
    .reset = ps2_mouse_reset,
    .timer = report,
    .receive = ps2_mouse_receive,
    .room = ps2_mouse_room,
    .pointer = ps2_mouse_pointer,
};
