#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket of a running machine, and duplex86 ctl: what each command does, and that no client can harm
the machine or another client, whatever it sends or does not read.

usage: test_control_socket.py PATH-TO-DUPLEX86 MANUAL-PAGE [NAME-PART]
"""

import json
import os
import re
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM, MANUAL = sys.argv[1:3]
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
TIMEOUT = 60
LOAD = 0x100000
HEADER = 32
COUNTER = 0x8000
QUIT_STATUS = 8

# ---- Guests ----


def multiboot(code):
    """A Multiboot kernel with address fields; `code` runs at LOAD + HEADER."""
    flags = 0x10000
    end = LOAD + HEADER + len(code)
    header = struct.pack("<8I", 0x1BADB002, flags, -(0x1BADB002 + flags) & 0xFFFFFFFF, LOAD, LOAD, end, end,
                         LOAD + HEADER)
    return header + code


# mov dword [COUNTER],0; again: inc dword [COUNTER]; jmp again
COUNT = (b"\xc7\x05" + struct.pack("<II", COUNTER, 0) + b"\xff\x05" + struct.pack("<I", COUNTER) + b"\xeb\xf8")
# again: in al,64h; test al,1; jz again; in al,60h; out E9h,al; jmp again
ECHO_CODES = b"\xe4\x64\xa8\x01\x74\xfa\xe4\x60\xe6\xe9\xeb\xf4"
# The same, and with it pages of 4 MiB (PSE), linear 0 to 4 MiB and C0000000h to C0400000h being the same: the
# directory is at 9000h.
PAGING = (b"\xc7\x05" + struct.pack("<II", 0x9000, 0x83) + b"\xc7\x05" + struct.pack("<II", 0x9C00, 0x83) +
          b"\xb8\x10\x00\x00\x00\x0f\x22\xe0"  # mov eax,10h; mov cr4,eax
          b"\xb8\x00\x90\x00\x00\x0f\x22\xd8"  # mov eax,9000h; mov cr3,eax
          b"\x0f\x20\xc0\x0d\x00\x00\x00\x80\x0f\x22\xc0"  # mov eax,cr0; or eax,80000000h; mov cr0,eax
          + COUNT)


def listens(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False


class Machine:
    """A running machine with a control socket."""

    def __init__(self, folder, code, *options):
        self.path = os.path.join(folder, "control")
        kernel = os.path.join(folder, "kernel")
        with open(kernel, "wb") as file:
            file.write(multiboot(code))
        self.process = subprocess.Popen([PROGRAM, "--kernel", kernel, "--ram", "16M", "--serial", "none", "--control",
                                         "unix:" + self.path, *options],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + TIMEOUT
        while not listens(self.path):  # that the file is there says less
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline, "the socket never came"
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def client(self):
        return Client(self.path)

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])


class Client:
    """A connection that speaks the protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.events = []
        self.id = 0
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def answer(self):
        while True:
            line = self.line()
            if line is None or "event" not in line:
                return line
            self.events.append(line)

    def event(self, name):
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            line = self.line()
            assert line and "event" in line, line
            self.events.append(line)

    def ask(self, command, **args):
        self.id += 1
        args = {name.replace("_", "-"): value for name, value in args.items()}
        self.send(json.dumps({"id": self.id, "command": command, "args": args}).encode() + b"\n")
        answer = self.answer()
        assert answer["id"] == self.id, answer
        return answer

    def do(self, command, **args):
        answer = self.ask(command, **args)
        assert "result" in answer, answer
        return answer["result"]

    def refusal(self, command, **args):
        return self.ask(command, **args)["error"]["code"]

    def counter(self):
        data = self.do("memory-read", address=COUNTER, size=4)["data"]
        return struct.unpack("<I", bytes.fromhex(data))[0]


def wait_until(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def ctl(*args, path=None, **environment):
    env = dict(os.environ, **environment)
    socket_args = ["--socket", path] if path else []
    return subprocess.run([PROGRAM, "ctl", *socket_args, *args], capture_output=True, timeout=TIMEOUT, env=env,
                          text=True)


# ---- The tests ----


def test_greeting_and_status(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client:
        assert client.greeting["protocol"] == 1 and client.greeting["duplex86"], client.greeting
        status = client.do("status")
        assert status["state"] == "running" and status["machine"] == "isa", status
        assert status["ram"] == 16 << 20 and status["pid"] == machine.process.pid, status
        names = {command["name"] for command in client.do("commands")["commands"]}
        assert {"status", "screendump", "disassemble"} <= names, names
        wait_until(lambda: client.counter() > 0, "the guest does not run")
        assert client.do("stats")["exits"]["kicked"] > 0


def test_every_command_is_in_the_manual(folder):
    with open(MANUAL, encoding="utf-8") as file:
        section = file.read().split(".SH COMMANDS")[1].replace("\\-", "-")
    with Machine(folder, COUNT) as machine, machine.client() as client:
        for command in client.do("commands")["commands"]:
            line = re.search(rf'^\.BR? (?:.*", " )?{command["name"]}\b(?: "([^"\n]*)"$)?', section, re.M)
            assert line, command
            documented = (line[1] or "").split()
            expected = [argument["name"] if argument["required"] else f'[{argument["name"]}]'
                        for argument in command["arguments"]]
            assert documented == expected, (documented, expected)


def test_pause_stops_guest_and_time(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client, machine.client() as other:
        wait_until(lambda: client.counter() > 0, "the guest does not run")
        client.do("pause")
        client.do("pause")
        before, count = client.do("status"), client.counter()
        time.sleep(0.2)
        after = client.do("status")
        assert before["state"] == "paused" and before["time_ns"] == after["time_ns"], (before, after)
        assert client.counter() == count
        assert other.event("state")["state"] == "paused"
        resumed = time.monotonic()
        client.do("resume")
        wait_until(lambda: client.counter() != count, "the guest does not go on")
        passed = client.do("status")["time_ns"] - before["time_ns"]
        # Time went on from where it stood, and no faster than the host's.
        assert 0 < passed <= (time.monotonic() - resumed + 0.05) * 1e9, passed
        assert other.event("state")["state"] == "running"


def test_reset_begins_anew(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client:
        wait_until(lambda: client.counter() > 0, "the guest does not run")
        client.do("pause")
        client.do("reset")
        client.event("reset")
        assert client.do("registers")["eip"] == LOAD + HEADER
        assert client.do("status")["state"] == "paused"
        client.do("resume")
        wait_until(lambda: client.do("registers")["eip"] > LOAD + HEADER, "the guest does not start")
        client.do("reset")
        client.event("reset")
        assert machine.process.poll() is None


def test_looking_inside(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client:
        client.do("pause")
        code = client.do("memory-read", address=LOAD + HEADER, size=len(COUNT))
        assert code == {"address": LOAD + HEADER, "data": COUNT.hex()}, code
        listing = client.do("disassemble", address=LOAD + HEADER, count=3)["instructions"]
        assert [row["text"].split()[0] for row in listing] == ["mov", "inc", "jmp"], listing
        assert "".join(row["bytes"] for row in listing) == COUNT.hex(), listing
        here = client.do("disassemble", count=1)["instructions"][0]["address"]
        assert here == client.do("registers")["eip"]
        client.do("memory-write", address=0x7FFE, data="11223344")
        assert client.do("memory-read", address=0x7FFD, size=6, space="linear")["data"][2:10] == "11223344"
        # The ROM, nothing at all, and RAM that ends in between.
        for address, size in ((0xFFFF0, 4), (0xE0000000, 4), ((16 << 20) - 2, 4)):
            assert client.refusal("memory-write", address=address, data="00" * size) == "failed", hex(address)
        assert client.do("memory-read", address=0xFFFF0, size=4)["data"] != "00000000"
        assert client.refusal("memory-read", address=(16 << 20) - 2, size=4) == "failed"
        assert client.refusal("memory-read", address=0xFFFFFFFF, size=2, space="linear") == "bad-request"


def test_linear_addresses_go_through_page_tables(folder):
    with Machine(folder, PAGING) as machine, machine.client() as client:
        wait_until(lambda: client.counter() > 0, "the guest does not run")
        client.do("pause")
        assert client.do("registers")["cr0"] >> 31
        client.do("memory-write", address=0xC0007000, data="aabb", space="linear")
        assert client.do("memory-read", address=0x7000, size=2)["data"] == "aabb"
        for address in (0x80000000, 0xC0400000 - 1):
            assert client.refusal("memory-write", address=address, data="aabb", space="linear") == "failed"
        assert client.do("memory-read", address=0xC0000000 + COUNTER, size=4, space="linear") != "00000000"


def test_what_the_guest_runs_can_be_changed(folder):
    """Code that was cached, translated even, is dropped when it is written."""
    with Machine(folder, COUNT) as machine, machine.client() as client:
        wait_until(lambda: client.counter() > 1000, "the guest does not run")
        client.do("memory-write", address=LOAD + HEADER + 11, data="0d")  # dec dword [COUNTER]
        wait_until(lambda: client.counter() > 0x80000000, "the guest counts up for ever")


def test_keys_reach_the_guest(folder):
    codes = os.path.join(folder, "codes")

    def typed():
        with open(codes, "rb") as file:
            return file.read()

    with Machine(folder, ECHO_CODES, "--debugcon", "file:" + codes) as machine, machine.client() as client:
        client.do("type-text", text="aA\n", interval=1)
        expected = bytes.fromhex("1e9e 2a1e9eaa 1c9c")
        wait_until(lambda: typed() == expected, typed)
        client.do("send-keys", keys=["ctrl+alt+delete", "up", "pause", "print"], interval=1)
        expected += bytes.fromhex("1d38e053 e0d3b89d e048e0c8 e11d45e19dc5 e02ae037e0b7e0aa")
        wait_until(lambda: typed() == expected, typed)
        # Far more than the keyboard keeps.
        text = "the quick brown fox jumps over the lazy dog " * 3
        client.do("type-text", text=text, interval=1)
        wait_until(lambda: len(typed()) == len(expected) + 2 * len(text), typed)
        assert client.refusal("send-keys", keys=["nonsense"]) == "bad-request"
        assert client.refusal("type-text", text="ok \u20ac") == "bad-request"
        client.do("mouse", dx=3, dy=-4, buttons=["left"])
        assert client.refusal("mouse", buttons=["fourth"]) == "bad-request"
        assert ctl("send-keys", "a", "ctrl+c", path=machine.path).returncode == 0
        assert ctl("type-text", "two", "words", path=machine.path).returncode == 0


def test_a_client_that_leaves_while_it_types(folder):
    codes = os.path.join(folder, "codes")
    with Machine(folder, ECHO_CODES, "--debugcon", "file:" + codes) as machine:
        with machine.client() as client:
            client.send(b'{"command":"send-keys","args":{"keys":["shift+a"],"interval":10000}}\n')
            client.send(b'{"command":"status"}\n')
        with machine.client() as client:
            client.do("send-keys", keys=["b"], interval=1)
            wait_until(lambda: os.path.getsize(codes) >= 2, "nothing was typed")
            with open(codes, "rb") as file:
                assert file.read().endswith(b"\x30\xb0")


def test_media_are_changed(folder):
    def image(name, size):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(bytes(size))
        return path

    disk, one, two = image("disk", 1 << 20), image("one.iso", 1 << 20), image("two.iso", 1 << 20)
    with Machine(folder, COUNT, "--machine", "pc", "--display", "none", "--disk", disk + ",ro", "--cdrom",
                 one) as machine, machine.client() as client:

        def drives():
            return {drive["drive"]: drive.get("file") for drive in client.do("media")["drives"] if drive["drive"] != "fda"}

        assert drives() == {"hda": disk, "hdc": one}, drives()
        client.do("insert", drive="hdc", file=two)
        assert drives()["hdc"] == two
        assert client.refusal("insert", drive="hdc", file=two + ".none") == "failed"
        assert drives()["hdc"] == two
        client.do("eject", drive="hdc")
        assert drives()["hdc"] is None
        client.do("eject", drive="hdc")
        assert client.refusal("eject", drive="hda") == "failed"  # a disk stays
        assert client.refusal("eject", drive="hdb") == "failed"
        assert ctl("insert", "hdc", one, "--read-only", path=machine.path).returncode == 0
        assert f"hdc      {one} (read-only)" in ctl("media", path=machine.path).stdout
        assert ctl("eject", "hdc", path=machine.path).returncode == 0
        assert "hdc      (empty)" in ctl("media", path=machine.path).stdout


def test_answers_come_in_order(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client:
        for n in range(200):
            client.send(b'{"id":%d,"command":"%s"}\n' % (n, (b"registers", b"status", b"nonsense")[n % 3]))
        for n in range(200):
            assert client.answer()["id"] == n
        # A request in one-byte pieces, and a client that sends its last one and no more.
        for byte in b'{"id":"x","command":"status"}\n':
            client.send(bytes([byte]))
        assert client.answer()["id"] == "x"
        client.send(b'{"id":"y","command":"status"}\n{"id":"z"')
        client.socket.shutdown(socket.SHUT_WR)
        assert client.answer()["id"] == "y"
        assert client.answer() is None


def test_nonsense_is_answered(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client:
        for line in (b"", b"hello", b"[]", b'{"command":"status"', b"\xff\xfe", b"\0", b"[" * 100000):
            client.send(line + b"\n")
            answer = client.answer()
            assert answer["id"] is None and answer["error"]["code"] == "bad-request", answer
        assert client.refusal("screendump", file="/nowhere") == "unavailable"
        assert client.refusal("text-screen") == "unavailable"
        assert client.refusal("balloon") == "unavailable"  # none was asked for
        client.do("status")


def test_a_line_that_does_not_end(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client, machine.client() as other:
        try:
            for _ in range(64):
                client.send(b"x" * 65536)
        except OSError:
            pass  # it has gone
        try:
            answer = client.answer()
            assert answer is None or answer["error"]["code"] == "bad-request", answer
        except OSError:
            pass
        other.do("status")


def test_a_client_that_does_not_read(folder):
    """It gets what fits its queue, and neither the machine nor another client waits for it."""
    with Machine(folder, COUNT) as machine, machine.client() as slow, machine.client() as other:
        before = machine.resident_kib()
        slow.socket.setblocking(False)
        request = b'{"command":"memory-read","args":{"address":0,"size":262144}}\n' * 100
        sent = 0
        try:
            while sent < 1 << 24:
                sent += slow.socket.send(request)
        except BlockingIOError:
            pass
        count = other.counter()
        wait_until(lambda: other.counter() != count, "the guest does not run")
        for _ in range(100):
            other.do("pause")
            other.do("resume")
        assert machine.resident_kib() - before < 16 * 1024, "what it does not read is kept"


def test_events_pile_up_only_so_far(folder):
    with Machine(folder, COUNT) as machine, machine.client() as slow, machine.client() as other:
        for _ in range(20000):
            other.send(b'{"command":"pause"}\n{"command":"resume"}\n')
            other.answer()
            other.answer()
            if other.events and len(other.events) > 100:
                other.events.clear()
        other.do("status")
        seen = 0
        while slow.line():
            seen += 1
        assert 0 < seen < 40000, seen  # the end came: it was dropped


def test_too_many_clients(folder):
    with Machine(folder, COUNT) as machine:
        clients = [machine.client() for _ in range(16)]
        refused = machine.client()
        assert refused.greeting["error"]["code"] == "unavailable", refused.greeting
        assert refused.line() is None
        refused.close()
        for client in clients:
            client.do("status")
            client.close()

        def served():
            with machine.client() as client:
                return "duplex86" in client.greeting

        wait_until(served, "places are not given back")


def test_the_socket_file(folder):
    path = os.path.join(folder, "control")
    with Machine(folder, COUNT) as machine:
        mode = os.lstat(path).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
        kernel = os.path.join(folder, "kernel")
        command = [PROGRAM, "--kernel", kernel, "--serial", "none", "--control", "unix:" + path]
        second = subprocess.run(command, capture_output=True, timeout=TIMEOUT, text=True)
        assert second.returncode == 1 and "another program listens there" in second.stderr, second
        with machine.client() as client:
            client.do("status")
        machine.process.kill()
        machine.process.wait()
    assert os.path.exists(path)  # it is stale now
    with Machine(folder, COUNT) as machine:
        wait_until(lambda: subprocess.run([PROGRAM, "ctl", "--socket", path, "quit"], capture_output=True,
                                          timeout=TIMEOUT).returncode == 0, "the stale file is still there")
        assert machine.process.wait(TIMEOUT) == QUIT_STATUS
    assert not os.path.exists(path)
    with open(path, "w", encoding="ascii") as file:
        file.write("dear")
    third = subprocess.run(command, capture_output=True, timeout=TIMEOUT, text=True)
    assert third.returncode == 1 and "no socket" in third.stderr, third
    with open(path, encoding="ascii") as file:
        assert file.read() == "dear"


def test_the_end_is_told(folder):
    with Machine(folder, COUNT) as machine, machine.client() as client, machine.client() as other:
        client.do("pause")
        assert client.do("quit") == {}
        assert client.event("end") == {"event": "end", "status": QUIT_STATUS}
        assert other.event("end")["status"] == QUIT_STATUS
        assert machine.process.wait(TIMEOUT) == QUIT_STATUS


def test_ctl(folder):
    path = os.path.join(folder, "control")
    nobody = ctl("status", path=path)
    assert nobody.returncode == 1 and "cannot connect" in nobody.stderr, nobody
    late = ctl("status", "--timeout", "0.3", path=path)
    assert late.returncode == 1, late
    assert ctl("status", DUPLEX86_CONTROL="").returncode == 1
    with Machine(folder, COUNT) as machine:
        assert "state: running" in ctl("status", DUPLEX86_CONTROL=path).stdout
        assert json.loads(ctl("status", "--json", path=path).stdout)["machine"] == "isa"
        for command in ("pause", "resume", "reset"):
            done = ctl(command, path="unix:" + path)
            assert done.returncode == 0 and done.stdout == "" and done.stderr == "", done
        refused = ctl("text-screen", path=path)
        assert refused.returncode == 2 and "no screen" in refused.stderr, refused
        assert ctl("wait-text", "x", path=path).returncode == 2
        assert ctl("wait-end", "--timeout", "0.2", path=path).returncode == 3
        for args in (("nonsense",), (), ("status", "x"), ("memory-read", "here", "1"), ("mouse", "1"),
                     ("status", "--nonsense")):
            wrong = ctl(*args, path=path)
            assert wrong.returncode == 1 and wrong.stderr.count("\n") == 1, wrong
        assert ctl("memory-write", "0x7000", "48656c6c6f", path=path).returncode == 0
        assert "48 65 6c 6c 6f" in ctl("memory-read", "0x7000", "5", path=path).stdout
        assert ctl("memory-read", "0xe0000000", "5", path=path).returncode == 2
        assert "inc dword ptr" in ctl("disassemble", hex(LOAD + HEADER), "2", path=path).stdout
        assert re.search(r"^eax [0-9a-f]{8}", ctl("registers", path=path).stdout)
        assert ctl("mouse", "--buttons", "left,right", "--", "-5", "3", path=path).returncode == 0
        unread = ctl("type-text", "two", "words", path=path)
        assert unread.returncode == 2 and "does not read its keyboard" in unread.stderr, unread
        assert ctl("send-keys", "nokey", path=path).returncode == 2
        assert "wait" in ctl("--help").stdout
        end = subprocess.Popen([PROGRAM, "ctl", "--socket", path, "wait-end"], stdout=subprocess.PIPE, text=True)
        wait_until(lambda: len(ctl("status", path=path).stdout) > 0, "no status")
        time.sleep(0.3)
        assert ctl("quit", path=path).returncode == 0
        assert end.communicate(timeout=TIMEOUT)[0] == f"{QUIT_STATUS}\n"
        machine.process.wait(TIMEOUT)


def test_ctl_before_the_machine_listens(folder):
    """Between bind() and listen() a connection is refused; ctl tries again. A busy host may miss the moment."""
    path = os.path.join(folder, "control")
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            client = subprocess.Popen([PROGRAM, "ctl", "--socket", path, "status"], stderr=subprocess.PIPE, text=True)
            time.sleep(0.1)
            server.listen()
            server.settimeout(0.1)
            try:
                server.accept()[0].close()
                taken = True
            except TimeoutError:
                taken = False
            os.unlink(path)
        assert client.wait(TIMEOUT) == 1
        if taken and "cannot connect" not in client.communicate()[1]:
            return
    assert False, "ctl never tried again"


def test_bad_options(_):
    for spec in ("", "unix:", "tcp:1", "/tmp/x"):
        refused = subprocess.run([PROGRAM, "--machine", "pc", "--control", spec], capture_output=True,
                                 timeout=TIMEOUT, text=True)
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused
    refused = subprocess.run([PROGRAM, "--machine", "pc", "--serial", "none", "--control", "unix:/nowhere/x"],
                             capture_output=True, timeout=TIMEOUT, text=True, stdin=subprocess.DEVNULL)
    assert refused.returncode == 1 and "/nowhere/x" in refused.stderr, refused


def main():
    failures = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_") or ONLY not in name:
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(folder)
                print(f"ok    {name} ({time.monotonic() - started:.1f} s)")
            except (AssertionError, OSError, subprocess.SubprocessError, TypeError, KeyError) as error:
                failures += 1
                line = error.__traceback__.tb_lineno
                while error.__traceback__.tb_next:
                    error.__traceback__ = error.__traceback__.tb_next
                    line = error.__traceback__.tb_lineno
                print(f"FAIL  {name}, line {line}: {type(error).__name__} {error}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
