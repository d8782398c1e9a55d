#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a scene of vga_scene.asm and compare the picture of its screen with the one that a person has looked at.

Pictures are kept as hashes of their pixels, in vga_scenes.txt. --rebase writes the hash there, and --keep the
picture to a file, to be looked at. Drawing is no exit: plain memory where the mode allows it, else lent planes.
"""

import argparse
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

PASSED, SKIPPED = 43, 77
EXITS_MAX = 8  # by memory; what is left are looks at the option ROM's place before it is there
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vga_scenes.txt")


def chunks(data):
    at = 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + size]
        at += 12 + size


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def unfilter(kind, line, above):
    """A PNG row of three bytes a pixel (PNG specification, "Filtering")."""
    if kind == 2:
        return bytearray((x + b) & 255 for x, b in zip(line, above))
    out = bytearray(line)
    if kind:
        for i in range(len(out)):
            a, b, c = (out[i - 3] if i >= 3 else 0), above[i], (above[i - 3] if i >= 3 else 0)
            out[i] = (out[i] + (a if kind == 1 else (a + b) // 2 if kind == 3 else paeth(a, b, c))) & 255
    return out


def read_png(name):
    """Width, height, and the pixels, red, green, blue."""
    with open(name, "rb") as file:
        data = file.read()
    parts = list(chunks(data))
    width, height = struct.unpack(">II", dict(parts)[b"IHDR"][:8])
    raw = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    row, stride, pixels = bytearray(3 * width), 3 * width + 1, bytearray()
    for y in range(height):
        row = unfilter(raw[y * stride], raw[y * stride + 1:(y + 1) * stride], row)
        pixels += row
    return width, height, bytes(pixels)


def read_golden():
    with open(GOLDEN, encoding="ascii") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {row[0]: row[1:] for row in rows}


def write_golden(golden):
    with open(GOLDEN, encoding="ascii") as file:
        head = [line for line in file if line.startswith("#")]
    with open(GOLDEN, "w", encoding="ascii") as file:
        file.writelines(head)
        file.writelines(f"{scene} {' '.join(row)}\n" for scene, row in sorted(golden.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rebase", action="store_true")
    parser.add_argument("--keep", metavar="FILE")
    parser.add_argument("scene")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "screen.png")
        run = subprocess.run(args.command + ["--screendump", name, "--stats=json"], stderr=subprocess.PIPE, text=True, check=False)
        print(*run.stderr.splitlines()[:-1], sep="\n", end="", file=sys.stderr)
        if "there is no VGA BIOS" in run.stderr or "cannot create the virtual processor" in run.stderr:
            return SKIPPED
        if run.returncode != PASSED:
            print(f"FAIL  status {run.returncode}, not {PASSED}")
            return 1
        exits = json.loads(run.stderr.splitlines()[-1])["exits"]["mmio"]
        if exits > EXITS_MAX:
            print(f"FAIL  {exits} exits by memory, not {EXITS_MAX} at most")
            return 1
        width, height, pixels = read_png(name)
        if args.keep:
            shutil.copy(name, args.keep)
    found = [f"{width}x{height}", hashlib.sha256(pixels).hexdigest()]
    golden = read_golden()
    if args.rebase:
        golden[args.scene] = found
        write_golden(golden)
    elif golden.get(args.scene) != found:
        print(f"FAIL  the screen shows {found}, not {golden.get(args.scene)}; --keep FILE shows it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
