#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the test programs of tests/guest_user on the host and in a guest; both must say the same.

The programs are static i386 ones, so an x86-64 host with IA-32 emulation runs them as they are. They go to
the guest in an initramfs of their own, put behind the one with the shell. Every program checks its results
itself; what only the guest's processor does is told in lines that start with "guest-only", which are
left out of the comparison. With --runner qemu the programs run in QEMU's emulator instead.

With --no-shell the guest's first process is not a shell but tests/guest_user/runner.c: that is faster, much
so under --engine lockstep. There --short makes the programs do less, too.
"""

import argparse
import difflib
import gzip
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
import time

from machine import Failure, Machine, duplex86_command, qemu_command
from make_initramfs import NewcArchive

PROMPT = r"duplex86:/root# "
SKIPPED = 77  # tests/tools/user.cmake tells ctest
PROGRAMS = ("selfread", "jit", "middle", "faults", "storm", "threads", "processes", "fpstate", "segments",
            "hostile", "cpuidtest", "places", "doors",
            "turns", "soak")
# These need memory or time, or the kernel's own tracing, and are only run by name.
LARGE_PROGRAMS = ("sparse", "codepages", "soaklong", "patching", "patchinglong")
MAPPINGS_MAX = 65530  # Linux, vm.max_map_count


def add_programs(initrd, folder, names, output):
    """Write the initramfs `initrd` with the programs behind it, in /user: the kernel unpacks both."""
    archive = NewcArchive()
    archive.add("user", stat.S_IFDIR | 0o755)
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            archive.add(f"user/{name}", stat.S_IFREG | 0o755, file.read())
    with open(initrd, "rb") as file:
        first = file.read()
    with open(output, "wb") as file:
        # Archives start at multiples of four bytes; zeros between them are skipped.
        file.write(first + b"\0" * (-len(first) % 4) + gzip.compress(archive.finish(), 6, mtime=0))


def boot(machine, timeout):
    """Wait for the shell; quiet the kernel, whose messages would get into the output of programs."""
    machine.expect(r"BOOT-OK ", timeout)
    machine.expect(PROMPT, timeout)
    shell(machine, "dmesg -n 1", timeout)


def shell(machine, command, timeout):
    """Output and exit status of a command in the guest's shell."""
    machine.send(f"echo '[''begin]'; {command}; echo '[''end' $?']'\r")
    match = machine.expect(r"\[begin\]\r*\n(.*?)\[end (\d+)\]", timeout)
    machine.expect(PROMPT, timeout)
    return match[1].replace("\r", ""), int(match[2])


class MappingWatch(threading.Thread):
    """Looks again and again how many mappings the processes of a machine have."""

    def __init__(self, machine):
        super().__init__(daemon=True)
        self.session = machine.process.pid
        self.most = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.3):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if os.getsid(int(pid)) == self.session:
                        with open(f"/proc/{pid}/maps", "rb") as file:
                            self.most = max(self.most, file.read().count(b"\n"))
                except OSError:
                    pass  # it has ended

    def finish(self):
        self.ended.set()
        self.join()
        if not 0 < self.most < MAPPINGS_MAX:
            raise Failure(f"a process had {self.most} mappings")
        print(f"ok    {self.most} host mappings at most", flush=True)


class Native:
    """What a program says on the host: output, status and seconds, or the reason why it does not run there."""

    def __init__(self, path, arguments, timeout):
        self.output = self.status = self.refused = None
        self.timed_out = False
        started = time.monotonic()
        try:
            done = subprocess.run([path, "native", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=timeout, check=False)
            self.output, self.status = done.stdout.decode("utf-8", "replace"), done.returncode
        except subprocess.TimeoutExpired:
            self.timed_out = True
        except OSError as error:
            self.refused = f"the host runs no i386 programs ({error.strerror})"
        self.seconds = time.monotonic() - started


def compare(native, guest):
    """Raise Failure when the guest did not pass, or said something else than the host."""
    text, status = guest
    if status or re.search("^FAIL", text, re.MULTILINE):
        bad = [line for line in text.splitlines() if not re.match("(guest-only )?ok ", line)]
        raise Failure(f"in the guest: status {status}\n" + "\n".join(bad[-40:] or text.splitlines()[-10:]))
    if native.refused:
        return
    if native.timed_out:
        raise Failure(f"on the host it did not end within {native.seconds:.0f} s")
    ours = [line for line in text.splitlines() if not line.startswith("guest-only ")]
    theirs = native.output.splitlines()
    if native.status:
        raise Failure(f"on the host: status {native.status}\n" + "\n".join(theirs[-20:]))
    if ours != theirs:
        raise Failure("host and guest differ\n" + "\n".join(
            difflib.unified_diff(theirs, ours, "host", "guest", n=1, lineterm="")))


def run_guest(machine, name, args):
    """Output and exit status in the guest."""
    if not args.no_shell:
        return shell(machine, f"/user/{name}{' short' if args.short else ''}", args.timeout)
    match = machine.expect(rf"\[begin {name}\]\r*\n(.*?)\[end (\d+)\]", args.timeout)
    return match[1].replace("\r", ""), int(match[2])


def run_on_host(args):
    """By name; before there is a guest, whose console somebody must read all the time."""
    arguments = ["short"] if args.short else []
    done = {name: Native(os.path.join(args.programs, name), arguments, args.timeout)
            for name in args.programs_chosen}
    for reason in {native.refused for native in done.values() if native.refused}:
        print(f"note  no comparison: {reason}", flush=True)
    return done


def run_programs(machine, natives, args):
    """Run all; how many went wrong."""
    failed = 0
    for name in args.programs_chosen:
        started = time.monotonic()
        try:
            guest = run_guest(machine, name, args)
            seconds = time.monotonic() - started
            compare(natives[name], guest)
            lines = len(guest[0].splitlines())
            print(f"ok    {name:12}{lines:5} checks, {seconds:6.2f} s in the guest, "
                  f"{natives[name].seconds:.2f} s on the host", flush=True)
        except Failure as failure:
            failed += 1
            print(f"FAIL  {name}: {failure}", flush=True)
            if machine.process.poll() is not None:
                raise Failure("the virtual machine has ended") from None
            if args.no_shell:
                raise Failure("there is no shell that could go on") from None
            machine.send("\x03\r")
            machine.expect(PROMPT, 30)
    return failed


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", choices=("duplex86", "qemu"), default="duplex86")
    parser.add_argument("--program", required=True, help="the virtual machine to start")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--programs", required=True, help="folder of the test programs")
    parser.add_argument("--append", default="console=ttyS0", help="kernel command line")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--engine", help="engine of duplex86; if it is refused, the test is skipped")
    parser.add_argument("--require-engine", action="store_true", help="a refused engine is a failure")
    parser.add_argument("--program-arg", action="append", default=[], help="passed on (repeatable)")
    parser.add_argument("--only", help="run only programs whose name matches")
    parser.add_argument("--large", action="store_true", help="run those that need much memory instead")
    parser.add_argument("--no-shell", action="store_true", help="start the programs by tests/guest_user/runner.c")
    parser.add_argument("--weigh", action="store_true",
                        help="leave to the engine sbe what pays; else it is to run natively whatever can be")
    parser.add_argument("--short", action="store_true", help="let the programs do less")
    parser.add_argument("--expect-counter", action="append", default=[], metavar="NAME",
                        help="this counter must not be 0 at the end (repeatable)")
    parser.add_argument("--boot-timeout", type=float, default=180)
    parser.add_argument("--timeout", type=float, default=60, help="seconds for each program")
    parser.add_argument("--log", type=argparse.FileType("w"), help="copy the console here")
    args = parser.parse_args()
    programs = LARGE_PROGRAMS if args.large else PROGRAMS
    args.programs_chosen = [name for name in programs if not args.only or re.search(args.only, name)]
    return args


def counter(machine, name, hidden=None):
    """What the counter printed at the end says. Counters that are 0 are not: then it is `hidden`, or a failure."""
    match = re.search(rf"^ *{name} +(\d+)", machine.transcript, re.MULTILINE)
    if not match and hidden is None:
        raise Failure(f"there is no counter {name}")
    return int(match[1]) if match else hidden


def check_counters(machine, args):
    """The engine asked for must have done something, and so must what was to be tested."""
    translated = args.weigh or "--translate=only" in args.program_arg  # whoever visits is translated
    used = {"sbe": "translated_entries" if translated else "native_entries",
            "lockstep": "lockstep_checks"}.get(args.engine)
    if used and counter(machine, used) < 1000:
        raise Failure(f"engine {args.engine} was not used: {used} {counter(machine, used)}")
    if used and not translated:
        # Where the host refuses to enter, the interpreter goes on, one instruction at a time.
        traps, refused = counter(machine, "native_traps"), counter(machine, "trap_refused", 0)
        if refused * 100 > traps:
            raise Failure(f"{refused} of {traps} entries into native code were refused")
    for name in args.expect_counter:
        if not counter(machine, name):
            raise Failure(f"counter {name} is 0")
    for name in filter(None, (used, *args.expect_counter)):
        print(f"ok    {name} {counter(machine, name)}")


def session(machine, natives, args):
    """0, 1 or SKIPPED."""
    watch = MappingWatch(machine)
    try:
        watch.start()
        if args.no_shell:
            machine.expect(r"(?=\[begin )", args.boot_timeout)
        else:
            boot(machine, args.boot_timeout)
        print(f"ok    boot after {machine.elapsed():.1f} s", flush=True)
        failed = run_programs(machine, natives, args)
        watch.finish()
        if not args.no_shell:
            machine.send("poweroff -f\r")
        if args.runner == "duplex86":
            status = machine.wait_exit(60)
            if status:
                raise Failure(f"after poweroff the program ended with status {status}")
            check_counters(machine, args)
    except Failure as failure:
        refused = args.engine and machine.refused()
        if refused and not args.require_engine:
            print(f"skipped: engine {args.engine}: {refused}")
            return SKIPPED
        print(f"FAIL  {failure}\n----- last of the console:\n{machine.tail()}\n-----")
        return 1
    finally:
        watch.ended.set()
    return 1 if failed else 0


def main():
    args = parse_arguments()
    for path in (args.kernel, args.initrd):
        if not os.path.exists(path):
            print(f"there is no {path}: './setup guests' makes it")
            return SKIPPED
    with tempfile.TemporaryDirectory(prefix="d86-user-") as folder:
        initrd = os.path.join(folder, "initramfs")
        add_programs(args.initrd, args.programs, args.programs_chosen + ["runner"], initrd)
        if args.no_shell:
            words = ["loglevel=1", "rdinit=/user/runner", "--"] + (["short"] if args.short else [])
            args.append = " ".join([args.append, *words, *args.programs_chosen])
        if args.runner == "qemu":
            command = qemu_command(args.program, args.kernel, initrd, args.append, args.ram, args.program_arg,
                                   cpu="qemu32,-apic")
        else:
            command = duplex86_command(args.program, args.kernel, initrd, args.append, args.ram, args.engine,
                                       args.program_arg + ["--stats"] + (["--eager"] if args.engine == "sbe" and not args.weigh else []))
        natives = run_on_host(args)
        machine = Machine(command, args.log)
        try:
            return session(machine, natives, args)
        finally:
            machine.close()


if __name__ == "__main__":
    sys.exit(main())
