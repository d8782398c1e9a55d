/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the bytes of an image are: in a file, or with a server that speaks NBD. All functions may wait, but
 * read_now; any number of threads may call them at once.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct source;

/* Each returns 0 or an errno value; ESHUTDOWN: there is no server any more, which was told already. What was
   moved is added to `done`. */
struct source_type {
    int (*read)(struct source *source, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done);
    int (*write)(struct source *source, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done);
    /* Write zeros, or with `discard` nothing that anybody needs. */
    int (*zero)(struct source *source, uint64_t offset, uint32_t size, bool discard);
    /* All that was written is on a disk when this returns. */
    int (*flush)(struct source *source);
    /* Read without waiting. False: that cannot be done, or not for all of it. May be absent. */
    bool (*read_now)(struct source *source, uint64_t offset, uint8_t *data, uint32_t size);
    /* What does not end soon now shall fail. May be absent. */
    void (*hurry)(struct source *source);
    void (*close)(struct source *source);
};

struct source {
    const struct source_type *type;
    uint64_t size; /* bytes */
    bool read_only;
};

/* The bytes of a file, which belongs to the source from now on, also if that fails: it is neither a file nor
   a block device. */
struct source *source_of_file(int fd, const char *path, bool read_only, GError **error);
/* What an NBD server has, by its URI; `read_only`: never to be written. */
struct source *source_of_uri(const char *uri, bool read_only, GError **error);
/* What a server serves that was started for it, and ends with the source. */
struct image_server;
struct source *source_of_server(struct image_server *server, const char *path, bool read_only,
                                GError **error);

/* Is that a name by which source_of_uri() finds something, and not a file? */
bool source_is_uri(const char *name);
