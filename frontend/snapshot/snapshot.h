/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine at a moment: sections of bytes, and pieces of memory, which are large and mostly empty. In a file
 * each section has a name, a version, and a check of its own (docs/snapshots.md). Nothing here knows what the
 * bytes mean.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct snapshot;

enum { SNAPSHOT_NAME = 48, SNAPSHOT_CHUNK = 1 << 20 };

struct snapshot_section {
    char name[SNAPSHOT_NAME];
    uint32_t version;
    GByteArray *bytes;
};

/* No snapshot at all. Everything else is the frontend's, as in error.h. */
#define SNAPSHOT_ERROR (snapshot_error_quark())
enum { SNAPSHOT_ERROR_NONE };
GQuark snapshot_error_quark(void);

struct snapshot *snapshot_new(void);
/* NULL is allowed. */
void snapshot_free(struct snapshot *snapshot);

/* ---- Sections ---- */

/* The caller fills its bytes, which the snapshot has. */
GByteArray *snapshot_add(struct snapshot *snapshot, const char *name, uint32_t version);
/* NULL: there is none of that name. */
const struct snapshot_section *snapshot_find(const struct snapshot *snapshot, const char *name);
/* By number from 0; NULL: there are no more. */
const struct snapshot_section *snapshot_section(const struct snapshot *snapshot, unsigned number);

/* ---- Memory: in chunks of SNAPSHOT_CHUNK, of which those with nothing but zeros are left out ---- */

/* A piece of memory of `size` bytes, all zero until something is copied there. */
gboolean snapshot_add_memory(struct snapshot *snapshot, const char *name, uint64_t size, GError **error);
void snapshot_copy(struct snapshot *snapshot, const char *name, uint64_t offset, const void *data,
                   uint64_t size);
/* The size of a piece; 0: there is none of that name. */
uint64_t snapshot_memory_size(const struct snapshot *snapshot, const char *name);
/*
 * Every chunk of a piece in its order, some unpacked ahead by other threads; `data` is NULL for one that is
 * all zero. FALSE: one of them is not what was saved.
 */
typedef void snapshot_chunk_fn(void *ctx, uint64_t offset, const uint8_t *data, uint64_t size);
gboolean snapshot_unpack(const struct snapshot *snapshot, const char *name, snapshot_chunk_fn *chunk,
                         void *ctx, GError **error);

/* ---- Files ---- */

/* Replaces a file of that name once all is written and on the disk. Takes its time. */
gboolean snapshot_write(const struct snapshot *snapshot, const char *path, GError **error);
/* NULL: it is none, is damaged, cut off, or of another version. Memory stays packed until it is asked for. */
struct snapshot *snapshot_read(const char *path, GError **error);
