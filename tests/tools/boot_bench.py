#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Time the same kernel and initramfs in Duplex86, QEMU's emulator and Bochs, side by side.

Two times are taken on the host's clock: from the start of the program to the line BOOT-OK, and from
the kernel's first console line to BOOT-OK (which leaves out firmware, loading and unpacking). Then a
few commands are timed in the guest's shell. The runs of the programs are interleaved, so that a
change of the host's speed meets all of them. QEMU and Bochs are left out if not installed;
'./setup bench-deps' installs them.
"""

import argparse
import os
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from bochs64 import watch_screen
from machine import Failure, Machine, duplex86_command, qemu_command

PROMPT = r"duplex86:/root# "

# Name and command; chosen for what they exercise.
WORK = (
    ("sha256", "dd if=/dev/zero bs=64k count=64 2>/dev/null | sha256sum"),  # integer code, 4 MiB
    ("awk", "awk 'BEGIN { for (i = 0; i < 100000; i++) s += i % 7; print s }'"),  # x87, indirect calls
    ("fork", "i=0; while [ $i -lt 100 ]; do (:); i=$((i+1)); done"),  # page tables, faults, switches
    ("pipe", "dd if=/dev/zero bs=512 count=20000 2>/dev/null | cat >/dev/null"),  # system calls
)

BOCHSRC = """\
config_interface: textconfig
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=p3_katmai, count=1, ips=50000000
memory: guest={ram}, host={ram}
clock: sync=none, time0=local
ata0-master: type=cdrom, path={folder}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=term, dev={console}
sound: waveoutdrv=dummy
speaker: enabled=0
log: {folder}/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
"""

ISOLINUX_CFG = """\
PROMPT 0
TIMEOUT 1
DEFAULT linux
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=initrd.gz {append}
"""


class Contestant:
    """A program under test: how to start it, and the times of its runs."""

    def __init__(self, name, start):
        self.name = name
        self.start = start
        self.times = {}

    def add(self, what, seconds):
        self.times.setdefault(what, []).append(seconds)

    def median(self, what):
        return statistics.median(self.times[what]) if what in self.times else None


def make_boot_iso(folder, args):
    """Bochs cannot load a kernel itself, so it gets a bootable CD with isolinux on it."""
    content = os.path.join(folder, "iso")
    os.mkdir(content)
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", content)
    shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", content)
    shutil.copy(args.kernel, os.path.join(content, "vmlinuz"))
    shutil.copy(args.initrd, os.path.join(content, "initrd.gz"))
    with open(os.path.join(content, "isolinux.cfg"), "w", encoding="ascii") as file:
        file.write(ISOLINUX_CFG.format(append=args.append))
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", os.path.join(folder, "boot.iso"),
                    "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4",
                    "-boot-info-table", content], check=True, stderr=subprocess.DEVNULL)


def start_bochs(folder, args):
    console = pty.openpty()
    with open(os.path.join(folder, "bochsrc"), "w", encoding="ascii") as file:
        file.write(BOCHSRC.format(folder=folder, ram=args.ram, console=os.ttyname(console[1])))
    # Debian's Bochs has its debugger built in and waits for a command at start.
    with open(os.path.join(folder, "continue"), "w", encoding="ascii") as file:
        file.write("c\n")
    os.environ.setdefault("TERM", "xterm")
    machine = Machine(["bochs", "-q", "-f", os.path.join(folder, "bochsrc"),
                       "-rc", os.path.join(folder, "continue")], console=console)
    threading.Thread(target=watch_screen, args=(machine.process,), daemon=True).start()
    return machine


def find_contestants(args, folder):
    found = []
    if args.program:
        for engine in args.engine or ["interp"]:
            command = duplex86_command(args.program, args.kernel, args.initrd, args.append, args.ram, engine)
            found.append(Contestant(f"duplex86 {engine}", lambda command=command: Machine(command)))
    if shutil.which("qemu-system-i386") and "qemu" not in args.without:
        command = qemu_command("qemu-system-i386", args.kernel, args.initrd, args.append, args.ram)
        found.append(Contestant("QEMU TCG", lambda: Machine(command)))
    if "bochs" in args.without:
        return found
    if all(map(shutil.which, ("bochs", "xorriso"))) and os.path.exists("/usr/lib/ISOLINUX/isolinux.bin"):
        make_boot_iso(folder, args)
        found.append(Contestant("Bochs", lambda: start_bochs(folder, args)))
    else:
        print("Bochs or what makes its boot CD is not installed: left out", file=sys.stderr)
    return found


def run_once(contestant, args):
    machine = contestant.start()
    try:
        machine.expect(r"Linux version ", args.timeout)
        first_line = machine.elapsed()
        machine.expect(r"BOOT-OK ", args.timeout)
        contestant.add("boot", machine.elapsed())
        contestant.add("kernel", machine.elapsed() - first_line)
        machine.expect(PROMPT, args.timeout)
        for name, command in WORK if args.work else ():
            # The echoed line has quotes in it, so only the output of echo matches.
            started = time.monotonic()
            machine.send(f"{command}; echo '[''done]'\r")
            machine.expect(r"\[done\]", args.timeout)
            contestant.add(name, time.monotonic() - started)
            machine.expect(PROMPT, args.timeout)
    except Failure as failure:
        print(f"{contestant.name}: {failure}\n{machine.tail(15)}", file=sys.stderr)
    finally:
        machine.close()


def print_table(contestants, args):
    """Medians in seconds, and how many times faster than the last contestant each one is."""
    columns = ["boot", "kernel"] + [name for name, _ in WORK if args.work]
    reference = contestants[-1]
    print(f"\n{'seconds (median of ' + str(args.runs) + ')':24}" + "".join(f"{name:>10}" for name in columns))
    for contestant in contestants:
        cells = [contestant.median(name) for name in columns]
        print(f"{contestant.name:24}" +
              "".join("         -" if cell is None else f"{cell:10.2f}" for cell in cells))
    if len(contestants) == 1:
        return
    print(f"{'x faster than ' + reference.name:24}")
    for contestant in contestants[:-1]:
        pairs = [(reference.median(name), contestant.median(name)) for name in columns]
        print(f"{contestant.name:24}" + "".join(
            f"{slow / fast:10.2f}" if slow and fast else "         -" for slow, fast in pairs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", help="duplex86 to measure")
    parser.add_argument("--engine", action="append", help="engine of duplex86 (repeatable; default interp)")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--append", default="console=ttyS0")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", action="store_true", help="also time commands in the guest's shell")
    parser.add_argument("--without", action="append", default=[], choices=("qemu", "bochs"))
    parser.add_argument("--timeout", type=float, default=300, help="seconds for each step")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="d86-bench-") as folder:
        contestants = find_contestants(args, folder)
        if not contestants:
            sys.exit("nothing to measure")
        for number in range(args.runs):
            for contestant in contestants:
                run_once(contestant, args)
                latest = ", ".join(f"{name} {times[-1]:.2f}" for name, times in contestant.times.items())
                print(f"run {number + 1}  {contestant.name}: {latest}", flush=True)
        print_table(contestants, args)


if __name__ == "__main__":
    main()
