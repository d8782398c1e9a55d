#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a machine with sound.asm and see that what it plays is what there is to be heard: how long, how loud, and which
tones, in each of its three parts; in a WAV file, or in what SDL's audio is given.

usage: sound_check.py wav|sdl PROGRAM ARGS...
"""

import os
import struct
import subprocess
import sys
import tempfile
import wave

RATE = 48000
STATUS = 43
SILENCE = 200  # of 32768


def read_raw(path):
    """The left and the right samples, as SDL's driver `disk` writes them."""
    with open(path, "rb") as file:
        data = file.read()
    samples = struct.unpack(f"<{len(data) // 2}h", data)
    return samples[0::2], samples[1::2]


def read_wav(path):
    """The left and the right samples."""
    with wave.open(path) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE), file.getparams()
        data = file.readframes(file.getnframes())
    samples = struct.unpack(f"<{len(data) // 2}h", data)
    return samples[0::2], samples[1::2]


def parts(left):
    """Where it is loud: (first, last) of each stretch, with silence of a fifth of a second between them."""
    found = []
    for i, sample in enumerate(left):
        if abs(sample) <= SILENCE:
            continue
        if found and i - found[-1][1] < RATE / 5:
            found[-1][1] = i
        else:
            found.append([i, i])
    return found


def periods(samples):
    """Ascending: samples from each rising edge to that ten waves on, divided by ten."""
    edges, high = [], samples[0] > 0
    for i, sample in enumerate(samples):
        now = sample > (-1000 if high else 1000)
        if now and not high:
            edges.append(i)
        high = now
    return sorted((b - a) / 10 for a, b in zip(edges, edges[10:]))


def check(name, value, wanted, tolerance):
    if abs(value - wanted) > tolerance:
        sys.exit(f"{name} is {value}, not {wanted}")


def check_part(name, samples, hertz, loud, patient):
    seconds = len(samples) / RATE
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    spans = periods(middle)
    check(f"{name}: period", spans[len(spans) // 2], RATE / hertz, 0.3)  # a busy host can make pauses
    check(f"{name}: amplitude", (max(middle) - min(middle)) / 2, loud, loud * 0.06)
    # By the guest's own clock: a host that takes the guest's time away may make it longer, never shorter.
    if seconds < 0.45 or (seconds > 0.56 and not patient):
        sys.exit(f"{name}: it takes {seconds:.3f} s, not 0.5")


def check_tones(left):
    """Who listens need not get all of it, nor at its time: most of each tone will do."""
    spans = periods(left)
    for name, hertz in (("speaker", 1000), ("8 bits", 500), ("16 bits", 441)):
        found = sum(abs(span - RATE / hertz) < 0.5 for span in spans)
        if found < hertz / 2 * 0.6:
            sys.exit(f"{name}: of {hertz / 2:.0f} waves there are {found}")


def main():
    kind = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sound")
        # SDL 2's names for its driver and the file, and SDL 3's, which may be behind SDL 2's.
        env = dict(os.environ, SDL_AUDIODRIVER="disk", SDL_AUDIO_DRIVER="disk", SDL_DISKAUDIOFILE=path,
                   SDL_AUDIO_DISK_OUTPUT_FILE=path)
        sound = f"wav:{path}" if kind == "wav" else "sdl"
        run = subprocess.run(sys.argv[2:] + ["--sound", sound], check=False, timeout=60, env=env)
        if run.returncode == 77:
            sys.exit(77)
        if run.returncode != STATUS:
            sys.exit(f"status {run.returncode}, not {STATUS}")
        if kind == "sdl":
            check_tones(read_raw(path)[0])
            return
        left, right = read_wav(path)
    found = parts(left)
    if len(found) < 3:
        sys.exit(f"there are {len(found)} parts, not 3: {found}")
    speaker, mono, stereo = found[0], found[-2], found[-1]
    check_part("speaker", left[speaker[0] : speaker[1]], 1193182 / 1193, 8192, True)
    check_part("8 bits", left[mono[0] : mono[1]], 500, 16384, True)
    check_part("16 bits, left", left[stereo[0] : stereo[1]], 441, 16384, False)
    check_part("16 bits, right", right[stereo[0] : stereo[1]], 882, 8192, False)
    if left[speaker[0] : mono[1]] != right[speaker[0] : mono[1]]:
        sys.exit("left and right of a mono sound differ")


main()
