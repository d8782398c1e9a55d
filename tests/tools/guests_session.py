#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the distribution has that starts on a bare PC: boot loaders, firmware tools, memory tests, the installer. Each is
started by SeaBIOS from the medium it is made for, and driven by its screen and keyboard.

A guest whose package is not installed is left out; the test is skipped if that are all.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from machine import Failure, Machine

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
QUIT_STATUS = 8
SECTOR = 512
MIB = 1 << 20
RESCUE = "/usr/lib/grub-rescue/"
ISOLINUX = "/usr/lib/ISOLINUX/isolinux.bin"
MODULES = "/usr/lib/syslinux/modules/bios/"
MEMDISK = "/usr/lib/syslinux/memdisk"
SYSLINUX_MBR = "/usr/lib/syslinux/mbr/mbr.bin"
INSTALLER = "/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/"


class Missing(Exception):
    """Something of the distribution's is not installed."""


def need(*names):
    for name in names:
        if not (os.path.exists(name) if "/" in name else shutil.which(name)):
            raise Missing(name)


def quietly(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


# ---- Media that no package has ready ----


def isolinux_cd(folder, config, files):
    """A CD that isolinux starts, with these files (name on the CD: where it is) and this configuration."""
    need(ISOLINUX, MODULES, "xorriso", *files.values())
    content = os.path.join(folder, "cd")
    os.mkdir(content)
    shutil.copy(ISOLINUX, content)
    for module in ("ldlinux.c32", "libcom32.c32", "libutil.c32", "menu.c32"):
        shutil.copy(MODULES + module, content)
    for name, source in files.items():
        shutil.copy(source, os.path.join(content, name))
    with open(os.path.join(content, "isolinux.cfg"), "w", encoding="ascii") as file:
        file.write(config)
    image = os.path.join(folder, "cd.iso")
    quietly("xorriso", "-as", "mkisofs", "-o", image, "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot",
            "-boot-load-size", "4", "-boot-info-table", content)
    return image


def syslinux_disk(folder, config, files):
    """A disk with one FAT partition that syslinux starts, by its master boot record."""
    need("syslinux", "mformat", "mcopy", SYSLINUX_MBR, *files.values())
    image = os.path.join(folder, "fat.img")
    start, sectors = 63, 64 * MIB // SECTOR - 63
    with open(image, "wb") as file, open(SYSLINUX_MBR, "rb") as mbr:
        entry = bytes([0x80, 1, 1, 0, 0x0e, 254, 63, 7]) + start.to_bytes(4, "little") + sectors.to_bytes(4, "little")
        file.write(mbr.read().ljust(446, b"\0") + entry + bytes(48) + b"\x55\xaa")
        file.truncate(64 * MIB)
    where = f"{image}@@{start * SECTOR}"
    quietly("mformat", "-i", where, "-T", str(sectors), "-h", "255", "-s", "63", "-H", str(start), "::")
    quietly("syslinux", "--install", "--offset", str(start * SECTOR), image)
    text = os.path.join(folder, "syslinux.cfg")
    with open(text, "w", encoding="ascii") as file:
        file.write(config)
    for name, source in {"syslinux.cfg": text, **files}.items():
        quietly("mcopy", "-i", where, source, "::" + name)
    return image


def kernel_menu(args, extra=""):
    return (f"PROMPT 0\nTIMEOUT 0\nUI menu.c32\nLABEL linux\n MENU LABEL the kernel of the tests\n KERNEL vmlinuz\n"
            f" APPEND initrd=initrd.gz quiet {extra}\n", {"vmlinuz": args.kernel, "initrd.gz": args.initrd})


# ---- Guests: each says how its machine is started, and drives it ----


def guest_grub_rescue_cd(_, __):
    need(RESCUE + "grub-rescue-cdrom.iso")
    return [RESCUE + "grub-rescue-cdrom.iso"], [("wait", "GNU GRUB"), ("type", "c"), ("wait", "grub>"),
                                                ("type", "ls\n"), ("wait", r"\(cd0?\)|\(cd\)")]


def guest_grub_rescue_disk(_, __):
    need(RESCUE + "grub-rescue-usb.img")
    return (["--disk", RESCUE + "grub-rescue-usb.img,ro"],
            [("wait", "GNU GRUB"), ("type", "c"), ("wait", "grub>"), ("type", "ls\n"), ("wait", r"\(hd0,msdos\d\)")])


def guest_grub_rescue_floppy(_, __):
    need(RESCUE + "grub-rescue-floppy.img")
    return (["--floppy", RESCUE + "grub-rescue-floppy.img,snapshot"],
            [("wait", "GNU GRUB"), ("type", "c"), ("wait", "grub>"), ("type", "ls (fd0)\n"), ("wait", "Total size 1440KiB")])


def guest_ipxe(_, __):
    """Its CD has isolinux, which loads it as a kernel."""
    need("/usr/lib/ipxe/ipxe.iso")
    return ["/usr/lib/ipxe/ipxe.iso"], [("wait", "ISOLINUX"), ("wait", "Open Source Network Boot Firmware")]


def guest_memtest(_, __):
    need("/usr/lib/memtest86+/memtest86+ia32.iso")
    return (["/usr/lib/memtest86+/memtest86+ia32.iso"],
            [("wait", r"Memtest86\+"), ("wait", "Status: Testing"), ("wait", "Errors: *0")])


def guest_isolinux(args, folder):
    """A kernel by isolinux's menu, as text and in a mode of the VGA BIOS's that the loader sets."""
    config, files = kernel_menu(args, "vga=0x317")
    return ([isolinux_cd(folder, config, files)],
            [("wait", "the kernel of the tests"), ("keys", "enter"), ("graphics", (1024, 768))])


def guest_syslinux(args, folder):
    config, files = kernel_menu(args, "console=tty0")
    return (["--disk", syslinux_disk(folder, config, {"menu.c32": MODULES + "menu.c32", "libutil.c32":
                                                      MODULES + "libutil.c32", **files})],
            [("wait", "the kernel of the tests"), ("keys", "enter"), ("wait", "BOOT-OK Linux")])


def guest_memdisk(_, folder):
    """A floppy in memory: memdisk hooks INT 13h, and goes to protected mode for each sector."""
    need(RESCUE + "grub-rescue-floppy.img", MEMDISK)
    config = "DEFAULT floppy\nLABEL floppy\n KERNEL memdisk\n APPEND initrd=floppy.img floppy c=80 h=2 s=18\n"
    floppy = os.path.join(folder, "floppy.img")
    shutil.copy(RESCUE + "grub-rescue-floppy.img", floppy)
    os.truncate(floppy, 1440 * 1024)
    image = isolinux_cd(folder, config, {"memdisk": MEMDISK, "floppy.img": floppy})
    return [image], [("wait", "GNU GRUB"), ("type", "c"), ("wait", "grub>"), ("type", "ls (fd0)\n"),
                     ("wait", "Total size 1440KiB")]


def guest_installer(_, folder):
    """The installer's first questions, in text mode."""
    config = ("PROMPT 0\nTIMEOUT 1\nDEFAULT i\nLABEL i\n KERNEL linux\n APPEND initrd=initrd.gz vga=normal fb=false nomodeset"
              " quiet\n")
    image = isolinux_cd(folder, config, {"linux": INSTALLER + "linux", "initrd.gz": INSTALLER + "initrd.gz"})
    return (["--ram", "512M", image],
            [("wait", "Select a language"), ("keys", "enter"), ("wait", "Select your location"), ("keys", "enter"),
             ("wait", "Configure the keyboard"), ("keys", "enter"), ("wait", "network|Network")])


def guest_installer_graphics(_, folder):
    """As its CDs start it: in a mode of the VGA BIOS's."""
    config = "PROMPT 0\nTIMEOUT 1\nDEFAULT i\nLABEL i\n KERNEL linux\n APPEND initrd=initrd.gz vga=788 quiet\n"
    image = isolinux_cd(folder, config, {"linux": INSTALLER + "linux", "initrd.gz": INSTALLER + "initrd.gz"})
    return ["--ram", "512M", image], [("graphics", (800, 600)), ("picture", 4096)]


GUESTS = {name[6:]: guest for name, guest in globals().items() if name.startswith("guest_")}

# ---- Driving ----


class Driver:
    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.socket = os.path.join(folder, "control")

    def ctl(self, *words):
        done = subprocess.run([self.args.program, "ctl", "--socket", self.socket, "--timeout", str(self.args.timeout),
                               *words], capture_output=True, text=True, timeout=self.args.timeout + 60)
        if done.returncode:
            raise Failure(f"'ctl {' '.join(words)}' ended with status {done.returncode}: {done.stderr}")
        return done.stdout

    def until(self, what, look):
        deadline = time.monotonic() + self.args.timeout
        while not look():
            if time.monotonic() > deadline:
                raise Failure(f"{self.args.timeout} s passed without {what}")
            time.sleep(0.5)

    def is_graphics(self, size):
        return f'"mode":"graphics","width":{size[0]},"height":{size[1]}' in self.ctl("text-screen", "--json")

    def picture_size(self):
        """Bytes of the screen as PNG: a screen with hardly anything on it has some hundreds."""
        picture = os.path.join(self.folder, "screen.png")
        self.ctl("screendump", picture)
        return os.path.getsize(picture)

    def step(self, what, value):
        if what == "wait":
            self.ctl("wait-text", "--regex", value)
        elif what == "type":
            self.ctl("type-text", value)
        elif what == "keys":
            self.ctl("send-keys", value)
        elif what == "graphics":
            self.until(f"a picture of {value}", lambda: self.is_graphics(value))
        else:
            self.until("anything on the screen", lambda: self.picture_size() >= value)


def run_guest(args, name):
    with tempfile.TemporaryDirectory(prefix="d86-guest-") as folder:
        options, steps = GUESTS[name](args, folder)
        driver = Driver(args, folder)
        command = [args.program, "--display", "none", "--serial", "none", "--engine", args.engine, "--control",
                   "unix:" + driver.socket, *args.program_arg, *options]
        machine = Machine(command)
        try:
            for what, value in steps:
                driver.step(what, value)
            print(f"ok    {name:24}{machine.elapsed():6.1f} s", flush=True)
            driver.ctl("quit")
            if machine.wait_exit(60) != QUIT_STATUS:
                raise Failure(f"the program ended with status {machine.process.returncode}")
        except (Failure, subprocess.SubprocessError) as failure:
            refused = machine.refused() or ""
            if "no SeaBIOS" in refused or "cannot create the virtual processor" in refused:
                raise Missing(refused) from failure
            screen = subprocess.run([args.program, "ctl", "--socket", driver.socket, "text-screen"],
                                    capture_output=True, text=True, check=False).stdout
            raise Failure(f"{name}: {failure}\n----- command: {' '.join(command)}\n{machine.tail()}\n----- screen:\n"
                          f"{screen}\n-----") from failure
        finally:
            machine.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--program-arg", action="append", default=[], help="passed on (repeatable)")
    parser.add_argument("--only", default="", help=f"guests whose name matches, of {', '.join(GUESTS)}")
    parser.add_argument("--timeout", type=int, default=300, help="seconds for each step")
    args = parser.parse_args()
    status, ran = 0, 0
    for name in GUESTS:
        if not re.search(args.only, name):
            continue
        try:
            run_guest(args, name)
            ran += 1
        except Missing as missing:
            print(f"left out: {name}: {missing}")
        except Failure as failure:
            print(f"FAIL  {failure}")
            status = 1
    return status or (0 if ran else SKIPPED)


if __name__ == "__main__":
    sys.exit(main())
