/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between the parts of duplex86 ctl: ctl.c (its command line), ctl_talk.c (the connection), ctl_show.c
 * (answers for people).
 */
#pragma once

#include "protocol.h"

#include <glib.h>

enum ctl_status {
    CTL_OK = 0,
    CTL_TROUBLE = 1, /* wrong usage, or nobody to talk to */
    CTL_REFUSED = 2, /* the machine said no */
    CTL_TIMEOUT = 3,
};

struct ctl_options {
    char *socket;
    double timeout; /* seconds; negative: none */
    int interval, bits;
    gboolean json, linear, read_only, force, regex, absolute;
    char *buttons, **rest;
};

/* ctl_talk.c */
struct ctl_talk;

/* Connect; with a timeout, for as long as it takes. NULL on error. */
struct ctl_talk *ctl_talk_open(const char *path, double timeout, GError **error);
void ctl_talk_close(struct ctl_talk *talk);
/*
 * Send a request and wait for its answer, the line as a JSON object. `args` is taken over and may be NULL.
 * NULL on error.
 */
json_t *ctl_talk_ask(struct ctl_talk *talk, enum control_command command, json_t *args, GError **error);
/* Wait for an event of that name. NULL on error. */
json_t *ctl_talk_wait(struct ctl_talk *talk, const char *event, GError **error);
/* Pause for a moment, not beyond the end of the time. FALSE: it is over. */
gboolean ctl_talk_rest(struct ctl_talk *talk, GError **error);

#define CTL_ERROR (ctl_error_quark())
enum { CTL_ERROR_TALK, CTL_ERROR_TIMEOUT };
GQuark ctl_error_quark(void);

/* ctl_show.c: print the result of a command. */
void ctl_show(enum control_command command, json_t *result);
