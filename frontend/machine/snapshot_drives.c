/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Drives in snapshots. Images stay where they are: a snapshot knows which they were, and is refused if one of
 * them has changed since, for the guest keeps in its memory what it believes to be on its disks. What was
 * written over an image that is to stay as it is has no other place, and goes into the snapshot.
 */
#include "snapshots.h"

#include "drives.h"
#include "error.h"
#include "machine_private.h"
#include "medium.h"

#include <string.h>

/* A section "drive.hda" for each drive there is. */
enum { DRIVE_VERSION = 1 };

struct drive_state {
    uint32_t kind; /* enum device_drive */
    uint8_t present, read_only, has_overlay, has_stamp;
    uint64_t size;
    int64_t stamp; /* medium_stamp() */
    char path[];   /* as it was given */
};

/* Behind it, in "written.hda", the pieces that were written; their bytes are memory "overlay.hda". */
struct written {
    uint64_t offset, size;
};

static char *section_name(const char *kind, unsigned drive)
{
    return g_strdup_printf("%s.%s", kind, drives_name((enum pc_drive)drive));
}

static struct drive_state describe(const struct machine *m, unsigned drive)
{
    const struct medium *medium = m->medium[drive];
    struct device_medium facts = { 0 };
    struct drive_state s = { .kind = m->config.drives[drive] };
    medium_describe(medium, &facts);
    s.present = facts.present;
    s.read_only = facts.read_only;
    s.size = facts.size;
    s.has_overlay = medium && medium_has_overlay(medium);
    s.has_stamp = medium && medium_stamp(medium, &s.stamp);
    return s;
}

/* ---- Out ---- */

struct saving {
    struct medium *medium;
    struct snapshot *snapshot;
    GByteArray *written;
    const char *name;
    uint8_t *bytes;
    int err;
};

static void save_run(void *ctx, uint64_t offset, uint32_t size)
{
    struct saving *s = ctx;
    const struct written w = { offset, size };
    if (!s->err)
        s->err = medium_read_bytes(s->medium, offset, s->bytes, size);
    if (s->err)
        return;
    g_byte_array_append(s->written, (const guint8 *)&w, sizeof w);
    snapshot_copy(s->snapshot, s->name, offset, s->bytes, size);
}

static gboolean save_overlay(struct machine *m, unsigned drive, struct snapshot *snapshot, GError **error)
{
    struct medium *medium = m->medium[drive];
    char *name = section_name("overlay", drive), *list = section_name("written", drive);
    struct saving s = { .medium = medium, .snapshot = snapshot, .name = name };
    gboolean ok = snapshot_add_memory(snapshot, name, describe(m, drive).size, error);
    if (ok) {
        s.written = snapshot_add(snapshot, list, DRIVE_VERSION);
        s.bytes = g_malloc(MEDIUM_RUN_MAX);
        medium_each_written(medium, save_run, &s);
        g_free(s.bytes);
        if (s.err)
            ok = fail_errno(error, -s.err, NULL, "cannot read what was written over '%s'",
                            medium_path(medium));
    }
    g_free(name);
    g_free(list);
    return ok;
}

static void save_drive(struct machine *m, unsigned drive, struct snapshot *snapshot)
{
    const struct drive_state s = describe(m, drive);
    const char *path = m->medium[drive] ? medium_path(m->medium[drive]) : "";
    char *name = section_name("drive", drive);
    GByteArray *bytes = snapshot_add(snapshot, name, DRIVE_VERSION);
    g_byte_array_append(bytes, (const guint8 *)&s, sizeof s);
    g_byte_array_append(bytes, (const guint8 *)path, (guint)strlen(path) + 1);
    g_free(name);
}

gboolean snapshots_save_drives(struct machine *m, struct snapshot *snapshot, GError **error)
{
    gboolean ok = TRUE;
    for (unsigned i = 0; i < PC_DRIVES && ok; i++) {
        if (m->config.drives[i] == DEVICE_DRIVE_NONE)
            continue;
        save_drive(m, i, snapshot);
        if (m->medium[i] && medium_has_overlay(m->medium[i]))
            ok = save_overlay(m, i, snapshot, error);
    }
    return ok;
}

/* ---- Does it fit? ---- */

static gboolean refuse(GError **error, unsigned drive, const char *path, const char *text)
{
    return fail_with(error, FRONTEND_ERROR_USAGE, "the snapshot does not fit: in drive %s, '%s' %s",
                     drives_name((enum pc_drive)drive), path, text);
}

static gboolean check_medium(const struct drive_state *then, const char *path, const struct drive_state *now,
                             unsigned drive, GError **error)
{
    if (!then->present && !now->present)
        return TRUE;
    if (then->present != now->present)
        return refuse(error, drive, path, now->present ? "was not there" : "is missing");
    if (then->size != now->size)
        return refuse(error, drive, path, "had another size");
    if (then->read_only != now->read_only)
        return refuse(error, drive, path,
                      then->read_only ? "could not be written" : "could be written: start without ,ro");
    if (then->has_overlay != now->has_overlay)
        return refuse(error, drive, path,
                      then->has_overlay ? "was not to be changed: start with ,snapshot or --snapshot"
                                        : "was to be changed: start without ,snapshot");
    if (then->has_stamp && now->has_stamp && then->stamp != now->stamp)
        return refuse(
            error, drive, path,
            "has changed since the snapshot was saved: what the guest has in its memory would spoil it; "
            "use the image as it was then");
    return TRUE;
}

static gboolean check_drive(const struct machine *m, unsigned drive, const struct snapshot *snapshot,
                            GError **error)
{
    char *name = section_name("drive", drive);
    const struct snapshot_section *section = snapshot_find(snapshot, name);
    struct drive_state then, now = describe(m, drive);
    g_free(name);
    if (!section || section->version != DRIVE_VERSION || section->bytes->len <= sizeof then ||
        section->bytes->data[section->bytes->len - 1])
        return refuse(error, drive, "the drive", "is not in it, or is of another version of this program");
    memcpy(&then, section->bytes->data, sizeof then);
    const char *path = (const char *)section->bytes->data + sizeof then;
    return check_medium(&then, *path ? path : "a medium", &now, drive, error);
}

gboolean snapshots_check_drives(const struct machine *m, const struct snapshot *snapshot, GError **error)
{
    gboolean ok = TRUE;
    for (unsigned i = 0; i < PC_DRIVES && ok; i++) {
        if (m->config.drives[i] != DEVICE_DRIVE_NONE)
            ok = check_drive(m, i, snapshot, error);
    }
    return ok;
}

/* ---- In ---- */

struct loading {
    struct medium *medium;
    const struct written *written;
    guint count;
    int err;
};

/* The part of each piece that is in the chunk. Written zeros are pieces, too. */
static void load_chunk(void *ctx, uint64_t offset, const uint8_t *data, uint64_t size)
{
    struct loading *l = ctx;
    uint8_t *zeros = data ? NULL : g_malloc0(size);
    const uint8_t *bytes = data ? data : zeros;
    for (guint i = 0; i < l->count && !l->err; i++) {
        uint64_t from = MAX(l->written[i].offset, offset);
        uint64_t to = MIN(l->written[i].offset + l->written[i].size, offset + size);
        if (from < to)
            l->err = medium_write_bytes(l->medium, from, bytes + (from - offset), (uint32_t)(to - from));
    }
    g_free(zeros);
}

static gboolean load_overlay(struct medium *medium, unsigned drive, const struct snapshot *snapshot,
                             GError **error)
{
    char *name = section_name("overlay", drive), *list = section_name("written", drive);
    const struct snapshot_section *section = snapshot_find(snapshot, list);
    struct loading l = { .medium = medium };
    gboolean ok = section && snapshot_memory_size(snapshot, name);
    if (!ok) {
        refuse(error, drive, medium_path(medium), "has nothing of what was written to it");
    } else {
        l.written = (const struct written *)(void *)section->bytes->data;
        l.count = section->bytes->len / sizeof *l.written;
        ok = medium_forget_written(medium, error) && snapshot_unpack(snapshot, name, load_chunk, &l, error);
        if (ok && l.err)
            ok = fail_errno(error, -l.err, NULL, "cannot write over '%s'", medium_path(medium));
    }
    g_free(name);
    g_free(list);
    return ok;
}

gboolean snapshots_load_drives(struct machine *m, const struct snapshot *snapshot, GError **error)
{
    gboolean ok = TRUE;
    for (unsigned i = 0; i < PC_DRIVES && ok; i++) {
        if (m->medium[i] && medium_has_overlay(m->medium[i]))
            ok = load_overlay(m->medium[i], i, snapshot, error);
    }
    return ok;
}
