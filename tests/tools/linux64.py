# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands run under a 64-bit kernel in an emulator: what goes along in its initramfs, and what came of each.

/init runs the file /cases, a line of which is a command between marks on the console; run_case() waits for them.
Only Python's standard library is needed.
"""

import gzip
import os
import re
import stat
import subprocess

from machine import Failure
from make_initramfs import NewcArchive

INIT = """#!/bin/busybox sh
# Busybox is the i386 one of the guests: that it runs shows that this kernel runs 32-bit programs.
/bin/busybox mkdir -p /bin /proc /sys /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
dmesg -n 1
run()
{
    name=$1
    shift
    echo "[begin $name]"
    "$@" 2>&1
    echo "[end $name $?]"
}
. /cases
# What is on its way to the console, 4 KiB at most, has to get there: Bochs's serial port takes its time.
sleep 2
poweroff -f
"""


class Case:
    """A command in the machine: the status it must end with, and a function that checks its output."""

    def __init__(self, name, command, status=0, check=None):
        self.name = name
        self.command = command
        self.status = status
        self.check = check


def says(pattern):
    def check(text):
        match = re.search(pattern, text, re.MULTILINE)
        if not match:
            raise Failure(f"its output lacks {pattern!r}")
        return match[0]
    return check


def libraries(program):
    """Paths of what the program is linked with, the loader too: what ldd(1) prints."""
    listing = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=True, text=True).stdout
    missing = re.search(r"^\s*(\S+) => not found", listing, re.MULTILINE)
    if missing:
        raise Failure(f"{program} needs {missing[1]}, which is not there")
    return re.findall(r"^\s*(?:\S+ => )?(/\S+) \(", listing, re.MULTILINE)


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def write_initramfs(files, cases, timeout, output):
    """An initramfs of `files` (contents by path), and the cases, each ended after `timeout` seconds."""
    files = dict(files)
    files["init"] = INIT.encode()
    files["cases"] = "".join(f"run {case.name} timeout {timeout:.0f} {case.command}\n" for case in cases).encode()
    archive = NewcArchive()
    folders = {"dev", "proc", "sys", "tmp"}
    for path in files:
        while os.path.dirname(path):
            path = os.path.dirname(path)
            folders.add(path)
    for folder in sorted(folders):  # a folder comes before what is in it
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    for path, data in files.items():
        archive.add(path, stat.S_IFREG | 0o755, data)
    with open(output, "wb") as file:
        file.write(gzip.compress(archive.finish(), 1, mtime=0))


def with_libraries(programs):
    """What to put into the initramfs for these: themselves in /bin, and what they are linked with."""
    files = {}
    for program in programs:
        files["bin/" + os.path.basename(program)] = contents(program)
        for path in libraries(program):
            files[path.lstrip("/")] = contents(path)
    return files


def run_case(machine, case, timeout):
    """What to print about a case that passed; Failure otherwise."""
    name = re.escape(case.name)
    match = machine.expect(rf"\[begin {name}\]\r*\n(.*?)\[end {name} (\d+)\]", timeout)
    text = match[1].replace("\r", "")
    try:
        if int(match[2]) != case.status:
            raise Failure(f"status {match[2]}, not {case.status}")
        return case.check(text) if case.check else text.strip().split("\n")[-1]
    except Failure as failure:
        shown = [line for line in text.splitlines() if not re.match(r"\w+ \d+$", line)]
        raise Failure(f"{failure}\n" + "\n".join(shown[-40:])) from None
