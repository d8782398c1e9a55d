# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtual machine with its serial console on a terminal of ours, to be driven like a person would.

Machine starts Duplex86, QEMU or Bochs, collects what the console says, types, waits for patterns and
measures the processor time the program uses. Only Python's standard library is needed.
"""

import fcntl
import glob
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
HOST_ERROR = 1  # frontend/status.h: the host, or the program itself, refused what was asked for
# Terminal control sequences (the guest's shell asks for the cursor position at each prompt), and the
# beginning of one at the end of what has been read so far.
CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CONTROL_SEQUENCE_CUT = re.compile(r"\x1b(\[[0-9;?]*)?\Z")


class Failure(Exception):
    """Something did not go as it must; the text says what."""


class Machine:
    """One run of a program. Everything the console ever said is in `transcript`.

    The serial console is the program's own terminal, unless `console` gives another pseudo-terminal
    (as pty.openpty() returns it) which the program was told to use. `fds` are descriptors it gets besides.
    """

    def __init__(self, command, log=None, console=None, fds=()):
        self.transcript = ""
        self.position = 0  # expect() looks at what comes after this
        self.unread = ""  # the beginning of a control sequence
        self.log = log
        self.master, self.slave = pty.openpty()
        self.console = console[0] if console else self.master
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
        self.settings_before = self._terminal_settings()
        self.started = time.monotonic()
        # A session of its own: its processes can be found, and be ended together.
        try:
            self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                            start_new_session=True, pass_fds=fds)
        except OSError as error:
            sys.exit(f"cannot start {command[0]}: {error.strerror}")

    def close(self):
        """End the program, whatever state it is in."""
        if self.process.poll() is None:
            self._signal_session(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                pass
        self._signal_session(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def elapsed(self):
        return time.monotonic() - self.started

    def send(self, text):
        # A terminal takes a few KiB at once; commands are shorter than that.
        os.write(self.console, text.encode())

    def expect(self, pattern, timeout):
        """Wait until the console says `pattern` (a regular expression) after the last match."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.compile(pattern, re.DOTALL).search(self.transcript, self.position)
            if match:
                self.position = match.end()
                return match
            if "Kernel panic" in self.transcript:
                self._read(1.0)
                raise Failure("the guest kernel panicked")
            ended = self.process.poll()
            if not self._read(min(0.5, deadline - time.monotonic())):
                if ended is not None:
                    raise Failure(f"the program ended (status {ended}) before the console said {pattern!r}")
                if time.monotonic() >= deadline:
                    raise Failure(f"{timeout:.0f} s passed and the console did not say {pattern!r}")

    def settle(self):
        """Read what has been said; wait until there is nothing more."""
        while self._read(0.1):
            pass

    def wait_exit(self, timeout):
        """Wait for the program to end by itself; its exit status."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() >= deadline:
                raise Failure(f"the program did not end within {timeout:.0f} s")
            self._read(0.1)
        self.settle()
        return self.process.returncode

    def refused(self):
        """Why the program did not even start the guest, or None."""
        if self.process.poll() != HOST_ERROR or "Linux version" in self.transcript:
            return None
        return self.transcript.replace("\r", "").strip() or "no reason given"

    def processor_seconds(self):
        """User and system time used so far by all processes of the program."""
        # proc(5), counted from the state field: 11 and 12 are utime and stime.
        return sum(int(fields[11]) + int(fields[12]) for _, fields in self._processes()) / TICKS_PER_SECOND

    def sleeps(self):
        """How often threads of the program have waited for something so far: voluntary context switches."""
        count = 0
        for pid, _ in self._processes():
            for thread in glob.glob(f"/proc/{pid}/task/*/status"):
                try:
                    with open(thread, encoding="ascii", errors="replace") as file:
                        count += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
                except OSError:
                    continue
        return count

    def _processes(self):
        """Process numbers of the program, with the fields of /proc/PID/stat from the state on."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid:  # the session
                yield pid, fields

    def signal_all(self, number):
        """Send a signal to each process of the program."""
        for pid, _ in self._processes():
            os.kill(int(pid), number)

    def terminal_restored(self):
        return self._terminal_settings() == self.settings_before

    def tail(self, lines=40):
        return "\n".join(self.transcript.replace("\r", "").split("\n")[-lines:])

    def _terminal_settings(self):
        settings = termios.tcgetattr(self.slave)
        # PENDIN says that typed input waits to be read again; the kernel sets it, not the program.
        settings[3] &= ~termios.PENDIN
        return settings

    def _read(self, timeout):
        readable, _, _ = select.select({self.master, self.console}, [], [], max(timeout, 0))
        if self.master in readable and self.master != self.console:
            os.read(self.master, 65536)  # what the program itself has to say is of no interest
        if self.console not in readable:
            return bool(readable)
        text = os.read(self.console, 65536).decode("utf-8", "replace")
        if self.log:
            self.log.write(text)
            self.log.flush()
        text = CONTROL_SEQUENCE.sub("", self.unread + text)
        cut = CONTROL_SEQUENCE_CUT.search(text)
        self.unread = text[cut.start():] if cut else ""
        self.transcript += text[:cut.start()] if cut else text
        return True

    def _signal_session(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def duplex86_command(program, kernel, initrd, append, ram, engine=None, extra=()):
    command = [program, "--ram", f"{ram}M", "--serial", "stdio", "--kernel", kernel, "--append", append]
    if initrd:
        command += ["--initrd", initrd]
    if engine:
        command += ["--engine", engine]
    return command + list(extra)


def qemu_command(program, kernel, initrd, append, ram, extra=(), cpu="pentium2,-apic"):
    """The same machine in QEMU's emulator: no PCI, no ACPI, no APIC, and no KVM."""
    command = [program, "-M", "isapc", "-accel", "tcg", "-cpu", cpu, "-m", str(ram),
               "-nodefaults", "-display", "none", "-no-reboot", "-chardev", "stdio,id=console,signal=off",
               "-serial", "chardev:console", "-kernel", kernel, "-append", append]
    if initrd:
        command += ["-initrd", initrd]
    return command + list(extra)
