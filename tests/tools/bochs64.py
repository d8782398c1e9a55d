# SPDX-License-Identifier: GPL-2.0-or-later
"""A 64-bit kernel in Bochs, from a CD: Bochs loads no kernels itself. Debian's Bochs 2.7 has its debugger built in, which
waits for a command at the start."""

import os
import pty
import re
import shutil
import subprocess
import threading
import time

from machine import Machine

BOCHS = "bochs"
NEEDS = ("/usr/share/bochs/BIOS-bochs-latest", "/usr/lib/ISOLINUX/isolinux.bin",
         "/usr/lib/syslinux/modules/bios/ldlinux.c32")

BOCHSRC = """\
config_interface: textconfig
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model={model}, count=1, ips=100000000
memory: guest=512, host=512
clock: sync=none, time0=local
ata0-master: type=cdrom, path={folder}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=term, dev={console}
sound: waveoutdrv=dummy
speaker: enabled=0
log: {folder}/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
"""

ISOLINUX_CFG = """\
PROMPT 0
TIMEOUT 1
DEFAULT linux
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=initrd.gz {append}
"""


def missing():
    """What is not there, or None."""
    if not shutil.which(BOCHS) or not shutil.which("xorriso"):
        return "Bochs or xorriso"
    return next((path for path in NEEDS if not os.path.exists(path)), None)


def make_cd(folder, kernel, initrd, append):
    content = os.path.join(folder, "cd")
    shutil.rmtree(content, ignore_errors=True)
    os.mkdir(content)
    for path in NEEDS[1:]:
        shutil.copy(path, content)
    shutil.copy(kernel, os.path.join(content, "vmlinuz"))
    shutil.copy(initrd, os.path.join(content, "initrd.gz"))
    with open(os.path.join(content, "isolinux.cfg"), "w", encoding="ascii") as file:
        file.write(ISOLINUX_CFG.format(append=append))
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", os.path.join(folder, "boot.iso"),
                    "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4",
                    "-boot-info-table", content], check=True, stderr=subprocess.DEVNULL)


def screen_terminal(process):
    """The terminal that Bochs made for its screen, or None: as yet it has none."""
    folder = f"/proc/{process.pid}/fd"
    for number in os.listdir(folder):
        if os.path.realpath(os.path.join(folder, number)) not in ("/dev/ptmx", "/dev/pts/ptmx"):
            continue
        with open(f"/proc/{process.pid}/fdinfo/{number}", encoding="ascii") as file:
            index = re.search(r"tty-index:\s*(\d+)", file.read())
        if index:
            return f"/dev/pts/{index[1]}"
    return None


def watch_screen(process):
    """Read the screen, and throw it away: with nobody there its terminal fills up, and then the machine stands still."""
    terminal = None
    while not terminal and process.poll() is None:
        time.sleep(0.2)
        try:
            terminal = screen_terminal(process)
        except OSError:  # it has ended meanwhile
            return
    if not terminal:
        return
    try:
        with open(terminal, "rb", buffering=0) as screen:
            while screen.read(4096):
                pass
    except OSError:  # ... likewise
        pass


def start(folder, model, kernel, initrd, append, log=None):
    """model: a processor of Bochs's. The Machine's console is the first serial port."""
    make_cd(folder, kernel, initrd, append)
    console = pty.openpty()
    with open(os.path.join(folder, "bochsrc"), "w", encoding="ascii") as file:
        file.write(BOCHSRC.format(folder=folder, model=model, console=os.ttyname(console[1])))
    with open(os.path.join(folder, "continue"), "w", encoding="ascii") as file:
        file.write("c\n")
    os.environ.setdefault("TERM", "xterm")
    machine = Machine(["nice", BOCHS, "-q", "-f", os.path.join(folder, "bochsrc"), "-rc", os.path.join(folder, "continue")],
                      log, console)
    threading.Thread(target=watch_screen, args=(machine.process,), daemon=True).start()
    return machine
