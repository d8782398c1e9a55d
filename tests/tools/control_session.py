#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Drive machines by their control socket: Linux at its shell is paused, looked into and reset, and SeaBIOS is driven by
its screen and keyboard alone, as a script would with duplex86 ctl.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

from machine import Failure, Machine, duplex86_command

PROMPT = r"duplex86:/root# "
SKIPPED = 77  # tests/tools/boot.cmake tells ctest
TIMEOUT = 60
PAUSE = 3  # seconds
QUIT_STATUS = 8
REBOOT_STATUS = 2


class Session:
    """The checks, in the order they run: every method whose name starts with check_."""

    def __init__(self, args, folder):
        self.args = args
        self.path = os.path.join(folder, "control")
        self.folder = folder

    def ctl(self, *args, status=0):
        command = [self.args.program, "ctl", "--socket", self.path, "--timeout", str(TIMEOUT), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT + 10)
        if done.returncode != status:
            raise Failure(f"'{' '.join(command[4:])}' ended with status {done.returncode}, not {status}: {done.stderr}")
        return done.stdout

    def command(self):
        raise NotImplementedError

    def status(self):
        return json.loads(self.ctl("status", "--json"))

    def quit(self, machine):
        self.ctl("quit")
        status = machine.wait_exit(TIMEOUT)
        if status != QUIT_STATUS:
            raise Failure(f"the program ended with status {status}, not {QUIT_STATUS}")


class Linux(Session):
    """A kernel with its console on COM1."""

    def command(self):
        return duplex86_command(self.args.program, self.args.kernel, self.args.initrd, "console=ttyS0", 256,
                                self.args.engine, ["--control", "unix:" + self.path])

    def shell(self, machine, command):
        machine.send(f"echo '[''begin]'; {command}; echo '[''end]'\r")
        match = machine.expect(r"\[begin\]\r*\n(.*?)\[end\]", TIMEOUT)
        machine.expect(PROMPT, TIMEOUT)
        return match[1].replace("\r", "").strip()

    def check_boot(self, machine):
        machine.expect(r"BOOT-OK Linux (\S+) on (\S+)\r*\n", TIMEOUT)
        machine.expect(PROMPT, TIMEOUT)
        self.shell(machine, "dmesg -n 1")

    def check_pause(self, machine):
        """Nothing runs, nothing ticks; afterwards the guest's day is right again, by the time stamp counter."""
        before = int(self.shell(machine, "date +%s")) - time.time()
        machine.send("while true; do echo tick; sleep 0.05; done\r")
        machine.expect(r"tick\r*\ntick", TIMEOUT)
        self.ctl("pause")
        machine.settle()  # what was said before
        ticks, used, since = len(machine.transcript), machine.processor_seconds(), self.status()["time_ns"]
        time.sleep(PAUSE)
        machine.settle()
        if len(machine.transcript) != ticks:
            raise Failure("a paused guest says something")
        if machine.processor_seconds() - used > PAUSE / 4:
            raise Failure("a paused guest uses the host's processor")
        if self.status()["time_ns"] != since:
            raise Failure("a paused guest's time goes on")
        self.ctl("resume")
        machine.position = ticks
        machine.expect(r"tick\r*\ntick", TIMEOUT)
        machine.send("\x03")
        machine.expect(PROMPT, TIMEOUT)
        self.shell(machine, "sleep 1")
        after = int(self.shell(machine, "date +%s")) - time.time()
        log = self.shell(machine, "dmesg | grep -i clocksource | tail -n 3")
        if abs(after - before) > 2:
            raise Failure(f"the guest's clock is {before - after:.1f} s behind after a pause:\n{log}")
        return log.splitlines()[-1] if log else ""

    def check_many_pauses(self, machine):
        """However short, and whatever the guest does: it goes on."""
        machine.send("seq 1 100000 | md5sum; dd if=/dev/zero bs=64k count=200 | md5sum; echo do''ne\r")
        for _ in range(50):
            self.ctl("pause")
            self.ctl("resume")
        machine.expect("done", TIMEOUT)
        machine.expect(PROMPT, TIMEOUT)

    def check_looking_inside(self, machine):
        """The kernel as the processor sees it: its text where CS:EIP is, and its version in memory."""
        self.ctl("pause")
        listing = self.ctl("disassemble")
        if len(listing.splitlines()) != 10:
            raise Failure(f"ten instructions are not '{listing}'")
        registers = self.ctl("registers")
        if not re.search(r"cr0 8005003[3b]", registers):
            raise Failure(f"paging is not on in '{registers}'")
        self.ctl("memory-read", "0x100000", "64")
        self.ctl("memory-read", "--linear", "0xffffe000", "1048576", status=2)
        self.ctl("resume")
        exits = json.loads(self.ctl("stats"))["exits"]
        if not exits["io"]:
            raise Failure(f"no exits were counted: {exits}")

    def check_reset(self, machine):
        self.ctl("reset")
        machine.expect(r"BOOT-OK Linux", TIMEOUT)
        machine.expect(PROMPT, TIMEOUT)
        self.quit(machine)


class LinuxScreen(Session):
    """A kernel that is started directly, with its console on the screen and the keyboard."""

    def command(self):
        return duplex86_command(self.args.program, self.args.kernel, self.args.initrd, "console=tty0", 256,
                                self.args.engine, ["--machine", "pc", "--display", "none", "--control",
                                                   "unix:" + self.path])

    def check_shell(self, _):
        self.ctl("wait-text", "duplex86:/root#")
        self.ctl("type-text", "echo $((6 * 7))-$(uname -s)\n")
        self.ctl("wait-text", "42-Linux")

    def check_reset(self, _):
        """The screen is set up anew; what the first boot said is cleared before, so as not to be taken for it."""
        self.ctl("type-text", "clear\n")
        deadline = time.monotonic() + TIMEOUT
        while "Run /init" in self.ctl("text-screen") and time.monotonic() < deadline:
            time.sleep(0.1)
        self.ctl("reset")
        self.ctl("wait-text", "Run /init")
        self.ctl("wait-text", "duplex86:/root#")

    def check_quit(self, machine):
        self.quit(machine)


class SeaBios(Session):
    """The distribution's SeaBIOS, with a screen and without any serial port."""

    def command(self):
        return [self.args.program, "--machine", "pc", "--display", "none", "--serial", "none", "--engine",
                self.args.engine, "--control", "unix:" + self.path]

    def check_screen(self, _):
        self.ctl("wait-text", "No bootable device")
        text = self.ctl("text-screen")
        if not re.match(r"SeaBIOS \(version \S+\)\n", text) or text.endswith("\n\n"):
            raise Failure(f"the screen shows '{text}'")
        answer = json.loads(self.ctl("text-screen", "--json"))
        if (answer["mode"], answer["columns"], answer["rows"], len(answer["lines"])) != ("text", 80, 25, 25):
            raise Failure(f"the screen is {answer}")
        if answer["cursor"]["row"] != len(text.splitlines()):
            raise Failure(f"the cursor is at {answer['cursor']}")
        return text.splitlines()[0]

    def check_screendump(self, _):
        path = os.path.join(self.folder, "screen.png")
        self.ctl("screendump", path)
        with open(path, "rb") as file:
            start = file.read(24)
        if start[:8] != b"\x89PNG\r\n\x1a\n" or struct.unpack(">2I", start[16:]) != (720, 400):
            raise Failure(f"the picture begins with {start!r}")
        self.ctl("screendump", os.path.join(self.folder, "nowhere", "screen.png"), status=2)
        self.ctl("wait-text", "--timeout", "1", "never said", status=3)
        self.ctl("wait-text", "--regex", "^No boot.*device")

    def check_mouse(self, _):
        self.ctl("mouse", "--buttons", "left", "3", "4")
        self.ctl("mouse", "0", "0")

    def check_reset_by_keys(self, machine):
        """SeaBIOS resets the machine for Ctrl-Alt-Del, which is the guest's own reset."""
        end = subprocess.Popen([self.args.program, "ctl", "--socket", self.path, "wait-end"], stdout=subprocess.PIPE,
                               text=True)
        deadline = time.monotonic() + TIMEOUT
        while not os.path.exists(f"/proc/{end.pid}/fd/3") and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.5)
        self.ctl("reset")
        self.ctl("wait-text", "No bootable device")
        subprocess.run([self.args.program, "ctl", "--socket", self.path, "send-keys", "ctrl+alt+delete"],
                       capture_output=True, timeout=TIMEOUT)
        status = machine.wait_exit(TIMEOUT)
        if status != REBOOT_STATUS or end.communicate(timeout=TIMEOUT)[0] != f"{REBOOT_STATUS}\n":
            raise Failure(f"the program ended with status {status}, not {REBOOT_STATUS}")


def run(session):
    machine = Machine(session.command())
    try:
        for name, check in vars(type(session)).items():
            if name.startswith("check_"):
                result = check(session, machine)
                print(f"ok    {type(session).__name__} {name[6:]}{': ' + result if result else ''}", flush=True)
        return 0
    except (Failure, subprocess.SubprocessError, OSError) as failure:
        reason = machine.refused() or ""
        if "no SeaBIOS" in reason or "cannot create the virtual processor" in reason:
            print(reason)
            return SKIPPED
        print(f"FAIL  {failure}\n----- command: {' '.join(session.command())}\n{machine.tail()}\n-----")
        return 1
    finally:
        machine.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--kernel", help="without one, SeaBIOS")
    parser.add_argument("--initrd")
    parser.add_argument("--screen", action="store_true", help="the kernel's console is the screen, not COM1")
    args = parser.parse_args()
    for name in filter(None, (args.kernel, args.initrd)):
        if not os.path.exists(name):
            print(f"there is no {name}: ./setup guests makes it")
            return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        return run((LinuxScreen if args.screen else Linux if args.kernel else SeaBios)(args, folder))


if __name__ == "__main__":
    sys.exit(main())
