/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files that make struct options of the command line know of each other.
 */
#pragma once

#include "options.h"

/* What GOption fills; turned into struct options by the functions below. */
struct raw_options {
    char *machine, *ram, *kernel, *append, *bios, *debugcon, *control, *engine, *split, *translate, *cpu,
        *exit_port, *rtc, *stats, *audit, *screendump, *display, *translated_memory, *apic, *config, *sound;
    char *spaces, *restore;
    char **initrds, **serial, **virtio_console, **trace, **net, **share;
    struct raw_media media;
    gboolean rng, tablet, keyboard, balloon;
    gboolean reboot, no_reboot, keep_halted, in_process, eager, simulate_keys, version;
};

/* ---- options.c ---- */

/* A complaint about usage; returns FALSE. */
gboolean options_fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Index of `text` among `count` names, or -1. */
int options_name_index(const char *text, const char *const *names, size_t count);

/* ---- options_console.c: once the chipset is known ---- */
gboolean options_take_console(struct options *options, const struct raw_options *raw, GError **error);

/* ---- options_engine.c ---- */
gboolean options_take_engine(struct options *options, const struct raw_options *raw, GError **error);
