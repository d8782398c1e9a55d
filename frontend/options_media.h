/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options about disks, CDs and floppies, and what to start from.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct media_options {
    char **disks, **cdroms, **floppies; /* "IMAGE[,ro][,snapshot]..." (struct image_spec); or NULL */
    char *image;                        /* the one that belongs to no option, or NULL */
    bool snapshot;                      /* all of them */
    char boot_order[4];                 /* letters as in struct pc_config, "": not said */
    bool boot_menu;
};

/* What GOption fills. */
struct raw_media {
    char **disks, **cdroms, **floppies, **rest;
    char *boot;
    gboolean snapshot;
};

/* Rows for GOption, without an end. */
/* clang-format off */
#define OPTIONS_MEDIA_ENTRIES(raw)                                                                            \
    { "disk", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &(raw)->disks,                                               \
      "The next disk, a file or an NBD server's; ro: never write to it; snapshot: forget what is written; "    \
      "overlay=: write it to that file", "IMAGE[,ro][,snapshot][,overlay=FILE][,format=NAME][,virtio]" },     \
    { "cdrom", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &(raw)->cdroms, "What is in the CD-ROM drive", "IMAGE" },   \
    { "floppy", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &(raw)->floppies,                                          \
      "What is in the next floppy drive", "IMAGE[,ro][,snapshot]" },                                          \
    { "snapshot", 0, 0, G_OPTION_ARG_NONE, &(raw)->snapshot,                                                  \
      "Forget at the end what the guest has written to any image", NULL },                                    \
    { "boot", 0, 0, G_OPTION_ARG_FILENAME, &(raw)->boot,                                                      \
      "What the BIOS tries: a floppy, c disk, d CD, n network (cda); and a menu", "order=LETTERS,menu=on|off" }
/* clang-format on */

bool options_media_given(const struct raw_media *raw);
gboolean options_media_take(struct media_options *media, const struct raw_media *raw, GError **error);
void options_media_clear(struct media_options *media);
void raw_media_clear(struct raw_media *raw);

/* "IMAGE[,ro][,snapshot][,overlay=FILE][,format=NAME][,virtio]"; commas that begin none of these belong to
 * the name.
 */
struct image_spec {
    char *path;
    bool read_only, snapshot;
    bool virtio;            /* a disk of virtio, not of IDE */
    char *overlay, *format; /* or NULL */
};

void options_parse_image(const char *text, struct image_spec *spec);
void image_spec_clear(struct image_spec *spec);
