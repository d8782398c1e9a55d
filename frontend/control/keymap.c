/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keys by name, and characters as keys of the US layout. IBM PS/2 Hardware Interface Technical Reference,
 * "Keyboards (101- and 102-Key)", scan code set 1.
 */
#include "keymap.h"

#include <string.h>

/* clang-format off */
const struct keymap_key keymap_keys[] = {
    { "esc", 0x01 }, { "f1", 0x3b }, { "f2", 0x3c }, { "f3", 0x3d }, { "f4", 0x3e }, { "f5", 0x3f },
    { "f6", 0x40 }, { "f7", 0x41 }, { "f8", 0x42 }, { "f9", 0x43 }, { "f10", 0x44 }, { "f11", 0x57 },
    { "f12", 0x58 },
    { "1", 0x02 }, { "2", 0x03 }, { "3", 0x04 }, { "4", 0x05 }, { "5", 0x06 }, { "6", 0x07 }, { "7", 0x08 },
    { "8", 0x09 }, { "9", 0x0a }, { "0", 0x0b },
    { "q", 0x10 }, { "w", 0x11 }, { "e", 0x12 }, { "r", 0x13 }, { "t", 0x14 }, { "y", 0x15 }, { "u", 0x16 },
    { "i", 0x17 }, { "o", 0x18 }, { "p", 0x19 },
    { "a", 0x1e }, { "s", 0x1f }, { "d", 0x20 }, { "f", 0x21 }, { "g", 0x22 }, { "h", 0x23 }, { "j", 0x24 },
    { "k", 0x25 }, { "l", 0x26 },
    { "z", 0x2c }, { "x", 0x2d }, { "c", 0x2e }, { "v", 0x2f }, { "b", 0x30 }, { "n", 0x31 }, { "m", 0x32 },
    { "grave", 0x29 }, { "minus", 0x0c }, { "equal", 0x0d }, { "backspace", 0x0e }, { "tab", 0x0f },
    { "bracket-left", 0x1a }, { "bracket-right", 0x1b }, { "enter", 0x1c }, { "semicolon", 0x27 },
    { "apostrophe", 0x28 }, { "backslash", 0x2b }, { "less", 0x56 }, { "comma", 0x33 }, { "dot", 0x34 },
    { "slash", 0x35 }, { "space", 0x39 },
    { "shift", 0x2a }, { "shift-right", 0x36 }, { "ctrl", 0x1d }, { "ctrl-right", 0xe01d }, { "alt", 0x38 },
    { "alt-right", 0xe038 }, { "meta", 0xe05b }, { "meta-right", 0xe05c }, { "menu", 0xe05d },
    { "caps-lock", 0x3a }, { "num-lock", 0x45 }, { "scroll-lock", 0x46 },
    { "print", 0xe037 }, { "pause", 0xe11d },
    { "insert", 0xe052 }, { "delete", 0xe053 }, { "home", 0xe047 }, { "end", 0xe04f }, { "page-up", 0xe049 },
    { "page-down", 0xe051 }, { "up", 0xe048 }, { "down", 0xe050 }, { "left", 0xe04b }, { "right", 0xe04d },
    { "kp-0", 0x52 }, { "kp-1", 0x4f }, { "kp-2", 0x50 }, { "kp-3", 0x51 }, { "kp-4", 0x4b }, { "kp-5", 0x4c },
    { "kp-6", 0x4d }, { "kp-7", 0x47 }, { "kp-8", 0x48 }, { "kp-9", 0x49 }, { "kp-dot", 0x53 },
    { "kp-plus", 0x4e }, { "kp-minus", 0x4a }, { "kp-star", 0x37 }, { "kp-slash", 0xe035 },
    { "kp-enter", 0xe01c },
    { NULL, 0 },
};
/* clang-format on */

uint16_t keymap_code(const char *name, size_t length)
{
    for (const struct keymap_key *key = keymap_keys; key->name; key++) {
        if (strlen(key->name) == length && !g_ascii_strncasecmp(key->name, name, length))
            return key->code;
    }
    return 0;
}

unsigned keymap_together(const char *text, uint16_t codes[KEYMAP_TOGETHER_MAX])
{
    for (unsigned count = 0; count < KEYMAP_TOGETHER_MAX;) {
        size_t length = strcspn(text, "+");
        codes[count] = keymap_code(text, length);
        if (!codes[count++])
            return 0;
        text += length;
        if (!*text++)
            return count;
    }
    return 0;
}

/* Rows of the keyboard: what each key makes without Shift and with it, from the code of the first on. */
static const struct {
    uint16_t first;
    const char *plain, *shifted;
} rows[] = {
    { 0x02, "1234567890-=", "!@#$%^&*()_+" },
    { 0x10, "qwertyuiop[]", "QWERTYUIOP{}" },
    { 0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~" },
    { 0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?" },
    { 0x39, " ", " " },
};

uint16_t keymap_character(gunichar character, bool *shift)
{
    static const struct {
        char character;
        uint16_t code;
    } controls[] = { { '\n', 0x1c }, { '\r', 0x1c }, { '\t', 0x0f }, { '\b', 0x0e }, { 0x1b, 0x01 } };
    *shift = false;
    if (character == 0 || character > 0x7e)
        return 0;
    for (size_t i = 0; i < G_N_ELEMENTS(controls); i++) {
        if (character == (gunichar)controls[i].character)
            return controls[i].code;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *at = strchr(rows[i].plain, (int)character);
        *shift = !at;
        if (at)
            return (uint16_t)(rows[i].first + (at - rows[i].plain));
        at = strchr(rows[i].shifted, (int)character);
        if (at)
            return (uint16_t)(rows[i].first + (at - rows[i].shifted));
    }
    return 0;
}
