/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A temporary file without a name, as long as the image and full of holes, and a bit for each cluster.
 */
#include "overlay.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct overlay {
    int fd;
    uint64_t clusters;
    uint8_t *map; /* a bit each; pages of it come into being when they are used */
};

static int unnamed_file(void)
{
    const char *folder = g_get_tmp_dir();
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        char *name = g_build_filename(folder, "duplex86-XXXXXX", NULL);
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
        g_free(name);
    }
    return fd;
}

static size_t map_size(const struct overlay *o)
{
    return o->clusters / 8 + 1;
}

struct overlay *overlay_new(uint64_t size, GError **error)
{
    struct overlay *o = g_new0(struct overlay, 1);
    o->clusters = size / OVERLAY_CLUSTER + 1;
    o->fd = unnamed_file();
    void *map = mmap(NULL, map_size(o), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map != MAP_FAILED)
        o->map = map;
    if (o->fd >= 0 && o->map)
        return o;
    fail_errno(error, errno, NULL, "cannot make a temporary file in '%s' for a snapshot", g_get_tmp_dir());
    overlay_free(o);
    return NULL;
}

void overlay_free(struct overlay *o)
{
    if (!o)
        return;
    if (o->map)
        munmap(o->map, map_size(o));
    if (o->fd >= 0)
        close(o->fd);
    g_free(o);
}

int overlay_fd(const struct overlay *o)
{
    return o->fd;
}

static bool has(const struct overlay *o, uint64_t cluster)
{
    return o->map[cluster / 8] >> cluster % 8 & 1;
}

uint32_t overlay_run(const struct overlay *o, uint64_t offset, uint32_t size, bool *written)
{
    uint64_t cluster = offset / OVERLAY_CLUSTER, end = (cluster + 1) * OVERLAY_CLUSTER;
    *written = has(o, cluster);
    while (end < offset + size && has(o, end / OVERLAY_CLUSTER) == *written)
        end += OVERLAY_CLUSTER;
    return (uint32_t)(MIN(end, offset + size) - offset);
}

void overlay_mark(struct overlay *o, uint64_t offset, uint32_t size)
{
    for (uint64_t c = offset / OVERLAY_CLUSTER; size && c <= (offset + size - 1) / OVERLAY_CLUSTER; c++)
        o->map[c / 8] |= 1u << c % 8;
}
