/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PC: which chips there are, at which ports, and what every line is wired to. Only this file says where a
 * chip is and which interrupt it raises, but for those next to the processor (devices/near/near.c). The table
 * is the machine; the board's other files carry signals along it. IBM PC/AT Technical Reference, "System
 * Board"; Intel 82441FX and 82371SB datasheets.
 */
#include "pc_private.h"

/* clang-format off */
#define IRQ(n) { TO_IRQ, n, 0 }
#define CHANNEL(n) { TO_CHANNEL, n, 0 }
/* Which chip it is, the configuration says; those at the ISA bus have their interrupt on line 1. */
#define NIC_ROW(slot) { .devfn = PCI_DEVFN(slot, 0), .line = { { TO_INTX, 0, 0 }, IRQ(3) } }
#define VIRTIO_BLK_ROW(n)                                                                           \
    { &virtio_blk_device, .devfn = PCI_DEVFN(8 + (n), 0), .drive = PC_DRIVE_VDA + (n), .drive_count = 1, \
      .straps = (n), .line = { { TO_INTX, 0, 0 } } }
#define SHARE_ROW(n) { &virtio_9p_device, .devfn = PCI_DEVFN(12 + (n), 0), .line = { { TO_INTX, 0, 0 } } }
#define CONSOLE_LINK(n) { TO_CONSOLE, n, 0 }
#define COM_ROW(com, base, irq) { &uart16550_device, .port = { base },                              \
    .line = { { TO_IRQ, irq, 0 }, { TO_MODEM, 0, 0 }, { TO_MODEM, 1, 0 } },                         \
    .link = { { TO_SERIAL, com, 0 } } }

const struct row pc_rows[SLOT_COUNT] = {
    /* Interrupt controllers, timer and POST latch are in devices/near/near.c. */
    [RTC]           = { &mc146818_device, .port = { 0x70 },
                        .line = { { TO_IRQ, 8, 0 }, { TO_NMI_ENABLE, 0, 0 } } },
    [KBC]           = { &i8042_device, .port = { 0x60, 0x64 }, .pin0 = FROM_A20,
                        .line = { { TO_IRQ, 1, 0 }, { TO_IRQ, 12, 0 }, { TO_A20, 0, 0 },
                                  { TO_RESET, PC_RESET_KEYBOARD, 0 } },
                        .link = { { TO_PIN, 0, KEYBOARD }, { TO_PIN, 0, MOUSE } } },
    [KEYBOARD]      = { &ps2_keyboard_device, .link = { { TO_PIN, I8042_LINK_KBD, KBC } },
                        .line = { { TO_LED, 0, 0 }, { TO_LED, 1, 0 }, { TO_LED, 2, 0 } } },
    [MOUSE]         = { &ps2_mouse_device, .link = { { TO_PIN, I8042_LINK_AUX, KBC } } },
    [PORT61]        = { &port61_device, .port = { 0x61 }, .pin0 = FROM_OUT2,
                        .line = { { TO_GATE2, 0, 0 }, { TO_PIN, SPEAKER_PIN_DATA, SPEAKER } } },
    [SPEAKER]       = { &speaker_device, .line = { { TO_HEARD, 0, 0 } } },
    [PORT92]        = { &port92_device, .port = { 0x92 }, .pin0 = FROM_A20,
                        .line = { { TO_A20, 0, 0 }, { TO_RESET, PC_RESET_FAST, 0 } } },
    [RESET_CONTROL] = { &reset_control_device, .port = { 0xcf9 },
                        .line = { { TO_RESET, PC_RESET_SOFT, 0 }, { TO_RESET, PC_RESET_HARD, 0 } } },
    [FPU_ERROR]     = { &fpu_error_device, .port = { 0xf0 },
                        .line = { { TO_IRQ, 13, 0 }, { TO_IGNNE, 0, 0 } } },
    [COM1]          = COM_ROW(0, 0x3f8, 4),
    [COM2]          = COM_ROW(1, 0x2f8, 3),
    [COM3]          = COM_ROW(2, 0x3e8, 4),
    [COM4]          = COM_ROW(3, 0x2e8, 3),
    [DEBUGCON]      = { &debugcon_device, .port = { 0xe9 }, .link = { { TO_DEBUGCON, 0, 0 } } },
    [EXIT_PORT]     = { &exit_port_device, .link = { { TO_EXIT, 0, 0 } } }, /* port: see pc_config */
    [I440FX]        = { &i440fx_device, .port = { 0xcf8, 0xcfc }, .devfn = PCI_DEVFN(0, 0),
                        .line = { { TO_MEMORY, 0, 0 }, { TO_RESET, PC_RESET_SOFT, 0 },
                                  { TO_RESET, PC_RESET_HARD, 0 } } },
    [PIIX3]         = { &piix3_device, .devfn = PCI_DEVFN(1, 0),
                        .line = { IRQ(0), IRQ(1), IRQ(2), IRQ(3), IRQ(4), IRQ(5), IRQ(6), IRQ(7), IRQ(8),
                                  IRQ(9), IRQ(10), IRQ(11), IRQ(12), IRQ(13), IRQ(14), IRQ(15) } },
    [PIIX3_IDE]     = { &piix3_ide_device, .port = { 0x1f0, 0x3f6, 0x170, 0x376 }, .devfn = PCI_DEVFN(1, 1),
                        .drive = PC_DRIVE_HDA, .drive_count = PIIX3_IDE_UNITS, .line = { IRQ(14), IRQ(15) } },
    [FW_CFG]        = { &fw_cfg_device, .port = { 0x510, 0x514 } },
    [VGA]           = { &vga_device, .port = { 0x3b0, 0x3c0, 0x3d0, 0x1ce }, .mmio = { 0xa0000 },
                        .devfn = PCI_DEVFN(2, 0), .line = { { TO_MEMORY, 0, 0 } } },
    [FIRMWARE_LOG]  = { &debugcon_device, .port = { 0x402 }, .link = { { TO_DEBUGCON, 0, 0 } } },
    [DMA]           = { &i8237_device, .port = { 0x00, 0xc0, 0x81 },
                        .line = { CHANNEL(0), CHANNEL(1), CHANNEL(2), CHANNEL(3), { 0 },
                                  CHANNEL(5), CHANNEL(6), CHANNEL(7) } },
    [FLOPPY]        = { &i82077_device, .port = { 0x3f0, 0x3f7 }, .channel = { 2 + 1 }, .line = { IRQ(6) },
                        .drive = PC_DRIVE_FLOPPY_A, .drive_count = I82077_UNITS },
    [SB16]          = { &sb16_device, .port = { 0x220, 0x330, 0x388, 0x279, 0xa79 },
                        .channel = { 0 + 1, 1 + 1, 0, 3 + 1, 0, 5 + 1, 6 + 1, 7 + 1 },
                        .line = { IRQ(9), IRQ(5), IRQ(7), IRQ(10), { TO_PLACES, 0, 0 } } },
    [PIIX4_PM]      = { &piix4_pm_device, .port = { 0xb2 }, .devfn = PCI_DEVFN(1, 3),
                        .line = { IRQ(9), { TO_POWER, 0, 0 } } },
    [NIC0]          = NIC_ROW(3),
    [NIC0 + 1]      = NIC_ROW(4),
    [NIC0 + 2]      = NIC_ROW(5),
    [NIC0 + 3]      = NIC_ROW(6),
    [VIRTIO_BLK0]     = VIRTIO_BLK_ROW(0),
    [VIRTIO_BLK0 + 1] = VIRTIO_BLK_ROW(1),
    [VIRTIO_BLK0 + 2] = VIRTIO_BLK_ROW(2),
    [VIRTIO_BLK0 + 3] = VIRTIO_BLK_ROW(3),
    [VIRTIO_RNG]    = { &virtio_rng_device, .devfn = PCI_DEVFN(7, 0), .line = { { TO_INTX, 0, 0 } } },
    [VIRTIO_TABLET] = { &virtio_tablet_device, .devfn = PCI_DEVFN(16, 0), .line = { { TO_INTX, 0, 0 } } },
    [VIRTIO_BALLOON] = { &virtio_balloon_device, .devfn = PCI_DEVFN(19, 0), .line = { { TO_INTX, 0, 0 } } },
    [VIRTIO_KEYBOARD] = { &virtio_keyboard_device, .devfn = PCI_DEVFN(18, 0),
                          .line = { { TO_INTX, 0, 0 }, { TO_LED, 0, 0 }, { TO_LED, 1, 0 }, { TO_LED, 2, 0 } } },
    [VIRTIO_CONSOLE] = { &virtio_console_device, .devfn = PCI_DEVFN(17, 0), .line = { { TO_INTX, 0, 0 } },
                         .link = { CONSOLE_LINK(0), CONSOLE_LINK(1), CONSOLE_LINK(2), CONSOLE_LINK(3), CONSOLE_LINK(4),
                                   CONSOLE_LINK(5), CONSOLE_LINK(6) } },
    [SHARE0]        = SHARE_ROW(0),
    [SHARE0 + 1]    = SHARE_ROW(1),
    [SHARE0 + 2]    = SHARE_ROW(2),
    [SHARE0 + 3]    = SHARE_ROW(3),
};
/* clang-format on */
