/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands about snapshots. To write and to read one takes its time, which a thread has.
 */
#include "server_private.h"

#include "snapshots.h"

static void work(struct control_call *call, gboolean (*run)(struct machine *, const char *, GError **))
{
    call->work = g_new(struct control_work, 1);
    *call->work =
        (struct control_work){ .run = run, .file = g_strdup(control_text(call->request, "file", "")) };
}

void control_snapshot_save(struct control_call *call)
{
    work(call, machine_save);
}

void control_snapshot_load(struct control_call *call)
{
    work(call, machine_load);
}

/* What is no snapshot is not listed, and one that cannot be used with a word why. */
static json_t *describe(const char *path, const char *name)
{
    GError *error = NULL;
    char *shown = g_utf8_make_valid(name, -1);
    struct snapshots_facts facts;
    json_t *entry = NULL;
    if (snapshots_look(path, &facts, &error)) {
        entry = json_pack("{s:s, s:s, s:I, s:I, s:I}", "file", shown, "machine", facts.machine, "time_ns",
                          (json_int_t)facts.elapsed, "saved", (json_int_t)facts.saved, "size",
                          (json_int_t)facts.size);
        g_free(facts.machine);
    } else if (!g_error_matches(error, SNAPSHOT_ERROR, SNAPSHOT_ERROR_NONE)) {
        entry = json_pack("{s:s, s:s}", "file", shown, "error", error->message);
    }
    g_clear_error(&error);
    g_free(shown);
    return entry;
}

void control_snapshot_list(struct control_call *call)
{
    const char *folder = control_text(call->request, "folder", "."), *name;
    GError *error = NULL;
    GDir *dir = g_dir_open(folder, 0, &error);
    if (!dir) {
        control_fail(call, CONTROL_FAILED, "%s", error->message);
        g_error_free(error);
        return;
    }
    json_t *list = json_array();
    while ((name = g_dir_read_name(dir))) {
        char *path = g_build_filename(folder, name, NULL);
        json_t *entry = g_file_test(path, G_FILE_TEST_IS_REGULAR) ? describe(path, name) : NULL;
        if (entry)
            json_array_append_new(list, entry);
        g_free(path);
    }
    g_dir_close(dir);
    call->result = json_pack("{s:o}", "snapshots", list);
}
