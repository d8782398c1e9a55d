#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration files: every option has a key, which the manual page lists; the command line counts more; what is
wrong is said with file and line.

usage: test_config.py PATH-TO-DUPLEX86 MANUAL-PAGE
"""

import os
import re
import subprocess
import sys
import tempfile

PROGRAM, MANUAL = sys.argv[1:3]
TIMEOUT = 60
NO_KEY = {"help", "version", "config"}  # they end what the program does, or name the file

failures = 0
count = 0


def check(name, ok, text=""):
    global failures, count
    count += 1
    if not ok:
        failures += 1
        print(f"FAIL  {name}: {text}")


def run(path, text, *args):
    """Start with a configuration file of these contents, bytes; what is on standard error."""
    with open(path, "wb") as file:
        file.write(text)
    done = subprocess.run([PROGRAM, "--config", path, *args], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TIMEOUT, text=True, errors="replace")
    return done.returncode, done.stderr


def options():
    """Long names of all options, with True for those that take a value."""
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, timeout=TIMEOUT, text=True).stdout
    return {name: bool(value) for name, value in re.findall(r"^  (?:-\w, )?--([\w-]+)(=\S+|\[=\S+)?", text, re.M)}


def test_every_option_has_a_key(path):
    with open(MANUAL, encoding="utf-8") as file:
        section = re.search(r"^\.SH CONFIGURATION FILE$(.*?)^\.SH ", file.read(), re.M | re.S)[1]
    documented = set(re.findall(r"^\\fB([\w\\-]+?)\\fR\t", section, re.M))
    documented = {name.replace("\\", "") for name in documented}
    names = options()
    check("there are options", len(names) > 20, names)
    for name, has_value in names.items():
        # The value is nonsense, and so is the next key: that one is complained about if the first is a key.
        text = f"[duplex86]\n{name} = {'nonsense' if has_value else 'true'}\nnonsense = 1\n".encode()
        status, stderr = run(path, text)
        known = ":3: there is no key 'nonsense'" in stderr
        check(f"key {name}", status == 1 and known == (name not in NO_KEY), stderr)
        check(f"manual page, key {name}", (name in documented) == (name not in NO_KEY),
              "add it to the table in CONFIGURATION FILE" if name not in NO_KEY else "it is no key")
    check("key image", "no key 'nonsense'" in run(path, b"[duplex86]\nimage = x\nnonsense = 1\n")[1])
    check("manual page, no other keys", documented <= set(names) | {"image"}, documented - set(names))


WRONG = [
    ("syntax", b"[duplex86]\nram = 64M\nhello\n", 3, "neither"),
    ("no group", b"\n# x\nram = 64M\n", 3, "neither"),
    ("other group", b"[duplex86]\n\n[machine]\nram = 64M\n", 3, "'machine'"),
    ("unknown key", b"[duplex86]\nram = 64M\nrom = x\n", 3, "'rom'"),
    ("value", b"[duplex86]\nmachine = pc\nram = lots\n", 3, "'lots' is not a size"),
    ("value of the last of two", b"[duplex86]\nram = 64M\nram=lots\n", 3, "'lots'"),
    ("flag", b"[duplex86]\nmachine = pc\n  reboot = perhaps\n", 3, "true or false"),
    ("list", b"[duplex86]\nmachine = pc\nserial = stdio;stdio;\n", 3, "only one port"),
    ("escape", b"[duplex86]\nmachine = pc\nkernel = a\\q\n", 3, "'kernel'"),
    ("no UTF-8", b"[duplex86]\nmachine = pc\nkernel = \xff\n", 3, "'kernel'"),
    ("statistics", b"[duplex86]\nmachine = pc\nstats = xml\n", 3, "--stats 'xml'"),
    ("combination", b"[duplex86]\nkernel = x\nbios = y\n", 2, "exclude each other"),
    ("no config in config", b"[duplex86]\nconfig = x\n", 2, "'config'"),
]


def test_what_is_wrong_is_said_with_its_line(path):
    for name, text, line, words in WRONG:
        status, stderr = run(path, text)
        where = f"{path}:{line}: "
        check(name, status == 1 and where in stderr and words in stderr and stderr.count("\n") == 1, stderr)


def test_files_that_are_none(path):
    for name, text in (("NUL", b"[duplex86]\nram = 6\x004M\n"), ("too long", b"#" * (1 << 20) + b"\n")):
        status, stderr = run(path, text)
        check(name, status == 1 and "is no text" in stderr, stderr)
    missing = subprocess.run([PROGRAM, "--config", path + ".none"], capture_output=True, timeout=TIMEOUT, text=True)
    check("missing", missing.returncode == 1 and path + ".none" in missing.stderr, missing.stderr)
    folder = subprocess.run([PROGRAM, "-c", "/"], capture_output=True, timeout=TIMEOUT, text=True)
    check("folder", folder.returncode == 1 and folder.stderr.count("\n") == 1, folder.stderr)
    check("empty", "nothing to run" in run(path, b"")[1])
    check("only a group", "nothing to run" in run(path, b"# a comment\n[duplex86]\n")[1])


def test_the_command_line_counts_more(path):
    nowhere = "/nowhere/kernel"
    for name, text, args in (
        ("text", b"ram = lots", ["--ram", "16M"]),
        ("short option", b"ram = lots", ["-m", "16M"]),
        ("list", b"serial = nonsense", ["--serial", "none"]),
        ("flag", b"reboot = true", ["--no-reboot"]),
        ("contrary flag", b"no-reboot = true", ["--reboot"]),
        ("flag that is false", b"simulate-keys = false", []),
        ("value that may be left out", b"stats = xml", ["--stats"]),
    ):
        status, stderr = run(path, b"[duplex86]\n" + text + b"\n", "--kernel", nowhere, *args)
        check(name, status == 1 and nowhere in stderr, stderr)
    status, stderr = run(path, b"[duplex86]\nreboot = true\nno-reboot = true\n", "--kernel", nowhere)
    check("both in the file", "contradict" in stderr, stderr)
    status, stderr = run(path, b"[duplex86]\nram = lots\n", "--kernel", nowhere, "--cpu", "nonsense", "--ram", "1M")
    check("the command line is not blamed on the file", f"{path}:" not in stderr and "--cpu" in stderr, stderr)


def test_a_machine_out_of_a_file(path):
    """A kernel of a few bytes, two ports, and what it writes to them."""
    folder = os.path.dirname(path)
    load, header = 0x100000, 32
    code = b"".join(b"\x66\xba" + port.to_bytes(2, "little") + b"\xb0" + bytes([value]) + b"\xee"
                    for port, value in ((0x3F8, ord("1")), (0x2F8, ord("2")), (0xF4, 21)))
    words = [0x1BADB002, 0x10000, -(0x1BADB002 + 0x10000) & 0xFFFFFFFF, load, load, load + header + len(code),
             load + header + len(code), load + header]
    with open(os.path.join(folder, "a;kernel"), "wb") as file:
        file.write(b"".join(word.to_bytes(4, "little") for word in words) + code)
    text = (f"# A test.\n[duplex86]\nkernel={folder}/a;kernel\nram = 16M\nexit-port = 0xf4\n"
            f"serial = file:{folder}/one; file:{folder}/t\\;wo;\n")
    status, stderr = run(path, text.encode())
    check("it runs", status == 43, (status, stderr))
    for name, expected in (("one", b"1"), ("t;wo", b"2")):
        try:
            with open(os.path.join(folder, name), "rb") as file:
                found = file.read()
        except OSError as error:
            found = error
        check(f"file {name}", found == expected, found)


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as folder:
                test(os.path.join(folder, "vm.ini"))
    print(f"{count} checks, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
