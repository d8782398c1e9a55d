/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Opening images, and finding out what they are. ECMA-119 (ISO 9660), 8.1 "Format of a Volume
 * Descriptor"; sizes of floppies are those that PC drives write.
 */
#include "medium_private.h"

#include "devices/pc.h"
#include "error.h"
#include "image_chain.h"
#include "image_file.h"
#include "loader.h"

#include <string.h>
#include <unistd.h>

/* ---- Opening ---- */

static unsigned sector_size(enum device_drive drive)
{
    return drive == DEVICE_DRIVE_CDROM ? 2048 : 512;
}

/* A medium that cannot be written has a tab for that if it is a floppy; a disk's owner has to say so. */
static bool is_read_only(const struct medium_choice *choice)
{
    return choice->read_only || choice->drive == DEVICE_DRIVE_CDROM ||
           (choice->drive == DEVICE_DRIVE_FLOPPY && !choice->snapshot && image_is_protected(choice->path));
}

static gboolean find_format(const struct medium_choice *choice, int fd, enum image_format *format,
                            GError **error)
{
    *format = choice->format ? image_format_by_name(choice->format) : image_format_of(fd);
    return *format != IMAGE_FORMATS ||
           fail_with(error, FRONTEND_ERROR_USAGE,
                     "'%s' is no format of images: there are raw, qcow2, vmdk, vdi, vhd and vhdx",
                     choice->format);
}

static struct source *open_path(const struct medium_choice *choice, bool read_only, enum image_format *format,
                                GError **error)
{
    int fd = image_open(choice->path, read_only, read_only, error);
    if (fd < 0)
        return NULL;
    if (!find_format(choice, fd, format, error)) {
        close(fd);
        return NULL;
    }
    return *format == IMAGE_RAW ? source_of_file(fd, choice->path, read_only, error)
                                : image_chain_open(fd, choice->path, *format, read_only, error);
}

/* The image below is looked at and left to those who open the one above. */
static struct source *open_overlay(const struct medium_choice *choice, bool read_only, GError **error)
{
    const struct medium_choice above = { .path = choice->overlay, .format = "qcow2" };
    enum image_format format;
    int fd = image_open(choice->path, true, true, error);
    gboolean ok = fd >= 0 && find_format(choice, fd, &format, error);
    if (fd >= 0)
        close(fd);
    ok = ok && image_chain_prepare_overlay(choice->overlay, choice->path, format, error);
    return ok ? open_path(&above, read_only, &format, error) : NULL;
}

/* What is forgotten at the end leaves the image as it is. */
static struct source *open_source(struct medium *m, const struct medium_choice *choice, GError **error)
{
    enum image_format format = IMAGE_RAW;
    bool read_only = m->read_only || choice->snapshot;
    if (source_is_uri(choice->path) && (choice->overlay || choice->format)) {
        fail_with(error, FRONTEND_ERROR_USAGE,
                  "'%s' is what a server has: there can be no overlay= and no format= with it", choice->path);
        return NULL;
    }
    if (source_is_uri(choice->path))
        return source_of_uri(choice->path, read_only, error);
    if (choice->overlay)
        return open_overlay(choice, read_only, error);
    struct source *source = open_path(choice, read_only, &format, error);
    m->is_file = source && format == IMAGE_RAW;
    m->guarded = m->is_file && !choice->format;
    return source;
}

/* Images of floppies are often no longer than what was put on them; the rest of the floppy reads as zeros. */
static gboolean make_floppy(struct medium *m, GError **error)
{
    m->size = pc_floppy_size(m->held);
    return m->size ||
           fail_with(error, FRONTEND_ERROR_IMAGE, "the image '%s' is larger than any floppy", m->path);
}

static gboolean take_size(struct medium *m, enum device_drive drive, GError **error)
{
    unsigned sector = sector_size(drive);
    m->held = m->size = m->source->size / sector * sector;
    if (!m->size)
        return fail_with(error, FRONTEND_ERROR_IMAGE, "the image '%s' is %s: nothing fits on it", m->path,
                         m->source->size ? "smaller than a sector" : "empty");
    return drive != DEVICE_DRIVE_FLOPPY || make_floppy(m, error);
}

struct medium *medium_open(const struct medium_choice *choice, GError **error)
{
    struct medium *m = g_new0(struct medium, 1);
    g_atomic_ref_count_init(&m->references);
    g_mutex_init(&m->lock);
    m->path = g_strdup(choice->path);
    m->read_only = is_read_only(choice);
    m->source = open_source(m, choice, error);
    gboolean ok = m->source && take_size(m, choice->drive, error);
    if (ok && choice->snapshot && !m->read_only) {
        m->overlay = overlay_new(m->size, error);
        ok = m->overlay != NULL;
    }
    if (ok)
        return m;
    medium_unref(m);
    return NULL;
}

/* The last reference may be a thread's of the pool: nobody waits for it. */
void medium_unref(struct medium *m)
{
    if (!m || !g_atomic_ref_count_dec(&m->references))
        return;
    if (m->pool)
        g_thread_pool_free(m->pool, FALSE, FALSE);
    overlay_free(m->overlay);
    if (m->source)
        m->source->type->close(m->source);
    g_mutex_clear(&m->lock);
    g_free(m->path);
    g_free(m);
}

void medium_hurry(struct medium *m)
{
    if (m && m->source->type->hurry)
        m->source->type->hurry(m->source);
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

static bool is_cd(struct medium *m)
{
    enum { DESCRIPTOR = 16 * 2048 };
    uint8_t sector[512];
    uint32_t done;
    return m->size > DESCRIPTOR + sizeof sector &&
           !medium_read(m, DESCRIPTOR, sector, sizeof sector, &done) && !memcmp(sector + 1, "CD001", 5);
}

static bool is_floppy_size(uint64_t size)
{
    static const unsigned kib[] = { 160, 360, 720, 1200, 1440 };
    for (size_t i = 0; i < G_N_ELEMENTS(kib); i++) {
        if (size == (uint64_t)kib[i] * 1024)
            return true;
    }
    return false;
}

/* Not Multiboot's: boot loaders on disks have such headers too. */
static bool is_kernel(struct medium *m)
{
    uint8_t head[4096];
    uint32_t done = 0;
    medium_read(m, 0, head, (uint32_t)MIN(m->size, sizeof head), &done);
    enum kernel_format format = done ? loader_detect(head, done) : KERNEL_UNKNOWN;
    return format == KERNEL_LINUX || format == KERNEL_ELF;
}

/* Old kernels are floppies: written to one they start by themselves. */
static gboolean find_drive(struct medium *m, enum device_drive *drive, GError **error)
{
    if (is_cd(m))
        *drive = DEVICE_DRIVE_CDROM;
    else
        *drive = is_floppy_size(m->source->size) ? DEVICE_DRIVE_FLOPPY : DEVICE_DRIVE_DISK;
    if (*drive != DEVICE_DRIVE_DISK || !m->guarded || !is_kernel(m))
        return TRUE;
    return fail_with(error, FRONTEND_ERROR_IMAGE, "'%s' is a kernel, not a disk: give --kernel '%s'", m->path,
                     m->path);
}

gboolean medium_find_drive(const struct medium_choice *choice, enum device_drive *drive, GError **error)
{
    const struct medium_choice look = { .path = choice->path, .read_only = true, .format = choice->format };
    struct medium *m = medium_open(&look, error);
    gboolean ok = m && find_drive(m, drive, error);
    medium_unref(m);
    return ok;
}
