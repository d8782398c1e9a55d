/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guard's patterns, shared by the files of the scanner only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "translator/scan.h"

/* ---- policy_guard.c ------------------------------------------------------------------------------ */

/* Code at one offset of a private page, as the guard sees it: the code size does not matter. */
struct guard_view {
    const uint8_t *bytes; /* from that offset on */
    unsigned known;       /* how many of them are known, at least 1; what follows may become anything */
};

/*
 * Is a critical encoding here, or could what follows the known bytes make one? Prefixes are not followed: an
 * encoding is found at its opcode, so that hiding the opcode hides it for every number of prefixes.
 */
bool policy_guards(const struct guard_view *view, enum scan_guard guard);

/*
 * Is what the guard finds here, at this linear address, the beginning of a door (emit_door())? Only in a
 * snippet page may one be.
 */
bool policy_is_door(const struct guard_view *view, uint32_t address, enum scan_guard guard);
/* The same for a door that has no place yet. */
bool policy_is_placeless_door(const struct guard_view *view, enum scan_guard guard);
