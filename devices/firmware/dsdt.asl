/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What ACPI cannot find out by looking: the chips on the ISA bus, how PCI interrupts are led, how to switch
 * off. TOLM and DEVS are filled in by devices/firmware/acpi_tables.c. ACPI specification, "ACPI Source
 * Language Reference".
 */
DefinitionBlock ("", "DSDT", 1, "DUPLEX", "D86PC", 1)
{
    Name (TOLM, 0xE0000000) /* where addresses of 32-bit devices begin */
    Name (DEVS, 0x7FFFFFFF) /* what there is: bits 0 to 3 COM1 to COM4, bit 4 the floppy controller */

    Name (\_S5_, Package () { 0, 0, 0, 0 }) /* SUS_TYP: soft off */

    Method (STAT, 1) /* _STA of the chip with bit Arg0 */
    {
        If ((DEVS >> Arg0) & 1)
        {
            Return (0x0F)
        }
        Return (0)
    }

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_BBN, 0)

            Name (CRES, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0, 0, 0xFF, 0, 0x100)
                IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0, 0x0000, 0x0CF7, 0, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0, 0x0D00, 0xFFFF, 0, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                    0, 0x000A0000, 0x000BFFFF, 0, 0x00020000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xE0000000, 0xFEBFFFFF, 0, 0x1EC00000, , , PMEM)
            })
            Method (_CRS, 0, Serialized)
            {
                CreateDWordField (CRES, \_SB.PCI0.PMEM._MIN, PMIN)
                CreateDWordField (CRES, \_SB.PCI0.PMEM._LEN, PLEN)
                PMIN = TOLM
                PLEN = 0xFEC00000 - TOLM
                Return (CRES)
            }

            /* INTA# of slot 1 is PIRQA, that of slot 2 PIRQB, and so on round the slots. */
            Method (_PRT, 0, Serialized)
            {
                Local0 = Package (128) {}
                Local1 = 0
                While (Local1 < 128)
                {
                    Local2 = Local1 >> 2 /* slot; the pin is the rest */
                    Local3 = (Local1 + Local2 + 3) & 3 /* PIRQ */
                    If (Local3 == 0)
                    {
                        Local4 = Package (4) { 0, 0, LNKA, 0 }
                    }
                    If (Local3 == 1)
                    {
                        Local4 = Package (4) { 0, 0, LNKB, 0 }
                    }
                    If (Local3 == 2)
                    {
                        Local4 = Package (4) { 0, 0, LNKC, 0 }
                    }
                    If (Local3 == 3)
                    {
                        Local4 = Package (4) { 0, 0, LNKD, 0 }
                    }
                    Local4 [0] = (Local2 << 16) | 0xFFFF
                    Local4 [1] = Local1 & 3
                    Local0 [Local1] = Local4
                    Local1++
                }
                Return (Local0)
            }

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (PIRQ, PCI_Config, 0x60, 4)
                Field (PIRQ, ByteAcc, NoLock, Preserve)
                {
                    PRQ0, 8,
                    PRQ1, 8,
                    PRQ2, 8,
                    PRQ3, 8
                }

                Device (PIC)
                {
                    Name (_HID, EisaId ("PNP0000"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0020, 0x0020, 1, 2)
                        IO (Decode16, 0x00A0, 0x00A0, 1, 2)
                        IO (Decode16, 0x04D0, 0x04D0, 1, 2)
                        IRQNoFlags () { 2 }
                    })
                }
                Device (TIMR)
                {
                    Name (_HID, EisaId ("PNP0100"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0040, 0x0040, 1, 4)
                        IRQNoFlags () { 0 }
                    })
                }
                Device (DMAC)
                {
                    Name (_HID, EisaId ("PNP0200"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0000, 0x0000, 1, 16)
                        IO (Decode16, 0x0081, 0x0081, 1, 15)
                        IO (Decode16, 0x00C0, 0x00C0, 1, 32)
                        DMA (Compatibility, NotBusMaster, Transfer8) { 4 }
                    })
                }
                Device (SPKR)
                {
                    Name (_HID, EisaId ("PNP0800"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0061, 0x0061, 1, 1)
                    })
                }
                Device (FPU)
                {
                    Name (_HID, EisaId ("PNP0C04"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x00F0, 0x00F0, 1, 2)
                        IRQNoFlags () { 13 }
                    })
                }
                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0070, 0x0070, 1, 2)
                        IRQNoFlags () { 8 }
                    })
                }
                Device (KBD)
                {
                    Name (_HID, EisaId ("PNP0303"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0060, 0x0060, 1, 1)
                        IO (Decode16, 0x0064, 0x0064, 1, 1)
                        IRQNoFlags () { 1 }
                    })
                }
                Device (MOU)
                {
                    Name (_HID, EisaId ("PNP0F13"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IRQNoFlags () { 12 }
                    })
                }
                Device (FDC0)
                {
                    Name (_HID, EisaId ("PNP0700"))
                    Method (_STA, 0)
                    {
                        Return (STAT (4))
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03F0, 0x03F0, 1, 6)
                        IO (Decode16, 0x03F7, 0x03F7, 1, 1)
                        IRQNoFlags () { 6 }
                        DMA (Compatibility, NotBusMaster, Transfer8) { 2 }
                    })
                }
                Device (COM1)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 1)
                    Method (_STA, 0)
                    {
                        Return (STAT (0))
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03F8, 0x03F8, 1, 8)
                        IRQNoFlags () { 4 }
                    })
                }
                Device (COM2)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 2)
                    Method (_STA, 0)
                    {
                        Return (STAT (1))
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x02F8, 0x02F8, 1, 8)
                        IRQNoFlags () { 3 }
                    })
                }
                Device (COM3)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 3)
                    Method (_STA, 0)
                    {
                        Return (STAT (2))
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03E8, 0x03E8, 1, 8)
                        IRQNoFlags () { 4 }
                    })
                }
                Device (COM4)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 4)
                    Method (_STA, 0)
                    {
                        Return (STAT (3))
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x02E8, 0x02E8, 1, 8)
                        IRQNoFlags () { 3 }
                    })
                }
            }
        }

        /* PIRQA to PIRQD. A link gives the interrupt request in its register, until it is led elsewhere. */
        Name (LNKP, ResourceTemplate ()
        {
            Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5, 10, 11 }
        })
        Name (LCRS, ResourceTemplate ()
        {
            Interrupt (ResourceConsumer, Level, ActiveHigh, Shared, , , LINT) { 0 }
        })
        Method (LNKS, 1) /* _STA by the register */
        {
            If (Arg0 & 0x80)
            {
                Return (0x09)
            }
            Return (0x0B)
        }
        Method (LNKR, 1, Serialized) /* _CRS by the register */
        {
            CreateDWordField (LCRS, \_SB.LINT._INT, LIRQ)
            LIRQ = 0
            If (!(Arg0 & 0x80))
            {
                LIRQ = Arg0
            }
            Return (LCRS)
        }

        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 1)
            Method (_STA, 0)
            {
                Return (LNKS (\_SB.PCI0.ISA.PRQ0))
            }
            Method (_PRS, 0)
            {
                Return (LNKP)
            }
            Method (_CRS, 0)
            {
                Return (LNKR (\_SB.PCI0.ISA.PRQ0))
            }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 0x05, WIRQ)
                \_SB.PCI0.ISA.PRQ0 = WIRQ
            }
            Method (_DIS, 0)
            {
                \_SB.PCI0.ISA.PRQ0 |= 0x80
            }
        }

        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 2)
            Method (_STA, 0)
            {
                Return (LNKS (\_SB.PCI0.ISA.PRQ1))
            }
            Method (_PRS, 0)
            {
                Return (LNKP)
            }
            Method (_CRS, 0)
            {
                Return (LNKR (\_SB.PCI0.ISA.PRQ1))
            }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 0x05, WIRQ)
                \_SB.PCI0.ISA.PRQ1 = WIRQ
            }
            Method (_DIS, 0)
            {
                \_SB.PCI0.ISA.PRQ1 |= 0x80
            }
        }

        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 3)
            Method (_STA, 0)
            {
                Return (LNKS (\_SB.PCI0.ISA.PRQ2))
            }
            Method (_PRS, 0)
            {
                Return (LNKP)
            }
            Method (_CRS, 0)
            {
                Return (LNKR (\_SB.PCI0.ISA.PRQ2))
            }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 0x05, WIRQ)
                \_SB.PCI0.ISA.PRQ2 = WIRQ
            }
            Method (_DIS, 0)
            {
                \_SB.PCI0.ISA.PRQ2 |= 0x80
            }
        }

        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 4)
            Method (_STA, 0)
            {
                Return (LNKS (\_SB.PCI0.ISA.PRQ3))
            }
            Method (_PRS, 0)
            {
                Return (LNKP)
            }
            Method (_CRS, 0)
            {
                Return (LNKR (\_SB.PCI0.ISA.PRQ3))
            }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 0x05, WIRQ)
                \_SB.PCI0.ISA.PRQ3 = WIRQ
            }
            Method (_DIS, 0)
            {
                \_SB.PCI0.ISA.PRQ3 |= 0x80
            }
        }
    }
}
