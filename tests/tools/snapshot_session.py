#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux at work is saved at random moments, killed, and goes on in another process, or in the same one from a moment
that has passed: nothing it does may come out differently. It writes to a disk and reads that back, starts programs,
and has a network adapter and entropy of virtio's beside it.

With --measure: how long the guest stands still for it, how long a machine takes to be back, and how large the file is.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from boot_session import PROMPT
from disk_session import DiskSession, MIB, make_image, make_initrd
from machine import Failure, Machine

TIMEOUT = 120
SKIPPED = 77  # tests/tools/boot.cmake tells ctest
# Writes something new to the disk, has it read back from there, and compares; a few processes each time.
WORK = ("w() { i=0; bad=0; while :; do i=$((i+1)); "
        "(echo $i; dd if=/bin/busybox bs=4k count=64 2>/dev/null) > /tmp/w; a=$(sha1sum < /tmp/w); "
        "dd if=/tmp/w of=/dev/sda bs=64k seek=$((i % 16 * 5)) conv=notrunc,fsync 2>/dev/null; "
        "echo 3 > /proc/sys/vm/drop_caches; s=$(stat -c %s /tmp/w); "
        "b=$(dd if=/dev/sda bs=64k skip=$((i % 16 * 5)) count=5 2>/dev/null | head -c $s | sha1sum); "
        "[ \"$a\" = \"$b\" ] || bad=$((bad+1)); echo \"work $i $bad\"; done; }")


class Moved:
    """A machine that is saved and comes back, perhaps as another process."""

    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.control = os.path.join(folder, "control")
        self.file = os.path.join(folder, "machine.snapshot")
        initrd = os.path.join(folder, "initrd")
        disk = os.path.join(folder, "disk")
        make_initrd(args.initrd, args.modules, initrd)
        make_image(disk, 8 * MIB, 3)
        self.command = [args.program, "--machine", "pc", "--ram", f"{args.ram}M", "--kernel", args.kernel, "--initrd",
                        initrd, "--append", "console=ttyS0 quiet", "--disk", disk + ",snapshot", "--net",
                        "user,model=virtio", "--rng", "--control", "unix:" + self.control]
        self.machine = Machine(self.command + self.engine())

    def engine(self, other=None):
        name = other or self.args.engine
        return ["--engine", name] if name else []

    def ctl(self, *words, status=0):
        done = subprocess.run([self.args.program, "ctl", "--socket", self.control, "--timeout", "60", *words],
                              capture_output=True, text=True, timeout=TIMEOUT)
        if done.returncode != status:
            raise Failure(f"'{' '.join(words)}' ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def save(self):
        self.ctl("snapshot", "save", self.file)

    def kill(self):
        os.kill(self.machine.process.pid, signal.SIGKILL)
        self.machine.process.wait()
        self.machine.close()

    def come_back(self, engine=None):
        self.machine = Machine(self.command + self.engine(engine) + ["--restore", self.file])


def next_round(moved):
    """Which round of its work the guest is in, none of which may have been bad."""
    match = moved.machine.expect(r"work (\d+) (\d+)\r", TIMEOUT)
    if int(match[2]):
        raise Failure(f"{match[2]} rounds of work are bad")
    return int(match[1])


def move(moved, source):
    """One move, at some moment of the work."""
    time.sleep(source.random() * 1.5)
    moved.save()
    if source.random() < 0.3:  # it goes on, and is then thrown back
        time.sleep(source.random())
        moved.ctl("snapshot", "load", moved.file)
        watch_dots(moved.machine, 0.2)  # what it had said before
        moved.machine.position = len(moved.machine.transcript)
        return "back"
    moved.kill()
    engine = source.choice([None, None, "interp"])
    moved.come_back(engine)
    return f"to another process, with {engine}" if engine else "to another process"


def run_rounds(moved, args):
    source = random.Random(args.seed)
    session = DiskSession(moved.args, moved.machine)
    session.run(WORK)
    moved.machine.send("w\r")
    for number in range(args.rounds):
        next_round(moved)
        how = move(moved, source)
        print(f"ok    move {number + 1} {how}, in round {next_round(moved)}")
    session.machine = moved.machine
    moved.machine.send("\x03")
    moved.machine.expect(PROMPT, TIMEOUT)
    session.run_expecting("dmesg -r | grep '^<[0-3]>'", "", status=1)
    moved.machine.send("poweroff -f\r")
    status = moved.machine.wait_exit(TIMEOUT)
    if status != 0:
        raise Failure(f"the program ended with status {status}")


def standstill(trace):
    """The longest time between two dots that the guest prints all the time, in ms."""
    return max(b - a for a, b in zip(trace, trace[1:])) * 1e3


def watch_dots(machine, seconds):
    """When the guest said something, for so long."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        before = len(machine.transcript)
        machine._read(0.05)  # pylint: disable=protected-access
        if len(machine.transcript) > before:
            times.append(time.monotonic())
    return times


def measure(moved):
    session = DiskSession(moved.args, moved.machine)
    session.run("dd if=/dev/urandom of=/tmp/fill bs=1M count=48 2>/dev/null")
    moved.machine.send("while :; do echo -n .; usleep 2000; done\r")
    quiet = standstill(watch_dots(moved.machine, 2))
    job = subprocess.Popen([moved.args.program, "ctl", "--socket", moved.control, "snapshot", "save", moved.file])
    began = time.monotonic()
    saving = standstill(watch_dots(moved.machine, 2))
    job.wait()
    status = json.loads(moved.ctl("status", "--json"))
    moved.kill()
    moved.come_back()
    moved.machine.expect(r"\.\.", TIMEOUT)
    back = moved.machine.elapsed()
    print(f"RAM {status['ram'] >> 20} MiB, file {os.path.getsize(moved.file) / MIB:.1f} MiB; longest pause between dots "
          f"{quiet:.0f} ms before, {saving:.0f} ms while saving ({time.monotonic() - began:.1f} s in all); "
          f"first words after {back * 1e3:.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--modules", required=True)
    parser.add_argument("--engine")
    parser.add_argument("--ram", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=4, help="moves")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", action="store_true")
    args = parser.parse_args()
    for name in (args.kernel, args.initrd, args.modules):
        if not os.path.exists(name):
            print(f"skipped: there is no {name}: run './setup guests'")
            return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        moved = Moved(args, folder)
        try:
            if args.measure:
                measure(moved)
            else:
                run_rounds(moved, args)
        except Failure as failure:
            reason = moved.machine.refused() or ""
            if "cannot create the virtual processor" in reason:
                print(reason)
                return SKIPPED
            print(f"FAIL  {failure}\n----- console:\n{moved.machine.tail()}\n-----")
            return 1
        finally:
            moved.machine.close() if moved.machine.process.returncode is None else None
    return 0


if __name__ == "__main__":
    sys.exit(main())
