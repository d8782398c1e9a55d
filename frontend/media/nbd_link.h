/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A connection to an NBD server, by libnbd: a thread of its own carries any number of requests at once, of
 * any number of threads, which wait for theirs.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct nbd_link;
struct image_server;

enum nbd_request_kind {
    NBD_REQUEST_READ,
    NBD_REQUEST_WRITE,
    NBD_REQUEST_TRIM,
    NBD_REQUEST_ZERO,
    NBD_REQUEST_FLUSH
};

/* What the server is and can. */
struct nbd_facts {
    uint64_t size;
    uint32_t request_max; /* bytes of one request */
    uint32_t block_min;   /* what places and sizes are multiples of */
    bool read_only, flushes, trims, zeroes;
};

/*
 * Connect to the server at `uri`, or if that is NULL to `server`, which ends with the link, also if this
 * fails. `name` is the image's, for messages. NULL: with a sentence.
 */
struct nbd_link *nbd_link_open(const char *uri, struct image_server *server, const char *name,
                               GError **error);
const struct nbd_facts *nbd_link_facts(const struct nbd_link *link);
/* Wait until it is done: 0 or an errno value. ESHUTDOWN: the server is gone, which the user was told. */
int nbd_link_do(struct nbd_link *link, enum nbd_request_kind kind, uint64_t offset, void *data,
                uint32_t size);
/* What is not done soon is not to be waited for. */
void nbd_link_hurry(struct nbd_link *link);
/* There must be no requests. Waits for the end of a server of ours: then the image is complete. */
void nbd_link_close(struct nbd_link *link);
