/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opening and locking images, and finding out what they are. ECMA-119 (ISO 9660), 8.1 "Format of a Volume
 * Descriptor"; sizes of floppies are those that PC drives write.
 */
#include "medium_private.h"

#include "error.h"
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Files ---- */

static unsigned sector_size(enum device_drive drive)
{
    return drive == DEVICE_DRIVE_CDROM ? 2048 : 512;
}

/* A medium that cannot be written has a tab for that if it is a floppy; a disk's owner has to say so. */
static int open_file(const struct medium_choice *choice, bool *read_only)
{
    int fd = -1;
    *read_only = choice->read_only || choice->drive == DEVICE_DRIVE_CDROM;
    if (!*read_only && !choice->snapshot) {
        fd = open(choice->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        bool protected = fd < 0 && (errno == EACCES || errno == EROFS);
        if (!protected || choice->drive != DEVICE_DRIVE_FLOPPY)
            return fd;
        *read_only = true;
    }
    return open(choice->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static gboolean cannot_open(const struct medium_choice *choice, int err, GError **error)
{
    if ((err == EACCES || err == EROFS) && !choice->read_only && !access(choice->path, R_OK))
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the image '%s' cannot be written: add ',ro' to its name, or ',snapshot' to forget "
                         "what is written",
                         choice->path);
    return fail_errno(error, err, NULL, "cannot open the image '%s'", choice->path);
}

/*
 * QEMU, which writes an image, has no more than read locks on single bytes of it: that on byte 101 means that
 * it may write. (QEMU documentation, "Disk image file locking"; block/file-posix.c)
 */
static bool is_written_by_qemu(const struct medium *m)
{
    struct flock byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1 };
    return !fcntl(m->fd, F_OFD_GETLK, &byte) && byte.l_type == F_RDLCK && byte.l_len;
}

/* Another program's lock is respected; that there are file systems without locks is no reason to stop. */
static gboolean lock_image(const struct medium *m, bool exclusive, GError **error)
{
    struct flock whole = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
    bool written = is_written_by_qemu(m);
    if (!written && !fcntl(m->fd, F_OFD_SETLK, &whole))
        return TRUE;
    if (written || errno == EAGAIN || errno == EACCES)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the image '%s' is in use by another program: end that first, or use a copy",
                         m->path);
    g_printerr("duplex86: cannot lock the image '%s': %s; nobody else should use it\n", m->path,
               g_strerror(errno));
    return TRUE;
}

static gboolean find_size(struct medium *m, unsigned sector, GError **error)
{
    struct stat st;
    if (fstat(m->fd, &st) < 0)
        return fail_errno(error, errno, NULL, "cannot open the image '%s'", m->path);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return fail_with(error, FRONTEND_ERROR_IMAGE, "the image '%s' is no file and no block device",
                         m->path);
    off_t end = lseek(m->fd, 0, SEEK_END);
    if (end < 0)
        return fail_errno(error, errno, NULL, "cannot find the size of the image '%s'", m->path);
    m->size = (uint64_t)end / sector * sector;
    if (!m->size)
        return fail_with(error, FRONTEND_ERROR_IMAGE, "the image '%s' is %s: nothing fits on it", m->path,
                         end ? "smaller than a sector" : "empty");
    return TRUE;
}

struct medium *medium_open(const struct medium_choice *choice, GError **error)
{
    struct medium *m = g_new0(struct medium, 1);
    g_atomic_ref_count_init(&m->references);
    g_mutex_init(&m->lock);
    m->path = g_strdup(choice->path);
    m->fd = open_file(choice, &m->read_only);
    gboolean ok = m->fd >= 0 || cannot_open(choice, errno, error);
    ok = ok && find_size(m, sector_size(choice->drive), error);
    ok = ok && lock_image(m, !m->read_only && !choice->snapshot, error);
    if (ok && choice->snapshot && !m->read_only) {
        m->overlay = overlay_new(m->size, error);
        ok = m->overlay != NULL;
    }
    if (ok)
        return m;
    medium_unref(m);
    return NULL;
}

void medium_unref(struct medium *m)
{
    if (!m || !g_atomic_ref_count_dec(&m->references))
        return;
    overlay_free(m->overlay);
    if (m->fd >= 0)
        close(m->fd);
    g_mutex_clear(&m->lock);
    g_free(m->path);
    g_free(m);
}

const char *medium_path(const struct medium *medium)
{
    return medium->path;
}

void medium_describe(const struct medium *m, struct device_medium *facts)
{
    facts->present = m != NULL;
    facts->read_only = m && m->read_only;
    facts->size = m ? m->size : 0;
}

/* ---- Kinds ---- */

static bool is_cd(int fd)
{
    enum { DESCRIPTOR = 16 * 2048 };
    char id[5];
    return pread(fd, id, sizeof id, DESCRIPTOR + 1) == sizeof id && !memcmp(id, "CD001", sizeof id);
}

static bool is_floppy_size(off_t size)
{
    static const unsigned kib[] = { 160, 360, 720, 1200, 1440 };
    for (size_t i = 0; i < G_N_ELEMENTS(kib); i++) {
        if (size == (off_t)kib[i] * 1024)
            return true;
    }
    return false;
}

/* Not Multiboot's: boot loaders on disks have such headers too. */
static bool is_kernel(int fd)
{
    uint8_t head[4096];
    ssize_t n = pread(fd, head, sizeof head, 0);
    enum kernel_format format = n > 0 ? loader_detect(head, (size_t)n) : KERNEL_UNKNOWN;
    return format == KERNEL_LINUX || format == KERNEL_ELF;
}

gboolean medium_find_drive(const char *path, enum device_drive *drive, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail_errno(error, errno, NULL, "cannot open the image '%s'", path);
    if (is_cd(fd))
        *drive = DEVICE_DRIVE_CDROM;
    else
        *drive = is_floppy_size(st.st_size) ? DEVICE_DRIVE_FLOPPY : DEVICE_DRIVE_DISK;
    /* Old kernels are floppies: written to one they start by themselves. */
    bool kernel = *drive == DEVICE_DRIVE_DISK && S_ISREG(st.st_mode) && is_kernel(fd);
    close(fd);
    if (kernel)
        return fail_with(error, FRONTEND_ERROR_IMAGE, "'%s' is a kernel, not a disk: give --kernel '%s'",
                         path, path);
    return TRUE;
}
