/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two queues and a thread. Nothing is lost on the way to the guest: when much waits, the other end is not
 * listened to any more until the guest has caught up.
 */
#include "net_private.h"

#include "error.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    TO_GUEST_MANY = 512, /* frames: do not listen */
    TO_GUEST_FEW = 128,  /* ... any more */
    TO_GUEST_MAX = 4096, /* an end that has to deliver all the same: lost */
    FROM_GUEST_MAX = 4096,
};

struct net {
    struct net_end *end;
    struct net_dump *dump;
    GThread *thread;
    int wake; /* an eventfd: the thread is to look around */
    void (*news)(void *ctx);
    void *ctx;

    GMutex lock;     /* guards what follows */
    GQueue to_guest; /* struct net_frame */
    GQueue from_guest;
    bool join_ipv4, join_ipv6; /* what net_take_segments() said */
    bool told;                 /* `news` has been called, and nobody has looked since */
    bool deaf;                 /* too much waits for the guest */
    bool ending;
    struct net_counters counters;

    int waiting;            /* frames in to_guest and `held`; changed atomically */
    struct net_frame *held; /* put back: the processor's thread's alone */
};

static void rouse(struct net *net)
{
    const uint64_t one = 1;
    if (write(net->wake, &one, sizeof one) < 0)
        g_assert(errno == EAGAIN); /* it is awake */
}

static void count(struct net_flow *flow, size_t size, bool lost)
{
    flow->lost += lost;
    flow->frames += !lost;
    flow->bytes += lost ? 0 : size;
}

/* ---- Frames ---- */

static struct net_frame *new_frame(const uint8_t *data, size_t size)
{
    struct net_frame *f = g_malloc(sizeof *f + size);
    *f = (struct net_frame){ .size = (uint32_t)size, .room = (uint32_t)size };
    memcpy(f->data, data, size);
    return f;
}

void net_send(struct net *net, const struct device_frame *frame)
{
    struct net_frame *f = new_frame(frame->data, frame->size);
    f->segment = frame->segment;
    g_mutex_lock(&net->lock);
    bool idle = net->from_guest.length == 0, full = net->from_guest.length >= FROM_GUEST_MAX;
    count(&net->counters.from_guest, frame->size, full);
    if (!full)
        g_queue_push_tail(&net->from_guest, f);
    g_mutex_unlock(&net->lock);
    if (full)
        g_free(f);
    else if (idle)
        rouse(net);
}

bool net_has_frames(const struct net *net)
{
    return g_atomic_int_get(&net->waiting) > 0;
}

struct net_frame *net_take(struct net *net)
{
    struct net_frame *f = net->held;
    bool relieved = false;
    net->held = NULL;
    if (!f) {
        g_mutex_lock(&net->lock);
        f = g_queue_pop_head(&net->to_guest);
        net->told = false;
        relieved = net->deaf && net->to_guest.length <= TO_GUEST_FEW;
        net->deaf = net->deaf && !relieved;
        g_mutex_unlock(&net->lock);
    }
    if (f)
        g_atomic_int_add(&net->waiting, -1);
    if (relieved)
        rouse(net);
    return f;
}

void net_put_back(struct net *net, struct net_frame *frame)
{
    net->held = frame;
    g_atomic_int_inc(&net->waiting);
}

void net_take_segments(struct net *net, bool ipv4, bool ipv6)
{
    g_mutex_lock(&net->lock);
    net->join_ipv4 = ipv4;
    net->join_ipv6 = ipv6;
    g_mutex_unlock(&net->lock);
}

/* Does it become part of the frame that came before it, and still waits? */
static bool join_last(struct net *net, const uint8_t *frame, size_t size)
{
    GList *last = net->to_guest.tail;
    struct net_frame *f = last ? last->data : NULL;
    if (!f || !f->checked || !segments_join(&f, frame, size, net->join_ipv4, net->join_ipv6))
        return false;
    last->data = f;
    count(&net->counters.to_guest, size, false);
    return true;
}

void net_deliver(struct net *net, const uint8_t *frame, size_t size, bool checked)
{
    if (size > DEVICE_FRAME_MAX || !size)
        return;
    net_dump_frame(net->dump, frame, size);
    g_mutex_lock(&net->lock);
    bool joined = checked && (net->join_ipv4 || net->join_ipv6) && join_last(net, frame, size);
    g_mutex_unlock(&net->lock);
    if (joined)
        return;
    struct net_frame *f = new_frame(frame, size);
    f->checked = checked;
    g_mutex_lock(&net->lock);
    bool full = net->to_guest.length >= TO_GUEST_MAX, tell = !full && !net->told;
    count(&net->counters.to_guest, size, full);
    net->deaf = net->deaf || net->to_guest.length >= TO_GUEST_MANY;
    net->told = net->told || tell;
    if (!full) {
        g_queue_push_tail(&net->to_guest, f);
        g_atomic_int_inc(&net->waiting);
    }
    g_mutex_unlock(&net->lock);
    if (full)
        g_free(f);
    if (tell)
        net->news(net->ctx);
}

void net_count(struct net *net, struct net_counters *counters)
{
    g_mutex_lock(&net->lock);
    *counters = net->counters;
    g_mutex_unlock(&net->lock);
}

/* ---- The thread ---- */

static void send_part(void *ctx, const uint8_t *frame, size_t size)
{
    struct net *net = ctx;
    net_dump_frame(net->dump, frame, size);
    net->end->type->send(net->end, frame, size);
}

/* The dump has frames as they would be on a cable. */
static void dump_part(void *ctx, const uint8_t *frame, size_t size)
{
    const struct net *net = ctx;
    net_dump_frame(net->dump, frame, size);
}

static void send_one(struct net *net, struct net_frame *f)
{
    if (!f->segment) {
        send_part(net, f->data, f->size);
    } else if (!net->end->type->takes_segments) {
        segments_divide(f, send_part, net);
    } else if (segments_finish(f)) {
        if (net->dump)
            segments_divide(f, dump_part, net);
        net->end->type->send(net->end, f->data, f->size);
    }
}

/* Send all that the guest has sent. False: the cable is to be closed. */
static bool send_all(struct net *net, bool *deaf)
{
    g_mutex_lock(&net->lock);
    GQueue frames = net->from_guest;
    g_queue_init(&net->from_guest);
    bool ending = net->ending;
    g_mutex_unlock(&net->lock);
    for (struct net_frame *f; (f = g_queue_pop_head(&frames)); g_free(f))
        send_one(net, f);
    g_mutex_lock(&net->lock);
    *deaf = net->deaf;
    g_mutex_unlock(&net->lock);
    return !ending;
}

static void clear(int eventfd)
{
    uint64_t count;
    if (read(eventfd, &count, sizeof count) < 0)
        g_assert(errno == EAGAIN);
}

static gpointer run(gpointer data)
{
    struct net *net = data;
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    bool deaf;
    while (send_all(net, &deaf)) {
        const struct pollfd wake = { .fd = net->wake, .events = POLLIN };
        int timeout_ms = -1;
        g_array_set_size(fds, 0);
        g_array_append_val(fds, wake);
        if (!deaf)
            net->end->type->wait(net->end, fds, &timeout_ms);
        if (poll((struct pollfd *)(void *)fds->data, fds->len, timeout_ms) < 0)
            g_assert(errno == EINTR);
        clear(net->wake);
        if (!deaf)
            net->end->type->serve(net->end, fds, 1);
    }
    g_array_free(fds, TRUE);
    return NULL;
}

/* ---- Life ---- */

static const struct net_end_type *const types[] = {
    [NET_USER] = &net_user_type,
    [NET_TAP] = &net_tap_type,
    [NET_SOCKET] = &net_socket_type,
};

struct net *net_open(const struct net_spec *spec, void (*news)(void *ctx), void *ctx, GError **error)
{
    struct net *net = g_new0(struct net, 1);
    GError *theirs = NULL;
    g_mutex_init(&net->lock);
    net->news = news;
    net->ctx = ctx;
    net->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (net->wake < 0)
        fail_errno(&theirs, -errno, NULL, "cannot make a network cable");
    if (!theirs && spec->dump)
        net->dump = net_dump_open(spec->dump, &theirs);
    if (!theirs)
        net->end = types[spec->kind]->open(net, spec, &theirs);
    if (!theirs)
        net->thread = g_thread_try_new("network", run, net, &theirs);
    if (!theirs)
        return net;
    g_propagate_error(error, theirs);
    net_close(net);
    return NULL;
}

static void end_thread(struct net *net)
{
    g_mutex_lock(&net->lock);
    net->ending = true;
    g_mutex_unlock(&net->lock);
    rouse(net);
    g_thread_join(net->thread);
}

void net_close(struct net *net)
{
    if (!net)
        return;
    if (net->thread)
        end_thread(net);
    if (net->end)
        net->end->type->close(net->end);
    net_dump_close(net->dump);
    if (net->wake >= 0)
        close(net->wake);
    g_queue_clear_full(&net->to_guest, g_free);
    g_queue_clear_full(&net->from_guest, g_free);
    g_free(net->held);
    g_mutex_clear(&net->lock);
    g_free(net);
}
