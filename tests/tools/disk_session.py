#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux with a disk and a CD: its own drivers find the drives, read and write, and what is in the images
afterwards is compared with what it said it wrote.

With --virtio the disk is one of virtio. With --format the disk's image is of that format, made and looked at by qemu-img.

With --measure the same sequential read is timed in Duplex86 and in QEMU's emulator, on the same image, the runs
of both interleaved.
"""

import argparse
import fcntl
import gzip
import hashlib
import os
import random
import shutil
import stat
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

from boot_session import PROMPT, Session
from guest_modules import load_order
from machine import Failure, Machine
from make_initramfs import NewcArchive

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
MIB = 1 << 20
BOOT_TIMEOUT = 180
# They say themselves what else they need, but for what the kernel asks for when it comes to it: checksums.
MODULES = "ata_piix crct10dif_generic crc64_rocksoft_generic sd_mod sr_mod".split()
VIRTIO_MODULES = "virtio_pci virtio_blk".split()


def make_initrd(initramfs, modules, name):
    """The initramfs of the boot tests and, in an archive of its own behind it, the modules in /modules."""
    archive = NewcArchive()
    archive.add("modules", stat.S_IFDIR | 0o755)
    with tarfile.open(modules) as tar:
        for member in tar:
            archive.add("modules/" + member.name, stat.S_IFREG | 0o644, tar.extractfile(member).read())
    with open(initramfs, "rb") as first, open(name, "wb") as file:
        file.write(first.read() + gzip.compress(archive.finish(), 1))


def make_image(name, size, seed):
    source = random.Random(seed)
    data = b"".join(source.randbytes(min(MIB, size - at)) for at in range(0, size, MIB))
    with open(name, "wb") as file:
        file.write(data)
    return data


def convert(name, form, data):
    """Make an image of another format of the raw one."""
    raw = name + ".raw"
    with open(raw, "wb") as file:
        file.write(data)
    options = ["-o", "force_size=on"] if form == "vpc" else []
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", form, *options, raw, name], check=True)
    os.unlink(raw)


def contents_of(name, form):
    """What is in an image that nobody uses any more; that of another format must be in order."""
    raw = name
    if form != "raw":
        raw = name + ".raw"
        # qemu-img cannot check vpc; 3 is space that is not used, as an end in the midst of things leaves it.
        if form != "vpc" and subprocess.run(["qemu-img", "check", "-q", "-f", form, name]).returncode not in (0, 3):
            raise Failure(f"qemu-img finds the {form} image broken")
        subprocess.run(["qemu-img", "convert", "-f", form, "-O", "raw", name, raw], check=True)
    with open(raw, "rb") as file:
        return file.read()


def wait_for_server(name):
    """A server that was left behind has written all when its lock is gone."""
    deadline = time.monotonic() + 60
    with open(name, "r+b") as file:
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise Failure("the image's server does not end")
                time.sleep(0.05)


def sha1(data):
    return hashlib.sha1(data).hexdigest()


class DiskSession(Session):
    """A shell in the guest, and the kernel's drivers loaded."""

    def __init__(self, args, machine, dma=True, virtio=False):
        super().__init__(machine, args)
        machine.expect(r"BOOT-OK ", BOOT_TIMEOUT)
        machine.expect(PROMPT, 60)
        self.run("dmesg -n 1")
        self.disk = "vda" if virtio else "sda"
        for module in load_order(args.modules, MODULES + (VIRTIO_MODULES if virtio else [])):
            options = " dma=0" if module == "libata" and not dma else ""
            self.run(f"insmod /modules/{module}.ko{options}")
        self.run(f"i=0; while [ ! -b /dev/{self.disk} -a $i -lt 30 ]; do sleep 1; i=$((i+1)); done; "
                 f"[ -b /dev/{self.disk} ]")

    def drop_caches(self):
        self.run("sync; echo 3 >/proc/sys/vm/drop_caches")


def check_disk(session, data, args):
    sectors = len(data) // 512
    device = f"/dev/{session.disk}"
    session.run_expecting(f"cat /sys/block/{session.disk}/size", str(sectors))
    if not args.virtio:
        session.run_expecting("cat /sys/class/ata_device/dev1.0/xfer_mode", "XFER_PIO_4" if args.pio else "XFER_MW_DMA_2")
    session.run_expecting(f"sha1sum <{device}", sha1(data) + "  -")
    # Something else to another place, in pieces of a sector and of many; then all again, from the disk.
    written = bytearray(data)
    for number, (size, where) in enumerate(((512, 3), (4096, 1000), (MIB, 7 * 256), (512, sectors - 1))):
        count = 1 if size == 512 else 3
        source = random.Random(number).randrange(0, len(data) // 2 // 512)
        session.run(f"dd if={device} of=/tmp/piece bs=512 skip={source} count={size * count // 512} 2>/dev/null")
        session.run(f"dd if=/tmp/piece of={device} bs={size} seek={where * 512 // size} count={count} "
                    "conv=notrunc,fsync 2>/dev/null")
        begin = where * 512 // size * size
        written[begin:begin + size * count] = data[source * 512:source * 512 + size * count]
        data = bytes(written)
    session.drop_caches()
    session.run_expecting(f"sha1sum <{device}", sha1(data) + "  -")
    return data


def check_cd(session, data):
    session.run_expecting("cat /sys/block/sr0/size", str(len(data) // 512))
    session.run_expecting("sha1sum </dev/sr0", sha1(data) + "  -")


def check_errors(session, size):
    """The image's end is gone behind the guest's back: that is an I/O error for it, and not the end."""
    session.drop_caches()
    with open(session.image, "r+b") as file:
        file.truncate(size // 2)
    session.run(f"dd if=/dev/{session.disk} of=/dev/null bs=64k 2>/dev/null", status=1, timeout=120)
    session.run(f"dd if=/dev/{session.disk} of=/dev/null bs=64k count={size // 2 // 65536} 2>/dev/null")


def command_of(args, initrd, disk, cd):
    append = "console=ttyS0 quiet"
    return [args.program, "--machine", "pc", "--ram", "128M", "--kernel", args.kernel, "--initrd", initrd,
            "--append", append, "--disk", disk + (",virtio" if args.virtio else ""), "--cdrom", cd] + (["--engine", args.engine] if args.engine else [])


def run_checks(args, folder, initrd):
    disk, cd = os.path.join(folder, "disk"), os.path.join(folder, "cd")
    data = make_image(disk, 24 * MIB + (1536 if args.format == "raw" else 0), 1)
    cd_data = make_image(cd, 5 * MIB, 2)
    if args.format != "raw":
        convert(disk, args.format, data)
    machine = Machine(command_of(args, initrd, disk, cd))
    try:
        session = DiskSession(args, machine, dma=not args.pio, virtio=args.virtio)
        session.image = disk
        data = check_disk(session, data, args)
        print(f"ok    the disk, after {machine.elapsed():.1f} s")
        check_cd(session, cd_data)
        print("ok    the CD")
        if args.format == "raw":
            if contents_of(disk, "raw") != data:
                raise Failure("the image is not what the guest wrote")
            check_errors(session, len(data))
            if "cannot read the image" not in machine.transcript:
                raise Failure("the host's error was not told")
            print("ok    errors")
        machine.send("poweroff -f\r")
        status = machine.wait_exit(60)
        if status != 0:
            raise Failure(f"the program ended with status {status}")
        if args.format != "raw" and contents_of(disk, args.format) != data:
            raise Failure("the image is not what the guest wrote")
    except Failure as failure:
        reason = machine.refused() or ""
        if "cannot create the virtual processor" in reason:
            print(reason)
            return SKIPPED
        print(f"FAIL  {failure}\n----- console:\n{machine.tail()}\n-----")
        return 1
    finally:
        machine.close()
    return 0


def kill_once(args, folder, initrd, seed):
    """Blocks are written one after the other and flushed; then we die. Those said to be safe must be there."""
    block, blocks = 65536, 256
    disk, cd = os.path.join(folder, "disk"), os.path.join(folder, "cd")
    data = make_image(disk, block * blocks, seed)
    make_image(cd, MIB, 2)
    if args.format != "raw":
        convert(disk, args.format, data)
    machine = Machine(command_of(args, initrd, disk, cd))
    try:
        disk_name = DiskSession(args, machine, virtio=args.virtio).disk
        machine.send(f"n=0; while [ $n -lt {blocks} ]; do yes \"block $n\" | head -c {block} | dd of=/dev/{disk_name} "
                     f"bs={block} seek=$n conv=notrunc,fsync 2>/dev/null; echo safe'-'$n.; n=$((n+1)); done\r")
        for number in range(random.Random(seed).randrange(5, 30)):
            machine.expect(rf"safe-{number}\.", 60)
        time.sleep(random.Random(seed + 1).random() / 20)
        if args.format == "raw" or seed % 2:
            machine.signal_all(9)  # a server of ours, too
        else:
            machine.process.kill()
            machine.process.wait()
    finally:
        machine.close()
    wait_for_server(disk)
    data = contents_of(disk, args.format)
    for n in range(number + 1):
        line = f"block {n}\n".encode()
        if data[n * block:(n + 1) * block] != (line * (block // len(line) + 1))[:block]:
            raise Failure(f"block {n}, which was flushed, is not in the image")
    return number + 1


def run_kills(args, folder, initrd):
    seed = args.seed if args.seed is not None else random.randrange(1 << 30)
    for number in range(args.kill):
        try:
            print(f"ok    {kill_once(args, folder, initrd, seed + number)} blocks, killed", flush=True)
        except Failure as failure:
            print(f"FAIL  {failure} (--seed {seed + number})")
            return 1
    return 0


def measure_once(command, size_mib):
    machine = Machine(command)
    try:
        session = DiskSession(args, machine)
        rates = []
        for _ in range(3):
            session.drop_caches()
            started = time.monotonic()
            session.run(f"dd if=/dev/sda of=/dev/null bs=1M count={size_mib} 2>/dev/null", timeout=120)
            rates.append(size_mib / (time.monotonic() - started))
        return statistics.median(rates)
    finally:
        machine.close()


def measure(args, folder, initrd):
    size_mib = 256
    disk, cd = os.path.join(folder, "disk"), os.path.join(folder, "cd")
    make_image(disk, size_mib * MIB, 1)
    make_image(cd, MIB, 2)
    ours = command_of(args, initrd, disk, cd)
    qemu = ["qemu-system-i386", "-M", "pc", "-accel", "tcg", "-m", "128", "-nodefaults", "-display", "none",
            "-serial", "stdio", "-kernel", args.kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet",
            "-drive", f"file={disk},format=raw,if=ide,cache=writeback"]
    rates = {"duplex86": [], "QEMU TCG": []}
    for number in range(args.measure):
        for name, command in (("duplex86", ours), ("QEMU TCG", qemu)):
            rates[name].append(measure_once(command, size_mib))
        print(f"run {number + 1}: " + ", ".join(f"{name} {values[-1]:.0f} MiB/s" for name, values in rates.items()),
              flush=True)
    medians = [statistics.median(values) for values in rates.values()]
    print(f"median {medians[0]:.0f} and {medians[1]:.0f} MiB/s: {medians[0] / medians[1]:.2f} x QEMU TCG")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True, help="of the boot tests")
    parser.add_argument("--modules", required=True, help="modules of that kernel, in a tar archive")
    parser.add_argument("--engine")
    parser.add_argument("--virtio", action="store_true", help="the disk is not at the IDE function")
    parser.add_argument("--pio", action="store_true", help="without bus master DMA")
    parser.add_argument("--kill", type=int, metavar="ROUNDS", help="write, flush, die and look, so many times")
    parser.add_argument("--format", default="raw", help="of the disk's image, as qemu-img calls it")
    parser.add_argument("--seed", type=int, help="of --kill")
    parser.add_argument("--measure", type=int, metavar="RUNS", help="compare with QEMU instead")
    args = parser.parse_args()
    for name in (args.kernel, args.initrd, args.modules):
        if not os.path.exists(name):
            print(f"there is no {name}")
            return SKIPPED
    if args.format != "raw" and not shutil.which("qemu-nbd"):
        print("there is no qemu-nbd")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="d86-disk-") as folder:
        initrd = os.path.join(folder, "initrd")
        make_initrd(args.initrd, args.modules, initrd)
        if args.measure:
            return measure(args, folder, initrd)
        return run_kills(args, folder, initrd) if args.kill else run_checks(args, folder, initrd)


if __name__ == "__main__":
    sys.exit(main())
