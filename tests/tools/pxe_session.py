#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Start from the network: SeaBIOS, the adapter's expansion ROM with iPXE in it, DHCP, and by TFTP an iPXE script, Debian's
kernel and the initramfs of the boot tests. All of it is the distribution's but for the adapter and the NAT."""

import argparse
import glob
import os
import shutil
import sys
import tempfile

from machine import Failure, Machine

SKIPPED = 77  # tests/tools/net.cmake tells ctest
SCRIPT = "#!ipxe\nkernel vmlinuz console=ttyS0 quiet\ninitrd initramfs.gz\nboot\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    parser.add_argument("--model", default="e1000")
    args = parser.parse_args()
    if not glob.glob("/usr/lib/ipxe/qemu/pxe-*.rom") + glob.glob("/usr/share/qemu/pxe-*.rom"):
        print("the package ipxe-qemu is not installed")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="duplex86-pxe.") as folder:
        shutil.copy(args.kernel, os.path.join(folder, "vmlinuz"))
        shutil.copy(args.initrd, os.path.join(folder, "initramfs.gz"))
        with open(os.path.join(folder, "boot.ipxe"), "w", encoding="ascii") as file:
            file.write(SCRIPT)
        machine = Machine([args.program, "--ram", "256M", "--machine", "pc", "--display", "none", "--serial", "stdio",
                           "--boot", "order=n", "--net", f"user,model={args.model},tftp={folder},bootfile=boot.ipxe"])
        try:
            machine.expect(r"iPXE", 120)
            machine.expect(r"boot\.ipxe", 120)
            print(f"ok    iPXE has its script after {machine.elapsed():.1f} s", flush=True)
            machine.expect(r"BOOT-OK Linux", 300)
            print(f"ok    Linux after {machine.elapsed():.1f} s", flush=True)
        except Failure as failure:
            print(f"FAIL  {failure}\n----- console:\n{machine.tail()}\n-----")
            return 1
        finally:
            machine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
