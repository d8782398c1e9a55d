#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print how fast everything with the guest's kernel in it is beside QEMU's emulator, in one table.

The boot to the shell, what programs ask of their kernel (tests/guest_user/bench.c), and commands in the guest's shell, the
same kernel and initramfs in both. Rounds go to and fro between the two, and who does not run is stopped. A ratio is that of
a round; the median of the rounds counts. On a busy host more short rounds tell more than a few long ones.

    ./setup build && ./setup guests && ./setup bench-deps
    python3 tests/tools/target_bench.py --program build/frontend/duplex86 --kernel build/guests/vmlinuz-686 \\
        --initrd build/guests/initramfs.gz --bench build/tests/guest_user/programs/bench
"""

import argparse
import os
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time

from machine import Failure, Machine, duplex86_command, qemu_command
from native_bench import CATCH_UP_S, CLASSES, Guest, Host, figure
from user_session import add_programs, shell

# What is wanted of each kind: a row's least ratio, and the geometric mean's.
WANTED = {"boot": (4, None), "null system calls": (2, None), "with the kernel": (1.5, 3), "shell": (4, None)}

# Name and command, each for some tenths of a second in the emulator.
SHELL = (
    ("spawn", "i=0; while [ $i -lt 150 ]; do /bin/busybox true; i=$((i+1)); done"),
    ("subshells", "i=0; while [ $i -lt 300 ]; do (:); i=$((i+1)); done"),
    ("pipeline", "i=0; while [ $i -lt 50 ]; do echo a b c | sed s/a/x/ | grep x; i=$((i+1)); done >/dev/null"),
    ("small writes", "dd if=/dev/zero bs=512 count=20000 2>/dev/null | cat >/dev/null"),
    ("find", "find / -xdev >/dev/null; find /proc 2>/dev/null | wc -l"),
    ("grep", "find /sys -type f -name 'u*' 2>/dev/null | xargs grep -s -c 1 | wc -l"),
    ("gzip", "gzip -c /bin/busybox | gzip -d | md5sum"),
)


class Peer(Guest):
    """A guest that also times commands of its shell."""

    def time_command(self, command, timeout):
        self.machine.signal_all(signal.SIGCONT)
        time.sleep(CATCH_UP_S)
        started = time.monotonic()
        _, status = shell(self.machine, command, timeout)
        seconds = time.monotonic() - started
        self.machine.signal_all(signal.SIGSTOP)
        if status:
            raise Failure(f"{self.name}: {command} ended with status {status}")
        return seconds


class Rows:
    """Values by kind of work, row and contestant, in the order in which they were first added."""

    def __init__(self):
        self.rows = {}

    def add(self, kind, row, unit, name, value):
        self.rows.setdefault((kind, row, unit), {}).setdefault(name, []).append(value)

    def ratios(self, kind):
        """{row: how many times as fast as the emulator}, of rounds both took part in."""
        found = {}
        for (of_kind, row, unit), values in self.rows.items():
            pairs = zip(values.get("duplex86", []), values.get("QEMU TCG", []))
            ratios = [emulated / ours for ours, emulated in pairs]
            if of_kind == kind and ratios:
                found[row] = (unit, statistics.median(ratios))
        return found

    def median(self, kind, row, unit, name):
        values = self.rows[kind, row, unit].get(name)
        return figure(statistics.median(values)) if values else "-"


def commands_of(args, initrd):
    """Who takes part: {name: command}."""
    return {"duplex86": duplex86_command(args.program, args.kernel, initrd, args.append, args.ram, "sbe", args.program_arg),
            "QEMU TCG": qemu_command(args.qemu, args.kernel, initrd, args.append, args.ram, cpu="qemu32,-apic")}


def time_boots(rows, commands, args):
    for _ in range(args.boots):
        for name, command in commands.items():
            machine = Machine(command)
            try:
                machine.expect(r"BOOT-OK ", args.timeout)
                rows.add("boot", "to the shell", "s", name, machine.elapsed())
            finally:
                machine.close()


def time_round(rows, peers, args):
    for kind in ("null system calls", "with the kernel"):
        for test in filter(args.is_wanted, CLASSES[kind]):
            for peer in peers:
                value, unit = peer.run(test, args.milliseconds, args.timeout)
                rows.add(kind, test, unit, peer.name, value)
    for name, command in SHELL:
        for peer in peers:
            if args.is_wanted(name):
                rows.add("shell", name, "s", peer.name, peer.time_command(command, args.timeout))


def print_table(rows):
    """True if all is as wanted."""
    good = True
    print("| work | | duplex86 | QEMU TCG | times as fast | wanted |\n|---|---|---|---|---|---|")
    for kind, (least, mean) in WANTED.items():
        ratios = rows.ratios(kind)
        for row, (unit, ratio) in ratios.items():
            cells = [rows.median(kind, row, unit, name) for name in ("duplex86", "QEMU TCG")]
            print(f"| {kind}: {row} | {unit} | {' | '.join(cells)} | {ratio:.2f} | {least} |")
            good &= ratio >= least
        if mean and len(ratios) == len(CLASSES[kind]):
            ratio = statistics.geometric_mean(ratio for _, ratio in ratios.values())
            print(f"| {kind}, geometric mean | | | | {ratio:.2f} | {mean} |")
            good &= ratio >= mean
    return good


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="duplex86")
    parser.add_argument("--bench", required=True, help="the benchmark program")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--qemu", default="qemu-system-i386")
    parser.add_argument("--program-arg", action="append", default=[], help="passed to duplex86 (repeatable)")
    parser.add_argument("--append", default="console=ttyS0", help="kernel command line")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--milliseconds", type=int, default=80, help="for each test in each round")
    parser.add_argument("--only", default="", help="run only tests and commands whose name matches, and no boots")
    parser.add_argument("--need", action="store_true", help="fail if a target is missed")
    parser.add_argument("--timeout", type=float, default=180, help="seconds for each step")
    args = parser.parse_args()
    args.is_wanted = lambda name: re.search(args.only, name)
    return args


def main():
    args = parse_arguments()
    for path in (args.kernel, args.initrd, args.bench):
        if not os.path.exists(path):
            sys.exit(f"there is no {path}")
    if not shutil.which(args.qemu):
        sys.exit(f"{args.qemu} is not installed")
    rows, peers = Rows(), []
    with tempfile.TemporaryDirectory(prefix="d86-bench-") as folder:
        initrd = os.path.join(folder, "initramfs")
        add_programs(args.initrd, os.path.dirname(args.bench), [os.path.basename(args.bench)], initrd)
        commands = commands_of(args, initrd)
        try:
            if not args.only:
                time_boots(rows, commands, args)
            khz = Host("native", args).khz
            for name, command in commands.items():
                peers.append(Peer(name, command, khz, args.timeout))
            for number in range(args.rounds):
                time_round(rows, peers[::-1] if number % 2 else peers, args)
                print(f"round {number + 1} of {args.rounds} done", file=sys.stderr, flush=True)
        except (Failure, OSError) as failure:
            sys.exit(f"target_bench: {failure}")
        finally:
            for peer in peers:
                peer.close()
    return 0 if print_table(rows) or not args.need else 1


if __name__ == "__main__":
    sys.exit(main())
