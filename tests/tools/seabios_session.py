#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Start the distribution's SeaBIOS and compare what it finds with the machine it is in.

SeaBIOS speaks on COM1, to where the machine's configuration directs it, and its log is on the debug
console. It is a second opinion on the chipset: memory, PCI, interrupt routing, shadow RAM.
"""

import argparse
import os
import re
import sys
import tempfile

from machine import Failure, Machine

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
PCI_HOLE = 0xE0000000
TABLES_MAX = 0x10000
QUIT = "\x01x"
QUIT_STATUS = 8


def rows_of_e820(log):
    """RAM in SeaBIOS's memory map, as pairs of first address and end."""
    return [(int(start, 16), int(end, 16))
            for start, end in re.findall(r"\d+: ([0-9a-f]{16}) - ([0-9a-f]{16}) = 1 RAM", log)]


def check_log(log, ram):
    for line in ("Running on QEMU (i440fx)", "QEMU fw_cfg DMA interface supported", "PCI: init bdf=00:01.1 id=8086:7010",
                 "PCI: init bdf=00:00.0 id=8086:1237", "PCI: init bdf=00:01.0 id=8086:7000",
                 "PCI: Using 00:02.0 for primary VGA",
                 "VBE DISPI: lfb_addr=fd000000, size 16 MB", "PIIX3/PIIX4 init: elcr=00 0c",
                 "PCI: init bdf=00:01.3 id=8086:7113", "Using pmtimer, ioport 0x608", "ACPI: parse DSDT",
                 "No bootable device."):
        if line not in log:
            raise Failure(f"the log does not say {line!r}")
    for word in ("Unable to unlock ram", "WARNING"):
        if word in log:
            raise Failure(f"the log says {word!r}")
    low = min(ram, PCI_HOLE)
    expected = {(0x100000, low)} | ({(1 << 32, (1 << 32) + ram - low)} if ram > low else set())
    # SeaBIOS keeps the last pages below the hole for ACPI tables.
    found = set((start, low if low - TABLES_MAX <= end < low else end)
                for start, end in rows_of_e820(log) if start >= 0x100000)
    if found != expected:
        raise Failure(f"the memory map has RAM at {found}, not {expected}")
    if "Copying SMBIOS from" not in log:
        raise Failure("SeaBIOS has not published our SMBIOS structures")


def check_screen(text):
    """What SeaBIOS says by INT 10h, in characters at B8000h."""
    if not re.match(r"SeaBIOS \(version [^)]+\)\n", text):
        raise Failure("SeaBIOS's name is not at the top of the screen")
    if "\nNo bootable device.\n" not in text:
        raise Failure("the screen does not say 'No bootable device.'")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--timeout", type=float, default=60)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        log_name = os.path.join(folder, "log")
        screen_name = os.path.join(folder, "screen.txt")
        command = [args.program, "--machine", "pc", "--engine", args.engine, "--ram", f"{args.ram}M",
                   "--serial", "stdio", "--debugcon", "file:" + log_name, "--screendump", screen_name]
        machine = Machine(command)
        log = ""
        try:
            machine.expect(r"SeaBIOS \(version [^)]+\)", args.timeout)
            machine.expect(r"No bootable device\.", args.timeout)
            print(f"ok    POST is over after {machine.elapsed():.1f} s")
            machine.send(QUIT)
            status = machine.wait_exit(10)
            with open(log_name, encoding="ascii", errors="replace") as file:
                log = file.read()
            if status != QUIT_STATUS:
                raise Failure(f"the program ended with status {status}, not {QUIT_STATUS}")
            check_log(log, args.ram << 20)
            with open(screen_name, encoding="utf-8") as file:
                check_screen(file.read())
        except Failure as failure:
            reason = machine.refused() or ""
            if "no SeaBIOS" in reason or "cannot create the virtual processor" in reason:
                print(reason)
                return SKIPPED
            print(f"FAIL  {failure}\n----- command: {' '.join(command)}")
            print(f"----- console:\n{machine.tail()}\n----- log:\n{log}\n-----")
            return 1
        finally:
            machine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
