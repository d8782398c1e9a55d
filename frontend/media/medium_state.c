/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a snapshot of a machine has to know of a medium: whether the image is still the one it was, and what
 * was written over it.
 */
#include "medium_private.h"

#include <sys/stat.h>

bool medium_stamp(const struct medium *m, int64_t *ns)
{
    struct stat st;
    if (!m->is_file || stat(m->path, &st) < 0)
        return false;
    *ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    return true;
}

bool medium_has_overlay(const struct medium *m)
{
    return m->overlay != NULL;
}

void medium_each_written(const struct medium *m, medium_run_fn *run, void *ctx)
{
    uint32_t size;
    for (uint64_t at = 0; at < m->size; at += size) {
        bool written;
        size = overlay_run(m->overlay, at, (uint32_t)MIN(m->size - at, MEDIUM_RUN_MAX), &written);
        if (written)
            run(ctx, at, size);
    }
}

gboolean medium_forget_written(struct medium *m, GError **error)
{
    struct overlay *empty = overlay_new(m->size, error);
    if (!empty)
        return FALSE;
    overlay_free(m->overlay);
    m->overlay = empty;
    return TRUE;
}

int medium_read_bytes(struct medium *m, uint64_t offset, uint8_t *data, uint32_t size)
{
    uint32_t done;
    return medium_read(m, offset, data, size, &done);
}

int medium_write_bytes(struct medium *m, uint64_t offset, const uint8_t *data, uint32_t size)
{
    uint32_t done;
    return medium_write(m, offset, data, size, &done);
}
