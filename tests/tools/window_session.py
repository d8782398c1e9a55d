#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The window, on a screen of Xvfb: what it shows, what of keyboard and mouse reaches the guest, its title and its end.

Keys and the mouse are xdotool's, what the window shows is read from Xvfb's frame buffer. Skipped where either is missing.
"""

import argparse
import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
TIMEOUT = 60
QUIT_STATUS = 8
LOAD, HEADER = 0x100000, 32
WIDTH, HEIGHT = 1024, 768

# Enable the mouse port and the mouse's reports, then echo port 60h to the debug console for ever.
ECHO = (b"\xb0\xa8\xe6\x64"  # mov al,A8h; out 64h,al
        b"\xe4\x64\xa8\x02\x75\xfa\xb0\xd4\xe6\x64"  # wait; mov al,D4h; out 64h,al
        b"\xe4\x64\xa8\x02\x75\xfa\xb0\xf4\xe6\x60"  # wait; mov al,F4h; out 60h,al
        b"\xe4\x64\xa8\x01\x74\xfa\xe4\x60\xe6\xe9\xeb\xf4")  # in al,64h; test al,1; jz; in al,60h; out E9h,al
ACKNOWLEDGED = b"\xfa"  # the mouse's answer to F4h

# By name and, for those that xdotool takes for modifiers of something, by X keycode.
KEYS = [("a", "1e9e"), ("Return", "1c9c"), ("F1", "3bbb"), ("F12", "58d8"), ("Up", "e048e0c8"), ("Left", "e04be0cb"),
        ("Insert", "e052e0d2"), ("Delete", "e053e0d3"), ("Home", "e047e0c7"), ("End", "e04fe0cf"),
        ("Prior", "e049e0c9"), ("Next", "e051e0d1"), ("KP_Enter", "e01ce09c"), ("KP_Divide", "e035e0b5"),
        ("KP_Add", "4ece"), ("105", "e01de09d"), ("108", "e038e0b8"), ("62", "36b6"), ("Alt_L", "38b8"), ("Super_L", "e05be0db"),
        ("Menu", "e05de0dd"), ("Pause", "e11d45e19dc5"), ("Print", "e02ae037e0b7e0aa"), ("Escape", "0181"),
        ("shift+b", "2a30aab0"), ("ctrl+c", "1d2e9dae"), ("minus", "0c8c"), ("space", "39b9")]


class Failure(Exception):
    """Something did not go as it must; the text says what."""


def wait_until(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(what() if callable(what) else what)
        time.sleep(0.02)


# ---- The screen ----


class Screen:
    """An X server without a screen."""

    def __init__(self, folder):
        reader, writer = os.pipe()
        self.path = os.path.join(folder, "Xvfb_screen0")
        self.process = subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{WIDTH}x{HEIGHT}x24",
                                         "-nolisten", "tcp", "-noreset", "-fbdir", folder], pass_fds=[writer],
                                        stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader) as file:
            number = file.readline().strip()
        if not number:
            raise Failure("Xvfb does not start")
        self.name = ":" + number

    def close(self):
        self.process.terminate()
        self.process.wait()

    def pixels(self):
        """Rows of (red, green, blue), from the XWD file that the frame buffer is."""
        with open(self.path, "rb") as file:
            data = file.read()
        header = struct.unpack(">25I", data[:100])
        start, stride = header[0] + header[19] * 12, header[12]
        return [[(data[at + 2], data[at + 1], data[at])
                 for at in range(start + y * stride, start + y * stride + 4 * WIDTH, 4)] for y in range(HEIGHT)]

    def tool(self, *args):
        done = subprocess.run(["xdotool", *args], env=dict(os.environ, DISPLAY=self.name), capture_output=True,
                              text=True, timeout=TIMEOUT)
        return done.stdout.strip()

    def delete_window(self, window):
        """What a window manager says when its button is pressed: WM_DELETE_WINDOW (ICCCM 4.2.8.1)."""
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        x11.XInternAtom.restype = ctypes.c_ulong
        x11.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
        x11.XCloseDisplay.argtypes = [ctypes.c_void_p]

        class ClientMessage(ctypes.Structure):
            _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                        ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong),
                        ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("pad", ctypes.c_long * 24)]

        display = x11.XOpenDisplay(self.name.encode())
        event = ClientMessage(33, 0, 1, display, window, x11.XInternAtom(display, b"WM_PROTOCOLS", 0), 32)
        event.data[0] = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
        x11.XSendEvent(display, window, 0, 0, ctypes.byref(event))
        x11.XCloseDisplay(display)


def read_png(path):
    """Rows of (red, green, blue) of an RGB picture of 8 bits (PNG specification, "Filtering")."""
    with open(path, "rb") as file:
        data = file.read()
    at, body = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height = struct.unpack(">2I", data[at + 8:at + 16])
        if kind == b"IDAT":
            body += data[at + 8:at + 8 + length]
        at += length + 12
    raw, rows, above = zlib.decompress(body), [], bytearray(3 * width)
    for y in range(height):
        kind, *line = raw[y * (3 * width + 1):(y + 1) * (3 * width + 1)]
        for i in range(3 * width):
            left, up, corner = (line[i - 3] if i > 2 else 0), above[i], (above[i - 3] if i > 2 else 0)
            nearest = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                          (abs(left + up - 2 * corner), 2, corner))[2]
            line[i] = (line[i] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
        above = line
        rows.append([tuple(line[i:i + 3]) for i in range(0, 3 * width, 3)])
    return rows


def cells(rows, left, top, width, height):
    """How bright each of 80 x 25 cells of a part of a picture is."""
    result = []
    for row in range(25):
        for column in range(80):
            values = [rows[y][x][1] for y in range(top + row * height // 25, top + (row + 1) * height // 25)
                      for x in range(left + column * width // 80, left + (column + 1) * width // 80)]
            result.append(sum(values) / len(values))
    return result


# ---- The machine ----


class Machine:
    """A machine with a window and a control socket."""

    def __init__(self, args, screen, folder, *options):
        self.program, self.screen = args.program, screen
        self.control = os.path.join(folder, "control")
        command = [self.program, "--machine", "pc", "--engine", args.engine, "--display", "sdl", "--serial", "none",
                   "--control", "unix:" + self.control, *options]
        environment = dict(os.environ, DISPLAY=screen.name, SDL_VIDEODRIVER="x11")
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        self.window = None

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def ctl(self, *args):
        done = subprocess.run([self.program, "ctl", "--socket", self.control, "--timeout", str(TIMEOUT), *args],
                              capture_output=True, text=True, timeout=TIMEOUT + 10)
        if done.returncode:
            raise Failure(f"ctl {' '.join(args)}: {done.stderr}")
        return done.stdout

    def find_window(self):
        def found():
            if self.process.poll() is not None:
                raise Failure(f"the program ended with status {self.process.returncode}: {self.process.stderr.read()}")
            self.window = self.screen.tool("search", "--onlyvisible", "--class", "duplex86").split("\n")[0]
            return self.window

        wait_until(found, "there is no window")
        # There is no window manager to do so.
        self.screen.tool("windowfocus", "--sync", self.window)

    def title(self):
        return self.screen.tool("getwindowname", self.window)

    def place(self):
        text = self.screen.tool("getwindowgeometry", "--shell", self.window)
        return tuple(int(re.search(rf"^{name}=(-?\d+)$", text, re.M)[1]) for name in ("X", "Y", "WIDTH", "HEIGHT"))

    def wait_exit(self):
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Failure("the program does not end")


# ---- The checks ----


def check_picture(args, screen, folder):
    """The window shows what a screen dump does, in 4:3; an idle guest's costs little."""
    machine = Machine(args, screen, folder)
    try:
        machine.ctl("wait-text", "No bootable device")
        machine.find_window()
        left, top, width, height = machine.place()
        if (width, height) != (720, 540):
            raise Failure(f"the window has {width}x{height} pixels")
        dump = os.path.join(folder, "screen.png")
        machine.ctl("screendump", dump)
        expected = cells(read_png(dump), 0, 0, 720, 400)
        if sum(value > 20 for value in expected) < 100:
            raise Failure("there is no text on the screen")

        def differences():
            shown = cells(screen.pixels(), left, top, width, height)
            return sum(abs(a - b) > 16 for a, b in zip(expected, shown))

        wait_until(lambda: differences() <= 1, lambda: f"{differences()} cells differ")  # the cursor blinks
        machine.ctl("pause")
        wait_until(lambda: "paused" in machine.title(), machine.title)
        machine.ctl("resume")
        wait_until(lambda: "paused" not in machine.title(), machine.title)
        machine.ctl("quit")
        if machine.wait_exit() != QUIT_STATUS:
            raise Failure(f"status {machine.process.returncode}")
    finally:
        machine.close()


def check_input(args, screen, folder):
    """Keys reach the guest by their place; the mouse when it is grabbed. And the window is closed."""
    codes, kernel = os.path.join(folder, "codes"), os.path.join(folder, "kernel")
    end = LOAD + HEADER + len(ECHO)
    with open(kernel, "wb") as file:
        file.write(struct.pack("<8I", 0x1BADB002, 0x10000, -(0x1BADB002 + 0x10000) & 0xFFFFFFFF, LOAD, LOAD, end, end,
                               LOAD + HEADER) + ECHO)
    machine = Machine(args, screen, folder, "--kernel", kernel, "--debugcon", "file:" + codes)
    read = 0

    def news():
        with open(codes, "rb") as file:
            return file.read()[read:]

    try:
        machine.find_window()
        # The VGA BIOS, which is there for the window, logs to the debug console first; in plain ASCII.
        wait_until(lambda: news().endswith(ACKNOWLEDGED), lambda: f"the mouse answered {news().hex()}")
        read += len(news())
        for key, expected in KEYS:
            screen.tool("key", "--delay", "30", key)
            wait_until(lambda: len(news()) >= len(expected) // 2, lambda: f"{key} came as {news().hex()}")
            if news().hex() != expected:
                raise Failure(f"{key} came as {news().hex()} and not {expected}")
            read += len(expected) // 2

        # A key that is down when the window is left goes up.
        screen.tool("keydown", "x")
        wait_until(lambda: news().startswith(b"\x2d"), "x did not go down")
        screen.tool("windowfocus", "1")
        wait_until(lambda: news().endswith(b"\xad"), lambda: f"x did not go up: {news().hex()}")
        screen.tool("keyup", "x")
        screen.tool("windowfocus", "--sync", machine.window)
        read += len(news())

        # Without the grab nothing of the mouse; a click begins it and is not the guest's.
        left, top, width, height = machine.place()
        screen.tool("mousemove", str(left + width // 2), str(top + height // 2))
        time.sleep(0.2)
        if news():
            raise Failure(f"a mouse that was not grabbed came as {news().hex()}")
        screen.tool("click", "1")
        wait_until(lambda: "Ctrl+Alt+G" in machine.title(), machine.title)
        if news():
            raise Failure(f"the click that grabs came as {news().hex()}")
        screen.tool("mousedown", "3")
        wait_until(lambda: news()[-3:] == b"\x0a\0\0", lambda: f"the right button came as {news().hex()}")
        screen.tool("mouseup", "3")
        wait_until(lambda: news()[-3:] == b"\x08\0\0", lambda: f"... and went as {news().hex()}")
        read += len(news())
        screen.tool("mousemove_relative", "--", "20", "-10")  # up is positive in a packet
        wait_until(lambda: len(news()) >= 3, "no movement came")
        time.sleep(0.3)
        packets = [news()[i:i + 3] for i in range(0, len(news()), 3)]
        moved = [sum(p[n] - (256 if p[0] >> (3 + n) & 1 else 0) for p in packets) for n in (1, 2)]
        if not (moved[0] > 0 and moved[1] > 0):
            raise Failure(f"the movement came as {news().hex()}")
        screen.tool("key", "ctrl+alt+g")
        wait_until(lambda: "Ctrl+Alt+G" not in machine.title(), machine.title)

        # The window's button is the power button, and the second time the end.
        screen.delete_window(int(machine.window))
        wait_until(lambda: "close again" in machine.title(), machine.title)
        if machine.process.poll() is not None:
            raise Failure("closing the window once ended the machine")
        screen.delete_window(int(machine.window))
        if machine.wait_exit() != QUIT_STATUS:
            raise Failure(f"status {machine.process.returncode}")
    finally:
        machine.close()


def check_no_screen(args, screen, folder):
    """Where there is no display one sentence says so."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([args.program, "--machine", "pc", "--display", "sdl", "--serial", "none"],
                          env=dict(environment, SDL_VIDEODRIVER="x11"), capture_output=True, text=True, timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 1 or done.stderr.count("\n") != 1 or "--display terminal" not in done.stderr:
        raise Failure(f"status {done.returncode}: {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--engine", default="auto")
    args = parser.parse_args()
    for tool in ("Xvfb", "xdotool"):
        if not shutil.which(tool):
            print(f"there is no {tool}: ./setup deps installs it")
            return SKIPPED
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        screen = Screen(folder)
        try:
            for check in (check_picture, check_input, check_no_screen):
                try:
                    check(args, screen, folder)
                    print(f"ok    {check.__name__[6:]}", flush=True)
                except (Failure, OSError, subprocess.SubprocessError) as failure:
                    print(f"FAIL  {check.__name__[6:]}: {failure}", flush=True)
                    failures += 1
        finally:
            screen.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
