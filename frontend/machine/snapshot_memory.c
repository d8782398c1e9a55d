/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory in snapshots. What nobody has written is not read, since that would give it room. What is restored
 * is stored only where it differs: what the processor made of all other pages stays good, and so do holes.
 */
#include "snapshots.h"

#include "error.h"
#include "machine_private.h"

#include <string.h>

enum { PAGE = 4096 };

static const uint8_t zeros[PAGE];

/* A piece of the VM's memory. */
struct piece {
    const char *name;
    uint64_t offset, size;
};

enum { PIECES_MAX = 3 };

static unsigned list_pieces(const struct machine *m, struct piece pieces[PIECES_MAX])
{
    unsigned count = 0;
    pieces[count++] = (struct piece){ "ram", m->ram, m->config.ram_size };
    if (m->rom.size)
        pieces[count++] = (struct piece){ "rom", m->rom_copy, m->rom.size };
    if (m->config.video_memory)
        pieces[count++] = (struct piece){ "video", m->video, VIDEO_MEMORY_ALL };
    return count;
}

/* ---- Out ---- */

static gboolean save_piece(struct machine *m, const struct piece *p, struct snapshot *snapshot,
                           GError **error)
{
    uint64_t from, to = p->offset, end = p->offset + p->size;
    if (!snapshot_add_memory(snapshot, p->name, p->size, error))
        return FALSE;
    while (d86_vm_next_written(m->vm, to, end, &from, &to))
        snapshot_copy(snapshot, p->name, from - p->offset, d86_vm_memory(m->vm, from, to - from), to - from);
    return TRUE;
}

gboolean snapshots_save_memory(struct machine *m, struct snapshot *snapshot, GError **error)
{
    struct piece pieces[PIECES_MAX];
    unsigned count = list_pieces(m, pieces);
    gboolean ok = TRUE;
    for (unsigned i = 0; i < count && ok; i++)
        ok = save_piece(m, &pieces[i], snapshot, error);
    return ok;
}

/* ---- In ---- */

gboolean snapshots_check_memory(const struct machine *m, const struct snapshot *snapshot, GError **error)
{
    struct piece pieces[PIECES_MAX];
    unsigned count = list_pieces(m, pieces);
    for (unsigned i = 0; i < count; i++) {
        uint64_t size = snapshot_memory_size(snapshot, pieces[i].name);
        if (size != pieces[i].size)
            return fail_with(error, FRONTEND_ERROR_USAGE,
                             "the snapshot has %" G_GUINT64_FORMAT
                             " bytes of %s, and this machine %" G_GUINT64_FORMAT,
                             size, pieces[i].name, pieces[i].size);
    }
    return TRUE;
}

struct load {
    struct d86_vm *vm;
    uint64_t base; /* of the piece */
};

static void store_changes(const struct load *l, uint64_t offset, const uint8_t *data, uint64_t size)
{
    const uint8_t *now = d86_vm_memory(l->vm, offset, size);
    for (uint64_t at = 0; at < size; at += PAGE) {
        uint64_t n = MIN(size - at, PAGE);
        const uint8_t *wanted = data ? data + at : zeros;
        if (memcmp(now + at, wanted, n))
            d86_vm_store(l->vm, offset + at, wanted, n);
    }
}

/* A hole stays one where it is to be zero: to look at it would fill it. */
static void store_into_hole(const struct load *l, uint64_t offset, const uint8_t *data, uint64_t size)
{
    for (uint64_t at = 0; data && at < size; at += PAGE) {
        uint64_t n = MIN(size - at, PAGE);
        if (memcmp(data + at, zeros, n))
            d86_vm_store(l->vm, offset + at, data + at, n);
    }
}

static const uint8_t *behind(const uint8_t *data, uint64_t n)
{
    return data ? data + n : NULL;
}

static void load_chunk(void *ctx, uint64_t offset, const uint8_t *data, uint64_t size)
{
    const struct load *l = ctx;
    uint64_t start = l->base + offset, at = start, end = start + size, from, to;
    while (at < end) {
        if (!d86_vm_next_written(l->vm, at, end, &from, &to))
            from = to = end;
        from = MAX(from, at);
        store_into_hole(l, at, behind(data, at - start), from - at);
        store_changes(l, from, behind(data, from - start), to - from);
        at = to;
    }
}

gboolean snapshots_load_memory(struct machine *m, const struct snapshot *snapshot, GError **error)
{
    struct piece pieces[PIECES_MAX];
    unsigned count = list_pieces(m, pieces);
    gboolean ok = TRUE;
    for (unsigned i = 0; i < count && ok; i++) {
        struct load l = { .vm = m->vm, .base = pieces[i].offset };
        ok = snapshot_unpack(snapshot, pieces[i].name, load_chunk, &l, error);
    }
    return ok;
}
