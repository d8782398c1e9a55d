/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control socket: clients come and go, lines come in and go out. What the machine tells comes in whatever
 * thread and with its lock held; it is noted, and sent from here.
 */
#include "server_private.h"

#include "display.h"
#include "error.h"
#include "lines.h"
#include "unix_socket.h"
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 16,
    QUEUE_FULL = 64 * 1024, /* no more requests are taken while so many bytes wait to be read by the client */
    QUEUE_MAX = 4 * QUEUE_FULL, /* beside one answer; a client that lets events pile up to that is dropped */
    READ_SIZE = 64 * 1024,
    FAREWELL_MS = 200,
};

struct control_client {
    struct control *control;
    int fd;
    struct watch *watch;
    struct control_lines lines;
    GByteArray *out;
    bool ended;             /* it sends no more */
    bool broken;            /* it is to go */
    struct typist_job *job; /* of its request under way; NULL: there is none */
    json_t *job_id;
    struct task *task; /* likewise */
};

/* Work that a thread does for a client, which may be gone when it is done. */
struct task {
    struct control *control;
    struct control_client *client; /* NULL: nobody waits for it any more */
    struct control_work *work;
    GThread *thread;
    GError *error;
};

/* ---- Sending ---- */

static void write_some(struct control_client *client)
{
    while (client->out->len && !client->broken) {
        ssize_t n = send(client->fd, client->out->data, client->out->len, MSG_NOSIGNAL);
        if (n >= 0)
            g_byte_array_remove_range(client->out, 0, (guint)n);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            client->broken = true;
    }
}

/* Takes over `line`, which may be NULL for want of memory: then the client had better go. */
static void send_line(struct control_client *client, char *line)
{
    if (!line) {
        client->broken = true;
        return;
    }
    g_byte_array_append(client->out, (const guint8 *)line, (guint)strlen(line));
    free(line);
    write_some(client);
}

static void send_event(struct control *c, const char *name, const char *member, json_t *value)
{
    for (guint i = 0; i < c->clients->len; i++) {
        struct control_client *client = g_ptr_array_index(c->clients, i);
        if (client->out->len > QUEUE_MAX)
            client->broken = true;
        else
            send_line(client, control_event(name, member ? json_pack("{s:O}", member, value) : NULL));
    }
    json_decref(value);
}

/* ---- Requests ---- */

static void on_typed(void *ctx);
static void start_task(struct control_client *client, struct control_work *work);

static void answer(struct control_client *client, struct control_request *request, struct control_call *call)
{
    if (call->job) {
        client->job = call->job;
        client->job_id = json_incref(request->id);
        typist_start(client->control->typist, call->job, call->interval_ms, on_typed, client);
    } else if (call->work) {
        client->job_id = json_incref(request->id);
        start_task(client, call->work);
    } else if (call->failure) {
        send_line(client, control_failure(request->id, call->code, call->failure));
    } else {
        send_line(client, control_result(request->id, call->result));
    }
}

static void serve_line(struct control_client *client, const char *line, size_t size)
{
    struct control_request request;
    struct control_call call = { .control = client->control,
                                 .machine = client->control->machine,
                                 .request = &request };
    char *wrong = control_request_parse(&request, line, size);
    if (wrong)
        control_fail(&call, CONTROL_BAD_REQUEST, "%s", wrong);
    else
        control_perform(&call);
    answer(client, &request, &call);
    g_free(wrong);
    g_free(call.failure);
    control_request_clear(&request);
}

/* May it have its next request served? */
static bool is_ready(const struct control_client *client)
{
    return !client->broken && !client->job && !client->task && client->out->len <= QUEUE_FULL;
}

static void serve_lines(struct control_client *client)
{
    const char *line;
    size_t size;
    while (is_ready(client) && (line = control_lines_next(&client->lines, &size)))
        serve_line(client, line, size);
    if (is_ready(client) && control_lines_overflow(&client->lines)) {
        char *text = g_strdup_printf("a line has %d bytes at most", CONTROL_LINE_MAX);
        send_line(client, control_failure(NULL, CONTROL_BAD_REQUEST, text));
        g_free(text);
        client->ended = true;
        control_lines_clear(&client->lines);
        control_lines_init(&client->lines);
    }
}

/* ---- Clients ---- */

static void on_client_ready(void *ctx);

static void client_free(gpointer data)
{
    struct control_client *client = data;
    if (client->job)
        typist_cancel(client->control->typist, client->job);
    if (client->task)
        client->task->client = NULL;
    json_decref(client->job_id);
    watch_free(client->watch);
    close(client->fd);
    control_lines_clear(&client->lines);
    g_byte_array_unref(client->out);
    g_free(client);
}

/* After anything was done with it: wait for what it needs, or let it go. */
static void settle(struct control_client *client)
{
    bool over = client->ended && is_ready(client) && client->out->len == 0;
    if (client->broken || over) {
        g_ptr_array_remove_fast(client->control->clients, client);
        return;
    }
    GIOCondition conditions = G_IO_HUP; /* also when nothing is to be read or written */
    if (client->out->len)
        conditions |= G_IO_OUT;
    if (is_ready(client) && !client->ended)
        conditions |= G_IO_IN;
    watch_set(client->watch, conditions);
}

static void settle_all(struct control *c)
{
    for (guint i = c->clients->len; i > 0; i--)
        settle(g_ptr_array_index(c->clients, i - 1));
}

static void read_some(struct control_client *client)
{
    char bytes[READ_SIZE];
    ssize_t n = read(client->fd, bytes, sizeof bytes);
    if (n > 0)
        control_lines_add(&client->lines, bytes, (size_t)n);
    else if (n == 0)
        client->ended = true;
    else if (errno != EAGAIN && errno != EINTR)
        client->broken = true;
}

static bool has_hung_up(const struct control_client *client)
{
    struct pollfd fd = { .fd = client->fd };
    return poll(&fd, 1, 0) > 0 && fd.revents & (POLLHUP | POLLERR);
}

static void on_client_ready(void *ctx)
{
    struct control_client *client = ctx;
    write_some(client);
    if (is_ready(client) && !client->ended)
        read_some(client);
    else if (has_hung_up(client))
        client->broken = true;
    serve_lines(client);
    settle(client);
}

/* What its request had typed is typed. */
static void on_typed(void *ctx)
{
    struct control_client *client = ctx;
    client->job = NULL;
    if (typist_gave_up(client->control->typist))
        send_line(client,
                  control_failure(client->job_id, CONTROL_FAILED, "the guest does not read its keyboard"));
    else
        send_line(client, control_result(client->job_id, json_object()));
    json_decref(client->job_id);
    client->job_id = NULL;
    serve_lines(client);
    settle(client);
}

/* ---- Work ---- */

static void task_free(gpointer data)
{
    struct task *t = data;
    g_thread_join(t->thread);
    g_idle_remove_by_data(t);
    g_clear_error(&t->error);
    g_free(t->work->file);
    g_free(t->work);
    g_free(t);
}

/* In the main loop: the thread is at its end. */
static gboolean on_task_done(gpointer data)
{
    struct task *t = data;
    struct control_client *client = t->client;
    if (client) {
        client->task = NULL;
        send_line(client, t->error ? control_failure(client->job_id, CONTROL_FAILED, t->error->message)
                                   : control_result(client->job_id, json_object()));
        json_decref(client->job_id);
        client->job_id = NULL;
    }
    g_ptr_array_remove_fast(t->control->tasks, t);
    if (client) {
        serve_lines(client);
        settle(client);
    }
    return G_SOURCE_REMOVE;
}

static gpointer do_work(gpointer data)
{
    struct task *t = data;
    if (!t->work->run(t->control->machine, t->work->file, &t->error) && !t->error)
        g_set_error(&t->error, FRONTEND_ERROR, FRONTEND_ERROR_HOST, "it cannot be done");
    g_idle_add(on_task_done, t);
    return NULL;
}

static void start_task(struct control_client *client, struct control_work *work)
{
    struct task *t = g_new0(struct task, 1);
    t->client = client;
    t->work = work;
    t->control = client->control;
    client->task = t;
    g_ptr_array_add(t->control->tasks, t);
    t->thread = g_thread_new("work", do_work, t);
}

/* ---- More clients ---- */

static void on_new_client(void *ctx)
{
    struct control *c = ctx;
    int fd = unix_listener_accept(c->listener);
    if (fd < 0)
        return;
    if (c->clients->len >= CLIENTS_MAX) {
        char *line = control_failure(NULL, CONTROL_UNAVAILABLE, "there are too many clients already");
        if (line && send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
            g_debug("nor does it want to know");
        free(line);
        close(fd);
        return;
    }
    struct control_client *client = g_new0(struct control_client, 1);
    client->control = c;
    client->fd = fd;
    client->out = g_byte_array_new();
    control_lines_init(&client->lines);
    client->watch = watch_new(fd, G_IO_IN, on_client_ready, client);
    g_ptr_array_add(c->clients, client);
    send_line(client, control_greeting(d86_version()));
    settle(client);
}

/* ---- News ---- */

static void note_news(void *ctx, enum machine_news news)
{
    struct control *c = ctx;
    static const uint64_t one = 1;
    __atomic_or_fetch(&c->news, 1u << news, __ATOMIC_SEQ_CST);
    if (write(c->news_fd, &one, sizeof one) < 0)
        g_debug("the counter is full: then it says that already");
}

static void on_news(void *ctx)
{
    struct control *c = ctx;
    uint64_t count;
    struct machine_status status;
    if (read(c->news_fd, &count, sizeof count) < 0)
        return;
    unsigned news = __atomic_exchange_n(&c->news, 0, __ATOMIC_SEQ_CST);
    if (news & 1u << MACHINE_RESET)
        send_event(c, "reset", NULL, NULL);
    if (news & (1u << MACHINE_PAUSED | 1u << MACHINE_RESUMED)) {
        machine_status(c->machine, &status);
        send_event(c, "state", "state", json_string(status.paused ? "paused" : "running"));
    }
    settle_all(c);
}

/* ---- Life ---- */

static void press_key(void *ctx, uint16_t code, bool down)
{
    machine_key(ctx, code, down);
}

static bool keys_taken(void *ctx)
{
    return machine_keys_taken(ctx);
}

static bool is_paused(void *ctx)
{
    struct machine_status status;
    machine_status(ctx, &status);
    return status.paused;
}

static gboolean open_socket(struct control *c, const char *spec, GError **error)
{
    c->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->news_fd < 0)
        return fail_errno(error, -errno, NULL, "cannot make an eventfd");
    if (!unix_listener_open(c->listener, spec + strlen("unix:"), "the control socket", 0600, error))
        return FALSE;
    c->news_watch = watch_new(c->news_fd, G_IO_IN, on_news, c);
    c->listen_watch = watch_new(c->listener->fd, G_IO_IN, on_new_client, c);
    return TRUE;
}

struct control *control_open(const char *spec, struct machine *machine, GError **error)
{
    struct control *c = g_new0(struct control, 1);
    const struct typist_keyboard keyboard = {
        .key = press_key, .taken = keys_taken, .paused = is_paused, .ctx = machine
    };
    const struct machine_listener listener = { .tell = note_news, .ctx = c };
    c->machine = machine;
    c->listener = g_new0(struct unix_listener, 1);
    c->listener->fd = -1;
    c->clients = g_ptr_array_new_with_free_func(client_free);
    c->tasks = g_ptr_array_new_with_free_func(task_free);
    c->typist = typist_new(&keyboard);
    if (!open_socket(c, spec, error)) {
        control_close(c);
        return NULL;
    }
    machine_listen(machine, &listener);
    return c;
}

/* The last lines, to who still reads. */
static void say_farewell(struct control *c)
{
    gint64 until = g_get_monotonic_time() + FAREWELL_MS * 1000;
    send_event(c, "end", "status", json_integer(machine_end_status(c->machine)));
    for (guint i = 0; i < c->clients->len; i++) {
        struct control_client *client = g_ptr_array_index(c->clients, i);
        struct pollfd fd = { .fd = client->fd, .events = POLLOUT };
        gint64 left;
        while (client->out->len && !client->broken && (left = until - g_get_monotonic_time()) > 0 &&
               poll(&fd, 1, (int)(left / 1000) + 1) > 0)
            write_some(client);
    }
}

void control_close(struct control *c)
{
    if (!c)
        return;
    if (c->listen_watch)
        say_farewell(c);
    watch_free(c->listen_watch);
    watch_free(c->news_watch);
    unix_listener_close(c->listener);
    g_free(c->listener);
    g_ptr_array_unref(c->clients);
    g_ptr_array_unref(c->tasks); /* waits until they are done: they use the machine */
    typist_free(c->typist);
    display_free(c->display);
    if (c->news_fd >= 0)
        close(c->news_fd);
    g_free(c);
}
