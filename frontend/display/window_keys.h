/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SDL's scancodes, which name places on a keyboard whatever is printed there, as keys of the guest's.
 */
#pragma once

#include <stdint.h>

/* For pc_key(); 0: the guest's keyboard has no such key. */
uint16_t window_key_code(int scancode);
