#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast a guest receives and sends through the NAT, and how long a ping to the gateway takes, beside QEMU's emulator.

Both have the same guest, libslirp and adapter; runs of both are interleaved. The guest throws away what it gets and sends
zeros, so that it measures the network and not the disk.
"""

import argparse
import os
import re
import socket
import statistics
import sys
import tempfile
import time

from disk_session import make_initrd
from machine import Failure, Machine
from net_session import GATEWAY, MIB, NetSession, command_of, free_port, serve


SENT_MAX = 48  # MiB: the guest has it in its memory


def qemu_command(args, initrd, forward):
    model = {"virtio": "virtio-net-pci", "e1000": "e1000", "ne2k_pci": "ne2k_pci"}[args.model]
    return [args.qemu, "-M", "pc", "-accel", "tcg", "-m", "128", "-nodefaults", "-display", "none", "-serial", "stdio",
            "-kernel", args.kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet",
            "-netdev", f"user,id=n,{forward}", "-device", f"{model},netdev=n"]


def receive(session, server):
    """MiB/s of a download, the start of the guest's program included."""
    started = time.monotonic()
    session.run(f"wget -q -O /dev/null http://{GATEWAY}:{server.server_port}/", timeout=600)
    return len(server.content) / MIB / (time.monotonic() - started)


def send(port, size):
    """MiB/s of what the guest's web server has, by a forwarded port, from the first byte on."""
    buffer = bytearray(MIB)
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.settimeout(600)
        s.sendall(b"GET /zeros HTTP/1.0\r\n\r\n")
        got = s.recv_into(buffer)
        started = time.monotonic()
        while more := s.recv_into(buffer):
            got += more
        if got < size:
            raise Failure(f"the guest sent {got} bytes only")
        return got / MIB / (time.monotonic() - started)


def measure(command, args, server, port):
    """MiB/s that the guest received and sent, and the median of pings in ms."""
    machine = Machine(command)
    try:
        session = NetSession(args, machine)
        session.lease()
        received = [receive(session, server) for _ in range(3)]
        size = min(args.size, SENT_MAX)
        session.run(f"mkdir /www; dd if=/dev/zero of=/www/zeros bs=1M count={size} 2>/dev/null; httpd -p 80 -h /www")
        sent = [send(port, size * MIB) for _ in range(3)]
        pings = session.run(f"ping -c {args.pings} -i 0.1 {GATEWAY}", timeout=300)
        times = [float(text) for text in re.findall(r"time=([\d.]+) ms", pings)]
        return statistics.median(received), statistics.median(sent), statistics.median(times)
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
    args.ram = "128M"
    server = serve(os.urandom(args.size * MIB))
    results = {"duplex86": [], "QEMU TCG": []}
    with tempfile.TemporaryDirectory(prefix="duplex86-net.") as folder:
        initrd = os.path.join(folder, "initrd")
        make_initrd(args.initrd, args.modules, initrd)
        port = free_port()
        forward = f"hostfwd=tcp:127.0.0.1:{port}-:80"
        commands = {"duplex86": command_of(args, initrd, [f"user,model={args.model},{forward}"]),
                    "QEMU TCG": qemu_command(args, initrd, forward)}
        for number in range(args.rounds):
            for name, command in commands.items():
                results[name].append(measure(command, args, server, port))
            print(f"run {number + 1}: " + ", ".join(f"{name} receives {rows[-1][0]:.0f} MiB/s, sends {rows[-1][1]:.0f} MiB/s, "
                                                    f"ping {rows[-1][2]:.3f} ms" for name, rows in results.items()),
                  flush=True)
    print("| work | | duplex86 | QEMU TCG | ratio |\n|---|---|---|---|---|")
    for i, (work, unit) in enumerate((("receives", "MiB/s"), ("sends", "MiB/s"), ("ping to the gateway", "ms"))):
        ours, theirs = (statistics.median(row[i] for row in rows) for rows in results.values())
        print(f"| {args.model} {work} | {unit} | {ours:.4g} | {theirs:.4g} | {ours / theirs:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
