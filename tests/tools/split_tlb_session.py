#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the split `tlb` where its kernel module can be loaded: under the distribution's kernel in an emulator.

QEMU's emulator has one TLB, so there the split must be refused with the right sentence, and the module is called at
random while its users are killed. Bochs has a TLB for fetches and one for data, so there the split must work. The
module is the one that tests/tools/build_tlb_helper.sh has built; docs/split-tlb.md tells what it is about.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time

import bochs64
from linux64 import Case, contents, run_case, says, with_libraries, write_initramfs
from machine import Failure, Machine
from user_session import add_programs

SKIPPED = 77
REFUSED = 77  # run_guest, when the host cannot do what was asked for
QEMU = "qemu-system-x86_64"
# What QEMU 7.2 has to be kept from: tests/tools/pku_session.py.
QEMU_PROCESSOR = "max,-smap"
# With FSGSBASE, which the engine needs; and without SMEP.
BOCHS_PROCESSOR = "corei7_ivy_bridge_3770k"
BOCHS_OLD_PROCESSOR = "core2_penryn_t9600"
# The page of docs/scan-before-execute.md; code that changes and reads itself; segments; places; FP state.
BOCHS_GUESTS = ("user_page-4k-apart", "user_smc-4k-apart", "user_smc-none-apart", "user_smc-pae-apart",
                "user_places-4k-apart", "user_sensitive-4k-apart", "user_fpu-4k-apart", "user_paging-4k-apart")
# Not among them: user_segments, in which a #GP at the limit of a code segment has another EIP in Bochs than it checks for.
KERNEL_ARGUMENTS = "console=ttyS0,115200 quiet panic=-1 noreplace-smp nokaslr"

SHARES = "the processor shares second-level TLB entries between fetches and data"
LOST = "primed entries are gone when guest code runs"
OOPS = "BUG|WARNING|Oops|general protection|Bad page|bad pte|stack-protector|refcount_t|blocked for more"


# Run something without most of its counters, which take longer to be printed than to be counted.
COUNTED = """#!/bin/sh
"$@" >/tmp/counted 2>&1
status=$?
grep -v '^[a-z_0-9]* [0-9]*$' /tmp/counted
grep -E '^(native|tlb|trap|host|code)_[a-z_]* [0-9]*$' /tmp/counted
exit $status
"""

# ---- Cases ---------------------------------------------------------------------------------------------

def fact(section, key, value):
    """In the output of `duplex86-probe --json`, by its indentation: the fact's text has `value`."""
    def check(text):
        part = re.search(rf'^  "{section}": \{{$(.*?)^  \}}', text, re.MULTILINE | re.DOTALL)
        found = part and re.search(rf'^    "{key}": (\{{.*?^    \}}|.*?$)', part[1], re.MULTILINE | re.DOTALL)
        if not found:
            raise Failure(f"no fact {section}.{key}")
        told = " ".join(found[1].split())
        if not re.search(value, told):
            raise Failure(f"{section}.{key} is {told}, without {value!r}")
        return f"{section}.{key} {told[:120]}"
    return check


def all_of(*checks):
    def check(text):
        return [one(text) for one in checks][-1]
    return check


def refuses(sentence):
    return all_of(says(r'^  "version"'), fact("tlb_helper", "loaded", '"offered": true'),
                  fact("tlb_helper", "apart", '"offered": false.*' + re.escape(sentence)),
                  fact("splits", "tlb", '"offered": false.*' + re.escape(sentence)),
                  fact("splits", "auto", '"segment"'))


def begin(parameters=""):
    return [Case("insmod", f"insmod /duplex86_tlb.ko {parameters}"), Case("device", "ls -l /dev/duplex86-tlb", 0, says("^crw-------"))]


def no_oops(text):
    """What the kernel has said."""
    if "Linux version" not in text:
        raise Failure("there are no messages of the kernel")
    bad = re.search(rf"^.*({OOPS}).*$", text, re.MULTILINE)
    if bad:
        raise Failure(bad[0])
    return f"{text.count(chr(10))} lines"


def end():
    """No oops, and the module goes when nobody uses it, and not before."""
    return [Case("oops", "dmesg", 0, no_oops),
            Case("in_use", "sh -c 'exec 9</dev/duplex86-tlb; rmmod duplex86_tlb; [ -e /sys/module/duplex86_tlb ]'"),
            Case("rmmod", "rmmod duplex86_tlb"),
            Case("gone", "sh -c '! [ -e /dev/duplex86-tlb ]'")]


def cases_without_module(_args):
    return [Case("unloaded.probe", "duplex86-probe --json", 0,
                 all_of(fact("tlb_helper", "loaded", "duplex86_tlb is not loaded"),
                        fact("splits", "tlb", '"offered": false.*duplex86_tlb is not loaded'))),
            Case("unloaded.run", "run_guest --engine sbe --split tlb /guest/user_smc-4k-qemu.bin", REFUSED,
                 says("duplex86_tlb is not loaded"))]


def cases_in_qemu(args):
    guest = "run_guest --engine sbe --split tlb /guest/user_smc-4k-qemu.bin"
    return (cases_without_module(args) + begin() +
            [Case("probe", "duplex86-probe --json", 0, refuses(SHARES)),
             Case("refused", guest, REFUSED, says(re.escape(SHARES))),
             Case("fuzz", f"fuzz_tlb_device {args.calls}", 0, says(r"^\d+ calls.*; 0 pages left.*$"))] + end())


def cases_in_qemu_isolated(args):
    """With page-table isolation each way into the kernel and back loads CR3, and QEMU's TLB is empty then."""
    return begin() + [Case("probe", "duplex86-probe --json", 0, refuses(LOST))] + end()


def cases_in_bochs(args):
    guests = args.bochs_guest or BOCHS_GUESTS
    cases = begin() + [
        Case("probe", "duplex86-probe --json", 0,
             all_of(fact("tlb_helper", "apart", '"offered": true'), fact("splits", "tlb", '"offered": true'),
                    fact("splits", "auto", '"segment"'), fact("tlb_helper", "held", r'"number": \d+')))]
    for guest in guests:
        # Sites that native code came to: it was not lost each time before it began.
        cases.append(Case(f"{guest}.tlb", f"counted run_guest --stats yes --engine sbe --split tlb /guest/{guest}.bin",
                          0, all_of(says("^split tlb$"), says(r"^trap_site [1-9]\d*"), says(r"^tlb_primes [1-9]\d*"))))
    return cases + end()


# Programs of tests/guest_user/ for the guest Linux in Bochs: one that reads itself, and jumps into instructions.
LINUX_PROGRAMS = ("selfread", "middle")


def linux_ran(text):
    """Each program in the guest has ended with 0, by tests/guest_user/runner.c, and nobody said FAIL."""
    for program in LINUX_PROGRAMS:
        found = re.search(rf"\[begin {program}\](.*?)\[end (\d+)\]", text, re.DOTALL)
        if not found or found[2] != "0" or "FAIL" in found[1]:
            raise Failure(f"the guest's program {program} failed")
    return says(r"^ +tlb_primes +[1-9]\d*")(text)


def cases_of_linux(_args):
    """A guest with a system of its own: Debian's i386 kernel."""
    command = ("duplex86 --engine sbe --split tlb --eager --stats --display none --serial stdio --ram 64M "
               "--kernel /linux/vmlinuz --initrd /linux/initramfs --append 'console=ttyS0 loglevel=1 rdinit=/user/runner "
               f"-- short {' '.join(LINUX_PROGRAMS)}'")
    return begin() + [Case("linux", f"sh -c \"{command} </dev/null\"", 0, linux_ran)] + end()


def cases_of_ring0(_args):
    """Ring 0 primes, where there is no SMEP to forbid it."""
    return begin("ring0=1") + [
        Case("probe", "duplex86-probe --json", 0,
             all_of(fact("tlb_helper", "apart", '"offered": true'), fact("tlb_helper", "fresh_ring0", '"number": 1000'),
                    fact("tlb_helper", "held_ring0", '"of": 1000')))] + end()


# ---- Machines ------------------------------------------------------------------------------------------

def qemu_machine(args, arguments, initrd, _folder):
    return Machine([QEMU, "-accel", "tcg", "-cpu", QEMU_PROCESSOR, "-smp", str(args.cpus), "-m", "512", "-nodefaults",
                    "-display", "none", "-no-reboot", "-chardev", "stdio,id=console,signal=off",
                    "-serial", "chardev:console", "-kernel", args.kernel, "-initrd", initrd,
                    "-append", f"{KERNEL_ARGUMENTS} {arguments}"], args.log)


def bochs_machine(model):
    def start(args, arguments, initrd, folder):
        return bochs64.start(folder, model, args.kernel, initrd, f"{KERNEL_ARGUMENTS} {arguments}", args.log)
    return start


def make_initramfs(args, cases, initrd):
    words = {word for case in cases for word in re.split(r"[\s\"']+", case.command)}
    files = with_libraries(path for path in args.program if os.path.basename(path) in words)
    files["bin/counted"] = COUNTED.encode()
    files["bin/busybox"] = contents(args.busybox)
    files["duplex86_tlb.ko"] = contents(args.module)
    if any("/linux/" in case.command for case in cases):
        with tempfile.NamedTemporaryFile() as linux:
            add_programs(os.path.join(args.images, "initramfs.gz"), args.programs, LINUX_PROGRAMS + ("runner",),
                         linux.name)
            files["linux/initramfs"] = contents(linux.name)
        files["linux/vmlinuz"] = contents(os.path.join(args.images, "vmlinuz-686"))
    for name in sorted({match[1] for case in cases for match in re.finditer(r"/guest/(\S+\.bin)", case.command)}):
        files["guest/" + name] = contents(os.path.join(args.guests, name))
    write_initramfs(files, cases, args.timeout, initrd)


def run_machine(args, name, start, arguments, cases, folder):
    """Boot, see all cases through; how many failed."""
    if args.only and not re.search(args.only, name):
        return 0
    initrd = os.path.join(folder, name)
    make_initramfs(args, cases, initrd)
    machine = start(args, arguments, initrd, folder)
    failed = 0
    try:
        timeout = args.timeout
        for case in cases:
            started = time.monotonic()
            try:
                detail = run_case(machine, case, timeout + args.timeout)
                print(f"ok    {name}: {case.name:24}{time.monotonic() - started:6.1f} s  {detail[:150]}", flush=True)
            except Failure as failure:
                failed += 1
                print(f"FAIL  {name}: {case.name}: {failure}", flush=True)
                if machine.process.poll() is not None or "Kernel panic" in machine.transcript:
                    raise
            timeout = 30
    except Failure as failure:
        print(f"FAIL  machine {name}: {failure}\n----- last of the console:\n{machine.tail()}\n-----")
        return failed + 1
    finally:
        machine.close()
    return failed


# ---- Command line --------------------------------------------------------------------------------------

def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("emulator", choices=("qemu", "bochs"))
    parser.add_argument("--folder", required=True, help="where the module was built")
    parser.add_argument("--images", required=True, help="folder with the kernels and busybox")
    parser.add_argument("--guests", required=True, help="folder of the assembled test guests")
    parser.add_argument("--program", action="append", required=True, help="to take along (repeatable)")
    parser.add_argument("--programs", help="folder with programs for the guest Linux")
    parser.add_argument("--calls", type=int, default=20000, help="random calls of the module")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--bochs-guest", action="append", help="a test guest to run in Bochs (repeatable)")
    parser.add_argument("--only", help="run only machines whose name matches")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for each case")
    parser.add_argument("--log", type=argparse.FileType("w"), help="copy the console here")
    return parser.parse_args()


def find_inputs(args):
    """The module, and the kernel it is for; else why not."""
    args.module = os.path.join(args.folder, "duplex86_tlb.ko")
    args.busybox = os.path.join(args.images, "busybox")
    if not os.path.exists(args.module):
        return "the kernel module was not built: './setup deps' installs the headers it needs"
    with open(args.module, "rb") as file:
        version = re.search(rb"vermagic=(\S+)", file.read())[1].decode()
    args.kernel = os.path.join(args.images, f"vmlinuz-{version}")
    for path in (args.kernel, args.busybox):
        if not os.path.exists(path):
            return f"there is no {path}: './setup kernel64' fetches it"
    missing = bochs64.missing() if args.emulator == "bochs" else None if shutil.which(QEMU) else QEMU
    return f"there is no {missing}: './setup bench-deps' installs it" if missing else None


def main():
    args = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a time limit of ctest's must end the emulator too
    missing = find_inputs(args)
    if missing:
        print(f"skipped: {missing}")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="d86-tlb-") as folder:
        if args.emulator == "qemu":
            failed = run_machine(args, "unified", qemu_machine, "pti=off", cases_in_qemu(args), folder)
            failed += run_machine(args, "isolated", qemu_machine, "pti=on", cases_in_qemu_isolated(args), folder)
        else:
            start = bochs_machine(BOCHS_PROCESSOR)
            failed = run_machine(args, "split", start, "pti=off", cases_in_bochs(args), folder)
            failed += run_machine(args, "ring0", bochs_machine(BOCHS_OLD_PROCESSOR), "pti=off", cases_of_ring0(args), folder)
            if args.programs:
                failed += run_machine(args, "linux", start, "pti=off", cases_of_linux(args), folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
