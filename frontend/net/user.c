/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A network without privileges: libslirp answers for a gateway, which has DHCP, DNS and TFTP, and makes
 * connections of the guest's into sockets of ours. All of it happens in the cable's thread.
 */
#include "net_private.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <string.h>
#include <sys/stat.h>

struct user_timer {
    SlirpTimerId id;
    void *opaque;
    int64_t expires_ms; /* INT64_MAX: it is off */
};

struct user {
    struct net_end end;
    Slirp *slirp;
    GPtrArray *timers; /* struct user_timer */

    GArray *fds; /* while libslirp fills them */
    const GArray *results;
    unsigned first;
};

/* ---- What libslirp asks ---- */

static int64_t clock_ns(void *opaque)
{
    (void)opaque;
    return g_get_monotonic_time() * 1000;
}

static ssize_t send_packet(const void *data, size_t size, void *opaque)
{
    struct user *u = opaque;
    uint8_t *frame = g_memdup2(data, size);
    nat_mend(frame, size);
    net_deliver(u->end.net, frame, size, true);
    g_free(frame);
    return (ssize_t)size;
}

/* Guests do what they do; there is a trace of frames for those who want to know. */
static void guest_error(const char *message, void *opaque)
{
    (void)message, (void)opaque;
}

static void *timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
    struct user *u = opaque;
    struct user_timer *t = g_new(struct user_timer, 1);
    *t = (struct user_timer){ id, timer_opaque, INT64_MAX };
    g_ptr_array_add(u->timers, t);
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    struct user *u = opaque;
    g_ptr_array_remove_fast(u->timers, timer);
}

static void timer_mod(void *timer, int64_t expires_ms, void *opaque)
{
    struct user_timer *t = timer;
    (void)opaque;
    t->expires_ms = expires_ms;
}

static void ignore_fd(int fd, void *opaque)
{
    (void)fd, (void)opaque; /* all are polled each time */
}

static void ignore(void *opaque)
{
    (void)opaque; /* the thread comes round anyway */
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_ns,
    .timer_new_opaque = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = ignore,
};

/* ---- Waiting ---- */

static int add_fd(int fd, int events, void *opaque)
{
    struct user *u = opaque;
    struct pollfd p = { .fd = fd };
    p.events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) | (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
                       (events & SLIRP_POLL_PRI ? POLLPRI : 0));
    g_array_append_val(u->fds, p);
    return (int)u->fds->len - 1;
}

static int fd_result(int index, void *opaque)
{
    const struct user *u = opaque;
    if (index < (int)u->first || (guint)index >= u->results->len)
        return 0;
    short events = g_array_index(u->results, struct pollfd, index).revents;
    return (events & POLLIN ? SLIRP_POLL_IN : 0) | (events & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (events & POLLPRI ? SLIRP_POLL_PRI : 0) | (events & (POLLERR | POLLNVAL) ? SLIRP_POLL_ERR : 0) |
           (events & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void user_wait(struct net_end *end, GArray *fds, int *timeout_ms)
{
    struct user *u = (struct user *)end;
    uint32_t timeout = UINT32_MAX;
    int64_t now = clock_ns(u) / 1000000;
    u->fds = fds;
    slirp_pollfds_fill(u->slirp, &timeout, add_fd, u);
    for (guint i = 0; i < u->timers->len; i++) {
        const struct user_timer *t = g_ptr_array_index(u->timers, i);
        if (t->expires_ms != INT64_MAX)
            timeout = (uint32_t)MIN(timeout, (uint64_t)MAX(t->expires_ms - now, 0));
    }
    if (timeout < INT32_MAX && (*timeout_ms < 0 || (int)timeout < *timeout_ms))
        *timeout_ms = (int)timeout;
}

static void user_serve(struct net_end *end, const GArray *fds, unsigned first)
{
    struct user *u = (struct user *)end;
    int64_t now = clock_ns(u) / 1000000;
    u->results = fds;
    u->first = first;
    slirp_pollfds_poll(u->slirp, 0, fd_result, u);
    for (guint i = 0; i < u->timers->len; i++) {
        struct user_timer *t = g_ptr_array_index(u->timers, i);
        if (t->expires_ms > now)
            continue;
        t->expires_ms = INT64_MAX;
        slirp_handle_timer(u->slirp, t->id, t->opaque);
    }
}

static void user_send(struct net_end *end, const uint8_t *frame, size_t size)
{
    struct user *u = (struct user *)end;
    if (!nat_is_astray(frame, size))
        slirp_input(u->slirp, frame, (int)size);
}

/* ---- Life ---- */

static gboolean forward(struct user *u, const struct net_forward *f, GError **error)
{
    struct in_addr host = { .s_addr = f->host }, guest = { .s_addr = f->guest };
    char name[INET_ADDRSTRLEN];
    if (slirp_add_hostfwd(u->slirp, f->udp, host, f->host_port, guest, f->guest_port) == 0)
        return TRUE;
    int err = errno;
    inet_ntop(AF_INET, &host, name, sizeof name);
    return fail_errno(error, err ? -err : -EADDRINUSE, NULL, "--net: cannot forward %s port %u of %s",
                      f->udp ? "UDP" : "TCP", f->host_port, name);
}

static gboolean check_folder(const char *path, GError **error)
{
    struct stat st;
    if (path && stat(path, &st) < 0)
        return fail_errno(error, -errno, NULL, "--net: cannot use the TFTP folder '%s'", path);
    if (path && !S_ISDIR(st.st_mode))
        return fail_with(error, FRONTEND_ERROR_USAGE, "--net: tftp '%s' is no folder", path);
    return TRUE;
}

static void start(struct user *u, const struct net_spec *spec)
{
    SlirpConfig config = {
        .version = 4,
        .restricted = spec->restrict_,
        .in_enabled = true,
        .vnetwork.s_addr = htonl(NAT_NETWORK),
        .vnetmask.s_addr = htonl(NAT_MASK),
        .vhost.s_addr = htonl(NAT_GATEWAY),
        .in6_enabled = spec->ipv6,
        .vprefix_addr6.s6_addr = { 0xfe, 0xc0 },
        .vprefix_len = 64,
        .vhost6.s6_addr = { 0xfe, 0xc0, [15] = 2 },
        .tftp_path = spec->tftp,
        .bootfile = spec->bootfile,
        .vdhcp_start.s_addr = htonl(NAT_FIRST),
        .vnameserver.s_addr = htonl(NAT_NAMESERVER),
        .vnameserver6.s6_addr = { 0xfe, 0xc0, [15] = 3 },
    };
    u->slirp = slirp_new(&config, &callbacks, u);
}

static void user_close(struct net_end *end)
{
    struct user *u = (struct user *)end;
    if (u->slirp)
        slirp_cleanup(u->slirp);
    g_ptr_array_free(u->timers, TRUE);
    g_free(u);
}

static struct net_end *user_open(struct net *net, const struct net_spec *spec, GError **error)
{
    if (!check_folder(spec->tftp, error))
        return NULL;
    struct user *u = g_new0(struct user, 1);
    u->end = (struct net_end){ &net_user_type, net };
    u->timers = g_ptr_array_new_with_free_func(g_free);
    start(u, spec);
    gboolean ok = u->slirp || fail_with(error, FRONTEND_ERROR_HOST, "--net: libslirp cannot be started");
    for (guint i = 0; ok && i < spec->forwards->len; i++)
        ok = forward(u, &g_array_index(spec->forwards, struct net_forward, i), error);
    if (ok)
        return &u->end;
    user_close(&u->end);
    return NULL;
}

const struct net_end_type net_user_type = {
    .open = user_open,
    .close = user_close,
    .takes_segments = true,
    .send = user_send,
    .wait = user_wait,
    .serve = user_serve,
};
