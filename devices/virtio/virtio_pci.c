/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PCI transport: both interfaces to the same few registers, the life of a device, and its interrupt,
 * which is INTA#: there is no MSI-X where there is no local APIC to take it. VIRTIO 1.0, "Virtio Over PCI
 * Bus", "Legacy Interfaces", "Device Status Field".
 */
#include "virtio_pci.h"

#include <string.h>

enum {
    COMMAND = 0x04, /* in configuration space */
    COMMAND_MASTER = 1 << 2,

    STATUS_DRIVER_OK = 1 << 2,
    STATUS_FEATURES_OK = 1 << 3,
    STATUS_NEEDS_RESET = 1 << 6,

    /* The common structure. */
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    MSIX_CONFIG = 0x10,
    NUM_QUEUES = 0x12,
    DEVICE_STATUS = 0x14,
    CONFIG_GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_MSIX = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_AVAIL = 0x28,
    QUEUE_USED = 0x30,
    COMMON_END = 0x38,

    /* The legacy ports. */
    PORT_DEVICE_FEATURES = 0,
    PORT_DRIVER_FEATURES = 4,
    PORT_QUEUE_ADDRESS = 8,
    PORT_QUEUE_SIZE = 12,
    PORT_QUEUE_SELECT = 14,
    PORT_QUEUE_NOTIFY = 16,
    PORT_STATUS = 18,
    PORT_ISR = 19,
    PORT_CONFIG = 20,
    LEGACY_PAGE = 4096,

    NO_VECTOR = 0xffff,
};

static const struct device_event event_status = { "virtio_status", { "slot", "status" } };
static const struct device_event event_broken = { "virtio_broken", { "slot" } };

static const struct virtio_class *class_of(const struct device *dev)
{
    return dev->type->virtio;
}

/* ---- Life ------------------------------------------------------------------------------------ */

bool virtio_is_running(const struct device *dev)
{
    const struct virtio *v = dev->state;

    return v->status & STATUS_DRIVER_OK && !(v->status & STATUS_NEEDS_RESET) &&
           dev->config[COMMAND] & COMMAND_MASTER;
}

static void drive(struct device *dev)
{
    const struct virtio *v = dev->state;

    device_set_line(dev, VIRTIO_LINE_INTA, v->isr);
}

void virtio_raise(struct device *dev, unsigned cause)
{
    struct virtio *v = dev->state;

    v->isr |= cause;
    drive(dev);
}

void virtio_config_changed(struct device *dev)
{
    struct virtio *v = dev->state;

    v->generation++;
    if (v->status & STATUS_DRIVER_OK)
        virtio_raise(dev, 2);
}

void virtio_break(struct device *dev)
{
    struct virtio *v = dev->state;

    if (v->status & STATUS_NEEDS_RESET)
        return;
    device_trace(dev, &event_broken, dev->slot, 0, 0);
    v->status |= STATUS_NEEDS_RESET;
    virtio_config_changed(dev);
}

static uint64_t offered(struct device *dev)
{
    const struct virtio_class *class = class_of(dev);

    return class->features | (class->offers ? class->offers(dev) : 0) | VIRTIO_TRANSPORT_FEATURES;
}

void virtio_pci_reset(struct device *dev)
{
    struct virtio *v = dev->state;

    memset(v, 0, sizeof(*v));
    for (unsigned i = 0; i < class_of(dev)->queue_count; i++)
        v->queue[i].size = class_of(dev)->queue_size;
    drive(dev);
    if (class_of(dev)->stop)
        class_of(dev)->stop(dev);
}

/* 0 resets. What was agreed on holds from FEATURES_OK on, by the legacy interface from DRIVER_OK. */
static void write_status(struct device *dev, uint8_t status)
{
    struct virtio *v = dev->state;
    bool starts = status & ~v->status & STATUS_DRIVER_OK;

    device_trace(dev, &event_status, dev->slot, status, 0);
    if (!status) {
        virtio_pci_reset(dev);
        return;
    }
    if (status & ~v->status & STATUS_FEATURES_OK && !v->legacy && !virtio_has(v, VIRTIO_F_VERSION_1))
        status &= ~STATUS_FEATURES_OK;
    v->status = (v->status & STATUS_NEEDS_RESET) | (status & ~STATUS_NEEDS_RESET);
    if (starts && class_of(dev)->start)
        class_of(dev)->start(dev);
}

static void write_features(struct device *dev, unsigned half, uint32_t value)
{
    struct virtio *v = dev->state;
    uint64_t mask = UINT64_C(0xffffffff) << (half & 1) * 32;

    if (half > 1 || v->status & (STATUS_FEATURES_OK | STATUS_DRIVER_OK))
        return;
    v->driver_features = ((v->driver_features & ~mask) | (uint64_t)value << half * 32) & offered(dev);
}

/* ---- Queues ---------------------------------------------------------------------------------- */

/* NULL: there is no such queue. */
static struct virtqueue *selected(struct device *dev)
{
    struct virtio *v = dev->state;

    return v->queue_select < class_of(dev)->queue_count ? &v->queue[v->queue_select] : NULL;
}

static void notify(struct device *dev, unsigned queue)
{
    if (queue < class_of(dev)->queue_count && virtio_is_running(dev))
        class_of(dev)->notify(dev, queue);
}

static void resize(struct device *dev, struct virtqueue *q, uint32_t size)
{
    if (!q->enabled && size && size <= class_of(dev)->queue_size && !(size & (size - 1)))
        q->size = (uint16_t)size;
}

/* A queue begins anew when it gets its place. */
static void enable(struct virtqueue *q)
{
    q->enabled = true;
    q->next = q->put = q->published = q->interrupted = 0;
    q->quiet = false;
}

/* The legacy layout: the used ring begins on the next page behind the available one. */
static void place_legacy(struct virtqueue *q, uint32_t page)
{
    guest_pa end;

    q->descriptors = (guest_pa)page * LEGACY_PAGE;
    q->available = q->descriptors + 16u * q->size;
    end = q->available + 6 + 2u * q->size;
    q->used = (end + LEGACY_PAGE - 1) / LEGACY_PAGE * LEGACY_PAGE;
    if (page)
        enable(q);
    else
        q->enabled = false;
}

/* ---- The device's own space ------------------------------------------------------------------ */

static uint64_t config_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct virtio_class *class = class_of(dev);
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        if (offset + i < class->config_size && class->config_read)
            value |= (uint64_t) class->config_read(dev, offset + i) << i * 8;
    }
    return value;
}

static void config_write(struct device *dev, uint32_t offset, unsigned size, uint64_t value)
{
    const struct virtio_class *class = class_of(dev);

    for (unsigned i = 0; i < size; i++) {
        if (offset + i < class->config_size && class->config_write)
            class->config_write(dev, offset + i, (uint8_t)(value >> i * 8));
    }
}

static uint8_t read_isr(struct device *dev)
{
    struct virtio *v = dev->state;
    uint8_t isr = v->isr;

    v->isr = 0;
    drive(dev);
    return isr;
}

/* ---- The structures of version 1.0 ----------------------------------------------------------- */

static uint64_t queue_field(struct device *dev, uint32_t field)
{
    const struct virtqueue *q = selected(dev);
    const struct virtio *v = dev->state;

    if (!q)
        return 0;
    switch (field) {
    case QUEUE_SIZE:
        return q->size;
    case QUEUE_ENABLE:
        return q->enabled;
    case QUEUE_NOTIFY_OFF:
        return v->queue_select;
    case QUEUE_DESC:
        return q->descriptors;
    case QUEUE_AVAIL:
        return q->available;
    default:
        return q->used;
    }
}

static uint32_t common_read(struct device *dev, uint32_t field)
{
    const struct virtio *v = dev->state;

    switch (field) {
    case DEVICE_FEATURE_SELECT:
        return v->offered_select;
    case DEVICE_FEATURE:
        return v->offered_select < 2 ? (uint32_t)(offered(dev) >> v->offered_select * 32) : 0;
    case DRIVER_FEATURE_SELECT:
        return v->driver_select;
    case DRIVER_FEATURE:
        return v->driver_select < 2 ? (uint32_t)(v->driver_features >> v->driver_select * 32) : 0;
    case MSIX_CONFIG:
    case QUEUE_MSIX:
        return NO_VECTOR;
    case NUM_QUEUES:
        return class_of(dev)->queue_count;
    case DEVICE_STATUS:
        return v->status;
    case CONFIG_GENERATION:
        return v->generation;
    case QUEUE_SELECT:
        return v->queue_select;
    case QUEUE_SIZE:
    case QUEUE_ENABLE:
    case QUEUE_NOTIFY_OFF:
        return (uint32_t)queue_field(dev, field);
    default:
        return field < QUEUE_DESC ? 0 : (uint32_t)(queue_field(dev, field & ~7u) >> (field & 4) * 8);
    }
}

static void set_half(guest_pa *pa, unsigned shift, uint32_t value)
{
    *pa = (*pa & ~(UINT64_C(0xffffffff) << shift)) | (guest_pa)value << shift;
}

static void queue_write(struct device *dev, uint32_t field, uint32_t value)
{
    struct virtqueue *q = selected(dev);

    if (!q || q->enabled)
        return; /* it is reset with the device */
    if (field == QUEUE_SIZE)
        resize(dev, q, value);
    else if (field == QUEUE_ENABLE && value == 1)
        enable(q);
    else if ((field & ~4u) == QUEUE_DESC)
        set_half(&q->descriptors, (field & 4) * 8, value);
    else if ((field & ~4u) == QUEUE_AVAIL)
        set_half(&q->available, (field & 4) * 8, value);
    else if ((field & ~4u) == QUEUE_USED)
        set_half(&q->used, (field & 4) * 8, value);
}

static void common_write(struct device *dev, uint32_t field, uint32_t value)
{
    struct virtio *v = dev->state;

    switch (field) {
    case DEVICE_FEATURE_SELECT:
        v->offered_select = value;
        break;
    case DRIVER_FEATURE_SELECT:
        v->driver_select = value;
        break;
    case DRIVER_FEATURE:
        write_features(dev, v->driver_select > 1 ? 2 : v->driver_select, value);
        break;
    case DEVICE_STATUS:
        write_status(dev, (uint8_t)value);
        break;
    case QUEUE_SELECT:
        v->queue_select = (uint16_t)value;
        break;
    default:
        queue_write(dev, field, value);
        break;
    }
}

uint64_t virtio_pci_read(struct device *dev, uint64_t offset, unsigned size)
{
    if (offset < COMMON_END)
        return common_read(dev, (uint32_t)offset);
    if (offset == VIRTIO_PCI_ISR)
        return read_isr(dev);
    if (offset >= VIRTIO_PCI_DEVICE && offset < VIRTIO_PCI_DEVICE + VIRTIO_PCI_DEVICE_MAX)
        return config_read(dev, (uint32_t)offset - VIRTIO_PCI_DEVICE, size);
    return 0;
}

void virtio_pci_write(struct device *dev, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset >= VIRTIO_PCI_NOTIFY && offset < VIRTIO_PCI_NOTIFY + 4 * VIRTIO_QUEUES_MAX) {
        notify(dev, (unsigned)(offset - VIRTIO_PCI_NOTIFY) / 4);
    } else if (offset < COMMON_END) {
        common_write(dev, (uint32_t)offset, (uint32_t)value);
        if (size == 8)
            common_write(dev, (uint32_t)offset + 4, (uint32_t)(value >> 32));
    } else if (offset >= VIRTIO_PCI_DEVICE && offset < VIRTIO_PCI_DEVICE + VIRTIO_PCI_DEVICE_MAX) {
        config_write(dev, (uint32_t)offset - VIRTIO_PCI_DEVICE, size, value);
    }
}

/* ---- The window in configuration space ------------------------------------------------------- */

enum { WINDOW_BAR = 4, WINDOW_OFFSET = 8, WINDOW_LENGTH = 12, WINDOW_DATA = 16, STRUCTURES_BAR = 4 };

static uint32_t window(const struct device *dev, unsigned field)
{
    const uint8_t *b = &dev->config[VIRTIO_PCI_WINDOW + field];

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Does it show a whole field? Only accesses of its length to its first byte count. */
static bool shows(const struct device *dev)
{
    uint32_t length = window(dev, WINDOW_LENGTH), offset = window(dev, WINDOW_OFFSET);

    return dev->config[VIRTIO_PCI_WINDOW + WINDOW_BAR] == STRUCTURES_BAR &&
           (length == 1 || length == 2 || length == 4) && offset % length == 0 && offset < VIRTIO_PCI_MEMORY;
}

void virtio_pci_config_read(struct device *dev, unsigned offset, unsigned size)
{
    uint32_t length = window(dev, WINDOW_LENGTH), value;

    if (offset != VIRTIO_PCI_WINDOW + WINDOW_DATA || !shows(dev) || size < length)
        return;
    value = (uint32_t)virtio_pci_read(dev, window(dev, WINDOW_OFFSET), length);
    for (unsigned i = 0; i < length; i++)
        dev->config[offset + i] = (uint8_t)(value >> i * 8);
}

/* The write is made with its last byte, when the others are there. */
uint8_t virtio_pci_config_change(struct device *dev, unsigned offset, uint8_t value)
{
    uint32_t length = window(dev, WINDOW_LENGTH), data;

    if (offset < VIRTIO_PCI_WINDOW + WINDOW_DATA || offset >= VIRTIO_PCI_WINDOW + WINDOW_DATA + 4 ||
        !shows(dev) || offset - (VIRTIO_PCI_WINDOW + WINDOW_DATA) != length - 1)
        return value;
    dev->config[offset] = value;
    data = window(dev, WINDOW_DATA);
    virtio_pci_write(dev, window(dev, WINDOW_OFFSET), length,
                     length < 4 ? data & ((1u << length * 8) - 1) : data);
    return value;
}

/* ---- The legacy ports ------------------------------------------------------------------------ */

uint32_t virtio_pci_port_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct virtio *v = dev->state;
    const struct virtqueue *q = selected(dev);

    switch (offset) {
    case PORT_DEVICE_FEATURES:
        return (uint32_t)offered(dev);
    case PORT_DRIVER_FEATURES:
        return (uint32_t)v->driver_features;
    case PORT_QUEUE_ADDRESS:
        return q && q->enabled ? (uint32_t)(q->descriptors / LEGACY_PAGE) : 0;
    case PORT_QUEUE_SIZE:
        return q ? q->size : 0;
    case PORT_QUEUE_SELECT:
        return v->queue_select;
    case PORT_STATUS:
        return v->status;
    case PORT_ISR:
        return read_isr(dev);
    default:
        return offset >= PORT_CONFIG ? (uint32_t)config_read(dev, offset - PORT_CONFIG, size) : 0;
    }
}

void virtio_pci_port_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct virtio *v = dev->state;
    struct virtqueue *q = selected(dev);

    switch (offset) {
    case PORT_DRIVER_FEATURES:
        write_features(dev, 0, value);
        break;
    case PORT_QUEUE_ADDRESS:
        if (q)
            place_legacy(q, value);
        break;
    case PORT_QUEUE_SELECT:
        v->queue_select = (uint16_t)value;
        break;
    case PORT_QUEUE_NOTIFY:
        notify(dev, value & 0xffff);
        break;
    case PORT_STATUS:
        v->legacy = true;
        write_status(dev, (uint8_t)value);
        break;
    default:
        if (offset >= PORT_CONFIG)
            config_write(dev, offset - PORT_CONFIG, size, value);
        break;
    }
}
