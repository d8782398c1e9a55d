/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes of a terminal to strokes. ECMA-48, "Control sequences"; xterm, "PC-Style Function Keys": a sequence's
 * second parameter is 1 plus the sum of Shift (1), Alt (2) and Ctrl (4).
 */
#include "terminal_keys.h"

#include "keymap.h"

#include <string.h>

enum { ESC = 0x1b, DEL = 0x7f, CODE_SHIFT = 0x2a, CODE_ALT = 0x38, CODE_CTRL = 0x1d, CODE_ESC = 0x01 };
enum { WITH_SHIFT = 1, WITH_ALT = 2, WITH_CTRL = 4 };

static void strike(struct terminal_keys *k, uint16_t code, unsigned with)
{
    uint16_t codes[TERMINAL_STROKE_MAX];
    unsigned count = 0;
    if (with & WITH_CTRL)
        codes[count++] = CODE_CTRL;
    if (with & WITH_ALT)
        codes[count++] = CODE_ALT;
    if (with & WITH_SHIFT)
        codes[count++] = CODE_SHIFT;
    codes[count++] = code;
    if (code)
        k->stroke(k->ctx, codes, count);
}

/* Backspace is DEL on terminals of today; Ctrl and a letter is the letter's last five bits. */
static void strike_character(struct terminal_keys *k, gunichar c, unsigned with)
{
    bool shift;
    if (c == DEL)
        c = '\b';
    uint16_t code = keymap_character(c, &shift);
    if (!code && c < 0x20) {
        code = keymap_character(c ? c | (c <= 26 ? 0x60 : 0x40) : ' ', &shift);
        with |= WITH_CTRL;
    }
    strike(k, code, with | (shift ? WITH_SHIFT : 0));
}

/* ---- Sequences ---- */

struct sequence_key {
    char final; /* '~': the first parameter says which */
    uint8_t parameter;
    uint16_t code;
};

/* clang-format off */
static const struct sequence_key sequence_keys[] = {
    { 'A', 0, 0xe048 }, { 'B', 0, 0xe050 }, { 'C', 0, 0xe04d }, { 'D', 0, 0xe04b },
    { 'H', 0, 0xe047 }, { 'F', 0, 0xe04f }, { 'E', 0, 0x4c },
    { 'P', 0, 0x3b }, { 'Q', 0, 0x3c }, { 'R', 0, 0x3d }, { 'S', 0, 0x3e },
    { '~', 1, 0xe047 }, { '~', 2, 0xe052 }, { '~', 3, 0xe053 }, { '~', 4, 0xe04f }, { '~', 5, 0xe049 },
    { '~', 6, 0xe051 }, { '~', 7, 0xe047 }, { '~', 8, 0xe04f },
    { '~', 11, 0x3b }, { '~', 12, 0x3c }, { '~', 13, 0x3d }, { '~', 14, 0x3e }, { '~', 15, 0x3f },
    { '~', 17, 0x40 }, { '~', 18, 0x41 }, { '~', 19, 0x42 }, { '~', 20, 0x43 }, { '~', 21, 0x44 },
    { '~', 23, 0x57 }, { '~', 24, 0x58 },
};
/* clang-format on */

static void strike_sequence(struct terminal_keys *k, char final, unsigned first, unsigned second)
{
    unsigned with = second ? (second - 1) & 7 : 0;
    if (final == 'Z') {
        strike(k, 0x0f, WITH_SHIFT);
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sequence_keys); i++) {
        const struct sequence_key *key = &sequence_keys[i];
        if (key->final == final && (final != '~' || key->parameter == first)) {
            strike(k, key->code, with);
            return;
        }
    }
}

static void end_sequence(struct terminal_keys *k)
{
    unsigned parameter[2] = { 0, 0 }, n = 0;
    /* The Linux console's F1 to F5: ESC [ [ A to E. */
    if (k->pending[1] == '[' && k->count == 4 && k->pending[2] == '[') {
        if (k->pending[3] >= 'A' && k->pending[3] <= 'E')
            strike(k, (uint16_t)(0x3b + k->pending[3] - 'A'), 0);
        return;
    }
    for (size_t i = 2; i + 1 < k->count; i++) {
        if (k->pending[i] == ';')
            n = MIN(n + 1, 1);
        else if (g_ascii_isdigit(k->pending[i]))
            parameter[n] = (parameter[n] * 10 + k->pending[i] - '0') % 1000;
    }
    strike_sequence(k, (char)k->pending[k->count - 1], parameter[0], parameter[1]);
}

/* What is pending begins with ESC. Is it complete? */
static bool take_escape(struct terminal_keys *k)
{
    uint8_t last = k->pending[k->count - 1];
    if (k->count == 1)
        return false;
    if (k->count == 2) {
        if (last == '[' || last == 'O')
            return false;
        if (last == ESC)
            strike(k, CODE_ESC, WITH_ALT);
        else if (last < 0x80)
            strike_character(k, last, WITH_ALT);
        return true;
    }
    if (last < 0x40 || (k->count == 3 && last == '['))
        return k->count == TERMINAL_KEYS_MAX;
    end_sequence(k);
    return true;
}

/* ---- Bytes ---- */

static bool take_character(struct terminal_keys *k)
{
    gunichar c = k->pending[0]; /* GLib has its own opinion of NUL, which is Ctrl and Space */
    if (c >= 0x80)
        c = g_utf8_get_char_validated((const char *)k->pending, (gssize)k->count);
    if (c == (gunichar)-2)
        return false;
    if (c != (gunichar)-1)
        strike_character(k, c, 0);
    return true;
}

void terminal_keys_feed(struct terminal_keys *k, uint8_t byte)
{
    k->pending[k->count++] = byte;
    if (k->pending[0] == ESC ? take_escape(k) : take_character(k) || k->count == TERMINAL_KEYS_MAX)
        k->count = 0;
}

void terminal_keys_flush(struct terminal_keys *k)
{
    if (k->count == 1 && k->pending[0] == ESC)
        strike(k, CODE_ESC, 0);
    else if (k->count == 2 && k->pending[0] == ESC)
        strike_character(k, k->pending[1], WITH_ALT);
    k->count = 0;
}
