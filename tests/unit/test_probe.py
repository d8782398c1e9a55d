#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""duplex86-probe: what it says must agree with itself, with /proc/cpuinfo and with the program duplex86.

Costs are whatever they are: here only that each is a time, or has a reason why there is none.
"""

import json
import re
import subprocess
import sys
import tempfile
import unittest

PROBE, DUPLEX86, SANITIZED = sys.argv[1], sys.argv[2], sys.argv[3] == "yes"
SECTIONS = ["host", "features", "splits", "traps", "mappings", "tlb_helper"]


def run(*arguments, stdout=subprocess.PIPE):
    return subprocess.run([PROBE, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=600,
                          check=False)


def processor_flags():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        return set(re.search(r"^flags\s*:\s*(.*)$", file.read(), re.MULTILINE)[1].split())


class Probe(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        result = run("--json")
        assert result.returncode == 0, result.stderr
        cls.found = json.loads(result.stdout)

    def test_has_all_sections(self):
        self.assertEqual(["version", *SECTIONS], list(self.found))

    def test_features_are_those_of_the_kernel(self):
        flags = processor_flags()
        for key, flag in (("pku", "ospke"), ("fsgsbase", "fsgsbase"), ("umip", "umip"),
                          ("cpuid_faulting", "cpuid_fault"), ("lahf", "lahf_lm")):
            with self.subTest(feature=key):
                offered = self.found["features"][key]["offered"]
                # A container may forbid what the processor has, so only one direction is certain.
                if offered:
                    self.assertIn(flag, flags)
                elif flag in flags:
                    self.assertIn("why", self.found["features"][key])

    def test_what_is_not_there_has_a_reason(self):
        for section in ("features", "splits", "tlb_helper"):
            for key, fact in self.found[section].items():
                if isinstance(fact, dict) and not fact["offered"]:
                    with self.subTest(fact=key):
                        self.assertRegex(fact["why"], r"^[^.]+[^. ]$|Linux \d")

    def test_costs_are_times_or_have_a_reason(self):
        for section in ("traps", "mappings"):
            for key, fact in self.found[section].items():
                with self.subTest(cost=key):
                    self.assertEqual(1, len(fact))
                    self.assertTrue(fact.get("ns", 0) > 0 or fact.get("why"))

    def test_signals_cost_more_than_system_calls(self):
        traps = self.found["traps"]
        for key in ("int3", "ud2", "gp", "segv"):
            if "ns" in traps[key]:
                with self.subTest(trap=key):
                    self.assertGreater(traps[key]["ns"], traps["system_call"]["ns"])

    def test_splits_are_what_duplex86_says(self):
        """A split the probe refuses, duplex86 refuses with the same words; with the others a guest runs."""
        with tempfile.NamedTemporaryFile(suffix=".rom") as rom:
            rom.write(b"\xf4" * 0x10000)  # HLT, with interrupts off: the guest ends with status 0
            rom.flush()
            for name, fact in self.found["splits"].items():
                if name == "auto":
                    continue
                with self.subTest(split=name):
                    result = subprocess.run([DUPLEX86, "--engine", "sbe", "--split", name, "--display", "none",
                                             "--serial", "none", "--bios", rom.name], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600,
                                            check=False)
                    self.assertEqual(0 if fact["offered"] else 1, result.returncode, result.stderr)
                    if not fact["offered"]:
                        self.assertIn(fact["why"], result.stderr)

    def test_auto_is_a_split_that_works(self):
        splits = self.found["splits"]
        if SANITIZED:
            self.assertEqual("the interpreter", splits["auto"])
            self.assertIn("sanitizer", splits["segment"]["why"])
        elif splits["auto"] == "the interpreter":
            self.assertFalse(splits["segment"]["offered"] or splits["pku"]["offered"])
        else:
            self.assertTrue(splits[splits["auto"]]["offered"])
            self.assertIn(splits["auto"], ("segment", "pku"))

    def test_text_has_a_line_for_each_fact(self):
        result = run()
        self.assertEqual(0, result.returncode, result.stderr)
        facts = sum(len(section) for section in self.found.values() if isinstance(section, dict))
        self.assertEqual(facts, sum(1 for line in result.stdout.split("\n") if line.startswith("  ")))
        self.assertIn(self.found["host"]["kernel"], result.stdout)


class CommandLine(unittest.TestCase):
    def test_version(self):
        self.assertRegex(run("--version").stdout, r"^duplex86-probe \d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_one_sentence(self):
        for arguments in (["--wrong"], ["file"], ["--json", "file"]):
            with self.subTest(arguments=arguments):
                result = run(*arguments)
                self.assertEqual(1, result.returncode)
                self.assertEqual("", result.stdout)
                self.assertRegex(result.stderr, r"\Aduplex86-probe: [^\n]+ \(see duplex86-probe --help\)\n\Z")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            result = run("--json", stdout=full)
        self.assertEqual(1, result.returncode)
        self.assertRegex(result.stderr, r"\Aduplex86-probe: cannot write what was found: [^\n]+\n\Z")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
