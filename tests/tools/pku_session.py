#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the engines' tests where there are protection keys: under a 64-bit kernel in QEMU's emulator.

Few hosts have protection keys, but QEMU's emulated processor "max" does. The programs of the build
folder go there in an initramfs with the libraries they are linked with, /init runs them one by
one, and every status and some outputs are checked here. A second machine, whose processor lacks the
keys, shows that they are asked for before they are used. What the emulator itself gets wrong is in
EXCLUDED, each with the reason.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time

from linux64 import Case, contents, run_case, says, with_libraries, write_initramfs
from machine import Failure, Machine

SKIPPED = 77  # tests/tools/pku.cmake tells ctest
REFUSED = 77  # exit status of run_guest and oracle when the host cannot do what was asked for

# What QEMU's emulator has to be kept from, found with 7.2:
# - It lets an IRET in user mode read the stack with the supervisor's rights, which SMAP forbids; native
#   code is entered by IRET. SDM 3A, "Determination of Access Rights": such an access is a user-mode one.
# - It applies the prefix 3E in 64-bit mode, where DS, ES and SS have no base (SDM 1, "Segment Registers in
#   64-Bit Mode"). On one processor Linux turns its LOCK prefixes into just that one, and the kernel runs
#   with the DS of the code it interrupted.
PROCESSOR = "max,-smap"
KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=-1 noreplace-smp"

# Run a command and tell whether one of the process' mappings had a protection key meanwhile.
KEYED = """#!/bin/sh
"$@" &
child=$!
seen=no
while kill -0 $child 2>/dev/null; do
    grep -qs '^ProtectionKey: *[1-9]' /proc/[0-9]*/smaps && seen=yes
done
wait $child
status=$?
echo "key in use: $seen"
exit $status
"""

# The oracle with one split ($1), and whether each case ended as it does without any. The emulator is not the
# processor the oracle takes its host for, so that many cases differ from that host, but each is told with all
# its state. Groups with far transfers are left out (an oops: these access the stack as the supervisor, as IRET
# does), and strings (one by one too slow for the oracle's watchdog). Single cases are, if they access memory
# through CS: the emulator lets native code write there, but under `segment` the interpreter has these.
SAME = """#!/bin/sh
try()
{
    oracle -g directed -g int -g x87 -g mmx -g sse -g sse2 -g fault --count=$count --failures=1000000 \\
        --no-minimise --engine=sbe --split=$1 >/tmp/$1
    [ $? -le 1 ] || { cat /tmp/$1; exit 1; }
}
compared()
{
    awk 'function show() { if (block !~ /cs:\\[/) printf "%s", block; block = "" }
         /^case / { show() }
         !/ different, .* unspecified / { block = block $0 "\\n" }
         END { show() }' /tmp/$1 >/tmp/$1.compared
}
count=$2
[ -e /tmp/none ] || try none
try $1
tail -n 1 /tmp/$1
compared none
compared $1
[ -s /tmp/none.compared ] && diff /tmp/none.compared /tmp/$1.compared
"""

# What fails for the emulator's sake: (pattern of case names, reason).
EXCLUDED = (
    (r"user_interrupts-.*\.lockstep", "an instruction in lockstep takes as long as the guest's interrupts lie apart"),
)


# ---- Checks of outputs -------------------------------------------------------------------------------

def counters(text):
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}


def split_is(name, at_least=("native_entries",), zero=()):
    """The output of `run_guest --stats yes`: this split, these counters not 0, those 0."""
    def check(text):
        have = re.search(r"^split (\w+)$", text, re.MULTILINE)
        if not have or have[1] != name:
            raise Failure(f"split {have[1] if have else 'unknown'}, not {name}")
        values = counters(text)
        for counter in at_least:
            if not values.get(counter):
                raise Failure(f"the counter {counter} is {values.get(counter)}")
        for counter in zero:
            if values.get(counter) != 0:
                raise Failure(f"the counter {counter} is {values.get(counter)}, not 0")
        return ", ".join(f"{counter} {values[counter]}" for counter in at_least)
    return check


# ---- Cases ---------------------------------------------------------------------------------------------

def guest_cases(folder):
    """The guests called user_*, as tests/guest/CMakeLists.txt runs them, and by every split."""
    cases = []
    guests = sorted(name[:-len(".bin")] for name in os.listdir(folder)
                    if re.fullmatch(r"user_\w+-(none|4k|4m|pae)\.bin", name))
    for guest in guests:
        reads_code = guest.startswith("user_smc-")
        pku = split_is("pku", ["native_entries", "trap_split"] if reads_code else ["native_entries"])
        meets = ["code_conflicts"] if guest.startswith("user_places-") else []  # code and data at one place
        segment = split_is("segment", ["native_entries", *meets], zero=["trap_split"])
        rows = (("pku", f"{guest}-qemu.bin", "sbe", "pku", pku),
                ("segment", f"{guest}-qemu.bin", "sbe", "segment", segment),
                ("none", f"{guest}-qemu-blind.bin", "sbe", "none", split_is("none")),
                ("lockstep", f"{guest}-qemu.bin", "lockstep", "pku", split_is("pku", ["lockstep_checks"])))
        for kind, binary, engine, split, check in rows:
            command = f"run_guest --stats yes --engine {engine} --split {split} /guest/{binary}"
            cases.append(Case(f"{guest}.{kind}", command, 0, check))
    return cases


def cases_with_keys(args):
    cases = [Case("processor", "grep -m1 ^flags /proc/cpuinfo", 0, says(r"\bpku\b.*\bospke\b|\bospke\b.*\bpku\b"))]
    for split in ("pku", "segment"):
        cases.append(Case(f"key.{split}", f"keyed run_guest --engine sbe --split {split} /guest/user_smc-4k-qemu.bin", 0,
                          says("^key in use: yes$")))
    cases.append(Case("key.none", "keyed run_guest --engine sbe --split none /guest/user_smc-4k-qemu-blind.bin", 0,
                      says("^key in use: no$")))
    cases += guest_cases(args.guests)
    for split in ("pku", "segment"):
        cases.append(Case(f"oracle.{split}", f"same {split} {args.oracle_count}", 0, says(r"^oracle: \d{4,} cases")))
    cases.append(Case("test_carrier", "test_carrier"))
    return cases


def cases_without_keys(_args):
    guest = "/guest/user_smc-4k-qemu.bin"
    return [
        Case("processor", "grep -m1 ^flags /proc/cpuinfo", 0, says(r"^flags(?!.*\bpku\b).*\bfsgsbase\b")),
        Case("masked.pku", f"run_guest --engine sbe --split pku {guest}", REFUSED,
             says(r"\A\s*skipped: [^\n]*\bprocessor has no protection keys \(PKU\)\s*\Z")),
        Case("masked.auto", f"run_guest --stats yes --engine sbe --split auto {guest}", 0,
             split_is("segment", zero=["trap_split"])),
        Case("masked.key", f"keyed run_guest --engine sbe --split segment {guest}", 0, says("^key in use: no$")),
    ]


# ---- The machine ---------------------------------------------------------------------------------------

def make_initramfs(args, cases, output):
    files = {"bin/keyed": KEYED.encode(), "bin/same": SAME.encode(), "bin/busybox": contents(args.busybox)}
    files.update(with_libraries(args.program))
    for name in os.listdir(args.guests):
        if re.fullmatch(r"user_.*-qemu(-blind)?\.bin", name):
            files["guest/" + name] = contents(os.path.join(args.guests, name))
    write_initramfs(files, cases, args.timeout, output)


def qemu_command(args, cpu, initrd):
    return [args.qemu, "-accel", "tcg", "-cpu", cpu, "-smp", str(args.cpus), "-m", str(args.ram), "-nodefaults",
            "-display", "none", "-no-reboot", "-chardev", "stdio,id=console,signal=off",
            "-serial", "chardev:console", "-kernel", args.kernel, "-initrd", initrd,
            "-append", KERNEL_ARGUMENTS]


def run_machine(args, name, cpu, cases, folder):
    """Boot, see all cases through; how many failed."""
    failed = 0
    excluded = {case.name: why for case in cases for pattern, why in EXCLUDED if re.fullmatch(pattern, case.name)}
    cases = [case for case in cases if not args.only or re.search(args.only, case.name)]
    for case in cases:
        if case.name in excluded:
            print(f"left out  {case.name}: {excluded[case.name]}")
    cases = [case for case in cases if case.name not in excluded]
    if not cases:
        return 0
    initrd = os.path.join(folder, name)
    make_initramfs(args, cases, initrd)
    machine = Machine(qemu_command(args, cpu, initrd), args.log)
    try:
        timeout = args.boot_timeout
        for case in cases:
            started = time.monotonic()
            try:
                detail = run_case(machine, case, timeout + args.timeout)
                print(f"ok    {case.name:32}{time.monotonic() - started:6.1f} s  {detail[:80]}", flush=True)
            except Failure as failure:
                failed += 1
                print(f"FAIL  {case.name}: {failure}", flush=True)
                if machine.process.poll() is not None or "Kernel panic" in machine.transcript:
                    raise
            timeout = 30
        status = machine.wait_exit(60)
        if status:
            raise Failure(f"QEMU ended with status {status}")
    except Failure as failure:
        print(f"FAIL  machine {name}: {failure}\n----- last of the console:\n{machine.tail()}\n-----")
        return failed + 1
    finally:
        machine.close()
    return failed


# ---- Command line --------------------------------------------------------------------------------------

def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--kernel", required=True, help="a 64-bit one")
    parser.add_argument("--busybox", required=True, help="static, i386 or x86-64")
    parser.add_argument("--guests", required=True, help="folder of the assembled test guests")
    parser.add_argument("--program", action="append", required=True, help="to take along (repeatable)")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--ram", type=int, default=1024, help="MiB")
    parser.add_argument("--oracle-count", type=int, default=2000)
    parser.add_argument("--only", help="run only cases whose name matches")
    parser.add_argument("--boot-timeout", type=float, default=300)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for each case")
    parser.add_argument("--log", type=argparse.FileType("w"), help="copy the console here")
    return parser.parse_args()


def main():
    args = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a time limit of ctest's must end QEMU too
    if not shutil.which(args.qemu):
        print(f"skipped: there is no {args.qemu}: './setup bench-deps' installs QEMU")
        return SKIPPED
    for path in (args.kernel, args.busybox):
        if not os.path.exists(path):
            print(f"skipped: there is no {path}: './setup kernel64' fetches it")
            return SKIPPED
    with tempfile.TemporaryDirectory(prefix="d86-pku-") as folder:
        try:
            failed = run_machine(args, "keys", PROCESSOR, cases_with_keys(args), folder)
            failed += run_machine(args, "no-keys", PROCESSOR + ",-pku", cases_without_keys(args), folder)
        except Failure as failure:
            print(f"FAIL  {failure}")
            failed = 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
