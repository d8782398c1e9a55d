#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Start memtest86+ with its display on the serial console and watch it test memory without errors.

memtest86+ runs without an operating system: it sets up paging, finds the memory map the loader
passed, and moves itself about in memory, which makes it a good second opinion on the processor.
"""

import argparse
import os
import re
import sys

from machine import Failure, Machine, duplex86_command, qemu_command

SKIPPED = 77  # tests/tools/boot.cmake tells ctest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", choices=("duplex86", "qemu"), default="duplex86")
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True, help="memtest86+ia32.bin")
    parser.add_argument("--engine")
    # With less most tests are over between two lines of the console.
    parser.add_argument("--ram", type=int, default=128, help="MiB")
    parser.add_argument("--tests", type=int, default=3, help="how many different tests must have been seen")
    parser.add_argument("--timeout", type=float, default=120)
    args = parser.parse_args()

    if not os.path.exists(args.kernel):
        print(f"there is no {args.kernel}: './setup guests' makes it")
        return SKIPPED
    append = "console=ttyS0,115200 nosmp"
    if args.runner == "qemu":
        command = qemu_command(args.program, args.kernel, None, append, args.ram)
    else:
        command = duplex86_command(args.program, args.kernel, None, append, args.ram, args.engine)
    machine = Machine(command)
    seen = []
    try:
        machine.expect(r"Status: Testing", args.timeout)
        while len(seen) < args.tests:
            # The line of the current test, e.g. "#4  [Moving inversions, 8 bit pattern]".
            test = machine.expect(r"#(\d+) +\[([^\]]+)\]", args.timeout)
            if test[2] not in seen:
                seen.append(test[2])
                print(f"ok    after {machine.elapsed():5.1f} s: #{test[1]} {test[2]}", flush=True)
            errors = re.findall(r"Errors: *(\d+)", machine.transcript)
            if any(int(count) for count in errors):
                raise Failure("memtest86+ found errors")
        if not re.search(r"Errors: *0", machine.transcript):
            raise Failure("memtest86+ did not show its count of errors")
    except Failure as failure:
        print(f"FAIL  {failure}\n----- command: {' '.join(command)}")
        print(f"----- last of the console:\n{machine.transcript[-2000:]}\n-----")
        return 1
    finally:
        machine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
