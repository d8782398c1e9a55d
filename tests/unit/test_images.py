#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images as a person meets them: each kind that the manual page names starts, what cannot be used gets one sentence
and status 1, and duplex86 image makes what it says.

usage: test_images.py PATH-TO-DUPLEX86 [NAME-PART]
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1]
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""
TIMEOUT = 60
SKIPPED = 77
FORMATS = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}
MIB = 1 << 20

# mov dx,F4h; mov al,21; out: status 43.
EXIT = b"\xba\xf4\x00\xb0\x15\xee"
HALT = b"\xfa\xf4"
# Write the sector at 7E00h (ones) to sector 1 of the disk that this came from, by INT 13h; flush; then exit.
WRITE = (b"\x31\xc0\x8e\xc0\xbf\x00\x7e\xb9\x00\x01\xb8\xff\xff\xfc\xf3\xab"  # es=0; di=7e00; cx=256; rep stosw
         b"\xb8\x01\x03\xb9\x02\x00\xb6\x00\xbb\x00\x7e\xcd\x13")  # ax=0301; cx=2; dh=0; bx=7e00; int 13h

failures = 0
count = 0


def check(name, ok, text=""):
    global failures, count
    count += 1
    if not ok:
        failures += 1
        print(f"FAIL {name}: {text}")


def boot_sector(code):
    return code.ljust(510, b"\0") + b"\x55\xaa"


def write_file(name, data):
    with open(name, "wb") as file:
        file.write(data)
    return name


def make(name, code, size=4 * MIB):
    return write_file(name, boot_sector(code).ljust(size, b"\0"))


def convert(raw, name, form):
    subprocess.run(["qemu-img", "convert", "-O", form, raw, name], check=True)
    return name


def duplex86(*args, environment=None):
    return subprocess.run([PROGRAM, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
                          env=environment, check=False)


def run(*args, **keywords):
    return duplex86("--display", "none", "--serial", "none", "--exit-port", "0xf4", *args, **keywords)


def check_status(name, status, *args, **keywords):
    done = run(*args, **keywords)
    check(name, done.returncode == status, f"status {done.returncode}: {done.stderr}")
    return done


def check_refused(name, words, *args, **keywords):
    done = run(*args, **keywords)
    check(name, done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1 and
          done.stderr.startswith("duplex86: "), f"status {done.returncode}: {done.stderr}")


# ---- Tests ----


def test_formats(folder):
    """Each kind is known by its contents, whatever its name."""
    raw = make(f"{folder}/raw", EXIT)
    check_status("raw", 43, raw)
    for name, form in FORMATS.items():
        image = convert(raw, f"{folder}/image", form)
        check_status(name, 43, image)
        check_status(f"{name} by --disk", 43, "--disk", f"{image},format={name}")
        check_status(f"{name}, read only", 43, "--disk", f"{image},ro")
        check_status(f"{name}, snapshot", 43, "--snapshot", image)
    check_status("a disk of virtio", 43, f"{raw},virtio")
    check_status("a qcow2 disk of virtio", 43, "--disk", f"{convert(raw, image, 'qcow2')},virtio")
    config = write_file(f"{folder}/config", f"[duplex86]\ndisk = {image}\nexit-port = 0xf4\n".encode())
    done = duplex86("--display", "none", "--serial", "none", "--config", config)
    check("--config", done.returncode == 43, done.stderr)


def test_kinds_of_drives(folder):
    """A floppy's and a CD's image may be in such a format, too."""
    floppy = convert(make(f"{folder}/raw", EXIT, 1440 * 1024), f"{folder}/floppy.qcow2", "qcow2")
    check_status("a floppy", 43, floppy)
    check_status("a floppy by --floppy", 43, "--floppy", f"{floppy},ro")
    disc = bytearray(20 * 2048)
    disc[16 * 2048 + 1:16 * 2048 + 6] = b"CD001"
    image = convert(write_file(f"{folder}/raw", disc), f"{folder}/cd.qcow2", "qcow2")
    control = f"{folder}/control"
    with subprocess.Popen([PROGRAM, "--display", "none", "--serial", "none", "--control", "unix:" + control,
                           image]) as machine:
        ctl = [PROGRAM, "ctl", "--socket", control, "--timeout", "60"]
        media = subprocess.run([*ctl, "media"], capture_output=True, text=True, check=True).stdout
        check("a CD", any("hdc" in line and image in line for line in media.splitlines()), media)
        subprocess.run([*ctl, "quit"], check=True)
        machine.wait(TIMEOUT)


def test_overlays(folder):
    raw = make(f"{folder}/base.img", WRITE + EXIT)
    overlay = f"{folder}/overlay.qcow2"
    for name in ("made", "used again"):
        check_status(f"an overlay {name}", 43, "--disk", f"{raw},overlay={overlay}")
    with open(raw, "rb") as file:
        file.seek(512)
        check("the base is as it was", not any(file.read(512)))
    info = json.loads(subprocess.run(["qemu-img", "info", "--output=json", overlay], capture_output=True,
                                     check=True).stdout)
    check("the overlay names its base so that both can be moved", info.get("backing-filename") == "base.img", str(info))
    check_status("the overlay by itself", 43, overlay)
    other = make(f"{folder}/other.img", EXIT)
    check_refused("an overlay of another", "is no overlay of", "--disk", f"{other},overlay={overlay}")
    check_refused("an overlay that is a raw file", "is no overlay of", "--disk", f"{raw},overlay={other}")
    done = duplex86("image", "commit", overlay)
    check("commit", done.returncode == 0, done.stderr)
    with open(raw, "rb") as file:
        file.seek(512)
        check("what was written is in the base now", file.read(512) == b"\xff" * 512)
    os.rename(raw, raw + ".gone")
    check_refused("a base that is not there", "No such file", overlay)


def test_raw_stays_raw(folder):
    """A guest that writes the beginning of a qcow2 image to its disk has not made one."""
    # The sector at 7E00h gets QFI\xfb, version 3, and goes to sector 0.
    code = (b"\x31\xc0\x8e\xc0\xbf\x00\x7e\xfc" + b"".join(b"\xb8" + word + b"\xab" for word in
                                                          (b"QF", b"I\xfb", b"\0\0", b"\0\x03")) +
            b"\xb8\x01\x03\xb9\x01\x00\xb6\x00\xbb\x00\x7e\xcd\x13")
    raw = make(f"{folder}/raw", code + EXIT)
    done = check_status("the guest goes on", 43, raw)
    check("the user is told", "tries to make a qcow2 image" in done.stderr, done.stderr)
    check_status("the image is as it was", 43, raw)
    check_status("it may if it is said", 43, f"{raw},format=raw")
    with open(raw, "rb") as file:
        check("then it is written", file.read(4) == b"QFI\xfb")


def test_refusals(folder):
    raw = make(f"{folder}/raw", EXIT)
    image = convert(raw, f"{folder}/image.qcow2", "qcow2")
    check_refused("a format that is none", "'tar' is no format", f"{image},format=tar")
    check_refused("a CD of virtio", "only disks can be virtio's", "--cdrom", f"{raw},virtio")
    check_refused("another format", "cannot open the image", f"{raw},format=vmdk")
    write_file(f"{folder}/broken", b"QFI\xfb\0\0\0\3" + b"\xff" * 4096)
    check_refused("a broken image", "cannot open the image", f"{folder}/broken")
    bare = dict(os.environ, PATH=folder)
    check_refused("no qemu-utils", "install the package qemu-utils", image, environment=bare)
    check_status("raw images need none", 43, raw, environment=bare)
    with subprocess.Popen([PROGRAM, "--display", "none", "--serial", "none", "--keep-halted", "--control",
                           f"unix:{folder}/control", convert(make(raw, HALT), image, "qcow2")]) as first:
        subprocess.run([PROGRAM, "ctl", "--socket", f"{folder}/control", "--timeout", "60", "wait-text", "Booting from"],
                       check=True, stdout=subprocess.DEVNULL)
        check_refused("an image in use", "in use by another program", image)
        done = duplex86("image", "commit", image)
        check("commit of an image in use", done.returncode == 1, done.stderr)
        done = duplex86("image", "info", image)
        check("info of an image in use", done.returncode == 0 and "qcow2" in done.stdout, done.stderr)
        first.terminate()
    check_refused("a server that is not there", "cannot open the image", f"nbd+unix:///?socket={folder}/none")
    check_refused("overlay= of a server's", "there can be no overlay=", "--disk", f"nbd://localhost/x,overlay={folder}/o")


def wait_for_socket(path):
    deadline = time.monotonic() + TIMEOUT
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                return client.connect(path)
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_servers(folder):
    if not shutil.which("nbdkit"):
        return
    raw, path = make(f"{folder}/raw", WRITE + EXIT), f"{folder}/socket"
    uri = f"nbd+unix:///?socket={path}"
    with subprocess.Popen(["nbdkit", "--foreground", "--unix", path, "file", raw], stderr=subprocess.DEVNULL) as server:
        wait_for_socket(path)
        check_status("a server's, snapshot", 43, "--disk", f"{uri},snapshot")
        check_status("a server's, read only", 43, f"{uri},ro")
        with open(raw, "rb") as file:
            check("nothing was written", not any(file.read()[512:1024]))
        check_status("a server's", 43, uri)
        with open(raw, "rb") as file:
            check("it was written", file.read()[512:1024] == b"\xff" * 512)
        server.terminate()


def test_dying_server(folder):
    """The guest goes on; the user reads one line."""
    image = convert(make(f"{folder}/raw", HALT), f"{folder}/image.qcow2", "qcow2")
    control = f"{folder}/control"
    # Where the other engine cannot be used, as with a sanitizer, that would be a line, too.
    with subprocess.Popen([PROGRAM, "--engine", "interp", "--display", "none", "--serial", "none", "--keep-halted",
                           "--control", "unix:" + control, "--disk", image],
                          stderr=subprocess.PIPE, text=True) as machine:
        subprocess.run([PROGRAM, "ctl", "--socket", control, "--timeout", "60", "wait-text", "Booting from"], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["pkill", "-KILL", "-P", str(machine.pid), "qemu-nbd"], check=True)
        line = machine.stderr.readline()
        check("the user is told", f"the server of the image '{image}' is gone" in line, line)
        status = subprocess.run([PROGRAM, "ctl", "--socket", control, "status"], capture_output=True, text=True,
                                check=False)
        check("the machine is there", status.returncode == 0, status.stderr)
        subprocess.run([PROGRAM, "ctl", "--socket", control, "quit"], check=True)
        machine.wait(TIMEOUT)
        rest = machine.stderr.read()
        check("that is all", rest == "", rest)


def test_insert(folder):
    """Media in such formats, and of servers, while the machine runs."""
    control = f"{folder}/control"
    raw = make(f"{folder}/raw", HALT, 1440 * 1024)
    floppy = convert(raw, f"{folder}/floppy.qcow2", "qcow2")
    ctl = [PROGRAM, "ctl", "--socket", control, "--timeout", "60"]
    with subprocess.Popen([PROGRAM, "--machine", "pc", "--display", "none", "--serial", "none", "--keep-halted",
                           "--control", "unix:" + control]) as machine:
        subprocess.run([*ctl, "wait-text", "SeaBIOS"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*ctl, "insert", "fda", floppy], check=True)
        done = duplex86("image", "commit", floppy)
        check("it is locked", done.returncode == 1, done.stderr)
        refused = subprocess.run([*ctl, "insert", "fda", "nbd+unix:///?socket=" + folder + "/none"], capture_output=True,
                                 text=True, check=False)
        check("what is not there is refused", refused.returncode == 2 and "nbd+unix" in refused.stderr, refused.stderr)
        media = subprocess.run([*ctl, "media"], capture_output=True, text=True, check=True).stdout
        check("the other stays", floppy in media, media)
        subprocess.run([*ctl, "eject", "fda"], check=True)
        done = subprocess.run(["qemu-img", "check", "-q", floppy], check=False)
        check("it is free", done.returncode == 0)
        subprocess.run([*ctl, "quit"], check=True)
        machine.wait(TIMEOUT)


def test_image_command(folder):
    for name, form in {**FORMATS, "raw": "raw", "img": "raw"}.items():
        file = f"{folder}/new.{name}"
        done = duplex86("image", "create", file, "20M")
        check(f"create {name}", done.returncode == 0, done.stderr)
        info = json.loads(subprocess.run(["qemu-img", "info", "-f", form, "--output=json", file], capture_output=True,
                                         check=True).stdout)
        check(f"{name} is one", info["format"] == form and info["virtual-size"] >= 20 * MIB - 1 * MIB, str(info))
        done = duplex86("image", "info", file)
        check(f"info of {name}", done.returncode == 0 and f"file format: {form}" in done.stdout, done.stdout)
        done = duplex86("image", "create", file, "20M")
        check(f"{name} is not overwritten", done.returncode == 1 and "exists" in done.stderr, done.stderr)
    done = duplex86("image", "create", "--format", "qcow2", f"{folder}/disk", "1G")
    check("create --format", done.returncode == 0, done.stderr)
    done = duplex86("image", "create", "--backing", f"{folder}/disk", f"{folder}/above")
    check("create --backing", done.returncode == 0, done.stderr)
    for args, words in ((("create", "x"), "give create"), (("create", f"{folder}/x", "12"), "no size"), ((), "give a command"),
                        (("create", f"{folder}/x.vmdk", "--backing", f"{folder}/disk"), "only a qcow2 image"),
                        (("burn", "x"), "there are the commands"), (("info", f"{folder}/none"), "cannot open"),
                        (("create", "--format", "zip", f"{folder}/x", "1M"), "no format of images")):
        done = duplex86("image", *args)
        check(f"image {' '.join(args)}", done.returncode == 1 and words in done.stderr, done.stderr)
    done = duplex86("image", "info", f"{folder}/disk", environment=dict(os.environ, PATH=folder))
    check("no qemu-img", done.returncode == 1 and "install the package qemu-utils" in done.stderr, done.stderr)


def main():
    if not shutil.which("qemu-img") or not shutil.which("qemu-nbd"):
        print("there is no qemu-img")
        return SKIPPED
    for name, test in sorted(globals().items()):
        if name.startswith("test_") and ONLY in name:
            with tempfile.TemporaryDirectory(prefix="d86-images-") as folder:
                test(folder)
    print(f"{count} checks, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
