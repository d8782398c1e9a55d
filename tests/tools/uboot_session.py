#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Start U-Boot's ROM for virtual PCs and see that it comes to its prompt: a second opinion on the chipset."""

import argparse
import os
import sys

from machine import Failure, Machine

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
ROM = "/usr/lib/u-boot/qemu-x86/u-boot.rom"
QUIT = "\x01x"
QUIT_STATUS = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--apic", default="off")
    parser.add_argument("--timeout", type=float, default=120)
    args = parser.parse_args()
    if not os.path.exists(ROM):
        print(f"there is no {ROM}: the package u-boot-qemu has it")
        return SKIPPED

    command = [args.program, "--machine", "pc", "--ram", "256M", "--bios", ROM, "--serial", "stdio",
               "--apic", args.apic]
    machine = Machine(command)
    try:
        machine.expect(r"U-Boot \d+", args.timeout)
        machine.expect(r"Hit any key to stop autoboot", args.timeout)
        machine.send("\r")
        machine.expect(r"=> ", args.timeout)
        machine.send("pci\r")
        machine.expect(r"00\.01\.03 +0x8086 +0x7113", args.timeout)
        machine.send("md.l 0x100000 4\r")
        machine.expect(r"00100000: ", args.timeout)
        print(f"ok    at the prompt after {machine.elapsed():.1f} s")
        machine.send(QUIT)
        status = machine.wait_exit(10)
        if status != QUIT_STATUS:
            raise Failure(f"the program ended with status {status}, not {QUIT_STATUS}")
    except Failure as failure:
        print(f"FAIL  {failure}\n----- command: {' '.join(command)}\n----- console:\n{machine.tail()}\n-----")
        return 1
    finally:
        machine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
