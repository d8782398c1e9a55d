/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Snapshots in memory.
 */
#include "snapshot_private.h"

#include "error.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

G_DEFINE_QUARK(d86 - snapshot, snapshot_error)

static void clear_section(gpointer data)
{
    struct snapshot_section *s = data;
    g_byte_array_unref(s->bytes);
}

static void clear_memory(gpointer data)
{
    struct snapshot_memory *m = data;
    if (m->copy)
        munmap(m->copy, m->size);
}

struct snapshot *snapshot_new(void)
{
    struct snapshot *s = g_new0(struct snapshot, 1);
    s->sections = g_array_new(FALSE, TRUE, sizeof(struct snapshot_section));
    s->memories = g_array_new(FALSE, TRUE, sizeof(struct snapshot_memory));
    g_array_set_clear_func(s->sections, clear_section);
    g_array_set_clear_func(s->memories, clear_memory);
    return s;
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    g_array_unref(s->sections);
    g_array_unref(s->memories);
    if (s->file)
        g_mapped_file_unref(s->file);
    g_free(s->path);
    g_free(s);
}

/* ---- Sections ---- */

GByteArray *snapshot_add(struct snapshot *s, const char *name, uint32_t version)
{
    struct snapshot_section new = { .version = version, .bytes = g_byte_array_new() };
    g_strlcpy(new.name, name, sizeof new.name);
    g_array_append_val(s->sections, new);
    return new.bytes;
}

const struct snapshot_section *snapshot_section(const struct snapshot *s, unsigned number)
{
    return number < s->sections->len ? &g_array_index(s->sections, struct snapshot_section, number) : NULL;
}

const struct snapshot_section *snapshot_find(const struct snapshot *s, const char *name)
{
    const struct snapshot_section *section;
    for (unsigned i = 0; (section = snapshot_section(s, i)); i++) {
        if (!strcmp(section->name, name))
            return section;
    }
    return NULL;
}

/* ---- Memory ---- */

const struct snapshot_memory *snapshot_memory_of(const struct snapshot *s, const char *name)
{
    for (guint i = 0; i < s->memories->len; i++) {
        const struct snapshot_memory *m = &g_array_index(s->memories, struct snapshot_memory, i);
        if (!strcmp(m->name, name))
            return m;
    }
    return NULL;
}

gboolean snapshot_add_memory(struct snapshot *s, const char *name, uint64_t size, GError **error)
{
    struct snapshot_memory new = { .size = size };
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (copy == MAP_FAILED)
        return fail_errno(error, -errno, NULL,
                          "there is no room for a copy of the guest's memory, %" G_GUINT64_FORMAT " MiB",
                          size >> 20);
    new.copy = copy;
    g_strlcpy(new.name, name, sizeof new.name);
    g_array_append_val(s->memories, new);
    return TRUE;
}

void snapshot_copy(struct snapshot *s, const char *name, uint64_t offset, const void *data, uint64_t size)
{
    const struct snapshot_memory *m = snapshot_memory_of(s, name);
    memcpy(m->copy + offset, data, size);
}

uint64_t snapshot_memory_size(const struct snapshot *s, const char *name)
{
    const struct snapshot_memory *m = snapshot_memory_of(s, name);
    return m ? m->size : 0;
}
