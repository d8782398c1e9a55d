/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ring-0 helper's device as the executor uses it: pages that show one frame to fetches and another one to
 * data, for the split `tlb`. include/helper/duplex86_tlb.h, docs/split-tlb.md. Executor process.
 */
#pragma once

#include <stdint.h>

/*
 * Open the device, as descriptor `as`, for frames of these two memory files. 0; -ENOENT and its like: it is
 * not there; -EACCES, -EPERM; -EINVAL: it is of another version.
 */
int tlb_open(int as, int ram, int arena);
/* Map an empty page of it at `at`, in place of what is there. 0 or -errno. */
int tlb_map(int device, uint32_t at);
/*
 * Have the page at `at` show `private_page` (a page of the arena file, mapped for writing) to fetches,
 * `original` (of either file) to data. Executes an instruction at `at`, and for that changes the private
 * page's first byte for a moment. 0 or -errno; then the page may be empty.
 */
int tlb_prime(int device, uint32_t at, uint8_t *private_page, const uint8_t *original);
