#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux with its driver for the Sound Blaster 16: it finds the card, plays 8 and 16 bits, and what is heard is what
was played.

Programs of OSS's time write samples to /dev/dsp, which the kernel still has; the mixer, muted by the driver, is
set at the card's own ports.
"""

import argparse
import os
import struct
import sys
import tempfile
import wave

from boot_session import PROMPT, Session
from disk_session import make_initrd
from machine import Failure, Machine, duplex86_command

SKIPPED = 77  # tests/tools/boot.cmake tells ctest
BOOT_TIMEOUT = 180
RATE = 48000
# Each after those it needs.
MODULES = ("soundcore snd snd-timer snd-pcm snd-hwdep snd-seq-device snd-rawmidi snd-sb-common snd-sb16-dsp snd-opl3-lib "
           "snd-mpu401-uart snd-sb16-csp snd-sb16 snd-mixer-oss snd-pcm-oss").split()
OPTIONS = {"snd-sb16": " isapnp=0 port=0x220 irq=5 dma8=1 dma16=5 mpu_port=0x330 fm_port=0x388"}
VOLUMES = {0x30: 0xF8, 0x31: 0xF8, 0x32: 0xF8, 0x33: 0xF8}
# OSS plays 8 bits without sign at 8 kHz unless told otherwise: 16 bytes are a wave of 500 Hz.
WAVES = 1000
SPAN = RATE / 500


def set_mixer(session):
    for register, value in VOLUMES.items():
        for port, byte in ((0x224, register), (0x225, value)):
            session.run(f"printf '\\{byte:o}' | dd of=/dev/port bs=1 seek={port} conv=notrunc 2>/dev/null")


def spans(path):
    """Frames from each rising edge to the next, on the left."""
    with wave.open(path) as file:
        data = file.readframes(file.getnframes())
    left = struct.unpack(f"<{len(data) // 2}h", data)[0::2]
    edges, high = [], False
    for i, sample in enumerate(left):
        now = sample > (-4000 if high else 4000)
        if now and not high:
            edges.append(i)
        high = now
    return [b - a for a, b in zip(edges, edges[1:])]


def play(session):
    session.run("dmesg -n 1")
    for module in MODULES:
        session.run(f"insmod /modules/{module}.ko{OPTIONS.get(module, '')}")
    cards = session.run("cat /proc/asound/cards")
    if "Sound Blaster 16 at 0x220, irq 5, dma 1&5" not in cards:
        raise Failure(f"the cards are {cards!r}: {session.run('dmesg | tail -5')!r}")
    set_mixer(session)
    high, low = "\\300" * 8, "\\100" * 8
    session.run(f"i=0; while [ $i -lt {WAVES} ]; do printf '{high}{low}'; i=$((i + 1)); done >/tmp/wave")
    session.run("[ -e /dev/dsp ] || mknod /dev/dsp c 14 3")
    said = session.run("cat /tmp/wave >/dev/dsp; echo played $?", timeout=60)
    if "played 0" not in said:
        raise Failure(f"/dev/dsp says {said!r}")
    interrupts = session.run("grep SoundBlaster /proc/interrupts || cat /proc/interrupts")
    return cards.split("\n")[0].strip(), interrupts.split()[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True, help="of the boot tests")
    parser.add_argument("--modules", required=True, help="modules of that kernel, in a tar archive")
    parser.add_argument("--engine")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="duplex86-sound.") as folder:
        initrd, path = os.path.join(folder, "initrd"), os.path.join(folder, "sound.wav")
        make_initrd(args.initrd, args.modules, initrd)
        machine = Machine(duplex86_command(args.program, args.kernel, initrd, "console=ttyS0", 128, args.engine,
                                           ["--machine", "pc", "--sound", f"wav:{path}"]))
        session = Session(machine, argparse.Namespace())
        try:
            machine.expect(r"BOOT-OK ", BOOT_TIMEOUT)
            machine.expect(PROMPT, 60)
            if "snd-sb16.ko" not in session.run("ls /modules"):
                print("the modules have no snd-sb16: ./setup guests puts it there")
                return SKIPPED
            card, interrupts = play(session)
            print(f"ok    {card}; {interrupts} interrupts")
            machine.send("poweroff -f\n")
            machine.wait_exit(60)
            found = spans(path)
            good = sum(abs(span - SPAN) <= 2 for span in found)
            if good < WAVES * 0.9 or len(found) - good > WAVES * 0.05:
                raise Failure(f"of {WAVES} waves {good} were heard, and {len(found) - good} others")
            print(f"ok    {good} of {WAVES} waves are heard")
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


if __name__ == "__main__":
    sys.exit(main())
