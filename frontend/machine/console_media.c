/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Media changed by name while the machine runs.
 */
#include "machine_private.h"

#include "drives.h"
#include "error.h"
#include "medium.h"

#include <string.h>

unsigned machine_drives(struct machine *m, struct machine_drive drives[PC_DRIVES])
{
    unsigned count = 0;
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < PC_DRIVES; i++) {
        enum device_drive kind = m->config.drives[i];
        struct device_medium facts;
        if (kind == DEVICE_DRIVE_NONE)
            continue;
        medium_describe(m->medium[i], &facts);
        drives[count++] = (struct machine_drive){
            .name = drives_name((enum pc_drive)i),
            .changeable = kind != DEVICE_DRIVE_DISK,
            .read_only = facts.read_only,
            .file = m->medium[i] ? g_strdup(medium_path(m->medium[i])) : NULL,
        };
    }
    pthread_mutex_unlock(&m->lock);
    return count;
}

static gboolean find(const struct machine *m, const char *name, enum pc_drive *drive, GError **error)
{
    for (unsigned i = 0; i < PC_DRIVES; i++) {
        *drive = (enum pc_drive)i;
        if (!strcmp(drives_name(*drive), name) && m->config.drives[i] != DEVICE_DRIVE_NONE)
            return TRUE;
    }
    return fail_with(error, FRONTEND_ERROR_USAGE, "there is no drive '%s'", name);
}

/* Opening and closing are done while the guest goes on: servers may take their time. */
static gboolean change(struct machine *m, enum pc_drive drive, struct medium *medium, bool force,
                       GError **error)
{
    machine_hold(m);
    gboolean ok = drives_change(m, drive, &medium, force, error);
    machine_let_go(m);
    medium_unref(medium);
    return ok;
}

gboolean machine_insert(struct machine *m, const char *name, const char *file, bool read_only, bool force,
                        GError **error)
{
    enum pc_drive drive;
    struct medium *medium = NULL;
    char *image = g_strconcat(file, read_only ? ",ro" : "", NULL);
    if (find(m, name, &drive, error))
        medium = drives_open_medium(m, drive, image, error);
    g_free(image);
    return medium && change(m, drive, medium, force, error);
}

gboolean machine_eject(struct machine *m, const char *name, bool force, GError **error)
{
    enum pc_drive drive;
    return find(m, name, &drive, error) && change(m, drive, NULL, force, error);
}
