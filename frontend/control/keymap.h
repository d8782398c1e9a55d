/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keys by name, and characters as keys of the US layout. Codes are those of pc_key(): set 1 make codes, with
 * E0 in the high byte for grey keys (devices/pc.h).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { KEYMAP_SHIFT = 0x2a, KEYMAP_TOGETHER_MAX = 6 };

/* The code of "a", "f1", "enter", "kp-plus", ...; 0: there is no such key. */
uint16_t keymap_code(const char *name, size_t length);

/* A key and its name for people who want to know what there is; NULL in `name`: no more. */
struct keymap_key {
    const char *name;
    uint16_t code;
};

extern const struct keymap_key keymap_keys[];

/*
 * "ctrl+alt+delete": the codes of keys that go down one after the other, and how many they are; 0: one of
 * them is none, or they are more than KEYMAP_TOGETHER_MAX.
 */
unsigned keymap_together(const char *text, uint16_t codes[KEYMAP_TOGETHER_MAX]);

/* How the US layout makes a character; 0: it does not. */
uint16_t keymap_character(gunichar character, bool *shift);
