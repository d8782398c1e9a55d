#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux with a network adapter, behind the NAT: DHCP, DNS, ping, files in both directions, and what must not work.

The web server is one of this script's own on the host's loopback, which the guest reaches at the gateway's address.
With --cable two machines are connected to each other instead.
"""

import argparse
import hashlib
import http.server
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from boot_session import PROMPT, Session
from disk_session import make_initrd
from guest_modules import load_order
from machine import Failure, Machine

SKIPPED = 77  # tests/tools/net.cmake tells ctest
MIB = 1 << 20
DUMPED_MAX = 16  # MiB: no dump of all frames with files that are larger
BOOT_TIMEOUT = 180
GATEWAY, NAMESERVER, ADDRESS = "10.0.2.2", "10.0.2.3", "10.0.2.15"
# The modules of each adapter; they say themselves what they need.
MODULES = {
    "e1000": "e1000",
    "ne2k_pci": "ne2k_pci",
    "ne2k_isa": "ne",
    "virtio": "virtio_pci virtio_net",
}
OPTIONS = {"ne": " io=0x300 irq=3"}
DHCP_SCRIPT = ("#!/bin/sh\\n[ $1 = bound ] || exit 0\\nifconfig $interface $ip netmask $subnet\\n"
               "route add default gw $router\\necho nameserver $dns >/etc/resolv.conf\\n"
               "echo lease $ip $subnet $router $dns\\n")


class NetSession(Session):
    """A shell in the guest, and the adapter's driver loaded."""

    def __init__(self, args, machine):
        super().__init__(machine, args)
        machine.expect(r"BOOT-OK ", BOOT_TIMEOUT)
        machine.expect(PROMPT, 60)
        self.run("dmesg -n 1; mkdir -p /etc; ifconfig lo 127.0.0.1 up")
        for module in load_order(args.modules, MODULES[args.model].split()):
            self.run(f"insmod /modules/{module}.ko{OPTIONS.get(module, '')}")
        self.run("ifconfig eth0 up")

    def lease(self, restricted=False):
        self.run(f"printf '{DHCP_SCRIPT}' >/tmp/dhcp; chmod +x /tmp/dhcp")
        said = self.run("udhcpc -i eth0 -n -q -t 5 -s /tmp/dhcp 2>&1", timeout=90)
        # A network that leads nowhere has no router.
        expected = f"lease {ADDRESS} 255.255.255.0" + ("" if restricted else f" {GATEWAY} {NAMESERVER}")
        if expected not in said:
            raise Failure(f"udhcpc said {said!r}, not {expected!r}")

    def interrupts(self):
        return sum(map(int, re.findall(r"^ *\d+: +(\d+).*eth0", self.run("cat /proc/interrupts"), re.MULTILINE)))


class Files(http.server.BaseHTTPRequestHandler):
    """Gives the server's one file, whatever is asked for."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_):
        pass


class Server6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


def serve(content, host="127.0.0.1"):
    server = (Server6 if ":" in host else http.server.ThreadingHTTPServer)((host, 0), Files)
    server.content = content
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read_all(s):
    """What comes by a connection until its end."""
    parts = []
    while part := s.recv(MIB):
        parts.append(part)
    return b"".join(parts)


def fetch(port):
    """The guest's file by a port of the host's that leads to its web server."""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.settimeout(600)
        s.sendall(b"GET /file HTTP/1.0\r\n\r\n")
        return read_all(s).partition(b"\r\n\r\n")[2]


def sha1(data):
    return hashlib.sha1(data).hexdigest()


# ---- Behind the NAT ------------------------------------------------------------------------------


def check_download(session, server):
    """By the NAT; the guest has the file then, in its web server's folder."""
    started = time.monotonic()
    session.run("mkdir -p /www")
    session.run(f"wget -q -O /www/file http://{GATEWAY}:{server.server_port}/", timeout=1800)
    rate = len(server.content) / MIB / (time.monotonic() - started)
    session.run_expecting("sha1sum </www/file", sha1(server.content) + "  -", timeout=300)
    return f"{rate:.1f} MiB/s"


def check_sending(session, content):
    """That file by the NAT, in a connection of the guest's own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        session.machine.send(f"nc {GATEWAY} {listener.getsockname()[1]} </www/file\r")
        listener.settimeout(60)
        with listener.accept()[0] as s:
            s.settimeout(600)
            got = read_all(s)
        session.machine.expect(PROMPT, 600)
    if got != content:
        raise Failure(f"{len(got)} bytes came that are not the file")


def check_own_server(session, port, content):
    """That file from the guest's web server, by the forwarded port."""
    session.run("httpd -p 80 -h /www")
    got = fetch(port)
    if got != content:
        raise Failure(f"{len(got)} bytes came that are not the file")


def check_upload(session, port, content):
    """Into the guest by the forwarded port."""
    session.machine.send("nc -l -p 80 | sha1sum >/tmp/sum & sleep 1; echo up'-'now\r")
    session.machine.expect("up-now", 60)
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.settimeout(1800)
        s.sendall(content)
        s.shutdown(socket.SHUT_WR)
        s.recv(1)
    session.run("wait", timeout=1800)
    session.run_expecting("cat /tmp/sum", sha1(content) + "  -")


def check_ipv6(session, content):
    """The guest has an address by router advertisement; the gateway's ports are the host's on ::1."""
    session.run("i=0; until ifconfig eth0 | grep -i 'fec0:.*site' || [ $i = 30 ]; do sleep 1; i=$((i+1)); done", timeout=90)
    session.run("ping -6 -c 2 -W 5 fec0::2")
    try:
        server = serve(content, "::1")
    except OSError as error:
        return f"no file by it: the host has no ::1 ({error.strerror})"
    try:
        session.run_expecting(f"wget -q -O - http://[fec0::2]:{server.server_port}/ | sha1sum", sha1(content) + "  -",
                              timeout=300)
    finally:
        server.shutdown()
    return "an address, pings, a file"


def check_pings(session):
    session.run(f"ping -c 3 -W 5 {GATEWAY}")
    # There is nobody; with the gateway's address by hand it could get out.
    mac = session.run(f"arp -n {GATEWAY} | sed 's/.* at \\([^ ]*\\) .*/\\1/'")
    session.run(f"arp -s 10.0.2.77 {mac}")
    session.run("ping -c 1 -W 2 10.0.2.77", status=1)


def check_unreachable(session):
    """A closed UDP port of the gateway: the error comes from the gateway, so the guest believes it."""
    count = "awk '/^Icmp: [0-9]/ { print $5 }' /proc/net/snmp"  # InDestUnreachs
    before = int(session.run(count))
    session.run(f"timeout 5 tftp -g -r x -l /tmp/x {GATEWAY} {free_port()}; true", timeout=90)
    if int(session.run(count)) == before:
        raise Failure("the guest took no ICMP error for a closed UDP port")


def host_resolves():
    """Does the host's own name server answer? Any answer will do."""
    try:
        with open("/etc/resolv.conf", encoding="ascii", errors="replace") as file:
            server = re.search(r"^nameserver\s+(\d+\.\d+\.\d+\.\d+)", file.read(), re.MULTILINE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            s.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\7example\3com\0\0\1\0\1", (server[1], 53))
            return len(s.recv(512)) >= 12
    except (OSError, TypeError):
        return False


def check_dns(session):
    """The answer may be that there is no such name, where the host is told so."""
    if not host_resolves():
        return "not asked: the host's own name server does not answer"
    said = session.run(f"nslookup example.com {NAMESERVER} 2>&1; true", timeout=90)
    if "no servers could be reached" in said or "timed out" in said:
        raise Failure(f"nslookup said {said!r}")
    return "answered"


def check_tftp(session, content):
    # It gives up soon, which a busy host may be too slow for.
    session.run(f"for i in 1 2 3 4 5 6 7 8; do tftp -g -r file.bin -l /tmp/file {GATEWAY} && break; done", timeout=300)
    session.run_expecting("sha1sum </tmp/file", sha1(content) + "  -")
    session.run(f"tftp -g -r ../outside -l /tmp/outside {GATEWAY} 2>/dev/null", status=1, timeout=120)


def frames_of(path):
    """Those in a dump, as far as it has been written."""
    with open(path, "rb") as file:
        data = file.read()
    if struct.unpack_from("<IHH", data) != (0xA1B23C4D, 2, 4) or struct.unpack_from("<I", data, 20)[0] != 1:
        raise Failure("the dump does not begin as a pcap file does")
    frames, at = [], 24
    while at + 16 <= len(data):
        size, length = struct.unpack_from("<II", data, at + 8)
        if size != length:
            raise Failure(f"the dump is no pcap file at {at}")
        if at + 16 + size > len(data):
            break
        frames.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return frames, at == len(data)


def check_counters(machine, dump):
    """What --stats=json says at the end: nothing was lost, and as many frames as are in the dump."""
    match = re.search(r'"nets":(\[.*?\])', machine.transcript)
    if not match:
        raise Failure("--stats=json says nothing of the network")
    counters, = json.loads(match[1])
    if counters["in_lost"] or counters["out_lost"] or not counters["in_frames"] or not counters["out_frames"]:
        raise Failure(f"frames are lost: {counters}")
    if dump and counters["in_frames"] + counters["out_frames"] > len(frames_of(dump)[0]):
        raise Failure(f"more frames than in the dump: {counters}")
    return f"{counters['in_frames']} frames to the guest, {counters['out_frames']} from it"


def check_dump(path):
    """Frames of the file by tshark, if it is there, and by a reader of our own: both find the same."""
    frames, whole = frames_of(path)
    if not whole:
        raise Failure("the dump ends in the middle of a frame")
    sizes = [len(frame) for frame in frames]
    if shutil.which("tshark"):
        said = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "frame.len", "-e", "_ws.malformed"],
                              capture_output=True, check=True, timeout=300).stdout.decode()
        if [int(line.split("\t")[0]) for line in said.splitlines()] != sizes:
            raise Failure("tshark finds other frames in the dump")
        dhcp = subprocess.run(["tshark", "-r", path, "-Y", "dhcp.option.dhcp == 5", "-T", "fields", "-e",
                               "dhcp.ip.your"], capture_output=True, check=True, timeout=300).stdout.decode()
        if ADDRESS not in dhcp:
            raise Failure(f"tshark finds no DHCP lease in the dump: {dhcp!r}")
    return f"{len(sizes)} frames"


def command_of(args, initrd, net):
    command = [args.program, "--machine", "pc", "--ram", args.ram, "--kernel", args.kernel, "--initrd", initrd,
               "--append", "console=ttyS0 quiet", "--serial", "stdio"]
    for text in net:
        command += ["--net", text]
    return command + (["--engine", args.engine] if args.engine else [])


def said(what, text=None):
    print(f"ok    {what}" + (f": {text}" if text else ""), flush=True)


def run_nat(args, folder, initrd):
    content = random.Random(1).randbytes(args.size * MIB)
    port, dump, tftp = free_port(), os.path.join(folder, "dump"), os.path.join(folder, "tftp")
    os.mkdir(tftp)
    for name in ("tftp/file.bin", "outside"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content[:20000])
    server = serve(content)
    net = f"user,model={args.model},hostfwd=tcp:127.0.0.1:{port}-:80,tftp={tftp}" + (
        "" if args.size > DUMPED_MAX else f",dump={dump}")
    machine = Machine(command_of(args, initrd, [net]) + ["--stats=json"])
    try:
        session = NetSession(args, machine)
        session.lease()
        said("lease", f"after {machine.elapsed():.1f} s")
        check_pings(session)
        said("pings")
        said("a file by the NAT", check_download(session, server))
        check_sending(session, content)
        said("... and back")
        check_upload(session, port, content)
        said("a file by a forwarded port")
        check_own_server(session, port, content)
        said("... and back")
        check_unreachable(session)
        said("an unreachable port")
        said("DNS", check_dns(session))
        check_tftp(session, content[:20000])
        said("TFTP")
        said("IPv6", check_ipv6(session, content[:200000]))
        session.run("ifconfig eth0 down; ifconfig eth0 up")
        session.run(f"route add default gw {GATEWAY}; ping -c 2 -W 5 {GATEWAY}")
        said("down and up again")
        machine.send("poweroff -f\r")
        status = machine.wait_exit(60)
        if status != 0:
            raise Failure(f"the program ended with status {status}")
    finally:
        args.console = machine.tail()
        machine.close()
        server.shutdown()
    said("counters", check_counters(machine, dump if os.path.exists(dump) else None))
    if os.path.exists(dump):
        said("dump", check_dump(dump))


def run_restricted(args, folder, initrd):
    """restrict=on: DHCP and the gateway's ping work, nothing else does; a forwarded port still does."""
    del folder
    server, port = serve(b"secret"), free_port()
    machine = Machine(command_of(args, initrd, [f"user,model={args.model},restrict=on,ipv6=off,"
                                                f"hostfwd=tcp:127.0.0.1:{port}-:80"]))
    try:
        session = NetSession(args, machine)
        session.lease(restricted=True)
        session.run(f"ping -c 1 -W 5 {GATEWAY}")
        session.run(f"wget -q -O - http://{GATEWAY}:{server.server_port}/ 2>/dev/null", status=1, timeout=120)
        check_upload(session, port, b"in by the port")
        said("restricted")
    finally:
        args.console = machine.tail()
        machine.close()
        server.shutdown()


# ---- On a cable ----------------------------------------------------------------------------------


def run_cable(args, folder, initrd):
    """Two machines, and a file from one to the other; then the one that listens is gone for a while."""
    content = random.Random(2).randbytes(args.size * MIB)
    server, path = serve(content), os.path.join(folder, "cable")
    kinds = [f"socket,listen=unix:{path}", f"socket,connect=unix:{path}"]
    if args.cable == "udp":
        one, other = free_port(), free_port()
        kinds = [f"socket,udp=127.0.0.1:{other},local=127.0.0.1:{one}", f"socket,udp=127.0.0.1:{one},local=127.0.0.1:{other}"]
    # The first one has the NAT besides, to get the file.
    first = Machine(command_of(args, initrd, [f"{kinds[0]},model={args.model}", f"user,model={args.model}"]))
    second = Machine(command_of(args, initrd, [f"{kinds[1]},model={args.model}"]))
    try:
        a, b = NetSession(args, first), NetSession(args, second)
        a.run("ifconfig eth0 192.168.7.1; ifconfig eth1 10.0.2.15")
        b.run("ifconfig eth0 192.168.7.2")
        a.run("ping -c 2 -W 10 192.168.7.2")
        b.run("ping -c 2 -W 10 192.168.7.1")
        said("two machines see each other")
        a.run(f"wget -q -O /tmp/file http://{GATEWAY}:{server.server_port}/", timeout=300)
        second.send("nc -l -p 80 | sha1sum >/tmp/sum & sleep 1; echo up'-'now\r")
        second.expect("up-now", 60)
        a.run("nc 192.168.7.2 80 </tmp/file", timeout=600)
        b.run("wait", timeout=600)
        b.run_expecting("cat /tmp/sum", sha1(content) + "  -")
        said("a file from one to the other")
    finally:
        args.console = first.tail() + "\n----- the other:\n" + second.tail()
        first.close()
        second.close()
        server.shutdown()


# ---- Main ----------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True, help="of the boot tests")
    parser.add_argument("--modules", required=True, help="modules of that kernel, in a tar archive")
    parser.add_argument("--engine")
    parser.add_argument("--model", default="e1000", choices=sorted(MODULES))
    parser.add_argument("--size", type=int, default=4, metavar="MIB", help="of the files")
    parser.add_argument("--restricted", action="store_true")
    parser.add_argument("--cable", choices=("stream", "udp"), help="two machines")
    args = parser.parse_args()
    args.console = ""
    args.ram = "128M" if args.size <= DUMPED_MAX else "384M"  # the guest has the file in its memory
    with tempfile.TemporaryDirectory(prefix="duplex86-net.") as folder:
        initrd = os.path.join(folder, "initrd")
        make_initrd(args.initrd, args.modules, initrd)
        try:
            (run_cable if args.cable else run_restricted if args.restricted else run_nat)(args, folder, initrd)
        except Failure as failure:
            print(f"FAIL  {failure}\n----- console:\n{args.console}\n-----")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
