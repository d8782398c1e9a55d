/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * i8254 interval timer: three counters and their control word.
 * Counters are computed from machine time when read; nothing ticks. A counter is the tick at which its
 * present cycle began, and the count it runs with. Intel 8254 datasheet; what differs is listed in
 * docs/devices.md.
 */
#include "i8254.h"

#include "arrears.h"
#include "devices/chips.h"
#include "devices/near.h"

/* CLK is 14.31818 MHz / 12 = 1193181.8 Hz, exactly 105 ticks in 88000 ns. */
enum { CLK_TICKS = 105, CLK_NS = 88000 };

/* A guest may ask for an interrupt every 1.7 us; edges closer than 20 us are merged to spare the host. */
enum { MIN_EDGE_TICKS = 24 };

/* No edge is farther than that: two counts, and what the load takes. */
enum { FARTHEST_EDGE_TICKS = 2 * 65536 + 2 };

enum { RW_LATCH = 0, RW_LSB = 1, RW_MSB = 2, RW_BOTH = 3 };

enum {
    STATUS_OUT = 0x80,
    STATUS_NULL_COUNT = 0x40,
    READBACK = 3,             /* control word, SC field */
    READBACK_NO_COUNT = 0x20, /* active low: count is latched when clear */
    READBACK_NO_STATUS = 0x10,
};

struct counter {
    uint64_t start;     /* tick at which the count `n` was loaded into the counting element */
    uint64_t switch_at; /* modes 2 and 3: tick at which `next_n` replaces `n`; valid if next_n is not 0 */
    uint64_t frozen;    /* ticks counted when the gate stopped the counter; valid while `stopped` */
    uint32_t n;         /* count in use, 1..65536 (10000 in BCD) */
    uint32_t next_n;    /* count written, waiting for the cycle to end or for a trigger; 0: none */
    uint8_t mode;       /* 0..5 */
    uint8_t rw;         /* RW_LSB, RW_MSB or RW_BOTH */
    uint8_t write_lsb;
    uint8_t latched_status;
    uint16_t latched_count;
    /* Bits, not bytes: then every value that can come from elsewhere is one of a bool's (is_valid). */
    bool bcd : 1;
    bool gate : 1;
    bool loaded : 1;    /* a count has been written since the control word */
    bool triggered : 1; /* modes 1 and 5: a gate edge has started the count */
    bool stopped : 1;   /* counting is suspended; for mode 0 also between the two bytes of a count */
    bool write_msb : 1, read_msb : 1; /* RW_BOTH: which byte is next */
    bool count_latched : 1, status_latched : 1;
};

struct i8254 {
    struct counter counters[3];
    uint64_t due;           /* tick of the next rising edge of OUT0 */
    struct arrears arrears; /* rising edges of OUT0 that have passed and are still to come */
    bool requested : 1;     /* level of REQUEST0 */
};

static const struct device_event event_control = { "i8254_control", { "value" } };
static const struct device_event event_load = { "i8254_load", { "counter", "mode", "count" } };

static uint64_t ticks_at(uint64_t ns)
{
    return ns / CLK_NS * CLK_TICKS + ns % CLK_NS * CLK_TICKS / CLK_NS;
}

/* The first ns at which ticks_at() gives `tick`. */
static uint64_t ns_of(uint64_t tick)
{
    return tick / CLK_TICKS * CLK_NS + (tick % CLK_TICKS * CLK_NS + CLK_TICKS - 1) / CLK_TICKS;
}

static bool periodic(const struct counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

static bool counting(const struct counter *c)
{
    return c->loaded && !c->stopped && (c->triggered || (c->mode != 1 && c->mode != 5));
}

/* Clock ticks since the count was loaded. The load takes the tick after the write: until then this is 0. */
static uint64_t elapsed(const struct counter *c, uint64_t now)
{
    if (c->stopped)
        return c->frozen;
    return (int64_t)(now - c->start) < 0 ? 0 : now - c->start;
}

/* Let a count that waited for the end of the cycle take over. In mode 3 it may take over at half-time. */
static void settle(struct counter *c, uint64_t now)
{
    if (!periodic(c) || !c->next_n || c->stopped || (int64_t)(now - c->switch_at) < 0)
        return;
    if (c->mode == 3 && (c->switch_at - c->start) % c->n != 0)
        c->start = c->switch_at - (c->next_n + 1) / 2;
    else
        c->start = c->switch_at;
    c->n = c->next_n;
    c->next_n = 0;
}

static bool output(const struct counter *c, uint64_t now)
{
    uint64_t e = elapsed(c, now);

    if (!c->loaded)
        return c->mode != 0;
    switch (c->mode) {
    case 0:
        return e >= c->n;
    case 1:
        return !c->triggered || e >= c->n;
    case 2:
        return c->stopped || e % c->n != c->n - 1;
    case 3:
        return c->stopped || e % c->n < (c->n + 1) / 2;
    default:
        return !(counting(c) && e == c->n);
    }
}

/* Mode 3 counts by two; with an odd count the high half is one tick longer (datasheet, "Mode 3"). */
static uint32_t square_wave_count(uint32_t n, uint32_t e)
{
    uint32_t high = (n + 1) / 2;
    uint32_t in_half = e < high ? e : e - high;

    return (n & ~1u) - 2 * in_half;
}

/* In how much of the time from the load to `at` OUT was high. Both in parts of a tick, at most 2^63. */
static int64_t high_until(const struct counter *c, int64_t at)
{
    const int64_t n = (int64_t)c->n * CLK_NS, high = (c->n + 1) / 2 * (int64_t)CLK_NS;
    const int64_t after = at < n ? 0 : at - n;

    switch (c->mode) {
    case 0:
    case 1:
        return after;
    case 2:
        return at < 0 ? at : at - at / n * CLK_NS - (at % n > n - CLK_NS ? at % n - (n - CLK_NS) : 0);
    case 3:
        return at < 0 ? at : at / n * high + (at % n < high ? at % n : high);
    default:
        return at - (after < CLK_NS ? after : CLK_NS);
    }
}

/* The same for a stretch of time, in ns, in which no count takes over from another. */
static uint64_t high_between(const struct counter *c, uint64_t from, uint64_t to)
{
    const uint64_t start = ns_of(c->start);
    uint64_t high;

    if (!counting(c))
        return output(c, c->start) ? to - from : 0;
    high = (uint64_t)high_until(c, (int64_t)((to - start) * CLK_TICKS)) -
           (uint64_t)high_until(c, (int64_t)((from - start) * CLK_TICKS));
    high /= CLK_TICKS;
    return high < to - from ? high : to - from; /* more: a state that came from elsewhere (is_valid) */
}

/* The counting element as a guest reads it. */
static uint16_t count_now(const struct counter *c, uint64_t now)
{
    uint64_t e = elapsed(c, now);
    uint32_t modulus = c->bcd ? 10000 : 65536;
    uint32_t value;

    if (!c->loaded)
        return 0;
    if (c->mode == 3)
        value = square_wave_count(c->n, e % c->n);
    else if (c->mode == 2)
        value = c->n - e % c->n;
    else
        value = (c->n + modulus - e % modulus) % modulus; /* goes on below 0 */
    value %= modulus;
    if (!c->bcd)
        return value;
    return value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
}

static uint8_t status_now(const struct counter *c, uint64_t now)
{
    bool null_count = !c->loaded || c->next_n || (int64_t)(now - c->start) < 0;

    return (output(c, now) ? STATUS_OUT : 0) | (null_count ? STATUS_NULL_COUNT : 0) | c->rw << 4 |
           c->mode << 1 | c->bcd;
}

/* Ticks between the rising edges of a periodic count that are delivered. */
static uint64_t edge_step(const struct counter *c)
{
    return c->n < MIN_EDGE_TICKS ? (MIN_EDGE_TICKS + c->n - 1) / c->n * c->n : c->n;
}

/* The tick of the next rising edge of OUT after `now`, or DEVICE_NEVER. */
static uint64_t next_rise(const struct counter *c, uint64_t now)
{
    uint64_t end, step;

    if (!counting(c))
        return DEVICE_NEVER;
    if (periodic(c)) {
        if (c->next_n &&
            (c->switch_at - c->start) % c->n != 0) /* new count from the middle of a square wave */
            return c->switch_at + c->next_n / 2;
        step = edge_step(c);
        return c->start + (elapsed(c, now) / step + 1) * step;
    }
    end = c->start + c->n + (c->mode >= 4); /* the strobe is low for one tick */
    return (int64_t)(end - now) > 0 ? end : DEVICE_NEVER;
}

/* The next thing to do is the next edge, or sooner one that is owed, once the last one has been taken. */
static void schedule(struct device *dev)
{
    const struct i8254 *pit = dev->state;
    uint64_t when = pit->due == DEVICE_NEVER ? DEVICE_NEVER : ns_of(pit->due);

    if (pit->due != DEVICE_NEVER && pit->arrears.owed && !pit->requested && pit->arrears.next_at < when)
        when = pit->arrears.next_at;
    device_set_deadline(dev, when);
}

/* Find the next edge. */
static void arm(struct device *dev, uint64_t now)
{
    struct i8254 *pit = dev->state;

    pit->due = next_rise(&pit->counters[0], now);
    if ((int64_t)(pit->due - now) > FARTHEST_EDGE_TICKS)
        pit->due = DEVICE_NEVER; /* no count leads there: a state that came from elsewhere (is_valid) */
    schedule(dev);
}

/*
 * OUT0 is driven for its rising edges only: it stays high until just before the next one. An 8259A forgets a
 * request whose line falls before it is acknowledged; with the true low half of mode 3, a host that is late
 * by half a period would lose every tick.
 */
static void rise(struct device *dev)
{
    device_set_line(dev, I8254_LINE_OUT0, false);
    device_set_line(dev, I8254_LINE_OUT0, true);
}

/*
 * Of a periodic count every edge counts. The 8259A makes one of two that come before the first is taken, and
 * a busy host lets many pass at once; so each is owed until it can be given.
 */
static void give_or_owe(struct device *dev, uint64_t now_ns)
{
    struct i8254 *pit = dev->state;
    uint64_t now = ticks_at(now_ns), step = edge_step(&pit->counters[0]), guest_ns = device_guest_ns(dev);
    uint64_t passed = now < pit->due ? 0 : (now - pit->due) / step + 1;

    if (pit->requested) {
        arrears_meet(&pit->arrears, passed, ns_of(step), guest_ns);
        return;
    }
    arrears_owe(&pit->arrears, passed, ns_of(step));
    if (arrears_pay(&pit->arrears, ns_of(step), now_ns, guest_ns))
        rise(dev);
}

static void i8254_timer(struct device *dev)
{
    struct i8254 *pit = dev->state;
    uint64_t now_ns = device_now(dev), now = ticks_at(now_ns);

    if (periodic(&pit->counters[0]))
        give_or_owe(dev, now_ns);
    else
        rise(dev);
    settle(&pit->counters[0], now);
    arm(dev, now);
}

/* The 8259A has a request of OUT0, or has had it taken. */
static void request_changed(struct device *dev, bool level)
{
    struct i8254 *pit = dev->state;

    pit->requested = level;
    if (level || !pit->arrears.owed)
        return;
    arrears_pause(&pit->arrears, ns_of(edge_step(&pit->counters[0])), device_now(dev));
    schedule(dev);
}

/* Counter 0 was written: drive OUT0 to what it is, and find its next edge. */
static void counter0_changed(struct device *dev, uint64_t now)
{
    struct i8254 *pit = dev->state;

    arrears_begin(&pit->arrears, periodic(&pit->counters[0]) ? device_guest_ns(dev) : 0);
    if (!counting(&pit->counters[0]) || !periodic(&pit->counters[0]))
        device_set_line(dev, I8254_LINE_OUT0, output(&pit->counters[0], now));
    arm(dev, now);
}

/* A complete count arrived. */
static void load(struct device *dev, unsigned index, uint32_t value, uint64_t now)
{
    struct i8254 *pit = dev->state;
    struct counter *c = &pit->counters[index];
    uint32_t n = value;

    if (c->bcd)
        n = (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
    if (n == 0)
        n = c->bcd ? 10000 : 65536;
    if (periodic(c) && n == 1)
        n = 2; /* 1 is illegal in modes 2 and 3: the datasheet leaves open what happens */
    device_trace(dev, &event_load, index, c->mode, n);

    if (c->loaded && periodic(c) && !c->stopped) {
        uint64_t e = elapsed(c, now);
        uint64_t in_cycle = e % c->n;
        uint64_t half = (c->n + 1) / 2;

        c->next_n = n;
        c->switch_at = c->start + (e - in_cycle) + (c->mode == 3 && in_cycle < half ? half : c->n);
        return;
    }
    if (c->mode == 1 || c->mode == 5) {
        /* Taken at the next trigger; a count in progress is not affected. */
        if (c->loaded && c->triggered)
            c->next_n = n;
        else
            c->n = n;
        c->loaded = true;
        return;
    }
    c->n = n;
    c->next_n = 0;
    c->loaded = true;
    c->start = now + 1;
    c->stopped = !c->gate;
    c->frozen = 0;
}

static void write_count(struct device *dev, unsigned index, uint8_t value)
{
    struct i8254 *pit = dev->state;
    struct counter *c = &pit->counters[index];
    uint64_t now = ticks_at(device_now(dev));

    settle(c, now);
    if (c->rw == RW_BOTH && !c->write_msb) {
        c->write_lsb = value;
        c->write_msb = true;
        if (c->mode == 0) { /* the first byte stops the count and OUT goes low */
            c->loaded = false;
            c->stopped = true;
            c->frozen = 0;
        }
    } else if (c->rw == RW_BOTH) {
        c->write_msb = false;
        load(dev, index, value << 8 | c->write_lsb, now);
    } else {
        load(dev, index, c->rw == RW_MSB ? value << 8 : value, now);
    }
    if (index == 0)
        counter0_changed(dev, now);
}

static void latch_count(struct counter *c, uint64_t now)
{
    if (c->count_latched)
        return; /* a second latch before the first is read is ignored */
    c->count_latched = true;
    c->latched_count = count_now(c, now);
}

static void latch_status(struct counter *c, uint64_t now)
{
    if (c->status_latched)
        return;
    c->status_latched = true;
    c->latched_status = status_now(c, now);
}

static void read_back(struct i8254 *pit, uint8_t value, uint64_t now)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!(value & 2u << i))
            continue;
        settle(&pit->counters[i], now);
        if (!(value & READBACK_NO_COUNT))
            latch_count(&pit->counters[i], now);
        if (!(value & READBACK_NO_STATUS))
            latch_status(&pit->counters[i], now);
    }
}

static void write_control(struct device *dev, uint8_t value)
{
    struct i8254 *pit = dev->state;
    uint64_t now = ticks_at(device_now(dev));
    unsigned index = value >> 6;
    unsigned rw = value >> 4 & 3;
    unsigned mode = value >> 1 & 7;
    struct counter *c;

    device_trace(dev, &event_control, value, 0, 0);
    if (index == READBACK) {
        read_back(pit, value, now);
        return;
    }
    c = &pit->counters[index];
    settle(c, now);
    if (rw == RW_LATCH) {
        latch_count(c, now);
        return;
    }
    *c = (struct counter){
        .mode = mode > 5 ? mode & 3 : mode, /* 6 and 7 are 2 and 3 */
        .rw = rw,
        .bcd = value & 1,
        .gate = c->gate,
        .n = 1,
    };
    if (index == 0)
        counter0_changed(dev, now);
}

static uint32_t read_count(struct device *dev, unsigned index)
{
    struct i8254 *pit = dev->state;
    struct counter *c = &pit->counters[index];
    uint64_t now = ticks_at(device_now(dev));
    uint16_t value;
    bool msb;

    if (c->status_latched) {
        c->status_latched = false;
        return c->latched_status;
    }
    settle(c, now);
    value = c->count_latched ? c->latched_count : count_now(c, now);
    msb = c->rw == RW_MSB || (c->rw == RW_BOTH && c->read_msb);
    if (c->rw == RW_BOTH)
        c->read_msb = !c->read_msb;
    if (c->rw != RW_BOTH || msb)
        c->count_latched = false;
    return msb ? value >> 8 : value & 0xff;
}

static uint32_t i8254_read(struct device *dev, uint32_t offset, unsigned size)
{
    (void)size;
    return offset < 3 ? read_count(dev, offset) : 0xff; /* the control word cannot be read */
}

static void i8254_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    (void)size;
    if (i8254_changes_out2(offset, value))
        device_sound(dev);
    if (offset < 3)
        write_count(dev, offset, value);
    else
        write_control(dev, value);
}

/* A rising gate triggers modes 1 and 5 and restarts modes 2 and 3; in modes 0 and 4 the level only suspends.
 */
static void gate_rises(struct counter *c, uint64_t now)
{
    if (!c->loaded)
        return;
    switch (c->mode) {
    case 0:
    case 4:
        c->start = now - c->frozen;
        break;
    default:
        if (c->next_n)
            c->n = c->next_n;
        c->next_n = 0;
        c->start = now + 1;
        c->triggered = true;
        break;
    }
    c->stopped = false;
}

static void gate_falls(struct counter *c, uint64_t now)
{
    if (!c->loaded || c->stopped || c->mode == 1 || c->mode == 5)
        return;
    c->frozen = elapsed(c, now);
    c->stopped = true;
}

static void i8254_input(struct device *dev, unsigned pin, bool level)
{
    struct i8254 *pit = dev->state;
    struct counter *c = &pit->counters[I8254_PIN_GATE2];
    uint64_t now;

    if (pin == I8254_PIN_REQUEST0)
        request_changed(dev, level);
    if (pin != I8254_PIN_GATE2 || level == c->gate)
        return;
    device_sound(dev);
    now = ticks_at(device_now(dev));
    settle(c, now);
    c->gate = level;
    if (level)
        gate_rises(c, now);
    else
        gate_falls(c, now);
}

static bool i8254_sample(struct device *dev, unsigned line)
{
    struct i8254 *pit = dev->state;
    uint64_t now = ticks_at(device_now(dev));

    if (line > 2)
        return false;
    settle(&pit->counters[line], now);
    return output(&pit->counters[line], now);
}

static uint64_t i8254_high_ns(struct device *dev, unsigned line, uint64_t from, uint64_t to)
{
    struct i8254 *pit = dev->state;
    struct counter *c = &pit->counters[line % 3];
    uint64_t first = 0, taken_over;

    if (from >= to)
        return 0;
    settle(c, ticks_at(from));
    taken_over = c->next_n && periodic(c) && !c->stopped ? ns_of(c->switch_at) : DEVICE_NEVER;
    if (taken_over > from && taken_over < to) {
        first = high_between(c, from, taken_over);
        from = taken_over;
    }
    settle(c, ticks_at(to));
    return first + high_between(c, from, to);
}

/* The chip has no RESET pin and wakes undefined; here it wakes as after control words for mode 0, silent. */
static void i8254_reset(struct device *dev)
{
    struct i8254 *pit = dev->state;
    bool gate2 = pit->counters[2].gate;

    for (unsigned i = 0; i < 3; i++)
        pit->counters[i] = (struct counter){ .rw = RW_BOTH, .gate = i == 2 ? gate2 : true, .n = 1 };
    arrears_begin(&pit->arrears, 0);
    pit->due = DEVICE_NEVER;
    device_set_line(dev, I8254_LINE_OUT0, false);
    device_set_deadline(dev, DEVICE_NEVER);
}

/* A count of 0 would be divided by; all else only makes a timer that is of no use. */
static bool i8254_is_valid(const void *state)
{
    const struct i8254 *pit = state;

    for (unsigned i = 0; i < 3; i++) {
        const struct counter *c = &pit->counters[i];

        if (c->n == 0 || c->n > 65536 || c->next_n > 65536 || c->mode > 5 || c->rw < RW_LSB ||
            c->rw > RW_BOTH)
            return false;
    }
    return true;
}

_Static_assert(sizeof(struct i8254) <= NEAR_PIT_SIZE, "the state fits where it is lent");

const struct device_type i8254_device = {
    .name = "i8254",
    .state_size = sizeof(struct i8254),
    .ports = { { .count = 4, .read = i8254_read, .write = i8254_write } },
    .line_count = 3,
    .reset = i8254_reset,
    .timer = i8254_timer,
    .input = i8254_input,
    .sample = i8254_sample,
    .high_ns = i8254_high_ns,
    .is_valid = i8254_is_valid,
};
