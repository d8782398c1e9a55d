#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Executor processes that are killed, whichever, whenever: each time the machine ends, soon, and says why.

Linux boots, and programs take turns in it so that the vCPU goes from process to process; then one of the
program's children is killed, at a random moment, perhaps during the boot.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from machine import Failure, duplex86_command
from user_session import add_programs

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
STATUS_INTERNAL_ERROR = 6  # frontend/status.h
SENTENCE = "the executor process died: signal 9"


class Refused(Exception):
    """The host cannot have the engine."""


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return sorted(found)


def wait_for(condition, what, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"{timeout} s passed without {what}")
        time.sleep(0.01)


def has_begun(console):
    """Does a program run in the guest?"""
    if not os.path.exists(console):
        return False
    with open(console, "rb") as file:
        return b"[begin " in file.read()


def kill_once(command, count, console, choose):
    """What was killed, and when; Failure if the machine did not end as it must."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE) as machine:
        try:
            wait_for(lambda: len(children(machine.pid)) == count or machine.poll() is not None, f"{count} children")
            if machine.poll() is not None:
                said = machine.stderr.read().decode()
                raise Refused(said) if "cannot be used here" in said else Failure(f"it ended by itself: {said}")
            if choose.random() < 0.8:
                wait_for(lambda: has_begun(console), "a program in the guest", 180)
            time.sleep(choose.random() * 1.5)
            executors = children(machine.pid)
            which = choose.randrange(count)
            os.kill(executors[which], signal.SIGKILL)
            killed = time.monotonic()
            _, said = machine.communicate(timeout=60)
        except subprocess.TimeoutExpired as late:
            raise Failure("the machine went on without one of its processes") from late
        finally:
            machine.kill()
    if machine.returncode != STATUS_INTERNAL_ERROR or SENTENCE not in said.decode():
        raise Failure(f"status {machine.returncode}: {said.decode()}")
    for pid in executors:
        if os.path.exists(f"/proc/{pid}"):
            raise Failure("a process of the machine's is still there")
    return f"process {which} of {count}, the end {time.monotonic() - killed:.2f} s later"


def run(args):
    choose = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="d86-kill-") as folder:
        initrd, console = os.path.join(folder, "initramfs"), os.path.join(folder, "console")
        add_programs(args.initrd, args.programs, ["turns", "runner"], initrd)
        append = "console=ttyS0 loglevel=1 rdinit=/user/runner -- " + "turns " * 25  # init takes 32 words
        command = duplex86_command(args.program, args.kernel, initrd, append, 256, "sbe", ["--spaces", str(args.spaces)])
        command[command.index("stdio")] = f"file:{console}"
        for _ in range(args.rounds):
            if os.path.exists(console):
                os.remove(console)
            print("ok   ", kill_once(command, args.spaces, console, choose), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="duplex86")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--programs", required=True, help="folder of the user programs")
    parser.add_argument("--spaces", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for path in (args.kernel, args.initrd):
        if not os.path.exists(path):
            print(f"there is no {path}: './setup guests' makes it")
            return SKIPPED
    try:
        run(args)
    except Refused as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    except Failure as failure:
        print(f"FAIL  {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
