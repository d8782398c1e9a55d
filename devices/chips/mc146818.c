/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MC146818 real-time clock with its CMOS RAM, and the index latch of the PC (port 70h). The time registers
 * hold what was last written or shown; they are brought up to date, by whole seconds, when somebody looks.
 * Motorola MC146818A datasheet; IBM PC/AT Technical Reference, "Real-Time Clock/CMOS RAM".
 */
#include <string.h>

#include "arrears.h"
#include "devices/chips.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* clang-format off */
enum {
    REG_SECONDS, REG_SECONDS_ALARM, REG_MINUTES, REG_MINUTES_ALARM, REG_HOURS, REG_HOURS_ALARM,
    REG_WEEKDAY, REG_DAY, REG_MONTH, REG_YEAR, REG_A, REG_B, REG_C, REG_D,
    REG_CENTURY = 0x32,
    REG_COUNT = 128,

    A_UIP = 0x80,
    A_DV_SHIFT = 4,
    A_DV_RUNNING = 2, /* 32.768 kHz crystal */
    A_DV_HELD = 6,    /* 6 and 7: the divider is held in reset */

    B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_BINARY = 0x04, B_24H = 0x02,

    C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10,

    D_VRT = 0x80, /* the battery is good */

    ALARM_ANY = 0xc0, /* both top bits set: don't care */
    HOURS_PM = 0x80,
    NMI_MASK = 0x80,

    CRYSTAL_HZ = 32768,
    /* UIP rises 244 us before the update, which takes 1984 us with this crystal and ends with the change. */
    UIP_NS = 244000 + 1984000,
};
/* clang-format on */

struct mc146818 {
    uint8_t regs[REG_COUNT];
    uint8_t index; /* as written to the index port: bit 7 masks NMI */
    bool line;
    /* Machine time at which the present second began, and with it the divider chain's phase. While the time
       stands (SET) the chain runs on; while DV holds the divider it means nothing. */
    uint64_t second_start;
    uint64_t seen;          /* machine time up to which the flags are right; never before second_start */
    struct arrears arrears; /* periodic interrupts that are still to come; none while PIE is clear */
};

struct civil {
    int64_t day;     /* days since 1970-01-01 */
    uint32_t second; /* of the day */
};

static const struct device_event event_irq = { "mc146818_irq", { "reg_b", "reg_c" } };
static const struct device_event event_write = { "mc146818_write", { "index", "value" } };

/* ---- Calendar: days since 1970-01-01 to and from year, month, day ---------------------------- */

/*
 * Both count in years that begin in March, so that the leap day is the last of its year, and in 400-year eras
 * of 146097 days. 719468 days lie between 0000-03-01 and 1970-01-01.
 */
static int64_t days_from_date(int32_t year, uint32_t month, uint32_t day)
{
    uint32_t from_march = (month + 9) % 12;
    uint32_t y = year - (month <= 2);

    return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + (from_march * 153 + 2) / 5 + day - 1 - 719468;
}

static void date_from_days(int64_t days, uint32_t *year, uint32_t *month, uint32_t *day)
{
    uint32_t d = days + 719468;
    uint32_t era = d / 146097, in_era = d % 146097;
    uint32_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint32_t in_year = in_era - (365 * y + y / 4 - y / 100);
    uint32_t m = (5 * in_year + 2) / 153;

    *day = in_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = era * 400 + y + (*month <= 2);
}

/* ---- Register formats ------------------------------------------------------------------------ */

static uint8_t encode(const struct mc146818 *rtc, uint32_t value)
{
    return rtc->regs[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static uint32_t decode(const struct mc146818 *rtc, uint8_t reg)
{
    return rtc->regs[REG_B] & B_BINARY ? reg : (reg >> 4) * 10u + (reg & 15);
}

static uint8_t encode_hours(const struct mc146818 *rtc, uint32_t hour)
{
    if (rtc->regs[REG_B] & B_24H)
        return encode(rtc, hour);
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

static uint32_t decode_hours(const struct mc146818 *rtc, uint8_t reg)
{
    uint32_t hour;

    if (rtc->regs[REG_B] & B_24H)
        return decode(rtc, reg);
    hour = decode(rtc, reg & ~HOURS_PM);
    if (hour < 1 || hour > 12)
        return 24; /* no such hour */
    return hour % 12 + (reg & HOURS_PM ? 12 : 0);
}

/* What the registers say, with nonsense a guest may have written bent into a date. */
static struct civil read_registers(const struct mc146818 *rtc)
{
    uint32_t year = decode(rtc, rtc->regs[REG_CENTURY]) * 100 + decode(rtc, rtc->regs[REG_YEAR]);
    uint32_t month = decode(rtc, rtc->regs[REG_MONTH]);
    uint32_t second = decode_hours(rtc, rtc->regs[REG_HOURS]) * 3600 +
                      decode(rtc, rtc->regs[REG_MINUTES]) * 60 + decode(rtc, rtc->regs[REG_SECONDS]);

    if (year < 1)
        year = 1;
    if (month < 1 || month > 12)
        month = 1;
    return (struct civil){ .day = days_from_date(year, month, decode(rtc, rtc->regs[REG_DAY])),
                           .second = second % 86400 };
}

static void write_registers(struct mc146818 *rtc, struct civil t)
{
    uint32_t year, month, day;

    date_from_days(t.day, &year, &month, &day);
    rtc->regs[REG_SECONDS] = encode(rtc, t.second % 60);
    rtc->regs[REG_MINUTES] = encode(rtc, t.second / 60 % 60);
    rtc->regs[REG_HOURS] = encode_hours(rtc, t.second / 3600);
    rtc->regs[REG_DAY] = encode(rtc, day);
    rtc->regs[REG_MONTH] = encode(rtc, month);
    rtc->regs[REG_YEAR] = encode(rtc, year % 100);
    rtc->regs[REG_CENTURY] = encode(rtc, year / 100 % 100);
}

/* ---- Time passing ---------------------------------------------------------------------------- */

static bool divider_held(const struct mc146818 *rtc)
{
    return (rtc->regs[REG_A] >> A_DV_SHIFT & 7) >= A_DV_HELD;
}

/* Does the clock advance? Other DV values select crystals a PC does not have. */
static bool running(const struct mc146818 *rtc)
{
    return !(rtc->regs[REG_B] & B_SET) && (rtc->regs[REG_A] >> A_DV_SHIFT & 7) == A_DV_RUNNING;
}

/* Crystal ticks in `ns`, and the first ns of a tick; split so that neither overflows. */
static uint64_t crystal_ticks(uint64_t ns)
{
    return ns / NS_PER_SECOND * CRYSTAL_HZ + ns % NS_PER_SECOND * CRYSTAL_HZ / NS_PER_SECOND;
}

static uint64_t crystal_ns(uint64_t ticks)
{
    return ticks / CRYSTAL_HZ * NS_PER_SECOND +
           (ticks % CRYSTAL_HZ * NS_PER_SECOND + CRYSTAL_HZ - 1) / CRYSTAL_HZ;
}

/* Period of the rate-selection tap in crystal ticks; 0: none (datasheet, "Periodic Interrupt Rate"). */
static uint32_t period_ticks(const struct mc146818 *rtc)
{
    unsigned rs = rtc->regs[REG_A] & 15;

    if (rs == 0 || divider_held(rtc))
        return 0;
    return rs <= 2 ? 64u << rs : 1u << (rs - 1);
}

/* Seconds from `second` of the day, exclusive, to the next time the alarm matches; 0: it never does. */
static uint32_t seconds_to_alarm(const struct mc146818 *rtc, uint32_t second)
{
    const uint8_t *regs = rtc->regs;
    bool any_h = regs[REG_HOURS_ALARM] >= ALARM_ANY;
    bool any_m = regs[REG_MINUTES_ALARM] >= ALARM_ANY;
    bool any_s = regs[REG_SECONDS_ALARM] >= ALARM_ANY;
    uint32_t h = decode_hours(rtc, regs[REG_HOURS_ALARM]);
    uint32_t m = decode(rtc, regs[REG_MINUTES_ALARM]);
    uint32_t s = decode(rtc, regs[REG_SECONDS_ALARM]);
    uint32_t t = second + 1;

    if ((!any_h && h > 23) || (!any_m && m > 59) || (!any_s && s > 59))
        return 0;
    /* Skip the rest of an hour or minute that cannot match: fewer than 24 + 60 + 60 steps. */
    while (t <= second + 86400) {
        if (!any_h && t / 3600 % 24 != h)
            t += 3600 - t % 3600;
        else if (!any_m && t / 60 % 60 != m)
            t += 60 - t % 60;
        else if (!any_s && t % 60 != s)
            t++;
        else
            return t - second;
    }
    return 0;
}

static void advance_seconds(struct mc146818 *rtc, uint64_t seconds)
{
    struct civil t = read_registers(rtc);
    uint32_t alarm = seconds_to_alarm(rtc, t.second);
    uint64_t total = t.second + seconds;
    uint64_t weekday = rtc->regs[REG_WEEKDAY];

    if (alarm && alarm <= seconds)
        rtc->regs[REG_C] |= C_AF;
    rtc->regs[REG_C] |= C_UF;
    rtc->regs[REG_WEEKDAY] = (weekday + 6 + total / 86400) % 7 + 1;
    t.day += total / 86400;
    t.second = total % 86400;
    write_registers(rtc, t);
}

static void update_line(struct device *dev)
{
    struct mc146818 *rtc = dev->state;
    uint8_t c = rtc->regs[REG_C] & (C_PF | C_AF | C_UF);
    bool level = c & rtc->regs[REG_B];

    rtc->regs[REG_C] = c | (level ? C_IRQF : 0);
    if (level != rtc->line) {
        rtc->line = level;
        device_trace(dev, &event_irq, rtc->regs[REG_B], rtc->regs[REG_C], 0);
        device_set_line(dev, MC146818_LINE_IRQ, level);
    }
}

/*
 * Does the tap say so, now or before? Who polls PF learns that a period has ended. Who is interrupted for it
 * counts periods, and reads register C for each, which is how an interrupt is taken here; so none is
 * forgotten while the guest could not (arrears.h).
 */
static void set_pf(struct device *dev, uint64_t now)
{
    struct mc146818 *rtc = dev->state;
    uint32_t period = period_ticks(rtc);
    uint64_t period_ns = crystal_ns(period), ended;

    if (!period)
        return;
    ended = crystal_ticks(now - rtc->second_start) / period -
            crystal_ticks(rtc->seen - rtc->second_start) / period;
    if (!(rtc->regs[REG_B] & B_PIE)) {
        rtc->regs[REG_C] |= ended ? C_PF : 0;
    } else if (!(rtc->regs[REG_C] & C_PF)) {
        arrears_owe(&rtc->arrears, ended, period_ns);
        if (arrears_pay(&rtc->arrears, period_ns, now, device_guest_ns(dev)))
            rtc->regs[REG_C] |= C_PF;
    } else if (ended) {
        arrears_meet(&rtc->arrears, ended, period_ns, device_guest_ns(dev));
    }
}

/* Bring registers and flags up to `now`. */
static void catch_up(struct device *dev, uint64_t now)
{
    struct mc146818 *rtc = dev->state;
    uint64_t seconds;

    set_pf(dev, now);
    seconds = (now - rtc->second_start) / NS_PER_SECOND;
    if (seconds) {
        rtc->second_start += seconds * NS_PER_SECOND;
        if (running(rtc))
            advance_seconds(rtc, seconds);
    }
    rtc->seen = now;
    update_line(dev);
}

/* The next moment at which an enabled flag that is still clear will be set. */
static void arm(struct device *dev, uint64_t now)
{
    const struct mc146818 *rtc = dev->state;
    uint8_t wanted = rtc->regs[REG_B] & ~rtc->regs[REG_C];
    uint32_t period = period_ticks(rtc);
    uint64_t phase = now - rtc->second_start;
    uint64_t deadline = DEVICE_NEVER;

    if ((wanted & B_PIE) && period) {
        deadline = rtc->second_start + crystal_ns((crystal_ticks(phase) / period + 1) * period);
        if (rtc->arrears.owed && rtc->arrears.next_at < deadline)
            deadline = rtc->arrears.next_at;
    }
    if (running(rtc)) {
        uint32_t alarm = wanted & B_AIE ? seconds_to_alarm(rtc, read_registers(rtc).second) : 0;
        uint64_t in = wanted & B_UIE ? 1 : alarm;
        uint64_t when = rtc->second_start + in * NS_PER_SECOND;

        if (in && when < deadline)
            deadline = when;
    }
    device_set_deadline(dev, deadline);
}

static void mc146818_timer(struct device *dev)
{
    uint64_t now = device_now(dev);

    catch_up(dev, now);
    arm(dev, now);
}

/* ---- Registers ------------------------------------------------------------------------------- */

static void write_a(struct mc146818 *rtc, uint8_t value, uint64_t now)
{
    bool was_held = divider_held(rtc);

    if ((value ^ rtc->regs[REG_A]) & ~A_UIP)
        rtc->arrears.owed = 0; /* they were of another rate */
    rtc->regs[REG_A] = value & ~A_UIP;
    /* The first update follows half a second after the divider is released (datasheet, "DV0, DV1, DV2"). */
    if (was_held && !divider_held(rtc)) {
        rtc->second_start = now - NS_PER_SECOND / 2;
        rtc->seen = now;
    }
}

static void write_b(struct device *dev, uint8_t value)
{
    struct mc146818 *rtc = dev->state;

    if ((value ^ rtc->regs[REG_B]) & B_PIE)
        arrears_begin(&rtc->arrears, device_guest_ns(dev));
    rtc->regs[REG_B] = value & B_SET ? value & ~B_UIE : value; /* SET clears UIE */
    update_line(dev);
}

static void write_register(struct device *dev, unsigned index, uint8_t value)
{
    struct mc146818 *rtc = dev->state;
    uint64_t now = device_now(dev);

    device_trace(dev, &event_write, index, value, 0);
    catch_up(dev, now);
    switch (index) {
    case REG_A:
        write_a(rtc, value, now);
        break;
    case REG_B:
        write_b(dev, value);
        break;
    case REG_C:
    case REG_D:
        break; /* read only */
    default:
        rtc->regs[index] = value;
        break;
    }
    arm(dev, now);
}

static uint8_t read_register(struct device *dev, unsigned index)
{
    struct mc146818 *rtc = dev->state;
    uint64_t now = device_now(dev);
    uint8_t value;

    catch_up(dev, now);
    value = rtc->regs[index];
    switch (index) {
    case REG_A:
        if (running(rtc) && now - rtc->second_start >= NS_PER_SECOND - UIP_NS)
            value |= A_UIP;
        break;
    case REG_C:
        rtc->regs[REG_C] = 0;
        update_line(dev);
        if (rtc->arrears.owed)
            arrears_pause(&rtc->arrears, crystal_ns(period_ticks(rtc)), now);
        arm(dev, now);
        break;
    case REG_D:
        value = D_VRT;
        break;
    default:
        break;
    }
    return value;
}

static uint32_t mc146818_read(struct device *dev, uint32_t offset, unsigned size)
{
    const struct mc146818 *rtc = dev->state;

    (void)size;
    return offset == 1 ? read_register(dev, rtc->index % REG_COUNT) : 0xff; /* the index is write only */
}

static void mc146818_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct mc146818 *rtc = dev->state;

    (void)size;
    if (offset == 1) {
        write_register(dev, rtc->index % REG_COUNT, value);
        return;
    }
    rtc->index = value;
    device_set_line(dev, MC146818_LINE_NMI_ENABLE, !(value & NMI_MASK));
}

/* A new battery, and somebody set the clock: 24-hour BCD, running since the wall clock's last full second. */
static void mc146818_power_on(struct device *dev)
{
    struct mc146818 *rtc = dev->state;
    int64_t wall = device_wall_clock(dev);
    int64_t seconds = wall / (int64_t)NS_PER_SECOND;
    int64_t day;

    if (wall < 0)
        wall = seconds = 0;
    day = seconds / 86400;
    rtc->regs[REG_A] = A_DV_RUNNING << A_DV_SHIFT | 6; /* 1024 Hz, as every BIOS leaves it */
    rtc->regs[REG_B] = B_24H;
    rtc->regs[REG_WEEKDAY] = (day + 4) % 7 + 1; /* 1970-01-01 was a Thursday, Sunday is 1 */
    write_registers(rtc, (struct civil){ .day = day, .second = seconds % 86400 });
    rtc->seen = device_now(dev);
    rtc->second_start = rtc->seen - wall % (int64_t)NS_PER_SECOND;
}

/* RESET clears the interrupt enables and flags; clock and RAM go on (datasheet, "RESET"). */
static void mc146818_reset(struct device *dev)
{
    struct mc146818 *rtc = dev->state;
    uint64_t now = device_now(dev);

    catch_up(dev, now);
    rtc->regs[REG_B] &= ~(B_PIE | B_AIE | B_UIE | 0x08); /* and SQWE */
    rtc->regs[REG_C] = 0;
    rtc->arrears.owed = 0;
    rtc->index = 0;
    update_line(dev);
    device_set_line(dev, MC146818_LINE_IRQ, rtc->line);
    device_set_line(dev, MC146818_LINE_NMI_ENABLE, true);
    arm(dev, now);
}

const struct device_type mc146818_device = {
    .name = "mc146818",
    .state_size = sizeof(struct mc146818),
    .ports = { { .count = 2, .read = mc146818_read, .write = mc146818_write } },
    .line_count = 2,
    .power_on = mc146818_power_on,
    .reset = mc146818_reset,
    .timer = mc146818_timer,
};
