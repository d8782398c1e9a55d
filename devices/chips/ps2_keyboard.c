/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PS/2 keyboard, 102 keys and the Windows keys, speaking scan code sets 1, 2 and 3. A table turns a key into
 * its codes; what is to be sent waits in a queue until the controller takes it. IBM PS/2 Hardware Interface
 * Technical Reference, "Keyboards (101- and 102-Key)".
 */
#include <string.h>

#include "devices/chips.h"

#define NS_PER_MS UINT64_C(1000000)

enum {
    QUEUE_SIZE = 16, /* as in the real keyboard; then the overrun code */
    REPLY_SIZE = 4,
    SEQUENCE_MAX = 8, /* Pause in set 2 */

    REPLY_ACK = 0xfa,
    REPLY_RESEND = 0xfe,
    REPLY_ECHO = 0xee,
    REPLY_BAT_OK = 0xaa,

    CODE_PAUSE = 0xe11d,
    CODE_PRINT_SCREEN = 0xe037,
    CODE_LEFT_SHIFT = 0x2a,
    CODE_RIGHT_SHIFT = 0x36,
    CODE_LEFT_CTRL = 0x1d,
    CODE_RIGHT_CTRL = 0xe01d,
    CODE_LEFT_ALT = 0x38,
    CODE_RIGHT_ALT = 0xe038,

    TYPEMATIC_DEFAULT = 0x2b, /* 500 ms, 10.9 a second */
};

/* What a key does in set 3: bit 0 it repeats, bit 1 it sends a break code. */
enum { KEY_MAKE = 0, KEY_REPEAT = 1, KEY_BREAK = 2, KEY_REPEAT_BREAK = 3 };

struct key {
    uint16_t code; /* set 1 make code, E0 prefix in the high byte */
    uint8_t set2;  /* the prefix is the same as in set 1 */
    uint8_t set3;
    uint8_t type; /* default behaviour in set 3 */
};

/* clang-format off */
static const struct key keys[] = {
    { 0x01, 0x76, 0x08, KEY_MAKE },      { 0x3b, 0x05, 0x07, KEY_MAKE },      { 0x3c, 0x06, 0x0f, KEY_MAKE },
    { 0x3d, 0x04, 0x17, KEY_MAKE },      { 0x3e, 0x0c, 0x1f, KEY_MAKE },      { 0x3f, 0x03, 0x27, KEY_MAKE },
    { 0x40, 0x0b, 0x2f, KEY_MAKE },      { 0x41, 0x83, 0x37, KEY_MAKE },      { 0x42, 0x0a, 0x3f, KEY_MAKE },
    { 0x43, 0x01, 0x47, KEY_MAKE },      { 0x44, 0x09, 0x4f, KEY_MAKE },      { 0x57, 0x78, 0x56, KEY_MAKE },
    { 0x58, 0x07, 0x5e, KEY_MAKE },

    { 0x29, 0x0e, 0x0e, KEY_REPEAT }, { 0x02, 0x16, 0x16, KEY_REPEAT }, { 0x03, 0x1e, 0x1e, KEY_REPEAT },
    { 0x04, 0x26, 0x26, KEY_REPEAT }, { 0x05, 0x25, 0x25, KEY_REPEAT }, { 0x06, 0x2e, 0x2e, KEY_REPEAT },
    { 0x07, 0x36, 0x36, KEY_REPEAT }, { 0x08, 0x3d, 0x3d, KEY_REPEAT }, { 0x09, 0x3e, 0x3e, KEY_REPEAT },
    { 0x0a, 0x46, 0x46, KEY_REPEAT }, { 0x0b, 0x45, 0x45, KEY_REPEAT }, { 0x0c, 0x4e, 0x4e, KEY_REPEAT },
    { 0x0d, 0x55, 0x55, KEY_REPEAT }, { 0x0e, 0x66, 0x66, KEY_REPEAT },

    { 0x0f, 0x0d, 0x0d, KEY_REPEAT }, { 0x10, 0x15, 0x15, KEY_REPEAT }, { 0x11, 0x1d, 0x1d, KEY_REPEAT },
    { 0x12, 0x24, 0x24, KEY_REPEAT }, { 0x13, 0x2d, 0x2d, KEY_REPEAT }, { 0x14, 0x2c, 0x2c, KEY_REPEAT },
    { 0x15, 0x35, 0x35, KEY_REPEAT }, { 0x16, 0x3c, 0x3c, KEY_REPEAT }, { 0x17, 0x43, 0x43, KEY_REPEAT },
    { 0x18, 0x44, 0x44, KEY_REPEAT }, { 0x19, 0x4d, 0x4d, KEY_REPEAT }, { 0x1a, 0x54, 0x54, KEY_REPEAT },
    { 0x1b, 0x5b, 0x5b, KEY_REPEAT }, { 0x2b, 0x5d, 0x5c, KEY_REPEAT },

    { 0x3a, 0x58, 0x14, KEY_BREAK },     { 0x1e, 0x1c, 0x1c, KEY_REPEAT }, { 0x1f, 0x1b, 0x1b, KEY_REPEAT },
    { 0x20, 0x23, 0x23, KEY_REPEAT }, { 0x21, 0x2b, 0x2b, KEY_REPEAT }, { 0x22, 0x34, 0x34, KEY_REPEAT },
    { 0x23, 0x33, 0x33, KEY_REPEAT }, { 0x24, 0x3b, 0x3b, KEY_REPEAT }, { 0x25, 0x42, 0x42, KEY_REPEAT },
    { 0x26, 0x4b, 0x4b, KEY_REPEAT }, { 0x27, 0x4c, 0x4c, KEY_REPEAT }, { 0x28, 0x52, 0x52, KEY_REPEAT },
    { 0x1c, 0x5a, 0x5a, KEY_REPEAT },

    { 0x2a, 0x12, 0x12, KEY_BREAK },     { 0x56, 0x61, 0x13, KEY_REPEAT }, { 0x2c, 0x1a, 0x1a, KEY_REPEAT },
    { 0x2d, 0x22, 0x22, KEY_REPEAT }, { 0x2e, 0x21, 0x21, KEY_REPEAT }, { 0x2f, 0x2a, 0x2a, KEY_REPEAT },
    { 0x30, 0x32, 0x32, KEY_REPEAT }, { 0x31, 0x31, 0x31, KEY_REPEAT }, { 0x32, 0x3a, 0x3a, KEY_REPEAT },
    { 0x33, 0x41, 0x41, KEY_REPEAT }, { 0x34, 0x49, 0x49, KEY_REPEAT }, { 0x35, 0x4a, 0x4a, KEY_REPEAT },
    { 0x36, 0x59, 0x59, KEY_BREAK },

    { 0x1d, 0x14, 0x11, KEY_BREAK },      { 0x38, 0x11, 0x19, KEY_BREAK },
    { 0x39, 0x29, 0x29, KEY_REPEAT },     { 0xe038, 0x11, 0x39, KEY_MAKE },
    { 0xe01d, 0x14, 0x58, KEY_MAKE },     { 0xe05b, 0x1f, 0x8b, KEY_BREAK },
    { 0xe05c, 0x27, 0x8c, KEY_BREAK },    { 0xe05d, 0x2f, 0x8d, KEY_BREAK },

    { 0xe052, 0x70, 0x67, KEY_MAKE },     { 0xe047, 0x6c, 0x6e, KEY_MAKE },
    { 0xe049, 0x7d, 0x6f, KEY_MAKE },     { 0xe053, 0x71, 0x64, KEY_REPEAT },
    { 0xe04f, 0x69, 0x65, KEY_MAKE },     { 0xe051, 0x7a, 0x6d, KEY_MAKE },
    { 0xe048, 0x75, 0x63, KEY_REPEAT },   { 0xe04b, 0x6b, 0x61, KEY_REPEAT },
    { 0xe050, 0x72, 0x60, KEY_REPEAT },   { 0xe04d, 0x74, 0x6a, KEY_REPEAT },

    { 0x45, 0x77, 0x76, KEY_MAKE },       { 0xe035, 0x4a, 0x77, KEY_MAKE },
    { 0x37, 0x7c, 0x7e, KEY_MAKE },       { 0x4a, 0x7b, 0x84, KEY_MAKE },
    { 0x4e, 0x79, 0x7c, KEY_REPEAT },     { 0xe01c, 0x5a, 0x79, KEY_MAKE },
    { 0x53, 0x71, 0x71, KEY_MAKE },       { 0x52, 0x70, 0x70, KEY_MAKE },
    { 0x4f, 0x69, 0x69, KEY_MAKE },       { 0x50, 0x72, 0x72, KEY_MAKE },
    { 0x51, 0x7a, 0x7a, KEY_MAKE },       { 0x4b, 0x6b, 0x6b, KEY_MAKE },
    { 0x4c, 0x73, 0x73, KEY_MAKE },       { 0x4d, 0x74, 0x74, KEY_MAKE },
    { 0x47, 0x6c, 0x6c, KEY_MAKE },       { 0x48, 0x75, 0x75, KEY_MAKE },
    { 0x49, 0x7d, 0x7d, KEY_MAKE },       { 0x46, 0x7e, 0x5f, KEY_MAKE },

    { CODE_PRINT_SCREEN, 0x7c, 0x57, KEY_MAKE },
    { CODE_PAUSE, 0x14, 0x62, KEY_MAKE },
};
/* clang-format on */

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]), NO_KEY = 0xff };

struct ps2_keyboard {
    uint8_t queue[QUEUE_SIZE]; /* scan codes; head is the oldest */
    uint8_t head, count;
    uint8_t replies[REPLY_SIZE]; /* answers to commands go out first */
    uint8_t reply_count;
    uint8_t last_sent; /* for Resend */
    bool overrun;      /* keys were lost; the overrun code is the last thing in the queue */

    bool scanning;     /* enabled */
    uint8_t set;       /* 1, 2 or 3 */
    uint8_t typematic; /* bits 6-5 delay, 4-3 and 2-0 rate, as in command F3 */
    uint8_t leds;
    uint8_t command;         /* command whose data byte comes next; 0: none */
    uint8_t type[KEY_COUNT]; /* behaviour in set 3 */
    bool down[KEY_COUNT];
    uint8_t repeating;  /* index of the key that repeats, or NO_KEY */
    uint64_t repeat_at; /* machine time of its next make code; valid while repeating */
};

static const struct device_event event_command = { "ps2_keyboard_command", { "byte", "command" } };
static const struct device_event event_key = { "ps2_keyboard_key", { "code", "down" } };
static const struct device_event event_overrun = { "ps2_keyboard_overrun", { "code" } };

/* ---- Sending --------------------------------------------------------------------------------- */

/* Offer what is waiting, one byte at a time, until the controller takes no more. */
static void flush(struct device *dev)
{
    struct ps2_keyboard *kbd = dev->state;

    while (kbd->reply_count || kbd->count) {
        uint8_t byte = kbd->reply_count ? kbd->replies[0] : kbd->queue[kbd->head];

        if (device_send(dev, 0, &byte, 1) == 0)
            return;
        kbd->last_sent = byte;
        if (kbd->reply_count) {
            memmove(kbd->replies, kbd->replies + 1, --kbd->reply_count);
        } else {
            kbd->head = (kbd->head + 1) % QUEUE_SIZE;
            kbd->count--;
            kbd->overrun = kbd->overrun && kbd->count;
        }
    }
}

static void ps2_keyboard_room(struct device *dev, unsigned link)
{
    (void)link;
    flush(dev);
}

/* A command is answered with three bytes at most, and the next one begins by dropping what is left of them.
 */
static void queue_reply(struct ps2_keyboard *kbd, uint8_t byte)
{
    if (kbd->reply_count < REPLY_SIZE)
        kbd->replies[kbd->reply_count++] = byte;
}

static void queue_byte(struct ps2_keyboard *kbd, uint8_t byte)
{
    kbd->queue[(kbd->head + kbd->count++) % QUEUE_SIZE] = byte;
}

/* A sequence goes in whole or not at all. The last place is kept for the overrun code: FF in set 1, else 00.
 */
static void queue_sequence(struct device *dev, uint16_t code, const uint8_t *bytes, unsigned count)
{
    struct ps2_keyboard *kbd = dev->state;

    if (count == 0 || kbd->overrun)
        return;
    if (kbd->count + count > QUEUE_SIZE - 1) {
        device_trace(dev, &event_overrun, code, 0, 0);
        kbd->overrun = true;
        queue_byte(kbd, kbd->set == 1 ? 0xff : 0x00);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        queue_byte(kbd, bytes[i]);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static unsigned find_key(uint16_t code)
{
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (keys[i].code == code)
            return i;
    }
    return NO_KEY;
}

static bool either_down(const struct ps2_keyboard *kbd, uint16_t left, uint16_t right)
{
    return kbd->down[find_key(left)] || kbd->down[find_key(right)];
}

/* Append one make or break code of set 1 or 2. */
static unsigned put_code(uint8_t *out, unsigned set, uint8_t prefix, uint8_t set1, uint8_t set2, bool down)
{
    unsigned n = 0;

    if (prefix)
        out[n++] = prefix;
    if (set == 2 && !down)
        out[n++] = 0xf0;
    out[n++] = set == 2 ? set2 : set1 | (down ? 0 : 0x80);
    return n;
}

/* Print Screen is an E0 key inside a made-up left Shift; with Shift or Ctrl it is alone; with Alt it is
 * SysRq. */
static unsigned put_print_screen(const struct ps2_keyboard *kbd, uint8_t *out, bool down)
{
    unsigned n = 0;

    if (either_down(kbd, CODE_LEFT_ALT, CODE_RIGHT_ALT))
        return put_code(out, kbd->set, 0, 0x54, 0x84, down);
    if (either_down(kbd, CODE_LEFT_SHIFT, CODE_RIGHT_SHIFT) ||
        either_down(kbd, CODE_LEFT_CTRL, CODE_RIGHT_CTRL))
        return put_code(out, kbd->set, 0xe0, 0x37, 0x7c, down);
    if (down)
        n += put_code(out, kbd->set, 0xe0, 0x2a, 0x12, true);
    n += put_code(out + n, kbd->set, 0xe0, 0x37, 0x7c, down);
    if (!down)
        n += put_code(out + n, kbd->set, 0xe0, 0x2a, 0x12, false);
    return n;
}

/* Pause sends its make and break at once when pressed, and nothing when released. With Ctrl it is Break. */
static unsigned put_pause(const struct ps2_keyboard *kbd, uint8_t *out, bool down)
{
    unsigned n;

    if (!down)
        return 0;
    if (either_down(kbd, CODE_LEFT_CTRL, CODE_RIGHT_CTRL)) {
        n = put_code(out, kbd->set, 0xe0, 0x46, 0x7e, true);
        return n + put_code(out + n, kbd->set, 0xe0, 0x46, 0x7e, false);
    }
    n = put_code(out, kbd->set, 0xe1, 0x1d, 0x14, true);
    n += put_code(out + n, kbd->set, 0, 0x45, 0x77, true);
    n += put_code(out + n, kbd->set, 0xe1, 0x1d, 0x14, false);
    return n + put_code(out + n, kbd->set, 0, 0x45, 0x77, false);
}

/* The bytes a key sends now; out has room for SEQUENCE_MAX. */
static unsigned put_key(const struct ps2_keyboard *kbd, unsigned index, uint8_t *out, bool down)
{
    const struct key *key = &keys[index];
    unsigned n = 0;

    if (kbd->set == 3) {
        if (!down && !(kbd->type[index] & KEY_BREAK))
            return 0;
        if (!down)
            out[n++] = 0xf0;
        out[n++] = key->set3;
        return n;
    }
    if (key->code == CODE_PAUSE)
        return put_pause(kbd, out, down);
    if (key->code == CODE_PRINT_SCREEN)
        return put_print_screen(kbd, out, down);
    return put_code(out, kbd->set, key->code >> 8, key->code & 0x7f, key->set2, down);
}

static bool repeats(const struct ps2_keyboard *kbd, unsigned index)
{
    return kbd->set == 3 ? kbd->type[index] & KEY_REPEAT : keys[index].code != CODE_PAUSE;
}

/* Delay is 250 ms times one to four; the period is (8 + A) * 2^B / 240 s (technical reference, "Typematic").
 */
static uint64_t repeat_delay(const struct ps2_keyboard *kbd)
{
    return ((kbd->typematic >> 5 & 3) + 1) * 250 * NS_PER_MS;
}

static uint64_t repeat_period(const struct ps2_keyboard *kbd)
{
    return ((8 + (kbd->typematic & 7)) << (kbd->typematic >> 3 & 3)) * 1000 * NS_PER_MS / 240;
}

static void stop_repeating(struct device *dev)
{
    struct ps2_keyboard *kbd = dev->state;

    kbd->repeating = NO_KEY;
    device_set_deadline(dev, DEVICE_NEVER);
}

static bool ps2_keyboard_key(struct device *dev, uint16_t code, bool down)
{
    struct ps2_keyboard *kbd = dev->state;
    unsigned index = find_key(code);
    uint8_t bytes[SEQUENCE_MAX];

    if (index == NO_KEY || kbd->down[index] == down)
        return true;
    device_trace(dev, &event_key, code, down, 0);
    kbd->down[index] = down;
    if (!kbd->scanning)
        return true;
    queue_sequence(dev, code, bytes, put_key(kbd, index, bytes, down));
    if (down && repeats(kbd, index)) {
        kbd->repeating = index;
        kbd->repeat_at = device_now(dev) + repeat_delay(kbd);
        device_set_deadline(dev, kbd->repeat_at);
    } else if (down || index == kbd->repeating) {
        stop_repeating(dev);
    }
    flush(dev);
    return true;
}

/* The held key repeats, unless the guest has not even read the last one. */
static void ps2_keyboard_timer(struct device *dev)
{
    struct ps2_keyboard *kbd = dev->state;
    uint64_t now = device_now(dev), period = repeat_period(kbd);
    uint8_t bytes[SEQUENCE_MAX];

    if (kbd->repeating == NO_KEY)
        return;
    if (kbd->count == 0)
        queue_sequence(dev, keys[kbd->repeating].code, bytes, put_key(kbd, kbd->repeating, bytes, true));
    kbd->repeat_at += ((now - kbd->repeat_at) / period + 1) * period;
    device_set_deadline(dev, kbd->repeat_at);
    flush(dev);
}

static bool ps2_keyboard_sample(struct device *dev, unsigned line)
{
    const struct ps2_keyboard *kbd = dev->state;

    return line == PS2_KEYBOARD_LINE_WAITING && (kbd->count || kbd->reply_count);
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void set_leds(struct device *dev, uint8_t leds)
{
    struct ps2_keyboard *kbd = dev->state;

    kbd->leds = leds & 7;
    for (unsigned i = 0; i < 3; i++)
        device_set_line(dev, PS2_KEYBOARD_LINE_LED0 + i, kbd->leds >> i & 1);
}

static void clear_keys(struct device *dev)
{
    struct ps2_keyboard *kbd = dev->state;

    kbd->count = 0;
    kbd->overrun = false;
    stop_repeating(dev);
}

static void set_defaults(struct device *dev)
{
    struct ps2_keyboard *kbd = dev->state;

    clear_keys(dev);
    kbd->typematic = TYPEMATIC_DEFAULT;
    kbd->set = 2;
    for (unsigned i = 0; i < KEY_COUNT; i++)
        kbd->type[i] = keys[i].type;
}

static void run_reset(struct device *dev)
{
    struct ps2_keyboard *kbd = dev->state;

    set_defaults(dev);
    set_leds(dev, 0);
    kbd->scanning = true;
    kbd->command = 0;
    kbd->reply_count = 0;
}

/* F7-FA set every key's set 3 behaviour, FB-FD the one of the key whose set 3 code follows. */
static uint8_t type_of_command(uint8_t command)
{
    static const uint8_t types[] = { KEY_REPEAT, KEY_BREAK, KEY_MAKE, KEY_REPEAT_BREAK,
                                     KEY_REPEAT, KEY_BREAK, KEY_MAKE };

    return types[command - 0xf7];
}

static void set_one_type(struct ps2_keyboard *kbd, uint8_t set3, uint8_t type)
{
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (keys[i].set3 == set3)
            kbd->type[i] = type;
    }
}

/* The second byte of a command. A byte above 7F where data is due is a new command instead. */
static void run_parameter(struct device *dev, uint8_t command, uint8_t value)
{
    struct ps2_keyboard *kbd = dev->state;

    queue_reply(kbd, REPLY_ACK);
    switch (command) {
    case 0xed:
        set_leds(dev, value);
        break;
    case 0xf0:
        if (value == 0) {
            queue_reply(kbd, kbd->set);
        } else if (value <= 3) {
            kbd->set = value;
            clear_keys(dev);
        } else {
            kbd->replies[kbd->reply_count - 1] = REPLY_RESEND;
        }
        break;
    case 0xf3:
        kbd->typematic = value & 0x7f;
        break;
    default: /* FB-FD: stay in this command until another one comes */
        set_one_type(kbd, value, type_of_command(command));
        kbd->command = command;
        break;
    }
}

static void run_command(struct device *dev, uint8_t command)
{
    struct ps2_keyboard *kbd = dev->state;

    switch (command) {
    case 0xed: /* LEDs */
    case 0xf0: /* scan code set */
    case 0xf3: /* typematic rate and delay */
    case 0xfb ... 0xfd:
        queue_reply(kbd, REPLY_ACK);
        kbd->command = command;
        break;
    case 0xee:
        queue_reply(kbd, REPLY_ECHO);
        break;
    case 0xf2: /* identify */
        queue_reply(kbd, REPLY_ACK);
        queue_reply(kbd, 0xab);
        queue_reply(kbd, 0x83);
        break;
    case 0xf4:
        clear_keys(dev);
        kbd->scanning = true;
        queue_reply(kbd, REPLY_ACK);
        break;
    case 0xf5:
    case 0xf6: {
        uint8_t set = kbd->set; /* the scan code set is not among the defaults restored here */

        set_defaults(dev);
        kbd->set = set;
        kbd->scanning = command == 0xf6 ? kbd->scanning : false;
        queue_reply(kbd, REPLY_ACK);
        break;
    }
    case 0xf7 ... 0xfa:
        memset(kbd->type, type_of_command(command), sizeof(kbd->type));
        queue_reply(kbd, REPLY_ACK);
        break;
    case 0xfe:
        queue_reply(kbd, kbd->last_sent);
        break;
    case 0xff:
        run_reset(dev);
        queue_reply(kbd, REPLY_ACK);
        queue_reply(kbd, REPLY_BAT_OK);
        break;
    default:
        queue_reply(kbd, REPLY_RESEND);
        break;
    }
}

static size_t ps2_keyboard_receive(struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    struct ps2_keyboard *kbd = dev->state;

    (void)link;
    for (size_t i = 0; i < count; i++) {
        uint8_t command = kbd->command;

        device_trace(dev, &event_command, bytes[i], command, 0);
        kbd->command = 0;
        kbd->reply_count = 0;
        if (command && (bytes[i] < 0x80 || (command >= 0xfb && bytes[i] < 0xed)))
            run_parameter(dev, command, bytes[i]);
        else
            run_command(dev, bytes[i]);
    }
    flush(dev);
    return count;
}

/* Power-on as the guest finds it: the self-test ended long ago and its AA was read by nobody. */
static void ps2_keyboard_reset(struct device *dev)
{
    struct ps2_keyboard *kbd = dev->state;

    run_reset(dev);
    kbd->last_sent = REPLY_BAT_OK;
}

const struct device_type ps2_keyboard_device = {
    .name = "ps2_keyboard",
    .state_size = sizeof(struct ps2_keyboard),
    .line_count = 4,
    .link_count = 1,
    .reset = ps2_keyboard_reset,
    .timer = ps2_keyboard_timer,
    .sample = ps2_keyboard_sample,
    .receive = ps2_keyboard_receive,
    .room = ps2_keyboard_room,
    .key = ps2_keyboard_key,
};
