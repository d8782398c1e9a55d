#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""duplex86-scan from outside: listings, figures and errors, on raw bytes and on a compiled i386 program.

usage: test_scan_tool.py DUPLEX86-SCAN C-COMPILER
"""

import os
import subprocess
import sys
import tempfile
import unittest

TOOL, COMPILER = sys.argv[1:3]

# Enough of everything compilers make: switches, loops, calls, 64-bit arithmetic, floating point.
PROGRAM = r"""
static unsigned table[64];
static double sum;

static unsigned mix(unsigned a, unsigned b, unsigned c)
{
    unsigned long long wide = (unsigned long long)a * b + c;
    return (unsigned)(wide >> 7) ^ (a << (c & 31) | b >> (31 - (c & 31)));
}

static unsigned choose(unsigned kind, unsigned value)
{
    switch (kind % 9) {
    case 0: return value + 0xcb;
    case 1: return value ^ 0x00cf11cb;
    case 2: return value * 3;
    case 3: return value / 7;
    case 4: return __builtin_ctz(value | 1);
    case 5: return __builtin_bswap32(value);
    case 6: return value - 0x80cd;
    case 7: return mix(value, kind, 5);
    default: return value;
    }
}

static long call(long number, long argument)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(argument) : "memory");
    return result;
}

static unsigned identify(void)
{
    unsigned a = 0, b, c, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return a ^ b ^ c ^ d;
}

void _start(void)
{
    unsigned i, value = identify();
    for (i = 0; i < 1000; i++) {
        value = choose(i, value);
        table[i % 64] += value;
        sum += (double)value * 0.5;
    }
    call(1, (long)(value & 1));
    __builtin_unreachable();
}
"""


def run(*arguments):
    result = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return result.returncode, result.stdout, result.stderr


class Scan(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, data, name="page.bin"):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def compile(self, *options):
        source = self.write(PROGRAM.encode(), "program.c")
        program = os.path.join(self.folder.name, "program")
        subprocess.run([COMPILER, "-m32", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-no-pie",
                        "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-w", *options,
                        "-o", program, source], check=True)
        return program

    def rows(self, *arguments):
        code, out, err = run("--format", "tsv", *arguments)
        self.assertEqual((code, err), (0, ""))
        lines = [line for line in out.splitlines() if not line.startswith("#")]
        names = lines[0].split("\t")
        return [dict(zip(names, line.split("\t"))) for line in lines[1:]]

    def fails(self, *arguments):
        code, out, err = run(*arguments)
        self.assertEqual((code, out), (1, ""))
        self.assertTrue(err.startswith("duplex86-scan: ") and err.count("\n") == 1, err)
        return err

    def test_listing_shows_both_faces(self):
        page = self.write(bytes.fromhex("b801000000 cd80 89ca c3"))
        code, out, _ = run("--raw", "--address", "0x8048000", page)
        self.assertEqual(code, 0)
        lines = {line[2:10]: line for line in out.splitlines() if line[2:10].startswith("0804800")}
        self.assertIn("=", lines["08048000"])
        self.assertIn("cd 80                    cc cc", lines["08048005"])
        self.assertIn("interrupt: must reach the guest's IDT", lines["08048005"])
        self.assertIn("mov edx, ecx", lines["08048007"])
        self.assertIn("89 ca                    8b d1", lines["08048007"])
        self.assertIn("hides 'retf", lines["08048007"])

    def test_rows_are_for_programs(self):
        page = self.write(bytes.fromhex("0fa2 f30fbcc1 6811cb1111 c3"))
        rows = self.rows(page)
        self.assertEqual([(r["form"], r["reason"]) for r in rows],
                         [("int3", "identity"), ("twin", "absent"), ("int3", "hidden"), ("keep", "")])
        self.assertEqual(rows[1]["private"], "3e 0f bc c1")

    def test_modes_change_what_is_sensitive(self):
        page = self.write(bytes.fromhex("9c fa d9e8 c3"))

        def reasons(*arguments):
            return [row["reason"] for row in self.rows(*arguments, page)]

        self.assertEqual(reasons(), ["", "", "", ""])
        self.assertEqual(reasons("--with", "flags"), ["flags", "", "", ""])
        self.assertEqual(reasons("--with", "ts,io"), ["", "interrupt-flag", "fpu", ""])
        self.assertEqual(reasons("--mode", "cpl0"), ["flags", "interrupt-flag", "", ""])

    def test_data_segments_may_be_apart(self):
        page = self.write(bytes.fromhex("2e8b03 c3"))
        self.assertEqual(self.rows(page)[0]["form"], "keep")
        for arguments in ["--data-apart"], ["--with", "data-apart"]:
            self.assertEqual(self.rows(*arguments, page)[0]["reason"], "cs-operand")

    def test_promotions_show_their_snippets(self):
        page = self.write(bytes.fromhex("83ca01 81c101020304 e811cb0000 b9cb010203 c3"))
        rows = self.rows("--promote", "--check", page)
        self.assertEqual([row["form"] for row in rows], ["jump", "moved", "branch", "jump", "keep"])
        self.assertEqual([row["form"] for row in self.rows(page)], ["int3", "keep", "int3", "int3", "keep"])
        code, out, _ = run("--promote", page)
        self.assertEqual(code, 0)
        snippets = [line for line in out.splitlines() if line.startswith("> ")]
        self.assertTrue(any(line[12:14] == "92" and "xchg" in line and "at 00000003" in line for line in snippets), snippets)
        self.assertTrue(any("lea ecx, [ecx + 0x40]" in line for line in snippets), snippets)

    def test_processors_differ(self):
        page = self.write(bytes.fromhex("660f58c1 c3"))
        self.assertEqual(self.rows(page)[0]["form"], "keep")
        self.assertEqual(self.rows("--cpu", "pentium3", page)[0]["reason"], "absent")

    def test_entries_choose_the_decode(self):
        page = self.write(bytes.fromhex("b8 0fa2 40 40 c3"))
        self.assertEqual([row["reason"] for row in self.rows("--entry", "0", page)], ["", ""])
        self.assertEqual([row["reason"] for row in self.rows("--entry", "0", "--entry", "1", page)],
                         ["overlap", "identity", "", "", ""])

    def test_sweep_reaches_what_branches_do_not(self):
        page = self.write(bytes.fromhex("c3 40 0fa2 c3"))
        self.assertEqual(len(self.rows(page)), 1)
        self.assertEqual(len(self.rows("--sweep", page)), 4)

    def test_links_cross_boundaries(self):
        page = self.write(b"\x90" * 4094 + bytes.fromhex("b801020304 c3"))
        self.assertIn("straddle", [row["reason"] for row in self.rows(page)])
        self.assertNotIn("straddle", [row["reason"] for row in self.rows("--link", page)])

    def test_a_program_is_followed_and_sound(self):
        for optimise in "-O0", "-O2", "-Os", "-O3":
            program = self.compile(optimise)
            for guard in "none", "escape", "state", "strict":
                link = [] if guard == "strict" else ["--link"]
                self.rows("--check", "--sweep", "--promote", "--guard", guard, *link, program)
                rows = self.rows("--check", "--sweep", "--guard", guard, *link, program)
                reasons = [row["reason"] for row in rows]
                self.assertGreater(len(rows), 60)
                self.assertIn("identity", reasons)
                self.assertIn("interrupt", reasons)
                self.assertEqual("hidden" in reasons, guard not in ("none", "strict"))
                for row in rows:
                    if row["form"] == "keep":
                        self.assertEqual(row["original"], row["private"])

    def test_two_runs_are_the_same(self):
        program = self.compile("-O2")
        self.assertEqual(run("--sweep", program), run("--sweep", program))

    def test_summary_counts(self):
        page = self.write(bytes.fromhex("0fa2 0fa2 c3"))
        _, out, _ = run("--summary", "--format", "tsv", page)
        figures = dict(line[1:].split("\t") for line in out.splitlines())
        self.assertEqual((figures["instructions"], figures["identity"], figures["as int3"]), ("3", "2", "2"))

    def test_errors_are_a_sentence(self):
        page = self.write(b"\xc3")
        self.assertIn("cannot read", self.fails(os.path.join(self.folder.name, "none")))
        self.assertIn("has no code", self.fails(self.write(b"", "empty")))
        self.assertIn("no ELF file", self.fails("--elf", page))
        self.assertIn("no code at the entry 0x99", self.fails("--entry", "0x99", page))
        self.assertIn("beyond 4 GiB", self.fails("--address", "0xffffffff", page))
        self.assertIn("--guard", self.fails("--guard", "most", page))
        self.assertIn("--cpu", self.fails("--cpu", "z80", page))
        self.assertIn("--with", self.fails("--with", "io,nmi", page))
        self.assertIn("--entry", self.fails("--entry", "main", page))
        self.assertIn("contradict", self.fails("--raw", "--elf", page))
        self.assertIn("contradict", self.fails("--strict", "--guard", "none", page))
        self.assertIn("give one file", self.fails())
        self.assertIn("--help", self.fails("--nonsense", page))

    def test_damaged_elf_files_are_refused(self):
        with open(self.compile("-O2"), "rb") as file:
            whole = file.read()
        for cut in 5, 20, 51, 52, 60, 100:
            self.fails("--elf", self.write(whole[:cut], f"cut{cut}"))
        for at in range(4, 52):
            damaged = bytearray(whole)
            damaged[at] ^= 0xff
            code, _, err = run("--elf", "--summary", self.write(bytes(damaged), "damaged"))
            self.assertIn(code, (0, 1), err)

    def test_a_full_device_is_an_error(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run([TOOL, self.write(b"\xc3")], stdout=full, stderr=subprocess.PIPE,
                                    text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
