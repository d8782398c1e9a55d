/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 16550A UART. A byte written leaves at once, so the transmitter is always empty; received bytes wait in the
 * FIFO, each with its line errors. Interrupt causes are kept one by one and IIR is computed from them.
 * National Semiconductor PC16550D datasheet.
 */
#include <string.h>

#include "devices/chips.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* clang-format off */
enum {
    REG_DATA = 0, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH,

    IER_ERBFI = 0x01, IER_ETBEI = 0x02, IER_ELSI = 0x04, IER_EDSSI = 0x08, IER_BITS = 0x0f,

    IIR_NONE = 0x01, IIR_MODEM = 0x00, IIR_THRE = 0x02, IIR_DATA = 0x04, IIR_LINE = 0x06, IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 0x01, FCR_RESET_RX = 0x02, FCR_TRIGGER_SHIFT = 6,

    LCR_WORD = 0x03, LCR_STB = 0x04, LCR_PEN = 0x08, LCR_BREAK = 0x40, LCR_DLAB = 0x80,

    MCR_DTR = 0x01, MCR_RTS = 0x02, MCR_OUT1 = 0x04, MCR_OUT2 = 0x08, MCR_LOOP = 0x10, MCR_BITS = 0x1f,

    LSR_DR = 0x01, LSR_OE = 0x02, LSR_PE = 0x04, LSR_FE = 0x08, LSR_BI = 0x10, LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80, LSR_BYTE_ERRORS = LSR_PE | LSR_FE | LSR_BI,

    MSR_TERI = 0x04, MSR_LEVELS = 0xf0, MSR_RI = 0x40,

    FIFO_SIZE = 16,
    CLOCK_HZ = 1843200,
};
/* clang-format on */

struct uart16550 {
    uint8_t fifo[FIFO_SIZE];   /* received bytes; head is the oldest. Without FIFO mode only one is used */
    uint8_t errors[FIFO_SIZE]; /* LSR_PE, LSR_FE, LSR_BI of each */
    uint8_t head, count;
    uint8_t ier, fcr, lcr, mcr, scratch;
    uint16_t divisor;
    uint8_t lsr_errors; /* OE, and the errors of the byte that is at the top; cleared by reading LSR */
    uint8_t msr;        /* levels and deltas as MSR shows them */
    uint8_t inputs;     /* modem input pins, in the order of MSR bits 7-4 */
    bool thre_pending;  /* THRE interrupt: set when THR empties or ETBEI is set, cleared by IIR read or THR
                           write */
    bool timed_out;     /* character timeout; cleared by reading RBR */
    bool refused;       /* the other end waits for room */
};

static const struct device_event event_line = { "uart16550_setup", { "slot", "divisor", "lcr" } };
static const struct device_event event_overrun = { "uart16550_overrun", { "slot", "byte" } };

static bool fifo_mode(const struct uart16550 *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned capacity(const struct uart16550 *uart)
{
    return fifo_mode(uart) ? FIFO_SIZE : 1;
}

static unsigned trigger(const struct uart16550 *uart)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return fifo_mode(uart) ? levels[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* Time of one character on the line: start, data, parity and stop bits of 16 clocks per divisor step. */
static uint64_t character_ns(const struct uart16550 *uart)
{
    uint64_t bits = 1 + 5 + (uart->lcr & LCR_WORD) + !!(uart->lcr & LCR_PEN) + 1 + !!(uart->lcr & LCR_STB);
    uint64_t divisor = uart->divisor ? uart->divisor : 65536;

    return bits * divisor * 16 * NS_PER_SECOND / CLOCK_HZ;
}

/* ---- Interrupts ------------------------------------------------------------------------------ */

/* The highest cause that is pending and enabled, as IIR bits 3-0 (datasheet, "Interrupt Control Functions").
 */
static uint8_t interrupt_id(const struct uart16550 *uart)
{
    if ((uart->ier & IER_ELSI) && uart->lsr_errors)
        return IIR_LINE;
    if ((uart->ier & IER_ERBFI) && uart->count >= trigger(uart))
        return IIR_DATA;
    if ((uart->ier & IER_ERBFI) && uart->timed_out)
        return IIR_TIMEOUT;
    if ((uart->ier & IER_ETBEI) && uart->thre_pending)
        return IIR_THRE;
    if ((uart->ier & IER_EDSSI) && (uart->msr & ~MSR_LEVELS))
        return IIR_MODEM;
    return IIR_NONE;
}

/* On the PC's card OUT2 gates INTRPT; in loopback the OUT2 pin is off (datasheet, "Modem Control Register").
 */
static void update_irq(struct device *dev)
{
    const struct uart16550 *uart = dev->state;
    bool gate = (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    device_set_line(dev, UART16550_LINE_IRQ, gate && interrupt_id(uart) != IIR_NONE);
}

/* Four character times without a byte coming or going, with some below the trigger level, time out. */
static void restart_timeout(struct device *dev)
{
    struct uart16550 *uart = dev->state;
    bool waiting = fifo_mode(uart) && uart->count && uart->count < trigger(uart);

    uart->timed_out = false;
    device_set_deadline(dev, waiting ? device_now(dev) + 4 * character_ns(uart) : DEVICE_NEVER);
}

static void uart16550_timer(struct device *dev)
{
    struct uart16550 *uart = dev->state;

    uart->timed_out = fifo_mode(uart) && uart->count;
    update_irq(dev);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* Errors show in LSR when their byte comes to the top of the FIFO. */
static void reveal_errors(struct uart16550 *uart)
{
    if (uart->count)
        uart->lsr_errors |= uart->errors[uart->head];
}

static void push(struct device *dev, uint8_t byte, uint8_t errors)
{
    struct uart16550 *uart = dev->state;
    unsigned tail;

    if (uart->count == capacity(uart)) {
        uart->lsr_errors |= LSR_OE;
        device_trace(dev, &event_overrun, dev->slot, byte, 0);
        if (!fifo_mode(uart)) { /* without FIFO the new byte replaces the old one */
            uart->fifo[uart->head] = byte;
            uart->errors[uart->head] = errors;
        }
        return;
    }
    tail = (uart->head + uart->count++) % FIFO_SIZE;
    uart->fifo[tail] = byte;
    uart->errors[tail] = errors;
    if (uart->count == 1)
        reveal_errors(uart);
}

static uint8_t pop(struct uart16550 *uart)
{
    uint8_t byte = uart->fifo[uart->head]; /* an empty FIFO shows the last byte again */

    if (uart->count == 0)
        return byte;
    uart->count--;
    if (uart->count) {
        uart->head = (uart->head + 1) % FIFO_SIZE;
        reveal_errors(uart);
    }
    return byte;
}

static void clear_fifo(struct uart16550 *uart)
{
    uart->head = uart->count = 0;
    uart->timed_out = false;
}

/* Tell the other end about room, last of all: it may send again from inside this call. */
static void offer_room(struct device *dev)
{
    struct uart16550 *uart = dev->state;

    if (uart->refused && uart->count < capacity(uart) && !(uart->mcr & MCR_LOOP)) {
        uart->refused = false;
        device_room(dev, 0);
    }
}

static size_t uart16550_receive(struct device *dev, unsigned link, const uint8_t *bytes, size_t count)
{
    struct uart16550 *uart = dev->state;
    size_t taken = 0;

    (void)link;
    if (!(uart->mcr & MCR_LOOP)) {
        while (taken < count && uart->count < capacity(uart))
            push(dev, bytes[taken++], 0);
    }
    if (taken < count)
        uart->refused = true;
    if (taken)
        restart_timeout(dev);
    update_irq(dev);
    return taken;
}

/* ---- Modem lines ----------------------------------------------------------------------------- */

/* CTS, DSR, RI, DCD as the chip sees them: the pins, or in loopback its own RTS, DTR, OUT1, OUT2. */
static uint8_t modem_levels(const struct uart16550 *uart)
{
    uint8_t mcr = uart->mcr;

    if (!(mcr & MCR_LOOP))
        return uart->inputs << 4;
    return (mcr & MCR_RTS ? 0x10 : 0) | (mcr & MCR_DTR ? 0x20 : 0) | (mcr & MCR_OUT1 ? MSR_RI : 0) |
           (mcr & MCR_OUT2 ? 0x80 : 0);
}

/* Deltas collect until MSR is read; RI counts only when it ends. */
static void update_modem(struct device *dev)
{
    struct uart16550 *uart = dev->state;
    uint8_t levels = modem_levels(uart);
    uint8_t changed = (levels ^ uart->msr) & MSR_LEVELS;

    if (levels & MSR_RI)
        changed &= ~MSR_RI;
    uart->msr = levels | (uart->msr & ~MSR_LEVELS) | changed >> 4;
    update_irq(dev);
}

static void uart16550_input(struct device *dev, unsigned pin, bool level)
{
    struct uart16550 *uart = dev->state;

    if (pin == UART16550_PIN_BREAK) {
        if (level && !(uart->mcr & MCR_LOOP)) {
            push(dev, 0, LSR_BI | LSR_FE);
            restart_timeout(dev);
        }
        update_irq(dev);
    } else if (pin <= UART16550_PIN_DCD) {
        uart->inputs = (uart->inputs & ~(1u << pin)) | (unsigned)level << pin;
        update_modem(dev);
    }
}

/* ---- Registers ------------------------------------------------------------------------------- */

/*
 * Differs from hardware: a short word is cut in loopback only. Some guests print without ever setting LCR,
 * which is 5 bits after reset, and no back-end has a use for half a character.
 */
static uint8_t word_mask(const struct uart16550 *uart)
{
    return 0xff >> (3 - (uart->lcr & LCR_WORD));
}

/* THR empties at once. The interrupt condition falls and rises again, which an edge-triggered 8259A must see.
 */
static void transmit(struct device *dev, uint8_t value)
{
    struct uart16550 *uart = dev->state;
    uint8_t byte = value;

    uart->thre_pending = false;
    update_irq(dev);
    if (uart->mcr & MCR_LOOP) {
        push(dev, byte & word_mask(uart), 0);
        restart_timeout(dev);
    } else {
        device_send(dev, 0, &byte, 1);
    }
    uart->thre_pending = true;
}

static void write_ier(struct uart16550 *uart, uint8_t value)
{
    if (!(uart->ier & IER_ETBEI) && (value & IER_ETBEI))
        uart->thre_pending = true;
    uart->ier = value & IER_BITS;
}

static void write_fcr(struct device *dev, uint8_t value)
{
    struct uart16550 *uart = dev->state;

    if (((value ^ uart->fcr) & FCR_ENABLE) || (value & FCR_RESET_RX))
        clear_fifo(uart);
    uart->fcr = value & FCR_ENABLE ? value : 0; /* the other bits are not written without it */
    restart_timeout(dev);
}

static void write_lcr(struct device *dev, uint8_t value)
{
    struct uart16550 *uart = dev->state;
    bool was_dlab = uart->lcr & LCR_DLAB;
    bool break_begins = (value & LCR_BREAK) && !(uart->lcr & LCR_BREAK);

    uart->lcr = value;
    if (was_dlab && !(value & LCR_DLAB))
        device_trace(dev, &event_line, dev->slot, uart->divisor, value);
    if (break_begins && (uart->mcr & MCR_LOOP)) {
        push(dev, 0, LSR_BI | LSR_FE);
        restart_timeout(dev);
    }
}

static void write_mcr(struct device *dev, uint8_t value)
{
    struct uart16550 *uart = dev->state;
    bool loop;

    uart->mcr = value & MCR_BITS;
    loop = uart->mcr & MCR_LOOP;
    device_set_line(dev, UART16550_LINE_DTR, !loop && (value & MCR_DTR));
    device_set_line(dev, UART16550_LINE_RTS, !loop && (value & MCR_RTS));
    update_modem(dev);
}

static void uart16550_write(struct device *dev, uint32_t offset, unsigned size, uint32_t value)
{
    struct uart16550 *uart = dev->state;
    bool dlab = uart->lcr & LCR_DLAB;

    (void)size;
    switch (offset) {
    case REG_DATA:
        if (dlab)
            uart->divisor = (uart->divisor & 0xff00) | (value & 0xff);
        else
            transmit(dev, value);
        break;
    case REG_IER:
        if (dlab)
            uart->divisor = (uart->divisor & 0xff) | (value & 0xff) << 8;
        else
            write_ier(uart, value);
        break;
    case REG_IIR_FCR:
        write_fcr(dev, value);
        break;
    case REG_LCR:
        write_lcr(dev, value);
        break;
    case REG_MCR:
        write_mcr(dev, value);
        break;
    case REG_SCRATCH:
        uart->scratch = value;
        break;
    default: /* LSR is for factory tests, MSR read only */
        break;
    }
    update_irq(dev);
    offer_room(dev);
}

static uint8_t iir(const struct uart16550 *uart)
{
    return interrupt_id(uart) | (fifo_mode(uart) ? IIR_FIFOS : 0);
}

static uint8_t read_iir(struct uart16550 *uart)
{
    uint8_t value = iir(uart);

    if (interrupt_id(uart) == IIR_THRE)
        uart->thre_pending = false;
    return value;
}

static uint8_t lsr(const struct uart16550 *uart)
{
    uint8_t value = LSR_THRE | LSR_TEMT | uart->lsr_errors | (uart->count ? LSR_DR : 0);

    if (fifo_mode(uart)) {
        for (unsigned i = 0; i < uart->count; i++) {
            if (uart->errors[(uart->head + i) % FIFO_SIZE])
                value |= LSR_FIFO_ERROR;
        }
    }
    return value;
}

static uint8_t read_lsr(struct uart16550 *uart)
{
    uint8_t value = lsr(uart);

    uart->lsr_errors = 0;
    if (uart->count)
        uart->errors[uart->head] = 0; /* reported */
    return value;
}

static uint8_t read_data(struct device *dev)
{
    struct uart16550 *uart = dev->state;
    uint8_t value = pop(uart);

    restart_timeout(dev);
    return value;
}

static uint32_t uart16550_read(struct device *dev, uint32_t offset, unsigned size)
{
    struct uart16550 *uart = dev->state;
    bool dlab = uart->lcr & LCR_DLAB;
    uint8_t value = 0xff;

    (void)size;
    switch (offset) {
    case REG_DATA:
        value = dlab ? uart->divisor & 0xff : read_data(dev);
        break;
    case REG_IER:
        value = dlab ? uart->divisor >> 8 : uart->ier;
        break;
    case REG_IIR_FCR:
        value = read_iir(uart);
        break;
    case REG_LCR:
        value = uart->lcr;
        break;
    case REG_MCR:
        value = uart->mcr;
        break;
    case REG_LSR:
        value = read_lsr(uart);
        break;
    case REG_MSR:
        value = uart->msr;
        uart->msr &= MSR_LEVELS;
        break;
    case REG_SCRATCH:
        value = uart->scratch;
        break;
    default:
        break;
    }
    update_irq(dev);
    offer_room(dev);
    return value;
}

/* Reading takes something with it, or does not: a byte, the THRE interrupt, errors, modem deltas. */
static bool uart16550_known(const struct device *dev, uint32_t offset, uint8_t *value)
{
    const struct uart16550 *uart = dev->state;
    bool dlab = uart->lcr & LCR_DLAB;

    switch (offset) {
    case REG_DATA:
        *value = uart->divisor & 0xff;
        return dlab;
    case REG_IER:
        *value = dlab ? uart->divisor >> 8 : uart->ier;
        return true;
    case REG_IIR_FCR:
        *value = iir(uart);
        return interrupt_id(uart) != IIR_THRE;
    case REG_LCR:
        *value = uart->lcr;
        return true;
    case REG_MCR:
        *value = uart->mcr;
        return true;
    case REG_LSR:
        *value = lsr(uart);
        return !(*value & (LSR_OE | LSR_FE | LSR_BI | LSR_FIFO_ERROR));
    case REG_MSR:
        *value = uart->msr;
        return !(uart->msr & ~MSR_LEVELS);
    default:
        *value = uart->scratch;
        return offset == REG_SCRATCH;
    }
}

/* Is it the transmitter, which is always empty, and is nobody told so? */
static bool uart16550_posts(const struct device *dev, uint32_t offset)
{
    const struct uart16550 *uart = dev->state;

    return offset == REG_DATA && !(uart->lcr & LCR_DLAB) && !(uart->ier & IER_ETBEI) &&
           !(uart->mcr & MCR_LOOP);
}

/* Master reset. The divisor and the scratch register are left alone by hardware; 9600 baud is friendlier than
 * 0. */
static void uart16550_reset(struct device *dev)
{
    struct uart16550 *uart = dev->state;
    uint8_t inputs = uart->inputs;
    bool refused = uart->refused;

    *uart = (struct uart16550){ .inputs = inputs, .msr = inputs << 4, .divisor = 12, .refused = refused };
    for (unsigned line = 0; line < 3; line++)
        device_set_line(dev, line, false);
    device_set_deadline(dev, DEVICE_NEVER);
    offer_room(dev);
}

const struct device_type uart16550_device = {
    .name = "uart16550",
    .state_size = sizeof(struct uart16550),
    .ports = { { .count = 8,
                 .read = uart16550_read,
                 .write = uart16550_write,
                 .known = uart16550_known,
                 .posts = uart16550_posts } },
    .line_count = 3,
    .link_count = 1,
    .reset = uart16550_reset,
    .timer = uart16550_timer,
    .input = uart16550_input,
    .receive = uart16550_receive,
};
