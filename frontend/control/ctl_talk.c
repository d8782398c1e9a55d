/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The connection of duplex86 ctl: one request at a time, and all of it within a time.
 */
#include "ctl_private.h"

#include "error.h"
#include "lines.h"
#include "unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REST_MS = 100 };

struct ctl_talk {
    int fd;
    gint64 until; /* g_get_monotonic_time(); 0: for ever */
    struct control_lines lines;
    json_int_t id; /* of the last request */
};

G_DEFINE_QUARK(duplex86 - ctl - error, ctl_error)

/* Milliseconds that are left, as poll(2) has them; 0: none. */
static int left_ms(const struct ctl_talk *talk)
{
    if (!talk->until)
        return -1;
    gint64 left = talk->until - g_get_monotonic_time();
    return left <= 0 ? 0 : (int)MIN(left / 1000 + 1, G_MAXINT);
}

static gboolean time_is_over(GError **error)
{
    g_set_error(error, CTL_ERROR, CTL_ERROR_TIMEOUT, "the time is over");
    return FALSE;
}

gboolean ctl_talk_rest(struct ctl_talk *talk, GError **error)
{
    int left = left_ms(talk);
    if (left == 0)
        return time_is_over(error);
    g_usleep((gulong)(left < 0 || left > REST_MS ? REST_MS : left) * 1000);
    return TRUE;
}

static gboolean wait_for(struct ctl_talk *talk, short events, GError **error)
{
    struct pollfd fd = { .fd = talk->fd, .events = events };
    for (;;) {
        int ready = poll(&fd, 1, left_ms(talk));
        if (ready > 0)
            return TRUE;
        if (ready == 0)
            return time_is_over(error);
        if (errno != EINTR)
            return fail_errno(error, -errno, NULL, "cannot wait for the machine");
    }
}

static gboolean send_all(struct ctl_talk *talk, const char *line, GError **error)
{
    for (size_t left = strlen(line); left;) {
        ssize_t n = send(talk->fd, line, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            line += n;
            left -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (!wait_for(talk, POLLOUT, error))
                return FALSE;
        } else if (errno != EINTR) {
            return fail_errno(error, -errno, NULL, "cannot talk to the machine");
        }
    }
    return TRUE;
}

/* The next line as an object. */
static json_t *receive(struct ctl_talk *talk, GError **error)
{
    char bytes[4096];
    const char *line;
    size_t size;
    while (!(line = control_lines_next(&talk->lines, &size))) {
        if (control_lines_overflow(&talk->lines)) {
            fail_with(error, FRONTEND_ERROR_HOST, "what listens there is no control socket");
            return NULL;
        }
        if (!wait_for(talk, POLLIN, error))
            return NULL;
        ssize_t n = read(talk->fd, bytes, sizeof bytes);
        if (n <= 0) {
            fail_with(error, FRONTEND_ERROR_HOST, "the machine has ended");
            return NULL;
        }
        control_lines_add(&talk->lines, bytes, (size_t)n);
    }
    json_t *object = json_loadb(line, size, 0, NULL);
    if (json_is_object(object))
        return object;
    json_decref(object);
    fail_with(error, FRONTEND_ERROR_HOST, "what listens there is no control socket");
    return NULL;
}

static gboolean greet(struct ctl_talk *talk, GError **error)
{
    json_t *greeting = receive(talk, error);
    if (!greeting)
        return FALSE;
    json_int_t protocol = json_integer_value(json_object_get(greeting, "protocol"));
    const char *refused = json_string_value(json_object_get(json_object_get(greeting, "error"), "message"));
    if (refused)
        fail_with(error, FRONTEND_ERROR_HOST, "the machine does not talk to us: %s", refused);
    else if (!json_object_get(greeting, "duplex86"))
        fail_with(error, FRONTEND_ERROR_HOST, "what listens there is no control socket");
    else if (protocol != CONTROL_PROTOCOL)
        fail_with(error, FRONTEND_ERROR_HOST,
                  "the machine speaks version %d of the protocol, and this program version %d", (int)protocol,
                  CONTROL_PROTOCOL);
    bool ok = !refused && json_object_get(greeting, "duplex86") && protocol == CONTROL_PROTOCOL;
    json_decref(greeting);
    return ok;
}

struct ctl_talk *ctl_talk_open(const char *path, double timeout, GError **error)
{
    struct ctl_talk *talk = g_new0(struct ctl_talk, 1);
    GError *failed = NULL;
    control_lines_init(&talk->lines);
    if (timeout >= 0)
        talk->until = g_get_monotonic_time() + (gint64)(timeout * G_USEC_PER_SEC) + 1;
    /* A machine that was started a moment ago may not listen yet. */
    while ((talk->fd = unix_connect(path, &failed)) < 0 && talk->until && ctl_talk_rest(talk, NULL))
        g_clear_error(&failed);
    if (talk->fd >= 0 && greet(talk, error))
        return talk;
    if (failed)
        g_propagate_error(error, failed);
    ctl_talk_close(talk);
    return NULL;
}

void ctl_talk_close(struct ctl_talk *talk)
{
    if (!talk)
        return;
    if (talk->fd >= 0)
        close(talk->fd);
    control_lines_clear(&talk->lines);
    g_free(talk);
}

json_t *ctl_talk_ask(struct ctl_talk *talk, enum control_command command, json_t *args, GError **error)
{
    json_t *request = json_pack("{s:I, s:s, s:o*}", "id", ++talk->id, "command",
                                control_commands[command].name, "args", args);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text) {
        fail_with(error, FRONTEND_ERROR_USAGE, "an argument is no UTF-8");
        return NULL;
    }
    char *line = g_strconcat(text, "\n", NULL);
    free(text);
    gboolean sent = send_all(talk, line, error);
    g_free(line);
    json_t *answer;
    while (sent && (answer = receive(talk, error))) {
        if (json_integer_value(json_object_get(answer, "id")) == talk->id)
            return answer;
        json_decref(answer); /* an event */
    }
    return NULL;
}

json_t *ctl_talk_wait(struct ctl_talk *talk, const char *name, GError **error)
{
    json_t *event;
    while ((event = receive(talk, error))) {
        if (!g_strcmp0(json_string_value(json_object_get(event, "event")), name))
            return event;
        json_decref(event);
    }
    return NULL;
}
