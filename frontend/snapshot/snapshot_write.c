/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Snapshots into files, packed by libzstd: at its lowest level it is as quick as a disk, and each frame ends
 * with a checksum of what is in it. Chunks are packed by all processors and written in their order. The file
 * gets its name when it is complete.
 */
#include "snapshot_private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 1 };

struct writer {
    int fd;
    const char *path;
    uint64_t at;
};

/* ---- The file ---- */

static gboolean put_at(struct writer *w, uint64_t at, const void *data, size_t size, GError **error)
{
    const uint8_t *from = data;
    while (size) {
        ssize_t n = pwrite(w->fd, from, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_errno(error, n < 0 ? -errno : -ENOSPC, NULL, "cannot write the snapshot '%s'",
                              w->path);
        from += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return TRUE;
}

static gboolean put(struct writer *w, const void *data, size_t size, GError **error)
{
    gboolean ok = put_at(w, w->at, data, size, error);
    w->at += size;
    return ok;
}

uint64_t snapshot_record_check(const struct snapshot_record *record)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    const uint8_t *bytes = (const uint8_t *)record;
    for (size_t i = 0; i < offsetof(struct snapshot_record, check); i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static struct snapshot_record record_of(enum snapshot_kind kind, const char *name, uint32_t version,
                                        uint64_t size, uint64_t packed)
{
    struct snapshot_record r = { .kind = kind, .version = version, .size = size, .packed = packed };
    g_strlcpy(r.name, name, sizeof r.name);
    r.check = snapshot_record_check(&r);
    return r;
}

/* ---- Packing ---- */

static ZSTD_CCtx *packer_new(void)
{
    ZSTD_CCtx *packer = ZSTD_createCCtx();
    if (packer) {
        ZSTD_CCtx_setParameter(packer, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(packer, ZSTD_c_checksumFlag, 1);
    }
    return packer;
}

/* NULL: there is no memory for it. */
static GByteArray *pack(const void *data, size_t size)
{
    ZSTD_CCtx *packer = packer_new();
    GByteArray *packed = g_byte_array_new();
    g_byte_array_set_size(packed, (guint)ZSTD_compressBound(size));
    size_t n = packer ? ZSTD_compress2(packer, packed->data, packed->len, data, size) : (size_t)-1;
    ZSTD_freeCCtx(packer);
    if (packer && !ZSTD_isError(n)) {
        g_byte_array_set_size(packed, (guint)n);
        return packed;
    }
    g_byte_array_unref(packed);
    return NULL;
}

static gboolean no_memory(GError **error)
{
    return fail_errno(error, -ENOMEM, NULL, "cannot pack the snapshot");
}

static gboolean put_section(struct writer *w, const struct snapshot_section *s, GError **error)
{
    GByteArray *packed = pack(s->bytes->data, s->bytes->len);
    if (!packed)
        return no_memory(error);
    const struct snapshot_record r =
        record_of(SNAPSHOT_SECTION, s->name, s->version, s->bytes->len, packed->len);
    gboolean ok = put(w, &r, sizeof r, error) && put(w, packed->data, packed->len, error);
    g_byte_array_unref(packed);
    return ok;
}

/* ---- Memory ---- */

/* A chunk on its way through a thread that packs it. */
struct chunk {
    uint32_t number;
    const uint8_t *data;
    size_t size;
    bool empty;
    GByteArray *packed; /* NULL: it is empty, or there was no memory */
};

struct packing {
    GThreadPool *pool;
    GMutex lock;
    GCond done;
    struct chunk *chunks;
    uint32_t count, begun;
    bool *ready; /* by chunk; guarded by the lock */
};

static bool is_empty(const uint8_t *data, size_t size)
{
    return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

static void pack_chunk(gpointer item, gpointer ctx)
{
    struct packing *p = ctx;
    struct chunk *c = item;
    c->empty = is_empty(c->data, c->size);
    if (!c->empty)
        c->packed = pack(c->data, c->size);
    g_mutex_lock(&p->lock);
    p->ready[c->number] = true;
    g_cond_signal(&p->done);
    g_mutex_unlock(&p->lock);
}

/* So many at once, that not all of them are in memory a second time. */
static void begin_chunks(struct packing *p, uint32_t until)
{
    for (; p->begun < MIN(until, p->count); p->begun++)
        g_thread_pool_push(p->pool, &p->chunks[p->begun], NULL);
}

static struct chunk *wait_for_chunk(struct packing *p, uint32_t number)
{
    g_mutex_lock(&p->lock);
    while (!p->ready[number])
        g_cond_wait(&p->done, &p->lock);
    g_mutex_unlock(&p->lock);
    return &p->chunks[number];
}

static gboolean put_chunk(struct writer *w, const struct chunk *c, GError **error)
{
    if (c->empty)
        return TRUE;
    if (!c->packed)
        return no_memory(error);
    const struct snapshot_packed head = { .number = c->number, .size = c->packed->len };
    return put(w, &head, sizeof head, error) && put(w, c->packed->data, c->packed->len, error);
}

static gboolean put_chunks(struct writer *w, struct packing *p, GError **error)
{
    enum { AHEAD = 32 };
    gboolean ok = TRUE;
    for (uint32_t i = 0; i < p->count && ok; i++) {
        begin_chunks(p, i + AHEAD);
        struct chunk *c = wait_for_chunk(p, i);
        ok = put_chunk(w, c, error);
        g_clear_pointer(&c->packed, g_byte_array_unref);
    }
    return ok;
}

static void plan_chunks(struct packing *p, const struct snapshot_memory *m)
{
    p->count = (uint32_t)((m->size + SNAPSHOT_CHUNK - 1) / SNAPSHOT_CHUNK);
    p->chunks = g_new0(struct chunk, p->count);
    p->ready = g_new0(bool, p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        uint64_t offset = (uint64_t)i * SNAPSHOT_CHUNK;
        p->chunks[i] = (struct chunk){ .number = i,
                                       .data = m->copy + offset,
                                       .size = (size_t)MIN(m->size - offset, SNAPSHOT_CHUNK) };
    }
}

static gboolean put_memory(struct writer *w, const struct snapshot_memory *m, GError **error)
{
    struct packing p = { 0 };
    uint64_t at = w->at;
    g_mutex_init(&p.lock);
    g_cond_init(&p.done);
    plan_chunks(&p, m);
    p.pool = g_thread_pool_new(pack_chunk, &p, (gint)g_get_num_processors(), FALSE, NULL);
    w->at += sizeof(struct snapshot_record);
    gboolean ok = put_chunks(w, &p, error);
    g_thread_pool_free(p.pool, FALSE, TRUE);
    for (uint32_t i = 0; i < p.count; i++)
        g_clear_pointer(&p.chunks[i].packed, g_byte_array_unref);
    g_free(p.chunks);
    g_free(p.ready);
    g_mutex_clear(&p.lock);
    g_cond_clear(&p.done);
    const struct snapshot_record r =
        record_of(SNAPSHOT_MEMORY, m->name, 0, m->size, w->at - at - sizeof(struct snapshot_record));
    return ok && put_at(w, at, &r, sizeof r, error);
}

/* ---- All of it ---- */

static gboolean put_all(struct writer *w, const struct snapshot *s, GError **error)
{
    const struct snapshot_header header = { .magic = SNAPSHOT_MAGIC, .version = SNAPSHOT_VERSION };
    const struct snapshot_record end = record_of(SNAPSHOT_END, "end", 0, 0, 0);
    gboolean ok = put(w, &header, sizeof header, error);
    for (guint i = 0; i < s->sections->len && ok; i++)
        ok = put_section(w, snapshot_section(s, i), error);
    for (guint i = 0; i < s->memories->len && ok; i++)
        ok = put_memory(w, &g_array_index(s->memories, struct snapshot_memory, i), error);
    ok = ok && put(w, &end, sizeof end, error);
    if (ok && fsync(w->fd) < 0 && errno != EINVAL)
        return fail_errno(error, -errno, NULL, "cannot write the snapshot '%s'", w->path);
    return ok;
}

gboolean snapshot_write(const struct snapshot *s, const char *path, GError **error)
{
    char *name = g_strdup_printf("%s.XXXXXX", path);
    struct writer w = { .fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600), .path = path };
    gboolean ok = w.fd >= 0;
    if (!ok)
        fail_errno(error, -errno, NULL, "cannot make the snapshot '%s'", path);
    ok = ok && put_all(&w, s, error);
    if (w.fd >= 0)
        close(w.fd);
    if (ok && rename(name, path) < 0)
        ok = fail_errno(error, -errno, NULL, "cannot make the snapshot '%s'", path);
    if (!ok && w.fd >= 0)
        unlink(name);
    g_free(name);
    return ok;
}
