#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot a GRUB rescue image through SeaBIOS: as a CD (El Torito), as a disk by its master boot record, and as the
CD a person chooses in SeaBIOS's menu though the disk would come first.

grub-mkrescue makes one image for both. GRUB has its menu on the serial line, a key chooses the entry, and the
kernel it loads from the image comes up to a shell.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from boot_session import PROMPT
from machine import Failure, Machine

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
QUIT = "\x01x"
QUIT_STATUS = 8

GRUB_CFG = """\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=-1
menuentry "halt" { halt }
menuentry "the test's kernel" {
    linux /boot/vmlinuz console=ttyS0 quiet
    initrd /boot/initrd.gz
}
"""


def make_image(args, folder):
    content = os.path.join(folder, "content")
    os.makedirs(os.path.join(content, "boot", "grub"))
    shutil.copy(args.kernel, os.path.join(content, "boot", "vmlinuz"))
    shutil.copy(args.initrd, os.path.join(content, "boot", "initrd.gz"))
    with open(os.path.join(content, "boot", "grub", "grub.cfg"), "w", encoding="ascii") as file:
        file.write(GRUB_CFG)
    image = os.path.join(folder, "image")
    subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", image, content], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return image


def choose_cd(machine, timeout):
    machine.expect(r"Press ESC for boot menu", timeout)
    machine.send("\x1b")
    machine.expect(r"Select boot device", timeout)
    machine.send(machine.expect(r"(\d)\. DVD/CD \[[^\]]*\]", timeout)[1])
    machine.expect(r"Booting from DVD/CD", timeout)


def command_of(program, kind, image):
    program = [program, "--serial", "stdio"]
    if kind == "cd":
        return program + [image]
    disk = program + ["--disk", image + ",snapshot"]
    return disk + (["--cdrom", image, "--boot", "order=c,menu=on"] if kind == "menu" else [])


def boot(args, command):
    machine = Machine(command)
    try:
        machine.expect(r"SeaBIOS \(version [^)]+\)", args.timeout)
        if args.kind == "menu":
            choose_cd(machine, args.timeout)
        machine.expect(r"GNU GRUB", args.timeout)
        machine.expect(r"the test's kernel", args.timeout)
        print(f"ok    GRUB's menu after {machine.elapsed():.1f} s")
        machine.send("\x1b[B\r")
        machine.expect(r"BOOT-OK ", args.timeout)
        machine.expect(PROMPT, args.timeout)
        print(f"ok    a shell after {machine.elapsed():.1f} s")
        machine.send(QUIT)
        status = machine.wait_exit(10)
        if status != QUIT_STATUS:
            raise Failure(f"the program ended with status {status}, not {QUIT_STATUS}")
    except Failure as failure:
        reason = machine.refused() or ""
        if "no SeaBIOS" in reason or "cannot create the virtual processor" in reason:
            print(reason)
            return SKIPPED
        print(f"FAIL  {failure}\n----- command: {' '.join(command)}\n----- console:\n{machine.tail()}\n-----")
        return 1
    finally:
        machine.close()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--as", dest="kind", choices=("cd", "disk", "menu"), required=True)
    parser.add_argument("--timeout", type=float, default=120)
    args = parser.parse_args()
    if not shutil.which("grub-mkrescue") or not shutil.which("xorriso") or not os.path.exists(args.kernel) or \
            not os.path.isdir("/usr/lib/grub/i386-pc"):
        print("grub-mkrescue, GRUB for the PC, xorriso or the guests are not there")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="d86-grub-") as folder:
        image = make_image(args, folder)
        return boot(args, command_of(args.program, args.kind, image))


if __name__ == "__main__":
    sys.exit(main())
