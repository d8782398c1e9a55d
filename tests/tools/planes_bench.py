#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast planar memory is: a screen of sixteen colours set, read and copied by latches, again and again.

Assembles tests/guest_program/vga_scene.asm twice, with few passes and with many; the difference is the passes' time.
With --peer QEMU runs the same ROMs, for a ratio in one run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

ACCESSES = 80 * 240 * 5  # of a pass: read and write, read, copy
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "..", "guest_program", "vga_scene.asm")


def assemble(folder, passes):
    rom = os.path.join(folder, f"passes{passes}.rom")
    subprocess.run(["nasm", "-f", "bin", "-I", os.path.dirname(SOURCE) + "/", "-DSCENE=10", f"-DPASSES={passes}", "-o",
                    rom, SOURCE], check=True)
    return rom


def seconds(command, rounds):
    """The best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=300)
        best = min(best, time.monotonic() - start)
    return best


def measure(name, command, roms, passes, rounds):
    few, many = (seconds(command + [rom], rounds) for rom in roms)
    each = (many - few) / (passes[1] - passes[0])
    print(f"{name:24} {each * 1e3:8.2f} ms a pass, {each * 1e9 / ACCESSES:7.1f} ns an access")
    return each


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--peer", action="store_true", help="compare with qemu-system-i386, TCG")
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("option", nargs="*", help="for duplex86, after --")
    args = parser.parse_args()
    passes = (1, 1 + args.passes)

    with tempfile.TemporaryDirectory() as folder:
        roms = [assemble(folder, n) for n in passes]
        ours = measure("duplex86", [args.program, "--ram", "16M", "--serial", "none", "--exit-port", "0xf4"]
                       + args.option + ["--bios"], roms, passes, args.rounds)
        if args.peer:
            theirs = measure("qemu, TCG", ["qemu-system-i386", "-M", "pc", "-accel", "tcg", "-m", "16", "-vga", "std",
                                           "-display", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                                           "-bios"], roms, passes, args.rounds)
            print(f"{ours / theirs:.2f} of the peer's time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
