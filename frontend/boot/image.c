/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files the guest starts from, read whole. Only regular files: a device or a pipe has no size to check
 * against, and none of them is a sensible kernel.
 */
#include "image.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* Everything is loaded below 4 GiB, so nothing of that size can be meant. */
#define IMAGE_SIZE_MAX (UINT64_C(0xe0000000))

static gboolean read_all(int fd, struct image *image, const char *what, GError **error)
{
    size_t done = 0;
    while (done < image->size) {
        ssize_t n = read(fd, image->data + done, image->size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(error, -errno, NULL, "cannot read the %s '%s'", what, image->name);
        if (n == 0)
            return fail_with(error, FRONTEND_ERROR_IMAGE, "the %s '%s' became shorter while it was read",
                             what, image->name);
        done += (size_t)n;
    }
    return TRUE;
}

static gboolean read_open_file(int fd, struct image *image, const char *what, bool may_be_empty,
                               GError **error)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail_errno(error, -errno, NULL, "cannot look at the %s '%s'", what, image->name);
    if (!S_ISREG(st.st_mode))
        return fail_with(error, FRONTEND_ERROR_IMAGE, "the %s '%s' is not a regular file", what, image->name);
    if (st.st_size == 0 && !may_be_empty)
        return fail_with(error, FRONTEND_ERROR_IMAGE, "the %s '%s' is empty", what, image->name);
    if ((uint64_t)st.st_size > IMAGE_SIZE_MAX)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the %s '%s' is too large to load: %" G_GUINT64_FORMAT " MiB", what, image->name,
                         (guint64)st.st_size >> 20);
    image->size = (size_t)st.st_size;
    image->data = g_try_malloc(image->size); /* of nothing: NULL */
    if (!image->data && image->size)
        return fail_errno(error, -ENOMEM, NULL, "cannot read the %s '%s'", what, image->name);
    return read_all(fd, image, what, error);
}

static gboolean read_path(struct image *image, const char *what, const char *path, bool may_be_empty,
                          GError **error)
{
    *image = (struct image){ .name = g_strdup(path) };
    /* O_NONBLOCK: opening a FIFO nobody writes to must not hang before it is refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gboolean ok = FALSE;
    if (fd < 0) {
        fail_errno(error, -errno, NULL, "cannot open the %s '%s'", what, path);
    } else {
        ok = read_open_file(fd, image, what, may_be_empty, error);
        close(fd);
    }
    if (!ok)
        image_clear(image);
    return ok;
}

gboolean image_read(struct image *image, const char *what, const char *path, GError **error)
{
    return read_path(image, what, path, false, error);
}

gboolean image_read_any(struct image *image, const char *what, const char *path, GError **error)
{
    return read_path(image, what, path, true, error);
}

void image_clear(struct image *image)
{
    g_free(image->name);
    g_free(image->data);
    *image = (struct image){ 0 };
}
