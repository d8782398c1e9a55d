#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of the host's memory a guest takes, beside QEMU's emulator: to the shell, and after some work in it.

Figures of all processes of a program: Pss divides a page among all places where it is mapped, so its sum is what the
host gives, seen every 20 ms; VmHWM is each process's peak of resident memory, which counts a page once for each place where
that process has it mapped; the greatest VmHWM is that of the process that has most. Page tables (VmPTE) are in none of these.
"""

import argparse
import re
import statistics
import sys
import threading
import time

from boot_session import Session
from machine import Machine, duplex86_command, qemu_command

WORK = ("for i in 1 2 3 4 5 6 7 8 9 10; do find / -xdev >/dev/null; gzip -c /bin/busybox | gzip -d | md5sum; done >/dev/null; "
        "dd if=/dev/zero of=/tmp/file bs=1M count=64 2>/dev/null; md5sum /tmp/file >/dev/null")
FIGURES = ("Pss, sum", "VmHWM, sum", "VmHWM, greatest", "VmPTE, sum")


def kib(path, field):
    with open(path, encoding="ascii", errors="replace") as file:
        match = re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.MULTILINE)
    return int(match[1]) if match else 0


class Meter:
    """Looks at a program's memory while it runs."""

    def __init__(self, machine):
        self.machine = machine
        self.pss = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _processes(self):
        return [pid for pid, _ in self.machine._processes()]

    def _watch(self):
        while not self.ended.wait(0.02):
            try:
                self.pss = max(self.pss, sum(kib(f"/proc/{pid}/smaps_rollup", "Pss") for pid in self._processes()))
            except OSError:
                pass  # one has ended

    def peaks(self):
        """FIGURES so far, in MiB."""
        highs, tables = ([kib(f"/proc/{pid}/status", field) for pid in self._processes()] for field in ("VmHWM", "VmPTE"))
        return [value / 1024 for value in (self.pss, sum(highs), max(highs), sum(tables))]

    def end(self):
        self.ended.set()
        self.thread.join()


def measure(command, args):
    """FIGURES at the shell, and after the work."""
    machine = Machine(command)
    meter = Meter(machine)
    try:
        session = Session(machine, argparse.Namespace(boot_timeout=args.timeout))
        session.check_boot()
        time.sleep(0.5)
        shell = meter.peaks()
        session.run(WORK, timeout=args.timeout)
        return shell + meter.peaks()
    finally:
        meter.end()
        machine.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="duplex86")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--qemu", default="qemu-system-i386")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for each step")
    args = parser.parse_args()
    commands = {f"duplex86{' --spaces 1' if extra else ''}":
                duplex86_command(args.program, args.kernel, args.initrd, "console=ttyS0", args.ram, "sbe", extra)
                for extra in ((), ("--spaces", "1"))}
    commands["QEMU TCG"] = qemu_command(args.qemu, args.kernel, args.initrd, "console=ttyS0", args.ram, cpu="qemu32,-apic")
    rows = {name: [] for name in commands}
    for _ in range(args.rounds):
        for name, command in commands.items():
            rows[name].append(measure(command, args))
    print(f"| MiB | {' | '.join(commands)} | duplex86 to QEMU |\n|---|{'---|' * (len(commands) + 1)}")
    for i, what in enumerate([f"{figure}, {when}" for when in ("to the shell", "after some work") for figure in FIGURES]):
        values = [statistics.median(row[i] for row in rows[name]) for name in commands]
        print(f"| {what} | {' | '.join(f'{value:.3g}' for value in values)} | {values[0] / values[-1]:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
