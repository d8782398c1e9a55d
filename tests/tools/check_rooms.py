#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the calls between the executor's rooms with docs/architecture.md, "Rooms".

Symbols that an object of a room uses and one of a higher room defines must stand in the table of calls that go up,
with the rooms that define and use them and the lower header that declares them. The order of the rooms is that of
their own table.

  check_rooms.py PROJECT-FOLDER OBJECT...
"""

import os
import re
import subprocess
import sys


def section(page):
    with open(page, encoding="utf-8") as file:
        return re.search(r"^## Rooms\n(.*?)^## ", file.read(), re.MULTILINE | re.DOTALL)[1]


def rows(text, header):
    """The cells of the table that begins so."""
    table = re.search(re.escape(header) + r"\n\|[-|]+\n((?:\|.*\n)+)", text)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def symbols(objects):
    """(object, name, is it defined there?) for each symbol that is not local."""
    nm = [os.environ.get("NM", "nm"), "--print-file-name", "--extern-only", "--format=posix"]
    output = subprocess.run(nm + objects, check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        path, rest = line.split(": ", 1)
        name, kind = rest.split()[:2]
        yield path, name, kind not in "Uw"


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: check_rooms.py PROJECT-FOLDER OBJECT...")
    root, objects = sys.argv[1], sys.argv[2:]
    text = section(os.path.join(root, "docs", "architecture.md"))
    rooms = [row[0].strip("`/") for row in rows(text, "| room | what it is | sees |")]
    allowed = {}  # symbol: (room that defines it, rooms that use it, header that declares it)
    for to, what, users, header in rows(text, "| to | what | who calls | declared in |"):
        for name in re.findall(r"`(\w+)\(\)`", what):
            allowed[name] = (to.strip("`/"), re.findall(r"`(\w+)/`", users), header.strip("`"))

    used, defined = {}, {}  # symbol: rooms; symbol: room
    for path, name, is_defined in symbols(objects):
        room = next((part for part in reversed(path.split(os.sep)) if part in rooms), None)
        if room is None:
            sys.exit(f"{path} is in no room that the table has")
        if is_defined:
            defined[name] = room
        else:
            used.setdefault(name, set()).add(room)

    problems = []
    for name, users in sorted(used.items()):
        room = defined.get(name)
        for user in sorted(users):
            if room and rooms.index(user) < rooms.index(room) and user not in allowed.get(name, ((), ()))[1]:
                problems.append(f"{user} calls {name}(), which is {room}'s")
    for name, (room, _, header) in sorted(allowed.items()):
        if defined.get(name) != room:
            problems.append(f"{name}() is not {room}'s, as the table says")
        with open(os.path.join(root, header), encoding="utf-8") as file:
            if not re.search(rf"\b{name}\(", file.read()):
                problems.append(f"{name}() is not declared in {header}, as the table says")
        lowest = header.split("/")[2]
        if rooms.index(lowest) >= rooms.index(room):
            problems.append(f"{name}() need not be in the table: {header} is not below {room}")
    print("\n".join(problems) or f"{len(allowed)} functions are called from below, as the table says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
