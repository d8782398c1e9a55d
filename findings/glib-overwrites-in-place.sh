#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# g_file_set_contents_full() of GLib (2.74.6-2+deb12u9, Debian 12), with the flag G_FILE_SET_CONTENTS_NONE, does not set a
# file's contents: it writes over the beginning of what is there, and of a longer file the rest stays. The flag is documented
# as giving no guarantees if the system crashes meanwhile; here nothing does, and the call says that it has succeeded. With
# G_FILE_SET_CONTENTS_CONSISTENT, which g_file_set_contents() asks for, the file is what was given.

# shellcheck source=findings/packages.sh
. "$(dirname "$(readlink -f "$0")")/packages.sh"
command -v python3 >/dev/null || cannot "needs python3"
fetch bookworm libglib2.0-0=2.74.6-2+deb12u9 libpcre2-8-0=10.42-1
export LD_LIBRARY_PATH=$work/bookworm/usr/lib/x86_64-linux-gnu:$work/bookworm/lib/x86_64-linux-gnu

python3 - "$work/file" >"$work/seen" <<'PYTHON' || cannot "GLib does not load"
import ctypes, sys

glib = ctypes.CDLL("libglib-2.0.so.0")
name = sys.argv[1].encode()
print("version", *(ctypes.c_uint.in_dll(glib, f"glib_{part}_version").value for part in ("major", "minor", "micro")))
for flags, word in ((0, "NONE"), (1, "CONSISTENT")):
    with open(name, "wb") as file:
        file.write(b"a longer text")
    done = glib.g_file_set_contents_full(name, b"short", ctypes.c_ssize_t(5), flags, 0o600, None)
    with open(name, "rb") as file:
        print(f"{word}: returned {done}, the file is '{file.read().decode()}'")
PYTHON
expect <<'EXPECTED'
version 2 74 6
NONE: returned 1, the file is 'shortger text'
CONSISTENT: returned 1, the file is 'short'
EXPECTED
