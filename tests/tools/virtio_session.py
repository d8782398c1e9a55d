#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux's own drivers on our virtio devices, and disks of virtio beside QEMU's emulator.

With --measure sequential reads and random ones of 4 KiB are timed in Duplex86 and in QEMU (TCG) on the same image, the
runs of both interleaved, by the host's clock, and the resident memory of both programs.
"""

import argparse
import json
import os
import random
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

from boot_session import PROMPT, Session
from disk_session import make_image, make_initrd, sha1
from guest_modules import load_order
from machine import Failure, Machine
from user_session import add_programs

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
MIB = 1 << 20
BOOT_TIMEOUT = 180


class VirtioSession(Session):
    """A shell in the guest, and these modules loaded besides the transport."""

    def __init__(self, args, machine, modules):
        super().__init__(machine, args)
        self.loaded = set()
        machine.expect(r"BOOT-OK ", BOOT_TIMEOUT)
        machine.expect(PROMPT, 60)
        self.run("dmesg -n 1")
        self.load("virtio_pci " + modules)

    def load(self, modules):
        for module in load_order(self.args.modules, modules.split()):
            if module not in self.loaded:
                self.run(f"insmod /modules/{module}.ko")
                self.loaded.add(module)

    def wait_for(self, condition):
        self.run(f"i=0; until {condition} || [ $i -ge 60 ]; do sleep 1; i=$((i+1)); done; {condition}", timeout=90)

    def output(self, command, pattern, timeout=60):
        self.machine.send(command + "\r")
        return self.machine.expect(pattern, timeout)

    def timed(self, *arguments):
        """Seconds by the host's clock, with a shell's command around it."""
        started = time.monotonic()
        self.blockio(*arguments)
        return time.monotonic() - started

    def blockio(self, mode, mib, processes, rounds, device="/dev/vda", timeout=300):
        """Microseconds that it took."""
        match = self.output(f"/user/blockio {mode} {device} {mib} {self.seed} {processes} {rounds}",
                            rf"{mode} (ok|FAILED): (\d+) us", timeout)
        self.machine.expect(PROMPT, 60)
        if match.group(1) != "ok":
            raise Failure(f"blockio {mode} failed (--seed {self.seed})")
        return int(match.group(2))


def command_of(args, initrd, *more):
    command = [args.program, "--machine", "pc", "--ram", args.ram, "--kernel", args.kernel, "--initrd", initrd,
               "--append", "console=ttyS0 quiet", *more]
    return command + (["--engine", args.engine] if args.engine else [])


def make_guest(args, folder):
    """The initramfs with the modules and the program."""
    with_modules, initrd = os.path.join(folder, "modules"), os.path.join(folder, "initrd")
    make_initrd(args.initrd, args.modules, with_modules)
    add_programs(with_modules, args.programs, ["blockio", "sharefs"], initrd)
    return initrd


# ---- Disks ----


def check_disks(args, folder, initrd):
    """Four at once: an empty one for the model, one read only, a snapshot and one without a whole number of pages."""
    paths = [os.path.join(folder, f"disk{n}") for n in range(4)]
    data = [make_image(paths[n], size, n) for n, size in enumerate((64 * MIB, 4 * MIB, 4 * MIB, 3 * MIB + 1536))]
    options = ["", ",ro", ",snapshot", ""]
    machine = Machine(command_of(args, initrd, *(word for path, option in zip(paths, options)
                                                 for word in ("--disk", f"{path}{option},virtio"))))
    try:
        session = VirtioSession(args, machine, "virtio_blk")
        session.seed = args.seed
        session.wait_for("[ -b /dev/vdd ]")
        for letter, contents in zip("abcd", data):
            session.run_expecting(f"cat /sys/block/vd{letter}/size", str(len(contents) // 512))
            session.run_expecting(f"sha1sum </dev/vd{letter}", sha1(contents) + "  -")
        session.run_expecting("cat /sys/block/vda/serial", "D86-VIRTIO-0")
        session.run_expecting("cat /sys/block/vdb/ro", "1")
        session.run("dd if=/dev/zero of=/dev/vdc bs=64k count=8 conv=notrunc,fsync 2>/dev/null")
        session.run("dd if=/dev/zero of=/dev/vdd bs=512 seek=6146 count=1 conv=notrunc,fsync 2>/dev/null")
        session.blockio("model", 64, 8, args.rounds)
        print(f"ok    random transfers by eight processes, after {machine.elapsed():.1f} s")
        machine.send("poweroff -f\r")
        if machine.wait_exit(60) != 0:
            raise Failure("the program did not end as it should")
        for number in (1, 2):
            with open(paths[number], "rb") as file:
                if file.read() != data[number]:
                    raise Failure(f"disk {number} was written")
        with open(paths[3], "rb") as file:
            if file.read() != data[3][:6146 * 512] + bytes(512):
                raise Failure("the last sector is not what the guest wrote")
    finally:
        machine.close()


# ---- Entropy ----


def check_rng(args, folder, initrd):
    machine = Machine(command_of(args, initrd, "--rng"))
    try:
        session = VirtioSession(args, machine, "virtio-rng")
        session.run_expecting("cat /sys/class/misc/hw_random/rng_current", "virtio_rng.0")
        session.run("dd if=/dev/hwrng of=/tmp/bytes bs=4096 count=64 2>/dev/null")
        session.run("[ $(gzip -c /tmp/bytes | wc -c) -gt 262000 ]")
        print("ok    bytes that nothing makes smaller")
    finally:
        machine.close()


# ---- The pointer ----


def check_tablet(args, folder, initrd):
    """What is pointed at arrives as evdev's events, each place once, and a guest without a driver has none."""
    control = os.path.join(folder, "control")
    ctl = [args.program, "ctl", "--socket", control, "mouse", "--absolute"]
    machine = Machine(command_of(args, initrd, "--tablet", "--control", f"unix:{control}"))
    try:
        session = VirtioSession(args, machine, "")
        if subprocess.run([*ctl, "1", "2"], stderr=subprocess.DEVNULL, check=False).returncode != 2:
            raise Failure("there is a tablet without a driver")
        session.load("evdev virtio_input")
        session.run_expecting("cat /sys/class/input/event*/device/name | grep Duplex", "Duplex86 tablet")
        session.run("n=$(grep -l Duplex /sys/class/input/event*/device/name | cut -d/ -f5); (cat /dev/input/$n >/tmp/events &)")
        session.run("sleep 1")
        for words in (("100", "200"), ("100", "32767", "--buttons", "left"), ("100", "32767", "-1", "--buttons", "right"),
                      ("100", "32767")):
            options = [word for word in words if word.startswith("--")] + [words[-1]] if "--buttons" in words else []
            numbers = [word for word in words if word not in options]
            subprocess.run([*ctl, *options, "--", *numbers], check=True)
        events = events_of(session)
        expected = [(3, 0, 100), (3, 1, 200), (0, 0, 0), (3, 1, 32767), (1, 272, 1), (0, 0, 0), (1, 272, 0), (1, 273, 1),
                    (2, 8, 1), (0, 0, 0), (1, 273, 0), (0, 0, 0)]
        if events != expected:
            raise Failure(f"the guest got {events}")
        print("ok    places, buttons and the wheel")
    finally:
        machine.close()


def events_of(session):
    """What came to /tmp/events: struct input_event of i386 is eight bytes of time, type, code, value."""
    said = session.output("sleep 1; echo events=$(hexdump -v -e '1/1 \"%02x\"' /tmp/events).", r"events=([0-9a-f]+)\.")
    data = bytes.fromhex(said.group(1))
    return [struct.unpack_from("<8xHHi", data, at) for at in range(0, len(data), 16)]


# ---- The keyboard ----


def check_keyboard(args, folder, initrd):
    """Before there is a driver keys are the PS/2 keyboard's, then evdev's; its lights are the guest's to switch."""
    control, trace = os.path.join(folder, "control"), os.path.join(folder, "trace")
    ctl = [args.program, "ctl", "--socket", control]
    command = command_of(args, initrd, "--virtio-keyboard", "--control", f"unix:{control}", "--trace", "virtio_keyboard_*",
                         "--trace", "ps2_keyboard_key")
    machine = Machine(["sh", "-c", 'exec "$@" 2>"$0"', trace, *command])
    try:
        session = VirtioSession(args, machine, "")
        subprocess.run([*ctl, "send-keys", "esc"], check=True)
        session.load("evdev virtio_input")
        session.run_expecting("cat /sys/class/input/event*/device/name | grep Duplex", "Duplex86 keyboard")
        session.run("n=$(grep -l Duplex /sys/class/input/event*/device/name | cut -d/ -f5); (cat /dev/input/$n >/tmp/events &)")
        session.run("sleep 1")
        subprocess.run([*ctl, "send-keys", "shift+up"], check=True)
        subprocess.run([*ctl, "type-text", "ab"], check=True)
        expected = []
        for code, value in ((42, 1), (103, 1), (103, 0), (42, 0), (30, 1), (30, 0), (48, 1), (48, 0)):
            expected += [(1, code, value), (0, 0, 0)]
        if (events := events_of(session)) != expected:
            raise Failure(f"the guest got {events}")
        print("ok    keys by evdev")
        session.run("(cd $(dirname $(grep -l Duplex /sys/class/input/input*/name)); echo 1 >$(echo *::capslock)/brightness)")
        with open(trace, encoding="ascii") as file:
            text = file.read()
        if not re.search(r"virtio_keyboard_led led=(0x)?1 on=(0x)?1", text):
            raise Failure(f"the light is not on:\n{text[-500:]}")
        if len(re.findall("ps2_keyboard_key", text)) != 2:
            raise Failure(f"the keyboard of PS/2 got other keys than Esc:\n{text[-500:]}")
        print("ok    a light, and Esc for the keyboard of PS/2")
    finally:
        machine.close()


# ---- The balloon ----


def wait_until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise Failure(f"{what} did not come true within {seconds} s")
        time.sleep(0.2)


def check_balloon(args, folder, initrd):
    """The program's own memory (PSS) follows what the guest gives up, and what it takes back is right."""
    control = os.path.join(folder, "control")

    def balloon(*size):
        said = subprocess.run([args.program, "ctl", "--socket", control, "--json", "balloon", *size], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        return json.loads(said)

    machine = Machine(command_of(args, initrd, "--balloon", "--control", f"unix:{control}"))
    try:
        session = VirtioSession(args, machine, "")
        ram, size_mib = balloon()["ram"], 80
        if balloon()["driver"]:
            raise Failure("there is a driver already")
        session.run(f"dd if=/dev/zero of=/tmp/file bs=1M count={size_mib} 2>/dev/null", timeout=120)
        full = memory_mib(machine)
        # Without anybody's asking: the pages of a file that is gone are reported as free.
        session.load("virtio_balloon")
        session.run("rm /tmp/file")
        wait_until("that free pages are given back", lambda: memory_mib(machine) < full - 0.7 * size_mib)
        reported = memory_mib(machine)
        print(f"ok    {full:.0f} MiB with a file of {size_mib} MiB, {reported:.0f} MiB a moment after it is gone")
        # The guest's own counts lag behind by a request.
        balloon()
        wait_until("that the guest tells of its memory", lambda: balloon()["statistics"].get("total", 0) > ram // 2)
        session.run(f"dd if=/dev/zero of=/tmp/file bs=1M count={size_mib} 2>/dev/null; sha1sum /tmp/file >/tmp/before",
                    timeout=120)
        session.run("rmmod virtio_balloon")  # nothing is reported from here on ...
        session.run("rm /tmp/file; sync")
        session.loaded.discard("virtio_balloon")
        free = memory_mib(machine)
        if free < reported + 0.7 * size_mib:
            raise Failure(f"a file of {size_mib} MiB takes {free - reported:.0f} MiB")
        # ... but given up as the balloon grows, which comes before.
        balloon("96M")
        session.load("virtio_balloon")
        wait_until("that the guest keeps 96 MiB", lambda: balloon()["actual"] == 96 * MIB)
        small = memory_mib(machine)
        if small > free - 0.7 * size_mib:
            raise Failure(f"the program has {small:.0f} MiB after {free:.0f} although the guest has 96")
        print(f"ok    {free:.0f} MiB, and {small:.0f} MiB with a guest that keeps 96 MiB")
        balloon("256M")
        wait_until("that the guest has its memory again", lambda: balloon()["actual"] == ram)
        session.run(f"dd if=/dev/zero of=/tmp/file bs=1M count={size_mib} 2>/dev/null; sha1sum /tmp/file | cmp - /tmp/before",
                    timeout=120)
        session.run("rm /tmp/file; seq 100001 900000 >/tmp/numbers; for i in 1 2 3 4 5 6 7 8; do cat /tmp/numbers; done "
                    ">/tmp/file; rm /tmp/numbers", timeout=200)
        numbers = 8 * b"".join(b"%d\n" % n for n in range(100001, 900001))
        session.run_expecting("sha1sum </tmp/file", sha1(numbers) + "  -")
        if subprocess.run([args.program, "ctl", "--socket", control, "balloon", "257M"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 2:
            raise Failure("a guest can be given more memory than there is")
        print(f"ok    the guest has its memory again, and it is right; the program has {memory_mib(machine):.0f} MiB")
    finally:
        machine.close()


# ---- Consoles ----


class Peer:
    """A client of a port's Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.said = b""

    def say(self, data):
        self.socket.sendall(data)

    def hear(self, pattern):
        while not (match := re.search(pattern, self.said, re.DOTALL)):
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                raise Failure(f"the port did not say {pattern!r}, but {self.said[-200:]!r}") from None
            if not data:
                raise Failure(f"the port was closed before it said {pattern!r}, after {self.said[-200:]!r}")
            self.said += data
        self.said = self.said[match.end():]
        return match

    def leave(self):
        self.socket.close()


def check_console(args, folder, initrd):
    """A shell on hvc0, and ports by name: each end knows of the other, and nothing is lost while nobody reads."""
    paths = {name: os.path.join(folder, name) for name in ("hvc0", "agent", "bulk", "log")}
    options = [f"unix:{paths['hvc0']}", f"unix:{paths['agent']},name=org.agent.0", f"unix:{paths['bulk']},name=bulk",
               f"file:{paths['log']},name=log", "pty,name=terminal"]
    machine = Machine(command_of(args, initrd, "--serial", "stdio",
                                 *(word for option in options for word in ("--virtio-console", option))))
    try:
        name = machine.expect(r"port terminal is on (/dev/pts/\d+)", 60).group(1)
        session = VirtioSession(args, machine, "virtio_console")
        session.wait_for("[ -c /dev/vport0p4 ]")
        session.run_expecting("cat /sys/class/virtio-ports/vport0p*/name | tr '\\n' ' '", "org.agent.0 bulk log terminal")
        # A terminal for a person, whose shell tells signals from characters.
        shell = Peer(paths["hvc0"])
        session.run("setsid -c sh -i </dev/hvc0 >/dev/hvc0 2>&1")  # it goes on by itself; with '&' it would ignore Ctrl-C
        shell.say(b"echo $((6*7)).\r")
        shell.hear(rb"\n42\.")
        shell.say(b"sleep 100; echo after $?\r")
        time.sleep(1)
        shell.say(b"\x03")
        shell.say(b"echo again $((50+5)).\r")
        shell.hear(rb"\nagain 55\.")
        shell.say(b"cat /proc/consoles; exit\r")
        shell.hear(rb"ttyS0")
        shell.leave()
        print(f"ok    a shell on hvc0, after {machine.elapsed():.1f} s")
        check_port(session, paths["agent"])
        check_bulk(session, paths["bulk"])
        session.run("echo a line >/dev/vport0p3")
        with open(paths["log"], "rb") as file:
            if file.read() != b"a line\n":
                raise Failure("the log has something else")
        terminal = os.open(name, os.O_RDWR | os.O_NOCTTY)
        os.write(terminal, b"typed\n")
        session.run_expecting("head -n 1 </dev/vport0p4", "typed")
        os.close(terminal)
        print("ok    a file and a pseudo-terminal")
        machine.send("poweroff -f\r")
        if machine.wait_exit(60) != 0:
            raise Failure("the program did not end as it should")
    finally:
        machine.close()
    check_stdio(args, folder, initrd)


def check_stdio(args, folder, initrd):
    """A console on the program's own terminal; COM1, which has nothing there then, is elsewhere."""
    path = os.path.join(folder, "com1")
    machine = Machine(command_of(args, initrd, "--serial", f"unix:{path}", "--virtio-console", "stdio"))
    try:
        wait_until("that COM1 listens", lambda: os.path.exists(path))
        prompt = PROMPT.encode()
        serial = Peer(path)
        serial.hear(prompt)
        for module in load_order(args.modules, ["virtio_pci", "virtio_console"]):
            serial.say(f"insmod /modules/{module}.ko\r".encode())
            serial.hear(prompt)
        serial.say(b"setsid -c sh -i </dev/hvc0 >/dev/hvc0 2>&1\r")
        machine.expect(PROMPT, 60)
        machine.send("echo $((6*7)).\r")
        machine.expect(r"\n42\.", 60)
        machine.send("\x01x")
        if machine.wait_exit(60) != 8:
            raise Failure("Ctrl-A x does not end the program")
        print("ok    a shell on hvc0 in the program's terminal")
    finally:
        machine.close()


def check_port(session, path):
    """Who waits for somebody to come waits; what was said before a client left is read, then comes the end."""
    session.run("(echo hello >/dev/vport0p1; echo sent >/tmp/sent) & sleep 1; [ ! -e /tmp/sent ]")
    client = Peer(path)
    client.hear(rb"hello\n")
    session.wait_for("[ -e /tmp/sent ]")
    client.say(b"last words\n")
    client.leave()
    session.run_expecting("cat /dev/vport0p1", "last words")
    client = Peer(path)
    client.say(b"first words\n")
    session.run_expecting("head -n 1 </dev/vport0p1", "first words")
    client.leave()
    print("ok    clients come, go, and come back")


def check_bulk(session, path):
    """More than all queues hold, in both directions, while the reader sleeps."""
    data = random.Random(session.args.seed).randbytes(8 * MIB)
    client = Peer(path)
    feeder = threading.Thread(target=client.say, args=(data,), daemon=True)
    feeder.start()
    session.run("sleep 2")  # nobody reads
    session.run(f"(exec 3<>/dev/vport0p2; sleep 1; head -c {len(data)} <&3 >/tmp/bulk)", timeout=120)
    feeder.join(60)
    session.run_expecting("sha1sum </tmp/bulk", sha1(data) + "  -")
    session.run("(cat /tmp/bulk >/dev/vport0p2; echo sent >/tmp/all) & sleep 2; [ ! -e /tmp/all ]")
    back = b""
    while len(back) < len(data):
        back += client.socket.recv(1 << 16)
    if back != data:
        raise Failure("what came back is something else")
    session.wait_for("[ -e /tmp/all ]")
    client.leave()
    print(f"ok    {len(data)} bytes to a reader who sleeps, and back")


# ---- Shared folders ----


def tree(folder):
    return {os.path.relpath(os.path.join(path, name), folder): os.lstat(os.path.join(path, name))
            for path, folders, files in os.walk(folder) for name in folders + files}


def check_share(args, folder, initrd):
    """A program of POSIX's promises says the same outside and inside; nobody gets out; who may not write does not."""
    shared, other, outside = (os.path.join(folder, name) for name in ("shared", "other", "outside"))
    for path in (shared, other):
        os.mkdir(path)
    with open(outside, "w", encoding="ascii") as file:
        file.write("secret")
    with open(os.path.join(other, "file"), "w", encoding="ascii") as file:
        file.write("fixed")
    os.symlink(outside, os.path.join(shared, "absolute"))
    os.symlink("../outside", os.path.join(shared, "relative"))
    os.symlink("..", os.path.join(shared, "above"))
    native = os.path.join(folder, "native")
    os.mkdir(native)
    expected = subprocess.run([os.path.join(args.programs, "sharefs"), "native", native], stdout=subprocess.PIPE,
                              text=True, timeout=120, check=False)
    if expected.returncode:
        raise Failure("this host runs no i386 programs, or not this one")
    machine = Machine(command_of(args, initrd, "--share", f"home={shared}", "--share", f"fixed={other},ro,uid=7,gid=8"))
    try:
        session = VirtioSession(args, machine, "netfs fscache 9pnet 9pnet_virtio 9p")
        session.run("mkdir /mnt /fixed; mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 home /mnt")
        session.run("mount -t 9p -o trans=virtio,version=9p2000.L fixed /fixed")
        session.run("mkdir /mnt/work; /user/sharefs /mnt/work >/tmp/said; echo $?")
        session.run("cp /tmp/said /mnt/said")
        with open(os.path.join(shared, "said"), encoding="ascii") as file:
            said = file.read().replace("\r", "")
        if said != expected.stdout:
            raise Failure("the guest says\n" + said + "\nand the host\n" + expected.stdout)
        print(f"ok    {len(said.splitlines())} lines about files, after {machine.elapsed():.1f} s")
        # The guest's own names lead where they lead in the guest; the host's file is none of its.
        for name in ("absolute", "relative", "above/outside"):
            session.run(f"cat /mnt/{name} 2>/dev/null", status=1)
        session.run_expecting("cat /fixed/file", "fixed")
        session.run_expecting("stat -c '%u %g' /fixed/file", "7 8")
        session.run_expecting("stat -c '%u' /mnt/said", "0")
        for command in ("echo x >/fixed/file", "rm /fixed/file", "mkdir /fixed/d", "chmod 600 /fixed/file",
                        "ln -s a /fixed/l", "mv /fixed/file /fixed/g"):
            session.run(f"{command} 2>/dev/null", status=1)
        session.run("chown 0:0 /mnt/said")
        session.run("chown 5:5 /mnt/said 2>/dev/null", status=1)
        session.run("cp /user/sharefs /mnt/p; chmod 4755 /mnt/p; sync")
        if os.lstat(os.path.join(shared, "p")).st_mode & 0o7777 != 0o755:
            raise Failure("a guest makes programs with set-user-ID")
        if sorted(tree(other)) != ["file"] or open(os.path.join(other, "file"), encoding="ascii").read() != "fixed":
            raise Failure("what is read only was written")
        session.run("umount /mnt")
        print("ok    links, owners, and what is read only")
        machine.send("poweroff -f\r")
        if machine.wait_exit(60) != 0:
            raise Failure("the program did not end as it should")
    finally:
        machine.close()


# ---- Beside QEMU ----


def memory_mib(machine):
    """Resident memory of all processes of the program, what they share divided among them. It only grows here."""
    total = 0
    for pid, _ in machine._processes():
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            match = re.search(r"^Pss:\s*(\d+) kB", file.read(), re.MULTILINE)
        total += int(match.group(1)) if match else 0
    return total / 1024


def measure_once(args, command, size_mib):
    machine = Machine(command)
    try:
        session = VirtioSession(args, machine, "virtio_blk")
        session.seed = args.seed
        session.wait_for("[ -b /dev/vda ]")
        values = {}
        for title, mode, processes, count, amount in (
                ("sequential, MiB/s", "sequential", 1, 8, 8 * size_mib),
                ("random 4 KiB, 1 at once, 1000/s", "random", 1, 16000, 16),
                ("random 4 KiB, 8 at once, 1000/s", "random", 8, 2000, 16),
                ("random writes of 4 KiB, 1 at once, 1000/s", "randwrite", 1, 8000, 8),
                ("random writes of 4 KiB, 8 at once, 1000/s", "randwrite", 8, 1000, 8)):
            values[title] = statistics.median(
                amount / session.timed(mode, size_mib, processes, count) for _ in range(3))
        values["memory, MiB"] = memory_mib(machine)
        return values
    finally:
        machine.close()


def measure(args, folder, initrd):
    size_mib, disk = 256, os.path.join(folder, "disk")
    make_image(disk, size_mib * MIB, 1)
    ours = command_of(args, initrd, "--disk", f"{disk},virtio")
    qemu = ["qemu-system-i386", "-M", "pc", "-accel", "tcg", "-m", args.ram.rstrip("M"), "-nodefaults", "-display", "none",
            "-serial", "stdio", "-kernel", args.kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet",
            "-drive", f"file={disk},format=raw,if=virtio,cache=writeback"]
    results = {"duplex86": [], "QEMU TCG": []}
    for number in range(args.measure):
        for name, command in (("duplex86", ours), ("QEMU TCG", qemu)):
            results[name].append(measure_once(args, command, size_mib))
        print(f"run {number + 1} of {args.measure}", flush=True)
    for key in results["duplex86"][0]:
        medians = [statistics.median(run[key] for run in results[name]) for name in results]
        print(f"{key:42} duplex86 {medians[0]:8.1f}   QEMU TCG {medians[1]:8.1f}   ratio {medians[0] / medians[1]:.2f}")
    load = os.getloadavg()[0]
    print(f"the host's load at the end: {load:.1f}")
    return 0


CHECKS = {"console": check_console, "balloon": check_balloon, "disks": check_disks, "keyboard": check_keyboard, "rng": check_rng, "tablet": check_tablet, "share": check_share}


def run_check(args, folder, initrd):
    try:
        CHECKS[args.check](args, folder, initrd)
    except Failure as failure:
        print(f"FAIL  {failure} (--seed {args.seed})")
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True, help="of the boot tests")
    parser.add_argument("--modules", required=True, help="modules of that kernel, in a tar archive")
    parser.add_argument("--programs", required=True, help="folder of the programs of tests/guest_user")
    parser.add_argument("--check", choices=sorted(CHECKS), help="which devices")
    parser.add_argument("--engine")
    parser.add_argument("--ram", default="256M")
    parser.add_argument("--rounds", type=int, default=300, help="of random transfers, for each process")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--measure", type=int, metavar="RUNS", help="compare disks with QEMU instead")
    args = parser.parse_args()
    for name in (args.kernel, args.initrd, args.modules):
        if not os.path.exists(name):
            print(f"there is no {name}")
            return SKIPPED
    with tempfile.TemporaryDirectory(prefix="d86-virtio-") as folder:
        initrd = make_guest(args, folder)
        return measure(args, folder, initrd) if args.measure else run_check(args, folder, initrd)


if __name__ == "__main__":
    sys.exit(main())
