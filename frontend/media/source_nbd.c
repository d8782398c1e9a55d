/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an NBD server has. NetworkBlockDevice's protocol specification, "Transmission phase": a flush covers
 * what was answered before it was asked for.
 */
#include "source.h"

#include "error.h"
#include "image_server.h"
#include "nbd_link.h"

#include <errno.h>
#include <string.h>

struct nbd_source {
    struct source source;
    struct nbd_link *link;
};

static struct nbd_link *link_of(struct source *source)
{
    return ((struct nbd_source *)source)->link;
}

/* In as many requests as the server wants. */
static int move(struct source *s, enum nbd_request_kind kind, uint64_t offset, uint8_t *data, uint32_t size,
                uint32_t *done)
{
    uint32_t most = nbd_link_facts(link_of(s))->request_max;
    int err = 0;
    while (size && !err) {
        uint32_t n = MIN(size, most);
        err = nbd_link_do(link_of(s), kind, offset, data, n);
        if (!err)
            *done += n;
        data = data ? data + n : NULL;
        offset += n;
        size -= n;
    }
    return err;
}

static int read_nbd(struct source *s, uint64_t offset, uint8_t *data, uint32_t size, uint32_t *done)
{
    return move(s, NBD_REQUEST_READ, offset, data, size, done);
}

static int write_nbd(struct source *s, uint64_t offset, const uint8_t *data, uint32_t size, uint32_t *done)
{
    return move(s, NBD_REQUEST_WRITE, offset, (uint8_t *)data, size, done);
}

static int write_zeros(struct source *s, uint64_t offset, uint32_t size)
{
    uint8_t *zeros = g_malloc0(MIN(size, 65536u));
    int err = 0;
    while (size && !err) {
        uint32_t n = MIN(size, 65536u), done = 0;
        err = write_nbd(s, offset, zeros, n, &done);
        offset += n;
        size -= n;
    }
    g_free(zeros);
    return err;
}

/* A server that cannot trim has nothing to do: nobody needs the bytes. */
static int zero_nbd(struct source *s, uint64_t offset, uint32_t size, bool discard)
{
    const struct nbd_facts *facts = nbd_link_facts(link_of(s));
    uint32_t done = 0;
    if (discard)
        return facts->trims ? move(s, NBD_REQUEST_TRIM, offset, NULL, size, &done) : 0;
    return facts->zeroes ? move(s, NBD_REQUEST_ZERO, offset, NULL, size, &done)
                         : write_zeros(s, offset, size);
}

static int flush_nbd(struct source *s)
{
    struct nbd_link *link = link_of(s);
    return nbd_link_facts(link)->flushes ? nbd_link_do(link, NBD_REQUEST_FLUSH, 0, NULL, 0) : 0;
}

static void hurry_nbd(struct source *s)
{
    nbd_link_hurry(link_of(s));
}

static void close_nbd(struct source *s)
{
    nbd_link_close(link_of(s));
    g_free(s);
}

static const struct source_type nbd_source = {
    .read = read_nbd,
    .write = write_nbd,
    .zero = zero_nbd,
    .flush = flush_nbd,
    .hurry = hurry_nbd,
    .close = close_nbd,
};

bool source_is_uri(const char *name)
{
    static const char *const schemes[] = { "nbd://",       "nbds://",      "nbd+unix://",
                                           "nbds+unix://", "nbd+vsock://", "nbds+vsock://" };
    for (size_t i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (g_str_has_prefix(name, schemes[i]))
            return true;
    }
    return false;
}

static gboolean check(const struct nbd_facts *facts, const char *name, bool read_only, GError **error)
{
    enum { SECTOR = 512 };
    if (facts->read_only && !read_only)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the server of the image '%s' lets nobody write it: add ',ro' to its name, or "
                         "',snapshot' to forget what is written",
                         name);
    if (facts->block_min > SECTOR)
        return fail_with(
            error, FRONTEND_ERROR_IMAGE,
            "the server of the image '%s' has blocks of %u bytes, and the guest's disk sectors of "
            "%d: have it serve smaller ones",
            name, facts->block_min, SECTOR);
    if (!facts->flushes && !read_only)
        g_printerr("duplex86: the server of the image '%s' does not say when what is written is on a disk\n",
                   name);
    return TRUE;
}

static struct source *source_of_link(struct nbd_link *link, const char *name, bool read_only, GError **error)
{
    if (!link)
        return NULL;
    const struct nbd_facts *facts = nbd_link_facts(link);
    if (!check(facts, name, read_only, error)) {
        nbd_link_close(link);
        return NULL;
    }
    struct nbd_source *nbd = g_new0(struct nbd_source, 1);
    nbd->source = (struct source){ .type = &nbd_source, .size = facts->size, .read_only = read_only };
    nbd->link = link;
    return &nbd->source;
}

struct source *source_of_uri(const char *uri, bool read_only, GError **error)
{
    return source_of_link(nbd_link_open(uri, NULL, uri, error), uri, read_only, error);
}

struct source *source_of_server(struct image_server *server, const char *path, bool read_only, GError **error)
{
    return source_of_link(nbd_link_open(NULL, server, path, error), path, read_only, error);
}
