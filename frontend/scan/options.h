/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command line of duplex86-scan as a struct: parsed, checked, defaults filled in.
 */
#pragma once

#include "translator/scan.h"

#include <glib.h>

enum options_input { INPUT_AUTO, INPUT_RAW, INPUT_ELF };
enum options_format { FORMAT_TEXT, FORMAT_TSV };

struct options {
    char *file; /* NULL: only the version was asked for */
    enum options_input input;
    enum options_format format;
    uint32_t address; /* of a raw file's first byte */
    GArray *entries;  /* uint32_t; empty: those the file itself names */
    struct scan_mode mode;
    const char *cpu;
    gboolean sweep;   /* scan what no branch reached, too */
    gboolean link;    /* keep instructions across page boundaries */
    gboolean promote; /* show the pages as if every site had been hot */
    gboolean summary; /* the figures only */
    gboolean check;   /* audit every page */
};

gboolean options_parse(struct options *options, int argc, char **argv, GError **error);
void options_clear(struct options *options);

/* "cpl3 code32 guard escape cpu atom with osfxsr": the mode for people, to be freed. */
char *options_describe_mode(const struct options *options);
