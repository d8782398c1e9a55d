/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chips there are, and what their lines, pins, links and straps are called. This is what a board needs to
 * wire them up: devices/board/pc_rows.c does, and so does each chip's test.
 */
#pragma once

#include "devices/device.h"

/* Interrupt controller. Ports: 2 registers, then 1 edge/level control register (PIIX ELCR). */
extern const struct device_type i8259_device;

enum {
    I8259_LINE_INT = 0,
    I8259_LINE_REQUEST0 = 1,       /* bit 0 of IRR; not a pin, but what the timer has to know */
    I8259_PIN_IR0 = 0,             /* IR0..IR7 are pins 0..7 */
    I8259_STRAP_MASTER = 1 << 8,   /* SP/EN is high: a master */
    I8259_STRAP_ELCR_FIXED = 0xff, /* lines whose ELCR bit cannot be set */
};

/* Interval timer. Ports: counters 0-2 and the control word. */
extern const struct device_type i8254_device;

enum {
    I8254_LINE_OUT0 = 0, /* driven at its rising edges; OUT1 and OUT2 are only sampled */
    I8254_LINE_OUT1 = 1,
    I8254_LINE_OUT2 = 2,
    I8254_PIN_GATE2 = 2,    /* GATE0 and GATE1 are tied high on a PC */
    I8254_PIN_REQUEST0 = 3, /* high: the interrupt of OUT0's last rise has not been taken yet */
};

/* Real-time clock and CMOS RAM. Ports: index, data. */
extern const struct device_type mc146818_device;

enum {
    MC146818_LINE_IRQ = 0,
    MC146818_LINE_NMI_ENABLE = 1, /* the latch in bit 7 of the index port, inverted: high lets NMI through */
};

/* Keyboard controller. Ports: data, then command/status (60h and 64h are two runs). Links: two PS/2 sockets.
 */
extern const struct device_type i8042_device;

enum {
    I8042_LINE_IRQ_KBD = 0,
    I8042_LINE_IRQ_AUX = 1,
    I8042_LINE_A20 = 2,
    I8042_LINE_RESET = 3, /* active high; pulses */
    I8042_LINK_KBD = 0,
    I8042_LINK_AUX = 1,
    I8042_PIN_A20 = 0, /* asked for: the A20 gate as it is, whoever moved it last */
};

/* The two things that plug into it. Link 0 is the cable. */
extern const struct device_type ps2_keyboard_device;
extern const struct device_type ps2_mouse_device;

enum {
    PS2_KEYBOARD_LINE_LED0 = 0,    /* Scroll, Num, Caps Lock are lines 0..2 */
    PS2_KEYBOARD_LINE_WAITING = 3, /* only to be asked for: it has something to send that nobody takes yet */
};

/* Serial port. Ports: 8 registers. Link 0 is the line. */
extern const struct device_type uart16550_device;

enum {
    UART16550_LINE_IRQ = 0, /* INTRPT gated by OUT2, as on the PC's serial card */
    UART16550_LINE_DTR = 1,
    UART16550_LINE_RTS = 2,
    UART16550_PIN_CTS = 0, /* modem inputs, active high, in the order of the MSR */
    UART16550_PIN_DSR = 1,
    UART16550_PIN_RI = 2,
    UART16550_PIN_DCD = 3,
    UART16550_PIN_BREAK = 4, /* SIN held at space; a rising edge is one break */
};

/* System control port B (61h): speaker, timer 2 gate, refresh. One port. */
extern const struct device_type port61_device;

enum {
    PORT61_LINE_GATE2 = 0,
    PORT61_LINE_SPEAKER = 1, /* the speaker data bit */
    PORT61_PIN_OUT2 = 0,     /* asked for */
};

/* System control port A (92h): fast A20 and fast reset. One port. */
extern const struct device_type port92_device;

enum {
    PORT92_LINE_A20 = 0,
    PORT92_LINE_RESET = 1,
    PORT92_PIN_A20 = 0, /* asked for */
};

/* POST code latch (80h). One port. */
extern const struct device_type port80_device;

/* Debug console (E9h): one port; what is written leaves on link 0. */
extern const struct device_type debugcon_device;

/* Exit port for test guests: 4 ports; the low byte of a value written leaves on link 0. */
extern const struct device_type exit_port_device;

/* Reset control register of the PIIX (CF9h): one port. Both lines pulse high. */
extern const struct device_type reset_control_device;

enum {
    RESET_CONTROL_LINE_SOFT = 0,
    RESET_CONTROL_LINE_HARD = 1,
};

/* The PC's x87 error latch (F0h, F1h): 2 ports. */
extern const struct device_type fpu_error_device;

enum {
    FPU_ERROR_LINE_IRQ = 0,
    FPU_ERROR_LINE_IGNNE = 1,
    FPU_ERROR_PIN_FERR = 0,
};

/*
 * Host bridge of the i440FX: PCI function, and the ports of configuration mechanism 1 (address, data).
 * The segments of memory of which it `decodes` accesses are I440FX_SEGMENT_*.
 */
extern const struct device_type i440fx_device;

enum {
    I440FX_LINE_MEMORY = 0, /* pulses: it decodes memory in another way now */
    I440FX_LINE_SOFT = 1,   /* both pulse high: resets of the processor, and of the system */
    I440FX_LINE_HARD = 2,
    I440FX_SEGMENT_C0000 = 0, /* twelve of 16 KiB each, up to F0000h */
    I440FX_SEGMENT_F0000 = 12,
    I440FX_SEGMENT_SMRAM = 13, /* A0000h-BFFFFh */
    I440FX_SEGMENTS = 14,
};

/* ISA bridge of the PIIX3: PCI function. Lines 0..15 are the interrupt requests it drives. */
extern const struct device_type piix3_device;

enum {
    PIIX3_PIN_PIRQA = 0, /* PIRQA..PIRQD are pins 0..3, active high here */
    PIIX3_PIRQS = 4,
};

/*
 * IDE function of the PIIX3: PCI function. Ports: command and control block of the primary channel, then of
 * the secondary one. Units 0..3 are disks or CD-ROM drives: device 0 and 1 of each channel.
 */
extern const struct device_type piix3_ide_device;

enum {
    PIIX3_IDE_LINE_IRQ0 = 0, /* of the primary channel; the secondary one's is 1 */
    PIIX3_IDE_CHANNELS = 2,
    PIIX3_IDE_UNITS = 4,
};

/* Firmware configuration device. Ports: selector and data, then the descriptor's address. Its items are its
   contents. */
extern const struct device_type fw_cfg_device;

/*
 * Display adapter: PCI function. Ports: 3B0h-3BBh, 3C0h-3CFh and 3D0h-3DFh, then DISPI's. Memory of A0000h to
 * BFFFFh is its run of addresses; its own memory has VIDEO_MEMORY_ALL bytes (devices/video.h).
 */
extern const struct device_type vga_device;

enum {
    VGA_LINE_MEMORY = 0, /* pulses: its `window` is another now */
};

/* Power management of the PIIX4: PCI function. Ports: APM control and status (B2h). */
extern const struct device_type piix4_pm_device;

enum {
    PIIX4_PM_LINE_SCI = 0, /* level; sampled it says whether the power button would be noticed */
    PIIX4_PM_LINE_OFF = 1, /* pulses high: power off */
    PIIX4_PM_PIN_BUTTON = 0,
    PIIX4_PM_BASE = 0x40,        /* PMBA: where its registers are */
    PIIX4_PM_ACPI_ENABLE = 0xf1, /* what firmware's SMI handler knows by APMC */
    PIIX4_PM_ACPI_DISABLE = 0xf0,
};

/*
 * DMA controllers of the AT with their page registers. Ports: the first 8237A, the second, pages (81h). Lines
 * 0..7 pulse when the channel may have been opened, and when software looks how far it has come.
 */
extern const struct device_type i8237_device;

/* Intel 82540EM, a gigabit Ethernet adapter: PCI function. Its expansion ROM is its contents. */
extern const struct device_type e1000_device;

enum {
    E1000_LINE_INTA = 0,
};

/* NE2000 at the ISA bus: Ports: 16 registers, then 16 with the data port and the reset port. */
extern const struct device_type ne2000_isa_device;

/* Realtek RTL8029, a NE2000 as a PCI function. Its expansion ROM is its contents. */
extern const struct device_type rtl8029_device;

enum {
    RTL8029_LINE_INTA = 0,
    NE2000_ISA_LINE_IRQ = 1,
};

/* Network adapter of virtio: PCI function, INTA# on line 0. Its expansion ROM is its contents. */
extern const struct device_type virtio_net_device;

/* Floppy controller, with drives A and B. Ports: 6 registers, and that at 3F7h. */
extern const struct device_type i82077_device;

enum {
    I82077_LINE_IRQ = 0,
    I82077_UNITS = 2,
};

/* Speaker, driven by both: data (port 61h) and OUT2 of the timer. */
extern const struct device_type speaker_device;

enum {
    SPEAKER_LINE_HEARD = 0, /* high: OUT2 is heard */
    SPEAKER_PIN_DATA = 0,
    SPEAKER_PIN_OUT2 = 1, /* only asked for, by its levels in the past */
};

/*
 * Sound Blaster 16: ports 220h-22Fh, MPU-401 (330h), the FM chip's (388h), and two of Plug and Play (279h,
 * A79h). Its requests for DMA, 0..7, are for the channels of those numbers. Lines 0..3: the interrupt requests
 * it can be set to; 4 rises when the third port of Plug and Play is elsewhere now.
 */
extern const struct device_type sb16_device;

enum {
    SB16_LINE_IRQ2 = 0, /* which is IRQ 9 on an AT */
    SB16_LINE_IRQ5 = 1,
    SB16_LINE_IRQ7 = 2,
    SB16_LINE_IRQ10 = 3,
    SB16_LINE_PLACED = 4,
    SB16_LINES = 5,
};

/* Disk of virtio, unit 0: PCI function, line VIRTIO_LINE_INTA. The straps are its number. */
extern const struct device_type virtio_blk_device;

/* Shared folder by 9P over virtio: PCI function, line VIRTIO_LINE_INTA. Item 0 of its contents is its name.
 */
extern const struct device_type virtio_9p_device;

/* Memory balloon of virtio: PCI function, line VIRTIO_LINE_INTA. */
extern const struct device_type virtio_balloon_device;

/* Entropy device of virtio: PCI function, line VIRTIO_LINE_INTA. */
extern const struct device_type virtio_rng_device;

enum { VIRTIO_CONSOLE_PORTS = 7 };

/* Console of virtio: PCI function, line VIRTIO_LINE_INTA. Link n carries the bytes of port n, whose name is
 * item n of its contents, of no bytes for a console; input pin n is high while somebody is at the link's
 * other end. */
extern const struct device_type virtio_console_device;

enum {
    /* After VIRTIO_LINE_INTA: */
    VIRTIO_KEYBOARD_LINE_SCROLL = 1, /* LEDs */
    VIRTIO_KEYBOARD_LINE_NUM = 2,
    VIRTIO_KEYBOARD_LINE_CAPS = 3,
    VIRTIO_KEYBOARD_LINE_WAITING = 4, /* only sampled: there are keys that the guest was not told of */
    VIRTIO_KEYBOARD_LINES = 5,
};

/* Keyboard of virtio: PCI function. */
extern const struct device_type virtio_keyboard_device;

/* Pointing device of virtio: PCI function, line VIRTIO_LINE_INTA. */
extern const struct device_type virtio_tablet_device;
