/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Snapshots from files. The file is mapped, and memory is unpacked from there when it is asked for, by all
 * processors, a few chunks ahead of whoever takes them.
 */
#include "snapshot_private.h"

#include "error.h"

#include <errno.h>
#include <string.h>
#include <zstd.h>

enum { SECTION_MAX = 1 << 30 }; /* bytes */

static gboolean damaged(const struct snapshot *s, GError **error)
{
    return fail_with(error, FRONTEND_ERROR_HOST, "the snapshot '%s' is damaged or cut off", s->path);
}

/* ---- Records ---- */

static gboolean unpack(const struct snapshot *s, const uint8_t *packed, size_t size, uint8_t *data,
                       size_t data_size, GError **error)
{
    size_t n = ZSTD_decompress(data, data_size, packed, size);
    return (!ZSTD_isError(n) && n == data_size) || damaged(s, error);
}

static gboolean take_section(struct snapshot *s, const struct snapshot_record *r, const uint8_t *packed,
                             GError **error)
{
    if (r->size > SECTION_MAX)
        return damaged(s, error);
    GByteArray *bytes = snapshot_add(s, r->name, r->version);
    g_byte_array_set_size(bytes, (guint)r->size);
    return unpack(s, packed, r->packed, bytes->data, r->size, error);
}

static gboolean take_record(struct snapshot *s, const struct snapshot_record *r, const uint8_t *packed,
                            GError **error)
{
    if (r->kind == SNAPSHOT_SECTION)
        return take_section(s, r, packed, error);
    if (r->kind != SNAPSHOT_MEMORY)
        return damaged(s, error);
    struct snapshot_memory m = { .size = r->size, .packed = packed, .packed_size = r->packed };
    memcpy(m.name, r->name, sizeof m.name);
    g_array_append_val(s->memories, m);
    return TRUE;
}

static gboolean take_records(struct snapshot *s, const uint8_t *at, size_t left, GError **error)
{
    struct snapshot_record r;
    while (left >= sizeof r) {
        memcpy(&r, at, sizeof r);
        at += sizeof r;
        left -= sizeof r;
        if (r.check != snapshot_record_check(&r) || r.packed > left || r.name[SNAPSHOT_NAME - 1])
            break;
        if (r.kind == SNAPSHOT_END)
            return left == 0 || damaged(s, error);
        if (!take_record(s, &r, at, error))
            return FALSE;
        at += r.packed;
        left -= r.packed;
    }
    return damaged(s, error);
}

static gboolean take_file(struct snapshot *s, GError **error)
{
    struct snapshot_header header;
    size_t size = g_mapped_file_get_length(s->file);
    const uint8_t *at = (const uint8_t *)g_mapped_file_get_contents(s->file);
    if (size < sizeof header || memcmp(at, SNAPSHOT_MAGIC, sizeof header.magic)) {
        g_set_error(error, SNAPSHOT_ERROR, SNAPSHOT_ERROR_NONE, "'%s' is no snapshot", s->path);
        return FALSE;
    }
    memcpy(&header, at, sizeof header);
    if (header.version != SNAPSHOT_VERSION)
        return fail_with(
            error, FRONTEND_ERROR_USAGE,
            "the snapshot '%s' is in version %u of the format, and this program knows version %d", s->path,
            header.version, SNAPSHOT_VERSION);
    return take_records(s, at + sizeof header, size - sizeof header, error);
}

struct snapshot *snapshot_read(const char *path, GError **error)
{
    struct snapshot *s = snapshot_new();
    GError *failed = NULL;
    s->path = g_strdup(path);
    s->file = g_mapped_file_new(path, FALSE, &failed);
    if (!s->file) {
        fail_with(error, FRONTEND_ERROR_HOST, "cannot open the snapshot '%s': %s", path, failed->message);
        g_error_free(failed);
    }
    if (s->file && take_file(s, error))
        return s;
    snapshot_free(s);
    return NULL;
}

/* ---- Memory ---- */

enum { AHEAD = 32 };

/* A chunk on its way through a thread that unpacks it. */
struct chunk {
    const uint8_t *packed; /* NULL: it is all zero */
    size_t packed_size, size;
    uint8_t *data;
    bool ready, good; /* guarded by the lock */
};

struct unpacking {
    GThreadPool *pool;
    GMutex lock;
    GCond done;
    struct chunk *chunks;
    uint32_t count, begun;
};

static void unpack_chunk(gpointer item, gpointer ctx)
{
    struct unpacking *u = ctx;
    struct chunk *c = item;
    size_t n = ZSTD_decompress(c->data, c->size, c->packed, c->packed_size);
    g_mutex_lock(&u->lock);
    c->ready = true;
    c->good = !ZSTD_isError(n) && n == c->size;
    g_cond_signal(&u->done);
    g_mutex_unlock(&u->lock);
}

/* Where each chunk is. False: they are not as they are written. */
static bool find_chunks(struct unpacking *u, const struct snapshot_memory *m)
{
    const uint8_t *at = m->packed, *end = at + m->packed_size;
    struct snapshot_packed head;
    while (at < end) {
        if ((size_t)(end - at) < sizeof head)
            return false;
        memcpy(&head, at, sizeof head);
        at += sizeof head;
        if (head.number >= u->count || head.size > (size_t)(end - at) || u->chunks[head.number].packed)
            return false;
        u->chunks[head.number].packed = at;
        u->chunks[head.number].packed_size = head.size;
        at += head.size;
    }
    return true;
}

static void begin_chunks(struct unpacking *u, uint32_t until)
{
    for (; u->begun < MIN(until, u->count); u->begun++) {
        struct chunk *c = &u->chunks[u->begun];
        if (!c->packed)
            continue;
        c->data = g_malloc(c->size);
        g_thread_pool_push(u->pool, c, NULL);
    }
}

static bool wait_for_chunk(struct unpacking *u, struct chunk *c)
{
    bool good;
    if (!c->packed)
        return true;
    g_mutex_lock(&u->lock);
    while (!c->ready)
        g_cond_wait(&u->done, &u->lock);
    good = c->good;
    g_mutex_unlock(&u->lock);
    return good;
}

static bool unpack_all(struct unpacking *u, snapshot_chunk_fn *chunk, void *ctx)
{
    bool good = true;
    for (uint32_t i = 0; i < u->count && good; i++) {
        struct chunk *c = &u->chunks[i];
        begin_chunks(u, i + AHEAD);
        good = wait_for_chunk(u, c);
        if (good)
            chunk(ctx, (uint64_t)i * SNAPSHOT_CHUNK, c->data, c->size);
        g_clear_pointer(&c->data, g_free);
    }
    return good;
}

static bool unpack_memory(const struct snapshot_memory *m, snapshot_chunk_fn *chunk, void *ctx)
{
    struct unpacking u = { .count = (uint32_t)((m->size + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK) };
    u.chunks = g_new0(struct chunk, u.count);
    for (uint32_t i = 0; i < u.count; i++)
        u.chunks[i].size = (size_t)MIN(m->size - (uint64_t)i * SNAPSHOT_CHUNK, SNAPSHOT_CHUNK);
    g_mutex_init(&u.lock);
    g_cond_init(&u.done);
    u.pool = g_thread_pool_new(unpack_chunk, &u, (gint)g_get_num_processors(), FALSE, NULL);
    bool good = find_chunks(&u, m) && unpack_all(&u, chunk, ctx);
    g_thread_pool_free(u.pool, FALSE, TRUE);
    for (uint32_t i = 0; i < u.count; i++)
        g_free(u.chunks[i].data);
    g_free(u.chunks);
    g_mutex_clear(&u.lock);
    g_cond_clear(&u.done);
    return good;
}

/* One that was never in a file. */
static void hand_out_copy(const struct snapshot_memory *m, snapshot_chunk_fn *chunk, void *ctx)
{
    for (uint64_t at = 0; at < m->size; at += SNAPSHOT_CHUNK)
        chunk(ctx, at, m->copy + at, MIN(m->size - at, SNAPSHOT_CHUNK));
}

gboolean snapshot_unpack(const struct snapshot *s, const char *name, snapshot_chunk_fn *chunk, void *ctx,
                         GError **error)
{
    const struct snapshot_memory *m = snapshot_memory_of(s, name);
    g_assert(m);
    if (!m->copy)
        return unpack_memory(m, chunk, ctx) || damaged(s, error);
    hand_out_copy(m, chunk, ctx);
    return TRUE;
}
