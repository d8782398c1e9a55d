#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold up the rule that handlers go on to each other by jumps (docs/architecture.md, "Threaded dispatch"):
a handler that is called leaves a frame on the host's stack, and a guest only has to loop to overflow it.

  check_handlers.py [--at-least N] FILE...    linked files, each with so many handlers

Handlers are the functions whose symbol begins with "uop_" (HANDLER in monitor/executor/state/cpu.h), and every function
that one of them jumps to, since that ends the handler in its place. In the disassembly of these
  - nothing is called through a pointer but a stub for a host instruction (FPU_CALL in monitor/executor/interpreter/fpu.h), known by
    the step over the red zone around it,
and in all of the file
  - nothing calls a handler by name that goes on to another.
So only the run loop calls handlers, through uop.run, which is no handler itself.
"""

import argparse
import os
import re
import subprocess
import sys

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\s+(?:(?:bnd|notrack|data16|cs|ds|rex\.?\w*) )*(\S+)\s*(.*)$")
TARGET = re.compile(r"<([^>+]+)(?:\+0x[0-9a-f]+)?>")
PREFIX = "uop_"
INTO_STUB = re.compile(r"leaq? -(?:0x80|128)\(%rsp\),%rsp|addq? \$(?:0xffffffffffffff80|-0x80|-128),%rsp|"
                       r"subq? \$(?:0x80|128),%rsp")
FLAGS_IN = re.compile(r"addb? \$(?:0x7f|127),%al|sahf")


class Function:
    def __init__(self, name):
        self.name = name
        self.lines = []  # of text, one an instruction

    def transfers(self, mnemonic):
        """(line number, operand) of each `call` or `jmp`."""
        for number, line in enumerate(self.lines):
            name, _, operand = line.partition(" ")
            if name in (mnemonic, mnemonic + "q"):
                yield number, operand


def plain_name(symbol):
    """Without what compilers append to a part or a copy: x.cold, x.part.0, x.constprop.0, x@plt"""
    return re.split(r"[.@]", symbol, maxsplit=1)[0]


def disassemble(path):
    """
    The file's functions, those of the same name (static ones of several files) apart. The tool may be binutils' or
    LLVM's objdump, which write suffixes, numbers and spaces each in its own way.
    """
    tool = os.environ.get("OBJDUMP", "objdump")
    text = subprocess.run([tool, "-d", "--no-show-raw-insn", path], check=True, capture_output=True, text=True).stdout
    functions = []
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            functions.append(Function(match.group(1)))
        elif functions and (match := INSTRUCTION.match(line)):
            text = " ".join(f"{match.group(1)} {match.group(2)}".split())
            functions[-1].lines.append(text.replace(", ", ","))
    return functions


def target_of(operand):
    match = TARGET.search(operand)
    return plain_name(match.group(1)) if match and not operand.startswith("*") else None


def jumps_of(functions):
    """By name: to which functions of the file there are jumps, conditional ones included."""
    names = {plain_name(f.name) for f in functions}
    jumps = {name: set() for name in names}
    for f in functions:
        for line in f.lines:
            mnemonic, _, operand = line.partition(" ")
            if mnemonic.startswith("j") and target_of(operand) in names:
                jumps[plain_name(f.name)].add(target_of(operand))
    return jumps


def closure(found, edges):
    todo = list(found)
    while todo:
        new = edges[todo.pop()] - found
        found |= new
        todo += new
    return found


def enters_stub(lines, number):
    """Is this call FPU_CALL's? Between the step over the red zone and it there are at most the guest's flags."""
    number -= 1
    while number >= 0 and FLAGS_IN.fullmatch(lines[number]):
        number -= 1
    return number >= 0 and bool(INTO_STUB.fullmatch(lines[number]))


def check(path, at_least):
    functions = disassemble(path)
    jumps_to = jumps_of(functions)
    named = {name for name in jumps_to if name.startswith(PREFIX)}
    handlers = closure(set(named), jumps_to)
    faults, jumps, go_on = [], 0, set()
    for f in functions:
        name = plain_name(f.name)
        if name not in handlers:
            continue
        calls = [operand for number, operand in f.transfers("call")
                 if operand.startswith("*") and not enters_stub(f.lines, number)]
        onward = [operand for _, operand in f.transfers("jmp") if operand.startswith("*")]
        faults += [f"{f.name} ends in a call ({operand}): no jump" for operand in calls]
        jumps += len(onward)
        if calls or onward:
            go_on.add(name)
    # What only raises exceptions may be called: it unwinds.
    jumped_from = {name: {other for other in handlers if name in jumps_to[other]} for name in handlers}
    closure(go_on, jumped_from)
    for f in functions:
        faults += [f"{f.name} calls the handler {target_of(operand)}: no jump"
                   for _, operand in f.transfers("call") if target_of(operand) in go_on]
    for fault in sorted(faults):
        print(f"{path}: {fault}")
    print(f"{path}: {len(named)} handlers with {jumps} jumps to the next")
    if len(named) < at_least or jumps < at_least:
        print(f"{path}: {at_least} of them at least were expected; is this the right file, with its symbols?")
        return False
    return not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--at-least", type=int, default=1, help="so many handlers must be there")
    parser.add_argument("file", nargs="+")
    args = parser.parse_args()
    sound = [check(path, args.at_least) for path in args.file]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
