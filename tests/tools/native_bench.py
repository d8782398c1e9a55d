#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Time one i386 program on the host, in Duplex86 and in QEMU's emulator, and print ratios to the host.

The program (tests/guest_user/bench.c) is the same file everywhere. All guests boot first; then the tests go
round: each test runs on the host and in each guest in turn, every other time in reverse, so that a change of
the host's speed meets all of them. Who does not run is stopped, since an idle guest still has timer ticks and
shares a processor. A ratio is taken within a round; the median of the rounds counts. On a host that is shared
with others many short rounds tell more than a few long ones. Time is the time stamp counter, whose rate in each guest is first measured with the host's clock: kernels misjudge it, and ticks get lost on a
busy host.
Memory of a guest is made of pages of 4 KiB, so the host's column has such pages too; what huge pages give
on the host is a column of its own, for tests of large memory.

    ./setup build && ./setup guests
    python3 tests/tools/native_bench.py --program build/frontend/duplex86 --kernel build/guests/vmlinuz-686 \\
        --initrd build/guests/initramfs.gz --bench build/tests/guest_user/programs/bench
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from machine import Failure, Machine, duplex86_command, qemu_command
from user_session import PROMPT, add_programs, boot, shell

CLASSES = {
    "integer": ("sha256", "calls", "sort"),
    "interpreter loop": ("bytecode",),
    "FP and SSE2": ("sse2-double", "sse2-integer", "scalar-double", "x87"),
    "memory": ("memcpy-16M", "memcpy-16M-rep", "memcpy-8K", "chase-16M"),
    "JIT": ("jit-run", "jit-write-run"),
    "null system calls": ("getppid-int80", "getppid-vdso", "clock-gettime"),
    "with the kernel": ("pipe-ping-pong", "signal", "ud2-signal", "sigsegv", "fork-wait", "fork-exec", "mmap-touch",
                        "page-fault", "copy-on-write", "file-512"),
}
TESTS = ("sha256", "bytecode", "calls", "sort", *CLASSES["FP and SSE2"], *CLASSES["memory"], *CLASSES["JIT"],
         *CLASSES["null system calls"], *CLASSES["with the kernel"])
LARGE_MEMORY = ("memcpy-16M", "memcpy-16M-rep", "chase-16M")
CATCH_UP_S = 0.05  # for a guest that was stopped, to get over it
SAME_COUNTER = 0.03  # a guest's counter whose rate is that close to the host's is the host's
RESULT = re.compile(r"^(\S+) ([0-9.]+) (\S+)\r*$", re.MULTILINE)


class Host:
    """The program as a process of this machine."""

    def __init__(self, name, args, huge=False):
        self.name = name
        self.path = args.bench
        self.huge = huge
        self.khz = statistics.median(self._measure_clock() for _ in range(3))

    def has(self, test):
        return not self.huge or test in LARGE_MEMORY

    def run(self, test, milliseconds, timeout):
        done = subprocess.run([self.path, f"{milliseconds}{'h' if self.huge else ''}", str(self.khz), test],
                              stdout=subprocess.PIPE, timeout=timeout, check=True)
        return parse_result(done.stdout.decode(), test)

    def close(self):
        pass

    def _measure_clock(self):
        with subprocess.Popen([self.path, "clock"], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            started = time.monotonic()
            ticks = int(process.stdout.readline().split()[1])
            return round(ticks / (time.monotonic() - started) / 1000)


class Guest:
    """The program in a virtual machine, started by typing."""

    def __init__(self, name, command, host_khz, timeout):
        self.name = name
        self.machine = Machine(command)
        boot(self.machine, timeout)
        self.khz = statistics.median(self._measure_clock() for _ in range(3))
        if abs(self.khz / host_khz - 1) < SAME_COUNTER:
            self.khz = host_khz
        self.machine.signal_all(signal.SIGSTOP)

    def has(self, _test):
        return True

    def run(self, test, milliseconds, timeout):
        self.machine.signal_all(signal.SIGCONT)
        time.sleep(CATCH_UP_S)
        text, status = shell(self.machine, f"/user/bench {milliseconds} {self.khz} {test}", timeout)
        self.machine.signal_all(signal.SIGSTOP)
        if status:
            raise Failure(f"{self.name}: {test} ended with status {status}: {text}")
        return parse_result(text, test)

    def close(self):
        self.machine.signal_all(signal.SIGCONT)
        self.machine.close()

    def _measure_clock(self):
        machine = self.machine
        machine.send("/user/bench clock\r")
        machine.expect(r"begin\r*\n", 60)
        started = time.monotonic()
        match = machine.expect(r"end (\d+) ticks\r*\n", 60)
        seconds = time.monotonic() - started
        machine.expect(PROMPT, 60)
        return round(int(match[1]) / seconds / 1000)


def parse_result(text, test):
    for name, value, unit in RESULT.findall(text):
        if name == test:
            return float(value), unit
    raise Failure(f"no result for {test} in {text!r}")


def start_guest(name, command, host_khz, args):
    """The guest, or None with a word why not."""
    try:
        print(f"booting {name}", file=sys.stderr, flush=True)
        return Guest(name, command, host_khz, args.timeout)
    except Failure as failure:
        print(f"{name}: left out: {failure}", file=sys.stderr)
        return None


def refused(command):
    """Does the program end at once, refusing the engine? Then why."""
    machine = Machine(command)
    try:
        machine.wait_exit(3)
        return machine.refused()
    except Failure:
        return None
    finally:
        machine.close()


def find_contestants(args, initrd):
    found = [Host("native", args), Host("native huge", args, huge=True)]
    host_khz = found[1].khz = found[0].khz
    for engine in args.engine or ["sbe", "interp"]:
        command = duplex86_command(args.program, args.kernel, initrd, args.append, args.ram, engine, args.program_arg)
        reason = refused(command)
        if reason:
            print(f"{engine}: left out: {reason}", file=sys.stderr)
            continue
        found.append(start_guest(engine, command, host_khz, args))
    qemu = shutil.which("qemu-system-i386")
    if qemu and not args.without_qemu:
        # A processor with SSE2, as the program needs; with an APIC the kernel would want tables this machine lacks.
        found.append(start_guest("QEMU TCG", qemu_command(qemu, args.kernel, initrd, args.append, args.ram,
                                                          cpu="qemu32,-apic"), host_khz, args))
    return [contestant for contestant in found if contestant]


def measure(contestants, tests, args):
    """{test: {contestant: [values]}} and {test: unit}."""
    values, units = {test: {} for test in tests}, {}
    for number in range(args.rounds):
        order = contestants[::-1] if number % 2 else contestants
        for test in tests:
            for contestant in order:
                if not contestant.has(test):
                    continue
                value, units[test] = contestant.run(test, args.milliseconds, args.timeout)
                values[test].setdefault(contestant.name, []).append(value)
        print(f"round {number + 1} of {args.rounds} done", file=sys.stderr, flush=True)
    return values, units


def ratio(unit, native, other):
    """How fast, as a part of native speed."""
    return native / other if unit == "ns" else other / native


def summarize(values, units, contestants):
    """What the table shows, ready for JSON."""
    results = {}
    for test, columns in values.items():
        unit = units[test]
        best = min if unit == "ns" else max
        results[test] = {"unit": unit}
        for name, runs in columns.items():
            pairs = zip(columns["native"], runs)
            results[test][name] = {
                "median": statistics.median(runs), "min": min(runs), "max": max(runs),
                "ratio": statistics.median(ratio(unit, native, other) for native, other in pairs),
                "ratio_of_best": ratio(unit, best(columns["native"]), best(runs))}
    clocks = {contestant.name: contestant.khz for contestant in contestants}
    return {"host": {"processor": processor_name(), "kernel": platform.release()}, "results": results,
            "classes": classes_of(results), "time stamp counters, kHz": clocks}


def classes_of(results):
    """{class: {contestant: geometric mean of its ratios}}, of classes that ran as a whole."""
    classes = {}
    for name, tests in CLASSES.items():
        rows = [results[test] for test in tests if test in results]
        if len(rows) == len(tests):
            common = [key for key in rows[0] if key != "unit" and all(key in row for row in rows)]
            classes[name] = {key: statistics.geometric_mean(row[key]["ratio"] for row in rows) for key in common}
    return classes


def processor_name():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        match = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return match[1] if match else "unknown"


def figure(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_table(summary, contestants, args):
    names = [contestant.name for contestant in contestants]
    others = [name for name in names if not name.startswith("native")]
    print(f"{summary['host']['processor']}, Linux {summary['host']['kernel']}; median of {args.rounds} rounds of "
          f"{args.milliseconds} ms; x: speed as a part of native, "
          "the median of the rounds and that of the best runs\n")
    columns = names + [f"{name} x" for name in others] + ["native min..max"]
    print(f"| {'test':15}| {'unit':8}| " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for test, row in summary["results"].items():
        cells = [figure(row[name]["median"]) if name in row else "-" for name in names]
        cells += [f"{row[name]['ratio']:.3f} {row[name]['ratio_of_best']:.3f}" for name in others]
        cells.append(f"{figure(row['native']['min'])}..{figure(row['native']['max'])}")
        print(f"| {test:15}| {row['unit']:8}| " +
              " | ".join(f"{cell:>{len(column)}}" for cell, column in zip(cells, columns)) + " |")
    print_classes(summary["classes"], others)
    clocks = summary["time stamp counters, kHz"].items()
    print("\ntime stamp counters: " + ", ".join(f"{name} {khz / 1000:.1f} MHz" for name, khz in clocks))


def print_classes(classes, names):
    if not classes:
        return
    print(f"\n| {'geometric mean':17}| " + " | ".join(f"{name} x" for name in names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for name, means in classes.items():
        print(f"| {name:17}| " + " | ".join(f"{means[column]:>{len(column) + 2}.3f}" for column in names) + " |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="duplex86")
    parser.add_argument("--bench", required=True, help="the benchmark program")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--engine", action="append", help="engines to time (repeatable; default sbe and interp)")
    parser.add_argument("--program-arg", action="append", default=[], help="passed to duplex86 (repeatable)")
    parser.add_argument("--append", default="console=ttyS0", help="kernel command line")
    parser.add_argument("--ram", type=int, default=256, help="MiB")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--milliseconds", type=int, default=80, help="for each test in each round")
    parser.add_argument("--only", help="run only tests whose name matches")
    parser.add_argument("--without-qemu", action="store_true")
    parser.add_argument("--json", metavar="FILE", help="write medians, extremes and ratios here; - is stdout")
    parser.add_argument("--need", type=float, metavar="RATIO",
                        help="fail if the first engine is slower than this in a test of --need-tests")
    parser.add_argument("--need-tests", default="sha256|bytecode|calls|sort|sse2|scalar|x87|memcpy-8K|memcpy-16M$")
    parser.add_argument("--timeout", type=float, default=180, help="seconds for each step")
    return parser.parse_args()


def meets_needs(summary, args):
    engine = (args.engine or ["sbe"])[0]
    good = True
    for test, row in summary["results"].items():
        if re.search(args.need_tests, test) and row.get(engine, {"ratio": 0})["ratio"] < args.need:
            print(f"FAIL  {test}: {engine} has {row.get(engine, {'ratio': 0})['ratio']:.3f} of native speed, "
                  f"less than {args.need}")
            good = False
    return good


def main():
    args = parse_arguments()
    tests = [test for test in TESTS if not args.only or re.search(args.only, test)]
    for path in (args.kernel, args.initrd, args.bench):
        if not os.path.exists(path):
            sys.exit(f"there is no {path}")
    contestants = []
    with tempfile.TemporaryDirectory(prefix="d86-bench-") as folder:
        initrd = os.path.join(folder, "initramfs")
        add_programs(args.initrd, os.path.dirname(args.bench), [os.path.basename(args.bench)], initrd)
        try:
            contestants = find_contestants(args, initrd)
            values, units = measure(contestants, tests, args)
            summary = summarize(values, units, contestants)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            sys.exit(f"native_bench: {failure}")
        finally:
            for contestant in contestants:
                contestant.close()
    if args.json == "-":
        print(json.dumps(summary, indent=2))
    else:
        print_table(summary, contestants, args)
        if args.json:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(summary, file, indent=2)
    return 0 if args.need is None or meets_needs(summary, args) else 1


if __name__ == "__main__":
    sys.exit(main())
