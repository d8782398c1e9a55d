/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands that stand for a person's hands: keys and the mouse.
 */
#include "server_private.h"

#include "keymap.h"

#include "devices/pc.h"

#include <string.h>

enum { TEXT_MAX = 64 * 1024 }; /* characters: half an hour of typing */

static void type(struct control_call *call, struct typist_job *job)
{
    call->job = job;
    call->interval_ms = (unsigned)control_number(call->request, "interval", TYPIST_INTERVAL_MS);
}

void control_send_keys(struct control_call *call)
{
    struct typist_job *job = typist_job_new();
    uint16_t codes[KEYMAP_TOGETHER_MAX];
    const char *text;
    for (size_t i = 0; (text = control_text_of(call->request, "keys", i)); i++) {
        unsigned count = keymap_together(text, codes);
        if (i >= TEXT_MAX || !count) {
            control_fail(call, CONTROL_BAD_REQUEST,
                         i >= TEXT_MAX ? "'%.40s' is one key too many"
                                       : "'%.40s' is no key, nor up to six that are joined by '+'",
                         text);
            typist_job_free(job);
            return;
        }
        typist_job_add(job, codes, count);
    }
    type(call, job);
}

void control_type_text(struct control_call *call)
{
    struct typist_job *job = typist_job_new();
    const char *text = control_text(call->request, "text", ""), *at = text;
    for (size_t i = 0; *at; i++, at = g_utf8_next_char(at)) {
        bool shift;
        uint16_t codes[2] = { KEYMAP_SHIFT, keymap_character(g_utf8_get_char(at), &shift) };
        if (i >= TEXT_MAX || !codes[1]) {
            if (codes[1])
                control_fail(call, CONTROL_BAD_REQUEST, "the text has more than %d characters", TEXT_MAX);
            else
                control_fail(call, CONTROL_BAD_REQUEST, "the US keyboard has no character U+%04X",
                             g_utf8_get_char(at));
            typist_job_free(job);
            return;
        }
        typist_job_add(job, shift ? codes : codes + 1, shift ? 2 : 1);
    }
    type(call, job);
}

void control_mouse(struct control_call *call)
{
    static const char *const names[] = { "left", "right", "middle" };
    static const unsigned bits[] = { PC_BUTTON_LEFT, PC_BUTTON_RIGHT, PC_BUTTON_MIDDLE };
    const struct control_request *request = call->request;
    unsigned buttons = 0;
    const char *text;
    for (size_t i = 0; (text = control_text_of(request, "buttons", i)); i++) {
        size_t n = 0;
        while (n < G_N_ELEMENTS(names) && strcmp(names[n], text))
            n++;
        if (n == G_N_ELEMENTS(names)) {
            control_fail(call, CONTROL_BAD_REQUEST, "'%.40s' is no button: there are left, right and middle",
                         text);
            return;
        }
        buttons |= bits[n];
    }
    int x = (int)control_number(request, "x", -1), y = (int)control_number(request, "y", -1);
    if (x >= 0 && y >= 0) {
        if (machine_point(call->machine, x, y, (int)control_number(request, "wheel", 0), buttons))
            control_done(call);
        else
            control_fail(call, CONTROL_FAILED, "%s", "the guest has no tablet, or does not look at it");
        return;
    }
    machine_mouse(call->machine, (int)control_number(request, "dx", 0), (int)control_number(request, "dy", 0),
                  (int)control_number(request, "wheel", 0), buttons);
    control_done(call);
}
