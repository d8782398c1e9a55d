#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The program as a person meets it: bad input gets one sentence and status 1; guests of a few bytes end it in
each documented way; the terminal comes back as it was.

usage: test_cli.py PATH-TO-DUPLEX86 [NAME-PART]
"""

import functools
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

PROGRAM = sys.argv[1]
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""
TIMEOUT = 30

failures = 0
count = 0


def check(name, ok, text=""):
    global failures, count
    count += 1
    if not ok:
        failures += 1
        print(f"FAIL {name}: {text}")


# ---- Guests ----

LOAD = 0x100000
HEADER = 32


def multiboot(code, flags=0):
    """A Multiboot kernel with address fields; `code` runs at LOAD + HEADER."""
    flags |= 0x10000
    end = LOAD + HEADER + len(code)
    header = struct.pack("<8I", 0x1BADB002, flags, -(0x1BADB002 + flags) & 0xFFFFFFFF, LOAD, LOAD, end, end,
                         LOAD + HEADER)
    return header + code


def out(port, value):
    return b"\x66\xba" + struct.pack("<H", port) + b"\xb0" + bytes([value]) + b"\xee"  # mov dx; mov al; out


def say(text, port=0x3F8):
    return b"".join(out(port, c) for c in text)


EXIT = out(0xF4, 21)  # status 43
HALT = b"\xfa\xf4"  # cli; hlt
GRAPHICS = out(0x3CE, 6) + out(0x3CF, 1)  # the graphics controller's miscellaneous register
SPIN = b"\xeb\xfe"
REBOOT = out(0x64, 0xFE) + SPIN
TRIPLE = b"\x0f\x01\x1d" + struct.pack("<I", LOAD + 0x10) + b"\x0f\x0b"  # lidt with limit 0; ud2
IDLE = b"\xf4\xeb\xfd"  # interrupts are off, so with --keep-halted this waits for good


def cmos_write(index, value):
    return out(0x70, index) + out(0x71, value)


def cmos_read(index):
    return out(0x70, index) + b"\x66\xba\x71\x00\xec"  # to al


# The first time: leave a mark in CMOS and reboot. The second time: exit.
TWICE = (cmos_read(0x40) + b"\x3c\x5a\x75" + bytes([len(EXIT)]) + EXIT + cmos_write(0x40, 0x5A) + REBOOT)
USER_ITERATIONS = 20_000_000


def user(code):
    """Go to CPL 3 with flat segments and access to all ports, and run `code` there."""
    enter = 0x27  # length of the code before the tables
    gdtr = LOAD + HEADER + enter
    gdt = gdtr + 6
    main = gdt + 40
    start = (b"\x0f\x01\x15" + struct.pack("<I", gdtr) +  # lgdt
             b"\x66\xb8\x23\x00\x8e\xd8\x8e\xc0" +  # mov ax,23h; mov ds,ax; mov es,ax
             b"\x6a\x23\x68" + struct.pack("<I", 0x180000) +  # push ss, esp
             b"\x68" + struct.pack("<I", 0x3002) +  # eflags: IOPL 3
             b"\x6a\x1b\x68" + struct.pack("<I", main) + b"\xcf").ljust(enter, b"\x90")  # cs, eip; iret
    assert len(start) == enter
    tables = struct.pack("<HI", 39, gdt) + struct.pack("<5Q", 0, 0xCF9B000000FFFF, 0xCF93000000FFFF,
                                                       0xCFFB000000FFFF, 0xCFF3000000FFFF)
    return start + tables + code


USER_SPIN = user(say(b"ready\n") + SPIN)
# mov ecx,n; again: loop again
USER_LOOP = user(b"\xb9" + struct.pack("<I", USER_ITERATIONS) + b"\xe2\xfe" + EXIT)
# Echo COM1 input until 'q', then exit.
ECHO = (b"\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7"  # mov dx,3fd; in al,dx; test al,1; jz
        b"\x66\xba\xf8\x03\xec\xee\x3c\x71\x75\xed" + EXIT)  # mov dx,3f8; in; out; cmp al,'q'; jne
# The first byte of the first module as exit status: info in ebx.
MODULE = (b"\x8b\x43\x18\x8b\x00\x8a\x00\x66\xba\xf4\x00\xee")  # mods_addr, mod_start, byte; out


def lkrn(code):
    """A Linux image that has no 32-bit entry point: `code` runs in real mode."""
    setup = bytearray(5 * 512)
    setup[0x1F1] = 4
    struct.pack_into("<I", setup, 0x1F4, 1)  # syssize
    setup[0x1FE:0x206] = b"\x55\xaa\xeb\x46HdrS"
    struct.pack_into("<H", setup, 0x206, 0x0207)
    setup[0x211] = 1  # loaded high
    struct.pack_into("<I", setup, 0x22C, 0xFFFFFFFF)
    struct.pack_into("<I", setup, 0x238, 255)
    setup[0x248:0x248 + len(code)] = code
    return bytes(setup) + bytes(16)


def out16(port, value):
    return b"\xba" + struct.pack("<H", port) + b"\xb0" + bytes([value]) + b"\xee"  # as out(), in 16-bit code


# Echo keys by INT 16h and INT 10h until 'q', then exit; interrupts on, so that HLT ends.
BIOS_ECHO = (b"\xfb\xb4\x00\xcd\x16\xb4\x0e\xcd\x10\x3c\x71\x75\xf4" + out16(0xF4, 21))


class Files:
    """A directory with the inputs of the tests."""

    def __init__(self, directory):
        self.directory = directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def make(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)


def run(args, stdin=subprocess.DEVNULL, **kwargs):
    return subprocess.run([PROGRAM, *args], stdin=stdin, capture_output=True, timeout=TIMEOUT, **kwargs)


# ---- Bad input ----

def bad_rows(files):
    kernel = files.make("ok.bin", multiboot(EXIT))
    linux = bytearray(5000)
    linux[0x1F1] = 4
    linux[0x1FE:0x200] = b"\x55\xaa"
    linux[0x200:0x206] = b"\xeb\x6aHdrS"
    linux[0x206:0x208] = b"\x0f\x02"
    linux[0x211] = 1
    struct.pack_into("<I", linux, 0x1F4, (5000 - 5 * 512) // 16)
    struct.pack_into("<II", linux, 0x22C, 0x7FFFFFFF, 0x1000)
    linux[0x234] = 1
    struct.pack_into("<I", linux, 0x238, 255)
    bzimage = files.make("bzImage", bytes(linux))
    big = files.make("big.rom", bytes(2 * 1024 * 1024 + 1))
    tiny = files.make("tiny.rom", b"x")
    empty = files.make("empty", b"")
    text = files.make("text", b"This is not a kernel. " * 100)
    cut = files.make("cut", bytes(linux[:3000]))
    fifo = files.path("fifo")
    os.mkfifo(fifo)
    k = ["--kernel", kernel]
    return [
        ([], "nothing to run"),
        (["--ram", "64M"], "nothing to run"),
        (["--no-such-option"], "unknown option --no-such-option"),
        (["-Z"], "unknown option -Z"),
        (["--kernel"], "missing argument for --kernel"),
        ([*k, "stray"], "cannot open the image 'stray': No such file"),
        ([*k, text, text], "one image can be given so"),
        ([kernel], "nothing fits on it"),
        ([bzimage], "is a kernel, not a disk: give --kernel"),
        ([PROGRAM], "is a kernel, not a disk"),
        ([empty], "is empty: nothing fits on it"),
        ([files.directory], "Is a directory"),
        (["--disk", fifo], "no file and no block device"),
        (["--disk", files.path("absent,ro")], "absent': No such file"),
        (["--cdrom", tiny], "smaller than a sector"),
        (["--machine", "isa", "--disk", text], "need --machine pc"),
        (["--disk", text + ",ro"] * 5, "no place left"),
        (["--floppy", text + ",ro"] * 3, "no place left"),
        (["--disk", text, "--boot", "order="], "as in order=dc,menu=on"),
        (["--disk", text, "--boot", "order=cx"], "as in order=dc,menu=on"),
        (["--disk", text, "--boot", "order=cc"], "as in order=dc,menu=on"),
        (["--disk", text, "--boot", "menu"], "as in order=dc,menu=on"),
        (["--disk", text, "--boot", ""], "as in order=dc,menu=on"),
        ([*k, "--ram", ""], "--ram '' is not a size"),
        ([*k, "--ram", "256"], "as in 256M"),
        ([*k, "--ram", "M"], "is not a size"),
        ([*k, "--ram", "-1M"], "is not a size"),
        ([*k, "--ram", "+1M"], "is not a size"),
        ([*k, "--ram", "1.5G"], "is not a size"),
        ([*k, "--ram", "256MB"], "is not a size"),
        ([*k, "--ram", "256M "], "is not a size"),
        ([*k, "--ram", "1T"], "is not a size"),
        ([*k, "--ram", "99999999999999999999999G"], "is not a size"),
        ([*k, "--ram", "0M"], "out of range"),
        ([*k, "--ram", "1020K"], "out of range"),
        ([*k, "--ram", "61G"], "out of range"),
        ([*k, "--ram", "1025K"], "multiple of 4K"),
        (["--kernel", files.path("absent")], "absent': No such file"),
        (["--kernel", files.directory], "not a regular file"),
        (["--kernel", "/dev/zero"], "not a regular file"),
        (["--kernel", fifo], "not a regular file"),
        (["--kernel", empty], "is empty"),
        (["--kernel", text], "not a kernel"),
        (["--kernel", cut], "cut off"),
        (["--kernel", PROGRAM], "64-bit"),
        ([*k, "--ram", "1M"], "at least 2 MiB of RAM: start it with --ram 2M"),
        ([*k, "--bios", tiny], "exclude each other"),
        (["--bios", files.path("absent")], "absent': No such file"),
        (["--bios", big], "2097153 bytes"),
        (["--bios", tiny], "1 bytes"),
        (["--bios", empty], "is empty"),
        (["--machine", "isa"], "nothing to run: with --machine isa"),
        (["--machine", "pc", "--initrd", text], "--initrd goes with --kernel"),
        (["--machine", "pc", "--append", "x"], "--append goes with --kernel"),
        ([*k, "--machine", "at"], "--machine 'at' is unknown: give isa or pc"),
        (["--bios", big, "--initrd", text], "--initrd goes with --kernel"),
        (["--bios", big, "--append", "x"], "--append goes with --kernel"),
        ([*k, "--initrd", files.path("absent")], "absent': No such file"),
        (["--kernel", bzimage, "--initrd", text, "--initrd", text], "one --initrd, not 2"),
        (["--kernel", bzimage, "--initrd", text + " with arguments"], "No such file"),
        (["--kernel", bzimage, "--append", "x" * 256], "takes 255 at most"),
        ([*k, "--append", "x" * 60000], "that much text"),
        ([*k, "--serial", "tcp:1"], "--serial 'tcp:1' is unknown"),
        ([*k, "--serial", "file:"], "is unknown"),
        ([*k, "--serial", "unix:"], "is unknown"),
        ([*k, "--serial", ""], "is unknown"),
        ([*k, "--serial", "stdio", "--serial", "stdio"], "only one port"),
        ([*k] + ["--serial", "none"] * 5, "four times at most"),
        ([*k, "--serial", "file:/nonexistent/x"], "cannot open '/nonexistent/x' for the output of COM1"),
        ([*k, "--serial", "unix:/nonexistent/x"], "cannot listen for COM1"),
        ([*k, "--serial", "unix:" + "x" * 200], "too long"),
        ([*k, "--debugcon", "pty"], "--debugcon 'pty' is unknown"),
        ([*k, "--debugcon", "file:/nonexistent/x"], "the debug console"),
        ([*k, "--cpu", "8088"], "--cpu help lists"),
        ([*k, "--engine", "magic"], "give auto, interp, sbe or lockstep"),
        ([*k, "--engine", ""], "--engine '' is unknown"),
        ([*k, "--split", "magic"], "give auto, segment, pku, tlb or none"),
        ([*k, "--engine", "interp", "--split", "none"], "--split goes with the engines sbe and lockstep"),
        ([*k, "--engine", "sbe", "--in-process"], "--in-process goes with --engine interp only"),
        ([*k, "--in-process"], "--in-process goes with --engine interp only"),
        ([*k, "--engine", "interp", "--audit", "9"], "--audit goes with the engines sbe and lockstep"),
        ([*k, "--translated-memory", "4M"], "give 8M to 64M"),
        ([*k, "--translated-memory", "much"], "--translated-memory 'much' is not a size"),
        ([*k, "--translated-memory", "16M", "--engine", "interp"], "goes with the engine sbe"),
        ([*k, "--translated-memory", "16M", "--translate", "off"], "goes with the engine sbe"),
        ([*k, "--spaces", "0"], "--spaces '0' is no number of address spaces: give 1 to 8"),
        ([*k, "--spaces", "9"], "--spaces '9' is no number of address spaces: give 1 to 8"),
        ([*k, "--spaces", "2", "--engine", "interp"], "--spaces goes with the engine sbe only"),
        ([*k, "--spaces", "2", "--split", "tlb"], "--spaces 2 and --split tlb contradict each other"),
        ([*k, "--spaces", "2", "--engine", "lockstep"], "--spaces goes with the engine sbe only"),
        ([*k, "--audit", "0"], "--audit '0' is no number of entries"),
        ([*k, "--audit", "often"], "give 1 or more"),
        ([*k, "--simulate-keys"], "--simulate-keys goes with --engine lockstep only"),
        ([*k, "--engine", "lockstep", "--split", "none", "--simulate-keys"], "none uses no keys"),
        ([*k, "--stats=xml"], "give --stats or --stats=json"),
        ([*k, "--rtc", "mars"], "utc or local"),
        ([*k, "--exit-port", "0"], "not an I/O port"),
        ([*k, "--exit-port", "0x10000"], "not an I/O port"),
        ([*k, "--exit-port", "f4"], "not an I/O port"),
        ([*k, "--exit-port", "-1"], "not an I/O port"),
        ([*k, "--exit-port", "0x60"], "on top of another device"),
        ([*k, "--reboot", "--no-reboot"], "contradict"),
        ([*k, "--share", "home"], "--share 'home': give a name"),
        ([*k, "--share", "a/b=/"], "--share 'a/b=/': give a name"),
        ([*k, "--share", "a" * 33 + "=/"], "give a name of up to 32"),
        ([*k, "--share", "a=/", "--share", "a=/tmp"], "there are two of the name 'a'"),
        ([*k, "--share", "a=/nowhere/at/all"], "cannot share the folder '/nowhere/at/all': No such file"),
        ([*k, "--share", "a=/dev/null"], "cannot share the folder '/dev/null': Not a directory"),
        ([*k, *[word for n in range(5) for word in ("--share", f"n{n}=/")]], "there can be 4 shared folders"),
        ([*k, "--machine", "isa", "--rng"], "--share, --rng, --balloon, --tablet, --virtio-keyboard and --virtio-console need --machine pc"),
        ([*k, "--machine", "isa", "--balloon"], "need --machine pc"),
        ([*k, "--machine", "isa", "--virtio-keyboard"], "--virtio-keyboard and --virtio-console need --machine pc"),
        ([*k, "--machine", "isa", "--virtio-console", "pty"], "--virtio-console need --machine pc"),
        ([*k, "--virtio-console", "magic"], "--virtio-console 'magic' is unknown: give stdio, file:FILE, pty or unix:PATH"),
        ([*k, "--virtio-console", "none"], "--virtio-console 'none' is unknown"),
        ([*k, "--virtio-console", "pty,name="], "--virtio-console: the name '' is none"),
        ([*k, "--virtio-console", "pty,name=a/b"], "the name 'a/b' is none"),
        ([*k, "--virtio-console", "pty,name=" + "x" * 33], "give up to 32 letters"),
        ([*k, "--virtio-console", "pty,name=a", "--virtio-console", "pty,name=a"], "there are two of the name 'a'"),
        ([*k, "--virtio-console", "stdio", "--virtio-console", "stdio,name=a"], "only one port can be on stdio"),
        ([*k, "--serial", "stdio", "--virtio-console", "stdio"], "only one port can be on stdio"),
        ([*k, *["--virtio-console", "pty"] * 8], "--virtio-console can be given 7 times at most"),
        ([*k, "--virtio-console", "unix:/nonexistent/x,name=a"], "cannot listen for port a"),
        ([*k, "--virtio-console", "file:/nonexistent/x"], "for the output of hvc0"),
        ([*k, "--net", "magic"], "--net: 'magic' is unknown"),
        ([*k, "--net", "user,magic=1"], "'magic=1' is unknown with user"),
        ([*k, "--net", "user,model=magic"], "model 'magic' is unknown: give"),
        ([*k, "--net", "user,mac=52:54:00:12:34"], "mac '52:54:00:12:34' is no address"),
        ([*k, "--net", "user,mac=53:54:00:12:34:56"], "the first one even"),
        ([*k, "--net", "user,mac=00:00:00:00:00:00"], "is no address of an adapter"),
        ([*k, "--net", "tap,ifname=d86-nobody"], "there is no interface 'd86-nobody'"),
        ([*k, "--net", "socket,listen=:99999"], "':99999' is no place of another machine"),
        ([*k, "--net", "socket,connect=:0"], "':0' is no place of another machine"),
        ([*k, "--net", "user,hostfwd=tcp:80"], "hostfwd 'tcp:80' is not understood"),
        ([*k, "--net", "user,hostfwd=tcp:1.2.3:80-:80"], "is not understood"),
        ([*k, "--net", "user,hostfwd=tcp::0-:80"], "is not understood"),
        ([*k, "--net", "user,hostfwd=tcp:192.0.2.1:8080-:80"], "cannot forward TCP port 8080 of 192.0.2.1"),
        ([*k, "--net", "user,restrict=maybe"], "restrict 'maybe' is unknown: give on or off"),
        ([*k, "--net", "user,bootfile=x"], "bootfile goes with tftp=DIR"),
        ([*k, "--net", "user,tftp=/nonexistent"], "cannot use the TFTP folder '/nonexistent'"),
        ([*k, "--net", "user,tftp=" + big], "is no folder"),
        ([*k, "--net", "user,tftp="], "tftp is empty"),
        ([*k, "--net", "user,dump=/nonexistent/x"], "cannot write frames to '/nonexistent/x'"),
        ([*k, "--net", "tap"], "tap wants ifname=NAME or fd=NUMBER"),
        ([*k, "--net", "tap,fd=x"], "fd 'x' is no number"),
        ([*k, "--net", "tap,fd=999"], "cannot use the descriptor 999 as a tap"),
        ([*k, "--net", "tap,ifname=" + "x" * 20], "is too long for an interface"),
        ([*k, "--net", "socket"], "socket wants listen=, connect= or udp="),
        ([*k, "--net", "socket,listen=x"], "'x' is no place of another machine"),
        ([*k, "--net", "socket,listen=unix:/nonexistent/x"], "cannot listen at 'unix:/nonexistent/x'"),
        ([*k, "--net", "socket,listen=:1,connect=:2"], "exclude each other"),
        ([*k, "--net", "socket,udp=:1"], "give both, or neither"),
        ([*k, "--net", "user,model=ne2k_isa", "--net", "user,model=ne2k_isa"], "there can be one ne2k_isa"),
        ([*k] + ["--net", "user"] * 5, "4 adapters at most"),
        ([*k, "--machine", "isa", "--net", "user,model=e1000"], "the machine isa has no PCI bus"),
        ([*k, "--display", "mirror"], "--display 'mirror' is unknown"),
        ([*k, "--display", "terminal"], "the machine isa has no display adapter: give --machine pc for --display"),
        ([*k, "--sound", "loud"], "--sound 'loud' is unknown: give sdl, wav:FILE or none"),
        ([*k, "--sound", "wav:"], "--sound 'wav:' is unknown"),
        ([*k, "--sound", "wav:/nonexistent/x"], "cannot write to '/nonexistent/x'"),
        ([*k, "--screendump", "x.png"], "give --machine pc for --screendump"),
        ([*k, "--engine", "interp", "--machine", "pc", "--display", "terminal"], "--display terminal needs a terminal"),
        ([*k, "--machine", "pc", "--display", "terminal", "--serial", "stdio"], "--serial stdio both want the terminal"),
        ([*k, "--machine", "pc", "--display", "terminal", "--debugcon", "stdio"], "--debugcon stdio both want"),
        ([*k, "--engine", "interp", "--machine", "pc", "--exit-port", "0xf4", "--screendump", "/nonexistent/x.png"],
         "cannot write the picture '/nonexistent/x.png'"),
        (["--kernel", files.make("graphics.bin", multiboot(GRAPHICS + EXIT)), "--engine", "interp", "--machine", "pc",
          "--exit-port", "0xf4", "--screendump", files.path("x.txt")], "shows no text"),
    ]


def test_bad_input(files):
    for args, says in bad_rows(files):
        name = "duplex86 " + " ".join(a if len(a) < 60 else a[:57] + "..." for a in args)
        result = run(args)
        err = result.stderr.decode()
        check(name, result.returncode == 1, f"status {result.returncode}: {err}")
        check(name, result.stdout == b"", f"stdout has {result.stdout[:80]!r}")
        check(name, err.startswith("duplex86: ") and err.count("\n") == 1 and err.endswith("\n"),
              f"not one sentence: {err!r}")
        check(name, not err.endswith(".\n") and not err[10:11].isupper(), f"not fit for its place: {err!r}")
        check(name, says in err, f"does not say '{says}': {err!r}")


def test_information(files):
    rows = [(["--help"], b"Exit status:"), (["--version"], b"duplex86 "), (["--cpu", "help"], b" ")]
    for args, says in rows:
        result = run(args)
        check(args[0], result.returncode == 0 and says in result.stdout and not result.stderr, str(result))


# ---- Engines ----

@functools.lru_cache(maxsize=None)
def usable_engines():
    """Options for each way to run guest code that this host has; says which it has not."""
    with tempfile.TemporaryDirectory(prefix="duplex86-") as directory:
        return find_engines(Files(directory))


@functools.lru_cache(maxsize=None)
def sanitized():
    """A program built with a sanitizer has no executor process."""
    with tempfile.TemporaryDirectory(prefix="duplex86-") as directory:
        kernel = Files(directory).make("engine", multiboot(EXIT))
        args = ["--kernel", kernel, "--exit-port", "0xf4", "--engine", "sbe"]
        return b"built with a sanitizer" in run(args).stderr


def find_engines(files):
    kernel = files.make("engine", multiboot(EXIT))
    found = [["--engine", "interp"], ["--engine", "interp", "--in-process"]]
    for options in (["--engine", "sbe"], ["--engine", "sbe", "--split", "none"], ["--engine", "lockstep"]):
        result = run(["--kernel", kernel, "--exit-port", "0xf4", *options])
        if result.returncode == 43:
            found.append(options)
            continue
        err = result.stderr.decode()
        refused = result.returncode == 1 and f"the engine {options[1]} cannot be used here: " in err
        check(" ".join(options), refused and err.count("\n") == 1, f"status {result.returncode}: {err!r}")
        print(f"skipped {' '.join(options)}: {err.strip()}")
    return found


def test_engine_choice(files):
    kernel = ["--kernel", files.make("exit", multiboot(EXIT)), "--exit-port", "0xf4"]
    native = ["--engine", "sbe"] in usable_engines()
    for options in ([], ["--engine", "auto"]):
        result = run([*kernel, *options, "--stats=json"])
        name = f"engine {options or 'unsaid'}"
        lines = result.stderr.decode().splitlines()
        check(name, result.returncode == 43, str(result))
        check(name, json.loads(lines[-1])["engine"] == ("sbe" if native else "interp"), str(lines))
        notes = [line for line in lines if line.startswith("duplex86: using the interpreter: ")]
        check(name, len(notes) == (0 if native else 1), str(lines))
    for split in ("segment", "pku", "none"):
        result = run([*kernel, "--engine", "sbe", "--split", split, "--stats=json"])
        err = result.stderr.decode()
        warned = "duplex86: --split none: in pages with code the guest reads INT3s" in err
        if result.returncode == 43:
            check(split, json.loads(err.splitlines()[-1])["split"] == split, err)
            check(f"{split}: what will go wrong is said", warned == (split == "none"), err)
        else:
            refused = "cannot be used here: " in err and err.count("\n") == 1
            check(split, result.returncode == 1 and refused, err)


def test_user_code(files):
    """Code at CPL 3 ends the same way with every engine."""
    loop = files.make("loop", multiboot(USER_LOOP.replace(struct.pack("<I", USER_ITERATIONS),
                                                          struct.pack("<I", 1000))))
    for options in usable_engines():
        result = run(["--kernel", loop, "--exit-port", "0xf4", *options])
        check(f"user code, {options}", result.returncode == 43, str(result))


def test_statistics(files):
    kernel = ["--kernel", files.make("loop", multiboot(USER_LOOP)), "--exit-port", "0xf4"]
    for options in usable_engines():
        if options[1] == "lockstep":
            continue  # too many instructions for it
        name = f"statistics, {options}"
        result = run([*kernel, *options, "--stats=json"])
        lines = result.stderr.decode().splitlines()
        stats = json.loads(lines[-1])
        notes = 1 if "none" in options else 0  # what will go wrong is said at the start
        check(name, result.returncode == 43 and len(lines) == 1 + notes, str(lines))
        check(name, stats["engine"] == options[1], str(stats))
        counters, spent = stats["counters"], stats["time_ns"]
        check(name, stats["exits"]["io"] >= 1, str(stats))
        # all exits come by the library, and each has a reason; the last kick may come after the end
        check(name, counters["exits"] == sum(stats["exits"].values()), str(stats))
        check(name, stats["nets"] == [], str(stats))
        check(name, set(spent) == {"running", "waiting", "devices"}, str(spent))
        check(name, spent["running"] > 1000000, str(spent))
        if options[1] == "sbe":
            check(name, counters["native_entries"] >= 1, str(counters))
            check(name, counters["instructions"] < USER_ITERATIONS / 10, str(counters))
            check(name, 0 < counters["native_ns"] <= spent["running"] * 1.1, f"{counters} {spent}")
        else:
            check(name, counters["native_entries"] == 0, str(counters))
            check(name, counters["instructions"] > USER_ITERATIONS, str(counters))
        result = run([*kernel, *options, "--stats"])
        err = "".join(result.stderr.decode().splitlines(keepends=True)[notes:])
        check(name, err.startswith(f"duplex86: statistics, engine {options[1]}"), err)
        check(name, "instructions" in err and "exits" in err and "running" in err, err)


def test_trace(files):
    kernel = ["--kernel", files.make("user", multiboot(user(out(0x80, 7) + EXIT))), "--exit-port", "0xf4"]
    for options in usable_engines():
        result = run([*kernel, *options, "--trace", "port80_*", "--trace", "scan_*"])
        lines = result.stderr.decode().splitlines()
        check(f"trace, {options}", result.returncode == 43, str(result))
        check(f"trace, {options}", any("001b:" in x and " port80_post " in x for x in lines), str(lines))
        scans = any(" scan_page " in x for x in lines)
        check(f"trace, {options}", scans == (options[1] in ("sbe", "lockstep")), str(lines))


def children(pid):
    """Process numbers of the children of every thread of `pid`."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
            found += [int(x) for x in f.read().split()]
    return found


def gone(pid):
    """Is the process gone, or soon?"""
    deadline = time.time() + 5
    while time.time() < deadline:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_executor_death(files):
    """When the executor dies the program says why and shows the guest; when the program dies so does it."""
    kernel = files.make("spin", multiboot(USER_SPIN))
    for options in usable_engines():
        if "--in-process" in options or sanitized():
            continue
        args = ["--kernel", kernel, *options]
        deadly = [signal.SIGKILL, signal.SIGABRT]
        if options[1] == "interp":
            deadly.append(signal.SIGSEGV)  # the others take it for a fault of their guest, and go on
        for number in deadly:
            name = f"executor dies, {options}, signal {number}"

            def end(process, n=number):
                os.kill(children(process.pid)[0], n)

            status, seen, restored = on_terminal(args, [(b"ready", b"")], end)
            check(name, status == 6, f"{status} {seen!r}")
            check(name, f"the executor process died: signal {number:d}".encode() in seen, f"{seen!r}")
            check(name, b"EIP 001000" in seen and b"CS  001b" in seen and b"eb fe" in seen, f"{seen!r}")
            check(name, restored, "the terminal was not restored")

        with subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            check(f"program dies, {options}", process.stdout.readline() == b"ready\n")
            executor = children(process.pid)[0]
            process.kill()
            process.wait(TIMEOUT)
            check(f"program dies, {options}", gone(executor), f"{executor} lives on")


# ---- Endings ----

def test_endings(files):
    rows = [
        ("exit port", EXIT, ["--exit-port", "0xf4"], 43),
        ("exit port, 0", out(0xF4, 0), ["--exit-port", "0xf4"], 1),
        ("exit port, 127", out(0xF4, 127), ["--exit-port", "0xf4"], 255),
        ("exit port elsewhere", out(0x501, 3), ["--exit-port", "0x501"], 7),
        ("no exit port", EXIT + HALT, [], 0),
        ("halt", HALT, [], 0),
        ("reboot by keyboard controller", REBOOT, [], 2),
        ("reboot by port 92h", out(0x92, 1) + SPIN, [], 2),
        ("reboot by port CF9h", out(0xCF9, 6) + SPIN, ["--no-reboot"], 2),
        ("triple fault", TRIPLE, [], 4),
        ("reboot and start again", TWICE, ["--reboot", "--exit-port", "0xf4"], 43),
        ("module", MODULE,
         ["--exit-port", "0xf4", "--initrd", files.make("module", b"\x2a") + " with arguments"], 85),
    ]
    for options in usable_engines():
        for name, code, args, status in rows:
            result = run(["--kernel", files.make("kernel", multiboot(code)), *args, *options])
            check(f"{name}, {options}", result.returncode == status,
                  f"status {result.returncode}, expected {status}: {result.stderr.decode()}")


def test_bios(files):
    # At the reset vector: jmp to the ROM's start, which is mov al,21; out f4h,al.
    rom = bytearray(b"\xff" * 65536)
    rom[0:5] = b"\xb0\x15\xe6\xf4\xf4"
    rom[0xFFF0:0xFFF5] = b"\xea\x00\x00\x00\xf0"
    result = run(["--bios", files.make("rom", bytes(rom)), "--exit-port", "0xf4"])
    check("bios", result.returncode == 43, f"{result.returncode} {result.stderr.decode()}")
    # The same without the far jump: straight from the copy at 4 GiB.
    rom[0xFFF0:0xFFF5] = b"\xb0\x15\xe6\xf4\xf4"
    result = run(["--bios", files.make("rom", bytes(rom)), "--exit-port", "0xf4"])
    check("bios at 4 GiB", result.returncode == 43, f"{result.returncode} {result.stderr.decode()}")


# ---- Empty files ----

def test_empty_initrd(files):
    empty = files.make("empty", b"")
    one = files.make("one", b"\x2a")
    # The number of modules as exit status.
    count_modules = b"\x8b\x43\x14\x66\xba\xf4\x00\xee"
    kernel = files.make("kernel", multiboot(count_modules))
    result = run(["--kernel", kernel, "--exit-port", "0xf4", "--initrd", empty + " a b", "--initrd", one])
    check("empty module", result.returncode == 5, str(result))
    check("empty module: a word",
          f"duplex86: the initrd '{empty}' is empty: the kernel gets an empty module\n" in result.stderr.decode(),
          str(result))
    kernel = files.make("kernel.lkrn", lkrn(out16(0xF4, 21)))
    result = run(["--kernel", kernel, "--exit-port", "0xf4", "--initrd", empty])
    check("empty initrd", result.returncode == 43, str(result))
    check("empty initrd: a word",
          f"duplex86: the initrd '{empty}' is empty: the kernel gets none\n" in result.stderr.decode(), str(result))


# ---- 16-bit kernels ----

def test_real_mode_kernel(files):
    kernel = files.make("echo.lkrn", lkrn(BIOS_ECHO))
    text = b"keys of COM1, more than the buffer's sixteen q"
    for options in usable_engines():
        result = run(["--kernel", kernel, "--exit-port", "0xf4", *options], stdin=None, input=text)
        check(f"BIOS echo, {options}", result.stdout == text and result.returncode == 43, str(result))
    boot = files.make("boot.lkrn", lkrn(b"\xcd\x18"))
    result = run(["--kernel", boot])
    check("nothing to boot", result.stdout == b"Nothing to boot.\r\n" and result.returncode == 0, str(result))
    boot = files.make("again.lkrn", lkrn(b"\xcd\x19"))
    result = run(["--kernel", boot])
    check("INT 19h", result.returncode == 2, str(result))


# ---- Back-ends ----

def test_serial(files):
    kernel = files.make("hello", multiboot(say(b"Hello, \xffworld\n") + say(b"two", 0x2F8) +
                                           say(b"debug", 0xE9) + EXIT))
    result = run(["--kernel", kernel, "--exit-port", "0xf4", "--serial", "stdio",
                  "--serial", "file:" + files.path("com2"), "--debugcon", "file:" + files.path("debug")])
    check("stdio", result.stdout == b"Hello, \xffworld\n", str(result))
    with open(files.path("com2"), "rb") as f:
        check("file", f.read() == b"two")
    with open(files.path("debug"), "rb") as f:
        check("debugcon", f.read() == b"debug")

    echo = files.make("echo", multiboot(ECHO))
    text = b"abc\x01xyz 0123456789 more than sixteen q"
    result = run(["--kernel", echo, "--exit-port", "0xf4"], stdin=None, input=text)
    check("input from a pipe, no escape key", result.stdout == text, str(result))
    check("input from a pipe", result.returncode == 43, str(result))


def test_big_output(files):
    # 65536 times 'x' to COM1 into a pipe that is read late: nothing may be lost.
    loop = b"\xb9\x00\x00\x01\x00\x66\xba\xf8\x03\xb0\x78\xee\x49\x75\xfc"
    kernel = files.make("big", multiboot(loop + loop + EXIT))
    with subprocess.Popen([PROGRAM, "--kernel", kernel, "--exit-port", "0xf4"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        time.sleep(1)
        data = process.stdout.read()
        check("big output", process.wait(TIMEOUT) == 43 and data == b"x" * 131072, f"{len(data)} bytes")


def connect(path):
    """A client of the socket, which need not be there yet, nor listen once it is."""
    deadline = time.time() + TIMEOUT
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(TIMEOUT)
        try:
            client.connect(path)
            return client
        except (FileNotFoundError, ConnectionRefusedError):
            client.close()
            if time.time() > deadline:
                raise
            time.sleep(0.05)


def test_unix_socket(files):
    path = files.path("socket")
    kernel = files.make("echo", multiboot(ECHO))
    with subprocess.Popen([PROGRAM, "--kernel", kernel, "--exit-port", "0xf4", "--serial", "unix:" + path],
                          stdin=subprocess.DEVNULL) as process:
        for text in (b"first", b"second", b"q"):  # a new client each time
            with connect(path) as client:
                client.sendall(text)
                got = b""
                while len(got) < len(text):
                    piece = client.recv(100)
                    if not piece:
                        break
                    got += piece
                check("unix socket", got == text, f"{got!r}")
        check("unix socket: status", process.wait(TIMEOUT) == 43)
        check("unix socket: removed", not os.path.exists(path))


# ---- The terminal ----

def on_terminal(args, steps, end=None):
    """Run on a terminal of its own. `steps`: (text to wait for, bytes to type). Returns the wait status, what
    was printed, and whether the terminal was restored."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([PROGRAM, *args], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    seen = b""

    def read_until(text):
        nonlocal seen
        deadline = time.time() + TIMEOUT
        while text not in seen and time.time() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 4096)
            elif process.poll() is not None:
                break
        check(f"seen before keys: {text!r}", text in seen, f"{seen!r}")

    for text, keys in steps:
        read_until(text)
        os.write(master, keys)
    if end:
        end(process)
    status = process.wait(TIMEOUT)
    while select.select([master], [], [], 0.1)[0]:
        seen += os.read(master, 4096)
    restored = termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)
    return status, seen, restored


def test_terminal(files):
    echo = ["--kernel", files.make("echo", multiboot(say(b"ready\n") + ECHO)), "--exit-port", "0xf4"]
    spin = ["--kernel", files.make("spin", multiboot(say(b"ready\n") + SPIN))]
    idle = ["--kernel", files.make("idle", multiboot(say(b"ready\n") + IDLE)), "--keep-halted"]

    status, seen, restored = on_terminal(echo, [(b"ready", b"ab\x03\x01\x01c"), (b"c", b"q")])
    check("typing", status == 43 and b"ab\x03\x01c" in seen, f"{status} {seen!r}")
    check("typing: restored", restored)

    for name, args in (("spinning", spin), ("halted", idle)):
        status, seen, restored = on_terminal(args, [(b"ready", b"\x01x")])
        check(f"Ctrl-A x, {name}", status == 8, f"{status} {seen!r}")
        check(f"Ctrl-A x, {name}: restored", restored)

    status, seen, restored = on_terminal(spin, [(b"ready", b"\x01h"), (b"send a break", b"\x01x")])
    check("Ctrl-A h", status == 8 and b"send Ctrl-A" in seen, f"{status} {seen!r}")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        status, seen, restored = on_terminal(spin, [(b"ready", b"")], lambda p, n=number: p.send_signal(n))
        check(f"signal {number}", status == -number, f"{status} {seen!r}")
        check(f"signal {number}: restored", restored)
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT):
        status, seen, restored = on_terminal(spin, [(b"ready", b"")], lambda p, n=number: p.send_signal(n))
        check(f"crash by {number}", status != 0, f"{status} {seen!r}")
        check(f"crash by {number}: restored", restored)


GET_KEY = bytes.fromhex("e464 a801 74fa e460")  # in al, 64h; test al, 1; jz; in al, 60h


def test_terminal_display(files):
    """A screen in the terminal, and its keys at port 60h."""
    display = b"\033[?1049h"  # the terminal's other screen, once the guest's is on it
    key = multiboot(GET_KEY + bytes.fromhex("66baf400ee f4"))
    args = ["--kernel", files.make("key", key), "--machine", "pc", "--display", "terminal", "--exit-port", "0xf4"]

    for typed, code in ((b"a", 0x1E), (b"\033", 0x01), (b"\033[A", 0xE0), (b"\003", 0x1D)):
        status, seen, restored = on_terminal(args, [(display, typed)])
        check(f"key {typed!r}", status == 2 * code + 1 & 0xFF, f"{status} {seen!r}")
        check(f"key {typed!r}: restored", restored and seen.endswith(b"\033[?1049l"), f"{seen!r}")
    status, seen, restored = on_terminal(args, [(display, b"\x01h"), (b"Any key", b"\x01x")])
    check("display: Ctrl-A x", status == 8 and restored, f"{status} {seen!r}")
    status, seen, restored = on_terminal(args, [(display, b"")], lambda p: p.send_signal(signal.SIGSEGV))
    check("display: crash", status != 0 and restored and b"\033[?1049l" in seen, f"{status} {seen!r}")

    halt = ["--kernel", files.make("halt", multiboot(IDLE)), "--machine", "pc", "--display", "terminal"]
    status, seen, restored = on_terminal(halt, [])
    check("display: last words", seen.endswith(b"\033[?1049lduplex86: the guest halted\r\n"), f"{status} {seen!r}")


def test_screendump(files):
    kernel = files.make("halt", multiboot(IDLE))
    result = run(["--kernel", kernel, "--machine", "pc", "--serial", "none", "--screendump", files.path("s.png")])
    with open(files.path("s.png"), "rb") as f:
        head = f.read(24)
    check("screendump", result.returncode == 0 and head[:8] == b"\x89PNG\r\n\x1a\n", f"{result} {head!r}")
    check("screendump: size", head[16:] == struct.pack(">II", 720, 400), f"{head!r}")


# ---- Idling ----

def test_idle(files):
    """Waiting after HLT costs next to nothing."""
    kernel = files.make("idle", multiboot(IDLE))
    with subprocess.Popen([PROGRAM, "--kernel", kernel, "--keep-halted", "--serial", "none"],
                          stdin=subprocess.DEVNULL) as process:
        time.sleep(1)
        before = cpu_seconds(process.pid)
        time.sleep(2)
        used = cpu_seconds(process.pid) - before
        check("still there", process.poll() is None)
        check("idle", used <= 0.06, f"{used} s of 2 s")
        process.terminate()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    tests = [test_bad_input, test_information, test_engine_choice, test_user_code, test_statistics,
             test_trace, test_executor_death, test_endings, test_bios, test_empty_initrd, test_real_mode_kernel, test_serial,
             test_big_output,             test_unix_socket, test_terminal, test_terminal_display,
             test_screendump, test_idle]
    with tempfile.TemporaryDirectory(prefix="duplex86-") as directory:
        for test in tests:
            if ONLY in test.__name__:
                sub = os.path.join(directory, test.__name__)
                os.mkdir(sub)
                try:
                    test(Files(sub))
                except (OSError, subprocess.SubprocessError) as error:
                    check(test.__name__, False, str(error))
    print(f"{count} checks, {failures} failures")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main())
