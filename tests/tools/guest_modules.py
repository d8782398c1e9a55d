# SPDX-License-Identifier: GPL-2.0-or-later
"""In which order a kernel's modules are to be loaded: each says what it needs ("depends=", as modinfo(8) shows it).

Which of two needs the other differs between builds of one kernel: virtio.ko and virtio_ring.ko have changed places.
"""

import re
import tarfile


def load_order(archive, wanted):
    """Names of those modules and of all they need, in an order in which each can be loaded. Those that are not in the
    archive are left out: they may be part of the kernel."""
    needs = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(".ko"):
                match = re.search(rb"\0depends=([^\0]*)\0", tar.extractfile(member).read())
                names = match.group(1).decode().split(",") if match else []
                needs[_plain(member.name[:-3])] = (member.name[:-3], [_plain(name) for name in names if name])
    order = []

    def take(name):
        if name in needs and needs[name][0] not in order:
            for need in needs[name][1]:
                take(need)
            order.append(needs[name][0])

    for name in wanted:
        take(_plain(name))
    return order


def _plain(name):
    """A module's name as others call it."""
    return name.replace("-", "_")
