/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between server.c, which has the sockets, and the commands' files.
 */
#pragma once

#include "protocol.h"
#include "server.h"
#include "typist.h"

struct control {
    struct machine *machine;
    struct unix_listener *listener;
    struct watch *listen_watch;
    GPtrArray *clients, *tasks;
    struct typist *typist;
    struct display *display; /* NULL until somebody wants to see it */
    int news_fd;             /* an eventfd: there is news */
    unsigned news;           /* bits of enum machine_news; changed atomically, from any thread */
    struct watch *news_watch;
};

struct control_client;

/* A request under way, and its outcome: exactly one of `result` and `failure` is set, or `job` or `work` for
   later. */
struct control_call {
    struct control *control;
    struct machine *machine;
    const struct control_request *request;
    json_t *result;
    enum control_error code;
    char *failure;
    struct typist_job *job; /* to be typed; the answer is an empty result when that is done */
    unsigned interval_ms;
    struct control_work *work; /* to be done in a thread; likewise */
};

/* What takes its time: FALSE and a sentence if it fails. */
struct control_work {
    gboolean (*run)(struct machine *machine, const char *file, GError **error);
    char *file;
};

/* Set the outcome. */
void control_fail(struct control_call *call, enum control_error code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static inline void control_done(struct control_call *call)
{
    call->result = json_object();
}

/* commands.c: carry a request out. */
void control_perform(struct control_call *call);

/* commands_*.c */
typedef void control_fn(struct control_call *call);

control_fn control_registers, control_memory_read, control_memory_write, control_disassemble; /* inspect */
control_fn control_balloon;                                                                   /* balloon */
control_fn control_media, control_insert, control_eject;                                      /* media */
control_fn control_screendump, control_text_screen;                                           /* screen */
control_fn control_send_keys, control_type_text, control_mouse;                               /* input */
control_fn control_snapshot_save, control_snapshot_load, control_snapshot_list;               /* snapshots */
