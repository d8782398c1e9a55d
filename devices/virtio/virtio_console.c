/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Console of virtio: byte streams between guest and host, of which each end is told whether somebody is at
 * the other. Nothing is dropped where somebody is: what the other end does not take stays in the guest's
 * queue. VIRTIO 1.0, "Console Device"; Linux, drivers/char/virtio_console.c for what drivers do.
 */
#include "devices/chips.h"
#include "virtio_pci.h"

#include <string.h>

#define CONSOLE_F_MULTIPORT   (UINT64_C(1) << 1)
#define CONSOLE_F_EMERG_WRITE (UINT64_C(1) << 2)

enum {
    PORTS = VIRTIO_CONSOLE_PORTS,
    CONTROL_IN = 2, /* to the guest */
    CONTROL_OUT = 3,
    QUEUES = 2 + 2 * PORTS,
    QUEUE_SIZE = 64,

    CONFIG_PORTS = 4,
    CONFIG_EMERGENCY = 8,
    CONFIG_SIZE = 12,

    /* Events of the control queues. */
    DEVICE_READY = 0,
    DEVICE_ADD = 1,
    PORT_READY = 3,
    CONSOLE_PORT = 4,
    PORT_OPEN = 6,
    PORT_NAME = 7,
    MESSAGE = 8, /* bytes */
    NAME_MAX_SIZE = 64,

    /* What a guest is to be told of a port. */
    TELL_ADD = 1 << 0,
    TELL_KIND = 1 << 1,

    PIECE = 4096,      /* bytes that are sent at once */
    AT_ONCE = 1 << 16, /* ... before others have their turn */
    CHAIN_COST = 64,
};

_Static_assert((int)QUEUES <= (int)VIRTIO_QUEUES_MAX, "two queues for each port, and two for all");

struct port {
    bool host_open;  /* somebody is at the other end */
    bool host_left;  /* nobody was since the guest was told so */
    bool told_open;  /* the guest was told that somebody is */
    bool ready;      /* the guest knows the port */
    bool guest_open; /* somebody there reads it */
    bool starved;    /* bytes for the guest found no buffer */
    bool blocked;    /* the other end has refused some of the guest's */
    uint8_t tell;    /* sum of TELL_ */
    uint64_t sent;   /* bytes of the next chain that are taken already */
};

struct virtio_console {
    struct virtio virtio;
    struct port port[PORTS];
    struct virtio_chain chain; /* in use */
};

_Static_assert((int)PORTS <= (int)DEVICE_MAX_LINKS, "each port is a link");

static bool has_ports(const struct device *dev)
{
    return virtio_has(dev->state, CONSOLE_F_MULTIPORT);
}

static unsigned queue_to_guest(unsigned port)
{
    return port ? 2 + 2 * port : 0;
}

/* The port's name: of no bytes for a console. NULL: there is no such port. */
static const uint8_t *name_of(struct device *dev, unsigned port, uint32_t *size)
{
    return port < PORTS ? device_contents(dev, port, size) : NULL;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* Does somebody in the guest want them? A driver that knows one port only has it open. */
static bool guest_reads(const struct device *dev, unsigned port)
{
    const struct virtio_console *c = dev->state;

    return virtio_is_running(dev) && (has_ports(dev) ? c->port[port].guest_open : port == 0);
}

static size_t virtio_console_receive(struct device *dev, unsigned port, const uint8_t *bytes, size_t count)
{
    struct virtio_console *c = dev->state;
    unsigned queue = queue_to_guest(port);
    size_t done = 0;

    if (port >= PORTS)
        return count;
    while (done < count && guest_reads(dev, port) && virtqueue_pop(dev, queue, &c->chain)) {
        size_t room = c->chain.write_size < count - done ? (size_t)c->chain.write_size : count - done;
        size_t n = virtio_chain_write(dev, &c->chain, 0, bytes + done, room);

        virtqueue_put(dev, queue, c->chain.head, (uint32_t)n);
        done += n;
    }
    virtqueue_publish(dev, queue);
    if (done < count)
        c->port[port].starved = true;
    return done;
}

/* Returns what was taken of the chain's next bytes, or 0; `work` counts. Where nobody is they are gone. */
static uint64_t send_piece(struct device *dev, unsigned port, uint32_t *work)
{
    struct virtio_console *c = dev->state;
    struct port *p = &c->port[port];
    uint64_t left = c->chain.read_size - p->sent;
    uint8_t bytes[PIECE];
    size_t size, taken;

    if (!p->host_open)
        return left;
    size = virtio_chain_read(dev, &c->chain, p->sent, bytes, left < PIECE ? (size_t)left : PIECE);
    taken = size ? device_send(dev, port, bytes, size) : 0;
    *work += (uint32_t)size;
    p->blocked = taken < size;
    return taken;
}

/* True: all of the chain is taken. */
static bool send_chain(struct device *dev, unsigned port, uint32_t *work)
{
    struct virtio_console *c = dev->state;
    struct port *p = &c->port[port];

    while (p->sent < c->chain.read_size && *work < AT_ONCE) {
        uint64_t taken = send_piece(dev, port, work);

        p->sent += taken;
        if (p->blocked || !taken)
            break;
    }
    return p->sent >= c->chain.read_size;
}

/* What is not taken stays in the queue, and is popped again. */
static void send_bytes(struct device *dev, unsigned port)
{
    struct virtio_console *c = dev->state;
    struct port *p = &c->port[port];
    unsigned queue = queue_to_guest(port) + 1;
    uint32_t work = 0;

    while (!p->blocked && (port == 0 || has_ports(dev)) && virtqueue_pop(dev, queue, &c->chain)) {
        if (!send_chain(dev, port, &work)) {
            virtqueue_unpop(dev, queue, 1);
            break;
        }
        p->sent = 0;
        virtqueue_put(dev, queue, c->chain.head, 0);
        work += CHAIN_COST;
    }
    virtqueue_publish(dev, queue);
    if (work >= AT_ONCE && !p->blocked)
        device_set_deadline(dev, 0); /* the rest */
}

static void send_rest(struct device *dev)
{
    for (unsigned port = 0; port < PORTS; port++)
        send_bytes(dev, port);
}

static void virtio_console_room(struct device *dev, unsigned port)
{
    struct virtio_console *c = dev->state;

    if (port >= PORTS)
        return;
    c->port[port].blocked = false;
    send_bytes(dev, port);
}

/* ---- What guest and host tell each other ------------------------------------------------------- */

/* False: there is no buffer. */
static bool tell(struct device *dev, unsigned port, unsigned event, unsigned value, const uint8_t *name,
                 uint32_t size)
{
    struct virtio_console *c = dev->state;
    uint8_t message[MESSAGE + NAME_MAX_SIZE] = {
        (uint8_t)port, 0, 0, 0, (uint8_t)event, 0, (uint8_t)value, 0
    };

    if (!virtqueue_pop(dev, CONTROL_IN, &c->chain))
        return false;
    size = size < NAME_MAX_SIZE ? size : NAME_MAX_SIZE;
    if (size)
        memcpy(message + MESSAGE, name, size);
    virtqueue_put(dev, CONTROL_IN, c->chain.head,
                  (uint32_t)virtio_chain_write(dev, &c->chain, 0, message, MESSAGE + size));
    return true;
}

/* Who has left and come back has left. */
static bool tell_open(struct device *dev, unsigned port)
{
    struct virtio_console *c = dev->state;
    struct port *p = &c->port[port];

    if (p->told_open && (p->host_left || !p->host_open)) {
        if (!tell(dev, port, PORT_OPEN, 0, NULL, 0))
            return false;
        p->told_open = p->host_left = false;
    }
    if (p->host_open && !p->told_open) {
        if (!tell(dev, port, PORT_OPEN, 1, NULL, 0))
            return false;
        p->told_open = true;
    }
    return true;
}

static bool tell_port(struct device *dev, unsigned port)
{
    struct virtio_console *c = dev->state;
    struct port *p = &c->port[port];
    uint32_t size = 0;
    const uint8_t *name = name_of(dev, port, &size);

    if (p->tell & TELL_ADD) {
        if (!tell(dev, port, DEVICE_ADD, 1, NULL, 0))
            return false;
        p->tell &= ~TELL_ADD;
    }
    if (!p->ready)
        return true;
    if (p->tell & TELL_KIND) {
        if (!tell(dev, port, size ? PORT_NAME : CONSOLE_PORT, 1, name, size))
            return false;
        p->tell &= ~TELL_KIND;
    }
    return tell_open(dev, port);
}

static void tell_news(struct device *dev)
{
    if (!has_ports(dev) || !virtio_is_running(dev))
        return;
    for (unsigned port = 0; port < PORTS && tell_port(dev, port); port++)
        ;
    virtqueue_publish(dev, CONTROL_IN);
}

static void begin(struct device *dev)
{
    struct virtio_console *c = dev->state;
    uint32_t size;

    for (unsigned port = 0; port < PORTS; port++) {
        struct port *p = &c->port[port];

        p->ready = p->guest_open = p->told_open = p->host_left = false;
        p->tell = name_of(dev, port, &size) ? TELL_ADD : 0;
    }
}

static void heed(struct device *dev, uint32_t port, unsigned event, bool value)
{
    struct virtio_console *c = dev->state;
    uint32_t size;

    if (event == DEVICE_READY && value)
        begin(dev);
    if (!name_of(dev, port, &size))
        return;
    if (event == PORT_READY) {
        c->port[port].ready = value;
        c->port[port].told_open = c->port[port].host_left = false;
        c->port[port].tell |= value ? TELL_KIND : 0;
    } else if (event == PORT_OPEN) {
        c->port[port].guest_open = value;
        if (value)
            device_room(dev, port);
    }
}

static void hear(struct device *dev)
{
    struct virtio_console *c = dev->state;

    for (unsigned i = 0; i < QUEUE_SIZE && virtqueue_pop(dev, CONTROL_OUT, &c->chain); i++) {
        uint8_t m[MESSAGE] = { 0 };
        size_t size = virtio_chain_read(dev, &c->chain, 0, m, MESSAGE);

        virtqueue_put(dev, CONTROL_OUT, c->chain.head, 0);
        if (size == MESSAGE)
            heed(dev, m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24,
                 m[4] | m[5] << 8, m[6] | m[7]);
    }
    virtqueue_publish(dev, CONTROL_OUT);
    tell_news(dev);
}

/* Somebody comes to the other end of a port, or leaves it. */
static void virtio_console_input(struct device *dev, unsigned port, bool level)
{
    struct virtio_console *c = dev->state;
    struct port *p = &c->port[port % PORTS];

    if (port >= PORTS || p->host_open == level)
        return;
    p->host_open = level;
    p->host_left |= !level && p->told_open;
    p->blocked = false;
    tell_news(dev);
    send_bytes(dev, port);
}

static void virtio_console_notify(struct device *dev, unsigned queue)
{
    struct virtio_console *c = dev->state;
    unsigned port = queue < 2 ? 0 : queue / 2 - 1;

    if (queue == CONTROL_IN) {
        tell_news(dev);
    } else if (queue == CONTROL_OUT) {
        if (has_ports(dev))
            hear(dev);
    } else if (queue & 1) {
        send_bytes(dev, port);
    } else if (c->port[port].starved) {
        c->port[port].starved = false;
        device_room(dev, port);
    }
}

/* Who is at the other end stays there. */
static void virtio_console_stop(struct device *dev)
{
    struct virtio_console *c = dev->state;

    for (unsigned port = 0; port < PORTS; port++)
        c->port[port] = (struct port){ .host_open = c->port[port].host_open };
    device_set_deadline(dev, DEVICE_NEVER);
}

/* ---- Configuration ----------------------------------------------------------------------------- */

static uint8_t virtio_console_config_read(struct device *dev, uint32_t offset)
{
    uint32_t ports = 0, size;

    while (name_of(dev, ports, &size))
        ports++;
    return offset == CONFIG_PORTS ? (uint8_t)ports : 0;
}

/* A byte without queues, for a kernel that is about to die. */
static void virtio_console_config_write(struct device *dev, uint32_t offset, uint8_t value)
{
    const struct virtio_console *c = dev->state;

    if (offset == CONFIG_EMERGENCY && c->port[0].host_open)
        device_send(dev, 0, &value, 1);
}

static const struct virtio_class class = {
    .features = CONSOLE_F_MULTIPORT | CONSOLE_F_EMERG_WRITE,
    .queue_count = QUEUES,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .config_read = virtio_console_config_read,
    .config_write = virtio_console_config_write,
    .notify = virtio_console_notify,
    .stop = virtio_console_stop,
};

static const struct device_register registers[] = {
    VIRTIO_PCI_REGISTERS(VIRTIO_PCI_TRANSITIONAL(0x1003), 0x078000, 3, CONFIG_SIZE),
    { 0 },
};

static const struct device_pci pci = { VIRTIO_PCI_FUNCTION(registers, VIRTIO_PCI_BARS) };

const struct device_type virtio_console_device = {
    .name = "virtio_console",
    .state_size = sizeof(struct virtio_console),
    .pci = &pci,
    .virtio = &class,
    .line_count = 1,
    .link_count = PORTS,
    .reset = virtio_pci_reset,
    .timer = send_rest,
    .input = virtio_console_input,
    .receive = virtio_console_receive,
    .room = virtio_console_room,
};
