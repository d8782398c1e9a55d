/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands about drives and what is in them.
 */
#include "server_private.h"

void control_media(struct control_call *call)
{
    struct machine_drive drives[PC_DRIVES];
    unsigned count = machine_drives(call->machine, drives);
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) {
        json_t *drive = json_pack("{s:s, s:b}", "drive", drives[i].name, "changeable", drives[i].changeable);
        if (drives[i].file) {
            char *file = g_utf8_make_valid(drives[i].file, -1);
            json_object_set_new(drive, "file", json_string(file));
            json_object_set_new(drive, "read-only", json_boolean(drives[i].read_only));
            g_free(file);
        }
        json_array_append_new(list, drive);
        g_free(drives[i].file);
    }
    call->result = json_pack("{s:o}", "drives", list);
}

static void outcome(struct control_call *call, gboolean ok, GError *error)
{
    if (ok)
        control_done(call);
    else
        control_fail(call, CONTROL_FAILED, "%s", error->message);
    g_clear_error(&error);
}

void control_insert(struct control_call *call)
{
    const struct control_request *request = call->request;
    GError *error = NULL;
    gboolean ok =
        machine_insert(call->machine, control_text(request, "drive", ""), control_text(request, "file", ""),
                       control_flag(request, "read-only"), control_flag(request, "force"), &error);
    outcome(call, ok, error);
}

void control_eject(struct control_call *call)
{
    const struct control_request *request = call->request;
    GError *error = NULL;
    gboolean ok = machine_eject(call->machine, control_text(request, "drive", ""),
                                control_flag(request, "force"), &error);
    outcome(call, ok, error);
}
