#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What SeaBIOS starts from, and in which order: a floppy, two disks and a CD whose boot sectors say their names and hand on.

Usage: boot_order.py PROGRAM FLOPPY DISK DISK2 CD-BOOT-IMAGE
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
TIMEOUT = 120

PROGRAM, FLOPPY, DISK, DISK2, CD_BOOT = sys.argv[1:6]

# Options, and who has his turn. SeaBIOS tries what an order does not name behind it: floppy, disk, CD. The second disk is
# none to start from.
ROWS = (
    (["--boot", "order=acd"], "FLOPPY DISK CD"),
    (["--boot", "order=dca"], "CD DISK FLOPPY"),
    (["--boot", "order=cad"], "DISK FLOPPY CD"),
    (["--boot", "order=ac"], "FLOPPY DISK CD"),
    (["--boot", "order=d"], "CD FLOPPY DISK"),
    (["--boot", "order=n"], "FLOPPY DISK CD"),
    ([], "DISK CD FLOPPY"),
)


def make_cd(folder):
    content = os.path.join(folder, "cd")
    os.mkdir(content)
    shutil.copy(CD_BOOT, os.path.join(content, "boot.img"))
    image = os.path.join(folder, "cd.iso")
    subprocess.run(["xorriso", "-as", "mkisofs", "-o", image, "-b", "boot.img", "-c", "boot.cat", "-no-emul-boot",
                    "-boot-load-size", "4", content], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return image


def turns(folder, *options):
    """The names on the screen when the BIOS has nothing left to try."""
    control, screen = os.path.join(folder, "control"), os.path.join(folder, "screen.txt")
    with subprocess.Popen([PROGRAM, "--display", "none", "--serial", "none", "--ram", "32M", "--control",
                           "unix:" + control, "--screendump", screen, *options], stderr=subprocess.PIPE,
                          text=True) as machine:
        for words in (["wait-text", "No bootable device"], ["quit"]):
            subprocess.run([PROGRAM, "ctl", "--socket", control, "--timeout", str(TIMEOUT), *words], check=False,
                           capture_output=True)
        _, said = machine.communicate(timeout=TIMEOUT)
    if "no SeaBIOS" in said:
        print(said)
        sys.exit(SKIPPED)
    with open(screen, encoding="utf-8") as file:
        return " ".join(re.findall(r"\[([A-Z0-9]+)\]", file.read()))


def main():
    if not shutil.which("xorriso"):
        print("xorriso is not there")
        return SKIPPED
    failed = 0
    with tempfile.TemporaryDirectory(prefix="d86-order-") as folder:
        cd = make_cd(folder)
        media = ["--floppy", FLOPPY + ",ro", "--cdrom", cd, "--disk", DISK + ",ro", "--disk", DISK2 + ",ro"]
        rows = [(media + options, expected) for options, expected in ROWS]
        # The image that is given by itself comes first.
        rows += [([cd, "--disk", DISK + ",ro"], "CD DISK"), (["--floppy", FLOPPY + ",ro", DISK], "DISK FLOPPY")]
        for options, expected in rows:
            seen = turns(folder, *options)
            if seen != expected:
                print(f"FAIL  {' '.join(options)}: {seen!r}, not {expected!r}")
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
