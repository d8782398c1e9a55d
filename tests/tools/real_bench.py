#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Time real-mode and virtual-8086 code (tests/bench/real_bench.asm) in Duplex86, translated and interpreted, and
in QEMU's emulator, and print how many times as long as translated the others take.

The same ROM runs everywhere, one machine after the other in rounds; the least of each machine's figures counts.
They are ticks of the host's time stamp counter.

    python3 tests/tools/real_bench.py --program build/frontend/duplex86 --rom build/tests/real_bench.rom
"""

import argparse
import re
import shutil
import subprocess
import sys

PASSED = 43
SKIPPED = 77
QEMU = "qemu-system-i386"
RESULT = re.compile(r"^(\S+) (\d+)$", re.MULTILINE)


def command(machine, args):
    if machine == "qemu":
        return [QEMU, "-accel", "tcg", "-m", "16", "-bios", args.rom, "-display", "none", "-debugcon", "stdio",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    engine = ["--engine", "interp"] if machine == "interp" else ["--engine", "sbe"]
    return [args.program, *engine, "--bios", args.rom, "--ram", "16M", "--serial", "none", "--debugcon", "stdio",
            "--exit-port", "0xf4"]


def run(machine, args):
    done = subprocess.run(command(machine, args), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=args.timeout, check=False)
    if "cannot create the virtual processor" in done.stderr:
        print(done.stderr)
        sys.exit(SKIPPED)
    if done.returncode != PASSED:
        sys.exit(f"{machine}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return {name: int(ticks) for name, ticks in RESULT.findall(done.stdout)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--rom", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--machines", nargs="+", choices=("sbe", "interp", "qemu"), default=["sbe", "interp", "qemu"])
    args = parser.parse_args()

    machines = [m for m in args.machines if m != "qemu" or shutil.which(QEMU)]
    best = {m: {} for m in machines}
    for _ in range(args.rounds):
        for machine in machines:
            for name, ticks in run(machine, args).items():
                best[machine][name] = min(ticks, best[machine].get(name, ticks))
    first = machines[0]
    print(f"{'':20}{first + ', ticks':>14}" + "".join(f"{m:>9}" for m in machines[1:]))
    for name, ticks in best[first].items():
        print(f"{name:20}{ticks:14}" + "".join(f"{best[m][name] / ticks:9.2f}" for m in machines[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
