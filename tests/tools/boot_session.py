#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot a kernel to the shell of the test initramfs, work there like a person, and end the machine.

Every check has a name and compares with something computed here or with the host's clock. The last
lines of the console are printed when one fails. With --runner qemu the same session runs in QEMU,
which shows whether a failure is ours or the script's.
"""

import argparse
import hashlib
import os
import re
import signal
import sys
import time

from machine import Failure, Machine, duplex86_command, qemu_command

PROMPT = r"duplex86:/root# "
SHELL_TIMEOUT = 60
SKIPPED = 77  # tests/tools/boot.cmake tells ctest
POLLING_PERCENT = 20  # of a core: an idle guest that uses more does not sleep


class Session:
    """The checks, in the order they run: every method whose name starts with check_."""

    def __init__(self, machine, args):
        self.machine = machine
        self.args = args

    def run(self, command, status=0, timeout=SHELL_TIMEOUT):
        """Run `command` in the guest's shell; its output. `status` is the exit status it must have."""
        # The echo of the typed line has quotes between the brackets and the words, so only the
        # command's own output matches.
        self.machine.send(f"echo '[''begin]'; {command}; echo '[''end' $?']'\r")
        match = self.machine.expect(r"\[begin\]\r*\n(.*?)\[end (\d+)\]", timeout)
        self.machine.expect(PROMPT, timeout)
        if int(match[2]) != status:
            raise Failure(f"'{command}' ended with status {match[2]}, not {status}")
        return match[1].replace("\r", "").strip()

    def run_expecting(self, command, expected, status=0, timeout=SHELL_TIMEOUT):
        output = self.run(command, status, timeout)
        if output != expected:
            raise Failure(f"'{command}' said {output!r}, not {expected!r}")

    def check_boot(self):
        match = self.machine.expect(r"BOOT-OK Linux (\S+) on (\S+)\r*\n", self.args.boot_timeout)
        self.machine.expect(PROMPT, SHELL_TIMEOUT)
        self.run("dmesg -n 1")  # late kernel messages would get into the output of commands
        return f"Linux {match[1]} on {match[2]} after {self.machine.elapsed():.1f} s"

    def check_cpuinfo(self):
        text = self.run("cat /proc/cpuinfo")
        fields = dict(re.findall(r"^(\S[^\t:]*?)\s*: ?(.*)$", text, re.MULTILINE))
        for name in ("processor", "vendor_id", "cpu family", "model name", "flags"):
            if not fields.get(name):
                raise Failure(f"/proc/cpuinfo has no {name!r}")
        for flag in ("fpu", "tsc", "cx8", "cmov"):
            if flag not in fields["flags"].split():
                raise Failure(f"/proc/cpuinfo lacks the flag {flag!r}: {fields['flags']}")
        return fields["model name"]

    def check_messages(self):
        """What the kernel has to have said while it booted, and what not."""
        said = self.run("dmesg") if self.args.says + self.args.says_not else ""
        for pattern in self.args.says:
            if not re.search(pattern, said):
                raise Failure(f"the kernel did not say {pattern!r}:\n{said}")
        for pattern in self.args.says_not:
            match = re.search(".*" + pattern + ".*", said)
            if match:
                raise Failure(f"the kernel said {match[0]!r}")

    def check_memory(self):
        kib = int(self.run("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
        if not 0.8 * self.args.ram * 1024 < kib <= self.args.ram * 1024:
            raise Failure(f"the guest sees {kib} KiB of RAM of {self.args.ram} MiB")
        return f"{kib} KiB"

    def check_pipeline(self):
        self.run_expecting("seq 1 1000 | grep 7 | sort -rn | head -n 3 | tr '\\n' ' '", "997 987 979")

    def check_dd_sums(self):
        numbers = "".join(f"{n}\n" for n in range(1, 20001)).encode()
        zeros = bytes(1 << 20)
        self.run_expecting("seq 1 20000 | dd bs=4k 2>/dev/null | md5sum",
                           hashlib.md5(numbers).hexdigest() + "  -")
        self.run("dd if=/dev/zero of=/tmp/zeros bs=64k count=16 2>/dev/null")
        self.run_expecting("sha1sum </tmp/zeros; rm /tmp/zeros", hashlib.sha1(zeros).hexdigest() + "  -")

    def check_floating_point(self):
        expected = sum((-1) ** k / (2 * k + 1) for k in range(1000))
        self.run_expecting("awk 'BEGIN { for (k = 999; k >= 0; k--) s += (k % 2 ? -1 : 1) / (2 * k + 1);"
                           " printf \"%.10f\", s }'", f"{expected:.10f}")

    def check_exit_statuses(self):
        self.run("false", status=1)
        self.run("sh -c 'exit 42'", status=42)
        self.run("sh -c 'kill -SEGV $$'", status=128 + signal.SIGSEGV)

    def check_job_control(self):
        self.machine.send("sleep 100; echo '[''after' $?']'\r")
        self.machine.expect(r"after' \$\?", SHELL_TIMEOUT)
        time.sleep(1)  # give the shell time to start the sleep; an early Ctrl-C would only clear the line
        self.machine.send("\x03")
        self.machine.expect(PROMPT, 10)
        # A shell with a terminal ignores SIGTERM, and so does its child until it has run for the first time.
        self.run_expecting("sleep 100 & sleep 1; jobs | grep -c 'Running.*sleep'; kill %1; wait 2>/dev/null", "1")

    def check_clock(self):
        before, earliest, latest = self._guest_clock()
        if abs(before - time.time()) > 60:
            raise Failure(f"the guest's clock is {before - time.time():+.0f} s off the host's")
        self.run("sleep 2")
        after, earliest_after, latest_after = self._guest_clock()
        least, most = earliest_after - latest, latest_after - earliest
        if not 0.8 * least < after - before < 1.2 * most:
            raise Failure(f"the guest's clock went {after - before:.2f} s in {least:.2f} to {most:.2f} s")
        return f"advances {after - before:.2f} s in {least:.2f} to {most:.2f} s"

    def check_idle(self):
        """
        What an idle guest costs, as a count: how often threads of the program go to sleep. Seconds of processor time
        depend on what else the host does; that they are few only tells a sleeper from one that polls. What
        disturbs the guest can only add to either, so the least of several windows counts.
        """
        args, seen = self.args, []
        for _ in range(6):
            time.sleep(1)
            used, slept, started = self.machine.processor_seconds(), self.machine.sleeps(), time.monotonic()
            time.sleep(args.idle_seconds)
            passed = time.monotonic() - started
            seen.append(((self.machine.sleeps() - slept) / passed,
                         100 * (self.machine.processor_seconds() - used) / passed))
            if seen[-1][0] <= args.idle_sleeps and seen[-1][1] <= POLLING_PERCENT:
                return f"sleeps {seen[-1][0]:.0f} times a second, {seen[-1][1]:.1f} % of a core"
        shown = ", ".join(f"{sleeps:.0f} ({percent:.1f} %)" for sleeps, percent in seen)
        raise Failure(f"the program of an idle guest sleeps {shown} times a second (of a core), more than "
                      f"{args.idle_sleeps:.0f} or {POLLING_PERCENT:.0f} %")

    def check_end(self):
        """End the machine in the way asked for; the program must say so by its exit status."""
        args = self.args
        machine = self.machine
        if args.end == "escape":
            if args.runner == "qemu":
                raise Failure("--end escape is for duplex86")
            machine.send("\x01x")
        else:
            machine.send(f"{args.end} -f\r")
        if args.runner == "qemu" and args.end == "poweroff":
            # This QEMU machine has nothing to switch power off with: the kernel halts for good.
            machine.expect(r"reboot: (Power down|System halted)", SHELL_TIMEOUT)
            return "halted"
        status = machine.wait_exit(SHELL_TIMEOUT)
        if status != args.end_status:
            raise Failure(f"after {args.end} the program ended with status {status}, not {args.end_status}")
        if not machine.terminal_restored():
            raise Failure("the program did not restore the terminal's settings")
        return f"{args.end}, status {status}, terminal restored"

    def _guest_clock(self):
        """The guest's time of day, and the host's running clock just before and after that; all in seconds."""
        # `date` tells whole seconds; `ts` puts the same clock before each line, with a fraction.
        earliest = time.monotonic()
        seconds, fine = self.run("date +%s; echo | ts %.s").split()
        latest = time.monotonic()
        if not 0 <= float(fine) - int(seconds) < 2:
            raise Failure(f"date says {seconds} and ts says {fine}")
        return float(fine), earliest, latest


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", choices=("duplex86", "qemu"), default="duplex86")
    parser.add_argument("--program", required=True, help="the program to start")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--append", default="console=ttyS0", help="kernel command line")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--engine")
    parser.add_argument("--program-arg", action="append", default=[], help="passed on (repeatable)")
    parser.add_argument("--end", choices=("poweroff", "reboot", "escape"), default="poweroff")
    parser.add_argument("--end-status", type=int, default=0, help="exit status that end must give")
    parser.add_argument("--says", action="append", default=[], help="pattern of a kernel message there must be")
    parser.add_argument("--says-not", action="append", default=[], help="... and of one there must not be")
    parser.add_argument("--boot-timeout", type=float, default=180)
    parser.add_argument("--idle-seconds", type=float, default=5)
    parser.add_argument("--idle-sleeps", type=float, default=2000, help="times a second, at most")
    parser.add_argument("--only", help="run only checks whose name matches, besides boot and end")
    parser.add_argument("--log", type=argparse.FileType("w"), help="copy the console here")
    return parser.parse_args()


def main():
    args = parse_arguments()
    for path in (args.kernel, args.initrd):
        if not os.path.exists(path):
            print(f"there is no {path}: './setup guests' makes it")
            return SKIPPED
    if args.runner == "qemu":
        command = qemu_command(args.program, args.kernel, args.initrd, args.append, args.ram,
                               args.program_arg)
    else:
        command = duplex86_command(args.program, args.kernel, args.initrd, args.append, args.ram, args.engine,
                                   args.program_arg)
    machine = Machine(command, args.log)
    session = Session(machine, args)
    name = None
    try:
        for name in [entry for entry in vars(Session) if entry.startswith("check_")]:
            name = name[len("check_"):]
            if args.only and name not in ("boot", "end") and not re.search(args.only, name):
                continue
            started = time.monotonic()
            detail = getattr(session, "check_" + name)()
            print(f"ok    {name:16}{time.monotonic() - started:6.1f} s  {detail or ''}", flush=True)
    except Failure as failure:
        refused = args.engine and machine.refused()
        if refused:
            print(f"skipped: engine {args.engine}: {refused}")
            return SKIPPED
        print(f"FAIL  {name}: {failure}")
        print(f"----- command: {' '.join(command)}")
        print(f"----- last lines of the console:\n{machine.tail()}\n-----")
        return 1
    finally:
        machine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
