#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast a guest receives through the NAT, and how long a ping to the gateway takes, beside QEMU's emulator.

Both have the same guest, libslirp and virtio adapter; runs of both are interleaved. The guest throws away what it gets, so
that it measures the network and not the disk.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import time

from disk_session import make_initrd
from machine import Machine
from net_session import GATEWAY, MIB, NetSession, command_of, serve


def qemu_command(args, initrd):
    model = {"virtio": "virtio-net-pci", "e1000": "e1000", "ne2k_pci": "ne2k_pci"}[args.model]
    return [args.qemu, "-M", "pc", "-accel", "tcg", "-m", "128", "-nodefaults", "-display", "none", "-serial", "stdio",
            "-kernel", args.kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet",
            "-netdev", "user,id=n", "-device", f"{model},netdev=n"]


def measure(command, args, server):
    """MiB/s of a download, and the median of pings in ms."""
    machine = Machine(command)
    try:
        session = NetSession(args, machine)
        session.lease()
        rates = []
        for _ in range(3):
            started = time.monotonic()
            session.run(f"wget -q -O /dev/null http://{GATEWAY}:{server.server_port}/", timeout=600)
            rates.append(len(server.content) / MIB / (time.monotonic() - started))
        pings = session.run(f"ping -c {args.pings} -i 0.1 {GATEWAY}", timeout=300)
        times = [float(text) for text in re.findall(r"time=([\d.]+) ms", pings)]
        return statistics.median(rates), statistics.median(times)
    finally:
        machine.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True, help="of the boot tests")
    parser.add_argument("--modules", required=True, help="modules of that kernel, in a tar archive")
    parser.add_argument("--qemu", default="qemu-system-i386")
    parser.add_argument("--engine")
    parser.add_argument("--model", default="virtio")
    parser.add_argument("--size", type=int, default=100, metavar="MIB")
    parser.add_argument("--pings", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    server = serve(os.urandom(args.size * MIB))
    results = {"duplex86": [], "QEMU TCG": []}
    with tempfile.TemporaryDirectory(prefix="duplex86-net.") as folder:
        initrd = os.path.join(folder, "initrd")
        make_initrd(args.initrd, args.modules, initrd)
        commands = {"duplex86": command_of(args, initrd, [f"user,model={args.model}"]),
                    "QEMU TCG": qemu_command(args, initrd)}
        for number in range(args.rounds):
            for name, command in commands.items():
                results[name].append(measure(command, args, server))
            print(f"run {number + 1}: " + ", ".join(f"{name} {rows[-1][0]:.0f} MiB/s, ping {rows[-1][1]:.3f} ms"
                                                    for name, rows in results.items()), flush=True)
    rate, ping = ([statistics.median(row[i] for row in rows) for rows in results.values()] for i in range(2))
    print(f"median {rate[0]:.0f} and {rate[1]:.0f} MiB/s: {rate[0] / rate[1]:.2f} x QEMU TCG; "
          f"ping {ping[0]:.3f} and {ping[1]:.3f} ms: {ping[0] / ping[1]:.2f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
