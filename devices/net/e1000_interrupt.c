/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 82540EM's interrupt: causes, the delays of those for frames, and throttling. Software Developer's
 * Manual, "Interrupts", "Interrupt Throttling Register", "Receive Interrupt Delay".
 */
#include "e1000.h"

enum {
    ITR_NS = 256,    /* what ITR counts */
    DELAY_NS = 1024, /* ... and RDTR, RADV, TIDV, TADV */
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void arm(struct device *dev)
{
    struct e1000 *p = dev->state;
    bool held = *e1000_reg(p, E1000_ICR) & *e1000_reg(p, E1000_IMS) && !p->line;
    uint64_t when = held ? p->quiet_until : DEVICE_NEVER;

    when = earlier(when, earlier(earlier(p->rx_at, p->rx_limit), earlier(p->tx_at, p->tx_limit)));
    device_set_deadline(dev, p->tx_more ? 0 : when);
}

void e1000_update(struct device *dev)
{
    struct e1000 *p = dev->state;
    bool wanted = *e1000_reg(p, E1000_ICR) & *e1000_reg(p, E1000_IMS);
    uint64_t interval = (uint64_t)(*e1000_reg(p, E1000_ITR) & 0xffff) * ITR_NS;

    if (wanted && !p->line && interval) {
        uint64_t now = device_now(dev);

        wanted = now >= p->quiet_until;
        if (wanted)
            p->quiet_until = now + interval;
    }
    if (wanted != p->line) {
        p->line = wanted;
        device_set_line(dev, E1000_LINE_INTA, wanted);
    }
    arm(dev);
}

void e1000_interrupt_reset(struct device *dev)
{
    struct e1000 *p = dev->state;

    p->quiet_until = 0;
    p->rx_at = p->rx_limit = p->tx_at = p->tx_limit = DEVICE_NEVER;
    p->tx_more = false;
    e1000_update(dev);
}

void e1000_raise(struct device *dev, uint32_t causes)
{
    struct e1000 *p = dev->state;

    *e1000_reg(p, E1000_ICR) |= causes;
    e1000_update(dev);
}

static uint64_t delay(struct e1000 *p, unsigned offset)
{
    return (uint64_t)(*e1000_reg(p, offset) & 0xffff) * DELAY_NS;
}

/* Each frame starts the delay anew, but the first one's limit holds. */
static void raise_later(struct device *dev, uint64_t *at, uint64_t *limit, uint64_t pause, uint64_t most)
{
    uint64_t now = device_now(dev);

    *at = now + pause;
    if (most && *limit == DEVICE_NEVER)
        *limit = now + most;
    arm(dev);
}

void e1000_raise_received(struct device *dev)
{
    struct e1000 *p = dev->state;

    if (delay(p, E1000_RDTR))
        raise_later(dev, &p->rx_at, &p->rx_limit, delay(p, E1000_RDTR), delay(p, E1000_RADV));
    else
        e1000_raise(dev, E1000_RXT0);
}

void e1000_raise_sent(struct device *dev, bool delayed)
{
    struct e1000 *p = dev->state;

    if (delayed && delay(p, E1000_TIDV))
        raise_later(dev, &p->tx_at, &p->tx_limit, delay(p, E1000_TIDV), delay(p, E1000_TADV));
    else
        e1000_raise(dev, E1000_TXDW);
}

void e1000_timer(struct device *dev)
{
    struct e1000 *p = dev->state;
    uint64_t now = device_now(dev);

    if (earlier(p->rx_at, p->rx_limit) <= now) {
        p->rx_at = p->rx_limit = DEVICE_NEVER;
        *e1000_reg(p, E1000_ICR) |= E1000_RXT0;
    }
    if (earlier(p->tx_at, p->tx_limit) <= now) {
        p->tx_at = p->tx_limit = DEVICE_NEVER;
        *e1000_reg(p, E1000_ICR) |= E1000_TXDW;
    }
    if (p->tx_more) {
        p->tx_more = false;
        e1000_transmit(dev);
    }
    e1000_update(dev);
}
