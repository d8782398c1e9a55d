#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux with its adapter on a tap interface of the host's, by name and by descriptor: pings, and files in both directions.

All of it happens in user and network namespaces of its own, which need no privileges where a host allows them.
"""

import argparse
import fcntl
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile

from disk_session import make_initrd
from machine import Failure, Machine
from net_session import MIB, NetSession, command_of, said, serve, sha1

SKIPPED = 77  # tests/tools/net.cmake tells ctest
HOST, GUEST = "10.9.{}.1", "10.9.{}.2"
# linux/if_tun.h, linux/sockios.h, linux/if.h
TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP, IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 1, 1, 2, 0x1000, 0x4000


def enter_namespaces():
    """This script once more, in namespaces of its own; or why not."""
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        print("this host lets nobody make namespaces of his own (unshare -rn)")
        sys.exit(SKIPPED)
    os.execvp("unshare", ["unshare", "-rn", sys.executable, *sys.argv, "--inside"])


def open_tap(name, flags=IFF_TAP | IFF_NO_PI):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return tap


def set_up(name, address):
    """The host's end: an address in a network of 256, and up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for request, text in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.0")):
            fcntl.ioctl(s, request, struct.pack("16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(text)))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), IFF_UP))


def check_files(args, initrd, number, place, fds=()):
    """With the adapter at `place`, in the network `number`."""
    host, guest = HOST.format(number), GUEST.format(number)
    content = random.Random(number).randbytes(args.size * MIB)
    server = serve(content, host)
    machine = Machine(command_of(args, initrd, [f"tap,{place},model={args.model}"]), fds=fds)
    try:
        session = NetSession(args, machine)
        session.run(f"ifconfig eth0 {guest} netmask 255.255.255.0")
        session.run(f"ping -c 2 -W 10 {host}")
        session.run_expecting(f"wget -q -O - http://{host}:{server.server_port}/ | sha1sum", sha1(content) + "  -", timeout=300)
        machine.send("nc -l -p 80 | sha1sum >/tmp/sum & sleep 1; echo up'-'now\r")
        machine.expect("up-now", 60)
        with socket.create_connection((guest, 80), 60) as s:
            s.sendall(content)
            s.shutdown(socket.SHUT_WR)
            s.recv(1)
        session.run("wait", timeout=300)
        session.run_expecting("cat /tmp/sum", sha1(content) + "  -")
        said(place, "pings, files in both directions")
    finally:
        args.console = machine.tail()
        machine.close()
        server.shutdown()


def check_refused(args, place, sentence, fds=()):
    run = subprocess.run([args.program, "--bios", "/dev/null", "--net", f"tap,{place}"], capture_output=True, check=False,
                         pass_fds=fds, timeout=60)
    text = run.stderr.decode()
    if run.returncode != 1 or text.count("\n") != 1 or sentence not in text:
        raise Failure(f"--net tap,{place} ended with status {run.returncode} and {text!r}, not {sentence!r}")


def run_checks(args, initrd):
    named = open_tap("tap1")
    fcntl.ioctl(named, TUNSETPERSIST, 1)
    os.close(named)
    set_up("tap1", HOST.format(1))
    given = open_tap("tap2")
    set_up("tap2", HOST.format(2))
    check_files(args, initrd, 1, "ifname=tap1")
    check_files(args, initrd, 2, f"fd={given}", fds=(given,))
    tun, header = open_tap("tun3", IFF_TUN | IFF_NO_PI), open_tap("tap4", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
    check_refused(args, f"fd={tun}", "is no tap interface", fds=(tun,))
    check_refused(args, f"fd={header}", "without IFF_VNET_HDR", fds=(header,))
    check_refused(args, "fd=2", "give 3 or more")
    check_refused(args, "fd=77", "cannot use the descriptor 77")
    check_refused(args, "ifname=tun3", "cannot use the interface 'tun3'")
    check_refused(args, "ifname=a-name-that-is-too-long", "is too long for an interface")
    said("what is no tap is refused")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True, help="of the boot tests")
    parser.add_argument("--modules", required=True, help="modules of that kernel, in a tar archive")
    parser.add_argument("--engine")
    parser.add_argument("--model", default="virtio")
    parser.add_argument("--size", type=int, default=4, metavar="MIB", help="of the files")
    parser.add_argument("--inside", action="store_true", help="we are in the namespaces already")
    args = parser.parse_args()
    if not args.inside:
        enter_namespaces()
    try:
        os.close(open_tap("tap0"))
    except OSError as error:
        print(f"this host has no tap interfaces for namespaces ({error.strerror})")
        return SKIPPED
    args.console, args.ram = "", "128M"
    with tempfile.TemporaryDirectory(prefix="duplex86-tap.") as folder:
        initrd = os.path.join(folder, "initrd")
        make_initrd(args.initrd, args.modules, initrd)
        try:
            run_checks(args, initrd)
        except Failure as failure:
            print(f"FAIL  {failure}\n----- console:\n{args.console}\n-----")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
