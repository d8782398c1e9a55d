/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Transfers come from the board in the processor's thread; when one is over it waits in `finished` until that
 * thread is between two runs, for what the guest sees changes then.
 */
#include "drives.h"

#include "error.h"
#include "machine_private.h"
#include "medium.h"

#include <string.h>

/* ---- Names ---- */

const char *drives_name(enum pc_drive drive)
{
    static const char *const names[PC_DRIVES] = {
        [PC_DRIVE_HDA] = "hda", [PC_DRIVE_HDB] = "hdb",      [PC_DRIVE_HDC] = "hdc",
        [PC_DRIVE_HDD] = "hdd", [PC_DRIVE_FLOPPY_A] = "fda", [PC_DRIVE_FLOPPY_B] = "fdb",
        [PC_DRIVE_VDA] = "vda", [PC_DRIVE_VDB] = "vdb",      [PC_DRIVE_VDC] = "vdc",
        [PC_DRIVE_VDD] = "vdd",
    };
    return names[drive];
}

/* ---- Transfers ---- */

void drives_medium(void *ctx, enum pc_drive drive, struct device_medium *medium)
{
    const struct machine *m = ctx;
    medium_describe(m->medium[drive], medium);
}

uint8_t *drives_transfer_data(void *ctx, enum pc_drive drive, uint32_t size)
{
    struct machine *m = ctx;
    g_free(m->prepared[drive]);
    m->prepared[drive] = transfer_new(size);
    return m->prepared[drive]->data;
}

static void on_done(struct transfer *t)
{
    struct machine *m = t->ctx;
    pthread_mutex_lock(&m->lock);
    m->transfers--;
    g_queue_push_tail(&m->finished, t);
    if (!m->finished_told) /* the vCPU's thread need not be kicked for each */
        machine_rouse(m);
    m->finished_told = true;
    pthread_mutex_unlock(&m->lock);
}

void drives_transfer(void *ctx, enum pc_drive drive, enum device_transfer what, uint64_t offset,
                     uint32_t size, uint32_t tag)
{
    struct machine *m = ctx;
    struct transfer *t;
    if (what == DEVICE_TRANSFER_WRITE) {
        t = m->prepared[drive];
        m->prepared[drive] = NULL;
    } else {
        t = transfer_new(what == DEVICE_TRANSFER_READ ? size : 0);
    }
    t->what = what;
    t->size = size;
    t->offset = offset;
    t->result.tag = tag;
    t->done = on_done;
    t->ctx = m;
    t->drive = drive;
    m->transfers++; /* first: it may be over before the call that starts it returns */
    if (!m->medium[drive])
        t->result.failed = true; /* it was taken out under the guest's hands */
    else if (!transfer_start(m->medium[drive], t))
        return;
    m->transfers--;
    g_queue_push_tail(&m->finished, t);
}

bool drives_are_idle(const struct machine *m)
{
    return m->transfers == 0 && m->finished.length == 0;
}

bool drives_have_news(const struct machine *m)
{
    return m->finished.length > 0;
}

/* What comes by what is told here is told as well, but not for good: the guest has its turn, too. */
void drives_serve(struct machine *m)
{
    enum { MORE = 64 };
    m->finished_told = false;
    for (unsigned n = m->finished.length + MORE; n && m->finished.length; n--) {
        struct transfer *t = g_queue_pop_head(&m->finished);
        pc_transferred(m->pc, t->drive, &t->result);
        g_free(t);
    }
}

/* ---- Media ---- */

static void choose(const struct machine *m, const struct image_spec *spec, enum device_drive drive,
                   struct medium_choice *choice)
{
    *choice = (struct medium_choice){
        .path = spec->path,
        .drive = drive,
        .read_only = spec->read_only,
        .snapshot = spec->snapshot || m->options->media.snapshot,
        .format = spec->format,
        .overlay = spec->overlay,
    };
}

static struct medium *open_spec(const struct machine *m, enum device_drive drive, const char *text,
                                GError **error)
{
    struct image_spec spec;
    struct medium_choice choice;
    options_parse_image(text, &spec);
    choose(m, &spec, drive, &choice);
    struct medium *medium = medium_open(&choice, error);
    image_spec_clear(&spec);
    return medium;
}

static bool is_changeable(const struct machine *m, enum pc_drive drive, GError **error)
{
    enum device_drive kind = m->config.drives[drive];
    return kind == DEVICE_DRIVE_CDROM || kind == DEVICE_DRIVE_FLOPPY ||
           fail_with(error, FRONTEND_ERROR_USAGE, "there is no drive whose medium could be changed there");
}

struct medium *drives_open_medium(const struct machine *m, enum pc_drive drive, const char *image,
                                  GError **error)
{
    return is_changeable(m, drive, error) ? open_spec(m, m->config.drives[drive], image, error) : NULL;
}

gboolean drives_change(struct machine *m, enum pc_drive drive, struct medium **medium, bool force,
                       GError **error)
{
    if (!is_changeable(m, drive, error))
        return FALSE;
    if (!force && pc_holds_medium(m->pc, drive))
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "the guest has locked the drive: have it eject the medium");
    struct medium *old = m->medium[drive];
    m->medium[drive] = *medium;
    *medium = old;
    pc_medium_changed(m->pc, drive);
    return TRUE;
}

/* ---- The start ---- */

static gboolean connect(struct machine *m, enum pc_drive drive, enum device_drive kind, const char *text,
                        GError **error)
{
    m->config.drives[drive] = kind;
    m->medium[drive] = open_spec(m, kind, text, error);
    return m->medium[drive] != NULL;
}

static gboolean connect_first(struct machine *m, enum pc_drive from, enum pc_drive to, enum device_drive kind,
                              const char *text, GError **error)
{
    for (enum pc_drive drive = from; drive <= to; drive++) {
        if (!m->config.drives[drive])
            return connect(m, drive, kind, text, error);
    }
    return fail_with(
        error, FRONTEND_ERROR_USAGE,
        "there is no place left for '%s': the machine has four places for disks and CDs, four for "
        "disks of virtio, and two for floppies",
        text);
}

static gboolean connect_kind(struct machine *m, enum device_drive kind, const char *text, GError **error)
{
    struct image_spec spec;
    options_parse_image(text, &spec);
    bool virtio = spec.virtio;
    image_spec_clear(&spec);
    if (virtio && kind != DEVICE_DRIVE_DISK)
        return fail_with(error, FRONTEND_ERROR_USAGE, "'%s' is no disk: only disks can be virtio's", text);
    if (virtio)
        return connect_first(m, PC_DRIVE_VDA, PC_DRIVE_VDD, kind, text, error);
    if (kind == DEVICE_DRIVE_FLOPPY)
        return connect_first(m, PC_DRIVE_FLOPPY_A, PC_DRIVE_FLOPPY_B, kind, text, error);
    if (kind == DEVICE_DRIVE_CDROM)
        return connect_first(m, PC_DRIVE_HDC, PC_DRIVE_HDD, kind, text, error);
    return connect_first(m, PC_DRIVE_HDA, PC_DRIVE_HDD, kind, text, error);
}

/* What is given by itself is what to start from. */
static gboolean connect_image(struct machine *m, GError **error)
{
    static const char *const order[] = {
        [DEVICE_DRIVE_NONE] = "",
        [DEVICE_DRIVE_DISK] = "cda",
        [DEVICE_DRIVE_CDROM] = "dca",
        [DEVICE_DRIVE_FLOPPY] = "acd",
    };
    const char *text = m->options->media.image;
    struct image_spec spec;
    struct medium_choice choice;
    enum device_drive kind;
    if (!text)
        return TRUE;
    options_parse_image(text, &spec);
    choose(m, &spec, DEVICE_DRIVE_DISK, &choice);
    gboolean ok = medium_find_drive(&choice, &kind, error);
    image_spec_clear(&spec);
    if (!ok)
        return FALSE;
    if (!*m->config.boot_order)
        memcpy(m->config.boot_order, order[kind], strlen(order[kind]));
    return connect_kind(m, kind, text, error);
}

static gboolean connect_all(struct machine *m, enum device_drive kind, char **texts, GError **error)
{
    for (; texts && *texts; texts++) {
        if (!connect_kind(m, kind, *texts, error))
            return FALSE;
    }
    return TRUE;
}

/* A CD-ROM drive and a floppy drive are there even with nothing in them, for what is put in later. */
gboolean drives_open(struct machine *m, GError **error)
{
    const struct media_options *media = &m->options->media;
    if (m->options->chipset != PC_CHIPSET_I440FX)
        return TRUE;
    memcpy(m->config.boot_order, media->boot_order, sizeof media->boot_order);
    m->config.boot_menu = media->boot_menu;
    if (!connect_all(m, DEVICE_DRIVE_CDROM, media->cdroms, error) || !connect_image(m, error) ||
        !connect_all(m, DEVICE_DRIVE_DISK, media->disks, error) ||
        !connect_all(m, DEVICE_DRIVE_FLOPPY, media->floppies, error))
        return FALSE;
    if (!m->config.drives[PC_DRIVE_HDC])
        m->config.drives[PC_DRIVE_HDC] = DEVICE_DRIVE_CDROM;
    if (!m->config.drives[PC_DRIVE_FLOPPY_A])
        m->config.drives[PC_DRIVE_FLOPPY_A] = DEVICE_DRIVE_FLOPPY;
    return TRUE;
}

void drives_close(struct machine *m)
{
    struct transfer *t;
    for (unsigned i = 0; i < PC_DRIVES; i++)
        medium_hurry(m->medium[i]);
    transfers_finish();
    while ((t = g_queue_pop_head(&m->finished)))
        g_free(t);
    for (unsigned i = 0; i < PC_DRIVES; i++) {
        g_free(m->prepared[i]);
        medium_unref(m->medium[i]);
    }
}
