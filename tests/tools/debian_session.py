#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian on a disk, started by SeaBIOS and GRUB: systemd's logins on COM1 and on the screen, work on the disk, the power
button, and what is on the disk afterwards, by e2fsck and by the files themselves.

With --measure the times to GRUB's menu and from there to the login are taken in Duplex86 and in QEMU's emulator, on
copies of the same image, the runs of both interleaved.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from machine import Failure, Machine

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
PROMPT = r"root@duplex86:\S+ "
LOGIN = r"duplex86 login: "
TIMEOUT = 300  # seconds for each step; a busy host is slow
PARTITION = 1 << 20  # where it begins, tests/tools/make_boot_disk.sh
NUMBERS = 300000  # in the file the guest makes
POWERED_OFF = 0
COM1 = 0x3F8


def tool(name):
    """Some systems have these in folders that are not in everybody's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def copy_of(image, folder, name="disk.img"):
    """A copy to write to; holes stay holes."""
    copy = os.path.join(folder, name)
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, copy], check=True)
    return copy


def numbers():
    return "".join(f"{n}\n" for n in range(1, NUMBERS + 1)).encode()


class Session:
    """One run of the machine: its console is COM1, its screen is seen by the control socket."""

    def __init__(self, args, folder):
        self.args = args
        self.folder = folder
        self.disk = copy_of(args.disk, folder)
        self.socket = os.path.join(folder, "control")
        self.command = [args.program, "--display", "none", "--serial", "stdio", "--ram", f"{args.ram}M", "--control",
                        "unix:" + self.socket, "--engine", args.engine, *args.program_arg, self.disk]
        self.machine = None

    def ctl(self, *words):
        done = subprocess.run([self.args.program, "ctl", "--socket", self.socket, "--timeout", str(TIMEOUT), *words],
                              capture_output=True, text=True, timeout=TIMEOUT + 30)
        if done.returncode:
            raise Failure(f"'ctl {' '.join(words)}' ended with status {done.returncode}: {done.stderr}")
        return done.stdout

    def run(self, command):
        """Run a command by the shell on COM1; what it says. Its status must be 0."""
        self.machine.send(f"echo '[''begin]'; {command}; echo '[''end' $?']'\r")
        match = self.machine.expect(r"\[begin\]\r*\n(.*?)\[end (\d+)\]", TIMEOUT)
        self.machine.expect(PROMPT, TIMEOUT)
        said = match[1].replace("\r", "").strip()
        if match[2] != "0":
            raise Failure(f"'{command}' ended with status {match[2]}: {said}")
        return said

    def start(self):
        self.machine = Machine(self.command)

    def check_menu(self):
        self.machine.expect(r"GNU GRUB", TIMEOUT)
        self.machine.expect(r"Debian GNU/Linux, nothing but a shell", TIMEOUT)
        at = self.machine.elapsed()
        self.machine.send("\r")
        return f"after {at:.1f} s"

    def check_login(self):
        self.machine.expect(LOGIN, TIMEOUT)
        at = self.machine.elapsed()
        self.machine.send("root\r")
        self.machine.expect(PROMPT, TIMEOUT)
        self.run("dmesg -n 1; stty -echo columns 200")
        return f"COM1, after {at:.1f} s"

    def check_screen(self):
        self.ctl("wait-text", "duplex86 login:")
        self.ctl("type-text", "root\n")
        self.ctl("wait-text", "root@duplex86:~#")
        self.ctl("type-text", "echo $((6*7))-on-$(tty)\n")
        self.ctl("wait-text", "42-on-/dev/tty1")

    def check_services(self):
        self.run("systemctl is-system-running --wait || systemctl --failed --no-pager --plain")
        said = self.run("systemctl --failed --no-legend --no-pager --plain")
        if said:
            raise Failure(f"services failed: {said}")

    def check_drivers(self):
        for pattern in self.args.says:
            self.run(f"dmesg | grep -E '{pattern}'")

    def check_disk(self):
        """A file the host knows, many small ones, and all of them once more when no cache has them."""
        if self.run("cat /sys/class/ata_device/dev1.0/xfer_mode") != "XFER_MW_DMA_2":
            raise Failure("the disk does not use DMA")
        expected = hashlib.sha1(numbers()).hexdigest()
        self.run(f"seq 1 {NUMBERS} >/root/numbers && cp -a /usr/bin /root/copy && sync && "
                 "echo 3 >/proc/sys/vm/drop_caches")
        if self.run("sha1sum </root/numbers").split()[0] != expected:
            raise Failure("the file that was read is not the one that was written")
        self.run("diff -r /usr/bin /root/copy && rm -r /root/copy")

    def check_reboot(self):
        """systemd reboots, and everything comes up once more."""
        if not self.args.reboot:
            return "not asked for"
        self.machine.send("reboot\r")
        self.check_menu()
        return self.check_login()

    def check_button(self):
        """ACPI's power button: systemd stops the services and switches off."""
        self.ctl("powerdown")
        self.machine.expect(r"reboot: Power down|the guest powered off", TIMEOUT)
        status = self.machine.wait_exit(TIMEOUT)
        if status != POWERED_OFF:
            raise Failure(f"the program ended with status {status}, not {POWERED_OFF}")

    def check_afterwards(self):
        where = f"{self.disk}?offset={PARTITION}"
        done = subprocess.run([tool("e2fsck"), "-fn", where], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"e2fsck ended with status {done.returncode}:\n{done.stdout}")
        copy = os.path.join(self.folder, "numbers")
        subprocess.run([tool("debugfs"), "-R", f"dump /root/numbers {copy}", where], capture_output=True, check=True)
        with open(copy, "rb") as file:
            if file.read() != numbers():
                raise Failure("what the guest wrote is not on the disk")


def run_checks(args, folder):
    session = Session(args, folder)
    session.start()
    try:
        for name, check in vars(Session).items():
            if name.startswith("check_"):
                started = time.monotonic()
                result = check(session)
                print(f"ok    {name[6:]:12}{time.monotonic() - started:6.1f} s  {result or ''}", flush=True)
        return 0
    except (Failure, subprocess.SubprocessError) as failure:
        reason = session.machine.refused() or ""
        if "no SeaBIOS" in reason or "cannot create the virtual processor" in reason:
            print(reason)
            return SKIPPED
        print(f"FAIL  {failure}\n----- command: {' '.join(session.command)}\n{session.machine.tail()}\n-----")
        return 1
    finally:
        session.machine.close()


def measure_once(command):
    """Seconds to GRUB's menu, and from there to the login on COM1."""
    machine = Machine(command)
    try:
        machine.expect(r"Debian GNU/Linux, nothing but a shell", TIMEOUT)
        menu = machine.elapsed()
        machine.send("\r")
        machine.expect(LOGIN, TIMEOUT)
        return menu, machine.elapsed() - menu
    finally:
        machine.close()


def measure(args, folder):
    port = os.path.join(folder, "port")
    with open(port, "wb") as file:  # has SeaBIOS speak on COM1, as it does here
        file.write(struct.pack("<H", COM1))
    contestants = {
        "duplex86": [args.program, "--display", "none", "--serial", "stdio", "--ram", f"{args.ram}M", "--engine",
                     args.engine, *args.program_arg],
        "QEMU TCG": ["qemu-system-i386", "-M", "pc", "-accel", "tcg", "-m", str(args.ram), "-nodefaults", "-vga", "std",
                     "-display", "none", "-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c", "-fw_cfg",
                     f"name=etc/sercon-port,file={port}"]}
    times = {name: [] for name in contestants}
    for number in range(args.measure):
        for name, command in contestants.items():
            disk = copy_of(args.disk, folder)
            command = command + ([disk] if name == "duplex86" else ["-drive", f"file={disk},format=raw,if=ide"])
            times[name].append(measure_once(command))
            print(f"run {number + 1}  {name}: menu {times[name][-1][0]:.2f} s, login {times[name][-1][1]:.2f} s later",
                  flush=True)
    for index, what in enumerate(("to GRUB's menu", "from there to the login")):
        ours, theirs = (statistics.median(run[index] for run in runs) for runs in times.values())
        print(f"{what}: median {ours:.2f} and {theirs:.2f} s: {ours / theirs:.2f} x QEMU TCG's time")
    ours, theirs = (statistics.median(sum(run) for run in runs) for runs in times.values())
    print(f"both: median {ours:.2f} and {theirs:.2f} s: {ours / theirs:.2f} x QEMU TCG's time")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--disk", required=True, help="of make_debian_disk.sh; a copy is used")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--program-arg", action="append", default=[], help="passed on (repeatable)")
    parser.add_argument("--says", action="append", default=[], help="what the kernel's log must have (repeatable)")
    parser.add_argument("--reboot", action="store_true", help="once in between")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--measure", type=int, metavar="RUNS", help="compare with QEMU instead")
    args = parser.parse_args()
    if not os.path.exists(args.disk) or not tool("e2fsck") or not tool("debugfs"):
        print(f"e2fsck, debugfs or {args.disk} is not there: './setup test' makes it")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="d86-debian-") as folder:
        return measure(args, folder) if args.measure else run_checks(args, folder)


if __name__ == "__main__":
    sys.exit(main())
