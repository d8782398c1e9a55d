/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keyboard of virtio, for a guest that drives it; any other has the PS/2 keyboard. Keys wait in their order
 * while the guest has no buffer. The guest repeats held keys itself. VIRTIO 1.1, "Input Device"; Linux's
 * input-event-codes.h for the numbers.
 */
#include "devices/chips.h"
#include "virtio_input.h"

#include <string.h>

enum {
    KEY_MAX = 128, /* numbers of keys are below */
    PLAIN_LAST = 0x58,
    QUEUE_MAX = 64, /* keys that wait */
    DOWN = 0x80,    /* in the queue */
    LEDS = 3,
    BYTE_BITS = 8,
};

_Static_assert((int)KEY_MAX <= (int)DOWN, "a key and whether it is down fit a byte");

struct virtio_keyboard {
    struct virtio_input input;
    uint8_t queue[QUEUE_MAX]; /* number, and DOWN or not; head is the oldest */
    uint8_t head, count;
    uint8_t down[KEY_MAX / BYTE_BITS]; /* bits of the keys whose release is to follow */
    uint8_t down_count;
};

static const struct device_event event_leds = { "virtio_keyboard_led", { "led", "on" } };

/* ---- Keys ------------------------------------------------------------------------------------ */

/* Keys whose number is not their set 1 make code. */
static const struct {
    uint16_t code;
    uint8_t number;
} others[] = {
    { 0xe01c, 96 },  { 0xe01d, 97 },  { 0xe035, 98 },  { 0xe037, 99 },  { 0xe038, 100 },
    { 0xe047, 102 }, { 0xe048, 103 }, { 0xe049, 104 }, { 0xe04b, 105 }, { 0xe04d, 106 },
    { 0xe04f, 107 }, { 0xe050, 108 }, { 0xe051, 109 }, { 0xe052, 110 }, { 0xe053, 111 },
    { 0xe11d, 119 }, { 0xe05b, 125 }, { 0xe05c, 126 }, { 0xe05d, 127 },
};

enum { OTHERS = sizeof(others) / sizeof(others[0]) };

/* 0: there is no such key. */
static unsigned number_of(uint16_t code)
{
    if (code <= PLAIN_LAST)
        return code == 0x54 || code == 0x55 ? 0 : code;
    for (unsigned i = 0; i < OTHERS; i++) {
        if (others[i].code == code)
            return others[i].number;
    }
    return 0;
}

static bool is_down(const struct virtio_keyboard *k, unsigned key)
{
    return k->down[key / BYTE_BITS] >> key % BYTE_BITS & 1;
}

/* Each key is a report of its own, so that none is seen to go down and up at once. */
static void tell_keys(struct device *dev)
{
    struct virtio_keyboard *k = dev->state;

    virtio_input_end(dev);
    while (k->count && !k->input.unfinished) {
        uint8_t entry = k->queue[k->head];

        if (!virtio_input_tell(dev, EV_KEY, entry & (DOWN - 1), !!(entry & DOWN)))
            break;
        k->head = (k->head + 1) % QUEUE_MAX;
        k->count--;
        virtio_input_end(dev);
    }
}

/* A press is taken only where there is room for the releases of all that are down, too: none gets stuck. */
static bool enqueue(struct virtio_keyboard *k, unsigned key, bool down)
{
    if (is_down(k, key) == down)
        return false;
    if (down && k->count + 1 + k->down_count + 1 > QUEUE_MAX)
        return false;
    k->queue[(k->head + k->count++) % QUEUE_MAX] = (uint8_t)(key | (down ? DOWN : 0));
    k->down[key / BYTE_BITS] ^= (uint8_t)(1u << key % BYTE_BITS);
    k->down_count += down ? 1 : -1;
    return true;
}

static bool virtio_keyboard_key(struct device *dev, uint16_t code, bool down)
{
    struct virtio_keyboard *k = dev->state;
    unsigned key = number_of(code);

    if (!virtio_input_is_driven(dev))
        return false;
    if (key && enqueue(k, key, down))
        tell_keys(dev);
    return true;
}

/* Is there a key that the guest was not told of? */
static bool virtio_keyboard_sample(struct device *dev, unsigned line)
{
    const struct virtio_keyboard *k = dev->state;

    return line == VIRTIO_KEYBOARD_LINE_WAITING && k->count;
}

/* ---- Lights ---------------------------------------------------------------------------------- */

/* LED_NUML, LED_CAPSL and LED_SCROLLL, in this order. */
static void hear_lights(struct device *dev)
{
    static const uint8_t lines[LEDS] = { VIRTIO_KEYBOARD_LINE_NUM, VIRTIO_KEYBOARD_LINE_CAPS,
                                         VIRTIO_KEYBOARD_LINE_SCROLL };
    unsigned type, code;
    uint32_t value;

    for (unsigned i = 0; i < VIRTIO_INPUT_QUEUE_SIZE && virtio_input_hear(dev, &type, &code, &value); i++) {
        if (type != EV_LED || code >= LEDS)
            continue;
        device_trace(dev, &event_leds, code, value, 0);
        device_set_line(dev, lines[code], value);
    }
    virtqueue_publish(dev, VIRTIO_INPUT_STATUS);
}

static void virtio_keyboard_notify(struct device *dev, unsigned queue)
{
    if (queue == VIRTIO_INPUT_STATUS)
        hear_lights(dev);
    else
        tell_keys(dev);
}

static void virtio_keyboard_stop(struct device *dev)
{
    struct virtio_keyboard *k = dev->state;

    virtio_input_stop(dev);
    for (unsigned line = VIRTIO_KEYBOARD_LINE_SCROLL; line <= VIRTIO_KEYBOARD_LINE_CAPS; line++)
        device_set_line(dev, line, false);
    memset(k->down, 0, sizeof(k->down));
    k->down_count = k->head = k->count = 0;
}

/* ---- What it is ------------------------------------------------------------------------------ */

/* Whether anything of EV_REP is there is all that counts: the guest repeats. */
static uint32_t events(unsigned type, uint8_t *bits)
{
    uint32_t size = 0;

    if (type == EV_KEY) {
        for (unsigned code = 1; code <= PLAIN_LAST; code++) {
            if (number_of((uint16_t)code))
                virtio_input_set_bit(bits, code, &size);
        }
        for (unsigned i = 0; i < OTHERS; i++)
            virtio_input_set_bit(bits, others[i].number, &size);
    } else if (type == EV_LED) {
        for (unsigned led = 0; led < LEDS; led++)
            virtio_input_set_bit(bits, led, &size);
    } else if (type == EV_REP) {
        virtio_input_set_bit(bits, 0, &size);
        virtio_input_set_bit(bits, 1, &size);
    }
    return size;
}

static const struct virtio_input_kind kind = { .name = "Duplex86 keyboard", .product = 2, .events = events };

static uint8_t virtio_keyboard_config_read(struct device *dev, uint32_t offset)
{
    return virtio_input_config_read(dev, &kind, offset);
}

static const struct virtio_class class = {
    .queue_count = VIRTIO_INPUT_QUEUES,
    .queue_size = VIRTIO_INPUT_QUEUE_SIZE,
    .config_size = VIRTIO_INPUT_CONFIG_SIZE,
    .config_read = virtio_keyboard_config_read,
    .config_write = virtio_input_config_write,
    .notify = virtio_keyboard_notify,
    .stop = virtio_keyboard_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_MODERN(18), 0x090000, 18, VIRTIO_INPUT_CONFIG_SIZE),
    { 0 },
};

static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS_MODERN) };

const struct device_type virtio_keyboard_device = {
    .name = "virtio_keyboard",
    .state_size = sizeof(struct virtio_keyboard),
    .pci = &pci,
    .virtio = &class,
    .line_count = VIRTIO_KEYBOARD_LINES,
    .reset = virtio_pci_reset,
    .sample = virtio_keyboard_sample,
    .key = virtio_keyboard_key,
};
