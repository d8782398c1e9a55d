/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command line as a struct: parsed, checked as far as it can be without touching files, and with defaults
 * filled in.
 */
#pragma once

#include "devices/pc.h"
#include "options_media.h"
#include "options_net.h"
#include "options_share.h"
#include <duplex86/duplex86.h>

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { OPTIONS_SERIAL_MAX = 4 };

enum options_action {
    OPTIONS_RUN,
    OPTIONS_SHOW_VERSION,
    OPTIONS_SHOW_CPUS,
};

enum options_stats { OPTIONS_STATS_NONE, OPTIONS_STATS_TEXT, OPTIONS_STATS_JSON };

enum options_sound {
    OPTIONS_SOUND_NONE,
    OPTIONS_SOUND_SDL,
    OPTIONS_SOUND_SDL_IF_THERE, /* nobody has said so, but there is a window */
    OPTIONS_SOUND_WAV,
};

enum options_display { OPTIONS_DISPLAY_NONE, OPTIONS_DISPLAY_TERMINAL, OPTIONS_DISPLAY_SDL };

struct options {
    enum options_action action;
    enum pc_chipset chipset;
    bool apic;
    uint64_t ram_size;
    char *kernel, *bios; /* without either the distribution's SeaBIOS is meant */
    char **initrds;      /* NULL-terminated, never NULL */
    char *append;        /* never NULL */
    struct media_options media;
    struct net_options net;
    struct share_options share;
    bool rng;                         /* there is an entropy device */
    bool tablet;                      /* ... a pointing device */
    bool keyboard;                    /* ... a keyboard, of virtio as well */
    bool balloon;                     /* ... a memory balloon */
    char *serial[OPTIONS_SERIAL_MAX]; /* back-end of COM1.., "none" where there is none */
    struct {
        char *backend, *name;         /* backend NULL: there is none; name NULL: it is a console */
    } ports[PC_CONSOLES];             /* of a console of virtio */
    char *debugcon;                   /* or "none" */
    char *control;                    /* "unix:PATH", or NULL */
    bool engine_auto;                 /* sbe where the host can, else interp */
    enum d86_engine engine;
    enum d86_split split;
    enum d86_translate translate;
    uint64_t translation_size; /* 0: the library's default */
    char *cpu;                 /* NULL: the library's default */
    uint16_t exit_port;
    bool restart; /* a reboot starts the machine again */
    bool keep_halted;
    unsigned spaces; /* struct d86_vcpu_config */
    bool eager;      /* ... */
    uint32_t audit;  /* ... */
    bool simulate_keys;
    bool in_process;
    bool local_time;
    enum options_display display;
    enum options_sound sound;
    char *sound_file; /* of OPTIONS_SOUND_WAV */
    char *screendump; /* a file, or NULL */
    char *restore;    /* a snapshot to start from, or NULL */
    char **trace;     /* globs, or NULL */
    enum options_stats stats;
};

/* `argv` as main() gets it. --help prints and exits. On FALSE there is nothing to clear. */
gboolean options_parse(struct options *options, int argc, char **argv, GError **error);
void options_clear(struct options *options);

/* The names of --machine, --engine and --split. */
const char *options_machine_name(enum pc_chipset chipset);
const char *options_engine_name(enum d86_engine engine);
const char *options_split_name(enum d86_split split);

/* "256M": digits and K, M or G. FALSE without a unit, on overflow, or on anything else. */
gboolean options_parse_size(const char *text, uint64_t *bytes);
