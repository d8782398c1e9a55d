#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the initramfs of the test guest: one static busybox, /init and the console's device node.

The archive ("newc" cpio, gzip) is written here and not by cpio(1), because a device node can then
be put in without being root, and because the same input gives the same bytes.
Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import argparse
import gzip
import stat
import sys

DIRECTORIES = ("bin", "dev", "proc", "root", "sys", "tmp")


class NewcArchive:
    """Members are appended to one bytearray; inode numbers only have to differ."""

    def __init__(self):
        self.data = bytearray()
        self.inode = 0

    def add(self, name, mode, content=b"", rdev=(0, 0)):
        self.inode += 1
        path = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self.inode, mode, 0, 0, links, 0, len(content), 0, 0, rdev[0], rdev[1], len(path), 0)
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._pad()
        self.data += content
        self._pad()

    def finish(self):
        self.inode = -1
        self.add("TRAILER!!!", 0)
        return bytes(self.data)

    def _pad(self):
        self.data += b"\0" * (-len(self.data) % 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busybox", required=True, help="static i386 busybox")
    parser.add_argument("--init", required=True, help="script that becomes /init")
    parser.add_argument("output", help="initramfs.gz to write")
    args = parser.parse_args()

    with open(args.busybox, "rb") as file:
        busybox = file.read()
    # ELF32, little endian, machine 3 (EM_386): a 64-bit busybox would only fail later, in the guest.
    if busybox[:6] != b"\x7fELF\x01\x01" or busybox[18:20] != b"\x03\x00":
        sys.exit(f"{args.busybox}: not a 32-bit x86 ELF program")
    with open(args.init, "rb") as file:
        init = file.read()

    archive = NewcArchive()
    for directory in DIRECTORIES:
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox)
    archive.add("init", stat.S_IFREG | 0o755, init)
    with open(args.output, "wb") as file:
        file.write(gzip.compress(archive.finish(), 9, mtime=0))


if __name__ == "__main__":
    main()
