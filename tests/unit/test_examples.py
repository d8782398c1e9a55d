#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The documentation's examples of networks and shared folders start as they are written, and each key that the manual
page has for --net and --share is in one of them. (Images have test_images.py.)

usage: test_examples.py PATH-TO-DUPLEX86 SOURCE-FOLDER
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), sys.argv[2]
DOCUMENTS = ("README.md", "docs/running.md", "frontend/duplex86.1")
TIMEOUT = 100
SKIPPED = 77
# A boot sector that ends the machine: mov dx,F4h; mov al,21; out: status 43.
EXIT = b"\xba\xf4\x00\xb0\x15\xee".ljust(510, b"\0") + b"\x55\xaa"
IMAGES = ("disk.img", "other.img", "disk.qcow2")  # by its contents each is raw
BEHIND = ["--display", "none", "--serial", "none", "--exit-port", "0xf4"]
# `fd` wants a program that opens a tap: tests/tools/tap_session.py
WITHOUT_EXAMPLE = {"fd"}

failures = 0


def fail(text):
    global failures
    failures += 1
    print("FAIL", text)


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as file:
        return file.read()


def examples():
    """Words of each command with --net or --share, behind the program's name."""
    for name in DOCUMENTS:
        for line in read(name).replace("\\-", "-").splitlines():
            match = re.match(r"(?:build/frontend/)?duplex86 (.*--(?:net|share) .*)", line)
            if match:
                yield f"{name}: {line}", shlex.split(match[1], comments=True)


def keys_of(option, end):
    """Those that the manual page has between this option and that line."""
    page = read("frontend/duplex86.1").replace("\\-", "-")
    text = page[page.index(option):]
    text = text[:text.index(end)]
    return set(re.findall(r"^\.BI? (\w+)=", text, re.MULTILINE))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_files(folder):
    for name in IMAGES:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(EXIT.ljust(1 << 20, b"\0"))
    for name in ("home/me/old-pc", "srv/tools", "srv/tftp"):
        os.makedirs(os.path.join(folder, name))
    with open(os.path.join(folder, "srv/tftp/loader.ipxe"), "w", encoding="ascii") as file:
        file.write("#!ipxe\nexit\n")


def adapt(word, folder):
    """Folders and ports that this host may not have, or use already."""
    word = re.sub(r"(?<==)/(home|srv)/", lambda match: f"{folder}/{match[1]}/", word)
    return re.sub(r":\d{4}\b", lambda _: f":{free_port()}", word)


def around(words):
    """What makes the interface of an example; None: this host does not let us."""
    match = re.search(r"ifname=(\w+)", " ".join(words))
    if not match:
        return []
    command = ["unshare", "-rn", "sh", "-c", f'ip tuntap add {match[1]} mode tap && exec "$@"', "sh"]
    done = subprocess.run([*command, "true"], capture_output=True, check=False) if shutil.which("unshare") else None
    return command if done and done.returncode == 0 else None


def run(name, words, folder):
    prefix = around(words)
    if prefix is None:
        print(f"not run, since this host lets nobody make a tap of his own: {name}")
        return
    command = [*prefix, PROGRAM, *(adapt(word, folder) for word in words), *BEHIND]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
                          check=False)
    if "there is no iPXE" in done.stderr:
        print(f"not run: {done.stderr.strip()}")
    elif "no SeaBIOS" in done.stderr:
        print(done.stderr)
        sys.exit(SKIPPED)
    elif done.returncode != 43:
        fail(f"{name}: status {done.returncode}: {done.stderr}")


def check_full_disk(folder):
    """A dump that cannot be written is told once, and the guest goes on."""
    done = subprocess.run([PROGRAM, "disk.img", "--net", "user,dump=/dev/full", *BEHIND], cwd=folder, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False)
    if done.returncode != 43 or done.stderr.count("cannot write frames to '/dev/full': No space left") != 1:
        fail(f"dump=/dev/full: status {done.returncode}: {done.stderr}")


def main():
    found = list(examples())
    everything = "\n".join(" ".join(words) for _, words in found)
    for key in sorted((keys_of("--net =", ".SS The machine") | {"uid", "gid"}) - WITHOUT_EXAMPLE):
        if not re.search(rf"\b{key}=", everything):
            fail(f"no example has {key}=")
    for kind in ("user", "socket", "tap"):
        if not re.search(rf"--net {kind}\b", everything):
            fail(f"no example has --net {kind}")
    with tempfile.TemporaryDirectory(prefix="d86-examples-") as folder:
        make_files(folder)
        for name, words in found:
            run(name, words, folder)
        check_full_disk(folder)
        if not os.path.getsize(os.path.join(folder, "frames.pcap")) >= 24:
            fail("the example with dump= wrote no file")
    print(f"{len(found)} examples, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
